//! Systems outside that are told what happens: docs/webhooks.md is what they are told about it.
//!
//! Each subscription has a task that drives a [`Subscriber`](tandem_switch::webhooks::Subscriber) between the journal, the database
//! and the receiver. No loop waits for any of it: the journal is read after the calls.

pub mod events;
mod task;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use ring::hmac;
use tandem_switch::{time::Timestamp, webhooks::Outcome};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    clock,
    metrics::METRICS,
    outgoing::{Outgoing, US, told},
    reach::Reach,
    store::{Store, StoreError, WebhookRow},
};

/// Subscriptions at most.
pub const MOST: usize = 64;
/// How long a receiver may take for one event, connection and all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of its answer that are read: only the status counts.
const MAX_ANSWER: usize = 1_024;
/// A database that does not answer at the start is asked again after that.
const PAUSE: Duration = Duration::from_secs(2);
/// The header with the signature, and those that say what is in the body already.
const SIGNATURE: &str = "tandem-signature";
const ID: &str = "tandem-id";
const KIND: &str = "tandem-kind";
const ATTEMPT: &str = "tandem-attempt";

/// All subscriptions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Webhooks {
    store: Store,
    outgoing: Outgoing,
    tasks: Arc<Mutex<HashMap<String, Task>>>,
}

#[derive(Debug)]
struct Task {
    poke: watch::Sender<()>,
    handle: JoinHandle<()>,
}

/// What an event goes out as.
#[derive(Debug)]
struct Letter<'a> {
    id: &'a str,
    kind: &'a str,
    body: &'a str,
    /// The how many-th time; 0 once more after it was given up.
    attempt: u32,
}

/// What came of one attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// For the order of things.
    pub outcome: Outcome,
    /// The status that was answered.
    pub status: Option<u16>,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// How long it took, in ms.
    pub took_ms: u64,
}

impl Webhooks {
    /// Nothing is sent until [`Webhooks::start`].
    #[must_use]
    pub fn new(store: Store, reach: Reach) -> Self {
        Self { store, outgoing: Outgoing::new(reach), tasks: Arc::default() }
    }

    /// Takes up every subscription where it was.
    pub fn start(&self) {
        let webhooks = self.clone();
        tokio::spawn(async move {
            loop {
                match webhooks.store.webhooks().await {
                    Ok(rows) => return rows.iter().for_each(|row| webhooks.changed(&row.webhook)),
                    Err(error) => {
                        tracing::warn!(%error, "subscribers outside hear nothing for now: the database does not answer")
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Something about a subscription is otherwise, or it is new: it is read again, and what waits for a next attempt is tried now.
    pub fn changed(&self, name: &str) {
        let mut tasks = self.tasks();
        match tasks.get(name).filter(|task| !task.handle.is_finished()) {
            Some(task) => task.poke.send_replace(()),
            None => {
                let (poke, poked) = watch::channel(());
                let handle = tokio::spawn(task::run(self.store.clone(), self.outgoing.clone(), name.to_owned(), poked));
                tasks.insert(name.to_owned(), Task { poke, handle });
            }
        }
    }

    /// A subscription is gone.
    pub fn removed(&self, name: &str) {
        if let Some(task) = self.tasks().remove(name) {
            task.handle.abort();
        }
    }

    /// Sends an event that did not happen, beside the order.
    pub async fn test(&self, row: &WebhookRow) -> Attempt {
        let now = clock::now().at;
        let id = format!("evt_test_{}", now.0);
        let body = events::test_message(&id, now);
        send(&self.outgoing, row, &Letter { id: &id, kind: events::TEST, body: &body, attempt: 1 }).await
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<String, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last row of the journal.
    ///
    /// # Errors
    /// The database.
    pub async fn head(&self) -> Result<i64, StoreError> {
        self.store.head().await
    }
}

/// One attempt, signed at this moment.
async fn send(outgoing: &Outgoing, row: &WebhookRow, letter: &Letter<'_>) -> Attempt {
    let began = clock::now();
    let old = row.old_secret.as_ref().filter(|(_, until)| began.at < *until).map(|(secret, _)| secret.expose());
    let secrets: Vec<&str> = [row.secret.expose()].into_iter().chain(old).collect();
    let request = Request::post(&row.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, US)
        .header(SIGNATURE, signature(&secrets, began.at, letter.body))
        .header(ID, letter.id)
        .header(KIND, letter.kind)
        .header(ATTEMPT, letter.attempt)
        .body(Body::from(letter.body.to_owned()));
    let answered = match request {
        Ok(request) => outgoing.send(request, MAX_ANSWER, PATIENCE).await,
        Err(error) => Err(error.to_string()),
    };
    let took = clock::instant().saturating_duration_since(began.instant);
    let (outcome, status, error) = match answered {
        Ok(answered) => {
            let status = answered.status;
            let outcome = outcome(status, &answered.headers);
            let says = told(&String::from_utf8_lossy(&answered.body));
            let error = (outcome != Outcome::Taken).then(|| format!("it answered {}: {says}", status.as_u16()));
            (outcome, Some(status.as_u16()), error)
        }
        Err(error) => (Outcome::Failed(None), None, Some(error)),
    };
    METRICS.webhook_time.observe_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    METRICS.webhook_deliveries.inc(match outcome {
        Outcome::Taken => "taken",
        Outcome::Refused => "refused",
        Outcome::Failed(_) => "failed",
    });
    Attempt { outcome, status, error, took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) }
}

/// What a status says of an event.
fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    match status.as_u16() {
        200..=299 => Outcome::Taken,
        408 | 425 | 429 => Outcome::Failed(retry_after_ms(headers)),
        400..=499 => Outcome::Refused,
        _ => Outcome::Failed(retry_after_ms(headers)),
    }
}

/// How long a receiver asks to be left alone (RFC 9110 section 10.2.3, in seconds only).
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?.checked_mul(1_000)
}

/// `t=SECONDS,v1=HEX`: the HMAC-SHA256 of `SECONDS.BODY`, once with each secret.
#[must_use]
pub fn signature(secrets: &[&str], at: Timestamp, body: &str) -> String {
    let seconds = at.as_ms() / 1_000;
    let mut header = format!("t={seconds}");
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
        header.push_str(",v1=");
        header.extend(tag.as_ref().iter().map(|byte| format!("{byte:02x}")));
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_time_and_body_with_each_secret() {
        // By: printf '1790000000.{"v":1}' | openssl dgst -sha256 -hmac tdw_test
        let at = Timestamp::from_ms(1_790_000_000_999);
        let header = signature(&["tdw_test", "tdw_old"], at, r#"{"v":1}"#);
        assert_eq!(
            header,
            "t=1790000000,v1=b47e45513dbe663bcecd3887ec4aed819166a257eac7e997f5d607e4a7504dfe,v1=dc4920c3cf8b64b7f21cf53bed9522acbd5267b6f03e643d6e63932ebff6ec95"
        );
    }

    #[test]
    fn a_status_says_whether_it_is_tried_again() {
        let asked = HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().expect("a header"))]);
        for (status, expected) in [
            (200, Outcome::Taken),
            (204, Outcome::Taken),
            (302, Outcome::Failed(Some(7_000))),
            (400, Outcome::Refused),
            (410, Outcome::Refused),
            (429, Outcome::Failed(Some(7_000))),
            (503, Outcome::Failed(Some(7_000))),
        ] {
            assert_eq!(outcome(StatusCode::from_u16(status).expect("a status"), &asked), expected, "{status}");
        }
        assert_eq!(outcome(StatusCode::BAD_GATEWAY, &HeaderMap::new()), Outcome::Failed(None));
    }
}
