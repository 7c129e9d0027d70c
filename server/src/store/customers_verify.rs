//! Whether the tables about customers say what the journal says: made again from its first row in a database in memory, and
//! compared column by column.
//!
//! Of what differs only the columns are told: what stands in them is personal. For the same reason, and because there may be
//! millions of them, only digests of rows are held.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{
    CustomerNews, JournalRow, RuleNews, Store, StoreError,
    customers_sql::TABLES,
    db::{Arg, Db, Row},
    rules_sql,
    verify::Verified,
};

/// Rows that are read at a time.
const PAGE: u32 = 2_000;

/// The tables as the journal has them.
pub(super) struct CustomersAgain(Db);

/// A table whose rows are compared: the text of its key, then of its columns.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) table: &'static str,
    /// Rows after a key, in its order.
    pub(super) page: &'static str,
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [&'static str],
}

/// Digests of the columns of each row, by its key.
type Digests = BTreeMap<Vec<String>, Vec<u64>>;

impl CustomersAgain {
    /// Before the journal's first row.
    pub(super) async fn new() -> Result<Self, StoreError> {
        let again = Db::scratch().await?;
        again.migrate().await?;
        Ok(Self(again))
    }

    /// The next rows of the journal.
    pub(super) async fn apply(&self, rows: &[JournalRow]) -> Result<(), StoreError> {
        let mut tx = self.0.begin().await?;
        for row in rows {
            let of_rules = RuleNews::read(row)?.map(|news| news.changes());
            let changes = CustomerNews::read(row)?.map(|news| news.changes()).or(of_rules);
            for (statement, args) in changes.into_iter().flatten() {
                tx.execute(statement, &args).await?;
            }
        }
        tx.commit().await
    }

    /// Notes what differs.
    pub(super) async fn compare(&self, store: &Store, verified: &mut Verified) -> Result<(), StoreError> {
        for table in TABLES.iter().chain(&rules_sql::TABLES) {
            let (told, mut found) = (table.digests(&self.0).await?, table.digests(&store.db).await?);
            for (key, told) in told {
                verified.compared(table.table);
                match found.remove(&key) {
                    Some(found) if found == told => {}
                    Some(found) => {
                        let pairs = table.columns.iter().zip(told.iter().zip(&found));
                        let differing: Vec<&str> =
                            pairs.filter(|(_, (told, found))| told != found).map(|(name, _)| *name).collect();
                        let differing = differing.join(", ");
                        verified.differ(table.table, &shown(&key), Some(format!("another {differing}")), Some(differing));
                    }
                    None => verified.differ(table.table, &shown(&key), Some("there is one".to_owned()), None),
                }
            }
            for key in found.keys() {
                verified.compared(table.table);
                verified.differ(table.table, &shown(key), None, Some("there is one".to_owned()));
            }
        }
        Ok(())
    }
}

/// A key without the address that may stand in it.
fn shown(key: &[String]) -> String {
    key.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ")
}

impl Compared {
    async fn digests(&self, db: &Db) -> Result<Digests, StoreError> {
        let mut all = Digests::new();
        let mut after = vec![String::new(); self.key.len()];
        loop {
            let mut args: Vec<Arg> = after.iter().map(|part| Arg::from(part.as_str())).collect();
            args.push(Arg::from(PAGE));
            let rows = db.fetch(self.page, &args).await?;
            let Some(last) = rows.last() else { return Ok(all) };
            after = self.key_of(last)?;
            for row in &rows {
                let digest = |column: &&str| row.get::<Option<String>>(column).map(|text| digest(text.as_deref()));
                all.insert(self.key_of(row)?, self.columns.iter().map(digest).collect::<Result<_, _>>()?);
            }
        }
    }

    fn key_of(&self, row: &Row) -> Result<Vec<String>, StoreError> {
        self.key.iter().map(|part| row.get(part)).collect()
    }
}

fn digest(text: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
