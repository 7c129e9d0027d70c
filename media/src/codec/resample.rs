//! Sample rate conversion: streaming between 8 and 16 kHz for live legs, and between any two rates, slower
//! and finer, for files.
//!
//! Both streaming directions share one 64-tap low-pass filter in two phases of 32 taps: 2 ms of delay,
//! flat to 3.2 kHz, more than 50 dB down from 4.4 kHz. What lies between folds to 3.6 kHz and above.

use std::f64::consts::PI;
use std::sync::LazyLock;

use super::{round_to_sample, saturate};

const TAPS: usize = 64;
const PHASE_TAPS: usize = TAPS / 2;
/// Samples at the higher rate worked on at a time; bounds the buffers.
const CHUNK: usize = 640;
/// Fraction bits of a tap. With 14, no input can overflow the 32-bit sum.
const TAP_BITS: u32 = 14;

/// The low-pass at 16 kHz with unity gain, its cut-off (half amplitude) at 3.8 kHz. Symmetric.
static LOW_PASS: LazyLock<[i16; TAPS]> = LazyLock::new(|| low_pass(1.0));
/// The same with gain two, split in phases: it replaces the zeros between the samples of 8 kHz.
static PHASES: LazyLock<[[i16; PHASE_TAPS]; 2]> = LazyLock::new(|| {
    let taps = low_pass(2.0);
    // The dot product runs over samples from old to new, so taps run backwards.
    let phase = |offset: usize| std::array::from_fn(|index| taps[TAPS - 2 - 2 * index + offset]);
    [phase(0), phase(1)]
});

fn low_pass(gain: f64) -> [i16; TAPS] {
    let cutoff = 3800.0 / 16_000.0;
    let middle = (TAPS - 1) as f64 / 2.0;
    let ideal = |index: usize| {
        let offset = index as f64 - middle;
        2.0 * cutoff * sinc(2.0 * cutoff * offset) * kaiser(offset / (middle + 0.5), 5.6)
    };
    let sum: f64 = (0..TAPS).map(ideal).sum();
    let unity = f64::from(1 << TAP_BITS);
    std::array::from_fn(|index| round_to_sample(ideal(index) / sum * gain * unity))
}

/// Halves the rate from 16 to 8 kHz.
#[derive(Debug)]
pub struct Downsampler {
    taps: &'static [i16; TAPS],
    window: [i16; TAPS + CHUNK],
    filled: usize,
}

impl Downsampler {
    /// A converter that has heard silence so far.
    pub fn new() -> Self {
        Self { taps: &LOW_PASS, window: [0; TAPS + CHUNK], filled: TAPS - 2 }
    }

    /// Convert `pcm_16k` and give the number of samples written to `pcm_8k`, half as many. An odd sample
    /// waits for the next call. What does not fit in `pcm_8k` is lost.
    pub fn process(&mut self, pcm_16k: &[i16], pcm_8k: &mut [i16]) -> usize {
        let mut out = pcm_8k.iter_mut();
        let room = out.len();
        for part in pcm_16k.chunks(CHUNK) {
            self.window[self.filled..self.filled + part.len()].copy_from_slice(part);
            self.filled += part.len();
            let mut used = 0;
            while let Some(window) = self.window[used..self.filled].first_chunk::<TAPS>() {
                if let Some(sample) = out.next() {
                    *sample = dot(window, self.taps);
                }
                used += 2;
            }
            self.window.copy_within(used..self.filled, 0);
            self.filled -= used;
        }
        room - out.len()
    }
}

impl Default for Downsampler {
    fn default() -> Self {
        Self::new()
    }
}

/// Doubles the rate from 8 to 16 kHz.
#[derive(Debug)]
pub struct Upsampler {
    phases: &'static [[i16; PHASE_TAPS]; 2],
    window: [i16; PHASE_TAPS - 1 + CHUNK / 2],
}

impl Upsampler {
    /// A converter that has heard silence so far.
    pub fn new() -> Self {
        Self { phases: &PHASES, window: [0; PHASE_TAPS - 1 + CHUNK / 2] }
    }

    /// Convert `pcm_8k` and give the number of samples written to `pcm_16k`, twice as many. What does not
    /// fit in `pcm_16k` is lost.
    pub fn process(&mut self, pcm_8k: &[i16], pcm_16k: &mut [i16]) -> usize {
        let mut out = pcm_16k.as_chunks_mut::<2>().0.iter_mut();
        let room = out.len();
        for part in pcm_8k.chunks(CHUNK / 2) {
            self.window[PHASE_TAPS - 1..][..part.len()].copy_from_slice(part);
            for (window, pair) in self.window.array_windows::<PHASE_TAPS>().take(part.len()).zip(out.by_ref()) {
                *pair = [dot(window, &self.phases[0]), dot(window, &self.phases[1])];
            }
            self.window.copy_within(part.len()..part.len() + PHASE_TAPS - 1, 0);
        }
        2 * (room - out.len())
    }
}

impl Default for Upsampler {
    fn default() -> Self {
        Self::new()
    }
}

/// Filter output, rounded. Written so that the compiler makes it a handful of vector instructions.
#[inline]
fn dot<const N: usize>(window: &[i16; N], taps: &[i16; N]) -> i16 {
    let sum: i32 = window.iter().zip(taps).map(|(&sample, &tap)| i32::from(sample) * i32::from(tap)).sum();
    saturate((sum + (1 << (TAP_BITS - 1))) >> TAP_BITS)
}

/// Zero crossings of the file resampler's kernel on each side.
const CROSSINGS: usize = 32;
/// Kernel values stored per zero crossing; between them it is interpolated.
const STEPS: usize = 512;

/// Sets of taps computed once; usual rates need up to 640.
const MAX_PHASES_KEPT: u64 = 1000;

/// Convert a whole recording from one rate to another by a windowed sinc of 64 zero crossings, more than
/// 80 dB clean. Samples are in the range of 16 bits, with fractions; rates in Hz. A rate of zero gives nothing.
pub fn resample_offline(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<i16> {
    if samples.is_empty() || from_hz == 0 || to_hz == 0 {
        return Vec::new();
    }
    if from_hz == to_hz {
        return samples.iter().map(|&x| round_to_sample(f64::from(x))).collect();
    }
    // Positions between two input samples recur with this period of output samples.
    let common = greatest_common_divisor(from_hz, to_hz);
    let (step, phases) = (u64::from(from_hz / common), u64::from(to_hz / common));
    let filter = SincFilter::new(f64::min(1.0, f64::from(to_hz) / f64::from(from_hz)));
    let taps_of = |phase: u64| filter.taps(phase as f64 / phases as f64);
    let kept: Vec<Vec<f32>> = if phases <= MAX_PHASES_KEPT { (0..phases).map(taps_of).collect() } else { Vec::new() };
    let len = (samples.len() as u64 * phases).div_ceil(step);
    (0..len)
        .map(|index| {
            let (whole, phase) = (index * step / phases, index * step % phases);
            let center = usize::try_from(whole).unwrap_or(usize::MAX);
            match usize::try_from(phase).ok().and_then(|phase| kept.get(phase)) {
                Some(taps) => filter.apply(taps, samples, center),
                None => filter.apply(&taps_of(phase), samples, center),
            }
        })
        .collect()
}

/// A windowed sinc low-pass.
struct SincFilter {
    /// One side of the kernel, [`STEPS`] values per zero crossing, and one beyond the end.
    kernel: Vec<f64>,
    /// Cut-off as a part of the input's Nyquist frequency.
    cutoff: f64,
    /// Taps on each side.
    half: usize,
}

impl SincFilter {
    /// For output at `ratio` of the input's rate, at most 1. Cuts a little below, for the kernel's slope.
    fn new(ratio: f64) -> Self {
        let cutoff = 0.93 * ratio;
        Self { kernel: sinc_table(), cutoff, half: whole_part((CROSSINGS as f64 / cutoff).ceil()) }
    }

    /// The taps for an output sample `fraction` after an input sample.
    fn taps(&self, fraction: f64) -> Vec<f32> {
        let distance = |tap: usize| tap as f64 - (self.half - 1) as f64 - fraction;
        let tap = |tap| round_to_f32(self.cutoff * interpolate(&self.kernel, distance(tap).abs() * self.cutoff));
        (0..2 * self.half).map(tap).collect()
    }

    /// The output sample at or up to one after input sample `center`; beyond the ends lies silence.
    fn apply(&self, taps: &[f32], samples: &[f32], center: usize) -> i16 {
        let first = (center + 1).saturating_sub(self.half);
        let skipped = self.half.saturating_sub(center + 1);
        let end = (center + 1 + self.half).min(samples.len());
        let (samples, taps) = (&samples[first.min(end)..end], &taps[skipped..]);
        // Eight sums side by side, for vectors: the compiler may not reorder one sum of floats.
        let mut sums = [0.0_f32; 8];
        let (vectors, rest) = samples.as_chunks::<8>();
        for (samples, taps) in vectors.iter().zip(taps.as_chunks::<8>().0) {
            for lane in 0..8 {
                sums[lane] += samples[lane] * taps[lane];
            }
        }
        for (sample, tap) in rest.iter().zip(&taps[vectors.len() * 8..]) {
            sums[0] += sample * tap;
        }
        round_to_sample(f64::from(sums.iter().sum::<f32>()))
    }
}

/// See [`SincFilter::kernel`].
fn sinc_table() -> Vec<f64> {
    let value = |index: usize| {
        let x = index as f64 / STEPS as f64;
        sinc(x) * kaiser(x / CROSSINGS as f64, 9.0)
    };
    (0..=CROSSINGS * STEPS + 1).map(value).collect()
}

#[inline]
fn interpolate(kernel: &[f64], crossings: f64) -> f64 {
    let place = (crossings * STEPS as f64).min((kernel.len() - 2) as f64);
    let index = whole_part(place);
    let (left, right) = (kernel[index], kernel[index + 1]);
    left + (right - left) * (place - index as f64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
fn whole_part(x: f64) -> usize {
    x as usize
}

#[expect(clippy::cast_possible_truncation, reason = "taps lie below 1")]
fn round_to_f32(x: f64) -> f32 {
    x as f32
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window over `-1..=1`; `beta` trades slope for depth.
fn kaiser(x: f64, beta: f64) -> f64 {
    bessel_i0(beta * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(beta)
}

/// Modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(frequency_hz: f64, rate_hz: f64, amplitude: f64, len: usize) -> Vec<i16> {
        (0..len).map(|n| round_to_sample(amplitude * (2.0 * PI * frequency_hz * n as f64 / rate_hz).sin())).collect()
    }

    /// Level in dB of a signal against a sine of amplitude 16000, its first 20 ms left out.
    fn level_db(pcm: &[i16], rate_hz: usize) -> f64 {
        let settled = &pcm[rate_hz / 50..];
        let power = settled.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / settled.len() as f64;
        10.0 * (power.max(1e-3) / (16_000.0 * 16_000.0 / 2.0)).log10()
    }

    fn down(pcm: &[i16]) -> Vec<i16> {
        let mut out = vec![0; pcm.len() / 2];
        let mut converter = Downsampler::new();
        // Uneven pieces: the result may not depend on them.
        let (head, tail) = pcm.split_at((pcm.len() / 3) | 1);
        let written = converter.process(head, &mut out);
        let rest = converter.process(tail, &mut out[written..]);
        assert_eq!(written + rest, out.len());
        out
    }

    fn up(pcm: &[i16]) -> Vec<i16> {
        let mut out = vec![0; pcm.len() * 2];
        let mut converter = Upsampler::new();
        for (part, out) in pcm.chunks(77).zip(out.chunks_mut(154)) {
            assert_eq!(converter.process(part, out), part.len() * 2);
        }
        out
    }

    #[test]
    fn downsampling_keeps_the_voice_band_and_rejects_aliases() {
        for frequency in [100.0, 300.0, 1000.0, 2000.0, 3000.0, 3200.0] {
            let level = level_db(&down(&sine(frequency, 16_000.0, 16_000.0, 16_000)), 8000);
            assert!(level.abs() < 0.4, "{frequency} Hz: {level} dB");
        }
        for frequency in [4400.0, 4700.0, 5000.0, 6000.0, 7000.0, 7900.0] {
            let level = level_db(&down(&sine(frequency, 16_000.0, 16_000.0, 16_000)), 8000);
            assert!(level < -50.0, "{frequency} Hz: {level} dB");
        }
    }

    #[test]
    fn upsampling_keeps_the_voice_band_and_rejects_images() {
        for frequency in [300.0, 1000.0, 2000.0, 3000.0, 3200.0] {
            let wide = up(&sine(frequency, 8000.0, 16_000.0, 8000));
            assert!(level_db(&wide, 16_000).abs() < 0.4, "{frequency} Hz");
            // The image lies at 8000 - f: correlate with it over a second.
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &x) in wide.iter().enumerate().skip(320) {
                let phase = 2.0 * PI * (8000.0 - frequency) * n as f64 / 16_000.0;
                re += f64::from(x) * phase.cos();
                im += f64::from(x) * phase.sin();
            }
            let amplitude = 2.0 * (re * re + im * im).sqrt() / (wide.len() - 320) as f64;
            let image = 20.0 * (amplitude.max(1e-3) / 16_000.0).log10();
            assert!(image < -50.0, "{frequency} Hz: image at {image} dB");
        }
    }

    #[test]
    fn there_and_back_delays_by_less_than_four_milliseconds() {
        let mut click = vec![0; 320];
        click[100] = 16_000;
        let back = down(&up(&click));
        let peak = (0..back.len()).max_by_key(|&n| back[n]).unwrap();
        assert!((100..=132).contains(&peak), "peak at {peak}");
    }

    #[test]
    fn full_scale_squares_do_not_overflow() {
        let square: Vec<i16> = (0..1600).map(|n| if n / 5 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let (narrow, wide) = (down(&square), up(&square));
        assert!(narrow.iter().any(|&x| x > 20_000) && wide.iter().any(|&x| x > 20_000));
    }

    #[test]
    fn files_convert_between_any_rates() {
        for (from, to) in [
            (44_100, 8000),
            (44_100, 16_000),
            (22_051, 16_000),
            (48_000, 16_000),
            (11_025, 16_000),
            (6000, 8000),
            (192_000, 8000),
        ] {
            let wave = sine(1000.0, f64::from(from), 16_000.0, from as usize / 2);
            let input: Vec<f32> = wave.iter().map(|&x| f32::from(x)).collect();
            let output = resample_offline(&input, from, to);
            assert_eq!(output.len(), (wave.len() * to as usize).div_ceil(from as usize), "{from} to {to}");
            let (mut signal, mut noise) = (0.0, 0.0);
            for (n, &x) in output.iter().enumerate().skip(to as usize / 50).take(to as usize / 4) {
                let ideal = 16_000.0 * (2.0 * PI * 1000.0 * n as f64 / f64::from(to)).sin();
                signal += ideal * ideal;
                noise += (ideal - f64::from(x)).powi(2);
            }
            let snr = 10.0 * (signal / noise).log10();
            assert!(snr > 70.0, "{from} to {to}: {snr} dB");
        }
    }

    #[test]
    fn files_lose_what_the_lower_rate_cannot_hold() {
        let wave = sine(5000.0, 48_000.0, 16_000.0, 24_000);
        let input: Vec<f32> = wave.iter().map(|&x| f32::from(x)).collect();
        let narrow = resample_offline(&input, 48_000, 8000);
        assert!(level_db(&narrow[..3000], 8000) < -70.0);
    }
}
