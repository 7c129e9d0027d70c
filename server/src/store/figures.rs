//! What figures are worked out from: waits, what agents spend their time on, offers and transfers.
//!
//! `waits` and `agent_spells` are projections of the floor's events; `tandem_switch::kpi::Books` folds the same rows.

use tandem_switch::{
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem},
    id::ItemId,
    kpi::{Activity, Spell, Wait, WaitEnd},
    name::{AgentName, QueueName},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    changes::{Changes, Key},
    counting::FigureQuery,
    db::{Row, args},
    floor_sql,
    sql::statements,
};

/// Rows that are read at a time.
pub(super) const PAGE: u32 = 5_000;

statements! {
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
    FIGURES_ARE_MISSING = "SELECT seq FROM journal WHERE kind IN ('queued', 'agent-changed') \
        AND NOT EXISTS (SELECT 1 FROM waits) AND NOT EXISTS (SELECT 1 FROM agent_spells) ORDER BY seq LIMIT 1";
    WAITS = "SELECT item_id, nth, call_id, queue, callback, entered_us, since_us, ended_us, ended_how, agent, finished_us, \
        CASE WHEN ended_how = 'answered' THEN CAST(COALESCE((SELECT SUM((to_us - from_us) / 1000) FROM agent_spells \
        WHERE agent_spells.item_id = waits.item_id AND activity = 'wrap-up' AND to_us IS NOT NULL), 0) AS BIGINT) ELSE 0 END \
        AS wrap_up_ms FROM waits \
        WHERE entered_us >= $1 AND entered_us < $2 AND ($3 = '' OR queue = $3) AND ($4 = '' OR agent = $4) \
        AND (entered_us, item_id, nth) > ($5, $6, $7) ORDER BY entered_us, item_id, nth LIMIT $8";
    SPELLS = "SELECT agent, nth, activity, item_id, reason, from_us, to_us FROM agent_spells \
        WHERE from_us >= $1 AND from_us < $2 AND ($3 = '' OR agent = $3) AND (from_us, agent, nth) > ($4, $5, $6) \
        ORDER BY from_us, agent, nth LIMIT $7";
    /// CROSS, so that SQLite begins at the agents: by itself it reads every spell there is.
    SPELLS_GOING_ON = "SELECT spell.agent, spell.nth, spell.activity, spell.item_id, spell.reason, spell.from_us, spell.to_us \
        FROM agents_state CROSS JOIN agent_spells AS spell WHERE spell.agent = agents_state.agent AND spell.nth = \
        (SELECT nth FROM agent_spells WHERE agent = agents_state.agent AND from_us < $1 ORDER BY from_us DESC, nth DESC LIMIT 1) \
        AND (spell.to_us IS NULL OR spell.to_us > $1) AND ($2 = '' OR agents_state.agent = $2)";
    OFFERS_ENDED = "SELECT offer_id, agent, outcome, ended_us FROM offers WHERE ended_us >= $1 AND ended_us < $2 \
        AND ($3 = '' OR agent = $3) AND (ended_us, offer_id) > ($4, $5) ORDER BY ended_us, offer_id LIMIT $6";
    TRANSFERS = "SELECT calls.queue, calls.agent, segments.from_us FROM segments JOIN calls ON calls.call_id = segments.call_id \
        WHERE segments.state = 'transferring' AND segments.cause = 'normal' AND calls.queue IS NOT NULL \
        AND segments.from_us >= $1 AND segments.from_us < $2 AND ($3 = '' OR calls.queue = $3) AND ($4 = '' OR calls.agent = $4)";
}

/// What an event of the floor does to the two tables.
pub(super) fn changes(event: &FloorEvent, into: &mut Changes) {
    match event {
        FloorEvent::AgentChanged { agent, state, at } => changed(agent, state, *at, into),
        FloorEvent::Queued { item, rejoined: None, at } => entered(item, *at, into),
        FloorEvent::Queued { item, rejoined: Some(old), at } => {
            let (id, call, old) = (item.item.to_string(), item.call.to_string(), old.to_string());
            let row = args![id.as_str(), call.as_str(), item.queue.as_str(), *at, item.virtual_arrival_at];
            into.alone(WAIT_TAKEN_OVER, args![old.as_str(), id.as_str(), call.as_str()]);
            into.alone(CALLBACK_CAME_BACK, args![old, *at]);
            into.alone(PUT_WAIT_UNLESS_TAKEN_OVER, row);
        }
        FloorEvent::CallbackKept { item, at } => {
            let id = item.item.to_string();
            into.alone(PUT_CALLBACK, args![id.as_str(), *at, item.queue.as_str(), item.virtual_arrival_at]);
            into.alone(CALLBACK_TAKEN, args![id, *at]);
        }
        FloorEvent::Overflowed { item, at, .. } => {
            let id = item.item.to_string();
            into.alone(PUT_OVERFLOWED, args![id.as_str(), *at, item.queue.as_str(), item.virtual_arrival_at]);
            into.alone(OVERFLOWED, args![id, *at]);
        }
        FloorEvent::OfferEnded { item, agent, outcome: OfferOutcome::Accepted, at, .. } => {
            ended(*item, WaitEnd::Answered, Some(agent.as_str()), *at, into);
        }
        FloorEvent::Left { item, reason, at } => ended(*item, WaitEnd::Left(*reason), None, *at, into),
        FloorEvent::Finished { item, at, .. } => finished(*item, *at, into),
        FloorEvent::Returned { item, at, .. } => {
            finished(item.item, *at, into);
            entered(item, *at, into);
        }
        FloorEvent::AgentAsked { .. }
        | FloorEvent::Prioritised { .. }
        | FloorEvent::ConversationChanged { .. }
        | FloorEvent::Refused { .. }
        | FloorEvent::Offered { .. }
        | FloorEvent::OfferEnded { .. } => {}
    }
}

fn entered(item: &WaitingItem, at: Timestamp, into: &mut Changes) {
    let row = args![item.item.to_string(), item.call.to_string(), item.queue.as_str(), at, item.virtual_arrival_at];
    into.row(&floor_sql::PUT_WAIT, Key::Waits(item.item), row);
}

fn ended(item: ItemId, how: WaitEnd, agent: Option<&str>, at: Timestamp, into: &mut Changes) {
    into.row(&floor_sql::WAIT_ENDED, Key::Waits(item), args![item.to_string(), at, how.as_str(), agent]);
}

fn finished(item: ItemId, at: Timestamp, into: &mut Changes) {
    into.row(&floor_sql::WAIT_FINISHED, Key::Waits(item), args![item.to_string(), at]);
}

fn changed(agent: &AgentName, state: &AgentState, at: Timestamp, into: &mut Changes) {
    let (key, name) = (Key::Spells(agent.clone()), agent.as_str());
    let (item, reason) = match state {
        AgentState::Engaged { item } => (item.map(|item| item.to_string()), None),
        AgentState::NotReady { reason } => (None, Some(reason.as_str())),
        _ => (None, None),
    };
    into.row(&floor_sql::SPELL_ENDED, key.clone(), args![name, at]);
    match state {
        AgentState::WrapUp { .. } => {
            // The conversation may lie in a stretch that is settled already.
            into.row(&floor_sql::UNSEAL_WRAPPED_UP, key.clone(), args![name]);
            into.row(&floor_sql::PUT_WRAP_UP, key, args![name, at]);
        }
        _ => into.row(&floor_sql::PUT_SPELL, key, args![name, Activity::of(state).as_str(), item, reason, at]),
    }
}

/// A wait, with the conversation that came of it.
pub type WaitRow = Wait;

impl Store {
    /// Waits of a query after one of them, in order: what figures are worked out from.
    pub async fn waits(&self, query: &FigureQuery, after: Option<&Wait>, limit: u32) -> Result<Vec<Wait>, StoreError> {
        let queue = query.queue.as_ref().map_or("", QueueName::as_str);
        let agent = query.agent.as_ref().map_or("", AgentName::as_str);
        let (at, item, nth) = after.map_or((Timestamp(i64::MIN), String::new(), -1), |wait| {
            (wait.entered_at, wait.item.to_string(), i64::from(wait.nth))
        });
        let args = args![query.from_at.max(at), query.to_at, queue, agent, at, item, nth, limit];
        self.db.fetch(WAITS, &args).await?.iter().map(wait).collect()
    }

    /// A page of agents' spells that begin in the time of a query, after one of them.
    pub(super) async fn spells(&self, query: &FigureQuery, agent: &str, after: Option<&Spell>) -> Result<Vec<Spell>, StoreError> {
        let (at, last, nth) =
            after.map_or((Timestamp(i64::MIN), "", -1), |spell| (spell.from_at, spell.agent.as_str(), i64::from(spell.nth)));
        let args = args![query.from_at.max(at), query.to_at, agent, at, last, nth, PAGE];
        self.db.fetch(SPELLS, &args).await?.iter().map(spell).collect()
    }

    /// What agents did at an instant.
    pub async fn spells_at(&self, at: Timestamp) -> Result<Vec<Spell>, StoreError> {
        self.spells_going_on(at, "").await
    }

    /// Agents' spells that began before an instant and go on at it.
    pub(super) async fn spells_going_on(&self, at: Timestamp, agent: &str) -> Result<Vec<Spell>, StoreError> {
        self.db.fetch(SPELLS_GOING_ON, &args![at, agent]).await?.iter().map(spell).collect()
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
