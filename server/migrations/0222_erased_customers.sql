-- Since when nothing is known of a customer any more but figures.
ALTER TABLE customers ADD COLUMN erased_us BIGINT;
-- The key under which addresses that must not be contacted are kept of people who were erased, hexadecimal. One row, or none.
CREATE TABLE suppression_key (
    only_row BIGINT PRIMARY KEY,
    secret TEXT NOT NULL
);
