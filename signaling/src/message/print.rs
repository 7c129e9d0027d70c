//! The printer under both builders: header lines into one buffer, checked for injection.
//!
//! Whatever is given as a value is written first and looked at then: a line end or NUL in it makes the build fail
//! (facts: header injection, RFC 3261 section 7.3.1). So no value can become a second header.

use std::fmt::{self, Display, Write as _};

use bytes::Bytes;

use super::scan::{is_param_byte, is_token, is_uri_byte};
use super::{MAX_MESSAGE_BYTES, Name};

/// Why a message was not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A value holds CR, LF or NUL.
    #[error("line end or NUL in a value")]
    Injection,
    /// A header name, method or tag holds what it may not.
    #[error("malformed header name, method or tag")]
    BadToken,
    /// A URI is empty or holds white space, brackets or quotes.
    #[error("malformed URI")]
    BadUri,
    /// The message is longer than [`MAX_MESSAGE_BYTES`].
    #[error("message too long")]
    TooLong,
}

/// The growing message. Errors are kept until the end, so calls can be chained.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    out: Text,
    error: Option<BuildError>,
}

/// A byte buffer that `write!` can write to.
#[derive(Clone, Debug)]
struct Text(Vec<u8>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Printer {
    /// Starts with room for an ordinary message.
    pub(super) fn new() -> Self {
        Self { out: Text(Vec::with_capacity(1024)), error: None }
    }

    pub(super) fn fail(&mut self, error: BuildError) {
        self.error.get_or_insert(error);
    }

    /// Writes a value and checks what was written.
    pub(super) fn value(&mut self, value: impl Display) {
        let from = self.out.0.len();
        if write!(self.out, "{value}").is_err() {
            self.fail(BuildError::Injection);
        }
        let written = self.out.0.get(from..).unwrap_or(&[]);
        if memchr::memchr3(b'\r', b'\n', 0, written).is_some() {
            self.fail(BuildError::Injection);
        }
    }

    /// Writes a method or other token.
    pub(super) fn token(&mut self, token: &str) {
        if !is_token(token.as_bytes()) {
            self.fail(BuildError::BadToken);
        }
        self.value(token);
    }

    /// Writes a parameter's value that may be a peer's: not always the token it should be, but nothing that ends it.
    pub(super) fn param_value(&mut self, value: &str) {
        if value.is_empty() || !value.bytes().all(is_param_byte) {
            self.fail(BuildError::BadToken);
        }
        self.value(value);
    }

    /// Writes a URI: nothing that could end it early.
    pub(super) fn uri(&mut self, uri: impl Display) {
        let from = self.out.0.len();
        self.value(uri);
        let written = self.out.0.get(from..).unwrap_or(&[]);
        if written.is_empty() || !written.iter().copied().all(is_uri_byte) {
            self.fail(BuildError::BadUri);
        }
    }

    /// Writes our own literal text.
    pub(super) fn literal(&mut self, text: &'static str) {
        self.out.0.extend_from_slice(text.as_bytes());
    }

    /// Writes bytes of a received message as they are: its lexer has seen that every line end in them is a fold.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.out.0.extend_from_slice(bytes);
    }

    /// `Name: value`
    pub(super) fn header(&mut self, name: Name, value: impl Display) {
        self.header_named(name.as_str(), value);
    }

    /// `Name: value` with any name.
    pub(super) fn header_named(&mut self, name: &str, value: impl Display) {
        self.token(name);
        self.literal(": ");
        self.value(value);
        self.literal("\r\n");
    }

    /// Ends the head with Content-Length and appends the body.
    pub(super) fn finish(mut self, body: &[u8]) -> Result<Bytes, BuildError> {
        self.header(Name::ContentLength, body.len());
        self.literal("\r\n");
        self.received(body);
        match self.error {
            Some(error) => Err(error),
            None if self.out.0.len() > MAX_MESSAGE_BYTES => Err(BuildError::TooLong),
            None => Ok(Bytes::from(self.out.0)),
        }
    }
}

/// Prints text as a quoted string: quotes and backslashes escaped, control characters left out
/// (RFC 3261 section 25.1).
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        for character in self.0.chars().filter(|character| !character.is_control()) {
            if matches!(character, '"' | '\\') {
                out.write_char('\\')?;
            }
            out.write_char(character)?;
        }
        out.write_char('"')
    }
}
