//! What figures are worked out from: waits, what agents spend their time on, offers and transfers.
//!
//! `waits` and `agent_spells` are projections of the floor's events; `tandem_switch::kpi::Books` folds the same rows.

use std::collections::BTreeMap;

use tandem_switch::{
    cause::Cause,
    floor::{AgentState, FloorEvent, OfferOutcome},
    kpi::{Activity, Spell, Tally, Wait, WaitEnd},
    name::{AgentName, QueueName},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    db::{Arg, Row, args},
    sql::statements,
};

/// Rows that are read at a time.
const PAGE: u32 = 5_000;
/// Rows of an answer at most.
pub(super) const MOST_ROWS: usize = 10_000;

statements! {
    PUT_WAIT = "INSERT INTO waits (item_id, nth, call_id, queue, callback, entered_us, since_us) \
        SELECT CAST($1 AS TEXT), COALESCE(MAX(nth), -1) + 1, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), \
        CAST($5 AS BIGINT), CAST($6 AS BIGINT) FROM waits WHERE item_id = $1";
    PUT_WAIT_UNLESS_TAKEN_OVER = "INSERT INTO waits (item_id, nth, call_id, queue, callback, entered_us, since_us) \
        SELECT CAST($1 AS TEXT), 0, CAST($2 AS TEXT), CAST($3 AS TEXT), 0, CAST($4 AS BIGINT), CAST($5 AS BIGINT) \
        WHERE NOT EXISTS (SELECT 1 FROM waits WHERE item_id = $1)";
    WAIT_TAKEN_OVER = "UPDATE waits SET item_id = $2, call_id = $3 WHERE item_id = $1 AND ended_us IS NULL AND callback = 0";
    CALLBACK_CAME_BACK = "UPDATE waits SET ended_us = $2, ended_how = 'came-back' \
        WHERE item_id = $1 AND ended_us IS NULL AND callback = 1";
    PUT_CALLBACK = "INSERT INTO waits (item_id, nth, call_id, queue, callback, entered_us, since_us) \
        SELECT item_id, nth + 1, call_id, CAST($3 AS TEXT), 1, CAST($2 AS BIGINT), CAST($4 AS BIGINT) FROM waits \
        WHERE item_id = $1 AND ended_us IS NULL AND callback = 0";
    CALLBACK_TAKEN = "UPDATE waits SET ended_us = $2, ended_how = 'callback-taken' \
        WHERE item_id = $1 AND ended_us IS NULL AND callback = 0";
    PUT_OVERFLOWED = "INSERT INTO waits (item_id, nth, call_id, queue, callback, entered_us, since_us) \
        SELECT item_id, nth + 1, call_id, CAST($3 AS TEXT), callback, CAST($2 AS BIGINT), CAST($4 AS BIGINT) FROM waits \
        WHERE item_id = $1 AND ended_us IS NULL";
    OVERFLOWED = "UPDATE waits SET ended_us = $2, ended_how = 'overflowed' \
        WHERE item_id = $1 AND ended_us IS NULL AND nth < (SELECT MAX(nth) FROM waits WHERE item_id = $1)";
    WAIT_ENDED = "UPDATE waits SET ended_us = $2, ended_how = $3, agent = $4 WHERE item_id = $1 AND ended_us IS NULL";
    WAIT_FINISHED = "UPDATE waits SET finished_us = $2 WHERE item_id = $1 AND ended_how = 'answered' AND finished_us IS NULL";
    SPELL_ENDED = "UPDATE agent_spells SET to_us = $2 WHERE agent = $1 AND to_us IS NULL";
    PUT_SPELL = "INSERT INTO agent_spells (agent, nth, activity, item_id, reason, from_us) \
        SELECT CAST($1 AS TEXT), COALESCE(MAX(nth), -1) + 1, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), \
        CAST($5 AS BIGINT) FROM agent_spells WHERE agent = $1";
    PUT_WRAP_UP = "INSERT INTO agent_spells (agent, nth, activity, item_id, from_us) \
        SELECT CAST($1 AS TEXT), COALESCE(MAX(nth), -1) + 1, 'wrap-up', (SELECT item_id FROM agent_spells WHERE agent = $1 \
        AND activity = 'engaged' ORDER BY nth DESC LIMIT 1), CAST($2 AS BIGINT) FROM agent_spells WHERE agent = $1";
    FIGURES_ARE_MISSING = "SELECT seq FROM journal WHERE kind IN ('queued', 'agent-changed') \
        AND NOT EXISTS (SELECT 1 FROM waits) AND NOT EXISTS (SELECT 1 FROM agent_spells) ORDER BY seq LIMIT 1";
    WAITS = "SELECT item_id, nth, call_id, queue, callback, entered_us, since_us, ended_us, ended_how, agent, finished_us, \
        CASE WHEN ended_how = 'answered' THEN CAST(COALESCE((SELECT SUM((to_us - from_us) / 1000) FROM agent_spells \
        WHERE agent_spells.item_id = waits.item_id AND activity = 'wrap-up' AND to_us IS NOT NULL), 0) AS BIGINT) ELSE 0 END \
        AS wrap_up_ms FROM waits \
        WHERE entered_us >= $1 AND entered_us < $2 AND ($3 = '' OR queue = $3) AND ($4 = '' OR agent = $4) \
        AND (entered_us, item_id, nth) > ($5, $6, $7) ORDER BY entered_us, item_id, nth LIMIT $8";
    SPELLS = "SELECT agent, nth, activity, item_id, reason, from_us, to_us FROM agent_spells \
        WHERE from_us < $2 AND (to_us IS NULL OR to_us > $1) AND ($3 = '' OR agent = $3) AND (agent, nth) > ($4, $5) \
        ORDER BY agent, nth LIMIT $6";
    OFFERS_ENDED = "SELECT offer_id, agent, outcome, ended_us FROM offers WHERE ended_us >= $1 AND ended_us < $2 \
        AND ($3 = '' OR agent = $3) AND (ended_us, offer_id) > ($4, $5) ORDER BY ended_us, offer_id LIMIT $6";
    TRANSFERS = "SELECT calls.queue, calls.agent, segments.from_us FROM segments JOIN calls ON calls.call_id = segments.call_id \
        WHERE segments.state = 'transferring' AND segments.cause = 'normal' AND calls.queue IS NOT NULL \
        AND segments.from_us >= $1 AND segments.from_us < $2 AND ($3 = '' OR calls.queue = $3) AND ($4 = '' OR calls.agent = $4)";
}

/// What an event of the floor does to the two tables.
pub(super) fn changes(event: &FloorEvent) -> Vec<(&'static str, Vec<Arg>)> {
    let ended = |item: String, how: WaitEnd, agent: Option<&str>, at: Timestamp| {
        vec![(WAIT_ENDED, args![item, at, how.as_str(), agent].to_vec())]
    };
    match event {
        FloorEvent::AgentChanged { agent, state, at } => changed(agent, state, *at),
        FloorEvent::Queued { item, rejoined: None, at } => {
            let (id, call) = (item.item.to_string(), item.call.to_string());
            vec![(PUT_WAIT, args![id, call, item.queue.as_str(), 0u64, *at, item.virtual_arrival_at].to_vec())]
        }
        FloorEvent::Queued { item, rejoined: Some(old), at } => {
            let (id, call, old) = (item.item.to_string(), item.call.to_string(), old.to_string());
            let row = args![id.as_str(), call.as_str(), item.queue.as_str(), *at, item.virtual_arrival_at];
            vec![
                (WAIT_TAKEN_OVER, args![old.as_str(), id.as_str(), call.as_str()].to_vec()),
                (CALLBACK_CAME_BACK, args![old, *at].to_vec()),
                (PUT_WAIT_UNLESS_TAKEN_OVER, row.to_vec()),
            ]
        }
        FloorEvent::CallbackKept { item, at } => {
            let id = item.item.to_string();
            vec![
                (PUT_CALLBACK, args![id.as_str(), *at, item.queue.as_str(), item.virtual_arrival_at].to_vec()),
                (CALLBACK_TAKEN, args![id, *at].to_vec()),
            ]
        }
        FloorEvent::Overflowed { item, at, .. } => {
            let id = item.item.to_string();
            vec![
                (PUT_OVERFLOWED, args![id.as_str(), *at, item.queue.as_str(), item.virtual_arrival_at].to_vec()),
                (OVERFLOWED, args![id, *at].to_vec()),
            ]
        }
        FloorEvent::OfferEnded { item, agent, outcome: OfferOutcome::Accepted, at, .. } => {
            ended(item.to_string(), WaitEnd::Answered, Some(agent.as_str()), *at)
        }
        FloorEvent::Left { item, reason, at } => ended(item.to_string(), WaitEnd::Left(*reason), None, *at),
        FloorEvent::Finished { item, at, .. } => vec![(WAIT_FINISHED, args![item.to_string(), *at].to_vec())],
        FloorEvent::Returned { item, at, .. } => {
            let id = item.item.to_string();
            let row = args![id.as_str(), item.call.to_string(), item.queue.as_str(), 0u64, *at, item.virtual_arrival_at];
            vec![(WAIT_FINISHED, args![id.as_str(), *at].to_vec()), (PUT_WAIT, row.to_vec())]
        }
        FloorEvent::AgentAsked { .. }
        | FloorEvent::Prioritised { .. }
        | FloorEvent::ConversationChanged { .. }
        | FloorEvent::Refused { .. }
        | FloorEvent::Offered { .. }
        | FloorEvent::OfferEnded { .. } => Vec::new(),
    }
}

fn changed(agent: &AgentName, state: &AgentState, at: Timestamp) -> Vec<(&'static str, Vec<Arg>)> {
    let agent = agent.as_str();
    let (item, reason) = match state {
        AgentState::Engaged { item } => (item.map(|item| item.to_string()), None),
        AgentState::NotReady { reason } => (None, Some(reason.as_str())),
        _ => (None, None),
    };
    let begun = match state {
        AgentState::WrapUp { .. } => (PUT_WRAP_UP, args![agent, at].to_vec()),
        _ => (PUT_SPELL, args![agent, Activity::of(state).as_str(), item, reason, at].to_vec()),
    };
    vec![(SPELL_ENDED, args![agent, at].to_vec()), begun]
}

/// A wait, with the conversation that came of it.
pub type WaitRow = Wait;
/// What figures are told of separately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Nothing: of all together.
    #[default]
    All,
    /// Each queue.
    Queue,
    /// Each agent.
    Agent,
}

/// Which figures.
#[derive(Clone, Debug)]
pub struct FigureQuery {
    /// From then on.
    pub from_at: Timestamp,
    /// Before then.
    pub to_at: Timestamp,
    /// Of this queue.
    pub queue: Option<QueueName>,
    /// Of this agent.
    pub agent: Option<AgentName>,
    /// For what separately.
    pub by: By,
    /// For each so many seconds separately.
    pub interval_s: Option<u32>,
}

/// The counts of one interval and one queue or agent.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// Its begin.
    pub from_at: Timestamp,
    /// Its end.
    pub to_at: Timestamp,
    /// The queue or agent; empty for all.
    pub name: String,
    /// What was counted.
    pub tally: Tally,
}

/// More rows than an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// Counts by interval and name.
struct Cells<'a> {
    query: &'a FigureQuery,
    step_us: i64,
    cells: BTreeMap<(i64, String), Tally>,
}

impl Cells<'_> {
    fn name(&self, queue: Option<&str>, agent: Option<&str>) -> Option<String> {
        match self.query.by {
            By::All => Some(String::new()),
            By::Queue => queue.map(str::to_owned),
            By::Agent => agent.map(str::to_owned),
        }
    }

    /// The begin of the interval that an instant lies in.
    const fn begin(&self, at: Timestamp) -> i64 {
        let from = self.query.from_at.0;
        from + (at.0 - from).div_euclid(self.step_us) * self.step_us
    }

    fn cell(&mut self, begin: i64, name: String) -> Result<&mut Tally, TooMany> {
        if self.cells.len() >= MOST_ROWS && !self.cells.contains_key(&(begin, name.clone())) {
            return Err(TooMany);
        }
        Ok(self.cells.entry((begin, name)).or_default())
    }

    fn end(&self, begin: i64) -> i64 {
        begin.saturating_add(self.step_us).min(self.query.to_at.0)
    }

    fn wait(&mut self, wait: &Wait) -> Result<(), TooMany> {
        let Some(name) = self.name(Some(wait.queue.as_str()), wait.agent.as_ref().map(AgentName::as_str)) else { return Ok(()) };
        // Of an agent only what they did is told, not how those waited whom nobody has answered.
        let of_agent = self.query.by == By::Agent || self.query.agent.is_some();
        let cell = self.cell(self.begin(wait.entered_at), name)?;
        if of_agent {
            cell.conversation(wait)
        } else {
            cell.wait(wait)
        }
        Ok(())
    }

    fn spell(&mut self, spell: &Spell, now: Timestamp) -> Result<(), TooMany> {
        let Some(name) = self.name(None, Some(spell.agent.as_str())) else { return Ok(()) };
        let (from, to) = (spell.from_at.max(self.query.from_at), spell.to_at.unwrap_or(now).min(self.query.to_at));
        let mut begin = self.begin(from);
        while begin < to.0 {
            let end = self.end(begin);
            self.cell(begin, name.clone())?.spell(spell.activity, (from, to), (Timestamp(begin), Timestamp(end)));
            begin = end;
        }
        Ok(())
    }
}

impl Store {
    /// Counts for figures; spells that go on are counted until `now`.
    pub async fn figures(&self, query: &FigureQuery, now: Timestamp) -> Result<Result<Vec<FigureRow>, TooMany>, StoreError> {
        let span = query.to_at.0.saturating_sub(query.from_at.0).max(1);
        let step_us = query.interval_s.map_or(span, |seconds| i64::from(seconds.max(1)) * 1_000_000);
        let mut cells = Cells { query, step_us, cells: BTreeMap::new() };
        if let Err(too_many) = self.count(&mut cells, now).await? {
            return Ok(Err(too_many));
        }
        let ends: Vec<i64> = cells.cells.keys().map(|(begin, _)| cells.end(*begin)).collect();
        let rows = cells.cells.into_iter().zip(ends).map(|(((begin, name), tally), end)| FigureRow {
            from_at: Timestamp(begin),
            to_at: Timestamp(end),
            name,
            tally,
        });
        Ok(Ok(rows.collect()))
    }

    async fn count(&self, cells: &mut Cells<'_>, now: Timestamp) -> Result<Result<(), TooMany>, StoreError> {
        let query = cells.query;
        let mut after = None;
        loop {
            let page = self.waits(query, after.as_ref(), PAGE).await?;
            for wait in &page {
                if let Err(too_many) = cells.wait(wait) {
                    return Ok(Err(too_many));
                }
            }
            let full = page.len() == PAGE as usize;
            after = page.into_iter().next_back();
            if !full {
                break;
            }
        }
        let queue = query.queue.as_ref().map_or("", QueueName::as_str);
        let agent = query.agent.as_ref().map_or("", AgentName::as_str);
        for row in self.db.fetch(TRANSFERS, &args![query.from_at, query.to_at, queue, agent]).await? {
            let begin = cells.begin(row.at("from_us")?);
            if let Some(name) = cells.name(row.get("queue")?, row.get("agent")?) {
                match cells.cell(begin, name) {
                    Ok(cell) => cell.transferred += 1,
                    Err(too_many) => return Ok(Err(too_many)),
                }
            }
        }
        if query.queue.is_some() || query.by == By::Queue {
            return Ok(Ok(()));
        }
        self.count_agents(cells, agent, now).await
    }

    /// What agents did, whichever queue it was for.
    async fn count_agents(&self, cells: &mut Cells<'_>, agent: &str, now: Timestamp) -> Result<Result<(), TooMany>, StoreError> {
        let query = cells.query;
        let (mut last, mut nth) = (String::new(), -1);
        loop {
            let page = self.spells(query, agent, (&last, nth)).await?;
            for spell in &page {
                if let Err(too_many) = cells.spell(spell, now) {
                    return Ok(Err(too_many));
                }
            }
            match page.last() {
                Some(spell) if page.len() == PAGE as usize => (last, nth) = (spell.agent.to_string(), i64::from(spell.nth)),
                _ => break,
            }
        }
        let (mut at, mut offer) = (Timestamp(i64::MIN), String::new());
        loop {
            let rows = self.db.fetch(OFFERS_ENDED, &args![query.from_at, query.to_at, agent, at, offer.as_str(), PAGE]).await?;
            for row in &rows {
                (at, offer) = (row.at("ended_us")?, row.get("offer_id")?);
                let Some(name) = cells.name(None, Some(row.get("agent")?)) else { continue };
                let Ok(cell) = cells.cell(cells.begin(at), name) else { return Ok(Err(TooMany)) };
                cell.offer(outcome(row.get("outcome")?));
            }
            if rows.len() < PAGE as usize {
                return Ok(Ok(()));
            }
        }
    }

    /// Waits of a query after one of them, in order: what figures are worked out from.
    pub async fn waits(&self, query: &FigureQuery, after: Option<&Wait>, limit: u32) -> Result<Vec<Wait>, StoreError> {
        let queue = query.queue.as_ref().map_or("", QueueName::as_str);
        let agent = query.agent.as_ref().map_or("", AgentName::as_str);
        let (at, item, nth) = after.map_or((Timestamp(i64::MIN), String::new(), -1), |wait| {
            (wait.entered_at, wait.item.to_string(), i64::from(wait.nth))
        });
        let args = args![query.from_at, query.to_at, queue, agent, at, item, nth, limit];
        self.db.fetch(WAITS, &args).await?.iter().map(wait).collect()
    }

    /// A page of agents' spells that touch the time of a query.
    pub(super) async fn spells(
        &self,
        query: &FigureQuery,
        agent: &str,
        (last, nth): (&str, i64),
    ) -> Result<Vec<Spell>, StoreError> {
        let args = args![query.from_at, query.to_at, agent, last, nth, PAGE];
        self.db.fetch(SPELLS, &args).await?.iter().map(spell).collect()
    }
}

/// The causes do not matter for figures.
fn outcome(word: Option<&str>) -> OfferOutcome {
    match word {
        Some("accepted") => OfferOutcome::Accepted,
        Some("declined") => OfferOutcome::Declined(Cause::Rejected),
        Some("expired") => OfferOutcome::Expired,
        _ => OfferOutcome::Withdrawn,
    }
}

fn small(row: &Row, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(row.count(column)?).map_err(|_| StoreError::Unreadable { column })
}

fn wait(row: &Row) -> Result<Wait, StoreError> {
    let how: Option<&str> = row.get("ended_how")?;
    let unread = StoreError::Unreadable { column: "ended_how" };
    let end = match (how, row.maybe_at("ended_us")?) {
        (Some(how), Some(at)) => Some((WaitEnd::of_word(how).ok_or(unread)?, at)),
        _ => None,
    };
    Ok(Wait {
        item: row.parsed("item_id")?,
        nth: small(row, "nth")?,
        call: row.parsed("call_id")?,
        queue: QueueName::from(row.get::<&str>("queue")?),
        callback: row.count("callback")? > 0,
        entered_at: row.at("entered_us")?,
        waiting_since_at: row.at("since_us")?,
        end,
        agent: row.get::<Option<&str>>("agent")?.map(AgentName::from),
        finished_at: row.maybe_at("finished_us")?,
        wrap_up_ms: row.count("wrap_up_ms")?,
    })
}

fn spell(row: &Row) -> Result<Spell, StoreError> {
    let activity = Activity::of_word(row.get("activity")?).ok_or(StoreError::Unreadable { column: "activity" })?;
    Ok(Spell {
        agent: AgentName::from(row.get::<&str>("agent")?),
        nth: small(row, "nth")?,
        activity,
        item: row.get::<Option<&str>>("item_id")?.map(|_| row.parsed("item_id")).transpose()?,
        reason: row.get("reason")?,
        from_at: row.at("from_us")?,
        to_at: row.maybe_at("to_us")?,
    })
}
