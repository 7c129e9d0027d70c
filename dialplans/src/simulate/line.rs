//! What becomes of the outputs of call and plan: as the server's line loop does it, with the script at the other end.

use tandem_switch::{
    call::{Input, Output},
    cause::Cause,
    id::LegId,
    step::{Step, StepOutcome},
};

use super::{
    behaviour::Fault,
    stage::{Event, Stage},
    story::Fact,
};
use crate::{
    describe::heard,
    run::{Input as RunInput, Output as RunOutput},
};

/// A program that is told nothing has the caller for so long, in ms.
const PROGRAM_MS: u64 = 10_000;

impl Stage<'_> {
    pub(super) fn carry_out(&mut self, output: Output) {
        match output {
            Output::InviteLeg { leg, target, caller_id, offered, .. } => self.invite(leg, &target, &caller_id, offered.as_ref()),
            Output::EndLeg { leg, .. } => {
                self.leave_device(leg);
                self.leave_leg(leg);
            }
            Output::HandBack { number, .. } => self.hand_back(&number),
            Output::StepEnded(outcome) => self.step_ended(outcome),
            Output::Floor(message) => self.to_floor.push_back(message),
            Output::Trace(what, detail) => self.story.row(self.now, "call", format!("{what} {detail}")),
            Output::Park { leg, lot, slots, .. } => {
                let is_full = self.script.full.contains(lot.as_str());
                let slot = slots.0.to_string().into();
                self.inputs.push_back(if is_full { Input::LotFull { leg } } else { Input::Parked { leg, slot } });
            }
            Output::AskMailbox { leg, mailbox, .. } => {
                let is_full = self.script.full.contains(mailbox.as_str());
                self.inputs.push_back(if is_full { Input::MailboxFull { leg } } else { Input::MailboxOpen { leg } });
            }
            Output::EnterRoom { leg, room, .. } => {
                if self.script.faults.contains(&Fault::Rooms) {
                    self.inputs.push_back(Input::RoomFailed { leg });
                } else if self.script.full.contains(room.as_str()) {
                    self.inputs.push_back(Input::RoomFull { leg });
                } else {
                    self.hears(format!("nobody: alone in room {room}"));
                }
            }
            Output::Redirect(news) => self.redirect_goes(news),
            // There is no other call.
            Output::Take { leg, .. } => self.inputs.push_back(Input::NotTaken { leg }),
            Output::Ask { question, ask } => self.asked(question, &ask),
            Output::Fork { program, .. } => self.story.row(self.now, "stream", format!("{program} hears the call")),
            Output::ProgramKey { key } => self.story.row(self.now, "stream", format!("the program gets the key {key}")),
            Output::Ended(cdr) => {
                self.story.heard(self.caller.stops_hearing(self.now));
                // Whoever is called back is simulated to the end.
                self.is_over = cdr.cause != Cause::Callback && !self.is_promised;
                self.story.ended(cdr);
                if !self.is_over {
                    self.promised();
                }
            }
            media => self.media(media),
        }
    }

    /// What is heard and recorded.
    fn media(&mut self, output: Output) {
        match output {
            Output::Play { leg, play, audio, repeat: false } => {
                let lasts_ms = if leg == LegId::CALLER {
                    self.story.heard(self.caller.stops_hearing(self.now));
                    self.hears(heard(&audio));
                    self.caller.hears(self.now, play, &audio, self.lengths)
                } else {
                    self.lengths.pieces(&audio).iter().map(|piece| piece.ms).sum()
                };
                self.later(lasts_ms, Event::Played { leg, play });
            }
            Output::Play { leg: LegId::CALLER, audio, .. } => {
                self.story.heard(self.caller.stops_hearing(self.now));
                self.hears(format!("{}, over and over", heard(&audio)));
            }
            Output::Play { leg, .. } => self.asked_for_key(leg),
            Output::StopPlay { leg: LegId::CALLER } => self.story.heard(self.caller.stops_hearing(self.now)),
            Output::RingBack { leg: LegId::CALLER } | Output::RingCaller => self.hears("ring-back".to_owned()),
            Output::Echo { .. } => self.hears("themselves".to_owned()),
            Output::Supervise { agent, .. } => self.hears(format!("nothing: {agent} is in no conversation")),
            Output::Join { left, right } => {
                let other = if left == self.call.caller() { right } else { left };
                let name = self.parties.get(&other).map(|party| party.name.clone()).unwrap_or_default();
                self.hears(name);
                self.talk(left, right);
            }
            Output::TakeMessage { mailbox, .. } => {
                self.story.row(self.now, "caller", format!("speaks to box {mailbox}"));
                self.caller.speaks();
            }
            Output::Record { .. } => self.story.row(self.now, "media", "recording begins".to_owned()),
            Output::StopRecord { .. } => self.story.row(self.now, "media", "recording ends".to_owned()),
            // Nobody in a script pauses or transfers; what others hear is theirs.
            _ => {}
        }
    }

    fn hears(&mut self, what: String) {
        self.story.row(self.now, "caller", format!("hears {what}"));
    }

    fn step_ended(&mut self, outcome: StepOutcome) {
        self.caller.is_done();
        self.is_streaming = false;
        if let StepOutcome::Digits(digits) = &outcome
            && self.story.is_collecting
            && !digits.is_empty()
        {
            self.story.fact(Fact::Digits(digits.clone()));
        }
        let now = self.now;
        self.active_run().handle(now, RunInput::Outcome(outcome));
        self.drain_run();
    }

    pub(super) fn drain_run(&mut self) {
        while let Some(output) = self.active_run().poll() {
            match output {
                RunOutput::Routed(route) => {
                    self.story.fact(Fact::Route(route.clone()));
                    self.inputs.push_back(Input::Routed(route));
                }
                RunOutput::Step(step) => {
                    self.caller.given(&step);
                    self.story.is_collecting = matches!(step, Step::Collect(_));
                    if let Step::Queue(queue) = &step {
                        self.story.fact(Fact::Queue(queue.queue.clone()));
                    }
                    let language = self.active_run().language().clone();
                    self.call.speaks(language);
                    self.inputs.push_back(Input::Step(step));
                }
                RunOutput::Trace(what, detail) => self.story.row(self.now, "plan", format!("{what} {detail}")),
            }
        }
    }

    /// The program that has the caller from now on; whether there was one to be asked.
    pub(super) fn start_program(&mut self) -> bool {
        let Some(program) = self.call.program().cloned().filter(|_| !self.is_streaming) else { return false };
        self.is_streaming = true;
        let ends = self.script.programs.get(&program).cloned().unwrap_or(StepOutcome::Done);
        // One that cannot be reached does not have the caller first.
        let after_ms = if ends == StepOutcome::Failed { 0 } else { PROGRAM_MS };
        self.later(after_ms, Event::Streamed(ends));
        true
    }
}
