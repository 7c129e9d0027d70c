//! Who answered: a person greets shortly and waits, a machine talks on.
//!
//! Told by the time that the greeting takes and the pauses in it, and by tones of faxes and beeps. Where that does not
//! tell them apart in the time that is given, the verdict says so: to take a person for a machine is worse.

use std::time::Duration;

use super::{Answer, Tone, spectrum::HOP_MS};

/// Nothing said for so long: silence.
const INITIAL_SILENCE_MS: u32 = 2_600;
/// A greeting has at least so much voice; what has less was a noise.
const LEAST_VOICE_MS: u32 = 120;
/// A greeting that long, from its first sound to its last, is a machine's.
const MACHINE_MS: u32 = 2_200;
/// At the end of the budget, one this long that goes on is one as well.
const MACHINE_AT_END_MS: u32 = 1_800;
/// A greeting up to this is a person's.
const HUMAN_MS: u32 = 1_700;
/// Who has said so much waits so long for an answer; after a longer greeting the wait is longer.
const HUMAN_WAITS_MS: u32 = 750;
const HUMAN_WAITS_LONGER_MS: u32 = 1_000;
/// Two pieces of speech with less between them are one.
const PAUSE_MS: u32 = 80;

/// Judges the first seconds of an answered call.
#[derive(Clone, Copy, Debug)]
pub struct AnswerDetector {
    budget_ms: u32,
    now_ms: u32,
    /// When the greeting began, and when its last sound was.
    began_ms: Option<u32>,
    last_ms: u32,
    voice_ms: u32,
    settled: bool,
}

impl AnswerDetector {
    /// The call was answered now; the verdict comes within `budget`.
    #[must_use]
    pub fn new(budget: Duration) -> Self {
        let budget_ms = u32::try_from(budget.as_millis()).unwrap_or(u32::MAX);
        Self { budget_ms, now_ms: 0, began_ms: None, last_ms: 0, voice_ms: 0, settled: false }
    }

    /// Whether the verdict was given.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// The next 10 ms: whether there was voice, which tone became certain, and which beep did (its pitch and length). Gives the verdict, once.
    pub fn hear(&mut self, is_voice: bool, tone: Option<Tone>, beep: Option<(u32, u32)>) -> Option<Answer> {
        if self.settled {
            return None;
        }
        self.now_ms += HOP_MS;
        if is_voice {
            self.began_ms.get_or_insert(self.now_ms);
            self.last_ms = self.now_ms;
            self.voice_ms += HOP_MS;
        }
        let verdict = match tone {
            Some(Tone::FaxCalling | Tone::FaxAnswering) => Some(Answer::Fax),
            _ if beep.is_some_and(is_machines) => Some(Answer::Machine),
            _ => self.by_time(),
        };
        self.settled = verdict.is_some();
        verdict
    }

    fn by_time(&mut self) -> Option<Answer> {
        let is_at_end = self.now_ms >= self.budget_ms;
        let Some(began_ms) = self.began_ms else {
            return (self.now_ms >= INITIAL_SILENCE_MS || is_at_end).then_some(Answer::Silence);
        };
        let (span_ms, pause_ms) = (self.last_ms - began_ms, self.now_ms - self.last_ms);
        if self.voice_ms < LEAST_VOICE_MS && pause_ms > HUMAN_WAITS_MS {
            // A click, a cough: the greeting has yet to come.
            (self.began_ms, self.voice_ms) = (None, 0);
            return is_at_end.then_some(Answer::Silence);
        }
        if span_ms >= MACHINE_MS {
            return Some(Answer::Machine);
        }
        let waits_ms = if span_ms <= HUMAN_MS / 2 { HUMAN_WAITS_MS } else { HUMAN_WAITS_LONGER_MS };
        if span_ms <= HUMAN_MS && pause_ms >= waits_ms {
            return Some(Answer::Human);
        }
        if !is_at_end {
            return None;
        }
        let speaks = pause_ms <= PAUSE_MS;
        Some(if speaks && span_ms >= MACHINE_AT_END_MS { Answer::Machine } else { Answer::Unsure })
    }
}

/// A fax that calls sounds like a beep, too, until its second tone.
fn is_machines((hz, duration_ms): (u32, u32)) -> bool {
    !((1_062..=1_138).contains(&hz) && (400..=620).contains(&duration_ms))
}
