//! SIP and SDP: everything about them, and nothing but them.
//!
//! - [`endpoint`]: the user-agent core: transactions, dialogs, registrations of one loop.
//! - [`registrar`], [`digest`]: who is registered where, and how a password is proved.
//! - [`message`]: the lexer, the typed views of headers, the printer, the framer of byte streams.
//! - [`sdp`]: offer and answer for audio.
//! - [`vocabulary`]: our messages as those of the `rsip` crate, and back, for programs that embed us.
//! - [`capture`]: copies of messages for a collector, with secrets masked.
//! - [`identity`]: who a caller is, vouched for by a signature: checking it, and signing.
//! - [`admission`]: who is let in: overload, limits of sources, bans.
//! - [`stun`]: the keep-alive of devices behind NATs.
//! - [`locate`]: the servers of a name, by the DNS.
//! - [`flow`]: where a message came from or goes to.
//!
//! Only `transport` does I/O; everything else is a core: no clock, no sockets, no randomness of its own.

pub mod admission;
mod buckets;
pub mod capture;
pub mod digest;
pub mod endpoint;
pub mod flow;
mod hashing;
pub mod identity;
pub mod locate;
pub mod message;
pub mod registrar;
pub mod sdp;
pub mod stun;
pub mod transport;
pub mod vocabulary;
