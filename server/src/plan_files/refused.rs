//! Why the files of a plan stay as they are.

use serde::{Deserialize, Serialize};
use tandem_dialplan::{LoadError, NotEdited};
use utoipa::ToSchema;

use super::FileChanged;
use crate::{http::view::PlanProblem, plan_folder::DiskError};

/// A file that somebody else changed since it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The file.
    pub file: String,
    /// The ETag that the change was made from; absent when the file was to be new.
    pub base: Option<String>,
    /// The ETag that it has now; absent when it is gone.
    pub etag: Option<String>,
    /// Who changed it since by way of the API, in their order.
    pub changes: Vec<FileChanged>,
    /// It was changed otherwise too: with an editor, or before this process began.
    pub outside: bool,
    /// Whether the text of `base` is known still. Else `nodes` and `diff` are empty.
    pub known: bool,
    /// The nodes at the top of the file that differ since, each as `changed queue "support"`.
    pub nodes: Vec<String>,
    /// What differs since, in the unified format.
    pub diff: String,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The folder cannot be read.
    #[error("the files of the plan cannot be read: {0}")]
    Folder(#[from] LoadError),
    /// A plan has no file of such a name.
    #[error(
        "`{0}` is no name of a plan's file: at most 64 letters, digits, `-`, `_` or `.`, and `.kdl` or `.ics` at the end; \
         `/` leads to a folder below"
    )]
    Name(String),
    /// There is no such file.
    #[error("the plan has no file `{0}`")]
    NoFile(String),
    /// Files are not as they were when they were read.
    #[error("{} changed since you read {}", names(.0), if .0.len() == 1 { "it" } else { "them" })]
    Conflict(Vec<Conflict>),
    /// An edit changes a file whose base was not told.
    #[error("the edits change {}, and `base` does not say from which text", .0.iter().map(|(file, _)| file.as_str()).collect::<Vec<_>>().join(", "))]
    NoBase(Vec<(String, String)>),
    /// An edit cannot be made.
    #[error("{1}")]
    Edit(usize, NotEdited),
    /// A node that an edit is about was changed by somebody else.
    #[error("{address} was changed by somebody else since you read it")]
    Overlap {
        /// Which edit, from 0.
        edit: usize,
        /// The node.
        address: String,
        /// What became of its file.
        conflicts: Vec<Conflict>,
    },
    /// There are none, or too many.
    #[error("give 1 to {0} edits")]
    Count(usize),
    /// The plan would hold errors.
    #[error("the plan would hold errors")]
    Errors(Vec<PlanProblem>),
    /// The disk.
    #[error("{}", crate::serve::control::chain(.0))]
    Disk(#[from] DiskError),
}

fn names(conflicts: &[Conflict]) -> String {
    conflicts.iter().map(|conflict| conflict.file.as_str()).collect::<Vec<_>>().join(", ")
}

/// A change of files that was refused, as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EditRefused {
    #[serde(flatten)]
    pub(crate) problem: crate::http::Problem,
    /// What is wrong in the plan as it would be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<PlanProblem>,
    /// What others changed meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) conflicts: Vec<Conflict>,
}
