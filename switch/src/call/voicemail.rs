//! The step `voicemail`: the caller leaves a message in a box.
//!
//! Whether the box has room, and where the message goes, is the wiring's. The message is owed like a recording: whatever
//! becomes of the call, it is closed, and what was said until then is the message.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Moment, Output};
use crate::{
    id::RecordingId,
    step::{LeaveMessage, StepOutcome},
    time::Timestamp,
};

/// A caller who leaves a message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Leaving {
    step: LeaveMessage,
    at: Stage,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// The box says whether it has room.
    Asked { until: Timestamp },
    /// The greeting, and the tone behind it.
    Greeting,
    /// What is said now is the message.
    Message { until: Timestamp },
}

impl Leaving {
    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        match self.at {
            Stage::Asked { until } | Stage::Message { until } => Some(until),
            Stage::Greeting => None,
        }
    }
}

impl Call {
    pub(super) fn begin_voicemail(&mut self, now: Timestamp, step: LeaveMessage) -> Doing {
        let (leg, mailbox) = (self.legs.caller(), step.mailbox.clone());
        self.legs.say(Output::AskMailbox { leg, mailbox, most: step.most });
        Doing::Voicemail(Box::new(Leaving { step, at: Stage::Asked { until: now.plus_ms(self.settings.floor_reply_ms) } }))
    }

    /// What was said before a restart is a message already; what is said from now on is another one.
    pub(super) fn leave_message_again(&mut self, at: &mut Moment<'_>, mut leaving: Box<Leaving>) -> Doing {
        match leaving.at {
            Stage::Message { until } if until > at.now => {
                self.take_message(at, &leaving.step);
                Doing::Voicemail(leaving)
            }
            Stage::Message { .. } => self.step_ended(at.now, StepOutcome::Done),
            Stage::Greeting => {
                self.greet(at, &mut leaving);
                Doing::Voicemail(leaving)
            }
            Stage::Asked { .. } => self.begin_voicemail(at.now, leaving.step),
        }
    }

    pub(super) fn leaving_message(&mut self, at: &mut Moment<'_>, mut leaving: Box<Leaving>, input: &Input) -> Doing {
        match (leaving.at, input) {
            (Stage::Asked { .. }, Input::MailboxOpen { .. }) => {
                self.typed.clear();
                self.answer_caller(at.now);
                self.greet(at, &mut leaving);
            }
            (Stage::Asked { .. }, Input::MailboxFull { .. }) => {
                self.trace("voicemail", "the box is full");
                return self.step_ended(at.now, StepOutcome::Full);
            }
            (Stage::Asked { until }, Input::Tick) if at.now >= until => return self.step_ended(at.now, StepOutcome::Error),
            (Stage::Greeting, Input::Played { .. }) => self.begin_message(at, &mut leaving),
            // Whoever knows the greeting does not wait for its end.
            (Stage::Greeting, Input::Digit { digit: '#', .. }) => {
                self.typed.clear();
                self.legs.hush(self.legs.caller());
                self.begin_message(at, &mut leaving);
            }
            (Stage::Message { .. }, Input::Digit { digit: '#', .. }) => {
                self.typed.clear();
                return self.message_left(at.now);
            }
            (Stage::Message { until }, Input::Tick) if at.now >= until => return self.message_left(at.now),
            (_, Input::Digit { .. }) => self.typed.clear(),
            _ => {}
        }
        Doing::Voicemail(leaving)
    }

    fn greet(&mut self, at: &mut Moment<'_>, leaving: &mut Leaving) {
        leaving.at = Stage::Greeting;
        if leaving.step.greeting.phrases.is_empty() {
            return self.begin_message(at, leaving);
        }
        self.legs.play(self.legs.caller(), leaving.step.greeting.clone(), false);
    }

    fn begin_message(&mut self, at: &mut Moment<'_>, leaving: &mut Leaving) {
        leaving.at = Stage::Message { until: at.now.plus_ms(leaving.step.max_ms) };
        self.take_message(at, &leaving.step);
    }

    fn take_message(&mut self, at: &mut Moment<'_>, step: &LeaveMessage) {
        let message = RecordingId(at.ids.next(at.now));
        self.owed.records(message);
        self.trace("voicemail", "the message begins");
        self.legs.say(Output::TakeMessage { message, leg: self.legs.caller(), mailbox: step.mailbox.clone() });
    }

    fn message_left(&mut self, now: Timestamp) -> Doing {
        self.stop_recording();
        self.step_ended(now, StepOutcome::Done)
    }
}
