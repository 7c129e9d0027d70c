//! The one place that reads a clock.

use std::{
    sync::OnceLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tandem_switch::time::Timestamp;

/// The present, as the two kinds of core want it: both are the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For protocols: monotonic.
    pub instant: Instant,
    /// For the switch: wall time, anchored at start and monotonic from then on.
    pub at: Timestamp,
}

static ANCHOR: OnceLock<(Instant, Timestamp)> = OnceLock::new();

/// The present moment.
///
/// The wall clock is read once, at the first call; later moments are that one plus what the monotonic
/// clock counted. An administrator who sets the wall clock can therefore not reorder a queue, shorten a
/// call or make a duration negative.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one function that reads the clock")]
pub fn now() -> Now {
    let instant = Instant::now();
    let (anchor, anchored_at) = *ANCHOR.get_or_init(|| {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (instant, Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)))
    });
    let elapsed_us = instant.saturating_duration_since(anchor).as_micros();
    Now { instant, at: Timestamp(anchored_at.0.saturating_add(i64::try_from(elapsed_us).unwrap_or(i64::MAX))) }
}

/// The present moment for who needs only the monotonic one.
#[must_use]
pub fn instant() -> Instant {
    now().instant
}

impl Now {
    /// The monotonic instant of a timestamp, for timers: the present when it has passed.
    #[must_use]
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        let ahead_us = at.0.saturating_sub(self.at.0).max(0);
        self.instant + std::time::Duration::from_micros(ahead_us.cast_unsigned())
    }
}
