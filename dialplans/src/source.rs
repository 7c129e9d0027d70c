//! The text of a plan: files, places in them, and how much of it is read at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Largest plan that is read, in bytes over all its files.
pub const MAX_PLAN_BYTES: usize = 4 << 20;
/// Most files in one plan.
pub const MAX_FILES: usize = 256;
/// Deepest nesting of braces; the KDL parser recurses, so this is checked before it sees the text.
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

/// Why a text is not given to the KDL parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// Braces or comments nest deeper than [`MAX_DEPTH`]; the byte where they do.
    Depth(usize),
    /// The file is larger than [`MAX_FILE_BYTES`].
    Size,
}

/// Looks over a text before the KDL parser does: that parser recurses with each brace and each nested
/// comment, so depth is bounded here. Knows just enough of KDL 2 to skip strings and comments.
pub(crate) fn within_bounds(text: &str) -> Result<(), TooMuch> {
    if text.len() > MAX_FILE_BYTES {
        return Err(TooMuch::Size);
    }
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b'{' | b'(' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(TooMuch::Depth(at));
                }
                1
            }
            b'}' | b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            b'/' if rest.starts_with(b"//") => rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => block_comment(rest).ok_or(TooMuch::Depth(at))?,
            b'"' => quoted(rest),
            b'#' => raw_string(rest),
            _ => 1,
        };
    }
    Ok(())
}

/// Bytes of the block comment that `text` begins with; `None` when it nests too deep.
fn block_comment(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
            if depth > MAX_DEPTH {
                return None;
            }
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(text.len())
}

/// Bytes of the quoted string, of one line or many, that `text` begins with.
fn quoted(text: &[u8]) -> usize {
    let quote: &[u8] = if text.starts_with(b"\"\"\"") { b"\"\"\"" } else { b"\"" };
    let mut at = quote.len();
    while at < text.len() {
        if text[at] == b'\\' {
            at += 2;
        } else if text[at..].starts_with(quote) {
            return at + quote.len();
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Bytes of the raw string that `text` begins with; 1 when it is a keyword such as `#true`.
fn raw_string(text: &[u8]) -> usize {
    let hashes = text.iter().take_while(|&&b| b == b'#').count();
    let quotes = if text[hashes..].starts_with(b"\"\"\"") { 3 } else { 1 };
    if text.get(hashes) != Some(&b'"') {
        return hashes;
    }
    let mut at = hashes + quotes;
    while at < text.len() {
        let closing = text[at..].iter().take_while(|&&b| b == b'"').count();
        if closing >= quotes {
            let end = at + closing;
            if text[end..].iter().take_while(|&&b| b == b'#').count() >= hashes {
                return end + hashes;
            }
        }
        at += closing.max(1);
    }
    text.len()
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

    #[test]
    fn nesting_is_counted_outside_strings_and_comments_only() {
        let deep = "a {".repeat(MAX_DEPTH + 1);
        assert!(matches!(within_bounds(&deep), Err(TooMuch::Depth(_))));
        assert!(within_bounds(&"a {".repeat(MAX_DEPTH)).is_ok());
        for text in [format!("a \"{deep}\""), format!("// {deep}"), format!("/* {deep} */"), format!("a #\"{deep}\"#")] {
            assert!(within_bounds(&text).is_ok(), "{text}");
        }
        let hidden = format!("a \"}}}}\\\"}}\" #\"\"}}\"# /* }} */ {deep}");
        assert!(within_bounds(&hidden).is_err(), "closing braces in strings do not hide opening ones");
        assert!(within_bounds(&"/*".repeat(MAX_DEPTH + 1)).is_err());
        assert_eq!(within_bounds(&"a".repeat(MAX_FILE_BYTES + 1)), Err(TooMuch::Size));
    }
}
