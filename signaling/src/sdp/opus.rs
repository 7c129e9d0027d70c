//! What a peer wants of the Opus that is sent to it: the `a=fmtp` parameters of RFC 7587 section 6.1 that change what we
//! send. They say nothing of what the peer sends, so offer and answer each have their own (section 7).
//!
//! `stereo` and `cbr` are preferences that nobody has to follow: we send one channel, at a variable rate. The `sprop-` parameters describe the other direction.

use serde::{Deserialize, Serialize};

/// The bounds of `maxaveragebitrate`, in bits per second.
const BPS: (u32, u32) = (6_000, 510_000);
/// The bounds of `maxplaybackrate`, in Hz.
const PLAYBACK_HZ: (u32, u32) = (8_000, 48_000);

/// What a peer wants of Opus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpusWishes {
    /// The most that it takes on average, in bits per second: 6,000 to 510,000.
    pub most_bps: u32,
    /// The highest sampling rate that it can play, in Hz: 8,000 to 48,000. More would be wasted on it.
    pub most_playback_hz: u32,
    /// It can restore lost packets from copies in the next ones.
    pub fec: bool,
    /// It would rather be sent nothing in pauses.
    #[serde(default)]
    pub dtx: bool,
}

impl Default for OpusWishes {
    /// Of a peer that says nothing.
    fn default() -> Self {
        Self { most_bps: BPS.1, most_playback_hz: PLAYBACK_HZ.1, fec: false, dtx: false }
    }
}

impl OpusWishes {
    /// Reads the parameters of an `a=fmtp` line. What is no number says nothing; what is out of bounds is taken for the
    /// nearest that is not.
    pub(super) fn read(params: &str) -> Self {
        let mut wishes = Self::default();
        for (name, value) in params.split(';').filter_map(|param| param.split_once('=')) {
            let (name, value) = (name.trim(), value.trim());
            let number = |(least, most): (u32, u32)| value.parse().ok().map(|number: u32| number.clamp(least, most));
            if name.eq_ignore_ascii_case("maxaveragebitrate") {
                wishes.most_bps = number(BPS).unwrap_or(wishes.most_bps);
            } else if name.eq_ignore_ascii_case("maxplaybackrate") {
                wishes.most_playback_hz = number(PLAYBACK_HZ).unwrap_or(wishes.most_playback_hz);
            } else if name.eq_ignore_ascii_case("useinbandfec") {
                wishes.fec = value == "1";
            } else if name.eq_ignore_ascii_case("usedtx") {
                wishes.dtx = value == "1";
            }
        }
        wishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &str) -> (u32, u32, bool) {
        let OpusWishes { most_bps, most_playback_hz, fec, .. } = OpusWishes::read(params);
        (most_bps, most_playback_hz, fec)
    }

    #[test]
    fn whoever_wants_no_packets_in_pauses_is_believed() {
        assert!(OpusWishes::read("useinbandfec=1; UseDTX=1").dtx);
        assert!(!OpusWishes::read("usedtx=0").dtx && !OpusWishes::read("sprop-stereo=1").dtx);
    }

    #[test]
    fn what_a_peer_wants_is_read_within_bounds() {
        let silent = (510_000, 48_000, false);
        for (params, wishes) in [
            ("", silent),
            ("maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;useinbandfec=1", (20_000, 16_000, true)),
            (" MaxPlaybackRate = 12000 ; useinbandfec=0; stereo=1", (510_000, 12_000, false)),
            ("maxaveragebitrate=1;maxplaybackrate=1", (6_000, 8_000, false)),
            ("maxaveragebitrate=0;maxplaybackrate=4294967295", (6_000, 48_000, false)),
            ("maxaveragebitrate=-1;maxplaybackrate=99999999999;useinbandfec=yes;;=;x", silent),
            ("maxaveragebitrate=20000;maxaveragebitrate=", (20_000, 48_000, false)),
        ] {
            assert_eq!(read(params), wishes, "{params}");
        }
    }
}
