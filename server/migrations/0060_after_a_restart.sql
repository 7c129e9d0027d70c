-- What extensions and trunks have spent of their caps: one row each, as JSON, kept over a restart.
CREATE TABLE toll_spent (
    who TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    at_us BIGINT NOT NULL
);
-- How a device is reached and named beside its contact (q, Path, instance): a JSON object.
ALTER TABLE bindings ADD COLUMN way TEXT;
