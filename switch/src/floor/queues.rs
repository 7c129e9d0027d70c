//! One queue: who waits, grouped by what they need; who could serve, grouped by what they can do.
//!
//! Items and agents are indexed by equal skills, so that matching looks at one requirement and one
//! front item per group instead of at every item and every agent.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Floor, Timer,
    classes::KindId,
    contract::{AgentState, QueueProfile},
    kept::WorkRules,
    order::{Key, Order},
    skills::{self, Skills},
};
use crate::{
    demand::{Demand, Demands},
    id::ItemId,
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// How many handling times the moving average remembers.
const HANDLING_MEMORY: u32 = 20;
/// How many are needed before it says anything.
const HANDLING_SAMPLES: u32 = 5;
/// Callers of before the restart keep their place so long in a queue that the plan does not name (yet).
const UNKNOWN_GRACE_MS: u64 = 600_000;

/// Agents with something to do: the part of them that is taken, since when they had no more, who.
type LeastAtWork = BTreeSet<(u16, Timestamp, AgentName)>;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) profile: QueueProfile,
    /// Whether the plan has it now. A queue that the plan dropped serves who waits and takes nobody in.
    pub(super) in_plan: bool,
    /// Every item that has a place here: waiting, offered, or of before the restart.
    pub(super) order: Order,
    /// Those that may be offered now, by what they need now.
    pub(super) waiting: BTreeMap<(Demand, Skills), BTreeSet<Key>>,
    /// Those that are kept for the agent they prefer; not among `waiting`.
    pub(super) saved: BTreeSet<Key>,
    /// Those with a live call, by arrival: the longest wait is at the front.
    pub(super) arrivals: BTreeSet<(Timestamp, ItemId)>,
    /// Those of before the restart, by the number that may call back.
    pub(super) detached: BTreeMap<String, BTreeSet<Key>>,
    /// Who is called back from here, by number.
    pub(super) promised: BTreeMap<String, ItemId>,
    /// In conversation.
    pub(super) engaged: u32,
    /// Agents who serve it, on duty or not.
    pub(super) members: BTreeSet<AgentName>,
    /// Those who have nothing to do and could be asked now, by what they take and can do, longest idle first.
    pub(super) idle: BTreeMap<(Demands, Skills), BTreeSet<(Timestamp, AgentName)>>,
    /// Those who have something to do and could take more, by kind and by what there is room for: least
    /// work first.
    pub(super) at_work: BTreeMap<(KindId, Demands), LeastAtWork>,
    /// Members in any state but Offline.
    pub(super) signed_in: u32,
    /// Members who take offers, now or after what they are doing.
    pub(super) on_duty: u32,
    pub(super) handling: Average,
    pub(super) places: PlaceRound,
}

/// How far the telling of places has come.
#[derive(Debug, Default)]
pub(super) struct PlaceRound {
    /// Something changed that was not told yet.
    pub(super) dirty: bool,
    /// When the last round began; at most one begins in a second.
    pub(super) began_at: Option<Timestamp>,
    /// The last key of a round in progress.
    pub(super) cursor: Option<Key>,
}

/// Moving average of recent handling times.
#[derive(Debug, Default)]
pub(super) struct Average {
    samples: u32,
    mean_ms: u64,
}

impl Average {
    pub(super) fn add(&mut self, sample_ms: u64) {
        self.samples = (self.samples + 1).min(HANDLING_MEMORY);
        let (n, sum) = (u64::from(self.samples), u128::from(self.mean_ms) * u128::from(self.samples - 1));
        let mean = (sum + u128::from(sample_ms)) / u128::from(n);
        self.mean_ms = u64::try_from(mean).unwrap_or(u64::MAX);
    }

    pub(super) fn mean_ms(&self) -> Option<u64> {
        (self.samples >= HANDLING_SAMPLES).then_some(self.mean_ms)
    }
}

impl Queue {
    pub(super) fn new(profile: QueueProfile, in_plan: bool) -> Self {
        Self {
            profile,
            in_plan,
            order: Order::default(),
            waiting: BTreeMap::new(),
            saved: BTreeSet::new(),
            arrivals: BTreeSet::new(),
            detached: BTreeMap::new(),
            promised: BTreeMap::new(),
            engaged: 0,
            members: BTreeSet::new(),
            idle: BTreeMap::new(),
            at_work: BTreeMap::new(),
            signed_in: 0,
            on_duty: 0,
            handling: Average::default(),
            places: PlaceRound::default(),
        }
    }

    /// A queue that an agent or a restored item names before, or after, the plan does.
    pub(super) fn unknown(queue: QueueName) -> Self {
        let profile = QueueProfile {
            queue,
            answer_target_ms: 20_000,
            ring_ms: 20_000,
            wrap_up_ms: 0,
            relax: Vec::new(),
            max_waiting: 0,
            rejoin_grace_ms: UNKNOWN_GRACE_MS,
            max_missed: 0,
            callbacks_per_day: 3,
            work: WorkRules::default(),
        };
        Self::new(profile, false)
    }

    /// Nobody has a place, nobody talks, nobody serves.
    pub(super) fn is_unused(&self) -> bool {
        self.order.is_empty() && self.engaged == 0 && self.members.is_empty()
    }

    pub(super) const fn counts_differ(before: &AgentState, after: &AgentState) -> bool {
        is_signed_in(before) != is_signed_in(after) || is_on_duty(before) != is_on_duty(after)
    }

    pub(super) fn count(&mut self, before: &AgentState, after: &AgentState) {
        let step = |count: &mut u32, was: bool, is: bool| match (was, is) {
            (false, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            _ => {}
        };
        step(&mut self.signed_in, is_signed_in(before), is_signed_in(after));
        step(&mut self.on_duty, is_on_duty(before), is_on_duty(after));
    }

    pub(super) fn list(&mut self, listing: &Listing, agent: &AgentName) {
        match listing {
            Listing::Idle { takes, skills, since } => {
                self.idle.entry((*takes, skills.clone())).or_default().insert((*since, agent.clone()));
            }
            Listing::AtWork { kind, room, load, since } => {
                self.at_work.entry((*kind, *room)).or_default().insert((*load, *since, agent.clone()));
            }
        }
    }

    pub(super) fn unlist(&mut self, listing: &Listing, agent: &AgentName) {
        match listing {
            Listing::Idle { takes, skills, since } => {
                take_from(&mut self.idle, &(*takes, skills.clone()), &(*since, agent.clone()));
            }
            Listing::AtWork { kind, room, load, since } => {
                take_from(&mut self.at_work, &(*kind, *room), &(*load, *since, agent.clone()));
            }
        }
    }

    pub(super) fn list_waiting(&mut self, demand: Demand, needs: &Skills, key: Key) {
        self.waiting.entry((demand, needs.clone())).or_default().insert(key);
    }

    pub(super) fn unlist_waiting(&mut self, demand: Demand, needs: &Skills, key: Key) {
        take_from(&mut self.waiting, &(demand, needs.clone()), &key);
    }

    /// Everything that may be offered now, in no order.
    pub(super) fn open(&self) -> impl Iterator<Item = Key> + '_ {
        self.waiting.values().flatten().chain(&self.saved).copied()
    }

    /// Nobody is expected back for this place of before the restart.
    pub(super) fn expect_no_more(&mut self, caller: &str, key: Key) {
        if let Some(places) = self.detached.get_mut(caller) {
            places.remove(&key);
            if places.is_empty() {
                self.detached.remove(caller);
            }
        }
    }

    /// The first of each group that somebody with these skills may be asked for, with what it asks.
    pub(super) fn firsts_for<'a>(&'a self, have: &'a Skills) -> impl Iterator<Item = (Demand, Key)> + 'a {
        self.waiting
            .iter()
            .filter(|((_, needs), _)| skills::meets(have, needs))
            .filter_map(|((demand, _), keys)| Some((*demand, *keys.first()?)))
    }

    /// The first item that somebody with these skills and room for this may be asked for.
    pub(super) fn first_for(&self, have: &Skills, room: Demands) -> Option<Key> {
        self.firsts_for(have).filter(|(demand, _)| room.contains(*demand)).map(|(_, key)| key).min()
    }
}

/// Takes one out of its group, and the group away when it was the last.
fn take_from<K: Ord, V: Ord>(groups: &mut BTreeMap<K, BTreeSet<V>>, group: &K, one: &V) {
    if let Some(all) = groups.get_mut(group) {
        all.remove(one);
        if all.is_empty() {
            groups.remove(group);
        }
    }
}

/// Under what an agent who could be asked stands in the lists of their queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// Has nothing to do.
    Idle {
        /// What they take anything of.
        takes: Demands,
        /// What they can do.
        skills: Skills,
        /// End of the last conversation.
        since: Timestamp,
    },
    /// Has something to do, and room for more.
    AtWork {
        /// What they can do, for whom.
        kind: KindId,
        /// For what there is room.
        room: Demands,
        /// Thousandths of them that are taken.
        load: u16,
        /// End of the last conversation.
        since: Timestamp,
    },
}

/// Any state but Offline.
pub(super) const fn is_signed_in(state: &AgentState) -> bool {
    !matches!(state, AgentState::Offline)
}

/// Signed in, and takes offers now or after what they are doing.
pub(super) const fn is_on_duty(state: &AgentState) -> bool {
    !matches!(state, AgentState::Offline | AgentState::NotReady { .. })
}

impl Floor {
    /// Takes the plan's queues: fields are replaced, who waits stays.
    pub(super) fn reload_queues(&mut self, now: Timestamp, profiles: Vec<QueueProfile>) {
        for queue in self.queues.values_mut() {
            queue.in_plan = false;
        }
        for profile in profiles {
            let name = profile.queue.clone();
            let queue = self.queues.entry(name.clone()).or_insert_with(|| Queue::unknown(name.clone()));
            queue.in_plan = true;
            let softened = queue.profile.relax != profile.relax;
            queue.profile = profile;
            if softened {
                self.regroup(now, &name);
            }
            self.arm_grace(&name);
        }
        self.drop_unused_queues();
    }

    /// The queue of this name, made if nobody named it before.
    pub(super) fn queue_entry(&mut self, name: &QueueName) -> &mut Queue {
        self.queues.entry(name.clone()).or_insert_with(|| Queue::unknown(name.clone()))
    }

    pub(super) fn drop_unused_queues(&mut self) {
        let timers = &mut self.timers;
        self.queues.retain(|name, queue| {
            let keep = queue.in_plan || !queue.is_unused();
            if !keep {
                timers.clear(&Timer::Places(name.clone()));
                timers.clear(&Timer::Grace(name.clone()));
            }
            keep
        });
    }

    /// Groups everybody who waits anew after the relaxation plan changed.
    fn regroup(&mut self, now: Timestamp, name: &QueueName) {
        let Some(queue) = self.queues.get(name) else { return };
        let waiting: Vec<ItemId> = queue.open().map(|key| key.item).collect();
        for item in waiting {
            self.relax(now, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_silent_at_first_and_forgets_slowly() {
        let mut average = Average::default();
        for _ in 0..4 {
            average.add(1_000);
        }
        assert_eq!(average.mean_ms(), None);
        average.add(1_000);
        assert_eq!(average.mean_ms(), Some(1_000));
        for _ in 0..200 {
            average.add(3_000);
        }
        assert!(average.mean_ms().is_some_and(|mean| (2_900..=3_000).contains(&mean)));
    }
}
