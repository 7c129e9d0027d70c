//! A CRM is asked about a number when a call comes: within a limit, with what it said kept for a while, and not at all while it
//! fails. docs/lookup.md is what it is told about it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tandem_switch::{
    lookup::{Answers, Breaker, Fields},
    time::Timestamp,
};
use tokio::sync::Semaphore;

use crate::{
    clock,
    metrics::METRICS,
    outgoing::{Outgoing, US, told},
    reach::Reach,
    store::{LookupTerms, Secret, Store},
};

/// Questions that are under way at most; beyond them nothing is asked.
const MOST_UNDER_WAY: usize = 32;
/// Bytes of an answer.
const MAX_ANSWER: usize = 64 * 1024;
/// Fields that are shown, and characters of each.
pub const MOST_FIELDS: usize = 32;
const MAX_VALUE: usize = 512;
/// What stands for the number in a URL.
pub const NUMBER: &str = "{number}";
/// A database that does not answer at the start is asked again after that.
const PAUSE: Duration = Duration::from_secs(2);

/// What a CRM said of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What is shown of it; nothing, when it knows nobody.
    pub fields: Fields,
    /// It said so before.
    pub is_kept: bool,
    /// How long it took, in ms.
    pub took_ms: u64,
}

/// Why it said nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// None is asked.
    #[error("no CRM is asked: see `tandem lookup set`")]
    Off,
    /// It failed too often, and is left alone for a moment.
    #[error("it failed too often and is left alone for a moment")]
    Resting,
    /// Too many questions wait for it.
    #[error("too many questions wait for it")]
    Busy,
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// Asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lookups {
    store: Store,
    outgoing: Outgoing,
    state: Arc<Mutex<State>>,
    slots: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    terms: Option<Arc<LookupTerms>>,
    answers: Answers,
    breaker: Breaker,
}

impl Lookups {
    /// Nobody is asked until [`Lookups::start`] or [`Lookups::set`].
    #[must_use]
    pub fn new(store: Store, reach: Reach) -> Self {
        Self { store, outgoing: Outgoing::new(reach), state: Arc::default(), slots: Arc::new(Semaphore::new(MOST_UNDER_WAY)) }
    }

    /// Asks as the database says.
    pub fn start(&self) {
        let lookups = self.clone();
        tokio::spawn(async move {
            loop {
                match lookups.store.lookup().await {
                    Ok(terms) => return lookups.set(terms),
                    Err(error) => tracing::warn!(%error, "no CRM is asked for now: the database does not answer"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// From now on it is asked so. What was said before is forgotten.
    pub fn set(&self, terms: Option<LookupTerms>) {
        *self.state() = State { terms: terms.map(Arc::new), ..State::default() };
    }

    /// How long a screen waits for it; `None`: none is asked.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.state().terms.as_ref().map(|terms| Duration::from_millis(terms.wait_ms))
    }

    /// Until when it is left alone.
    #[must_use]
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.state().breaker.rests_until(now)
    }

    /// What it says of a number. Ends within its limit.
    ///
    /// # Errors
    /// It says nothing.
    pub async fn ask(&self, number: &str) -> Result<Looked, Silent> {
        let looked = self.find(number).await;
        METRICS.lookups.inc(match &looked {
            Ok(Looked { is_kept: true, .. }) => "kept",
            Ok(looked) if looked.fields.is_empty() => "nobody",
            Ok(_) => "answered",
            // Nobody was to be asked: that is no result.
            Err(Silent::Off) => return looked,
            Err(Silent::Resting) => "resting",
            Err(Silent::Busy) => "busy",
            Err(Silent::Failed(_)) => "failed",
        });
        looked
    }

    async fn find(&self, number: &str) -> Result<Looked, Silent> {
        let began = clock::now();
        let terms = {
            let mut state = self.state();
            let terms = state.terms.clone().ok_or(Silent::Off)?;
            if let Some(fields) = state.answers.get(began.at, number, terms.keep_s.saturating_mul(1_000)) {
                return Ok(Looked { fields: fields.clone(), is_kept: true, took_ms: 0 });
            }
            if !state.breaker.may_ask(began.at) {
                return Err(Silent::Resting);
            }
            terms
        };
        let Ok(_slot) = self.slots.try_acquire() else { return Err(Silent::Busy) };
        let answered = self.asked(&terms, number).await;
        let took = clock::instant().saturating_duration_since(began.instant);
        METRICS.lookup_time.observe_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let mut state = self.state();
        // Whoever is asked otherwise by now did not say this.
        let is_same = state.terms.as_ref().is_some_and(|now| Arc::ptr_eq(now, &terms));
        match answered {
            Ok(fields) => {
                if is_same {
                    state.breaker.answered();
                    state.answers.put(clock::now().at, number, fields.clone());
                }
                Ok(Looked { fields, is_kept: false, took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) })
            }
            Err(why) => {
                if is_same {
                    state.breaker.failed(clock::now().at);
                }
                tracing::debug!(why, "a CRM did not answer");
                Err(Silent::Failed(why))
            }
        }
    }

    async fn asked(&self, terms: &LookupTerms, number: &str) -> Result<Fields, String> {
        let request = request(terms, number).map_err(|error| error.to_string())?;
        let answered = self.outgoing.send(request, MAX_ANSWER, Duration::from_millis(terms.limit_ms)).await?;
        match answered.status {
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT => return Ok(Fields::new()),
            StatusCode::OK => {}
            status => return Err(format!("it answered {}", status.as_u16())),
        }
        if answered.is_cut {
            return Err(format!("its answer is longer than {MAX_ANSWER} bytes"));
        }
        let value = serde_json::from_slice(&answered.body).map_err(|error| told(&format!("its answer is no JSON: {error}")))?;
        Ok(fields(&value, &terms.fields))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(terms: &LookupTerms, number: &str) -> Result<Request<Body>, axum::http::Error> {
    let number_in_url: String = reqwest::Url::parse_with_params("http://x/", [("n", number)])
        .ok()
        .and_then(|url| url.query().and_then(|query| query.strip_prefix("n=")).map(str::to_owned))
        .unwrap_or_default();
    let request = if terms.is_post { Request::post(&terms.url) } else { Request::get(terms.url.replace(NUMBER, &number_in_url)) };
    let request = request.header(header::ACCEPT, "application/json").header(header::USER_AGENT, US);
    let request = match &terms.token {
        Some(token) => request.header(header::AUTHORIZATION, bearer(token)),
        None => request,
    };
    if terms.is_post {
        let body = json!({ "v": 1, "number": number }).to_string();
        request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body))
    } else {
        request.body(Body::empty())
    }
}

fn bearer(token: &Secret) -> String {
    format!("Bearer {}", token.expose())
}

/// What is shown of an answer: what was asked for, or all words and numbers at its top.
fn fields(answer: &Value, wanted: &BTreeMap<String, String>) -> Fields {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let plain = |text: String| -> String { text.chars().filter(|letter| !letter.is_control()).take(MAX_VALUE).collect() };
    if wanted.is_empty() {
        let top = answer.as_object().into_iter().flatten();
        let named = top.filter_map(|(name, value)| Some((plain(name.clone()), plain(text(value)?))));
        return named.take(MOST_FIELDS).collect();
    }
    wanted.iter().filter_map(|(name, place)| Some((name.clone(), plain(text(answer.pointer(place)?)?)))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn what_was_asked_for_is_shown_and_nothing_that_a_screen_would_obey() {
        let answer = json!({ "contact": { "name": "Ada\u{7}", "tier": 2, "orders": [1] }, "vip": true, "long": "x".repeat(600) });
        let wanted: BTreeMap<String, String> =
            [("Name", "/contact/name"), ("Tier", "/contact/tier"), ("Orders", "/contact/orders"), ("Gone", "/gone")]
                .map(|(name, place)| (name.to_owned(), place.to_owned()))
                .into();
        assert_eq!(fields(&answer, &wanted), [("Name", "Ada"), ("Tier", "2")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        let all = fields(&answer, &BTreeMap::new());
        assert_eq!((all.len(), all["vip"].as_str(), all["long"].len()), (2, "true", MAX_VALUE));
        assert!(fields(&json!([1, 2]), &BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_number_stands_in_a_url_as_it_has_to() {
        let terms = LookupTerms {
            url: "https://crm.example/by?phone={number}&x=1".into(),
            is_post: false,
            token: Some("tok".to_owned().into()),
            fields: BTreeMap::new(),
            wait_ms: 100,
            limit_ms: 1_000,
            keep_s: 60,
        };
        let asked = request(&terms, "+39347 1&2").unwrap();
        assert_eq!(asked.uri(), "https://crm.example/by?phone=%2B39347+1%262&x=1");
        assert_eq!(asked.headers()[header::AUTHORIZATION], "Bearer tok");
    }
}
