//! Questions about rules, about the outbox, and about what rules are set off by.

use tandem_switch::{
    channel::Channel,
    customers::{Identity, IdentityKind},
    id::{CallId, CustomerId, ItemId, RecordingId, TimerId},
    name::{MailboxName, PartyNumber, QueueName},
    rules::{About, Timer},
    time::Timestamp,
};

use super::{DeedState, OutboxMessage, OutboxRow, RuleChange, RuleNews, TimerRow};
use crate::store::{
    Record, Store, StoreError,
    customers_read::maybe,
    db::{Row, args},
    privacy::{Number, Redaction},
    rules_sql as sql,
};

/// Timers that are read at a time.
const PAGE: u32 = 1_000;
/// Behind every name of a row.
const END: &str = "~";

/// An item, as far as rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemOf {
    /// Where it waits, or waited last.
    pub queue: QueueName,
    /// Whose number.
    pub caller: PartyNumber,
    /// Its call.
    pub call: CallId,
    /// Since when it is there.
    pub queued_at: Timestamp,
    /// Minutes of virtual waiting ahead.
    pub priority_minutes: u32,
    /// Nobody talks about it, and it is not over.
    pub waits: bool,
}

/// A call, as far as rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOf {
    /// Who called.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
}

/// A message in a box, as far as rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOf {
    /// In which box.
    pub mailbox: MailboxName,
    /// Of which call.
    pub call: Option<CallId>,
    /// Who left it.
    pub from: PartyNumber,
}

/// One action of a rule that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeedRow {
    /// Its number.
    pub nth: u32,
    /// The word of the plan.
    pub what: String,
    /// `todo`, `done` or `refused`.
    pub state: String,
    /// With what, or why not.
    pub detail: String,
    /// Since when.
    pub ended_at: Option<Timestamp>,
}

/// An action that is not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeedTodo {
    /// Of which timer.
    pub timer: TimerId,
    /// Its number.
    pub nth: u32,
}

fn nth(row: &Row) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.count("nth")?).unwrap_or(u32::MAX))
}

impl Store {
    /// Writes down what became of rules, all of it or nothing.
    ///
    /// # Errors
    /// The database.
    pub async fn commit_rules(&self, news: Vec<RuleNews>, others: Vec<Record>) -> Result<(), StoreError> {
        let records: Vec<Record> = news.into_iter().map(|news| Record::Rule(Box::new(news))).chain(others).collect();
        if records.is_empty() { Ok(()) } else { self.commit(&records).await }
    }

    /// How far the journal was read for rules.
    ///
    /// # Errors
    /// The database.
    pub async fn rules_read_up_to(&self) -> Result<Option<i64>, StoreError> {
        self.db.fetch_one(sql::RULE_CURSOR, &[]).await?.map(|row| row.get("seq")).transpose()
    }

    /// All timers that run.
    ///
    /// # Errors
    /// The database.
    pub async fn running_timers(&self) -> Result<Vec<Timer>, StoreError> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let rows = self.db.fetch(sql::RUNNING, &args![after.as_str(), PAGE]).await?;
            for row in &rows {
                all.push(timer_row(row)?.timer);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = last.get("timer_id")?,
                _ => return Ok(all),
            }
        }
    }

    /// Timers before one of them, the newest first; of one state and of one rule, where these are not empty.
    ///
    /// # Errors
    /// The database.
    pub async fn timers(
        &self,
        before: Option<TimerId>,
        (state, rule): (&str, &str),
        limit: u32,
    ) -> Result<Vec<TimerRow>, StoreError> {
        let before = before.map_or_else(|| END.to_owned(), |timer| timer.to_string());
        self.db.fetch(sql::TIMERS, &args![before, state, rule, limit]).await?.iter().map(timer_row).collect()
    }

    /// One timer.
    ///
    /// # Errors
    /// The database.
    pub async fn timer(&self, timer: TimerId) -> Result<Option<TimerRow>, StoreError> {
        self.db.fetch_one(sql::TIMER, &args![timer.to_string()]).await?.as_ref().map(timer_row).transpose()
    }

    /// What it did.
    ///
    /// # Errors
    /// The database.
    pub async fn deeds(&self, timer: TimerId) -> Result<Vec<DeedRow>, StoreError> {
        let read = |row: &Row| {
            let (what, state, detail) = (row.get("what")?, row.get("state")?, row.get("detail")?);
            Ok(DeedRow { nth: nth(row)?, what, state, detail, ended_at: row.maybe_at("ended_us")? })
        };
        self.db.fetch(sql::DEEDS, &args![timer.to_string()]).await?.iter().map(read).collect()
    }

    /// Actions that are not done yet.
    ///
    /// # Errors
    /// The database.
    pub async fn deeds_to_do(&self) -> Result<Vec<DeedTodo>, StoreError> {
        let read = |row: &Row| Ok(DeedTodo { timer: row.parsed("timer_id")?, nth: nth(row)? });
        self.db.fetch(sql::DEEDS_TODO, &[]).await?.iter().map(read).collect()
    }

    /// How many timers there are, by rule and state.
    ///
    /// # Errors
    /// The database.
    pub async fn timer_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let read = |row: &Row| Ok((row.get("name")?, row.get("state")?, row.count("many")?));
        self.db.fetch(sql::COUNTS, &[]).await?.iter().map(read).collect()
    }

    /// When a rule was carried out for somebody since a time.
    ///
    /// # Errors
    /// The database.
    pub async fn fired(&self, rule: &str, timer: &Timer, since: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        let (kind, value) = timer.about.identity.as_ref().map_or(("", ""), |identity| (identity.kind().word(), identity.value()));
        let customer = timer.about.customer.map(|id| id.to_string());
        let rows = self.db.fetch(sql::FIRED_OF, &args![rule, kind, value, since, customer]).await?;
        rows.iter().map(|row| row.at("ended_us")).collect()
    }

    /// Who of ours has talked with somebody since a time.
    ///
    /// # Errors
    /// The database.
    pub async fn talked_with(
        &self,
        identity: Option<&Identity>,
        customer: Option<CustomerId>,
        since: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        if let Some(customer) = customer
            && let Some(row) = self.db.fetch_one(sql::TALKED_OF_CUSTOMER, &args![customer.to_string(), since]).await?
        {
            return row.get("agent");
        }
        let Some(identity) = identity else { return Ok(None) };
        let of = args![identity.kind().word(), identity.value(), since];
        Ok(self.db.fetch_one(sql::TALKED_OF_ADDRESS, &of).await?.map(|row| row.get("agent")).transpose()?.flatten())
    }

    /// An item.
    ///
    /// # Errors
    /// The database.
    pub async fn item_for_rules(&self, item: ItemId) -> Result<Option<ItemOf>, StoreError> {
        let read = |row: Row| {
            Ok(ItemOf {
                queue: QueueName::from(row.get::<&str>("queue")?),
                caller: PartyNumber::from(row.get::<&str>("caller")?),
                call: row.parsed("call_id")?,
                queued_at: row.at("queued_us")?,
                priority_minutes: u32::try_from(row.count("priority_minutes")?).unwrap_or(u32::MAX),
                waits: row.get::<&str>("state")? == "waiting",
            })
        };
        self.db.fetch_one(sql::ITEM_OF, &args![item.to_string()]).await?.map(read).transpose()
    }

    /// Whether somebody waits for a callback, or has, that was promised since a time.
    ///
    /// # Errors
    /// The database.
    pub async fn called_back_since(&self, number: &PartyNumber, since: Timestamp) -> Result<Option<ItemId>, StoreError> {
        let row = self.db.fetch_one(sql::CALLED_BACK_SINCE, &args![number.as_str(), since]).await?;
        row.map(|row| row.parsed("item_id")).transpose()
    }

    /// A call.
    ///
    /// # Errors
    /// The database.
    pub async fn call_for_rules(&self, call: CallId) -> Result<Option<CallOf>, StoreError> {
        let read = |row: Row| {
            let (from, to): (&str, &str) = (row.get("from_number")?, row.get("to_number")?);
            Ok(CallOf { from: from.into(), to: to.into() })
        };
        self.db.fetch_one(sql::CALL_OF, &args![call.to_string()]).await?.map(read).transpose()
    }

    /// A message in a box.
    ///
    /// # Errors
    /// The database.
    pub async fn message_for_rules(&self, message: RecordingId) -> Result<Option<MessageOf>, StoreError> {
        let read = |row: Row| {
            let (mailbox, from): (&str, &str) = (row.get("mailbox")?, row.get("from_number")?);
            Ok(MessageOf { mailbox: mailbox.into(), call: maybe(&row, "call_id")?, from: from.into() })
        };
        self.db.fetch_one(sql::MESSAGE_OF_BOX, &args![message.to_string()]).await?.map(read).transpose()
    }

    /// Whether a call left a message in a box.
    ///
    /// # Errors
    /// The database.
    pub async fn left_a_message(&self, call: CallId) -> Result<bool, StoreError> {
        Ok(self.db.fetch_one(sql::MESSAGE_OF_CALL, &args![call.to_string()]).await?.is_some())
    }

    /// A message of the outbox.
    ///
    /// # Errors
    /// The database.
    pub async fn outbox_message(&self, message: &str) -> Result<Option<OutboxRow>, StoreError> {
        self.db.fetch_one(sql::MESSAGE, &args![message]).await?.as_ref().map(outbox_row).transpose()
    }

    /// Messages of the outbox before one of them, the newest first; of one state, where that is not empty.
    ///
    /// # Errors
    /// The database.
    pub async fn outbox(&self, before: Option<&str>, state: &str, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        self.db.fetch(sql::MESSAGES, &args![before.unwrap_or(END), state, limit]).await?.iter().map(outbox_row).collect()
    }

    /// Messages that somebody may send now. They are to be leased before somebody else asks.
    ///
    /// # Errors
    /// The database.
    pub async fn outbox_due(&self, channel: &str, now: Timestamp, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        self.db.fetch(sql::LEASABLE, &args![channel, now, limit]).await?.iter().map(outbox_row).collect()
    }

    /// Takes a number out of what rules know. A message that was not sent yet is not sent any more.
    ///
    /// # Errors
    /// The database.
    pub async fn erase_rules(&self, number: &Number, redaction: &Redaction) -> Result<u64, StoreError> {
        let of = args![number.as_str(), redaction.of_number(number).unwrap_or_else(|| redaction.tombstone())];
        Ok(self.db.execute(sql::ERASE_TIMERS, &of).await? + self.db.execute(sql::ERASE_OUTBOX, &of).await?)
    }
}

impl RuleNews {
    /// What happened, at a time.
    #[must_use]
    pub const fn new(at: Timestamp, what: RuleChange) -> Self {
        Self { at, what }
    }
}

impl DeedState {
    /// Nothing is left to do.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Todo)
    }
}

/// An address of a row; `None`: there is none, or it was erased.
fn identity(row: &Row) -> Result<Option<Identity>, StoreError> {
    let kind = IdentityKind::of(row.get("who_kind")?);
    let value: String = row.get("who_value")?;
    Ok(kind.map(|kind| Identity::kept(kind, value)))
}

fn timer_row(row: &Row) -> Result<TimerRow, StoreError> {
    let about = About {
        identity: identity(row)?,
        customer: maybe(row, "customer_id")?,
        call: maybe(row, "call_id")?,
        dialled: row.get::<Option<&str>>("dialled")?.map(PartyNumber::from),
    };
    let timer = Timer {
        timer: row.parsed("timer_id")?,
        rule: row.json("rule")?,
        cause: row.get("cause_seq")?,
        thing: row.json("thing")?,
        about,
        set_at: row.at("set_us")?,
        due_at: row.at("due_us")?,
    };
    Ok(TimerRow { timer, state: row.get("state")?, why: row.get("why")?, ended_at: row.maybe_at("ended_us")? })
}

fn outbox_row(row: &Row) -> Result<OutboxRow, StoreError> {
    let unreadable = |column| StoreError::Unreadable { column };
    let channel = Channel::of(row.get("channel")?).ok_or_else(|| unreadable("outbox.channel"))?;
    let to = identity(row)?.ok_or_else(|| unreadable("outbox.who_kind"))?;
    let message = OutboxMessage {
        message: row.get("message_id")?,
        channel,
        to,
        customer: maybe(row, "customer_id")?,
        template: row.get("template")?,
    };
    Ok(OutboxRow {
        message,
        timer: row.parsed("timer_id")?,
        state: row.get("state")?,
        attempts: u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX),
        next_at: row.at("next_us")?,
        leased_by: row.get("leased_by")?,
        leased_until_at: row.maybe_at("leased_until_us")?,
        why: row.get("why")?,
        made_at: row.at("made_us")?,
        ended_at: row.maybe_at("ended_us")?,
    })
}
