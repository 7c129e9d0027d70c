//! Words, strings, braces and comments of a text, whatever it is.

use std::ops::Range;

use crate::read::split::{block_comment, quoted, raw_string};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Word,
    Quoted {
        closed: bool,
    },
    Equals,
    Open,
    Close,
    /// Of a node: a line's end or `;`.
    End,
    /// `/-`
    Skip,
    Comment,
}

#[derive(Clone, Debug)]
pub(crate) struct Lexeme {
    pub(crate) shape: Shape,
    pub(crate) range: Range<usize>,
    /// A `=` follows.
    pub(crate) names_property: bool,
}

/// The lexemes of a text in their order. Blanks, and line breaks after `\`, are left out.
pub(crate) struct Lexemes<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexemes<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The bytes that the next lexeme has, and its shape; `None` for what is left out.
    fn shape(rest: &str) -> (usize, Option<Shape>) {
        let bytes = rest.as_bytes();
        let one = |shape| (1, Some(shape));
        match bytes[0] {
            b'\n' | b'\r' | b';' => one(Shape::End),
            b'{' => one(Shape::Open),
            b'}' => one(Shape::Close),
            b'=' => one(Shape::Equals),
            b'/' if rest.starts_with("//") => (rest.find(['\n', '\r']).unwrap_or(rest.len()), Some(Shape::Comment)),
            b'/' if rest.starts_with("/*") => (block_comment(bytes).unwrap_or(rest.len()), Some(Shape::Comment)),
            b'/' if rest.starts_with("/-") => (2, Some(Shape::Skip)),
            b'"' => string(rest, quoted(bytes), 0),
            b'#' if rest.trim_start_matches('#').starts_with('"') => {
                string(rest, raw_string(bytes), rest.bytes().take_while(|b| *b == b'#').count())
            }
            b'\\' => (continuation(rest), None),
            // A type annotation, which means nothing in a plan.
            b'(' => {
                (rest.find([')', '\n', '{']).map_or(rest.len(), |at| at + usize::from(rest[at..].starts_with(')'))).max(1), None)
            }
            b')' => (1, None),
            _ => {
                let blank = rest.len()
                    - rest.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace() && c != '\n' && c != '\r').len();
                if blank > 0 { (blank, None) } else { (word(rest), Some(Shape::Word)) }
            }
        }
    }
}

impl Iterator for Lexemes<'_> {
    type Item = Lexeme;

    fn next(&mut self) -> Option<Lexeme> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let (length, shape) = Self::shape(rest);
            // A string may have stopped inside of a character only if the text ends there.
            let mut end = (self.at + length).min(self.text.len());
            while !self.text.is_char_boundary(end) {
                end += 1;
            }
            let range = self.at..end;
            self.at = end;
            if let Some(shape) = shape {
                let names_property = self.text[end..].trim_start_matches([' ', '\t']).starts_with('=');
                return Some(Lexeme { shape, range, names_property });
            }
        }
        None
    }
}

fn string(rest: &str, length: usize, hashes: usize) -> (usize, Option<Shape>) {
    let length = length.min(rest.len());
    let written = &rest.as_bytes()[hashes..length];
    let inner = written.strip_suffix("#".repeat(hashes).as_bytes()).unwrap_or(b"");
    let escaped = hashes == 0 && inner.iter().rev().skip(1).take_while(|b| **b == b'\\').count() % 2 == 1;
    let closed = inner.len() > 1 && inner.ends_with(b"\"") && !escaped;
    (length, Some(Shape::Quoted { closed }))
}

/// Bytes of `\` with the blanks, the comment and the line break behind it.
fn continuation(rest: &str) -> usize {
    let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
    let between = rest[1..line].trim();
    if between.is_empty() || between.starts_with("//") { line } else { 1 }
}

fn word(rest: &str) -> usize {
    let ends = |(at, c): (usize, char)| {
        let comment = c == '/' && rest[at + 1..].starts_with(['/', '*', '-']);
        at > 0 && (comment || c.is_whitespace() || matches!(c, '{' | '}' | '(' | ')' | ';' | '"' | '=' | '\\'))
    };
    rest.char_indices().find(|each| ends(*each)).map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexed(text: &str) -> String {
        let shown = Lexemes::new(text).map(|lexeme| format!("{:?} {}", lexeme.shape, &text[lexeme.range]));
        shown
            .collect::<Vec<_>>()
            .join("|")
            .replace("Quoted { closed: true }", "String")
            .replace("Quoted { closed: false }", "Open string")
    }

    #[test]
    fn a_text_falls_into_words() {
        assert_eq!(lexed("a b=1 // c"), "Word a|Word b|Equals =|Word 1|Comment // c");
        assert_eq!(lexed("a #true \\ // x\n /-b"), "Word a|Word #true|Skip /-|Word b");
        assert_eq!(lexed("a \"x\\\" {\" #\"y\"#{}"), "Word a|String \"x\\\" {\"|String #\"y\"#|Open {|Close }");
        assert_eq!(lexed("a (t)b;c"), "Word a|Word b|End ;|Word c");
    }

    #[test]
    fn an_open_string_ends_with_its_line() {
        assert_eq!(lexed("a \"x\nb"), "Word a|Open string \"x|End \n|Word b");
        assert_eq!(lexed("a \"x\\\""), "Word a|Open string \"x\\\"");
        assert_eq!(lexed("a \""), "Word a|Open string \"");
        assert_eq!(lexed("a \"\\é"), "Word a|Open string \"\\é");
    }
}
