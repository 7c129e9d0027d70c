//! Brings finished recordings to the store, one at a time, again and again until it has them. The file in the folder goes
//! when the store has said how long the object is, and the row says where it is; with `keep-local` it stays.

use std::{
    fs,
    io::{self, Read as _, Seek as _},
    path::Path,
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures_util::stream;
use ring::digest::{Context, SHA256};
use tandem_switch::id::RecordingId;
use tokio::{sync::broadcast::error::RecvError, time::sleep};

use super::{
    Parts, Spool,
    file::{below, open_below},
    s3::{StoreTrouble, hex},
};
use crate::{
    clock,
    metrics::METRICS,
    store::{Happened, Record, RecordingNews, RecordingRow},
};

/// Rows that are looked at in one go.
const PAGE: u32 = 16;
/// After this time all that is to be done is looked at again.
const AGAIN: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(300);
const CHUNK_BYTES: usize = 64 * 1024;

/// Does all that is to be done, and then what comes, until the store is gone.
pub fn start(parts: Parts) {
    tokio::spawn(run(parts));
}

async fn run(mut parts: Parts) {
    let mut events = parts.store.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let spool = parts.archive.borrow_and_update().spool.clone();
        if let Some(spool) = spool {
            round(&parts, &spool, &mut pause).await;
        }
        let called = async {
            loop {
                match events.recv().await {
                    Ok(row) if &*row.kind == "recording-saved" => return true,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::select! {
            goes_on = called => if !goes_on { return },
            changed = parts.archive.changed() => if changed.is_err() { return },
            () = sleep(AGAIN) => {}
        }
    }
}

/// All that is to be done now. What the store does not take is left for the next round, after a pause.
async fn round(parts: &Parts, spool: &Spool, pause: &mut Duration) {
    let mut after = None;
    loop {
        let rows = match parts.store.recordings_to_spool(after, PAGE).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "recordings wait for the store: the database does not answer");
                return;
            }
        };
        METRICS.recordings_unspooled.set(rows.len() as u64);
        let Some(last) = rows.last() else { return };
        after = Some(last.recording);
        for row in rows {
            let recording = row.recording;
            match one(parts, spool, row).await {
                Ok(()) => *pause = FIRST_PAUSE,
                Err(trouble) => {
                    METRICS.recordings_spool_failed.inc();
                    tracing::warn!(%recording, error = %trouble, "a recording cannot be brought to the store; it stays here, and it is tried again");
                    sleep(*pause).await;
                    *pause = (*pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }
}

async fn one(parts: &Parts, spool: &Spool, row: RecordingRow) -> Result<(), StoreTrouble> {
    let (folder, path) = (parts.folder.clone(), row.path.clone());
    let (file, bytes, sha256) = tokio::task::spawn_blocking(move || measure(&folder, &path))
        .await
        .map_err(io::Error::other)
        .and_then(|measured| measured)
        .map_err(|error| StoreTrouble::Away(format!("the file cannot be read: {error}")))?;
    spool.bucket.put(clock::now().at, &row.path, body(file), bytes, &sha256).await?;
    let what = Happened::Spooled { remote: row.path.clone(), stays: spool.keep_local };
    note(parts, row.recording, &row, what).await;
    Ok(())
}

/// The row first: what it says to be in the store is there.
async fn note(parts: &Parts, recording: RecordingId, row: &RecordingRow, what: Happened) {
    let stays = matches!(what, Happened::Spooled { stays: true, .. });
    let news = RecordingNews { recording, call: Some(row.call), at: clock::now().at, what };
    if parts.writer.try_write(Record::Recording(news)).is_err() || parts.writer.flush().await.is_err() {
        return;
    }
    METRICS.recordings_spooled.inc();
    if let Some(Err(error)) = below(&parts.folder, &row.path).filter(|_| !stays).map(fs::remove_file) {
        tracing::warn!(%recording, %error, "a recording that the store has cannot be removed here");
    }
}

/// The file, its length and its SHA-256.
fn measure(folder: &Path, path: &str) -> io::Result<(fs::File, u64, String)> {
    let mut file = open_below(folder, path)?;
    let (mut context, mut bytes, mut chunk) = (Context::new(&SHA256), 0, vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        context.update(&chunk[..read]);
        bytes += read as u64;
    }
    file.rewind()?;
    Ok((file, bytes, hex(context.finish().as_ref())))
}

/// A file as it is read, a piece at a time.
fn body(file: fs::File) -> Body {
    Body::from_stream(stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = file.read(&mut chunk)?;
            chunk.truncate(read);
            Ok::<_, io::Error>((chunk, file))
        });
        match read.await.map_err(io::Error::other).and_then(|read| read) {
            Ok((chunk, _)) if chunk.is_empty() => None,
            Ok((chunk, file)) => Some((Ok(Bytes::from(chunk)), Some(file))),
            // The request is broken off: the store has not what was measured.
            Err(error) => Some((Err(error), None)),
        }
    }))
}
