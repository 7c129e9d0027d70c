//! What is kept of the floor's work: items, conversations, and what a restart is given.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::contract::AgentState;
use crate::{
    callback::Callback,
    channel::Channel,
    demand::{Demand, Load},
    id::{CallId, ItemId, OfferId},
    name::{AgentName, PartyNumber, QueueName, SkillLevel},
    step::AgentRequest,
    time::Timestamp,
};

/// How the items of a queue are worked on. Times of 0 turn a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkRules {
    /// Minutes up to which the priority of a waiting item may be raised.
    pub max_priority_minutes: u32,
    /// An agent whose turn it is answers a conversation within this time, in ms, or it returns to the queue. Calls have none.
    pub lease_ms: u64,
    /// A conversation whose customer is silent for so long is parked, in ms. Calls are not.
    pub park_after_ms: u64,
    /// So long a customer is kept for the agent they know, in ms, before anybody else is asked.
    pub prefer_ms: u64,
    /// What an agent who asks for more wrap-up gets at a time, in ms.
    pub extension_ms: u64,
    /// How often after one conversation.
    pub max_extensions: u32,
}

impl Default for WorkRules {
    fn default() -> Self {
        Self {
            max_priority_minutes: 60,
            lease_ms: 120_000,
            park_after_ms: 300_000,
            prefer_ms: 60_000,
            extension_ms: 60_000,
            max_extensions: 2,
        }
    }
}

/// An item that waits, with all that is needed to give it its place again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitingItem {
    /// Which.
    pub item: ItemId,
    /// The call behind it.
    pub call: CallId,
    /// Where it waits.
    pub queue: QueueName,
    /// Who waits.
    pub caller: PartyNumber,
    /// What an agent must be able to do.
    pub skills: Vec<SkillLevel>,
    /// Minutes of virtual waiting ahead.
    pub priority_minutes: u32,
    /// The waiting time counts from here; survives rejoining.
    pub virtual_arrival_at: Timestamp,
    /// The caller is not on the line, but called back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<Box<Callback>>,
    /// What sets it apart from any call.
    #[serde(default, skip_serializing_if = "Work::is_plain")]
    pub work: Work,
}

/// What sets an item apart from any call: the default is any call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Its medium.
    #[serde(default, skip_serializing_if = "Channel::is_voice")]
    pub channel: Channel,
    /// How much of its agent it takes.
    #[serde(default, skip_serializing_if = "Load::is_normal")]
    pub load: Load,
    /// The agent that it is kept for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<Preferred>,
    /// An answer after this is worth nothing: the customer's patience, or the window in which they may be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Timestamp>,
}

impl Work {
    /// Whether it is any call; for `skip_serializing_if`.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// What it asks of an agent.
    #[must_use]
    pub const fn demand(&self) -> Demand {
        Demand { channel: self.channel, load: self.load }
    }
}

/// Whom an item is kept for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferred {
    /// The agent: the last one, or one that was wished for.
    pub agent: AgentName,
    /// Nobody else is asked before then, as long as they are on duty and can do what it needs.
    pub until_at: Timestamp,
}

/// How a conversation stands with its agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It takes its part of the agent.
    #[default]
    Active,
    /// Its customer is silent: it takes nothing until they write again.
    Parked,
    /// Something more urgent took its agent for now: it takes nothing and goes on afterwards.
    Interrupted,
}

/// One side of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Us.
    #[default]
    Agent,
    /// Them.
    Customer,
}

/// Why a conversation went back to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReturnReason {
    /// The agent showed the customer nothing for too long.
    Lease,
    /// Its customer wrote again while the agent could not take it up.
    Stirred,
    /// The database has the agent no more.
    AgentGone,
}

/// What a restart knows: read from the projections of the journal, or folded from its events with
/// [`Restored::apply`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// Items that waited, with the call behind each.
    pub waiting: Vec<WaitingItem>,
    /// Each agent's last state, sorted by name when folded.
    pub agents: Vec<RestoredAgent>,
    /// Offers that were live; the restart withdraws them.
    pub offers: Vec<RestoredOffer>,
    /// Conversations that are no calls: they do not end with the process. In the order in which they were accepted.
    #[serde(default)]
    pub held: Vec<HeldConversation>,
    /// What did not end with the process. Not of the journal: whoever took calls up again knows.
    #[serde(default)]
    pub going_on: GoingOn,
}

/// What of the calls of before a restart goes on. Without it all of them are taken as gone: items keep their place
/// for callers who call back, and agents are free.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GoingOn {
    /// Items that wait with a live call. Each call enqueues its item once more, and hears where it stands.
    pub waiting: BTreeSet<ItemId>,
    /// Conversations with agents.
    pub talking: Vec<Conversation>,
    /// Live legs of agents' devices outside of offers, if there are any.
    pub legs: BTreeMap<AgentName, u32>,
    /// Conversations of which the journal was told that they ended with the process.
    #[serde(default)]
    pub cut_off: BTreeSet<ItemId>,
    /// Callbacks that numbers were promised today.
    #[serde(default)]
    pub promised: Vec<(PartyNumber, u32)>,
}

/// A conversation that outlived a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// What about.
    pub item: WaitingItem,
    /// With whom.
    pub agent: AgentName,
    /// Since when.
    pub since_at: Timestamp,
}

/// A conversation that is no call, and its agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldConversation {
    /// What about, with whom, since when.
    #[serde(flatten)]
    pub conversation: Conversation,
    /// How it stands.
    pub standing: Standing,
    /// Who has to say something.
    pub turn: Side,
}

/// What a restart knows of one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoredAgent {
    /// Who.
    pub agent: AgentName,
    /// Their last state.
    pub state: AgentState,
    /// Since when.
    pub since_at: Timestamp,
    /// End of their last conversation, or their first sign-in; the order among idle agents.
    pub idle_since_at: Option<Timestamp>,
    /// What they asked for while in conversation or wrap-up.
    pub pending: Option<AgentRequest>,
}

/// An offer that was live when the switch stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredOffer {
    /// Which.
    pub offer: OfferId,
    /// What of.
    pub item: ItemId,
    /// Who was asked.
    pub agent: AgentName,
}
