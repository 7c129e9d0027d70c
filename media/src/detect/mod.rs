//! What can be told from the sound of a leg: whether somebody speaks, keys pressed in the voice band, the tones of the
//! network, whether a person or a machine answered, and the beep after which a message may be left.
//!
//! A pure core: frames of 8 kHz go in, verdicts come out. All detectors look at one [`Spectrum`](spectrum::Spectrum), made
//! every 10 ms; after construction nothing is allocated. How right each is on a corpus stands in `docs/detection.md`.
//!
//! Not here: where the frames come from (the engine's jitter buffer), and what is done with a verdict.

pub mod beep;
pub mod keys;
pub mod machine;
pub mod progress;
pub mod spectrum;
mod table;
pub mod voice;

use std::time::Duration;

use beep::BeepDetector;
use keys::KeyDetector;
use machine::AnswerDetector;
use progress::ToneDetector;
use spectrum::{HOP, Spectrum};
use voice::VoiceDetector;

/// The rate of the frames, in Hz.
pub const RATE_HZ: u32 = 8_000;
/// A machine is told from a person in so long, unless another budget is given.
pub const ANSWER_BUDGET: Duration = Duration::from_millis(3_500);

/// A tone is in the window of a spectrum, and in what voice goes on for, for so many spectra after it.
const AFTER_TONE: u32 = 9;

/// What is listened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Beginning and end of speech.
    pub voice: bool,
    /// Keys as tones in the audio (ITU-T Q.23).
    pub keys: bool,
    /// Tones of the network and of faxes.
    pub tones: bool,
    /// Who answered, to be known within this time of the first frame.
    pub answer: Option<Duration>,
    /// The beep of a machine, told once.
    pub beep: bool,
}

impl Wanted {
    /// Nothing.
    pub const NOTHING: Self = Self { voice: false, keys: false, tones: false, answer: None, beep: false };

    /// Whether there is nothing to listen for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Speech began, or ended.
    Voice {
        /// Whether somebody speaks from now on.
        speaking: bool,
    },
    /// A key was pressed and let go.
    Key {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        key: char,
        /// How long, in ms.
        duration_ms: u32,
    },
    /// A tone of the network, told when it is certain; again only after another one.
    Tone(Tone),
    /// Who answered; told once.
    Answer(Answer),
    /// A beep, and silence after it.
    Beep {
        /// Its pitch.
        hz: u32,
        /// How long, in ms.
        duration_ms: u32,
    },
}

/// A tone by which a network or a fax says something (ITU-T E.180, T.30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Ready to be dialled on.
    Dial,
    /// It rings there.
    RingBack,
    /// The called line is busy.
    Busy,
    /// The network is (congestion, reorder).
    Congestion,
    /// Special information: three tones before an announcement that there is no such number.
    SpecialInformation,
    /// A fax calls (CNG, 1,100 Hz).
    FaxCalling,
    /// A fax answers (CED, 2,100 Hz).
    FaxAnswering,
}

/// Who answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// Somebody: a short greeting, and a wait for ours.
    Human,
    /// A machine: a long greeting, or a beep.
    Machine,
    /// A fax.
    Fax,
    /// Nobody said anything.
    Silence,
    /// It could not be told in time.
    Unsure,
}

/// Listens to one leg for whatever is wanted.
#[derive(Debug)]
pub struct Listener {
    spectrum: Spectrum,
    pending: [i16; HOP],
    filled: usize,
    wanted: Wanted,
    voice: VoiceDetector,
    speaking: bool,
    keys: KeyDetector,
    tones: ToneDetector,
    /// What sounds like voice is the end of a tone for so many spectra.
    after_tone: u32,
    answer: Option<AnswerDetector>,
    beep: Option<BeepDetector>,
}

impl Listener {
    /// Has heard nothing yet.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self {
            spectrum: Spectrum::new(),
            pending: [0; HOP],
            filled: 0,
            wanted,
            voice: VoiceDetector::new(),
            speaking: false,
            keys: KeyDetector::new(),
            tones: ToneDetector::new(),
            after_tone: 0,
            answer: wanted.answer.map(AnswerDetector::new),
            beep: wanted.beep.then(BeepDetector::new),
        }
    }

    /// Listens for something else from now on. What is wanted as before is heard on without a break; an answer that is
    /// wanted again is begun anew once the last was told.
    pub fn want(&mut self, wanted: Wanted) {
        self.answer = match (self.answer.take(), wanted.answer) {
            (Some(running), Some(_)) if !running.is_settled() => Some(running),
            (_, budget) => budget.map(AnswerDetector::new),
        };
        self.beep = if wanted.beep { self.beep.take().or_else(|| Some(BeepDetector::new())) } else { None };
        self.wanted = wanted;
    }

    /// What is listened for.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// The key that is held down at this moment.
    #[must_use]
    pub const fn pressed(&self) -> Option<char> {
        self.keys.pressed()
    }

    /// Whether somebody speaks at this moment.
    #[must_use]
    pub const fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Listens to a piece of audio at 8 kHz, of any length, and tells what became certain in it.
    pub fn hear(&mut self, pcm_8k: &[i16], mut tell: impl FnMut(Verdict)) {
        let mut rest = pcm_8k;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(HOP - self.filled));
            self.pending[self.filled..self.filled + part.len()].copy_from_slice(part);
            self.filled += part.len();
            rest = later;
            if self.filled == HOP {
                self.filled = 0;
                self.spectrum.advance(&self.pending);
                self.judge(&mut tell);
            }
        }
    }

    /// The detectors take their turn at the latest 10 ms.
    fn judge(&mut self, tell: &mut impl FnMut(Verdict)) {
        let wanted = self.wanted;
        if wanted.keys
            && let Some((key, duration_ms)) = self.keys.hear(&self.spectrum)
        {
            tell(Verdict::Key { key, duration_ms });
        }
        let mut tone = None;
        if wanted.tones || wanted.answer.is_some() {
            tone = self.tones.hear(&self.spectrum);
            self.after_tone = if self.tones.is_tone() { AFTER_TONE } else { self.after_tone.saturating_sub(1) };
            if let Some(tone) = tone.filter(|_| wanted.tones) {
                tell(Verdict::Tone(tone));
            }
        }
        let beep = self.beep.as_mut().and_then(|beep| beep.hear(&self.spectrum));
        if let Some((hz, duration_ms)) = beep {
            tell(Verdict::Beep { hz, duration_ms });
        }
        if wanted.voice || self.answer.is_some() {
            let speaking = self.voice.hear(&self.spectrum);
            if speaking != self.speaking {
                self.speaking = speaking;
                if wanted.voice {
                    tell(Verdict::Voice { speaking });
                }
            }
        }
        if let Some(answer) = &mut self.answer
            && let Some(answer) = answer.hear(self.spectrum.total(), self.voice.is_voice() && self.after_tone == 0, tone, beep)
        {
            if answer == Answer::Fax {
                // Its tones are no beeps.
                self.beep = None;
            }
            tell(Verdict::Answer(answer));
        }
    }
}

#[cfg(test)]
mod tests;
