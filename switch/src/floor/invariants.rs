//! What must hold after every input, worked out the slow way from nothing but the facts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Floor, Timer,
    agents::Agent,
    contract::AgentState,
    items::{Item, Stage},
    queues::{Queue, is_on_duty, is_signed_in},
    skills,
};
use crate::{id::ItemId, name::AgentName, time::Timestamp};

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
        }
        for item in self.items.values() {
            self.item_holds(now, item)?;
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

    fn nothing_is_left_over(&self) -> Result<(), String> {
        let settled = self.freed.is_empty() && self.fresh.is_empty() && self.emptied.is_empty();
        must(settled, || "matching is not finished".to_owned())?;
        let bound = self.offers.len() + 2 * self.agents.len() + self.items.len() + 2 * self.queues.len();
        must(self.timers.len() <= bound, || format!("{} timers", self.timers.len()))
    }

    /// Reserved and Engaged exactly when a live offer or conversation says so, one at most.
    fn agent_holds(&self, agent: &Agent) -> Result<(), String> {
        let name = &agent.profile.agent;
        let offers: Vec<_> = self.offers.iter().filter(|(_, offer)| offer.agent == *name).map(|(id, _)| *id).collect();
        let with = |item: &&Item| matches!(&item.stage, Stage::Engaged { agent, .. } if agent == name);
        let items: Vec<ItemId> = self.items.values().filter(with).map(|item| item.item).collect();
        let (offered, engaged) = match agent.state {
            AgentState::Reserved { offer } => (vec![offer], vec![]),
            AgentState::Engaged { item: Some(item) } => (vec![], vec![item]),
            _ => (vec![], vec![]),
        };
        must(offers == offered && items == engaged, || format!("{name} is {:?} with {offers:?} {items:?}", agent.state))?;
        must((agent.direct_legs > 0) || agent.state != AgentState::Engaged { item: None }, || format!("{name} on no call"))?;
        must((agent.direct_legs == 0) || agent.state != AgentState::Ready, || format!("{name} ready on a call"))?;
        must(agent.listed.is_some() == agent.is_free(), || format!("{name} listed wrongly"))?;
        let at_work = matches!(agent.state, AgentState::Engaged { item: Some(_) } | AgentState::WrapUp { .. });
        must(agent.pending.is_none() || at_work, || format!("{name} has a wish that nothing ends"))?;
        must(!agent.gone || matches!(agent.state, AgentState::Engaged { item: Some(_) }), || format!("{name} is gone and here"))?;
        let wraps_up = matches!(agent.state, AgentState::WrapUp { .. });
        must(self.timers.is_set(&Timer::WrapUp(name.clone())) == wraps_up, || format!("{name} wrap-up timer"))?;
        must(self.timers.is_set(&Timer::Aside(name.clone())) == agent.aside.is_some(), || format!("{name} aside timer"))
    }

    /// No item waits while an eligible agent is free; none is forgotten by its queue.
    fn item_holds(&self, now: Timestamp, item: &Item) -> Result<(), String> {
        let id = item.item;
        let Some(queue) = self.queues.get(&item.queue) else { return Err(format!("item {id} without queue")) };
        let listed = queue.waiting.get(&item.needs).is_some_and(|keys| keys.contains(&item.key()));
        must(listed == (item.stage == Stage::Waiting), || format!("item {id} {:?} listed {listed}", item.stage))?;
        match &item.stage {
            Stage::Offered(offer) => return must(self.offers.contains_key(offer), || format!("item {id} offered by nobody")),
            Stage::Engaged { agent, .. } => {
                // At a start, conversations that go on are known before the agents are.
                let known = self.agents.contains_key(agent) || self.remembered.contains_key(agent);
                return must(known, || format!("item {id} with nobody"));
            }
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
        for (name, agent) in &self.agents {
            let could = agent.profile.queues.contains(&item.queue) && agent.is_free() && skills::meets(&agent.skills, &needs);
            must(!could, || format!("item {id} waits while {name} is free"))?;
        }
        let attended = queue.signed_in > 0 || item.wait_without_agents;
        must(attended, || format!("item {id} waits for nobody"))
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
        let idle: BTreeSet<_> = queue.idle.values().flatten().map(|(_, agent)| agent).collect();
        let free: BTreeSet<_> = members.iter().filter(|(_, agent)| agent.is_free()).map(|(name, _)| *name).collect();
        must(idle == free, || format!("{name}: idle"))
    }
}
