-- What sets an item apart from any call (its medium, whom it is kept for, its deadline), as JSON; NULL for any call.
ALTER TABLE items ADD COLUMN work TEXT;
-- How a conversation that is no call stands with its agent, and whose turn it is; NULL: active, the agent's.
ALTER TABLE items ADD COLUMN standing TEXT;
ALTER TABLE items ADD COLUMN turn TEXT;
-- What a person can do at a time, as JSON; NULL: as by default.
ALTER TABLE people ADD COLUMN capacity TEXT;
