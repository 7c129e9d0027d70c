//! SIP and SDP: everything about them, and nothing but them.
//!
//! - [`message`]: the lexer, the typed views of headers, the printer, the framer of byte streams.
//! - [`flow`]: where a message came from or goes to.
//!
//! Only `transport` does I/O; everything else is a core: no clock, no sockets, no randomness of its own.

pub mod flow;
pub mod message;
