-- Who outside is told what happens, how far they are, and what they did not take.
CREATE TABLE webhooks (
    webhook_id TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    -- JSON: words of the table of events
    kinds TEXT NOT NULL,
    -- What signs. The one before it signs beside it until its time is over.
    secret TEXT NOT NULL,
    old_secret TEXT,
    old_until_us BIGINT,
    give_up_s BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    paused_us BIGINT,
    -- Why, where nobody paused it.
    paused_why TEXT,
    -- Every row of the journal up to here was taken, is a dead letter, or was not wanted.
    done_to BIGINT NOT NULL,
    -- Since when nothing was taken, and how often the event that is next was tried.
    failing_us BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    delivered_us BIGINT,
    last_error TEXT
);

-- What nobody took in time. What happened itself stands in the journal.
CREATE TABLE webhook_dead (
    webhook_id TEXT NOT NULL REFERENCES webhooks (webhook_id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    why TEXT NOT NULL,
    died_us BIGINT NOT NULL,
    -- It is to be sent once more.
    resend BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (webhook_id, seq)
);
