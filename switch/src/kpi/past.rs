//! What a floor was asked to do in some time of the past: who came, how long they would wait, how long they talked, and when
//! agents were there. Folded from its events, for a rerun with other settings.

use std::collections::BTreeMap;

use super::books::{Activity, Books, Spell};
use crate::{
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem},
    id::{ItemId, OfferId},
    link::LeaveReason,
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// What is taken where nothing else is known, in ms.
const USUAL_TALK_MS: u64 = 180_000;
const USUAL_RING_MS: u64 = 3_000;

/// Somebody who came.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) item: WaitingItem,
    pub(super) came_at: Timestamp,
    /// What ended their wait in a queue, and how long after they began to wait; the last one is for good.
    pub(super) steps: Vec<(u64, Step)>,
    /// They were answered after so long: how long they would have waited is not known.
    pub(super) answered_ms: Option<u64>,
    pub(super) talk_ms: Option<u64>,
    pub(super) wrap_up_ms: Option<u64>,
    pub(super) ring_ms: Option<u64>,
}

/// What a caller or their call does while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Goes on to another queue.
    Overflow(QueueName),
    /// Leaves.
    Leave(LeaveReason),
}

/// What an agent does of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// On duty, and taking offers.
    Works,
    /// On duty, taking none.
    Pauses(String),
    /// Off duty.
    Gone,
    /// In a call outside queues.
    CallsOut,
}

/// What a floor was asked to do.
#[derive(Clone, Debug, Default)]
pub struct Past {
    books: Books,
    pub(super) callers: BTreeMap<ItemId, Caller>,
    /// Under which item who came back after a restart is kept.
    came_as: BTreeMap<ItemId, ItemId>,
    offered_at: BTreeMap<OfferId, Timestamp>,
    pub(super) presence: Vec<(Timestamp, AgentName, Presence)>,
    doing: BTreeMap<AgentName, Presence>,
}

impl Past {
    /// What agents did when the time began.
    pub fn begin(&mut self, spells: &[Spell], at: Timestamp) {
        for spell in spells {
            let presence = match spell.activity {
                Activity::Offline => Presence::Gone,
                Activity::NotReady => Presence::Pauses(spell.reason.clone().unwrap_or_default()),
                Activity::Direct => Presence::CallsOut,
                Activity::Ready | Activity::Reserved | Activity::Engaged | Activity::WrapUp => Presence::Works,
            };
            self.is_now(&spell.agent, presence, at);
        }
    }

    /// Takes in the next event. Who came before the first one is not known.
    pub fn apply(&mut self, event: &FloorEvent) {
        self.books.apply(event);
        match event {
            FloorEvent::AgentChanged { agent, state, at } => {
                let presence = match state {
                    AgentState::Offline => Presence::Gone,
                    AgentState::NotReady { reason } => Presence::Pauses(reason.clone()),
                    AgentState::Engaged { item: None } => Presence::CallsOut,
                    _ => Presence::Works,
                };
                self.is_now(agent, presence, *at);
            }
            FloorEvent::Queued { item, rejoined, at } => {
                if let Some(first) = rejoined.and_then(|old| self.came_as.get(&old).copied()) {
                    self.came_as.insert(item.item, first);
                } else if rejoined.is_none() {
                    let caller = Caller {
                        item: item.clone(),
                        came_at: *at,
                        steps: Vec::new(),
                        answered_ms: None,
                        talk_ms: None,
                        wrap_up_ms: None,
                        ring_ms: None,
                    };
                    self.callers.insert(item.item, caller);
                    self.came_as.insert(item.item, item.item);
                }
            }
            FloorEvent::Overflowed { item, at, .. } => self.step(item.item, Step::Overflow(item.queue.clone()), *at),
            // Their callback is not run again: they leave the line.
            FloorEvent::CallbackKept { item, at } => self.step(item.item, Step::Leave(LeaveReason::TimedOut), *at),
            FloorEvent::Left { item, reason, at } => self.step(*item, Step::Leave(*reason), *at),
            FloorEvent::Offered { offer, at, .. } => drop(self.offered_at.insert(*offer, *at)),
            FloorEvent::OfferEnded { offer, item, outcome, at, .. } => {
                let rang_ms = self.offered_at.remove(offer).map(|since| at.ms_since(since));
                if let Some(caller) = self.caller(*item).filter(|_| *outcome == OfferOutcome::Accepted) {
                    caller.answered_ms = Some(at.ms_since(caller.item.virtual_arrival_at));
                    caller.ring_ms = rang_ms;
                }
            }
            // Who was moved ahead by hand is not moved again, and writing is not run again: both depend on what was going on.
            FloorEvent::Prioritised { .. } | FloorEvent::ConversationChanged { .. } | FloorEvent::Returned { .. } => {}
            FloorEvent::Finished { .. } | FloorEvent::AgentAsked { .. } | FloorEvent::Refused { .. } => {}
        }
    }

    /// All was taken in: what was talked and written up is known now.
    #[must_use]
    pub fn complete(mut self) -> Self {
        for wait in self.books.waits().to_vec() {
            let (Some(finished_at), Some((_, answered_at))) = (wait.finished_at, wait.end) else { continue };
            if let Some(caller) = self.caller(wait.item) {
                (caller.talk_ms, caller.wrap_up_ms) = (Some(finished_at.ms_since(answered_at)), Some(wait.wrap_up_ms));
            }
        }
        self
    }

    /// What came of it.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// Callers who came before an instant and whose end is not known yet.
    #[must_use]
    pub fn open(&self, before: Timestamp) -> usize {
        let has_left = |caller: &Caller| matches!(caller.steps.last(), Some((_, Step::Leave(_))));
        let is_open = |caller: &&Caller| caller.came_at < before && caller.answered_ms.is_none() && !has_left(caller);
        self.callers.values().filter(is_open).count()
    }

    /// How long somebody who is answered at some time talks, in ms, where the past does not say: the median of their queue, or of
    /// all.
    pub(super) fn usual_ms(&self, queue: &QueueName, of: impl Fn(&Caller) -> Option<u64>, otherwise: u64) -> u64 {
        let of_queue = || self.callers.values().filter(|caller| caller.item.queue == *queue).filter_map(&of);
        median(of_queue()).or_else(|| median(self.callers.values().filter_map(&of))).unwrap_or(otherwise)
    }

    pub(super) fn usual_talk_ms(&self, queue: &QueueName) -> u64 {
        self.usual_ms(queue, |caller| caller.talk_ms, USUAL_TALK_MS)
    }

    pub(super) fn usual_ring_ms(&self, queue: &QueueName) -> u64 {
        self.usual_ms(queue, |caller| caller.ring_ms, USUAL_RING_MS)
    }

    fn caller(&mut self, item: ItemId) -> Option<&mut Caller> {
        let first = self.came_as.get(&item)?;
        self.callers.get_mut(first).filter(|caller| !matches!(caller.steps.last(), Some((_, Step::Leave(_)))))
    }

    fn step(&mut self, item: ItemId, step: Step, at: Timestamp) {
        if let Some(caller) = self.caller(item) {
            caller.steps.push((at.ms_since(caller.item.virtual_arrival_at), step));
        }
    }

    fn is_now(&mut self, agent: &AgentName, presence: Presence, at: Timestamp) {
        if self.doing.get(agent) != Some(&presence) {
            self.doing.insert(agent.clone(), presence.clone());
            self.presence.push((at, agent.clone(), presence));
        }
    }
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// How patient callers are: the share of them who still wait after some time, estimated from those who gave up and those who
/// were answered before they did (Kaplan and Meier).
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    /// After so many ms, this share is left; both in order.
    left: Vec<(u64, f64)>,
}

impl Patience {
    pub(super) fn of(past: &Past) -> Self {
        let mut ends: Vec<(u64, bool)> = Vec::new();
        for caller in past.callers.values() {
            match (caller.answered_ms, caller.steps.last()) {
                (Some(ms), _) => ends.push((ms, false)),
                (None, Some((ms, Step::Leave(reason)))) => ends.push((*ms, *reason == LeaveReason::Abandoned)),
                _ => {}
            }
        }
        ends.sort_unstable();
        let (mut left, mut share) = (Vec::new(), 1.0);
        for (index, (ms, gave_up)) in ends.iter().enumerate() {
            if *gave_up {
                let there = ends.len() - index;
                #[expect(clippy::cast_precision_loss, reason = "callers of some days")]
                let share_of_one = 1.0 / there as f64;
                share *= 1.0 - share_of_one;
                left.push((*ms, share));
            }
        }
        Self { left }
    }

    /// How long somebody waits who has waited so long; `None`: longer than anybody did. `chance` is from 0 to 1.
    pub(super) fn beyond(&self, waited_ms: u64, chance: f64) -> Option<u64> {
        let known = self.left.partition_point(|(ms, _)| *ms <= waited_ms);
        let now = known.checked_sub(1).map_or(1.0, |index| self.left[index].1);
        self.left[known..].iter().find(|(_, share)| *share <= now * chance).map(|(ms, _)| *ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_what_those_who_gave_up_and_those_who_were_answered_tell() {
        let patience = Patience { left: vec![(1_000, 0.9), (5_000, 0.5), (9_000, 0.2)] };
        assert_eq!(patience.beyond(0, 0.95), Some(1_000));
        assert_eq!(patience.beyond(0, 0.5), Some(5_000));
        assert_eq!(patience.beyond(6_000, 0.9), Some(9_000));
        assert_eq!((patience.beyond(6_000, 0.1), patience.beyond(10_000, 0.9)), (None, None));
    }
}
