-- What another process needs to go on with a call that is up: one row a call, written behind, gone with the record of the
-- call. `v` is the form that `body` (JSON) is in; a form that is not understood is as good as no row.
CREATE TABLE kept_calls (
    call_id TEXT PRIMARY KEY,
    v BIGINT NOT NULL,
    body TEXT NOT NULL,
    at_us BIGINT NOT NULL
);
-- Restarts of the switch that a call outlived.
ALTER TABLE calls ADD COLUMN restarts BIGINT NOT NULL DEFAULT 0;
