-- What must be kept, whoever wants it gone: a call, or all of a number (digits, without + and leading zeros).
CREATE TABLE holds (
    hold_id TEXT PRIMARY KEY,
    call_id TEXT,
    number TEXT,
    why TEXT NOT NULL,
    placed_by TEXT NOT NULL,
    placed_us BIGINT NOT NULL
);

-- When the numbers in the record of a call were taken out of it, and out of the journal.
ALTER TABLE calls ADD COLUMN erased_us BIGINT;
