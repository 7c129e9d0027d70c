//! Regular expressions over numbers.

use std::fmt;

use regex_syntax::hir::{Hir, literal::Extractor};

use crate::{
    pattern::{Captures, MAX_NUMBER_BYTES},
    template::is_variable,
};

/// Longest expression, in bytes.
const MAX_BYTES: usize = 256;
/// Beginnings that one regular expression is found by at most; one with more is always tried.
const MAX_BEGINNINGS: usize = 16;

/// A regular expression over the whole number.
#[derive(Debug)]
pub struct NumberRegex {
    regex: regex::Regex,
    beginnings: Option<Vec<String>>,
}

impl NumberRegex {
    /// Reads an expression; the error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("a regular expression has at most {MAX_BYTES} characters"));
        }
        // By itself too: `a)|(?:b` would be one only between the brackets, and anchored no more.
        let alone = regex_syntax::parse(text).map_err(|error| no_expression(&error))?;
        let anchored = format!("^(?:{text})$");
        let regex = regex::RegexBuilder::new(&anchored).size_limit(1 << 18).nest_limit(32).build();
        let regex = regex.map_err(|error| no_expression(&error))?;
        if let Some(name) = regex.capture_names().flatten().find(|name| !is_variable(name)) {
            return Err(format!("the group `{name}` cannot name a variable: expected lower-case letters and digits"));
        }
        let beginnings = beginnings(&alone).filter(|texts| texts.iter().all(|text| !text.is_empty()));
        Ok(Self { regex, beginnings })
    }

    /// One of these is at the beginning of each number that fits; `None` when any may be.
    pub(crate) fn beginnings(&self) -> Option<&[String]> {
        self.beginnings.as_deref()
    }

    pub(crate) fn captures(&self, number: &str) -> Option<Captures> {
        let found = self.regex.captures(number)?;
        Some(self.names().filter_map(|name| Some((name.to_owned(), found.name(name)?.as_str().to_owned()))).collect())
    }

    /// As it stands in the plan, without what anchors it.
    pub(crate) fn written(&self) -> &str {
        let inner = self.regex.as_str().strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
        inner.unwrap_or(self.regex.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }
}

impl fmt::Display for NumberRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.regex)
    }
}

/// The last line of what the library says: those before it draw the place.
fn no_expression(error: &dyn fmt::Display) -> String {
    let error = error.to_string();
    let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("this is no regular expression: {last}")
}

/// As far as an expression can be told to begin with something.
fn beginnings(parsed: &Hir) -> Option<Vec<String>> {
    let mut extractor = Extractor::new();
    // A class of ten digits would only make ten beginnings of one.
    extractor.limit_class(1).limit_total(MAX_BEGINNINGS);
    let found = extractor.extract(parsed);
    let texts = found.literals()?.iter().map(|literal| {
        let text = std::str::from_utf8(literal.as_bytes()).ok()?;
        Some(text[..text.floor_char_boundary(MAX_NUMBER_BYTES)].to_owned())
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use super::*;

    fn found_by(text: &str) -> Option<Vec<String>> {
        NumberRegex::parse(text).unwrap().beginnings().map(<[String]>::to_vec)
    }

    #[test]
    fn an_expression_is_found_by_what_it_begins_with() {
        let some = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(found_by("[+]39[0-9]+"), some(&["+39"]));
        assert_eq!(found_by("^[+]44123(?<rest>[0-9]{2,4})$"), some(&["+44123"]));
        assert_eq!(found_by("(?:\\+39|0039)02.*"), some(&["+3902", "003902"]));
        for text in ["[0-9]+", ".*5", "(?:1?2?3?)", "", "a|.*", "(?i).b"] {
            assert_eq!(found_by(text), None, "{text}");
        }
    }

    #[test]
    fn an_expression_takes_the_whole_number_however_it_is_written() {
        assert!(NumberRegex::parse("1|2").unwrap().captures("12").is_none());
        for text in ["1)|(?:2", "1)|(2", "(1", "1)"] {
            assert!(NumberRegex::parse(text).is_err(), "{text}");
        }
    }
}
