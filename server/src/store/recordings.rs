//! Recordings: what is noted of them, and what became of their audio.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_media::archive::{finish::Format, peaks::Waveform};
use tandem_switch::{
    id::{CallId, RecordingId},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    calls::AFTER_ALL,
    db::{Arg, Row, args},
    record::RecordingStarted,
    sql,
};

/// How a recording is kept, as it was settled at its begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptAs {
    /// What it will be.
    pub format: Format,
    /// It is sealed from its begin.
    pub sealed: bool,
    /// The file that grows while people talk, below the recordings folder; the recording itself when it is one already.
    /// `None`: nothing is made of it.
    pub capture: Option<String>,
    /// Days that it is kept; for ever when `None`.
    pub retain_days: Option<u32>,
}

/// Something that happened to a recording after its conversation, or to what goes into it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingNews {
    /// Which.
    pub recording: RecordingId,
    /// Of which call, where that is known.
    pub call: Option<CallId>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
}

/// What can happen to a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// Silence from now on.
    Paused,
    /// Audio again.
    Resumed,
    /// It is what it will be, and on the disk.
    Saved {
        /// What it is.
        format: Format,
        /// Its length.
        duration_ms: u64,
        /// Size of the file.
        size_bytes: u64,
        /// What it looks like.
        waveform: Waveform,
    },
    /// The store has it.
    Spooled {
        /// What it is called there.
        remote: String,
        /// The file in the folder stays.
        stays: bool,
    },
    /// Its audio is gone everywhere.
    Deleted {
        /// By whom: `retention` or a token's name.
        by: String,
    },
}

impl RecordingNews {
    pub(super) const fn kind(&self) -> &'static str {
        match self.what {
            Happened::Paused => "recording-paused",
            Happened::Resumed => "recording-resumed",
            Happened::Saved { .. } => "recording-saved",
            Happened::Spooled { .. } => "recording-spooled",
            Happened::Deleted { .. } => "recording-deleted",
        }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = match &self.what {
            Happened::Paused | Happened::Resumed => json!({}),
            Happened::Saved { format, duration_ms, size_bytes, .. } => {
                json!({ "format": format, "duration_ms": duration_ms, "size_bytes": size_bytes })
            }
            Happened::Spooled { remote, stays } => json!({ "remote": remote, "stays": stays }),
            Happened::Deleted { by } => json!({ "by": by }),
        };
        body["recording"] = json!(self.recording);
        body["call"] = json!(self.call);
        body
    }
}

/// The row of a recording that began.
pub(super) fn row(started: &RecordingStarted) -> Vec<Arg> {
    let RecordingStarted { recording, call, path, at, kept } = started;
    let KeptAs { format, sealed, capture, retain_days } = kept;
    args![
        recording.to_string(),
        call.to_string(),
        path.as_str(),
        *at,
        format.suffix(),
        u64::from(*sealed),
        capture.as_deref(),
        retain_days.map(u64::from),
    ]
    .into()
}

/// What news change in the tables.
pub(super) fn changes(news: &RecordingNews) -> Vec<(&'static str, Vec<Arg>)> {
    let id = news.recording.to_string();
    match &news.what {
        Happened::Paused | Happened::Resumed => Vec::new(),
        Happened::Saved { duration_ms, size_bytes, waveform, .. } => vec![
            (sql::RECORDING_SAVED, args![id.as_str(), *duration_ms, *size_bytes].into()),
            (sql::PUT_WAVEFORM, args![id, waveform.spell_ms, hex(&waveform.peaks)].into()),
        ],
        Happened::Spooled { remote, stays } => {
            vec![(sql::RECORDING_SPOOLED, args![id, remote.as_str(), u64::from(*stays)].into())]
        }
        Happened::Deleted { .. } => {
            vec![(sql::RECORDING_DELETED, args![id.as_str()].into()), (sql::DROP_WAVEFORM, args![id].into())]
        }
    }
}

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingState {
    /// It goes on.
    Recording,
    /// It is complete, and being made into what is kept.
    Captured,
    /// The file is complete.
    Finished,
    /// It could not be written; what was written until then may be there.
    Failed,
    /// The switch stopped meanwhile; what was written until then is there.
    Interrupted,
    /// Its audio was deleted.
    Deleted,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecordingRow {
    /// Which.
    pub recording: RecordingId,
    /// Of which call.
    pub call: CallId,
    /// The file, relative to the recordings folder; not for the outside.
    #[serde(skip)]
    pub path: String,
    /// What became of it.
    pub state: RecordingState,
    /// Its begin.
    pub started_at: Timestamp,
    /// Its end.
    pub ended_at: Option<Timestamp>,
    /// Its length, in ms.
    pub duration_ms: Option<u64>,
    /// Size of the file.
    pub size_bytes: Option<u64>,
    /// Why it failed.
    pub reason: Option<String>,
    /// How it is kept; its capture is there while something is still to be done.
    #[serde(skip)]
    pub kept: KeptAs,
    /// What it is called in the store.
    #[serde(skip)]
    pub remote: Option<String>,
    /// Its file is in the folder.
    #[serde(skip)]
    pub local: bool,
}

impl Store {
    /// A page of recordings, newest first; `before` is the last one of the page before.
    pub async fn recordings(
        &self,
        call: Option<CallId>,
        before: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        let before = before.map_or_else(|| AFTER_ALL.to_owned(), |recording| recording.to_string());
        let call = call.map(|call| call.to_string()).unwrap_or_default();
        self.read_recordings(sql::RECORDINGS, &args![before, call, limit]).await
    }

    /// One recording.
    pub async fn recording(&self, recording: RecordingId) -> Result<Option<RecordingRow>, StoreError> {
        self.db.fetch_one(sql::RECORDING, &args![recording.to_string()]).await?.as_ref().map(recording_row).transpose()
    }

    /// Recordings that are over and are not yet what they will be, after one of them.
    pub async fn recordings_to_finish(&self, after: Option<RecordingId>, limit: u32) -> Result<Vec<RecordingRow>, StoreError> {
        self.read_recordings(sql::RECORDINGS_TO_FINISH, &args![text(after), limit]).await
    }

    /// Finished recordings that the store does not have, after one of them.
    pub async fn recordings_to_spool(&self, after: Option<RecordingId>, limit: u32) -> Result<Vec<RecordingRow>, StoreError> {
        self.read_recordings(sql::RECORDINGS_TO_SPOOL, &args![text(after), limit]).await
    }

    /// Recordings whose time is over, after one of them.
    pub async fn recordings_to_delete(
        &self,
        now: Timestamp,
        after: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        self.read_recordings(sql::RECORDINGS_TO_DELETE, &args![now, text(after), limit]).await
    }

    /// What a recording looks like.
    pub async fn waveform(&self, recording: RecordingId) -> Result<Option<Waveform>, StoreError> {
        let Some(row) = self.db.fetch_one(sql::WAVEFORM, &args![recording.to_string()]).await? else { return Ok(None) };
        let peaks = unhex(row.get("peaks")?).ok_or(StoreError::Unreadable { column: "peaks" })?;
        Ok(Some(Waveform { spell_ms: u32::try_from(row.count("spell_ms")?).unwrap_or(u32::MAX), peaks }))
    }

    async fn read_recordings(&self, statement: &'static str, args: &[Arg]) -> Result<Vec<RecordingRow>, StoreError> {
        self.db.fetch(statement, args).await?.iter().map(recording_row).collect()
    }
}

fn text(recording: Option<RecordingId>) -> String {
    recording.map(|recording| recording.to_string()).unwrap_or_default()
}

fn recording_row(row: &Row) -> Result<RecordingRow, StoreError> {
    Ok(RecordingRow {
        recording: row.parsed("recording_id")?,
        call: row.parsed("call_id")?,
        path: row.get("path")?,
        state: row.word("state")?.ok_or(StoreError::Unreadable { column: "state" })?,
        started_at: row.at("started_us")?,
        ended_at: row.maybe_at("ended_us")?,
        duration_ms: row.maybe_count("duration_ms")?,
        size_bytes: row.maybe_count("size_bytes")?,
        reason: row.get("reason")?,
        kept: KeptAs {
            format: row.word("format")?.unwrap_or_default(),
            sealed: row.count("sealed")? > 0,
            capture: row.get("capture")?,
            retain_days: row.maybe_count("retain_days")?.and_then(|days| u32::try_from(days).ok()),
        },
        remote: row.get("remote")?,
        local: row.count("local")? > 0,
    })
}

fn hex(peaks: &[[u8; 2]]) -> String {
    peaks.iter().flatten().map(|level| format!("{level:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<[u8; 2]>> {
    let level = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len() / 4).map(|at| Some([level(at * 4)?, level(at * 4 + 2)?])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_come_back() {
        let peaks = vec![[0, 255], [17, 3]];
        assert_eq!(unhex(&hex(&peaks)), Some(peaks));
        assert_eq!((unhex(""), unhex("zz00")), (Some(vec![]), None));
    }
}
