-- What figures are worked out from: projections of the floor's part of the journal.

-- One spell of one item in one queue. nth: which spell of the item. callback: the customer is not on the line.
-- ended_how: answered, overflowed, callback-taken, came-back, or why it left; NULL while it goes on.
CREATE TABLE waits (
    item_id TEXT NOT NULL,
    nth BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    queue TEXT NOT NULL,
    callback BIGINT NOT NULL,
    entered_us BIGINT NOT NULL,
    since_us BIGINT NOT NULL,
    ended_us BIGINT,
    ended_how TEXT,
    agent TEXT,
    finished_us BIGINT,
    PRIMARY KEY (item_id, nth)
);
CREATE INDEX waits_entered ON waits (entered_us, item_id, nth);

-- One contiguous spell of one agent's state. item_id: of a conversation, and of the wrap-up after it.
CREATE TABLE agent_spells (
    agent TEXT NOT NULL,
    nth BIGINT NOT NULL,
    activity TEXT NOT NULL,
    item_id TEXT,
    reason TEXT,
    from_us BIGINT NOT NULL,
    to_us BIGINT,
    PRIMARY KEY (agent, nth)
);
CREATE INDEX agent_spells_from ON agent_spells (from_us);
CREATE INDEX agent_spells_wrap_up ON agent_spells (item_id) WHERE activity = 'wrap-up';
CREATE INDEX offers_ended ON offers (ended_us);
CREATE INDEX segments_transferring ON segments (from_us) WHERE state = 'transferring';
