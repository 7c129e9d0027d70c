-- What became of the check of a signed caller id (RFC 8224); NULL where none is checked.
ALTER TABLE calls ADD COLUMN identity TEXT;
