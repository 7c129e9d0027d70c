//! The time that cores are given.

use serde::{Deserialize, Serialize};

/// An instant in microseconds since the Unix epoch.
///
/// The one clock of the program builds it from the monotonic clock, anchored to the wall clock at
/// start, so it never goes back while a process lives; differences are safe to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The instant `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This instant and `ms` milliseconds more.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        let us = ms.saturating_mul(1_000);
        let us = if us > i64::MAX as u64 { i64::MAX } else { us.cast_signed() };
        Self(self.0.saturating_add(us))
    }

    /// Milliseconds from `earlier` to this instant; 0 when `earlier` is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        let us = self.0.saturating_sub(earlier.0);
        if us <= 0 { 0 } else { us.cast_unsigned() / 1_000 }
    }
}
