//! Small typed headers: CSeq, Content-Type, Event, Reason, Session-Expires, numbers of seconds.

use std::borrow::Cow;

use super::scan::{Scanner, is_token, trim, unquote};
use super::{Method, Params};

/// Reads a number of seconds (`Expires`, `Retry-After`, `Max-Forwards`): digits only, up to 2³²−1. What follows in
/// parentheses or after `;`, as in `Retry-After: 120 (busy)`, is left out.
#[must_use]
pub fn read_seconds(value: &str) -> Option<u32> {
    let digits = trim(value.split([';', '(']).next().unwrap_or(""));
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// `CSeq: 1 INVITE` (RFC 3261 section 20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number.
    pub number: u32,
    /// The method, with its case.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads the header; `None` when malformed or the number is over 2³²−1.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(value);
        let number = scanner.take_while(|byte| byte.is_ascii_digit()).parse().ok()?;
        let before = scanner.rest().len();
        scanner.skip_lws();
        let method = scanner.rest();
        (method.len() < before && is_token(method.as_bytes())).then_some(Self { number, method })
    }

    /// The method, when it is one we know.
    #[must_use]
    pub fn method(&self) -> Method {
        Method::of(self.method)
    }
}

/// `Content-Type: application/sdp;charset=utf-8` (RFC 3261 section 20.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// `application`
    pub kind: &'a str,
    /// `sdp`
    pub subtype: &'a str,
    /// Its parameters.
    pub params: Params<'a>,
}

impl<'a> ContentType<'a> {
    /// Reads a media type; `None` when malformed.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(value);
        let kind = scanner.token()?;
        scanner.skip_lws();
        if !scanner.eat(b'/') {
            return None;
        }
        scanner.skip_lws();
        let subtype = scanner.token()?;
        Some(Self { kind, subtype, params: Params::parse(scanner.rest())? })
    }

    /// True when it is `kind/subtype`, in any case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// True for `application/sdp`.
    #[must_use]
    pub fn is_sdp(&self) -> bool {
        self.is("application", "sdp")
    }
}

/// A token with parameters: `word;params`.
fn token_and_params(value: &str) -> Option<(&str, Params<'_>)> {
    let mut scanner = Scanner::new(value);
    scanner.skip_lws();
    let token = scanner.token()?;
    Some((token, Params::parse(scanner.rest())?))
}

/// `Event: dialog;id=7` (RFC 6665 section 8.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The package with its templates.
    pub package: &'a str,
    /// Parameters, `id` among them.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads the header; `None` when malformed.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        token_and_params(value).map(|(package, params)| Self { package, params })
    }
}

/// `Reason: Q.850;cause=16;text="normal"` (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// `SIP`, `Q.850`, …
    pub protocol: &'a str,
    /// Parameters.
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Reads one value; `None` when malformed.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        token_and_params(value).map(|(protocol, params)| Self { protocol, params })
    }

    /// The cause number.
    #[must_use]
    pub fn cause(&self) -> Option<u16> {
        self.params.get("cause").and_then(|cause| cause.parse().ok())
    }

    /// The text without quotes. It is the sender's: never to be trusted or logged as ours.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.get("text").map(unquote)
    }
}

/// `Session-Expires: 1800;refresher=uac` (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires<'a> {
    /// The interval in seconds.
    pub seconds: u32,
    /// `uac` or `uas`, as written, if present.
    pub refresher: Option<&'a str>,
}

impl<'a> SessionExpires<'a> {
    /// Reads the header; `None` when malformed.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(value);
        let seconds = scanner.take_while(|byte| byte.is_ascii_digit()).parse().ok()?;
        let params = Params::parse(scanner.rest())?;
        Some(Self { seconds, refresher: params.get("refresher") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers() {
        assert_eq!(CSeq::parse("0009\r\n  INVITE"), Some(CSeq { number: 9, method: "INVITE" }));
        assert_eq!(CSeq::parse("4294967295 X").map(|cseq| cseq.number), Some(u32::MAX));
        for text in ["", "1", "1INVITE", "INVITE", "4294967296 X", "-1 X", "1 IN VITE", "1 "] {
            assert_eq!(CSeq::parse(text), None, "{text}");
        }
    }

    #[test]
    fn media_types_and_tokens_with_parameters() {
        assert!(ContentType::parse("Application / SDP ; charset=\"a;b\"").unwrap().is_sdp());
        assert_eq!(ContentType::parse("text"), None);
        let reason = Reason::parse("Q.850 ;cause=16 ;text=\"Terminated; ok\"").unwrap();
        assert_eq!((reason.protocol, reason.cause(), reason.text().unwrap().as_ref()), ("Q.850", Some(16), "Terminated; ok"));
        let event = Event::parse("dialog;id=7").unwrap();
        assert_eq!((event.package, event.params.get("id")), ("dialog", Some("7")));
        let session = SessionExpires::parse("1800;refresher=uac").unwrap();
        assert_eq!((session.seconds, session.refresher), (1800, Some("uac")));
    }

    #[test]
    fn seconds_are_digits_only() {
        assert_eq!(read_seconds("0068"), Some(68));
        assert_eq!(read_seconds("120 (I'm in a meeting)"), Some(120));
        assert_eq!(read_seconds("18000;duration=3600"), Some(18000));
        for text in ["", "-1", "+1", "1.5", "4294967296", "1 2"] {
            assert_eq!(read_seconds(text), None, "{text}");
        }
    }
}
