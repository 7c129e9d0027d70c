//! Tables that are compared column by column, and a row of any of them.

use std::fmt;

use crate::store::{db::Arg, sql::statements};

statements! {
    CALL_IDS = "SELECT call_id, ended_us FROM calls WHERE call_id > $1 ORDER BY call_id LIMIT $2";
    ALL_ITEMS = "SELECT item_id AS row_key, '' AS row_key2, call_id AS c0, queue AS c1, state AS c2, agent AS c3, \
        CAST(queued_us AS TEXT) AS c4, CAST(served_us AS TEXT) AS c5, CAST(ended_us AS TEXT) AS c6, reason AS c7 \
        FROM items WHERE (item_id, '') > ($1, $2) ORDER BY item_id LIMIT $3";
    ALL_OFFERS = "SELECT offer_id AS row_key, '' AS row_key2, item_id AS c0, agent AS c1, CAST(offered_us AS TEXT) AS c2, \
        CAST(ended_us AS TEXT) AS c3, outcome AS c4, cause AS c5 FROM offers WHERE (offer_id, '') > ($1, $2) ORDER BY offer_id LIMIT $3";
    ALL_RECORDINGS = "SELECT recording_id AS row_key, '' AS row_key2, call_id AS c0, path AS c1, state AS c2, \
        CAST(started_us AS TEXT) AS c3, CAST(ended_us AS TEXT) AS c4, CAST(duration_ms AS TEXT) AS c5, \
        CAST(size_bytes AS TEXT) AS c6, reason AS c7, remote AS c8, CAST(local AS TEXT) AS c9 FROM recordings \
        WHERE (recording_id, '') > ($1, $2) ORDER BY recording_id LIMIT $3";
    MESSAGES_KEPT = "SELECT message_id AS row_key, '' AS row_key2, mailbox AS c0, call_id AS c1, from_number AS c2, path AS c3, \
        state AS c4, CAST(duration_ms AS TEXT) AS c5, CAST(size_bytes AS TEXT) AS c6 FROM messages \
        WHERE (message_id, '') > ($1, $2) ORDER BY message_id LIMIT $3";
    ALL_BINDINGS = "SELECT extension AS row_key, contact AS row_key2 FROM bindings \
        WHERE (extension, contact) > ($1, $2) ORDER BY extension, contact LIMIT $3";
    ALL_BANS = "SELECT source AS row_key, '' AS row_key2, offence AS c0, CAST(times AS TEXT) AS c1, \
        CAST(began_us AS TEXT) AS c2, CAST(until_us AS TEXT) AS c3 FROM bans WHERE (source, '') > ($1, $2) ORDER BY source LIMIT $3";
    ALL_SWITCHES = "SELECT schedule AS row_key, '' AS row_key2, says AS c0, turned_by AS c1, CAST(turned_us AS TEXT) AS c2, \
        CAST(until_us AS TEXT) AS c3 FROM schedule_switches WHERE (schedule, '') > ($1, $2) ORDER BY schedule LIMIT $3";
    ALL_GENERATIONS = "SELECT CAST(generation AS TEXT) AS row_key, '' AS row_key2, state AS c0, loaded_by AS c1, \
        CAST(loaded_us AS TEXT) AS c2, why AS c3 FROM generations WHERE (CAST(generation AS TEXT), '') > ($1, $2) \
        ORDER BY CAST(generation AS TEXT) LIMIT $3";
}

/// A table: its name, the statement that reads it, and its columns but the key.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) read: &'static str,
    pub(super) columns: &'static [&'static str],
}

pub(super) static ITEMS: Table = Table {
    name: "items",
    read: ALL_ITEMS,
    columns: &["call_id", "queue", "state", "agent", "queued_us", "served_us", "ended_us", "reason"],
};
pub(super) static OFFERS: Table =
    Table { name: "offers", read: ALL_OFFERS, columns: &["item_id", "agent", "offered_us", "ended_us", "outcome", "cause"] };
pub(super) static RECORDINGS: Table = Table {
    name: "recordings",
    read: ALL_RECORDINGS,
    columns: &["call_id", "path", "state", "started_us", "ended_us", "duration_ms", "size_bytes", "reason", "remote", "local"],
};
pub(super) static MESSAGES: Table = Table {
    name: "messages",
    read: MESSAGES_KEPT,
    columns: &["mailbox", "call_id", "from_number", "path", "state", "duration_ms", "size_bytes"],
};
pub(super) static BINDINGS: Table = Table { name: "bindings", read: ALL_BINDINGS, columns: &[] };
pub(super) static BANS: Table = Table { name: "bans", read: ALL_BANS, columns: &["offence", "times", "began_us", "until_us"] };
pub(super) static SWITCHES: Table =
    Table { name: "schedule_switches", read: ALL_SWITCHES, columns: &["says", "turned_by", "turned_us", "until_us"] };
pub(super) static GENERATIONS: Table =
    Table { name: "generations", read: ALL_GENERATIONS, columns: &["state", "loaded_by", "loaded_us", "why"] };

/// A row, by column.
#[derive(Clone, PartialEq)]
pub(super) struct Folded {
    pub(super) columns: &'static [&'static str],
    pub(super) values: Vec<Option<String>>,
}

impl fmt::Debug for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.columns.iter().zip(&self.values).filter_map(|(column, value)| Some((column, value.as_ref()?)));
        f.write_str(&shown.map(|(column, value)| format!("{column}={value}")).collect::<Vec<_>>().join(" "))
    }
}

impl Folded {
    pub(super) fn new(table: &'static Table, values: impl IntoIterator<Item = Arg>) -> Self {
        let values = values.into_iter().map(|value| match value {
            Arg::Text(text) => text,
            Arg::Big(number) => number.map(|number| number.to_string()),
            Arg::Flag(flag) => Some(flag.to_string()),
        });
        Self { columns: table.columns, values: values.collect() }
    }

    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.at(column).and_then(|at| self.values[at].as_deref())
    }

    pub(super) fn set(&mut self, column: &str, value: impl Into<Option<String>>) {
        if let Some(at) = self.at(column) {
            self.values[at] = value.into();
        }
    }

    fn at(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| *known == column)
    }
}
