//! The text of a plan: files, places in them, and how much of it is read at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Largest plan that is read, in bytes over all its files.
pub const MAX_PLAN_BYTES: usize = 4 << 20;
/// Most files in one plan.
pub const MAX_FILES: usize = 256;
/// Largest node at the top of a file, in bytes: a route, a queue.
pub(crate) const MAX_NODE_BYTES: usize = 64 << 10;
/// Deepest nesting of braces and of comments.
pub const MAX_DEPTH: usize = 24;

/// One file of a plan: `*.kdl` is read as dialplan, `*.ics` as a calendar that a schedule may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it is shown in messages.
    pub path: String,
    /// Its text.
    pub text: Arc<str>,
}

impl Source {
    /// A file and its text.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The last part of the path: what a schedule calls a calendar by.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A place in the text of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Which source, in the order they were given.
    pub file: u16,
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}
