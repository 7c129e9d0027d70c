//! Subscriptions to what happens: to where, what, how far they are, and what they did not take.

use std::collections::BTreeSet;

use tandem_switch::{
    time::Timestamp,
    webhooks::{Mark, Streak},
};

use super::{
    Audit, Doer, Record, Secret, Store, StoreError,
    db::{Arg, Row, args, json},
    sql::statements,
    tokens::random_text,
};

/// How every secret begins, so that scanners find leaked ones.
const SECRET_PREFIX: &str = "tdw_";
/// The secret before the last one signs for so long beside it.
pub const OLD_SECRET_MS: u64 = 24 * 60 * 60_000;

statements! {
    PUT_WEBHOOK = "INSERT INTO webhooks (webhook_id, url, kinds, secret, give_up_s, created_us, done_to) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    CHANGE_WEBHOOK = "UPDATE webhooks SET url = $2, kinds = $3, give_up_s = $4 WHERE webhook_id = $1";
    REMOVE_WEBHOOK = "DELETE FROM webhooks WHERE webhook_id = $1";
    WEBHOOKS = "SELECT webhook_id, url, kinds, secret, old_secret, old_until_us, give_up_s, created_us, paused_us, paused_why, done_to, \
        failing_us, attempts, delivered_us, last_error, (SELECT COUNT(*) FROM webhook_dead \
        WHERE webhook_dead.webhook_id = webhooks.webhook_id) AS dead FROM webhooks ORDER BY webhook_id";
    WEBHOOK = "SELECT webhook_id, url, kinds, secret, old_secret, old_until_us, give_up_s, created_us, paused_us, paused_why, done_to, \
        failing_us, attempts, delivered_us, last_error, (SELECT COUNT(*) FROM webhook_dead \
        WHERE webhook_dead.webhook_id = webhooks.webhook_id) AS dead FROM webhooks WHERE webhook_id = $1";
    PAUSE_WEBHOOK = "UPDATE webhooks SET paused_us = $2, paused_why = $3 WHERE webhook_id = $1";
    RESUME_WEBHOOK = "UPDATE webhooks SET paused_us = NULL, paused_why = NULL, failing_us = NULL, attempts = 0 WHERE webhook_id = $1";
    CHANGE_WEBHOOK_SECRET = "UPDATE webhooks SET old_secret = secret, old_until_us = $3, secret = $2 WHERE webhook_id = $1";
    WEBHOOK_DONE_TO = "UPDATE webhooks SET done_to = $2, failing_us = $3, attempts = $4, last_error = $5, \
        delivered_us = COALESCE($6, delivered_us) WHERE webhook_id = $1";
    PUT_DEAD = "INSERT INTO webhook_dead (webhook_id, seq, attempts, why, died_us) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (webhook_id, seq) DO UPDATE SET attempts = excluded.attempts, why = excluded.why, died_us = excluded.died_us";
    DEAD = "SELECT webhook_dead.seq, attempts, why, died_us, resend, journal.kind, journal.at_us FROM webhook_dead \
        LEFT JOIN journal ON journal.seq = webhook_dead.seq WHERE webhook_id = $1 AND webhook_dead.seq > $2 \
        ORDER BY webhook_dead.seq LIMIT $3";
    DEAD_TO_RESEND = "SELECT seq FROM webhook_dead WHERE webhook_id = $1 AND resend = TRUE ORDER BY seq";
    RESEND_ALL = "UPDATE webhook_dead SET resend = TRUE WHERE webhook_id = $1";
    RESEND_ONE = "UPDATE webhook_dead SET resend = TRUE WHERE webhook_id = $1 AND seq = $2";
    DISCARD_ALL = "DELETE FROM webhook_dead WHERE webhook_id = $1";
    DISCARD_ONE = "DELETE FROM webhook_dead WHERE webhook_id = $1 AND seq = $2";
    LEAVE_DEAD = "UPDATE webhook_dead SET resend = FALSE, attempts = attempts + 1, why = $3 WHERE webhook_id = $1 AND seq = $2";
    LEAVE_ALL_DEAD = "UPDATE webhook_dead SET resend = FALSE WHERE webhook_id = $1";
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct WebhookRow {
    /// Names it.
    pub webhook: String,
    /// Where to.
    pub url: String,
    /// What of.
    pub kinds: BTreeSet<String>,
    /// What signs.
    pub secret: Secret,
    /// The one before, and until when it signs too.
    pub old_secret: Option<(Secret, Timestamp)>,
    /// After so long without success an event is a dead letter, in s.
    pub give_up_s: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// Why, where no admin did it.
    pub paused_why: Option<String>,
    /// How far it is.
    pub mark: Mark,
    /// The last event that was taken.
    pub delivered_at: Option<Timestamp>,
    /// What the last attempt came to, when it failed.
    pub last_error: Option<String>,
    /// Dead letters.
    pub dead: u64,
}

/// An event that nobody took in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// Its number in the journal.
    pub seq: i64,
    /// What it is.
    pub kind: String,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u64,
    /// What the last attempt came to.
    pub why: String,
    /// When it was given up.
    pub died_at: Timestamp,
    /// It is to be sent once more.
    pub resend: bool,
}

/// What is changed of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTerms {
    /// Where to.
    pub url: String,
    /// What of.
    pub kinds: BTreeSet<String>,
    /// After so long without success an event is a dead letter, in s.
    pub give_up_s: u64,
}

/// What came of deliveries, to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookProgress {
    /// How far it is.
    pub mark: Mark,
    /// When the last event was taken, if one was since the last time.
    pub delivered_at: Option<Timestamp>,
    /// What the last attempt came to, when it failed.
    pub last_error: Option<String>,
}

impl Store {
    /// Makes a subscription to what happens from now on. The secret is told this once.
    pub async fn add_webhook(
        &self,
        terms: &WebhookTerms,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(String, Secret), StoreError> {
        let (name, secret) = (random_text("wh_").expose()[..15].to_owned(), random_text(SECRET_PREFIX));
        let head = self.head().await?;
        let kinds = json(&terms.kinds);
        let row = args![name.as_str(), terms.url.as_str(), kinds, secret.expose(), terms.give_up_s, at, head];
        self.by_admin(PUT_WEBHOOK, row.into(), Audit::of(by, "webhook-added", name.as_str(), at)).await?;
        Ok((name, secret))
    }

    /// All subscriptions.
    pub async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.db.fetch(WEBHOOKS, &[]).await?.iter().map(webhook).collect()
    }

    /// One of them.
    pub async fn webhook(&self, name: &str) -> Result<Option<WebhookRow>, StoreError> {
        self.db.fetch_one(WEBHOOK, &args![name]).await?.as_ref().map(webhook).transpose()
    }

    /// Changes one.
    pub async fn change_webhook(
        &self,
        name: &str,
        terms: &WebhookTerms,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let row = args![name, terms.url.as_str(), json(&terms.kinds), terms.give_up_s];
        self.by_admin(CHANGE_WEBHOOK, row.into(), Audit::of(by, "webhook-changed", name, at)).await
    }

    /// Ends one, dead letters and all.
    pub async fn remove_webhook(&self, name: &str, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let both = [(DISCARD_ALL, args![name].into()), (REMOVE_WEBHOOK, args![name].into())];
        self.change(&both, &[Record::Audit(Audit::of(by, "webhook-removed", name, at))]).await
    }

    /// Sends nothing more for now. `why`: nobody asked for it.
    pub async fn pause_webhook(
        &self,
        name: &str,
        why: Option<&str>,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.by_admin(PAUSE_WEBHOOK, args![name, at, why].into(), Audit::of(by, "webhook-paused", name, at)).await
    }

    /// Goes on where it was.
    pub async fn resume_webhook(&self, name: &str, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        self.by_admin(RESUME_WEBHOOK, args![name].into(), Audit::of(by, "webhook-resumed", name, at)).await
    }

    /// Gives it another secret, told this once. The one before signs beside it for a day.
    pub async fn change_webhook_secret(&self, name: &str, by: impl Into<Doer>, at: Timestamp) -> Result<Secret, StoreError> {
        let secret = random_text(SECRET_PREFIX);
        let row = args![name, secret.expose(), at.plus_ms(OLD_SECRET_MS)];
        self.by_admin(CHANGE_WEBHOOK_SECRET, row.into(), Audit::of(by, "webhook-secret-changed", name, at)).await?;
        Ok(secret)
    }

    async fn by_admin(&self, statement: &'static str, args: Vec<Arg>, audit: Audit) -> Result<(), StoreError> {
        self.change(&[(statement, args)], &[Record::Audit(audit)]).await
    }

    /// Dead letters after this one.
    pub async fn dead_of_webhook(&self, name: &str, after: i64, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        self.db.fetch(DEAD, &args![name, after, limit]).await?.iter().map(dead).collect()
    }

    /// Dead letters that are to be sent once more.
    pub async fn dead_to_resend(&self, name: &str) -> Result<BTreeSet<i64>, StoreError> {
        self.db.fetch(DEAD_TO_RESEND, &args![name]).await?.iter().map(|row| row.get("seq")).collect()
    }

    /// Has dead letters sent once more: one, or all. How many.
    pub async fn resend_dead(&self, name: &str, seq: Option<i64>, by: impl Into<Doer>, at: Timestamp) -> Result<u64, StoreError> {
        self.of_dead((RESEND_ALL, RESEND_ONE), (name, seq), Audit::of(by, "webhook-resent", subject(name, seq), at)).await
    }

    /// Throws dead letters away: one, or all. How many.
    pub async fn discard_dead(
        &self,
        name: &str,
        seq: Option<i64>,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.of_dead((DISCARD_ALL, DISCARD_ONE), (name, seq), Audit::of(by, "webhook-discarded", subject(name, seq), at)).await
    }

    async fn of_dead(
        &self,
        (all, one): (&'static str, &'static str),
        (name, seq): (&str, Option<i64>),
        audit: Audit,
    ) -> Result<u64, StoreError> {
        // Written down first: what was thrown away without a trace is worse than a trace of nothing.
        self.commit(&[Record::Audit(audit)]).await?;
        match seq {
            Some(seq) => self.db.execute(one, &args![name, seq]).await,
            None => self.db.execute(all, &args![name]).await,
        }
    }

    /// Notes how far a subscription is.
    pub async fn save_webhook(&self, name: &str, progress: &WebhookProgress) -> Result<(), StoreError> {
        self.db.execute(WEBHOOK_DONE_TO, &progressed(name, progress)).await.map(drop)
    }

    /// Makes a dead letter, and notes how far the subscription is then.
    pub async fn bury(
        &self,
        name: &str,
        (seq, attempts, why): (i64, u32, &str),
        progress: &WebhookProgress,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.execute(WEBHOOK_DONE_TO, &progressed(name, progress)).await?;
        tx.execute(PUT_DEAD, &args![name, seq, attempts, why, at]).await?;
        tx.commit().await
    }

    /// A dead letter was taken after all.
    pub async fn raise_dead(&self, name: &str, seq: i64) -> Result<(), StoreError> {
        self.db.execute(DISCARD_ONE, &args![name, seq]).await.map(drop)
    }

    /// A dead letter was not taken once more.
    pub async fn leave_dead(&self, name: &str, seq: i64, why: &str) -> Result<(), StoreError> {
        self.db.execute(LEAVE_DEAD, &args![name, seq, why]).await.map(drop)
    }

    /// No dead letter is to be sent any more.
    pub async fn leave_all_dead(&self, name: &str) -> Result<(), StoreError> {
        self.db.execute(LEAVE_ALL_DEAD, &args![name]).await.map(drop)
    }
}

fn subject(name: &str, seq: Option<i64>) -> String {
    seq.map_or_else(|| format!("{name} all"), |seq| format!("{name} {seq}"))
}

fn progressed(name: &str, progress: &WebhookProgress) -> Vec<Arg> {
    let WebhookProgress { mark: Mark { done_to, streak }, delivered_at, last_error } = progress;
    let (failing_at, attempts) = (streak.map(|streak| streak.since_at), streak.map_or(0, |streak| streak.attempts));
    args![name, *done_to, failing_at, attempts, last_error.as_deref(), *delivered_at].into()
}

fn webhook(row: &Row) -> Result<WebhookRow, StoreError> {
    let failing_at = row.maybe_at("failing_us")?;
    let attempts = u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX);
    let old: Option<String> = row.get("old_secret")?;
    Ok(WebhookRow {
        webhook: row.get("webhook_id")?,
        url: row.get("url")?,
        kinds: row.json("kinds")?,
        secret: row.get::<String>("secret")?.into(),
        old_secret: old.map(Secret::from).zip(row.maybe_at("old_until_us")?),
        give_up_s: row.count("give_up_s")?,
        created_at: row.at("created_us")?,
        paused_at: row.maybe_at("paused_us")?,
        paused_why: row.get("paused_why")?,
        mark: Mark { done_to: row.get("done_to")?, streak: failing_at.map(|since_at| Streak { since_at, attempts }) },
        delivered_at: row.maybe_at("delivered_us")?,
        last_error: row.get("last_error")?,
        dead: row.count("dead")?,
    })
}

fn dead(row: &Row) -> Result<DeadRow, StoreError> {
    Ok(DeadRow {
        seq: row.get("seq")?,
        kind: row.get::<Option<String>>("kind")?.unwrap_or_default(),
        at: row.maybe_at("at_us")?,
        attempts: row.count("attempts")?,
        why: row.get("why")?,
        died_at: row.at("died_us")?,
        resend: row.get("resend")?,
    })
}
