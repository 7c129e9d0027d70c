//! How durations lie, in little room: counted by the second, longer ones by steps below one in a hundred.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whole seconds that have a step of their own.
const EXACT_S: u64 = 256;
/// Steps of each doubling above them.
const STEPS: u64 = 128;

/// Durations: how many, how long together, and how they lie.
///
/// Number and sum are exact. What is counted below a bound is exact for bounds of whole seconds up to 256 s; median and
/// percentiles are told to the second, above 256 s to less than one in a hundred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    n: u64,
    sum_ms: u64,
    steps: BTreeMap<u32, u64>,
}

impl Spread {
    /// Counts one.
    pub fn add(&mut self, ms: u64) {
        self.n += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        *self.steps.entry(step_of(ms / 1_000)).or_default() += 1;
    }

    /// Counts all of another one.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        for (step, count) in &other.steps {
            *self.steps.entry(*step).or_default() += count;
        }
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// How many.
    #[must_use]
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// How long together, in ms.
    #[must_use]
    pub const fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// How many are shorter than so many whole seconds.
    #[must_use]
    pub fn below_s(&self, seconds: u32) -> u64 {
        self.steps.range(..step_of(u64::from(seconds))).map(|(_, count)| count).sum()
    }

    /// Whole seconds, in ms, that this share (in thousandths) of them does not exceed by a second or more; `None` when there
    /// are none.
    #[must_use]
    pub fn quantile_ms(&self, thousandths: u64) -> Option<u64> {
        let rank = (self.n * thousandths).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (step, count) in &self.steps {
            seen += count;
            if seen >= rank {
                return Some(seconds_of(*step) * 1_000);
            }
        }
        None
    }
}

fn step_of(seconds: u64) -> u32 {
    let step = if seconds < EXACT_S {
        seconds
    } else {
        let doublings = u64::from((seconds / EXACT_S).ilog2()) + 1;
        EXACT_S + (doublings - 1) * STEPS + ((seconds >> doublings) - STEPS)
    };
    u32::try_from(step).unwrap_or(u32::MAX)
}

/// The shortest of a step.
fn seconds_of(step: u32) -> u64 {
    let step = u64::from(step);
    let Some(above) = step.checked_sub(EXACT_S) else { return step };
    (above % STEPS + STEPS) << (above / STEPS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_begins_where_it_says_and_is_narrow() {
        for seconds in (0..5_000).chain([86_399, 86_400, 3_000_000, u64::from(u32::MAX)]) {
            let begin = seconds_of(step_of(seconds));
            assert!(begin <= seconds && (seconds - begin) * 100 < seconds.max(1), "{seconds} begins at {begin}");
            assert_eq!(step_of(begin), step_of(seconds));
        }
    }

    #[test]
    fn quantiles_and_bounds_count_what_was_put_in() {
        let mut spread = Spread::default();
        assert_eq!((spread.quantile_ms(500), spread.below_s(20)), (None, 0));
        for ms in [1_000, 2_000, 2_999, 19_999, 20_000, 40_000, 41_000, 42_000, 43_000, 100_000] {
            spread.add(ms);
        }
        assert_eq!((spread.n(), spread.sum_ms()), (10, 311_998));
        assert_eq!((spread.below_s(20), spread.below_s(3)), (4, 3));
        assert_eq!((spread.quantile_ms(500), spread.quantile_ms(900)), (Some(20_000), Some(43_000)));
        let mut twice = spread.clone();
        twice.merge(&spread);
        assert_eq!((twice.n(), twice.quantile_ms(900)), (20, Some(43_000)));
    }
}
