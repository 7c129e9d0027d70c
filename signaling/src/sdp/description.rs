//! A session description as received: what audio negotiation needs of it, and enough of the rest to answer it.

use std::net::{IpAddr, SocketAddr};

use super::{AudioCodec, CryptoLine, Direction, DtlsLines};

/// A parsed session description (RFC 8866).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`
    pub origin: Origin,
    /// The session's `c=`.
    pub connection: Option<Connection>,
    /// `t=`: start and stop in NTP seconds; an answer repeats them.
    pub time: (u64, u64),
    /// Every `m=` section, in order, those we can not use included.
    pub media: Vec<Media>,
    /// `a=ice-lite`: they check nothing.
    pub is_lite: bool,
    /// The sections of `a=group:BUNDLE` (RFC 9143), by their `a=mid`.
    pub bundle: Vec<String>,
}

/// `o=`: who made the description, and which version of it this is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Usually `-`.
    pub user: String,
    /// The session's id, as written: a number.
    pub session_id: String,
    /// Grows by one with each change.
    pub version: u64,
}

/// The address of a `c=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// An address.
    Address(IpAddr),
    /// A host name, which we do not resolve.
    HostName,
}

/// One `m=` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: String,
    /// The port; 0 means "not wanted".
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `UDP/TLS/RTP/SAVPF`, …
    pub protocol: String,
    /// The formats as written; for RTP payload types in order of preference.
    pub formats: Vec<String>,
    /// The section's own `c=`.
    pub connection: Option<Connection>,
    /// Its direction, or the session's, or sendrecv.
    pub direction: Direction,
    /// `a=rtpmap` lines.
    pub encodings: Vec<Encoding>,
    /// `a=fmtp` lines: payload type and parameters.
    pub format_params: Vec<(u8, String)>,
    /// `a=ptime` in ms, when it is a number from 1 to 1000.
    pub ptime_ms: Option<u16>,
    /// `a=maxptime` in ms, when it is a number from 1 to 1000.
    pub max_ptime_ms: Option<u16>,
    /// `a=rtcp`: port, and address if given (RFC 3605).
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// `a=rtcp-mux` (RFC 5761).
    pub rtcp_mux: bool,
    /// `a=rtcp-xr` asks for VoIP metrics (RFC 3611 section 5.1).
    pub rtcp_xr: bool,
    /// The usable `a=crypto` lines (RFC 4568), in order of preference.
    pub crypto: Vec<CryptoLine>,
    /// What it says of DTLS and ICE.
    pub dtls: DtlsLines,
}

/// `a=rtpmap:type name/clock/channels`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// 0 to 127.
    pub payload_type: u8,
    /// As written.
    pub name: String,
    /// In Hz.
    pub clock_hz: u32,
    /// 1 when not written.
    pub channels: u8,
}

/// One audio format of an `m=` section that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The codec.
    pub codec: AudioCodec,
    /// The `a=fmtp` parameters; empty when there are none.
    pub params: &'a str,
}

impl Media {
    /// True for audio with a port, over plain RTP or over SRTP: what we can talk to.
    #[must_use]
    pub fn is_audio(&self) -> bool {
        self.is_plain_audio() || self.is_secure_audio() || self.is_dtls_audio()
    }

    /// True for audio over SRTP with a port and keys in the description. It is never answered as plain.
    #[must_use]
    pub fn is_secure_audio(&self) -> bool {
        self.kind == "audio" && self.port != 0 && matches!(self.protocol.as_str(), "RTP/SAVP" | "RTP/SAVPF")
    }

    /// True for audio over SRTP with a port whose keys can be agreed by DTLS. It is never answered as anything else.
    #[must_use]
    pub fn is_dtls_audio(&self) -> bool {
        let is_dtls = matches!(self.protocol.as_str(), "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF");
        self.kind == "audio" && self.port != 0 && is_dtls && self.dtls.is_usable()
    }

    /// True for audio over plain RTP with a port.
    #[must_use]
    pub fn is_plain_audio(&self) -> bool {
        self.kind == "audio" && self.port != 0 && matches!(self.protocol.as_str(), "RTP/AVP" | "RTP/AVPF")
    }

    /// The payload types of the `m=` line; what is no number up to 127 is left out.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|payload_type| *payload_type <= 127)
    }

    /// The codecs we know, in the order of the `m=` line.
    pub fn audio_formats(&self) -> impl Iterator<Item = AudioFormat<'_>> {
        self.payload_types().filter_map(|payload_type| {
            let codec = match self.encoding(payload_type) {
                Some(encoding) => AudioCodec::of_encoding(&encoding.name, encoding.clock_hz, encoding.channels),
                None => AudioCodec::of_static(payload_type),
            };
            codec.map(|codec| AudioFormat { payload_type, codec, params: self.params_of(payload_type) })
        })
    }

    /// The payload type of RFC 4733 events with a clock.
    #[must_use]
    pub fn dtmf(&self, clock_hz: u32) -> Option<u8> {
        self.payload_types().find(|payload_type| {
            self.encoding(*payload_type)
                .is_some_and(|encoding| encoding.name.eq_ignore_ascii_case("telephone-event") && encoding.clock_hz == clock_hz)
        })
    }

    /// Its `a=rtpmap`.
    #[must_use]
    pub fn encoding(&self, payload_type: u8) -> Option<&Encoding> {
        self.encodings.iter().find(|encoding| encoding.payload_type == payload_type)
    }

    pub(super) fn params_of(&self, payload_type: u8) -> &str {
        self.format_params.iter().find(|(of, _)| *of == payload_type).map_or("", |(_, params)| params)
    }
}

impl SessionDescription {
    /// The connection that counts for a section: its own, or the session's (RFC 8866 section 5.7).
    #[must_use]
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// Where RTCP goes: the `a=rtcp` address, or the port above RTP; `None` when there is none.
    #[must_use]
    pub fn rtcp_address(media: &Media, rtp: SocketAddr) -> Option<SocketAddr> {
        match media.rtcp {
            Some((port, address)) => Some(SocketAddr::new(address.unwrap_or(rtp.ip()), port)),
            None => rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port)),
        }
        .filter(|address| address.port() != 0 && !address.ip().is_multicast() && !address.ip().is_unspecified())
    }
}
