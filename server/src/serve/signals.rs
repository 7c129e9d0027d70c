//! Signals: HUP takes the plan anew, TERM and INT drain, a second one ends calls at once, a third one the process.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    http::{
        control::{Control, ControlRequest},
        plan_order::{PlanOrder, PlanTask},
    },
    wire::line::LineAsk,
};

/// Ended calls have so long to send their last messages and to be recorded.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A signal that comes sooner after the stop began was meant for what came before.
const NOT_MEANT: Duration = Duration::from_secs(1);

/// The signals that the switch listens to.
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses a signal handler.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns when the switch has drained, or was told twice to stop, or waited long enough.
    pub async fn until_stopped(&mut self, control: &Control, line: &mpsc::Sender<LineAsk>, drain_s: u64) {
        self.reload_until_told(control).await;
        control.ready.draining.store(true, Ordering::Relaxed);
        tracing::info!(drain_s, "draining: no new calls; calls that are up go on. A second signal ends them at once.");
        let (tx, drained) = oneshot::channel();
        let _loop_is_gone = line.send(LineAsk::Drain(tx)).await;
        tokio::select! {
            Ok(()) = drained => return,
            () = self.told() => {}
            () = tokio::time::sleep(Duration::from_secs(drain_s)) => tracing::warn!("calls are still up; ending them"),
        }
        end_calls(line).await;
    }

    /// Returns when the switch is told to stop although it is stopping.
    pub async fn insisted(&mut self) {
        tokio::time::sleep(NOT_MEANT).await;
        self.told().await;
        tracing::warn!("told again to stop: ending at once");
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn reload_until_told(&mut self, control: &Control) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => reload(control),
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }
}

/// Ends all calls, and waits a moment for their last messages.
pub async fn end_calls(line: &mpsc::Sender<LineAsk>) {
    let (tx, ended) = oneshot::channel();
    let last_words = timeout(LAST_WORDS, async {
        let _loop_is_gone = line.send(LineAsk::EndAll(tx)).await;
        let _ended = ended.await;
    });
    let _in_time = last_words.await;
}

/// Asks for a reload and does not wait for it: whoever stops the switch meanwhile is heard at once. What is
/// wrong with a plan that is not taken is logged where it is found.
fn reload(control: &Control) {
    let (reply, _nobody_listens) = oneshot::channel();
    let asked =
        control.requests_tx.try_send(ControlRequest::ChangePlan(PlanOrder::new("signal".to_owned(), PlanTask::Reload, reply)));
    if asked.is_err() {
        tracing::error!("the switch is too busy to reload its plan; send the signal again");
    }
}
