//! From a capture to the file that is kept.

use std::io::{Read, Write};

use super::{
    ArchiveError,
    capture::{self, Capture},
    ogg, opus,
    peaks::{Peaks, Waveform},
};

/// What recordings are kept as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// WAV: 32 kB a second, 64 with a wide-band side.
    #[default]
    Wav,
    /// Opus in Ogg: 2 to 6 kB a second.
    Opus,
}

impl Format {
    /// What files of it are called at their end.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Opus => "opus",
        }
    }

    /// What it is on the web.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Opus => "audio/ogg",
        }
    }
}

/// What a recording turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Sample pairs.
    pub pairs: u64,
    /// Its length.
    pub duration_ms: u64,
    /// What it looks like.
    pub waveform: Waveform,
}

/// Looks at a capture from begin to end.
///
/// # Errors
/// It cannot be read.
pub fn look(input: impl Read) -> Result<Seen, ArchiveError> {
    let mut capture = Capture::open(input)?;
    let mut peaks = Peaks::new(capture.rate_hz());
    let pairs = capture.read_all(|pair| {
        peaks.push(pair);
        Ok(())
    })?;
    Ok(Seen { pairs, duration_ms: pairs * 1_000 / u64::from(capture.rate_hz()), waveform: peaks.finish() })
}

/// Makes a capture that was looked at into what is kept. `serial` tells an Ogg stream from others.
///
/// # Errors
/// It cannot be read or is not what was seen, or the file cannot be written.
pub fn write<W: Write>(input: impl Read, mut out: W, format: Format, seen: &Seen, serial: u32) -> Result<W, ArchiveError> {
    let mut capture = Capture::open(input)?;
    let (out, pairs) = match format {
        Format::Wav => {
            out.write_all(&capture::header(capture.rate_hz(), Some(seen.pairs * capture::PAIR_BYTES)))?;
            let pairs = capture.read_all(|pair| {
                let ([a, b], [c, d]) = (pair[0].to_le_bytes(), pair[1].to_le_bytes());
                Ok(out.write_all(&[a, b, c, d])?)
            })?;
            (out, pairs)
        }
        Format::Opus => {
            let mut encoder = opus::Encoder::new(out, capture.rate_hz(), serial)?;
            let pairs = capture.read_all(|pair| encoder.push(pair))?;
            (encoder.finish()?, pairs)
        }
    };
    if pairs == seen.pairs { Ok(out) } else { Err(ArchiveError::Capture("it changed while it was read")) }
}

/// Reads a finished file back and holds it against what was to be written.
///
/// # Errors
/// It is not what was written.
pub fn verify(input: impl Read, format: Format, seen: &Seen) -> Result<(), ArchiveError> {
    let duration_ms = match format {
        Format::Wav => {
            let mut capture = Capture::open(input)?;
            capture.read_all(|_| Ok(()))? * 1_000 / u64::from(capture.rate_hz())
        }
        Format::Opus => ogg::inspect(input)?.samples * 1_000 / ogg::GRANULES_HZ,
    };
    match format {
        _ if duration_ms == seen.duration_ms => Ok(()),
        Format::Wav => Err(ArchiveError::Capture("it has another length than was written")),
        Format::Opus => Err(ArchiveError::Ogg("it has another length than was written")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The left party whistles at 440 Hz, the right one at 1300 Hz.
    #[expect(clippy::cast_possible_truncation, reason = "a tone of a quarter of the scale")]
    fn capture(rate_hz: u32, pairs: u32) -> Vec<u8> {
        let tone = |n: u32, hz: f64| {
            let level = 8_000.0 * (std::f64::consts::TAU * hz * f64::from(n) / f64::from(rate_hz)).sin();
            i16::try_from(level.round() as i64).unwrap().to_le_bytes()
        };
        let mut bytes = capture::header(rate_hz, None).to_vec();
        (0..pairs).for_each(|n| bytes.extend([tone(n, 440.0), tone(n, 1_300.0)].concat()));
        bytes
    }

    /// Decodes a file as a player does: what is before the begin and after the end is dropped.
    fn decode(file: &[u8], rate_hz: u32) -> Vec<[i16; 2]> {
        use audiopus::{Channels, MutSignals, SampleRate, coder::Decoder, packet::Packet};
        let rate = if rate_hz == 16_000 { SampleRate::Hz16000 } else { SampleRate::Hz8000 };
        let mut decoder = Decoder::new(rate, Channels::Stereo).unwrap();
        let (mut input, mut out, mut skip, mut end) = (file, Vec::new(), 0, 0);
        while let Some(page) = ogg::read_page(&mut input).unwrap() {
            if page.number == 0 {
                skip = usize::from(u16::from_le_bytes([page.packets[0][10], page.packets[0][11]]));
            }
            end = usize::try_from(page.granule).unwrap();
            for packet in page.packets.iter().filter(|_| page.number >= 2) {
                let mut pcm = vec![0i16; 2 * 5_760];
                let signals = MutSignals::try_from(&mut pcm[..]).unwrap();
                let samples = decoder.decode(Some(Packet::try_from(&packet[..]).unwrap()), signals, false).unwrap();
                out.extend(pcm[..samples * 2].chunks_exact(2).map(|two| [two[0], two[1]]));
            }
        }
        let each = 48_000 / rate_hz as usize;
        out.truncate(end / each);
        out.split_off(skip / each)
    }

    fn share(pcm: &[[i16; 2]], side: usize, rate_hz: u32, hz: f64) -> f64 {
        let step = std::f64::consts::TAU * hz / f64::from(rate_hz);
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (n, pair) in (0u32..).zip(pcm) {
            let sample = f64::from(pair[side]);
            re += sample * (step * f64::from(n)).cos();
            im += sample * (step * f64::from(n)).sin();
            all += sample * sample;
        }
        2.0 * (re * re + im * im) / (all * pcm.len() as f64)
    }

    #[test]
    fn opus_keeps_the_length_to_the_sample_and_each_side_on_its_side() {
        for (rate_hz, pairs) in [(8_000, 24_000), (16_000, 48_001), (8_000, 1), (8_000, 159), (16_000, 320)] {
            let capture = capture(rate_hz, pairs);
            let seen = look(&capture[..]).unwrap();
            assert_eq!(seen.pairs, u64::from(pairs));
            let file = write(&capture[..], Vec::new(), Format::Opus, &seen, 9).unwrap();
            verify(&file[..], Format::Opus, &seen).unwrap();
            let info = ogg::inspect(&file[..]).unwrap();
            assert_eq!(info.samples, u64::from(pairs) * 48_000 / u64::from(rate_hz));
            let pcm = decode(&file, rate_hz);
            assert_eq!(pcm.len(), pairs as usize);
            if pairs > 20_000 {
                let steady = &pcm[2_000..];
                assert!(share(steady, 0, rate_hz, 440.0) > 0.95 && share(steady, 1, rate_hz, 1_300.0) > 0.95);
                assert!(share(steady, 0, rate_hz, 1_300.0) < 0.01 && share(steady, 1, rate_hz, 440.0) < 0.01);
                assert!(file.len() < capture.len() / 5, "{} of {}", file.len(), capture.len());
            }
        }
    }

    #[test]
    fn opus_keeps_the_moment() {
        let mut capture = capture::header(8_000, None).to_vec();
        (0..24_000).for_each(|n| capture.extend(if n == 12_000 { [0, 64, 0, 0] } else { [0; 4] }));
        let file = write(&capture[..], Vec::new(), Format::Opus, &look(&capture[..]).unwrap(), 1).unwrap();
        let pcm = decode(&file, 8_000);
        let loudest = (0..pcm.len()).max_by_key(|&n| pcm[n][0].unsigned_abs()).unwrap();
        assert!(loudest.abs_diff(12_000) < 160, "a click at 12000 is heard at {loudest}");
    }

    #[test]
    fn wav_is_what_was_captured_with_the_right_header() {
        let capture = capture(16_000, 12_345);
        let seen = look(&capture[..]).unwrap();
        let file = write(&capture[..], Vec::new(), Format::Wav, &seen, 0).unwrap();
        assert_eq!(file[..44], capture::header(16_000, Some(12_345 * 4)));
        assert_eq!(file[44..], capture[44..]);
        verify(&file[..], Format::Wav, &seen).unwrap();
        assert!(verify(&file[..1_000], Format::Wav, &seen).is_err());
        assert!(write(&capture[..capture.len() - 4], Vec::new(), Format::Wav, &seen, 0).is_err());
    }
}
