//! How busy a loop is: the share of the time that it does not wait for something to do.

use std::time::{Duration, Instant};

/// So long is looked at together.
const WINDOW: Duration = Duration::from_millis(100);

/// Measures one loop.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    /// When the loop began to wait.
    slept_at: Instant,
    idle: Duration,
}

impl Pace {
    /// From now on.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { since: now, slept_at: now, idle: Duration::ZERO }
    }

    /// Something is to be done.
    pub fn wakes(&mut self, now: Instant) {
        self.idle += now.saturating_duration_since(self.slept_at);
    }

    /// It is done. Now and then, how busy the loop was since the last time, in thousandths.
    pub fn sleeps(&mut self, now: Instant) -> Option<u32> {
        self.slept_at = now;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < WINDOW {
            return None;
        }
        let idle = self.idle.as_micros() * 1_000 / elapsed.as_micros().max(1);
        (self.since, self.idle) = (now, Duration::ZERO);
        Some(1_000 - u32::try_from(idle).unwrap_or(1_000).min(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_work_is_what_is_left_of_the_waiting() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some first instant; nothing depends on which")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        pace.wakes(at(20));
        assert_eq!(pace.sleeps(at(50)), None);
        pace.wakes(at(60));
        assert_eq!(pace.sleeps(at(100)), Some(700));
        pace.wakes(at(300));
        assert_eq!(pace.sleeps(at(300)), Some(0));
        pace.wakes(at(300));
        assert_eq!(pace.sleeps(at(500)), Some(1_000));
    }
}
