//! SDP for audio: reading descriptions, making offers, answering them (RFC 8866, RFC 3264, RFC 3605, RFC 4733,
//! RFC 5761, RFC 7587), in the clear or with SRTP, whose keys stand in the description (RFC 4568) or are agreed by DTLS
//! (RFC 5763), with ICE as browsers want it (RFC 8839).
//!
//! Text in, text out. Other media than audio over RTP and SRTP is kept only to be refused in its place. What the media
//! engine does with the outcome is not known here.
//!
//! ```
//! use tandem_signaling::sdp::{AudioCodec, Direction, KeyPolicy, LocalAudio, LocalSession, SessionDescription};
//!
//! let local = LocalAudio {
//!     address: "127.0.0.1".parse()?,
//!     port: 20_000,
//!     codecs: vec![AudioCodec::Pcma],
//!     direction: Direction::SendRecv,
//!     rtcp_mux: false,
//!     keys: KeyPolicy::default(),
//! };
//! let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
//! let (answer, negotiated) = LocalSession::new(7).answer(&SessionDescription::parse(offer.as_bytes())?, &local)?;
//! assert!(answer.contains("m=audio 20000 RTP/AVP 8\r\n"));
//! assert_eq!(negotiated.remote_rtp, Some("127.0.0.2:4000".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod candidate;
mod codec;
mod crypto;
mod description;
mod dtls;
mod kept;
mod keys;
mod negotiate;
mod opus;
mod parse;
mod payload_types;
mod policy;
mod session;

pub use candidate::MediaCandidate;
pub use codec::{AudioCodec, Direction};
pub use crypto::{CryptoLine, MediaKey, NoKey, Suite};
pub use description::{AudioFormat, Connection, Encoding, Media, Origin, SessionDescription};
pub use dtls::{DtlsLines, Fingerprint, MediaChecks, MediaDtls, MediaIce};
pub use kept::NotKept;
pub use keys::MediaKeys;
pub use negotiate::{Incompatible, Negotiated};
pub use opus::OpusWishes;
pub use parse::{MAX_FORMATS, MAX_MEDIA, MAX_SDP_BYTES, SdpError};
pub use policy::{IceRole, KeyPolicy, KeyRule, KeySeed, KeySource};
pub use session::{LocalAudio, LocalSession, SdpOffer};
