//! Deletes recordings whose time is over: file, what lies in the store, waveform; their rows stay and say so.
//!
//! Each is gone before its row says it: a process that ends in between finds the row still to be done, and nothing left of
//! the file, which is as good.

use std::{fs, io, path::Path, time::Duration};

use tandem_switch::time::Timestamp;
use tokio::time::sleep;

use super::{Parts, Spool, file::below};
use crate::{
    clock,
    metrics::METRICS,
    store::{Happened, Record, RecordingNews, RecordingRow, Store, StoreError, Writer},
};

/// How often it is looked for recordings whose time is over.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// After this time it is tried again when something could not be deleted.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// Rows that are looked at in one go.
const PAGE: u32 = 64;
/// Who deletes, for the journal.
const BY: &str = "retention";

/// What was done by one sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Recordings that are gone.
    pub deleted: u64,
    /// Recordings that could not be deleted now.
    pub left: u64,
}

/// Sweeps now, and then daily, as long as the runtime is there.
pub fn start(parts: Parts) {
    tokio::spawn(async move {
        loop {
            let spool = parts.archive.borrow().spool.clone();
            let swept = sweep(&parts.store, &parts.writer, (&parts.folder, spool.as_deref()), clock::now().at).await;
            let pause = match swept {
                Ok(Swept { left: 0, .. }) => EVERY,
                Ok(_) => AGAIN,
                Err(error) => {
                    tracing::warn!(%error, "recordings whose time is over cannot be looked for");
                    AGAIN
                }
            };
            sleep(pause).await;
        }
    });
}

/// Deletes all whose time is over at `now`.
///
/// # Errors
/// The database does not say which.
pub async fn sweep(
    store: &Store,
    writer: &Writer,
    (folder, spool): (&Path, Option<&Spool>),
    now: Timestamp,
) -> Result<Swept, StoreError> {
    let (mut swept, mut after) = (Swept::default(), None);
    loop {
        let rows = store.recordings_to_delete(now, after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(swept) };
        after = Some(last.recording);
        for row in rows {
            let (recording, call) = (row.recording, Some(row.call));
            if let Err(error) = forget(folder, spool, row, now).await {
                tracing::error!(%recording, %error, "a recording whose time is over cannot be deleted; it is tried again");
                swept.left += 1;
                continue;
            }
            let what = Happened::Deleted { by: BY.to_owned() };
            if writer.try_write(Record::Recording(RecordingNews { recording, call, at: now, what })).is_err() {
                swept.left += 1;
                continue;
            }
            METRICS.recordings_deleted.inc();
            swept.deleted += 1;
        }
        // The next page is asked for when this one is written.
        if writer.flush().await.is_err() {
            return Ok(swept);
        }
    }
}

/// Removes a recording from the store and from the folder.
pub(crate) async fn forget(folder: &Path, spool: Option<&Spool>, row: RecordingRow, now: Timestamp) -> io::Result<()> {
    if let Some(remote) = &row.remote {
        let spool = spool.ok_or_else(|| io::Error::other("the store that has it is not in the plan any more"))?;
        spool.bucket.delete(now, remote).await.map_err(io::Error::other)?;
    }
    let root = folder.to_owned();
    tokio::task::spawn_blocking(move || delete(&root, &row)).await.map_err(io::Error::other)?
}

/// Removes all files of a recording; those that are not there are gone already.
fn delete(root: &Path, row: &RecordingRow) -> io::Result<()> {
    let Some(path) = below(root, &row.path) else { return Ok(()) };
    // A crash may have left a capture or a draft of what is finished.
    let capture = path.with_file_name(format!("{}.capture", row.recording));
    for path in [path.with_extension("draft"), capture, path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
