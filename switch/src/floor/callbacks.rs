//! Items without a caller on the line: they wait like all others, and the agent whose turn it is calls the customer.
//!
//! An offer of such an item makes a call of its own: the agent's device is rung first, then the customer is. All that
//! time the offer is live and reserves the agent, so that no more customers are called than agents are there; the item
//! has its place until the customer answers, so that nothing is lost with the process. A customer who does not answer
//! is called again later, at the same place.

use std::collections::BTreeSet;

use super::{
    Floor, Timer,
    contract::{FloorEvent, OfferOutcome},
    items::{Behind, Item, Stage},
};
use crate::{
    callback::Callback,
    cause::Cause,
    id::{CallId, CustomerId, ItemId, OfferId},
    link::{FloorSays, LeaveReason},
    name::QueueName,
    time::Timestamp,
};

/// Beyond the customer's ringing time an offer whose agent has answered lasts so long, in ms: its call has to say how it
/// went by then.
const WORD_MS: u64 = 30_000;

impl Floor {
    /// A waiting caller wants to be called back: the item is without a call from now on. While a device rings for the
    /// caller nothing changes; the call hears of the offer, and asks again.
    pub(super) fn keep_callback(&mut self, now: Timestamp, id: ItemId, mut callback: Callback) {
        let Some(item) = self.items.get(&id) else { return };
        let call = item.call;
        match (&item.behind, &item.stage) {
            (Behind::Caller, Stage::Waiting) => {}
            // It did not hear what it was told before a restart.
            (Behind::Callback(_), _) => return self.say(call, FloorSays::CallbackKept { item: id }),
            (Behind::Caller, _) => return,
        }
        let (queue, caller) = (item.queue.clone(), item.caller.clone());
        if !self.may_promise(now, &queue, &caller) {
            return self.say(call, FloorSays::CallbackRefused { item: id });
        }
        self.promises.count(now, &caller, 1);
        self.drop_older(now, id);
        let Some(item) = self.items.get_mut(&id) else { return };
        callback.customer = item.customer;
        item.behind = Behind::Callback(Box::new(callback));
        item.wait_without_agents = true;
        let (record, arrived_at) = (item.record(), item.virtual_arrival_at);
        self.promise(id);
        if let Some(queue) = self.queues.get_mut(&record.queue) {
            queue.arrivals.remove(&(arrived_at, id));
        }
        self.journal(FloorEvent::CallbackKept { item: record, at: now });
        self.say(call, FloorSays::CallbackKept { item: id });
    }

    /// A customer is called back by one queue at most, by one number at most: the latest counts.
    fn drop_older(&mut self, now: Timestamp, id: ItemId) {
        let Some((caller, customer)) = self.items.get(&id).map(|item| (item.caller.clone(), item.customer)) else { return };
        let by_number = self.queues.values().filter_map(|queue| queue.promised.get(caller.as_str()).copied());
        let by_customer = customer.and_then(|customer| self.promises.by_customer.get(&customer).copied());
        let older: BTreeSet<ItemId> = by_number.chain(by_customer).filter(|older| *older != id).collect();
        for older in older {
            self.drop_callback(now, older, LeaveReason::Replaced);
        }
    }

    /// It is certain who an item is about. Whoever is called back already by another number is so no more.
    pub(super) fn know(&mut self, now: Timestamp, id: ItemId, customer: CustomerId) {
        let Some(item) = self.items.get_mut(&id).filter(|item| item.customer.is_none()) else { return };
        item.customer = Some(customer);
        let Behind::Callback(callback) = &mut item.behind else { return };
        callback.customer = Some(customer);
        if !matches!(item.stage, Stage::Engaged { .. }) {
            let item = item.record();
            self.journal(FloorEvent::CallbackKept { item, at: now });
            self.drop_older(now, id);
            self.promises.by_customer.insert(customer, id);
        }
    }

    /// Notes where the customer is waited for, by their number.
    pub(super) fn promise(&mut self, id: ItemId) {
        let Some(item) = self.items.get(&id) else { return };
        let (caller, name) = (item.caller.as_str().to_owned(), item.queue.clone());
        if let Some(customer) = item.customer {
            self.promises.by_customer.insert(customer, id);
        }
        self.queue_entry(&name).promised.insert(caller, id);
    }

    /// Nobody is waited for by that number any more.
    pub(super) fn forget_promise(&mut self, id: ItemId) {
        let Some(item) = self.items.get(&id).filter(|item| item.is_callback()) else { return };
        if let Some(queue) = self.queues.get_mut(&item.queue)
            && queue.promised.get(item.caller.as_str()) == Some(&id)
        {
            queue.promised.remove(item.caller.as_str());
        }
        if let Some(customer) = item.customer
            && self.promises.by_customer.get(&customer) == Some(&id)
        {
            self.promises.by_customer.remove(&customer);
        }
    }

    /// A callback is given up, with the offer of it; says whether there was one.
    pub(super) fn drop_callback(&mut self, now: Timestamp, id: ItemId, reason: LeaveReason) -> bool {
        let Some(item) = self.items.get(&id).filter(|item| item.is_callback()) else { return false };
        let offer = if let Stage::Offered(offer) = item.stage { Some(offer) } else { None };
        let agent = offer.and_then(|offer| self.withdraw(now, offer, OfferOutcome::Withdrawn));
        self.leave_queue(now, id, reason);
        if let Some(agent) = agent {
            self.rest(now, &agent);
        }
        true
    }

    /// Whoever calls in while they are waited for takes over the place: they are not called any more.
    pub(super) fn stop_calling_back(&mut self, now: Timestamp, id: ItemId) {
        let Some(item) = self.items.get(&id).filter(|item| item.is_callback()) else { return };
        if let Stage::Offered(offer) = item.stage {
            let agent = self.withdraw(now, offer, OfferOutcome::Withdrawn);
            if let Some(agent) = agent {
                self.rest(now, &agent);
            }
        }
        self.unwait(id);
        self.timers.clear(&Timer::Again(id));
        self.forget_promise(id);
    }

    /// What the line is told of an offer: with a live call to ring the agent for it, else to make a call.
    pub(super) fn ring_for(&mut self, now: Timestamp, id: ItemId, ring: FloorSays) -> Option<(CallId, FloorSays)> {
        let item = self.items.get(&id)?;
        let Behind::Callback(callback) = &item.behind else { return Some((item.call, ring)) };
        let FloorSays::Offer { offer, item: _, agent, devices, ring_ms } = ring else { return None };
        let (caller, queue, callback) = (item.caller.clone(), item.queue.clone(), callback.clone());
        let call = CallId(self.ids.next(now));
        Some((call, FloorSays::CallBack { offer, item: id, agent, devices, ring_ms, caller, queue, callback }))
    }

    /// The agent's device answered, and the customer is called.
    pub(super) fn calls_customer(&mut self, now: Timestamp, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else { return };
        let Some(Behind::Callback(callback)) = self.items.get(&offer.item).map(|item| &item.behind) else { return };
        let ring_ms = callback.tries.ring_ms;
        if let Some(offer) = self.offers.get_mut(&id) {
            offer.calls_customer = true;
        }
        self.timers.set(Timer::Ring(id), now.plus_ms(ring_ms.saturating_add(WORD_MS)));
    }

    /// The customer did not answer: they are called again later, or not any more. The agent has done nothing wrong.
    pub(super) fn unreached(&mut self, now: Timestamp, id: OfferId, cause: Cause) {
        let Some(offer) = self.offers.get(&id).filter(|offer| offer.calls_customer) else { return };
        let (item, agent) = (offer.item, offer.agent.clone());
        if self.withdraw(now, id, OfferOutcome::Unreached(cause)).is_none() {
            return;
        }
        if let Some(agent) = self.agents.get_mut(&agent) {
            agent.begin_afresh();
        }
        self.try_later(now, item);
        self.rest(now, &agent);
    }

    fn try_later(&mut self, now: Timestamp, id: ItemId) {
        let Some(Item { behind: Behind::Callback(callback), .. }) = self.items.get_mut(&id) else { return };
        callback.tries.left = callback.tries.left.saturating_sub(1);
        if callback.tries.left == 0 {
            return self.leave_queue(now, id, LeaveReason::Unreached);
        }
        callback.not_before = now.plus_ms(callback.tries.apart_ms);
        if let Some(item) = self.items.get(&id).map(Item::record) {
            self.journal(FloorEvent::CallbackKept { item, at: now });
        }
        self.wait_for_turn(now, id);
    }

    /// The customer is called when it is their turn, but not before the time that was set.
    pub(super) fn wait_for_turn(&mut self, now: Timestamp, id: ItemId) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let Behind::Callback(callback) = &item.behind else { return };
        if callback.not_before <= now {
            return self.wait(now, id);
        }
        item.stage = Stage::Later;
        self.timers.set(Timer::Again(id), callback.not_before);
    }

    /// A promise of before the restart.
    pub(super) fn restore_callback(&mut self, now: Timestamp, item: Item) {
        let (id, name, key): (ItemId, QueueName, _) = (item.item, item.queue.clone(), item.key());
        if self.items.contains_key(&id) {
            return;
        }
        self.items.insert(id, item);
        self.queue_entry(&name).order.insert(key);
        self.promise(id);
        self.wait_for_turn(now, id);
    }
}
