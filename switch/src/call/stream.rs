//! The steps `fork` and `stream`: the call's audio for a program outside.
//!
//! The call knows only which program has its caller. The wiring connects it, gives it the audio, and says how it ended.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Output};
use crate::{
    name::AudioStreamName,
    step::{Sides, StepOutcome},
    time::Timestamp,
};

/// A program has the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Streaming {
    program: AudioStreamName,
}

impl Call {
    /// The program that has the caller.
    #[must_use]
    pub const fn program(&self) -> Option<&AudioStreamName> {
        match &self.doing {
            Doing::Stream(streaming) => Some(&streaming.program),
            _ => None,
        }
    }

    pub(super) fn fork(&mut self, now: Timestamp, program: AudioStreamName, sides: Sides) -> Doing {
        self.legs.say(Output::Fork { program, sides });
        self.step_ended(now, StepOutcome::Done)
    }

    pub(super) fn begin_stream(&mut self, now: Timestamp, program: AudioStreamName) -> Doing {
        self.typed.clear();
        self.answer_caller(now);
        self.legs.hush(self.legs.caller());
        Doing::Stream(Streaming { program })
    }

    pub(super) fn streaming(&mut self, now: Timestamp, streaming: Streaming, input: &Input) -> Doing {
        match input {
            Input::Streamed { outcome, .. } => {
                let word = match outcome {
                    StepOutcome::Failed => "failed",
                    StepOutcome::Stalled => "stalled",
                    _ => "done",
                };
                self.trace("stream", word);
                self.step_ended(now, outcome.clone())
            }
            Input::Digit { digit, .. } => {
                self.typed.clear();
                self.legs.say(Output::ProgramKey { key: digit.to_ascii_uppercase() });
                Doing::Stream(streaming)
            }
            _ => Doing::Stream(streaming),
        }
    }
}
