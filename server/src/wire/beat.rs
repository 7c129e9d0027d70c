//! Heart-beats: whether the loops still turn.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tandem_switch::time::Timestamp;

/// A loop turns at least once a second. One that has not for so long stands still.
const STANDS_STILL_MS: u64 = 10_000;

/// When a loop turned last. Cheap to clone: all clones are of the same loop.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicI64>);

impl Heartbeat {
    /// The loop turns.
    pub fn beat(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// For how long, in ms, a loop that ran before has stood still by `now`; `None` when it turns, or never ran yet.
    #[must_use]
    pub fn still_ms(&self, now: Timestamp) -> Option<u64> {
        let last = Timestamp(self.0.load(Ordering::Relaxed));
        let still_ms = now.ms_since(last);
        (last.0 != 0 && still_ms >= STANDS_STILL_MS).then_some(still_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_stands_still_when_its_last_beat_is_old() {
        let (beat, at) = (Heartbeat::default(), Timestamp::from_ms);
        assert_eq!(beat.still_ms(at(50_000)), None, "it never ran");
        beat.clone().beat(at(50_000));
        assert_eq!(beat.still_ms(at(59_999)), None);
        assert_eq!(beat.still_ms(at(60_000)), Some(10_000));
        assert_eq!(beat.still_ms(at(40_000)), None);
    }
}
