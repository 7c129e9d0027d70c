//! Headers that hold an address: From, To, Contact, Route, Record-Route, Refer-To, P-Asserted-Identity
//! (RFC 3261 section 25.1, `name-addr / addr-spec`).

use std::borrow::Cow;

use super::headers::read_seconds;
use super::scan::{Scanner, is_lws, trim, unquote};
use super::{Params, Uri};

/// `"display name" <uri>;params` or `uri;params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name as written, with its quotes; empty when there is none.
    pub display: &'a str,
    /// The URI as written; see [`uri`](Self::uri).
    pub uri_text: &'a str,
    /// The header's own parameters (not those of the URI).
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value (no list). The URI is cut out, not read: it may be of any scheme.
    ///
    /// White space inside the angle brackets and unquoted display names of any characters but quotes are let pass
    /// (RFC 4475 sections 3.1.2.14 and 3.1.2.15). Without brackets everything from `;` on belongs to the header and a
    /// `?` is not allowed (RFC 3261 section 20.10).
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let value = trim(value);
        let mut scanner = Scanner::new(value);
        let display = if scanner.peek() == Some(b'"') {
            let quoted = scanner.quoted()?;
            scanner.skip_lws();
            if scanner.peek() != Some(b'<') {
                return None;
            }
            quoted
        } else {
            trim(scanner.take_while(|byte| byte != b'<'))
        };
        if !scanner.eat(b'<') {
            return Self::parse_bare(value);
        }
        let uri_text = trim(scanner.take_while(|byte| byte != b'>'));
        let is_quote_open = !display.starts_with('"') && display.contains('"');
        if !scanner.eat(b'>') || uri_text.is_empty() || uri_text.bytes().any(is_lws) || is_quote_open {
            return None;
        }
        Some(Self { display, uri_text, params: Params::parse(scanner.rest())? })
    }

    fn parse_bare(value: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(value);
        let uri_text = scanner.take_while(|byte| !is_lws(byte) && !matches!(byte, b';' | b',' | b'?' | b'"' | b'>'));
        if !uri_text.contains(':') {
            return None;
        }
        Some(Self { display: "", uri_text, params: Params::parse(scanner.rest())? })
    }

    /// The URI; `None` when it is malformed.
    #[must_use]
    pub fn uri(&self) -> Option<Uri<'a>> {
        Uri::parse(self.uri_text)
    }

    /// The display name without quotes, escapes and folds.
    #[must_use]
    pub fn display_name(&self) -> Cow<'a, str> {
        unquote(self.display)
    }

    /// The `tag` parameter of a From or To.
    #[must_use]
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// True when the URI has the `lr` parameter: the next hop is a loose router (RFC 3261 section 16.12.1.1).
    #[must_use]
    pub fn is_loose_route(&self) -> bool {
        self.uri().is_some_and(|uri| uri.params.has("lr"))
    }
}

/// One value of a Contact header (RFC 3261 section 20.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactHeader<'a> {
    /// `*`: all bindings, in a REGISTER that removes them.
    Star,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> ContactHeader<'a> {
    /// Reads one value (no list). `None` when malformed, also when a SIP URI in it is.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        if trim(value) == "*" {
            return Some(Self::Star);
        }
        NameAddr::parse(value).filter(|address| address.uri().is_some()).map(Self::Address)
    }

    /// The address, if it is not `*`.
    #[must_use]
    pub const fn address(&self) -> Option<&NameAddr<'a>> {
        match self {
            Self::Star => None,
            Self::Address(address) => Some(address),
        }
    }

    /// The preference `q` in thousandths, 0 to 1000; `None` when absent or malformed.
    #[must_use]
    pub fn q_thousandths(&self) -> Option<u16> {
        self.address().and_then(|address| address.params.get("q")).and_then(read_q)
    }

    /// The `expires` parameter in seconds; `None` when absent or malformed.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.address().and_then(|address| address.params.get("expires")).and_then(read_seconds)
    }

    /// The device's `+sip.instance` with its angle brackets (RFC 5626 section 4.1).
    #[must_use]
    pub fn instance(&self) -> Option<Cow<'a, str>> {
        self.address().and_then(|address| address.params.get_unquoted("+sip.instance"))
    }
}

/// `0`, `0.5`, `0.333`, `1`, `1.000`: at most three places (RFC 3261 section 25.1, `qvalue`).
pub(super) fn read_q(text: &str) -> Option<u16> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let is_number = matches!(whole, "0" | "1" | "") && text.len() > usize::from(whole.is_empty());
    if !is_number || places.len() > 3 || !places.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{:0<4}", format!("{}{places}", if whole.is_empty() { "0" } else { whole }));
    thousandths.parse().ok().filter(|q| *q <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> String {
        NameAddr::parse(value).map_or("refused".to_owned(), |address| {
            format!("{:?} {} {}", address.display_name(), address.uri_text, address.tag().unwrap_or("-"))
        })
    }

    #[test]
    fn reads_both_forms() {
        assert_eq!(check("\"J \\\"R\\\" \" <sip:j@h>\r\n  ;\r\n  tag = 98"), "\"J \\\"R\\\" \" sip:j@h 98");
        assert_eq!(check("sip:v@h ;   tag    = 1918"), "\"\" sip:v@h 1918");
        assert_eq!(check("caller<sip:c@h;x>;tag=3"), "\"caller\" sip:c@h;x 3");
        assert_eq!(check("Bell, Alexander < sip:b@h >"), "\"Bell, Alexander\" sip:b@h -");
        assert_eq!(check("isbn:2983792873"), "\"\" isbn:2983792873 -");
        assert_eq!(check("\"a\" <sip:j,u@h?x=y>"), "\"a\" sip:j,u@h?x=y -");
    }

    #[test]
    fn refuses_broken_ones() {
        for text in [
            "",
            "\"Mr. J <sip:j@h>",
            "<sip:j@h",
            "<>",
            "\"a\" sip:j@h",
            "sip:j@h?x=y",
            "sip:j@h;;",
            "a \"b\" <sip:j@h>",
            "<sip:j @h>",
            "word",
        ] {
            assert_eq!(check(text), "refused", "{text}");
        }
    }

    #[test]
    fn contacts_have_preference_expiry_and_instance() {
        let contact = ContactHeader::parse("<sip:a@h>;q=0.33;expires=60;+sip.instance=\"<urn:uuid:1>\"").unwrap();
        assert_eq!((contact.q_thousandths(), contact.expires()), (Some(330), Some(60)));
        assert_eq!(contact.instance().unwrap(), "<urn:uuid:1>");
        assert_eq!(ContactHeader::parse(" * "), Some(ContactHeader::Star));
        assert_eq!(ContactHeader::parse("<sip:a@[::::]>"), None);
        let q = |text| read_q(text);
        assert_eq!((q("1"), q("1.0"), q("0"), q(".5"), q("0.001")), (Some(1000), Some(1000), Some(0), Some(500), Some(1)));
        assert_eq!(
            (q("1.001"), q("2"), q("-1"), q(""), q("."), q("0.1234"), q("0.x")),
            (None, None, None, None, None, None, None)
        );
    }
}
