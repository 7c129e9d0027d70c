//! How many packets a stream takes. No codec sends more than two hundred a second; two peers that both send back what they
//! hear make as many as the wires take out of a single one, for ever.

use std::time::{Duration, Instant};

/// Packets a second: twice what 5 ms of audio in a packet come to, with key presses between them.
const PER_SECOND: u32 = 400;
/// So many at once are a line that was stuck and is not any more.
const AT_ONCE: u32 = 1_000;

/// What was taken of late.
#[derive(Clone, Copy, Debug)]
pub struct FloodGate {
    /// When all that was taken would have come at the rate that may be.
    level: Instant,
}

impl FloodGate {
    /// Nothing was taken.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { level: now }
    }

    /// Whether one more is taken now.
    pub fn admits(&mut self, now: Instant) -> bool {
        const EACH: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64);
        const MOST: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64 * AT_ONCE as u64);
        if self.level > now + MOST {
            return false;
        }
        self.level = self.level.max(now) + EACH;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn audio_passes_bursts_pass_and_floods_are_cut_to_the_rate() {
        let epoch = start();
        let mut gate = FloodGate::new(epoch);
        let mut taken = |every_us: u64, for_s: u64, from_s: u64| {
            let at = |n: u64| epoch + Duration::from_secs(from_s) + Duration::from_micros(n * every_us);
            (0..for_s * 1_000_000 / every_us).filter(|n| gate.admits(at(*n))).count()
        };
        assert_eq!(taken(5_000, 60, 0), 12_000, "the shortest packets there are");
        assert_eq!(taken(1_000, 1, 100), 1_000, "a second that was stuck");
        let flood = taken(10, 10, 200);
        assert!((4_990..5_010).contains(&flood), "a second's burst and ten seconds of the rate: {flood}");
        assert_eq!(taken(20_000, 10, 300), 500, "afterwards audio as before");
    }
}
