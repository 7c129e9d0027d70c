//! Who did what, out of the journal: the newest first, picked by words.

use tandem_switch::time::Timestamp;

use super::{Audit, Store, StoreError, db::args, sql::statements};

/// Journal rows that are read at a time, and for one page.
const ROWS: u32 = 500;
const MOST_ROWS: usize = 20_000;

statements! {
    AUDITS = "SELECT seq, body FROM journal WHERE kind = 'audit' AND seq < $1 AND at_us >= $2 AND at_us < $3 \
        ORDER BY seq DESC LIMIT $4";
}

/// Which audits. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// This stands in who did it, or where from.
    pub who: Option<String>,
    /// What was done, whole.
    pub what: Option<String>,
    /// This stands in what it was done to.
    pub subject: Option<String>,
    /// Then or later.
    pub from_at: Option<Timestamp>,
    /// Before.
    pub to_at: Option<Timestamp>,
    /// Before this number of the journal: where the page before ended.
    pub before: Option<i64>,
}

impl AuditFilter {
    fn takes(&self, audit: &Audit) -> bool {
        let stands_in = |wanted: &Option<String>, texts: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| texts.iter().any(|text| text.contains(wanted.as_str())))
        };
        let from = audit.from.map(|from| from.to_string()).unwrap_or_default();
        stands_in(&self.who, &[&audit.who, &from])
            && self.what.as_ref().is_none_or(|what| *what == audit.what)
            && stands_in(&self.subject, &[&audit.subject])
    }
}

/// A page of audits with their numbers in the journal, and where the next one begins; `None` at the end.
pub type AuditPage = (Vec<(i64, Audit)>, Option<i64>);

impl Store {
    /// At most `limit` audits, the newest first. A page may be short, or empty, where few rows of many are wanted; there
    /// is more as long as it says where.
    pub async fn audits(&self, filter: &AuditFilter, limit: u32) -> Result<AuditPage, StoreError> {
        let (from, to) = (filter.from_at.unwrap_or(Timestamp(i64::MIN)), filter.to_at.unwrap_or(Timestamp(i64::MAX)));
        let (mut page, mut before, mut read) = (Vec::new(), filter.before.unwrap_or(i64::MAX), 0);
        loop {
            let rows = self.db.fetch(AUDITS, &args![before, from, to, ROWS]).await?;
            for row in &rows {
                before = row.get("seq")?;
                let audit: Audit = row.json("body")?;
                if filter.takes(&audit) {
                    page.push((before, audit));
                    if page.len() >= limit as usize {
                        return Ok((page, Some(before)));
                    }
                }
            }
            read += rows.len();
            match rows.len() < ROWS as usize {
                true => return Ok((page, None)),
                false if read >= MOST_ROWS => return Ok((page, Some(before))),
                false => {}
            }
        }
    }
}
