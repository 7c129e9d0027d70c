//! Ears: which tone is in a recording, by Goertzel's algorithm.

use std::{f64::consts::TAU, fs, path::Path};

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

/// One channel of a WAV file as samples, with its rate.
pub struct Heard {
    samples: Vec<f64>,
    rate: f64,
}

/// Reads channel `channel` of a WAV file, tolerating a header that a running program has not completed.
///
/// # Panics
/// When the file is no PCM WAV file.
#[must_use]
pub fn read(path: &Path, channel: usize) -> Heard {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(bytes.len() >= 44 && &bytes[..4] == b"RIFF", "{} is no WAV file", path.display());
    let field = |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0usize, |n, b| n << 8 | usize::from(*b));
    let (channels, rate, bits) = (field(22, 2), field(24, 4), field(34, 2));
    assert_eq!(bits, 16, "16-bit samples");
    assert!(channel < channels, "{} has {channels} channels", path.display());
    let data = bytes.windows(4).position(|w| w == b"data").expect("a data chunk") + 8;
    let samples = bytes[data..].chunks_exact(2 * channels).map(|f| f64::from(i16::from_le_bytes([f[2 * channel], f[2 * channel + 1]])));
    Heard { samples: samples.collect(), rate: u32::try_from(rate).map(f64::from).expect("a sane rate") }
}

impl Heard {
    /// Length in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "lengths of minutes")]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / self.rate
    }

    /// Share (0 to 1) of the 100 ms pieces in which `hz` carries most of the energy.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of pieces")]
    pub fn share_of(&self, hz: f64) -> f64 {
        let pieces: Vec<&[f64]> = self.samples.chunks_exact(self.piece()).collect();
        if pieces.is_empty() {
            return 0.0;
        }
        pieces.iter().filter(|piece| self.carries(piece, hz)).count() as f64 / pieces.len() as f64
    }

    /// Seconds in which `hz` carries most of the energy.
    #[must_use]
    pub fn seconds_of(&self, hz: f64) -> f64 {
        self.share_of(hz) * self.seconds()
    }

    /// The last `seconds` of it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths of minutes")]
    pub fn last(&self, seconds: f64) -> Self {
        let keep = (seconds * self.rate) as usize;
        Self { samples: self.samples[self.samples.len().saturating_sub(keep)..].to_vec(), rate: self.rate }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a tenth of a sample rate")]
    fn piece(&self) -> usize {
        (self.rate / 10.0) as usize
    }

    #[expect(clippy::cast_precision_loss, reason = "a tenth of a second of samples")]
    fn carries(&self, piece: &[f64], hz: f64) -> bool {
        let energy: f64 = piece.iter().map(|s| s * s).sum();
        if energy / (piece.len() as f64) < 100.0 * 100.0 {
            return false;
        }
        let turn = 2.0 * (TAU * hz / self.rate).cos();
        let (mut a, mut b) = (0.0, 0.0);
        for sample in piece {
            (a, b) = (sample + turn * a - b, a);
        }
        let power = (a * a + b * b - turn * a * b) * 2.0 / piece.len() as f64;
        power / energy > 0.6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_and_another_is_not() {
        let path = std::env::temp_dir().join(format!("tandem-tone-{}.wav", std::process::id()));
        write(&path, 600.0, 1);
        let heard = read(&path, 0);
        fs::remove_file(&path).expect("the file is ours");
        assert!((heard.seconds() - 1.0).abs() < 0.01);
        assert!(heard.share_of(600.0) > 0.95);
        assert!(heard.share_of(800.0) < 0.05);
    }
}
