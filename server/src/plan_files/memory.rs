//! What was read and written lately: from which text an answer to "who changed this since?" is made.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::view::At;

/// Texts that are remembered at most, and their bytes in all.
const MAX_TEXTS: usize = 256;
const MAX_TEXT_BYTES: usize = 16 << 20;
/// Changes that are remembered at most.
const MAX_CHANGES: usize = 512;

/// A change of a file by way of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChanged {
    /// Who made it.
    pub by: String,
    /// When.
    pub at: At,
    /// The file's SHA-256 before; absent when it was new.
    pub before: Option<String>,
    /// And afterwards; absent when it is gone.
    pub after: Option<String>,
}

/// Texts by their hash, and who changed what. The oldest goes first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    texts: VecDeque<(String, String)>,
    bytes: usize,
    changes: VecDeque<(String, FileChanged)>,
}

impl Memory {
    /// Keeps a text.
    pub(super) fn keep(&mut self, sha256: &str, text: &str) {
        match self.texts.iter().position(|(known, _)| known == sha256) {
            // What is asked for again is the last to go.
            Some(at) => {
                if let Some(known) = self.texts.remove(at) {
                    self.texts.push_back(known);
                }
            }
            None => {
                self.bytes += text.len();
                self.texts.push_back((sha256.to_owned(), text.to_owned()));
            }
        }
        while self.texts.len() > MAX_TEXTS || self.bytes > MAX_TEXT_BYTES {
            let Some((_, text)) = self.texts.pop_front() else { break };
            self.bytes -= text.len();
        }
    }

    /// The text of a hash, if it is known still.
    #[must_use]
    pub(super) fn text(&self, sha256: &str) -> Option<String> {
        self.texts.iter().find(|(known, _)| known == sha256).map(|(_, text)| text.clone())
    }

    /// Notes a change.
    pub(super) fn note(&mut self, file: &str, change: FileChanged) {
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back((file.to_owned(), change));
    }

    /// The changes of a file since it had a hash, and whether they lead without a gap from there to `now`: else somebody
    /// else wrote it too.
    #[must_use]
    pub(super) fn since(&self, file: &str, base: Option<&str>, now: Option<&str>) -> (Vec<FileChanged>, bool) {
        let mut found: Vec<FileChanged> = Vec::new();
        let mut wanted = now;
        for (_, change) in self.changes.iter().rev().filter(|(changed, _)| changed == file) {
            if wanted == base && !found.is_empty() || change.after.as_deref() != wanted {
                break;
            }
            wanted = change.before.as_deref();
            found.push(change.clone());
        }
        let whole = wanted == base;
        found.reverse();
        (found, whole)
    }
}

#[cfg(test)]
mod tests {
    use tandem_switch::time::Timestamp;

    use super::*;

    #[test]
    fn changes_are_told_back_to_the_base_or_a_gap() {
        let mut memory = Memory::default();
        let mut note = |by: &str, before: &str, after: &str| {
            let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
            memory.note("a.kdl", FileChanged { by: by.into(), at: At(Timestamp::from_ms(0)), before, after });
        };
        note("ada", "1", "2");
        note("bob", "2", "3");
        note("cyd", "7", "8");
        let by = |base, now| {
            let (found, whole) = memory.since("a.kdl", Some(base), Some(now));
            (found.into_iter().map(|change| change.by).collect::<Vec<_>>().join(" "), whole)
        };
        assert_eq!(by("1", "8"), ("cyd".into(), false), "3 became 7 by somebody else");
        assert_eq!(by("7", "8"), ("cyd".into(), true));
        assert_eq!(by("8", "9"), (String::new(), false));
        assert_eq!(memory.since("b.kdl", Some("1"), Some("2")).0, Vec::new());
    }

    #[test]
    fn texts_are_kept_up_to_a_bound() {
        let mut memory = Memory::default();
        for n in 0..=MAX_TEXTS {
            memory.keep(&n.to_string(), "x");
            memory.keep("0", "x");
        }
        assert_eq!((memory.text("0").as_deref(), memory.text("1"), memory.texts.len()), (Some("x"), None, MAX_TEXTS));
        memory.keep("large", &"x".repeat(MAX_TEXT_BYTES));
        assert_eq!((memory.texts.len(), memory.bytes), (1, MAX_TEXT_BYTES));
    }
}
