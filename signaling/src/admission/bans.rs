//! Sources that are not heard for a while, and longer each time.

use std::collections::{BTreeSet, HashMap};

use super::prefix::Prefix;
use crate::hashing::Seeded;

/// The first ban, in ms; each that follows is [`GROWTH`] times as long, up to [`LONGEST_MS`].
const FIRST_MS: u64 = 60_000;
const GROWTH: u64 = 4;
const LONGEST_MS: u64 = 24 * 3_600_000;
/// So long after the end of a ban, in ms, it is remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;
/// Sources that are remembered; of more, the ban that ends first gives way.
const MOST: usize = 10_000;

/// What a source was banned for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// Wrong passwords.
    Passwords,
    /// What is no SIP.
    Malformed,
    /// It looks for switches to abuse.
    Scan,
    /// Far too many requests.
    Flood,
}

impl Offence {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Passwords, Self::Malformed, Self::Scan, Self::Flood];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passwords => "passwords",
            Self::Malformed => "malformed",
            Self::Scan => "scan",
            Self::Flood => "flood",
        }
    }

    /// The offence of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|offence| offence.as_str() == word)
    }
}

/// A source that is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whose.
    pub source: Prefix,
    /// What for.
    pub offence: Offence,
    /// The how many-th of this source.
    pub times: u32,
    /// How long it lasts still, in ms.
    pub left_ms: u64,
}

#[derive(Debug)]
struct Entry {
    offence: Offence,
    times: u32,
    /// When it is heard again.
    until: u64,
    /// When it is forgotten.
    forgotten: u64,
}

#[derive(Debug)]
pub(super) struct Bans {
    entries: HashMap<Prefix, Entry, Seeded>,
    /// The same by the end of being remembered.
    by_end: BTreeSet<(u64, Prefix)>,
}

impl Bans {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self { entries: HashMap::with_hasher(hasher), by_end: BTreeSet::new() }
    }

    pub(super) fn is_banned(&self, now: u64, source: Prefix) -> bool {
        !self.entries.is_empty() && self.entries.get(&source).is_some_and(|entry| entry.until > now)
    }

    /// Bans a source once more; `None` when it is banned already.
    pub(super) fn ban(&mut self, now: u64, source: Prefix, offence: Offence) -> Option<Ban> {
        if self.is_banned(now, source) {
            return None;
        }
        let times = self.entries.get(&source).map_or(0, |entry| entry.times).saturating_add(1);
        let left_ms = FIRST_MS.saturating_mul(GROWTH.saturating_pow(times - 1)).min(LONGEST_MS);
        let ban = Ban { source, offence, times, left_ms };
        self.put(now, ban);
        Some(ban)
    }

    /// Puts a ban as it is.
    pub(super) fn put(&mut self, now: u64, ban: Ban) {
        let Ban { source, offence, times, left_ms } = ban;
        self.forget(source);
        while self.entries.len() >= MOST {
            let Some((_, first)) = self.by_end.first().copied() else { break };
            self.forget(first);
        }
        let until = now.saturating_add(left_ms.min(LONGEST_MS));
        let forgotten = until.saturating_add(REMEMBERED_MS);
        self.entries.insert(source, Entry { offence, times, until, forgotten });
        self.by_end.insert((forgotten, source));
    }

    fn forget(&mut self, source: Prefix) {
        if let Some(gone) = self.entries.remove(&source) {
            self.by_end.remove(&(gone.forgotten, source));
        }
    }

    /// Hears a source again, and forgets what it did; `false` when it was not banned.
    pub(super) fn lift(&mut self, now: u64, source: Prefix) -> bool {
        let was = self.is_banned(now, source);
        self.forget(source);
        was
    }

    /// Forgets those whose time is over.
    pub(super) fn tidy(&mut self, now: u64) {
        while let Some((forgotten, source)) = self.by_end.first().copied().filter(|(at, _)| *at <= now) {
            self.by_end.remove(&(forgotten, source));
            self.entries.remove(&source);
        }
    }

    /// Those that are banned now, by their addresses.
    pub(super) fn list(&self, now: u64) -> Vec<Ban> {
        let now_banned = self.entries.iter().filter(|(_, entry)| entry.until > now);
        let mut all: Vec<Ban> = now_banned
            .map(|(source, Entry { offence, times, until, .. })| Ban {
                source: *source,
                offence: *offence,
                times: *times,
                left_ms: until - now,
            })
            .collect();
        all.sort_unstable_by_key(|ban| ban.source);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 3_600_000;

    fn source(n: u32) -> Prefix {
        Prefix::of(std::net::Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn bans_grow_end_and_are_forgotten() {
        let mut bans = Bans::new(Seeded::new(1, 2));
        let mut now = 0;
        for minutes in [1, 4, 16, 64, 256, 1_024, 1_440, 1_440] {
            let ban = bans.ban(now, source(1), Offence::Passwords).unwrap();
            assert_eq!(ban.left_ms, minutes * 60_000);
            assert!(bans.is_banned(now + ban.left_ms - 1, source(1)) && !bans.is_banned(now + ban.left_ms, source(1)));
            assert!(!bans.is_banned(now, source(2)) && bans.ban(now, source(1), Offence::Scan).is_none());
            now += ban.left_ms;
        }
        bans.tidy(now + DAY_MS);
        assert!(bans.entries.is_empty() && bans.by_end.is_empty());
        assert_eq!(bans.ban(now + DAY_MS, source(1), Offence::Scan).unwrap().times, 1);
    }

    #[test]
    fn a_ban_that_is_lifted_is_as_if_it_had_not_been() {
        let mut bans = Bans::new(Seeded::new(1, 2));
        bans.ban(0, source(1), Offence::Flood);
        assert_eq!(bans.list(10_000).iter().map(|ban| (ban.source, ban.left_ms)).collect::<Vec<_>>(), [(source(1), 50_000)]);
        assert!(bans.lift(0, source(1)) && !bans.is_banned(0, source(1)) && !bans.lift(0, source(1)));
        assert_eq!(bans.ban(0, source(1), Offence::Flood).unwrap().times, 1);
    }

    #[test]
    fn the_table_is_bounded_and_the_ban_that_ends_first_gives_way() {
        let mut bans = Bans::new(Seeded::new(1, 2));
        for n in 0..20_000 {
            bans.ban(u64::from(n), source(n), Offence::Scan);
        }
        assert_eq!((bans.entries.len(), bans.by_end.len()), (MOST, MOST));
        assert!(!bans.is_banned(20_000, source(0)) && bans.is_banned(20_000, source(19_999)));
    }
}
