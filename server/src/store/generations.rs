//! Generations of the plan: every plan that was taken, whole, with who, when, why and how it ended.
//!
//! Texts are kept of the last [`KEPT_TEXTS`] and of whatever is in service; the rows of the last [`KEPT_ROWS`].

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use tandem_switch::{name::PartyNumber, time::Timestamp};

use super::{
    Store, StoreError,
    db::{Arg, Row, args, json},
    sql,
};

/// Generations whose texts are kept.
pub const KEPT_TEXTS: u64 = 50;
/// Generations that are known at all.
pub const KEPT_ROWS: u64 = 1_000;

/// A plan that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Counts up by one with each plan that is taken or set aside.
    pub generation: u64,
    /// Who asked for it: a token's name, `start`, `signal` or `watch`.
    pub by: String,
    /// How it came.
    #[serde(default)]
    pub how: How,
    /// What was to become of it when it was written down.
    #[serde(default)]
    pub state: PlanState,
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What differs from the plan that was in service, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// For whom, and how it is watched.
    #[serde(default, skip_serializing_if = "Terms::is_none")]
    pub terms: Terms,
    /// Each file and the SHA-256 of its bytes, in hexadecimal.
    pub files: Vec<PlanFile>,
    /// When.
    pub at: Timestamp,
}

/// One file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFile {
    /// Its path below the configuration folder.
    pub file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// How a plan came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It lay in the folder when the switch started.
    Start,
    /// The folder was read again.
    #[default]
    Reload,
    /// Somebody sent it.
    Apply,
    /// Somebody edited the files and wanted that in service.
    Edit,
    /// Somebody sent it for some calls only.
    Canary,
    /// An older generation came back.
    Rollback(u64),
    /// It lay in the folder, was not in service, and had to make room there.
    Folder,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Reload => f.write_str("reload"),
            Self::Apply => f.write_str("apply"),
            Self::Edit => f.write_str("edit"),
            Self::Canary => f.write_str("canary"),
            Self::Rollback(to) => write!(f, "rollback to {to}"),
            Self::Folder => f.write_str("folder"),
        }
    }
}

/// Where a generation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// It is being written into the folder.
    Applying,
    /// All calls run on it, but those of a canary.
    #[default]
    InService,
    /// Some calls run on it.
    Canary,
    /// Another one came.
    Replaced,
    /// It was taken back.
    RolledBack,
    /// It could not be taken into service.
    Failed,
    /// It never was in service: see [`How::Folder`].
    SetAside,
}

impl PlanState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::InService => "in-service",
            Self::Canary => "canary",
            Self::Replaced => "replaced",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::SetAside => "set-aside",
        }
    }
}

/// For whom a plan is, and how it is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The calls of a canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// When it goes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchTerms>,
}

impl Terms {
    const fn is_none(&self) -> bool {
        self.share.is_none() && self.watch.is_none()
    }
}

/// Which calls run on a canary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Of 10,000 callers so many.
    pub per_10000: u16,
    /// Calls from or to these, always.
    pub numbers: Vec<PartyNumber>,
}

/// When a plan is too bad to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRules {
    /// How long it is watched, in ms.
    pub for_ms: u64,
    /// Of 10,000 calls so many may go wrong.
    pub max_errors_per_10000: u16,
    /// Calls that must have ended before anything is concluded.
    pub least_calls: u32,
}

impl Default for WatchRules {
    /// Ten minutes, 5%, 20 calls.
    fn default() -> Self {
        Self { for_ms: 600_000, max_errors_per_10000: 500, least_calls: 20 }
    }
}

/// A watch as it was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchTerms {
    /// When it is too bad.
    pub rules: WatchRules,
    /// The generation that comes back then.
    pub back_to: u64,
    /// The end of the watch.
    pub until: Timestamp,
}

/// What became of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanNews {
    /// Which.
    pub generation: u64,
    /// Where it stands now.
    pub state: PlanState,
    /// Why, in a sentence.
    pub why: String,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl PlanNews {
    pub(super) const fn kind(&self) -> &'static str {
        match self.state {
            PlanState::Applying | PlanState::SetAside => "plan-set-aside",
            PlanState::InService => "plan-in-service",
            PlanState::Canary => "plan-canary",
            PlanState::Replaced => "plan-replaced",
            PlanState::RolledBack => "plan-rolled-back",
            PlanState::Failed => "plan-failed",
        }
    }

    pub(super) fn change(&self) -> (&'static str, Vec<Arg>) {
        let Self { generation, state, why, by, at } = self;
        (sql::GENERATION_NEWS, args![*generation, state.as_str(), why.as_str(), by.as_str(), *at].into())
    }
}

/// The texts of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTexts {
    /// Which.
    pub generation: u64,
    /// All its files.
    pub files: Vec<PlanFile>,
    /// Texts that may not be kept yet, each with its SHA-256.
    pub texts: Vec<(String, Arc<str>)>,
}

impl PlanTexts {
    pub(super) fn changes(&self) -> Vec<(&'static str, Vec<Arg>)> {
        let texts = self.texts.iter().map(|(sha256, text)| (sql::PUT_PLAN_TEXT, args![sha256.as_str(), &**text].into()));
        let files = self.files.iter().map(|PlanFile { file, sha256 }| {
            (sql::PUT_GENERATION_FILE, args![self.generation, file.as_str(), sha256.as_str()].into())
        });
        texts.chain(files).collect()
    }
}

/// A generation and the last that was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRow {
    /// As it was taken; its state is where it stands now.
    pub taken: Generation,
    /// What became of it since; the state is that of `taken`.
    pub news: Option<PlanNews>,
}

/// What a plan that is taken does to the tables.
pub(super) fn taken(generation: &Generation) -> Vec<(&'static str, Vec<Arg>)> {
    let Generation { generation, by, how, state, message, changes, terms, files, at } = generation;
    let terms = (!terms.is_none()).then(|| json(terms));
    let row =
        args![*generation, *at, by.as_str(), json(files), json(how), state.as_str(), message.as_deref(), json(changes), terms];
    vec![
        (sql::PUT_GENERATION, row.into()),
        (sql::DROP_OLD_GENERATION_FILES, args![generation.saturating_sub(KEPT_TEXTS)].into()),
        (sql::DROP_OLD_PLAN_TEXTS, Vec::new()),
        (sql::DROP_OLD_GENERATIONS, args![generation.saturating_sub(KEPT_ROWS)].into()),
    ]
}

impl Store {
    /// The last `limit` generations before `before`, newest first.
    pub async fn generations(&self, before: Option<u64>, limit: u32) -> Result<Vec<GenerationRow>, StoreError> {
        let before = before.unwrap_or(i64::MAX.cast_unsigned());
        self.db.fetch(sql::GENERATIONS, &args![before, limit]).await?.iter().map(row).collect()
    }

    /// One of them.
    pub async fn generation(&self, generation: u64) -> Result<Option<GenerationRow>, StoreError> {
        self.db.fetch_one(sql::GENERATION, &args![generation]).await?.as_ref().map(row).transpose()
    }

    /// Path and text of each file of a generation, by path; empty when they are not kept any more.
    pub async fn plan_texts(&self, generation: u64) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.db.fetch(sql::PLAN_TEXTS, &args![generation]).await?;
        rows.iter().map(|row| Ok((row.get("file")?, row.get("body")?))).collect()
    }

    /// The text of a hash, if a generation that is kept has it.
    pub async fn plan_text(&self, sha256: &str) -> Result<Option<String>, StoreError> {
        self.db.fetch_one(sql::PLAN_TEXT, &args![sha256]).await?.map(|row| row.get("body")).transpose()
    }
}

fn row(row: &Row) -> Result<GenerationRow, StoreError> {
    let generation = row.count("generation")?;
    let state = row.word("state")?.ok_or(StoreError::Unreadable { column: "state" })?;
    let terms: Option<String> = row.get("terms")?;
    let terms = terms.map(|terms| serde_json::from_str(&terms)).transpose();
    let news = match row.get::<Option<String>>("why")? {
        Some(why) => Some(PlanNews {
            generation,
            state,
            why,
            by: row.get::<Option<String>>("told_by")?.unwrap_or_default(),
            at: row.maybe_at("told_us")?.unwrap_or_default(),
        }),
        None => None,
    };
    let taken = Generation {
        generation,
        by: row.get("loaded_by")?,
        how: row.json("how")?,
        state,
        message: row.get("message")?,
        changes: row.json("changes")?,
        terms: terms.map_err(|_| StoreError::Unreadable { column: "terms" })?.unwrap_or_default(),
        files: row.json("files")?,
        at: row.at("loaded_us")?,
    };
    Ok(GenerationRow { taken, news })
}
