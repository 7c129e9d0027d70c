//! The step `play`: phrases for the caller.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input};
use crate::{
    step::{Audio, StepOutcome},
    time::Timestamp,
};

/// A prompt plays to the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Playing {
    /// What plays: after a restart it begins again.
    audio: Audio,
    interrupt: bool,
}

impl Call {
    pub(super) fn begin_play(&mut self, now: Timestamp, audio: Audio, interrupt: bool) -> Doing {
        if audio.phrases.is_empty() {
            return self.step_ended(now, StepOutcome::Done);
        }
        if interrupt && !self.typed.is_empty() {
            return self.interrupted(now);
        }
        self.legs.open_caller();
        self.legs.play(self.legs.caller(), audio.clone(), false);
        Doing::Play(Playing { audio, interrupt })
    }

    /// After a restart the prompt begins again.
    pub(super) fn play_again(&mut self, now: Timestamp, playing: Playing) -> Doing {
        self.begin_play(now, playing.audio, playing.interrupt)
    }

    pub(super) fn playing(&mut self, now: Timestamp, playing: Playing, input: &Input) -> Doing {
        match input {
            Input::Played { .. } => self.step_ended(now, StepOutcome::Done),
            Input::Digit { .. } if playing.interrupt => {
                self.legs.hush(self.legs.caller());
                self.interrupted(now)
            }
            _ => Doing::Play(playing),
        }
    }

    /// The keys stay typed ahead: whoever knows a menu by heart chooses in it before it has spoken,
    /// and the `collect` after its prompts is what they meant.
    fn interrupted(&mut self, now: Timestamp) -> Doing {
        let digits = self.typed.iter().collect();
        self.step_ended(now, StepOutcome::Digits(digits))
    }
}
