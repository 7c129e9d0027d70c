//! Prints requests (RFC 3261 section 8.1.1).

use std::fmt::Display;

use bytes::Bytes;

use super::print::{BuildError, Printer, Quoted};
use super::{Name, NameAddr};
use crate::flow::Transport;

/// Builds a request line by line, in the order of the calls; Content-Length is its own.
///
/// ```
/// use tandem_signaling::flow::Transport;
/// use tandem_signaling::message::RequestBuilder;
///
/// let bytes = RequestBuilder::new("OPTIONS", "sip:bob@127.0.0.1")
///     .via(Transport::Udp, "127.0.0.1:5060", "z9hG4bK1")
///     .max_forwards(70)
///     .from("Tandem", "sip:tandem@127.0.0.1", "t1")
///     .to("", "sip:bob@127.0.0.1", None)
///     .call_id("c1")
///     .cseq(1)
///     .build()?;
/// assert!(bytes.starts_with(b"OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1;rport\r\n"));
/// # Ok::<(), tandem_signaling::message::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestBuilder {
    printer: Printer,
    method: String,
}

impl RequestBuilder {
    /// Starts with the request line.
    pub fn new(method: &str, uri: impl Display) -> Self {
        let mut printer = Printer::new();
        printer.token(method);
        printer.literal(" ");
        printer.uri(uri);
        printer.literal(" SIP/2.0\r\n");
        Self { printer, method: method.to_owned() }
    }

    /// Our Via with `rport` (RFC 3581). `sent_by` is `host[:port]`.
    pub fn via(mut self, transport: Transport, sent_by: impl Display, branch: &str) -> Self {
        let name = transport.via_name();
        self.printer.header(Name::Via, format_args!("SIP/2.0/{name} {sent_by};branch={branch};rport"));
        self
    }

    /// Max-Forwards.
    pub fn max_forwards(self, count: u8) -> Self {
        self.header(Name::MaxForwards, count)
    }

    /// From with our tag.
    pub fn from(self, display: &str, uri: impl Display, tag: &str) -> Self {
        self.address(Name::From, display, uri, Some(tag))
    }

    /// To, with the peer's tag inside a dialog.
    pub fn to(self, display: &str, uri: impl Display, tag: Option<&str>) -> Self {
        self.address(Name::To, display, uri, tag)
    }

    /// Any header that holds one address: `Name: "display" <uri>;tag=…`.
    pub fn address(mut self, name: Name, display: &str, uri: impl Display, tag: Option<&str>) -> Self {
        self.printer.literal(name.as_str());
        self.printer.literal(": ");
        if !display.is_empty() {
            self.printer.value(Quoted(display));
            self.printer.literal(" ");
        }
        self.printer.literal("<");
        self.printer.uri(uri);
        self.printer.literal(">");
        if let Some(tag) = tag {
            self.printer.literal(";tag=");
            self.printer.param_value(tag);
        }
        self.printer.literal("\r\n");
        self
    }

    /// Call-ID.
    pub fn call_id(self, call_id: &str) -> Self {
        self.header(Name::CallId, call_id)
    }

    /// CSeq with the request's method.
    pub fn cseq(mut self, number: u32) -> Self {
        let method = std::mem::take(&mut self.method);
        self.printer.header(Name::CSeq, format_args!("{number} {method}"));
        self.method = method;
        self
    }

    /// Contact with one URI.
    pub fn contact(self, uri: impl Display) -> Self {
        self.address(Name::Contact, "", uri, None)
    }

    /// One Route line per value, as written in the Record-Route they come from.
    pub fn routes<'a>(mut self, routes: impl IntoIterator<Item = &'a str>) -> Self {
        for route in routes {
            if NameAddr::parse(route).is_none() {
                self.printer.fail(BuildError::BadUri);
            }
            self.printer.header(Name::Route, route);
        }
        self
    }

    /// Any header. A line end or NUL in the value makes [`build`](Self::build) fail.
    pub fn header(mut self, name: Name, value: impl Display) -> Self {
        self.printer.header(name, value);
        self
    }

    /// Any header by name.
    pub fn header_named(mut self, name: &str, value: impl Display) -> Self {
        self.printer.header_named(name, value);
        self
    }

    /// The request without a body.
    ///
    /// # Errors
    /// What was wrong with the first bad value.
    pub fn build(self) -> Result<Bytes, BuildError> {
        self.printer.finish(&[])
    }

    /// The request with a body.
    ///
    /// # Errors
    /// What was wrong with the first bad value.
    pub fn build_with_body(self, content_type: &str, body: &[u8]) -> Result<Bytes, BuildError> {
        self.header(Name::ContentType, content_type).printer.finish(body)
    }

    /// The request with a body whose Content-Type is among the headers already.
    pub(crate) fn build_with_bare_body(self, body: &[u8]) -> Result<Bytes, BuildError> {
        self.printer.finish(body)
    }
}
