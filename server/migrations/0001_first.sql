-- The journal and its projections. The same text runs on SQLite and PostgreSQL:
-- identifiers are TEXT, instants are BIGINT microseconds since the epoch, structures are JSON in TEXT.

-- The last sequence number given out. Every append raises it first, in its own transaction, so that
-- the order of the numbers is the order of the commits and a reader never finds a late row below its mark.
CREATE TABLE journal_head (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    seq BIGINT NOT NULL
);
INSERT INTO journal_head (only_row, seq) VALUES (1, 0);

-- The last batch of each writer: after a connection broke during a commit, tells whether it went through.
CREATE TABLE writers (
    writer TEXT PRIMARY KEY,
    batch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    entries BIGINT NOT NULL
);

CREATE TABLE journal (
    seq BIGINT PRIMARY KEY,
    at_us BIGINT NOT NULL,
    kind TEXT NOT NULL,
    call_id TEXT,
    item_id TEXT,
    agent TEXT,
    body TEXT NOT NULL
);
CREATE INDEX journal_call ON journal (call_id, seq) WHERE call_id IS NOT NULL;
CREATE INDEX journal_item ON journal (item_id, seq) WHERE item_id IS NOT NULL;

CREATE TABLE calls (
    call_id TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    from_number TEXT NOT NULL,
    to_number TEXT NOT NULL,
    route TEXT,
    queue TEXT,
    agent TEXT,
    answered_by TEXT,
    started_us BIGINT NOT NULL,
    answered_us BIGINT,
    connected_us BIGINT,
    ended_us BIGINT,
    waited_ms BIGINT NOT NULL,
    talked_ms BIGINT NOT NULL,
    cause TEXT,
    blame TEXT,
    recording_id TEXT,
    generation BIGINT NOT NULL,
    quality TEXT
);
CREATE INDEX calls_open ON calls (call_id) WHERE ended_us IS NULL;

CREATE TABLE segments (
    call_id TEXT NOT NULL REFERENCES calls (call_id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    state TEXT NOT NULL,
    agent TEXT,
    from_us BIGINT NOT NULL,
    to_us BIGINT NOT NULL,
    PRIMARY KEY (call_id, position)
);

-- state: waiting, served (an agent has or had it), left (went unserved), rejoined (another item took its place).
CREATE TABLE items (
    item_id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL,
    queue TEXT NOT NULL,
    caller TEXT NOT NULL,
    skills TEXT NOT NULL,
    priority_minutes BIGINT NOT NULL,
    virtual_arrival_us BIGINT NOT NULL,
    state TEXT NOT NULL,
    agent TEXT,
    queued_us BIGINT NOT NULL,
    served_us BIGINT,
    ended_us BIGINT,
    reason TEXT
);
CREATE INDEX items_waiting ON items (virtual_arrival_us) WHERE state = 'waiting';
CREATE INDEX items_served ON items (item_id) WHERE state = 'served' AND ended_us IS NULL;

CREATE TABLE offers (
    offer_id TEXT PRIMARY KEY,
    item_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    decision TEXT NOT NULL,
    offered_us BIGINT NOT NULL,
    ended_us BIGINT,
    outcome TEXT,
    cause TEXT
);
CREATE INDEX offers_open ON offers (offer_id) WHERE ended_us IS NULL;
CREATE INDEX offers_item ON offers (item_id, offered_us);

CREATE TABLE agents_state (
    agent TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    since_us BIGINT NOT NULL,
    idle_since_us BIGINT,
    pending TEXT
);

-- state: recording, finished, failed, interrupted (the switch stopped meanwhile; what was written is there).
CREATE TABLE recordings (
    recording_id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    started_us BIGINT NOT NULL,
    ended_us BIGINT,
    duration_ms BIGINT,
    size_bytes BIGINT,
    reason TEXT
);
CREATE INDEX recordings_call ON recordings (call_id);
CREATE INDEX recordings_open ON recordings (recording_id) WHERE state = 'recording';

CREATE TABLE bindings (
    extension TEXT NOT NULL,
    contact TEXT NOT NULL,
    source TEXT NOT NULL,
    register_call_id TEXT NOT NULL,
    register_cseq BIGINT NOT NULL,
    user_agent TEXT,
    registered_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (extension, contact)
);

CREATE TABLE people (
    extension TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1_md5 TEXT,
    ha1_sha256 TEXT,
    queues TEXT NOT NULL,
    skills TEXT NOT NULL,
    device TEXT NOT NULL,
    always_on BOOLEAN NOT NULL,
    changed_us BIGINT NOT NULL
);

CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY,
    token_sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    used_us BIGINT,
    revoked_us BIGINT
);

CREATE TABLE generations (
    generation BIGINT PRIMARY KEY,
    loaded_us BIGINT NOT NULL,
    loaded_by TEXT NOT NULL,
    files TEXT NOT NULL
);
