-- Rules over channels: each time that one was set off, and what came of it. state: running, cancelled, skipped, fired.
-- rule: the rule as it was then, JSON. thing: what it was set off with, JSON. who_kind, who_value: the customer's address.
CREATE TABLE rule_timers (
    timer_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    cause_seq BIGINT NOT NULL,
    thing TEXT NOT NULL,
    who_kind TEXT NOT NULL,
    who_value TEXT NOT NULL,
    customer_id TEXT,
    call_id TEXT,
    dialled TEXT,
    state TEXT NOT NULL,
    why TEXT NOT NULL,
    set_us BIGINT NOT NULL,
    due_us BIGINT NOT NULL,
    ended_us BIGINT
);
CREATE INDEX rule_timers_running ON rule_timers (due_us) WHERE state = 'running';
CREATE INDEX rule_timers_who ON rule_timers (who_value, name) WHERE state = 'fired';
CREATE INDEX rule_timers_customer ON rule_timers (customer_id, name) WHERE state = 'fired';

-- What a rule that was carried out does, one row for each of its actions. state: todo, done, refused.
CREATE TABLE rule_deeds (
    timer_id TEXT NOT NULL,
    nth BIGINT NOT NULL,
    what TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    ended_us BIGINT,
    PRIMARY KEY (timer_id, nth)
);
CREATE INDEX rule_deeds_todo ON rule_deeds (timer_id) WHERE state = 'todo';

-- Messages that are to be sent by whoever serves a channel. message_id is the idempotency key. state: waiting, sent, dead.
CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY,
    timer_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    who_kind TEXT NOT NULL,
    who_value TEXT NOT NULL,
    customer_id TEXT,
    template TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    leased_by TEXT,
    leased_until_us BIGINT,
    why TEXT NOT NULL,
    made_us BIGINT NOT NULL,
    ended_us BIGINT
);
CREATE INDEX outbox_waiting ON outbox (channel, next_us) WHERE state = 'waiting';

-- How far the journal was read for rules.
CREATE TABLE rule_cursor (
    only_row BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);
