//! The step `collect`: digits from the caller, with or without phrases before.

use super::{Call, Doing, Input};
use crate::{
    step::{Collect, StepOutcome},
    time::Timestamp,
};

/// Digits are gathered.
#[derive(Debug)]
pub(super) struct Collecting {
    got: String,
    max_digits: u8,
    first_digit_ms: u64,
    next_digit_ms: u64,
    terminator: Option<char>,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug)]
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
    pub(super) fn begin_collect(&mut self, now: Timestamp, collect: Collect) -> Doing {
        let Collect { audio, max_digits, first_digit_ms, next_digit_ms, terminator } = collect;
        let awaits = Awaits::FirstDigit { until: now.plus_ms(first_digit_ms) };
        let new =
            Collecting { got: String::new(), max_digits: max_digits.max(1), first_digit_ms, next_digit_ms, terminator, awaits };
        self.legs.open_caller();
        match self.gather(now, new) {
            Doing::Collect(mut collecting) if collecting.got.is_empty() && !audio.phrases.is_empty() => {
                self.legs.play(self.legs.caller(), audio, false);
                collecting.awaits = Awaits::PromptEnd;
                Doing::Collect(collecting)
            }
            next => next,
        }
    }

    pub(super) fn collecting(&mut self, now: Timestamp, mut collecting: Collecting, input: &Input) -> Doing {
        match (collecting.awaits, input) {
            (_, Input::Digit { .. }) => self.gather(now, collecting),
            (Awaits::PromptEnd, Input::Played { .. }) => {
                collecting.awaits = Awaits::FirstDigit { until: now.plus_ms(collecting.first_digit_ms) };
                Doing::Collect(collecting)
            }
            (Awaits::FirstDigit { until }, Input::Tick) if now >= until => self.step_ended(now, StepOutcome::NoInput),
            (Awaits::NextDigit { until }, Input::Tick) if now >= until => self.collected(now, collecting),
            _ => Doing::Collect(collecting),
        }
    }

    /// Takes what was typed, as far as it belongs to this step. The rest stays typed ahead.
    fn gather(&mut self, now: Timestamp, mut collecting: Collecting) -> Doing {
        while let Some(digit) = self.typed.pop_front() {
            self.legs.hush(self.legs.caller());
            if collecting.terminator == Some(digit) {
                return self.collected(now, collecting);
            }
            collecting.got.push(digit);
            if collecting.got.len() >= usize::from(collecting.max_digits) {
                return self.collected(now, collecting);
            }
            collecting.awaits = Awaits::NextDigit { until: now.plus_ms(collecting.next_digit_ms) };
        }
        Doing::Collect(collecting)
    }

    fn collected(&mut self, now: Timestamp, collecting: Collecting) -> Doing {
        // Not the digits: they may be a card number.
        self.trace("collected", format!("{} digits", collecting.got.len()));
        self.step_ended(now, StepOutcome::Digits(collecting.got))
    }
}
