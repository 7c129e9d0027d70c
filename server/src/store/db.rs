//! The two databases behind one small face: a statement, its arguments, its rows.
//!
//! Every statement is the same text on both (`$1` placeholders); only this file tells them apart.

use std::{path::Path, str::FromStr, sync::OnceLock, time::Duration};

use sqlx::{
    ConnectOptions, Decode, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction, Type,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tandem_switch::time::Timestamp;

mod lite;

use lite::LiteTx;

use super::StoreError;

/// How long a statement waits for a free connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(20);
/// How long SQLite waits for another process that writes.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const LITE_CONNECTIONS: u32 = 4;
const PG_CONNECTIONS: u32 = 8;
/// Every table is found by an index.
const BEGIN_WRITING: &str =
    "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
/// Rows in one insert at most.
const MOST_ROWS: usize = 64;
/// Up to so many rows go in one insert of just this length; more go in inserts of a power of two. So the texts are
/// few, and all stay prepared.
const EXACT_ROWS: usize = 12;

/// A pool of connections to one of the two databases.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Lite(SqlitePool),
    Pg(PgPool),
}

/// A transaction; rolled back when dropped.
pub(super) enum Tx {
    Lite(LiteTx),
    Pg(Transaction<'static, Postgres>),
}

/// One row of an answer.
pub(super) enum Row {
    Lite(SqliteRow),
    Pg(PgRow),
}

/// One argument of a statement.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Text(Option<String>),
    Big(Option<i64>),
    Flag(bool),
}

macro_rules! on {
    ($which:expr, $kind:ident, $one:ident => $body:expr) => {
        match $which {
            $kind::Lite($one) => $body,
            $kind::Pg($one) => $body,
        }
    };
}

macro_rules! bound {
    ($sql:expr, $args:expr) => {{
        let mut query = sqlx::query($sql);
        for arg in $args {
            query = match arg {
                Arg::Text(text) => query.bind(text.as_deref()),
                Arg::Big(number) => query.bind(*number),
                Arg::Flag(flag) => query.bind(*flag),
            };
        }
        query
    }};
}

impl Db {
    /// Opens a PostgreSQL URL, or else an SQLite file, which is made when it is not there.
    pub(super) async fn open(at: &str) -> Result<Self, StoreError> {
        if at.starts_with("postgres://") || at.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(at).map_err(|_| StoreError::BadUrl)?;
            let options = options.application_name("tandem").statement_cache_capacity(256).disable_statement_logging();
            let pool = PgPoolOptions::new().max_connections(PG_CONNECTIONS).acquire_timeout(CONNECTION_WAIT);
            return Ok(Self::Pg(pool.connect_with(options).await.map_err(StoreError::Open)?));
        }
        let path = Path::new(at);
        make_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk when it returns: registrations, CDRs and the audit survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_WAIT)
            .foreign_keys(true)
            .statement_cache_capacity(256)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(LITE_CONNECTIONS).acquire_timeout(CONNECTION_WAIT);
        Ok(Self::Lite(pool.connect_with(options).await.map_err(StoreError::Open)?))
    }

    /// A database in memory, for as long as this is held.
    pub(super) async fn scratch() -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
        // It is its one connection's: that must neither be given up nor have a twin.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        Ok(Self::Lite(pool.connect_with(options).await.map_err(StoreError::Open)?))
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        let migrator = sqlx::migrate!("./migrations");
        on!(self, Db, pool => migrator.run(pool).await).map_err(StoreError::Migrate)
    }

    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Lite(pool) => Tx::Lite(LiteTx::begin(pool).await?),
            Self::Pg(pool) => Tx::Pg(pool.begin().await?),
        })
    }

    /// A transaction for changes of many rows by their keys. PostgreSQL keeps the plan of a statement that it carries out again
    /// and again: made while a table is new, it would read all of it each time.
    pub(super) async fn begin_writing(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Lite(pool) => Tx::Lite(LiteTx::begin(pool).await?),
            Self::Pg(pool) => Tx::Pg(pool.begin_with(BEGIN_WRITING).await?),
        })
    }

    /// A transaction that only reads, and sees what there was at its first statement until its end.
    pub(super) async fn snapshot(&self) -> Result<Tx, StoreError> {
        let mut tx = self.begin().await?;
        if matches!(tx, Tx::Pg(_)) {
            tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", &[]).await?;
        }
        Ok(tx)
    }

    /// Rows changed.
    pub(super) async fn execute(&self, sql: &'static str, args: &[Arg]) -> Result<u64, StoreError> {
        Ok(on!(self, Db, pool => bound!(sql, args).execute(pool).await?.rows_affected()))
    }

    pub(super) async fn fetch(&self, sql: &'static str, args: &[Arg]) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Lite(pool) => bound!(sql, args).fetch_all(pool).await?.into_iter().map(Row::Lite).collect(),
            Self::Pg(pool) => bound!(sql, args).fetch_all(pool).await?.into_iter().map(Row::Pg).collect(),
        })
    }

    pub(super) async fn fetch_one(&self, sql: &'static str, args: &[Arg]) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(sql, args).await?.into_iter().next())
    }

    pub(super) async fn close(&self) {
        on!(self, Db, pool => pool.close().await);
    }
}

impl Tx {
    pub(super) async fn execute(&mut self, sql: &'static str, args: &[Arg]) -> Result<u64, StoreError> {
        Ok(on!(self, Tx, tx => bound!(sql, args).execute(&mut **tx).await?.rows_affected()))
    }

    pub(super) async fn fetch(&mut self, sql: &'static str, args: &[Arg]) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Lite(tx) => bound!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Lite).collect(),
            Self::Pg(tx) => bound!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Pg).collect(),
        })
    }

    /// Inserts many rows with as few statements as possible.
    pub(super) async fn insert(&mut self, rows: &Rows) -> Result<(), StoreError> {
        let mut rest = rows.args.as_slice();
        while !rest.is_empty() {
            let count = rows_at_once(rest.len() / rows.insert.width);
            let (now, later) = rest.split_at(count * rows.insert.width);
            let sql = rows.insert.text(count, self.takes_bare_marks());
            on!(&mut *self, Tx, tx => bound!(sql, now).execute(&mut **tx).await?.rows_affected());
            rest = later;
        }
        Ok(())
    }

    /// SQLite counts bare `?` marks itself. To look hundreds of numbered ones up costs it more than the insert.
    const fn takes_bare_marks(&self) -> bool {
        matches!(self, Self::Lite(_))
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(on!(self, Tx, tx => tx.commit().await)?)
    }
}

impl Row {
    pub(super) fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(on!(self, Row, row => row.try_get(column))?)
    }

    pub(super) fn at(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp)
    }

    pub(super) fn maybe_at(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }

    /// A count or a number of milliseconds or bytes: never negative.
    pub(super) fn count(&self, column: &str) -> Result<u64, StoreError> {
        Ok(self.get::<i64>(column)?.max(0).cast_unsigned())
    }

    pub(super) fn maybe_count(&self, column: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(|count| count.max(0).cast_unsigned()))
    }

    /// Text that something else reads: an identifier, a closed word.
    pub(super) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.get::<&str>(column)?.parse().map_err(|_| StoreError::Unreadable { column })
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(self.get::<&str>(column)?).map_err(|_| StoreError::Unreadable { column })
    }

    /// A word that serde spells (`no-answer`), `None` where the column is NULL.
    pub(super) fn word<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let word: Option<String> = self.get(column)?;
        word.map(|word| serde_json::from_value(word.into())).transpose().map_err(|_| StoreError::Unreadable { column })
    }
}

/// A multi-row insert: `into` names table and columns, `tail` what happens on a conflict. Also any other statement that takes
/// such rows: `into` is what stands before them, `tail` what stands behind.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) into: &'static str,
    pub(super) width: usize,
    pub(super) tail: &'static str,
    /// Its statements for each number of rows, with numbered marks and with bare ones; made when first wanted.
    pub(super) texts: [[OnceLock<String>; MOST_ROWS + 1]; 2],
}

/// How many of so many rows go into the next insert.
fn rows_at_once(rows: usize) -> usize {
    if rows <= EXACT_ROWS { rows } else { MOST_ROWS.min(1 << rows.ilog2()) }
}

impl Insert {
    pub(super) const fn new(into: &'static str, width: usize, tail: &'static str) -> Self {
        Self { into, width, tail, texts: [const { [const { OnceLock::new() }; MOST_ROWS + 1] }; 2] }
    }

    /// The statement for `rows` rows, at most [`MOST_ROWS`].
    pub(super) fn text(&'static self, rows: usize, bare: bool) -> &'static str {
        self.texts[usize::from(bare)][rows].get_or_init(|| self.made(rows, bare))
    }

    fn made(&self, rows: usize, bare: bool) -> String {
        let mark = |number: usize| if bare { "?".to_owned() } else { format!("${number}") };
        let row = |row: usize| (1..=self.width).map(|column| mark(row * self.width + column)).collect::<Vec<_>>().join(", ");
        let rows = (0..rows).map(|at| format!("({})", row(at))).collect::<Vec<_>>().join(", ");
        format!("{} VALUES {rows}{}", self.into, self.tail)
    }
}

/// Rows on their way into one table.
#[derive(Debug)]
pub(super) struct Rows {
    insert: &'static Insert,
    args: Vec<Arg>,
}

impl Rows {
    pub(super) const fn new(insert: &'static Insert) -> Self {
        Self { insert, args: Vec::new() }
    }

    /// Whether this is where they go.
    pub(super) fn is_of(&self, insert: &'static Insert) -> bool {
        std::ptr::eq(self.insert, insert)
    }

    pub(super) fn push<const WIDTH: usize>(&mut self, row: [Arg; WIDTH]) {
        assert_eq!(WIDTH, self.insert.width, "as many values as columns");
        self.args.extend(row);
    }
}

/// PostgreSQL takes no NUL in text; what a caller sent may hold one.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Some(without_nul(text)))
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::Text(text.map(without_nul))
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Option<&str>> for Arg {
    fn from(text: Option<&str>) -> Self {
        text.map(str::to_owned).into()
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Big(Some(number))
    }
}

impl From<u64> for Arg {
    fn from(number: u64) -> Self {
        Self::Big(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl From<Option<u64>> for Arg {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Big(None), Self::from)
    }
}

impl From<u32> for Arg {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<Timestamp> for Arg {
    fn from(at: Timestamp) -> Self {
        at.0.into()
    }
}

impl From<Option<Timestamp>> for Arg {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Big(at.map(|at| at.0))
    }
}

impl From<bool> for Arg {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A structure kept as JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types have string keys")
}

macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::store::db::Arg::from($arg)),*] };
}
pub(super) use args;

/// Makes the file of an SQLite database, readable by its owner only: it holds password hashes.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let make = || {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map(drop)
    };
    make().map_err(|error| StoreError::File { path: path.into(), error })
}
