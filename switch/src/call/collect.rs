//! The step `collect`: digits from the caller, with or without phrases before.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input};
use crate::{
    step::{Collect, StepOutcome},
    time::Timestamp,
};

/// Digits are gathered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Collecting {
    /// The step as the plan gave it: after a restart it begins again.
    step: Collect,
    /// Not written down: a restart asks anew, and it may be a PIN.
    #[serde(skip)]
    got: String,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Awaits {
    /// The end of the phrases, or a key press.
    PromptEnd,
    FirstDigit {
        until: Timestamp,
    },
    NextDigit {
        until: Timestamp,
    },
}

impl Collecting {
    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        match self.awaits {
            Awaits::PromptEnd => None,
            Awaits::FirstDigit { until } | Awaits::NextDigit { until } => Some(until),
        }
    }
}

impl Call {
    pub(super) fn begin_collect(&mut self, now: Timestamp, step: Collect) -> Doing {
        let awaits = Awaits::FirstDigit { until: now.plus_ms(step.first_digit_ms) };
        self.legs.open_caller();
        match self.gather(now, Box::new(Collecting { step, got: String::new(), awaits })) {
            Doing::Collect(mut collecting) if collecting.got.is_empty() && !collecting.step.audio.phrases.is_empty() => {
                self.legs.play(self.legs.caller(), collecting.step.audio.clone(), false);
                collecting.awaits = Awaits::PromptEnd;
                Doing::Collect(collecting)
            }
            next => next,
        }
    }

    /// After a restart the phrases begin again, and so do the digits.
    pub(super) fn collect_again(&mut self, now: Timestamp, collecting: Collecting) -> Doing {
        self.begin_collect(now, collecting.step)
    }

    pub(super) fn collecting(&mut self, now: Timestamp, mut collecting: Box<Collecting>, input: &Input) -> Doing {
        match (collecting.awaits, input) {
            (_, Input::Digit { .. }) => self.gather(now, collecting),
            (Awaits::PromptEnd, Input::Played { .. }) => {
                collecting.awaits = Awaits::FirstDigit { until: now.plus_ms(collecting.step.first_digit_ms) };
                Doing::Collect(collecting)
            }
            (Awaits::FirstDigit { until }, Input::Tick) if now >= until => self.step_ended(now, StepOutcome::NoInput),
            (Awaits::NextDigit { until }, Input::Tick) if now >= until => self.collected(now, *collecting),
            _ => Doing::Collect(collecting),
        }
    }

    /// Takes what was typed, as far as it belongs to this step. The rest stays typed ahead.
    fn gather(&mut self, now: Timestamp, mut collecting: Box<Collecting>) -> Doing {
        while let Some(digit) = self.typed.pop_front() {
            self.legs.hush(self.legs.caller());
            if collecting.step.terminator == Some(digit) {
                return self.collected(now, *collecting);
            }
            collecting.got.push(digit);
            if collecting.got.len() >= usize::from(collecting.step.max_digits.max(1)) {
                return self.collected(now, *collecting);
            }
            collecting.awaits = Awaits::NextDigit { until: now.plus_ms(collecting.step.next_digit_ms) };
        }
        Doing::Collect(collecting)
    }

    fn collected(&mut self, now: Timestamp, collecting: Collecting) -> Doing {
        // Not the digits: they may be a card number.
        self.trace("collected", format!("{} digits", collecting.got.len()));
        self.step_ended(now, StepOutcome::Digits(collecting.got))
    }
}
