//! The begin of every step, and the steps that are too short for a file: `ring`, `answer`, `echo`,
//! `hangup` and an agent's requests.

use super::{Call, Doing, Input, Moment};
use crate::{
    cdr::Origin,
    link::{FloorSays, ToFloor},
    name::AgentName,
    step::{AgentRequest, Step, StepOutcome},
    time::Timestamp,
};

/// The word for a step in traces and views.
pub(super) const fn name_of(step: &Step) -> &'static str {
    match step {
        Step::Ring => "ring",
        Step::Answer => "answer",
        Step::Play { .. } => "play",
        Step::Collect(_) => "collect",
        Step::Queue(_) => "queue",
        Step::Dial(_) => "dial",
        Step::Echo => "echo",
        Step::Conference { .. } => "conference",
        Step::Supervise { .. } => "supervise",
        Step::Park(_) => "park",
        Step::Voicemail(_) => "voicemail",
        Step::Take(whom) => whom.word(),
        Step::HandBack { .. } => "hand-back",
        Step::Fork { .. } => "fork",
        Step::Stream { .. } => "stream",
        Step::Ask(_) => "ask",
        Step::Agent(_) => "agent",
        Step::Hangup { .. } => "hangup",
    }
}

impl Call {
    pub(super) fn begin(&mut self, at: &mut Moment<'_>, step: Step) -> Doing {
        self.trace("step", name_of(&step));
        self.begin_step(at, step)
    }

    /// The same for one that was traced already.
    pub(super) fn begin_step(&mut self, at: &mut Moment<'_>, step: Step) -> Doing {
        if self.redirects.is_under_way() {
            return self.begin_in_redirect(at, step);
        }
        if self.transfer.is_some() {
            return self.begin_in_transfer(at, step);
        }
        self.begin_for_caller(at, step)
    }

    fn begin_for_caller(&mut self, at: &mut Moment<'_>, step: Step) -> Doing {
        let now = at.now;
        match step {
            Step::Ring => {
                self.legs.ring_caller();
                self.step_ended(now, StepOutcome::Done)
            }
            Step::Answer => {
                self.answer_caller(now);
                self.step_ended(now, StepOutcome::Done)
            }
            Step::Play { audio, interrupt } => self.begin_play(now, audio, interrupt),
            Step::Collect(collect) => self.begin_collect(now, collect),
            Step::Queue(queue) => self.begin_queue(at, queue),
            Step::Dial(dial) => self.begin_dial(now, dial),
            Step::HandBack { number } => self.begin_hand_back(now, number),
            Step::Echo => {
                self.typed.clear();
                self.legs.open_caller();
                self.legs.echo(self.legs.caller());
                Doing::Echo
            }
            Step::Conference { room, muted } => self.begin_conference(now, room, muted),
            Step::Supervise { agent, role } => self.begin_supervise(now, agent, role),
            Step::Park(park) => self.begin_park(now, park),
            Step::Voicemail(step) => self.begin_voicemail(now, step),
            Step::Take(whom) => self.begin_take(now, whom),
            Step::Fork { program, sides } => self.fork(now, program, sides),
            Step::Stream { program } => self.begin_stream(now, program),
            Step::Ask(ask) => self.begin_ask(now, ask),
            Step::Agent(request) => self.begin_agent(now, request),
            Step::Hangup { cause } => {
                self.finish(now, cause, self.ledger.blame);
                Doing::Over
            }
        }
    }

    /// An agent is named by the extension of their device, so only a device can be one.
    pub(super) fn begin_agent(&mut self, now: Timestamp, request: AgentRequest) -> Doing {
        let Origin::Extension(extension) = &self.arrival.origin else {
            self.trace("agent", "refused: the caller is not an extension");
            return self.step_ended(now, StepOutcome::Error);
        };
        let agent = AgentName::from(extension.as_str());
        self.floor(ToFloor::Agent { call: self.arrival.call, agent, request: request.clone() });
        Doing::AwaitReply { request, until: now.plus_ms(self.settings.floor_reply_ms) }
    }

    pub(super) fn awaiting_reply(&mut self, now: Timestamp, request: AgentRequest, until: Timestamp, input: &Input) -> Doing {
        match input {
            Input::Floor(FloorSays::AgentReply { done }) => {
                self.step_ended(now, if *done { StepOutcome::Done } else { StepOutcome::Error })
            }
            Input::Tick if now >= until => {
                self.trace("agent", "the floor does not reply");
                self.step_ended(now, StepOutcome::Error)
            }
            _ => Doing::AwaitReply { request, until },
        }
    }
}
