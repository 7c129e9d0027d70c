//! When two URIs are the same (RFC 3261 section 19.1.4), and the canonical address of record (section 10.3).

use super::uri::escape_at;
use super::{Scheme, Uri};

/// The most parameters, and the most headers, of a URI that is compared part by part; others compare as text.
const MAX_PARTS: usize = 32;

impl Uri<'_> {
    /// Equivalence by RFC 3261 section 19.1.4. Schemes that are neither `sip` nor `sips` compare as text without case.
    #[must_use]
    pub fn is_equivalent(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        if !self.is_sip() {
            return self.as_str().eq_ignore_ascii_case(other.as_str());
        }
        if self.has_too_many_parts() || other.has_too_many_parts() {
            return self.as_str() == other.as_str();
        }
        self.port == other.port
            && is_same_host(self, other)
            && is_same_optional(self.user, other.user, true)
            && is_same_optional(self.password, other.password, true)
            && has_params_of(self, other)
            && has_params_of(other, self)
            && is_same_headers(self.headers, other.headers)
    }

    /// Comparing parts in any order takes time with the square of their number: such a URI is an attack.
    fn has_too_many_parts(&self) -> bool {
        self.params.iter().count() > MAX_PARTS || self.headers.split('&').count() > MAX_PARTS
    }

    /// The address of record in one spelling: scheme, user without needless escapes, host in lower case, and the port
    /// if one is written. Parameters, password and headers are left out, as a registrar must (RFC 3261 section 10.3).
    #[must_use]
    pub fn address_of_record(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other => return self.as_str().to_ascii_lowercase(),
        };
        let mut text = String::from(scheme);
        text.push(':');
        if let Some(user) = self.user {
            // Only ASCII escapes are undone, so what was UTF-8 still is.
            text.push_str(&String::from_utf8_lossy(&units(user, true).collect::<Vec<u8>>()));
        }
        if self.is_sip() {
            if self.user.is_some() {
                text.push('@');
            }
            text.push_str(&self.host.to_ascii_lowercase());
        }
        if let Some(port) = self.port {
            text.push(':');
            text.push_str(&port.to_string());
        }
        text
    }
}

/// Hosts compare without case, addresses as addresses, so that `[::1]` equals `[0::1]`.
fn is_same_host(left: &Uri<'_>, right: &Uri<'_>) -> bool {
    left.host.eq_ignore_ascii_case(right.host) || left.address().is_some_and(|address| right.address() == Some(address))
}

fn is_same_optional(left: Option<&str>, right: Option<&str>, with_case: bool) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => is_same_text(left, right, with_case),
        (None, None) => true,
        _ => false,
    }
}

fn is_same_text(left: &str, right: &str, with_case: bool) -> bool {
    units(left, with_case).eq(units(right, with_case))
}

/// Every parameter of `one` is the same in `other`, where it must be: a parameter that only one of the two has counts
/// when it is one of those that change where the request goes.
fn has_params_of(one: &Uri<'_>, other: &Uri<'_>) -> bool {
    const ALWAYS: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    one.params.iter().all(|(name, value)| {
        // A name may not stand twice; where it does, each of its values needs a partner.
        let mut theirs = other.params.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).peekable();
        match theirs.peek() {
            Some(_) => theirs.any(|(_, theirs)| is_same_text(value.unwrap_or(""), theirs.unwrap_or(""), false)),
            None => !ALWAYS.iter().any(|always| name.eq_ignore_ascii_case(always)),
        }
    })
}

/// Headers compare in any order, all of them.
fn is_same_headers(left: &str, right: &str) -> bool {
    let split = |text: &'_ str| text.split('&').filter(|header| !header.is_empty()).count();
    let contains = |all: &str, one: &str| all.split('&').any(|header| is_same_text(header, one, false));
    split(left) == split(right)
        && left.split('&').all(|header| header.is_empty() || contains(right, header))
        && right.split('&').all(|header| header.is_empty() || contains(left, header))
}

/// The bytes of a text for comparison: an escape of a character that is not reserved is that character; other escapes
/// stay, in upper case.
fn units(text: &str, with_case: bool) -> impl Iterator<Item = u8> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut escape_left = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if escape_left > 0 {
            (at, escape_left) = (at + 1, escape_left - 1);
            return Some(byte.to_ascii_uppercase());
        }
        match escape_at(bytes, at) {
            Some(plain) if is_unreserved(plain) => {
                at += 3;
                Some(if with_case { plain } else { plain.to_ascii_lowercase() })
            }
            Some(_) => {
                (at, escape_left) = (at + 1, 2);
                Some(b'%')
            }
            None => {
                at += 1;
                Some(if with_case { byte } else { byte.to_ascii_lowercase() })
            }
        }
    })
}

/// RFC 3261 section 25.1, `unreserved`.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (Uri::parse(left).unwrap(), Uri::parse(right).unwrap());
        assert_eq!(left.is_equivalent(&right), right.is_equivalent(&left));
        left.is_equivalent(&right)
    }

    #[test]
    fn equivalent_by_the_examples_of_the_rfc() {
        let pairs = [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"),
            ("tel:+1201", "TEL:+1201"),
            ("sip:a@h;x=1;x=2", "sip:a@h;x=2;x=1"),
        ];
        for (left, right) in pairs {
            assert!(same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn different_by_the_examples_of_the_rfc() {
        let pairs = [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:a@h;x=1", "sip:a@h;x=2"),
            ("sip:a%40b@h", "sip:a%41b@h"),
            ("sip:a@h", "sips:a@h"),
        ];
        for (left, right) in pairs {
            assert!(!same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn addresses_of_record_have_one_spelling() {
        let record = |text| Uri::parse(text).unwrap().address_of_record();
        assert_eq!(record("SIP:%61%6cice%40x:pw@Example.COM:5070;lr?a=b"), "sip:alice%40x@example.com:5070");
        assert_eq!(record("sip:%00%2f@[2001:DB8::1]"), "sip:%00%2F@[2001:db8::1]");
        assert_eq!(record("tel:+1-201;ext=2"), "tel:+1-201");
    }
}
