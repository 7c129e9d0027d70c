//! Whether a recording could be played, by the head of its file: cheap enough to ask of a whole folder.

use std::{
    fs::File,
    io::{BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use hound::{SampleFormat, WavReader};

use super::audio::{Audio, AudioError, G711File, MAX_FILE_BYTES, check_format, format_error};

/// What stands before the sound is looked for so far into a file.
const HEAD_BYTES: u64 = 65_536;

impl Audio {
    /// Whether [`Audio::load`] would take a file. Reads its head only; the length in ms comes back.
    ///
    /// # Errors
    /// Why it would not, with what the file is where that can be told.
    pub fn probe(path: &Path) -> Result<u64, AudioError> {
        let mut file = File::open(path).map_err(AudioError::Read)?;
        let bytes = file.metadata().map_err(AudioError::Read)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(AudioError::TooLarge { bytes });
        }
        let mut head = Vec::new();
        file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(AudioError::Read)?;
        if let Some(kind) = other_kind(&head) {
            return Err(AudioError::Format { detail: format!("it is {kind}") });
        }
        let (frames, rate_hz) = match G711File::find(&head) {
            Some(found) => {
                // What is declared and not there is left out, and the head may end before the sound does.
                let rest = if found.reaches_end_of(&head) { bytes.saturating_sub(head.len() as u64) } else { 0 };
                let frames = (found.bytes.len() as u64 + rest) / u64::from(found.channels.max(1));
                check_format(found.channels, found.rate_hz, usize::try_from(frames).unwrap_or(usize::MAX))?;
                (frames, found.rate_hz)
            }
            None => linear(file, bytes)?,
        };
        if frames == 0 {
            return Err(AudioError::Empty);
        }
        Ok(frames * 1_000 / u64::from(rate_hz))
    }
}

/// Frames and rate of a file of linear PCM that is whole.
fn linear(mut file: File, bytes: u64) -> Result<(u64, u32), AudioError> {
    file.seek(SeekFrom::Start(0)).map_err(AudioError::Read)?;
    let mut reader = WavReader::new(BufReader::new(file)).map_err(format_error)?;
    let (spec, frames) = (reader.spec(), reader.duration());
    check_format(spec.channels, spec.sample_rate, frames as usize)?;
    let samples = u64::from(reader.len());
    let first = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().next().map(|sample| sample.map(|_| ())),
        SampleFormat::Int => reader.samples::<i32>().next().map(|sample| sample.map(|_| ())),
    };
    first.transpose().map_err(format_error)?;
    let mut inner = reader.into_inner();
    let behind_first = inner.stream_position().map_err(AudioError::Read)?;
    let rest = samples.saturating_sub(1) * u64::from(spec.bits_per_sample).div_ceil(8);
    if behind_first + rest > bytes {
        return Err(AudioError::Format { detail: "it ends before its sound does".to_owned() });
    }
    Ok((u64::from(frames), spec.sample_rate))
}

/// What a file is that is no WAV file, or a WAV file of sound that is coded in a way not understood here.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    let begins = |with: &[u8]| head.starts_with(with);
    let inside = |at: usize, with: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(with));
    Some(match head {
        _ if begins(b"ID3") || matches!(head, [0xff, second, ..] if second & 0xe6 == 0xe2) => "MP3",
        _ if begins(b"OggS") => "Ogg",
        _ if begins(b"fLaC") => "FLAC",
        _ if begins(b"FORM") && inside(8, b"AIF") => "AIFF",
        _ if begins(b".snd") => "AU",
        _ if inside(4, b"ftyp") => "MP4 or M4A",
        _ if begins(b"RIFF") && inside(8, b"WAVE") => coding(head)?,
        _ => return None,
    })
}

/// The coding of a WAV file, where it is one that cannot be read.
fn coding(head: &[u8]) -> Option<&'static str> {
    let at = head.windows(4).position(|window| window == b"fmt ")?;
    match head.get(at + 8..at + 10)? {
        [0x02, 0] => Some("a WAV file of MS ADPCM"),
        [0x11, 0] => Some("a WAV file of IMA ADPCM"),
        [0x31, 0] => Some("a WAV file of GSM 6.10"),
        [0x55, 0] => Some("a WAV file of MP3"),
        [0x64, 0] => Some("a WAV file of G.726"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use std::{fs, path::PathBuf, process::Command};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tandem-probe-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A WAV file: format tag, channels, rate, bits, bytes of sound that are declared and that are there.
    fn wav(tag: u16, channels: u16, rate: u32, bits: u16, declared: u32, there: usize) -> Vec<u8> {
        let frame = channels * bits.div_ceil(8);
        let mut out = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        out.extend(tag.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend((rate * u32::from(frame)).to_le_bytes());
        out.extend(frame.to_le_bytes());
        out.extend(bits.to_le_bytes());
        out.extend(b"data");
        out.extend(declared.to_le_bytes());
        out.resize(out.len() + there, 0x55);
        out
    }

    #[test]
    fn the_head_tells_what_loading_would() {
        let file = folder("bytes").join("a.wav");
        for (what, bytes, expected) in [
            ("8 kHz", wav(1, 1, 8_000, 16, 16_000, 16_000), Ok(1_000)),
            ("stereo", wav(1, 2, 48_000, 16, 192_000, 192_000), Ok(1_000)),
            ("24 bits", wav(1, 1, 16_000, 24, 48_000, 48_000), Ok(1_000)),
            ("A-law", wav(6, 1, 8_000, 8, 100_000, 100_000), Ok(12_500)),
            ("µ-law that says more than it has", wav(7, 1, 8_000, 8, 9_999_999, 8_000), Ok(1_000)),
            ("cut off", wav(1, 1, 8_000, 16, 16_000, 15_998), Err("ends before its sound does")),
            ("three channels", wav(1, 3, 8_000, 16, 6_000, 6_000), Err("3 channels")),
            ("slow", wav(1, 1, 4_000, 16, 8_000, 8_000), Err("4000 Hz")),
            ("empty", wav(1, 1, 8_000, 16, 0, 0), Err("no sound")),
            ("empty A-law", wav(6, 1, 8_000, 8, 0, 0), Err("no sound")),
            ("long", wav(7, 1, 8_000, 8, 14_400_000, 14_400_000), Err("30 minutes")),
            ("ADPCM", wav(0x11, 1, 8_000, 4, 4_000, 4_000), Err("IMA ADPCM")),
            ("MP3", b"ID3\x04\0\0\0\0\0\0".to_vec(), Err("it is MP3")),
            ("Ogg", b"OggS\0\x02".to_vec(), Err("it is Ogg")),
            ("nothing", Vec::new(), Err("not a WAV file")),
            ("text", b"welcome to our office".to_vec(), Err("not a WAV file")),
        ] {
            fs::write(&file, bytes).unwrap();
            let probed = Audio::probe(&file).map_err(|error| error.to_string());
            match (&probed, expected) {
                (Ok(ms), Ok(expected)) => assert_eq!(*ms, expected, "{what}"),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{what}: {why}"),
                _ => panic!("{what}: {probed:?}"),
            }
            assert_eq!(Audio::load(&file).is_ok(), probed.is_ok(), "{what}: loading says the same");
        }
    }

    #[test]
    fn files_that_another_program_wrote_are_known() {
        let folder = folder("sox");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../dialplans/prompts/en/welcome.wav");
        for (name, arguments, expected) in [
            ("gsm.wav", &["-e", "gsm-full-rate", "-r", "8000"][..], "GSM 6.10"),
            ("adpcm.wav", &["-e", "ima-adpcm", "-r", "8000"][..], "IMA ADPCM"),
            ("ms.wav", &["-e", "ms-adpcm", "-r", "8000"][..], "MS ADPCM"),
            ("aiff.aiff", &[][..], "AIFF"),
            ("float.wav", &["-e", "floating-point", "-b", "32"][..], ""),
            ("law.wav", &["-e", "a-law", "-r", "8000"][..], ""),
            ("wide.wav", &["-r", "44100", "-b", "24", "-c", "2"][..], ""),
        ] {
            let file = folder.join(name);
            let status = Command::new("sox").arg(shipped).args(arguments).arg(&file).status();
            assert!(status.expect("sox is installed (docker/packages.sh test)").success(), "{name}");
            let probed = Audio::probe(&file).map_err(|error| error.to_string());
            assert_eq!(Audio::load(&file).is_ok(), probed.is_ok(), "{name}: loading says the same");
            match probed {
                Ok(ms) => assert!(expected.is_empty() && ms > 500, "{name}: {ms}"),
                Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{name}: {why}"),
            }
        }
    }
}
