//! Offers: one item proposed to one agent, and the ways it ends. Exactly one accept counts.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Floor, Timer,
    contract::{AgentState, FloorEvent, OfferOutcome},
    items::{Behind, Stage},
    kept::{Side, Standing},
};
use crate::{
    cause::Cause,
    id::{CallId, ItemId, OfferId},
    link::FloorSays,
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// Ended offers that are remembered for late accepts. When more have ended, the oldest are forgotten:
/// their calls heard `Withdraw` long ago.
const REMEMBERED_OFFERS: usize = 4_096;
/// A device never rings shorter than this, whatever the plan says.
const MIN_RING_MS: u64 = 1_000;

/// A live offer.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) item: ItemId,
    pub(super) agent: AgentName,
    /// The call that rings.
    pub(super) call: CallId,
    /// The agent answered, and the customer is called back.
    pub(super) calls_customer: bool,
    /// The device was heard to ring.
    pub(super) rings: bool,
}

/// Offers that ended without an accept, and the calls they were for.
#[derive(Debug, Default)]
pub(super) struct EndedOffers {
    calls: BTreeMap<OfferId, CallId>,
    oldest_first: VecDeque<OfferId>,
}

impl EndedOffers {
    fn remember(&mut self, offer: OfferId, call: CallId) {
        if self.oldest_first.len() == REMEMBERED_OFFERS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.calls.remove(&oldest);
        }
        self.oldest_first.push_back(offer);
        self.calls.insert(offer, call);
    }
}

impl Floor {
    /// Asks `agent`, who is free and eligible, to take the waiting `id`.
    pub(super) fn offer(&mut self, now: Timestamp, id: ItemId, agent: &AgentName) {
        let decision = self.decide(now, id, agent);
        let offer = OfferId(self.ids.next(now));
        self.unwait(id);
        let (Some(item), Some(asked)) = (self.items.get_mut(&id), self.agents.get(agent)) else { return };
        item.stage = Stage::Offered(offer);
        let ring_ms = self.queues.get(&item.queue).map_or(MIN_RING_MS, |queue| queue.profile.ring_ms.max(MIN_RING_MS));
        let devices = asked.profile.rings().timed(ring_ms);
        let ring_ms = devices.ring_ms(ring_ms);
        let ring = FloorSays::Offer { offer, item: id, agent: agent.clone(), devices, ring_ms };
        let Some((call, ring)) = self.ring_for(now, id, ring) else { return };
        let asked = Offer { item: id, agent: agent.clone(), call, calls_customer: false, rings: false };
        self.offers.insert(offer, asked);
        self.timers.set(Timer::Ring(offer), now.plus_ms(ring_ms));
        self.journal(FloorEvent::Offered { offer, item: id, agent: agent.clone(), decision, at: now });
        if let Some(agent) = self.agents.get_mut(agent) {
            agent.offer = Some(offer);
        }
        // Who is at work stays so while something more rings.
        self.rest(now, agent);
        self.say(call, ring);
    }

    pub(super) fn ringing(&mut self, offer: OfferId) {
        if let Some(offer) = self.offers.get_mut(&offer) {
            offer.rings = true;
        }
    }

    /// The device answered. Only a live offer can be accepted, and it is live once.
    pub(super) fn accept(&mut self, now: Timestamp, id: OfferId) {
        let Some(offer) = self.end_offer(now, id, OfferOutcome::Accepted) else {
            // Too late: the agent's leg is up and nobody waits for it.
            if let Some(call) = self.ended.calls.get(&id).copied() {
                self.say(call, FloorSays::Withdraw { offer: id });
            }
            return;
        };
        self.forget_promise(offer.item);
        self.give_up_place(now, offer.item);
        let Some(item) = self.items.get_mut(&offer.item) else { return };
        item.stage = Stage::Engaged { agent: offer.agent.clone(), since_at: now, turn: Side::Agent };
        let (call, demand) = (offer.call, item.work.demand());
        (item.call, item.behind) = (call, Behind::Caller);
        if let Some(queue) = self.queues.get_mut(&item.queue) {
            queue.engaged += 1;
        }
        if let Some(agent) = self.agents.get_mut(&offer.agent) {
            agent.begin_afresh();
        }
        self.hold(now, &offer.agent, offer.item, demand);
        self.rest(now, &offer.agent);
        self.set_turn(now, offer.item);
        self.say(call, FloorSays::Connect { offer: id });
    }

    /// The device did not take the call: the item goes back to its place, the agent rests a little.
    pub(super) fn decline(&mut self, now: Timestamp, id: OfferId, cause: Cause) {
        let Some(offer) = self.end_offer(now, id, OfferOutcome::Declined(cause)) else { return };
        self.ended.remember(id, offer.call);
        self.set_aside(now, &offer.agent, cause);
        self.come_back(now, &offer, cause == Cause::NoAnswer);
    }

    /// The devices rang their time.
    pub(super) fn expire(&mut self, now: Timestamp, id: OfferId) {
        if self.offers.get(&id).is_some_and(|offer| offer.calls_customer) {
            return self.unreached(now, id, Cause::Fault);
        }
        let Some(offer) = self.end_offer(now, id, OfferOutcome::Expired) else { return };
        self.ended.remember(id, offer.call);
        self.say(offer.call, FloorSays::Withdraw { offer: id });
        self.come_back(now, &offer, true);
    }

    /// The floor takes an offer back. The agent, who is returned, still has to be given a state, and the
    /// item a stage.
    pub(super) fn withdraw(&mut self, now: Timestamp, id: OfferId, outcome: OfferOutcome) -> Option<AgentName> {
        let offer = self.end_offer(now, id, outcome)?;
        self.ended.remember(id, offer.call);
        self.say(offer.call, FloorSays::Withdraw { offer: id });
        Some(offer.agent)
    }

    /// After an offer that was not taken: item and agent are as before, but others go first for this item.
    fn come_back(&mut self, now: Timestamp, offer: &Offer, missed: bool) {
        let mut max_missed = 0;
        if let Some(item) = self.items.get_mut(&offer.item) {
            item.was_passed_by(&offer.agent);
            max_missed = self.queues.get(&item.queue).map_or(0, |queue| queue.profile.max_missed);
        }
        self.wait(now, offer.item);
        let too_many = missed && self.agents.get_mut(&offer.agent).is_some_and(|agent| agent.miss(max_missed));
        if too_many {
            self.miss_too_many(now, &offer.agent);
        } else {
            self.rest(now, &offer.agent);
        }
    }

    fn end_offer(&mut self, now: Timestamp, id: OfferId, outcome: OfferOutcome) -> Option<Offer> {
        let offer = self.offers.remove(&id)?;
        self.timers.clear(&Timer::Ring(id));
        if let Some(agent) = self.agents.get_mut(&offer.agent) {
            agent.offer = None;
        }
        let (item, agent) = (offer.item, offer.agent.clone());
        self.journal(FloorEvent::OfferEnded { offer: id, item, agent, outcome, at: now });
        Some(offer)
    }

    /// The line says that a conversation is over.
    pub(super) fn finished(&mut self, now: Timestamp, id: ItemId, cause: Cause) {
        self.end_conversation(now, id, cause, true);
    }

    /// The agent is free again, after wrap-up if there was something to wrap up.
    pub(super) fn end_conversation(&mut self, now: Timestamp, id: ItemId, cause: Cause, wrap_up: bool) {
        let Some(item) = self.items.get(&id) else { return };
        let Stage::Engaged { agent, since_at, .. } = item.stage.clone() else { return };
        let (queue, took_part) = (item.queue.clone(), self.standing(id).is_some_and(|(_, how, _)| how == Standing::Active));
        self.let_go(&agent, id);
        self.items.remove(&id);
        self.journal(FloorEvent::Finished { item: id, agent: agent.clone(), cause, at: now });
        let wrap_up_ms = self.count_handled(now, &queue, wrap_up.then_some(since_at));
        let Some(who) = self.agents.get_mut(&agent) else { return };
        who.idle_since_at = Some(now);
        let is_at_it = matches!(who.state, AgentState::Engaged { item: Some(_) });
        if !took_part || !is_at_it || who.chief().is_some() || who.offer.is_some() {
            // What else they do goes on, and leaves no time of its own for paperwork.
            self.go_on(now, &agent);
        } else if wrap_up_ms == 0 || who.gone {
            self.rest(now, &agent);
        } else {
            (who.wraps_up_for, who.extensions) = (Some(queue), 0);
            self.set_state(now, &agent, AgentState::WrapUp { until_at: now.plus_ms(wrap_up_ms) });
        }
    }

    /// Learns from the conversation that began at `since_at`, if there was one; returns its wrap-up time.
    fn count_handled(&mut self, now: Timestamp, name: &QueueName, since_at: Option<Timestamp>) -> u64 {
        let Some(queue) = self.queues.get_mut(name) else { return 0 };
        queue.engaged = queue.engaged.saturating_sub(1);
        let Some(since_at) = since_at else { return 0 };
        let wrap_up_ms = queue.profile.wrap_up_ms;
        queue.handling.add(now.ms_since(since_at).saturating_add(wrap_up_ms));
        self.places_changed(now, name);
        wrap_up_ms
    }
}
