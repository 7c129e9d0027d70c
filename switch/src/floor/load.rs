//! What an agent has to do, and for what there is room: capacity is worked out from live conversations, never counted.

use super::{
    Floor,
    agents::Agent,
    contract::{AgentState, FloorEvent},
    items::Stage,
    kept::{Side, Standing},
    queues::Listing,
};
use crate::{
    channel::WHOLE,
    demand::{Demand, Demands},
    id::ItemId,
    name::AgentName,
    time::Timestamp,
};

/// A conversation that an agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) item: ItemId,
    pub(super) demand: Demand,
    /// The part of the agent that it took when it was accepted, in thousandths: a capacity that changes later changes
    /// nothing about it.
    pub(super) weight: u16,
    pub(super) standing: Standing,
}

impl Agent {
    /// Conversations that take a part of them now.
    pub(super) fn active(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| held.standing == Standing::Active)
    }

    /// Thousandths of them that are taken.
    pub(super) fn load(&self) -> u16 {
        self.active().map(|held| held.weight).sum()
    }

    /// What they are said to be in conversation about: what takes them whole, else the one they have had longest.
    pub(super) fn chief(&self) -> Option<ItemId> {
        self.active().find(|held| held.weight == WHOLE).or_else(|| self.active().next()).map(|held| held.item)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.held.iter().any(|held| held.standing == Standing::Interrupted)
    }

    /// Whether one more that asks this would leave them within one agent, when what it may interrupt is.
    fn fits(&self, demand: Demand, offered: u16) -> bool {
        let weight = self.profile.capacity.share(demand);
        let stays = |held: &&Held| !self.profile.capacity.interrupts(demand.channel, held.demand.channel);
        let taken: u16 = self.active().filter(stays).map(|held| held.weight).sum();
        weight > 0 && taken.saturating_add(offered).saturating_add(weight) <= WHOLE
    }

    /// What they could be offered now.
    pub(super) fn room(&self) -> Demands {
        if !self.may_be_asked() {
            return Demands::NONE;
        }
        Demand::all().filter(|demand| self.fits(*demand, 0)).collect()
    }

    /// Whether anything at all may be offered: on duty, nothing asked for, nothing in the way.
    fn may_be_asked(&self) -> bool {
        let takes_offers = matches!(self.state, AgentState::Ready | AgentState::Engaged { item: Some(_) });
        let is_left_alone = self.aside.is_some() || self.gone || self.pending.is_some();
        takes_offers && self.offer.is_none() && self.is_reachable() && self.direct_legs == 0 && !is_left_alone
    }

    /// Whether they are there to take a conversation up again.
    fn is_here(&self) -> bool {
        match self.state {
            AgentState::Ready | AgentState::Reserved { .. } | AgentState::Engaged { item: Some(_) } => self.direct_legs == 0,
            _ => false,
        }
    }

    /// Whether a conversation that they have fits beside all that goes on, and beside what rings and asks this, unless
    /// that may interrupt it.
    pub(super) fn fits_again(&self, held: &Held, rings: Option<Demand>) -> bool {
        let capacity = &self.profile.capacity;
        let stays = rings.filter(|demand| !capacity.interrupts(demand.channel, held.demand.channel));
        let offered = stays.map_or(0, |demand| capacity.share(demand));
        self.load().saturating_add(offered).saturating_add(held.weight) <= WHOLE
    }

    /// Under what they have to stand in the lists of their queues.
    pub(super) fn listing(&self) -> Option<Listing> {
        let (room, since) = (self.room(), self.idle_since_at?);
        if room.is_empty() {
            return None;
        }
        if self.active().next().is_none() {
            return Some(Listing::Idle { takes: room, skills: self.skills.clone(), since });
        }
        Some(Listing::AtWork { kind: self.kind, room, load: self.load(), since })
    }
}

impl Floor {
    /// The agent has a conversation more; what it interrupts rests.
    pub(super) fn hold(&mut self, now: Timestamp, name: &AgentName, item: ItemId, demand: Demand) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let weight = agent.profile.capacity.share(demand);
        let mut interrupted = Vec::new();
        while agent.load().saturating_add(weight) > WHOLE {
            let capacity = &agent.profile.capacity;
            let gives_way =
                |held: &&mut Held| held.standing == Standing::Active && capacity.interrupts(demand.channel, held.demand.channel);
            let Some(last) = agent.held.iter_mut().rev().find(gives_way) else { break };
            last.standing = Standing::Interrupted;
            interrupted.push(last.item);
        }
        agent.held.push(Held { item, demand, weight, standing: Standing::Active });
        for item in interrupted {
            self.conversation_changed(now, item);
        }
    }

    /// Of what an agent had before the restart only what they have room for now goes on at once.
    pub(super) fn take_up_work(&mut self, now: Timestamp, name: &AgentName) {
        let work = self.remembered_work.remove(name).unwrap_or_default();
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.held = work;
        for held in &mut agent.held {
            held.weight = agent.profile.capacity.share(held.demand);
        }
        let mut interrupted = Vec::new();
        while agent.load() > WHOLE {
            let gives_way = |held: &&mut Held| held.standing == Standing::Active && !held.demand.channel.is_voice();
            let Some(last) = agent.held.iter_mut().rev().find(gives_way) else { break };
            last.standing = Standing::Interrupted;
            interrupted.push(last.item);
        }
        let going_on: Vec<ItemId> = agent.active().map(|held| held.item).collect();
        for item in interrupted {
            self.conversation_changed(now, item);
        }
        for item in going_on {
            self.set_turn(now, item);
        }
    }

    /// What was interrupted goes on, as far as there is room again.
    pub(super) fn resume(&mut self, now: Timestamp, name: &AgentName) {
        let rings = self.rings_for(name);
        let Some(agent) = self.agents.get_mut(name).filter(|agent| agent.is_interrupted()) else { return };
        let mut resumed = Vec::new();
        for at in 0..agent.held.len() {
            let held = agent.held[at];
            if held.standing == Standing::Interrupted && agent.fits_again(&held, rings) {
                agent.held[at].standing = Standing::Active;
                resumed.push(held.item);
            }
        }
        for item in resumed {
            self.conversation_changed(now, item);
        }
    }

    /// Whether the agent can take this conversation up again, beside what rings for them.
    pub(super) fn can_take_up(&self, name: &AgentName, item: ItemId) -> bool {
        let Some(agent) = self.agents.get(name) else { return false };
        let held = agent.held.iter().find(|held| held.item == item);
        agent.is_here() && held.is_some_and(|held| agent.fits_again(held, self.rings_for(name)))
    }

    /// What is asked by what rings for the agent.
    pub(super) fn rings_for(&self, name: &AgentName) -> Option<Demand> {
        let offer = self.agents.get(name)?.offer.and_then(|offer| self.offers.get(&offer))?;
        self.items.get(&offer.item).map(|item| item.work.demand())
    }

    /// How a conversation stands with its agent.
    pub(super) fn standing(&self, id: ItemId) -> Option<(AgentName, Standing, Side)> {
        let Stage::Engaged { agent, turn, .. } = &self.items.get(&id)?.stage else { return None };
        let work = self.agents.get(agent).map(|agent| &agent.held).or_else(|| self.remembered_work.get(agent))?;
        let held = work.iter().find(|held| held.item == id)?;
        Some((agent.clone(), held.standing, *turn))
    }

    /// Tells the journal how a conversation stands now, and sets its time.
    pub(super) fn conversation_changed(&mut self, now: Timestamp, item: ItemId) {
        let Some((agent, standing, turn)) = self.standing(item) else { return };
        self.journal(FloorEvent::ConversationChanged { item, agent, standing, turn, at: now });
        self.set_turn(now, item);
    }
}
