//! What ages by itself, and when it last did.

use tandem_switch::time::Timestamp;

use crate::store::{Audit, Doer, Record, Store, StoreError, db::args, sql::statements};

statements! {
    PUT_RETENTION = "INSERT INTO retention (only_row, calls_days, customers_days) VALUES (1, $1, $2) ON CONFLICT (only_row) DO UPDATE \
        SET calls_days = excluded.calls_days, customers_days = excluded.customers_days";
    RETENTION = "SELECT calls_days, customers_days, last_us FROM retention WHERE only_row = 1";
    RETENTION_RAN = "UPDATE retention SET last_us = $1 WHERE only_row = 1";
}

/// From what age on records are nobody's any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionTerms {
    /// Of calls and voice messages, in days since they began; `None`: never.
    pub calls_days: Option<u32>,
    /// Of customers, in days since anything was heard of them; `None`: never.
    pub customers_days: Option<u32>,
    /// When they were last looked for; `None`: never.
    pub last_at: Option<Timestamp>,
}

impl Store {
    /// What ages by itself.
    pub async fn retention(&self) -> Result<RetentionTerms, StoreError> {
        let Some(row) = self.db.fetch_one(RETENTION, &[]).await? else { return Ok(RetentionTerms::default()) };
        let days = |column| row.get::<Option<i64>>(column).map(|days| days.and_then(|days| u32::try_from(days).ok()));
        Ok(RetentionTerms {
            calls_days: days("calls_days")?,
            customers_days: days("customers_days")?,
            last_at: row.maybe_at("last_us")?,
        })
    }

    /// From now on so much ages by itself.
    pub async fn put_retention(&self, terms: RetentionTerms, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let RetentionTerms { calls_days, customers_days, .. } = terms;
        let said = |days: Option<u32>| days.map_or_else(|| "never".to_owned(), |days| format!("{days}d"));
        let subject = format!("calls {}, customers {}", said(calls_days), said(customers_days));
        let audit = Record::Audit(Audit::of(by, "retention-set", subject, at));
        self.change(&[(PUT_RETENTION, args![calls_days.map(u64::from), customers_days.map(u64::from)].into())], &[audit]).await
    }

    /// Everything that was due at a time is done.
    pub async fn retention_ran(&self, at: Timestamp) -> Result<(), StoreError> {
        self.db.execute(RETENTION_RAN, &args![at]).await.map(drop)
    }
}
