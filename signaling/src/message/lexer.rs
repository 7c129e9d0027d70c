//! The lexer: one pass over the bytes that notes where things are. It copies nothing and allocates nothing for a
//! message of up to 24 header lines (RFC 3261 section 7).
//!
//! A line ends in CRLF; a bare LF is taken as well, a bare CR is a fault. The first fault is kept and reading goes
//! on, so that a refusal can still be addressed.

use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::scan::{is_lws, is_token};
use super::{Fault, MAX_HEADERS, Name};

/// A piece of the message. Messages are at most 65,535 bytes, so 16 bits do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    at: u16,
    len: u16,
}

impl Span {
    fn new(from: usize, to: usize) -> Self {
        let at = u16::try_from(from).unwrap_or(u16::MAX);
        Self { at, len: u16::try_from(to.saturating_sub(from)).unwrap_or(0) }
    }

    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or(&[])
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        usize::from(self.at)..usize::from(self.at) + usize::from(self.len)
    }

    const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// One header line: the name as written and the value without the white space around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) name_text: Span,
    pub(super) value: Span,
}

/// The first line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Request { method: Span, uri: Span },
    Response { code: u16, reason: Span },
}

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) start: Start,
    pub(super) headers: SmallVec<[Entry; 24]>,
    pub(super) body: Span,
}

/// Finds the parts of a message of at most 65,535 bytes that starts at `from`. `Err` when the first line is no SIP;
/// else the index and the first fault, if any.
pub(super) fn index(bytes: &[u8], from: usize) -> Result<(Index, Option<Fault>), &'static str> {
    let mut lines = Lines { bytes, at: from, bare_return: false };
    let (start_from, start_to) = lines.next().ok_or("no line end")?;
    let (start, mut fault) = start_line(bytes, start_from, start_to)?;
    let mut headers = SmallVec::new();
    let ended = header_lines(&mut lines, &mut headers, &mut fault);
    if !ended {
        fault.get_or_insert(Fault::bad("No empty line after the headers"));
    }
    if lines.bare_return {
        fault.get_or_insert(Fault::bad("Carriage return inside a line"));
    }
    let body_at = lines.at.min(bytes.len());
    let mut body = Span::new(body_at, bytes.len());
    match content_length(bytes, &headers) {
        Ok(Some(length)) if length > bytes.len() - body_at => {
            fault.get_or_insert(Fault::bad("Content-Length longer than the message"));
        }
        Ok(Some(length)) => body = Span::new(body_at, body_at + length),
        Ok(None) => {}
        Err(found) => {
            fault.get_or_insert(found);
        }
    }
    Ok((Index { start, headers, body }, fault))
}

/// Yields each line's range without its line end; remembers a carriage return that ended no line.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    bare_return: bool,
}

impl Iterator for Lines<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let from = self.at;
        let mut search = from;
        loop {
            let found = search + memchr2(b'\r', b'\n', self.bytes.get(search..)?)?;
            let is_return = self.bytes.get(found) == Some(&b'\r');
            if is_return && self.bytes.get(found + 1) != Some(&b'\n') {
                self.bare_return = true;
                search = found + 1;
                continue;
            }
            self.at = found + 1 + usize::from(is_return);
            return Some((from, found));
        }
    }
}

/// Reads header lines up to the empty line; false when there is none.
fn header_lines(lines: &mut Lines<'_>, headers: &mut SmallVec<[Entry; 24]>, fault: &mut Option<Fault>) -> bool {
    let bytes = lines.bytes;
    // A fold belongs to the line before it, also when that line was refused.
    let mut is_refused = false;
    for (from, to) in lines.by_ref() {
        let line = bytes.get(from..to).unwrap_or(&[]);
        match line.first() {
            None => return true,
            Some(b' ' | b'\t') => match headers.last_mut() {
                Some(entry) if !is_refused => extend(entry, trimmed(bytes, from, to)),
                Some(_) => {}
                None => {
                    fault.get_or_insert(Fault::bad("Folded line without a header"));
                }
            },
            Some(_) if headers.len() >= MAX_HEADERS => {
                is_refused = true;
                fault.get_or_insert(Fault { code: 513, reason: "Too many headers" });
            }
            Some(_) => match header_line(bytes, from, to) {
                Some(entry) => {
                    is_refused = false;
                    headers.push(entry);
                }
                None => {
                    is_refused = true;
                    fault.get_or_insert(Fault::bad("Malformed header line"));
                }
            },
        }
    }
    lines.at = bytes.len();
    false
}

/// Reads `name : value`.
fn header_line(bytes: &[u8], from: usize, to: usize) -> Option<Entry> {
    // Names are short: a plain loop beats a call of `memchr`.
    let colon = from + bytes.get(from..to)?.iter().position(|byte| *byte == b':')?;
    let name_text = trimmed(bytes, from, colon);
    let text = name_text.of(bytes);
    let name = Name::of(text);
    if name == Name::Other && !is_token(text) {
        return None;
    }
    Some(Entry { name, name_text, value: trimmed(bytes, colon + 1, to) })
}

/// Lets a header's value reach to the end of a folded line (RFC 3261 section 7.3.1).
fn extend(entry: &mut Entry, line: Span) {
    if entry.value.is_empty() {
        entry.value = line;
    } else if !line.is_empty() {
        entry.value = Span::new(entry.value.range().start, line.range().end);
    }
}

/// The range without the white space around it.
fn trimmed(bytes: &[u8], mut from: usize, mut to: usize) -> Span {
    while from < to && bytes.get(from).is_some_and(|byte| is_lws(*byte)) {
        from += 1;
    }
    while from < to && bytes.get(to - 1).is_some_and(|byte| is_lws(*byte)) {
        to -= 1;
    }
    Span::new(from, to)
}

/// Reads a request or status line. White space around the parts is let pass (RFC 4475 sections 3.1.2.9 and 3.1.2.10).
fn start_line(bytes: &[u8], from: usize, to: usize) -> Result<(Start, Option<Fault>), &'static str> {
    let line = bytes.get(from..to).unwrap_or(&[]);
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(bytes, from, to).map(|start| (start, None));
    }
    let first = memchr(b' ', line).ok_or("first line is no request line")?;
    let end = trimmed(bytes, from, to).range().end;
    let line = bytes.get(from..end).unwrap_or(&[]);
    let last = line.iter().rposition(|byte| *byte == b' ').filter(|last| *last > first);
    let last = last.ok_or("first line is no request line")?;
    let version = line.get(last + 1..).unwrap_or(&[]);
    if !version.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        return Err("first line names no SIP version");
    }
    let method = Span::new(from, from + first);
    let uri = trimmed(bytes, from + first, from + last);
    let uri_text = uri.of(bytes);
    let fault = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(Fault { code: 505, reason: "SIP Version Not Supported" })
    } else if !is_token(method.of(bytes)) {
        Some(Fault::bad("Malformed method"))
    } else if uri_text.is_empty() || uri_text.iter().any(|byte| is_lws(*byte)) || str::from_utf8(uri_text).is_err() {
        Some(Fault::bad("Malformed Request-URI"))
    } else {
        None
    };
    Ok((Start::Request { method, uri }, fault))
}

/// Reads `SIP/2.0 code reason`; the reason may be empty, with or without the blank before it.
fn status_line(bytes: &[u8], from: usize, to: usize) -> Result<Start, &'static str> {
    let line = bytes.get(from..to).unwrap_or(&[]);
    let rest = line.get(7..).filter(|_| line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/2.0")));
    let rest = rest.and_then(|rest| rest.strip_prefix(b" ")).ok_or("status line of another SIP version")?;
    let (digits, reason) = rest.split_at_checked(3).ok_or("status line without a code")?;
    let code = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let code = code.and_then(|digits| digits.parse::<u16>().ok()).filter(|code| (100..700).contains(code));
    let code = code.ok_or("status code out of range")?;
    if !reason.is_empty() && reason.first() != Some(&b' ') {
        return Err("status code out of range");
    }
    Ok(Start::Response { code, reason: trimmed(bytes, to - reason.len(), to) })
}

/// The one value of all Content-Length lines (RFC 3261 section 18.3).
pub(super) fn content_length(bytes: &[u8], headers: &[Entry]) -> Result<Option<usize>, Fault> {
    let mut length = None;
    for entry in headers.iter().filter(|entry| entry.name == Name::ContentLength) {
        let digits = entry.value.of(bytes);
        let value = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let value = value.and_then(|text| text.parse::<usize>().ok());
        let value = value.ok_or(Fault::bad("Malformed Content-Length header"))?;
        if length.is_some_and(|length| length != value) {
            return Err(Fault::bad("Content-Length headers that differ"));
        }
        length = Some(value);
    }
    Ok(length)
}

/// What a stream's framer needs of a head: its Content-Length. `head` ends with the empty line.
pub(super) fn head_content_length(head: &[u8]) -> Result<Option<usize>, Fault> {
    let mut lines = Lines { bytes: head, at: 0, bare_return: false };
    lines.next();
    let (mut headers, mut fault) = (SmallVec::new(), None);
    header_lines(&mut lines, &mut headers, &mut fault);
    content_length(head, &headers)
}
