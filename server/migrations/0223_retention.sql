-- What ages by itself, in days; NULL: never. One row, or none. last_us: when it last did.
CREATE TABLE retention (
    only_row BIGINT PRIMARY KEY,
    calls_days BIGINT,
    customers_days BIGINT,
    last_us BIGINT
);
