//! The vocabulary of the `rsip` crate: methods, transports, status codes and whole messages, both ways, for programs
//! that embed us and speak it.
//!
//! `rsip` is not what we read the wire with. Version 0.4 refuses IPv6 hosts, `tel` URIs, folded lines and methods it
//! does not know; it has no compact header names, drops the `?headers` of URIs, replaces reason phrases by names of
//! its own and prints bodies as text. The conversions here go around what can be gone around (names are written
//! out, folds undone, bodies carried as bytes) and fail with [`NotExpressible`] where meaning would be lost.
//! What remains lost, knowingly: the reason phrase of a known status code, and the spelling of header names and
//! white space.

use bytes::Bytes;
use rsip::message::HasHeaders as _;

use crate::flow::Transport;
use crate::message::{BuildError, Kind, Message, Method, Name, ParseError, RequestBuilder, ResponseBuilder, Uri, unfold};

/// Why a conversion is not possible.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotExpressible {
    /// The other vocabulary has no such method or transport.
    #[error("no such word on the other side")]
    NoSuchWord,
    /// A header is not UTF-8.
    #[error("header is not UTF-8")]
    NotText,
    /// `rsip` does not read it; its own words.
    #[error("rsip refuses the message: {0}")]
    Refused(String),
    /// `rsip` reads it and loses a part of the Request-URI.
    #[error("rsip loses a part of the Request-URI")]
    LossyUri,
    /// An `rsip` message holds a value that would not print as one header.
    #[error("message of rsip can not be printed: {0}")]
    Unprintable(#[from] BuildError),
    /// An `rsip` message prints as no SIP message.
    #[error("message of rsip is no SIP message: {0}")]
    Unreadable(#[from] ParseError),
}

impl TryFrom<Method> for rsip::Method {
    type Error = NotExpressible;

    fn try_from(method: Method) -> Result<Self, NotExpressible> {
        let found = Self::all().into_iter().find(|theirs| theirs.to_string() == method.as_str());
        found.ok_or(NotExpressible::NoSuchWord)
    }
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Self {
        Self::of(&method.to_string())
    }
}

impl From<Transport> for rsip::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
            Transport::Ws => Self::Ws,
            Transport::Wss => Self::Wss,
        }
    }
}

impl TryFrom<rsip::Transport> for Transport {
    type Error = NotExpressible;

    fn try_from(transport: rsip::Transport) -> Result<Self, NotExpressible> {
        match transport {
            rsip::Transport::Udp => Ok(Self::Udp),
            rsip::Transport::Tcp => Ok(Self::Tcp),
            rsip::Transport::Tls => Ok(Self::Tls),
            rsip::Transport::Ws => Ok(Self::Ws),
            rsip::Transport::Wss => Ok(Self::Wss),
            _ => Err(NotExpressible::NoSuchWord),
        }
    }
}

/// A status code in `rsip`'s words; the reason is kept only for a code it does not know.
#[must_use]
pub fn status_code(code: u16, reason: &str) -> rsip::StatusCode {
    match rsip::StatusCode::from(code) {
        rsip::StatusCode::Other(code, _) => rsip::StatusCode::Other(code, reason.to_owned()),
        known => known,
    }
}

impl TryFrom<&Message> for rsip::SipMessage {
    type Error = NotExpressible;

    fn try_from(message: &Message) -> Result<Self, NotExpressible> {
        let mut head = first_line(message);
        for (name, value) in message.lines() {
            let name = str::from_utf8(name).map_err(|_| NotExpressible::NotText)?;
            let value = str::from_utf8(value).map_err(|_| NotExpressible::NotText)?;
            let canonical = Name::of(name.as_bytes()).as_str();
            head.push_str(if canonical.is_empty() { name } else { canonical });
            head.push_str(": ");
            head.push_str(&unfold(value));
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let mut theirs = Self::try_from(head).map_err(|error| NotExpressible::Refused(error.to_string()))?;
        if let Self::Request(request) = &theirs
            && !is_same_uri(&request.uri, message.request_uri())
        {
            return Err(NotExpressible::LossyUri);
        }
        // Not through their reader, which would take the body for text.
        *theirs.body_mut() = message.body().to_vec();
        Ok(theirs)
    }
}

/// `rsip` may take `?headers` for a part of the host: printed text and host must both be right.
fn is_same_uri(theirs: &rsip::Uri, written: &str) -> bool {
    let host = Uri::parse(written).map_or("", |uri| uri.host);
    theirs.to_string().eq_ignore_ascii_case(written) && theirs.host().to_string().eq_ignore_ascii_case(host)
}

fn first_line(message: &Message) -> String {
    match message.kind() {
        Kind::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
        Kind::Response { code, reason } => format!("SIP/2.0 {code} {reason}\r\n"),
    }
}

impl TryFrom<&rsip::SipMessage> for Message {
    type Error = NotExpressible;

    fn try_from(theirs: &rsip::SipMessage) -> Result<Self, NotExpressible> {
        let bytes = match theirs {
            rsip::SipMessage::Request(request) => print_request(request, theirs)?,
            rsip::SipMessage::Response(response) => print_response(&response.status_code, theirs)?,
        };
        Ok(Self::parse(bytes)?)
    }
}

fn print_request(request: &rsip::Request, message: &rsip::SipMessage) -> Result<Bytes, NotExpressible> {
    let start = RequestBuilder::new(&request.method.to_string(), &request.uri);
    let builder = headers(message).fold(start, |builder, (name, value)| builder.header_named(&name, value));
    Ok(builder.build_with_bare_body(message.body())?)
}

fn print_response(status: &rsip::StatusCode, message: &rsip::SipMessage) -> Result<Bytes, NotExpressible> {
    let text = status.to_string();
    let (_, reason) = text.split_once(' ').unwrap_or(("", ""));
    let start = ResponseBuilder::new(status.code(), reason);
    let builder = headers(message).fold(start, |builder, (name, value)| builder.header_named(&name, value));
    Ok(builder.build_with_bare_body(message.body())?)
}

/// Names and values of all headers but Content-Length, which is counted anew.
fn headers(message: &rsip::SipMessage) -> impl Iterator<Item = (String, String)> + '_ {
    message.headers().iter().filter_map(|header| {
        let text = header.to_string();
        let (name, value) = text.split_once(':')?;
        let is_length = Name::of(name.trim().as_bytes()) == Name::ContentLength;
        (!is_length).then(|| (name.trim().to_owned(), value.trim().to_owned()))
    })
}
