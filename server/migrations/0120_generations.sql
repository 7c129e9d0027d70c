-- Generations of the plan: what each was, how it came and how it ended, and the texts of the last ones.
ALTER TABLE generations ADD COLUMN how TEXT NOT NULL DEFAULT '"reload"';
-- applying, in-service, canary, replaced, rolled-back, failed or set-aside
ALTER TABLE generations ADD COLUMN state TEXT NOT NULL DEFAULT 'replaced';
ALTER TABLE generations ADD COLUMN message TEXT;
ALTER TABLE generations ADD COLUMN changes TEXT NOT NULL DEFAULT '[]';
-- For whom it is a canary, and how long it is watched.
ALTER TABLE generations ADD COLUMN terms TEXT;
-- The last that was told of it.
ALTER TABLE generations ADD COLUMN why TEXT;
ALTER TABLE generations ADD COLUMN told_by TEXT;
ALTER TABLE generations ADD COLUMN told_us BIGINT;

-- Texts are kept once, however many generations share them.
CREATE TABLE plan_texts (
    sha256 TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE generation_files (
    generation BIGINT NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (generation, file)
);
