-- Customers. A merge changes root_id (who they are after all merges) and the link that goes out of a customer; nothing else.
CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    language TEXT NOT NULL,
    attributes TEXT NOT NULL,
    root_id TEXT NOT NULL,
    link_id TEXT,
    merged_into TEXT,
    created_us BIGINT NOT NULL,
    changed_us BIGINT NOT NULL
);
CREATE INDEX customers_by_root ON customers (root_id);
CREATE INDEX customers_by_link ON customers (link_id);
-- Their addresses. Several customers may have one: then nobody is certain.
CREATE TABLE identities (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    verified BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    confidence BIGINT NOT NULL,
    valid_from_us BIGINT NOT NULL,
    valid_to_us BIGINT,
    PRIMARY KEY (kind, value, customer_id)
);
CREATE INDEX identities_by_customer ON identities (customer_id);
CREATE TABLE customer_links (
    link_id TEXT PRIMARY KEY,
    kept TEXT NOT NULL,
    folded TEXT NOT NULL,
    merged_by TEXT NOT NULL,
    why TEXT NOT NULL,
    merged_us BIGINT NOT NULL,
    undone_by TEXT,
    undone_us BIGINT
);
CREATE TABLE cases (
    case_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    topic TEXT,
    -- open, pending, solved or closed
    status TEXT NOT NULL,
    outcome TEXT,
    reopen_window_s BIGINT NOT NULL,
    opened_us BIGINT NOT NULL,
    touched_us BIGINT NOT NULL,
    solved_us BIGINT,
    -- who made the status what it is, and when
    status_by TEXT NOT NULL,
    status_us BIGINT NOT NULL
);
CREATE INDEX cases_by_customer ON cases (customer_id);
-- Each status that a case had.
CREATE TABLE case_states (
    case_id TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    status TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (case_id, at_us)
);
CREATE TABLE conversations (
    conversation_id TEXT PRIMARY KEY,
    customer_id TEXT,
    case_id TEXT,
    channel TEXT NOT NULL,
    started_us BIGINT NOT NULL
);
CREATE INDEX conversations_by_case ON conversations (case_id);
CREATE INDEX conversations_by_customer ON conversations (customer_id);
CREATE TABLE interactions (
    interaction_id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    -- inbound or outbound
    direction TEXT NOT NULL,
    -- the customer's address; empty for a withheld one
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    -- who they may be, where that is not certain
    candidates TEXT NOT NULL,
    call_id TEXT,
    queue TEXT,
    agent TEXT,
    started_us BIGINT NOT NULL,
    ended_us BIGINT,
    disposition TEXT,
    disposed_by TEXT,
    disposed_us BIGINT
);
CREATE INDEX interactions_by_conversation ON interactions (conversation_id);
CREATE TABLE customer_notes (
    note_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    case_id TEXT,
    body TEXT NOT NULL,
    written_by TEXT NOT NULL,
    at_us BIGINT NOT NULL
);
CREATE INDEX customer_notes_by_customer ON customer_notes (customer_id);
CREATE TABLE consents (
    consent_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    customer_id TEXT,
    allowed BOOLEAN NOT NULL,
    purpose TEXT,
    channel TEXT,
    jurisdiction TEXT,
    source TEXT NOT NULL,
    proof TEXT,
    valid_from_us BIGINT NOT NULL,
    valid_to_us BIGINT
);
CREATE INDEX consents_by_value ON consents (kind, value);
CREATE INDEX consents_by_customer ON consents (customer_id);
-- What an interaction may be said to be.
CREATE TABLE dispositions (
    code TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    offered BOOLEAN NOT NULL
);
-- How far the journal was read for calls that become interactions.
CREATE TABLE customer_cursor (
    only_row BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);
