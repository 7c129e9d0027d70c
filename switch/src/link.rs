//! What line loop and floor loop say to each other. Both enums are closed and serializable: on one
//! machine they travel over bounded channels, across machines as messages.

use serde::{Deserialize, Serialize};

use crate::{
    callback::Callback,
    cause::Cause,
    device::Devices,
    floor::{Side, Work},
    id::{CallId, ItemId, OfferId},
    name::{AgentName, PartyNumber, QueueName, SkillLevel},
    step::AgentRequest,
    time::Timestamp,
};

/// From the loop that owns a call to the loop that owns agents and queues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToFloor {
    /// A call joins a queue.
    Enqueue(Enqueue),
    /// A waiting call goes: the item is withdrawn, with any offer of it.
    Leave {
        /// Which item.
        item: ItemId,
        /// Why.
        reason: LeaveReason,
    },
    /// A waiting call goes on to another queue, with the time it has waited. The floor replies `Overflowed` or `Stays`,
    /// unless a device rings for it at that moment.
    Overflow {
        /// Which item.
        item: ItemId,
        /// Where to.
        to: QueueName,
        /// Whether the caller may wait there when nobody is signed in any more.
        wait_without_agents: bool,
    },
    /// A waiting caller wants to be called back: the item stays, without a call. The floor replies `CallbackKept` or
    /// `CallbackRefused`, unless a device rings for it at that moment.
    CallBack {
        /// Which item.
        item: ItemId,
        /// What is promised.
        callback: Box<Callback>,
    },
    /// For an item without a call: the agent's device answered, and the customer is called.
    CallsCustomer {
        /// Which offer.
        offer: OfferId,
    },
    /// The customer did not answer. The floor is done with the offer.
    Unreached {
        /// Which offer.
        offer: OfferId,
        /// How it failed.
        cause: Cause,
    },
    /// The agent's device rings.
    Ringing {
        /// Which offer.
        offer: OfferId,
    },
    /// The agent's device answered. The floor replies `Connect` or `Withdraw`; until then the two
    /// parties do not hear each other.
    Accept {
        /// Which offer.
        offer: OfferId,
    },
    /// The agent's device did not take the call.
    Decline {
        /// Which offer.
        offer: OfferId,
        /// How it failed.
        cause: Cause,
    },
    /// The conversation of an accepted item is over; the agent's wrap-up begins.
    Finished {
        /// Which item.
        item: ItemId,
        /// Why it ended.
        cause: Cause,
    },
    /// Somebody wrote in a conversation that is no call: the customer's writing is the agent's turn, and the other way.
    Wrote {
        /// Which item.
        item: ItemId,
        /// Who.
        by: Side,
    },
    /// How many live legs the agent's device has outside offers (calls made or taken directly).
    /// An agent with at least one is not offered anything.
    DeviceBusy {
        /// Whose device.
        agent: AgentName,
        /// Live legs now.
        legs: u32,
    },
    /// A device of the agent registered, or the last one went away.
    DeviceReachable {
        /// Whose device.
        agent: AgentName,
        /// Whether a call could reach it.
        reachable: bool,
    },
    /// An agent asks for a change of state by feature code; answered by `AgentReply`.
    Agent {
        /// The call the code was dialled in, which hears the reply.
        call: CallId,
        /// Who asks.
        agent: AgentName,
        /// What for.
        request: AgentRequest,
    },
}

/// A call joins a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enqueue {
    /// The new item.
    pub item: ItemId,
    /// The call behind it.
    pub call: CallId,
    /// Which queue.
    pub queue: QueueName,
    /// Who waits. A caller who comes back within the queue's grace time after a restart gets the old
    /// place by this number.
    pub caller: PartyNumber,
    /// What an agent must be able to do.
    pub skills: Vec<SkillLevel>,
    /// Minutes of virtual waiting ahead.
    pub priority_minutes: u32,
    /// Whether the caller may wait while nobody is signed in.
    pub wait_without_agents: bool,
    /// When the call reached the queue; the virtual arrival unless an older place is found.
    pub arrived_at: Timestamp,
    /// What sets it apart from any call.
    #[serde(default, skip_serializing_if = "Work::is_plain")]
    pub work: Work,
}

/// Why a waiting call left its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveReason {
    /// The caller hung up.
    Abandoned,
    /// The longest wait was over.
    TimedOut,
    /// A fault of ours ended the call.
    Fault,
    /// The customer was called back as often as was promised, and did not answer. Said only by the floor.
    Unreached,
    /// The customer asked to be called back once more: the later wish counts. Said only by the floor.
    Replaced,
    /// Somebody of us withdrew the callback. Said only by the floor.
    Withdrawn,
    /// The switch restarted and the caller did not call back in time. Said only by the floor.
    Restart,
    /// The last agent of the queue signed out, and the plan does not let the caller wait for one. Said
    /// only by the floor, which tells the call `Refused`.
    NoAgents,
}

/// From the floor to the loop that owns the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToLine {
    /// Which call this is for.
    pub call: CallId,
    /// What it is told.
    pub say: FloorSays,
}

/// What the floor tells a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FloorSays {
    /// The item is in the queue.
    Queued {
        /// Which item.
        item: ItemId,
        /// Where it stands.
        place: Place,
    },
    /// Where the item stands now. Sent when it changed, at most once a second per item.
    Place {
        /// Which item.
        item: ItemId,
        /// Where it stands.
        place: Place,
    },
    /// The item was not taken into the queue, or cannot stay.
    Refused {
        /// Which item.
        item: ItemId,
        /// Why.
        reason: RefuseReason,
    },
    /// The item waits in this queue from now on. Also said to a call that was taken up again and asks for its place in
    /// a queue that it has left.
    Overflowed {
        /// Which item.
        item: ItemId,
        /// Where it waits.
        queue: QueueName,
        /// Where it stands there.
        place: Place,
    },
    /// The item stays where it is: the other queue cannot serve it.
    Stays {
        /// Which item.
        item: ItemId,
        /// Where it did not go.
        to: QueueName,
        /// Why.
        reason: RefuseReason,
    },
    /// The caller need not wait on the line: the item is kept without the call, to which nothing more is said.
    CallbackKept {
        /// Which item.
        item: ItemId,
    },
    /// The caller's number was promised as many callbacks as it may be today: they wait on as before.
    CallbackRefused {
        /// Which item.
        item: ItemId,
    },
    /// Make a call: ring this agent, and when they answer the customer. Replies as for `Offer`, and `CallsCustomer` and
    /// `Unreached`; `Accept` only when the customer has answered.
    CallBack {
        /// Which offer; every reply names it.
        offer: OfferId,
        /// Which item.
        item: ItemId,
        /// Whom first.
        agent: AgentName,
        /// Where.
        devices: Devices,
        /// The agent's device rings so long, in ms. The floor keeps this time, the line need not.
        ring_ms: u64,
        /// The customer's number.
        caller: PartyNumber,
        /// Where they wait.
        queue: QueueName,
        /// How they are called.
        callback: Box<Callback>,
    },
    /// Ring this agent for this item.
    Offer {
        /// Which offer; every reply names it.
        offer: OfferId,
        /// Which item.
        item: ItemId,
        /// Whom.
        agent: AgentName,
        /// Where.
        devices: Devices,
        /// The offer expires after so long, in ms. The floor keeps this time, the line need not.
        ring_ms: u64,
    },
    /// Stop ringing for this offer; whatever happens to the device's leg now is not reported.
    Withdraw {
        /// Which offer.
        offer: OfferId,
    },
    /// The accept counted: connect caller and agent.
    Connect {
        /// Which offer.
        offer: OfferId,
    },
    /// What became of an agent's request by feature code.
    AgentReply {
        /// Whether it was done.
        done: bool,
    },
}

/// Where an item stands in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// 1 is next.
    pub position: u32,
    /// `None` as long as too few calls were answered to tell, in ms.
    pub estimated_wait_ms: Option<u64>,
}

/// Why a queue did not take an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefuseReason {
    /// No agent of the queue is signed in, and the plan does not let the caller wait for one.
    NoAgents,
    /// The queue is full.
    Full,
    /// The floor does not know the queue.
    NoSuchQueue,
}
