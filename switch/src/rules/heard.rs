//! What rules hear: the journal's words, as far as rules care.

use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    customers::{Identity, links::Moved},
    id::{CallId, CaseId, CustomerId, ItemId, RecordingId},
    name::{MailboxName, PartyNumber, QueueName},
    time::Timestamp,
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Its number in the journal.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// With what.
    pub thing: Thing,
    /// About whom.
    pub about: About,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An item waits in a queue.
    Waits {
        /// Which.
        queue: QueueName,
        /// It has waited in another one before.
        passed_on: bool,
    },
    /// It does not any more.
    WaitsNoMore,
    /// A caller hung up while they waited.
    Abandoned {
        /// Where.
        queue: QueueName,
        /// How long, in ms.
        waited_ms: u64,
    },
    /// A customer could not be called back.
    CallbackFailed(QueueName),
    /// A call from outside ended without a conversation.
    Unanswered,
    /// A message was left.
    MessageLeft(MailboxName),
    /// It was heard, or is gone.
    MessageOver,
    /// A case is open since now.
    CaseOpened(Option<String>),
    /// It is not open any more.
    CaseOver,
    /// Another channel or program says so.
    Happened {
        /// On which channel.
        channel: Channel,
        /// What.
        what: String,
    },
    /// The customer got in touch.
    Moved,
    /// Customers are others from now on.
    Merged(Moved),
}

/// What something happened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// A waiting item.
    Item(ItemId),
    /// A call.
    Call(CallId),
    /// A message in a box.
    Message(RecordingId),
    /// A case.
    Case(CaseId),
    /// Nothing but itself: its number in the journal.
    Itself(i64),
}

/// Whom it is about, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The address that they used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The customer, after all merges, where that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// The call that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// What they had dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialled: Option<PartyNumber>,
}
