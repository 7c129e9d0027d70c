//! URIs: `sip`, `sips`, `tel` and others (RFC 3261 section 19.1, RFC 3966, RFC 5118).
//!
//! A [`Uri`] is a view of the text as written: escapes stay escapes. Comparison is in `uri_compare`.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::Params;
use super::scan::{Scanner, is_uri_byte};

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`: over TLS on every hop.
    Sips,
    /// `tel`: a number, no host.
    Tel,
    /// Anything else; see [`Uri::as_str`].
    Other,
}

/// A URI as written.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    text: &'a str,
    /// The scheme.
    pub scheme: Scheme,
    /// The user part as written (with its own parameters if it has some, as in `sip:+1;ext=2@host`); the number of a
    /// `tel` URI.
    pub user: Option<&'a str>,
    /// The password as written. Deprecated (RFC 3261 section 19.1.1); read so that it can be told from the user.
    pub password: Option<&'a str>,
    /// The host as written: an IPv6 address has its brackets. Empty for `tel` and other schemes.
    pub host: &'a str,
    /// The port, if written.
    pub port: Option<u16>,
    /// The URI's parameters.
    pub params: Params<'a>,
    /// What follows `?`, as written; empty when there is nothing. Such headers never become headers of a message
    /// (RFC 4475 section 3.1.2.11).
    pub headers: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI; `None` when it is malformed. White space and control characters are never part of one.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if !text.bytes().all(is_uri_byte) {
            return None;
        }
        let (scheme_text, rest) = text.split_once(':')?;
        let scheme = read_scheme(scheme_text)?;
        let bare =
            Self { text, scheme, user: None, password: None, host: "", port: None, params: Params::default(), headers: "" };
        match scheme {
            Scheme::Sip | Scheme::Sips => parse_sip(bare, rest),
            Scheme::Tel => parse_tel(bare, rest),
            Scheme::Other => (!rest.is_empty()).then_some(bare),
        }
    }

    /// The whole URI as written.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// True for `sip` and `sips`.
    #[must_use]
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The host as an address, when it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        host_address(self.host)
    }

    /// The user part with its escapes undone (`%75ser` gives `user`); as written when that gives no UTF-8.
    #[must_use]
    pub fn user_decoded(&self) -> Option<Cow<'a, str>> {
        self.user.map(percent_decode)
    }

    /// The `transport` parameter as written.
    #[must_use]
    pub fn transport(&self) -> Option<&'a str> {
        self.params.get("transport")
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text)
    }
}

fn read_scheme(text: &str) -> Option<Scheme> {
    let mut bytes = text.bytes();
    let is_scheme = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return None;
    }
    let known = [("sip", Scheme::Sip), ("sips", Scheme::Sips), ("tel", Scheme::Tel)];
    let found = known.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    Some(found.map_or(Scheme::Other, |(_, scheme)| scheme))
}

/// `[user[:password]@]host[:port][;params][?headers]`. `;` and `?` may stand in the user part, so the first `@`
/// decides (RFC 4475 section 3.1.1.2).
fn parse_sip<'a>(mut uri: Uri<'a>, rest: &'a str) -> Option<Uri<'a>> {
    let mut address = rest;
    if let Some((user_info, after)) = rest.split_once('@') {
        let (user, password) = match user_info.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user_info, None),
        };
        if user.is_empty() || !has_whole_escapes(user_info) {
            return None;
        }
        (uri.user, uri.password, address) = (Some(user), password, after);
    }
    let mut scanner = Scanner::new(address);
    (uri.host, uri.port) = read_host_port(&mut scanner, false)?;
    let tail = scanner.rest();
    let (params, headers) = match tail.split_once('?') {
        Some((_, "")) => return None,
        Some(split) => split,
        None => (tail, ""),
    };
    (uri.params, uri.headers) = (Params::parse(params)?, headers);
    Some(uri)
}

fn parse_tel<'a>(mut uri: Uri<'a>, rest: &'a str) -> Option<Uri<'a>> {
    let (number, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    if number.is_empty() || !has_whole_escapes(number) {
        return None;
    }
    (uri.user, uri.params) = (Some(number), Params::parse(params)?);
    Some(uri)
}

/// Reads `host[:port]`, with white space around the colon where a header allows it.
pub(super) fn read_host_port<'a>(scanner: &mut Scanner<'a>, spaced: bool) -> Option<(&'a str, Option<u16>)> {
    let host = read_host(scanner)?;
    let before = *scanner;
    if spaced {
        scanner.skip_lws();
    }
    if !scanner.eat(b':') {
        *scanner = before;
        return Some((host, None));
    }
    if spaced {
        scanner.skip_lws();
    }
    let digits = scanner.take_while(|byte| byte.is_ascii_digit());
    digits.parse().ok().map(|port| (host, Some(port)))
}

fn read_host<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
    let rest = scanner.rest();
    if scanner.peek() == Some(b'[') {
        let address = scanner.take_while(|byte| byte != b']');
        if !scanner.eat(b']') {
            return None;
        }
        // A zone index has no meaning to anybody but the sender, and the grammar has none.
        address.get(1..)?.parse::<Ipv6Addr>().ok()?;
        return rest.get(..address.len() + 1);
    }
    let host = scanner.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    (!host.is_empty()).then_some(host)
}

/// A host that is an address, with or without brackets.
pub(super) fn host_address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// Undoes `%HH`; the text as it is when a part of it is no escape or the outcome no UTF-8.
pub(super) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = escape_at(bytes, at);
        decoded.push(escape.unwrap_or(*byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// False when a `%` starts no escape: undoing another escape beside it could make it one, and a user two users.
fn has_whole_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'%', bytes).all(|at| escape_at(bytes, at).is_some())
}

/// The byte that the escape at `at` stands for.
pub(super) fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let digits = bytes.get(at..at + 3).filter(|escape| escape.first() == Some(&b'%'))?;
    let digit = |index: usize| digits.get(index).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let Some(uri) = Uri::parse(text) else { return "refused".to_owned() };
        let params: Vec<_> = uri.params.iter().collect();
        format!("{:?} {:?} {:?} {} {:?} {params:?} {}", uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.headers)
    }

    #[test]
    fn reads_the_parts() {
        assert_eq!(check("sip:alice@h"), r#"Sip Some("alice") None h None [] "#);
        assert_eq!(
            check("SIPS:a:pw@[2001:db8::10]:5070;lr;x=%31?Subject=y&z=%20"),
            r#"Sips Some("a") Some("pw") [2001:db8::10] Some(5070) [("lr", None), ("x", Some("%31"))] Subject=y&z=%20"#
        );
        assert_eq!(check("sip:user;par=u%40e@h"), r#"Sip Some("user;par=u%40e") None h None [] "#);
        assert_eq!(check("tel:+1-201-555;ext=3"), r#"Tel Some("+1-201-555") None  None [("ext", Some("3"))] "#);
        assert_eq!(check("urn:service:sos"), "Other None None  None [] ");
        assert_eq!(check("sip:[2001:db8::10:5070]"), "Sip None None [2001:db8::10:5070] None [] ");
    }

    #[test]
    fn refuses_broken_ones() {
        let broken = [
            "sip:",
            "sip:@h",
            "sip:a@",
            "sip:2001:db8::10",
            "sip:a@[2001:db8:::1]",
            "sip:a@[::1",
            "sip:a@h:",
            "sip:a@h:99999",
            "sip:a@h;;",
            "sip:a@h?",
            "sip:a@b@c",
            "a@h",
            "<sip:a@h>",
            "sip:a b@h",
            "sip:a@h\r\nX:y",
            "1x:y",
            "tel:",
            "sip:a@[::1%lo]",
            "sip:u%4%41@h",
            "tel:%",
        ];
        for text in broken {
            assert_eq!(check(text), "refused", "{text}");
        }
    }

    #[test]
    fn escapes_are_undone_on_request_only() {
        assert_eq!(Uri::parse("sip:%75se%72@h").unwrap().user_decoded().unwrap(), "user");
        assert_eq!(Uri::parse("sip:null-%00-null@h").unwrap().user_decoded().unwrap(), "null-\0-null");
        assert_eq!(percent_decode("%Z%45%4"), "%ZE%4");
        assert_eq!(percent_decode("%ff"), "%ff");
    }
}
