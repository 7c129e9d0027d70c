//! Cuts messages out of a byte stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1 for keep-alives).
//!
//! Bounded: it never holds more than one message of the limit and what one `push` brought. On an error the stream has
//! lost its place and must be closed.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::{MAX_HEADERS, lexer};

/// What was found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`Message::parse`](super::Message::parse).
    Message(Bytes),
    /// CRLF CRLF: the peer wants one CRLF back.
    Ping,
    /// A single CRLF: the answer to a ping, or a stray line end. (The first half of a ping that comes alone reads as
    /// this, and then as a ping when the second half comes.)
    Pong,
}

/// Why the stream can not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message longer than the limit.
    #[error("message longer than the limit")]
    TooLong,
    /// A head with too many lines.
    #[error("too many header lines")]
    TooManyLines,
    /// A message without Content-Length: where it ends is unknown (RFC 3261 section 20.14).
    #[error("message without Content-Length")]
    NoContentLength,
    /// A Content-Length that is no number, or two that differ.
    #[error("malformed Content-Length")]
    BadContentLength,
}

/// The framer of one connection.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    limit: usize,
    /// Bytes of the buffer that belong to lines already seen.
    scanned: usize,
    lines: usize,
    /// The length of the message at the front, once its head is complete.
    wanted: Option<usize>,
    /// The last thing seen was a single CRLF.
    half_ping: bool,
}

/// Room for one read.
const READ_BYTES: usize = 2048;

/// Lines of a head beyond the headers themselves: folds.
const MAX_LINES: usize = MAX_HEADERS * 4;

impl Framer {
    /// A framer for messages of at most `limit` bytes (at most [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES)).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(super::MAX_MESSAGE_BYTES);
        Self { buffer: BytesMut::new(), limit, scanned: 0, lines: 0, wanted: None, half_ping: false }
    }

    /// Adds received bytes. Call [`next`](Self::next) until it gives `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer to read a socket into, with room for an ordinary message.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_BYTES);
        &mut self.buffer
    }

    /// True when a message has begun and is not complete: the time to watch a slow sender.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The connection must be closed; the framer gives nothing more that makes sense.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end at None; this goes on after the next push")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.scanned == 0 && self.wanted.is_none() {
            if let Some(frame) = self.keep_alive() {
                return Ok(Some(frame));
            }
            if matches!(self.buffer.first(), None | Some(b'\r')) && self.buffer.len() < 2 {
                return Ok(None);
            }
            self.half_ping = false;
        }
        if self.wanted.is_none() {
            self.wanted = self.read_head()?;
        }
        let Some(wanted) = self.wanted.filter(|wanted| self.buffer.len() >= *wanted) else { return Ok(None) };
        (self.scanned, self.lines, self.wanted) = (0, 0, None);
        Ok(Some(Frame::Message(self.buffer.split_to(wanted).freeze())))
    }

    /// A line end between two messages.
    fn keep_alive(&mut self) -> Option<Frame> {
        if self.buffer.starts_with(b"\r\n") {
            let is_double = self.buffer.starts_with(b"\r\n\r\n");
            self.buffer.advance(if is_double { 4 } else { 2 });
            let is_ping = is_double || self.half_ping;
            self.half_ping = !is_ping;
            return Some(if is_ping { Frame::Ping } else { Frame::Pong });
        }
        if self.buffer.starts_with(b"\n") {
            self.buffer.advance(1);
            return Some(Frame::Pong);
        }
        None
    }

    /// Looks at new whole lines for the empty one; gives the message's length when the head is complete.
    fn read_head(&mut self) -> Result<Option<usize>, FrameError> {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or(&[]);
            // A line that is not complete is looked at again with the next push: at most `limit` bytes, and the
            // search itself is the cheap part.
            let Some(end) = memchr(b'\n', rest) else {
                return if self.buffer.len() > self.limit { Err(FrameError::TooLong) } else { Ok(None) };
            };
            let is_empty_line = end == 0 || (end == 1 && rest.first() == Some(&b'\r'));
            self.scanned += end + 1;
            self.lines += 1;
            if self.scanned > self.limit {
                return Err(FrameError::TooLong);
            }
            if is_empty_line && self.lines > 1 {
                break;
            }
            if self.lines > MAX_LINES {
                return Err(FrameError::TooManyLines);
            }
        }
        let head = self.buffer.get(..self.scanned).unwrap_or(&[]);
        let length = lexer::head_content_length(head).map_err(|_| FrameError::BadContentLength)?;
        let total = self.scanned.saturating_add(length.ok_or(FrameError::NoContentLength)?);
        if total > self.limit { Err(FrameError::TooLong) } else { Ok(Some(total)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Result<Vec<String>, FrameError> {
        let mut framer = Framer::new(200);
        let mut seen = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next()? {
                seen.push(match frame {
                    Frame::Message(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    other => format!("{other:?}"),
                });
            }
        }
        if framer.is_partial() {
            seen.push("partial".to_owned());
        }
        Ok(seen)
    }

    const ONE: &str = "A b SIP/2.0\r\nX: y\r\ncontent-length : 3\r\n\r\nabc";
    const FOLDED: &str = "A b SIP/2.0\r\nL:\r\n 2\r\n\r\n\r\n";

    #[test]
    fn finds_messages_however_the_bytes_come() {
        let stream = format!("\r\n\r\n{ONE}{FOLDED}\r\n{ONE}\r\n\r\n");
        let expected = ["Ping", ONE, FOLDED, "Pong", ONE, "Ping"];
        assert_eq!(all(&[stream.as_bytes()]).unwrap(), expected);
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        let single: Vec<String> = all(&bytes).unwrap();
        // Byte by byte a ping shows its first half as a pong.
        assert_eq!(single, ["Pong", "Ping", ONE, FOLDED, "Pong", ONE, "Pong", "Ping"]);
        for size in 2..stream.len() {
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            let messages = all(&chunks).unwrap().into_iter().filter(|frame| frame.len() > 4).collect::<Vec<_>>();
            assert_eq!(messages, [ONE, FOLDED, ONE], "chunks of {size}");
        }
    }

    #[test]
    fn refuses_what_has_no_end() {
        let head = |length: &str| format!("A b SIP/2.0\r\n{length}\r\n\r\n");
        assert_eq!(all(&[head("X: y").as_bytes()]), Err(FrameError::NoContentLength));
        assert_eq!(all(&[head("l: -1").as_bytes()]), Err(FrameError::BadContentLength));
        assert_eq!(all(&[head("l: 1\r\nl: 2").as_bytes()]), Err(FrameError::BadContentLength));
        assert_eq!(all(&[head("l: 99999999999999999999").as_bytes()]), Err(FrameError::BadContentLength));
        assert_eq!(all(&[head("l: 500").as_bytes()]), Err(FrameError::TooLong));
        assert_eq!(all(&[&[b'a'; 201]]), Err(FrameError::TooLong));
        assert_eq!(all(&[&[b'a'; 200]]).unwrap(), ["partial"]);
        assert_eq!(all(&[b"A b SIP/2.0\r\nl: 2\r\n\r\na"]).unwrap(), ["partial"]);
    }

    #[test]
    fn a_head_of_endless_lines_is_refused() {
        let mut framer = Framer::new(usize::MAX);
        framer.push("a\n".repeat(MAX_LINES + 2).as_bytes());
        assert_eq!(framer.next(), Err(FrameError::TooManyLines));
    }
}
