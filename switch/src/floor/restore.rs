//! What survives a restart: the fold of the journal, and how the floor takes it up again.

use super::{
    Floor, Timer,
    contract::{AgentState, FloorEvent, OfferOutcome},
    items::{Behind, Item, Stage},
    kept::{Conversation, GoingOn, HeldConversation, Restored, RestoredAgent, RestoredOffer, Side, Standing, WaitingItem},
    load::Held,
};
use crate::{
    cause::Cause,
    id::ItemId,
    link::{Enqueue, FloorSays, LeaveReason},
    name::{AgentName, PartyNumber, QueueName},
    step::AgentRequest,
    time::Timestamp,
};

impl Restored {
    /// Takes in the next event of the journal. From an empty start, or from a stored state, this gives
    /// what the floor has to be given after a stop at that point.
    pub fn apply(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::AgentChanged { agent, state, at } => self.agent(agent, *at).change(state, *at),
            FloorEvent::AgentAsked { agent, request, at } => {
                let wish = matches!(request, AgentRequest::SignOut | AgentRequest::NotReady { .. });
                self.agent(agent, *at).pending = wish.then(|| request.clone());
            }
            FloorEvent::Queued { item, rejoined, .. } => {
                if let Some(old) = rejoined {
                    drop(self.remove_waiting(*old));
                }
                self.waiting.push(item.clone());
            }
            FloorEvent::Offered { offer, item, agent, .. } => {
                self.offers.push(RestoredOffer { offer: *offer, item: *item, agent: agent.clone() });
            }
            FloorEvent::OfferEnded { offer, item, agent, outcome, at } => {
                self.offers.retain(|live| live.offer != *offer);
                if *outcome == OfferOutcome::Accepted
                    && let Some(item) = self.remove_waiting(*item).filter(|item| !item.work.channel.is_voice())
                {
                    let conversation = Conversation { item, agent: agent.clone(), since_at: *at };
                    self.held.push(HeldConversation { conversation, standing: Standing::Active, turn: Side::Agent });
                }
            }
            FloorEvent::CallbackKept { item, .. }
            | FloorEvent::Overflowed { item, .. }
            | FloorEvent::Prioritised { item, .. } => {
                drop(self.remove_waiting(item.item));
                self.waiting.push(item.clone());
            }
            FloorEvent::Returned { item, .. } => {
                self.held.retain(|held| held.conversation.item.item != item.item);
                self.waiting.push(item.clone());
            }
            FloorEvent::ConversationChanged { item, standing, turn, .. } => {
                if let Some(held) = self.held.iter_mut().find(|held| held.conversation.item.item == *item) {
                    (held.standing, held.turn) = (*standing, *turn);
                }
            }
            FloorEvent::Left { item, .. } => drop(self.remove_waiting(*item)),
            FloorEvent::Finished { item, agent, at, .. } => {
                self.held.retain(|held| held.conversation.item.item != *item);
                self.agent(agent, *at).idle_since_at = Some(*at);
            }
            FloorEvent::Refused { .. } => {}
        }
    }

    fn agent(&mut self, name: &AgentName, at: Timestamp) -> &mut RestoredAgent {
        let found = match self.agents.binary_search_by(|known| known.agent.cmp(name)) {
            Ok(index) => index,
            // A list that was not built here may be in another order.
            Err(gap) => self.agents.iter().position(|known| known.agent == *name).unwrap_or_else(|| {
                let state = AgentState::Offline;
                let new = RestoredAgent { agent: name.clone(), state, since_at: at, idle_since_at: None, pending: None };
                self.agents.insert(gap, new);
                gap
            }),
        };
        &mut self.agents[found]
    }

    fn remove_waiting(&mut self, item: ItemId) -> Option<WaitingItem> {
        // The oldest go first, so the search is short.
        let index = self.waiting.iter().position(|waiting| waiting.item == item)?;
        Some(self.waiting.remove(index))
    }
}

impl RestoredAgent {
    fn change(&mut self, state: &AgentState, at: Timestamp) {
        if *state != AgentState::Offline {
            self.idle_since_at.get_or_insert(at);
        }
        if !matches!(state, AgentState::Engaged { item: Some(_) } | AgentState::WrapUp { .. }) {
            self.pending = None;
        }
        self.state = state.clone();
        self.since_at = at;
    }
}

impl Floor {
    /// Takes up what was known at the last stop. Only the first time, and only while nobody waits.
    pub(super) fn restore(&mut self, now: Timestamp, restored: Restored) {
        if self.restored_at.is_some() || !self.items.is_empty() {
            return;
        }
        self.restored_at = Some(now);
        let GoingOn { waiting: live, talking, legs, cut_off, promised } = restored.going_on;
        self.cut_off = cut_off;
        for (extension, legs) in &legs {
            self.had_legs(extension, *legs);
        }
        for (number, promises) in promised {
            self.promises.count(now, &number, promises);
        }
        for conversation in talking {
            self.talk_on(conversation, &restored.agents);
        }
        for HeldConversation { conversation, standing, turn } in restored.held {
            self.have_again(conversation, standing, turn);
        }
        for RestoredOffer { offer, item, agent } in restored.offers {
            self.journal(FloorEvent::OfferEnded { offer, item, agent, outcome: OfferOutcome::Withdrawn, at: now });
        }
        for waiting in restored.waiting {
            let item = Item::detached(waiting);
            if item.is_callback() {
                self.restore_callback(now, item);
                continue;
            }
            if !item.work.channel.is_voice() {
                self.restore_writing(now, item);
                continue;
            }
            let (id, name, key) = (item.item, item.queue.clone(), item.key());
            let caller = item.caller.as_str().to_owned();
            if self.items.insert(id, item).is_none() {
                let queue = self.queue_entry(&name);
                queue.order.insert(key);
                queue.detached.entry(caller).or_default().insert(key);
                if live.contains(&id) {
                    self.attach(now, id);
                }
                self.arm_grace(&name);
            }
        }
        // After the items: what an agent was about may wait again.
        for record in restored.agents {
            if self.agents.contains_key(&record.agent) {
                self.take_up_work(now, &record.agent);
                self.bring_back(now, record);
            } else {
                self.remembered.insert(record.agent.clone(), record);
            }
        }
        for (extension, legs) in legs {
            self.device_busy(now, &extension, legs);
        }
    }

    /// An agent and a caller did not notice anything. Only when the agent's last state says the same.
    fn talk_on(&mut self, conversation: Conversation, agents: &[RestoredAgent]) {
        let Conversation { item, agent, since_at } = conversation;
        let state = AgentState::Engaged { item: Some(item.item) };
        if !agents.iter().any(|record| record.agent == agent && record.state == state) {
            return;
        }
        self.have_again(Conversation { item, agent, since_at }, Standing::Active, Side::Agent);
    }

    /// A conversation goes on; its agent is told when they are known.
    fn have_again(&mut self, conversation: Conversation, standing: Standing, turn: Side) {
        let Conversation { item, agent, since_at } = conversation;
        let mut item = Item::detached(item);
        if self.items.contains_key(&item.item) {
            return;
        }
        (item.stage, item.behind) = (Stage::Engaged { agent: agent.clone(), since_at, turn }, Behind::Caller);
        self.queue_entry(&item.queue.clone()).engaged += 1;
        let held = Held { item: item.item, demand: item.work.demand(), weight: 0, standing };
        self.remembered_work.entry(agent).or_default().push(held);
        self.items.insert(item.item, item);
    }

    /// A conversation in writing that waited did not end with the process: it waits on.
    fn restore_writing(&mut self, now: Timestamp, item: Item) {
        let (id, name, key, arrived_at) = (item.item, item.queue.clone(), item.key(), item.virtual_arrival_at);
        if self.items.contains_key(&id) {
            return;
        }
        self.items.insert(id, item);
        let queue = self.queue_entry(&name);
        queue.order.insert(key);
        queue.arrivals.insert((arrived_at, id));
        self.places_changed(now, &name);
        self.wait(now, id);
    }

    /// The call behind an item of before the restart lives: it may be offered again, at its place.
    pub(super) fn attach(&mut self, now: Timestamp, id: ItemId) {
        let Some(item) = self.items.get(&id).filter(|item| item.stage == Stage::Detached) else { return };
        let (key, name, arrived_at) = (item.key(), item.queue.clone(), item.virtual_arrival_at);
        if let Some(queue) = self.queues.get_mut(&name) {
            queue.expect_no_more(item.caller.as_str(), key);
            queue.arrivals.insert((arrived_at, id));
        }
        self.places_changed(now, &name);
        self.wait(now, id);
    }

    /// A call that was taken up again asks for its place.
    pub(super) fn place_again(&mut self, now: Timestamp, enqueue: &Enqueue) {
        let (id, call) = (enqueue.item, enqueue.call);
        self.attach(now, id);
        let Some(item) = self.items.get_mut(&id).filter(|item| item.call == call) else { return };
        item.wait_without_agents = enqueue.wait_without_agents;
        // A round may have told it before it asked.
        let (name, is_told) = (item.queue.clone(), item.told.is_some());
        if let Some(place) = self.place_of(id).filter(|_| !is_told) {
            if let Some(item) = self.items.get_mut(&id) {
                item.told = Some((place, now));
            }
            self.say(call, FloorSays::Queued { item: id, place });
        }
        if name != enqueue.queue
            && let Some(place) = self.place_of(id)
        {
            self.say(call, FloorSays::Overflowed { item: id, queue: name.clone(), place });
        }
        if self.queues.get(&name).is_some_and(|queue| queue.signed_in == 0) {
            self.emptied.insert(name);
        }
    }

    /// Puts an agent back to what they were, then ends what means nothing any more: no leg, no
    /// conversation; no ringing device, no offer. A wrap-up that is over ends by its timer. A conversation that goes on
    /// is as it was.
    pub(super) fn bring_back(&mut self, now: Timestamp, record: RestoredAgent) {
        let RestoredAgent { agent: name, state, since_at, idle_since_at, pending } = record;
        let Some(agent) = self.agents.get_mut(&name) else { return };
        agent.idle_since_at = idle_since_at.or(agent.idle_since_at);
        if agent.state == AgentState::Offline {
            self.adopt_state(since_at, &name, &state);
        } else {
            // A fixed device was signed in a moment ago, and the journal says so: it has to be told.
            self.set_state(now, &name, state.clone());
            if let Some(request) = pending.clone() {
                self.journal(FloorEvent::AgentAsked { agent: name.clone(), request, at: now });
            }
        }
        let Some(agent) = self.agents.get_mut(&name) else { return };
        agent.pending = pending;
        self.release_saved(now, &name);
        if let AgentState::Engaged { item: Some(item) } = state
            && !self.items.contains_key(&item)
        {
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.idle_since_at = Some(now);
            }
            self.cut_off(now, item, &name);
        }
        if matches!(state, AgentState::Ready | AgentState::Reserved { .. } | AgentState::Engaged { .. }) {
            self.rest(now, &name);
        } else if self.agents.get(&name).is_some_and(|agent| agent.chief().is_some()) {
            // The journal ended before their state could follow.
            self.rest(now, &name);
        }
    }

    /// A conversation of before the restart is over. The journal may have been told when the last process was closed.
    fn cut_off(&mut self, now: Timestamp, item: ItemId, agent: &AgentName) {
        if !self.cut_off.remove(&item) {
            self.journal(FloorEvent::Finished { item, agent: agent.clone(), cause: Cause::Restart, at: now });
        }
    }

    /// Agents of before the restart whom the database has no more are off duty.
    pub(super) fn forget_remembered(&mut self, now: Timestamp) {
        while let Some((agent, record)) = self.remembered.pop_first() {
            if let AgentState::Engaged { item: Some(item) } = record.state {
                if self.items.get(&item).is_some_and(|item| item.work.channel.is_voice()) {
                    self.end_conversation(now, item, Cause::Restart, false);
                } else if !self.items.contains_key(&item) {
                    self.cut_off(now, item, &agent);
                }
            }
            if record.state != AgentState::Offline {
                self.journal(FloorEvent::AgentChanged { agent, state: AgentState::Offline, at: now });
            }
        }
        while let Some(agent) = self.remembered_work.keys().next().cloned() {
            self.give_all_back(now, &agent);
            self.remembered_work.remove(&agent);
        }
    }

    /// The place of a caller who is called back from this queue; else the one they had before the restart, while they are
    /// still expected back.
    /// Only callers come back: nobody else lost their line.
    pub(super) fn old_place(&self, now: Timestamp, queue: &QueueName, caller: &PartyNumber) -> Option<ItemId> {
        let queue = self.queues.get(queue).filter(|_| !is_withheld(caller))?;
        if let Some(promised) = queue.promised.get(caller.as_str()) {
            return Some(*promised);
        }
        let until_at = self.restored_at?.plus_ms(queue.profile.rejoin_grace_ms);
        let oldest = queue.detached.get(caller.as_str())?.first()?;
        (now <= until_at).then_some(oldest.item)
    }

    /// Removes the item of before the restart; its place goes to the one who takes over.
    pub(super) fn take_over(&mut self, now: Timestamp, old: ItemId) -> Option<Item> {
        self.stop_calling_back(now, old);
        let item = self.items.remove(&old)?;
        if let Some(queue) = self.queues.get_mut(&item.queue) {
            queue.order.remove(item.key());
            queue.expect_no_more(item.caller.as_str(), item.key());
        }
        Some(item)
    }

    /// Sets the end of the queue's grace time, as long as somebody is expected back.
    pub(super) fn arm_grace(&mut self, name: &QueueName) {
        let Some(queue) = self.queues.get(name).filter(|queue| !queue.detached.is_empty()) else { return };
        if let Some(restored_at) = self.restored_at {
            self.timers.set(Timer::Grace(name.clone()), restored_at.plus_ms(queue.profile.rejoin_grace_ms));
        }
    }

    /// Who did not call back loses the place.
    pub(super) fn end_grace(&mut self, now: Timestamp, name: &QueueName) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let detached = std::mem::take(&mut queue.detached);
        for key in detached.into_values().flatten() {
            self.leave_queue(now, key.item, LeaveReason::Restart);
        }
    }

    /// The state that a restart from here would be given; the same as the journal folded with
    /// [`Restored::apply`], without reading the journal.
    #[must_use]
    pub fn snapshot(&self) -> Restored {
        let mut restored = Restored::default();
        for item in self.items.values() {
            if !matches!(item.stage, Stage::Engaged { .. }) {
                restored.waiting.push(item.record());
            } else if let (Some((agent, standing, turn)), false) = (self.standing(item.item), item.work.channel.is_voice()) {
                let Stage::Engaged { since_at, .. } = item.stage else { continue };
                let conversation = Conversation { item: item.record(), agent, since_at };
                restored.held.push(HeldConversation { conversation, standing, turn });
            }
        }
        restored.held.sort_by_key(|held| (held.conversation.since_at, held.conversation.item.item));
        for (name, agent) in &self.agents {
            restored.agents.push(RestoredAgent {
                agent: name.clone(),
                state: agent.state.clone(),
                since_at: agent.since_at,
                idle_since_at: agent.idle_since_at,
                pending: agent.pending.clone(),
            });
        }
        restored.agents.extend(self.remembered.values().cloned());
        restored.agents.sort_by(|a, b| a.agent.cmp(&b.agent));
        for (offer, live) in &self.offers {
            restored.offers.push(RestoredOffer { offer: *offer, item: live.item, agent: live.agent.clone() });
        }
        restored
    }
}

/// A number that does not tell who calls: such callers cannot be known again.
fn is_withheld(caller: &PartyNumber) -> bool {
    let number = caller.as_str();
    number.is_empty()
        || ["anonymous", "unknown", "unavailable", "restricted"].iter().any(|word| number.eq_ignore_ascii_case(word))
}
