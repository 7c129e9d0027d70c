//! The step `ask`: a service outside is asked, and the call waits for its answer as it is.
//!
//! Who rings or hears nothing goes on to. The call itself keeps the time: whatever becomes of the question on its way,
//! the step is over when the budget is. After a restart nobody is asked again, since the service may have acted on it.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Output};
use crate::{
    ask::{Ask, Unanswered},
    step::StepOutcome,
    time::Timestamp,
};

/// A service is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asking {
    /// The number of the question: an answer to an older one is late.
    question: u32,
    until: Timestamp,
}

impl Asking {
    pub(super) const fn deadline(&self) -> Timestamp {
        self.until
    }
}

impl Call {
    pub(super) fn begin_ask(&mut self, now: Timestamp, ask: Box<Ask>) -> Doing {
        self.asked = self.asked.wrapping_add(1);
        let asking = Asking { question: self.asked, until: now.plus_ms(ask.budget_ms) };
        self.legs.say(Output::Ask { question: asking.question, ask });
        Doing::Ask(asking)
    }

    pub(super) fn asking(&mut self, now: Timestamp, asking: Asking, input: Input) -> Doing {
        match input {
            Input::Answered { question, answer } if question == asking.question => {
                self.trace("ask", answer.as_ref().map_or_else(|why| why.as_str(), |_| "answered"));
                self.step_ended(now, answer.map_or_else(StepOutcome::Unanswered, StepOutcome::Answered))
            }
            Input::Tick if now >= asking.until => self.no_answer(now, Unanswered::Late),
            _ => Doing::Ask(asking),
        }
    }

    /// What was asked before a restart is not asked again.
    pub(super) fn ask_no_more(&mut self, now: Timestamp) -> Doing {
        self.no_answer(now, Unanswered::Restart)
    }

    fn no_answer(&mut self, now: Timestamp, why: Unanswered) -> Doing {
        self.trace("ask", why.as_str());
        self.step_ended(now, StepOutcome::Unanswered(why))
    }
}
