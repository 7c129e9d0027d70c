//! When something must be looked at again.
//!
//! Each owner has one [`Alarm`]: the instant at which it next has something to do. A heap holds one
//! entry per owner, as a rule. Moving an alarm to a later time costs nothing: the owner is asked too
//! early, and sets it again. Nothing is ever searched for.
//!
//! Time is in ms since the endpoint's first input.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{contract::InviteId, slab::Key};

/// Milliseconds since the endpoint's first input.
pub(super) type Ms = u64;

/// "Never".
pub(super) const NEVER: Ms = Ms::MAX;

/// Who has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Client(Key),
    Server(Key),
    Invite(InviteId),
    /// A subscription, by our tag.
    Subscription(u64),
    /// A MESSAGE on its way to the receiver's devices.
    Relay(u64),
    /// A transfer that somebody hears of.
    Referral(InviteId),
    /// A trunk, by its number, with the age of the table of trunks.
    Trunk(u16, u32),
}

/// An owner's next instant: the earliest entry of this owner in the heap. The owner itself knows when
/// it has something to do, which may be later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    queued: Ms,
}

impl Alarm {
    pub(super) const fn new() -> Self {
        Self { queued: NEVER }
    }

    /// Tells the alarm that its entry of time `at` was popped; `false` if that entry was void.
    pub(super) const fn popped(&mut self, at: Ms) -> bool {
        let genuine = self.queued == at;
        if genuine {
            self.queued = NEVER;
        }
        genuine
    }
}

#[derive(Debug)]
struct Entry {
    at: Ms,
    owner: Owner,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
}

impl Timers {
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Sees to it that an owner is asked at `due`, or earlier; [`NEVER`] needs nothing.
    pub(super) fn set(&mut self, alarm: &mut Alarm, due: Ms, owner: Owner) {
        if due < alarm.queued {
            alarm.queued = due;
            self.heap.push(Reverse(Entry { at: due, owner }));
        }
    }

    pub(super) fn next(&self) -> Option<Ms> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// The next entry whose time has come.
    pub(super) fn pop(&mut self, now: Ms) -> Option<(Ms, Owner)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner::Invite(InviteId(1));

    #[test]
    fn an_alarm_has_one_genuine_entry_and_the_others_are_void() {
        let (mut timers, mut alarm) = (Timers::default(), Alarm::new());
        timers.set(&mut alarm, 500, OWNER);
        timers.set(&mut alarm, 32_000, OWNER);
        assert_eq!(timers.len(), 1);
        let (at, owner) = timers.pop(500).unwrap();
        assert!(alarm.popped(at));
        timers.set(&mut alarm, 32_000, owner);
        timers.set(&mut alarm, 1_000, owner);
        assert_eq!(timers.pop(999), None);
        let (at, _) = timers.pop(1_000).unwrap();
        assert!(alarm.popped(at));
        let (void, _) = timers.pop(40_000).unwrap();
        assert!(!alarm.popped(void), "the entry of the old time means nothing");
    }
}
