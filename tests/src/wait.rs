//! Waiting for a condition with a deadline: the only kind of waiting in tests.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long things may take that take a moment: generous, because machines that test are busy.
pub const SOON: Duration = Duration::from_secs(30);

/// Asks `condition` again and again until it gives something; fails the test with `what` after `limit`.
///
/// # Panics
/// When the time is over.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = deadline(limit);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(!passed(end), "after {limit:?} still not: {what}");
        thread::park_timeout(Duration::from_millis(40));
    }
}

/// As [`until`], for something that is true or not, within [`SOON`].
///
/// # Panics
/// When the time is over.
#[track_caller]
pub fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, SOON, || condition().then_some(()));
}

/// The instant `limit` from now.
#[expect(clippy::disallowed_methods, reason = "tests measure real processes")]
#[must_use]
pub fn deadline(limit: Duration) -> Instant {
    Instant::now() + limit
}

/// Whether `end` is over.
#[expect(clippy::disallowed_methods, reason = "tests measure real processes")]
#[must_use]
pub fn passed(end: Instant) -> bool {
    Instant::now() >= end
}
