//! Values as a plan writes them. Whatever text comes in is one value of its kind, or it is refused.

use kdl::KdlValue;
use serde::{Deserialize, Serialize};

use super::NotEdited;
use crate::{
    grammar::Kind,
    read::{Problem, parse_value},
};

/// A value that is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NewValue {
    /// `#true` or `#false`.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text; where the language wants a number or a flag, it is refused.
    Text(String),
    /// As a person types it: text, number or flag, as the language wants it there.
    Typed {
        /// What was typed.
        typed: String,
    },
}

impl NewValue {
    /// The value, if the language takes it there.
    pub(super) fn of_kind(&self, kind: Kind, name: &str) -> Result<KdlValue, NotEdited> {
        let value = match self {
            Self::Flag(on) => KdlValue::Bool(*on),
            Self::Number(number) => KdlValue::Integer(i128::from(*number)),
            Self::Text(text) => KdlValue::String(text.clone()),
            Self::Typed { typed } => match kind {
                Kind::Flag => match typed.trim_start_matches('#') {
                    "true" => KdlValue::Bool(true),
                    "false" => KdlValue::Bool(false),
                    _ => KdlValue::String(typed.clone()),
                },
                Kind::Count(..) => typed.parse().map_or_else(|_| KdlValue::String(typed.clone()), KdlValue::Integer),
                _ => KdlValue::String(typed.clone()),
            },
        };
        let refused =
            |problem: Problem| NotEdited::Value { name: name.to_owned(), why: problem.message, suggestion: problem.suggestion };
        parse_value(kind, &value).map(|_| value).map_err(refused)
    }
}

/// A value in the manner of the one that it takes the place of: bare, raw or in quotes.
pub(super) fn written(value: &KdlValue, like: Option<&str>) -> String {
    let Some(text) = value.as_string() else { return value.to_string() };
    match like {
        Some(old) if is_bare(old) && is_bare(text) => text.to_owned(),
        Some(old) if old.starts_with('#') => {
            let hashes = &old[..old.len() - old.trim_start_matches('#').len()];
            let plain = !text.contains(|c: char| c.is_control()) && !text.contains(&format!("\"{hashes}"));
            // Three quotes would begin a string of many lines.
            if plain && !text.starts_with('"') && !hidden(text) { format!("{hashes}\"{text}\"{hashes}") } else { quoted(text) }
        }
        _ => quoted(text),
    }
}

/// Text in quotes. What KDL 2 does not let stand as itself is escaped (section "Disallowed Literal Code Points"), so
/// that no text ends its string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_hidden(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// Directions, line breaks and marks that one does not see.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A string that is written without quotes: of those that KDL allows only what could never be taken for something else.
fn is_bare(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !matches!(text, "true" | "false" | "null" | "inf" | "nan")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use kdl::KdlNode;
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> KdlValue {
        KdlValue::String(text.to_owned())
    }

    #[test]
    fn a_value_is_written_as_the_old_one_was() {
        for (value, like, expected) in [
            ("30s", "\"20s\"", "\"30s\""),
            ("sales", "support", "sales"),
            ("a b", "support", "\"a b\""),
            ("true", "support", "\"true\""),
            ("[0-9]", "#\"x\"#", "#\"[0-9]\"#"),
            ("a\"#b", "#\"x\"#", "\"a\\\"#b\""),
        ] {
            assert_eq!(written(&text(value), Some(like)), expected);
        }
        assert_eq!(written(&KdlValue::Bool(true), None) + &written(&KdlValue::Integer(7), Some("\"x\"")), "#true7");
    }

    #[test]
    fn what_was_typed_becomes_what_the_language_wants() {
        let typed = |text: &str, kind| NewValue::Typed { typed: text.into() }.of_kind(kind, "x");
        assert_eq!(typed("7", Kind::Count(1, 9)).unwrap(), KdlValue::Integer(7));
        assert_eq!(typed("7", Kind::Extension).unwrap(), text("7"));
        assert_eq!(typed("true", Kind::Flag).unwrap(), KdlValue::Bool(true));
        assert!(typed("10", Kind::Count(1, 9)).is_err() && typed("yes", Kind::Flag).is_err());
        assert!(NewValue::Text("7".into()).of_kind(Kind::Count(1, 9), "x").is_err());
        assert!(NewValue::Number(30).of_kind(Kind::Duration, "x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_one_value(value in any::<String>(), like in prop::sample::select(vec!["\"x\"", "x", "#\"x\"#", "##\"x\"##"])) {
            let node = KdlNode::parse(&format!("n {}", written(&text(&value), Some(like)))).unwrap();
            prop_assert_eq!(node.entries().len(), 1);
            prop_assert_eq!(node.entries()[0].value().as_string(), Some(value.as_str()));
        }
    }
}
