//! Whether whoever is where packets go still wants them (RFC 7675 section 5.1), in the full role: it answers a check each
//! five seconds, or nothing is sent there any more after thirty.

use std::time::{Duration, Instant};

/// So long an answer counts.
pub(super) const LASTS: Duration = Duration::from_secs(30);
/// The time between checks, before it is varied by a fifth up or down, so that those of many calls spread.
const EVERY_MS: u64 = 5_000;

/// Of one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    /// When it ends.
    pub(super) until: Instant,
    /// When it is asked for again.
    pub(super) ask_at: Instant,
}

impl Consent {
    /// Given now.
    pub(super) fn new(now: Instant, chance: u16) -> Self {
        Self { until: now + LASTS, ask_at: now + interval(chance) }
    }

    /// Given again.
    pub(super) fn renew(&mut self, now: Instant) {
        self.until = now + LASTS;
    }

    /// Asked for: when it is next.
    pub(super) fn asked(&mut self, now: Instant, chance: u16) {
        self.ask_at = now + interval(chance);
    }
}

/// From four to six seconds.
fn interval(chance: u16) -> Duration {
    let varied = EVERY_MS * 2 / 5 * u64::from(chance) / u64::from(u16::MAX);
    Duration::from_millis(EVERY_MS * 4 / 5 + varied)
}
