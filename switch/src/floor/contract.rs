//! The contract of the floor: what it is told, what it wants done, and what it writes down.
//!
//! Only types; who decides what is in the sibling modules.

use serde::{Deserialize, Serialize};

use super::kept::{Restored, ReturnReason, Side, Standing, WaitingItem, WorkRules};
use crate::{
    callback::CallbackAsked,
    cause::Cause,
    channel::Capacity,
    device::Devices,
    id::{CallId, CustomerId, ItemId, OfferId},
    link::{LeaveReason, RefuseReason, ToFloor, ToLine},
    name::{AgentName, QueueName, SkillLevel, SkillName},
    step::{AgentRequest, Target},
    time::Timestamp,
};

/// What the floor is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The queues as the plan has them now. Queues that are gone keep their waiting items until these
    /// are served; field by field, nothing else is reset.
    Queues(Vec<QueueProfile>),
    /// The agents as the database has them now. An agent who is gone is signed out after their call.
    Agents(Vec<AgentProfile>),
    /// What was known at the last stop. Given once, before anything else but `Queues` and `Agents`;
    /// best before these two, so that a fixed device is not taken as signed in for an instant.
    Restore(Restored),
    /// A message from a line loop.
    Line(ToFloor),
    /// An agent's state is changed by the HTTP API or the command line.
    Agent {
        /// Whose.
        agent: AgentName,
        /// To what.
        request: AgentRequest,
    },
    /// A callback is withdrawn by the HTTP API or the command line.
    DropCallback(ItemId),
    /// It is certain who an item is about; said beside the call, and maybe late.
    Known {
        /// The item.
        item: ItemId,
        /// Who.
        customer: CustomerId,
    },
    /// A callback is asked for by the HTTP API. What `Floor::may_ask` refuses changes nothing.
    AskCallback(CallbackAsked),
    /// A waiting item moves ahead or back. What `Floor::may_prioritise` refuses changes nothing.
    Prioritise {
        /// Which.
        item: ItemId,
        /// Minutes of virtual waiting ahead, from now on.
        minutes: u32,
        /// Why, in the words of whoever moves it.
        reason: String,
    },
    /// A deadline may have passed.
    Tick,
}

/// What the floor wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Append to the journal and update its projections.
    Journal(FloorEvent),
    /// Tell the line loop.
    Line(ToLine),
}

/// A queue, as the plan describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueProfile {
    /// Its name.
    pub queue: QueueName,
    /// Wanted answer time, in ms; ranks are measured against it.
    pub answer_target_ms: u64,
    /// How long one agent's device rings, in ms.
    pub ring_ms: u64,
    /// Wrap-up after a conversation, in ms; 0 is none.
    pub wrap_up_ms: u64,
    /// Skill requirements that soften with waiting time.
    pub relax: Vec<Relaxation>,
    /// Callers at most; more are refused.
    pub max_waiting: u32,
    /// After a restart a caller who calls back within this time has the old place again, in ms.
    pub rejoin_grace_ms: u64,
    /// An agent who lets so many offers in a row expire becomes NotReady("missed").
    pub max_missed: u32,
    /// So many callbacks are promised to one number in a day, by all queues together: whoever shows the number of somebody
    /// else must not have them called for ever.
    pub callbacks_per_day: u32,
    /// How its items are worked on, beyond what every call has.
    pub work: WorkRules,
}

/// After some wait, a skill is asked for at a lower level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relaxation {
    /// Waiting time from which it holds, in ms.
    pub after_ms: u64,
    /// Which skill.
    pub skill: SkillName,
    /// The level asked for from then on; 0 drops the requirement.
    pub to_level: u8,
}

/// An agent, as the database describes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentProfile {
    /// Their name: the extension of their device.
    pub agent: AgentName,
    /// Queues they serve.
    pub queues: Vec<QueueName>,
    /// What they can do.
    pub skills: Vec<SkillLevel>,
    /// Where they are rung.
    pub device: Target,
    /// Where they are rung instead, when there is any.
    #[serde(default, skip_serializing_if = "Devices::is_none")]
    pub devices: Devices,
    /// A fixed device is taken as reachable and its agent as signed in from the start.
    pub always_on: bool,
    /// What they can do at a time.
    #[serde(default)]
    pub capacity: Capacity,
}

impl AgentProfile {
    /// What rings for them.
    #[must_use]
    pub fn rings(&self) -> Devices {
        if self.devices.is_none() { self.device.clone().into() } else { self.devices.clone() }
    }
}

/// What an agent is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum AgentState {
    /// Not on duty.
    Offline,
    /// May be offered something.
    Ready,
    /// An offer rings at their device.
    Reserved {
        /// Which.
        offer: OfferId,
    },
    /// In conversation.
    Engaged {
        /// The item; `None` for a call outside any queue.
        item: Option<ItemId>,
    },
    /// Finishing the paperwork of the last conversation.
    WrapUp {
        /// Ends by itself then.
        until_at: Timestamp,
    },
    /// On duty, but takes no offers.
    NotReady {
        /// Why, in the admin's words; `missed` when offers expired.
        reason: String,
    },
}

/// What happened on the floor: appended to the journal in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum FloorEvent {
    /// An agent changed state.
    AgentChanged {
        /// Who.
        agent: AgentName,
        /// To what.
        state: AgentState,
        /// Since when.
        at: Timestamp,
    },
    /// An agent in conversation or wrap-up asked for a change that waits until both are over.
    AgentAsked {
        /// Who.
        agent: AgentName,
        /// For what: `SignOut` or `NotReady`; `Ready` takes an earlier wish back.
        request: AgentRequest,
        /// When.
        at: Timestamp,
    },
    /// An item joined a queue, or came back to its old place (`rejoined`).
    Queued {
        /// All that a restart needs.
        item: WaitingItem,
        /// The item whose place it took over.
        rejoined: Option<ItemId>,
        /// When.
        at: Timestamp,
    },
    /// An item was not taken in.
    Refused {
        /// Which call.
        call: CallId,
        /// Which queue.
        queue: QueueName,
        /// Why.
        reason: RefuseReason,
        /// When.
        at: Timestamp,
    },
    /// An agent was asked.
    Offered {
        /// The offer.
        offer: OfferId,
        /// What.
        item: ItemId,
        /// Whom.
        agent: AgentName,
        /// Why this one and not the others; shown by `tandem why`.
        decision: Decision,
        /// When.
        at: Timestamp,
    },
    /// An offer ended.
    OfferEnded {
        /// Which.
        offer: OfferId,
        /// What of.
        item: ItemId,
        /// Who was asked.
        agent: AgentName,
        /// How.
        outcome: OfferOutcome,
        /// When.
        at: Timestamp,
    },
    /// A waiting caller is called back instead; also said when they were not reached, with what is left of the tries.
    CallbackKept {
        /// All that a restart needs.
        item: WaitingItem,
        /// When.
        at: Timestamp,
    },
    /// A waiting item passed on to another queue.
    Overflowed {
        /// All that a restart needs: where it waits now.
        item: WaitingItem,
        /// Where it waited.
        from: QueueName,
        /// When.
        at: Timestamp,
    },
    /// A waiting item moved ahead or back in its queue.
    Prioritised {
        /// All that a restart needs: how it stands now.
        item: WaitingItem,
        /// Minutes of virtual waiting that it had before.
        from_minutes: u32,
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// A conversation that is no call went on, rested, or was interrupted; or it is the other side's turn.
    ConversationChanged {
        /// Which item.
        item: ItemId,
        /// Whose.
        agent: AgentName,
        /// How it stands now.
        standing: Standing,
        /// Who has to say something.
        turn: Side,
        /// When.
        at: Timestamp,
    },
    /// A conversation that is no call went back to its queue, to the place that it had.
    Returned {
        /// All that a restart needs.
        item: WaitingItem,
        /// Who had it.
        agent: AgentName,
        /// Why.
        reason: ReturnReason,
        /// When.
        at: Timestamp,
    },
    /// An item left its queue unserved.
    Left {
        /// Which.
        item: ItemId,
        /// Why.
        reason: LeaveReason,
        /// When.
        at: Timestamp,
    },
    /// The conversation about an item is over.
    Finished {
        /// Which.
        item: ItemId,
        /// With whom.
        agent: AgentName,
        /// Why it ended.
        cause: Cause,
        /// When.
        at: Timestamp,
    },
}

impl FloorEvent {
    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::AgentChanged { at, .. }
            | Self::AgentAsked { at, .. }
            | Self::Queued { at, .. }
            | Self::Refused { at, .. }
            | Self::Offered { at, .. }
            | Self::OfferEnded { at, .. }
            | Self::CallbackKept { at, .. }
            | Self::Overflowed { at, .. }
            | Self::Prioritised { at, .. }
            | Self::ConversationChanged { at, .. }
            | Self::Returned { at, .. }
            | Self::Left { at, .. }
            | Self::Finished { at, .. } => *at,
        }
    }
}

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "cause")]
pub enum OfferOutcome {
    /// The agent answered and has the item.
    Accepted,
    /// The device refused or failed.
    Declined(Cause),
    /// It rang its time.
    Expired,
    /// The agent took it, but the customer who was to be called back did not answer.
    Unreached(Cause),
    /// The caller left, or the floor changed its mind.
    Withdrawn,
}

/// The inputs of one routing decision, in the order they were weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// How long the item had waited, in ms.
    pub waited_ms: u64,
    /// Skills asked for at that moment, after relaxation.
    pub skills: Vec<SkillLevel>,
    /// Every agent of the queue and why chosen or not; at most 64, the chosen one first.
    pub considered: Vec<Considered>,
}

/// One agent in a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Considered {
    /// Who.
    pub agent: AgentName,
    /// Why chosen or not, a sentence for a person ("idle longest: 312 s", "on a call", "skill billing 2 < 3").
    pub why: String,
}
