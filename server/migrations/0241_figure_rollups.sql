-- What figures are told from over long times: counts of quarters of an hour, hours and days (UTC) in which nothing changes any
-- more. Whatever changes such a stretch after all drops its rows, and they are made again of waits and agent_spells.
-- kind: all (one row for each stretch, name is empty: the stretch is settled), queue or agent. body: the counts, JSON;
-- empty while they are being made.
CREATE TABLE figure_rollups (
    span_s BIGINT NOT NULL,
    kind TEXT NOT NULL,
    from_us BIGINT NOT NULL,
    name TEXT NOT NULL,
    to_us BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (span_s, kind, from_us, name)
);
CREATE INDEX figure_rollups_to ON figure_rollups (to_us);

-- What of an agent's spells lies in a stretch: those that begin in it, and the one before.
DROP INDEX agent_spells_from;
CREATE INDEX agent_spells_from ON agent_spells (from_us, agent, nth);
CREATE INDEX agent_spells_of ON agent_spells (agent, from_us, nth);
