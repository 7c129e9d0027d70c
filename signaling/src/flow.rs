//! Where a message came from, or goes to: transport, the two addresses, and the connection if there is one.
//!
//! A flow (RFC 5626 section 3) is what a response must travel back on. It says nothing of the message.

use std::fmt;
use std::net::SocketAddr;

/// How messages travel (RFC 3261 section 18, RFC 5246 for `Tls`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// One message per datagram; lost ones are sent again by the transaction.
    Udp,
    /// A byte stream in the clear.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// True when the transport itself delivers or fails: no retransmission timers (RFC 3261 section 17.1.1.2).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// The port used where a URI or Via names none (RFC 3261 section 19.1.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// The name in a Via header (RFC 3261 section 20.42): `UDP`, `TCP`, `TLS`.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The value of a URI's `transport` parameter: `udp`, `tcp`, `tls`.
    #[must_use]
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Reads a name as written in a Via or a `transport` parameter, in any case; `None` for those we do not speak.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|transport| name.eq_ignore_ascii_case(transport.uri_name()))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.via_name())
    }
}

/// One TCP or TLS connection of this process; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "connection {}", self.0)
    }
}

/// The way a message came or shall go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The connection, when the transport has one and it is open.
    pub connection: Option<ConnectionId>,
}

impl Flow {
    /// A flow over UDP.
    #[must_use]
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, connection: None }
    }
}
