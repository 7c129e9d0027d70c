//! Values that are filled in while a call runs: `{dialled}`, `00{rest}`.
//!
//! What comes out is text that a caller chose. It becomes a target only through the parser of the
//! target's type, at the place that uses it.

use std::fmt;

/// Text with places to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Variable(String),
}

/// What was dialled, as it came in.
pub(crate) const DIALLED: &str = "dialled";
/// Who calls, as it came in.
pub(crate) const CALLER: &str = "caller";

impl Template {
    /// Reads a template; the error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 64 {
            return Err("expected 1 to 64 characters".into());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let Some(open) = rest.find('{') else {
                parts.push(Part::Text(rest.into()));
                break;
            };
            if open > 0 {
                parts.push(Part::Text(rest[..open].into()));
            }
            let inside = &rest[open + 1..];
            let close = inside.find('}').ok_or("a `{` is not closed")?;
            let name = &inside[..close];
            if !is_variable(name) {
                return Err(format!("`{{{name}}}` is no variable: expected letters, digits and dashes"));
            }
            parts.push(Part::Variable(name.into()));
            rest = &inside[close + 1..];
        }
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err("a `}` closes nothing".into());
        }
        Ok(Self { parts })
    }

    /// The variables in it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text, when nothing is to be filled in.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with every variable filled in; `None` when one has no value.
    pub(crate) fn fill<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(name) => out.push_str(value_of(name)?),
            }
        }
        Some(out)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(name) => write!(f, "{{{name}}}"),
        })
    }
}

/// Whether a text may name a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fills_in_what_is_known() {
        let template = Template::parse("00{rest}").unwrap();
        assert_eq!(template.fill(|name| (name == "rest").then_some("39")).as_deref(), Some("0039"));
        assert_eq!(template.fill(|_| None), None);
        assert_eq!(template.to_string(), "00{rest}");
        for bad in ["", "{", "{}", "}", "{a b}", "a}b", "{A}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
