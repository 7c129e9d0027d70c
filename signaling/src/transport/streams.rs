//! All TCP, TLS and WebSocket connections of one loop, as the loop sees them.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rustls::{ServerConfig, pki_types::ServerName};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, watch},
};

use super::{connector::Connector, door::Door, tls::TlsPeers};
use crate::flow::{ConnectionId, Flow, Transport};

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address.
    pub per_address: usize,
    /// TLS handshakes that may be under way, in all.
    pub handshakes: usize,
    /// TLS handshakes of one address that may be under way.
    pub handshakes_per_address: usize,
    /// Messages that may wait for one connection; one more closes it.
    pub queue: usize,
    /// Whoever opens a connection to us sends a first whole message within this.
    pub first: Duration,
    /// A connection on which nothing arrives for so long is closed.
    pub idle: Duration,
    /// How often a connection that we opened is kept alive, at least (RFC 5626 section 4.4.1); up to a quarter more.
    pub ping: Duration,
    /// How often a WebSocket is pinged; without a word in three times this it is closed.
    pub web_ping: Duration,
    /// A message that has begun must be complete within this, and bytes of ours must be taken within it.
    pub partial: Duration,
    /// Connecting, and the TLS handshake, may take so long.
    pub connect: Duration,
    /// Longer messages close the connection, in bytes.
    pub max_message_bytes: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            per_address: 1_000,
            handshakes: 2_000,
            handshakes_per_address: 200,
            queue: 64,
            first: Duration::from_secs(30),
            idle: Duration::from_secs(3_900),
            ping: Duration::from_secs(95),
            web_ping: Duration::from_secs(30),
            partial: Duration::from_secs(10),
            connect: Duration::from_secs(5),
            max_message_bytes: 65_535,
        }
    }
}

/// What connections tell the loop.
#[derive(Debug)]
pub enum StreamEvent {
    /// A connection was taken in, or one that we opened stands.
    Opened {
        /// Its way.
        flow: Flow,
        /// Where messages for it go.
        outgoing: mpsc::Sender<Bytes>,
    },
    /// A whole message arrived.
    Message {
        /// By which way.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A connection is gone, or could not be opened; what still waited for it is lost.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
}

/// A message that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
    /// The peer does not take what is sent; the connection was given up.
    #[error("the connection does not take what is sent")]
    Stuck,
    /// No further connection may be opened.
    #[error("too many connections")]
    TooMany,
    /// Browsers cannot be dialled.
    #[error("a WebSocket cannot be opened to its client")]
    NotDialled,
}

struct Open {
    flow: Flow,
    /// The name that the peer has to prove.
    name: Option<ServerName<'static>>,
    outgoing: mpsc::Sender<Bytes>,
}

/// What makes two messages go by one connection. By TLS, the name that the peer has proved belongs to it: a
/// connection that was opened to us has proved none, and one to another name at the same address is another peer's.
type Key = (Transport, SocketAddr, Option<ServerName<'static>>);

/// The connections.
pub struct Streams {
    runtime: Handle,
    door: Door,
    tls: watch::Receiver<Arc<TlsPeers>>,
    open: HashMap<ConnectionId, Open>,
    /// The connection to use for an address: the last one opened to it.
    by_address: HashMap<Key, ConnectionId>,
}

impl Streams {
    /// No connections yet. Tasks run on `runtime`; the loop takes `events` from the other end. Whom we expect at the
    /// other end of TLS is looked up in `tls` whenever a connection is opened.
    #[must_use]
    pub fn new(
        limits: StreamLimits,
        runtime: Handle,
        events: mpsc::Sender<StreamEvent>,
        tls: watch::Receiver<Arc<TlsPeers>>,
    ) -> Self {
        Self { runtime, door: Door::new(limits, events), tls, open: HashMap::new(), by_address: HashMap::new() }
    }

    /// Where WebSockets come in.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Takes connections from a bound listener from now on; with `tls`, after a handshake by what `tls` holds then.
    ///
    /// # Errors
    /// The runtime refuses the listener.
    pub fn listen(
        &self,
        listener: std::net::TcpListener,
        tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    ) -> std::io::Result<()> {
        listener.set_nonblocking(true)?;
        let _in_runtime = self.runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        self.runtime.spawn(self.door().accept(listener, tls));
        Ok(())
    }

    /// Notes what an event says of connections. The loop calls it with each event before it looks at it.
    pub fn note(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Opened { flow, outgoing } => {
                let Some(id) = flow.connection else { return };
                let name = self.open.get(&id).and_then(|known| known.name.clone());
                self.by_address.insert((flow.transport, flow.remote, name.clone()), id);
                self.open.insert(id, Open { flow: *flow, name, outgoing: outgoing.clone() });
            }
            StreamEvent::Closed { connection } => self.forget(*connection),
            StreamEvent::Message { .. } => {}
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.remove(&id) {
            let key = (open.flow.transport, open.flow.remote, open.name);
            if self.by_address.get(&key) == Some(&id) {
                self.by_address.remove(&key);
            }
        }
    }

    /// Closes a connection; `Closed` tells of it.
    pub fn close(&mut self, connection: ConnectionId) {
        // Dropping our end of the queue ends both tasks.
        self.forget(connection);
    }

    /// Sends on an open connection.
    ///
    /// # Errors
    /// It is gone, or was given up because its queue is full.
    pub fn send_on(&mut self, connection: ConnectionId, bytes: Bytes) -> Result<(), SendError> {
        let open = self.open.get(&connection).ok_or(SendError::Closed)?;
        match open.outgoing.try_send(bytes) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendError::Closed),
            Err(mpsc::error::TrySendError::Full(_)) => {
                // Dropping our end of the queue ends both tasks.
                self.forget(connection);
                Err(SendError::Stuck)
            }
        }
    }

    /// Sends to an address, on a connection that is open to it or on a new one. The outcome of a new one
    /// comes as `Closed` when it fails.
    ///
    /// # Errors
    /// No connection may be opened, or the one there is does not take it.
    pub fn send_to(
        &mut self,
        transport: Transport,
        to: SocketAddr,
        from: Option<IpAddr>,
        bytes: Bytes,
    ) -> Result<ConnectionId, SendError> {
        if !transport.can_be_dialled() {
            return Err(SendError::NotDialled);
        }
        let tls = (transport == Transport::Tls).then(|| self.tls.borrow().at(to));
        let name = tls.as_ref().map(|peer| peer.name.clone());
        let key = (transport, to, name.clone());
        if let Some(id) = self.by_address.get(&key).copied() {
            return self.send_on(id, bytes).map(|()| id);
        }
        let Door { limits, events, admission, .. } = self.door();
        let admitted = admission.admit(to.ip()).ok_or(SendError::TooMany)?;
        let id = self.door.next_id();
        let (outgoing_tx, outgoing) = mpsc::channel(limits.queue);
        // The queue was made for at least one message.
        let _has_room = outgoing_tx.try_send(bytes);
        let local = SocketAddr::new(from.unwrap_or(unspecified(to)), 0);
        let flow = Flow { transport, local, remote: to, connection: Some(id) };
        self.by_address.insert(key, id);
        self.open.insert(id, Open { flow, name, outgoing: outgoing_tx.clone() });
        let connector = Connector { limits, events, tls, from, admitted };
        self.runtime.spawn(connector.run(flow, id, outgoing, outgoing_tx));
        Ok(id)
    }

    /// Open connections.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }
}

const fn unspecified(like: SocketAddr) -> IpAddr {
    match like {
        SocketAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}
