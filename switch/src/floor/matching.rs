//! Matching: who is asked for what, after every input, until nothing is left to ask.
//!
//! Since no waiting item had a free eligible agent before the input, only agents who became free and
//! items that began to wait (or now ask for less) have to be looked at.

use std::cmp::Reverse;

use super::{
    Floor,
    items::{Item, Stage},
    order::Rank,
    queues::Queue,
    skills,
};
use crate::{id::ItemId, name::AgentName, time::Timestamp};

impl Floor {
    /// Makes every offer that can be made.
    pub(super) fn settle(&mut self, now: Timestamp) {
        loop {
            self.refuse_unattended(now);
            if let Some(agent) = self.freed.pop_first() {
                if let Some((_, item)) = self.best_item(now, &agent)
                    && self.match_from(now, item)
                {
                    // Somebody better may have got that one: the agent is looked at again.
                    self.freed.insert(agent);
                }
            } else if let Some(item) = self.fresh.pop_first() {
                if self.match_from(now, item) && self.is_waiting(item) {
                    self.fresh.insert(item);
                }
            } else if let Some(kind) = self.released.pop_first() {
                self.look_again(now, kind);
            } else {
                return;
            }
        }
    }

    /// Makes one offer that concerns `item`: of it, or of an item with a higher rank that its best agent
    /// should take first. Climbs from rank to rank, so it ends. `false` when nobody is free for it.
    pub(super) fn match_from(&mut self, now: Timestamp, mut item: ItemId) -> bool {
        let Some(mut rank) = self.rank_of(now, item) else { return false };
        loop {
            let Some(agent) = self.best_agent(item) else { return false };
            match self.best_item(now, &agent) {
                Some((higher, other)) if higher > rank => (rank, item) = (higher, other),
                _ => {
                    self.offer(now, item, &agent);
                    return true;
                }
            }
        }
    }

    fn is_waiting(&self, item: ItemId) -> bool {
        self.items.get(&item).is_some_and(|item| item.stage == Stage::Waiting)
    }

    fn rank_of(&self, now: Timestamp, id: ItemId) -> Option<Rank> {
        let item = self.items.get(&id).filter(|item| item.stage == Stage::Waiting)?;
        Some(item.rank(now, self.queues.get(&item.queue)?))
    }

    /// The waiting item of the highest rank that this free agent may take, over all their queues.
    pub(super) fn best_item(&self, now: Timestamp, agent: &AgentName) -> Option<(Rank, ItemId)> {
        let agent = self.agents.get(agent).filter(|agent| agent.listed.is_some())?;
        let open = self.open_to(agent);
        let of_all = agent.profile.queues.iter().filter_map(|name| self.queues.get(name)).filter_map(|queue| {
            queue.first_for(&agent.skills, open).map(|key| (key.rank(now, queue.profile.answer_target_ms), key.item))
        });
        let saved = self.saved.get(&agent.profile.agent).into_iter().flatten();
        let of_theirs = saved
            .filter_map(|id| self.items.get(id))
            .filter(|item| open.contains(item.work.demand()))
            .filter_map(|item| Some((item.rank(now, self.queues.get(&item.queue)?), item.item)));
        of_all.chain(of_theirs).max_by(|a, b| a.0.cmp(&b.0))
    }

    /// The free agent for a waiting item: the one that it is kept for; else who has nothing to do before who is partly at
    /// work, then best at what was asked for, then least at work, then longest idle. Who did not take it lately comes only
    /// when nobody else is free, the one whose miss is longest ago first.
    pub(super) fn best_agent(&self, item: ItemId) -> Option<AgentName> {
        let item = self.items.get(&item).filter(|item| item.stage == Stage::Waiting)?;
        let queue = self.queues.get(&item.queue)?;
        if let Some(agent) = &item.saved_for {
            return Some(agent).filter(|agent| self.may_take(agent, item)).cloned();
        }
        let fresh = queue
            .idle
            .iter()
            .filter(|((takes, have), _)| takes.contains(item.work.demand()) && skills::meets(have, &item.needs))
            .filter_map(|((_, have), idle)| {
                let (since, agent) = idle.iter().find(|(_, agent)| !item.passed_by.contains(agent))?;
                Some((Reverse(skills::fitness(have, &item.asked)), *since, agent))
            })
            .min();
        if let Some((_, _, agent)) = fresh {
            return Some(agent.clone());
        }
        let at_work = self.best_at_work(item, queue);
        at_work.or_else(|| item.passed_by.iter().find(|agent| self.may_take(agent, item))).cloned()
    }

    /// The best of those who have something to do and room for it.
    pub(super) fn best_at_work<'a>(&'a self, item: &Item, queue: &'a Queue) -> Option<&'a AgentName> {
        let groups = queue.at_work.iter().filter(|((_, room), _)| room.contains(item.work.demand()));
        let bests = groups.filter_map(|(_, agents)| {
            // All of a group have the same skills.
            let first = agents.first().and_then(|(_, _, name)| self.agents.get(name))?;
            if !skills::meets(&first.skills, &item.needs) {
                return None;
            }
            // All of them drain or none does, but those for whom items are kept.
            let is_like_others = |name: &AgentName| !self.saved.contains_key(name);
            let fresh = || agents.iter().filter(|(_, _, name)| !item.passed_by.contains(name));
            let of_all = fresh().find(|(_, _, name)| is_like_others(name)).filter(|(_, _, name)| self.may_take(name, item));
            let of_some = || fresh().find(|(_, _, name)| !is_like_others(name) && self.may_take(name, item));
            let of_some = if self.saved.is_empty() { None } else { of_some() };
            let (load, since, agent) = of_all.into_iter().chain(of_some).min()?;
            Some((Reverse(skills::fitness(&first.skills, &item.asked)), *load, *since, agent))
        });
        bests.min().map(|(_, _, _, agent)| agent)
    }

    /// Whether the agent has room for it, serves the item's queue and can do what it needs now.
    pub(super) fn may_take(&self, agent: &AgentName, item: &Item) -> bool {
        self.agents.get(agent).is_some_and(|agent| {
            agent.listed.is_some()
                && agent.profile.queues.contains(&item.queue)
                && skills::meets(&agent.skills, &item.needs)
                && self.open_to(agent).contains(item.work.demand())
        })
    }
}
