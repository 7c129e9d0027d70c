-- Which CRM is asked about a number when a call comes; one row, or none.
CREATE TABLE lookup (
    lookup_id BIGINT PRIMARY KEY,
    url TEXT NOT NULL,
    -- get or post
    method TEXT NOT NULL,
    -- What it wants of whoever asks, as a bearer token.
    token TEXT,
    -- JSON: name to JSON pointer
    fields TEXT NOT NULL,
    wait_ms BIGINT NOT NULL,
    limit_ms BIGINT NOT NULL,
    keep_s BIGINT NOT NULL,
    changed_us BIGINT NOT NULL
);
