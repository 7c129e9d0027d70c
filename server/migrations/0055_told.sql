-- What the trunk of a call told beside its numbers: a JSON object of texts, by name.
ALTER TABLE calls ADD COLUMN told TEXT;
