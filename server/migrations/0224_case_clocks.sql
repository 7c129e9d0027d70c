-- Within what time a case is to be answered, and solved, in s; NULL: no promise.
ALTER TABLE cases ADD COLUMN respond_within_s BIGINT;
ALTER TABLE cases ADD COLUMN resolve_within_s BIGINT;
