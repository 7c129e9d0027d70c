//! Which CRM is asked about a number when a call comes.

use std::collections::BTreeMap;

use tandem_switch::time::Timestamp;

use super::{
    Audit, Doer, Record, Secret, Store, StoreError,
    db::{args, json},
    sql::statements,
};

statements! {
    PUT_LOOKUP = "INSERT INTO lookup (lookup_id, url, method, token, fields, wait_ms, limit_ms, keep_s, changed_us) \
        VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (lookup_id) DO UPDATE SET url = excluded.url, method = excluded.method, \
        token = excluded.token, fields = excluded.fields, wait_ms = excluded.wait_ms, limit_ms = excluded.limit_ms, \
        keep_s = excluded.keep_s, changed_us = excluded.changed_us";
    LOOKUP = "SELECT url, method, token, fields, wait_ms, limit_ms, keep_s FROM lookup WHERE lookup_id = 1";
    REMOVE_LOOKUP = "DELETE FROM lookup WHERE lookup_id = 1";
}

/// How a CRM is asked, and what of its answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupTerms {
    /// Where; of a GET with `{number}` in it.
    pub url: String,
    /// By POST, with the number in the body; else by GET.
    pub is_post: bool,
    /// What it wants of whoever asks.
    pub token: Option<Secret>,
    /// Names of what is shown, and where each stands in the answer. None: all that stands at its top.
    pub fields: BTreeMap<String, String>,
    /// A screen waits so long for it, in ms.
    pub wait_ms: u64,
    /// It may take so long at all, in ms.
    pub limit_ms: u64,
    /// An answer holds so long, in s.
    pub keep_s: u64,
}

impl Store {
    /// How a CRM is asked; `None`: none is.
    pub async fn lookup(&self) -> Result<Option<LookupTerms>, StoreError> {
        let Some(row) = self.db.fetch_one(LOOKUP, &[]).await? else { return Ok(None) };
        Ok(Some(LookupTerms {
            url: row.get("url")?,
            is_post: row.get::<&str>("method")? == "post",
            token: row.get::<Option<String>>("token")?.map(Secret::from),
            fields: row.json("fields")?,
            wait_ms: row.count("wait_ms")?,
            limit_ms: row.count("limit_ms")?,
            keep_s: row.count("keep_s")?,
        }))
    }

    /// From now on a CRM is asked so.
    pub async fn put_lookup(&self, terms: &LookupTerms, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let method = if terms.is_post { "post" } else { "get" };
        let token = terms.token.as_ref().map(Secret::expose);
        let (url, fields) = (terms.url.as_str(), json(&terms.fields));
        let row = args![url, method, token, fields, terms.wait_ms, terms.limit_ms, terms.keep_s, at];
        self.change(&[(PUT_LOOKUP, row.into())], &[Record::Audit(Audit::of(by, "lookup-set", "lookup", at))]).await
    }

    /// None is asked any more.
    pub async fn remove_lookup(&self, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        self.change(&[(REMOVE_LOOKUP, Vec::new())], &[Record::Audit(Audit::of(by, "lookup-removed", "lookup", at))]).await
    }
}
