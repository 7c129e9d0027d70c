//! What outlives the process: the journal and its projections, people, tokens and plans, on SQLite or PostgreSQL.
//!
//! Loops never wait for it: they hand [`Record`]s to the [`Writer`], which appends them to the journal and
//! changes the tables in one transaction. Everything else here reads, or changes what admins change
//! (people, tokens), and may be called from anywhere but a loop.

mod audits;
mod bans;
mod bindings;
mod calls;
mod changes;
mod conferences;
mod counting;
mod customers;
mod customers_put;
mod customers_read;
mod customers_sql;
mod customers_verify;
mod db;
mod devices;
mod events;
mod figures;
mod floor_entry;
mod floor_sql;
mod generations;
mod items;
mod logins;
mod lookup;
mod messages;
mod people;
mod privacy;
mod project;
mod record;
mod recordings;
mod restore;
mod rollups;
mod rules;
mod rules_sql;
mod schedules;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod told;
mod tolls;
mod verify;
mod webhooks;
mod writer;

use std::path::{Path, PathBuf};

pub use audits::{AuditFilter, AuditPage};
pub use bans::Ban;
pub use bindings::{Binding, BindingWay};
pub use calls::{CallRecord, CdrFilter};
pub use conferences::{ConferenceNews, Membership};
pub use counting::{By, FigureQuery, FigureRow, NoFigures};
pub use customers::{
    CaseRow, CaseState, CustomerChange, CustomerNews, CustomerRow, DispositionRow, IdentityRow, InteractionRow, LinkRow, NoteRow,
};
pub use events::{FeedRow, JournalRow};
pub use figures::WaitRow;
pub use generations::{
    Generation, GenerationRow, How, KEPT_ROWS, KEPT_TEXTS, PlanFile, PlanNews, PlanState, PlanTexts, Share, Terms, WatchRules,
    WatchTerms,
};
pub use items::{ItemStory, OfferRow};
pub use logins::{IDLE_MS, Login, MOST_FAILURES, Role, SESSION_PREFIX, Session};
pub use lookup::LookupTerms;
pub use messages::{MessageFilter, MessageLeft, MessageRow, MessageStarted, MessageState};
pub use people::{Person, Secret};
pub use privacy::{Belongings, ErasedCall, ErasedCustomer, Hold, Number, PersonCall, Redaction, RetentionTerms, is_hashed};
pub use record::{Audit, CallStarted, Doer, Record, RecordingStarted};
pub use recordings::{Happened, KeptAs, RecordingNews, RecordingRow, RecordingState};
pub use restore::{KeptRow, Restart};
pub use rules::{
    CallOf, Deed, DeedRow, DeedState, DeedTodo, Happening, ItemOf, MessageOf, OutboxMessage, OutboxRow, RuleChange, RuleNews,
    TimerRow,
};
pub use schedules::ScheduleTurned;
pub use tokens::{Scope, Token, TokenCheck};
pub use told::Told;
pub use verify::{Difference, Verified};
pub use webhooks::{DeadRow, OLD_SECRET_MS, WebhookProgress, WebhookRow, WebhookTerms};
pub use writer::{Refused, Writer};

use db::Db;
use events::Feed;

/// A database that cannot be opened, reached or understood.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one; its text may hold a password and is not repeated.
    #[error("the database URL cannot be read: expected postgres://USER@HOST/NAME, or the path of a file")]
    BadUrl,
    /// The database file cannot be made or opened.
    #[error("the database file {path} cannot be opened: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// No connection.
    #[error("the database cannot be opened")]
    Open(#[source] sqlx::Error),
    /// The tables cannot be made or brought up to date.
    #[error("the tables of the database cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the database did not carry out a statement")]
    Statement(#[from] sqlx::Error),
    /// A row holds what this version does not understand.
    #[error("the database holds something unreadable in column {column}")]
    Unreadable {
        /// Where.
        column: &'static str,
    },
}

impl StoreError {
    /// Whether the database refused the values themselves, so that trying again cannot help.
    fn is_refusal(&self) -> bool {
        use sqlx::error::ErrorKind;
        match self {
            Self::Statement(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                // PostgreSQL: class 22, "data exception". SQLite: too big, constraint, mismatch, in the low byte.
                let bad_data = match code.parse::<u32>() {
                    Ok(code) if code < 10_000 => matches!(code & 0xff, 18..=20),
                    _ => code.len() == 5 && code.starts_with("22"),
                };
                bad_data || !matches!(error.kind(), ErrorKind::Other)
            }
            Self::Statement(sqlx::Error::Encode(_)) => true,
            _ => false,
        }
    }
}

/// The store: cheap to clone, shared by all.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    feed: Feed,
}

impl Store {
    /// Opens a database: a `postgres://` URL, or the path of an SQLite file, which is made when it is not there.
    pub async fn open(at: &str) -> Result<Self, StoreError> {
        Ok(Self { db: Db::open(at).await?, feed: Feed::new() })
    }

    /// Opens the embedded database of a data folder, `tandem.db`.
    pub async fn open_folder(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("tandem.db");
        Self::open(path.to_str().ok_or(StoreError::BadUrl)?).await
    }

    /// Makes the tables, or brings those of an older version up to date.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.db.migrate().await?;
        self.fill_figures().await
    }

    /// Appends records and changes the tables at once, past the [`Writer`]'s queue: for admin's changes and start-up.
    pub async fn commit(&self, records: &[Record]) -> Result<(), StoreError> {
        self.change(&[], records).await
    }

    /// Closes all connections, after those in use are given back.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Runs statements and appends records in one transaction.
    async fn change(&self, statements: &[(&'static str, Vec<db::Arg>)], records: &[Record]) -> Result<(), StoreError> {
        let batch = project::Batch::new(records);
        let mut tx = self.db.begin_writing().await?;
        // The journal first: its head is the lock that puts all writers in one order.
        let rows = batch.write(&mut tx).await?;
        for (statement, args) in statements {
            tx.execute(statement, args).await?;
        }
        tx.commit().await?;
        self.feed.publish(rows);
        Ok(())
    }
}
