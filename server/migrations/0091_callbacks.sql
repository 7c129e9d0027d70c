-- What was promised to a caller who is called back instead of waiting on the line.
ALTER TABLE items ADD COLUMN callback TEXT;
