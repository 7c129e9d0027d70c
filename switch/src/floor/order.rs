//! Who is before whom: ranks over all queues, and the order of one queue with its positions.

use std::cmp::Ordering;

use crate::{id::ItemId, time::Timestamp};

/// A chunk that grows longer than this is split in two.
const CHUNK_KEYS: usize = 512;

/// An item's place in the order of its queue; changes only when its priority does, or when its deadline is near.
///
/// Within a queue the answer target is one, so rank order is the order of `virtual arrival - priority`:
/// a constant. Ties go to the older item. Over all queues it is the order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Its deadline is not near: those of which it is come first.
    has_time: bool,
    effective_us: i64,
    arrived_at: Timestamp,
    /// Which item.
    pub(super) item: ItemId,
}

impl Key {
    pub(super) fn new(item: ItemId, arrived_at: Timestamp, priority_minutes: u32) -> Self {
        let ahead_us = i64::from(priority_minutes) * 60_000_000;
        Self { has_time: true, effective_us: arrived_at.0.saturating_sub(ahead_us), arrived_at, item }
    }

    /// The same before all that have time.
    pub(super) const fn urgent(self) -> Self {
        Self { has_time: false, ..self }
    }

    /// Its rank at `now` in a queue with this answer target.
    pub(super) fn rank(self, now: Timestamp, answer_target_ms: u64) -> Rank {
        Rank {
            waited_us: i128::from(now.0) - i128::from(self.effective_us),
            target_us: i128::from(answer_target_ms.max(1)) * 1_000,
            key: self,
        }
    }
}

/// `(now - virtual arrival + priority) / answer target`, comparable over queues without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    waited_us: i128,
    target_us: i128,
    key: Key,
}

impl Rank {
    /// The rank as a number for people: 1 is exactly on target.
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    pub(super) fn as_f64(self) -> f64 {
        self.waited_us as f64 / self.target_us as f64
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mine, theirs) = (self.waited_us * other.target_us, other.waited_us * self.target_us);
        let sooner = other.key.has_time.cmp(&self.key.has_time);
        sooner
            .then_with(|| mine.cmp(&theirs))
            .then_with(|| other.key.arrived_at.cmp(&self.key.arrived_at))
            .then_with(|| other.key.item.cmp(&self.key.item))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The keys of one queue in order, in chunks, so that the position of any of 100,000 is found by adding
/// up a few hundred lengths and an insertion moves a few hundred keys.
#[derive(Debug, Default)]
pub(super) struct Order {
    chunks: Vec<Vec<Key>>,
    len: usize,
}

impl Order {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn insert(&mut self, key: Key) {
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        let at = self.chunk_of(key).min(self.chunks.len() - 1);
        let chunk = &mut self.chunks[at];
        let Err(index) = chunk.binary_search(&key) else { return };
        chunk.insert(index, key);
        self.len += 1;
        if chunk.len() > CHUNK_KEYS {
            let upper = chunk.split_off(CHUNK_KEYS / 2);
            self.chunks.insert(at + 1, upper);
        }
    }

    pub(super) fn remove(&mut self, key: Key) {
        let at = self.chunk_of(key);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Ok(index) = chunk.binary_search(&key) else { return };
        chunk.remove(index);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(at);
        }
    }

    /// How many are before this key.
    pub(super) fn before(&self, key: Key) -> usize {
        let at = self.chunk_of(key);
        let whole: usize = self.chunks[..at].iter().map(Vec::len).sum();
        whole + self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(|k| *k < key))
    }

    /// The first moment of arrival, from `at` on, that is nobody else's at the same priority. A place is found
    /// again after a restart by its moment alone, so a tie could turn round then.
    pub(super) fn free_moment(&self, at: Timestamp, priority_minutes: u32) -> Timestamp {
        let mut free = Key::new(ItemId(0), at, priority_minutes);
        for taken in self.iter_from(self.before(free)) {
            if taken.effective_us > free.effective_us {
                break;
            }
            if taken.effective_us == free.effective_us {
                free = Key::new(ItemId(0), Timestamp(free.arrived_at.0 + 1), priority_minutes);
            }
        }
        free.arrived_at
    }

    /// The keys from this index on.
    pub(super) fn iter_from(&self, index: usize) -> impl Iterator<Item = Key> + '_ {
        let (mut at, mut skip) = (0, index);
        while let Some(chunk) = self.chunks.get(at).filter(|chunk| chunk.len() <= skip) {
            skip -= chunk.len();
            at += 1;
        }
        self.chunks[at..].iter().flatten().skip(skip).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Key> + '_ {
        self.iter_from(0)
    }

    /// The first chunk that could hold the key.
    fn chunk_of(&self, key: Key) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last < key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_agree_with_a_sorted_list_through_random_changes() {
        let (mut order, mut plain) = (Order::default(), std::collections::BTreeSet::new());
        let mut state = 7_u64;
        for step in 0..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = Key::new(ItemId((state >> 33) % 3_000), Timestamp(0), 0);
            if state >> 63 == 0 || step < 4_000 {
                order.insert(key);
                plain.insert(key);
            } else {
                order.remove(key);
                plain.remove(&key);
            }
            assert_eq!(order.before(key), plain.range(..key).count());
            assert_eq!(order.len(), plain.len());
        }
        assert!(order.iter().eq(plain.iter().copied()));
        assert!(order.iter_from(1_000).eq(plain.iter().copied().skip(1_000)));
    }

    #[test]
    fn a_moment_is_given_to_one_only() {
        let mut order = Order::default();
        for item in 1..=3 {
            let at = order.free_moment(Timestamp(50), 0);
            order.insert(Key::new(ItemId(item), at, 0));
        }
        assert_eq!(order.iter().map(|key| (key.item.0, key.arrived_at.0)).collect::<Vec<_>>(), [(1, 50), (2, 51), (3, 52)]);
        assert_eq!(order.free_moment(Timestamp(49), 0), Timestamp(49));
        assert_eq!(order.free_moment(Timestamp(51), 0), Timestamp(53));
        // Who is a minute ahead stands behind who came a minute before: no tie.
        assert_eq!(order.free_moment(Timestamp(60_000_050), 1), Timestamp(60_000_050));
    }

    #[test]
    fn rank_grows_with_waiting_and_priority_and_shrinks_with_the_target() {
        let now = Timestamp::from_ms(1_000_000);
        let key = |item, at_s: i64, minutes| Key::new(ItemId(item), Timestamp::from_ms(at_s * 1000), minutes);
        assert!(key(1, 10, 0).rank(now, 20_000) > key(2, 20, 0).rank(now, 20_000));
        assert!(key(2, 20, 1).rank(now, 20_000) > key(1, 10, 0).rank(now, 20_000));
        assert!(key(2, 20, 0).rank(now, 10_000) > key(1, 10, 0).rank(now, 20_000));
        assert!(key(1, 10, 1).rank(now, 20_000) > key(2, 70, 2).rank(now, 20_000), "older first on a tie");
        assert!(key(1, 900, 0).urgent().rank(now, 90_000) > key(2, 1, 0).rank(now, 1_000), "a near deadline first");
        assert!(key(1, 900, 0).urgent() < key(2, 1, 0));
    }
}
