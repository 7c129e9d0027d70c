//! The beep after which a machine records: one steady tone, and silence after it.
//!
//! Its pitch and length are the maker's choice; what makes a beep is that nothing else is heard with it or after it. A vowel
//! has overtones and glides.

use super::spectrum::{HOP_MS, Spectrum, power_of_dbm0};

/// Pitches of beeps, in Hz.
const LOWEST_HZ: f32 = 380.0;
const HIGHEST_HZ: f32 = 2_060.0;
/// Quietest beep.
const MIN_DBM0: f32 = -45.0;
/// Share of the energy that lies in the tone where it begins, and where it goes on.
const MIN_SHARE: f32 = 0.72;
const MIN_SHARE_HELD: f32 = 0.5;
/// A beep stays within so many Hz of where it is on average.
const STEADY_HZ: f32 = 14.0;
/// It is over when this share of its strength is left.
const OVER: f32 = 0.15;
/// How long it is, in ms.
const LEAST_MS: u32 = 80;
const MOST_MS: u32 = 2_000;
/// A tone looks longer than it is by so much, by the length of the window.
const BLUR_MS: u32 = 10;
/// Silence after it, in spectra, of which so many may be louder.
const SILENT_FOR: u32 = 25;
const MAY_BE_LOUD: u32 = 4;
/// Silence has at most this share of the beep's strength.
const SILENT: f32 = 0.3;
/// Spectra that may miss the tone within a beep.
const MAY_MISS: u32 = 2;

/// Finds one beep.
#[derive(Clone, Copy, Debug, Default)]
pub struct BeepDetector {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Waiting,
    Sounding(Sounding),
    /// Silence must follow.
    Ended {
        hz: f32,
        duration_ms: u32,
        power: f32,
        silent: u32,
        loud: u32,
    },
    Told,
}

#[derive(Clone, Copy, Debug)]
struct Sounding {
    hz: f32,
    power: f32,
    spectra: u32,
    misses: u32,
}

impl BeepDetector {
    /// Has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Waiting }
    }

    /// Listens to the next spectrum. Gives the beep, its pitch in Hz and its length in ms, once silence has followed it.
    pub fn hear(&mut self, spectrum: &Spectrum) -> Option<(u32, u32)> {
        let is_held = matches!(self.state, State::Sounding(_));
        let tone = tone_in(spectrum, if is_held { MIN_SHARE_HELD } else { MIN_SHARE });
        match self.state {
            State::Told => {}
            State::Waiting => self.state = begin(tone),
            State::Sounding(sounding) => self.state = sounding.go_on(tone, spectrum.total()),
            State::Ended { hz, duration_ms, power, silent, loud } => {
                let is_loud = spectrum.total() > power * SILENT;
                let (silent, loud) = (silent + 1, loud + u32::from(is_loud));
                self.state = State::Ended { hz, duration_ms, power, silent, loud };
                if loud > MAY_BE_LOUD {
                    self.state = begin(tone);
                } else if silent >= SILENT_FOR {
                    self.state = State::Told;
                    return Some((whole(hz), duration_ms));
                }
            }
        }
        None
    }
}

fn begin(tone: Option<(f32, f32)>) -> State {
    match tone {
        Some((hz, power)) => State::Sounding(Sounding { hz, power, spectra: 1, misses: 0 }),
        None => State::Waiting,
    }
}

impl Sounding {
    fn go_on(self, tone: Option<(f32, f32)>, total: f32) -> State {
        let mut next = Self { spectra: self.spectra.saturating_add(1), ..self };
        let is_over = total < self.power * OVER;
        match tone.filter(|(hz, power)| (hz - self.hz).abs() <= STEADY_HZ && *power >= self.power * OVER) {
            Some((hz, power)) => {
                next.hz += (hz - self.hz) / if next.spectra < 8 { next.spectra as f32 } else { 8.0 };
                (next.power, next.misses) = (self.power.max(power), 0);
                State::Sounding(next)
            }
            None if self.misses < MAY_MISS && !is_over => {
                next.misses += 1;
                State::Sounding(next)
            }
            None => {
                let duration_ms = (self.spectra - self.misses).saturating_mul(HOP_MS).saturating_sub(BLUR_MS);
                if (LEAST_MS - 10..=MOST_MS + 40).contains(&duration_ms) {
                    State::Ended { hz: self.hz, duration_ms, power: self.power, silent: 0, loud: 0 }
                } else {
                    begin(tone)
                }
            }
        }
    }
}

/// The tone that is nearly all of a spectrum: its frequency and its power.
fn tone_in(spectrum: &Spectrum, least_share: f32) -> Option<(f32, f32)> {
    let peak = spectrum.peak(200.0, 3_400.0);
    let is_pitch = (LOWEST_HZ..=HIGHEST_HZ).contains(&peak.hz);
    (is_pitch && peak.power >= power_of_dbm0(MIN_DBM0) && peak.power >= least_share * spectrum.total())
        .then_some((peak.hz, peak.power))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand hertz")]
fn whole(hz: f32) -> u32 {
    hz.round() as u32
}
