//! How much somebody may ask: a token bucket each, in a table of bounded size.
//!
//! Of strangers, only what ends in a refusal is paid for, so a device with the right password and a trunk never
//! run dry, whatever else comes from their address.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    net::IpAddr,
};

use super::{config::Limits, timers::Ms};
use crate::hashing::Seeded;

/// Tokens are counted in thousandths, so that a ms of a slow rate is not lost.
const TOKEN: u64 = 1_000;

/// A bucket for each address that is no trunk.
pub(super) type Strangers = Buckets<IpAddr>;

/// A bucket for everybody who asked lately.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate_per_s: u64,
    burst: u64,
    most: usize,
    buckets: HashMap<K, Bucket, Seeded>,
    /// In order of their first appearance.
    order: VecDeque<K>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u64,
    at: Ms,
}

impl Strangers {
    pub(super) fn of(limits: &Limits, hasher: Seeded) -> Self {
        Self::new(limits.stranger_rate_per_s, limits.stranger_burst, limits.max_strangers, hasher)
    }

    /// One refusal to this address: `false` when it has had too many, and gets none.
    pub(super) fn may_be_refused(&mut self, now: Ms, address: IpAddr) -> bool {
        self.take(now, address)
    }
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// So many at once, then so many a second; of `most` the oldest gives way.
    pub(super) fn new(rate_per_s: u32, burst: u32, most: usize, hasher: Seeded) -> Self {
        Self {
            rate_per_s: u64::from(rate_per_s),
            burst: u64::from(burst) * TOKEN,
            most: most.max(1),
            buckets: HashMap::with_hasher(hasher),
            order: VecDeque::new(),
        }
    }

    /// Takes one token; `false` when there is none.
    pub(super) fn take(&mut self, now: Ms, who: K) -> bool {
        let (rate, burst) = (self.rate_per_s, self.burst);
        if !self.buckets.contains_key(&who) {
            self.make_room();
            self.order.push_back(who.clone());
        }
        let bucket = self.buckets.entry(who).or_insert(Bucket { tokens: burst, at: now });
        // One token a second is one thousandth a ms.
        bucket.tokens = burst.min(bucket.tokens + now.saturating_sub(bucket.at) * rate);
        bucket.at = now;
        let paid = bucket.tokens >= TOKEN;
        if paid {
            bucket.tokens -= TOKEN;
        }
        paid
    }

    fn make_room(&mut self) {
        while self.order.len() >= self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.buckets.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_then_the_rate_and_others_are_not_touched() {
        let limits = Limits { stranger_rate_per_s: 10, stranger_burst: 5, max_strangers: 2, ..Limits::default() };
        let mut strangers = Strangers::of(&limits, Seeded::new(1, 2));
        let address = |last| IpAddr::from([127, 0, 0, last]);
        let mut refused = |now, last| strangers.may_be_refused(now, address(last));
        assert_eq!((0..10).filter(|_| refused(0, 1)).count(), 5);
        assert_eq!((0..10).filter(|_| refused(200, 1)).count(), 2);
        assert!(refused(200, 2));
        assert!(refused(200, 3));
        assert!(strangers.buckets.len() <= 2 && strangers.order.len() <= 2);
    }
}
