//! Our side of a session over its life: offers we make and answers we give, with one id, a growing version, a stable
//! order of `m=` sections and stable payload types (RFC 3264 section 8).

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::description::{Media, SessionDescription};
use super::dtls::SessionDtls;
use super::kept::Kept;
use super::keys::SessionKeys;
use super::negotiate::{self, Incompatible, Negotiated};
use super::payload_types::PayloadTypes;
use super::{AudioCodec, CryptoLine, Direction, KeyPolicy, KeyRule};

/// What we have to offer for a call's audio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAudio {
    /// The address that media is sent to us.
    pub address: IpAddr,
    /// Its RTP port; RTCP is one above unless multiplexed.
    pub port: u16,
    /// The codecs we accept, best first.
    pub codecs: Vec<AudioCodec>,
    /// What we want: sendonly or inactive to hold.
    pub direction: Direction,
    /// Whether RTP and RTCP may share the port (RFC 5761).
    pub rtcp_mux: bool,
    /// Whether it is encrypted, with the seed of what keys are needed now.
    #[serde(skip)]
    pub keys: KeyPolicy,
}

/// An offer that we made: its text, and what is needed to read the answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdpOffer {
    /// The body to send, `application/sdp`.
    pub text: String,
    /// What we offered.
    pub local: LocalAudio,
}

impl fmt::Debug for SdpOffer {
    /// The text may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdpOffer").field("local", &self.local).finish_non_exhaustive()
    }
}

/// The state of our side. One per call leg.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct LocalSession {
    pub(super) id: u64,
    pub(super) version: u64,
    /// Hash of the last description without its version: an unchanged one keeps its version.
    pub(super) last: Option<u64>,
    /// Every `m=` section ever used, in order: later offers must keep them.
    pub(super) sections: Vec<Section>,
    pub(super) payload_types: PayloadTypes,
    /// The keys, once there are some.
    pub(super) keys: Option<Box<SessionKeys>>,
    /// How they are agreed by DTLS, where they are.
    pub(super) dtls: Option<Box<SessionDtls>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Section {
    Audio {
        protocol: String,
    },
    /// Not wanted: answered and offered with port 0.
    Refused {
        kind: String,
        protocol: String,
        format: String,
    },
}

impl LocalSession {
    /// A new session. `id` must not repeat on this machine; a number under 2⁶³ so that every peer can read it.
    #[must_use]
    pub fn new(id: u64) -> Self {
        let id = id & (u64::MAX >> 1);
        let (sections, payload_types) = (Vec::new(), PayloadTypes::default());
        Self { id, version: id, last: None, sections, payload_types, keys: None, dtls: None }
    }

    /// Makes an offer: the first of the session or a later one (hold, resume, another address).
    pub fn offer(&mut self, local: &LocalAudio) -> SdpOffer {
        if !self.sections.iter().any(|section| matches!(section, Section::Audio { .. })) {
            let protocol = match local.keys.rule() {
                KeyRule::Plain | KeyRule::Optional => "RTP/AVP",
                KeyRule::Sdes => "RTP/SAVP",
                KeyRule::Dtls => "UDP/TLS/RTP/SAVPF",
            };
            self.sections.push(Section::Audio { protocol: protocol.to_owned() });
        }
        // What was encrypted stays so.
        self.keys = match local.keys.seed().filter(|_| self.is_secure()) {
            Some(seed) => Some(Box::new(SessionKeys::offer(self.keys.as_deref(), local, seed))),
            None => self.keys.take().filter(|_| self.is_secure()),
        };
        if let Some(means) = local.keys.dtls().filter(|_| self.is_dtls()) {
            self.dtls = Some(Box::new(SessionDtls::offer(self.dtls.as_deref(), local, means)));
        }
        let audio = AudioText {
            local,
            formats: &self.payload_types.offer(&local.codecs),
            direction: local.direction,
            rtcp_mux: local.rtcp_mux,
            rtcp_xr: true,
            ptime_ms: negotiate::DEFAULT_PTIME_MS,
            keys: self.keys.as_deref().map(SessionKeys::lines).unwrap_or_default().to_vec(),
        };
        SdpOffer { text: self.describe((0, 0), &audio), local: local.clone() }
    }

    /// Answers an offer with one codec: the first of ours that the offer has.
    ///
    /// # Errors
    /// Why nothing fits; the SIP answer is then 488.
    pub fn answer(&mut self, offer: &SessionDescription, local: &LocalAudio) -> Result<(String, Negotiated), Incompatible> {
        if offer.media.len() < self.sections.len() {
            return Err(Incompatible::SectionsChanged);
        }
        let (at, mut negotiated) = negotiate::from_offer(offer, local)?;
        self.dtls = match offer.media.get(at).filter(|media| media.is_dtls_audio()) {
            Some(media) => {
                let means = local.keys.dtls().ok_or(Incompatible::NoKey)?;
                let answered = SessionDtls::answer(self.dtls.as_deref(), (offer, media), local, means);
                let (session, agreed) = answered.ok_or(Incompatible::NoKey)?;
                negotiated.dtls = Some(Box::new(agreed));
                Some(Box::new(session))
            }
            None => None,
        };
        let seed = local.keys.seed().filter(|_| offer.media[at].is_secure_audio());
        let answered = seed.map(|seed| SessionKeys::answer(self.keys.as_deref(), &offer.media[at], local, seed));
        (self.keys, negotiated.keys) = match answered {
            Some(answered) => {
                let (session, keys) = answered.ok_or(Incompatible::NoKey)?;
                (Some(Box::new(session)), Some(Box::new(keys)))
            }
            None => (None, None),
        };
        let sections = offer.media.iter().enumerate();
        self.sections = sections.map(|(other, media)| Section::of(media, at == other)).collect();
        self.payload_types.learn(&negotiated);
        let audio = AudioText {
            local,
            formats: &PayloadTypes::answer(&negotiated),
            direction: negotiated.direction,
            rtcp_mux: negotiated.rtcp_mux,
            rtcp_xr: negotiated.rtcp_xr,
            ptime_ms: negotiated.ptime_ms,
            keys: self.keys.as_deref().map(SessionKeys::lines).unwrap_or_default().to_vec(),
        };
        Ok((self.describe(offer.time, &audio), negotiated))
    }

    /// Reads the answer to our offer.
    ///
    /// # Errors
    /// Why there is no audio now.
    pub fn read_answer(&mut self, offer: &SdpOffer, answer: &SessionDescription) -> Result<Negotiated, Incompatible> {
        if answer.media.len() != self.sections.len() {
            return Err(Incompatible::SectionsChanged);
        }
        let mut pairs = self.sections.iter().zip(&answer.media);
        let audio = pairs.find(|(section, _)| matches!(section, Section::Audio { .. }));
        let (_, media) = audio.ok_or(Incompatible::NoAudio)?;
        let mut negotiated = negotiate::from_answer(&offer.local, &self.payload_types, answer, media)?;
        // Nobody answers what was offered encrypted in the clear, or the other way round.
        match (&mut self.keys, &mut self.dtls) {
            (None, None) if media.is_plain_audio() => {}
            (Some(keys), None) if media.is_secure_audio() => {
                negotiated.keys = Some(Box::new(keys.read_answer(media).ok_or(Incompatible::NoKey)?));
            }
            (None, Some(dtls)) if media.is_dtls_audio() => {
                negotiated.dtls = Some(Box::new(dtls.read_answer(answer, media).ok_or(Incompatible::NoKey)?));
            }
            _ => return Err(Incompatible::NoKey),
        }
        Ok(negotiated)
    }

    /// Whether the audio section is over SRTP.
    fn is_secure(&self) -> bool {
        let secure = |section: &Section| matches!(section, Section::Audio { protocol } if protocol.starts_with("RTP/SAVP"));
        self.sections.iter().any(secure)
    }

    /// Whether its keys are agreed by DTLS.
    #[must_use]
    pub fn is_dtls(&self) -> bool {
        let by_dtls = |section: &Section| matches!(section, Section::Audio { protocol } if protocol.starts_with("UDP/TLS/"));
        self.sections.iter().any(by_dtls)
    }

    /// Prints the whole description, with a new version if anything changed.
    fn describe(&mut self, time: (u64, u64), audio: &AudioText<'_>) -> String {
        let mut rest = String::with_capacity(512);
        let (family, address) = family_and_address(audio.local.address);
        let (start, stop) = time;
        let _ = write!(rest, "s=-\r\nc=IN {family} {address}\r\nt={start} {stop}\r\n");
        if let Some(dtls) = &self.dtls {
            dtls.print_session(&mut rest);
        }
        for section in &self.sections {
            match section {
                Section::Audio { protocol } => {
                    audio.print(protocol, &mut rest);
                    if let Some(dtls) = &self.dtls {
                        dtls.print(&mut rest);
                    }
                }
                Section::Refused { kind, protocol, format } => {
                    let _ = write!(rest, "m={kind} 0 {protocol} {format}\r\n");
                }
            }
        }
        let mut hasher = DefaultHasher::new();
        rest.hash(&mut hasher);
        let hash = hasher.finish();
        if self.last.is_some_and(|last| last != hash) {
            self.version += 1;
        }
        self.last = Some(hash);
        format!("v=0\r\no=- {} {} IN {family} {address}\r\n{rest}", self.id, self.version)
    }
}

impl Section {
    fn of(media: &Media, is_chosen: bool) -> Self {
        let protocol = media.protocol.clone();
        if is_chosen {
            return Self::Audio { protocol };
        }
        Self::Refused { kind: media.kind.clone(), protocol, format: media.formats.first().cloned().unwrap_or_default() }
    }
}

fn family_and_address(address: IpAddr) -> (&'static str, IpAddr) {
    (if address.is_ipv4() { "IP4" } else { "IP6" }, address)
}

/// One format of our `m=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Codec(u8, AudioCodec),
    /// Payload type and clock in Hz.
    Dtmf(u8, u32),
}

/// What our audio section says.
struct AudioText<'a> {
    local: &'a LocalAudio,
    formats: &'a [Format],
    direction: Direction,
    rtcp_mux: bool,
    rtcp_xr: bool,
    ptime_ms: u16,
    keys: Vec<CryptoLine>,
}

impl AudioText<'_> {
    fn print(&self, protocol: &str, out: &mut String) {
        let _ = write!(out, "m=audio {} {protocol}", self.local.port);
        for format in self.formats {
            let (Format::Codec(payload_type, _) | Format::Dtmf(payload_type, _)) = format;
            let _ = write!(out, " {payload_type}");
        }
        out.push_str("\r\n");
        for format in self.formats {
            let _ = match format {
                Format::Codec(payload_type, AudioCodec::Opus) => {
                    write!(out, "a=rtpmap:{payload_type} opus/48000/2\r\na=fmtp:{payload_type} minptime=10;useinbandfec=1\r\n")
                }
                // No pauses left out (annex B): what is passed on must be what both can read.
                Format::Codec(payload_type, AudioCodec::G729) => {
                    write!(out, "a=rtpmap:{payload_type} G729/8000\r\na=fmtp:{payload_type} annexb=no\r\n")
                }
                Format::Codec(payload_type, codec) => {
                    write!(out, "a=rtpmap:{payload_type} {}/{}\r\n", codec.encoding_name(), codec.clock_hz())
                }
                Format::Dtmf(payload_type, clock_hz) => {
                    write!(out, "a=rtpmap:{payload_type} telephone-event/{clock_hz}\r\na=fmtp:{payload_type} 0-15\r\n")
                }
            };
        }
        let _ = write!(out, "a=ptime:{}\r\na={}\r\n", self.ptime_ms, self.direction.as_str());
        if self.rtcp_mux {
            out.push_str("a=rtcp-mux\r\n");
        }
        if self.rtcp_xr {
            out.push_str("a=rtcp-xr:voip-metrics\r\n");
        }
        for line in &self.keys {
            line.print(out);
        }
    }
}

/// Our own RTP address, to tell a peer that names it as his.
pub(super) const fn own_address(local: &LocalAudio) -> SocketAddr {
    SocketAddr::new(local.address, local.port)
}
