//! The call detail record, written once when a call ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    cause::{Blame, Cause},
    id::{CallId, RecordingId},
    name::{AgentName, Extension, PartyNumber, QueueName, RouteName, TrunkName},
    time::Timestamp,
};

/// Where a call came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A registered device that proved its password.
    Extension(Extension),
    /// A carrier link.
    Trunk(TrunkName),
}

/// The record of one call. Every instant is when it happened, `None` when it did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cdr {
    /// Which call.
    pub call: CallId,
    /// Where it came from.
    pub origin: Origin,
    /// Who called.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    /// The route that took the call.
    pub route: Option<RouteName>,
    /// The last queue it waited in.
    pub queue: Option<QueueName>,
    /// The last agent who talked.
    pub agent: Option<AgentName>,
    /// The last target that was dialled and answered, when not an agent of a queue.
    pub answered_by: Option<PartyNumber>,
    /// The first message arrived.
    pub started_at: Timestamp,
    /// We answered the caller (a menu or music answers too).
    pub answered_at: Option<Timestamp>,
    /// First two-way conversation.
    pub connected_at: Option<Timestamp>,
    /// It was over.
    pub ended_at: Timestamp,
    /// Milliseconds in queues.
    pub waited_ms: u64,
    /// Milliseconds of conversation.
    pub talked_ms: u64,
    /// Why it ended.
    pub cause: Cause,
    /// Whose doing that was.
    pub blame: Blame,
    /// Its recording, if there is one.
    pub recording: Option<RecordingId>,
    /// Generation of the plan that it ran on.
    pub generation: u64,
    /// Restarts of the switch that it outlived; its times count through them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub restarts: u32,
    /// What its trunk told beside the numbers, by name: text from outside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, String>,
    /// What the call spent its time on; the pieces of the caller's leg sum to its wall time.
    pub segments: Vec<Segment>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
const fn is_none(restarts: &u32) -> bool {
    *restarts == 0
}

/// One contiguous spell of one state of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// What went on.
    pub state: SegmentState,
    /// The agent, when one was there.
    pub agent: Option<AgentName>,
    /// Why it ended. For a transfer: `normal` when the party was taken, else why nobody took them. For ringing:
    /// `redirected` when who was called named somebody else. For waiting: `redirected` when the caller passed on to another
    /// queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Its begin.
    pub from_at: Timestamp,
    /// Its end.
    pub to_at: Timestamp,
}

/// What a call spends time on, seen from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentState {
    /// In the dialplan: menus, prompts, collecting digits.
    Plan,
    /// Waiting in a queue.
    Queued,
    /// A dialled party rings.
    Ringing,
    /// In conversation.
    Talking,
    /// On hold.
    Hold,
    /// Parked: in a slot, for somebody to take them from there.
    Parked,
    /// A party of the conversation had the other one transferred, or the plan hands the caller back to their carrier;
    /// nobody has taken them yet.
    Transferring,
}
