//! Extensions of Asterisk's dialplan as sequences of sets of characters: order, fit, intersection, and our patterns.

use super::super::value::capture_name;

/// What one place of a number may be: ASCII characters, bit by bit.
type Set = u128;

const DIGITS: Set = span(b'0', b'9');
const ANY: Set = u128::MAX;
/// Longest number that is compared.
const MAX_PLACES: usize = 48;

const fn span(from: u8, to: u8) -> Set {
    let mut bits = 0;
    let mut at = from;
    while at <= to {
        bits |= 1 << at;
        at += 1;
    }
    bits
}

/// Numbers that an extension fits: places, and perhaps more behind them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Numbers {
    pub(super) places: Vec<Set>,
    /// At least so many more characters, whichever they are.
    pub(super) tail: Option<u8>,
}

impl Numbers {
    /// `100`, `_1XX`, `_9NXX.`, `_[1-5]0!`. `None` for what is no extension.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some(pattern) = text.strip_prefix('_') else { return Self::literal(text) };
        let mut places = Vec::new();
        let mut tail = None;
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            if tail.is_some() || places.len() >= MAX_PLACES {
                return None;
            }
            match c {
                'X' | 'x' => places.push(DIGITS),
                'Z' | 'z' => places.push(span(b'1', b'9')),
                'N' | 'n' => places.push(span(b'2', b'9')),
                '.' => tail = Some(1),
                '!' => tail = Some(0),
                '-' | ' ' => {}
                '[' => {
                    let class: String = rest.by_ref().take_while(|c| *c != ']').collect();
                    places.push(set_of(&class)?);
                }
                _ if c.is_ascii_graphic() => places.push(1 << u32::from(c)),
                _ => return None,
            }
        }
        (!places.is_empty() || tail.is_some()).then_some(Self { places, tail })
    }

    /// One number and no other.
    pub(super) fn literal(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= MAX_PLACES && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self { places: text.bytes().map(|b| 1 << b).collect(), tail: None })
    }

    /// The one number, if it is one.
    pub(super) fn single(&self) -> Option<String> {
        let one = |set: &Set| (set.count_ones() == 1).then(|| u8::try_from(set.trailing_zeros()).ok().map(char::from)).flatten();
        if self.tail.is_some() { None } else { self.places.iter().map(one).collect() }
    }

    /// Numbers that fit both.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let length = self.places.len().max(other.places.len());
        let mut places = Vec::with_capacity(length);
        for at in 0..length {
            let of = |numbers: &Self| numbers.places.get(at).copied().or(numbers.tail.map(|_| ANY));
            let both = of(self)? & of(other)?;
            if both == 0 {
                return None;
            }
            places.push(both);
        }
        // What is still wanted behind the places that are there now.
        let wanted = |numbers: &Self| numbers.tail.map(|least| usize::from(least).saturating_sub(length - numbers.places.len()));
        let tail = match (wanted(self), wanted(other)) {
            (Some(a), Some(b)) => Some(u8::try_from(a.max(b)).unwrap_or(u8::MAX)),
            (Some(0), None) | (None, Some(0)) | (None, None) => None,
            _ => return None,
        };
        Some(Self { places, tail })
    }

    /// Whether all numbers of `other` fit.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.and(other).is_some_and(|both| both == *other)
    }

    /// The order in which Asterisk tries: place by place, the narrower set first.
    pub(super) fn rank(&self) -> Vec<(u32, Set)> {
        let mut rank: Vec<_> = self.places.iter().map(|set| (set.count_ones(), *set)).collect();
        rank.push(match self.tail {
            None => (0, 0),
            Some(0) => (1_001, 0),
            Some(_) => (1_000, 0),
        });
        rank
    }

    /// The numbers without their first characters.
    pub(super) fn skip(&self, count: usize) -> Option<Self> {
        (count <= self.places.len()).then(|| Self { places: self.places[count..].to_vec(), tail: self.tail })
    }

    /// The same with other places from `from` on.
    pub(super) fn with(&self, from: usize, places: &[Set], tail: Option<u8>) -> Self {
        Self { places: self.places[..from.min(self.places.len())].iter().chain(places).copied().collect(), tail }
    }

    /// How `to` says it: a pattern of ours, or a regular expression; with a capture from each of these places on.
    pub(super) fn guard(&self, captures: &[usize]) -> Guard {
        let captures: Vec<usize> = captures.iter().copied().filter(|at| *at <= self.places.len()).collect();
        if self.places.is_empty() && captures.is_empty() {
            return Guard::Any;
        }
        let plain = |set: &Set| plain(*set).is_some();
        let from = captures.first().copied().unwrap_or(self.places.len());
        let digits_from_there = self.places[from.min(self.places.len())..].iter().all(|set| *set == DIGITS);
        if captures.len() <= 1
            && self.tail != Some(0)
            && self.places.iter().all(plain)
            && (captures.is_empty() || digits_from_there)
        {
            let mut text: String = self.places[..from].iter().filter_map(|set| plain_char(*set)).collect();
            let more = self.places.len() - from;
            match (self.tail, captures.first()) {
                (None, None) => {}
                (None, Some(_)) if more > 0 => text.push_str(&format!("{{{}:{more}}}", capture_name(from))),
                (None, Some(_)) => return self.regex(&captures),
                (Some(least), _) => {
                    let least = more + usize::from(least.max(1));
                    text.push_str(&format!("{{{}:{least}..32}}", capture_name(from)));
                }
            }
            return Guard::Pattern(text);
        }
        self.regex(&captures)
    }

    fn regex(&self, captures: &[usize]) -> Guard {
        let mut text = String::new();
        for (at, set) in self.places.iter().enumerate() {
            for _ in captures.iter().filter(|from| **from == at) {
                text.push_str(&format!("(?<{}>", capture_name(at)));
            }
            text.push_str(&class(*set));
        }
        let end = self.places.len();
        for _ in captures.iter().filter(|from| **from == end) {
            text.push_str(&format!("(?<{}>", capture_name(end)));
        }
        match self.tail {
            None => {}
            Some(0) => text.push_str(".*"),
            Some(_) => text.push_str(".+"),
        }
        text.extend(captures.iter().map(|_| ')'));
        Guard::Regex(text)
    }
}

/// How a route says which numbers it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Any,
    Pattern(String),
    Regex(String),
}

/// The inside of `[…]`.
fn set_of(class: &str) -> Option<Set> {
    let chars: Vec<u8> = class.bytes().collect();
    let mut set = 0;
    let mut at = 0;
    while at < chars.len() {
        let from = chars[at];
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some(b'-'), Some(&to)) if from <= to && to < 128 => {
                set |= span(from, to);
                at += 3;
            }
            _ if from.is_ascii_graphic() => {
                set |= 1 << from;
                at += 1;
            }
            _ => return None,
        }
    }
    (set != 0).then_some(set)
}

/// The letter of our patterns for a set.
fn plain(set: Set) -> Option<char> {
    plain_char(set)
}

fn plain_char(set: Set) -> Option<char> {
    if set == DIGITS {
        return Some('X');
    }
    if set == span(b'1', b'9') {
        return Some('Z');
    }
    if set == span(b'2', b'9') {
        return Some('N');
    }
    let c = char::from(u8::try_from(set.trailing_zeros()).ok()?);
    let takes = c.is_ascii_digit() || c.is_ascii_lowercase() || matches!(c, '+' | '*' | '#' | '-' | '_' | '.');
    (set.count_ones() == 1 && takes).then_some(c)
}

/// A set in a regular expression.
fn class(set: Set) -> String {
    if set == ANY {
        return ".".into();
    }
    if set == DIGITS {
        return "[0-9]".into();
    }
    let chars: Vec<char> = (0..128_u8).filter(|b| set >> b & 1 == 1).map(char::from).collect();
    let escaped = |c: &char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{:02x}", u32::from(*c)) };
    match chars.as_slice() {
        [one] => escaped(one),
        chars => {
            let (first, last) = (u32::from(chars[0]), u32::from(chars[chars.len() - 1]));
            let whole = usize::try_from(last - first).is_ok_and(|width| width + 1 == chars.len());
            if whole && chars.len() > 2 {
                return format!("[{}-{}]", escaped(&chars[0]), escaped(&chars[chars.len() - 1]));
            }
            format!("[{}]", chars.iter().map(escaped).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(text: &str, captures: &[usize]) -> String {
        match Numbers::parse(text).map(|numbers| numbers.guard(captures)) {
            None => "none".into(),
            Some(Guard::Any) => "any".into(),
            Some(Guard::Pattern(text)) => text,
            Some(Guard::Regex(text)) => format!("/{text}/"),
        }
    }

    #[test]
    fn patterns_become_ours_or_regular_expressions() {
        for (theirs, captures, ours) in [
            ("100", &[][..], "100"),
            ("_1XX", &[], "1XX"),
            ("_NXXNXXXXXX", &[], "NXXNXXXXXX"),
            ("_9NXX", &[1], "/9(?<from2>[2-9][0-9][0-9])/"),
            ("_9XXX", &[1], "9{from2:3}"),
            ("_9.", &[1], "9{from2:1..32}"),
            ("_X.", &[], "X{from2:1..32}"),
            ("_9!", &[1], "/9(?<from2>.*)/"),
            ("_[1-5]0", &[], "/[1-5]0/"),
            ("_[135]X.", &[], "/[135][0-9].+/"),
            ("_+39.", &[3], "+39{from4:1..32}"),
            ("_.", &[], "any"),
            ("_00X.", &[1, 2], "/0(?<from2>0(?<from3>[0-9].+))/"),
            ("Sales", &[], "/Sales/"),
            ("_", &[], "none"),
            ("_1.2", &[], "none"),
        ] {
            assert_eq!(guard(theirs, captures), ours, "{theirs}");
        }
    }

    #[test]
    fn numbers_meet_place_by_place() {
        let and = |a: &str, b: &str| {
            let both = Numbers::parse(a).unwrap().and(&Numbers::parse(b).unwrap());
            both.map_or("nothing".to_owned(), |both| match both.guard(&[]) {
                Guard::Any => "any".into(),
                Guard::Pattern(text) | Guard::Regex(text) => text,
            })
        };
        assert_eq!(and("_1NXXNXXXXXX", "_1900NXXXXXX"), "1900NXXXXXX");
        assert_eq!(and("_X.", "_11XX"), "11XX");
        assert_eq!(and("_X.", "1"), "nothing");
        assert_eq!(and("_X!", "1"), "1");
        assert_eq!(and("_1X.", "_X2."), "12{from3:1..32}");
        assert_eq!(and("100", "_2XX"), "nothing");
        let covers = |a: &str, b: &str| Numbers::parse(a).unwrap().covers(&Numbers::parse(b).unwrap());
        assert!(covers("_X.", "_11XX") && covers("_.", "100") && !covers("_11XX", "_X."));
    }

    #[test]
    fn the_narrower_comes_first() {
        let mut texts = ["_X.", "_1XX", "100", "_.", "_[1-3]XX", "_NXX", "_X!"];
        texts.sort_by_key(|text| Numbers::parse(text).unwrap().rank());
        assert_eq!(texts, ["100", "_1XX", "_[1-3]XX", "_NXX", "_X.", "_X!", "_."]);
    }
}
