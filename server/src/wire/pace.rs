//! How busy a loop is: the share of the time that it does not wait for something to do. And how long it leaves the
//! network alone: a wake-up costs as much as a few messages, so when many arrive, they are taken a few at a time.

use std::time::{Duration, Instant};

/// So long is looked at together.
const WINDOW: Duration = Duration::from_millis(100);

/// While more messages than this arrive in a window, the network rests between two looks.
const MANY: u32 = 150;

/// For so long, at most twice that by the timer's grain. A message waits for one rest at most.
const REST: Duration = Duration::from_millis(1);

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
    /// Until then the network is left alone.
    rests_until: Option<Instant>,
}

impl Pace {
    /// From now on.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { since: now, slept_at: now, idle: Duration::ZERO, messages: 0, many: false, rests_until: None }
    }

    /// Something is to be done.
    pub fn wakes(&mut self, now: Instant) {
        self.idle += now.saturating_duration_since(self.slept_at);
        self.rests_until = self.rests_until.filter(|until| now < *until);
    }

    /// So many messages were taken, and whether they were `all` that waited.
    pub fn took(&mut self, now: Instant, messages: u32, all: bool) {
        self.messages = self.messages.saturating_add(messages);
        self.rests_until = (self.many && all).then(|| now + REST);
    }

    /// Until when the network is to be left alone, if it is.
    #[must_use]
    pub const fn rests_until(&self) -> Option<Instant> {
        self.rests_until
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
        self.many = std::mem::take(&mut self.messages) > MANY;
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

    #[test]
    fn the_network_rests_only_while_many_messages_come_and_none_waits() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some first instant; nothing depends on which")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        pace.took(at(50), MANY + 1, true);
        assert_eq!(pace.rests_until(), None, "not before it is known that many come");
        pace.sleeps(at(100));
        pace.took(at(110), 1, true);
        assert_eq!(pace.rests_until(), Some(at(111)));
        pace.wakes(at(110));
        assert_eq!(pace.rests_until(), Some(at(111)), "woken by something else");
        pace.wakes(at(111));
        assert_eq!(pace.rests_until(), None);
        pace.took(at(120), 64, false);
        assert_eq!(pace.rests_until(), None, "more is waiting");
        pace.sleeps(at(200));
        pace.took(at(210), 1, true);
        assert_eq!(pace.rests_until(), None, "few came");
    }
}
