//! Plans and their generations as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, PlanFileView, PlanProblem, PlanView};
use crate::store::{GenerationRow, WatchTerms};

/// What came of a plan that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanApplied {
    /// The generation that was taken; absent when nothing was to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// The plan in service now, for all calls but those of a canary.
    pub plan: PlanView,
    /// The canary, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<GenerationView>,
    /// What differs from the plan that was in service, in sentences.
    pub changes: Vec<String>,
    /// The same, line by line; only when nothing was to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// What else one should know, in sentences.
    pub notes: Vec<String>,
    /// What `check` warns of in the new plan.
    pub warnings: Vec<PlanProblem>,
}

/// A plan that was taken, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationView {
    /// Its number.
    pub generation: u64,
    /// `in-service`, `canary`, `replaced`, `rolled-back`, `failed`, `set-aside` or `applying`.
    pub state: String,
    /// How it came: `start`, `reload`, `apply`, `canary`, `folder`, or `rollback to N`.
    pub how: String,
    /// When it was taken.
    pub taken_at: At,
    /// Who asked for it.
    pub by: String,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What differed from the plan that was in service then, in sentences.
    pub changes: Vec<String>,
    /// Of a canary: the callers it was for, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Of a canary: calls from or to these are its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
    /// Until when it is watched, and when it goes back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchView>,
    /// The last that happened to it, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who did that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<At>,
    /// Its files.
    pub files: Vec<PlanFileView>,
}

/// How a plan was watched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WatchView {
    /// The end of the watch.
    pub until: At,
    /// Of its calls so many may go wrong, in percent.
    pub max_errors_percent: f64,
    /// Calls that must have ended before anything is concluded.
    pub least_calls: u32,
    /// The generation that comes back then.
    pub back_to: u64,
}

/// Generations, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationPage {
    /// They.
    pub generations: Vec<GenerationView>,
    /// Give this as `before` for more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A generation with its texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationDetail {
    /// What is known of it.
    #[serde(flatten)]
    pub generation: GenerationView,
    /// Its files; empty when they are too old to be kept.
    pub texts: Vec<PlanText>,
}

/// A file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanText {
    /// Its path below the folder of the plan.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

/// What differs between two plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanDiff {
    /// By the names of what differs, in sentences.
    pub changes: Vec<String>,
    /// Line by line, file after file, as `diff -u` writes it.
    pub diff: String,
}

impl From<&WatchTerms> for WatchView {
    fn from(terms: &WatchTerms) -> Self {
        let WatchTerms { rules, back_to, until } = *terms;
        let max_errors_percent = f64::from(rules.max_errors_per_10000) / 100.0;
        Self { until: At(until), max_errors_percent, least_calls: rules.least_calls, back_to }
    }
}

impl From<&GenerationRow> for GenerationView {
    fn from(row: &GenerationRow) -> Self {
        let (taken, share) = (&row.taken, row.taken.terms.share.as_ref());
        Self {
            generation: taken.generation,
            state: taken.state.as_str().to_owned(),
            how: taken.how.to_string(),
            taken_at: At(taken.at),
            by: taken.by.clone(),
            message: taken.message.clone(),
            changes: taken.changes.clone(),
            percent: share.map(|share| f64::from(share.per_10000) / 100.0),
            numbers: share.iter().flat_map(|share| &share.numbers).map(|number| number.as_str().to_owned()).collect(),
            watch: taken.terms.watch.as_ref().map(WatchView::from),
            why: row.news.as_ref().map(|news| news.why.clone()),
            changed_by: row.news.as_ref().map(|news| news.by.clone()),
            changed_at: row.news.as_ref().map(|news| At(news.at)),
            files: taken.files.iter().map(|it| PlanFileView { file: it.file.clone(), sha256: it.sha256.clone() }).collect(),
        }
    }
}
