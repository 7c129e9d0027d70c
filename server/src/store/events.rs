//! The journal as others read it: committed rows, live and from any number on.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, ser::SerializeStruct};
use tandem_switch::time::Timestamp;
use tokio::sync::{broadcast, watch};

use super::{
    Store, StoreError,
    db::{Row, args},
    sql,
};

/// Rows that a reader of the live feed may be behind before it is told of a gap.
const FEED_ROWS: usize = 4096;

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Its number: grows by one in the order of the commits.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What kind of record its body is.
    pub kind: Arc<str>,
    /// The record, as JSON text.
    pub body: String,
}

impl JournalRow {
    /// Whether its body is an event of the floor.
    #[must_use]
    pub fn is_of_floor(&self) -> bool {
        is_of_floor(&self.kind)
    }
}

impl Serialize for JournalRow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let mut row = serializer.serialize_struct("JournalRow", 4)?;
        row.serialize_field("seq", &self.seq)?;
        row.serialize_field("at", &self.at)?;
        row.serialize_field("kind", &*self.kind)?;
        row.serialize_field("body", &body)?;
        row.end()
    }
}

/// A row of the live feed, with the text that its readers pass on: written out once for all of them.
#[derive(Debug)]
pub struct FeedRow {
    row: JournalRow,
    text: OnceLock<Box<str>>,
}

impl FeedRow {
    /// The text, made by the first who wants it.
    pub fn text(&self, make: impl FnOnce(&JournalRow) -> String) -> &str {
        self.text.get_or_init(|| make(&self.row).into())
    }
}

impl Deref for FeedRow {
    type Target = JournalRow;

    fn deref(&self) -> &JournalRow {
        &self.row
    }
}

/// Tells subscribers what was committed, after it was.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    rows: broadcast::Sender<Arc<FeedRow>>,
    committed: watch::Sender<i64>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { rows: broadcast::Sender::new(FEED_ROWS), committed: watch::Sender::new(0) }
    }

    pub(super) fn publish(&self, rows: Vec<JournalRow>) {
        let Some(last) = rows.last().map(|row| row.seq) else { return };
        if self.rows.receiver_count() > 0 {
            for row in rows {
                // No receiver any more is no loss: the table has the row.
                let _ = self.rows.send(Arc::new(FeedRow { row, text: OnceLock::new() }));
            }
        }
        self.committed.send_if_modified(|seq| last > *seq && std::mem::replace(seq, last) != last);
    }
}

impl Store {
    /// The number of the last row that this process committed; 0 before the first.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<i64> {
        self.feed.committed.subscribe()
    }

    /// Committed rows from now on. A reader that falls 4096 rows behind gets `Lagged`; what it missed
    /// is in the table. Rows that another process wrote are not here: a jump in the numbers says so.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<FeedRow>> {
        self.feed.rows.subscribe()
    }

    /// The last number given out, by whichever process.
    pub async fn head(&self) -> Result<i64, StoreError> {
        self.db.fetch_one(sql::READ_HEAD, &[]).await?.map_or(Ok(0), |row| row.get("seq"))
    }

    /// At most `limit` rows with a number above `seq`, in order.
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        self.db.fetch(sql::EVENTS_AFTER, &args![seq, limit]).await?.iter().map(journal_row).collect()
    }

    /// A number before the rows of an instant: those before it may hold some of that time, too, by clocks that were set.
    pub async fn seq_before(&self, at: Timestamp) -> Result<i64, StoreError> {
        let (mut low, mut high) = (0, self.head().await?);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.events_after(middle, 1).await?;
            if row.first().is_none_or(|row| row.at >= at) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The first `limit` journal rows that name this call, in order.
    pub async fn events_of_call(&self, call: tandem_switch::id::CallId, limit: u32) -> Result<Vec<JournalRow>, StoreError> {
        self.db.fetch(sql::EVENTS_OF_CALL, &args![call.to_string(), limit]).await?.iter().map(journal_row).collect()
    }
}

pub(super) fn journal_row(row: &Row) -> Result<JournalRow, StoreError> {
    Ok(JournalRow { seq: row.get("seq")?, at: row.at("at_us")?, kind: row.get::<&str>("kind")?.into(), body: row.get("body")? })
}

fn is_of_floor(kind: &str) -> bool {
    const KINDS: [&str; 13] = [
        "agent-changed",
        "agent-asked",
        "queued",
        "refused",
        "offered",
        "offer-ended",
        "callback-kept",
        "overflowed",
        "prioritised",
        "conversation-changed",
        "returned",
        "left",
        "finished",
    ];
    KINDS.contains(&kind)
}
