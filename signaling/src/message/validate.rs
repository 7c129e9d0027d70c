//! What every request must have before anybody acts on it (RFC 3261 sections 8.1.1 and 8.2; RFC 4475, RFC 5118).

use super::{Fault, Message, Name, NameAddr, Scheme, Uri, Via};

/// Headers that may stand in a request once only.
const SINGLE: [(Name, Fault); 7] = [
    (Name::CallId, Fault::bad("Multiple Call-ID headers")),
    (Name::CSeq, Fault::bad("Multiple CSeq headers")),
    (Name::From, Fault::bad("Multiple From headers")),
    (Name::To, Fault::bad("Multiple To headers")),
    (Name::MaxForwards, Fault::bad("Multiple Max-Forwards headers")),
    (Name::ContentType, Fault::bad("Multiple Content-Type headers")),
    (Name::Expires, Fault::bad("Multiple Expires headers")),
];

impl Message {
    /// Checks a request's syntax as far as every method needs it: Request-URI, Via, From, To, Call-ID, CSeq,
    /// Max-Forwards, Contact. A response always fails.
    ///
    /// Max-Forwards and From's tag may be missing (RFC 2543 senders, RFC 4475 section 3.4).
    ///
    /// # Errors
    /// 400, 416 or 505 with the phrase to send.
    pub fn validate_request(&self) -> Result<(), Fault> {
        if !self.is_request() {
            return Err(Fault::bad("Not a request"));
        }
        self.check_vias()?;
        for (name, fault) in SINGLE {
            if self.header_lines(name).nth(1).is_some() {
                return Err(fault);
            }
        }
        check_address(&self.from()?, Fault::bad("Malformed From header"))?;
        check_address(&self.to()?, Fault::bad("Malformed To header"))?;
        self.call_id()?;
        if self.cseq()?.method != self.method() {
            return Err(Fault::bad("CSeq method does not match the request"));
        }
        self.max_forwards()?;
        self.contacts().try_for_each(|contact| contact.map(|_| ()))?;
        self.check_utf8()?;
        check_request_uri(self.request_uri())
    }

    fn check_vias(&self) -> Result<(), Fault> {
        self.via()?;
        self.headers(Name::Via).try_for_each(|value| Via::parse(value).map(|_| ()))
    }

    /// Typed reading leaves out lines that are not UTF-8: in those we act on that would hide a value.
    fn check_utf8(&self) -> Result<(), Fault> {
        let acted_on = [Name::Via, Name::Contact, Name::Route, Name::RecordRoute, Name::Require, Name::Authorization];
        let mut lines = acted_on.into_iter().flat_map(|name| self.header_lines(name));
        if lines.any(|value| str::from_utf8(value).is_err()) {
            return Err(Fault::bad("Header is not UTF-8"));
        }
        Ok(())
    }
}

fn check_address(address: &NameAddr<'_>, fault: Fault) -> Result<(), Fault> {
    address.uri().map(|_| ()).ok_or(fault)
}

/// A Request-URI is a SIP or tel URI; other schemes are answered 416 (RFC 3261 section 8.2.2.1).
fn check_request_uri(text: &str) -> Result<(), Fault> {
    match Uri::parse(text) {
        None => Err(Fault::bad("Malformed Request-URI")),
        Some(uri) if uri.scheme == Scheme::Other => Err(Fault { code: 416, reason: "Unsupported URI Scheme" }),
        Some(_) => Ok(()),
    }
}
