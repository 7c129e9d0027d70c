//! Position and estimated wait: worked out on demand, told to callers in rounds.
//!
//! When the first of 100,000 leaves, 99,999 places change. So each queue has rounds, at most one begun in
//! a second, and each round is done in slices between which other inputs are handled.

use super::{Floor, Timer, items::Stage, queues::Queue};
use crate::{
    id::ItemId,
    link::{FloorSays, Place},
    name::QueueName,
    time::Timestamp,
};

/// One caller is told at most once in this time, and one round begins.
const ROUND_MS: u64 = 1_000;
/// So many callers are looked at in one go.
const SLICE: usize = 256;
/// The pause between two slices.
const SLICE_MS: u64 = 1;
/// Estimates are rounded up to this, or every answered call would make a new one for everybody.
const ESTIMATE_STEP_MS: u64 = 10_000;

impl Queue {
    /// How long the one at this position will wait: one of the agents on duty becomes free each
    /// `handling / agents`. `None` before enough calls were handled, or with nobody on duty.
    pub(super) fn estimated_wait_ms(&self, position: u32) -> Option<u64> {
        let agents = u64::from(self.on_duty);
        let mean_ms = self.handling.mean_ms().filter(|_| agents > 0)?;
        Some((mean_ms.saturating_mul(u64::from(position)) / agents).div_ceil(ESTIMATE_STEP_MS).saturating_mul(ESTIMATE_STEP_MS))
    }

    /// The place of the item with this many before it.
    pub(super) fn place(&self, before: usize) -> Place {
        let position = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        Place { position, estimated_wait_ms: self.estimated_wait_ms(position) }
    }
}

impl Floor {
    /// Where an item stands among all of its queue that keep a place; `None` when it has none.
    pub(super) fn place_of(&self, id: ItemId) -> Option<Place> {
        let item = self.items.get(&id).filter(|item| !matches!(item.stage, Stage::Engaged { .. }))?;
        let queue = self.queues.get(&item.queue)?;
        Some(queue.place(queue.order.before(item.key())))
    }

    /// Places or estimates of the queue moved: a round is due, a second after the last one began.
    pub(super) fn places_changed(&mut self, now: Timestamp, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        queue.places.dirty = true;
        let timer = Timer::Places(name.clone());
        if !self.timers.is_set(&timer) {
            let at = queue.places.began_at.map_or(now, |began| began.plus_ms(ROUND_MS)).max(now);
            self.timers.set(timer, at);
        }
    }

    /// One slice of a round.
    pub(super) fn tell_places(&mut self, now: Timestamp, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let first = match queue.places.cursor {
            None => {
                queue.places.dirty = false;
                queue.places.began_at = Some(now);
                0
            }
            // Counted anew: who left or joined before the cursor moved everybody behind it.
            Some(cursor) => {
                let before = queue.order.before(cursor);
                before + usize::from(queue.order.iter_from(before).next() == Some(cursor))
            }
        };
        let slice: Vec<_> = queue.order.iter_from(first).take(SLICE).collect();
        for (index, key) in slice.iter().enumerate() {
            self.tell_place(now, name, key.item, first + index);
        }
        let Some(queue) = self.queues.get_mut(name) else { return };
        let timer = Timer::Places(name.clone());
        if slice.len() == SLICE {
            queue.places.cursor = slice.last().copied();
            self.timers.set(timer, now.plus_ms(SLICE_MS));
        } else {
            queue.places.cursor = None;
            if queue.places.dirty {
                let at = queue.places.began_at.map_or(now, |began| began.plus_ms(ROUND_MS));
                self.timers.set(timer, at.max(now.plus_ms(SLICE_MS)));
            }
        }
    }

    fn tell_place(&mut self, now: Timestamp, name: &QueueName, id: ItemId, before: usize) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Some(item) = self.items.get_mut(&id).filter(|item| item.stage != Stage::Detached && !item.is_callback()) else {
            return;
        };
        let place = queue.place(before);
        match item.told {
            Some((told, _)) if told == place => return,
            Some((_, told_at)) if now < told_at.plus_ms(ROUND_MS) => {
                queue.places.dirty = true;
                return;
            }
            _ => item.told = Some((place, now)),
        }
        let call = item.call;
        self.say(call, FloorSays::Place { item: id, place });
    }
}
