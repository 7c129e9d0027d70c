-- Voice messages. The audio lies below the folder `messages`.
CREATE TABLE messages (
    message_id TEXT PRIMARY KEY,
    mailbox TEXT NOT NULL,
    call_id TEXT NOT NULL,
    from_number TEXT NOT NULL,
    path TEXT NOT NULL,
    -- recording, new or heard
    state TEXT NOT NULL,
    started_us BIGINT NOT NULL,
    ended_us BIGINT,
    duration_ms BIGINT,
    size_bytes BIGINT
);
CREATE INDEX messages_by_mailbox ON messages (mailbox, message_id);
