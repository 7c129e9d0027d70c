//! SIP as the stub reads and writes it: lines of text, and nothing of the switch's own reader.

use std::fmt::Write as _;

/// A request or a reply.
#[derive(Clone, Debug)]
pub struct Sip {
    /// The first line.
    pub line: String,
    headers: Vec<(String, String)>,
    /// What follows.
    pub body: String,
}

impl Sip {
    /// One with nothing but its first line.
    #[must_use]
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), headers: Vec::new(), body: String::new() }
    }

    /// Takes the first whole message off what a connection brought; keep-alives before it are dropped.
    #[must_use]
    pub fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        while buffer.starts_with(b"\r\n") {
            buffer.drain(..2);
        }
        let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let mut lines = text.trim_end().lines();
        let mut sip = Self::new(lines.next()?);
        for line in lines {
            let (name, value) = line.split_once(':')?;
            sip.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let length: usize = sip.get("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if buffer.len() < head + length {
            return None;
        }
        sip.body = String::from_utf8_lossy(&buffer[head..head + length]).into_owned();
        buffer.drain(..head + length);
        Some(sip)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same with another value of a header.
    #[must_use]
    pub fn but(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    /// The same with a body of SDP.
    #[must_use]
    pub fn with_sdp(self, sdp: &str) -> Self {
        let mut sip = self.but("Content-Type", "application/sdp");
        sdp.clone_into(&mut sip.body);
        sip
    }

    /// The first value of a header.
    #[must_use]
    pub fn get<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All lines of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The URIs of a header of addresses, in order, however they are spread over lines.
    #[must_use]
    pub fn uris(&self, name: &str) -> Vec<String> {
        let all: Vec<_> = self.all(name).collect();
        all.join(",").split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(uri, _)| uri.to_owned()).collect()
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        (!self.line.starts_with("SIP/2.0")).then(|| self.line.split(' ').next().unwrap_or_default())
    }

    /// The Request-URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The status code of a reply.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.line.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The number of its CSeq.
    #[must_use]
    pub fn cseq(&self) -> u32 {
        self.get("CSeq").and_then(|cseq| cseq.split(' ').next()?.parse().ok()).unwrap_or(0)
    }

    /// A reply to it.
    #[must_use]
    pub fn reply(&self, code: u16, reason: &str, tag: &str) -> Self {
        let mut reply = Self::new(format!("SIP/2.0 {code} {reason}"));
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in self.all(name) {
                let tagged = name == "To" && code > 100 && !value.contains(";tag=");
                reply = reply.with(name, if tagged { format!("{value};tag={tag}") } else { value.to_owned() });
            }
        }
        reply
    }

    /// As it goes out.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{}\r\n", self.line);
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length")) {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        let _ = write!(out, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        out
    }
}

/// User and host of a SIP URI, without port and parameters.
#[must_use]
pub(super) fn user_host(uri: &str) -> (&str, &str) {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    (user, host.split([':', ';', '?']).next().unwrap_or_default())
}
