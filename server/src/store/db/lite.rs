//! A transaction of SQLite that knows what SQLite itself did.
//!
//! When a statement or a commit fails for want of disk space, SQLite may have rolled the transaction back already. Who counts
//! transactions (as the pool's own do) believes then that one is still there: the next one becomes a savepoint of it, its commit
//! commits nothing, and what was acknowledged is lost with the connection. Here a transaction that does not end as it should takes
//! its connection along.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::runtime::Handle;

use super::StoreError;

/// A transaction; rolled back when dropped.
pub(in crate::store) struct LiteTx {
    /// There until the end.
    connection: Option<PoolConnection<Sqlite>>,
}

impl LiteTx {
    pub(super) async fn begin(pool: &SqlitePool) -> Result<Self, StoreError> {
        // It is a transaction before it has begun, so that whoever stops waiting in between leaves nothing open.
        let mut tx = Self { connection: Some(pool.acquire().await?) };
        sqlx::query("BEGIN").execute(&mut *tx).await?;
        Ok(tx)
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        // Back into the pool.
        drop(self.connection.take());
        Ok(())
    }
}

impl Deref for LiteTx {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect("there until the end")
    }
}

impl DerefMut for LiteTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("there until the end")
    }
}

impl Drop for LiteTx {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return connection.close_on_drop() };
        runtime.spawn(async move {
            // There may be no transaction any more, or one that nobody knows the state of.
            if sqlx::query("ROLLBACK").execute(&mut *connection).await.is_err() {
                drop(connection.close().await);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use crate::store::{
        db::{Db, args},
        testing::TestDb,
    };

    const PUT: &str = "INSERT INTO dispositions (code, label, offered) VALUES ($1, 'x', TRUE)";
    const COUNT: &str = "SELECT COUNT(*) AS many FROM dispositions";

    #[tokio::test]
    async fn what_is_committed_after_sqlite_rolled_back_by_itself_is_on_the_disk() {
        let file = TestDb::lite();
        let store = file.open().await;
        let db = &store.db;
        // As a full disk does it, on each connection of the pool.
        for _ in 0..8 {
            let mut tx = db.begin().await.unwrap();
            tx.execute("ROLLBACK", &[]).await.unwrap();
            assert!(tx.commit().await.is_err());
        }
        // A few that fail half-way, and then some that do not.
        for code in 0..8 {
            let mut tx = db.begin().await.unwrap();
            tx.execute(PUT, &args![format!("lost-{code}")]).await.unwrap();
        }
        for code in 0..8 {
            let mut tx = db.begin().await.unwrap();
            tx.execute(PUT, &args![format!("kept-{code}")]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let other = Db::open(&file.url).await.unwrap();
        assert_eq!(other.fetch(COUNT, &[]).await.unwrap()[0].count("many").unwrap(), 8);
    }
}
