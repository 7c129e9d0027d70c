-- What rings for a person as an agent, in which order, as JSON; NULL: the phones of their extension, or the fixed address.
ALTER TABLE people ADD COLUMN devices TEXT;
