//! How much somebody may ask: a token bucket each, in a table of bounded size.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use crate::hashing::Seeded;

/// Tokens are counted in thousandths, so that a ms of a slow rate is not lost.
pub(crate) const TOKEN: u64 = 1_000;

/// A bucket for everybody who asked lately.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
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
    at: u64,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// So many at once, then so many a second; of `most` the oldest gives way.
    pub(crate) fn new(rate_per_s: u32, burst: u32, most: usize, hasher: Seeded) -> Self {
        Self::fine(u64::from(rate_per_s) * TOKEN, burst, most, hasher)
    }

    /// The same with a rate in thousandths of a token a second.
    pub(crate) fn fine(rate_per_s: u64, burst: u32, most: usize, hasher: Seeded) -> Self {
        Self {
            rate_per_s,
            burst: u64::from(burst) * TOKEN,
            most: most.max(1),
            buckets: HashMap::with_hasher(hasher),
            order: VecDeque::new(),
        }
    }

    /// Takes one token; `false` when there is none.
    pub(crate) fn take(&mut self, now_ms: u64, who: K) -> bool {
        self.pay(now_ms, who, TOKEN)
    }

    /// Takes thousandths of a token; `false` when there are not so many.
    pub(crate) fn pay(&mut self, now_ms: u64, who: K, cost: u64) -> bool {
        let (rate, burst) = (self.rate_per_s, self.burst);
        if !self.buckets.contains_key(&who) {
            self.make_room();
            self.order.push_back(who.clone());
        }
        let bucket = self.buckets.entry(who).or_insert(Bucket { tokens: burst, at: now_ms });
        let come = now_ms.saturating_sub(bucket.at).saturating_mul(rate) / 1_000;
        // Of a slow rate a ms brings nothing: it is not forgotten.
        if come > 0 {
            bucket.tokens = burst.min(bucket.tokens.saturating_add(come));
            bucket.at = now_ms;
        }
        let paid = bucket.tokens >= cost;
        if paid {
            bucket.tokens -= cost;
        }
        paid
    }

    /// Makes the bucket of somebody full again.
    pub(crate) fn forgive(&mut self, who: &K) {
        if let Some(bucket) = self.buckets.get_mut(who) {
            bucket.tokens = self.burst;
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.buckets.len(), self.order.len());
        self.buckets.len()
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
    fn a_slow_rate_is_exact_however_often_it_is_asked() {
        // One in six seconds.
        let mut buckets = Buckets::fine(166, 1, 4, Seeded::new(1, 2));
        let paid = (0..60_000).filter(|now| buckets.take(*now, 'a')).count();
        assert!((9..=11).contains(&paid), "{paid} in a minute");
    }

    #[test]
    fn the_oldest_gives_way_and_who_is_forgiven_begins_anew() {
        let mut buckets = Buckets::new(1, 1, 2, Seeded::new(1, 2));
        assert!(buckets.take(0, 'a') && !buckets.take(0, 'a'));
        buckets.forgive(&'a');
        assert!(buckets.take(0, 'a') && buckets.take(0, 'b') && buckets.take(0, 'c'));
        assert_eq!(buckets.len(), 2);
        assert!(buckets.take(0, 'a'), "it was forgotten");
    }
}
