//! What a request says of its caller and its destination.

use std::sync::Arc;

use super::{
    TelephoneNumber,
    header::{MAX_HEADER_BYTES, one_line},
};
use crate::message::{Message, Name, NameAddr, Uri};

/// Identity headers that are looked at; further ones are not.
const MAX_HEADERS: usize = 8;

/// User parts are cut to this many letters; no number has so many.
const MAX_USER_CHARS: usize = 64;

/// The Identity headers of an INVITE, and the numbers that they must vouch for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presented {
    /// The values of the Identity headers, each on one line.
    pub headers: Vec<Arc<str>>,
    /// User part of From with escapes undone.
    pub from: String,
    /// User parts of P-Asserted-Identity (RFC 3325 section 9.1).
    pub asserted: Vec<String>,
    /// User parts of To and of the Request-URI.
    pub called: Vec<String>,
}

impl Presented {
    /// Takes it from a request; `None` when that has no Identity header.
    #[must_use]
    pub fn of(request: &Message) -> Option<Self> {
        let values = request.header_lines(Name::Identity).take(MAX_HEADERS);
        // One that cannot be read is kept as an empty line: a header was there, and it is malformed.
        let readable = |value: &[u8]| str::from_utf8(value).ok().and_then(one_line).map(|line| Arc::from(&*line));
        let headers: Vec<Arc<str>> = values.map(|value| readable(value).unwrap_or_default()).collect();
        if headers.is_empty() {
            return None;
        }
        debug_assert!(headers.iter().all(|header| header.len() <= MAX_HEADER_BYTES), "headers were cut to their bound");
        let user = |address: Option<NameAddr<'_>>| address.and_then(|address| address.uri()).and_then(user_of);
        let asserted = request.addresses(Name::PAssertedIdentity).take(2).filter_map(|address| user(address.ok()));
        let called = [user(request.to().ok()), Uri::parse(request.request_uri()).and_then(user_of)];
        Some(Self {
            headers,
            from: user(request.from().ok()).unwrap_or_default(),
            asserted: asserted.collect(),
            called: called.into_iter().flatten().collect(),
        })
    }

    /// What the signature must be for, when `shown` is the number that the called side will see: that number. A
    /// caller who shows none (`anonymous`) is known by what the network asserts, or else by From, which is not shown.
    ///
    /// Were any of the numbers enough, a caller could have one vouched for and show another.
    #[must_use]
    pub fn callers(&self, shown: &str) -> Vec<String> {
        if TelephoneNumber::from_user(shown).is_some() {
            return vec![shown.to_owned()];
        }
        if self.asserted.is_empty() { vec![self.from.clone()] } else { self.asserted.clone() }
    }
}

fn user_of(uri: Uri<'_>) -> Option<String> {
    uri.user_decoded().map(|user| user.chars().take(MAX_USER_CHARS).collect())
}
