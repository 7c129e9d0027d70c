//! One subscription at work: what its core wants is carried out here, one thing after the other.

use std::{collections::BTreeMap, time::Duration};

use tandem_switch::{
    time::Timestamp,
    webhooks::{Event, Input, Mark, Outcome, Output, PAGE, Subscriber, Terms},
};
use tokio::{sync::watch, time::sleep};

use super::{Letter, events, send};
use crate::{
    clock,
    metrics::METRICS,
    outgoing::Outgoing,
    store::{Store, StoreError, WebhookProgress, WebhookRow},
};

/// A journal that nobody here wrote to is looked at so often.
const LOOK: Duration = Duration::from_secs(5);
/// What was read of the journal so long ago is read again: somebody may have been erased from it meanwhile.
const FRESH_MS: u64 = 5_000;
/// A database that does not answer is asked again after that.
const PAUSE: Duration = Duration::from_secs(1);
/// Who does it, in the audit.
const BY: &str = "the switch";
const FULL: &str = "there are as many dead letters as may be: resend or discard them, then resume";

/// Works until the subscription is gone.
pub(super) async fn run(store: Store, outgoing: Outgoing, name: String, mut poked: watch::Receiver<()>) {
    let Some((row, terms)) = read(&store, &name).await else { return };
    let mut seed = [0; 8];
    // Without randomness the pauses of all subscriptions are alike, and that is all.
    let _alike = getrandom::fill(&mut seed);
    let mut core = Subscriber::new(row.mark, terms, u64::from_le_bytes(seed));
    let mut committed = store.committed();
    let (error, messages, failing) = (row.last_error.clone(), BTreeMap::new(), Failing::default());
    let mut task =
        Task { store, outgoing, name, row, messages, read_at: Timestamp::default(), delivered_at: None, error, failing };
    task.look(&mut core).await;
    loop {
        if poked.has_changed().unwrap_or(true) {
            poked.mark_unchanged();
            let Some((row, terms)) = read(&task.store, &task.name).await else { return };
            task.row = row;
            core.handle(clock::now().at, Input::Changed(terms));
            core.handle(clock::now().at, Input::Hurry);
        }
        if let Some(output) = core.poll() {
            let input = task.carry_out(output).await;
            core.handle(clock::now().at, input);
            task.failing.set(core.mark().streak.is_some());
            continue;
        }
        let now = clock::now();
        let wake = core.deadline().map_or(LOOK, |at| now.instant_of(at).saturating_duration_since(now.instant));
        tokio::select! {
            _ = poked.changed() => poked.mark_changed(),
            Ok(()) = committed.changed() => {
                let head = *committed.borrow_and_update();
                core.handle(clock::now().at, Input::Grown(head));
            }
            () = sleep(wake.min(LOOK)) => {
                core.handle(clock::now().at, Input::Tick);
                if wake >= LOOK {
                    task.look(&mut core).await;
                }
            }
        }
    }
}

/// The subscription as it stands; `None`: there is none any more. Waits for the database.
async fn read(store: &Store, name: &str) -> Option<(WebhookRow, Terms)> {
    loop {
        let both = async { Ok::<_, StoreError>((store.webhook(name).await?, store.dead_to_resend(name).await?)) };
        match both.await {
            Ok((row, resend)) => {
                let row = row?;
                let (paused, give_up_ms) = (row.paused_at.is_some(), row.give_up_s.saturating_mul(1_000));
                let terms = Terms { paused, give_up_ms, dead: row.dead, resend };
                return Some((row, terms));
            }
            Err(error) => {
                tracing::warn!(webhook = name, %error, "a subscriber outside hears nothing for now: the database does not answer");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Counts this subscription among those whose last attempt failed, for as long as that is so.
#[derive(Default)]
struct Failing(bool);

impl Failing {
    fn set(&mut self, failing: bool) {
        match (std::mem::replace(&mut self.0, failing), failing) {
            (false, true) => METRICS.webhooks_failing.inc(),
            (true, false) => METRICS.webhooks_failing.dec(),
            _ => {}
        }
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.set(false);
    }
}

struct Task {
    store: Store,
    outgoing: Outgoing,
    name: String,
    row: WebhookRow,
    /// What was read of the journal and waits: kind and message.
    messages: BTreeMap<i64, (String, String)>,
    /// When.
    read_at: Timestamp,
    delivered_at: Option<Timestamp>,
    error: Option<String>,
    failing: Failing,
}

impl Task {
    /// What other processes wrote is seen only in the table.
    async fn look(&self, core: &mut Subscriber) {
        if let Ok(head) = self.store.head().await {
            core.handle(clock::now().at, Input::Grown(head));
        }
    }

    async fn carry_out(&mut self, output: Output) -> Input {
        let written = match output {
            Output::Read { after } => return self.read(after).await,
            Output::Send { seq, attempt } => return Input::Answered(self.send(seq, attempt).await),
            Output::Save(mark) => self.store.save_webhook(&self.name, &self.progress(mark)).await,
            Output::Bury { seq, attempts, mark } => self.bury(seq, attempts, mark).await,
            Output::Raise(seq) => self.store.raise_dead(&self.name, seq).await,
            Output::LeaveDead(seq) => self.store.leave_dead(&self.name, seq, self.why()).await,
            Output::LeaveAllDead => self.store.leave_all_dead(&self.name).await,
            Output::Pause => {
                tracing::error!(webhook = self.name, "{FULL}");
                self.store.pause_webhook(&self.name, Some(FULL), BY, clock::now().at).await
            }
        };
        match written {
            Ok(()) => {
                if matches!(output, Output::Save(_) | Output::Bury { .. }) {
                    self.delivered_at = None;
                }
                Input::Written
            }
            Err(error) => {
                tracing::warn!(webhook = self.name, %error, "how far a subscriber is cannot be written down");
                Input::StoreFailed
            }
        }
    }

    fn progress(&self, mark: Mark) -> WebhookProgress {
        WebhookProgress { mark, delivered_at: self.delivered_at, last_error: self.error.clone() }
    }

    fn why(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }

    async fn bury(&self, seq: i64, attempts: u32, mark: Mark) -> Result<(), StoreError> {
        let at = clock::now().at;
        self.store.bury(&self.name, (seq, attempts, self.why()), &self.progress(mark), at).await?;
        METRICS.webhook_dead.inc();
        tracing::warn!(webhook = self.name, seq, attempts, why = self.why(), "an event was given up: see `tandem webhooks dead`");
        Ok(())
    }

    async fn read(&mut self, after: i64) -> Input {
        let rows = match self.store.events_after(after, PAGE).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(webhook = self.name, %error, "the journal cannot be read for a subscriber");
                return Input::StoreFailed;
            }
        };
        self.messages.clear();
        self.read_at = clock::now().at;
        let mut wanted = Vec::new();
        for row in rows.iter().filter(|row| events::is_wanted(&self.row.kinds, &row.kind)) {
            if let Some(message) = events::message(row) {
                self.messages.insert(row.seq, (row.kind.to_string(), message));
                wanted.push(Event { seq: row.seq, at: row.at });
            }
        }
        Input::Read { events: wanted, up_to: rows.last().map_or(after, |row| row.seq) }
    }

    async fn send(&mut self, seq: i64, attempt: u32) -> Outcome {
        let is_fresh = clock::now().at.ms_since(self.read_at) < FRESH_MS;
        let found = match self.messages.get(&seq).filter(|_| is_fresh) {
            Some(found) => Some(found.clone()),
            None => match self.store.events_after(seq - 1, 1).await {
                Ok(rows) => {
                    rows.first().filter(|row| row.seq == seq).and_then(|row| Some((row.kind.to_string(), events::message(row)?)))
                }
                Err(error) => {
                    self.error = Some(error.to_string());
                    return Outcome::Failed(None);
                }
            },
        };
        let Some((kind, body)) = found else {
            self.error = Some("the journal has it no more, or not in a form that is told".to_owned());
            return Outcome::Refused;
        };
        let attempt = send(&self.outgoing, &self.row, &Letter { id: &events::id(seq), kind: &kind, body: &body, attempt }).await;
        if attempt.outcome == Outcome::Taken {
            self.messages.remove(&seq);
            self.delivered_at = Some(clock::now().at);
        } else {
            tracing::debug!(webhook = self.name, seq, error = attempt.error, "an event was not taken");
        }
        self.error = attempt.error;
        attempt.outcome
    }
}
