//! Splits a text into its top nodes, before the KDL parser sees it.
//!
//! That parser recurses with each brace, each nested comment and each mistake; here depth is bounded,
//! and nodes are handed to it one by one. Knows just enough of KDL 2 to skip strings and comments.

use std::ops::Range;

use crate::source::{MAX_DEPTH, MAX_NODE_BYTES};

/// A text that is not handed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(super) code: &'static str,
    pub(super) offset: usize,
    pub(super) message: String,
}

/// The byte range of each node at the top of the text, without those that `/-` leaves out.
pub(crate) fn top_nodes(text: &str) -> Result<Vec<Range<usize>>, Wrong> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, depth: 0, begin: None, left_out: false, nodes: Vec::new() };
    while scanner.at < text.len() {
        scanner.step()?;
    }
    scanner.close();
    match scanner.nodes.iter().find(|node| node.len() > MAX_NODE_BYTES) {
        None => Ok(scanner.nodes),
        Some(node) => {
            let message = format!("this node is larger than {} KiB", MAX_NODE_BYTES >> 10);
            Err(Wrong { code: "too-large", offset: node.start, message })
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// Where the node that is being read begins.
    begin: Option<usize>,
    /// A `/-` stands before it.
    left_out: bool,
    nodes: Vec<Range<usize>>,
}

impl Scanner<'_> {
    fn step(&mut self) -> Result<(), Wrong> {
        let rest = &self.bytes[self.at..];
        match rest[0] {
            b'\n' | b'\r' | b';' if self.depth == 0 => {
                self.close();
                self.at += 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
            b'/' if rest.starts_with(b"//") => self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => self.at += block_comment(rest).ok_or_else(|| self.too_deep())?,
            b'/' if rest.starts_with(b"/-") && self.begin.is_none() => {
                self.left_out = true;
                self.at += 2;
            }
            // A line that goes on: the line break behind the backslash ends nothing.
            b'\\' => {
                self.enter();
                let to_break = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
                let blank =
                    rest[1..to_break].iter().all(|b| b.is_ascii_whitespace()) || rest[1..].trim_ascii_start().starts_with(b"//");
                self.at += if blank { to_break } else { 1 };
            }
            b'{' | b'(' => {
                self.enter();
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.too_deep());
                }
                self.at += 1;
            }
            closing @ (b'}' | b')') => {
                let message = format!("this `{}` closes nothing", char::from(closing));
                self.depth = self.depth.checked_sub(1).ok_or(Wrong { code: "syntax", offset: self.at, message })?;
                self.at += 1;
            }
            b'"' => {
                self.enter();
                self.at += quoted(rest);
            }
            b'#' => {
                self.enter();
                self.at += raw_string(rest);
            }
            0xef if rest.starts_with("\u{feff}".as_bytes()) && self.begin.is_none() => self.at += 3,
            _ => {
                self.enter();
                self.at += 1;
            }
        }
        Ok(())
    }

    fn enter(&mut self) {
        self.begin.get_or_insert(self.at);
    }

    /// Ends the node that is being read. Blank lines may stand between `/-` and its node.
    fn close(&mut self) {
        if let Some(begin) = self.begin.take() {
            if !self.left_out {
                self.nodes.push(begin..self.at.min(self.bytes.len()));
            }
            self.left_out = false;
        }
    }

    fn too_deep(&self) -> Wrong {
        Wrong { code: "too-deep", offset: self.at, message: format!("braces or comments nest deeper than {MAX_DEPTH}") }
    }
}

/// Bytes of the block comment that `text` begins with; `None` when it nests too deep.
pub(crate) fn block_comment(text: &[u8]) -> Option<usize> {
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

/// Bytes of the quoted string, of one line or many, that `text` begins with. One that is not closed
/// on its line ends there: the mistake stays in its node.
pub(crate) fn quoted(text: &[u8]) -> usize {
    let many_lines = text.starts_with(b"\"\"\"\n") || text.starts_with(b"\"\"\"\r");
    let quote: &[u8] = if many_lines { b"\"\"\"" } else { b"\"" };
    let mut at = quote.len();
    while at < text.len() {
        if text[at] == b'\\' {
            at += 2;
        } else if text[at..].starts_with(quote) {
            return at + quote.len();
        } else if text[at] == b'\n' && !many_lines {
            return at;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Bytes of the raw string that `text` begins with; its hashes when it is a keyword such as `#true`.
pub(crate) fn raw_string(text: &[u8]) -> usize {
    let hashes = text.iter().take_while(|&&b| b == b'#').count();
    if text.get(hashes) != Some(&b'"') {
        return hashes;
    }
    let many_lines = text[hashes..].starts_with(b"\"\"\"\n") || text[hashes..].starts_with(b"\"\"\"\r");
    let quotes = if many_lines { 3 } else { 1 };
    let mut at = hashes + quotes;
    while at < text.len() {
        let closing = text[at..].iter().take_while(|&&b| b == b'"').count();
        let end = at + closing;
        if closing >= quotes && text[end..].iter().take_while(|&&b| b == b'#').count() >= hashes {
            return end + hashes;
        }
        if text[at] == b'\n' && !many_lines {
            return at;
        }
        at += closing.max(1);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        top_nodes(text).unwrap().into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_text_falls_into_its_top_nodes() {
        assert_eq!(split("a 1\nb {\n  c; d\n}\ne; f // g\n/* h */ i"), ["a 1", "b {\n  c; d\n}", "e", "f // g", "i"]);
        assert_eq!(split("/- a {\n b\n}\nc\n/-\n\nd\ne"), ["c", "e"]);
        assert_eq!(split("a \\\n  b \\ // more\n c\nd"), ["a \\\n  b \\ // more\n c", "d"]);
        assert_eq!(
            split("a \"x;\\\"{\" #\"\"}\"# \"\"\"\n ;}\n \"\"\"\nb"),
            ["a \"x;\\\"{\" #\"\"}\"# \"\"\"\n ;}\n \"\"\"", "b"]
        );
        assert_eq!(split("a \"never closed\nb"), ["a \"never closed", "b"]);
        assert_eq!(split("\u{feff}a\r\nb"), ["a", "b"]);
        assert_eq!(split("  \n// nothing\n"), Vec::<&str>::new());
    }

    #[test]
    fn nesting_is_bounded_outside_strings_and_comments() {
        let deep = "a {".repeat(MAX_DEPTH + 1);
        assert_eq!(top_nodes(&deep).unwrap_err().code, "too-deep");
        assert!(top_nodes(&"a {".repeat(MAX_DEPTH)).is_ok());
        for text in [format!("a \"{deep}\""), format!("// {deep}"), format!("/* {deep} */"), format!("a #\"{deep}\"#")] {
            assert!(top_nodes(&text).is_ok(), "{text}");
        }
        let hidden = format!("a \"}}}}\\\"}}\" #\"\"}}\"# /* }} */ {deep}");
        assert!(top_nodes(&hidden).is_err(), "closing braces in strings do not hide opening ones");
        assert!(top_nodes(&"/*".repeat(MAX_DEPTH + 1)).is_err());
        assert_eq!(top_nodes("a }").unwrap_err().message, "this `}` closes nothing");
    }
}
