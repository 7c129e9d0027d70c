//! Conversations that are no calls: whose turn it is, and what happens when nobody says anything.
//!
//! A call is held by its legs. A conversation in writing is held by turns: an agent who says nothing by the end of the lease
//! loses it to the queue, where it has its place again; one whose customer says nothing is parked, takes nothing of the
//! agent, and comes back to them when the customer writes.

use super::{
    Floor, Timer,
    contract::{AgentState, FloorEvent, OfferOutcome},
    items::{Item, Stage},
    kept::{Preferred, ReturnReason, Side, Standing},
};
use crate::{id::ItemId, link::FloorSays, name::AgentName, time::Timestamp};

impl Floor {
    /// Somebody wrote.
    pub(super) fn wrote(&mut self, now: Timestamp, id: ItemId, by: Side) {
        let Some((agent, standing, turn)) = self.standing(id) else { return };
        if self.items.get(&id).is_none_or(|item| item.work.channel.is_voice()) {
            return;
        }
        let next = if by == Side::Agent { Side::Customer } else { Side::Agent };
        if let Some(Item { stage: Stage::Engaged { turn, .. }, .. }) = self.items.get_mut(&id) {
            *turn = next;
        }
        match (standing, by) {
            (Standing::Parked, Side::Customer) => self.stir(now, id, &agent),
            // What is said to a silent customer does not make them speak: it stays parked.
            _ if turn != next => self.conversation_changed(now, id),
            (Standing::Active, Side::Agent) => self.set_turn(now, id),
            _ => {}
        }
    }

    /// Sets the time by which somebody has to say something. A customer who writes twice gives the agent no more time.
    pub(super) fn set_turn(&mut self, now: Timestamp, id: ItemId) {
        let rules = self.items.get(&id).and_then(|item| self.queues.get(&item.queue)).map(|queue| queue.profile.work);
        let within_ms = match (self.standing(id), rules) {
            (Some((_, Standing::Active, Side::Agent)), Some(rules)) => rules.lease_ms,
            (Some((_, Standing::Active, Side::Customer)), Some(rules)) => rules.park_after_ms,
            _ => 0,
        };
        let is_voice = self.items.get(&id).is_none_or(|item| item.work.channel.is_voice());
        if within_ms > 0 && !is_voice {
            self.timers.set(Timer::Turn(id), now.plus_ms(within_ms));
        } else {
            self.timers.clear(&Timer::Turn(id));
        }
    }

    /// Whoever's turn it was said nothing.
    pub(super) fn turn_over(&mut self, now: Timestamp, id: ItemId) {
        let Some((agent, standing, turn)) = self.standing(id) else { return };
        match (standing, turn) {
            (Standing::Active, Side::Agent) => {
                let max_missed = self.max_missed(id);
                self.give_back(now, id, ReturnReason::Lease);
                if self.agents.get_mut(&agent).is_some_and(|agent| agent.miss(max_missed)) {
                    self.miss_too_many(now, &agent);
                }
            }
            (Standing::Active, Side::Customer) => {
                self.set_standing(id, &agent, Standing::Parked);
                self.conversation_changed(now, id);
                self.rest(now, &agent);
            }
            _ => {}
        }
    }

    fn max_missed(&self, id: ItemId) -> u32 {
        let queue = self.items.get(&id).and_then(|item| self.queues.get(&item.queue));
        queue.map_or(0, |queue| queue.profile.max_missed)
    }

    /// Too many offers or leases in a row ran out: no more for now.
    pub(super) fn miss_too_many(&mut self, now: Timestamp, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let missed = AgentState::NotReady { reason: "missed".to_owned() };
        if agent.held.iter().any(|held| held.standing != Standing::Parked) || agent.pending.is_some() {
            let wraps_up = matches!(agent.state, AgentState::WrapUp { .. });
            self.ask_for_rest(now, name, "missed");
            if !wraps_up {
                self.rest(now, name);
            }
        } else if !matches!(agent.state, AgentState::Offline | AgentState::NotReady { .. } | AgentState::WrapUp { .. }) {
            self.stop_work(now, name, missed);
        }
    }

    fn set_standing(&mut self, id: ItemId, agent: &AgentName, standing: Standing) {
        let held = self.agents.get_mut(agent).and_then(|agent| agent.held.iter_mut().find(|held| held.item == id));
        if let Some(held) = held {
            held.standing = standing;
        }
    }

    /// The customer of a parked conversation wrote: its agent goes on with it, or it waits for them in the queue.
    fn stir(&mut self, now: Timestamp, id: ItemId, agent: &AgentName) {
        if !self.can_take_up(agent, id) {
            return self.give_back(now, id, ReturnReason::Stirred);
        }
        self.set_standing(id, agent, Standing::Active);
        self.conversation_changed(now, id);
        self.rest(now, agent);
    }

    /// A conversation goes back to its queue, to the place that it had. Its agent goes on with what else they have.
    pub(super) fn give_back(&mut self, now: Timestamp, id: ItemId, reason: ReturnReason) {
        let Some(Stage::Engaged { agent, .. }) = self.items.get(&id).map(|item| item.stage.clone()) else { return };
        self.let_go(&agent, id);
        let Some(item) = self.items.get_mut(&id) else { return };
        let (call, name) = (item.call, item.queue.clone());
        item.stage = Stage::Waiting;
        match reason {
            ReturnReason::Lease => {
                item.work.preferred = None;
                item.was_passed_by(&agent);
            }
            ReturnReason::Stirred | ReturnReason::AgentGone => item.work.preferred = None,
        }
        let queue = self.queue_entry(&name);
        queue.engaged = queue.engaged.saturating_sub(1);
        let prefer_ms = queue.profile.work.prefer_ms;
        let Some(item) = self.items.get_mut(&id) else { return };
        if reason == ReturnReason::Stirred && prefer_ms > 0 {
            item.work.preferred = Some(Preferred { agent: agent.clone(), until_at: now.plus_ms(prefer_ms) });
        }
        if let Some(queue) = self.queues.get_mut(&name) {
            // To the moment: it never lost it.
            queue.order.insert(item.key());
            queue.arrivals.insert((item.virtual_arrival_at, id));
        }
        let record = item.record();
        self.journal(FloorEvent::Returned { item: record, agent: agent.clone(), reason, at: now });
        self.places_changed(now, &name);
        if let Some(place) = self.place_of(id) {
            self.say(call, FloorSays::Queued { item: id, place });
            if let Some(item) = self.items.get_mut(&id) {
                item.told = Some((place, now));
            }
        }
        self.wait(now, id);
        self.go_on(now, &agent);
    }

    /// The agent has it no more; nothing else changes.
    pub(super) fn let_go(&mut self, agent: &AgentName, id: ItemId) {
        self.timers.clear(&Timer::Turn(id));
        let work = match self.agents.get_mut(agent) {
            Some(agent) => Some(&mut agent.held),
            None => self.remembered_work.get_mut(agent),
        };
        if let Some(work) = work {
            work.retain(|held| held.item != id);
        }
    }

    /// The state of an agent who has one thing less, when that is what their state was about.
    pub(super) fn go_on(&mut self, now: Timestamp, name: &AgentName) {
        let is_busy = |state: &AgentState| matches!(state, AgentState::Engaged { item: Some(_) } | AgentState::Reserved { .. });
        if self.agents.get(name).is_some_and(|agent| is_busy(&agent.state)) {
            self.rest(now, name);
        } else {
            self.sync_idle(name);
        }
    }

    /// All conversations of an agent who is gone for good.
    pub(super) fn give_all_back(&mut self, now: Timestamp, name: &AgentName) {
        let held: Vec<ItemId> = match self.agents.get(name) {
            Some(agent) => agent.held.iter().map(|held| held.item).collect(),
            None => self.remembered_work.get(name).into_iter().flatten().map(|held| held.item).collect(),
        };
        for item in held {
            self.give_back(now, item, ReturnReason::AgentGone);
        }
    }

    /// Withdraws what rings at the agent's device; the agent still has to be given a state.
    pub(super) fn take_offer_back(&mut self, now: Timestamp, name: &AgentName) {
        let Some(offer) = self.agents.get(name).and_then(|agent| agent.offer) else { return };
        let item = self.offers.get(&offer).map(|offer| offer.item);
        self.withdraw(now, offer, OfferOutcome::Withdrawn);
        if let Some(item) = item {
            self.wait(now, item);
        }
    }
}
