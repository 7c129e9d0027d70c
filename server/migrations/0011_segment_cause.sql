-- Why a segment ended, where that says something: a transfer.
ALTER TABLE segments ADD COLUMN cause TEXT;
