//! One UDP socket.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    task::{Context, Poll},
};

use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::staging::{Staging, Taken};
use crate::{message::MAX_MESSAGE_BYTES, stun};

/// Datagrams wait here while the loop is busy: about 3,000 of them.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Datagrams read in one go, before one of them gets its turn.
const MOST_READ: u32 = 256;
/// Datagrams given out before the system's queue is looked at again, although some wait still.
const MOST_GIVEN: u32 = 64;
/// The same while only those wait that begin something: among what came since may be what is under way.
const MOST_BEGUN: u32 = 8;

/// A bound UDP socket, used from the runtime that it was made on.
#[derive(Debug)]
pub struct UdpTransport {
    socket: UdpSocket,
    local: SocketAddr,
    buffer: Box<[u8]>,
    staging: Staging,
    /// Given out since the system's queue was looked at.
    given: u32,
    /// What was sent to ourselves last, to be known when it is back.
    probe: [u8; PROBE_BYTES],
    probed: Probed,
}

/// Where the probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probed {
    /// None is under way.
    Idle,
    /// In the system's queue, or dropped there.
    Sent,
    /// In ours.
    Staged,
}

/// A datagram to ourselves: no message and no keep-alive begins so.
const PROBE: &[u8; 8] = b"\0waited\0";
const PROBE_BYTES: usize = 16;

impl UdpTransport {
    /// Binds the address; IPv6 sockets take IPv6 only, so that both families can share a port.
    ///
    /// # Errors
    /// The address is in use, not ours, or a privilege is missing.
    pub fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    }

    /// Takes a bound socket into the current runtime.
    ///
    /// # Errors
    /// The runtime refuses it.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let wide = SockRef::from(&socket);
        // The system may allow less than asked; a smaller buffer only makes bursts lossier.
        let _smaller = wide.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        let _smaller = wide.set_send_buffer_size(RECEIVE_BUFFER_BYTES);
        let local = socket.local_addr()?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            local,
            buffer: vec![0; MAX_MESSAGE_BYTES + 1].into_boxed_slice(),
            staging: Staging::default(),
            given: 0,
            probe: [0; PROBE_BYTES],
            probed: Probed::Idle,
        })
    }

    /// The bound address.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Ready when a datagram may be waiting.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.staging.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.socket.poll_recv_ready(cx)
    }

    /// The next datagram, if one is waiting: what is under way before what begins. One longer than any message is allowed
    /// to be comes cut, and is then refused by its reader. STUN keep-alives are answered on the way; `None` also after
    /// many of them, so that others get their turn: the socket is ready still.
    pub fn try_receive(&mut self) -> Option<(Bytes, SocketAddr)> {
        let most = if self.staging.is_clear() { MOST_BEGUN } else { MOST_GIVEN };
        if self.given >= most || self.staging.is_empty() {
            self.given = 0;
            self.read();
        }
        loop {
            match self.staging.take()? {
                Taken::Datagram(datagram) => {
                    self.given += 1;
                    return Some(datagram);
                }
                Taken::Probe => self.probed = Probed::Idle,
            }
        }
    }

    /// Moves what waits in the system's queue to ours.
    fn read(&mut self) {
        for _ in 0..MOST_READ {
            match self.socket.try_recv_from(&mut self.buffer) {
                Ok((0, _)) => {}
                Ok((PROBE_BYTES, _)) if self.buffer[..PROBE_BYTES] == self.probe => {
                    if self.probed == Probed::Sent {
                        self.probed = Probed::Staged;
                        self.staging.put_probe();
                    }
                }
                // Keep-alives are answered here and concern nobody else.
                Ok((length, from)) if stun::is_stun(&self.buffer[..length]) => {
                    if let Some(answer) = stun::answer(&self.buffer[..length], from) {
                        let _lost_like_any_datagram = self.try_send(&answer, from);
                    }
                }
                Ok((length, from)) => self.staging.put(Bytes::copy_from_slice(&self.buffer[..length]), from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What is not there any more does not wait: it found the queue full.
                    if self.probed == Probed::Sent {
                        self.probed = Probed::Idle;
                    }
                    return;
                }
                // An ICMP error of an earlier datagram: it says nothing of the next one.
                Err(_) => {}
            }
        }
    }

    /// Datagrams that were dropped because too many waited, since this was last asked.
    pub fn dropped(&mut self) -> u64 {
        self.staging.dropped()
    }

    /// Sends a datagram to ourselves, through the same queue as everybody's: when it is back ([`is_probed`](Self::is_probed)),
    /// so long did the others wait. `secret` keeps others from forging it.
    ///
    /// # Errors
    /// We cannot reach ourselves.
    pub fn probe(&mut self, secret: u64) -> io::Result<()> {
        let mut probe = [0; PROBE_BYTES];
        probe[..8].copy_from_slice(PROBE);
        probe[8..].copy_from_slice(&secret.to_be_bytes());
        let mut to = self.local;
        if to.ip().is_unspecified() {
            to.set_ip(if to.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        self.try_send(&probe, to)?;
        (self.probe, self.probed) = (probe, Probed::Sent);
        Ok(())
    }

    /// Whether the last probe is back, or gone.
    #[must_use]
    pub fn is_probed(&self) -> bool {
        self.probed == Probed::Idle
    }

    /// Sends a datagram. When the system's buffer is full it is dropped: UDP's own way, and the
    /// transaction sends it again.
    ///
    /// # Errors
    /// There is no way to the address.
    pub fn try_send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        // Past tokio's readiness: a send buffer that is full is rare, and then dropping is right.
        match SockRef::from(&self.socket).send_to(bytes, &to.into()) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
