//! Calls that are up, calls that are over, and their recordings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    call,
    cdr::{Origin, Segment},
};
use utoipa::ToSchema;

use super::{At, text, word};
use crate::store::{CallRecord, RecordingRow};

/// A call that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Which.
    pub call: String,
    /// `extension:1001` or `trunk:acme`.
    pub origin: String,
    /// Who calls.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// What is known of a signed caller id (`verified-a`, `no-identity`, `pending`, …); absent where none is checked.
    pub identity: Option<String>,
    /// The route that has it now.
    pub route: Option<String>,
    /// `plan`, `queued`, `ringing`, `talking`, `hold`, `parked` or `transferring`.
    pub state: String,
    /// Since when.
    pub since: At,
    /// What it is doing: the step's word.
    pub step: String,
    /// When it arrived.
    pub started_at: At,
    /// When the caller was answered.
    pub answered_at: Option<At>,
    /// The queue it waits in or was served from.
    pub queue: Option<String>,
    /// The agent who is rung or talks.
    pub agent: Option<String>,
    /// `on` or `paused` while the conversation is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// A payment is under way: nobody hears the customer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub payment: bool,
    /// Legs that are up or on their way.
    pub legs: u32,
    /// The customer outside, where that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
}

/// Somebody who is parked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParkedView {
    /// The number of the slot.
    pub slot: String,
    /// Its lot.
    pub lot: String,
    /// Their call.
    pub call: String,
    /// Who they are.
    pub party: String,
    /// The extension that parked them.
    pub by: Option<String>,
    /// Since when.
    pub since: At,
}

/// A room that somebody is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConferenceView {
    /// Its name.
    pub room: String,
    /// Who is in it, who came first before others.
    pub members: Vec<MemberView>,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Their call.
    pub call: String,
    /// Who they are.
    pub from: String,
    /// They only listen.
    pub muted: bool,
    /// They hold, and are not heard meanwhile.
    pub held: bool,
    /// Since when they are there.
    pub since: At,
}

/// One spell of one state of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SegmentView {
    /// `plan`, `queued`, `ringing`, `talking`, `hold`, `parked` or `transferring`.
    pub state: String,
    /// The agent, when one was there.
    pub agent: Option<String>,
    /// Why it ended, for a transfer: `normal` when it was done, else why it failed.
    pub cause: Option<String>,
    /// Its begin.
    pub from_at: At,
    /// Its end.
    pub to_at: At,
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CdrView {
    /// Which.
    pub call: String,
    /// `extension:1001` or `trunk:acme`.
    pub origin: String,
    /// Who called.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// What became of the check of a signed caller id (`verified-a`, `no-identity`, …); absent where none is checked.
    pub identity: Option<String>,
    /// The route that took the call.
    pub route: Option<String>,
    /// The last queue it waited in.
    pub queue: Option<String>,
    /// The last agent who talked.
    pub agent: Option<String>,
    /// Who answered, when not an agent of a queue.
    pub answered_by: Option<String>,
    /// The first message arrived.
    pub started_at: At,
    /// We answered the caller.
    pub answered_at: Option<At>,
    /// First two-way conversation.
    pub connected_at: Option<At>,
    /// It was over.
    pub ended_at: At,
    /// Time in queues.
    pub waited_ms: u64,
    /// Time of conversation.
    pub talked_ms: u64,
    /// Why it ended (`normal`, `busy`, `no-answer` …).
    pub cause: String,
    /// Whose doing that was: `caller`, `callee`, `carrier` or `us`.
    pub blame: String,
    /// Its recording.
    pub recording: Option<String>,
    /// Generation of the plan it ran on.
    pub generation: u64,
    /// Restarts of the switch that it outlived.
    pub restarts: u32,
    /// What its trunk told beside the numbers, by name: text from outside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, String>,
    /// What it spent its time on; only where one call is asked for.
    pub segments: Vec<SegmentView>,
    /// Audio quality by leg; absent means unknown.
    pub quality: Option<serde_json::Value>,
    /// The customer whose call it was, where that is certain.
    #[serde(default)]
    pub customer: Option<String>,
    /// Their case that it was about.
    #[serde(default)]
    pub case: Option<String>,
}

/// A call, up or over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum CallDetail {
    /// It is up.
    Live(CallView),
    /// It is over.
    Ended(CdrView),
}

/// A page of CDRs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CdrPage {
    /// Newest first, without segments.
    pub cdrs: Vec<CdrView>,
    /// Give it as `before` to get the next page; absent on the last one.
    pub next: Option<String>,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordingView {
    /// Which.
    pub recording: String,
    /// Of which call.
    pub call: String,
    /// `recording`; `captured` (complete, and being made into what is kept), `finished`, `failed` or `interrupted` (the
    /// switch stopped meanwhile; what was recorded until then is there); `deleted` (its time was over).
    pub state: String,
    /// `wav` or `opus`.
    pub format: String,
    /// Its file is encrypted.
    pub sealed: bool,
    /// Where its audio is: `folder`, `store`, `both`; absent when it is nowhere.
    pub place: Option<String>,
    /// Its begin.
    pub started_at: At,
    /// Its end.
    pub ended_at: Option<At>,
    /// Its length.
    pub duration_ms: Option<u64>,
    /// Size of the file.
    pub size_bytes: Option<u64>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// What a recording looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WaveformView {
    /// How long a spell is, in ms.
    pub spell_ms: u32,
    /// The caller's side: 0 to 255 for each spell.
    pub left: Vec<u8>,
    /// The other side.
    pub right: Vec<u8>,
}

/// A page of recordings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecordingPage {
    /// Newest first.
    pub recordings: Vec<RecordingView>,
    /// Give it as `before` to get the next page; absent on the last one.
    pub next: Option<String>,
}

/// `extension:1001` or `trunk:acme`.
pub(crate) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Extension(extension) => format!("extension:{extension}"),
        Origin::Trunk(trunk) => format!("trunk:{trunk}"),
    }
}

impl From<&call::View<'_>> for CallView {
    fn from(call: &call::View<'_>) -> Self {
        Self {
            call: text(&call.call),
            origin: origin(call.origin),
            from: call.from.as_str().into(),
            to: call.to.as_str().into(),
            identity: None,
            route: call.route.map(text),
            state: word(&call.state),
            since: At(call.since),
            step: call.step.into(),
            started_at: At(call.started_at),
            answered_at: call.answered_at.map(At),
            queue: call.queue.map(text),
            agent: call.agent.map(text),
            recording: call.recording.map(|(_, paused)| if paused { "paused" } else { "on" }.to_owned()),
            payment: call.payment,
            legs: u32::try_from(call.legs.len()).unwrap_or(u32::MAX),
            customer: None,
            customer_name: None,
        }
    }
}

impl From<&Segment> for SegmentView {
    fn from(segment: &Segment) -> Self {
        Self {
            state: word(&segment.state),
            agent: segment.agent.as_ref().map(text),
            cause: segment.cause.map(|cause| cause.as_str().to_owned()),
            from_at: At(segment.from_at),
            to_at: At(segment.to_at),
        }
    }
}

impl From<CallRecord> for CdrView {
    fn from(CallRecord { cdr, quality, identity, customer, case }: CallRecord) -> Self {
        Self {
            call: text(&cdr.call),
            origin: origin(&cdr.origin),
            from: cdr.from.as_str().into(),
            to: cdr.to.as_str().into(),
            identity: identity.map(|identity| identity.as_str().into()),
            route: cdr.route.as_ref().map(text),
            queue: cdr.queue.as_ref().map(text),
            agent: cdr.agent.as_ref().map(text),
            answered_by: cdr.answered_by.as_ref().map(|number| number.as_str().into()),
            started_at: At(cdr.started_at),
            answered_at: cdr.answered_at.map(At),
            connected_at: cdr.connected_at.map(At),
            ended_at: At(cdr.ended_at),
            waited_ms: cdr.waited_ms,
            talked_ms: cdr.talked_ms,
            cause: cdr.cause.as_str().into(),
            blame: cdr.blame.as_str().into(),
            recording: cdr.recording.as_ref().map(text),
            generation: cdr.generation,
            restarts: cdr.restarts,
            told: cdr.told,
            segments: cdr.segments.iter().map(SegmentView::from).collect(),
            quality,
            customer: customer.as_ref().map(text),
            case: case.as_ref().map(text),
        }
    }
}

impl From<RecordingRow> for RecordingView {
    fn from(row: RecordingRow) -> Self {
        Self {
            recording: text(&row.recording),
            call: text(&row.call),
            state: word(&row.state),
            format: row.kept.format.suffix().into(),
            sealed: row.kept.sealed,
            place: match (row.local && row.size_bytes.is_some(), row.remote.is_some()) {
                (true, true) => Some("both".into()),
                (true, false) => Some("folder".into()),
                (false, true) => Some("store".into()),
                (false, false) => None,
            },
            started_at: At(row.started_at),
            ended_at: row.ended_at.map(At),
            duration_ms: row.duration_ms,
            size_bytes: row.size_bytes,
            reason: row.reason,
        }
    }
}
