//! Takes numbers out of rows: of one call with its items and its part of the journal in one transaction, and of what is left
//! of the journal a page at a time. What ends half-way is begun again and finds what is left.

use tandem_switch::{
    cdr::Origin,
    id::{CallId, RecordingId},
    time::Timestamp,
};

use super::{Number, Redaction};
use crate::store::{
    MessageRow, Store, StoreError,
    db::{Row, Tx, args},
    messages::message_row,
    sql::statements,
};

/// Journal rows that are read, and changed, at a time.
pub(super) const PAGE: u32 = 200;

statements! {
    CALLS_OF_NUMBER = "SELECT call_id, origin, from_number, to_number, answered_by FROM calls \
        WHERE call_id > $2 AND ended_us IS NOT NULL AND (LTRIM(REPLACE(from_number, '+', ''), '0') = $1 \
        OR LTRIM(REPLACE(to_number, '+', ''), '0') = $1 OR LTRIM(REPLACE(COALESCE(answered_by, ''), '+', ''), '0') = $1) \
        ORDER BY call_id LIMIT $3";
    CALLS_UP_OF_NUMBER = "SELECT call_id FROM calls WHERE ended_us IS NULL AND (LTRIM(REPLACE(from_number, '+', ''), '0') = $1 \
        OR LTRIM(REPLACE(to_number, '+', ''), '0') = $1) LIMIT 1";
    ITEMS_WAITING_OF_NUMBER = "SELECT item_id FROM items WHERE state = 'waiting' \
        AND LTRIM(REPLACE(caller, '+', ''), '0') = $1 LIMIT 1";
    MESSAGES_OF_NUMBER = "SELECT message_id, mailbox, call_id, from_number, path, state, started_us, duration_ms, size_bytes \
        FROM messages WHERE message_id > $2 AND state <> 'recording' \
        AND LTRIM(REPLACE(from_number, '+', ''), '0') = $1 ORDER BY message_id LIMIT $3";
    CALLS_TO_ERASE = "SELECT call_id, origin, from_number, to_number, answered_by FROM calls \
        WHERE call_id > $2 AND ended_us IS NOT NULL AND started_us < $1 AND erased_us IS NULL AND NOT EXISTS \
        (SELECT 1 FROM holds WHERE holds.call_id = calls.call_id \
        OR holds.number IN (LTRIM(REPLACE(from_number, '+', ''), '0'), LTRIM(REPLACE(to_number, '+', ''), '0'), \
        LTRIM(REPLACE(COALESCE(answered_by, ''), '+', ''), '0'))) ORDER BY call_id LIMIT $3";
    MESSAGES_TO_ERASE = "SELECT message_id, mailbox, call_id, from_number, path, state, started_us, duration_ms, size_bytes \
        FROM messages WHERE message_id > $2 AND state <> 'recording' AND started_us < $1 AND NOT EXISTS \
        (SELECT 1 FROM holds WHERE holds.call_id = messages.call_id \
        OR holds.number = LTRIM(REPLACE(messages.from_number, '+', ''), '0')) ORDER BY message_id LIMIT $3";
    OLD_CALLS = "SELECT COUNT(*) AS many FROM calls WHERE ended_us IS NOT NULL AND started_us < $1 AND erased_us IS NULL";
    OLD_MESSAGES = "SELECT COUNT(*) AS many FROM messages WHERE state <> 'recording' AND started_us < $1";
    ERASE_CALL = "UPDATE calls SET from_number = $2, to_number = $3, answered_by = $4, told = NULL, erased_us = $5 WHERE call_id = $1";
    ITEMS_OF_CALL = "SELECT item_id, caller, callback FROM items WHERE call_id = $1";
    ERASE_ITEM = "UPDATE items SET caller = $2, callback = $3 WHERE item_id = $1";
    JOURNAL_OF_CALL = "SELECT seq, body FROM journal WHERE call_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    JOURNAL_OF_ITEM = "SELECT seq, body FROM journal WHERE item_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    INTERACTION_OF_CALL = "SELECT interaction_id, value FROM interactions WHERE interaction_id = $1 AND call_id = $1";
    MESSAGES_OF_CALL = "SELECT message_id, from_number FROM messages WHERE call_id = $1";
    ERASE_MESSAGE = "UPDATE messages SET from_number = $2 WHERE message_id = $1";
    ERASE_INTERACTION = "UPDATE interactions SET value = $2 WHERE interaction_id = $1";
    JOURNAL_LIKE = "SELECT seq, body FROM journal WHERE body LIKE $1 AND seq > $2 ORDER BY seq LIMIT $3";
    PERSON_CALL = "SELECT call_id, origin, from_number, to_number, answered_by FROM calls WHERE call_id = $1 AND ended_us IS NOT NULL";
    ERASE_EVENT = "UPDATE journal SET body = $2 WHERE seq = $1";
}

/// Writes an embedded database anew without what was taken out, and empties its log.
const VACUUM: &str = "VACUUM";
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A call that numbers stand in.
#[derive(Clone, Debug)]
pub struct PersonCall {
    /// Which.
    pub call: CallId,
    /// Where it came from.
    pub origin: Origin,
    from: String,
    to: String,
    answered_by: Option<String>,
}

/// What was taken out with one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedCall {
    /// Journal rows that were changed.
    pub events: u64,
}

impl PersonCall {
    /// The numbers of people outside in it: who called by a trunk; whom an extension called; where it was passed on to.
    #[must_use]
    pub fn outside(&self) -> Vec<Number> {
        self.parties().filter_map(Number::outside).collect()
    }

    /// The same as the record has them.
    pub fn parties(&self) -> impl Iterator<Item = &str> {
        let party = match self.origin {
            Origin::Trunk(_) => &self.from,
            Origin::Extension(_) => &self.to,
        };
        [Some(party), self.answered_by.as_ref()].into_iter().flatten().map(String::as_str)
    }
}

impl Store {
    /// Calls that are over and that a number is a party of, after one of them.
    pub async fn calls_of(&self, number: &Number, after: Option<CallId>, limit: u32) -> Result<Vec<PersonCall>, StoreError> {
        let after = after.map(|call| call.to_string()).unwrap_or_default();
        self.db.fetch(CALLS_OF_NUMBER, &args![number.as_str(), after, limit]).await?.iter().map(person_call).collect()
    }

    /// A call that is over.
    pub async fn person_call(&self, call: CallId) -> Result<Option<PersonCall>, StoreError> {
        self.db.fetch_one(PERSON_CALL, &args![call.to_string()]).await?.as_ref().map(person_call).transpose()
    }

    /// Whether a call of a number is up, or waits to be made: what is taken out now would be written again.
    pub async fn is_about(&self, number: &Number) -> Result<bool, StoreError> {
        let args = args![number.as_str()];
        let up = self.db.fetch_one(CALLS_UP_OF_NUMBER, &args).await?.is_some();
        Ok(up || self.db.fetch_one(ITEMS_WAITING_OF_NUMBER, &args).await?.is_some())
    }

    /// Voice messages of a number, after one of them.
    pub async fn messages_of(
        &self,
        number: &Number,
        after: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let after = after.map(|message| message.to_string()).unwrap_or_default();
        self.db.fetch(MESSAGES_OF_NUMBER, &args![number.as_str(), after, limit]).await?.iter().map(message_row).collect()
    }

    /// Calls that began before a time, that still have their numbers and that nothing holds, after one of them.
    pub async fn calls_to_erase(
        &self,
        before: Timestamp,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<PersonCall>, StoreError> {
        let after = after.map(|call| call.to_string()).unwrap_or_default();
        self.db.fetch(CALLS_TO_ERASE, &args![before, after, limit]).await?.iter().map(person_call).collect()
    }

    /// Voice messages that were left before a time and that nothing holds, after one of them.
    pub async fn messages_to_erase(
        &self,
        before: Timestamp,
        after: Option<RecordingId>,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let after = after.map(|message| message.to_string()).unwrap_or_default();
        self.db.fetch(MESSAGES_TO_ERASE, &args![before, after, limit]).await?.iter().map(message_row).collect()
    }

    /// How many calls with their numbers and how many messages there are of before a time, held ones too.
    pub async fn older_than(&self, before: Timestamp) -> Result<(u64, u64), StoreError> {
        let mut counts = [0, 0];
        for (count, statement) in counts.iter_mut().zip([OLD_CALLS, OLD_MESSAGES]) {
            *count = self.db.fetch_one(statement, &args![before]).await?.map_or(Ok(0), |row| row.count("many"))?;
        }
        Ok(counts.into())
    }

    /// Takes numbers out of the record of a call, its items and its part of the journal, in one transaction. What its trunk
    /// told beside the numbers goes whole.
    pub async fn erase_call(&self, call: &PersonCall, redaction: &Redaction, at: Timestamp) -> Result<ErasedCall, StoreError> {
        let id = call.call.to_string();
        let items = self.db.fetch(ITEMS_OF_CALL, &args![id.as_str()]).await?;
        let mut tx = self.db.begin().await?;
        let plain = |text: &str| redaction.text(text).unwrap_or_else(|| text.to_owned());
        let answered_by = call.answered_by.as_deref().map(plain);
        tx.execute(ERASE_CALL, &args![id.as_str(), plain(&call.from), plain(&call.to), answered_by, at]).await?;
        let mut erased = ErasedCall { events: erase_events(&mut tx, JOURNAL_OF_CALL, (&id, redaction, true)).await? };
        // The interaction of a call has its number.
        if let Some(row) = tx.fetch(INTERACTION_OF_CALL, &args![id.as_str()]).await?.first() {
            tx.execute(ERASE_INTERACTION, &args![id.as_str(), plain(row.get("value")?)]).await?;
        }
        // A message that is younger than its call outlives the number.
        for row in tx.fetch(MESSAGES_OF_CALL, &args![id.as_str()]).await? {
            let (message, from): (&str, &str) = (row.get("message_id")?, row.get("from_number")?);
            tx.execute(ERASE_MESSAGE, &args![message, plain(from)]).await?;
        }
        for row in &items {
            let (item, caller): (&str, &str) = (row.get("item_id")?, row.get("caller")?);
            let callback = row.get::<Option<String>>("callback")?.map(|text| redaction.json(&text, true).unwrap_or(text));
            erased.events += erase_events(&mut tx, JOURNAL_OF_ITEM, (item, redaction, true)).await?;
            tx.execute(ERASE_ITEM, &args![item, plain(caller), callback]).await?;
        }
        tx.commit().await?;
        Ok(erased)
    }

    /// Takes a number out of a page of whatever else of the journal names it, after a row; the last row that was looked at,
    /// or `None` when there is no more, and how many were changed.
    pub async fn erase_events(
        &self,
        number: &Number,
        redaction: &Redaction,
        after: i64,
    ) -> Result<(Option<i64>, u64), StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = tx.fetch(JOURNAL_LIKE, &args![number.pattern(), after, PAGE]).await?;
        let (last, changed) = erase_rows(&mut tx, &rows, (redaction, false)).await?;
        tx.commit().await?;
        Ok((last, changed))
    }

    /// Brings what was taken out of the tables out of the files of the database, too. Writers wait meanwhile.
    pub async fn compact(&self) -> Result<(), StoreError> {
        self.db.execute(VACUUM, &[]).await?;
        if let crate::store::db::Db::Lite(_) = self.db {
            self.db.execute(CHECKPOINT, &[]).await?;
        }
        Ok(())
    }
}

async fn erase_events(
    tx: &mut Tx,
    statement: &'static str,
    (of, redaction, whole): (&str, &Redaction, bool),
) -> Result<u64, StoreError> {
    let (mut after, mut changed) = (0, 0);
    loop {
        let rows = tx.fetch(statement, &args![of, after, PAGE]).await?;
        let (last, some) = erase_rows(tx, &rows, (redaction, whole)).await?;
        changed += some;
        match last {
            Some(last) => after = last,
            None => return Ok(changed),
        }
    }
}

async fn erase_rows(tx: &mut Tx, rows: &[Row], (redaction, whole): (&Redaction, bool)) -> Result<(Option<i64>, u64), StoreError> {
    let (mut last, mut changed) = (None, 0);
    for row in rows {
        let seq: i64 = row.get("seq")?;
        if let Some(body) = redaction.json(row.get("body")?, whole) {
            changed += tx.execute(ERASE_EVENT, &args![seq, body]).await?;
        }
        last = Some(seq);
    }
    Ok((last, changed))
}

fn person_call(row: &Row) -> Result<PersonCall, StoreError> {
    Ok(PersonCall {
        call: row.parsed("call_id")?,
        origin: row.json("origin")?,
        from: row.get("from_number")?,
        to: row.get("to_number")?,
        answered_by: row.get("answered_by")?,
    })
}
