//! What moves a waiting item within its queue: a person with a reason, or a deadline that is near.

use super::{
    Floor, Timer,
    contract::FloorEvent,
    items::{Item, Stage},
};
use crate::{id::ItemId, time::Timestamp};

/// What a conversation is expected to take as long as a queue has handled too few, in ms.
const EXPECTED_HANDLING_MS: u64 = 300_000;
/// A reason longer than this is cut.
const REASON_CHARS: usize = 200;

/// Why an item does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPrioritised {
    /// The floor does not know it.
    NoSuchItem,
    /// It is in conversation: there is no place to move it to.
    NotWaiting,
    /// More than the queue allows, which is so many minutes.
    TooMuch(u32),
}

impl Floor {
    /// Whether [`Input::Prioritise`](super::Input::Prioritise) would be done.
    ///
    /// # Errors
    /// Why not.
    pub fn may_prioritise(&self, id: ItemId, minutes: u32) -> Result<(), NotPrioritised> {
        let item = self.items.get(&id).ok_or(NotPrioritised::NoSuchItem)?;
        let has_place = !matches!(item.stage, Stage::Engaged { .. } | Stage::Detached);
        let queue = self.queues.get(&item.queue).filter(|_| has_place).ok_or(NotPrioritised::NotWaiting)?;
        let most = queue.profile.work.max_priority_minutes;
        // What the plan gave it at first it may keep.
        if minutes > most.max(item.priority_minutes) { Err(NotPrioritised::TooMuch(most)) } else { Ok(()) }
    }

    pub(super) fn prioritise(&mut self, now: Timestamp, id: ItemId, minutes: u32, reason: &str) {
        if self.may_prioritise(id, minutes).is_err() {
            return;
        }
        let Some(from_minutes) = self.items.get(&id).map(|item| item.priority_minutes) else { return };
        if from_minutes == minutes {
            return;
        }
        let waits = self.items.get(&id).is_some_and(|item| item.stage == Stage::Waiting);
        if waits {
            self.unwait(id);
        }
        self.move_in_order(now, id, |item| item.priority_minutes = minutes);
        if let Some(item) = self.items.get(&id).map(Item::record) {
            let reason = reason.chars().filter(|letter| !letter.is_control()).take(REASON_CHARS).collect();
            self.journal(FloorEvent::Prioritised { item, from_minutes, reason, at: now });
        }
        if waits {
            self.wait(now, id);
        }
    }

    /// The item has another place in its queue after the change.
    fn move_in_order(&mut self, now: Timestamp, id: ItemId, change: impl FnOnce(&mut Item)) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let Some(queue) = self.queues.get_mut(&item.queue) else { return };
        queue.order.remove(item.key());
        change(item);
        queue.order.insert(item.key());
        let name = item.queue.clone();
        self.places_changed(now, &name);
    }

    /// Before an item is listed as waiting: puts it first when its deadline is nearer than the time it takes to handle it,
    /// else sets the time of that.
    pub(super) fn watch_deadline(&mut self, now: Timestamp, id: ItemId) {
        let Some(item) = self.items.get(&id).filter(|item| !item.is_urgent) else { return };
        let (Some(deadline_at), Some(queue)) = (item.work.deadline_at, self.queues.get(&item.queue)) else { return };
        let takes_ms = queue.handling.mean_ms().unwrap_or(EXPECTED_HANDLING_MS);
        let urgent_at = Timestamp(deadline_at.0.saturating_sub_unsigned(takes_ms.saturating_mul(1_000)));
        if urgent_at <= now {
            self.move_in_order(now, id, |item| item.is_urgent = true);
        } else {
            self.timers.set(Timer::Deadline(id), urgent_at);
        }
    }
}
