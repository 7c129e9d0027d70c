//! Headers of transfers: Refer-To (RFC 3515 section 2.1) and Replaces (RFC 3891 section 6.1).
//!
//! Both are read strictly: a transfer costs somebody money, so what is unclear is refused.

use super::scan::trim;
use super::uri::percent_decode;
use super::{Fault, Method, NameAddr, Params, Scheme, Uri};

/// Longer Refer-To values are refused, in bytes.
const LONGEST_REFER_TO: usize = 1_024;

/// Whom a REFER asks to have called.
#[derive(Clone, Copy, Debug)]
pub struct ReferTo<'a> {
    /// Whom. Its headers (`?Replaces=…`) never become headers of a message.
    pub uri: Uri<'a>,
}

impl<'a> ReferTo<'a> {
    /// Reads the header's value.
    ///
    /// # Errors
    /// 400 when it is malformed, 416 when its scheme is none that is called, 403 when its URI asks for another
    /// method than INVITE.
    pub fn parse(value: &'a str) -> Result<Self, Fault> {
        if value.len() > LONGEST_REFER_TO {
            return Err(Fault::bad("Refer-To Too Long"));
        }
        let uri = NameAddr::parse(value).and_then(|address| address.uri()).ok_or(Fault::bad("Malformed Refer-To header"))?;
        if uri.scheme == Scheme::Other {
            return Err(Fault { code: 416, reason: "Unsupported URI Scheme" });
        }
        match uri.params.get("method") {
            Some(method) if Method::of(method) != Method::Invite => {
                Err(Fault { code: 403, reason: "Only Calls Are Transferred" })
            }
            _ => Ok(Self { uri }),
        }
    }

    /// The Replaces header that the call to be made is to carry, with its escapes undone.
    ///
    /// # Errors
    /// 400 when there are two.
    pub fn replaces(&self) -> Result<Option<String>, Fault> {
        let mut found = None;
        for header in self.uri.headers.split('&') {
            let (name, value) = header.split_once('=').unwrap_or((header, ""));
            if !percent_decode(name).eq_ignore_ascii_case("Replaces") {
                continue;
            }
            if found.replace(percent_decode(value).into_owned()).is_some() {
                return Err(Fault::bad("Two Replaces Headers"));
            }
        }
        Ok(found)
    }
}

/// `Replaces: call-id;to-tag=…;from-tag=…;early-only`: which dialog of its receiver is to be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// The dialog's Call-ID.
    pub call_id: &'a str,
    /// The receiver's own tag.
    pub to_tag: &'a str,
    /// The tag of the receiver's peer.
    pub from_tag: &'a str,
    /// Only as long as it is not answered.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads the header's value; `None` when malformed, without a tag, or with one twice.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let (call_id, params) = value.split_at(value.find(';')?);
        let call_id = trim(call_id);
        if call_id.is_empty() || !call_id.bytes().all(|byte| byte > b' ' && byte < 0x7F) {
            return None;
        }
        let params = Params::parse(params)?;
        let tag = |name: &str| {
            let mut tags = params.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
            let tag = tags.next().flatten().filter(|tag| !tag.is_empty());
            if tags.next().is_none() { tag } else { None }
        };
        Some(Self { call_id, to_tag: tag("to-tag")?, from_tag: tag("from-tag")?, early_only: params.has("early-only") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> String {
        match ReferTo::parse(value) {
            Err(fault) => fault.to_string(),
            Ok(to) => match to.replaces() {
                Err(fault) => fault.to_string(),
                Ok(replaces) => format!("{} {}", to.uri.user.unwrap_or("-"), replaces.unwrap_or_default()),
            },
        }
    }

    #[test]
    fn whom_a_refer_means() {
        assert_eq!(check("<sip:1002@pbx.example>"), "1002 ");
        assert_eq!(check("sip:1002@pbx.example;method=INVITE"), "1002 ");
        assert_eq!(check("\"Bob\" <tel:+39021234;method=INVITE>;x"), "+39021234 ");
        assert_eq!(
            check("<sip:1002@h?Require=replaces&%52eplaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>"),
            "1002 a@b;to-tag=1;from-tag=2"
        );
    }

    #[test]
    fn what_no_refer_may_mean() {
        for (value, wanted) in [
            ("", "400 Malformed Refer-To header"),
            ("<sip:>", "400 Malformed Refer-To header"),
            ("<sip:a@h>, <sip:b@h>", "400 Malformed Refer-To header"),
            ("sip:1002@h?Replaces=x", "400 Malformed Refer-To header"),
            ("<http://h/>", "416 Unsupported URI Scheme"),
            ("<sip:1002@h;method=BYE>", "403 Only Calls Are Transferred"),
            ("<sip:1002@h?Replaces=x&replaces=y>", "400 Two Replaces Headers"),
        ] {
            assert_eq!(check(value), wanted, "{value}");
        }
        assert_eq!(check(&format!("<sip:{}@h>", "1".repeat(2_000))), "400 Refer-To Too Long");
    }

    #[test]
    fn which_dialog_is_replaced() {
        let replaces = Replaces::parse("98732@sip.example.com\r\n ;from-tag=r33th4x0r\r\n ;to-tag=ff87ff ;early-only").unwrap();
        assert_eq!((replaces.call_id, replaces.to_tag, replaces.from_tag), ("98732@sip.example.com", "ff87ff", "r33th4x0r"));
        assert!(replaces.early_only && !Replaces::parse("a;to-tag=1;from-tag=2").unwrap().early_only);
        let broken = ["", "a", "a;to-tag=1", ";to-tag=1;from-tag=2", "a;to-tag=1;to-tag=2;from-tag=3", "a b;to-tag=1;from-tag=2"];
        for text in broken.into_iter().chain(["a;to-tag=;from-tag=2", "a;to-tag;from-tag=2", "a,b;to-tag=1;from-tag=2;;"]) {
            assert_eq!(Replaces::parse(text), None, "{text}");
        }
    }
}
