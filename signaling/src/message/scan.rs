//! Reading header values: white space with folds, tokens, quoted strings, comma lists (RFC 3261 section 25.1).
//!
//! A value is handed around as written. Folds (line end + white space) inside it count as white space.

use std::borrow::Cow;

/// What a byte may be part of, one bit each.
const TOKEN: u8 = 1;
const PARAM: u8 = 2;
const URI: u8 = 4;
const CLASSES: [u8; 256] = classes();

#[expect(clippy::cast_possible_truncation, reason = "evaluated at compile time; the index stays below 256")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < classes.len() {
        let byte = index as u8;
        let is_mark = matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        if byte.is_ascii_alphanumeric() || is_mark {
            classes[index] |= TOKEN;
        }
        if !is_lws(byte) && !matches!(byte, b';' | b',' | b'"' | b'<' | b'>') {
            classes[index] |= PARAM;
        }
        if byte > b' ' && !matches!(byte, 0x7F | b'<' | b'>' | b'"') {
            classes[index] |= URI;
        }
        index += 1;
    }
    classes
}

const fn is_in(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// True for the characters of a `token`.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    is_in(byte, TOKEN)
}

/// True for what an unquoted parameter value may hold: wider than the grammar, as senders are.
pub(crate) const fn is_param_byte(byte: u8) -> bool {
    is_in(byte, PARAM)
}

/// True for what may stand in a URI: no white space, controls, brackets or quotes.
pub(crate) const fn is_uri_byte(byte: u8) -> bool {
    is_in(byte, URI)
}

/// True when `text` is a non-empty `token`.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Linear white space: blank, tab, and the bytes of a fold.
pub(crate) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Takes white space and folds off both ends.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let from = bytes.iter().position(|byte| !is_lws(*byte)).unwrap_or(bytes.len());
    let to = bytes.iter().rposition(|byte| !is_lws(*byte)).map_or(from, |last| last + 1);
    text.get(from..to).unwrap_or("")
}

/// A cursor over one header value.
#[derive(Clone, Copy)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(crate) fn skip_lws(&mut self) {
        self.take_while(is_lws);
    }

    /// Eats `byte`, which must be ASCII, if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Eats the longest run of bytes that `accept` takes. Runs end at ASCII bytes only: `accept` takes all others or
    /// none of them.
    pub(crate) fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or(&[]);
        let length = rest.iter().position(|byte| !accept(*byte)).unwrap_or(rest.len());
        let taken = self.text.get(self.at..self.at + length).unwrap_or("");
        self.at += length;
        taken
    }

    /// A non-empty token.
    pub(crate) fn token(&mut self) -> Option<&'a str> {
        let token = self.take_while(is_token_byte);
        (!token.is_empty()).then_some(token)
    }

    /// A quoted string with its quotes; `None` (and nothing eaten) when none starts here or it never ends.
    pub(crate) fn quoted(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        if self.peek() != Some(b'"') {
            return None;
        }
        let end = end_of_quoted(bytes, self.at)?;
        let quoted = self.text.get(self.at..end)?;
        self.at = end;
        Some(quoted)
    }
}

/// The index after the closing quote of the quoted string that opens at `at`.
fn end_of_quoted(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += 1;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 1,
            _ => {}
        }
    }
}

/// Splits a value at commas that stand outside quotes and angle brackets. Empty items are left out (RFC 3261
/// section 7.3.1 does not allow them, senders write them).
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a str,
}

impl<'a> Items<'a> {
    pub(crate) const fn new(value: &'a str) -> Self {
        Self { rest: value }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let end = end_of_item(self.rest.as_bytes());
            let item = trim(self.rest.get(..end).unwrap_or(""));
            self.rest = self.rest.get(end + 1..).unwrap_or("");
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// The index of the first comma that separates, or the length.
pub(crate) fn end_of_item(bytes: &[u8]) -> usize {
    let Some(mut at) = memchr::memchr3(b',', b'"', b'<', bytes) else { return bytes.len() };
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b',' => return at,
            b'"' => match end_of_quoted(bytes, at) {
                Some(end) => end,
                None => return bytes.len(),
            },
            b'<' => match memchr::memchr(b'>', bytes.get(at..).unwrap_or(&[])) {
                Some(offset) => at + offset + 1,
                None => return bytes.len(),
            },
            _ => at + 1,
        };
    }
    bytes.len()
}

/// A quoted string without quotes and escapes; any other text as it is. Folds become one blank.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return unfold(text) };
    if !inner.contains('\\') {
        return unfold(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    Cow::Owned(unfold(&plain).into_owned())
}

/// Replaces each fold by one blank (RFC 3261 section 7.3.1); borrows when there is none.
#[must_use]
pub fn unfold(text: &str) -> Cow<'_, str> {
    if !text.contains(['\r', '\n']) {
        return Cow::Borrowed(text);
    }
    let lines = text.split(['\r', '\n']).map(|line| line.trim_matches([' ', '\t'])).filter(|line| !line.is_empty());
    Cow::Owned(lines.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<&str> {
        Items::new(text).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        assert_eq!(items(r#""a, \"b" <sip:x,y@h>;p=1 , <sip:z>,, c"#), [r#""a, \"b" <sip:x,y@h>;p=1"#, "<sip:z>", "c"]);
        assert_eq!(items("a\r\n ,b"), ["a", "b"]);
        assert_eq!(items(""), Vec::<&str>::new());
        assert_eq!(items(" , ,"), Vec::<&str>::new());
        assert_eq!(items("\"open, quote"), ["\"open, quote"]);
    }

    #[test]
    fn quotes_and_folds_are_taken_off() {
        assert_eq!(unquote(r#""J \"R\" \\""#), r#"J "R" \"#);
        assert_eq!(unquote("plain"), "plain");
        assert_eq!(unfold("a\r\n  b\r\n\tc"), "a b c");
        assert_eq!(unquote("\"ends in \\"), "\"ends in \\");
    }
}
