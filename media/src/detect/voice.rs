//! Whether somebody speaks, every 10 ms: how far the sound of eight bands is above the noise of each.
//!
//! The noise of a band is the least that it held in the last three seconds, so it is learned while somebody speaks,
//! too: no voice fills all bands all the time. What has decided once goes on for a while, so that no pause between two
//! sounds of a word, and no soft end of it, is taken for silence.

use super::spectrum::{Spectrum, power_of_dbm0};

/// The bands, in Hz.
const BANDS: [(f32, f32); 8] = [
    (200.0, 400.0),
    (400.0, 600.0),
    (600.0, 850.0),
    (850.0, 1_150.0),
    (1_150.0, 1_500.0),
    (1_500.0, 2_000.0),
    (2_000.0, 2_600.0),
    (2_600.0, 3_500.0),
];
/// Nothing below this is speech, whatever the noise.
const MIN_DBM0: f32 = -56.0;
/// No band is thought to be more silent than this.
const LEAST_NOISE_DBM0: f32 = -66.0;
/// The least of a noise is so much below its mean.
const BIAS: f32 = 1.6;
/// What a band is above the noise counts from here, so that a few loud bands tell more than all of them a little above, in dB.
const COUNTS_DB: f32 = 4.0;
/// How much that is on average where speech begins, and where it goes on, in dB.
const BEGINS_DB: f32 = 1.6;
const GOES_ON_DB: f32 = 0.8;
/// All bands together are this part of the way from the noise to the loudest of late, but no more than so many dB: noise that
/// is itself made of voices comes and goes.
const WAY: f32 = 0.6;
const MOST_WAY_DB: f32 = 10.0;
/// The loudest is forgotten by so many dB in each spectrum.
const FORGETS_DB: f32 = 0.02;
/// A band further above the noise counts no more than this, in dB.
const MOST_DB: f32 = 18.0;
/// The least is looked for in so many pieces of so many spectra.
const PIECES: usize = 6;
const PIECE: u32 = 50;
/// Speech goes on for so many spectra after the last that was, and begins with so many.
const HANGOVER: u32 = 18;
const TO_BEGIN: u32 = 2;
/// `is_voice` is stricter: only so many.
const SHORT_HANGOVER: u32 = 4;
/// Nothing is learned of so many spectra at the beginning.
const FIRST: u32 = 4;

/// The noise of a band.
#[derive(Clone, Copy, Debug)]
struct Floor {
    smooth: f32,
    /// The least of each piece of the past, and of the one under way.
    least: [f32; PIECES],
}

/// Tells speech from silence and noise.
#[derive(Clone, Debug)]
pub struct VoiceDetector {
    floors: [Floor; BANDS.len()],
    in_piece: u32,
    piece: usize,
    score: f32,
    /// The noise of all bands.
    noise: f32,
    streak: u32,
    silent_for: u32,
    /// Spectra until the noise is learned: the first ones hold the beginning of everything.
    to_come: u32,
    /// The loudest of late, in dB of a mean square.
    loudest_db: f32,
}

impl VoiceDetector {
    /// Has heard nothing.
    #[must_use]
    pub fn new() -> Self {
        let floor = Floor { smooth: 0.0, least: [f32::MAX; PIECES] };
        Self {
            floors: [floor; BANDS.len()],
            in_piece: 0,
            piece: 0,
            score: 0.0,
            noise: 0.0,
            streak: 0,
            silent_for: u32::MAX,
            to_come: FIRST,
            loudest_db: 0.0,
        }
    }

    /// Whether somebody speaks at the next spectrum.
    pub fn hear(&mut self, spectrum: &Spectrum) -> bool {
        let score = self.measure(spectrum);
        // A single spectrum of noise is easily above the others.
        self.score = 0.5 * self.score + 0.5 * score;
        let level_db = 10.0 * spectrum.total().max(1.0).log10();
        self.loudest_db = level_db.max(self.loudest_db - FORGETS_DB);
        let noise_db = 10.0 * self.noise.max(1.0).log10();
        let is_loud = spectrum.total() >= power_of_dbm0(MIN_DBM0)
            && level_db >= noise_db + (WAY * (self.loudest_db - noise_db)).min(MOST_WAY_DB);
        let least = if self.silent_for < HANGOVER { GOES_ON_DB } else { BEGINS_DB };
        self.streak = if is_loud && self.score >= least { self.streak.saturating_add(1) } else { 0 };
        if self.streak >= TO_BEGIN || (self.streak > 0 && self.silent_for < HANGOVER) {
            self.silent_for = 0;
        } else {
            self.silent_for = self.silent_for.saturating_add(1);
        }
        self.silent_for <= HANGOVER
    }

    /// Whether there is voice just now, without the time that it is thought to go on for.
    #[must_use]
    pub const fn is_voice(&self) -> bool {
        self.silent_for <= SHORT_HANGOVER
    }

    /// How far the bands are above their noise on average, in dB; learns the noise.
    fn measure(&mut self, spectrum: &Spectrum) -> f32 {
        let least_noise = power_of_dbm0(LEAST_NOISE_DBM0) / BANDS.len() as f32;
        let (mut sum, mut all_noise) = (0.0, 0.0);
        for (floor, (low, high)) in self.floors.iter_mut().zip(BANDS) {
            let power = spectrum.between(low, high);
            if self.to_come > 0 {
                floor.smooth = power;
            } else {
                floor.smooth = 0.8 * floor.smooth + 0.2 * power;
                let least = &mut floor.least[self.piece];
                *least = least.min(floor.smooth);
            }
            let noise = floor.least.iter().copied().fold(f32::MAX, f32::min) * BIAS;
            all_noise += noise;
            let above = 10.0 * (power / noise.max(least_noise)).max(1e-3).log10();
            sum += (above - COUNTS_DB).clamp(0.0, MOST_DB);
        }
        self.to_come = self.to_come.saturating_sub(1);
        self.in_piece += 1;
        if self.in_piece == PIECE {
            self.in_piece = 0;
            self.piece = (self.piece + 1) % PIECES;
            for floor in &mut self.floors {
                floor.least[self.piece] = floor.smooth;
            }
        }
        self.noise = all_noise;
        sum / BANDS.len() as f32
    }
}

impl Default for VoiceDetector {
    fn default() -> Self {
        Self::new()
    }
}
