//! What the API shows and takes of webhooks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock,
    http::view::At,
    outgoing::shown_url,
    store::{DeadRow, WebhookRow},
    webhooks::Attempt,
};

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Names it.
    pub webhook: String,
    /// Where to, without its query, which may hold a key.
    pub url: String,
    /// What of: words of `docs/webhooks.md`, or `*` for all.
    pub kinds: Vec<String>,
    /// `active`, `failing` or `paused`.
    pub state: String,
    /// Why it is paused, where nobody asked for it.
    pub paused_why: Option<String>,
    /// Since when.
    pub paused_at: Option<At>,
    /// Since when nothing was taken.
    pub failing_since: Option<At>,
    /// How often the event that is next was tried.
    pub attempts: u32,
    /// What the last attempt came to, when it failed.
    pub last_error: Option<String>,
    /// The last event that was taken.
    pub delivered_at: Option<At>,
    /// The number of the last row of the journal that is done with.
    pub done_to: i64,
    /// Rows of the journal behind its end; most of them may not be wanted.
    pub behind: i64,
    /// Dead letters.
    pub dead: u64,
    /// After so long without success an event is a dead letter, in s.
    pub give_up_s: u64,
    /// Until then the secret before the last one signs too.
    pub old_secret_until: Option<At>,
    /// When it was made.
    pub created_at: At,
}

impl WebhookView {
    pub(super) fn of(row: WebhookRow, head: i64) -> Self {
        let streak = row.mark.streak;
        let state = match (row.paused_at, streak) {
            (Some(_), _) => "paused",
            (None, Some(_)) => "failing",
            (None, None) => "active",
        };
        let now = clock::now().at;
        Self {
            webhook: row.webhook,
            url: shown_url(&row.url),
            kinds: row.kinds.into_iter().collect(),
            state: state.to_owned(),
            paused_why: row.paused_why,
            paused_at: row.paused_at.map(At),
            failing_since: streak.map(|streak| At(streak.since_at)),
            attempts: streak.map_or(0, |streak| streak.attempts),
            last_error: row.last_error,
            delivered_at: row.delivered_at.map(At),
            done_to: row.mark.done_to,
            behind: (head - row.mark.done_to).max(0),
            dead: row.dead,
            give_up_s: row.give_up_s,
            old_secret_until: row.old_secret.map(|(_, until)| until).filter(|until| now < *until).map(At),
            created_at: At(row.created_at),
        }
    }
}

/// A subscription to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where to: https, or http to a network that `tandem serve --reach` names.
    pub url: String,
    /// What of; `*` is all.
    pub kinds: BTreeSet<String>,
    /// After so long without success an event is a dead letter: 10 s to 30 days, a day unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_s: Option<u64>,
}

/// What is to be otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<BTreeSet<String>>,
    /// When events are given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_s: Option<u64>,
}

/// A secret that was made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeSecret {
    /// Whose.
    pub webhook: String,
    /// What signs: shown this once.
    pub secret: String,
}

/// An event that nobody took in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadView {
    /// Names it: its number in the journal.
    pub seq: i64,
    /// What it is.
    pub kind: String,
    /// When it happened.
    pub at: Option<At>,
    /// How often it was tried.
    pub attempts: u64,
    /// What the last attempt came to.
    pub why: String,
    /// When it was given up.
    pub died_at: At,
    /// It is to be sent once more.
    pub resend: bool,
}

impl From<DeadRow> for DeadView {
    fn from(row: DeadRow) -> Self {
        let DeadRow { seq, kind, at, attempts, why, died_at, resend } = row;
        Self { seq, kind, at: at.map(At), attempts, why, died_at: At(died_at), resend }
    }
}

/// Which dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhichDead {
    /// This one; all unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
}

/// How many it concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadDone {
    /// Dead letters.
    pub events: u64,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestView {
    /// It took the event.
    pub taken: bool,
    /// The status that it answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in ms.
    pub took_ms: u64,
}

impl From<Attempt> for TestView {
    fn from(Attempt { status, error, took_ms, .. }: Attempt) -> Self {
        Self { taken: error.is_none(), status, error, took_ms }
    }
}
