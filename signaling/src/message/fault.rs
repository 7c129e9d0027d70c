//! What is wrong with a message that can not be accepted, and what is still needed to say so to the sender.

use super::Message;

/// Why a message is refused: the status code and reason phrase that tell the sender (RFC 3261 section 21.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}")]
pub struct Fault {
    /// 400, 416, 505, …
    pub code: u16,
    /// A reason phrase that names the fault; never text of the message itself.
    pub reason: &'static str,
}

impl Fault {
    /// A 400 with a reason phrase.
    #[must_use]
    pub const fn bad(reason: &'static str) -> Self {
        Self { code: 400, reason }
    }
}

/// A request that must be refused, with all of it that could be read.
#[derive(Clone, Debug)]
pub struct Unacceptable {
    /// What to answer.
    pub fault: Fault,
    /// What was read: always a request with at least one Via line. Good for
    /// [`ResponseBuilder`](super::ResponseBuilder), which copies what is there; for nothing else.
    pub message: Message,
}

/// Why some bytes are no message.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 3.5.1). Nothing to answer over UDP.
    #[error("keep-alive without a message")]
    KeepAlive,
    /// More than [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES). Drop it.
    #[error("message too long")]
    TooLong,
    /// No SIP, a broken response, or a request that names no way back. Drop it.
    #[error("not a SIP message that can be answered: {0}")]
    Unanswerable(&'static str),
    /// A broken request that can be answered (an ACK never is).
    #[error("unacceptable request: {}", .0.fault)]
    Unacceptable(Box<Unacceptable>),
}
