//! Digest (RFC 7616, RFC 8760) with hashes that nobody here wrote.

use std::{collections::BTreeMap, fmt::Write as _};

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// Who answers a challenge, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// The user name.
    pub(super) user: &'a str,
    /// The password.
    pub(super) password: &'a str,
    /// The method of the request.
    pub(super) method: &'a str,
    /// What `uri` says.
    pub(super) uri: &'a str,
}

/// The fields of a challenge or of what answers it, quotes undone.
#[must_use]
pub(super) fn fields(value: &str) -> BTreeMap<String, String> {
    let rest = value.trim().strip_prefix("Digest").unwrap_or_default();
    let (mut fields, mut quoted, mut piece) = (BTreeMap::new(), false, String::new());
    for letter in rest.chars().chain(std::iter::once(',')) {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                if let Some((name, value)) = std::mem::take(&mut piece).trim().split_once('=') {
                    fields.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
                }
            }
            letter => piece.push(letter),
        }
    }
    fields
}

/// `response` for a set of fields, with `qop=auth`; `None` for a hash that the stub does not know.
#[must_use]
pub(super) fn response(fields: &BTreeMap<String, String>, case: Case<'_>) -> Option<String> {
    let get = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let hash = |text: String| match get("algorithm") {
        "SHA-256" => Some(hex(&Sha256::digest(text))),
        "MD5" | "" => Some(hex(&Md5::digest(text))),
        _ => None,
    };
    let ha1 = hash(format!("{}:{}:{}", case.user, get("realm"), case.password))?;
    let ha2 = hash(format!("{}:{}", case.method, case.uri))?;
    hash(format!("{ha1}:{}:{}:{}:auth:{ha2}", get("nonce"), get("nc"), get("cnonce")))
}

/// The value that answers a challenge.
#[must_use]
pub(super) fn answer(challenge: &str, case: Case<'_>) -> Option<String> {
    let mut fields = fields(challenge);
    fields.insert("nc".to_owned(), "00000001".to_owned());
    fields.insert("cnonce".to_owned(), "b1d5e7".to_owned());
    let response = response(&fields, case)?;
    let get = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let mut value = format!(
        "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\", qop=auth, nc=00000001, cnonce=\"b1d5e7\"",
        case.user,
        get("realm"),
        get("nonce"),
        case.uri
    );
    for name in ["algorithm", "opaque"] {
        if let Some(known) = fields.get(name) {
            let _ = write!(value, ", {name}={}", if name == "opaque" { format!("\"{known}\"") } else { known.clone() });
        }
    }
    Some(value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1.
    #[test]
    fn the_example_of_the_rfc() {
        let case = Case { user: "Mufasa", password: "Circle of Life", method: "GET", uri: "/dir/index.html" };
        for (algorithm, wanted) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let text = format!(
                "Digest realm=\"http-auth@example.org\", algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\""
            );
            assert_eq!(response(&fields(&text), case).as_deref(), Some(wanted));
        }
    }
}
