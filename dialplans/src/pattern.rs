//! Number patterns: anchored, typed, and comparable with each other.
//!
//! `1000` is that number; `X` any digit, `Z` 1 to 9, `N` 2 to 9; `{n:4}` captures four digits,
//! `{n:3..5}` three to five, `{n:extension}` an internal number, `{n:number}` a telephone number.

use std::{fmt, sync::Arc};

use crate::{inside::ExtensionRange, number_regex::NumberRegex, plan::parse_number, template::is_variable};

/// Longest number that is matched at all, in bytes; a longer one fits no pattern.
pub(crate) const MAX_NUMBER_BYTES: usize = 64;

/// A condition on a number.
#[derive(Debug)]
pub enum NumberMatch {
    /// A pattern.
    Pattern(Arc<Pattern>),
    /// A regular expression over the whole number.
    Regex(Arc<NumberRegex>),
}

impl NumberMatch {
    /// The captures, when the number fits.
    pub(crate) fn captures(&self, number: &str, extensions: &[ExtensionRange]) -> Option<Captures> {
        if number.len() > MAX_NUMBER_BYTES {
            return None;
        }
        match self {
            Self::Pattern(pattern) => pattern.captures(number, extensions),
            Self::Regex(regex) => regex.captures(number),
        }
    }

    /// Names that are bound when it fits.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Pattern(pattern) => pattern.names().collect(),
            Self::Regex(regex) => regex.names().collect(),
        }
    }
}

impl fmt::Display for NumberMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, "{pattern}"),
            Self::Regex(regex) => write!(f, "{regex}"),
        }
    }
}

/// What a match bound: name and text.
pub(crate) type Captures = Vec<(String, String)>;

/// A number pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// One character of a set.
    One(CharSet),
    Capture {
        name: String,
        shape: Shape,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Digits { min: u8, max: u8 },
    Extension,
    Number,
}

/// A set of ASCII characters, bit by bit.
pub(crate) type CharSet = u128;

pub(crate) const DIGITS: CharSet = set(b"0123456789");

const fn set(bytes: &[u8]) -> CharSet {
    let mut bits = 0;
    let mut i = 0;
    while i < bytes.len() {
        bits |= 1 << bytes[i];
        i += 1;
    }
    bits
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Reads a pattern; the error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_NUMBER_BYTES {
            return Err(format!("expected 1 to {MAX_NUMBER_BYTES} characters"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '{' {
                let close = rest.find('}').ok_or("a `{` is not closed")?;
                pieces.push(capture(&rest[1..close])?);
                rest = &rest[close + 1..];
            } else {
                pieces.push(Piece::One(one(first)?));
                rest = &rest[first.len_utf8()..];
            }
        }
        let open_ended =
            |piece: &&Piece| !matches!(piece, Piece::One(_) | Piece::Capture { shape: Shape::Digits { min: 1, max: 1 }, .. });
        if pieces.iter().filter(open_ended).count() > 3 {
            return Err("at most three captures fit into one pattern".into());
        }
        let pattern = Self { text: text.into(), pieces };
        let mut names: Vec<_> = pattern.names().collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("`{}` is captured twice", pair[0])),
            None => Ok(pattern),
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Capture { name, .. } => Some(name.as_str()),
            Piece::One(_) => None,
        })
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What each number that fits begins with, and whether it ends there: the characters before the first choice.
    pub(crate) fn beginning(&self) -> (String, bool) {
        let sets = self.pieces.iter().map_while(|piece| match piece {
            Piece::One(set) if set.is_power_of_two() => char::from_u32(set.trailing_zeros()),
            _ => None,
        });
        let text: String = sets.collect();
        let is_whole = text.len() == self.pieces.len();
        (text, is_whole)
    }

    /// Whether a number fits, where no extensions are meant.
    pub(crate) fn fits(&self, number: &str) -> bool {
        number.len() <= MAX_NUMBER_BYTES && fits(&self.pieces, number, &[], &mut Captures::new())
    }

    pub(crate) fn captures(&self, number: &str, extensions: &[ExtensionRange]) -> Option<Captures> {
        let mut found = Captures::new();
        fits(&self.pieces, number, extensions, &mut found).then(|| {
            found.reverse();
            found
        })
    }
}

/// One character of a pattern outside of braces.
fn one(c: char) -> Result<CharSet, String> {
    match c {
        'X' => Ok(DIGITS),
        'Z' => Ok(DIGITS & !set(b"0")),
        'N' => Ok(DIGITS & !set(b"01")),
        'a'..='z' | '0'..='9' | '+' | '*' | '#' | '-' | '_' | '.' => Ok(1 << u32::from(c)),
        _ => Err(format!(
            "`{c}` cannot stand in a pattern: expected digits, `+`, `*`, `#`, lower-case letters, `X`, `Z`, `N` or `{{name:…}}`"
        )),
    }
}

/// The inside of a pair of braces.
fn capture(inside: &str) -> Result<Piece, String> {
    let (name, shape) = inside.split_once(':').ok_or_else(|| {
        format!("`{{{inside}}}` says no type: write `{{{inside}:4}}`, `{{{inside}:extension}}` or `{{{inside}:number}}`")
    })?;
    if !is_variable(name) || [crate::template::DIALLED, crate::template::CALLER].contains(&name) {
        return Err(format!("`{name}` cannot name a capture"));
    }
    let shape = match shape {
        "extension" => Shape::Extension,
        "number" => Shape::Number,
        _ => {
            let (min, max) = shape.split_once("..").unwrap_or((shape, shape));
            match (min.parse::<u8>(), max.parse::<u8>()) {
                (Ok(min), Ok(max)) if 1 <= min && min <= max && max <= 32 => Shape::Digits { min, max },
                _ => return Err(format!("`{shape}` is no type of a capture: expected `4`, `3..5`, `extension` or `number`")),
            }
        }
    };
    Ok(Piece::Capture { name: name.into(), shape })
}

/// Whether the whole text fits the pieces; captures are pushed last first. At most three pieces have
/// a choice of length and a number has at most 64 characters, so this ends soon.
fn fits(pieces: &[Piece], text: &str, extensions: &[ExtensionRange], found: &mut Captures) -> bool {
    let Some((piece, later)) = pieces.split_first() else { return text.is_empty() };
    match piece {
        Piece::One(set) => match text.bytes().next() {
            Some(byte) if byte < 128 && set >> byte & 1 == 1 => fits(later, &text[1..], extensions, found),
            _ => false,
        },
        Piece::Capture { name, shape } => {
            let (min, max) = shape.lengths();
            // The longest first: a capture takes as much as it can.
            (min..=max.min(text.len())).rev().any(|length| {
                let fits = text.is_char_boundary(length)
                    && shape.takes(&text[..length], extensions)
                    && fits(later, &text[length..], extensions, found);
                if fits {
                    found.push((name.clone(), text[..length].to_owned()));
                }
                fits
            })
        }
    }
}

impl Shape {
    const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Digits { min, max } => (min as usize, max as usize),
            Self::Extension => (1, 10),
            Self::Number => (NUMBER_DIGITS.0, NUMBER_DIGITS.1 + 1),
        }
    }

    fn takes(self, text: &str, extensions: &[ExtensionRange]) -> bool {
        match self {
            Self::Digits { .. } => text.bytes().all(|b| b.is_ascii_digit()),
            Self::Extension => extensions.iter().any(|range| range.contains(text)),
            Self::Number => {
                let digits = text.strip_prefix('+').unwrap_or(text);
                (NUMBER_DIGITS.0..=NUMBER_DIGITS.1).contains(&digits.len())
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && parse_number(text).is_some()
            }
        }
    }
}

/// Digits of a telephone number at least and at most (E.164 allows 15).
pub(crate) const NUMBER_DIGITS: (usize, usize) = (3, 15);

#[cfg(test)]
mod tests {
    use super::*;

    fn try_match(pattern: &str, number: &str) -> Option<String> {
        let range =
            ExtensionRange { from: 1001, to: 1010, media_keys: crate::MediaKeys::None, dtmf: crate::Dtmf::Auto, redirects: true };
        let captures = Pattern::parse(pattern).unwrap().captures(number, &[range])?;
        Some(captures.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn patterns_are_anchored_and_captures_typed() {
        for (pattern, number, expected) in [
            ("1000", "1000", Some("")),
            ("1000", "10001", None),
            ("1000", "x1000", None),
            ("10XX", "1099", Some("")),
            ("10XX", "10a9", None),
            ("ZN", "12", Some("")),
            ("ZN", "02", None),
            ("*11", "*11", Some("")),
            ("{n:3..5}", "12345", Some("n=12345")),
            ("{n:3..5}", "123456", None),
            ("0{out:number}", "0+390212", Some("out=+390212")),
            ("{a:1..3}{b:2}", "12345", Some("a=123 b=45")),
            ("{who:extension}", "1010", Some("who=1010")),
            ("{who:extension}", "1011", None),
            ("{who:extension}", "01001", None),
            ("{n:4}", "12é", None),
        ] {
            assert_eq!(try_match(pattern, number).as_deref(), expected, "{pattern} against {number}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        for (bad, why) in [
            ("", "1 to 64"),
            ("10 00", "cannot stand"),
            ("{n}", "says no type"),
            ("{n:", "not closed"),
            ("{n:0}", "no type of a capture"),
            ("{n:5..3}", "no type of a capture"),
            ("{dialled:4}", "cannot name"),
            ("{n:2}{n:2}", "captured twice"),
        ] {
            let error = Pattern::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
