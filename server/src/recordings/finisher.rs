//! Makes captures into recordings, one at a time, on a thread of low priority.
//!
//! The new file is written beside its capture, read back, brought to the disk and renamed; then its row says so, and only
//! then the capture goes. So whatever ends the process in between, the next start finds a row that is still to be done and
//! a capture to do it from.

use std::{fs, io, path::PathBuf, sync::Arc, thread, time::Duration};

use tandem_media::archive::{finish::Seen, sealed::Key};
use tandem_switch::id::RecordingId;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, oneshot},
    time::sleep,
};

use super::{
    Parts,
    file::below,
    make::{Made, Trouble, make},
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

/// One capture for the thread.
struct Job {
    folder: PathBuf,
    row: RecordingRow,
    keys: Vec<Arc<Key>>,
    done: oneshot::Sender<Result<Made, Trouble>>,
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
