//! What a start finds: who waited, what agents did, which devices can be reached, which calls never ended.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::{
    cause::{Blame, Cause},
    cdr::Cdr,
    floor::{Conversation, FloorEvent, HeldConversation, Restored, RestoredAgent, RestoredOffer, WaitingItem, Work},
    id::{CallId, ItemId},
    name::{AgentName, Extension, PartyNumber, QueueName},
    time::Timestamp,
};

use super::{
    Binding, Record, Store, StoreError,
    db::{Row, args},
    sql,
};

/// Orphans closed in one transaction.
const ORPHANS: u32 = 500;
const DAY_US: i64 = 86_400_000_000;

impl Store {
    /// The floor as it was at the last stop.
    pub async fn restore(&self) -> Result<Restored, StoreError> {
        let waiting = self.db.fetch(sql::ITEMS_WAITING, &[]).await?;
        let offers = self.db.fetch(sql::OFFERS_OPEN, &[]).await?;
        let agents = self.db.fetch(sql::AGENT_STATES, &[]).await?;
        let served = self.db.fetch(sql::ITEMS_SERVED, &[]).await?;
        Ok(Restored {
            held: served.iter().filter_map(|row| held(row).transpose()).collect::<Result<_, _>>()?,
            waiting: waiting.iter().map(waiting_item).collect::<Result<_, _>>()?,
            agents: agents.iter().map(agent).collect::<Result<_, _>>()?,
            offers: offers.iter().map(offer).collect::<Result<_, _>>()?,
            ..Restored::default()
        })
    }

    /// How many callbacks numbers were promised in the day of `now` (UTC), as far as their items were queued in it.
    pub async fn promised_today(&self, now: Timestamp) -> Result<Vec<(PartyNumber, u32)>, StoreError> {
        let midnight = Timestamp(now.0 - now.0.rem_euclid(DAY_US));
        let rows = self.db.fetch(sql::PROMISED_SINCE, &args![midnight]).await?;
        let promised = |row: &Row| {
            let promises = u32::try_from(row.count("promised")?).unwrap_or(u32::MAX);
            Ok((PartyNumber::from(row.get::<&str>("caller")?), promises))
        };
        rows.iter().map(promised).collect()
    }

    /// Calls that were up and kept, in the order of their arrival.
    pub async fn kept_calls(&self) -> Result<Vec<KeptRow>, StoreError> {
        let rows = self.db.fetch(sql::KEPT_CALLS, &[]).await?;
        let kept = |row: &Row| {
            Ok(KeptRow { call: row.parsed("call_id")?, v: row.count("v")?, body: row.get("body")?, at: row.at("at_us")? })
        };
        rows.iter().map(kept).collect()
    }

    /// Conversations with agents that were under way.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, StoreError> {
        let rows = self.db.fetch(sql::ITEMS_SERVED, &[]).await?;
        rows.iter().map(conversation).collect()
    }

    /// When the last process was alive for the last time that is known; `now` when there was none. To be asked before
    /// the first record of this one.
    pub async fn last_sign_of_life(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let last = self.db.fetch_one(sql::LAST_EVENT_AT, &[]).await?.map_or(Ok(now), |row| row.at("at_us"))?;
        Ok(last.min(now))
    }

    /// Registrations that still hold at `now`.
    pub async fn bindings(&self, now: Timestamp) -> Result<Vec<Binding>, StoreError> {
        self.db.fetch(sql::BINDINGS, &args![now]).await?.iter().map(binding).collect()
    }

    /// Ends what the last process left open and this one does not go on with: calls get a CDR with cause restart and
    /// blame us, recordings become interrupted, items in conversation are over, expired registrations go. Waiting
    /// items stay. How many calls.
    ///
    /// The calls end at the last sign of life, not now, so that an hour out of order is no hour of conversation.
    pub async fn close_orphans(&self, restart: &Restart<'_>) -> Result<u64, StoreError> {
        let Restart { stopped_at, now, going_on, talking } = *restart;
        let kept = self.kept_calls().await?.into_iter().map(|row| row.call).filter(|call| !going_on.contains(call));
        let statements: Vec<_> = kept.map(|call| (sql::DROP_KEPT_CALL, args![call.to_string()].to_vec())).collect();
        let cut_off = |it: &Conversation| it.item.work.channel.is_voice() && !talking.contains(&it.item.item);
        let finished = self.conversations().await?.into_iter().filter(cut_off).map(|it| {
            let (item, agent, at) = (it.item.item, it.agent, it.since_at.max(stopped_at));
            Record::Floor(FloorEvent::Finished { item, agent, cause: Cause::Restart, at })
        });
        self.change(&statements, &finished.collect::<Vec<_>>()).await?;
        let mut closed = 0;
        loop {
            let rows = self.db.fetch(sql::CALLS_OPEN, &args![ORPHANS]).await?;
            if rows.is_empty() {
                break;
            }
            let records: Vec<Record> = rows.iter().map(|row| orphan(row, stopped_at)).collect::<Result<_, _>>()?;
            self.commit(&records).await?;
            closed += records.len() as u64;
        }
        let restarted = Record::Restarted { stopped_at, taken_up: going_on.len() as u64, closed, at: now };
        let taken_up = going_on.iter().map(|call| Record::CallTakenUp { call: *call, stopped_at, at: now });
        self.commit(&std::iter::once(restarted).chain(taken_up).collect::<Vec<_>>()).await?;
        Ok(closed)
    }
}

/// A call that was kept.
#[derive(Clone, Debug)]
pub struct KeptRow {
    /// Which.
    pub call: CallId,
    /// The form that the body is in.
    pub v: u64,
    /// What was kept, JSON.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

/// What of the last process goes on.
#[derive(Clone, Copy, Debug)]
pub struct Restart<'a> {
    /// Its last sign of life.
    pub stopped_at: Timestamp,
    /// The start of this one.
    pub now: Timestamp,
    /// Calls that go on.
    pub going_on: &'a BTreeSet<CallId>,
    /// Items that agents go on talking about.
    pub talking: &'a BTreeSet<ItemId>,
}

fn orphan(row: &Row, stopped_at: Timestamp) -> Result<Record, StoreError> {
    let started_at = row.at("started_us")?;
    let cdr = Cdr {
        call: row.parsed("call_id")?,
        origin: row.json("origin")?,
        from: PartyNumber::from(row.get::<&str>("from_number")?),
        to: PartyNumber::from(row.get::<&str>("to_number")?),
        route: None,
        queue: None,
        agent: None,
        answered_by: None,
        started_at,
        answered_at: None,
        connected_at: None,
        ended_at: stopped_at.max(started_at),
        waited_ms: 0,
        talked_ms: 0,
        cause: Cause::Restart,
        blame: Blame::Us,
        recording: None,
        generation: row.count("generation")?,
        restarts: 0,
        told: BTreeMap::new(),
        segments: Vec::new(),
    };
    Ok(Record::CallEnded { cdr: Box::new(cdr), quality: None, identity: None, was_kept: false })
}

pub(super) fn waiting_item(row: &Row) -> Result<WaitingItem, StoreError> {
    Ok(WaitingItem {
        item: row.parsed("item_id")?,
        call: row.parsed("call_id")?,
        queue: QueueName::from(row.get::<&str>("queue")?),
        caller: PartyNumber::from(row.get::<&str>("caller")?),
        skills: row.json("skills")?,
        priority_minutes: u32::try_from(row.count("priority_minutes")?).unwrap_or(u32::MAX),
        virtual_arrival_at: row.at("virtual_arrival_us")?,
        callback: match row.get::<Option<&str>>("callback")? {
            Some(_) => Some(row.json("callback")?),
            None => None,
        },
        work: match row.get::<Option<&str>>("work")? {
            Some(_) => row.json("work")?,
            None => Work::default(),
        },
    })
}

fn conversation(row: &Row) -> Result<Conversation, StoreError> {
    let agent = AgentName::from(row.get::<Option<&str>>("agent")?.unwrap_or_default());
    Ok(Conversation { item: waiting_item(row)?, agent, since_at: row.maybe_at("served_us")?.unwrap_or_default() })
}

/// A conversation that does not end with the process; `None` for a call.
fn held(row: &Row) -> Result<Option<HeldConversation>, StoreError> {
    let conversation = conversation(row)?;
    if conversation.item.work.channel.is_voice() {
        return Ok(None);
    }
    let standing = of_word(row, "standing")?.unwrap_or_default();
    Ok(Some(HeldConversation { conversation, standing, turn: of_word(row, "turn")?.unwrap_or_default() }))
}

/// What serde reads from a word; `None` for NULL.
fn of_word<T: serde::de::DeserializeOwned>(row: &Row, column: &'static str) -> Result<Option<T>, StoreError> {
    let Some(word) = row.get::<Option<&str>>(column)? else { return Ok(None) };
    serde_json::from_value(word.into()).map(Some).map_err(|_| StoreError::Unreadable { column })
}

fn agent(row: &Row) -> Result<RestoredAgent, StoreError> {
    Ok(RestoredAgent {
        agent: AgentName::from(row.get::<&str>("agent")?),
        state: row.json("state")?,
        since_at: row.at("since_us")?,
        idle_since_at: row.maybe_at("idle_since_us")?,
        pending: match row.get::<Option<&str>>("pending")? {
            Some(_) => Some(row.json("pending")?),
            None => None,
        },
    })
}

fn offer(row: &Row) -> Result<RestoredOffer, StoreError> {
    Ok(RestoredOffer {
        offer: row.parsed("offer_id")?,
        item: row.parsed("item_id")?,
        agent: AgentName::from(row.get::<&str>("agent")?),
    })
}

fn binding(row: &Row) -> Result<Binding, StoreError> {
    Ok(Binding {
        extension: Extension::from(row.get::<&str>("extension")?),
        contact: row.get("contact")?,
        source: row.get("source")?,
        register_call_id: row.get("register_call_id")?,
        register_cseq: u32::try_from(row.count("register_cseq")?).unwrap_or(u32::MAX),
        user_agent: row.get("user_agent")?,
        registered_at: row.at("registered_us")?,
        expires_at: row.at("expires_us")?,
        way: row.get::<Option<&str>>("way")?.map(serde_json::from_str).transpose().unwrap_or_default(),
    })
}
