//! The live board: queues as they are now and what they achieved today, for many consoles at once.
//!
//! One task looks at the floor while somebody watches; each change gets a number and is written out once for all consoles.
//! - `log`: what changed, and what a console that was away has missed.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

mod log;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade},
    response::Response,
};
use serde::Deserialize;
use tandem_switch::{kpi::Tally, time::Timestamp};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{sleep, timeout},
};
use utoipa::IntoParams;

use self::log::{BoardMessage, Log, Update, tiles};
use super::{
    Api,
    auth::Caller,
    control::{Control, ControlRequest},
    problem::{Params, Problem},
    socket::{self, Closed, Subscriber},
};
use crate::{
    clock,
    metrics::METRICS,
    store::{By, FigureQuery},
};

/// Updates that a console may be behind before it begins anew.
const BEHIND: usize = 128;
/// The board is looked at after a change, and after this time without any: waits reach their target unseen.
const QUIET: Duration = Duration::from_secs(1);
/// Changes so close to each other make one update.
const TOGETHER: Duration = Duration::from_millis(100);
/// Figures of today are worked out so often at most.
const FIGURES_US: i64 = 5_000_000;

/// What consoles share.
#[derive(Debug)]
pub(crate) struct Board {
    shared: Mutex<Shared>,
    updates: broadcast::Sender<Arc<Update>>,
}

#[derive(Debug)]
struct Shared {
    log: Log,
    /// Somebody looks at the floor.
    is_kept: bool,
    /// Counts of today by queue, and when they were worked out.
    today: (Timestamp, BTreeMap<String, Tally>),
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        let shared = Shared { log: Log::new(clock::now().at), is_kept: false, today: (Timestamp(i64::MIN), BTreeMap::new()) };
        Arc::new(Self { shared: Mutex::new(shared), updates: broadcast::Sender::new(BEHIND) })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // What is in it is whole after each statement.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A console comes: what it is sent first, and what comes then.
    async fn join(
        self: &Arc<Self>,
        control: &Control,
        after: Option<i64>,
    ) -> (Vec<Arc<Update>>, broadcast::Receiver<Arc<Update>>) {
        let is_kept = self.shared().is_kept;
        if !is_kept {
            self.look(control).await;
        }
        let mut shared = self.shared();
        // While the lock is held nothing changes: what is missed and what comes then fit together.
        let (missed, updates) = (shared.log.missed(after), self.updates.subscribe());
        if !std::mem::replace(&mut shared.is_kept, true) {
            tokio::spawn(Arc::clone(self).keep(control.clone()));
        }
        (missed, updates)
    }

    /// Looks at the floor as long as somebody watches.
    async fn keep(self: Arc<Self>, control: Control) {
        let mut committed = control.store.committed();
        loop {
            // The sender lives as long as the store.
            let _changed = timeout(QUIET, committed.changed()).await;
            sleep(TOGETHER).await;
            committed.mark_unchanged();
            self.look(&control).await;
            let mut shared = self.shared();
            if self.updates.receiver_count() == 0 {
                shared.is_kept = false;
                return;
            }
        }
    }

    /// Tells what changed on the floor. A floor or database that does not answer changes nothing.
    async fn look(&self, control: &Control) {
        let Ok(floor) = control.ask(ControlRequest::Floor).await else { return };
        let told_at = self.shared().today.0;
        if floor.at.0.saturating_sub(told_at.0) >= FIGURES_US || told_at < floor.today_at {
            let query = FigureQuery {
                from_at: floor.today_at,
                to_at: floor.at,
                queue: None,
                agent: None,
                by: By::Queue,
                interval_s: None,
            };
            if let Ok(rows) = control.store.figures(&query, floor.at).await {
                let today = rows.into_iter().map(|row| (row.name, row.tally)).collect();
                self.shared().today = (floor.at, today);
            }
        }
        let mut shared = self.shared();
        let tiles = tiles((&floor.queues, &floor.agents), &shared.today.1, floor.at);
        if let Some(update) = shared.log.change(tiles, floor.at) {
            // Nobody there is no loss: who comes finds it in the log.
            let _nobody = self.updates.send(update);
        }
    }
}

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BoardQuery {
    /// The last number that was seen: what changed since is sent first. The whole board unless said, or when the number is
    /// too old or of another process.
    after: Option<i64>,
}

/// Queues live: who waits, what agents do, what is achieved today (WebSocket)
///
/// The first message has all queues (`anew`), each later one those that changed, with the next number. With `after` a
/// console that comes back gets exactly what it missed, or the whole board again with `anew`; so does one that is too slow.
/// Changes within 100 ms come in one message.
#[utoipa::path(get, path = "/api/v1/board", tag = "live", security(("token" = ["read"])), params(BoardQuery),
    responses((status = 101, description = "WebSocket; each text message is one of these", body = BoardMessage), (status = 503, body = Problem)))]
pub(super) async fn board(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<BoardQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(socket::no_upgrade)?;
    socket::upgrade(upgrade, api, caller, move |subscriber| serve(subscriber, query.after))
}

async fn serve(mut subscriber: Subscriber, after: Option<i64>) -> Result<(), Closed> {
    let (board, control) = (Arc::clone(&subscriber.api().board), subscriber.api().control.clone());
    let (missed, mut updates) = board.join(&control, after).await;
    // Nothing missed: then `after` was a good number.
    let mut last = after.unwrap_or_default();
    for update in missed {
        subscriber.send_text(&update.text).await?;
        last = update.seq;
    }
    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            heard = subscriber.heard() => {
                subscriber.attend(heard?).await?;
                continue;
            }
        };
        match update {
            Ok(update) if update.seq <= last => {}
            Ok(update) if update.seq == last + 1 => {
                subscriber.send_text(&update.text).await?;
                last = update.seq;
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {
                METRICS.http_gaps.inc();
                let whole = board.shared().log.whole();
                subscriber.send_text(&whole.text).await?;
                last = whole.seq;
            }
            Err(RecvError::Closed) => return Err(Closed),
        }
    }
}
