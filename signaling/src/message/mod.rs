//! SIP messages on the wire (RFC 3261 sections 7, 19, 20, 25; RFC 4475 and 5118 for what senders really send).
//!
//! [`Message::parse`] notes where the start line, headers and body lie in the received bytes; nothing is copied. Typed
//! views ([`Via`], [`NameAddr`], [`Uri`], …) read a header when it is asked for. [`RequestBuilder`] and
//! [`ResponseBuilder`] print; no value they are given can become a second header. [`Framer`] cuts messages out of a
//! byte stream.
//!
//! Nothing here knows transactions, dialogs or sockets.

mod address;
mod auth;
mod fault;
mod framer;
mod headers;
mod lexer;
mod method;
mod name;
mod params;
mod print;
mod request;
mod response;
mod scan;
mod transfer;
mod uri;
mod uri_compare;
mod validate;
mod via;

use bytes::Bytes;

pub use address::{ContactHeader, NameAddr};
pub use auth::{AuthValue, auth_values};
pub use fault::{Fault, ParseError, Unacceptable};
pub use framer::{Frame, FrameError, Framer};
pub use headers::{CSeq, ContentType, Event, Reason, SessionExpires, read_seconds};
pub use method::Method;
pub use name::Name;
pub use params::Params;
pub use print::{BuildError, Quoted};
pub use request::RequestBuilder;
pub use response::ResponseBuilder;
pub use scan::{Items, unfold};
pub use transfer::{ReferTo, Replaces};
pub use uri::{Scheme, Uri};
pub use via::Via;

use lexer::{Entry, Index, Start};

/// The most bytes of one message, head and body.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// The most header lines of one message.
pub const MAX_HEADERS: usize = 128;

/// A received message: its bytes and where its parts are. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    index: Index,
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A request.
    Request {
        /// The method, with its case.
        method: &'a str,
        /// The Request-URI as written.
        uri: &'a str,
    },
    /// A response.
    Response {
        /// 100 to 699.
        code: u16,
        /// As written; empty when it is not UTF-8.
        reason: &'a str,
    },
}

impl Message {
    /// Reads one datagram, or one message cut out of a stream by [`Framer`].
    ///
    /// Leading line ends are skipped. Bytes behind Content-Length are left out; a Content-Length that is longer than
    /// the bytes, negative or contradicted by another is a fault (RFC 3261 section 18.3).
    ///
    /// # Errors
    /// [`ParseError::Unacceptable`] carries what is needed to answer with a 4xx or 5xx; the others are to be dropped.
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(ParseError::TooLong);
        }
        let from = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).ok_or(ParseError::KeepAlive)?;
        let (index, fault) = lexer::index(&bytes, from).map_err(ParseError::Unanswerable)?;
        let message = Self { bytes, index };
        let Some(fault) = fault else { return Ok(message) };
        let is_answerable = message.is_request() && message.has(Name::Via) && message.method() != "ACK";
        if is_answerable {
            Err(ParseError::Unacceptable(Box::new(Unacceptable { fault, message })))
        } else {
            Err(ParseError::Unanswerable(fault.reason))
        }
    }

    /// The first line.
    #[must_use]
    pub fn kind(&self) -> Kind<'_> {
        let text = |span: lexer::Span| str::from_utf8(span.of(&self.bytes)).unwrap_or("");
        match self.index.start {
            Start::Request { method, uri } => Kind::Request { method: text(method), uri: text(uri) },
            Start::Response { code, reason } => Kind::Response { code, reason: text(reason) },
        }
    }

    /// True for a request.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        matches!(self.index.start, Start::Request { .. })
    }

    /// The method of a request; empty for a response.
    #[must_use]
    pub fn method(&self) -> &str {
        match self.kind() {
            Kind::Request { method, .. } => method,
            Kind::Response { .. } => "",
        }
    }

    /// The Request-URI as written; empty for a response.
    #[must_use]
    pub fn request_uri(&self) -> &str {
        match self.kind() {
            Kind::Request { uri, .. } => uri,
            Kind::Response { .. } => "",
        }
    }

    /// The status code of a response, 100 to 699.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        match self.index.start {
            Start::Request { .. } => None,
            Start::Response { code, .. } => Some(code),
        }
    }

    /// All bytes as received.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body, untouched; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.index.body.of(&self.bytes)
    }

    /// The body as a piece of the received bytes, without copying.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.index.body.range())
    }

    /// The number of header lines.
    #[must_use]
    pub fn header_count(&self) -> usize {
        self.index.headers.len()
    }

    /// All header lines in order: name and value as written, folds included.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.index.headers.iter().map(|entry| (entry.name_text.of(&self.bytes), entry.value.of(&self.bytes)))
    }

    /// True when at least one such line is there.
    #[must_use]
    pub fn has(&self, name: Name) -> bool {
        self.entries(name).next().is_some()
    }

    /// The whole value of the first such line, folds included; `None` when absent or not UTF-8.
    #[must_use]
    pub fn header(&self, name: Name) -> Option<&str> {
        self.header_bytes(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The whole value of the first such line, byte by byte.
    #[must_use]
    pub fn header_bytes(&self, name: Name) -> Option<&[u8]> {
        self.entries(name).next().map(|entry| entry.value.of(&self.bytes))
    }

    /// The whole value of each such line. For a list header use [`headers`](Self::headers).
    pub fn header_lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.entries(name).map(|entry| entry.value.of(&self.bytes))
    }

    /// The value of the first line whose name, in any case, is `name`: for headers that [`Name`] does not know.
    #[must_use]
    pub fn header_named(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines().filter(|(written, _)| written.eq_ignore_ascii_case(name.as_bytes()));
        lines.next().and_then(|(_, value)| str::from_utf8(value).ok())
    }

    /// Every value under that name, in order. Lists are split at their commas where the grammar allows lists
    /// (RFC 3261 section 7.3.1). A line that is not UTF-8 is left out.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &str> {
        self.header_lines(name).filter_map(|value| str::from_utf8(value).ok()).flat_map(move |value| {
            // `Items` drops empty values, so a header that is no list is handed through beside it.
            let (list, single) = if name.is_list() { (value, None) } else { ("", Some(value)) };
            Items::new(list).chain(single)
        })
    }

    fn entries(&self, name: Name) -> impl Iterator<Item = &Entry> {
        self.index.headers.iter().filter(move |entry| entry.name == name)
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// A fault when it is missing or malformed.
    pub fn via(&self) -> Result<Via<'_>, Fault> {
        let value = self.headers(Name::Via).next().ok_or(Fault::bad("Missing Via header"))?;
        Via::parse(value)
    }

    /// The From header.
    ///
    /// # Errors
    /// A fault when it is missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'_>, Fault> {
        let value = self.header(Name::From).ok_or(Fault::bad("Missing From header"))?;
        NameAddr::parse(value).ok_or(Fault::bad("Malformed From header"))
    }

    /// The To header.
    ///
    /// # Errors
    /// A fault when it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'_>, Fault> {
        let value = self.header(Name::To).ok_or(Fault::bad("Missing To header"))?;
        NameAddr::parse(value).ok_or(Fault::bad("Malformed To header"))
    }

    /// The Call-ID.
    ///
    /// # Errors
    /// A fault when it is missing or holds white space or control characters.
    pub fn call_id(&self) -> Result<&str, Fault> {
        let value = self.header(Name::CallId).ok_or(Fault::bad("Missing Call-ID header"))?;
        if value.is_empty() || !value.bytes().all(|byte| byte > b' ' && byte != 0x7F) {
            return Err(Fault::bad("Malformed Call-ID header"));
        }
        Ok(value)
    }

    /// The CSeq.
    ///
    /// # Errors
    /// A fault when it is missing, malformed or its number is over 2³²−1.
    pub fn cseq(&self) -> Result<CSeq<'_>, Fault> {
        let value = self.header(Name::CSeq).ok_or(Fault::bad("Missing CSeq header"))?;
        CSeq::parse(value).ok_or(Fault::bad("Malformed CSeq header"))
    }

    /// Max-Forwards: `None` when absent (RFC 2543 senders).
    ///
    /// # Errors
    /// A fault when it is no number from 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, Fault> {
        let Some(value) = self.header(Name::MaxForwards) else { return Ok(None) };
        let count = read_seconds(value).and_then(|count| u8::try_from(count).ok());
        count.map(Some).ok_or(Fault::bad("Malformed Max-Forwards header"))
    }

    /// Every Contact.
    pub fn contacts(&self) -> impl Iterator<Item = Result<ContactHeader<'_>, Fault>> {
        self.headers(Name::Contact).map(|value| ContactHeader::parse(value).ok_or(Fault::bad("Malformed Contact header")))
    }

    /// The addresses of a header that lists them: Route, Record-Route, Path, P-Asserted-Identity, Diversion, …
    pub fn addresses(&self, name: Name) -> impl Iterator<Item = Result<NameAddr<'_>, Fault>> {
        self.headers(name).map(|value| NameAddr::parse(value).ok_or(Fault::bad("Malformed address header")))
    }

    /// The Expires header in seconds; `None` when absent or malformed (RFC 3261 section 10.3 then says: as if absent).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.header(Name::Expires).and_then(read_seconds)
    }

    /// The media type of the body.
    #[must_use]
    pub fn content_type(&self) -> Option<ContentType<'_>> {
        self.header(Name::ContentType).and_then(ContentType::parse)
    }

    /// True when a list of tokens (Supported, Require, Allow, …) holds `token`, in any case.
    #[must_use]
    pub fn lists(&self, name: Name, token: &str) -> bool {
        self.headers(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Credentials or challenges of one of the four authentication headers, over all of its lines.
    pub fn auth_values(&self, name: Name) -> impl Iterator<Item = AuthValue<'_>> {
        self.header_lines(name).filter_map(|value| str::from_utf8(value).ok()).flat_map(auth_values)
    }
}
