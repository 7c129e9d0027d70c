//! Prints responses to a received request (RFC 3261 section 8.2.6).

use std::fmt::Display;
use std::net::SocketAddr;

use bytes::Bytes;

use super::print::{BuildError, Printer};
use super::scan::end_of_item;
use super::{Message, Name, Params, Via};

/// Builds a response: the request's Via, From, To, Call-ID and CSeq go back byte for byte, then what is added.
///
/// It copies what is there, so it also serves to refuse a request that lacks some of them.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponseBuilder {
    printer: Printer,
}

impl ResponseBuilder {
    /// Starts a response.
    ///
    /// `source` is where the request came from: the top Via gets `received` and, if it asked, `rport` (RFC 3261
    /// section 18.2.1, RFC 3581 section 4). `to_tag` is added to a To that has no tag (none for 100).
    pub fn from_request(request: &Message, code: u16, reason: &str, source: SocketAddr, to_tag: Option<&str>) -> Self {
        let Self { mut printer } = Self::new(code, reason);
        for (at, value) in request.header_lines(Name::Via).enumerate() {
            printer.literal("Via: ");
            if at == 0 {
                top_via(&mut printer, value, source)
            } else {
                printer.received(value)
            }
            printer.literal("\r\n");
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            // One line each: a request with two is refused, and the refusal need not repeat its fault.
            let Some(value) = request.header_bytes(name) else { continue };
            printer.literal(name.as_str());
            printer.literal(": ");
            printer.received(value);
            if let (Name::To, Some(tag), false) = (name, to_tag, request.to().is_ok_and(|to| to.params.has("tag"))) {
                printer.literal(";tag=");
                printer.token(tag);
            }
            printer.literal("\r\n");
        }
        Self { printer }
    }

    /// Starts a response without anything of a request.
    pub fn new(code: u16, reason: &str) -> Self {
        let mut printer = Printer::new();
        printer.literal("SIP/2.0 ");
        printer.value(code);
        printer.literal(" ");
        printer.value(reason);
        printer.literal("\r\n");
        Self { printer }
    }

    /// Copies every line of a header from the request byte for byte, such as Record-Route (RFC 3261 section 12.1.1).
    pub fn copy(mut self, request: &Message, name: Name) -> Self {
        for value in request.header_lines(name) {
            self.printer.literal(name.as_str());
            self.printer.literal(": ");
            self.printer.received(value);
            self.printer.literal("\r\n");
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

    /// Contact with one URI.
    pub fn contact(mut self, uri: impl Display) -> Self {
        self.printer.literal("Contact: <");
        self.printer.uri(uri);
        self.printer.literal(">\r\n");
        self
    }

    /// The response without a body.
    ///
    /// # Errors
    /// What was wrong with the first bad value.
    pub fn build(self) -> Result<Bytes, BuildError> {
        self.printer.finish(&[])
    }

    /// The response with a body.
    ///
    /// # Errors
    /// What was wrong with the first bad value.
    pub fn build_with_body(self, content_type: &str, body: &[u8]) -> Result<Bytes, BuildError> {
        self.header(Name::ContentType, content_type).printer.finish(body)
    }

    /// The response with a body whose Content-Type is among the headers already.
    pub(crate) fn build_with_bare_body(self, body: &[u8]) -> Result<Bytes, BuildError> {
        self.printer.finish(body)
    }
}

/// Copies the first Via line; its first value gets the addresses of the source. A `received` or filled `rport` that
/// the sender wrote himself is replaced. What can not be read is copied as it is.
fn top_via(printer: &mut Printer, line: &[u8], source: SocketAddr) {
    let (first, others) = line.split_at_checked(end_of_item(line)).unwrap_or((line, &[]));
    let parsed = str::from_utf8(first).ok().and_then(|text| Via::parse_lenient(text).ok());
    let params = parsed.and_then(|(_, rest)| Params::parse(rest).map(|params| (rest, params)));
    let (Some((via, _)), Some((rest, params))) = (parsed, params) else {
        printer.received(line);
        return;
    };
    let wants_port = params.has("rport");
    let is_elsewhere = via.address() != Some(source.ip());
    if !wants_port && !is_elsewhere && !params.has("received") {
        printer.received(line);
        return;
    }
    printer.received(first.get(..first.len() - rest.len()).unwrap_or(first).trim_ascii_end());
    for (name, value) in params.iter() {
        if ["received", "rport"].iter().any(|replaced| name.eq_ignore_ascii_case(replaced)) {
            continue;
        }
        printer.literal(";");
        printer.received(name.as_bytes());
        if let Some(value) = value {
            printer.literal("=");
            printer.received(value.as_bytes());
        }
    }
    printer.literal(";received=");
    printer.value(source.ip());
    if wants_port {
        printer.literal(";rport=");
        printer.value(source.port());
    }
    printer.received(others);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn respond(via: &str, to: &str) -> String {
        let text = format!(
            "OPTIONS sip:a@h SIP/2.0\r\nv: {via}\r\nt:{to}\r\ni: c\r\nFROM: <sip:b@h>;tag=1\r\nCSeq: 7\r\n OPTIONS\r\n\r\n"
        );
        let request = Message::parse(Bytes::from(text)).unwrap();
        let source = "192.0.2.9:4000".parse().unwrap();
        let bytes = ResponseBuilder::from_request(&request, 200, "OK", source, Some("x")).build().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn copies_the_request_and_completes_via_and_to() {
        let text = respond("SIP/2.0/UDP h ; branch=z9hG4bK1;rport , SIP/2.0/TCP other;rport", "\"A\" <sip:a@h>");
        assert_eq!(
            text,
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.9;rport=4000, SIP/2.0/TCP other;rport\r\n\
             From: <sip:b@h>;tag=1\r\nTo: \"A\" <sip:a@h>;tag=x\r\nCall-ID: c\r\nCSeq: 7\r\n OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_via_that_tells_the_truth_stays_as_it_is_and_a_false_received_goes() {
        assert!(respond("SIP/2.0/UDP 192.0.2.9 ;branch=1", "sip:a@h;tag=2").contains("Via: SIP/2.0/UDP 192.0.2.9 ;branch=1\r\n"));
        assert!(
            respond("SIP/2.0/UDP 192.0.2.9;received=1.1.1.1", "sip:a@h")
                .contains("Via: SIP/2.0/UDP 192.0.2.9;received=192.0.2.9\r\n")
        );
        assert!(respond("SIP/2.0/UDP 192.0.2.15;;,;,,", "sip:a@h").contains("Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n"));
        assert!(respond("SIP/2.0/UDP h", "sip:a@h;tag=2").contains("To: sip:a@h;tag=2\r\n"));
    }
}
