//! What we prove ourselves with at a service outside: the token that the plan refers to, read where the reference leads.
//!
//! Programs that hear calls and services that are asked what to do have one each; both go into a header, so both must be
//! something that a header can hold.

use axum::http::{HeaderValue, header::InvalidHeaderValue};
use tandem_dialplan::Secret;
use zeroize::Zeroizing;

/// A token. It is wiped from memory when it goes, and nothing prints it.
pub struct ServiceToken(Zeroizing<String>);

impl ServiceToken {
    /// The value of the `Authorization` header (RFC 6750 section 2.1), which no log shows.
    ///
    /// # Errors
    /// None that is seen: what no header can hold is refused with the plan.
    pub fn bearer(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// A token that is not there, or that no header can hold.
#[derive(Debug, thiserror::Error)]
#[error("the token of {kind} {name} cannot be read from {place}, or is none: it must be visible ASCII")]
pub struct TokenError {
    kind: &'static str,
    name: String,
    place: String,
}

/// Where tokens come from: the machine that the plan runs on.
#[derive(Clone, Copy)]
pub struct Tokens<'a> {
    /// What a reference leads to.
    pub read: &'a dyn Fn(&Secret) -> Option<String>,
    /// In words, where that is.
    pub place: &'a dyn Fn(&Secret) -> String,
}

impl Tokens<'_> {
    /// The token of the service `name`, which the plan calls a `kind`; none where the plan wants none.
    ///
    /// # Errors
    /// It is not there, or is of no use.
    pub fn of(self, kind: &'static str, name: &str, secret: Option<&Secret>) -> Result<Option<ServiceToken>, TokenError> {
        let Some(secret) = secret else { return Ok(None) };
        let token = (self.read)(secret).map(Zeroizing::new);
        let token = token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
        match token {
            Some(token) => Ok(Some(ServiceToken(token))),
            None => Err(TokenError { kind, name: name.to_owned(), place: (self.place)(secret) }),
        }
    }
}
