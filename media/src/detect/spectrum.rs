//! The power spectrum of the last 32 ms, made anew every 10 ms: what all detectors look at.
//!
//! A Hann window keeps a strong tone from hiding a weak one, and lets the frequency of a tone be read between two bins to
//! about a hertz. Powers are mean squares of samples, so those of all bins add up to the loudness of the window.

use std::{f32::consts::TAU, sync::LazyLock};

/// Samples between two spectra: 10 ms.
pub const HOP: usize = 80;
/// Milliseconds between two spectra.
pub const HOP_MS: u32 = 10;
/// Samples of a spectrum.
const WINDOW: usize = 256;
/// Bins from 0 Hz to below half the rate.
const BINS: usize = WINDOW / 2;
/// The width of a bin, in Hz.
const BIN_HZ: f32 = 8_000.0 / WINDOW as f32;
/// What a telephone carries: 190 to 3,600 Hz. What is below is hum.
const BAND: std::ops::Range<usize> = 6..116;
/// The mean square of a tone of 0 dBm0 (ITU-T G.711: the loudest tone is 3.17 dBm0).
const ZERO_DBM0: f32 = 2.487e8;

/// A tone in a spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peak {
    /// Its frequency.
    pub hz: f32,
    /// Its power, as a mean square.
    pub power: f32,
    /// The power of its strongest bin alone, which no neighbour adds to.
    pub height: f32,
}

/// The sound of the last 32 ms.
#[derive(Debug)]
pub struct Spectrum {
    samples: [f32; WINDOW],
    power: [f32; BINS],
    total: f32,
}

/// What is the same for all spectra.
struct Tables {
    window: [f32; WINDOW],
    /// `exp(-iτk/256)`: every second one serves the transform of half the length.
    turns: [(f32, f32); BINS],
    /// From the square of a bin to a mean square.
    scale: f32,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let angle = |k: usize| TAU * k as f32 / WINDOW as f32;
    let window = std::array::from_fn(|n| 0.5 - 0.5 * angle(n).cos());
    let energy: f32 = window.iter().map(|w: &f32| w * w).sum();
    let turns = std::array::from_fn(|k| (angle(k).cos(), -angle(k).sin()));
    Tables { window, turns, scale: 2.0 / (WINDOW as f32 * energy) }
});

/// The mean square of a tone of so many dBm0.
#[must_use]
pub fn power_of_dbm0(dbm0: f32) -> f32 {
    ZERO_DBM0 * 10f32.powf(dbm0 / 10.0)
}

impl Spectrum {
    /// Of silence.
    #[must_use]
    pub const fn new() -> Self {
        Self { samples: [0.0; WINDOW], power: [0.0; BINS], total: 0.0 }
    }

    /// Goes on by the next 10 ms.
    pub fn advance(&mut self, hop: &[i16; HOP]) {
        self.samples.copy_within(HOP.., 0);
        for (to, &sample) in self.samples[WINDOW - HOP..].iter_mut().zip(hop) {
            *to = f32::from(sample);
        }
        self.transform();
        self.total = self.power[BAND].iter().sum();
    }

    /// The power of the telephone band.
    #[must_use]
    pub const fn total(&self) -> f32 {
        self.total
    }

    /// The power between two frequencies.
    #[must_use]
    pub fn between(&self, low_hz: f32, high_hz: f32) -> f32 {
        self.power[bin_of(low_hz)..bin_of(high_hz)].iter().sum()
    }

    /// The strongest tone between two frequencies.
    #[must_use]
    pub fn peak(&self, low_hz: f32, high_hz: f32) -> Peak {
        let range = bin_of(low_hz).max(2)..(bin_of(high_hz) + 1).min(BINS - 2);
        let strongest = range.max_by(|a, b| self.power[*a].total_cmp(&self.power[*b])).unwrap_or(2);
        self.peak_at(strongest)
    }

    /// The strongest tone between two frequencies that is not part of another one.
    #[must_use]
    pub fn peak_beside(&self, other: Peak, low_hz: f32, high_hz: f32) -> Peak {
        let range = bin_of(low_hz).max(2)..(bin_of(high_hz) + 1).min(BINS - 2);
        let is_apart = |bin: &usize| (*bin as f32 * BIN_HZ - other.hz).abs() > 1.7 * BIN_HZ;
        let strongest = range.filter(is_apart).max_by(|a, b| self.power[*a].total_cmp(&self.power[*b])).unwrap_or(2);
        self.peak_at(strongest)
    }

    fn peak_at(&self, bin: usize) -> Peak {
        let [before, at, after] = [self.power[bin - 1], self.power[bin], self.power[bin + 1]];
        // Between two bins of a Hann window the ratio of their amplitudes says where the tone is.
        let (beside, side) = if after > before { (after, 1.0) } else { (before, -1.0) };
        let ratio = if at > 0.0 { (beside / at).sqrt() } else { 0.5 };
        let offset = ((2.0 * ratio - 1.0) / (ratio + 1.0)).clamp(-0.5, 0.5) * side;
        Peak { hz: (bin as f32 + offset) * BIN_HZ, power: self.power[bin - 2..=bin + 2].iter().sum(), height: at }
    }

    /// A real transform of 256 samples by a complex one of 128: even samples are the real parts, odd ones the imaginary.
    fn transform(&mut self) {
        let tables = &*TABLES;
        let mut work = [(0.0f32, 0.0f32); BINS];
        for (n, to) in work.iter_mut().enumerate() {
            let at = |n: usize| self.samples[n] * tables.window[n];
            *to = (at(2 * n), at(2 * n + 1));
        }
        complex_transform(&mut work, &tables.turns);
        self.power[0] = 0.0;
        for k in 1..BINS {
            let ((ar, ai), (br, bi)) = (work[k], work[BINS - k]);
            let even = ((ar + br) / 2.0, (ai - bi) / 2.0);
            let odd = ((ai + bi) / 2.0, (br - ar) / 2.0);
            let (c, s) = tables.turns[k];
            let re = even.0 + odd.0 * c - odd.1 * s;
            let im = even.1 + odd.0 * s + odd.1 * c;
            self.power[k] = (re * re + im * im) * tables.scale;
        }
    }
}

impl Default for Spectrum {
    fn default() -> Self {
        Self::new()
    }
}

/// In place, radix 2, decimation in time.
fn complex_transform(work: &mut [(f32, f32); BINS], turns: &[(f32, f32); BINS]) {
    let bits = BINS.trailing_zeros();
    for n in 0..BINS {
        let reversed = n.reverse_bits() >> (usize::BITS - bits);
        if reversed > n {
            work.swap(n, reversed);
        }
    }
    let mut half = 1;
    while half < BINS {
        let step = WINDOW / (2 * half);
        for block in work.chunks_exact_mut(2 * half) {
            let (first, second) = block.split_at_mut(half);
            for (k, (a, b)) in first.iter_mut().zip(second).enumerate() {
                let (c, s) = turns[k * step];
                let turned = (b.0 * c - b.1 * s, b.0 * s + b.1 * c);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
        half *= 2;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates, and is bounded")]
fn bin_of(hz: f32) -> usize {
    ((hz / BIN_HZ).round() as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::tests::tones;

    #[test]
    fn frequency_and_level_of_a_tone_are_read_between_bins() {
        for hz in [425.0, 440.0, 697.0, 1_000.0, 1_633.0, 2_100.0, 2_111.0] {
            let mut spectrum = Spectrum::new();
            for hop in tones(&[(hz, -20.0)], 60).chunks_exact(HOP) {
                spectrum.advance(hop.try_into().unwrap());
            }
            let peak = spectrum.peak(300.0, 3_000.0);
            assert!((peak.hz - hz).abs() < 1.5, "{hz}: {peak:?}");
            assert!((10.0 * (peak.power / power_of_dbm0(-20.0)).log10()).abs() < 0.3, "{hz}: {peak:?}");
            assert!(peak.power / spectrum.total() > 0.98);
        }
    }

    #[test]
    fn two_tones_are_told_apart() {
        let mut spectrum = Spectrum::new();
        for hop in tones(&[(350.0, -13.0), (440.0, -13.0)], 60).chunks_exact(HOP) {
            spectrum.advance(hop.try_into().unwrap());
        }
        let first = spectrum.peak(300.0, 700.0);
        let second = spectrum.peak_beside(first, 300.0, 700.0);
        let mut both = [first.hz, second.hz];
        both.sort_by(f32::total_cmp);
        assert!((both[0] - 350.0).abs() < 12.0 && (both[1] - 440.0).abs() < 12.0, "{both:?}");
    }
}
