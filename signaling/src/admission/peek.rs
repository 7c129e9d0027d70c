//! A quick look at a message: the first line and the few headers that say whether it begins something new.
//!
//! It checks nothing and copies nothing. What it cannot make out is left to the lexer, which says what is wrong.

use memchr::{memchr, memrchr};
use smallvec::SmallVec;

use crate::message::Name;

/// More Vias than this are left to the lexer.
const MAX_VIAS: usize = 8;
/// More header lines than this are not looked at.
const MAX_LINES: usize = 64;

/// What a look gives.
#[derive(Debug)]
pub(super) struct Peek<'a> {
    pub(super) method: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) vias: SmallVec<[&'a [u8]; 4]>,
    pub(super) from: &'a [u8],
    pub(super) to: &'a [u8],
    pub(super) call_id: &'a [u8],
    pub(super) cseq: &'a [u8],
    pub(super) agent: &'a [u8],
    /// It brings credentials.
    pub(super) has_credentials: bool,
}

impl<'a> Peek<'a> {
    /// Looks at a request; `None` for what is none, or none that can be made out.
    pub(super) fn request(bytes: &'a [u8]) -> Option<Self> {
        let mut lines = Lines { bytes, at: 0 };
        // White space at its end is a fault that the lexer answers, not a reason to be silent (RFC 4475 section 3.1.2.12).
        let start = lines.next()?.trim_ascii_end();
        let space = memchr(b' ', start)?;
        let last = memrchr(b' ', start).filter(|last| *last > space)?;
        let version = start.get(last + 1..)?;
        let method = start.get(..space)?;
        if !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") || method.is_empty() {
            return None;
        }
        let uri = start.get(space + 1..last)?;
        let vias = SmallVec::new();
        let mut peek =
            Self { method, uri, vias, from: b"", to: b"", call_id: b"", cseq: b"", agent: b"", has_credentials: false };
        let mut at = lines.at;
        for _ in 0..MAX_LINES {
            let Some(line) = lines.next().filter(|line| !line.is_empty()) else { return Some(peek) };
            // Lines that begin with white space go on with the one before.
            while matches!(bytes.get(lines.at), Some(b' ' | b'\t')) {
                lines.next()?;
            }
            let whole = if lines.at > at + line.len() + 2 { bytes.get(at..lines.at)?.trim_ascii_end() } else { line };
            peek.note(whole);
            at = lines.at;
        }
        Some(peek)
    }

    fn note(&mut self, line: &'a [u8]) {
        let Some(colon) = memchr(b':', line) else { return };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let place = match Name::of(name) {
            Name::Via => {
                if self.vias.len() <= MAX_VIAS {
                    self.vias.push(value);
                }
                return;
            }
            Name::From => &mut self.from,
            Name::To => &mut self.to,
            Name::CallId => &mut self.call_id,
            Name::CSeq => &mut self.cseq,
            Name::UserAgent => &mut self.agent,
            Name::Authorization | Name::ProxyAuthorization => {
                self.has_credentials = true;
                return;
            }
            _ => return,
        };
        if place.is_empty() {
            *place = value;
        }
    }

    /// Whether all that a reply repeats is there, a line each.
    pub(super) fn can_be_answered(&self) -> bool {
        let whole = |value: &[u8]| !value.is_empty() && memchr(b'\r', value).is_none() && memchr(0, value).is_none();
        let all = [self.from, self.to, self.call_id, self.cseq];
        !self.vias.is_empty() && self.vias.len() <= MAX_VIAS && all.iter().chain(&self.vias).all(|value| whole(value))
    }

    /// Our tag in To: the request belongs to something that is under way.
    pub(super) fn to_tag(&self) -> Option<&'a [u8]> {
        // After the last bracket stands nothing but parameters of the header.
        let from = memrchr(b'>', self.to).map_or(0, |at| at + 1);
        let params = self.to.get(from..)?.split(|byte| *byte == b';');
        params.skip(1).find_map(|param| {
            let (name, value) = param.split_at_checked(memchr(b'=', param)?)?;
            name.trim_ascii().eq_ignore_ascii_case(b"tag").then(|| value[1..].trim_ascii())
        })
    }
}

/// The user part of an address or URI as written, without its parameters; empty for none.
pub(super) fn user_of(address: &[u8]) -> &[u8] {
    let uri = memchr(b'<', address).and_then(|at| address.get(at + 1..)).unwrap_or(address);
    let Some(colon) = memchr(b':', uri) else { return b"" };
    let rest = &uri[colon + 1..];
    let Some(end) = memchr(b'@', rest) else { return b"" };
    let user = &rest[..end];
    user.iter().position(|byte| matches!(byte, b';' | b':')).map_or(user, |at| &user[..at])
}

/// The host of a URI as written, without port and parameters.
pub(super) fn host_of(uri: &[u8]) -> &[u8] {
    let Some(colon) = memchr(b':', uri) else { return b"" };
    let rest = &uri[colon + 1..];
    let host = memrchr(b'@', rest).map_or(rest, |at| &rest[at + 1..]);
    let end = if host.first() == Some(&b'[') {
        memchr(b']', host).map(|at| at + 1)
    } else {
        host.iter().position(|byte| matches!(byte, b':' | b';' | b'?' | b'>'))
    };
    end.map_or(host, |end| &host[..end])
}

/// Lines without their line ends.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let end = memchr(b'\n', rest)?;
        self.at += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:112;x=1@h:5060;transport=tcp SIP/2.0\r\nv: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b\r\n\
        FROM : \"tag=<sip:x@y>;tag=1\" <sip:+3902;a@h>;tag=f\r\nt: <sip:1@h;tag=no>\r\n ;TAG = abc\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
        User-Agent: phone\r\nAuthorization: Digest x\r\n\r\nTo: body;tag=z\r\n";

    #[test]
    fn a_look_finds_what_is_wanted_in_any_spelling() {
        let peek = Peek::request(INVITE.as_bytes()).unwrap();
        assert_eq!((peek.method, peek.vias.len(), peek.agent, peek.call_id), (&b"INVITE"[..], 2, &b"phone"[..], &b"c"[..]));
        assert_eq!(peek.to_tag(), Some(&b"abc"[..]));
        assert!(peek.has_credentials && !peek.can_be_answered(), "a folded To is left to the lexer");
        assert_eq!((user_of(peek.uri), host_of(peek.uri)), (&b"112"[..], &b"h"[..]));
        assert_eq!(host_of(b"sip:a@[2001:db8::1]:5060"), b"[2001:db8::1]");
        assert_eq!((user_of(b"sip:h"), host_of(b"sip:h"), user_of(b"tel:112")), (&b""[..], &b"h"[..], &b""[..]));
    }

    #[test]
    fn a_tag_inside_of_an_address_begins_no_dialog() {
        let peek = |to: &str| {
            let text = format!("BYE sip:h SIP/2.0\r\nTo: {to}\r\n\r\n");
            Peek::request(text.as_bytes()).unwrap().to_tag().map(<[u8]>::to_vec)
        };
        assert_eq!(peek("<sip:1@h;tag=no>"), None);
        assert_eq!(peek("sip:1@h;tag=yes"), Some(b"yes".to_vec()));
        assert_eq!(peek("\"a;tag=no\" <sip:1@h>"), None);
    }

    #[test]
    fn whatever_comes_is_looked_at_without_harm() {
        for text in ["", "\r\n\r\n", "INVITE", "INVITE sip:h\r\n", "SIP/2.0 200 OK\r\n\r\n", " SIP/2.0\n", "A B C\n"] {
            assert!(Peek::request(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(Peek::request(b"OPTIONS sip:h SIP/2.0  \r\n\r\n").is_some(), "the lexer says what is wrong with it");
        for cut in 0..INVITE.len() {
            let _any = Peek::request(&INVITE.as_bytes()[..cut]);
        }
    }
}
