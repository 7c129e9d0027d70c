-- Emergency switches of schedules that are on; one row each, kept over a restart. Who turned which one when stays in the journal.
CREATE TABLE schedule_switches (
    schedule TEXT PRIMARY KEY,
    -- force-open or force-closed
    says TEXT NOT NULL,
    turned_by TEXT NOT NULL,
    why TEXT NOT NULL,
    turned_us BIGINT NOT NULL,
    -- NULL: until somebody turns it back
    until_us BIGINT
);
