//! Every statement of the store. A test prepares each one on both databases.

use super::db::Insert;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)*
        /// All of them, by name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}
pub(super) use statements;

macro_rules! inserts {
    ($($(#[$doc:meta])* $name:ident = $width:literal, $into:literal, $tail:literal;)*) => {
        $($(#[$doc])* pub(super) static $name: Insert = Insert::new($into, $width, $tail);)*
        /// All of them.
        #[cfg(test)]
        pub(super) static ALL_INSERTS: &[&Insert] = &[$(&$name),*];
    };
}

inserts! {
    INSERT_JOURNAL = 7, "INSERT INTO journal (seq, at_us, kind, call_id, item_id, agent, body)", "";
    INSERT_CALL = 8,
        "INSERT INTO calls (call_id, origin, from_number, to_number, started_us, generation, waited_ms, talked_ms)",
        " ON CONFLICT DO NOTHING";
    INSERT_CDR = 22,
        "INSERT INTO calls (call_id, origin, from_number, to_number, route, queue, agent, answered_by, started_us, \
         answered_us, connected_us, ended_us, waited_ms, talked_ms, cause, blame, recording_id, generation, quality, \
         identity, restarts, told)",
        " ON CONFLICT (call_id) DO UPDATE SET origin = excluded.origin, from_number = excluded.from_number, \
         to_number = excluded.to_number, route = excluded.route, queue = excluded.queue, agent = excluded.agent, \
         answered_by = excluded.answered_by, started_us = excluded.started_us, answered_us = excluded.answered_us, \
         connected_us = excluded.connected_us, ended_us = excluded.ended_us, waited_ms = excluded.waited_ms, \
         talked_ms = excluded.talked_ms, cause = excluded.cause, blame = excluded.blame, \
         recording_id = excluded.recording_id, generation = excluded.generation, quality = excluded.quality, \
         identity = excluded.identity, restarts = excluded.restarts, told = excluded.told";
    INSERT_KEPT_CALL = 4, "INSERT INTO kept_calls (call_id, v, body, at_us)",
        " ON CONFLICT (call_id) DO UPDATE SET v = excluded.v, body = excluded.body, at_us = excluded.at_us";
    INSERT_SEGMENT = 7, "INSERT INTO segments (call_id, position, state, agent, cause, from_us, to_us)", " ON CONFLICT DO NOTHING";
}

statements! {
    // journal
    RAISE_HEAD = "UPDATE journal_head SET seq = seq + $1 WHERE only_row = 1 RETURNING seq";
    READ_HEAD = "SELECT seq FROM journal_head WHERE only_row = 1";
    EVENTS_AFTER = "SELECT seq, at_us, kind, body FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
    EVENTS_OF_ITEM = "SELECT seq, at_us, kind, body FROM journal WHERE item_id = $1 ORDER BY seq LIMIT $2";
    EVENTS_OF_CALL = "SELECT seq, at_us, kind, body FROM journal WHERE call_id = $1 ORDER BY seq LIMIT $2";
    LAST_EVENT_AT = "SELECT at_us FROM journal ORDER BY seq DESC LIMIT 1";

    // writers
    PUT_WRITER = "INSERT INTO writers (writer, batch, seq, entries) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, seq = excluded.seq, entries = excluded.entries";
    READ_WRITER = "SELECT batch, seq, entries FROM writers WHERE writer = $1";
    DROP_WRITER = "DELETE FROM writers WHERE writer = $1";

    // items and offers
    ITEM_PRIORITISED = "UPDATE items SET priority_minutes = $2 WHERE item_id = $1";
    ITEM_REJOINED = "UPDATE items SET state = 'rejoined', ended_us = $2 WHERE item_id = $1";
    ITEM_OVERFLOWED = "UPDATE items SET queue = $2, virtual_arrival_us = $3 WHERE item_id = $1";
    ITEM_CALLBACK = "UPDATE items SET callback = $2 WHERE item_id = $1";
    PROMISED_SINCE = "SELECT caller, COUNT(*) AS promised FROM items WHERE callback IS NOT NULL AND queued_us >= $1 GROUP BY caller";
    ITEMS_WAITING = "SELECT item_id, call_id, queue, caller, skills, priority_minutes, virtual_arrival_us, callback, work FROM items \
        WHERE state = 'waiting' ORDER BY virtual_arrival_us, item_id";
    ITEM = "SELECT item_id, call_id, queue, caller, skills, priority_minutes, virtual_arrival_us, callback, work, state, agent, queued_us, \
        served_us, ended_us, reason FROM items WHERE item_id = $1";
    ITEMS_SERVED = "SELECT item_id, call_id, queue, caller, skills, priority_minutes, virtual_arrival_us, callback, work, agent, served_us, \
        standing, turn FROM items WHERE state = 'served' AND ended_us IS NULL ORDER BY served_us, item_id";
    OFFERS_OF_ITEM = "SELECT offer_id, agent, decision, offered_us, ended_us, outcome, cause FROM offers WHERE item_id = $1 \
        ORDER BY offered_us, offer_id LIMIT $2";

    OFFERS_OPEN = "SELECT offer_id, item_id, agent FROM offers WHERE ended_us IS NULL ORDER BY offered_us, offer_id";

    // agents
    AGENT_STATES = "SELECT agent, state, since_us, idle_since_us, pending FROM agents_state ORDER BY agent";

    // calls
    CALLS_OPEN = "SELECT call_id, origin, from_number, to_number, started_us, generation FROM calls WHERE ended_us IS NULL \
        AND call_id NOT IN (SELECT call_id FROM kept_calls) ORDER BY call_id LIMIT $1";
    KEPT_CALLS = "SELECT call_id, v, body, at_us FROM kept_calls ORDER BY call_id";
    DROP_KEPT_CALL = "DELETE FROM kept_calls WHERE call_id = $1";
    CDRS = "SELECT calls.call_id, origin, from_number, to_number, route, calls.queue, calls.agent, answered_by, calls.started_us, \
        answered_us, connected_us, calls.ended_us, waited_ms, talked_ms, cause, blame, recording_id, generation, quality, identity, \
        restarts, told, customers.root_id AS customer_id, conversations.case_id FROM calls \
        LEFT JOIN conversations ON conversations.conversation_id = calls.call_id \
        LEFT JOIN customers ON customers.customer_id = conversations.customer_id \
        WHERE calls.ended_us IS NOT NULL AND calls.call_id < $1 AND calls.started_us >= $2 AND calls.started_us < $3 \
        AND ($4 = '' OR from_number = $4 OR to_number = $4) AND ($5 = '' OR calls.queue = $5) AND ($6 = '' OR calls.agent = $6) \
        AND ($7 = '' OR cause = $7) ORDER BY calls.call_id DESC LIMIT $8";
    CDR = "SELECT calls.call_id, origin, from_number, to_number, route, calls.queue, calls.agent, answered_by, calls.started_us, \
        answered_us, connected_us, calls.ended_us, waited_ms, talked_ms, cause, blame, recording_id, generation, quality, identity, \
        restarts, told, customers.root_id AS customer_id, conversations.case_id FROM calls \
        LEFT JOIN conversations ON conversations.conversation_id = calls.call_id \
        LEFT JOIN customers ON customers.customer_id = conversations.customer_id \
        WHERE calls.call_id = $1 AND calls.ended_us IS NOT NULL";
    SEGMENTS = "SELECT state, agent, cause, from_us, to_us FROM segments WHERE call_id = $1 ORDER BY position";

    // recordings
    PUT_RECORDING = "INSERT INTO recordings (recording_id, call_id, path, state, started_us, format, sealed, capture, retain_days) \
        VALUES ($1, $2, $3, 'recording', $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    RECORDING_FINISHED = "UPDATE recordings SET state = CASE WHEN capture <> path THEN 'captured' ELSE 'finished' END, \
        duration_ms = $2, size_bytes = $3, ended_us = $4 WHERE recording_id = $1";
    RECORDING_FAILED = "UPDATE recordings SET state = 'failed', reason = $2, ended_us = COALESCE(ended_us, $3), \
        capture = CASE WHEN $4 = 1 THEN NULL ELSE capture END WHERE recording_id = $1";
    RECORDING_SAVED = "UPDATE recordings SET state = CASE WHEN state = 'captured' THEN 'finished' ELSE state END, \
        duration_ms = $2, size_bytes = $3, capture = NULL WHERE recording_id = $1 AND state <> 'deleted'";
    RECORDING_SPOOLED = "UPDATE recordings SET remote = $2, local = $3 WHERE recording_id = $1";
    RECORDING_DELETED = "UPDATE recordings SET state = 'deleted', capture = NULL, local = 0, remote = NULL WHERE recording_id = $1";
    PUT_WAVEFORM = "INSERT INTO waveforms (recording_id, spell_ms, peaks) VALUES ($1, $2, $3) \
        ON CONFLICT (recording_id) DO UPDATE SET spell_ms = excluded.spell_ms, peaks = excluded.peaks";
    DROP_WAVEFORM = "DELETE FROM waveforms WHERE recording_id = $1";
    WAVEFORM = "SELECT spell_ms, peaks FROM waveforms WHERE recording_id = $1";
    CLOSE_RECORDINGS = "UPDATE recordings SET state = 'interrupted', ended_us = $1 WHERE state = 'recording'";
    RECORDINGS = "SELECT recording_id, call_id, path, state, started_us, ended_us, duration_ms, size_bytes, reason, \
        format, sealed, capture, retain_days, remote, local FROM recordings \
        WHERE recording_id < $1 AND ($2 = '' OR call_id = $2) ORDER BY recording_id DESC LIMIT $3";
    RECORDING = "SELECT recording_id, call_id, path, state, started_us, ended_us, duration_ms, size_bytes, reason, \
        format, sealed, capture, retain_days, remote, local FROM recordings \
        WHERE recording_id = $1";
    RECORDINGS_TO_FINISH = "SELECT recording_id, call_id, path, state, started_us, ended_us, duration_ms, size_bytes, reason, \
        format, sealed, capture, retain_days, remote, local FROM recordings \
        WHERE capture IS NOT NULL AND state <> 'recording' AND recording_id > $1 ORDER BY recording_id LIMIT $2";
    RECORDINGS_TO_SPOOL = "SELECT recording_id, call_id, path, state, started_us, ended_us, duration_ms, size_bytes, reason, \
        format, sealed, capture, retain_days, remote, local FROM recordings \
        WHERE capture IS NULL AND remote IS NULL AND local = 1 AND size_bytes IS NOT NULL AND state NOT IN ('recording', 'deleted') \
        AND recording_id > $1 ORDER BY recording_id LIMIT $2";
    RECORDINGS_TO_DELETE = "SELECT recording_id, call_id, path, state, started_us, ended_us, duration_ms, size_bytes, reason, \
        format, sealed, capture, retain_days, remote, local FROM recordings \
        WHERE retain_days IS NOT NULL AND state NOT IN ('recording', 'deleted') AND started_us + retain_days * 86400000000 <= $1 \
        AND call_id NOT IN (SELECT call_id FROM holds WHERE call_id IS NOT NULL) AND call_id NOT IN (SELECT calls.call_id FROM calls \
        JOIN holds ON holds.number IN (LTRIM(REPLACE(from_number, '+', ''), '0'), LTRIM(REPLACE(to_number, '+', ''), '0'), \
        LTRIM(REPLACE(COALESCE(answered_by, ''), '+', ''), '0'))) \
        AND recording_id > $2 ORDER BY recording_id LIMIT $3";

    // messages
    PUT_MESSAGE = "INSERT INTO messages (message_id, mailbox, call_id, from_number, path, state, started_us) \
        VALUES ($1, $2, $3, $4, $5, 'recording', $6) ON CONFLICT DO NOTHING";
    MESSAGE_LEFT = "UPDATE messages SET state = 'new', duration_ms = $2, size_bytes = $3, ended_us = $4 WHERE message_id = $1";
    MESSAGE_MARKED = "UPDATE messages SET state = $2 WHERE message_id = $1 AND state <> 'recording'";
    MESSAGE_GONE = "DELETE FROM messages WHERE message_id = $1";
    MESSAGES = "SELECT message_id, mailbox, call_id, from_number, path, state, started_us, duration_ms, size_bytes FROM messages \
        WHERE message_id < $1 AND ($2 = '' OR mailbox = $2) AND ($3 = '' OR state = $3) AND state <> 'recording' \
        ORDER BY message_id DESC LIMIT $4";
    MESSAGE = "SELECT message_id, mailbox, call_id, from_number, path, state, started_us, duration_ms, size_bytes FROM messages \
        WHERE message_id = $1";
    ALL_MESSAGES = "SELECT message_id, mailbox, call_id, from_number, path, state, started_us, duration_ms, size_bytes \
        FROM messages ORDER BY message_id";

    // bindings
    PUT_BINDING = "INSERT INTO bindings (extension, contact, source, register_call_id, register_cseq, user_agent, \
        registered_us, expires_us, way) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (extension, contact) DO UPDATE SET \
        source = excluded.source, register_call_id = excluded.register_call_id, register_cseq = excluded.register_cseq, \
        user_agent = excluded.user_agent, registered_us = excluded.registered_us, expires_us = excluded.expires_us, \
        way = excluded.way";
    REMOVE_BINDING = "DELETE FROM bindings WHERE extension = $1 AND contact = $2";
    EXPIRE_BINDINGS = "DELETE FROM bindings WHERE expires_us <= $1";
    BINDINGS = "SELECT extension, contact, source, register_call_id, register_cseq, user_agent, registered_us, expires_us, way \
        FROM bindings WHERE expires_us > $1 ORDER BY extension, registered_us";

    // bans
    PUT_BAN = "INSERT INTO bans (source, offence, times, began_us, until_us) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (source) DO UPDATE SET offence = excluded.offence, times = excluded.times, began_us = excluded.began_us, \
        until_us = excluded.until_us";
    REMOVE_BAN = "DELETE FROM bans WHERE source = $1";
    EXPIRE_BANS = "DELETE FROM bans WHERE until_us <= $1";
    BANS = "SELECT source, offence, times, began_us, until_us FROM bans WHERE until_us > $1 ORDER BY source";

    // emergency switches of schedules
    PUT_SCHEDULE_SWITCH = "INSERT INTO schedule_switches (schedule, says, turned_by, why, turned_us, until_us) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (schedule) DO UPDATE SET says = excluded.says, turned_by = excluded.turned_by, \
        why = excluded.why, turned_us = excluded.turned_us, until_us = excluded.until_us";
    REMOVE_SCHEDULE_SWITCH = "DELETE FROM schedule_switches WHERE schedule = $1";
    EXPIRE_SCHEDULE_SWITCHES = "DELETE FROM schedule_switches WHERE until_us <= $1";
    SCHEDULE_SWITCHES = "SELECT schedule, says, turned_by, why, turned_us, until_us FROM schedule_switches \
        WHERE until_us IS NULL OR until_us > $1 ORDER BY schedule";

    // caps
    PUT_TOLL_SPENT = "INSERT INTO toll_spent (who, body, at_us) VALUES ($1, $2, $3) \
        ON CONFLICT (who) DO UPDATE SET body = excluded.body, at_us = excluded.at_us";
    EXPIRE_TOLL_SPENT = "DELETE FROM toll_spent WHERE at_us <= $1";
    TOLL_SPENT = "SELECT body FROM toll_spent WHERE at_us > $1 ORDER BY who";

    // people
    PUT_PERSON = "INSERT INTO people (extension, display_name, realm, ha1_md5, ha1_sha256, queues, skills, device, always_on, \
        changed_us, ha1_sha512_256, capacity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (extension) DO UPDATE SET \
        display_name = excluded.display_name, realm = excluded.realm, ha1_md5 = excluded.ha1_md5, \
        ha1_sha256 = excluded.ha1_sha256, queues = excluded.queues, skills = excluded.skills, device = excluded.device, \
        always_on = excluded.always_on, changed_us = excluded.changed_us, ha1_sha512_256 = excluded.ha1_sha512_256, \
        capacity = excluded.capacity";
    PEOPLE = "SELECT extension, display_name, realm, ha1_md5, ha1_sha256, ha1_sha512_256, queues, skills, device, always_on, capacity, devices FROM people \
        ORDER BY extension";
    PERSON = "SELECT extension, display_name, realm, ha1_md5, ha1_sha256, ha1_sha512_256, queues, skills, device, always_on, capacity, devices FROM people \
        WHERE extension = $1";
    DROP_BINDINGS_OF_OLD_PASSWORD = "DELETE FROM bindings WHERE extension = $1 \
        AND EXISTS (SELECT 1 FROM people WHERE extension = $1 AND ha1_sha256 <> $2)";
    DROP_BINDINGS_OF = "DELETE FROM bindings WHERE extension = $1";
    REMOVE_PERSON = "DELETE FROM people WHERE extension = $1";

    // tokens
    PUT_TOKEN = "INSERT INTO tokens (token_id, token_sha256, name, scopes, created_us) VALUES ($1, $2, $3, $4, $5)";
    TOKENS = "SELECT token_id, token_sha256, name, scopes, created_us, used_us, revoked_us FROM tokens ORDER BY created_us";
    TOKEN = "SELECT token_id, token_sha256, name, scopes, created_us, used_us, revoked_us FROM tokens WHERE token_id = $1";
    TOKEN_USED = "UPDATE tokens SET used_us = $2 WHERE token_id = $1";
    REVOKE_TOKEN = "UPDATE tokens SET revoked_us = $2 WHERE token_id = $1 AND revoked_us IS NULL";

    // plans
    PUT_GENERATION = "INSERT INTO generations (generation, loaded_us, loaded_by, files, how, state, message, changes, terms) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (generation) DO UPDATE SET loaded_us = excluded.loaded_us, \
        loaded_by = excluded.loaded_by, files = excluded.files, how = excluded.how, state = excluded.state, \
        message = excluded.message, changes = excluded.changes, terms = excluded.terms";
    GENERATION_NEWS = "UPDATE generations SET state = $2, why = $3, told_by = $4, told_us = $5 WHERE generation = $1";
    GENERATIONS = "SELECT generation, loaded_us, loaded_by, files, how, state, message, changes, terms, why, told_by, told_us \
        FROM generations WHERE generation < $1 ORDER BY generation DESC LIMIT $2";
    GENERATION = "SELECT generation, loaded_us, loaded_by, files, how, state, message, changes, terms, why, told_by, told_us \
        FROM generations WHERE generation = $1";
    PUT_PLAN_TEXT = "INSERT INTO plan_texts (sha256, body) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    PUT_GENERATION_FILE = "INSERT INTO generation_files (generation, file, sha256) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    PLAN_TEXTS = "SELECT generation_files.file, plan_texts.body FROM generation_files \
        JOIN plan_texts ON plan_texts.sha256 = generation_files.sha256 \
        WHERE generation_files.generation = $1 ORDER BY generation_files.file";
    PLAN_TEXT = "SELECT body FROM plan_texts WHERE sha256 = $1";
    DROP_OLD_GENERATION_FILES = "DELETE FROM generation_files WHERE generation <= $1 AND generation NOT IN \
        (SELECT generation FROM generations WHERE state IN ('in-service', 'canary', 'applying'))";
    DROP_OLD_PLAN_TEXTS = "DELETE FROM plan_texts WHERE sha256 NOT IN (SELECT sha256 FROM generation_files)";
    DROP_OLD_GENERATIONS = "DELETE FROM generations WHERE generation <= $1 AND state NOT IN ('in-service', 'canary', 'applying')";
}
