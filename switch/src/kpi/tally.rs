//! Rows, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    books::{Activity, Books, Wait, WaitEnd},
    spread::Spread,
};
use crate::{floor::OfferOutcome, time::Timestamp};

/// Counts of one queue, one agent or all of them, over some time.
///
/// Of those who waited on the line always: offered = answered + lost + flowed out + waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Waits on the line that began.
    #[serde(skip_serializing_if = "is_zero")]
    pub offered: u64,
    /// Of these, those that go on.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// Of these, those that passed on to another queue, were to be called back or went on in the plan.
    #[serde(skip_serializing_if = "is_zero")]
    pub flowed_out: u64,
    /// Waits of those who were answered.
    #[serde(skip_serializing_if = "Spread::is_empty")]
    pub answered: Spread,
    /// Waits of those who went without an answer.
    #[serde(skip_serializing_if = "Spread::is_empty")]
    pub lost: Spread,
    /// Conversations that are over, callbacks among them: with hold and wrap-up.
    #[serde(skip_serializing_if = "Spread::is_empty")]
    pub handled: Spread,
    /// The same without wrap-up.
    #[serde(skip_serializing_if = "Spread::is_empty")]
    pub talked: Spread,
    /// Promises to call back, and what became of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub promised: u64,
    /// The customer was reached.
    #[serde(skip_serializing_if = "is_zero")]
    pub reached: u64,
    /// The customer was called as often as was promised, and not reached.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreached: u64,
    /// Conversations out of which the customer was transferred.
    #[serde(skip_serializing_if = "is_zero")]
    pub transferred: u64,
    /// Offers that ended, by how.
    #[serde(skip_serializing_if = "Offers::are_none")]
    pub offers: Offers,
    /// What agents spent their time on, in µs: so spells can be cut anywhere and put together again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spent_us: BTreeMap<Activity, u64>,
}

/// Offers that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Offers {
    /// The agent took it.
    pub accepted: u64,
    /// The device refused or failed.
    pub declined: u64,
    /// It rang its time.
    pub expired: u64,
    /// Nobody's refusal: the caller left first, or the customer to be called back did not answer.
    pub withdrawn: u64,
}

impl Tally {
    /// Counts one wait, with the conversation that came of it.
    pub fn wait(&mut self, wait: &Wait) {
        if wait.callback {
            self.promised += 1;
            match wait.end {
                Some((WaitEnd::Answered, _)) => self.reached += 1,
                Some((end, _)) if end.is_lost() => self.unreached += 1,
                _ => {}
            }
        } else {
            self.offered += 1;
            match wait.end {
                None => self.waiting += 1,
                Some((WaitEnd::Answered, at)) => self.answered.add(at.ms_since(wait.waiting_since_at)),
                Some((end, at)) if end.is_lost() => self.lost.add(at.ms_since(wait.waiting_since_at)),
                Some(_) => self.flowed_out += 1,
            }
        }
        self.conversation(wait);
    }

    /// Counts the conversation that came of a wait, and not the wait: for the agent who had it.
    pub fn conversation(&mut self, wait: &Wait) {
        if let (Some((WaitEnd::Answered, at)), Some(finished_at)) = (wait.end, wait.finished_at) {
            let ms = finished_at.ms_since(at);
            self.talked.add(ms);
            self.handled.add(ms + wait.wrap_up_ms);
        }
    }

    /// Counts the part of an agent's spell that lies between two instants.
    pub fn spell(&mut self, activity: Activity, (from_at, to_at): (Timestamp, Timestamp), within: (Timestamp, Timestamp)) {
        let us = to_at.min(within.1).0.saturating_sub(from_at.max(within.0).0);
        if us > 0 {
            *self.spent_us.entry(activity).or_default() += us.cast_unsigned();
        }
    }

    /// Counts an offer that ended.
    pub const fn offer(&mut self, outcome: OfferOutcome) {
        match outcome {
            OfferOutcome::Accepted => self.offers.accepted += 1,
            OfferOutcome::Declined(_) => self.offers.declined += 1,
            OfferOutcome::Expired => self.offers.expired += 1,
            OfferOutcome::Withdrawn | OfferOutcome::Unreached(_) => self.offers.withdrawn += 1,
        }
    }

    /// Counts all that another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.waiting += other.waiting;
        self.flowed_out += other.flowed_out;
        self.answered.merge(&other.answered);
        self.lost.merge(&other.lost);
        self.handled.merge(&other.handled);
        self.talked.merge(&other.talked);
        self.promised += other.promised;
        self.reached += other.reached;
        self.unreached += other.unreached;
        self.transferred += other.transferred;
        self.offers.accepted += other.offers.accepted;
        self.offers.declined += other.offers.declined;
        self.offers.expired += other.offers.expired;
        self.offers.withdrawn += other.offers.withdrawn;
        for (activity, us) in &other.spent_us {
            *self.spent_us.entry(*activity).or_default() += us;
        }
    }

    /// All of a floor until `now`.
    #[must_use]
    pub fn of_books(books: &Books, now: Timestamp) -> Self {
        let mut tally = Self::default();
        for wait in books.waits() {
            tally.wait(wait);
        }
        for spell in books.spells() {
            let all = (Timestamp(i64::MIN), now);
            tally.spell(spell.activity, (spell.from_at, spell.to_at.unwrap_or(now)), all);
        }
        for (_, outcome, _) in books.offers() {
            tally.offer(*outcome);
        }
        tally
    }

    /// Whether waits on the line are all accounted for.
    #[must_use]
    pub const fn balances(&self) -> bool {
        self.offered == self.answered.n() + self.lost.n() + self.flowed_out + self.waiting
    }

    /// Time spent so, in ms.
    #[must_use]
    pub fn spent(&self, activities: &[Activity]) -> u64 {
        activities.iter().filter_map(|activity| self.spent_us.get(activity)).sum::<u64>() / 1_000
    }

    /// Nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Offers {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
