-- Sources that the switch does not hear for a while; one row each, kept over a restart.
CREATE TABLE bans (
    source TEXT PRIMARY KEY,
    offence TEXT NOT NULL,
    times BIGINT NOT NULL,
    began_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL
);
