//! The media plane of the switch: RTP relay, player, transcoding, recording, telephone events, RTCP.
//!
//! Cores ([`rtp`], [`reception`], [`outgoing`], [`relay`], [`learn`], [`flood`], [`one_way`], [`jitter`], [`dtmf`], [`reports`], [`ports`],
//! [`player`] with [`live`], [`pipe`], [`transcode`], [`mix`], [`record`], [`quality`] with [`emodel`] and [`bursts`]) do no I/O and read no clock. The
//! module [`engine`] owns the sockets, files and
//! threads and drives them. [`contract`] is what the two sides say to each other. Nothing here knows
//! SIP, SDP or calls. SRTP ([`keys`]) is done where a stream receives and sends: all others see packets in the clear.

pub mod adapt;
pub mod archive;
pub mod browser;
pub mod bursts;
pub mod codec;
pub mod contract;
pub mod detect;
pub mod dtmf;
pub mod emodel;
pub mod engine;
pub mod flood;
pub mod hidden;
pub mod jitter;
pub mod keys;
pub mod learn;
pub mod live;
pub mod mix;
pub mod one_way;
pub mod outgoing;
pub mod pipe;
pub mod player;
pub mod ports;
pub mod quality;
pub mod random;
pub mod reception;
pub mod record;
pub mod relay;
pub mod reports;
pub mod rtp;
pub mod secure;
pub mod tones;
pub mod transcode;
pub mod turn;
