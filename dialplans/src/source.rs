//! The text of a plan: files, places in them, and how much of it is read at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Largest plan that is read, in bytes over all its files.
pub const MAX_PLAN_BYTES: usize = 4 << 20;
/// Most files in one plan.
pub const MAX_FILES: usize = 256;
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

    /// Line and column of a byte offset, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (u32, u32) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_begin_at_one() {
        let source = Source::new("a.kdl", "è {\n  ò x\n}");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(source.text.find('x').unwrap()), (2, 5));
        assert_eq!(source.line_column(9_999), (3, 2));
    }
}
