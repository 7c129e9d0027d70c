//! What runs, who watches it, and how it is taken apart.
//!
//! Every wait has an end: a part that hangs, or a database that is away, must not keep the process from stopping.

use std::{future::pending, sync::atomic::Ordering, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{
    ServeError,
    signals::{self, Signals},
};
use crate::{
    http::control::Control,
    store::{Store, Writer},
    wire::{floor::FloorAsk, line::LineAsk},
};

/// How long answers of the HTTP API may take to be finished.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How long a loop may take to end: longer than the line loop waits for its last records.
const LAST_TURN: Duration = Duration::from_secs(10);
/// How long the database may take to write what is left.
const LAST_RECORDS: Duration = Duration::from_secs(10);
/// How long the ends of parts that end together may be apart.
const A_MOMENT: Duration = Duration::from_millis(500);
/// How long its connections may take to be closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The parts of a switch that runs. What has ended is `None`.
pub struct Running {
    /// To the line loop.
    pub line: mpsc::Sender<LineAsk>,
    /// Gives the records that the line loop lost at its end; nothing when it panicked.
    pub line_loop: Option<oneshot::Receiver<usize>>,
    /// To the floor loop.
    pub floor: mpsc::Sender<FloorAsk>,
    /// The same of the floor loop.
    pub floor_loop: Option<JoinHandle<usize>>,
    /// The first media thread that ended.
    pub media: watch::Receiver<Option<String>>,
    /// Answers the HTTP API.
    pub director: Option<JoinHandle<()>>,
    /// To the writer.
    pub writer: Writer,
    /// The writer.
    pub writing: Option<JoinHandle<()>>,
    /// Tells the HTTP servers to stop.
    pub stop_http: watch::Sender<bool>,
    /// They themselves.
    pub http: JoinSet<()>,
    /// The database.
    pub store: Store,
}

impl Running {
    /// Watches the parts until somebody stops the switch or one of them ends by itself, then stops the others.
    ///
    /// # Errors
    /// A part ended or hangs, or records could not be written.
    pub async fn until_stopped(mut self, control: &Control, drain_s: u64) -> Result<(), ServeError> {
        let mut signals = Signals::take()?;
        let line = self.line.clone();
        let fault = tokio::select! {
            () = signals.until_stopped(control, &line, drain_s) => None,
            part = self.part_ended() => Some(part),
        };
        if let Some(part) = &fault {
            tracing::error!("{part} ended by a fault: calls are ended and the process exits, to be started again");
            control.ready.draining.store(true, Ordering::Relaxed);
            signals::end_calls(&line).await;
        }
        let writer = self.writer.clone();
        let stopped = tokio::select! {
            stopped = self.stop() => stopped,
            () = signals.insisted() => records_lost(writer.unwritten()),
        };
        match fault {
            Some(part) => Err(ServeError::PartEnded(part)),
            None => stopped.inspect(|()| println!("Tandem has stopped.")),
        }
    }

    /// Returns when a part has ended that never should, with its name.
    async fn part_ended(&mut self) -> String {
        tokio::select! {
            _ = ended(&mut self.line_loop) => "the line loop".to_owned(),
            _ = ended(&mut self.floor_loop) => {
                // The line loop takes the floor loop along when it ends, and its own end may be heard of later.
                let line_too = timeout(A_MOMENT, ended(&mut self.line_loop)).await.is_ok();
                if line_too { "the line loop" } else { "the floor loop" }.to_owned()
            }
            _ = ended(&mut self.director) => "the director".to_owned(),
            _ = ended(&mut self.writing) => "the database writer".to_owned(),
            Some(thread) = media_ended(&mut self.media) => format!("the media thread {thread}"),
        }
    }

    /// Stops everything in the order in which the parts need each other.
    async fn stop(mut self) -> Result<(), ServeError> {
        // Answers that are in progress need the loops.
        self.stop_http.send_replace(true);
        let answers = async { while self.http.join_next().await.is_some() {} };
        if timeout(LAST_ANSWERS, answers).await.is_err() {
            tracing::warn!("answers of the HTTP API were not finished in time");
        }
        let line = end("the line loop", self.line_loop.take(), self.line.send(LineAsk::Stop)).await;
        let floor = end("the floor loop", self.floor_loop.take(), self.floor.send(FloorAsk::Stop)).await;
        let unwritten = match self.writing.take() {
            Some(writing) => self.writer.end(writing, LAST_RECORDS).await,
            None => self.writer.unwritten(),
        };
        let _not_in_time = timeout(LAST_WORDS, self.store.close()).await;
        let kept_by_loops = [&line, &floor].into_iter().flatten().sum::<usize>();
        records_lost(unwritten + kept_by_loops)?;
        line.and(floor).map(drop)
    }
}

/// Tells a loop to stop and waits for its end. How many records it leaves; none when it had ended before.
async fn end<E>(
    name: &str,
    part: Option<impl Future<Output = Result<usize, E>>>,
    told: impl Future,
) -> Result<usize, ServeError> {
    let Some(part) = part else { return Ok(0) };
    let last_turn = async {
        told.await;
        part.await
    };
    match timeout(LAST_TURN, last_turn).await {
        Ok(Ok(left)) => Ok(left),
        Ok(Err(_)) => Err(ServeError::PartEnded(name.to_owned())),
        Err(_) => Err(ServeError::PartHangs(name.to_owned())),
    }
}

/// `Err` when there are any.
fn records_lost(lost: usize) -> Result<(), ServeError> {
    if lost == 0 {
        return Ok(());
    }
    tracing::error!(records = lost, "the process ends although the database did not take these records; they are lost");
    Err(ServeError::RecordsLost(lost))
}

/// What a part leaves at its end; that is told once.
async fn ended<P: Future + Unpin>(part: &mut Option<P>) -> P::Output {
    let Some(running) = part else { return pending().await };
    let left = running.await;
    *part = None;
    left
}

async fn media_ended(threads: &mut watch::Receiver<Option<String>>) -> Option<String> {
    threads.wait_for(Option::is_some).await.ok().and_then(|name| name.clone())
}
