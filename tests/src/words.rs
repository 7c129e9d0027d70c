//! Conversations too short for SIPp: one UDP socket, texts sent and texts received.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

/// A socket that speaks with the SIP port of a switch.
pub struct Words {
    socket: UdpSocket,
    /// Its own address.
    pub local: SocketAddr,
}

impl Words {
    /// A socket at `ip` that speaks with `switch`.
    ///
    /// # Panics
    /// When the address is not of this machine.
    #[must_use]
    pub fn new(ip: IpAddr, switch: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a loopback address");
        socket.connect(switch).expect("a loopback address");
        let local = socket.local_addr().expect("a bound socket");
        Self { socket, local }
    }

    /// The switch that is spoken with.
    ///
    /// # Panics
    /// When the socket is broken.
    #[must_use]
    pub fn switch(&self) -> SocketAddr {
        self.socket.peer_addr().expect("connected at its making")
    }

    /// Sends bytes as they are.
    pub fn send(&self, bytes: &[u8]) {
        // A refused datagram is for whoever listens to tell, not for whoever speaks.
        let _sent = self.socket.send(bytes);
    }

    /// The next datagram, if one comes within `limit`.
    ///
    /// # Panics
    /// When the socket is broken.
    #[must_use]
    pub fn hear(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).expect("a socket option");
        let mut bytes = [0; 65_536];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// A request of ours without a body, in a transaction called `name`.
    #[must_use]
    pub fn request(&self, method: &str, uri: &str, user: &str, name: &str, more: &str) -> String {
        let Self { local, .. } = self;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{name};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{local}>;tag={name}\r\nTo: <{uri}>\r\nCall-ID: {name}@test\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:{user}@{local}>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }

    /// Whether the switch answers OPTIONS: the proof of life.
    #[must_use]
    pub fn answered_options(&self, name: &str) -> bool {
        let switch = self.socket.peer_addr().expect("connected above");
        self.send(self.request("OPTIONS", &format!("sip:{switch}"), "probe", name, "").as_bytes());
        (0..20)
            .any(|_| self.hear(Duration::from_millis(500)).is_some_and(|text| text.starts_with("SIP/2.0") && text.contains(name)))
    }
}

/// The status code of a response.
#[must_use]
pub fn code(text: &str) -> Option<u16> {
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
