//! What the line loop writes down of calls, recordings and registrations.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tandem_media::archive::sealed::Key;

use tandem_switch::{
    cdr::Cdr,
    id::{CallId, RecordingId},
    identity::CallerIdentity,
    time::Timestamp,
};

use super::{audio::CallAudio, line::Service, trial::Trial};
use crate::{
    metrics::METRICS,
    recordings::{Archive, Begin},
    store::{CallStarted, Happened, Record, RecordingNews, RecordingStarted, Told, Writer},
};

/// Records of calls that are over, kept while the writer is full. New calls are refused long before.
const MAX_UNSAVED: usize = 65_536;

/// What else is known at the end of a call.
#[derive(Clone, Copy, Debug)]
pub struct Then {
    /// It was kept for another process: what was kept goes.
    pub was_kept: bool,
    /// A step of it ended in `error`.
    pub step_failed: bool,
}

/// The line loop's way to the writer. It never waits.
pub struct Ledger {
    writer: Writer,
    recordings: PathBuf,
    archive: Arc<Archive>,
    trial: Option<Arc<Trial>>,
    unsaved: VecDeque<Record>,
    /// Recordings that were begun and are neither complete nor failed.
    open: usize,
}

impl Ledger {
    /// A ledger that keeps recordings below `recordings`.
    #[must_use]
    pub fn new(writer: Writer, recordings: PathBuf, service: &Service) -> Self {
        let (archive, trial) = (Arc::clone(&service.archive), service.trial.clone());
        Self { writer, recordings, archive, trial, unsaved: VecDeque::new(), open: 0 }
    }

    /// Whether new calls must be refused, because their records could not be kept.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        !self.unsaved.is_empty() || self.writer.is_pressed()
    }

    /// Notes a call. `false`: it could not be noted and must be refused. One to an emergency service is noted later then.
    #[must_use]
    pub fn call_started(&mut self, started: CallStarted, is_emergency: bool) -> bool {
        if is_emergency {
            self.write(Record::CallStarted(started));
            return true;
        }
        !self.is_pressed() && self.writer.try_write(Record::CallStarted(started)).is_ok()
    }

    /// The caller of a call may not be who they show.
    pub fn doubted(&self, call: CallId, proof: CallerIdentity) {
        self.writer.tell(Told::Doubted { call, proof });
    }

    /// Writes the record of a call, with what was measured on its legs.
    pub fn call_ended(&mut self, cdr: Box<Cdr>, audio: &CallAudio, identity: Option<CallerIdentity>, then: Then) {
        let Then { was_kept, step_failed } = then;
        count(&cdr);
        if let Some(trial) = &self.trial {
            trial.ended(&cdr, step_failed);
        }
        self.write(Record::CallEnded { cdr, quality: audio.to_json(), identity, was_kept });
    }

    /// Keeps what another process needs to go on with a call, `at_once` if its caller was just given a place in line.
    /// `false`: the store has no room for what can wait; later.
    #[must_use]
    pub fn keep_call(&mut self, call: CallId, v: u32, body: String, (at, at_once): (Timestamp, bool)) -> bool {
        // What waits to be written comes first: a record must not be overtaken by what was kept of its call.
        let is_taken = self.unsaved.is_empty()
            && self.writer.is_at_ease()
            && self.writer.try_write(Record::CallKept { call, v, body, at }).is_ok();
        if is_taken && at_once {
            self.writer.hurry();
        }
        is_taken
    }

    /// What the plan in service wants of recordings that begin now, and who counts its calls.
    pub fn set_service(&mut self, service: &Service) {
        self.archive = Arc::clone(&service.archive);
        self.trial.clone_from(&service.trial);
    }

    /// Notes a recording and makes room for its capture; what that is sealed with. `retain_days` is what its queue wants.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn recording_started(
        &mut self,
        at: Timestamp,
        (recording, call): (RecordingId, CallId),
        retain_days: Option<u32>,
    ) -> io::Result<(PathBuf, Option<Arc<Key>>)> {
        let Begin { path, kept, key } = self.archive.begin(at, recording, retain_days);
        let file = self.recordings.join(kept.capture.as_ref().unwrap_or(&path));
        METRICS.recordings.inc();
        self.open += 1;
        self.write(Record::RecordingStarted(RecordingStarted { kept, recording, call, path, at }));
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        Ok((file, key))
    }

    /// Notes that a recording is silent from now on, or has audio again.
    pub fn recording_paused(&mut self, at: Timestamp, (recording, call): (RecordingId, CallId), paused: bool) {
        let what = if paused { Happened::Paused } else { Happened::Resumed };
        self.write(Record::Recording(RecordingNews { recording, call: Some(call), at, what }));
    }

    /// Notes that a recording is complete in its file.
    pub fn recording_finished(&mut self, at: Timestamp, recording: RecordingId, file: &Path, duration_ms: u64) {
        let size_bytes = std::fs::metadata(file).map_or(0, |file| file.len());
        METRICS.recordings.dec();
        self.open = self.open.saturating_sub(1);
        self.write(Record::RecordingFinished { recording, duration_ms, size_bytes, at });
    }

    /// Notes that a recording failed.
    pub fn recording_failed(&mut self, at: Timestamp, recording: RecordingId, reason: String) {
        METRICS.recordings.dec();
        self.open = self.open.saturating_sub(1);
        METRICS.recordings_failed.inc();
        self.write(Record::RecordingFailed { recording, reason, lost: false, at });
    }

    /// How full the queue to the database is, in thousandths.
    #[must_use]
    pub fn writer_load(&self) -> u32 {
        if self.unsaved.is_empty() { self.writer.load() } else { 1_000 }
    }

    /// Whether nothing is owed: every recording is noted as complete, and every record is with the writer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open == 0 && self.unsaved.is_empty()
    }

    /// Records that the writer had no room for.
    #[must_use]
    pub fn unsaved(&self) -> usize {
        self.unsaved.len()
    }

    /// Hands a record over, or keeps it until there is room.
    pub fn write(&mut self, record: Record) {
        if self.unsaved.is_empty() && !self.writer.is_pressed() {
            self.write_now(record);
        } else {
            self.keep(record);
        }
    }

    /// Tries what was kept again, in order.
    pub fn retry(&mut self) {
        while !self.unsaved.is_empty() && !self.writer.is_pressed() {
            if let Some(record) = self.unsaved.pop_front() {
                self.write_now(record);
            }
        }
    }

    fn write_now(&mut self, record: Record) {
        if let Err(error) = self.writer.try_write(record) {
            tracing::error!(%error, "a record is lost");
        }
    }

    fn keep(&mut self, record: Record) {
        if self.unsaved.len() < MAX_UNSAVED {
            self.unsaved.push_back(record);
        } else {
            tracing::error!("a record is lost: the database has been away for too long");
        }
    }
}

fn count(cdr: &Cdr) {
    METRICS.calls_ended.inc(cdr.cause.as_str());
    METRICS.calls_blamed.inc(cdr.blame.as_str());
    if let Some(answered_at) = cdr.answered_at {
        METRICS.call_setup.observe_ms(answered_at.ms_since(cdr.started_at));
    }
    if cdr.agent.is_some() && cdr.connected_at.is_some() {
        METRICS.answer_wait.observe_ms(cdr.waited_ms);
    }
}
