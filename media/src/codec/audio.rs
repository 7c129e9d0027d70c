//! Recorded or generated audio, ready to be played to narrowband and wideband legs alike.
//!
//! WAV files only, of linear PCM (read by `hound`) or G.711 (read here): other formats are converted when
//! they are uploaded.

use std::fmt;
use std::fs;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hound::{SampleFormat, WavReader};

use super::{g711, resample::resample_offline, round_to_sample};

/// Longest recording accepted.
const MAX_MINUTES: u64 = 30;
/// Largest file accepted.
pub(super) const MAX_FILE_BYTES: u64 = 200_000_000;

/// A finished piece of audio, cheap to clone and to share between calls.
#[derive(Clone)]
pub struct Audio {
    /// Mono samples at 8 kHz.
    pub pcm_8k: Arc<[i16]>,
    /// The same at 16 kHz.
    pub pcm_16k: Arc<[i16]>,
    /// Length in milliseconds.
    pub duration_ms: u64,
}

/// Why a file cannot be played, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// Something is wrong with a file; `source` says what.
    #[error("cannot play {}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<AudioError>,
    },
    /// The file cannot be read.
    #[error("it cannot be read; check that it exists and that its permissions allow it")]
    Read(#[source] io::Error),
    /// The file is larger than 200 MB.
    #[error("it holds {bytes} bytes, the limit is {MAX_FILE_BYTES}; shorten it or save it as 16-bit mono at 16 kHz")]
    TooLarge {
        /// Size of the file.
        bytes: u64,
    },
    /// The recording is longer than 30 minutes.
    #[error("it lasts {minutes} minutes, the limit is {MAX_MINUTES}; cut it into parts")]
    TooLong {
        /// Whole minutes.
        minutes: u64,
    },
    /// Not a WAV file, or one in a coding not understood here.
    #[error("it is not a WAV file of linear PCM or G.711 ({detail}); save it as 16-bit PCM, mono, 16 kHz")]
    Format {
        /// What the reader said.
        detail: String,
    },
    /// More than two channels.
    #[error("it has {0} channels; mix it down to mono or stereo")]
    Channels(u16),
    /// A sampling rate outside 6 to 192 kHz.
    #[error("its sampling rate is {0} Hz; save it at 6000 to 192000 Hz, best 16000")]
    Rate(u32),
    /// The file holds no samples.
    #[error("it holds no sound; record it again")]
    Empty,
}

impl Audio {
    /// Load a WAV file: mono or stereo (mixed down), 8 to 32-bit integers, 32-bit floats, µ-law or A-law, 6 to
    /// 192 kHz, at most 30 minutes and 200 MB. Reads and converts the whole file: not for a media thread.
    pub fn load(path: &Path) -> Result<Self, AudioError> {
        let read = || {
            let mut bytes = Vec::new();
            let file = fs::File::open(path).map_err(AudioError::Read)?;
            // One byte above the limit is enough to know; a length from metadata could grow meanwhile.
            file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(AudioError::Read)?;
            Self::from_wav_bytes(&bytes)
        };
        read().map_err(|problem| AudioError::InFile { path: path.to_path_buf(), source: Box::new(problem) })
    }

    /// The same from the bytes of a WAV file.
    pub fn from_wav_bytes(wav: &[u8]) -> Result<Self, AudioError> {
        if wav.len() as u64 > MAX_FILE_BYTES {
            return Err(AudioError::TooLarge { bytes: wav.len() as u64 });
        }
        let (mono, rate_hz) = match G711File::find(wav) {
            Some(file) => {
                check_format(file.channels, file.rate_hz, file.bytes.len() / usize::from(file.channels.max(1)))?;
                (file.read_mono(), file.rate_hz)
            }
            None => {
                let reader = WavReader::new(Cursor::new(wav)).map_err(format_error)?;
                let spec = reader.spec();
                check_format(spec.channels, spec.sample_rate, reader.duration() as usize)?;
                (read_mono(reader)?, spec.sample_rate)
            }
        };
        if mono.is_empty() {
            return Err(AudioError::Empty);
        }
        let at_rate = |to_hz| resample_offline(&mono, rate_hz, to_hz).into();
        Ok(Self::from_pcm(at_rate(8000), at_rate(16_000)))
    }

    /// A pure tone at `level_dbfs` (0 is a full-scale sine), `on_ms` long and followed by `off_ms` of
    /// silence: played in a loop, the cadence of a ring-back or busy tone. The ends are smoothed by 5 ms.
    pub fn tone(frequency_hz: f32, level_dbfs: f32, on_ms: u32, off_ms: u32) -> Self {
        let at_rate = |rate_hz: u32| {
            let samples = |ms: u32| (u64::from(ms) * u64::from(rate_hz) / 1000) as usize;
            let (on, off, ramp) = (samples(on_ms), samples(off_ms), samples(5));
            let amplitude = 32_767.0 * 10_f64.powf(f64::from(level_dbfs.min(0.0)) / 20.0);
            let step = std::f64::consts::TAU * f64::from(frequency_hz) / f64::from(rate_hz);
            let sample = |n: usize| {
                // A tone without a pause is looped without a seam, if its length is whole periods.
                let edge = if off == 0 { 1.0 } else { (n.min(on - 1 - n) as f64 / ramp as f64).min(1.0) };
                round_to_sample(amplitude * edge * (step * n as f64).sin())
            };
            (0..on).map(sample).chain(std::iter::repeat_n(0, off)).collect()
        };
        Self::from_pcm(at_rate(8000), at_rate(16_000))
    }

    /// The European ring-back tone: 425 Hz, one second on, four off (ETSI TR 101 041-2). To be looped.
    pub fn ringback() -> Self {
        Self::tone(425.0, -20.0, 1000, 4000)
    }

    /// The European busy tone: 425 Hz, half a second on, half off. To be looped.
    pub fn busy() -> Self {
        Self::tone(425.0, -20.0, 500, 500)
    }

    /// Silence.
    pub fn silence(duration_ms: u32) -> Self {
        let at_rate = |per_ms: usize| std::iter::repeat_n(0, duration_ms as usize * per_ms).collect();
        Self::from_pcm(at_rate(8), at_rate(16))
    }

    /// The samples for a leg at `rate_hz`; anything but 8000 gets those of 16 kHz.
    pub fn pcm(&self, rate_hz: u32) -> &Arc<[i16]> {
        if rate_hz == 8000 { &self.pcm_8k } else { &self.pcm_16k }
    }

    fn from_pcm(pcm_8k: Arc<[i16]>, pcm_16k: Arc<[i16]>) -> Self {
        let duration_ms = pcm_16k.len() as u64 / 16;
        Self { pcm_8k, pcm_16k, duration_ms }
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audio").field("duration_ms", &self.duration_ms).finish_non_exhaustive()
    }
}

pub(super) fn check_format(channels: u16, rate_hz: u32, frames: usize) -> Result<(), AudioError> {
    if !(1..=2).contains(&channels) {
        return Err(AudioError::Channels(channels));
    }
    if !(6000..=192_000).contains(&rate_hz) {
        return Err(AudioError::Rate(rate_hz));
    }
    let minutes = frames as u64 / u64::from(rate_hz) / 60;
    if minutes >= MAX_MINUTES { Err(AudioError::TooLong { minutes }) } else { Ok(()) }
}

/// A WAV file whose samples are G.711, which `hound` does not read.
pub(super) struct G711File<'a> {
    table: &'static [i16; 256],
    pub(super) channels: u16,
    pub(super) rate_hz: u32,
    pub(super) bytes: &'a [u8],
}

impl<'a> G711File<'a> {
    /// Look through the chunks of the file; `None` if it is of another format, or no WAV file at all.
    pub(super) fn find(wav: &'a [u8]) -> Option<Self> {
        let mut rest = wav.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
        let mut format = None;
        loop {
            let (id, after_id) = rest.split_first_chunk::<4>()?;
            let (len, after_len) = after_id.split_first_chunk::<4>()?;
            let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
            // A chunk cut short at the end of the file is taken as far as it goes.
            let body = &after_len[..len.min(after_len.len())];
            match (id, format) {
                (b"fmt ", _) => format = Some(Self::format(body)?),
                (b"data", Some((table, channels, rate_hz))) => {
                    return Some(Self { table, channels, rate_hz, bytes: body });
                }
                _ => {}
            }
            // Chunks begin at even places.
            rest = after_len.get(len + len % 2..)?;
        }
    }

    /// Whether its sound goes on to the end of what was looked at.
    pub(super) fn reaches_end_of(&self, wav: &[u8]) -> bool {
        self.bytes.as_ptr_range().end == wav.as_ptr_range().end
    }

    /// Decoding table, channels and rate of a `fmt ` chunk, if its format tag is A-law (6) or µ-law (7).
    fn format(body: &[u8]) -> Option<(&'static [i16; 256], u16, u32)> {
        let table = match body.first_chunk::<2>()? {
            [6, 0] => &g711::ALAW_DECODE,
            [7, 0] => &g711::ULAW_DECODE,
            _ => return None,
        };
        let channels = u16::from_le_bytes(*body.get(2..)?.first_chunk()?);
        let rate_hz = u32::from_le_bytes(*body.get(4..)?.first_chunk()?);
        Some((table, channels, rate_hz))
    }

    fn read_mono(&self) -> Vec<f32> {
        let channels = usize::from(self.channels);
        let level = |frame: &[u8]| frame.iter().map(|&code| f32::from(self.table[usize::from(code)])).sum::<f32>();
        self.bytes.chunks_exact(channels).map(|frame| level(frame) / channels as f32).collect()
    }
}

/// All samples, channels averaged, scaled to the range of 16 bits.
fn read_mono(reader: WavReader<Cursor<&[u8]>>) -> Result<Vec<f32>, AudioError> {
    let spec = reader.spec();
    let scale = match spec.sample_format {
        SampleFormat::Float => 32_768.0,
        SampleFormat::Int => 32_768.0 / (1_u64 << (spec.bits_per_sample - 1).min(63)) as f32,
    };
    let channels = usize::from(spec.channels);
    // Grown as samples come: the length in the header may be a lie.
    let mut mono = Vec::new();
    let mut frame = 0.0;
    let mut add = |index: usize, sample: f32| {
        frame += if sample.is_finite() { sample } else { 0.0 };
        if index % channels == channels - 1 {
            mono.push(frame * scale / channels as f32);
            frame = 0.0;
        }
    };
    match spec.sample_format {
        SampleFormat::Float => {
            for (index, sample) in reader.into_samples::<f32>().enumerate() {
                add(index, sample.map_err(format_error)?);
            }
        }
        SampleFormat::Int => {
            for (index, sample) in reader.into_samples::<i32>().enumerate() {
                add(index, sample.map_err(format_error)? as f32);
            }
        }
    }
    Ok(mono)
}

pub(super) fn format_error(error: hound::Error) -> AudioError {
    AudioError::Format { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    fn wav(spec: WavSpec, mut write: impl FnMut(&mut WavWriter<&mut Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn int(channels: u16, sample_rate: u32, bits_per_sample: u16) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample, sample_format: SampleFormat::Int }
    }

    #[test]
    fn eight_kilohertz_mono_stays_bit_exact() {
        let samples: Vec<i16> = (0..800).map(|n| n * 40 - 16_000).collect();
        let bytes = wav(int(1, 8000, 16), |writer| samples.iter().for_each(|&x| writer.write_sample(x).unwrap()));
        let audio = Audio::from_wav_bytes(&bytes).unwrap();
        assert_eq!(&*audio.pcm_8k, samples);
        assert_eq!((audio.pcm_16k.len(), audio.duration_ms), (1600, 100));
    }

    #[test]
    fn stereo_of_any_width_is_mixed_down() {
        for bits in [8, 16, 24, 32] {
            let half = 1_i32 << (bits - 2);
            let bytes = wav(int(2, 16_000, bits), |writer| {
                for _ in 0..1600 {
                    writer.write_sample(half).unwrap();
                    writer.write_sample(0).unwrap();
                }
            });
            let audio = Audio::from_wav_bytes(&bytes).unwrap();
            assert!(audio.pcm_16k.iter().all(|&x| x == 8192), "{bits} bits");
        }
    }

    #[test]
    fn floats_load_and_nonsense_values_are_silence() {
        let spec = WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample: 32, sample_format: SampleFormat::Float };
        let bytes = wav(spec, |writer| {
            for x in [0.5, f32::NAN, f32::INFINITY, -4.0] {
                writer.write_sample(x).unwrap();
            }
        });
        assert_eq!(&*Audio::from_wav_bytes(&bytes).unwrap().pcm_16k, [16_384, 0, 0, i16::MIN]);
    }

    #[test]
    fn g711_in_wav_loads() {
        let file = |tag: u8, channels: u8, codes: &[u8]| {
            let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0".to_vec();
            bytes.extend_from_slice(&[tag, 0, channels, 0, 0x40, 0x1F, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0]);
            bytes.extend_from_slice(b"fact\x03\0\0\0abc\0data");
            bytes.extend_from_slice(&u32::try_from(codes.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(codes);
            bytes
        };
        let load = |bytes: &[u8]| Audio::from_wav_bytes(bytes).unwrap().pcm_8k.to_vec();
        assert_eq!(load(&file(7, 1, &[0x80, 0xFF, 0x00])), [32_124, 0, -32_124]);
        assert_eq!(load(&file(6, 1, &[0xAA, 0xD5, 0x2A])), [32_256, 8, -32_256]);
        assert_eq!(load(&file(6, 2, &[0xAA, 0x2A, 0xD5, 0xD5, 0xD5])), [0, 8], "half a frame at the end is dropped");
        assert!(matches!(Audio::from_wav_bytes(&file(6, 0, &[1])), Err(AudioError::Channels(0))));
        assert!(matches!(Audio::from_wav_bytes(&file(6, 1, &[])), Err(AudioError::Empty)));
    }

    #[test]
    fn what_cannot_be_played_is_refused_with_advice() {
        let check = |bytes: &[u8], expected: &str| {
            let error = Audio::from_wav_bytes(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(b"ID3 this is no WAV file", "save it as 16-bit PCM");
        check(&wav(int(3, 8000, 16), |_| ()), "mix it down");
        check(&wav(int(1, 4000, 16), |_| ()), "6000 to 192000 Hz");
        check(&wav(int(1, 8000, 16), |_| ()), "no sound");
        let mut long = wav(int(1, 8000, 16), |writer| writer.write_sample(0_i16).unwrap());
        long[40..44].copy_from_slice(&(8000_u32 * 2 * 60 * 31).to_le_bytes());
        check(&long, "lasts 31 minutes");
        long[40..44].copy_from_slice(&2000_u32.to_le_bytes());
        check(&long, "not a WAV file");
        let missing = Audio::load(Path::new("no-such-prompt.wav")).unwrap_err();
        assert_eq!(missing.to_string(), "cannot play no-such-prompt.wav");
    }

    #[test]
    fn tones_have_their_level_and_cadence() {
        let ringback = Audio::ringback();
        assert_eq!((ringback.duration_ms, ringback.pcm_8k.len()), (5000, 40_000));
        assert_eq!(ringback.pcm_16k.iter().copied().max(), Some(3277));
        assert!(ringback.pcm_8k[8000..].iter().all(|&x| x == 0));
        assert_eq!(Audio::silence(20).pcm_8k.len(), 160);
        assert_eq!(Audio::tone(425.0, -20.0, 0, 0).duration_ms, 0);
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(mut noise in prop::collection::vec(any::<u8>(), 0..200), keep_header: bool) {
            if keep_header {
                let mut bytes = wav(int(1, 8000, 16), |writer| writer.write_sample(1_i16).unwrap());
                if let Some(last) = noise.last() {
                    bytes[20] = last % 8;
                }
                let at = noise.len() % bytes.len();
                bytes.splice(at.., noise.drain(..));
                noise = bytes;
            }
            let _ = Audio::from_wav_bytes(&noise);
        }
    }
}
