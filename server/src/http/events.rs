//! The journal, live, from any number on.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade},
    response::Response,
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    access::events::Ear,
    auth::Caller,
    problem::{Params, Problem},
    socket::{self, Closed, Subscriber},
    view::At,
};
use crate::{
    metrics::METRICS,
    store::{JournalRow, Store},
};

/// Rows read from the table at once.
const PAGE: u32 = 500;

/// A database that does not answer is asked so often again, after such a pause.
const DATABASE_TRIES: u32 = 10;
const DATABASE_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// The last number that was seen: what came after it is sent first. Only what comes from now on unless said.
    after: Option<i64>,
}

/// One message: a row of the journal, or a gap.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum EventMessage {
    /// Something happened.
    Event {
        /// Its number; give the last one as `after` to go on later.
        seq: i64,
        /// When.
        at: At,
        /// What kind of thing (`queued`, `call-ended`, …).
        kind: String,
        /// What exactly.
        body: serde_json::Value,
    },
    /// The reader was too slow: some rows were not sent. Connect again with `after` to have them.
    Gap {
        /// Always true.
        gap: bool,
        /// The last number that was sent.
        after: i64,
    },
}

/// What happens, as it happens (WebSocket)
///
/// Each message is a row of the journal, in the order of its number. With `after` nothing is missed over a
/// reconnect. A reader that is too slow gets `{"gap": true, "after": N}` in place of what it missed. Who logged in hears what
/// their roles are for; agents hear of themselves.
#[utoipa::path(get, path = "/api/v1/events", tag = "live", security(("token" = ["read"])), params(EventQuery),
    responses((status = 101, description = "WebSocket; each text message is one of these", body = EventMessage), (status = 503, body = Problem)))]
pub(super) async fn events(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<EventQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (upgrade, ear) = (upgrade.map_err(socket::no_upgrade)?, caller.ear());
    socket::upgrade(upgrade, api, caller, move |subscriber| serve(subscriber, query.after, ear))
}

async fn serve(mut subscriber: Subscriber, after: Option<i64>, ear: Ear) -> Result<(), Closed> {
    let store = subscriber.api().control.store.clone();
    // Subscribed before the table is read: what is committed meanwhile comes twice, and is sent once.
    let mut feed = store.subscribe();
    let mut last = match after {
        Some(after) => after,
        None => store.head().await.map_err(|_| Closed)?,
    };
    last = catch_up(&mut subscriber, last, &ear).await?;
    let mut missed = false;
    loop {
        let row = tokio::select! {
            row = feed.recv() => row,
            heard = subscriber.heard() => {
                subscriber.attend(heard?).await?;
                continue;
            }
        };
        match row {
            Ok(row) if row.seq <= last => {}
            Ok(row) => {
                if missed {
                    missed = false;
                    METRICS.http_gaps.inc();
                    subscriber.send(&EventMessage::Gap { gap: true, after: last }).await?;
                } else if row.seq > last + 1 {
                    // Another process wrote these: they are in the table only.
                    last = catch_up(&mut subscriber, last, &ear).await?;
                }
                if row.seq > last {
                    match &ear {
                        // What everybody hears alike is written out once for all of them.
                        Ear::All => subscriber.send_text(row.text(written)).await?,
                        Ear::Roles(..) => tell(&mut subscriber, &row, &ear).await?,
                    }
                    last = row.seq;
                }
            }
            Err(RecvError::Lagged(_)) => missed = true,
            Err(RecvError::Closed) => return Err(Closed),
        }
    }
}

/// Rows after `last`. A database that is away for a moment does not cost a subscriber its connection.
async fn page(store: Store, last: i64) -> Result<Vec<JournalRow>, Closed> {
    for _ in 0..DATABASE_TRIES {
        match store.events_after(last, PAGE).await {
            Ok(rows) => return Ok(rows),
            Err(_) => tokio::time::sleep(DATABASE_PAUSE).await,
        }
    }
    Err(Closed)
}

/// Sends what the table has after `last`; the number of the last row sent.
async fn catch_up(subscriber: &mut Subscriber, mut last: i64, ear: &Ear) -> Result<i64, Closed> {
    loop {
        let rows = page(subscriber.api().control.store.clone(), last).await?;
        for row in &rows {
            tell(subscriber, row, ear).await?;
            last = row.seq;
        }
        if rows.len() < PAGE as usize {
            return Ok(last);
        }
    }
}

/// The whole row, as it is sent.
fn written(row: &JournalRow) -> String {
    let body = serde_json::from_str(&row.body).unwrap_or_default();
    let message = EventMessage::Event { seq: row.seq, at: At(row.at), kind: row.kind.to_string(), body };
    serde_json::to_string(&message).expect("our own types have string keys")
}

/// Sends what a subscriber is to hear of a row.
async fn tell(subscriber: &mut Subscriber, row: &JournalRow, ear: &Ear) -> Result<(), Closed> {
    let body = serde_json::from_str(&row.body).unwrap_or_default();
    match ear.hears(&row.kind, body) {
        Some(body) => {
            subscriber.send(&EventMessage::Event { seq: row.seq, at: At(row.at), kind: row.kind.to_string(), body }).await
        }
        None => Ok(()),
    }
}
