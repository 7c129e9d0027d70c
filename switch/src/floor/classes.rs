//! The drain rule: while the oldest item that an agent could take needs a whole agent, an agent who is partly at work is
//! given no more of what takes only a part. Else a stream of chats would keep every agent from ever being whole again.
//!
//! Agents of the same queues, skills and capacity are of one kind. The oldest item that needs them whole, and the oldest
//! that does not, are kept for each kind of which somebody is partly at work, so that an item that comes or goes touches
//! only the kinds that it concerns, and a floor of calls alone pays nothing.

use std::collections::BTreeMap;

use super::{
    Floor,
    agents::Agent,
    items::Stage,
    order::Key,
    queues::Listing,
    skills::{self, Skills},
};
use crate::{
    channel::Capacity,
    demand::{Demand, Demands},
    id::ItemId,
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// What agents of one kind have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    queues: Vec<QueueName>,
    skills: Skills,
    capacity: Capacity,
}

/// A short name for a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KindId(u32);

/// Agents of one kind.
#[derive(Debug)]
pub(super) struct Class {
    kind: Kind,
    /// How many there are, and how many of them stand in lists as partly at work.
    agents: u32,
    at_work: u32,
    /// The oldest item that takes one of them whole, and the oldest that does not; kept while somebody is at work.
    whole: Option<Key>,
    part: Option<Key>,
}

/// All kinds that there are.
#[derive(Debug, Default)]
pub(super) struct Classes {
    by_kind: BTreeMap<Kind, KindId>,
    pub(super) all: BTreeMap<KindId, Class>,
    last: u32,
}

impl Classes {
    /// One agent more of this kind.
    pub(super) fn join(&mut self, agent: &Agent) -> KindId {
        let profile = &agent.profile;
        let kind = Kind { queues: profile.queues.clone(), skills: agent.skills.clone(), capacity: profile.capacity.clone() };
        if let Some(id) = self.by_kind.get(&kind) {
            if let Some(class) = self.all.get_mut(id) {
                class.agents += 1;
            }
            return *id;
        }
        self.last += 1;
        let id = KindId(self.last);
        self.by_kind.insert(kind.clone(), id);
        self.all.insert(id, Class { kind, agents: 1, at_work: 0, whole: None, part: None });
        id
    }

    /// One agent less.
    pub(super) fn leave(&mut self, id: KindId) {
        let Some(class) = self.all.get_mut(&id) else { return };
        class.agents = class.agents.saturating_sub(1);
        if class.agents == 0
            && let Some(class) = self.all.remove(&id)
        {
            self.by_kind.remove(&class.kind);
        }
    }
}

impl Class {
    /// Whether their oldest item needs one of them whole. `saved`: the oldest that are kept for one of them alone.
    fn drains(&self, saved: (Option<Key>, Option<Key>)) -> bool {
        let oldest = |one: Option<Key>, other: Option<Key>| one.into_iter().chain(other).min();
        let (whole, part) = (oldest(self.whole, saved.0), oldest(self.part, saved.1));
        whole.is_some_and(|whole| part.is_none_or(|part| whole < part))
    }

    fn concerns(&self, demand: Demand, needs: &Skills) -> bool {
        self.kind.capacity.takes().contains(demand) && skills::meets(&self.kind.skills, needs)
    }
}

impl Floor {
    /// What the agent may be asked for: that for which there is room; while they drain, only what takes them whole.
    pub(super) fn open_to(&self, agent: &Agent) -> Demands {
        match &agent.listed {
            None => Demands::NONE,
            Some(Listing::Idle { takes, .. }) => *takes,
            Some(Listing::AtWork { room, .. }) if self.drains(agent) => room.and(agent.profile.capacity.whole()),
            Some(Listing::AtWork { room, .. }) => *room,
        }
    }

    fn drains(&self, agent: &Agent) -> bool {
        let saved = self.saved_for(agent);
        self.classes.all.get(&agent.kind).is_some_and(|class| class.drains(saved))
    }

    /// The oldest that are kept for this agent alone: of what takes them whole, and of what does not.
    fn saved_for(&self, agent: &Agent) -> (Option<Key>, Option<Key>) {
        let Some(items) = self.saved.get(&agent.profile.agent) else { return (None, None) };
        let whole = agent.profile.capacity.whole();
        let oldest = |is_whole: bool| {
            let items = items.iter().filter_map(|id| self.items.get(id));
            items.filter(|item| whole.contains(item.work.demand()) == is_whole).map(super::items::Item::key).min()
        };
        (oldest(true), oldest(false))
    }

    /// One agent more of a kind stands in lists as partly at work.
    pub(super) fn count_at_work(&mut self, id: KindId) {
        let Some(class) = self.classes.all.get_mut(&id) else { return };
        class.at_work += 1;
        if class.at_work == 1 {
            self.find_oldest(id);
        }
    }

    pub(super) fn count_not_at_work(&mut self, id: KindId) {
        if let Some(class) = self.classes.all.get_mut(&id) {
            class.at_work = class.at_work.saturating_sub(1);
        }
    }

    /// Works out the oldest items of a kind from the lists.
    fn find_oldest(&mut self, id: KindId) {
        let Some(class) = self.classes.all.get(&id) else { return };
        let (whole, part) = self.oldest_of(&class.kind);
        if let Some(class) = self.classes.all.get_mut(&id) {
            (class.whole, class.part) = (whole, part);
        }
    }

    fn oldest_of(&self, kind: &Kind) -> (Option<Key>, Option<Key>) {
        let (takes, needs_whole) = (kind.capacity.takes(), kind.capacity.whole());
        let (mut whole, mut part) = (None, None);
        for queue in kind.queues.iter().filter_map(|name| self.queues.get(name)) {
            for (demand, key) in queue.firsts_for(&kind.skills).filter(|(demand, _)| takes.contains(*demand)) {
                let oldest: &mut Option<Key> = if needs_whole.contains(demand) { &mut whole } else { &mut part };
                if oldest.is_none_or(|oldest| key < oldest) {
                    *oldest = Some(key);
                }
            }
        }
        (whole, part)
    }

    /// An item may be offered from now on.
    pub(super) fn came(&mut self, queue: &QueueName, demand: Demand, needs: &Skills, key: Key) {
        for id in self.kinds_at_work(queue) {
            let Some(class) = self.classes.all.get_mut(&id).filter(|class| class.concerns(demand, needs)) else { continue };
            let drained = class.drains((None, None));
            let is_whole = class.kind.capacity.whole().contains(demand);
            let oldest = if is_whole { &mut class.whole } else { &mut class.part };
            if oldest.is_some_and(|oldest| oldest < key) {
                continue;
            }
            *oldest = Some(key);
            if drained && !class.drains((None, None)) {
                self.released.insert(id);
            }
            self.look_again_at_saved(id);
        }
    }

    /// Those for whom items are kept may drain when others of their kind do not, and the other way.
    fn look_again_at_saved(&mut self, id: KindId) {
        let is_of_kind = |agent: &Agent| agent.kind == id && agent.listed.is_some();
        let agents = self.saved.keys().filter(|name| self.agents.get(*name).is_some_and(is_of_kind));
        self.freed.extend(agents.cloned());
    }

    /// An item is not to be offered any more.
    pub(super) fn went(&mut self, queue: &QueueName, key: Key) {
        for id in self.kinds_at_work(queue) {
            let Some(class) = self.classes.all.get(&id) else { continue };
            if class.whole != Some(key) && class.part != Some(key) {
                continue;
            }
            let drained = class.drains((None, None));
            self.find_oldest(id);
            if drained && self.classes.all.get(&id).is_some_and(|class| !class.drains((None, None))) {
                self.released.insert(id);
            }
            self.look_again_at_saved(id);
        }
    }

    fn kinds_at_work(&self, queue: &QueueName) -> Vec<KindId> {
        let Some(queue) = self.queues.get(queue) else { return Vec::new() };
        let mut kinds: Vec<KindId> = queue.at_work.keys().map(|(kind, _)| *kind).collect();
        kinds.dedup();
        kinds
    }

    /// A kind does not drain any more: somebody of it may be offered something. One of each room speaks for all but those
    /// for whom items are kept.
    pub(super) fn look_again(&mut self, now: Timestamp, id: KindId) {
        let Some(class) = self.classes.all.get(&id) else { return };
        let Some(queue) = class.kind.queues.iter().find_map(|name| self.queues.get(name)) else { return };
        let mut ask: Vec<AgentName> = Vec::new();
        for (_, agents) in queue.at_work.range((id, Demands::NONE)..=(id, Demands::LAST)) {
            ask.extend(agents.iter().map(|(_, _, agent)| agent).find(|agent| !self.saved.contains_key(*agent)).cloned());
        }
        let of_kind = |agent: &&AgentName| self.agents.get(*agent).is_some_and(|agent| agent.kind == id);
        ask.extend(self.saved.keys().filter(of_kind).cloned());
        for agent in ask {
            if let Some((_, item)) = self.best_item(now, &agent)
                && self.match_from(now, item)
            {
                self.released.insert(id);
                return;
            }
        }
    }

    /// What the lists of a kind have to say, worked out anew: for the check of what must hold.
    pub(super) fn class_holds(&self, id: KindId) -> Result<(), String> {
        let Some(class) = self.classes.all.get(&id) else { return Err(format!("no class {id:?}")) };
        let listed = |agent: &&Agent| matches!(agent.listed, Some(Listing::AtWork { kind, .. }) if kind == id);
        let agents = self.agents.values().filter(|agent| agent.kind == id);
        let (all, at_work) = (agents.clone().count(), agents.filter(listed).count());
        if (usize::try_from(class.agents), usize::try_from(class.at_work)) != (Ok(all), Ok(at_work)) {
            return Err(format!("class {id:?} counts {} {}, there are {all} {at_work}", class.agents, class.at_work));
        }
        if at_work > 0 && self.oldest_of(&class.kind) != (class.whole, class.part) {
            return Err(format!("class {id:?} does not know its oldest items"));
        }
        Ok(())
    }

    /// Whether the agent must not be given a part more, from nothing but the items: for the check of what must hold.
    pub(super) fn must_drain(&self, agent: &Agent) -> bool {
        let can = |item: &&super::items::Item| {
            item.stage == Stage::Waiting
                && item.saved_for.as_ref().is_none_or(|name| *name == agent.profile.agent)
                && agent.profile.queues.contains(&item.queue)
                && agent.profile.capacity.takes().contains(item.work.demand())
                && skills::meets(&agent.skills, &item.needs)
        };
        let oldest = self.items.values().filter(can).min_by_key(|item| item.key());
        oldest.is_some_and(|item| agent.profile.capacity.whole().contains(item.work.demand()))
    }

    /// Items of this agent that are kept for them alone.
    pub(super) fn saved_items(&self, name: &AgentName) -> Vec<ItemId> {
        self.saved.get(name).map_or_else(Vec::new, |items| items.iter().copied().collect())
    }
}
