//! Messages of JSON-RPC 2.0 between `Content-Length` headers (LSP 3.17, "Base Protocol").

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

/// Longest message that is read. A file of 1 MiB, each letter of it escaped, is within it.
pub(super) const MAX_MESSAGE_BYTES: u64 = 8 << 20;
/// Longest line of a header, and most of them.
const MAX_HEADER_BYTES: u64 = 1024;
const MAX_HEADERS: usize = 16;

/// Codes of errors: JSON-RPC 2.0 section 5.1, and LSP 3.17, "Response Message".
pub(super) mod code {
    pub(in crate::cli::lsp) const PARSE: i32 = -32_700;
    pub(in crate::cli::lsp) const INVALID_REQUEST: i32 = -32_600;
    pub(in crate::cli::lsp) const METHOD_NOT_FOUND: i32 = -32_601;
    pub(in crate::cli::lsp) const INVALID_PARAMS: i32 = -32_602;
    pub(in crate::cli::lsp) const NOT_INITIALIZED: i32 = -32_002;
    pub(in crate::cli::lsp) const REQUEST_FAILED: i32 = -32_803;
}

/// A request that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What came in.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Value),
    /// One message could not be taken; the next one can be.
    Bad(Refusal),
    /// Nothing that follows can be understood.
    Broken(String),
    /// The editor is gone.
    End,
}

/// Reads one message. One that is too long is passed over.
pub(super) fn read(input: &mut impl BufRead) -> Incoming {
    let length = match headers(input) {
        Ok(Some(length)) => length,
        Ok(None) => return Incoming::End,
        Err(error) => return Incoming::Broken(error.to_string()),
    };
    if length > MAX_MESSAGE_BYTES {
        return match io::copy(&mut input.take(length), &mut io::sink()) {
            Ok(_) => {
                let message = format!("a message has at most {} MiB, this one {length} bytes", MAX_MESSAGE_BYTES >> 20);
                Incoming::Bad(Refusal::new(code::INVALID_REQUEST, message))
            }
            Err(error) => Incoming::Broken(error.to_string()),
        };
    }
    let mut body = Vec::new();
    match input.take(length).read_to_end(&mut body) {
        Ok(_) if (body.len() as u64) < length => Incoming::End,
        Ok(_) => match serde_json::from_slice(&body) {
            Ok(message) => Incoming::Message(message),
            Err(error) => Incoming::Bad(Refusal::new(code::PARSE, format!("this is not JSON: {error}"))),
        },
        Err(error) => Incoming::Broken(error.to_string()),
    }
}

/// The length that the headers tell; `None` at the end of the input.
fn headers(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut length = None;
    for _ in 0..MAX_HEADERS {
        let mut line = Vec::new();
        if input.take(MAX_HEADER_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Err(bad("a line of a message's header does not end"));
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return length.map(Some).ok_or_else(|| bad("a message without Content-Length"));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a message's header without a colon"))?;
        if name.trim().eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().map_err(|_| bad("a Content-Length that is no number"))?);
        }
    }
    Err(bad("a message with too many headers"))
}

/// Writes one message.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

/// The answer to a request; `id` is null where it is not known.
pub(super) fn response(id: &Value, answer: Result<Value, Refusal>) -> Value {
    match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(Refusal { code, message }) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    }
}

pub(super) fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            let (shown, last) = match read(&mut input) {
                Incoming::Message(message) => (message.to_string(), false),
                Incoming::Bad(refusal) => (refusal.code.to_string(), false),
                Incoming::Broken(why) => (why, true),
                Incoming::End => ("end".to_owned(), true),
            };
            found.push(shown);
            if last {
                return found;
            }
        }
    }

    #[test]
    fn messages_are_parted_by_their_length() {
        assert_eq!(all(b"Content-Length: 2\r\n\r\n{}content-length:1\r\nContent-Type: x\r\n\r\n7"), ["{}", "7", "end"]);
        assert_eq!(all(b"Content-Length: 5\r\n\r\n{\"a\"Content-Length: 2\r\n\r\n[]")[0], "-32700");
        assert_eq!(all(b"Content-Length: 50\r\n\r\n{}"), ["end"]);
        assert_eq!(all(b""), ["end"]);
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let long = MAX_MESSAGE_BYTES + 1;
        let mut text = format!("Content-Length: {long}\r\n\r\n").into_bytes();
        text.resize(text.len() + usize::try_from(long).unwrap(), b' ');
        text.extend(b"Content-Length: 1\r\n\r\n1");
        assert_eq!(all(&text), ["-32600", "1", "end"]);
        assert_eq!(all(format!("Content-Length: {}\r\n\r\n{{}}", u64::MAX).as_bytes()), ["-32600", "end"]);
        let deep = "[".repeat(100_000);
        assert_eq!(all(format!("Content-Length: {}\r\n\r\n{deep}", deep.len()).as_bytes()), ["-32700", "end"]);
    }

    #[test]
    fn headers_that_are_none_end_it() {
        assert_eq!(all(b"\r\n{}"), ["a message without Content-Length"]);
        assert_eq!(all(b"Content-Length: -1\r\n\r\n"), ["a Content-Length that is no number"]);
        assert_eq!(all(b"hello\n"), ["a message's header without a colon"]);
        assert_eq!(all(&[b'a'; 5000]), ["a line of a message's header does not end"]);
        assert_eq!(all("a: b\n".repeat(20).as_bytes()), ["a message with too many headers"]);
    }
}
