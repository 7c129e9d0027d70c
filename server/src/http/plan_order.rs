//! An order to change the plan, and what came of it.

use std::sync::Arc;

use tandem_dialplan::Source;
use tokio::sync::oneshot;

use super::view::{PlanApplied, PlanProblem};
use crate::{
    plan_files::{PlanFiles, Proposal, Refused, Wish},
    store::{Share, WatchRules},
};

/// An order to change the plan.
#[derive(Debug)]
pub struct PlanOrder {
    /// Who gives it: a token's name, `signal` or `watch`.
    pub by: String,
    /// Why, in their words.
    pub message: Option<String>,
    /// What is to be done.
    pub task: PlanTask,
    /// When the new plan goes back by itself; never when `None`.
    pub watch: Option<WatchRules>,
    /// The generation that must be in service for it.
    pub onto: Option<u64>,
    /// Nothing is to be changed: only say what would be.
    pub dry_run: bool,
    /// What came of it.
    pub reply: oneshot::Sender<PlanAnswer>,
}

/// What came of an order.
pub type PlanAnswer = Result<PlanApplied, PlanNotTaken>;

/// What is to be done with the plan.
#[derive(Debug)]
pub enum PlanTask {
    /// The folder is read again.
    Reload,
    /// These files take the place of those in the folder.
    Apply(Vec<Source>),
    /// Some calls run on these files.
    Canary(Vec<Source>, Share),
    /// The canary is for all calls from now on.
    Promote,
    /// The canary ends; without one, an older generation comes back: this one, or the one before.
    Rollback(Option<u64>),
    /// This generation goes, if it is still there.
    TakeBack(u64),
    /// Files of the folder are edited.
    Edit(Box<EditTask>),
}

/// A wish of the files in the folder.
#[derive(Debug)]
pub struct EditTask {
    /// The files, with what is remembered of them.
    pub files: Arc<PlanFiles>,
    /// What is wanted.
    pub wish: Wish,
    /// The plan is to be in service then; what came of that is the answer of the order.
    pub apply: bool,
    /// What came of it on the disk.
    pub done: oneshot::Sender<EditAnswer>,
}

/// What became of a wish.
pub type EditAnswer = Result<Edited, Refused>;

/// A wish that was granted.
#[derive(Debug)]
pub struct Edited {
    /// What it does to the files.
    pub proposal: Proposal,
    /// Whether that was done.
    pub is_written: bool,
}

/// Why the plan in service stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanNotTaken {
    /// The new one holds errors.
    Problems(Vec<PlanProblem>),
    /// It does not go with what is in service: a sentence, and what to do.
    Conflict(String, &'static str),
    /// There is no such generation.
    NotThere(String),
    /// It could not be done: a sentence, and what to do.
    Failed(String, &'static str),
}

impl PlanOrder {
    /// An order without conditions, watched as usual.
    #[must_use]
    pub fn new(by: String, task: PlanTask, reply: oneshot::Sender<PlanAnswer>) -> Self {
        let watch = Some(WatchRules::default());
        Self { by, message: None, task, watch, onto: None, dry_run: false, reply }
    }
}
