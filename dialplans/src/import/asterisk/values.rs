//! What `${…}` and `$[…]` stand for, as far as that is known before any call.

use std::collections::BTreeMap;

use super::{
    super::value::{Piece, Value, is_local, literal, push, text},
    pattern::Numbers,
};

/// Longest value that is followed; what grows longer is unknown.
const MAX_VALUE_BYTES: usize = 256;
/// How deep `${…}` may stand in each other.
const MAX_DEPTH: usize = 8;

/// What variables hold at a place of the dialplan.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    /// `${EXTEN}`.
    pub(super) number: Value,
    /// The numbers that the call may have been dialled with, when `number` is made of them.
    pub(super) dialled: Option<Numbers>,
    pub(super) vars: BTreeMap<String, Value>,
}

/// The numbers that a value may be, when it is text followed by the end of what was dialled.
pub(super) fn numbers(value: &[Piece], dialled: Option<&Numbers>) -> Option<(Numbers, usize, usize)> {
    let (prefix, from) = match value {
        [Piece::Dialled(from)] => ("", *from),
        [Piece::Text(prefix), Piece::Dialled(from)] => (prefix.as_str(), *from),
        _ => return None,
    };
    let rest = dialled?.skip(from)?;
    let mut places = if prefix.is_empty() { Vec::new() } else { Numbers::literal(prefix)?.places };
    let length = places.len();
    places.extend(rest.places);
    Some((Numbers { places, tail: rest.tail }, length, from))
}

impl Known {
    /// Whether something of it is lost when the call goes on in another route.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.number) || self.vars.values().any(|value| is_local(value))
    }

    /// Fills in what is known of a text.
    pub(super) fn expand(&self, from: &str) -> Value {
        self.expanded(from, 0)
    }

    fn expanded(&self, from: &str, depth: usize) -> Value {
        let mut value = Value::new();
        let mut rest = from;
        while let Some(open) = rest.find("${").into_iter().chain(rest.find("$[")).min() {
            push(&mut value, text(&rest[..open]));
            let inside = &rest[open + 2..];
            let Some(length) = closing(inside, rest.as_bytes()[open + 1]) else {
                push(&mut value, vec![Piece::Unknown(rest[open..].to_owned())]);
                return value;
            };
            let whole = &rest[open..open + length + 3];
            let piece = if depth >= MAX_DEPTH {
                vec![Piece::Unknown(whole.to_owned())]
            } else if whole.starts_with("${") {
                self.variable(&inside[..length], whole, depth)
            } else {
                match self.condition(whole) {
                    Some(holds) => text(if holds { "1" } else { "0" }),
                    None => vec![Piece::Unknown(whole.to_owned())],
                }
            };
            push(&mut value, piece);
            rest = &rest[open + length + 3..];
        }
        push(&mut value, text(rest));
        let length: usize = value.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 8 }).sum();
        if length > MAX_VALUE_BYTES { vec![Piece::Unknown(from.chars().take(60).collect())] } else { value }
    }

    fn variable(&self, inside: &str, whole: &str, depth: usize) -> Value {
        let unknown = || vec![Piece::Unknown(whole.to_owned())];
        let Some(inside) = literal(&self.expanded(inside, depth + 1)) else { return unknown() };
        // A colon in brackets belongs to a function.
        let colon = if inside.contains('(') {
            inside.find(')').and_then(|end| inside[end..].find(':').map(|at| end + at))
        } else {
            inside.find(':')
        };
        let (name, slice) = match colon {
            Some(at) => (&inside[..at], Some(&inside[at + 1..])),
            None => (inside.as_str(), None),
        };
        let value = match name {
            "EXTEN" => self.number.clone(),
            "CALLERID(num)" | "CALLERID(number)" | "CALLERIDNUM" | "CALLERID(ani)" => {
                self.vars.get("CALLERID(num)").cloned().unwrap_or_else(|| vec![Piece::Caller])
            }
            _ => match self.vars.get(name) {
                Some(value) => value.clone(),
                None => return unknown(),
            },
        };
        match slice {
            None => value,
            Some(slice) => self.sliced(value, slice).unwrap_or_else(unknown),
        }
    }

    /// `1`, `-4`, `0:3`.
    fn sliced(&self, value: Value, slice: &str) -> Option<Value> {
        let (offset, length) = slice.split_once(':').map_or((slice, None), |(offset, length)| (offset, Some(length)));
        let offset: i64 = if offset.is_empty() { 0 } else { offset.trim().parse().ok()? };
        let whole = self.length(&value);
        let skip = if offset < 0 { whole?.checked_sub(usize::try_from(-offset).ok()?)? } else { usize::try_from(offset).ok()? };
        if let Some(length) = length.filter(|length| !length.trim().is_empty()) {
            let text = literal(&value)?;
            let length: usize = length.trim().parse().ok()?;
            return Some(self::text(text.get(skip.min(text.len())..(skip + length).min(text.len()))?));
        }
        let mut left = skip;
        let mut out = Value::new();
        for piece in value {
            match piece {
                Piece::Text(text) if left < text.len() => {
                    push(&mut out, self::text(text.get(left..)?));
                    left = 0;
                }
                Piece::Text(text) => left -= text.len(),
                Piece::Dialled(from) => {
                    out.push(Piece::Dialled(from + left));
                    left = 0;
                }
                other if left == 0 => out.push(other),
                _ => return None,
            }
        }
        Some(out)
    }

    /// Characters of a value, when all calls have the same number of them.
    fn length(&self, value: &[Piece]) -> Option<usize> {
        let lengths = value.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.len()),
            Piece::Dialled(from) => {
                let dialled = self.dialled.as_ref().filter(|numbers| numbers.tail.is_none())?;
                dialled.places.len().checked_sub(*from)
            }
            _ => None,
        });
        lengths.sum()
    }

    /// Whether a condition holds, when that can be told.
    pub(super) fn condition(&self, from: &str) -> Option<bool> {
        let from = from.trim();
        let inside = from.strip_prefix("$[").and_then(|inside| inside.strip_suffix(']'));
        let text = literal(&self.expanded(inside.unwrap_or(from), 1))?;
        match inside {
            Some(_) => evaluate(&text),
            None => Some(!matches!(text.trim(), "" | "0")),
        }
    }
}

/// `"a" = "b"`, `a != b`, with `&` and `|` between them.
fn evaluate(text: &str) -> Option<bool> {
    if text.contains(['(', ')', '?', '+', '~']) {
        return None;
    }
    if let Some((left, right)) = text.split_once('|') {
        return Some(evaluate(left)? | evaluate(right)?);
    }
    if let Some((left, right)) = text.split_once('&') {
        return Some(evaluate(left)? & evaluate(right)?);
    }
    let bare = |text: &str| text.trim().trim_matches('"').to_owned();
    for (sign, wanted) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((left, right)) = text.split_once(sign) {
            return (!left.ends_with(['<', '>'])).then(|| (bare(left) == bare(right)) == wanted);
        }
    }
    if text.contains(['<', '>']) {
        return None;
    }
    match text.trim().strip_prefix('!') {
        Some(rest) => Some(!evaluate(rest)?),
        None => Some(!matches!(bare(text).as_str(), "" | "0")),
    }
}

/// How far the bracket that was opened before `text` reaches.
fn closing(text: &str, open: u8) -> Option<usize> {
    let (open, close) = if open == b'{' { (b'{', b'}') } else { (b'[', b']') };
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::value::{template, unknown},
        *,
    };

    fn known(dialled: &str) -> Known {
        let mut known = Known { number: vec![Piece::Dialled(0)], dialled: Numbers::parse(dialled), ..Known::default() };
        known.vars.insert("TRUNK".into(), text("PJSIP/carrier"));
        known.vars.insert("DIALSTATUS".into(), text("BUSY"));
        known
    }

    #[test]
    fn values_are_filled_in_as_far_as_they_are_known() {
        let known = known("_9NXXXXXX");
        let shown = |text: &str| template(&known.expand(text)).map(|(text, _)| text);
        assert_eq!(shown("${EXTEN}").as_deref(), Some("{dialled}"));
        assert_eq!(shown("${EXTEN:1}").as_deref(), Some("{from2}"));
        assert_eq!(shown("${EXTEN:-4}").as_deref(), Some("{from5}"));
        assert_eq!(shown("0039${EXTEN:1}").as_deref(), Some("0039{from2}"));
        assert_eq!(shown("${TRUNK}/x").as_deref(), Some("PJSIP/carrier/x"));
        assert_eq!(shown("${TRUNK:0:5}").as_deref(), Some("PJSIP"));
        assert_eq!(shown("+${CALLERID(num)}").as_deref(), Some("+{caller}"));
        assert_eq!(shown("${SHELL(rm)}"), None);
        assert_eq!(shown("{dialled}"), None);
        assert_eq!(unknown(&known.expand("a${NEVER}b")), Some("${NEVER}"));
        assert_eq!(unknown(&known.expand("${${${")), Some("${${${"));
    }

    #[test]
    fn conditions_hold_only_when_that_is_known() {
        let known = known("_X.");
        for (text, holds) in [
            ("$[\"${DIALSTATUS}\" = \"BUSY\"]", Some(true)),
            ("$[${DIALSTATUS} != BUSY]", Some(false)),
            ("$[\"${DIALSTATUS}\"=\"NOANSWER\" | \"${DIALSTATUS}\"=\"BUSY\"]", Some(true)),
            ("$[${EXTEN} = 100]", None),
            ("$[${DIALSTATUS} =~ B.*]", None),
            ("$[${LEN(x)} > 3]", None),
            ("1", Some(true)),
            ("0", Some(false)),
        ] {
            assert_eq!(known.condition(text), holds, "{text}");
        }
    }
}
