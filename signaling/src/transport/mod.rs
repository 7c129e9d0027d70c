//! Sockets and connections: the only I/O of this crate.
//!
//! [`UdpTransport`] is owned and polled by the loop that owns the endpoint, so a datagram costs no task
//! switch. [`Streams`] keeps TCP and TLS connections: each has one task that reads and one that writes,
//! and the loop hears of whole messages only (RFC 3261 section 18, RFC 5626 section 4.4.1 for keep-alives).
//!
//! Everything is bounded: connections in all and per address, the queue of each connection, the time a
//! message may take to arrive, the time a connection may be idle.

mod accept;
mod connection;
mod streams;
mod udp;

pub use streams::{SendError, StreamEvent, StreamLimits, Streams};
pub use udp::UdpTransport;
