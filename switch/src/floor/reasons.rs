//! Why this agent, why not the others, why still waiting: decisions in sentences for a person.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use serde::{Deserialize, Serialize};

use super::{
    Floor,
    agents::Agent,
    contract::{AgentState, Considered, Decision},
    items::{Item, Stage},
    queues::Queue,
    skills::{self, Skills},
};
use crate::{
    channel::WHOLE,
    demand::Demands,
    id::ItemId,
    link::Place,
    name::{AgentName, QueueName, SkillLevel},
    time::Timestamp,
};

/// More agents than this are not listed in one decision.
const LISTED_AGENTS: usize = 64;

/// Why an item still waits, or what became of it while the floor knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which item.
    pub item: ItemId,
    /// In which queue.
    pub queue: QueueName,
    /// Where it stands; `None` once it is in conversation.
    pub place: Option<Place>,
    /// How long it has waited, in ms.
    pub waited_ms: u64,
    /// Skills asked for now, after relaxation.
    pub skills: Vec<SkillLevel>,
    /// The answer in one sentence.
    pub summary: String,
    /// Agents of the queue and why none of them has it; at most 64, who is closest to it first.
    pub considered: Vec<Considered>,
}

impl Floor {
    /// Answers why an item still waits; `None` when the floor does not know it (any more).
    #[must_use]
    pub fn explain(&self, item: ItemId, now: Timestamp) -> Option<Explanation> {
        let item = self.items.get(&item)?;
        let queue = self.queues.get(&item.queue)?;
        let waited_ms = now.ms_since(item.virtual_arrival_at);
        let needs = skills::relaxed(&item.asked, &queue.profile.relax, waited_ms);
        Some(Explanation {
            item: item.item,
            queue: item.queue.clone(),
            place: self.place_of(item.item),
            waited_ms,
            skills: skills::listed(&needs),
            summary: self.summary(item, queue, &needs),
            considered: self.considered(now, item, &needs, None),
        })
    }

    fn summary(&self, item: &Item, queue: &Queue, needs: &Skills) -> String {
        match &item.stage {
            Stage::Engaged { agent, .. } => return format!("in conversation with {agent}"),
            Stage::Later => return "the customer was not reached: they are called again later".to_owned(),
            Stage::Detached => return "the switch restarted: the place is kept until the caller calls back".to_owned(),
            Stage::Offered(offer) => {
                let Some(offer) = self.offers.get(offer) else { return "being offered".to_owned() };
                let verb = if offer.rings { "rings at" } else { "is being sent to" };
                return format!("an offer {verb} {}", offer.agent);
            }
            Stage::Waiting => {}
        }
        if queue.members.is_empty() {
            return format!("no agent serves {}", item.queue);
        }
        if queue.signed_in == 0 {
            return format!("no agent of {} is signed in", item.queue);
        }
        if let Some(agent) = &item.saved_for {
            return format!("kept for {agent}, whom the customer knows");
        }
        let takes = |agent: &&Agent| agent.profile.capacity.takes().contains(item.work.demand());
        let able = queue.members.iter().filter_map(|name| self.agents.get(name)).filter(takes);
        if able.clone().next().is_none() {
            return format!("no agent of {} takes {}", item.queue, item.work.channel.word());
        }
        if able.clone().any(|a| skills::meets(&a.skills, needs)) {
            let ahead = queue.order.before(item.key());
            format!("no agent who can take it is free; {ahead} ahead in {}", item.queue)
        } else {
            format!("no agent of {} has the skills that it asks for", item.queue)
        }
    }

    /// The record of choosing `agent` for `id`.
    pub(super) fn decide(&self, now: Timestamp, id: ItemId, agent: &AgentName) -> Decision {
        let Some(item) = self.items.get(&id) else {
            return Decision { waited_ms: 0, skills: Vec::new(), considered: Vec::new() };
        };
        Decision {
            waited_ms: now.ms_since(item.virtual_arrival_at),
            skills: skills::listed(&item.needs),
            considered: self.considered(now, item, &item.needs, Some(agent)),
        }
    }

    /// The chosen one, then who is free and able in the order of choice, then others of the queue.
    fn considered(&self, now: Timestamp, item: &Item, needs: &Skills, chosen: Option<&AgentName>) -> Vec<Considered> {
        let Some(queue) = self.queues.get(&item.queue) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let first = chosen.into_iter().cloned();
        let at_work = self.best_at_work(item, queue).cloned();
        let free = free_and_able(queue, item, needs).into_iter().chain(at_work);
        first
            .chain(free)
            .chain(queue.members.iter().cloned())
            .filter(|name| seen.insert(name.clone()))
            .filter_map(|name| Some((self.agents.get(&name)?, name)))
            .take(LISTED_AGENTS)
            .map(|(agent, name)| {
                let is_chosen = chosen == Some(&name);
                let why = self.why(now, agent, item, needs, is_chosen);
                Considered { agent: name, why }
            })
            .collect()
    }
}

/// Free agents who meet the needs, as the choice would go: the groups of equal skills, each in its own
/// order already, are merged only as far as the list goes.
fn free_and_able(queue: &Queue, item: &Item, needs: &Skills) -> Vec<AgentName> {
    let mut groups: Vec<_> = Vec::new();
    let mut fronts = BinaryHeap::new();
    let could = |takes: &Demands, have: &Skills| takes.contains(item.work.demand()) && skills::meets(have, needs);
    for ((_, have), idle) in queue.idle.iter().filter(|((takes, have), _)| could(takes, have)) {
        let mut rest = idle.iter();
        let fitness = Reverse(skills::fitness(have, &item.asked));
        fronts.extend(rest.next().map(|front| Reverse((fitness, front, groups.len()))));
        groups.push(rest);
    }
    let (mut fresh, mut passed) = (Vec::new(), Vec::new());
    while fresh.len() < LISTED_AGENTS
        && let Some(Reverse((fitness, (_, agent), group))) = fronts.pop()
    {
        fronts.extend(groups[group].next().map(|front| Reverse((fitness, front, group))));
        let list = if item.passed_by.contains(agent) { &mut passed } else { &mut fresh };
        list.push(agent.clone());
    }
    fresh.append(&mut passed);
    fresh
}

impl Floor {
    /// One agent's part in a decision.
    fn why(&self, now: Timestamp, agent: &Agent, item: &Item, needs: &Skills, chosen: bool) -> String {
        let demand = item.work.demand();
        if !chosen {
            if let Some((skill, have, need)) = skills::shortfall(&agent.skills, needs) {
                return format!("skill {skill} {have} < {need}");
            }
            if let Some(state) = occupied(now, agent) {
                return state;
            }
            if !agent.profile.capacity.takes().contains(demand) {
                return format!("takes no {}", demand.channel.word());
            }
            let at_work = matches!(agent.state, AgentState::Engaged { item: Some(_) });
            if at_work && agent.room().contains(demand) && !self.open_to(agent).contains(demand) {
                return "takes nothing more before an older item that needs a whole agent".to_owned();
            }
            if at_work && !agent.room().contains(demand) {
                return no_room(agent, item);
            }
        }
        could_take(now, agent, item, chosen)
    }
}

/// What somebody is busy with. One conversation that takes them whole needs no figures.
fn in_conversation(agent: &Agent) -> String {
    let (load, active) = (agent.load(), agent.active().count());
    if load == WHOLE && active == 1 {
        return "in conversation".to_owned();
    }
    format!("in {active} conversations that take {}.{:03} of them", load / WHOLE, load % WHOLE)
}

/// The same for an item that may take more of them than others do.
fn no_room(agent: &Agent, item: &Item) -> String {
    let (share, what) = (agent.profile.capacity.share(item.work.demand()), in_conversation(agent));
    if item.work.load.is_normal() {
        return what;
    }
    format!("{what}, and this one ({}) takes {}.{:03}", item.work.load.word(), share / WHOLE, share % WHOLE)
}

/// What speaks for somebody who has room for it.
fn could_take(now: Timestamp, agent: &Agent, item: &Item, chosen: bool) -> String {
    let idle_s = agent.idle_since_at.map_or(0, |since| now.ms_since(since)) / 1_000;
    let levels: Vec<_> =
        item.asked.iter().map(|(skill, _)| format!("{skill} {}", skills::level_of(&agent.skills, skill))).collect();
    let levels = if levels.is_empty() { String::new() } else { format!("{}, ", levels.join(", ")) };
    let passed = if item.passed_by.contains(&agent.profile.agent) { ", did not take it before" } else { "" };
    let prefix = if chosen { "chosen: " } else { "free: " };
    let kept = item.work.preferred.as_ref().is_some_and(|preferred| preferred.agent == agent.profile.agent);
    let kept = if kept { ", the customer knows them" } else { "" };
    let doing = match agent.load() {
        0 => format!("idle {idle_s} s"),
        load => format!("{}.{:03} taken", load / WHOLE, load % WHOLE),
    };
    format!("{prefix}{levels}{doing}{passed}{kept}")
}

/// Why somebody could not be asked whatever the item is; `None` when they could.
fn occupied(now: Timestamp, agent: &Agent) -> Option<String> {
    let seconds_to = |at: Timestamp| at.ms_since(now).div_ceil(1_000);
    Some(match &agent.state {
        AgentState::Offline => "not signed in".to_owned(),
        AgentState::Reserved { .. } => "another offer rings".to_owned(),
        AgentState::Engaged { item: Some(_) } if agent.offer.is_some() => "another offer rings".to_owned(),
        AgentState::Engaged { item: Some(_) } if agent.pending.is_some() => format!("{}, then pauses", in_conversation(agent)),
        AgentState::Engaged { item: Some(_) } if agent.load() == WHOLE => "in conversation".to_owned(),
        AgentState::Engaged { item: Some(_) } => return None,
        AgentState::Engaged { item: None } => "on a call outside the queues".to_owned(),
        AgentState::WrapUp { until_at } => format!("wrap-up for {} s more", seconds_to(*until_at)),
        AgentState::NotReady { reason } => format!("not ready: {reason}"),
        AgentState::Ready => match agent.aside {
            Some(aside) => format!("left alone for {} s after {}", seconds_to(aside.until_at), aside.cause.as_str()),
            None if !agent.is_reachable() => "device not reachable".to_owned(),
            None => return None,
        },
    })
}
