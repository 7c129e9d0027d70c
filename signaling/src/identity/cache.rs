//! Certificates that were fetched, by URL, each until its time is over. When it is full, what ends first goes.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::certificate::Chain;

/// URLs that are remembered. A signer has a few; a country has some hundred signers.
const MAX_ENTRIES: usize = 1_024;

/// Nothing is believed longer than a day, whatever its server says.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// How long it is remembered that a certificate could not be had.
const FAILURE_AGE: Duration = Duration::from_secs(10);

/// What is known of a URL: its chain, or that there is none.
pub(super) type Known = Option<Arc<Chain>>;

#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Arc<str>, (Instant, Known)>,
}

impl Cache {
    /// What is known of a URL now; `None` when it must be asked for.
    pub(super) fn get(&self, now: Instant, url: &str) -> Option<Known> {
        self.entries.get(url).filter(|(until, _)| now < *until).map(|(_, known)| known.clone())
    }

    /// Remembers a chain as long as its server allows.
    pub(super) fn put(&mut self, now: Instant, url: Arc<str>, known: Known, max_age: Duration) {
        let age = if known.is_some() { max_age.min(MAX_AGE) } else { FAILURE_AGE };
        if age.is_zero() {
            self.entries.remove(&url);
            return;
        }
        self.entries.retain(|_, (until, _)| now < *until);
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&url) {
            let first = self.entries.iter().min_by_key(|(_, (until, _))| *until).map(|(url, _)| Arc::clone(url));
            first.map(|first| self.entries.remove(&first));
        }
        self.entries.insert(url, (now + age, known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    fn holds_its_bound_and_forgets_in_time() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let url = |n: usize| Arc::from(format!("https://c/{n}"));
        for n in 0..=MAX_ENTRIES {
            cache.put(now + Duration::from_millis(n as u64), url(n), None, MAX_AGE);
        }
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        let later = now + Duration::from_secs(2);
        assert!(cache.get(later, "https://c/0").is_none(), "what ends first has gone");
        assert!(cache.get(later, "https://c/1").is_some_and(|known| known.is_none()), "a failure is remembered");
        assert!(cache.get(now + FAILURE_AGE * 2, "https://c/1").is_none(), "and forgotten");
    }
}
