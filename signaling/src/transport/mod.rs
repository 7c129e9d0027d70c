//! Sockets and connections: the only I/O of this crate.
//!
//! [`UdpTransport`] is owned and polled by the loop that owns the endpoint, so a datagram costs no task
//! switch. [`Streams`] keeps TCP, TLS and WebSocket connections: each has a task, and the loop hears of
//! whole messages only (RFC 3261 section 18, RFC 5626 section 4.4 for keep-alives, RFC 7118). A
//! WebSocket's handshake is the HTTP server's, which then hands the stream to the [`Door`].
//!
//! Everything is bounded: connections and handshakes in all and per address, the queue of each
//! connection, the time to the first message, the time a message may take to arrive, the time a
//! connection may be idle.

mod accept;
mod connection;
mod connector;
mod door;
mod staging;
mod streams;
mod tls;
mod udp;
mod websocket;

pub use door::{Door, Ticket};
pub use streams::{SendError, StreamEvent, StreamLimits, Streams};
pub use tls::{TlsPeer, TlsPeers};
pub use udp::UdpTransport;
