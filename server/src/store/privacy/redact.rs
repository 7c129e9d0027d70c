//! Numbers of people outside, and texts without them. No I/O.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// Digits that a number of somebody outside has at least: fewer are extensions, short codes and emergencies.
const FEWEST_DIGITS: usize = 6;
const MOST_DIGITS: usize = 20;
const MOST_LETTERS: usize = 128;
/// Fields that hold nothing but what came from outside beside the numbers: they go whole.
const WHOLE_FIELDS: [&str; 1] = ["told"];

/// A number, or another address, of somebody outside.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    /// As the database compares it: without `+` and leading zeros.
    key: String,
    /// As it stands in texts; of a number its shortest form.
    written: String,
}

impl Number {
    /// As rows are compared with it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// What a text has in it that names it, as a pattern of SQL; more texts may fit it.
    #[must_use]
    pub fn pattern(&self) -> String {
        format!("%{}%", self.written)
    }

    /// The number in a field of a record, when it can be somebody's outside.
    #[must_use]
    pub fn outside(field: &str) -> Option<Self> {
        let digits = field.strip_prefix('+').unwrap_or(field);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_number || field.contains('@')).then(|| field.parse().ok()).flatten()
    }

    fn is_digits(&self) -> bool {
        self.key.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// Personal data: not for logs.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number")
    }
}

impl FromStr for Number {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_written = |letter: char| letter.is_ascii_digit() || " +-/().".contains(letter);
        if !text.is_empty() && text.chars().all(is_written) {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let digits = digits.trim_start_matches('0');
            let fits = (FEWEST_DIGITS..=MOST_DIGITS).contains(&digits.len());
            return if fits {
                Ok(Self { key: digits.to_owned(), written: digits.to_owned() })
            } else {
                Err(format!("a number has {FEWEST_DIGITS} to {MOST_DIGITS} digits"))
            };
        }
        let plain = text.replace('+', "");
        let plain = plain.trim_start_matches('0');
        let fits = (3..=MOST_LETTERS).contains(&plain.chars().count()) && !plain.contains(char::is_control);
        fits.then(|| Self { key: plain.to_owned(), written: text.to_owned() })
            .ok_or_else(|| format!("an address has 3 to {MOST_LETTERS} letters"))
    }
}

/// Takes one person's numbers out of texts.
#[derive(Clone)]
pub struct Redaction {
    /// How the numbers may be written, longest first, and what takes their place.
    forms: Vec<(String, String)>,
    /// Each number and what takes its place.
    numbers: Vec<(Number, String)>,
    tombstone: String,
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").field("tombstone", &self.tombstone).finish_non_exhaustive()
    }
}

impl Redaction {
    /// Of these numbers, with a tombstone of random letters.
    #[must_use]
    pub fn of(numbers: &[Number]) -> Self {
        let mut bytes = [0u8; 6];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        let letters: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::with(numbers, format!("erased-{letters}"))
    }

    /// Each number has a tombstone of its own, so that what was told apart still is.
    fn with(numbers: &[Number], tombstone: String) -> Self {
        let mut redaction = Self { forms: Vec::new(), numbers: Vec::new(), tombstone };
        for number in numbers {
            if redaction.of_number(number).is_none() {
                let mark = match redaction.numbers.len() {
                    0 => redaction.tombstone.clone(),
                    before => format!("{}-{}", redaction.tombstone, before + 1),
                };
                redaction.add(number.clone(), mark);
            }
        }
        redaction
    }

    fn add(&mut self, number: Number, mark: String) {
        let Number { key, written } = &number;
        let forms = match number.is_digits() {
            true => vec![format!("+{key}"), format!("00{key}"), format!("0{key}"), key.clone()],
            false => vec![written.clone()],
        };
        self.forms.extend(forms.into_iter().map(|form| (form, mark.clone())));
        self.forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        self.numbers.push((number, mark));
    }

    /// These numbers, and others with tombstones of another person.
    #[must_use]
    pub fn and(&self, others: &[Number]) -> Self {
        let (mut both, others) = (self.clone(), Self::of(others));
        for (number, mark) in others.numbers {
            if both.of_number(&number).is_none() {
                both.add(number, mark);
            }
        }
        both
    }

    /// What stands in the place of names and of the first number.
    #[must_use]
    pub fn tombstone(&self) -> &str {
        &self.tombstone
    }

    /// What stands in the place of one of the numbers.
    #[must_use]
    pub fn of_number(&self, number: &Number) -> Option<&str> {
        self.numbers.iter().find(|(one, _)| one == number).map(|(_, mark)| mark.as_str())
    }

    /// A text without the numbers; `None` when they do not stand in it. A number within a longer one is another number.
    #[must_use]
    pub fn text(&self, text: &str) -> Option<String> {
        let (mut out, mut at, mut last, mut found) = (String::new(), 0, None::<char>, false);
        while let Some(letter) = text[at..].chars().next() {
            let free = last.is_none_or(|last| !last.is_alphanumeric());
            let form = free.then(|| self.forms.iter().find(|(form, _)| stands(text, at, form, last))).flatten();
            if let Some((form, mark)) = form {
                out.push_str(mark);
                (at, found) = (at + form.len(), true);
                last = form.chars().last();
            } else {
                out.push(letter);
                at += letter.len_utf8();
                last = Some(letter);
            }
        }
        found.then_some(out)
    }

    /// Takes the numbers out of every text of a structure, and with `whole` what else came from outside. Whether it changed.
    pub fn value(&self, value: &mut Value, whole: bool) -> bool {
        match value {
            Value::String(text) => match self.text(text) {
                Some(plain) => {
                    *text = plain;
                    true
                }
                None => false,
            },
            Value::Array(values) => self.values(values.iter_mut(), whole),
            Value::Object(fields) => {
                let before = fields.len();
                if whole {
                    fields.retain(|name, _| !WHOLE_FIELDS.contains(&name.as_str()));
                }
                let fewer = fields.len() < before;
                self.values(fields.values_mut(), whole) || fewer
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn values<'a>(&self, values: impl Iterator<Item = &'a mut Value>, whole: bool) -> bool {
        let mut changed = false;
        for value in values {
            changed |= self.value(value, whole);
        }
        changed
    }

    /// The same of JSON text; `None` when nothing changed.
    #[must_use]
    pub fn json(&self, text: &str, whole: bool) -> Option<String> {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => self.value(&mut value, whole).then(|| value.to_string()),
            // Not ours: as a text it is better than as it was.
            Err(_) => self.text(text),
        }
    }
}

/// Whether a form stands in a text, and not within a longer number or address.
fn stands(text: &str, at: usize, form: &str, before: Option<char>) -> bool {
    let behind = text[at..].strip_prefix(form).map(|rest| rest.chars().next());
    let joins = |letter: char| letter == '+' || (form.contains('@') && "._-%".contains(letter));
    !before.is_some_and(joins) && behind.is_some_and(|next| next.is_none_or(|next| !next.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use serde_json::json;

    use super::*;

    fn redaction(numbers: &[&str]) -> Redaction {
        let numbers: Vec<Number> = numbers.iter().map(|number| number.parse().unwrap()).collect();
        Redaction::with(&numbers, "erased-x".into())
    }

    #[test]
    fn a_number_is_one_however_it_is_written() {
        for text in ["+390212345", "00390212345", "390212345", " +39 02/12-345 ", "+39 (02) 12.345"] {
            assert_eq!(text.parse::<Number>().unwrap().as_str(), "390212345", "{text}");
        }
        assert_eq!("anna@example.com".parse::<Number>().unwrap().as_str(), "anna@example.com");
        for bad in ["", "1001", "00112", "+", "ab", "123456789012345678901", "a\nbcd", &"x".repeat(129)] {
            assert!(bad.parse::<Number>().is_err(), "{bad:?}");
        }
        let outside = |text| Number::outside(text).map(|number| number.as_str().to_owned());
        assert_eq!(outside("+390212345").as_deref(), Some("390212345"));
        assert_eq!((outside("1001"), outside("anonymous"), outside("erased-01"), outside("")), (None, None, None, None));
    }

    #[test]
    fn numbers_go_and_what_only_looks_alike_stays() {
        let redaction = redaction(&["+390212345", "+4479460"]);
        for (text, plain) in [
            ("+390212345", "erased-x"),
            ("390212345", "erased-x"),
            ("00390212345", "erased-x"),
            ("sip:+390212345@trunk.example;user=phone", "sip:erased-x@trunk.example;user=phone"),
            ("from +390212345 to 4479460.", "from erased-x to erased-x-2."),
            ("?number=+390212345&limit=1", "?number=erased-x&limit=1"),
            ("+390212345,+390212345", "erased-x,erased-x"),
        ] {
            assert_eq!(redaction.text(text).as_deref(), Some(plain));
        }
        for text in ["+3902123456", "1390212345", "a390212345", "390212345b", "+1390212345", "++44794601", "", "é"] {
            assert_eq!(redaction.text(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_go_as_they_are_written_and_not_out_of_longer_ones() {
        let redaction = redaction(&["anna+news@example.com", "crm:4711"]);
        assert_eq!(redaction.text("to <anna+news@example.com>, crm:4711").as_deref(), Some("to <erased-x>, erased-x-2"));
        for text in ["joanna+news@example.com", "jo.anna+news@example.com", "annanews@example.com", "crm:47110"] {
            assert_eq!(redaction.text(text), None, "{text}");
        }
        let other: Number = "+390212345".parse().unwrap();
        let both = redaction.and(std::slice::from_ref(&other));
        assert_ne!(both.of_number(&other), Some("erased-x"), "another's number is another's");
        assert_eq!(both.text("crm:4711").as_deref(), Some("erased-x-2"));
    }

    #[test]
    fn figures_of_a_record_stay_and_what_the_trunk_told_goes() {
        let redaction = redaction(&["+390212345"]);
        let body = json!({ "cdr": { "from": "+390212345", "waited_ms": 390_212_345_u64, "told": { "name": "Anna" } }, "ok": [null, "390212345"] });
        let plain = json!({ "cdr": { "from": "erased-x", "waited_ms": 390_212_345_u64 }, "ok": [null, "erased-x"] });
        let text = redaction.json(&body.to_string(), true).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain);
        assert_eq!(redaction.json(&text, true), None);
        assert!(redaction.json(&body.to_string(), false).unwrap().contains("Anna"), "another's name is not theirs");
    }

    #[test]
    fn two_tombstones_are_never_the_same_and_no_log_says_whose_they_are() {
        let numbers = ["+390212345".parse().unwrap()];
        let (one, other) = (Redaction::of(&numbers), Redaction::of(&numbers));
        assert_ne!(one.tombstone(), other.tombstone());
        assert!(!format!("{one:?} {numbers:?}").contains("390212345"));
    }
}
