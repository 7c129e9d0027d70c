//! Work items: how they join a queue, wait, and leave it.

use super::{
    Floor, Timer,
    contract::{FloorEvent, OfferOutcome},
    kept::{Side, WaitingItem, Work},
    order::{Key, Rank},
    queues::{Queue, is_on_duty},
    skills::{self, Skills},
};
use crate::{
    callback::Callback,
    cause::Cause,
    id::{CallId, CustomerId, ItemId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, Place, RefuseReason},
    name::{AgentName, PartyNumber, QueueName},
    time::Timestamp,
};

/// So many agents who let an item ring out are remembered with it; older ones are forgotten.
const REMEMBERED_MISSES: usize = 8;

#[derive(Debug)]
pub(super) struct Item {
    pub(super) item: ItemId,
    /// The call that it joined the queue by; in conversation that with the agent.
    pub(super) call: CallId,
    pub(super) behind: Behind,
    pub(super) queue: QueueName,
    pub(super) caller: PartyNumber,
    /// What was asked for at first.
    pub(super) asked: Skills,
    /// What is asked for now, after relaxation; kept up to date while it waits.
    pub(super) needs: Skills,
    pub(super) priority_minutes: u32,
    pub(super) virtual_arrival_at: Timestamp,
    pub(super) wait_without_agents: bool,
    pub(super) stage: Stage,
    pub(super) work: Work,
    /// Its deadline is near: it comes before all that have time.
    pub(super) is_urgent: bool,
    /// The agent that it is kept for at this moment.
    pub(super) saved_for: Option<AgentName>,
    /// Agents who did not take it, the latest last.
    pub(super) passed_by: Vec<AgentName>,
    /// What the caller was told last, and when.
    pub(super) told: Option<(Place, Timestamp)>,
    /// Who waits, when it is certain; said beside the call.
    pub(super) customer: Option<CustomerId>,
}

/// What is behind an item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Behind {
    /// A call, whose caller waits on the line; or waited, before the restart.
    Caller,
    /// Nobody on the line: a promise to call.
    Callback(Box<Callback>),
}

/// Where an item is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Could be offered at any moment.
    Waiting,
    /// An agent rings for it.
    Offered(OfferId),
    /// In conversation; it has no place in the queue any more.
    Engaged {
        /// With whom.
        agent: AgentName,
        /// Since when.
        since_at: Timestamp,
        /// Who has to say something; of a call nobody asks.
        turn: Side,
    },
    /// A customer who was not reached: called again at its time.
    Later,
    /// Its call ended with the last run; it keeps the place for a caller who comes back.
    Detached,
}

impl Item {
    pub(super) fn new(from: &Enqueue) -> Self {
        let asked = skills::sorted(&from.skills);
        Self {
            item: from.item,
            call: from.call,
            behind: Behind::Caller,
            queue: from.queue.clone(),
            caller: from.caller.clone(),
            needs: asked.clone(),
            asked,
            priority_minutes: from.priority_minutes,
            virtual_arrival_at: from.arrived_at,
            wait_without_agents: from.wait_without_agents,
            stage: Stage::Waiting,
            work: from.work.clone(),
            is_urgent: false,
            saved_for: None,
            passed_by: Vec::new(),
            told: None,
            customer: None,
        }
    }

    /// An item of before the restart.
    pub(super) fn detached(from: WaitingItem) -> Self {
        let asked = skills::sorted(&from.skills);
        let customer = from.callback.as_ref().and_then(|callback| callback.customer);
        Self {
            item: from.item,
            call: from.call,
            behind: from.callback.map_or(Behind::Caller, Behind::Callback),
            queue: from.queue,
            caller: from.caller,
            needs: asked.clone(),
            asked,
            priority_minutes: from.priority_minutes,
            virtual_arrival_at: from.virtual_arrival_at,
            wait_without_agents: true,
            stage: Stage::Detached,
            work: from.work,
            is_urgent: false,
            saved_for: None,
            passed_by: Vec::new(),
            told: None,
            customer,
        }
    }

    pub(super) fn key(&self) -> Key {
        let key = Key::new(self.item, self.virtual_arrival_at, self.priority_minutes);
        if self.is_urgent { key.urgent() } else { key }
    }

    pub(super) fn rank(&self, now: Timestamp, queue: &Queue) -> Rank {
        self.key().rank(now, queue.profile.answer_target_ms)
    }

    /// All that a restart needs.
    pub(super) fn record(&self) -> WaitingItem {
        WaitingItem {
            item: self.item,
            call: self.call,
            queue: self.queue.clone(),
            caller: self.caller.clone(),
            skills: skills::listed(&self.asked),
            priority_minutes: self.priority_minutes,
            virtual_arrival_at: self.virtual_arrival_at,
            callback: match &self.behind {
                Behind::Caller => None,
                Behind::Callback(callback) => Some(callback.clone()),
            },
            work: self.work.clone(),
        }
    }

    pub(super) const fn is_callback(&self) -> bool {
        matches!(self.behind, Behind::Callback(_))
    }

    /// Others go first the next time.
    pub(super) fn was_passed_by(&mut self, agent: &AgentName) {
        self.passed_by.retain(|name| name != agent);
        if self.passed_by.len() == REMEMBERED_MISSES {
            self.passed_by.remove(0);
        }
        self.passed_by.push(agent.clone());
    }
}

impl Floor {
    /// A call joins a queue, at its old place if it had one before the restart.
    pub(super) fn enqueue(&mut self, now: Timestamp, mut enqueue: Enqueue) {
        if self.items.contains_key(&enqueue.item) {
            return self.place_again(now, &enqueue);
        }
        // A clock of another machine may be ahead; nobody has waited a negative time.
        enqueue.arrived_at = enqueue.arrived_at.min(now);
        let is_call = enqueue.work.channel.is_voice();
        let old_place = self.old_place(now, &enqueue.queue, &enqueue.caller).filter(|_| is_call);
        if let Err(reason) = self.admit(&enqueue, old_place.is_some()) {
            let Enqueue { item, call, queue, .. } = enqueue;
            self.journal(FloorEvent::Refused { call, queue, reason, at: now });
            self.say(call, FloorSays::Refused { item, reason });
            return;
        }
        let mut item = Item::new(&enqueue);
        if let Some(old) = old_place.and_then(|old| self.take_over(now, old)) {
            item.virtual_arrival_at = old.virtual_arrival_at;
            item.priority_minutes = old.priority_minutes;
        } else if let Some(queue) = self.queues.get(&item.queue) {
            item.virtual_arrival_at = queue.order.free_moment(item.virtual_arrival_at, item.priority_minutes);
        }
        self.journal(FloorEvent::Queued { item: item.record(), rejoined: old_place, at: now });
        self.join(now, item);
    }

    fn admit(&self, enqueue: &Enqueue, has_place: bool) -> Result<(), RefuseReason> {
        let queue = self.queues.get(&enqueue.queue).filter(|queue| queue.in_plan).ok_or(RefuseReason::NoSuchQueue)?;
        if queue.signed_in == 0 && !enqueue.wait_without_agents {
            return Err(RefuseReason::NoAgents);
        }
        let full = queue.order.len() >= usize::try_from(queue.profile.max_waiting).unwrap_or(usize::MAX);
        if full && !has_place { Err(RefuseReason::Full) } else { Ok(()) }
    }

    fn join(&mut self, now: Timestamp, item: Item) {
        let (id, call, name, key) = (item.item, item.call, item.queue.clone(), item.key());
        let queue = self.queue_entry(&name);
        queue.order.insert(key);
        queue.arrivals.insert((item.virtual_arrival_at, id));
        self.items.insert(id, item);
        self.places_changed(now, &name);
        if let Some(place) = self.place_of(id) {
            self.say(call, FloorSays::Queued { item: id, place });
            if let Some(item) = self.items.get_mut(&id) {
                item.told = Some((place, now));
            }
        }
        self.wait(now, id);
    }

    /// The item may be offered from now on.
    pub(super) fn wait(&mut self, now: Timestamp, id: ItemId) {
        self.watch_deadline(now, id);
        let Some(item) = self.items.get_mut(&id) else { return };
        item.stage = Stage::Waiting;
        let Some(queue) = self.queues.get_mut(&item.queue) else { return };
        let waited_ms = now.ms_since(item.virtual_arrival_at);
        item.needs = skills::relaxed(&item.asked, &queue.profile.relax, waited_ms);
        if let Some(after_ms) = skills::next_relaxation_ms(&item.asked, &queue.profile.relax, waited_ms) {
            self.timers.set(Timer::Relax(id), item.virtual_arrival_at.plus_ms(after_ms));
        }
        self.fresh.insert(id);
        self.list_item(now, id);
        let (Some(item), Some(queue)) = self.item_and_queue(id) else { return };
        if queue.signed_in == 0 && !item.wait_without_agents {
            self.emptied.insert(item.queue.clone());
        }
    }

    /// The item is not to be offered any more; its place stays.
    pub(super) fn unwait(&mut self, id: ItemId) {
        self.timers.clear(&Timer::Relax(id));
        self.timers.clear(&Timer::Deadline(id));
        self.fresh.remove(&id);
        self.unlist_item(id);
    }

    /// What the item needs is worked out anew.
    pub(super) fn relax(&mut self, now: Timestamp, id: ItemId) {
        if self.items.get(&id).is_some_and(|item| item.stage == Stage::Waiting) {
            self.unwait(id);
            self.wait(now, id);
        }
    }

    /// Lists an item as waiting: for everybody, or for the agent that it is kept for.
    fn list_item(&mut self, now: Timestamp, id: ItemId) {
        let saved = self.items.get(&id).and_then(|item| self.is_saved_for(now, item));
        let Some(item) = self.items.get_mut(&id) else { return };
        item.saved_for = saved.as_ref().map(|(agent, _)| agent.clone());
        let (name, demand, needs, key) = (item.queue.clone(), item.work.demand(), item.needs.clone(), item.key());
        let Some(queue) = self.queues.get_mut(&name) else { return };
        if let Some((agent, until_at)) = saved {
            queue.saved.insert(key);
            self.timers.set(Timer::Prefer(id), until_at);
            // It may be older than what they drain for.
            if self.agents.get(&agent).is_some_and(|agent| agent.listed.is_some()) {
                self.freed.insert(agent.clone());
            }
            self.saved.entry(agent).or_default().insert(id);
        } else {
            queue.list_waiting(demand, &needs, key);
            self.came(&name, demand, &needs, key);
        }
    }

    /// Whom it is kept for, and until when: an agent on duty who can do what it needs, and did not pass it by.
    fn is_saved_for(&self, now: Timestamp, item: &Item) -> Option<(AgentName, Timestamp)> {
        let preferred = item.work.preferred.as_ref().filter(|preferred| now < preferred.until_at)?;
        let agent = self.agents.get(&preferred.agent)?;
        let can = agent.profile.queues.contains(&item.queue)
            && !item.passed_by.contains(&preferred.agent)
            && skills::meets(&agent.skills, &item.needs)
            && agent.profile.capacity.takes().contains(item.work.demand());
        let is_here = is_on_duty(&agent.state) && !agent.gone && agent.pending.is_none();
        (can && is_here).then(|| (preferred.agent.clone(), preferred.until_at))
    }

    fn unlist_item(&mut self, id: ItemId) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let (name, demand, key, saved) = (item.queue.clone(), item.work.demand(), item.key(), item.saved_for.take());
        let Some(queue) = self.queues.get_mut(&name) else { return };
        let Some(agent) = saved else {
            queue.unlist_waiting(demand, &item.needs, key);
            return self.went(&name, key);
        };
        queue.saved.remove(&key);
        self.timers.clear(&Timer::Prefer(id));
        if let Some(items) = self.saved.get_mut(&agent) {
            items.remove(&id);
            if items.is_empty() {
                self.saved.remove(&agent);
            }
        }
        // They may have drained for it.
        if self.agents.get(&agent).is_some_and(|agent| agent.listed.is_some()) {
            self.freed.insert(agent);
        }
    }

    /// An agent cannot be waited for any more, or in another way: what was kept for them is listed anew.
    pub(super) fn release_saved(&mut self, now: Timestamp, agent: &AgentName) {
        for item in self.saved_items(agent) {
            self.relax(now, item);
        }
    }

    fn item_and_queue(&self, id: ItemId) -> (Option<&Item>, Option<&Queue>) {
        let item = self.items.get(&id);
        (item, item.and_then(|item| self.queues.get(&item.queue)))
    }

    /// The item gives up its place in the queue.
    pub(super) fn give_up_place(&mut self, now: Timestamp, id: ItemId) {
        let Some(item) = self.items.get(&id) else { return };
        let (name, key) = (item.queue.clone(), item.key());
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.order.remove(key);
            queue.arrivals.remove(&(item.virtual_arrival_at, id));
            self.places_changed(now, &name);
        }
    }

    /// A waiting call goes.
    pub(super) fn leave(&mut self, now: Timestamp, id: ItemId, reason: LeaveReason) {
        let Some(stage) = self.items.get(&id).map(|item| item.stage.clone()) else { return };
        if self.items.get(&id).is_some_and(Item::is_callback) && !matches!(stage, Stage::Engaged { .. }) {
            // The call that asked for it is over; the promise stays.
            return;
        }
        match stage {
            Stage::Waiting => self.leave_queue(now, id, reason),
            Stage::Offered(offer) => {
                let agent = self.withdraw(now, offer, OfferOutcome::Withdrawn);
                self.leave_queue(now, id, reason);
                if let Some(agent) = agent {
                    self.rest(now, &agent);
                }
            }
            // It crossed our `Connect`: the call is gone, so nobody else would free the agent.
            Stage::Engaged { .. } => self.end_conversation(now, id, cause_of(reason), false),
            Stage::Detached | Stage::Later => {}
        }
    }

    /// Takes a waiting or detached item out for good.
    pub(super) fn leave_queue(&mut self, now: Timestamp, id: ItemId, reason: LeaveReason) {
        self.unwait(id);
        self.timers.clear(&Timer::Again(id));
        self.forget_promise(id);
        self.give_up_place(now, id);
        self.items.remove(&id);
        self.journal(FloorEvent::Left { item: id, reason, at: now });
    }

    /// Callers whose plan does not let them wait for an agent to sign in leave a queue that has none.
    pub(super) fn refuse_unattended(&mut self, now: Timestamp) {
        while let Some(name) = self.emptied.pop_first() {
            let Some(queue) = self.queues.get(&name).filter(|queue| queue.signed_in == 0) else { continue };
            let waiting: Vec<ItemId> = queue.order.iter().map(|key| key.item).collect();
            for id in waiting {
                let Some(item) = self.items.get(&id) else { continue };
                if item.stage == Stage::Waiting && !item.wait_without_agents {
                    let call = item.call;
                    self.leave_queue(now, id, LeaveReason::NoAgents);
                    self.say(call, FloorSays::Refused { item: id, reason: RefuseReason::NoAgents });
                }
            }
        }
    }
}

const fn cause_of(reason: LeaveReason) -> Cause {
    match reason {
        LeaveReason::Abandoned => Cause::Cancelled,
        LeaveReason::TimedOut => Cause::Timeout,
        LeaveReason::Fault => Cause::Fault,
        LeaveReason::Restart => Cause::Restart,
        LeaveReason::NoAgents | LeaveReason::Unreached => Cause::Unavailable,
        LeaveReason::Replaced | LeaveReason::Withdrawn => Cause::Cancelled,
    }
}
