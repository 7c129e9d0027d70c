//! Reads session descriptions (RFC 8866 section 5). Bounded, tolerant of what senders leave out, and typed in what it
//! refuses. Lines and attributes without meaning for audio are skipped.

use std::net::IpAddr;

use super::description::{Connection, Encoding, Media, Origin, SessionDescription};
use super::{CryptoLine, Direction, DtlsLines};

/// The most bytes of a description.
pub const MAX_SDP_BYTES: usize = 32 * 1024;
/// The most `m=` sections.
pub const MAX_MEDIA: usize = 32;
/// The most formats of one section, and the most `a=rtpmap` and `a=fmtp` lines.
pub const MAX_FORMATS: usize = 64;

/// The most usable `a=crypto` lines of one section; more are skipped.
const MAX_KEYS: usize = 16;

/// Why a description can not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Over [`MAX_SDP_BYTES`].
    #[error("session description too long")]
    TooLong,
    /// Over [`MAX_MEDIA`].
    #[error("too many media sections")]
    TooManyMedia,
    /// Over [`MAX_FORMATS`].
    #[error("too many formats in a media section")]
    TooManyFormats,
    /// A line that is not `letter=value`.
    #[error("line without a type")]
    BadLine,
    /// The first line is not `v=0`.
    #[error("no v=0 line")]
    Version,
    /// `o=` is missing or malformed.
    #[error("missing or malformed o= line")]
    Origin,
    /// A malformed `c=`.
    #[error("malformed c= line")]
    Connection,
    /// A malformed `t=`.
    #[error("malformed t= line")]
    Time,
    /// A malformed `m=`.
    #[error("malformed m= line")]
    Media,
}

impl SessionDescription {
    /// Reads a description; lines end in CRLF or LF.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, SdpError> {
        if bytes.len() > MAX_SDP_BYTES {
            return Err(SdpError::TooLong);
        }
        let mut reader = Reader::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                reader.line(line)?;
            }
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    has_version: bool,
    origin: Option<Origin>,
    connection: Option<Connection>,
    time: Option<(u64, u64)>,
    /// The session's direction; a section's own replaces it.
    direction: Direction,
    /// What stands before the sections counts for those that do not say it themselves.
    dtls: DtlsLines,
    is_lite: bool,
    bundle: Vec<String>,
    media: Vec<Media>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), SdpError> {
        let [kind, b'=', value @ ..] = line else { return Err(SdpError::BadLine) };
        if !self.has_version {
            self.has_version = *kind == b'v' && value == b"0";
            return if self.has_version { Ok(()) } else { Err(SdpError::Version) };
        }
        // Names and titles come in any character set (RFC 8866 section 6.10); what we act on is ASCII.
        let value = str::from_utf8(value).unwrap_or("");
        match kind {
            b'o' if self.origin.is_none() => self.origin = Some(read_origin(value).ok_or(SdpError::Origin)?),
            b'c' => {
                let connection = Some(read_connection(value).ok_or(SdpError::Connection)?);
                match self.media.last_mut() {
                    Some(media) => media.connection = connection,
                    None => self.connection = connection,
                }
            }
            b't' if self.time.is_none() => self.time = Some(read_time(value).ok_or(SdpError::Time)?),
            b'm' => {
                if self.media.len() >= MAX_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                self.media.push(read_media(value, self.direction, &self.dtls)?);
            }
            b'a' => match self.media.last_mut() {
                Some(media) => read_attribute(media, value)?,
                None => self.attribute(value),
            },
            _ => {}
        }
        Ok(())
    }

    /// An attribute of the session.
    fn attribute(&mut self, value: &str) {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "ice-lite" => self.is_lite = true,
            "group" => {
                let mut words = value.split_ascii_whitespace();
                if words.next() == Some("BUNDLE") {
                    self.bundle = words.take(MAX_MEDIA).map(str::to_owned).collect();
                }
            }
            _ if self.dtls.read(name, value) => {}
            _ => self.direction = Direction::of(name).unwrap_or(self.direction),
        }
    }

    fn finish(self) -> Result<SessionDescription, SdpError> {
        if !self.has_version {
            return Err(SdpError::Version);
        }
        Ok(SessionDescription {
            origin: self.origin.ok_or(SdpError::Origin)?,
            connection: self.connection,
            time: self.time.unwrap_or((0, 0)),
            media: self.media,
            is_lite: self.is_lite,
            bundle: self.bundle,
        })
    }
}

fn read_origin(value: &str) -> Option<Origin> {
    let mut words = value.split_ascii_whitespace();
    let (user, session_id, version) = (words.next()?, words.next()?, words.next()?);
    let is_number = session_id.bytes().all(|digit| digit.is_ascii_digit());
    // Network type, address type and address must be there; nobody acts on them.
    words.nth(2)?;
    is_number.then_some(())?;
    Some(Origin { user: user.to_owned(), session_id: session_id.to_owned(), version: version.parse().ok()? })
}

fn read_connection(value: &str) -> Option<Connection> {
    let mut words = value.split_ascii_whitespace();
    if words.next() != Some("IN") {
        return None;
    }
    let family = words.next()?;
    // `224.2.1.1/127/3`: multicast with time to live and count.
    let host = words.next()?.split('/').next()?;
    let Ok(address) = host.parse::<IpAddr>() else {
        let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        return (!host.is_empty() && is_name).then_some(Connection::HostName);
    };
    let expected = if address.is_ipv4() { "IP4" } else { "IP6" };
    (family == expected).then_some(Connection::Address(address))
}

fn read_time(value: &str) -> Option<(u64, u64)> {
    let mut words = value.split_ascii_whitespace().map(|word| word.parse().ok());
    Some((words.next()??, words.next()??))
}

fn read_media(value: &str, direction: Direction, dtls: &DtlsLines) -> Result<Media, SdpError> {
    let mut words = value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
        return Err(SdpError::Media);
    };
    // `49170/2`: a range of ports; we use the first.
    let port = port.split('/').next().and_then(|port| port.parse().ok()).ok_or(SdpError::Media)?;
    let formats: Vec<String> = words.take(MAX_FORMATS + 1).map(str::to_owned).collect();
    match formats.len() {
        0 => Err(SdpError::Media),
        1..=MAX_FORMATS => Ok(Media {
            kind: kind.to_owned(),
            port,
            protocol: protocol.to_owned(),
            formats,
            connection: None,
            direction,
            encodings: Vec::new(),
            format_params: Vec::new(),
            ptime_ms: None,
            max_ptime_ms: None,
            rtcp: None,
            rtcp_mux: false,
            rtcp_xr: false,
            crypto: Vec::new(),
            dtls: dtls.clone(),
        }),
        _ => Err(SdpError::TooManyFormats),
    }
}

/// An attribute of a section. One that is malformed is skipped: it describes a format we then do not know.
fn read_attribute(media: &mut Media, value: &str) -> Result<(), SdpError> {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    match name {
        "rtpmap" | "fmtp" if media.encodings.len().max(media.format_params.len()) >= MAX_FORMATS => {
            return Err(SdpError::TooManyFormats);
        }
        "rtpmap" => media.encodings.extend(read_rtpmap(value)),
        "fmtp" => media.format_params.extend(read_fmtp(value)),
        "ptime" => media.ptime_ms = read_ptime(value),
        "maxptime" => media.max_ptime_ms = read_ptime(value),
        "rtcp" => media.rtcp = read_rtcp(value),
        "rtcp-mux" => media.rtcp_mux = true,
        "rtcp-xr" => media.rtcp_xr = value.split_ascii_whitespace().any(|format| format == "voip-metrics"),
        "crypto" if media.crypto.len() < MAX_KEYS => media.crypto.extend(CryptoLine::read(value)),
        _ if media.dtls.read(name, value) => {}
        _ => media.direction = Direction::of(name).unwrap_or(media.direction),
    }
    Ok(())
}

fn read_payload_type(word: &str) -> Option<u8> {
    word.parse().ok().filter(|payload_type| *payload_type <= 127)
}

fn read_rtpmap(value: &str) -> Option<Encoding> {
    let (payload_type, encoding) = value.trim().split_once([' ', '\t'])?;
    let mut parts = encoding.trim().split('/');
    let (name, clock_hz) = (parts.next()?, parts.next()?.parse().ok().filter(|clock| *clock > 0)?);
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
    Some(Encoding { payload_type: read_payload_type(payload_type)?, name: name.to_owned(), clock_hz, channels })
}

fn read_fmtp(value: &str) -> Option<(u8, String)> {
    let (payload_type, params) = value.trim().split_once([' ', '\t'])?;
    Some((read_payload_type(payload_type)?, params.trim().to_owned()))
}

/// Some senders write a fraction (`20.0`); nobody means one.
fn read_ptime(value: &str) -> Option<u16> {
    value.trim().split('.').next()?.parse().ok().filter(|ptime| (1..=1000).contains(ptime))
}

fn read_rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok()?;
    Some((port, words.nth(2).and_then(|address| address.parse().ok())))
}
