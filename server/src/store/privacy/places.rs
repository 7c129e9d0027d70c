//! Where personal data of people outside lies: every column of text of every table has a place here, and a test finds the
//! ones that have none. A new table with numbers or names is to be listed, and taught to [`erase`](super::erase).

#![cfg(test)]

/// What a column that personal data is in means for an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Place {
    /// A number, or text in which numbers and names of people outside stand: taken out.
    Outside,
    /// Of a call that is up, gone with it: nothing is erased of who is on the line.
    Live,
    /// The name of a file of somebody's voice: the file goes.
    Voice,
    /// Words about a customer: they go with the customer.
    Customer,
    /// Whoever placed a hold wrote a number into it: it is lifted first.
    Held,
}

/// A table: its columns with personal data, and its other columns of text.
type Table = (&'static str, &'static [(&'static str, Place)], &'static [&'static str]);

pub(in crate::store) const PLACES: &[Table] = &[
    ("agent_spells", &[], &["agent", "activity", "item_id", "reason"]),
    ("agents_state", &[], &["agent", "state", "pending"]),
    ("bans", &[], &["source", "offence"]),
    // Devices of our own people.
    ("bindings", &[], &["extension", "contact", "source", "register_call_id", "user_agent", "way"]),
    (
        "calls",
        &[
            ("from_number", Place::Outside),
            ("to_number", Place::Outside),
            ("answered_by", Place::Outside),
            ("told", Place::Outside),
        ],
        &["call_id", "origin", "route", "queue", "agent", "cause", "blame", "recording_id", "quality", "identity"],
    ),
    (
        "cases",
        &[("subject", Place::Customer), ("outcome", Place::Customer)],
        &["case_id", "customer_id", "topic", "status", "status_by"],
    ),
    ("case_states", &[], &["case_id", "status", "changed_by"]),
    (
        "consents",
        &[("value", Place::Customer), ("proof", Place::Customer)],
        &["consent_id", "kind", "customer_id", "purpose", "channel", "jurisdiction", "source"],
    ),
    ("conversations", &[], &["conversation_id", "customer_id", "case_id", "channel"]),
    ("customer_links", &[("why", Place::Customer)], &["link_id", "kept", "folded", "merged_by", "undone_by"]),
    ("customer_notes", &[("body", Place::Customer)], &["note_id", "customer_id", "case_id", "written_by"]),
    (
        "customers",
        &[("name", Place::Customer), ("name_folded", Place::Customer), ("attributes", Place::Customer)],
        &["customer_id", "language", "root_id", "link_id", "merged_into"],
    ),
    ("dispositions", &[], &["code", "label"]),
    ("figure_rollups", &[], &["kind", "name", "body"]),
    ("generation_files", &[], &["file", "sha256"]),
    ("generations", &[], &["loaded_by", "files", "how", "state", "message", "changes", "terms", "why", "told_by"]),
    ("holds", &[("number", Place::Held)], &["hold_id", "call_id", "why", "placed_by"]),
    ("identities", &[("value", Place::Customer)], &["kind", "customer_id", "source"]),
    (
        "interactions",
        &[("value", Place::Customer), ("candidates", Place::Customer)],
        &[
            "interaction_id",
            "conversation_id",
            "channel",
            "direction",
            "kind",
            "call_id",
            "queue",
            "agent",
            "disposition",
            "disposed_by",
        ],
    ),
    (
        "items",
        &[("caller", Place::Outside), ("callback", Place::Outside)],
        &["item_id", "call_id", "queue", "skills", "state", "agent", "reason", "work", "standing", "turn"],
    ),
    ("journal", &[("body", Place::Outside)], &["kind", "call_id", "item_id", "agent"]),
    ("journal_head", &[], &[]),
    ("kept_calls", &[("body", Place::Live)], &["call_id"]),
    ("logins", &[], &["user_name", "password", "roles", "extension"]),
    ("lookup", &[], &["url", "method", "token", "fields"]),
    ("messages", &[("from_number", Place::Outside), ("path", Place::Voice)], &["message_id", "mailbox", "call_id", "state"]),
    ("offers", &[], &["offer_id", "item_id", "agent", "decision", "outcome", "cause"]),
    (
        "outbox",
        &[("who_value", Place::Outside)],
        &["message_id", "timer_id", "channel", "who_kind", "customer_id", "template", "state", "leased_by", "why"],
    ),
    // Our own people: `tandem user remove`.
    (
        "people",
        &[],
        &[
            "extension",
            "display_name",
            "realm",
            "ha1_md5",
            "ha1_sha256",
            "queues",
            "skills",
            "device",
            "ha1_sha512_256",
            "capacity",
            "devices",
        ],
    ),
    // What an admin wrote into the plan is the plan's.
    ("plan_texts", &[], &["sha256", "body"]),
    (
        "recordings",
        &[("path", Place::Voice), ("capture", Place::Voice), ("remote", Place::Voice)],
        &["recording_id", "call_id", "state", "reason", "format"],
    ),
    // Numbers stand in `who_value` alone: the rule is the plan's, and what is done is not said to whom.
    ("rule_cursor", &[], &[]),
    ("rule_deeds", &[], &["timer_id", "what", "state", "detail"]),
    (
        "rule_timers",
        &[("who_value", Place::Outside)],
        &["timer_id", "name", "rule", "thing", "who_kind", "customer_id", "call_id", "dialled", "state", "why"],
    ),
    ("schedule_switches", &[], &["schedule", "says", "turned_by", "why"]),
    ("segments", &[], &["call_id", "state", "agent", "cause"]),
    ("suppression_key", &[], &["secret"]),
    ("sessions", &[], &["session_id", "session_sha256", "user_name", "source"]),
    ("tokens", &[], &["token_id", "token_sha256", "name", "scopes"]),
    // Extensions and trunks, and what they spent.
    ("toll_spent", &[], &["who", "body"]),
    ("waits", &[], &["item_id", "call_id", "queue", "ended_how", "agent"]),
    ("waveforms", &[("peaks", Place::Voice)], &["recording_id"]),
    // What somebody outside is told stands in the journal only.
    ("webhook_dead", &[], &["webhook_id", "why"]),
    ("webhooks", &[], &["webhook_id", "url", "kinds", "secret", "old_secret", "paused_why", "last_error"]),
    ("writers", &[], &["writer"]),
];
