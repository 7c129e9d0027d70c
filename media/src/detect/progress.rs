//! Which tone of the network is heard: what a spectrum is made of, and the cadence that it makes over time, looked up in
//! the [table](super::table) of countries.

use super::{
    Tone,
    spectrum::{HOP_MS, Peak, Spectrum, power_of_dbm0},
    table::{Beat, MOST_BEATS, Sound, TABLE},
};

/// Quietest tone heard.
const MIN_DBM0: f32 = -48.0;
/// Share of the energy that lies in the tone or the pair where it begins, and where it goes on.
const MIN_SHARE: f32 = 0.62;
const MIN_SHARE_HELD: f32 = 0.45;
/// Of a pair, the weaker is at least so strong beside the other.
const MIN_WEAKER: f32 = 0.1;
/// A tone is over when this share of it is left, and something else is there when more is.
const OVER: f32 = 0.18;
const ELSE: f32 = 0.8;
/// A change counts when it stays for so many spectra.
const TO_CHANGE: u32 = 3;
/// After so long without a tone, the same one is told again.
const FORGOTTEN_MS: u32 = 8_000;

/// What a spectrum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Sound(Sound),
    Silence,
    /// Speech, music, another tone.
    Else,
}

/// Finds the tones of the table.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    now: Heard,
    now_ms: u32,
    /// What would come next, and for how long it did.
    next: Heard,
    next_ms: u32,
    /// The beats before, the latest last.
    before: [(Heard, u32); MOST_BEATS],
    /// The power of the tone under way, or of the last.
    power: f32,
    told: Option<Tone>,
    since_tone_ms: u32,
}

impl ToneDetector {
    /// Has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            now: Heard::Else,
            now_ms: 0,
            next: Heard::Else,
            next_ms: 0,
            before: [(Heard::Else, 0); MOST_BEATS],
            power: 0.0,
            told: None,
            since_tone_ms: 0,
        }
    }

    /// Whether a sound of the table is heard now.
    #[must_use]
    pub fn is_tone(&self) -> bool {
        matches!(self.now, Heard::Sound(_)) || matches!(self.next, Heard::Sound(_))
    }

    /// Listens to the next spectrum. Gives a tone when it became certain.
    pub fn hear(&mut self, spectrum: &Spectrum) -> Option<Tone> {
        let heard = self.classify(spectrum);
        self.follow(heard);
        let tone = self.look_up();
        self.since_tone_ms = if tone.is_some() { 0 } else { self.since_tone_ms.saturating_add(HOP_MS) };
        if self.since_tone_ms > FORGOTTEN_MS {
            self.told = None;
        }
        if tone.is_some() && tone != self.told {
            self.told = tone;
            return tone;
        }
        None
    }

    fn classify(&mut self, spectrum: &Spectrum) -> Heard {
        let is_held = matches!(self.now, Heard::Sound(_)) || matches!(self.next, Heard::Sound(_));
        let sound = sound_in(spectrum, if is_held { MIN_SHARE_HELD } else { MIN_SHARE });
        if let Some((sound, power)) = sound {
            let goes_on = self.now == Heard::Sound(sound);
            if !goes_on || power >= self.power * OVER {
                self.power = if goes_on { self.power.max(power) } else { power };
                return Heard::Sound(sound);
            }
            return Heard::Silence;
        }
        if spectrum.total() <= (self.power * ELSE).max(power_of_dbm0(MIN_DBM0)) { Heard::Silence } else { Heard::Else }
    }

    /// Begins a new beat when what is heard stays another.
    fn follow(&mut self, heard: Heard) {
        if heard == self.now {
            self.now_ms = self.now_ms.saturating_add(HOP_MS + self.next_ms);
            (self.next, self.next_ms) = (heard, 0);
            return;
        }
        if heard != self.next {
            // Neither what was nor what would have come: that was nothing, and belongs to what was.
            self.now_ms = self.now_ms.saturating_add(self.next_ms);
            (self.next, self.next_ms) = (heard, 0);
        }
        self.next_ms += HOP_MS;
        if self.next_ms >= TO_CHANGE * HOP_MS {
            self.before.rotate_left(1);
            self.before[MOST_BEATS - 1] = (self.now, self.now_ms);
            (self.now, self.now_ms, self.next_ms) = (heard, self.next_ms, 0);
        }
    }

    fn look_up(&self) -> Option<Tone> {
        TABLE.iter().find(|cadence| self.fits(cadence.beats)).map(|cadence| cadence.tone)
    }

    fn fits(&self, beats: &[Beat]) -> bool {
        let Some((last, past)) = beats.split_last() else { return false };
        let is = |beat: &Beat, heard: Heard| beat.0.map_or(Heard::Silence, Heard::Sound) == heard;
        is(last, self.now)
            && self.now_ms >= last.1
            && self.now_ms <= last.2
            && self.before[MOST_BEATS - past.len()..]
                .iter()
                .zip(past)
                .all(|((heard, ms), beat)| is(beat, *heard) && (beat.1..=beat.2).contains(ms))
    }
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// The sound of the table that a spectrum is, and its power.
fn sound_in(spectrum: &Spectrum, least_share: f32) -> Option<(Sound, f32)> {
    let total = spectrum.total();
    if total < power_of_dbm0(MIN_DBM0) {
        return None;
    }
    let first = spectrum.peak(320.0, 2_300.0);
    let second = spectrum.peak_beside(first, 320.0, 700.0);
    if second.height < MIN_WEAKER * first.height {
        return single(first).filter(|_| first.power >= least_share * total).map(|sound| (sound, first.power));
    }
    let power = spectrum.between(300.0, 690.0);
    let (low, high) = if first.hz < second.hz { (first, second) } else { (second, first) };
    let near = |peak: Peak, hz: f32| (peak.hz - hz).abs() <= 18.0;
    let is_pair = power >= least_share * total;
    if is_pair && near(low, 350.0) && near(high, 440.0) {
        Some((Sound::DialPair, power))
    } else if is_pair && near(low, 480.0) && near(high, 620.0) {
        Some((Sound::BusyPair, power))
    } else {
        // What is beside it may be noise.
        single(first).filter(|_| first.power >= least_share * total).map(|sound| (sound, first.power))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a few thousand hertz")]
fn single(peak: Peak) -> Option<Sound> {
    Some(match peak.hz as i32 {
        385..=495 => Sound::Low,
        900..=1_005 => Sound::FirstOfThree,
        1_065..=1_135 => Sound::FaxCalling,
        1_345..=1_455 => Sound::SecondOfThree,
        1_745..=1_850 => Sound::ThirdOfThree,
        2_080..=2_120 => Sound::FaxAnswering,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
