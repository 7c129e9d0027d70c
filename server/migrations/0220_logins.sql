-- Who may log in: a user name (lower case), the Argon2id hash of a password (NULL until one is set), and what they may do.
CREATE TABLE logins (
    user_name TEXT PRIMARY KEY,
    password TEXT,
    -- JSON: admin, supervisor, agent, operator, auditor
    roles TEXT NOT NULL,
    -- Which agent they are; NULL for who is none.
    extension TEXT,
    created_us BIGINT NOT NULL,
    changed_us BIGINT NOT NULL,
    -- Wrong passwords in a row.
    failures BIGINT NOT NULL DEFAULT 0,
    locked_us BIGINT
);

-- Who is logged in. The secret itself is kept nowhere; session_id is the beginning of its hash.
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    session_sha256 TEXT NOT NULL,
    user_name TEXT NOT NULL,
    source TEXT,
    began_us BIGINT NOT NULL,
    used_us BIGINT NOT NULL,
    ends_us BIGINT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_name, began_us);

-- The audit is a part of the journal, and asked for by itself.
CREATE INDEX journal_audit ON journal (seq) WHERE kind = 'audit';
