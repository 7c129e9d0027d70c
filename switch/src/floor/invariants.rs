//! What must hold after every input, worked out the slow way from nothing but the facts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Floor, Timer,
    agents::Agent,
    contract::AgentState,
    items::{Item, Stage},
    kept::Standing,
    queues::{Listing, Queue, is_on_duty, is_signed_in},
    skills,
};
use crate::{channel::WHOLE, id::ItemId, name::AgentName, time::Timestamp};

/// Says what is wrong unless it holds.
fn must(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

impl Floor {
    /// Checks everything that must hold when an input was handled at `now`; for tests, since it looks at
    /// every pair of item and agent.
    ///
    /// # Errors
    /// The first rule that is broken, in words.
    pub fn check_invariants(&self, now: Timestamp) -> Result<(), String> {
        self.nothing_is_left_over()?;
        for agent in self.agents.values() {
            self.agent_holds(agent)?;
            must(agent.is_as(&self.phones), || format!("{} is not as their phones are", agent.profile.agent))?;
        }
        for item in self.items.values() {
            self.item_holds(now, item)?;
        }
        let waiting: Vec<&Item> = self.items.values().filter(|item| item.stage == Stage::Waiting).collect();
        self.nobody_waits_for_nothing(&waiting)?;
        for id in self.classes.all.keys() {
            self.class_holds(*id)?;
        }
        for (id, offer) in &self.offers {
            let offered = self.items.get(&offer.item).is_some_and(|item| item.stage == Stage::Offered(*id));
            must(offered, || format!("offer {id} without item"))?;
            must(self.timers.is_set(&Timer::Ring(*id)), || format!("offer {id} never expires"))?;
        }
        for queue in self.queues.values() {
            self.queue_holds(queue)?;
        }
        self.promises_hold()?;
        must(self.deadline().is_none_or(|at| at > now), || "a timer is overdue".to_owned())
    }

    /// A customer is called back once.
    fn promises_hold(&self) -> Result<(), String> {
        let open = self.items.values().filter(|item| item.is_callback() && !matches!(item.stage, Stage::Engaged { .. }));
        let mut listed = BTreeMap::new();
        for (customer, item) in open.filter_map(|item| item.customer.map(|customer| (customer, item.item))) {
            must(listed.insert(customer, item).is_none(), || format!("customer {customer} is called back twice"))?;
        }
        must(self.promises.by_customer == listed, || "promises by customer".to_owned())
    }

    /// Checks what an input touched, and that nobody waits for nothing, by the lists alone: cheap enough for millions of
    /// inputs. That the lists are right [`check_invariants`](Self::check_invariants) says.
    ///
    /// # Errors
    /// The first rule that is broken, in words.
    #[cfg(test)]
    pub(super) fn check_touched(
        &self,
        now: Timestamp,
        agents: &BTreeSet<AgentName>,
        items: &BTreeSet<ItemId>,
    ) -> Result<(), String> {
        self.nothing_is_left_over()?;
        for agent in agents.iter().filter_map(|name| self.agents.get(name)) {
            self.agent_is_right(agent)?;
            for held in &agent.held {
                let is_theirs =
                    |item: &Item| matches!(&item.stage, Stage::Engaged { agent: of, .. } if *of == agent.profile.agent);
                let known = self.items.get(&held.item).is_some_and(is_theirs);
                must(known, || format!("{} holds {} alone", agent.profile.agent, held.item))?;
            }
        }
        for item in items.iter().filter_map(|id| self.items.get(id)) {
            self.item_holds(now, item)?;
        }
        for queue in self.queues.values() {
            self.groups_hold(queue)?;
        }
        must(self.deadline().is_none_or(|at| at > now), || "a timer is overdue".to_owned())
    }

    /// Of no group of waiting items is there one that somebody of a group of agents could take.
    #[cfg(test)]
    fn groups_hold(&self, queue: &Queue) -> Result<(), String> {
        let wrong = |key: &super::order::Key, agent: &AgentName| format!("item {} waits while {agent} is free", key.item);
        for ((channel, needs), keys) in &queue.waiting {
            let Some(first) = keys.first() else { return Err("an empty group".to_owned()) };
            for ((takes, have), idle) in &queue.idle {
                let could = takes.contains(*channel) && skills::meets(have, needs);
                must(!could, || idle.first().map_or_else(String::new, |(_, agent)| wrong(first, agent)))?;
            }
            for (_, _, name) in queue.at_work.values().flatten() {
                let could = self.items.get(&first.item).is_some_and(|item| self.may_take(name, item));
                must(!could, || wrong(first, name))?;
            }
        }
        for key in &queue.saved {
            let Some(item) = self.items.get(&key.item) else { return Err("nothing is kept for somebody".to_owned()) };
            let could = item.saved_for.as_ref().is_some_and(|name| self.may_take(name, item));
            must(!could, || format!("item {} waits while the one it is kept for is free", key.item))?;
        }
        Ok(())
    }

    fn nothing_is_left_over(&self) -> Result<(), String> {
        let settled = self.freed.is_empty() && self.fresh.is_empty() && self.emptied.is_empty() && self.released.is_empty();
        must(settled, || "matching is not finished".to_owned())?;
        let bound = self.offers.len() + 2 * self.agents.len() + 3 * self.items.len() + 2 * self.queues.len();
        must(self.timers.len() <= bound, || format!("{} timers", self.timers.len()))?;
        let saved: usize = self.saved.values().map(BTreeSet::len).sum();
        let of_queues: usize = self.queues.values().map(|queue| queue.saved.len()).sum();
        must(saved == of_queues, || format!("{saved} items are kept for agents, {of_queues} by queues"))
    }

    /// What an agent does follows from live offers, legs and conversations; they never have more than there is of them.
    fn agent_holds(&self, agent: &Agent) -> Result<(), String> {
        let name = &agent.profile.agent;
        let offers: Vec<_> = self.offers.iter().filter(|(_, offer)| offer.agent == *name).map(|(id, _)| *id).collect();
        must(offers == agent.offer.into_iter().collect::<Vec<_>>(), || format!("{name} has {:?} of {offers:?}", agent.offer))?;
        let with = |item: &&Item| matches!(&item.stage, Stage::Engaged { agent, .. } if agent == name);
        let items: BTreeSet<ItemId> = self.items.values().filter(with).map(|item| item.item).collect();
        let held: BTreeSet<ItemId> = agent.held.iter().map(|held| held.item).collect();
        must(items == held && held.len() == agent.held.len(), || format!("{name} has {:?} of {items:?}", agent.held))?;
        self.agent_is_right(agent)
    }

    /// The same without a look at all offers and items.
    fn agent_is_right(&self, agent: &Agent) -> Result<(), String> {
        let name = &agent.profile.agent;
        must(agent.load() <= WHOLE, || format!("{name} has {} thousandths to do", agent.load()))?;
        let engaged = if let AgentState::Engaged { item: Some(item) } = agent.state { Some(item) } else { None };
        must(engaged == agent.chief(), || format!("{name} is {:?} with {:?}", agent.state, agent.held))?;
        let reserved = if let AgentState::Reserved { offer } = agent.state { Some(offer) } else { None };
        let rings = agent.offer.filter(|_| agent.chief().is_none());
        must(reserved == rings, || format!("{name} is {:?} while {:?} rings", agent.state, agent.offer))?;
        let rests = agent.held.iter().filter(|held| held.standing == Standing::Interrupted);
        let rings = self.rings_for(name);
        let in_vain = rests.clone().any(|held| agent.fits_again(held, rings));
        must(!in_vain || matches!(agent.state, AgentState::WrapUp { .. }), || format!("{name} is interrupted by nothing"))?;
        must((agent.direct_legs > 0) || agent.state != AgentState::Engaged { item: None }, || format!("{name} on no call"))?;
        must((agent.direct_legs == 0) || agent.state != AgentState::Ready, || format!("{name} ready on a call"))?;
        must(agent.listed == agent.listing(), || format!("{name} listed wrongly"))?;
        let at_work = matches!(agent.state, AgentState::Engaged { item: Some(_) } | AgentState::WrapUp { .. });
        must(agent.pending.is_none() || at_work, || format!("{name} has a wish that nothing ends"))?;
        must(agent.pending.is_none() || agent.offer.is_none(), || format!("{name} is asked for more than they wish"))?;
        must(!agent.gone || matches!(agent.state, AgentState::Engaged { item: Some(_) }), || format!("{name} is gone and here"))?;
        let wraps_up = matches!(agent.state, AgentState::WrapUp { .. });
        must(self.timers.is_set(&Timer::WrapUp(name.clone())) == wraps_up, || format!("{name} wrap-up timer"))?;
        must(self.timers.is_set(&Timer::Aside(name.clone())) == agent.aside.is_some(), || format!("{name} aside timer"))
    }

    /// No item waits while an eligible agent is free; none is forgotten by its queue.
    fn item_holds(&self, now: Timestamp, item: &Item) -> Result<(), String> {
        let id = item.item;
        let Some(queue) = self.queues.get(&item.queue) else { return Err(format!("item {id} without queue")) };
        let group = (item.work.demand(), item.needs.clone());
        let listed = queue.waiting.get(&group).is_some_and(|keys| keys.contains(&item.key()));
        let saved = queue.saved.contains(&item.key());
        must((listed || saved) == (item.stage == Stage::Waiting), || format!("item {id} {:?} listed {listed}", item.stage))?;
        must(saved == item.saved_for.is_some() && !(saved && listed), || format!("item {id} kept for {:?}", item.saved_for))?;
        match &item.stage {
            Stage::Offered(offer) => return must(self.offers.contains_key(offer), || format!("item {id} offered by nobody")),
            Stage::Engaged { agent, .. } => return self.conversation_holds(item, agent),
            Stage::Detached => {
                let kept = queue.detached.get(item.caller.as_str()).is_some_and(|keys| keys.contains(&item.key()));
                return must(kept && self.timers.is_set(&Timer::Grace(item.queue.clone())), || {
                    format!("item {id} kept for ever")
                });
            }
            Stage::Later => {
                return must(item.is_callback() && self.timers.is_set(&Timer::Again(id)), || format!("{id} is never called"));
            }
            Stage::Waiting => {}
        }
        let needs = skills::relaxed(&item.asked, &queue.profile.relax, now.ms_since(item.virtual_arrival_at));
        must(needs == item.needs, || format!("item {id} asks for too much"))?;
        must(item.saved_for.is_none() || self.timers.is_set(&Timer::Prefer(id)), || format!("item {id} kept for ever"))?;
        let attended = queue.signed_in > 0 || item.wait_without_agents;
        must(attended, || format!("item {id} waits for nobody"))
    }

    /// A conversation is with one agent, and in writing it is somebody's turn.
    fn conversation_holds(&self, item: &Item, agent: &AgentName) -> Result<(), String> {
        let id = item.item;
        // At a start, conversations that go on are known before the agents are.
        let known = self.agents.contains_key(agent) || self.remembered_work.contains_key(agent);
        must(known, || format!("item {id} with nobody"))?;
        let Some((_, standing, _)) = self.standing(id) else { return Err(format!("item {id}: {agent} does not know of it")) };
        let is_timed = self.timers.is_set(&Timer::Turn(id));
        let may_be = standing == Standing::Active && !item.work.channel.is_voice();
        must(may_be || !is_timed, || format!("item {id} has a turn that nobody waits for"))
    }

    /// No item waits while somebody who could take it has room for it. By the slow way: each item beside each agent.
    fn nobody_waits_for_nothing(&self, waiting: &[&Item]) -> Result<(), String> {
        for agent in self.agents.values() {
            let room = agent.room();
            if room.is_empty() {
                continue;
            }
            let is_at_work = agent.chief().is_some();
            let open = if is_at_work && self.must_drain(agent) { room.and(agent.profile.capacity.whole()) } else { room };
            for item in waiting {
                let is_theirs = item.saved_for.as_ref().is_none_or(|name| *name == agent.profile.agent);
                let could = is_theirs
                    && open.contains(item.work.demand())
                    && agent.profile.queues.contains(&item.queue)
                    && skills::meets(&agent.skills, &item.needs);
                must(!could, || format!("item {} waits while {} is free", item.item, agent.profile.agent))?;
            }
        }
        Ok(())
    }

    /// Lists and counts of a queue agree with items and agents.
    fn queue_holds(&self, queue: &Queue) -> Result<(), String> {
        let name = &queue.profile.queue;
        let here = || self.items.values().filter(|item| item.queue == *name);
        let placed: BTreeSet<_> = here().filter(|item| !matches!(item.stage, Stage::Engaged { .. })).map(Item::key).collect();
        must(queue.order.iter().eq(placed.iter().copied()), || format!("{name}: order"))?;
        must(queue.order.len() == placed.len(), || format!("{name}: length"))?;
        let live = here().filter(|item| matches!(item.stage, Stage::Waiting | Stage::Offered(_)) && !item.is_callback());
        let arrivals: BTreeSet<_> = live.map(|item| (item.virtual_arrival_at, item.item)).collect();
        must(queue.arrivals == arrivals, || format!("{name}: arrivals"))?;
        let promised: BTreeSet<_> = here().filter(|item| item.is_callback()).map(|item| item.item).collect();
        let listed: BTreeSet<_> = queue.promised.values().copied().collect();
        must(listed == promised && queue.promised.len() == promised.len(), || format!("{name}: promised"))?;
        let engaged = here().filter(|item| matches!(item.stage, Stage::Engaged { .. })).count();
        must(usize::try_from(queue.engaged) == Ok(engaged), || format!("{name}: engaged"))?;
        let members: BTreeMap<&AgentName, &Agent> =
            self.agents.iter().filter(|(_, agent)| agent.profile.queues.contains(name)).collect();
        must(queue.members.iter().eq(members.keys().copied()), || format!("{name}: members"))?;
        let count = |test: fn(&AgentState) -> bool| members.values().filter(|agent| test(&agent.state)).count();
        let counts = (usize::try_from(queue.signed_in), usize::try_from(queue.on_duty));
        must(counts == (Ok(count(is_signed_in)), Ok(count(is_on_duty))), || format!("{name}: counts"))?;
        let saved: BTreeSet<_> = here().filter(|item| item.saved_for.is_some()).map(Item::key).collect();
        must(saved == queue.saved, || format!("{name}: saved"))?;
        let at_work: BTreeSet<_> = queue.at_work.values().flatten().map(|(_, _, agent)| agent).collect();
        let is_at_work = |agent: &Agent| matches!(agent.listed, Some(Listing::AtWork { .. }));
        let listed: BTreeSet<_> = members.iter().filter(|(_, agent)| is_at_work(agent)).map(|(name, _)| *name).collect();
        must(at_work == listed, || format!("{name}: at work"))?;
        let idle: BTreeSet<_> = queue.idle.values().flatten().map(|(_, agent)| agent).collect();
        let free: BTreeSet<_> = members.iter().filter(|(_, agent)| agent.is_free()).map(|(name, _)| *name).collect();
        must(idle == free, || format!("{name}: idle"))
    }
}
