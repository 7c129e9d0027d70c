//! Makes captures into recordings, one at a time, on a thread of low priority.
//!
//! The new file is written beside its capture, read back, brought to the disk and renamed; then its row says so, and only
//! then the capture goes. So whatever ends the process in between, the next start finds a row that is still to be done and
//! a capture to do it from.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tandem_media::archive::{
    self, capture,
    finish::{self, Format, Seen},
    sealed::{self, Key},
};
use tandem_switch::id::RecordingId;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, oneshot},
    time::sleep,
};

use super::{
    Parts,
    file::{below, open_below},
};
use crate::{
    clock,
    metrics::METRICS,
    store::{Happened, Record, RecordingNews, RecordingRow, RecordingState},
};

/// Rows that are looked at in one go.
const PAGE: u32 = 16;
/// After this time all that is to be done is looked at again: what failed may work now.
const AGAIN: Duration = Duration::from_secs(60);
/// How nice the thread is to others.
const NICE: i32 = 10;
const BUFFER_BYTES: usize = 64 * 1024;

/// One capture for the thread.
struct Job {
    folder: PathBuf,
    row: RecordingRow,
    keys: Vec<Arc<Key>>,
    done: oneshot::Sender<Result<Made, Trouble>>,
}

/// What a capture was made into.
#[derive(Debug)]
struct Made {
    seen: Seen,
    size_bytes: u64,
}

/// Why a capture was not made into anything.
#[derive(Debug)]
enum Trouble {
    /// The capture is not there.
    Missing,
    /// It cannot be read, now or later.
    Lost(String),
    /// Later it may go.
    Later(String),
}

/// Does all that is to be done, and then what comes, until the store or the thread is gone.
///
/// # Errors
/// The system gives no thread.
pub fn start(parts: Parts) -> io::Result<()> {
    let (jobs_tx, jobs) = mpsc::channel(1);
    thread::Builder::new().name("finisher".into()).spawn(move || work(jobs))?;
    tokio::spawn(run(parts, jobs_tx));
    Ok(())
}

async fn run(parts: Parts, jobs: mpsc::Sender<Job>) {
    let mut events = parts.store.subscribe();
    loop {
        if round(&parts, &jobs).await.is_none() {
            return;
        }
        let called = async {
            loop {
                match events.recv().await {
                    Ok(row) if matches!(&*row.kind, "recording-finished" | "recording-failed") => return true,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::select! {
            goes_on = called => if !goes_on { return },
            () = sleep(AGAIN) => {}
        }
    }
}

/// All that is to be done now. `None`: the thread is gone.
async fn round(parts: &Parts, jobs: &mpsc::Sender<Job>) -> Option<()> {
    let mut after = None;
    loop {
        let rows = match parts.store.recordings_to_finish(after, PAGE).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "recordings wait to be finished: the database does not answer");
                return Some(());
            }
        };
        METRICS.recordings_unfinished.set(rows.len() as u64);
        let Some(last) = rows.last() else { return Some(()) };
        after = Some(last.recording);
        for row in rows {
            one(parts, jobs, row).await?;
        }
    }
}

async fn one(parts: &Parts, jobs: &mpsc::Sender<Job>, row: RecordingRow) -> Option<()> {
    let (done, outcome) = oneshot::channel();
    let keys = parts.archive.borrow().keys.clone();
    jobs.send(Job { folder: parts.folder.clone(), row: row.clone(), keys, done }).await.ok()?;
    let (recording, format, at) = (row.recording, row.kept.format, clock::now().at);
    let record = match outcome.await.ok()? {
        Ok(Made { seen, size_bytes }) => {
            let Seen { duration_ms, waveform, .. } = seen;
            let what = Happened::Saved { format, duration_ms, size_bytes, waveform };
            METRICS.recordings_saved.inc();
            Record::Recording(RecordingNews { recording, call: Some(row.call), at, what })
        }
        Err(Trouble::Missing) => {
            let reason = row.reason.clone().unwrap_or_else(|| "its capture is not there".to_owned());
            failed(recording, &row, reason)
        }
        Err(Trouble::Lost(reason)) => failed(recording, &row, reason),
        Err(Trouble::Later(reason)) => {
            METRICS.recordings_retried.inc();
            tracing::error!(%recording, reason, "a recording cannot be finished now; its capture stays, and it is tried again");
            return Some(());
        }
    };
    let is_saved = matches!(record, Record::Recording(_));
    if let Err(error) = parts.writer.try_write(record) {
        tracing::warn!(%recording, %error, "that a recording is finished cannot be noted now; it is made again");
        return Some(());
    }
    parts.writer.flush().await.ok()?;
    if is_saved && row.kept.capture.as_ref() != Some(&row.path) {
        let capture = row.kept.capture.as_deref().and_then(|capture| below(&parts.folder, capture));
        if let Some(Err(error)) = capture.map(fs::remove_file) {
            tracing::warn!(%recording, %error, "the capture of a recording that is finished cannot be removed");
        }
    }
    Some(())
}

fn failed(recording: RecordingId, row: &RecordingRow, reason: String) -> Record {
    if row.state != RecordingState::Failed {
        METRICS.recordings_failed.inc();
        tracing::error!(%recording, reason, "nothing can be made of what was recorded");
    }
    Record::RecordingFailed { recording, reason, lost: true, at: clock::now().at }
}

fn work(mut jobs: mpsc::Receiver<Job>) {
    // Refused: then it goes at the priority of all.
    let _refused = rustix::process::nice(NICE);
    while let Some(Job { folder, row, keys, done }) = jobs.blocking_recv() {
        let _nobody_waits = done.send(make(&folder, &row, &keys));
    }
}

fn make(folder: &Path, row: &RecordingRow, keys: &[Arc<Key>]) -> Result<Made, Trouble> {
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
    use std::io::Write as _;

    use tandem_media::archive::ogg;
    use tandem_switch::{id::CallId, time::Timestamp};

    use super::*;
    use crate::store::KeptAs;

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
        home.capture("a.capture", Some(&key(1)), 5);
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
