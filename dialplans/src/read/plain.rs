//! Reads the KDL that nearly every line of a plan is written in, some fifty times faster than the KDL parser.
//!
//! Names, quoted and raw strings of one line, whole numbers, keywords, braces and `//` comments. Whatever else stands in
//! a node (a mistake too) is none of its business: it gives up, and the KDL parser reads that node and says what is
//! wrong. What it does read it reads as that parser would; a property test holds one against the other.

use std::borrow::Cow;

use kdl::KdlValue;

use super::node::{Entry, Node, Span};
use crate::source::MAX_DEPTH;

/// Digits of a whole number that is read here.
const MAX_DIGITS: usize = 18;

/// The one node of a text; `None` when it is not as plain as that.
pub(super) fn read(text: &str) -> Option<Node<'_>> {
    let mut reader = Plain { text, bytes: text.as_bytes(), at: 0 };
    let node = reader.node(0)?;
    reader.between_nodes()?;
    (reader.at == text.len()).then_some(node)
}

struct Plain<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// What stands behind something that was read.
#[derive(PartialEq, Eq)]
enum Behind {
    /// A space or a tab at least.
    Blank,
    Nothing,
}

impl<'a> Plain<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// From its name up to what ends it, which is left to stand.
    fn node(&mut self, depth: usize) -> Option<Node<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (name, name_at) = self.word()?;
        let mut node = Node { annotation: None, name: Cow::Borrowed(name), name_at, entries: Vec::new(), children: None };
        loop {
            let behind = self.blanks();
            match self.peek() {
                None | Some(b'\n' | b'\r' | b';' | b'}') => return Some(node),
                _ if behind == Behind::Nothing => return None,
                Some(b'/') => {
                    self.comment()?;
                    return Some(node);
                }
                Some(b'{') => {
                    node.children = Some(self.children(depth)?);
                    self.blanks();
                    match self.peek() {
                        None | Some(b'\n' | b'\r' | b';' | b'}') => {}
                        Some(b'/') => self.comment()?,
                        Some(_) => return None,
                    }
                    return Some(node);
                }
                Some(_) => node.entries.push(self.entry()?),
            }
        }
    }

    /// Braces and what stands in them.
    fn children(&mut self, depth: usize) -> Option<Vec<Node<'a>>> {
        self.at += 1;
        let mut nodes = Vec::new();
        loop {
            self.between_nodes()?;
            if self.peek()? == b'}' {
                self.at += 1;
                return Some(nodes);
            }
            nodes.push(self.node(depth + 1)?);
            if self.peek() == Some(b';') {
                self.at += 1;
            }
        }
    }

    /// Blanks, line breaks and comments.
    fn between_nodes(&mut self) -> Option<()> {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'\n') => self.at += 1,
                Some(b'\r') if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                Some(b'/') => self.comment()?,
                _ => return Some(()),
            }
        }
    }

    fn blanks(&mut self) -> Behind {
        let from = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        if self.at == from { Behind::Nothing } else { Behind::Blank }
    }

    /// `//` up to the end of its line, which is left to stand.
    fn comment(&mut self) -> Option<()> {
        if !self.bytes[self.at..].starts_with(b"//") {
            return None;
        }
        let rest = &self.text[self.at..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let line = line.strip_suffix('\r').unwrap_or(line);
        self.at += line.len();
        line.chars().all(is_plain).then_some(())
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let from = self.at;
        let value = match self.peek()? {
            byte if byte.is_ascii_alphabetic() => {
                let (word, name_at) = self.word()?;
                if self.peek() == Some(b'=') {
                    self.at += 1;
                    let value = self.value()?;
                    return Some(Entry {
                        at: from..self.at,
                        has_annotation: false,
                        name: Some((Cow::Borrowed(word), name_at)),
                        value,
                    });
                }
                KdlValue::String(word.to_owned())
            }
            _ => self.value()?,
        };
        Some(Entry { at: from..self.at, has_annotation: false, name: None, value })
    }

    fn value(&mut self) -> Option<KdlValue> {
        match self.peek()? {
            b'"' => self.quoted().map(KdlValue::String),
            b'#' => self.keyword().or_else(|| self.raw()),
            b'0'..=b'9' => {
                let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = &self.text[self.at..self.at + digits.min(MAX_DIGITS + 1)];
                self.at += digits;
                // What follows a number at once may still belong to it: a unit, a fraction.
                let ends = matches!(self.peek(), None | Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | b'}'));
                if ends && digits <= MAX_DIGITS { number.parse().ok().map(KdlValue::Integer) } else { None }
            }
            byte if byte.is_ascii_alphabetic() => self.word().map(|(word, _)| KdlValue::String(word.to_owned())),
            _ => None,
        }
    }

    /// A bare word, as a name or as a value.
    fn word(&mut self) -> Option<(&'a str, Span)> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')).count();
        let word = &self.text[self.at..self.at + length];
        let ends = matches!(rest.get(length), None | Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | b'}' | b'='));
        let is_keyword = matches!(word, "true" | "false" | "null" | "inf" | "nan");
        if !ends || is_keyword || !rest.first()?.is_ascii_alphabetic() {
            return None;
        }
        let from = self.at;
        self.at += length;
        Some((word, from..self.at))
    }

    fn keyword(&mut self) -> Option<KdlValue> {
        let (length, value) = match &self.bytes[self.at..] {
            [b'#', b't', b'r', b'u', b'e', ..] => (5, KdlValue::Bool(true)),
            [b'#', b'f', b'a', b'l', b's', b'e', ..] => (6, KdlValue::Bool(false)),
            _ => return None,
        };
        // Only what ends here is one: nothing is taken of what is not.
        let ends = matches!(self.bytes.get(self.at + length), None | Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | b'}'));
        self.at += if ends { length } else { 0 };
        ends.then_some(value)
    }

    /// A quoted string of one line, with the escapes that stand for one character each.
    fn quoted(&mut self) -> Option<String> {
        let rest = &self.text[self.at + 1..];
        let end = rest.find(['"', '\\', '\n', '\r'])?;
        let mut out = String::with_capacity(end);
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 2;
                    // Three quotes open a text of many lines.
                    return (at > 0 || self.peek() != Some(b'"')).then_some(out);
                }
                '\\' => out.push(match chars.next()?.1 {
                    '"' => '"',
                    '\\' => '\\',
                    'n' => '\n',
                    't' => '\t',
                    _ => return None,
                }),
                c if is_plain(c) => out.push(c),
                _ => return None,
            }
        }
        None
    }

    /// `#"…"#` on one line: nothing in it means anything.
    fn raw(&mut self) -> Option<KdlValue> {
        let rest = self.text[self.at..].strip_prefix("#\"")?;
        let end = rest.find("\"#")?;
        let text = &rest[..end];
        if text.starts_with('"') || rest[end + 2..].starts_with('#') || !text.chars().all(is_plain) {
            return None;
        }
        self.at += end + 4;
        Some(KdlValue::String(text.to_owned()))
    }
}

/// A character that stands for itself in comments and strings, and that KDL allows there: no control character, no line
/// break, none that turns the direction of text. Most that are rare are not among them.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a1}'..='\u{2ff}' | '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{4ff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use kdl::KdlNode;

    use super::*;
    use proptest::prelude::*;

    /// Both readers on one text: `Some` when the fast one took it, and then the KDL parser took it for the same.
    fn both(text: &str) -> bool {
        let Some(fast) = read(text) else { return false };
        let slow = KdlNode::parse(text).unwrap_or_else(|error| panic!("{text:?} is no KDL: {error:?}"));
        assert_eq!(fast, Node::from(&slow), "{text:?}");
        true
    }

    #[test]
    fn what_a_plan_is_made_of_is_read_as_the_kdl_parser_reads_it() {
        for text in [
            "route \"a\" {\n  from trunk=\"x\"\n  to \"+39\" matches=\"^\\\\+1\"\n  answer // è\n\n  // more\n  queue q; hangup\n}",
            "a",
            "a b c=d e=1 2 #true f=#false // end",
            "a {}",
            "a { b }",
            "a { b; }",
            "a { b {\r\n c 007 }\r\n}",
            "a #\"[0-9]\"x\\\"#",
            "a \"\" b=\"\"",
            "a \"\\\"\\n\\t\"",
            "a 1 // c\n // d\n",
        ] {
            assert!(both(text), "{text:?} is plain");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_kdl_parser() {
        for text in [
            "",
            "a {",
            "a }",
            "(t)a",
            "a (t)1",
            "\"a\"",
            "a \"\"\"\n b\n \"\"\"",
            "a \\\n b",
            "a /* c */ b",
            "a /- b",
            "a -1",
            "a 1.5",
            "a 1x",
            "a \"\\u{1}\"",
            "a \"\u{202e}\"",
            "a b =1",
            "a \"b\"=1",
            "a true",
            "a b{}",
            "a {} {}",
            "a {} b",
            "a \"b\"c",
            "a ##\"b\"##",
            "a; b",
            "a #null",
            "a #true#\"b\"#",
        ] {
            assert!(read(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn no_text_is_read_otherwise_than_the_kdl_parser_reads_it(
            pieces in proptest::collection::vec(prop::sample::select(vec![
                "a", "route", "b-c", "=", " ", " ", " ", "\n", "\r\n", ";", "{", "}", "\"", "\"x\"", "\"\"", "\\", "#", "#true", "#\"r\"#", "/", "//", "/-",
                "/*", "*/", "1", "007", "-", ".", "_", "è", "true", "inf", "(", ")", "\t", "e1", "#null", "\u{feff}",
            ]), 0..14),
        ) {
            both(&pieces.concat());
        }

        #[test]
        fn nor_is_a_text_that_is_nearly_a_route(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec!["", " ", "\n", "{", "}", "\"", ";", "//", "\\", "=", "#", "é"])), 0..4),
        ) {
            let mut text = "route \"a\" {\n  to \"+39\" x=#true 12 // y\n  menu m { press \"1\" { queue q; hangup }\n  }\n}".to_owned();
            for (at, piece) in edits {
                let mut at = at.index(text.len());
                while !text.is_char_boundary(at) { at -= 1; }
                let end = at + text[at..].chars().next().map_or(0, |c| if piece.is_empty() { c.len_utf8() } else { 0 });
                text.replace_range(at..end, piece);
            }
            both(&text);
        }
    }
}
