//! The `;name=value` parameters of a header value or URI (RFC 3261 section 25.1, `generic-param`).

use std::borrow::Cow;

use super::scan::{Scanner, is_param_byte, unquote};

/// Parameters as written, checked once and read lazily.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    text: &'a str,
}

impl<'a> Params<'a> {
    /// Checks a run of `;name[=value]`; `None` when a name is missing, a quote stays open or something else stands
    /// between two parameters.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        scanner.skip_lws();
        while !scanner.is_at_end() {
            read_param(&mut scanner)?;
        }
        Some(Self { text })
    }

    /// The first parameter of that name (any case): `None` when absent, an empty value when it has no `=`.
    /// The value is as written, with its quotes if it has any.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }

    /// As [`get`](Self::get), without quotes and escapes.
    #[must_use]
    pub fn get_unquoted(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(unquote)
    }

    /// True when the parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let mut scanner = Scanner::new(self.text);
        scanner.skip_lws();
        std::iter::from_fn(move || if scanner.is_at_end() { None } else { read_param(&mut scanner) })
    }

    /// The text as written, from the first `;`.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// Reads `; name [= value]` and the white space after it.
fn read_param<'a>(scanner: &mut Scanner<'a>) -> Option<(&'a str, Option<&'a str>)> {
    if !scanner.eat(b';') {
        return None;
    }
    scanner.skip_lws();
    let name = scanner.take_while(|byte| is_param_byte(byte) && byte != b'=');
    if name.is_empty() {
        return None;
    }
    scanner.skip_lws();
    let mut value = None;
    if scanner.eat(b'=') {
        scanner.skip_lws();
        value = Some(match scanner.peek() {
            Some(b'"') => scanner.quoted()?,
            _ => scanner.take_while(is_param_byte),
        });
        scanner.skip_lws();
    }
    (scanner.is_at_end() || scanner.peek() == Some(b';')).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_values_quotes_and_folds() {
        let params = Params::parse(";  tag    = 1918\r\n ; q=\"a;\\\"b\";lr ; +sip.instance=\"<urn:x>\"").unwrap();
        assert_eq!(params.get("TAG"), Some("1918"));
        assert_eq!(params.get("q"), Some("\"a;\\\"b\""));
        assert_eq!(params.get_unquoted("q").unwrap(), "a;\"b");
        assert_eq!(params.get("lr"), Some(""));
        assert_eq!(params.get_unquoted("+sip.instance").unwrap(), "<urn:x>");
        assert_eq!(params.get("nothing"), None);
        assert_eq!(params.iter().count(), 4);
    }

    #[test]
    fn refuses_what_is_no_parameter() {
        for text in [";;", ";", "x=1", ";a=\"open", ";a b", ";a,b", ";=1", ";a=1 2", ";a=<x>", ";a=\"x\"y"] {
            assert_eq!(Params::parse(text), None, "{text}");
        }
        assert!(Params::parse("").unwrap().is_empty());
        assert!(Params::parse(" \r\n ").unwrap().is_empty());
    }
}
