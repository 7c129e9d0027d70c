//! What events of the floor do to the tables, many rows at a time. As those of `sql`, a test prepares each one on both databases.
//!
//! `each` is the table of the rows that a statement is about: at most one for a key, see [`super::changes`].

use super::db::Insert;

macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident = $width:literal, $columns:literal, $sql:literal;)*) => {
        $($(#[$doc])* pub(super) static $name: Insert =
            Insert::new(concat!("WITH each (", $columns, ") AS ("), $width, concat!(") ", $sql));)*
        /// All of them.
        #[cfg(test)]
        pub(super) static ALL: &[&Insert] = &[$(&$name),*];
    };
}

changes! {
    // items
    PUT_ITEM = 9, "item_id, call_id, queue, caller, skills, priority_minutes, virtual_arrival_us, queued_us, work",
        "INSERT INTO items (item_id, call_id, queue, caller, skills, priority_minutes, virtual_arrival_us, state, queued_us, work) \
         SELECT item_id, call_id, queue, caller, skills, CAST(priority_minutes AS BIGINT), CAST(virtual_arrival_us AS BIGINT), \
         'waiting', CAST(queued_us AS BIGINT), work FROM each WHERE TRUE \
         ON CONFLICT (item_id) DO UPDATE SET state = 'waiting', virtual_arrival_us = excluded.virtual_arrival_us, agent = NULL, \
         served_us = NULL, ended_us = NULL, reason = NULL, work = excluded.work, standing = NULL, turn = NULL";
    ITEM_CONVERSATION = 3, "item_id, standing, turn",
        "UPDATE items SET standing = each.standing, turn = each.turn FROM each WHERE items.item_id = each.item_id";
    ITEM_SERVED = 3, "item_id, agent, at_us",
        "UPDATE items SET state = 'served', agent = each.agent, served_us = CAST(each.at_us AS BIGINT) FROM each \
         WHERE items.item_id = each.item_id";
    ITEM_LEFT = 3, "item_id, reason, at_us",
        "UPDATE items SET state = 'left', reason = each.reason, ended_us = CAST(each.at_us AS BIGINT) FROM each \
         WHERE items.item_id = each.item_id";
    ITEM_FINISHED = 3, "item_id, reason, at_us",
        "UPDATE items SET state = 'served', reason = each.reason, ended_us = CAST(each.at_us AS BIGINT) FROM each \
         WHERE items.item_id = each.item_id";

    // offers
    PUT_OFFER = 5, "offer_id, item_id, agent, decision, offered_us",
        "INSERT INTO offers (offer_id, item_id, agent, decision, offered_us) \
         SELECT offer_id, item_id, agent, decision, CAST(offered_us AS BIGINT) FROM each WHERE TRUE ON CONFLICT DO NOTHING";
    OFFER_ENDED = 4, "offer_id, outcome, cause, at_us",
        "UPDATE offers SET outcome = each.outcome, cause = each.cause, ended_us = CAST(each.at_us AS BIGINT) FROM each \
         WHERE offers.offer_id = each.offer_id";

    // agents: idle since the end of the last conversation, or since the sign-in
    PUT_AGENT_STATE = 4, "agent, state, since_us, idle_since_us",
        "INSERT INTO agents_state (agent, state, since_us, idle_since_us) \
         SELECT agent, state, CAST(since_us AS BIGINT), CAST(idle_since_us AS BIGINT) FROM each WHERE TRUE \
         ON CONFLICT (agent) DO UPDATE SET state = excluded.state, since_us = excluded.since_us, \
         idle_since_us = COALESCE(agents_state.idle_since_us, excluded.idle_since_us)";
    /// The same of one whose wish is fulfilled, or void.
    PUT_AGENT_STATE_WITHOUT_WISH = 4, "agent, state, since_us, idle_since_us",
        "INSERT INTO agents_state (agent, state, since_us, idle_since_us) \
         SELECT agent, state, CAST(since_us AS BIGINT), CAST(idle_since_us AS BIGINT) FROM each WHERE TRUE \
         ON CONFLICT (agent) DO UPDATE SET state = excluded.state, since_us = excluded.since_us, pending = NULL, \
         idle_since_us = COALESCE(agents_state.idle_since_us, excluded.idle_since_us)";
    AGENT_IDLE_SINCE = 2, "agent, at_us",
        "UPDATE agents_state SET idle_since_us = CAST(each.at_us AS BIGINT) FROM each WHERE agents_state.agent = each.agent";
    AGENT_PENDING = 2, "agent, pending",
        "UPDATE agents_state SET pending = each.pending FROM each WHERE agents_state.agent = each.agent";

    // waits
    PUT_WAIT = 5, "item_id, call_id, queue, entered_us, since_us",
        "INSERT INTO waits (item_id, nth, call_id, queue, callback, entered_us, since_us) \
         SELECT item_id, COALESCE((SELECT MAX(nth) FROM waits WHERE waits.item_id = each.item_id), -1) + 1, call_id, queue, 0, \
         CAST(entered_us AS BIGINT), CAST(since_us AS BIGINT) FROM each";
    WAIT_ENDED = 4, "item_id, at_us, how, agent",
        "UPDATE waits SET ended_us = CAST(each.at_us AS BIGINT), ended_how = each.how, agent = each.agent FROM each \
         WHERE waits.item_id = each.item_id AND waits.ended_us IS NULL";
    WAIT_FINISHED = 2, "item_id, at_us",
        "UPDATE waits SET finished_us = CAST(each.at_us AS BIGINT) FROM each \
         WHERE waits.item_id = each.item_id AND waits.ended_how = 'answered' AND waits.finished_us IS NULL";

    // what agents do: only the last spell of each can go on
    SPELL_ENDED = 2, "agent, at_us",
        "UPDATE agent_spells SET to_us = CAST(each.at_us AS BIGINT) FROM each WHERE agent_spells.agent = each.agent \
         AND agent_spells.nth = (SELECT MAX(spell.nth) FROM agent_spells AS spell WHERE spell.agent = each.agent) \
         AND agent_spells.to_us IS NULL";
    PUT_SPELL = 5, "agent, activity, item_id, reason, from_us",
        "INSERT INTO agent_spells (agent, nth, activity, item_id, reason, from_us) \
         SELECT agent, COALESCE((SELECT MAX(nth) FROM agent_spells WHERE agent_spells.agent = each.agent), -1) + 1, activity, \
         item_id, reason, CAST(from_us AS BIGINT) FROM each";
    PUT_WRAP_UP = 2, "agent, from_us",
        "INSERT INTO agent_spells (agent, nth, activity, item_id, from_us) \
         SELECT agent, COALESCE((SELECT MAX(nth) FROM agent_spells WHERE agent_spells.agent = each.agent), -1) + 1, 'wrap-up', \
         (SELECT spell.item_id FROM agent_spells AS spell WHERE spell.agent = each.agent AND spell.activity = 'engaged' \
         ORDER BY spell.nth DESC LIMIT 1), CAST(from_us AS BIGINT) FROM each";
    /// The stretches in which the conversations before these wrap-ups were waited for. Those of waits that began in the same
    /// batch are dropped already.
    UNSEAL_WRAPPED_UP = 1, "agent",
        ", talks (item_id) AS (SELECT (SELECT spell.item_id FROM agent_spells AS spell WHERE spell.agent = each.agent \
         AND spell.activity = 'engaged' ORDER BY spell.nth DESC LIMIT 1) FROM each), \
         waited (low_us, high_us) AS (SELECT MIN(waits.entered_us), MAX(waits.entered_us) FROM talks \
         JOIN waits ON waits.item_id = talks.item_id GROUP BY talks.item_id) \
         DELETE FROM figure_rollups WHERE to_us > (SELECT MIN(low_us) FROM waited) AND EXISTS (SELECT 1 FROM waited \
         WHERE figure_rollups.to_us > waited.low_us AND figure_rollups.from_us <= waited.high_us)";
}
