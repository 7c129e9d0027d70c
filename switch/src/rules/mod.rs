//! Rules over channels: *when* something happened or goes on for a time, *unless* something speaks against it, *then* do something.
//!
//! Sans-I/O. [`Timers`] hears what happened in the order of the journal and says what becomes of timers; whoever owns it
//! writes both down in one transaction, so that a timer is set once for each thing that sets it off and ends once, whatever
//! restarts come between. When a timer is due its owner gathers [`Facts`], and [`weigh`] says what is done.

mod heard;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::{
    heard::{About, Heard, Thing, What},
    timers::{Change, End, MAX_RULES, MAX_TIMERS, Timer, Timers},
};
use crate::{
    channel::Channel,
    customers::cases::CaseStatus,
    name::{MailboxName, PartyNumber, QueueName, RuleName, ScheduleName, TrunkName},
    time::Timestamp,
};

/// A rule, as the plan has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// What sets it off.
    pub when: When,
    /// How long after that it looks, in ms; 0 is at once.
    pub after_ms: u64,
    /// What speaks against it then, in the order in which it is looked at.
    pub unless: Vec<Unless>,
    /// What is done then.
    pub then: Vec<Then>,
}

/// What sets a rule off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Somebody hung up while they waited.
    Abandoned {
        /// In this queue; `None`: in any.
        queue: Option<QueueName>,
        /// After so long at least, in ms.
        waited_ms: u64,
    },
    /// Somebody waits.
    Waiting {
        /// In this queue; `None`: in any.
        queue: Option<QueueName>,
    },
    /// A call from outside ended and nobody of ours had talked.
    Unanswered,
    /// Somebody left a message that nobody has heard.
    Voicemail {
        /// In this box; `None`: in any.
        mailbox: Option<MailboxName>,
    },
    /// Somebody was called back as often as was promised, and did not answer.
    CallbackFailed {
        /// Of this queue; `None`: of any.
        queue: Option<QueueName>,
    },
    /// A case is open.
    CaseOpen {
        /// About this; `None`: about anything.
        topic: Option<String>,
    },
    /// Another channel or program says that something happened to a customer.
    Happened {
        /// What, in its own word.
        what: String,
        /// On this channel; `None`: on any.
        channel: Option<Channel>,
    },
}

/// What speaks against a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unless {
    /// It is outside of these hours.
    Outside(ScheduleName),
    /// Somebody of ours has talked to the customer since.
    Contacted,
    /// The customer may not be contacted for this purpose.
    NoConsent {
        /// Which purpose.
        purpose: String,
    },
    /// The rule was carried out for the customer so often already.
    Cap {
        /// How often.
        times: u32,
        /// In so long, in ms.
        per_ms: u64,
    },
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// The customer is called back: an agent of the queue first.
    Call {
        /// Where they wait for it.
        queue: QueueName,
        /// By which trunk; `None`: by that of the queue's callbacks.
        via: Option<TrunkName>,
        /// The number that the customer sees; `None`: the one that they dialled.
        shown: Option<PartyNumber>,
        /// Minutes of virtual waiting ahead.
        priority_minutes: u32,
    },
    /// Who waits moves ahead.
    Priority {
        /// By so many minutes of virtual waiting.
        minutes: u32,
    },
    /// Their case gets this status; one is opened where there is none.
    Case {
        /// What it is about.
        topic: Option<String>,
        /// How far it is from then on.
        status: CaseStatus,
    },
    /// Supervisors and programs are told.
    Notify {
        /// What.
        text: String,
    },
    /// A message goes into the outbox.
    Message {
        /// By this channel: `Sms`, `Whatsapp` or `Email`.
        channel: Channel,
        /// What whoever sends it calls its text.
        template: String,
    },
}

impl When {
    /// The customer's next move ends a timer of it: what they wanted to hear from us is overtaken. What goes on until we do
    /// something is not, whatever the customer does.
    #[must_use]
    pub const fn ends_by_move(&self) -> bool {
        !matches!(self, Self::Waiting { .. } | Self::CaseOpen { .. })
    }

    /// The word of the plan.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Abandoned { .. } => "abandoned",
            Self::Waiting { .. } => "waiting",
            Self::Unanswered => "unanswered",
            Self::Voicemail { .. } => "voicemail",
            Self::CallbackFailed { .. } => "callback-failed",
            Self::CaseOpen { .. } => "case-open",
            Self::Happened { .. } => "happened",
        }
    }
}

impl Then {
    /// The word of the plan.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Call { .. } => "call",
            Self::Priority { .. } => "priority",
            Self::Case { .. } => "case",
            Self::Notify { .. } => "notify",
            Self::Message { channel, .. } => channel.word(),
        }
    }
}

/// What has to be known when a timer is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Schedules that are closed now, and those that are not there.
    pub closed: BTreeSet<ScheduleName>,
    /// Who of ours has talked to the customer since the timer was set.
    pub contacted: Option<String>,
    /// For each purpose of the rule: why the customer may not be contacted.
    pub refused: BTreeMap<String, String>,
    /// When the rule was carried out for this customer.
    pub carried_out: Vec<Timestamp>,
}

/// What speaks against a rule now, in words; `Ok`: nothing does.
///
/// # Errors
/// The first reason not to do it.
pub fn weigh(rule: &Rule, facts: &Facts, now: Timestamp) -> Result<(), String> {
    for unless in &rule.unless {
        let against = match unless {
            Unless::Outside(schedule) => facts.closed.contains(schedule).then(|| format!("outside the hours of `{schedule}`")),
            Unless::Contacted => facts.contacted.as_ref().map(|who| format!("the customer has talked with {who} since")),
            Unless::NoConsent { purpose } => facts.refused.get(purpose).cloned(),
            Unless::Cap { times, per_ms } => {
                let lately = facts.carried_out.iter().filter(|at| now.ms_since(**at) < *per_ms).count();
                (lately >= *times as usize).then(|| format!("done {lately} times already, and {times} is the cap"))
            }
        };
        if let Some(against) = against {
            return Err(against);
        }
    }
    Ok(())
}
