//! Keys heard as tones in the voice itself (DTMF, ITU-T Q.23 and Q.24), each told once, when it is let go.
//!
//! For legs that negotiated no telephone-event (RFC 4733). Speech must not sound like a key: one low and one high tone hold
//! nearly all of the energy, close to a key's frequencies, of similar strength, and steady for three spectra in a row.

use super::spectrum::{HOP_MS, Peak, Spectrum, power_of_dbm0};

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Quietest of the two tones.
const MIN_DBM0: f32 = -46.0;
/// A frequency is off by no more than so much. Q.24: 1.5 % is taken, 3.5 % is not.
const MAX_OFF: f32 = 0.025;
/// The high tone is stronger than the low one by up to 4 dB, or weaker by up to 8 (Q.24, AT&T), and 1.5 dB for what noise
/// does to the measure. As ratios of power.
const MAX_TWIST: f32 = 3.55;
const MIN_TWIST: f32 = 0.112;
/// Share of the energy that lies in the two tones, of a spectrum where a key begins.
const MIN_SHARE: f32 = 0.82;
/// The same of one in which it goes on.
const MIN_SHARE_HELD: f32 = 0.6;
/// Spectra in a row that must agree, and be of one strength within this ratio: a tone of 40 ms gives three of nearly its full
/// strength, one of 20 ms does not.
const TO_PRESS: u32 = 3;
const STEADY: f32 = 0.4;
/// Spectra without it, or with so much less of it, until it counts as let go.
const TO_RELEASE: u32 = 2;
const RELEASED: f32 = 0.1;
/// A tone looks longer than it is by so much, by the length of the window.
const BLUR_MS: u32 = 5;

/// Finds keys and tells each once.
#[derive(Clone, Debug, Default)]
pub struct KeyDetector {
    candidate: Option<char>,
    streak: u32,
    /// The weakest and the strongest of these.
    streak_power: (f32, f32),
    pressed: Option<char>,
    /// The strongest so far, and the spectra since it began.
    power: f32,
    held: u32,
    misses: u32,
}

impl KeyDetector {
    /// Has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { candidate: None, streak: 0, streak_power: (0.0, 0.0), pressed: None, power: 0.0, held: 0, misses: 0 }
    }

    /// The key that is held down at this moment: its sound can be kept from the other side.
    #[must_use]
    pub const fn pressed(&self) -> Option<char> {
        self.pressed
    }

    /// Listens to the next spectrum. Gives the key that was let go, and how long it was held, in ms.
    pub fn hear(&mut self, spectrum: &Spectrum) -> Option<(char, u32)> {
        let found = key_in(spectrum, if self.pressed.is_some() { MIN_SHARE_HELD } else { MIN_SHARE });
        let certain = self.follow(found);
        let Some(pressed) = self.pressed else {
            self.press(certain, found);
            return None;
        };
        self.held += 1;
        let power = found.filter(|(key, power)| *key == pressed && *power >= self.power * RELEASED);
        if let Some((_, power)) = power {
            (self.power, self.misses) = (self.power.max(power), 0);
            return None;
        }
        self.misses += 1;
        let next = certain.filter(|key| *key != pressed);
        if self.misses < TO_RELEASE && next.is_none() {
            return None;
        }
        let duration_ms = ((self.held - self.misses) * HOP_MS).saturating_sub(BLUR_MS);
        self.pressed = None;
        self.press(next, found);
        if next.is_none() {
            // What is left of the tone in the window is not the next key.
            self.streak = 0;
        }
        Some((pressed, duration_ms))
    }

    /// Counts the spectra that agree; gives their key when there are enough.
    fn follow(&mut self, found: Option<(char, f32)>) -> Option<char> {
        let (key, power) = (found.map(|(key, _)| key), found.map_or(0.0, |(_, power)| power));
        let (weakest, strongest) = (self.streak_power.0.min(power), self.streak_power.1.max(power));
        if key == self.candidate && weakest >= strongest * STEADY {
            (self.streak, self.streak_power) = (self.streak.saturating_add(1), (weakest, strongest));
        } else {
            (self.streak, self.streak_power) = (1, (power, power));
        }
        self.candidate = key;
        key.filter(|_| self.streak >= TO_PRESS)
    }

    fn press(&mut self, key: Option<char>, found: Option<(char, f32)>) {
        if let (Some(key), Some((_, power))) = (key, found) {
            (self.pressed, self.power, self.held, self.misses) = (Some(key), power, self.streak, 0);
        }
    }
}

/// The key of a spectrum, and its strength: the heights of its tones, which fall faster than their power where a window holds
/// only part of them.
fn key_in(spectrum: &Spectrum, least_share: f32) -> Option<(char, f32)> {
    let low = spectrum.peak(650.0, 1_000.0);
    let high = spectrum.peak(1_140.0, 1_710.0);
    let power = low.power + high.power;
    if low.power.min(high.power) < power_of_dbm0(MIN_DBM0) || power < least_share * spectrum.total() {
        return None;
    }
    if high.power > low.power * MAX_TWIST || high.power < low.power * MIN_TWIST {
        return None;
    }
    Some((KEYS[nearest(low, &LOW_HZ)?][nearest(high, &HIGH_HZ)?], low.height + high.height))
}

fn nearest(peak: Peak, nominal: &[f32; 4]) -> Option<usize> {
    nominal.iter().position(|hz| (peak.hz - hz).abs() <= hz * MAX_OFF)
}

#[cfg(test)]
mod tests;
