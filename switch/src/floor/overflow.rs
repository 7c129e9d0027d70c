//! A waiting item goes on to another queue, with all that it has: its arrival, its skills, its priority.
//!
//! When to is the call's affair. The item moves only when the other queue can serve it; else it stays where it stands.

use super::{
    Floor,
    contract::FloorEvent,
    items::{Item, Stage},
};
use crate::{
    id::ItemId,
    link::{FloorSays, RefuseReason},
    name::QueueName,
    time::Timestamp,
};

impl Floor {
    /// A device that rings for the item is let ring: the call hears of the offer, and asks again. An item that is not
    /// there any more is not moved either; its call hears of that, too.
    pub(super) fn overflow(&mut self, now: Timestamp, id: ItemId, to: QueueName, wait_without_agents: bool) {
        let Some(item) = self.items.get(&id).filter(|item| item.stage == Stage::Waiting) else { return };
        let (call, from) = (item.call, item.queue.clone());
        if item.is_callback() {
            // The call asked for a promise and has it; before a restart it may not have heard of that.
            return self.say(call, FloorSays::CallbackKept { item: id });
        }
        if let Err(reason) = self.could_take(&to) {
            return self.say(call, FloorSays::Stays { item: id, to, reason });
        }
        if from != to {
            self.unwait(id);
            self.give_up_place(now, id);
            self.take_in(now, id, &to, wait_without_agents);
            let Some(item) = self.items.get(&id).map(Item::record) else { return };
            self.journal(FloorEvent::Overflowed { item, from, at: now });
        }
        let Some(place) = self.place_of(id) else { return };
        if let Some(item) = self.items.get_mut(&id) {
            item.told = Some((place, now));
        }
        self.say(call, FloorSays::Overflowed { item: id, queue: to, place });
    }

    /// Somebody is on duty there, and there is a place.
    fn could_take(&self, queue: &QueueName) -> Result<(), RefuseReason> {
        let queue = self.queues.get(queue).filter(|queue| queue.in_plan).ok_or(RefuseReason::NoSuchQueue)?;
        if queue.signed_in == 0 {
            return Err(RefuseReason::NoAgents);
        }
        let is_full = queue.order.len() >= usize::try_from(queue.profile.max_waiting).unwrap_or(usize::MAX);
        if is_full { Err(RefuseReason::Full) } else { Ok(()) }
    }

    /// The item has its place in this queue now.
    fn take_in(&mut self, now: Timestamp, id: ItemId, to: &QueueName, wait_without_agents: bool) {
        let (Some(queue), Some(item)) = (self.queues.get_mut(to), self.items.get_mut(&id)) else { return };
        item.virtual_arrival_at = queue.order.free_moment(item.virtual_arrival_at, item.priority_minutes);
        (item.queue, item.wait_without_agents) = (to.clone(), wait_without_agents);
        queue.order.insert(item.key());
        queue.arrivals.insert((item.virtual_arrival_at, id));
        self.places_changed(now, to);
        self.wait(now, id);
    }
}
