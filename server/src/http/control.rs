//! The HTTP API's only way to the loops: questions over one bounded channel, each with its own way back.
//!
//! Who holds the receiving end answers each request exactly once; an answer that is not given in time, or a
//! channel that is full, becomes `503` for the client and costs a loop nothing.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use tandem_switch::{
    floor::{AgentView, Explanation, ItemView, QueueView},
    id::{CallId, ItemId, RecordingId},
    name::{AgentName, Language, PromptName, QueueName, RoomName},
    step::AgentRequest,
    time::Timestamp,
};
use tokio::sync::{mpsc, oneshot, watch};

pub use super::readiness::Readiness;
use super::{
    callbacks::CallbackRequest,
    plan_order::PlanOrder,
    priority::PriorityRequest,
    schedules::ScheduleView,
    view::{CallView, ConferenceView, ParkedView, PlanView, RouteExplanation},
};
use crate::{
    customers::{Customers, beside::Beside},
    plan_files::PlanFiles,
    recordings::Archive,
    store::{Ban, ScheduleTurned, Store, Writer},
    wire::{calls::KeptFork, payments::Secret, queue_counts::QueueCount, trace::TraceBus},
};

/// Requests that may wait for the loops.
pub const CONTROL_CAPACITY: usize = 256;
/// How long a request may take before its client is told that the switch is too busy.
const PATIENCE: Duration = Duration::from_secs(3);
/// A reload reads and checks every file, prompts included.
const RELOAD_PATIENCE: Duration = Duration::from_secs(25);

/// What the API asks of the loops.
#[derive(Debug)]
pub enum ControlRequest {
    /// A look at the whole floor.
    Floor(oneshot::Sender<FloorView>),
    /// Why an item still waits; `None` when the floor does not know it (any more).
    WhyWaiting {
        /// Which.
        item: ItemId,
        /// The answer.
        reply: oneshot::Sender<Option<Explanation>>,
    },
    /// Change an agent's state. `None`: no such agent.
    Agent {
        /// Whose.
        agent: AgentName,
        /// To what.
        request: AgentRequest,
        /// What the agent does afterwards.
        reply: oneshot::Sender<Option<AgentView>>,
    },
    /// Ask for a callback, or cancel one.
    Callback(CallbackRequest),
    /// Move a waiting item.
    Priority(PriorityRequest),
    /// All calls that are up.
    Calls(oneshot::Sender<Vec<CallView>>),
    /// Who is parked in which slot.
    Parked(oneshot::Sender<Vec<ParkedView>>),
    /// A message was heard or not, or is gone (`None`). No answer.
    Message {
        /// Which.
        message: RecordingId,
        /// What became of it.
        heard: Option<bool>,
    },
    /// End a call, as by its caller's hang-up. `false`: no such call is up.
    Hangup {
        /// Which.
        call: CallId,
        /// Whether it was there.
        reply: oneshot::Sender<bool>,
    },
    /// Pause or resume the recording of a call. Whether it is recorded; `None`: no such call is up.
    PauseRecording {
        /// Which.
        call: CallId,
        /// Silence from now on.
        paused: bool,
        /// What became of it.
        reply: oneshot::Sender<Option<bool>>,
    },
    /// Begin or end the payment of a call.
    Payment {
        /// Which.
        call: CallId,
        /// It begins.
        begins: bool,
        /// What became of it.
        reply: oneshot::Sender<PaymentAnswer>,
    },
    /// The keys of a payment, which are forgotten with it. `None`: none are to be read.
    ReadPayment {
        /// Of which call.
        call: CallId,
        /// They.
        reply: oneshot::Sender<Option<Secret>>,
    },
    /// All rooms that somebody is in.
    Conferences(oneshot::Sender<Vec<ConferenceView>>),
    /// Do something with a member of a room. `false`: no such member.
    Member {
        /// In which room.
        room: RoomName,
        /// Whose call.
        call: CallId,
        /// What.
        order: MemberOrder,
        /// Whether there was such a member.
        reply: oneshot::Sender<bool>,
    },
    /// Play a recording into a conversation or a room.
    Announce {
        /// Which recording.
        prompt: PromptName,
        /// In which language; that of the call's plan when `None`.
        language: Option<Language>,
        /// Who hears it.
        to: Hearers,
        /// What became of it.
        reply: oneshot::Sender<AnnounceAnswer>,
    },
    /// A program hears a call from now on, or none does any more.
    Stream {
        /// Which call.
        call: CallId,
        /// Which program, and what.
        wanted: Option<KeptFork>,
        /// What became of it.
        reply: oneshot::Sender<StreamAnswer>,
    },
    /// Sources that are not heard now.
    Bans(oneshot::Sender<Vec<Ban>>),
    /// Hear a source again. `false`: it was not banned.
    LiftBan {
        /// An address of it.
        address: IpAddr,
        /// Whether it was banned.
        reply: oneshot::Sender<bool>,
    },
    /// How all schedules stand.
    Schedules(oneshot::Sender<Vec<ScheduleView>>),
    /// Turn the emergency switch of a schedule.
    TurnSchedule {
        /// Which, how, who and why.
        turned: ScheduleTurned,
        /// What became of it.
        reply: oneshot::Sender<TurnAnswer>,
    },
    /// The plan in service.
    Plan(oneshot::Sender<PlanView>),
    /// Take another plan into service if it holds no error.
    ChangePlan(PlanOrder),
    /// Which route a call would take, and why.
    Explain {
        /// The dialled number.
        to: String,
        /// The caller's.
        from: String,
        /// When; `None` is now.
        at: Option<Timestamp>,
        /// The answer, or a sentence on what cannot be read in the question.
        reply: oneshot::Sender<Result<RouteExplanation, String>>,
    },
    /// People were added, changed or removed: read them again. No answer.
    PeopleChanged,
}

/// What became of a switch that was to be turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnAnswer {
    /// It is; the schedule now.
    Done(Box<ScheduleView>),
    /// The plan has no such schedule.
    NoSchedule,
    /// It was not turned in the first place.
    NotTurned,
    /// As many are on as may be.
    TooMany,
    /// It could not be written down.
    NotKept,
}

/// What became of a payment that was to begin or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentAnswer {
    /// It did.
    Done,
    /// No such call is up.
    NoCall,
    /// The call is in no conversation.
    NotTalking,
    /// There is none to end.
    NotPaying,
    /// Whoever pays could not be masked: nothing began.
    Busy,
}

/// What became of a stream that was to begin or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamAnswer {
    /// It did.
    Done,
    /// No such call is up.
    NoCall,
    /// The plan has no such program.
    NoProgram,
    /// There is one already.
    Running,
    /// There is none to end.
    NotRunning,
    /// There are as many as there may be.
    TooMany,
}

/// What is done with a member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberOrder {
    /// They only listen from now on.
    Mute,
    /// They speak again.
    Unmute,
    /// Their call ends.
    Remove,
}

/// Who hears an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearers {
    /// Everybody in a room.
    Room(RoomName),
    /// The two of a conversation, or one of them.
    Call {
        /// Which call.
        call: CallId,
        /// The party that it is for.
        caller: bool,
        /// Whom they talk to.
        agent: bool,
    },
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnounceAnswer {
    /// It is heard.
    Done,
    /// There is no such call or room.
    NotThere,
    /// Nobody talks to anybody in that call: it waits, or somebody holds.
    NotTalking,
    /// There is no such recording.
    NoPrompt,
}

/// What the floor looks like at one moment.
#[derive(Clone, Debug)]
pub struct FloorView {
    /// Every queue.
    pub queues: Vec<QueueView>,
    /// Every agent.
    pub agents: Vec<AgentView>,
    /// Every item that waits, is offered or is served; those of a queue in their order.
    pub items: Vec<ItemView>,
    /// What queues counted since the start of the process.
    pub counts: Vec<(QueueName, QueueCount)>,
    /// The begin of today in the zone of the plan.
    pub today_at: Timestamp,
    /// When.
    pub at: Timestamp,
}

/// Why the loops gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Too many requests wait.
    #[error("too many requests wait for the switch")]
    Full,
    /// It took too long.
    #[error("the switch did not answer in time")]
    Late,
    /// The loops are gone or dropped the request.
    #[error("the switch is stopping")]
    Gone,
}

/// All that the HTTP layer knows of the rest of the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    /// Rules over channels.
    pub rules: crate::rules::Desk,
    /// To the loops.
    pub requests_tx: mpsc::Sender<ControlRequest>,
    /// What outlives the process.
    pub store: Store,
    /// For its state of health, and for the audit.
    pub writer: Writer,
    /// The live trace.
    pub traces: TraceBus,
    /// Whether the parts are up.
    pub ready: Arc<Readiness>,
    /// Where recordings lie.
    pub recordings: PathBuf,
    /// How they are kept, with their keys.
    pub archive: watch::Receiver<Arc<Archive>>,
    /// Where voice messages lie.
    pub messages: PathBuf,
    /// Realm of devices' passwords.
    pub realm: String,
    /// The files of the plan.
    pub plan_files: Arc<PlanFiles>,
    /// Who is outside.
    pub customers: Customers,
    /// What stands on the screens of agents.
    pub beside: Beside,
    /// Who outside is told what happens.
    pub webhooks: crate::webhooks::Webhooks,
    /// The CRM that is asked about numbers.
    pub lookups: crate::lookup::Lookups,
}

impl Control {
    /// Asks the loops something and waits for the answer, but not for long.
    pub(super) async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest) -> Result<T, NoAnswer> {
        self.ask_within(PATIENCE, request).await
    }

    /// The same for what reads files.
    pub(super) async fn ask_slow<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest) -> Result<T, NoAnswer> {
        self.ask_within(RELOAD_PATIENCE, request).await
    }

    async fn ask_within<T>(
        &self,
        patience: Duration,
        request: impl FnOnce(oneshot::Sender<T>) -> ControlRequest,
    ) -> Result<T, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        self.tell(request(reply))?;
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(NoAnswer::Gone),
            Err(_) => Err(NoAnswer::Late),
        }
    }

    /// Tells the loops something that has no answer.
    pub(crate) fn tell(&self, request: ControlRequest) -> Result<(), NoAnswer> {
        self.requests_tx.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NoAnswer::Full,
            mpsc::error::TrySendError::Closed(_) => NoAnswer::Gone,
        })
    }
}
