//! Statements about rules over channels and the outbox. A test prepares each one on both databases.

use super::{customers_verify::Compared, sql::statements};

statements! {
    PUT_TIMER = "INSERT INTO rule_timers (timer_id, name, rule, cause_seq, thing, who_kind, who_value, customer_id, call_id, dialled, \
        state, why, set_us, due_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'running', '', $11, $12) ON CONFLICT DO NOTHING";
    TIMER_MOVED = "UPDATE rule_timers SET customer_id = $2 WHERE timer_id = $1";
    TIMER_ENDED = "UPDATE rule_timers SET state = $2, why = $3, ended_us = $4 WHERE timer_id = $1";
    PUT_DEED = "INSERT INTO rule_deeds (timer_id, nth, what, state, detail, ended_us) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (timer_id, nth) DO UPDATE SET state = excluded.state, detail = excluded.detail, ended_us = excluded.ended_us";
    DEED_ENDED = "UPDATE rule_deeds SET state = $3, detail = $4, ended_us = $5 WHERE timer_id = $1 AND nth = $2";
    PUT_MESSAGE = "INSERT INTO outbox (message_id, timer_id, channel, who_kind, who_value, customer_id, template, state, attempts, \
        next_us, why, made_us) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, $8, '', $8) ON CONFLICT DO NOTHING";
    LEASE = "UPDATE outbox SET leased_by = $2, leased_until_us = $3 WHERE message_id = $1 AND state = 'waiting'";
    LEASABLE = "SELECT message_id, timer_id, channel, who_kind, who_value, customer_id, template, state, attempts, next_us, leased_by, \
        leased_until_us, why, made_us, ended_us FROM outbox WHERE state = 'waiting' AND channel = $1 AND next_us <= $2 \
        AND (leased_until_us IS NULL OR leased_until_us <= $2) ORDER BY next_us, message_id LIMIT $3";
    MESSAGE_SENT = "UPDATE outbox SET state = 'sent', why = $2, ended_us = $3, leased_by = NULL, leased_until_us = NULL \
        WHERE message_id = $1";
    MESSAGE_FAILED = "UPDATE outbox SET state = $2, why = $3, attempts = $4, next_us = $5, ended_us = $6, leased_by = NULL, \
        leased_until_us = NULL WHERE message_id = $1";
    MESSAGE = "SELECT message_id, timer_id, channel, who_kind, who_value, customer_id, template, state, attempts, next_us, leased_by, \
        leased_until_us, why, made_us, ended_us FROM outbox WHERE message_id = $1";
    MESSAGES = "SELECT message_id, timer_id, channel, who_kind, who_value, customer_id, template, state, attempts, next_us, leased_by, \
        leased_until_us, why, made_us, ended_us FROM outbox WHERE message_id < $1 AND ($2 = '' OR state = $2) \
        ORDER BY message_id DESC LIMIT $3";
    TIMERS = "SELECT timer_id, rule, cause_seq, thing, who_kind, who_value, customer_id, call_id, dialled, state, why, set_us, due_us, \
        ended_us FROM rule_timers WHERE timer_id < $1 AND ($2 = '' OR state = $2) AND ($3 = '' OR name = $3) \
        ORDER BY timer_id DESC LIMIT $4";
    TIMER = "SELECT timer_id, rule, cause_seq, thing, who_kind, who_value, customer_id, call_id, dialled, state, why, set_us, due_us, \
        ended_us FROM rule_timers WHERE timer_id = $1";
    RUNNING = "SELECT timer_id, rule, cause_seq, thing, who_kind, who_value, customer_id, call_id, dialled, state, why, set_us, due_us, \
        ended_us FROM rule_timers WHERE state = 'running' AND timer_id > $1 ORDER BY timer_id LIMIT $2";
    COUNTS = "SELECT name, state, COUNT(*) AS many FROM rule_timers GROUP BY name, state ORDER BY name, state LIMIT 10000";
    DEEDS = "SELECT nth, what, state, detail, ended_us FROM rule_deeds WHERE timer_id = $1 ORDER BY nth";
    DEEDS_TODO = "SELECT timer_id, nth, what FROM rule_deeds WHERE state = 'todo' ORDER BY timer_id, nth LIMIT 1000";
    FIRED_OF = "SELECT ended_us FROM rule_timers WHERE state = 'fired' AND name = $1 AND ended_us >= $4 \
        AND ((who_kind = $2 AND who_value = $3 AND who_value <> '') OR customer_id = $5) ORDER BY ended_us DESC LIMIT 1001";
    TALKED_OF_CUSTOMER = "SELECT interactions.agent FROM interactions JOIN conversations \
        ON conversations.conversation_id = interactions.conversation_id JOIN customers ON customers.customer_id = conversations.customer_id \
        WHERE customers.root_id = $1 AND interactions.ended_us >= $2 AND interactions.agent IS NOT NULL LIMIT 1";
    TALKED_OF_ADDRESS = "SELECT agent FROM interactions WHERE kind = $1 AND value = $2 AND ended_us >= $3 AND agent IS NOT NULL LIMIT 1";
    ITEM_OF = "SELECT queue, caller, call_id, queued_us, state, priority_minutes FROM items WHERE item_id = $1";
    CALLED_BACK_SINCE = "SELECT item_id FROM items WHERE caller = $1 AND queued_us >= $2 AND callback IS NOT NULL LIMIT 1";
    CALL_OF = "SELECT from_number, to_number, started_us FROM calls WHERE call_id = $1";
    MESSAGE_OF_BOX = "SELECT mailbox, call_id, from_number FROM messages WHERE message_id = $1";
    MESSAGE_OF_CALL = "SELECT message_id FROM messages WHERE call_id = $1 LIMIT 1";
    RULE_CURSOR = "SELECT seq FROM rule_cursor WHERE only_row = 1";
    PUT_RULE_CURSOR = "INSERT INTO rule_cursor (only_row, seq) VALUES (1, $1) ON CONFLICT (only_row) DO UPDATE SET seq = excluded.seq";
    ERASE_TIMERS = "UPDATE rule_timers SET who_value = $2 WHERE LTRIM(REPLACE(who_value, '+', ''), '0') = $1";
    ERASE_OUTBOX = "UPDATE outbox SET who_value = $2, state = CASE WHEN state = 'waiting' THEN 'dead' ELSE state END \
        WHERE LTRIM(REPLACE(who_value, '+', ''), '0') = $1";

    // as the journal has them: everything as text
    ALL_TIMERS = "SELECT timer_id, name, rule, CAST(cause_seq AS TEXT) AS cause_seq, thing, who_kind, who_value, customer_id, call_id, \
        dialled, state, why, CAST(set_us AS TEXT) AS set_us, CAST(due_us AS TEXT) AS due_us, CAST(ended_us AS TEXT) AS ended_us \
        FROM rule_timers WHERE timer_id > $1 ORDER BY timer_id LIMIT $2";
    ALL_DEEDS = "SELECT timer_id, CAST(nth AS TEXT) AS nth, what, state, detail, CAST(ended_us AS TEXT) AS ended_us FROM rule_deeds \
        WHERE (timer_id, CAST(nth AS TEXT)) > ($1, $2) ORDER BY timer_id, CAST(nth AS TEXT) LIMIT $3";
    ALL_OUTBOX = "SELECT message_id, timer_id, channel, who_kind, who_value, customer_id, template, state, \
        CAST(attempts AS TEXT) AS attempts, CAST(next_us AS TEXT) AS next_us, why, CAST(made_us AS TEXT) AS made_us, \
        CAST(ended_us AS TEXT) AS ended_us FROM outbox WHERE message_id > $1 ORDER BY message_id LIMIT $2";
}

/// What `journal verify` compares. Leases are nobody's history.
pub(super) static TABLES: [Compared; 3] = [
    Compared {
        table: "rule_timers",
        page: ALL_TIMERS,
        key: &["timer_id"],
        columns: &[
            "name",
            "rule",
            "cause_seq",
            "thing",
            "who_kind",
            "who_value",
            "customer_id",
            "call_id",
            "dialled",
            "state",
            "why",
            "set_us",
            "due_us",
            "ended_us",
        ],
    },
    Compared {
        table: "rule_deeds",
        page: ALL_DEEDS,
        key: &["timer_id", "nth"],
        columns: &["what", "state", "detail", "ended_us"],
    },
    Compared {
        table: "outbox",
        page: ALL_OUTBOX,
        key: &["message_id"],
        columns: &[
            "timer_id",
            "channel",
            "who_kind",
            "who_value",
            "customer_id",
            "template",
            "state",
            "attempts",
            "next_us",
            "why",
            "made_us",
            "ended_us",
        ],
    },
];
