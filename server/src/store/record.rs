//! What the loops write down, and the journal row that each becomes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    cdr::{Cdr, Origin},
    floor::FloorEvent,
    id::{CallId, RecordingId},
    identity::CallerIdentity,
    name::{Extension, MailboxName, PartyNumber},
    time::Timestamp,
    toll::{TollAlarm, TollSpent},
};

use super::{
    bans::Ban,
    bindings::Binding,
    conferences::ConferenceNews,
    customers::CustomerNews,
    generations::{Generation, PlanNews, PlanTexts},
    messages::{MessageLeft, MessageStarted},
    recordings::{KeptAs, RecordingNews},
    rules::RuleNews,
    schedules::ScheduleTurned,
};

/// One thing worth keeping. What it does to the tables stands in `project`.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A call arrived. Without a later `CallEnded` the next start closes it.
    CallStarted(CallStarted),
    /// A call is over.
    CallEnded {
        /// Its record.
        cdr: Box<Cdr>,
        /// Audio quality as the media side measured it, any JSON; `None` is "unknown".
        quality: Option<serde_json::Value>,
        /// What became of the check of a signed caller id; `None` where none is checked.
        identity: Option<CallerIdentity>,
        /// It was kept: what was kept goes.
        was_kept: bool,
    },
    /// What another process needs to go on with a call that is up; in the place of what was kept before.
    CallKept {
        /// Which.
        call: CallId,
        /// The form that the body is in.
        v: u32,
        /// JSON that whoever owns calls understands.
        body: String,
        /// When.
        at: Timestamp,
    },
    /// A call outlived a restart.
    CallTakenUp {
        /// Which.
        call: CallId,
        /// The last sign of life before.
        stopped_at: Timestamp,
        /// When it went on.
        at: Timestamp,
    },
    /// Something happened on the floor.
    Floor(FloorEvent),
    /// A recording began.
    RecordingStarted(RecordingStarted),
    /// A recording is complete on disk.
    RecordingFinished {
        /// Which.
        recording: RecordingId,
        /// Its length, in ms.
        duration_ms: u64,
        /// Size of the file.
        size_bytes: u64,
        /// When.
        at: Timestamp,
    },
    /// A recording could not be written or kept.
    RecordingFailed {
        /// Which.
        recording: RecordingId,
        /// Why, for the operator.
        reason: String,
        /// Nothing can be made of what was captured, now or later.
        lost: bool,
        /// When.
        at: Timestamp,
    },
    /// Recordings that are over: what became of their audio.
    Recording(RecordingNews),
    /// Something happened in a room.
    Conference(ConferenceNews),
    /// Somebody begins to leave a message.
    MessageStarted(MessageStarted),
    /// A message is complete.
    MessageLeft(MessageLeft),
    /// A message was heard, or is to be new again.
    MessageMarked {
        /// Which.
        message: RecordingId,
        /// In which box.
        mailbox: MailboxName,
        /// It was heard.
        heard: bool,
        /// When.
        at: Timestamp,
    },
    /// There is no such message any more: it was deleted, too short to be one, or could not be written.
    MessageGone {
        /// Which.
        message: RecordingId,
        /// In which box it was, or was to be.
        mailbox: MailboxName,
        /// Why.
        why: &'static str,
        /// When.
        at: Timestamp,
    },
    /// A device registered.
    BindingPut {
        /// All that a restart needs to reach it.
        binding: Binding,
        /// The same contact was there already: only the table changes, the journal is not told.
        refreshed: bool,
    },
    /// A registration ended or expired.
    BindingRemoved {
        /// Whose.
        extension: Extension,
        /// Which device.
        contact: String,
        /// When.
        at: Timestamp,
    },
    /// A source is not heard for a while.
    Banned(Ban),
    /// A source is heard again before its time.
    BanLifted {
        /// Which.
        source: IpAddr,
        /// When.
        at: Timestamp,
    },
    /// Somebody turned the emergency switch of a schedule.
    ScheduleTurned(ScheduleTurned),
    /// Somebody called outside as much as they may.
    TollAlarm(TollAlarm),
    /// What some have spent of their caps, in the place of what was written of them before.
    TollSpent(Vec<TollSpent>),
    /// A plan was taken, into service or to wait for it.
    PlanLoaded(Box<Generation>),
    /// The texts of a plan: only tables change, the journal is not told.
    PlanTexts(PlanTexts),
    /// Something became of a plan.
    PlanNews(PlanNews),
    /// The switch started: what was under way at its last end is over now, but for calls that it took up again.
    Restarted {
        /// The last sign of life before.
        stopped_at: Timestamp,
        /// Calls that were kept and go on, or are ended in good order.
        taken_up: u64,
        /// Calls that were up and are closed.
        closed: u64,
        /// The start.
        at: Timestamp,
    },
    /// Something became of a customer or of what belongs to one.
    Customer(Box<CustomerNews>),
    /// Something became of a rule over channels, or of the outbox.
    Rule(Box<RuleNews>),
    /// Somebody changed or looked at something that an auditor asks about.
    Audit(Audit),
}

/// A call that arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStarted {
    /// Which.
    pub call: CallId,
    /// Where it came from.
    pub origin: Origin,
    /// Who calls.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    /// Generation of the plan it runs on.
    pub generation: u64,
    /// We call the customer, who had asked for it or is to be reached: nobody called us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub called_back: bool,
    /// When.
    pub at: Timestamp,
}

/// A recording that began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingStarted {
    /// How it is kept.
    #[serde(flatten)]
    pub kept: KeptAs,
    /// Which.
    pub recording: RecordingId,
    /// Of which call.
    pub call: CallId,
    /// The file, relative to the recordings folder, with `/` between its parts.
    pub path: String,
    /// When.
    pub at: Timestamp,
}

/// Who did what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// A token's or login's name, or `command line`.
    pub who: String,
    /// From which address; absent for who needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// What was done (`person-changed`, `recording-read`, `call-hung-up`).
    pub what: String,
    /// On whom or what: an extension, an identifier.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doer {
    /// A token's or login's name, or `command line`.
    pub who: String,
    /// From which address.
    pub from: Option<IpAddr>,
}

impl<T: AsRef<str>> From<&T> for Doer
where
    T: ?Sized,
{
    fn from(who: &T) -> Self {
        Self { who: who.as_ref().to_owned(), from: None }
    }
}

impl Audit {
    /// What somebody did.
    #[must_use]
    pub fn of(by: impl Into<Doer>, what: &str, subject: impl Into<String>, at: Timestamp) -> Self {
        let Doer { who, from } = by.into();
        Self { who, from, what: what.into(), subject: subject.into(), at }
    }
}

/// A row for the journal, before it has its number.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) kind: &'static str,
    pub(super) call: Option<String>,
    pub(super) item: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) body: String,
}

/// The journal's body for the end of a call.
#[derive(Serialize)]
struct Ended<'a> {
    cdr: &'a Cdr,
    quality: Option<&'a serde_json::Value>,
    identity: Option<CallerIdentity>,
}

impl Record {
    /// Short name of what it records; also the journal's `kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CallStarted(_) => "call-started",
            Self::CallEnded { .. } => "call-ended",
            Self::CallKept { .. } => "call-kept",
            Self::CallTakenUp { .. } => "call-taken-up",
            Self::Floor(event) => super::floor_entry::floor_kind(event),
            Self::RecordingStarted(_) => "recording-started",
            Self::RecordingFinished { .. } => "recording-finished",
            Self::RecordingFailed { .. } => "recording-failed",
            Self::Recording(news) => news.kind(),
            Self::Conference(news) => news.kind(),
            Self::MessageStarted(_) => "message-started",
            Self::MessageLeft(_) => "message-left",
            Self::MessageMarked { heard: true, .. } => "message-heard",
            Self::MessageMarked { heard: false, .. } => "message-new",
            Self::MessageGone { .. } => "message-gone",
            Self::BindingPut { .. } => "binding-put",
            Self::BindingRemoved { .. } => "binding-removed",
            Self::Banned(_) => "source-banned",
            Self::BanLifted { .. } => "ban-lifted",
            Self::ScheduleTurned(_) => "schedule-turned",
            Self::TollAlarm(_) => "toll-alarm",
            Self::TollSpent(_) => "toll-spent",
            Self::PlanLoaded(_) => "plan-loaded",
            Self::PlanTexts(_) => "plan-texts",
            Self::PlanNews(news) => news.kind(),
            Self::Restarted { .. } => "restarted",
            Self::Customer(news) => news.kind(),
            Self::Rule(news) => news.kind(),
            Self::Audit(_) => "audit",
        }
    }

    /// Its journal row; `None` for what only refreshes a table.
    pub(super) fn entry(&self) -> Option<Entry> {
        let row = |at, call: Option<String>, body| Entry { at, kind: self.kind(), call, item: None, agent: None, body };
        let json = |value| serde_json::Value::to_string(&value);
        Some(match self {
            Self::CallStarted(started) => row(started.at, Some(started.call.to_string()), super::db::json(started)),
            Self::CallKept { .. } | Self::TollSpent(_) | Self::PlanTexts(_) => return None,
            Self::CallTakenUp { call, stopped_at, at } => {
                row(*at, Some(call.to_string()), json(serde_json::json!({ "call": call, "stopped_at": stopped_at })))
            }
            Self::CallEnded { cdr, quality, identity, .. } => {
                let body = super::db::json(&Ended { cdr, quality: quality.as_ref(), identity: *identity });
                let agent = cdr.agent.as_ref().map(ToString::to_string);
                Entry { agent, ..row(cdr.ended_at, Some(cdr.call.to_string()), body) }
            }
            Self::Floor(event) => super::floor_entry::floor_entry(event),
            Self::RecordingStarted(started) => row(started.at, Some(started.call.to_string()), super::db::json(started)),
            Self::RecordingFinished { recording, duration_ms, size_bytes, at } => row(
                *at,
                None,
                json(serde_json::json!({ "recording": recording, "duration_ms": duration_ms, "size_bytes": size_bytes })),
            ),
            Self::RecordingFailed { recording, reason, lost, at } => {
                row(*at, None, json(serde_json::json!({ "recording": recording, "reason": reason, "lost": lost })))
            }
            Self::Conference(news) => row(news.at, Some(news.call.to_string()), json(news.body())),
            Self::Recording(news) => row(news.at, news.call.map(|call| call.to_string()), json(news.body())),
            Self::MessageStarted(started) => row(started.at, Some(started.call.to_string()), super::db::json(started)),
            Self::MessageLeft(left) => row(left.at, None, super::db::json(left)),
            Self::MessageMarked { message, mailbox, at, .. } => {
                row(*at, None, json(serde_json::json!({ "message": message, "mailbox": mailbox })))
            }
            Self::MessageGone { message, mailbox, why, at } => {
                row(*at, None, json(serde_json::json!({ "message": message, "mailbox": mailbox, "why": why })))
            }
            Self::BindingPut { refreshed: true, .. } => return None,
            Self::Customer(news) if !news.is_told() => return None,
            Self::Rule(news) if !news.is_told() => return None,
            Self::Rule(news) => row(news.at, news.call().map(|call| call.to_string()), news.body()),
            Self::Customer(news) => row(news.at, news.call().map(|call| call.to_string()), news.body()),
            Self::BindingPut { binding, .. } => row(binding.registered_at, None, super::db::json(binding)),
            Self::BindingRemoved { extension, contact, at } => {
                row(*at, None, json(serde_json::json!({ "extension": extension, "contact": contact })))
            }
            Self::Banned(ban) => row(ban.at, None, super::db::json(ban)),
            Self::BanLifted { source, at } => row(*at, None, json(serde_json::json!({ "source": source }))),
            Self::ScheduleTurned(turned) => row(turned.at, None, super::db::json(turned)),
            Self::TollAlarm(alarm) => row(alarm.at, None, super::db::json(alarm)),
            Self::PlanLoaded(generation) => row(generation.at, None, super::db::json(generation)),
            Self::PlanNews(news) => row(news.at, None, super::db::json(news)),
            Self::Restarted { stopped_at, taken_up, closed, at } => {
                row(*at, None, json(serde_json::json!({ "stopped_at": stopped_at, "taken_up": taken_up, "closed": closed })))
            }
            Self::Audit(audit) => row(audit.at, None, super::db::json(audit)),
        })
    }
}
