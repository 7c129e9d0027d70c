//! Signals: HUP takes the plan anew, TERM and INT drain, a second one ends calls at once.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    http::control::{Control, ControlRequest},
    wire::line::LineAsk,
};

/// Ended calls have so long to send their last messages and to be recorded.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Returns when the switch has drained, or was told twice to stop, or waited long enough.
///
/// # Errors
/// The system refuses a signal handler.
pub async fn until_stopped(control: &Control, line: &mpsc::Sender<LineAsk>, drain_s: u64) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(control),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    control.ready.draining.store(true, Ordering::Relaxed);
    tracing::info!(drain_s, "draining: no new calls; calls that are up go on. A second signal ends them at once.");
    let (tx, drained) = oneshot::channel();
    let _loop_is_gone = line.send(LineAsk::Drain(tx)).await;
    tokio::select! {
        _ = drained => return Ok(()),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = tokio::time::sleep(Duration::from_secs(drain_s)) => tracing::warn!("calls are still up; ending them"),
    }
    let (tx, ended) = oneshot::channel();
    let _loop_is_gone = line.send(LineAsk::EndAll(tx)).await;
    let _in_time = timeout(LAST_WORDS, ended).await;
    Ok(())
}

/// Asks for a reload and does not wait for it: whoever stops the switch meanwhile is heard at once. What is
/// wrong with a plan that is not taken is logged where it is found.
fn reload(control: &Control) {
    let (reply, _nobody_listens) = oneshot::channel();
    let asked = control.requests_tx.try_send(ControlRequest::Reload { by: "signal".to_owned(), reply });
    if asked.is_err() {
        tracing::error!("the switch is too busy to reload its plan; send the signal again");
    }
}
