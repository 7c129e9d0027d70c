//! The floor's one timer wheel: each thing that may fall due has at most one time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{ItemId, OfferId},
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// What falls due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An offer has rung its time.
    Ring(OfferId),
    /// An agent's wrap-up is over.
    WrapUp(AgentName),
    /// An agent who was set aside after a failed offer may be asked again.
    Aside(AgentName),
    /// An item's skill requirement softens.
    Relax(ItemId),
    /// Whoever's turn it is in a conversation has said nothing for too long.
    Turn(ItemId),
    /// An item is no more kept for the agent it prefers.
    Prefer(ItemId),
    /// An item's deadline is near.
    Deadline(ItemId),
    /// A customer may be called back again.
    Again(ItemId),
    /// Callers of before the restart are no longer expected back in this queue.
    Grace(QueueName),
    /// The callers of this queue are told their place.
    Places(QueueName),
}

/// All of them, each once.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
    at: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Sets or moves a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.clear(&timer);
        self.at.insert(timer.clone(), at);
        self.due.insert((at, timer));
    }

    pub(super) fn clear(&mut self, timer: &Timer) {
        if let Some((timer, at)) = self.at.remove_entry(timer) {
            self.due.remove(&(at, timer));
        }
    }

    pub(super) fn is_set(&self, timer: &Timer) -> bool {
        self.at.contains_key(timer)
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next timer that is due, which is cleared.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next_at()? > now {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.at.remove(&timer);
        Some(timer)
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}
