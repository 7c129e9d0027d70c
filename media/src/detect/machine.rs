//! Who answered: a person greets shortly and waits, a machine talks on.
//!
//! Told by the time that the greeting takes and the pauses in it, and by tones of faxes and beeps. What is said is told from
//! what is behind it by its level: louder than most of the way from the quietest to the loudest that was heard so far, both
//! of which are known better with each moment, so all of the past is judged anew each time. Where that does not tell people
//! from machines in the time that is given, the verdict says so: to take a person for a machine is worse.

use std::time::Duration;

use super::{Answer, Tone, spectrum::HOP_MS};

/// A longer budget is cut to this.
const LONGEST_MS: u32 = 6_000;
const MOST_HOPS: usize = (LONGEST_MS / HOP_MS) as usize;
/// Levels are whole dB of a mean square, below this.
const LEVELS: usize = 96;
/// The quietest that was heard is what so many hundredths are below, the loudest what so many are above.
const QUIETEST: usize = 10;
const LOUDEST: usize = 5;
/// Speech is this part of the way from the one to the other.
const WAY: f32 = 0.6;
/// With less between them, in dB, nobody spoke.
const LEAST_CONTRAST: usize = 8;
/// A machine is told only where there is this much between them: behind a voice there may be others.
const MACHINE_CONTRAST: usize = 12;
/// A hop counts when so many of those around it do.
const AROUND: usize = 3;
const MUST_AGREE: usize = 4;

/// Nothing said for so long: silence.
const INITIAL_SILENCE_MS: u32 = 2_600;
/// A greeting has at least so much voice; what has less was a noise.
const LEAST_VOICE_MS: u32 = 90;
/// A greeting that long, from its first sound to its last, is a machine's.
const MACHINE_MS: u32 = 2_200;
/// At the end of the budget, one this long that goes on is one as well.
const MACHINE_AT_END_MS: u32 = 1_800;
/// A greeting up to this is a person's.
const HUMAN_MS: u32 = 1_700;
/// Who has said so much waits so long for an answer; after a longer greeting the wait is longer.
const HUMAN_WAITS_MS: u32 = 750;
const HUMAN_WAITS_LONGER_MS: u32 = 1_000;
/// At the end of the budget this wait is enough.
const HUMAN_WAITS_AT_END_MS: u32 = 500;
/// Two pieces of speech with less between them are one.
const PAUSE_MS: u32 = 250;

/// Judges the first seconds of an answered call.
#[derive(Clone, Debug)]
pub struct AnswerDetector {
    budget_ms: u32,
    hops: usize,
    /// The level of each hop so far; 0 where there was no voice.
    levels: [u8; MOST_HOPS],
    /// How many hops had each level, voice or not.
    counts: [u16; LEVELS],
    settled: bool,
}

/// The speech so far, in ms.
#[derive(Clone, Copy, Debug, Default)]
struct Speech {
    began: Option<u32>,
    /// Its last sound.
    last: u32,
    voice: u32,
}

impl AnswerDetector {
    /// The call was answered now; the verdict comes within `budget`, 6 s at most.
    #[must_use]
    pub fn new(budget: Duration) -> Self {
        let budget_ms = u32::try_from(budget.as_millis()).unwrap_or(u32::MAX).min(LONGEST_MS);
        Self { budget_ms, hops: 0, levels: [0; MOST_HOPS], counts: [0; LEVELS], settled: false }
    }

    /// Whether the verdict was given.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// The next 10 ms: its power as a mean square, whether there was voice, which tone became certain, and which beep did (its
    /// pitch and length). Gives the verdict, once.
    pub fn hear(&mut self, power: f32, is_voice: bool, tone: Option<Tone>, beep: Option<(u32, u32)>) -> Option<Answer> {
        if self.settled || self.hops == MOST_HOPS {
            return None;
        }
        let level = level_of(power);
        self.counts[usize::from(level)] += 1;
        self.levels[self.hops] = if is_voice { level } else { 0 };
        self.hops += 1;
        let verdict = match tone {
            Some(Tone::FaxCalling | Tone::FaxAnswering) => Some(Answer::Fax),
            _ if beep.is_some_and(is_machines) => Some(Answer::Machine),
            _ => self.by_time(),
        };
        self.settled = verdict.is_some();
        verdict
    }

    fn by_time(&self) -> Option<Answer> {
        let now = ms(self.hops);
        let is_at_end = now >= self.budget_ms;
        let quietest = self.level_above(self.hops * QUIETEST / 100);
        let contrast = self.level_above(self.hops - 1 - self.hops * LOUDEST / 100).saturating_sub(quietest);
        let speech = self.speech(quietest, contrast);
        let Some(began) = speech.began else {
            return (now >= INITIAL_SILENCE_MS || is_at_end).then_some(Answer::Silence);
        };
        let (span, pause) = (speech.last - began, now - speech.last);
        let is_clear = contrast >= MACHINE_CONTRAST;
        if span >= MACHINE_MS && is_clear {
            return Some(Answer::Machine);
        }
        let waits = if span <= HUMAN_MS / 2 { HUMAN_WAITS_MS } else { HUMAN_WAITS_LONGER_MS };
        if span <= HUMAN_MS && pause >= waits {
            return Some(Answer::Human);
        }
        if !is_at_end {
            return None;
        }
        Some(if pause <= PAUSE_MS && span >= MACHINE_AT_END_MS && is_clear {
            Answer::Machine
        } else if span <= HUMAN_MS && pause >= HUMAN_WAITS_AT_END_MS {
            Answer::Human
        } else {
            Answer::Unsure
        })
    }

    /// The level that so many hops are below.
    fn level_above(&self, hops: usize) -> usize {
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += usize::from(*count);
            below > hops
        });
        found.unwrap_or(LEVELS - 1)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two levels")]
    fn speech(&self, quietest: usize, contrast: usize) -> Speech {
        let mut speech = Speech::default();
        if contrast < LEAST_CONTRAST {
            return speech;
        }
        let least = (quietest as f32 + WAY * contrast as f32) as u8;
        let levels = &self.levels[..self.hops];
        let mut around = levels.iter().take(AROUND).filter(|level| **level >= least).count();
        for hop in 0..levels.len() {
            around += levels.get(hop + AROUND).map_or(0, |level| usize::from(*level >= least));
            around -= hop.checked_sub(AROUND + 1).map_or(0, |gone| usize::from(levels[gone] >= least));
            if around < MUST_AGREE {
                continue;
            }
            let at = ms(hop);
            if speech.voice < LEAST_VOICE_MS && at - speech.last > HUMAN_WAITS_MS {
                // A click, a cough: the greeting had yet to come.
                speech = Speech::default();
            }
            speech.began.get_or_insert(at);
            (speech.last, speech.voice) = (at, speech.voice + HOP_MS);
        }
        if speech.voice < LEAST_VOICE_MS { Speech::default() } else { speech }
    }
}

fn ms(hops: usize) -> u32 {
    u32::try_from(hops).unwrap_or(u32::MAX).saturating_mul(HOP_MS)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held to a few dozen")]
fn level_of(power: f32) -> u8 {
    (10.0 * power.max(1.0).log10()).min(LEVELS as f32 - 1.0) as u8
}

/// A fax that calls sounds like a beep, too, until its second tone.
fn is_machines((hz, duration_ms): (u32, u32)) -> bool {
    !((1_062..=1_138).contains(&hz) && (400..=620).contains(&duration_ms))
}
