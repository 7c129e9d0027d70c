//! How busy a loop is: the share of the time that it does not wait for something to do. And when it rests: a wake-up
//! costs as much as a few messages, so when many arrive, they are taken a few at a time.

use std::time::{Duration, Instant};

/// So long is looked at together.
const WINDOW: Duration = Duration::from_millis(100);

/// While so many messages or more arrive in a window, the loop rests before each look.
const MANY: u32 = 150;
/// While so many arrive, it is awake anyway, and each wake-up finds several.
const PLENTY: u32 = 1_000;

/// For so long: what a message waits at most, beside the hundreds that it takes to set a call up. Nothing of that is felt,
/// and at 300 calls a second it halves the wake-ups.
const REST: Duration = Duration::from_millis(2);

/// Measures one loop.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    /// When the loop began to wait.
    slept_at: Instant,
    idle: Duration,
    /// Messages in this window.
    messages: u32,
    /// Many came in the last one.
    many: bool,
    /// More waits than was taken at the last look.
    more: bool,
}

impl Pace {
    /// From now on.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { since: now, slept_at: now, idle: Duration::ZERO, messages: 0, many: false, more: false }
    }

    /// Something is to be done.
    pub fn wakes(&mut self, now: Instant) {
        self.idle += now.saturating_duration_since(self.slept_at);
    }

    /// So many messages were taken, and whether they were `all` that waited.
    pub fn took(&mut self, messages: u32, all: bool) {
        self.messages = self.messages.saturating_add(messages);
        self.more = !all;
    }

    /// How long nothing is to be looked at, before each look: whatever woke the loop last, a message or the end of a
    /// stream, others of it are on their way.
    #[must_use]
    pub fn rest(&self) -> Option<Duration> {
        (self.many && !self.more).then_some(REST)
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
        self.many = (MANY..PLENTY).contains(&std::mem::take(&mut self.messages));
        Some(1_000 - u32::try_from(idle).unwrap_or(1_000).min(1_000))
    }
}

/// Rests, with the whole thread.
#[expect(
    clippy::disallowed_methods,
    reason = "this thread runs nothing but the loop; a sleep that others end would be a wake-up"
)]
pub fn rest_for(rest: Duration) {
    std::thread::sleep(rest);
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

    #[test]
    fn a_loop_rests_only_while_many_messages_come_and_none_waits() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some first instant; nothing depends on which")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        pace.took(MANY, true);
        assert_eq!(pace.rest(), None, "not before it is known that many come");
        pace.sleeps(at(100));
        pace.took(1, true);
        assert_eq!(pace.rest(), Some(REST));
        pace.took(64, false);
        assert_eq!(pace.rest(), None, "more is waiting");
        pace.sleeps(at(200));
        pace.took(PLENTY, true);
        assert_eq!(pace.rest(), None, "one message came in the window before");
        pace.sleeps(at(300));
        pace.took(1, true);
        assert_eq!(pace.rest(), None, "so many came that the loop is awake anyway");
    }
}
