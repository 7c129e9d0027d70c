//! Statements about customers. As those of `sql`, a test prepares each one on both databases.

use super::{customers_verify::Compared, sql::statements};

statements! {
    // customers
    PUT_CUSTOMER = "INSERT INTO customers (customer_id, name, name_folded, language, attributes, root_id, created_us, changed_us) \
        VALUES ($1, $2, $3, $4, $5, $1, $6, $6) ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name, \
        name_folded = excluded.name_folded, language = excluded.language, attributes = excluded.attributes, \
        changed_us = excluded.changed_us";
    CUSTOMER = "SELECT customer_id, name, language, attributes, root_id, created_us, changed_us FROM customers WHERE customer_id = $1";
    CUSTOMERS_BY_NAME = "SELECT customer_id, name, language, attributes, root_id, created_us, changed_us FROM customers \
        WHERE customer_id < $1 AND root_id = customer_id AND erased_us IS NULL AND ($2 = '' OR (' ' || name_folded) LIKE $2 ESCAPE '!') \
        ORDER BY customer_id DESC LIMIT $3";
    CUSTOMERS_AFTER = "SELECT customer_id, name, language, attributes, root_id, created_us, changed_us FROM customers \
        WHERE customer_id > $1 AND root_id = customer_id AND erased_us IS NULL ORDER BY customer_id LIMIT $2";
    FAMILY = "SELECT customer_id, link_id, merged_into FROM customers WHERE root_id = $1 ORDER BY customer_id LIMIT 1000";
    CUSTOMER_ERASED = "UPDATE customers SET erased_us = $2 WHERE customer_id = $1";
    DROP_IDENTITIES = "DELETE FROM identities WHERE customer_id = $1";
    SET_LINK = "UPDATE customers SET link_id = $2, merged_into = $3 WHERE customer_id = $1";
    SET_ROOT = "UPDATE customers SET root_id = $2 WHERE customer_id = $1";
    PUT_LINK = "INSERT INTO customer_links (link_id, kept, folded, merged_by, why, merged_us) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT DO NOTHING";
    LINK_UNDONE = "UPDATE customer_links SET undone_by = $2, undone_us = $3 WHERE link_id = $1";
    LINK_HOLDS = "SELECT customer_id, root_id FROM customers WHERE link_id = $1";
    LINKS_OF = "SELECT customer_links.link_id, customer_links.kept, customer_links.folded, customer_links.merged_by, \
        customer_links.why, customer_links.merged_us FROM customer_links JOIN customers ON customers.link_id = customer_links.link_id \
        WHERE customers.root_id = $1 ORDER BY customer_links.merged_us LIMIT 1000";

    // identities
    PUT_IDENTITY = "INSERT INTO identities (kind, value, customer_id, verified, source, confidence, valid_from_us, valid_to_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kind, value, customer_id) DO UPDATE SET verified = excluded.verified, \
        source = excluded.source, confidence = excluded.confidence, valid_from_us = excluded.valid_from_us, \
        valid_to_us = excluded.valid_to_us";
    DROP_IDENTITY = "DELETE FROM identities WHERE kind = $1 AND value = $2 AND customer_id = $3";
    IDENTITIES_OF = "SELECT identities.kind, identities.value, identities.customer_id, identities.verified, identities.source, \
        identities.confidence, identities.valid_from_us, identities.valid_to_us FROM identities \
        JOIN customers ON customers.customer_id = identities.customer_id WHERE customers.root_id = $1 \
        ORDER BY identities.kind, identities.value, identities.customer_id LIMIT 1000";
    HOLDERS = "SELECT customers.root_id, identities.confidence, identities.valid_from_us, identities.valid_to_us FROM identities \
        JOIN customers ON customers.customer_id = identities.customer_id WHERE identities.kind = $1 AND identities.value = $2 \
        ORDER BY customers.root_id LIMIT 100";

    // cases
    PUT_CASE = "INSERT INTO cases (case_id, customer_id, subject, topic, status, outcome, reopen_window_s, opened_us, touched_us, \
        solved_us, status_by, status_us, respond_within_s, resolve_within_s) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (case_id) DO UPDATE SET \
        customer_id = excluded.customer_id, subject = excluded.subject, topic = excluded.topic, status = excluded.status, \
        outcome = excluded.outcome, reopen_window_s = excluded.reopen_window_s, touched_us = excluded.touched_us, \
        solved_us = excluded.solved_us, status_by = excluded.status_by, status_us = excluded.status_us, \
        respond_within_s = excluded.respond_within_s, resolve_within_s = excluded.resolve_within_s";
    CASE = "SELECT case_id, customer_id, subject, topic, status, outcome, reopen_window_s, opened_us, touched_us, solved_us, \
        status_by, status_us, respond_within_s, resolve_within_s FROM cases WHERE case_id = $1";
    CASES_PROMISED = "SELECT case_id, customer_id, subject, topic, status, outcome, reopen_window_s, opened_us, touched_us, solved_us, \
        status_by, status_us, respond_within_s, resolve_within_s FROM cases WHERE status IN ('open', 'pending') \
        AND (respond_within_s IS NOT NULL OR resolve_within_s IS NOT NULL) ORDER BY opened_us, case_id LIMIT $1";
    REPLIED = "SELECT MIN(COALESCE(calls.connected_us, interactions.started_us)) AS at_us FROM interactions \
        JOIN conversations ON conversations.conversation_id = interactions.conversation_id \
        LEFT JOIN calls ON calls.call_id = interactions.call_id \
        WHERE conversations.case_id = $1 AND interactions.agent IS NOT NULL \
        AND (calls.call_id IS NULL OR calls.connected_us IS NOT NULL) \
        AND COALESCE(calls.connected_us, interactions.started_us) >= $2";
    PUT_CASE_STATE = "INSERT INTO case_states (case_id, at_us, status, changed_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    CASE_STATES = "SELECT status, changed_by, at_us FROM case_states WHERE case_id = $1 ORDER BY at_us LIMIT 1000";
    CASES_OF = "SELECT cases.case_id, cases.customer_id, cases.subject, cases.topic, cases.status, cases.outcome, \
        cases.reopen_window_s, cases.opened_us, cases.touched_us, cases.solved_us, cases.status_by, cases.status_us, \
        cases.respond_within_s, cases.resolve_within_s FROM cases \
        JOIN customers ON customers.customer_id = cases.customer_id WHERE customers.root_id = $1 \
        ORDER BY cases.touched_us DESC, cases.case_id DESC LIMIT $2";

    // conversations and interactions
    PUT_CONVERSATION = "INSERT INTO conversations (conversation_id, customer_id, case_id, channel, started_us) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    CONVERSATION_MOVED = "UPDATE conversations SET customer_id = $2, case_id = $3 WHERE conversation_id = $1";
    CONVERSATION = "SELECT conversation_id, customer_id, case_id FROM conversations WHERE conversation_id = $1";
    CONVERSATIONS_BY = "SELECT DISTINCT interactions.conversation_id FROM interactions JOIN conversations \
        ON conversations.conversation_id = interactions.conversation_id WHERE interactions.kind = $1 AND interactions.value = $2 \
        AND conversations.customer_id = $3 ORDER BY interactions.conversation_id";
    CONVERSATIONS_SPLIT = "UPDATE conversations SET customer_id = $4, case_id = NULL WHERE customer_id = $3 AND conversation_id IN \
        (SELECT conversation_id FROM interactions WHERE kind = $1 AND value = $2)";
    PUT_INTERACTION = "INSERT INTO interactions (interaction_id, conversation_id, channel, direction, kind, value, candidates, \
        call_id, started_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    INTERACTION_ENDED = "UPDATE interactions SET queue = $2, agent = $3, ended_us = $4 WHERE interaction_id = $1";
    INTERACTION_DISPOSED = "UPDATE interactions SET disposition = $2, disposed_by = $3, disposed_us = $4 WHERE interaction_id = $1";
    INTERACTION = "SELECT interactions.interaction_id, interactions.conversation_id, conversations.customer_id, \
        conversations.case_id, interactions.channel, interactions.direction, interactions.kind, interactions.value, \
        interactions.candidates, interactions.call_id, interactions.queue, interactions.agent, interactions.started_us, \
        interactions.ended_us, interactions.disposition FROM interactions \
        JOIN conversations ON conversations.conversation_id = interactions.conversation_id WHERE interactions.interaction_id = $1";
    INTERACTIONS_OF = "SELECT interactions.interaction_id, interactions.conversation_id, conversations.customer_id, \
        conversations.case_id, interactions.channel, interactions.direction, interactions.kind, interactions.value, \
        interactions.candidates, interactions.call_id, interactions.queue, interactions.agent, interactions.started_us, \
        interactions.ended_us, interactions.disposition FROM interactions \
        JOIN conversations ON conversations.conversation_id = interactions.conversation_id \
        JOIN customers ON customers.customer_id = conversations.customer_id \
        WHERE customers.root_id = $1 AND interactions.interaction_id < $2 ORDER BY interactions.interaction_id DESC LIMIT $3";

    // notes
    PUT_NOTE = "INSERT INTO customer_notes (note_id, customer_id, case_id, body, written_by, at_us) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT DO NOTHING";
    NOTES_OF = "SELECT customer_notes.note_id, customer_notes.case_id, customer_notes.body, customer_notes.written_by, \
        customer_notes.at_us FROM customer_notes JOIN customers ON customers.customer_id = customer_notes.customer_id \
        WHERE customers.root_id = $1 AND customer_notes.note_id < $2 ORDER BY customer_notes.note_id DESC LIMIT $3";

    // dispositions
    PUT_DISPOSITION = "INSERT INTO dispositions (code, label, offered) VALUES ($1, $2, $3) ON CONFLICT (code) DO UPDATE SET \
        label = excluded.label, offered = excluded.offered";
    DISPOSITIONS = "SELECT code, label, offered FROM dispositions ORDER BY code LIMIT 1000";

    // consent
    PUT_CONSENT = "INSERT INTO consents (consent_id, kind, value, customer_id, allowed, purpose, channel, jurisdiction, source, \
        proof, valid_from_us, valid_to_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";
    CONSENT_ENDED = "UPDATE consents SET valid_to_us = $2 WHERE consent_id = $1 AND (valid_to_us IS NULL OR valid_to_us > $2)";
    CONSENT = "SELECT consent_id FROM consents WHERE consent_id = $1";
    CONSENTS_OF_IDENTITY = "SELECT consent_id, kind, value, customer_id, allowed, purpose, channel, jurisdiction, source, proof, \
        valid_from_us, valid_to_us FROM consents WHERE kind = $1 AND value = $2 ORDER BY consent_id DESC LIMIT 1000";
    CONSENTS_OF_CUSTOMER = "SELECT consents.consent_id, consents.kind, consents.value, customers.root_id AS customer_id, \
        consents.allowed, consents.purpose, consents.channel, consents.jurisdiction, consents.source, consents.proof, \
        consents.valid_from_us, consents.valid_to_us FROM consents JOIN customers ON customers.customer_id = consents.customer_id \
        WHERE customers.root_id = $1 ORDER BY consents.consent_id DESC LIMIT 1000";

    // the journal's reader
    CURSOR = "SELECT seq FROM customer_cursor WHERE only_row = 1";
    PUT_CURSOR = "INSERT INTO customer_cursor (only_row, seq) VALUES (1, $1) ON CONFLICT (only_row) DO UPDATE SET seq = excluded.seq";

    // the same, as the journal has them: everything as text
    ALL_CUSTOMERS = "SELECT customer_id, name, name_folded, language, attributes, root_id, link_id, merged_into, \
        CAST(created_us AS TEXT) AS created_text, CAST(changed_us AS TEXT) AS changed_text, \
        CAST(erased_us AS TEXT) AS erased_text FROM customers WHERE \
        customer_id > $1 ORDER BY customer_id LIMIT $2";
    ALL_IDENTITIES = "SELECT customer_id, kind, value, CASE WHEN verified THEN 'yes' ELSE 'no' END AS verified_text, \
        source, CAST(confidence AS TEXT) AS confidence_text, CAST(valid_from_us AS TEXT) AS valid_from_text, \
        CAST(valid_to_us AS TEXT) AS valid_to_text FROM identities WHERE (customer_id, kind, value) > ($1, $2, $3) ORDER \
        BY customer_id, kind, value LIMIT $4";
    ALL_CUSTOMER_LINKS = "SELECT link_id, kept, folded, merged_by, why, CAST(merged_us AS TEXT) AS merged_text, \
        undone_by, CAST(undone_us AS TEXT) AS undone_text FROM customer_links WHERE link_id > $1 ORDER BY link_id LIMIT \
        $2";
    ALL_CASES = "SELECT case_id, customer_id, subject, topic, status, outcome, CAST(reopen_window_s AS TEXT) AS \
        reopen_window_s_text, CAST(opened_us AS TEXT) AS opened_text, CAST(touched_us AS TEXT) AS touched_text, \
        CAST(solved_us AS TEXT) AS solved_text, status_by, CAST(status_us AS TEXT) AS status_text, \
        CAST(respond_within_s AS TEXT) AS respond_text, CAST(resolve_within_s AS TEXT) AS resolve_text FROM cases WHERE \
        case_id > $1 ORDER BY case_id LIMIT $2";
    ALL_CASE_STATES = "SELECT case_id, CAST(at_us AS TEXT) AS at_text, status, changed_by FROM case_states WHERE \
        (case_id, CAST(at_us AS TEXT)) > ($1, $2) ORDER BY case_id, CAST(at_us AS TEXT) LIMIT $3";
    ALL_CONVERSATIONS = "SELECT conversation_id, customer_id, case_id, channel, CAST(started_us AS TEXT) AS started_text \
        FROM conversations WHERE conversation_id > $1 ORDER BY conversation_id LIMIT $2";
    ALL_INTERACTIONS = "SELECT interaction_id, conversation_id, channel, direction, kind, value, candidates, call_id, \
        queue, agent, CAST(started_us AS TEXT) AS started_text, CAST(ended_us AS TEXT) AS ended_text, disposition, \
        disposed_by, CAST(disposed_us AS TEXT) AS disposed_text FROM interactions WHERE interaction_id > $1 ORDER BY \
        interaction_id LIMIT $2";
    ALL_CUSTOMER_NOTES = "SELECT note_id, customer_id, case_id, body, written_by, CAST(at_us AS TEXT) AS at_text FROM \
        customer_notes WHERE note_id > $1 ORDER BY note_id LIMIT $2";
    ALL_DISPOSITIONS = "SELECT code, label, CASE WHEN offered THEN 'yes' ELSE 'no' END AS offered_text FROM dispositions \
        WHERE code > $1 ORDER BY code LIMIT $2";
    ALL_CONSENTS = "SELECT consent_id, kind, value, customer_id, CASE WHEN allowed THEN 'yes' ELSE 'no' END AS \
        allowed_text, purpose, channel, jurisdiction, source, proof, CAST(valid_from_us AS TEXT) AS valid_from_text, \
        CAST(valid_to_us AS TEXT) AS valid_to_text FROM consents WHERE consent_id > $1 ORDER BY consent_id LIMIT $2";
}

/// The tables that the journal can make again.
pub(super) static TABLES: [Compared; 10] = [
    Compared {
        table: "customers",
        page: ALL_CUSTOMERS,
        key: &["customer_id"],
        columns: &[
            "name",
            "name_folded",
            "language",
            "attributes",
            "root_id",
            "link_id",
            "merged_into",
            "created_text",
            "changed_text",
            "erased_text",
        ],
    },
    Compared {
        table: "identities",
        page: ALL_IDENTITIES,
        key: &["customer_id", "kind", "value"],
        columns: &["verified_text", "source", "confidence_text", "valid_from_text", "valid_to_text"],
    },
    Compared {
        table: "customer_links",
        page: ALL_CUSTOMER_LINKS,
        key: &["link_id"],
        columns: &["kept", "folded", "merged_by", "why", "merged_text", "undone_by", "undone_text"],
    },
    Compared {
        table: "cases",
        page: ALL_CASES,
        key: &["case_id"],
        columns: &[
            "customer_id",
            "subject",
            "topic",
            "status",
            "outcome",
            "reopen_window_s_text",
            "opened_text",
            "touched_text",
            "solved_text",
            "status_by",
            "status_text",
            "respond_text",
            "resolve_text",
        ],
    },
    Compared { table: "case_states", page: ALL_CASE_STATES, key: &["case_id", "at_text"], columns: &["status", "changed_by"] },
    Compared {
        table: "conversations",
        page: ALL_CONVERSATIONS,
        key: &["conversation_id"],
        columns: &["customer_id", "case_id", "channel", "started_text"],
    },
    Compared {
        table: "interactions",
        page: ALL_INTERACTIONS,
        key: &["interaction_id"],
        columns: &[
            "conversation_id",
            "channel",
            "direction",
            "kind",
            "value",
            "candidates",
            "call_id",
            "queue",
            "agent",
            "started_text",
            "ended_text",
            "disposition",
            "disposed_by",
            "disposed_text",
        ],
    },
    Compared {
        table: "customer_notes",
        page: ALL_CUSTOMER_NOTES,
        key: &["note_id"],
        columns: &["customer_id", "case_id", "body", "written_by", "at_text"],
    },
    Compared { table: "dispositions", page: ALL_DISPOSITIONS, key: &["code"], columns: &["label", "offered_text"] },
    Compared {
        table: "consents",
        page: ALL_CONSENTS,
        key: &["consent_id"],
        columns: &[
            "kind",
            "value",
            "customer_id",
            "allowed_text",
            "purpose",
            "channel",
            "jurisdiction",
            "source",
            "proof",
            "valid_from_text",
            "valid_to_text",
        ],
    },
];
