//! Calls that are over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    cdr::{Cdr, Segment},
    id::{CallId, CaseId, CustomerId},
    identity::CallerIdentity,
    name::{AgentName, PartyNumber, QueueName, RouteName},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    customers_read::maybe,
    db::{Row, args},
    sql,
};

/// Sorts after every identifier: the cursor of a first page.
pub(super) const AFTER_ALL: &str = "~";

/// A CDR and the audio quality that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The record; its segments are filled in only where one call is asked for.
    #[serde(flatten)]
    pub cdr: Cdr,
    /// As the media side wrote it; `None` is "unknown".
    pub quality: Option<serde_json::Value>,
    /// What became of the check of a signed caller id; `None` where none is checked.
    pub identity: Option<CallerIdentity>,
    /// The customer whose call it was, where that is certain.
    pub customer: Option<CustomerId>,
    /// Their case that it was about.
    pub case: Option<CaseId>,
}

/// Which CDRs are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct CdrFilter {
    /// Started then or later.
    pub from_at: Option<Timestamp>,
    /// Started before.
    pub to_at: Option<Timestamp>,
    /// Caller's or dialled number, whole.
    pub number: Option<String>,
    /// Waited in this queue.
    pub queue: Option<QueueName>,
    /// This agent talked.
    pub agent: Option<AgentName>,
    /// Ended with this cause.
    pub cause: Option<String>,
    /// Older than this call: the last one of the page before.
    pub before: Option<CallId>,
}

impl Store {
    /// A page of CDRs, newest first, without segments.
    pub async fn cdrs(&self, filter: &CdrFilter, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        let before = filter.before.map_or_else(|| AFTER_ALL.to_owned(), |call| call.to_string());
        let args = args![
            before,
            filter.from_at.unwrap_or(Timestamp(0)),
            filter.to_at.unwrap_or(Timestamp(i64::MAX)),
            filter.number.as_deref().unwrap_or_default(),
            filter.queue.as_ref().map_or("", |queue| queue.as_str()),
            filter.agent.as_ref().map_or("", |agent| agent.as_str()),
            filter.cause.as_deref().unwrap_or_default(),
            limit,
        ];
        self.db.fetch(sql::CDRS, &args).await?.iter().map(|row| call_record(row, Vec::new())).collect()
    }

    /// One CDR with its segments; `None` when there is no such call or it goes on.
    pub async fn cdr(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        let id = call.to_string();
        let Some(row) = self.db.fetch_one(sql::CDR, &args![id.as_str()]).await? else { return Ok(None) };
        let segments = self.db.fetch(sql::SEGMENTS, &args![id.as_str()]).await?;
        let segments = segments.iter().map(segment).collect::<Result<_, _>>()?;
        call_record(&row, segments).map(Some)
    }
}

fn call_record(row: &Row, segments: Vec<Segment>) -> Result<CallRecord, StoreError> {
    let cdr = Cdr {
        call: row.parsed("call_id")?,
        origin: row.json("origin")?,
        from: PartyNumber::from(row.get::<&str>("from_number")?),
        to: PartyNumber::from(row.get::<&str>("to_number")?),
        route: row.get::<Option<&str>>("route")?.map(RouteName::from),
        queue: row.get::<Option<&str>>("queue")?.map(QueueName::from),
        agent: row.get::<Option<&str>>("agent")?.map(AgentName::from),
        answered_by: row.get::<Option<&str>>("answered_by")?.map(PartyNumber::from),
        started_at: row.at("started_us")?,
        answered_at: row.maybe_at("answered_us")?,
        connected_at: row.maybe_at("connected_us")?,
        ended_at: row.at("ended_us")?,
        waited_ms: row.count("waited_ms")?,
        talked_ms: row.count("talked_ms")?,
        cause: row.word("cause")?.ok_or(StoreError::Unreadable { column: "cause" })?,
        blame: row.word("blame")?.ok_or(StoreError::Unreadable { column: "blame" })?,
        recording: match row.get::<Option<&str>>("recording_id")? {
            Some(_) => Some(row.parsed("recording_id")?),
            None => None,
        },
        generation: row.count("generation")?,
        restarts: u32::try_from(row.count("restarts")?).unwrap_or(u32::MAX),
        told: match row.get::<Option<&str>>("told")? {
            Some(_) => row.json("told")?,
            None => BTreeMap::new(),
        },
        segments,
    };
    let quality = match row.get::<Option<&str>>("quality")? {
        Some(_) => Some(row.json("quality")?),
        None => None,
    };
    let (customer, case) = (maybe(row, "customer_id")?, maybe(row, "case_id")?);
    Ok(CallRecord { cdr, quality, identity: row.word("identity")?, customer, case })
}

fn segment(row: &Row) -> Result<Segment, StoreError> {
    Ok(Segment {
        state: row.word("state")?.ok_or(StoreError::Unreadable { column: "state" })?,
        agent: row.get::<Option<&str>>("agent")?.map(AgentName::from),
        cause: row.word("cause")?,
        from_at: row.at("from_us")?,
        to_at: row.at("to_us")?,
    })
}
