//! Rules over channels: what is written down of them, and how it is read. Their messages stand in the outbox.

mod read;

pub use read::{CallOf, DeedRow, DeedTodo, ItemOf, MessageOf};

use serde::{Deserialize, Serialize};
use tandem_switch::{
    channel::Channel,
    customers::Identity,
    id::{CallId, CustomerId, TimerId},
    name::PartyNumber,
    rules::{About, End, Timer},
    time::Timestamp,
};

use super::{
    JournalRow, StoreError,
    db::{Arg, args, json},
    rules_sql as sql,
};

type Statement = (&'static str, Vec<Arg>);

/// What became of rules and of the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleNews {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: RuleChange,
}

/// What became of them. Each is called as the journal calls it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RuleChange {
    /// A rule was set off.
    #[serde(rename = "rule-set")]
    Set(Timer),
    /// Its customer is another one: two were merged.
    #[serde(rename = "rule-moved")]
    Moved {
        /// Which timer.
        timer: TimerId,
        /// Whose it is.
        customer: Option<CustomerId>,
    },
    /// It ended, and nothing was done.
    #[serde(rename = "rule-ended")]
    Ended {
        /// Which timer.
        timer: TimerId,
        /// Of which rule.
        rule: String,
        /// How.
        how: End,
        /// Why.
        why: String,
    },
    /// It was carried out.
    #[serde(rename = "rule-fired")]
    Fired {
        /// Which timer.
        timer: TimerId,
        /// Of which rule.
        rule: String,
        /// What is done, in order.
        deeds: Vec<Deed>,
        /// What goes into the outbox.
        messages: Vec<OutboxMessage>,
    },
    /// What took its time is done, or could not be.
    #[serde(rename = "rule-done")]
    Done {
        /// Which timer.
        timer: TimerId,
        /// Which of its actions.
        nth: u32,
        /// Whether it was done.
        state: DeedState,
        /// With what, or why not.
        detail: String,
    },
    /// Another channel or program says that something happened to a customer.
    #[serde(rename = "happened")]
    Happened(Happening),
    /// A message of the outbox was sent.
    #[serde(rename = "outbox-sent")]
    Sent {
        /// Which.
        message: String,
        /// What its channel calls it.
        reference: String,
        /// By whom.
        by: String,
    },
    /// It could not be sent, or somebody wants it sent after all.
    #[serde(rename = "outbox-failed")]
    Failed {
        /// Which.
        message: String,
        /// Why.
        why: String,
        /// How often it was tried.
        attempts: u32,
        /// When it is tried again; `None`: it is dead.
        next_at: Option<Timestamp>,
    },
    /// Somebody is at sending it: only the table changes.
    #[serde(rename = "outbox-leased")]
    Leased {
        /// Which.
        message: String,
        /// Who.
        by: String,
        /// Until then nobody else gets it.
        until_at: Timestamp,
    },
    /// The journal was read up to here for rules: only the table changes.
    #[serde(rename = "rules-read-up-to")]
    ReadUpTo(i64),
}

/// One action of a rule that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The word of the plan.
    pub what: String,
    /// Whether it was done.
    pub state: DeedState,
    /// With what, or why not.
    pub detail: String,
}

/// How far an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeedState {
    /// The floor was asked, or will be.
    Todo,
    /// Done.
    Done,
    /// It could not be done.
    Refused,
}

/// A message for whoever serves a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// Its name, and the key that says that it is the same one when it is sent again.
    pub message: String,
    /// The channel.
    pub channel: Channel,
    /// The address.
    pub to: Identity,
    /// Whose that is.
    pub customer: Option<CustomerId>,
    /// What its text is called.
    pub template: String,
}

/// What happened on another channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// On which channel.
    pub channel: Channel,
    /// What, in its own word.
    pub what: String,
    /// The customer's address there.
    pub identity: Option<Identity>,
    /// Who they are, where that is known.
    pub customer: Option<CustomerId>,
    /// Who says so.
    pub by: String,
}

/// A message of the outbox as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// What is sent.
    pub message: OutboxMessage,
    /// Which timer made it.
    pub timer: TimerId,
    /// `waiting`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before then.
    pub next_at: Timestamp,
    /// Who is at it.
    pub leased_by: Option<String>,
    /// Until when.
    pub leased_until_at: Option<Timestamp>,
    /// What its channel calls it, or why it was not sent.
    pub why: String,
    /// Since when it is there.
    pub made_at: Timestamp,
    /// When it was sent, or given up.
    pub ended_at: Option<Timestamp>,
}

/// A timer as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRow {
    /// What it is.
    pub timer: Timer,
    /// `running`, `cancelled`, `skipped` or `fired`.
    pub state: String,
    /// Why.
    pub why: String,
    /// Since when it does not run.
    pub ended_at: Option<Timestamp>,
}

/// Rows of the journal that are about rules.
const KINDS: [&str; 8] =
    ["rule-set", "rule-moved", "rule-ended", "rule-fired", "rule-done", "happened", "outbox-sent", "outbox-failed"];

impl DeedState {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Todo => "todo",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl RuleNews {
    /// The journal's word.
    pub(super) const fn kind(&self) -> &'static str {
        match &self.what {
            RuleChange::Set(_) => "rule-set",
            RuleChange::Moved { .. } => "rule-moved",
            RuleChange::Ended { .. } => "rule-ended",
            RuleChange::Fired { .. } => "rule-fired",
            RuleChange::Done { .. } => "rule-done",
            RuleChange::Happened(_) => "happened",
            RuleChange::Sent { .. } => "outbox-sent",
            RuleChange::Failed { .. } => "outbox-failed",
            RuleChange::Leased { .. } => "outbox-leased",
            RuleChange::ReadUpTo(_) => "rules-read-up-to",
        }
    }

    /// Whether the journal is told.
    pub(super) const fn is_told(&self) -> bool {
        !matches!(self.what, RuleChange::ReadUpTo(_) | RuleChange::Leased { .. })
    }

    /// The journal's text.
    pub(super) fn body(&self) -> String {
        // The name of the change is the row's kind already.
        json(&match serde_json::to_value(&self.what) {
            Ok(serde_json::Value::Object(named)) => named.into_iter().next().map(|(_, body)| body).unwrap_or_default(),
            _ => serde_json::Value::Null,
        })
    }

    /// The call that it is about, for the journal.
    pub(super) const fn call(&self) -> Option<CallId> {
        match &self.what {
            RuleChange::Set(timer) => timer.about.call,
            _ => None,
        }
    }

    /// What a row of the journal says; `None`: it is about something else.
    pub(super) fn read(row: &JournalRow) -> Result<Option<Self>, StoreError> {
        if !KINDS.contains(&&*row.kind) {
            return Ok(None);
        }
        let unreadable = |_| StoreError::Unreadable { column: "journal.body" };
        let body: serde_json::Value = serde_json::from_str(&row.body).map_err(unreadable)?;
        let what = serde_json::from_value(serde_json::json!({ (&*row.kind): body })).map_err(unreadable)?;
        Ok(Some(Self { at: row.at, what }))
    }

    /// The statements that bring the tables up to date.
    pub(super) fn changes(&self) -> Vec<Statement> {
        let one = |statement, row: &[Arg]| vec![(statement, row.to_vec())];
        match &self.what {
            RuleChange::Set(timer) => vec![timer_put(timer)],
            RuleChange::Moved { timer, customer } => {
                one(sql::TIMER_MOVED, &args![timer.to_string(), customer.map(|id| id.to_string())])
            }
            RuleChange::Ended { timer, how, why, .. } => {
                let state = match how {
                    End::Cancelled => "cancelled",
                    End::Skipped => "skipped",
                };
                one(sql::TIMER_ENDED, &args![timer.to_string(), state, why.as_str(), self.at])
            }
            RuleChange::Fired { timer, deeds, messages, .. } => self.fired(*timer, deeds, messages),
            RuleChange::Done { timer, nth, state, detail } => {
                one(sql::DEED_ENDED, &args![timer.to_string(), *nth, state.word(), detail.as_str(), self.at])
            }
            RuleChange::Happened(_) => Vec::new(),
            RuleChange::Sent { message, reference, .. } => {
                one(sql::MESSAGE_SENT, &args![message.as_str(), reference.as_str(), self.at])
            }
            RuleChange::Failed { message, why, attempts, next_at } => {
                let (state, ended_at) = if next_at.is_some() { ("waiting", None) } else { ("dead", Some(self.at)) };
                let next_at = next_at.unwrap_or(self.at);
                one(sql::MESSAGE_FAILED, &args![message.as_str(), state, why.as_str(), *attempts, next_at, ended_at])
            }
            RuleChange::Leased { message, by, until_at } => one(sql::LEASE, &args![message.as_str(), by.as_str(), *until_at]),
            RuleChange::ReadUpTo(seq) => one(sql::PUT_RULE_CURSOR, &args![*seq]),
        }
    }

    fn fired(&self, timer: TimerId, deeds: &[Deed], messages: &[OutboxMessage]) -> Vec<Statement> {
        let id = timer.to_string();
        let mut all: Vec<Statement> = vec![(sql::TIMER_ENDED, args![id.as_str(), "fired", "", self.at].to_vec())];
        for (nth, deed) in (0_u32..).zip(deeds) {
            let ended_at = (deed.state != DeedState::Todo).then_some(self.at);
            let row = args![id.as_str(), nth, deed.what.as_str(), deed.state.word(), deed.detail.as_str(), ended_at];
            all.push((sql::PUT_DEED, row.to_vec()));
        }
        for OutboxMessage { message, channel, to, customer, template } in messages {
            let (kind, value, customer) = (to.kind().word(), to.value(), customer.map(|id| id.to_string()));
            let row = args![message.as_str(), id.as_str(), channel.word(), kind, value, customer, template.as_str(), self.at];
            all.push((sql::PUT_MESSAGE, row.to_vec()));
        }
        all
    }
}

fn timer_put(timer: &Timer) -> Statement {
    let About { identity, customer, call, dialled } = &timer.about;
    let (kind, value) = identity.as_ref().map_or(("", ""), |identity| (identity.kind().word(), identity.value()));
    let row = args![
        timer.timer.to_string(),
        timer.rule.name.as_str(),
        json(&timer.rule),
        timer.cause,
        json(&timer.thing),
        kind,
        value,
        customer.map(|id| id.to_string()),
        call.map(|id| id.to_string()),
        dialled.as_ref().map(PartyNumber::as_str),
        timer.set_at,
        timer.due_at,
    ];
    (sql::PUT_TIMER, row.to_vec())
}
