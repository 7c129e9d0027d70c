//! The end of a call, and of the loop: what is still to be written down.

use tandem_media::contract::Event;
use tandem_switch::id::{CallId, RecordingId};
use tokio::sync::mpsc;

use super::{Line, mail::closed};
use crate::wire::edges::Edges;

impl Line {
    /// Ends a call that cannot even end itself.
    pub(super) fn abandon(&mut self, call: CallId) {
        if let Some(live) = self.calls.remove(&call) {
            if let Some(timer) = live.timer {
                self.timers.remove(&(timer, call));
            }
            live.abandon(&mut self.edges);
        }
    }

    /// Writes the record of a call that is over, once nothing more is waited for.
    pub(super) fn close_if_done(&mut self, call: CallId) {
        if self.calls.get(&call).is_some_and(|live| live.is_closed(self.edges.now.at))
            && let Some(live) = self.calls.remove(&call)
        {
            if let Some(timer) = live.timer {
                self.timers.remove(&(timer, call));
            }
            live.close(&mut self.edges);
            if self.calls.is_empty() {
                let _nobody_waits = self.draining.take().map(|done| done.send(()));
                let _nobody_waits = self.ending.take().map(|done| done.send(()));
            }
        }
    }

    /// Told to stop, and everything is written down, or was waited for long enough.
    pub(super) fn may_end(&self) -> bool {
        self.stop_at
            .is_some_and(|at| (self.edges.ledger.is_settled() && self.edges.mail.is_settled()) || at <= self.edges.now.instant)
    }

    /// Closes the engine, which completes the recordings that are still open, and writes the last records.
    pub(super) fn end(self, media_events: &mut mpsc::Receiver<Event>) -> usize {
        let Edges { now, media, mut ledger, mut mail, .. } = self.edges;
        drop(media);
        while let Ok(event) = media_events.try_recv() {
            match event {
                Event::Recorded { recording, path, duration_ms, .. } => {
                    let recording = RecordingId(recording);
                    let written = Some((&*path, duration_ms));
                    if closed((&mut mail, &mut ledger), now.at, recording, written).is_none() {
                        ledger.recording_finished(now.at, recording, &path, duration_ms);
                    }
                }
                Event::RecordFailed { recording, error } => {
                    let recording = RecordingId(recording);
                    if closed((&mut mail, &mut ledger), now.at, recording, None).is_none() {
                        ledger.recording_failed(now.at, recording, error);
                    }
                }
                _ => {}
            }
        }
        ledger.retry();
        ledger.unsaved()
    }
}
