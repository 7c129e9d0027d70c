-- format: wav or opus. sealed: 1 when the file is. capture: the file that the recording is still to be made of; NULL when
-- nothing is left to do. retain_days: for how long; NULL is for ever. remote: what it is called in the store; local: 0 when
-- the file is not in the folder any more. state has two more words: captured (complete, and being made into what is kept)
-- and deleted (the audio is gone, by age or by hand).
ALTER TABLE recordings ADD COLUMN format TEXT NOT NULL DEFAULT 'wav';
ALTER TABLE recordings ADD COLUMN sealed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN capture TEXT;
ALTER TABLE recordings ADD COLUMN retain_days BIGINT;
ALTER TABLE recordings ADD COLUMN remote TEXT;
ALTER TABLE recordings ADD COLUMN local BIGINT NOT NULL DEFAULT 1;
CREATE INDEX recordings_to_finish ON recordings (recording_id) WHERE capture IS NOT NULL;
CREATE INDEX recordings_to_delete ON recordings (started_us) WHERE retain_days IS NOT NULL AND state <> 'deleted';

-- What a recording looks like. peaks: two hexadecimal digits for left and two for right of each spell.
CREATE TABLE waveforms (
    recording_id TEXT PRIMARY KEY,
    spell_ms BIGINT NOT NULL,
    peaks TEXT NOT NULL
);
