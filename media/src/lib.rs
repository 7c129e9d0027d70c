//! The media plane of the switch: RTP relay, player, transcoding, recording, telephone events, RTCP.
//!
//! Cores (`rtp`, `learn`, `relay`, `dtmf`, `reception`, `rtcp`, `ports`, `player`, `transcode`, `record`)
//! do no I/O and read no clock. The module `engine` owns the sockets, files and threads and drives them.
//! `contract` is what the two sides say to each other. Nothing here knows SIP, SDP or calls.

pub mod codec;
