//! Ears: which tone is in a recording, by Goertzel's algorithm, and which prompt, by likeness.

use std::{f64::consts::TAU, fs, path::Path};

/// A tone with so much of the energy is heard beside others of its loudness.
const AMONG_OTHERS: f64 = 0.1;

/// Writes a mono 8 kHz WAV file with one tone.
///
/// # Panics
/// When the file cannot be written.
pub fn write(path: &Path, hz: f64, seconds: u32) {
    let spec = hound::WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(path, spec).expect("a writable folder");
    for i in 0..8_000 * seconds {
        let sample = (TAU * hz * f64::from(i) / 8_000.0).sin() * 9_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "within ±9000")]
        file.write_sample(sample as i16).expect("room on the disk");
    }
    file.finalize().expect("room on the disk");
}

/// One channel of a WAV file as samples of 16 bits, with its rate.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    samples: Vec<f64>,
    rate: f64,
}

/// Reads channel `channel` of a WAV file (16-bit PCM or µ-law), tolerating a header that a running program
/// has not completed; a file without any sound yet is empty.
///
/// # Panics
/// When the file is no such file.
#[must_use]
pub fn read(path: &Path, channel: usize) -> Heard {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    parse(&bytes, channel).unwrap_or_default()
}

/// As [`read`], from the bytes of a file; `None` when they end before the sound begins.
///
/// # Panics
/// When it is no such file.
#[must_use]
pub fn parse(bytes: &[u8], channel: usize) -> Option<Heard> {
    let field =
        |at: usize, size: usize| Some(bytes.get(at..at + size)?.iter().rev().fold(0usize, |n, b| n << 8 | usize::from(*b)));
    assert!(bytes.len() < 4 || &bytes[..4] == b"RIFF", "no WAV file");
    let chunk = |name: &[u8]| bytes.windows(4).position(|w| w == name);
    let (format, data) = (chunk(b"fmt ")? + 8, chunk(b"data")? + 8);
    let (kind, channels, rate, bits) = (field(format, 2)?, field(format + 2, 2)?, field(format + 4, 4)?, field(format + 14, 2)?);
    assert!(channel < channels, "only {channels} channels");
    let frames = bytes.get(data..)?.chunks_exact(channels * bits / 8);
    let samples = match (kind, bits) {
        (1 | 0xfffe, 16) => frames.map(|f| f64::from(i16::from_le_bytes([f[2 * channel], f[2 * channel + 1]]))).collect(),
        (7, 8) => frames.map(|f| expanded(f[channel])).collect(),
        _ => panic!("neither 16-bit PCM nor µ-law: kind {kind}, {bits} bits"),
    };
    Some(Heard { samples, rate: u32::try_from(rate).map(f64::from).expect("a sane rate") })
}

/// A µ-law octet as a sample (ITU-T G.711).
fn expanded(octet: u8) -> f64 {
    let bits = !octet;
    let magnitude = ((i32::from(bits & 0x0f) << 3) + 0x84) << (bits >> 4 & 7);
    f64::from(if bits & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude })
}

impl Heard {
    /// Length in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "lengths of minutes")]
    pub fn seconds(&self) -> f64 {
        if self.samples.is_empty() { 0.0 } else { self.samples.len() as f64 / self.rate }
    }

    /// Seconds in which `hz` carries most of the energy, counted in pieces of 100 ms.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of pieces")]
    pub fn seconds_of(&self, hz: f64) -> f64 {
        self.pieces().filter(|piece| self.carries(piece, hz)).count() as f64 / 10.0
    }

    /// Seconds in which `hz` is among what is heard, counted in pieces of 100 ms.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of pieces")]
    pub fn seconds_with(&self, hz: f64) -> f64 {
        self.pieces().filter(|piece| self.share_in(piece, hz) > AMONG_OTHERS).count() as f64 / 10.0
    }

    /// Seconds that are not silent, counted in pieces of 100 ms.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of pieces")]
    pub fn seconds_of_sound(&self) -> f64 {
        self.pieces().filter(|piece| is_sound(piece)).count() as f64 / 10.0
    }

    /// Share (0 to 1) of it in which `hz` carries most of the energy.
    #[must_use]
    pub fn share_of(&self, hz: f64) -> f64 {
        if self.samples.is_empty() { 0.0 } else { self.seconds_of(hz) / self.seconds() }
    }

    /// What came after the first `seconds`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths of minutes")]
    pub fn after(&self, seconds: f64) -> Self {
        let skip = ((seconds * self.rate) as usize).min(self.samples.len());
        Self { samples: self.samples[skip..].to_vec(), rate: self.rate }
    }

    fn pieces(&self) -> impl Iterator<Item = &[f64]> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a tenth of a sample rate")]
        let length = (self.rate / 10.0) as usize;
        self.samples.chunks_exact(length.max(1))
    }

    fn carries(&self, piece: &[f64], hz: f64) -> bool {
        self.share_in(piece, hz) > 0.6
    }

    /// Share of the energy that lies at `hz`; 0 in silence.
    fn share_in(&self, piece: &[f64], hz: f64) -> f64 {
        if !is_sound(piece) {
            return 0.0;
        }
        let turn = 2.0 * (TAU * hz / self.rate).cos();
        let (mut a, mut b) = (0.0, 0.0);
        for sample in piece {
            (a, b) = (sample + turn * a - b, a);
        }
        #[expect(clippy::cast_precision_loss, reason = "a tenth of a second of samples")]
        let power = (a * a + b * b - turn * a * b) * 2.0 / piece.len() as f64;
        power / energy(piece)
    }

    /// Whether the loudest eighth of a second of `prompt` is in it.
    ///
    /// # Panics
    /// When the prompt is shorter than that.
    #[must_use]
    pub fn contains(&self, prompt: &Self) -> bool {
        const WINDOW: usize = 1_000;
        let (here, prompt) = (self.at_8_khz(), prompt.at_8_khz());
        let pattern = prompt.chunks_exact(WINDOW).max_by(|a, b| energy(a).total_cmp(&energy(b))).expect("an eighth of a second");
        let wanted = energy(pattern);
        let mut sums = Vec::with_capacity(here.len() + 1);
        sums.push(0.0);
        for sample in &here {
            sums.push(sums.last().copied().unwrap_or_default() + sample * sample);
        }
        here.windows(WINDOW).enumerate().any(|(at, window)| {
            let found = sums[at + WINDOW] - sums[at];
            // Most windows are out by their loudness alone.
            (0.5..2.0).contains(&(found / wanted)) && {
                let product: f64 = window.iter().zip(pattern).map(|(a, b)| a * b).sum();
                product / (found * wanted).sqrt() > 0.8
            }
        })
    }

    /// The samples at 8,000 a second, by averages.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a ratio below 10")]
    fn at_8_khz(&self) -> Vec<f64> {
        let step = ((self.rate / 8_000.0) as usize).max(1);
        self.samples.chunks_exact(step).map(|group| group.iter().sum::<f64>() / step as f64).collect()
    }
}

fn energy(piece: &[f64]) -> f64 {
    piece.iter().map(|sample| sample * sample).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a tenth of a second of samples")]
fn is_sound(piece: &[f64]) -> bool {
    energy(piece) / piece.len() as f64 >= 100.0 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(name: &str, hz: f64) -> Heard {
        let path = std::env::temp_dir().join(format!("tandem-tone-{name}-{}.wav", std::process::id()));
        write(&path, hz, 1);
        let heard = read(&path, 0);
        fs::remove_file(&path).expect("the file is ours");
        heard
    }

    #[test]
    fn a_tone_is_heard_and_another_is_not() {
        let heard = tone("one", 600.0);
        assert!((heard.seconds() - 1.0).abs() < 0.01);
        assert!(heard.share_of(600.0) > 0.95);
        assert!(heard.share_of(800.0) < 0.05);
        assert!((heard.after(0.4).seconds() - 0.6).abs() < 0.01);
    }

    #[test]
    fn a_prompt_is_found_in_what_was_heard_and_another_is_not() {
        let (low, high) = (tone("low", 400.0), tone("high", 900.0));
        let both = Heard { samples: [low.samples.clone(), high.samples.clone()].concat(), rate: 8_000.0 };
        assert!(both.contains(&high) && both.contains(&low));
        assert!(!low.contains(&high) && !Heard::default().contains(&low));
    }

    #[test]
    fn mu_law_is_expanded_as_the_standard_says() {
        assert_eq!([0x00, 0x80, 0xff, 0x7f, 0xf0].map(expanded), [-32_124.0, 32_124.0, 0.0, 0.0, 120.0]);
    }
}
