//! Where a message came from, or goes to: transport, the two addresses, and the connection if there is one.
//!
//! A flow (RFC 5626 section 3) is what a response must travel back on. It says nothing of the message.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How messages travel (RFC 3261 section 18, RFC 7118 for `Ws` and `Wss`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// One message per datagram; lost ones are sent again by the transaction.
    Udp,
    /// A byte stream in the clear.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// A WebSocket in the clear. Whoever is at its other end can be reached by it and in no other way.
    Ws,
    /// A WebSocket in TLS.
    Wss,
}

impl Transport {
    /// True when the transport itself delivers or fails: no retransmission timers (RFC 3261 section 17.1.1.2).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// True when a connection can be opened to an address. Browsers cannot be dialled (RFC 7118 section 5): what is
    /// for them goes by the connection that they opened.
    #[must_use]
    pub const fn can_be_dialled(self) -> bool {
        !matches!(self, Self::Ws | Self::Wss)
    }

    /// The port used where a URI or Via names none (RFC 3261 section 19.1.2, RFC 7118 section 5.3).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// The name in a Via header (RFC 3261 section 20.42, RFC 7118 section 5.2.1): `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of a URI's `transport` parameter: `udp`, `tcp`, `tls`, and `ws` for both kinds of WebSocket
    /// (RFC 7118 section 5.2.3).
    #[must_use]
    pub const fn uri_name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// The word for it in figures and records: each its own.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wss => "wss",
            other => other.uri_name(),
        }
    }

    /// Reads a name as written in a Via or a `transport` parameter, in any case; `None` for those we do not speak.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter().find(|transport| name.eq_ignore_ascii_case(transport.word()))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.via_name())
    }
}

/// One TCP, TLS or WebSocket connection of this process; never used twice.
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
