//! One call: its legs, and the dialplan step that it is at.
//!
//! The call is a back-to-back user agent seen from above: it knows legs, not messages. It takes one
//! [`Step`](crate::step::Step) at a time from the dialplan, carries it out on its legs, and reports how it ended.
//!
//! What it does not do: choose the next step (the dialplan does), choose an agent (the floor does),
//! pass digits between joined legs (the media layer does), send or receive anything.
//!
//! Each kind of step has its file; `legs` keeps what is true of every leg at any time, `ledger`
//! what the call detail record will say, `keep` what becomes of it when the process is gone.

mod ask;
mod call_back;
mod callback_offer;
mod collect;
mod conference;
mod consult;
mod contract;
mod dial;
mod hand_back;
mod hold;
mod keep;
mod ledger;
mod legs;
mod notice;
mod overflow;
mod owed;
mod park;
mod payment;
mod play;
mod queue;
mod redirect;
mod ring;
mod short;
mod stream;
mod supervise;
mod take;
mod talk;
mod transfer;
mod view;
mod voicemail;
mod waiting;

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

pub use conference::InRoom;
pub use consult::{Newcomer, Partner};
pub use contract::{Arrival, CallSettings, Input, Notice, Output, RedirectNews, TransferNews};
pub use keep::{KeptCall, Restart};
pub use legs::LegStage;
pub use view::{LegView, View};

use crate::{
    cause::{Blame, Cause},
    cdr::{Origin, SegmentState},
    id::IdSource,
    link::{FloorSays, LeaveReason, ToFloor},
    name::Language,
    step::{AgentRequest, StepOutcome},
    time::Timestamp,
};
use ask::Asking;
use call_back::{CallingBack, First};
use collect::Collecting;
use conference::Conference;
use dial::Dialling;
use ledger::Ledger;
use legs::Legs;
use owed::Owed;
use park::Parking;
use play::Playing;
use redirect::Redirects;
use stream::Streaming;
use supervise::Supervising;
use take::Taking;
use talk::Talk;
use transfer::{Returned, Transfer};
use voicemail::Leaving;
use waiting::Queueing;

/// Digits pressed ahead of the step that wants them; more are dropped.
const TYPED_AHEAD: usize = 32;

/// One back-to-back call, from its arrival to its record.
///
/// Hand in one [`Input`] by [`handle`](Self::handle), then take every [`Output`] by
/// [`poll`](Self::poll), and come back with [`Input::Tick`] at [`deadline`](Self::deadline).
///
/// It serialises as it stands, so that it can outlive the process; what comes back is a [`KeptCall`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    arrival: Arrival,
    #[serde(skip)]
    settings: Arc<CallSettings>,
    doing: Doing,
    legs: Legs,
    /// A transfer under way: what the call is doing is for it.
    transfer: Option<Box<Transfer>>,
    /// The last one that failed.
    returned: Option<Box<Returned>>,
    /// What a phone named instead of taking the call.
    #[serde(default)]
    redirects: Redirects,
    /// Whose side the party is that the call is for, and whether a trunk carries it.
    side: (Blame, bool),
    owed: Owed,
    /// Not written down, as what was gathered is not.
    #[serde(skip)]
    typed: VecDeque<char>,
    ledger: Ledger,
    /// What the plan spoke last.
    #[serde(default)]
    language: Option<Language>,
    /// Services that were asked so far.
    #[serde(default)]
    asked: u32,
}

/// What a call is doing: one variant for each thing it can wait for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Doing {
    /// The dialplan's next step.
    AwaitStep,
    /// The end of a prompt.
    Play(Playing),
    /// Digits.
    Collect(Box<Collecting>),
    /// An agent.
    Queue(Box<Queueing>),
    /// An agent and then a customer who is called back.
    CallBack(Box<CallingBack>),
    /// Somebody who is called.
    Dial(Box<Dialling>),
    /// The end of a conversation.
    Talk(Talk),
    /// The end of an echo test.
    Echo,
    /// The end of a program that has the caller.
    Stream(Streaming),
    /// The answer of a service.
    Ask(Asking),
    /// The end of a conference, for this caller.
    Conference(Conference),
    /// The end of a supervision.
    Supervise(Supervising),
    /// Somebody who takes the caller from a slot.
    Park(Box<Parking>),
    /// The end of a message.
    Voicemail(Box<Leaving>),
    /// Whether the caller has taken somebody.
    Take(Taking),
    /// What the carrier says, who is to have the caller back.
    HandBack,
    /// The floor's reply to an agent's request.
    AwaitReply {
        /// What was asked.
        request: AgentRequest,
        /// Its silence is a fault from then on.
        until: Timestamp,
    },
    /// Nothing more.
    Over,
}

/// The present instant, and the source of identifiers that belongs to the loop.
struct Moment<'a> {
    now: Timestamp,
    ids: &'a mut IdSource,
}

impl Call {
    /// A call that has just arrived and waits for its first step.
    #[must_use]
    pub fn new(now: Timestamp, arrival: Arrival, settings: Arc<CallSettings>) -> Self {
        let by_trunk = matches!(arrival.origin, Origin::Trunk(_));
        Self {
            arrival,
            settings,
            doing: Doing::AwaitStep,
            legs: Legs::new(),
            transfer: None,
            returned: None,
            redirects: Redirects::default(),
            side: (Blame::Caller, by_trunk),
            owed: Owed::default(),
            typed: VecDeque::new(),
            ledger: Ledger::new(now),
            language: None,
            asked: 0,
        }
    }

    /// A call that nobody made: it waits for the floor to say whom to call back.
    #[must_use]
    pub fn to_be_made(now: Timestamp, arrival: Arrival, settings: Arc<CallSettings>) -> Self {
        Self { legs: Legs::nobody(), ..Self::new(now, arrival, settings) }
    }

    /// Tells the call one thing. Items and recordings that come of it are named from `ids`. All
    /// outputs are to be polled before the next input. After the end, every input means nothing.
    ///
    /// After a panic in here, poll what is left and give `Hangup` with [`Cause::Fault`]: legs, items and
    /// recordings are accounted for apart from the step that failed.
    pub fn handle(&mut self, now: Timestamp, input: Input, ids: &mut IdSource) {
        debug_assert!(self.legs.is_drained(), "outputs of the last input were not polled");
        let mut at = Moment { now: self.ledger.clamp(now), ids };
        if !self.is_over() && self.legs.admit(&input) {
            self.take(&mut at, input);
        }
        if self.deadline().is_some_and(|due| due <= at.now) {
            self.advance(&mut at, Input::Tick);
        }
    }

    /// The next thing to be done, in order; `None` when all is said.
    pub fn poll(&mut self) -> Option<Output> {
        self.legs.poll()
    }

    /// When the call wants its next [`Input::Tick`], if it waits for a time at all.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.doing {
            Doing::Collect(collecting) => collecting.deadline(),
            Doing::Queue(queueing) => queueing.deadline(),
            Doing::Dial(dialling) => Some(dialling.deadline()),
            Doing::Ask(asking) => Some(asking.deadline()),
            Doing::CallBack(back) => back.deadline(),
            Doing::AwaitReply { until, .. } => Some(*until),
            Doing::Park(parking) => Some(parking.deadline()),
            Doing::Take(taking) => Some(taking.deadline()),
            Doing::Voicemail(leaving) => leaving.deadline(),
            Doing::AwaitStep
            | Doing::Play(_)
            | Doing::Talk(_)
            | Doing::Echo
            | Doing::Stream(_)
            | Doing::Conference(_)
            | Doing::Supervise(_)
            | Doing::HandBack
            | Doing::Over => None,
        }
    }

    /// Whether the call has ended and can be dropped once it is polled empty.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.doing, Doing::Over)
    }

    /// Inputs that mean the same whatever the call is doing; the others go to what it is doing.
    fn take(&mut self, at: &mut Moment<'_>, input: Input) {
        match input {
            Input::Routed(route) => {
                self.trace("route", route.as_str());
                self.ledger.routed(route);
            }
            Input::Hangup { cause } => self.finish(at.now, cause, Blame::Us),
            Input::PauseRecording { paused } => self.pause_recording(paused),
            _ if self.hung_up_in_haste(at, &input) => {}
            Input::LegFailed { leg, cause } | Input::LegEnded { leg, cause } if leg == self.legs.caller() => {
                let (party, by_trunk) = self.side;
                let blame = ledger::blame(cause, party, by_trunk);
                self.finish(at.now, cause, blame);
            }
            // Only who dials is led elsewhere.
            Input::LegRedirected { leg, .. } if !matches!(self.doing, Doing::Dial(_)) => {
                self.take(at, Input::LegFailed { leg, cause: Cause::Redirected });
            }
            Input::Step(step) if matches!(self.doing, Doing::AwaitStep) => {
                self.doing = self.begin(at, step);
            }
            _ if self.transferor_told(&input) => {}
            // A step on top of another is the wiring's mistake; the step that runs stays the owner.
            Input::Step(step) => self.trace("unexpected step", short::name_of(&step)),
            Input::Floor(FloorSays::Offer { offer, item, .. }) if self.owed.waiting() != Some(item) => {
                self.floor(ToFloor::Decline { offer, cause: Cause::Cancelled });
            }
            Input::Floor(FloorSays::CallBack { offer, item, agent, devices, queue, callback, .. }) => {
                // Said to a call that is to be made, once.
                if matches!(self.doing, Doing::AwaitStep) && self.legs.iter().next().is_none() {
                    self.doing = self.begin_call_back(at.now, First { offer, item, agent, devices }, queue, callback);
                } else {
                    self.floor(ToFloor::Decline { offer, cause: Cause::Fault });
                }
            }
            // Of others only the key is heard that takes a call.
            Input::Digit { leg, .. } if leg != self.legs.caller() => self.advance(at, input),
            Input::Digit { digit, .. } => {
                if self.doing.wants_digits() && self.typed.len() < TYPED_AHEAD {
                    self.typed.push_back(digit.to_ascii_uppercase());
                    self.advance(at, input);
                }
            }
            Input::Transfer { leg, .. } if !matches!(self.doing, Doing::Talk(_)) => self.refuse_transfer(leg),
            Input::Tick => {}
            _ => self.advance(at, input),
        }
    }

    fn advance(&mut self, at: &mut Moment<'_>, input: Input) {
        let doing = std::mem::replace(&mut self.doing, Doing::AwaitStep);
        self.doing = match doing {
            Doing::Play(playing) => self.playing(at.now, playing, &input),
            Doing::Collect(collecting) => self.collecting(at.now, collecting, &input),
            Doing::Queue(queueing) => self.queueing(at, queueing, input),
            Doing::Dial(dialling) => self.dialling(at, dialling, &input),
            Doing::CallBack(back) => self.calling_back(at, back, input),
            Doing::Talk(talk) => self.talking(at, talk, input),
            Doing::Conference(conference) => self.conferring(at.now, conference, &input),
            Doing::Supervise(supervising) => self.supervising(supervising, &input),
            Doing::Park(parking) => self.parking(at, parking, input),
            Doing::Voicemail(leaving) => self.leaving_message(at, leaving, &input),
            Doing::Take(taking) => self.taking(at.now, taking, &input),
            Doing::Ask(asking) => self.asking(at.now, asking, input),
            Doing::Stream(streaming) => self.streaming(at.now, streaming, &input),
            Doing::HandBack => self.handing_back(at.now, &input),
            Doing::AwaitReply { request, until } => self.awaiting_reply(at.now, request, until, &input),
            idle @ (Doing::AwaitStep | Doing::Echo | Doing::Over) => idle,
        };
    }

    /// Reports how the step ended; the time from here on is the plan's.
    fn step_ended(&mut self, now: Timestamp, outcome: StepOutcome) -> Doing {
        if self.transfer.is_none() && !self.redirects.is_under_way() {
            self.ledger.turn(now, SegmentState::Plan, None);
        }
        self.legs.say(Output::StepEnded(outcome));
        Doing::AwaitStep
    }

    /// Ends whatever is going on, then every leg, then the call.
    fn finish(&mut self, now: Timestamp, cause: Cause, blame: Blame) {
        self.doing = Doing::Over;
        self.redirects = Redirects::default();
        self.abandon_transfer();
        self.pay(if blame == Blame::Us { LeaveReason::Fault } else { LeaveReason::Abandoned }, cause);
        self.trace("ended", format!("{} by {}", cause.as_str(), blame.as_str()));
        self.legs.end_all(cause);
        let cdr = self.ledger.close(now, &self.arrival, cause, blame);
        self.legs.say(Output::Ended(Box::new(cdr)));
    }

    fn answer_caller(&mut self, now: Timestamp) {
        if self.legs.answer() {
            self.ledger.answered_at = Some(now);
            self.trace("answered", "leg 0");
        }
    }

    fn floor(&mut self, message: ToFloor) {
        self.legs.say(Output::Floor(message));
    }

    fn trace(&mut self, what: &'static str, detail: impl Into<Arc<str>>) {
        self.legs.say(Output::Trace(what, detail.into()));
    }
}

impl Doing {
    /// Digits count ahead while the plan talks to the caller. While the caller talks to somebody they
    /// are for the other party; while they wait one may take the offer of a callback, the others are for nobody.
    const fn wants_digits(&self) -> bool {
        matches!(
            self,
            Self::AwaitStep
                | Self::Play(_)
                | Self::Collect(_)
                | Self::AwaitReply { .. }
                | Self::Ask(_)
                | Self::Conference(_)
                | Self::Supervise(_)
                | Self::Voicemail(_)
                | Self::Stream(_)
                | Self::Queue(_)
        )
    }
}
