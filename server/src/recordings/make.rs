//! What the finisher does with one capture: looks at it, writes what is kept beside it, and reads that back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use tandem_media::archive::{
    self, capture,
    finish::{self, Format, Seen},
    sealed::{self, Key},
};

use super::file::{below, open_below};
use crate::store::RecordingRow;

const BUFFER_BYTES: usize = 64 * 1024;

/// What a capture was made into.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) seen: Seen,
    pub(super) size_bytes: u64,
}

/// Why a capture was not made into anything.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The capture is not there.
    Missing,
    /// It cannot be read, now or later.
    Lost(String),
    /// Later it may go.
    Later(String),
}

/// Makes the capture of a row into what the row says.
///
/// # Errors
/// The capture stays as it is.
pub(super) fn make(folder: &Path, row: &RecordingRow, keys: &[Arc<Key>]) -> Result<Made, Trouble> {
    let capture = row.kept.capture.as_deref().ok_or(Trouble::Missing)?;
    if capture == row.path {
        return settle(folder, capture);
    }
    let seen = finish::look(open_capture(folder, row, capture, keys)?).map_err(trouble)?;
    let path = below(folder, &row.path).ok_or(Trouble::Missing)?;
    let draft = path.with_extension("draft");
    // What a crash left.
    let _not_there = fs::remove_file(&draft);
    let written = write(&draft, row, &seen, keys, || open_capture(folder, row, capture, keys));
    let made = written.and_then(|()| {
        let size_bytes = fs::metadata(&draft).map_err(later)?.len();
        fs::rename(&draft, &path).map_err(later)?;
        sync_folder(&path).map_err(later)?;
        Ok(Made { seen, size_bytes })
    });
    if made.is_err() {
        let _not_there = fs::remove_file(&draft);
    }
    made
}

/// A capture that is what is kept already: brought to the disk with the right header, and looked at.
fn settle(folder: &Path, capture: &str) -> Result<Made, Trouble> {
    let path = below(folder, capture).ok_or(Trouble::Missing)?;
    open_below(folder, capture).map_err(missing)?;
    let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(missing)?;
    capture::mend(&mut file).map_err(trouble)?;
    file.sync_all().map_err(later)?;
    sync_folder(&path).map_err(later)?;
    let size_bytes = file.metadata().map_err(later)?.len();
    let seen = finish::look(BufReader::new(open_below(folder, capture).map_err(missing)?)).map_err(trouble)?;
    Ok(Made { seen, size_bytes })
}

fn open_capture(folder: &Path, row: &RecordingRow, capture: &str, keys: &[Arc<Key>]) -> Result<Box<dyn Read>, Trouble> {
    let file = BufReader::with_capacity(BUFFER_BYTES, open_below(folder, capture).map_err(missing)?);
    Ok(if row.kept.sealed { Box::new(sealed::Reader::new(file, keys).map_err(opening)?) } else { Box::new(file) })
}

fn write(
    draft: &Path,
    row: &RecordingRow,
    seen: &Seen,
    keys: &[Arc<Key>],
    capture: impl FnOnce() -> Result<Box<dyn Read>, Trouble>,
) -> Result<(), Trouble> {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(draft).map_err(later)?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let format = row.kept.format;
    let serial = u32::from_be_bytes(random());
    let out = if row.kept.sealed {
        // Settings may have lost their key meanwhile: what began sealed is never kept clear.
        let key = keys.first().ok_or_else(|| Trouble::Later("no key is configured to seal it with".to_owned()))?;
        let out = sealed::Writer::new(out, key, &random(), sealed::RECORD_BYTES).map_err(later)?;
        finish::write(capture()?, out, format, seen, serial).map_err(trouble)?.finish().map_err(later)?
    } else {
        finish::write(capture()?, out, format, seen, serial).map_err(trouble)?
    };
    let file = out.into_inner().map_err(|error| later(error.into_error()))?;
    file.sync_all().map_err(later)?;
    verify(draft, row.kept.sealed, format, seen, keys)
}

/// Reads the new file back, as a player would.
fn verify(draft: &Path, sealed: bool, format: Format, seen: &Seen, keys: &[Arc<Key>]) -> Result<(), Trouble> {
    let file = BufReader::with_capacity(BUFFER_BYTES, File::open(draft).map_err(later)?);
    let outcome = if sealed {
        finish::verify(BufReader::new(sealed::Reader::new(file, keys).map_err(later)?), format, seen)
    } else {
        finish::verify(file, format, seen)
    };
    outcome.map_err(|error| Trouble::Later(format!("it was not written as it should be: {error}")))
}

/// A rename is on the disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn missing(error: io::Error) -> Trouble {
    if error.kind() == ErrorKind::NotFound { Trouble::Missing } else { later(error) }
}

fn later(error: io::Error) -> Trouble {
    Trouble::Later(error.to_string())
}

/// A capture that cannot be opened: with the right key in the plan it can.
fn opening(error: io::Error) -> Trouble {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<sealed::SealError>()) {
        Some(sealed::SealError::OtherKey { .. }) | None => later(error),
        Some(other) => Trouble::Lost(other.to_string()),
    }
}

fn trouble(error: archive::ArchiveError) -> Trouble {
    match error {
        archive::ArchiveError::Io(error) => opening(error),
        archive::ArchiveError::Opus(_) => Trouble::Later(error.to_string()),
        lost => Trouble::Lost(lost.to_string()),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness two files could have one key: better not to go on.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, path::PathBuf};

    use tandem_media::archive::ogg;
    use tandem_switch::{
        id::{CallId, RecordingId},
        time::Timestamp,
    };

    use super::*;
    use crate::store::{KeptAs, RecordingState};

    struct Home(PathBuf);

    impl Home {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tandem-finisher-{name}-{}", std::process::id()));
            let _not_there = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// Three seconds of a tone on the left, as the engine captures them; the last bytes are cut off.
        fn capture(&self, name: &str, key: Option<&Key>, cut: u64) {
            let mut wav = capture::header(8_000, None).to_vec();
            for n in 0..24_000u32 {
                let sample = if n / 4 % 2 == 0 { 9_000i16 } else { -9_000 };
                wav.extend(sample.to_le_bytes());
                wav.extend([0, 0]);
            }
            let path = self.0.join(name);
            match key {
                None => fs::write(&path, wav).unwrap(),
                Some(key) => {
                    let mut file = sealed::Writer::new(File::create(&path).unwrap(), key, &random(), 0).unwrap();
                    for part in wav.chunks(16_000) {
                        file.write_all(part).unwrap();
                        file.flush().unwrap();
                    }
                    file.finish().unwrap();
                }
            }
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(file.metadata().unwrap().len() - cut).unwrap();
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<_> =
                fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    fn key(byte: u8) -> Arc<Key> {
        Arc::new(Key::new(&[byte; 32]).unwrap())
    }

    fn row(path: &str, capture: &str, format: Format, sealed: bool) -> RecordingRow {
        RecordingRow {
            recording: RecordingId(1),
            call: CallId(1),
            path: path.into(),
            state: RecordingState::Captured,
            started_at: Timestamp(0),
            ended_at: None,
            duration_ms: None,
            size_bytes: None,
            reason: None,
            kept: KeptAs { format, sealed, capture: Some(capture.into()), retain_days: None },
            remote: None,
            local: true,
        }
    }

    #[test]
    fn a_clear_wav_gets_its_header_and_stays_what_it_is() {
        let home = Home::new("wav");
        home.capture("a.wav", None, 2);
        let made = make(&home.0, &row("a.wav", "a.wav", Format::Wav, false), &[]).unwrap();
        assert_eq!((made.seen.pairs, made.seen.duration_ms), (23_999, 2_999));
        assert_eq!(hound::WavReader::open(home.0.join("a.wav")).unwrap().duration(), 23_999);
        assert_eq!(made.seen.waveform.peaks[0], [134, 0]);
    }

    #[test]
    fn opus_and_what_is_sealed_are_made_beside_their_capture() {
        let home = Home::new("opus");
        home.capture("a.capture", None, 0);
        home.capture("b.capture", Some(&key(1)), 0);
        let opus = make(&home.0, &row("a.opus", "a.capture", Format::Opus, false), &[]).unwrap();
        assert_eq!(ogg::inspect(File::open(home.0.join("a.opus")).unwrap()).unwrap().samples, 144_000);
        assert!(opus.size_bytes < 20_000 && opus.seen.duration_ms == 3_000);
        // A crash left a draft.
        fs::write(home.0.join("b.wav.draft"), "rest").unwrap();
        let sealed = make(&home.0, &row("b.wav.sealed", "b.capture", Format::Wav, true), &[key(1)]).unwrap();
        assert_eq!(sealed.seen, opus.seen);
        assert_eq!(home.names(), ["a.capture", "a.opus", "b.capture", "b.wav.sealed"]);
        let clear = fs::read(home.0.join("a.capture")).unwrap();
        let tone = &clear[1_000..1_064];
        assert!(clear.windows(64).any(|bytes| bytes == tone));
        for name in ["b.capture", "b.wav.sealed"] {
            let bytes = fs::read(home.0.join(name)).unwrap();
            assert!(!bytes.windows(16).any(|part| part == &tone[..16]), "{name}");
        }
    }

    #[test]
    fn a_sealed_capture_that_was_cut_is_kept_as_far_as_it_goes() {
        let home = Home::new("cut");
        home.capture("a.capture", Some(&key(1)), 30);
        let made = make(&home.0, &row("a.opus.sealed", "a.capture", Format::Opus, true), &[key(1)]).unwrap();
        // Six records of 16000 bytes, less the header; the last one is lost.
        assert_eq!(made.seen.pairs, (6 * 16_000 - 44) / 4);
    }

    #[test]
    fn another_key_is_named_and_may_come_back() {
        let home = Home::new("key");
        home.capture("a.capture", Some(&key(1)), 0);
        let row = row("a.opus.sealed", "a.capture", Format::Opus, true);
        let Err(Trouble::Later(why)) = make(&home.0, &row, &[key(2)]) else { panic!("it must wait for its key") };
        let (one, two) = (key(1).id(), key(2).id());
        assert_eq!(why, format!("it is sealed with key {one}, and the configured keys are {two}"));
        assert!(matches!(make(&home.0, &row, &[]), Err(Trouble::Later(_))));
        // The new key seals, the old one opens.
        make(&home.0, &row, &[key(2), key(1)]).unwrap();
        assert!(
            verify(
                &home.0.join("a.opus.sealed"),
                true,
                Format::Opus,
                &make(&home.0, &row, &[key(2), key(1)]).unwrap().seen,
                &[key(2)]
            )
            .is_ok()
        );
    }

    #[test]
    fn what_is_not_there_or_no_capture_is_lost() {
        let home = Home::new("lost");
        assert!(matches!(make(&home.0, &row("a.opus", "a.capture", Format::Opus, false), &[]), Err(Trouble::Missing)));
        fs::write(home.0.join("a.capture"), "something else").unwrap();
        assert!(matches!(make(&home.0, &row("a.opus", "a.capture", Format::Opus, false), &[]), Err(Trouble::Lost(_))));
        assert!(matches!(make(&home.0, &row("a.opus", "../a.capture", Format::Opus, false), &[]), Err(Trouble::Missing)));
        assert_eq!(home.names(), ["a.capture"]);
    }
}
