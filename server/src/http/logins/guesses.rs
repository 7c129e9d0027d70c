//! How often somebody may guess: by the name that is guessed for, and by the source it comes from.
//!
//! No I/O and no clock: it is told when. A name counts whether or not there is such a user, so nobody learns who there is.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

use tandem_switch::time::Timestamp;

/// Wrong passwords for one name, and from one source, that cost nothing. Many users may share a source.
const FREE_FOR_NAME: u32 = 10;
const FREE_FOR_SOURCE: u32 = 30;
/// The wait after the first that costs something; it doubles with each, up to the longest.
const FIRST_WAIT_MS: u64 = 1_000;
const LONGEST_WAIT_MS: u64 = 15 * 60 * 1_000;
/// What nobody guessed at for so long is forgotten.
const FORGOTTEN_AFTER_MS: u64 = 15 * 60 * 1_000;
/// Names and sources that are remembered; of more, the one that was quiet longest is forgotten.
const MOST: usize = 4_096;

/// Who guessed how often.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    names: Counts<String>,
    sources: Counts<IpAddr>,
}

#[derive(Debug)]
struct Counts<K> {
    known: HashMap<K, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    at: Timestamp,
    until: Timestamp,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    /// How long to wait yet.
    fn wait_ms(&self, key: &K, now: Timestamp) -> u64 {
        self.known.get(key).map_or(0, |count| count.until.ms_since(now))
    }

    fn failed(&mut self, key: &K, free: u32, now: Timestamp) {
        if !self.known.contains_key(key) && self.known.len() >= MOST {
            self.known.retain(|_, count| now.ms_since(count.until.max(count.at)) < FORGOTTEN_AFTER_MS);
            if self.known.len() >= MOST
                && let Some(quiet) = self.known.iter().min_by_key(|(_, count)| count.at).map(|(key, _)| key.clone())
            {
                self.known.remove(&quiet);
            }
        }
        let count = self.known.entry(key.clone()).or_insert(Count { failures: 0, at: now, until: now });
        if now.ms_since(count.until.max(count.at)) >= FORGOTTEN_AFTER_MS {
            count.failures = 0;
        }
        count.failures = count.failures.saturating_add(1);
        count.at = now;
        if let Some(over) = count.failures.checked_sub(free + 1) {
            let wait_ms = FIRST_WAIT_MS.checked_shl(over).filter(|wait| wait >> over == FIRST_WAIT_MS).unwrap_or(LONGEST_WAIT_MS);
            count.until = now.plus_ms(wait_ms.min(LONGEST_WAIT_MS));
        }
    }
}

impl Guesses {
    /// Begins to look at a password: it counts as wrong until it is known to be right, so that many at once are not let
    /// through together.
    ///
    /// # Errors
    /// How long to wait first, in ms.
    pub(super) fn begin(&mut self, name: &str, source: Option<IpAddr>, now: Timestamp) -> Result<(), u64> {
        let name = name.to_owned();
        let of_source = source.map_or(0, |source| self.sources.wait_ms(&source, now));
        let wait_ms = self.names.wait_ms(&name, now).max(of_source);
        if wait_ms > 0 {
            return Err(wait_ms);
        }
        self.names.failed(&name, FREE_FOR_NAME, now);
        if let Some(source) = source {
            self.sources.failed(&source, FREE_FOR_SOURCE, now);
        }
        Ok(())
    }

    /// It was right. What else came from the source stays counted: one good password is no leave to guess others.
    pub(super) fn right(&mut self, name: &str, source: Option<IpAddr>) {
        self.names.known.remove(name);
        if let Some(count) = source.and_then(|source| self.sources.known.get_mut(&source)) {
            count.failures = count.failures.saturating_sub(1);
            count.until = count.at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    fn source(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_name_waits_longer_with_each_wrong_password_from_wherever() {
        let mut guesses = Guesses::default();
        for last in 0..10 {
            assert_eq!(guesses.begin("ada", source(last), at(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [1_000, 2_000, 4_000, 8_000] {
            assert_eq!(guesses.begin("ada", source(99), at(now)), Ok(()));
            assert_eq!(guesses.begin("ada", source(98), at(now)), Err(wait), "from another source too");
            assert_eq!(guesses.begin("ada", source(98), at(now + 400)), Err(wait - 400), "asking makes it no longer");
            now += i64::try_from(wait).unwrap();
        }
        assert_eq!(guesses.begin("bob", source(97), at(now)), Ok(()), "others are free");
        for _ in 0..40 {
            assert_eq!(guesses.begin("ada", None, at(now)), Ok(()));
            now += i64::try_from(guesses.begin("ada", None, at(now)).unwrap_err()).unwrap();
        }
        assert_eq!(guesses.begin("ada", None, at(now)), Ok(()));
        assert_eq!(guesses.begin("ada", None, at(now)), Err(LONGEST_WAIT_MS));
    }

    #[test]
    fn a_source_waits_whatever_names_it_tries() {
        let mut guesses = Guesses::default();
        for name in 0..31 {
            assert_eq!(guesses.begin(&format!("user{name}"), source(1), at(0)), Ok(()));
        }
        assert_eq!(guesses.begin("somebody", source(1), at(0)), Err(1_000));
        assert_eq!(guesses.begin("somebody", source(2), at(0)), Ok(()));
    }

    #[test]
    fn the_right_password_clears_the_name_and_not_the_source() {
        let mut guesses = Guesses::default();
        for _ in 0..10 {
            guesses.begin("ada", source(1), at(0)).unwrap();
        }
        guesses.begin("ada", source(1), at(0)).unwrap();
        guesses.right("ada", source(1));
        assert_eq!(guesses.begin("ada", source(1), at(0)), Ok(()));
        assert_eq!(guesses.sources.known[&source(1).unwrap()].failures, 11);
    }

    #[test]
    fn a_quiet_quarter_of_an_hour_forgets() {
        let mut guesses = Guesses::default();
        for _ in 0..11 {
            guesses.begin("ada", None, at(0)).unwrap();
        }
        assert!(guesses.begin("ada", None, at(999)).is_err());
        let later = 1_000 + i64::try_from(FORGOTTEN_AFTER_MS).unwrap();
        for _ in 0..10 {
            assert_eq!(guesses.begin("ada", None, at(later)), Ok(()));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_guessed_are_kept() {
        let mut guesses = Guesses::default();
        for _ in 0..11 {
            guesses.begin("ada", None, at(1_000)).unwrap();
        }
        for name in 0..6_000i64 {
            assert_eq!(guesses.begin(&name.to_string(), None, at(name / 6)), Ok(()));
        }
        assert_eq!(guesses.names.known.len(), MOST);
        assert!(guesses.begin("ada", None, at(1_000)).is_err(), "a flood of names does not wash it away");
    }
}
