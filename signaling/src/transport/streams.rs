//! All TCP and TLS connections of one loop.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    accept::{Admission, Admitted},
    connection::Connection,
};
use crate::flow::{ConnectionId, Flow, Transport};

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address.
    pub per_address: usize,
    /// Messages that may wait for one connection; one more closes it.
    pub queue: usize,
    /// A connection on which nothing arrives for so long is closed.
    pub idle: Duration,
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
            queue: 64,
            idle: Duration::from_secs(3_900),
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
}

struct Open {
    flow: Flow,
    outgoing: mpsc::Sender<Bytes>,
}

/// The connections, as the loop sees them.
pub struct Streams {
    limits: StreamLimits,
    runtime: Handle,
    events: mpsc::Sender<StreamEvent>,
    admission: Arc<Admission>,
    next: Arc<AtomicU64>,
    tls: Arc<rustls::ClientConfig>,
    open: HashMap<ConnectionId, Open>,
    /// The connection to use for an address: the last one opened to it.
    by_address: HashMap<(Transport, SocketAddr), ConnectionId>,
}

impl Streams {
    /// No connections yet. Tasks run on `runtime`; the loop takes `events` from the other end.
    #[must_use]
    pub fn new(limits: StreamLimits, runtime: Handle, events: mpsc::Sender<StreamEvent>, tls: Arc<rustls::ClientConfig>) -> Self {
        let admission = Admission::new(limits.connections, limits.per_address);
        let (next, open, by_address) = (Arc::new(AtomicU64::new(1)), HashMap::new(), HashMap::new());
        Self { limits, runtime, events, admission, next, tls, open, by_address }
    }

    /// Takes connections from a bound listener from now on; with `tls`, after its handshake.
    ///
    /// # Errors
    /// The runtime refuses the listener.
    pub fn listen(&self, listener: std::net::TcpListener, tls: Option<Arc<rustls::ServerConfig>>) -> std::io::Result<()> {
        listener.set_nonblocking(true)?;
        let _in_runtime = self.runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let taker = Taker {
            limits: self.limits,
            events: self.events.clone(),
            next: Arc::clone(&self.next),
            transport: if tls.is_some() { Transport::Tls } else { Transport::Tcp },
        };
        self.runtime.spawn(accept(listener, taker, Arc::clone(&self.admission), tls.map(TlsAcceptor::from)));
        Ok(())
    }

    /// Notes what an event says of connections. The loop calls it with each event before it looks at it.
    pub fn note(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Opened { flow, outgoing } => {
                let Some(id) = flow.connection else { return };
                self.by_address.insert((flow.transport, flow.remote), id);
                self.open.insert(id, Open { flow: *flow, outgoing: outgoing.clone() });
            }
            StreamEvent::Closed { connection } => self.forget(*connection),
            StreamEvent::Message { .. } => {}
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.remove(&id) {
            let key = (open.flow.transport, open.flow.remote);
            if self.by_address.get(&key) == Some(&id) {
                self.by_address.remove(&key);
            }
        }
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
        if let Some(id) = self.by_address.get(&(transport, to)).copied() {
            return self.send_on(id, bytes).map(|()| id);
        }
        let admitted = self.admission.admit(to.ip()).ok_or(SendError::TooMany)?;
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let (outgoing_tx, outgoing) = mpsc::channel(self.limits.queue);
        // The queue was made for at least one message.
        let _has_room = outgoing_tx.try_send(bytes);
        let flow =
            Flow { transport, local: SocketAddr::new(from.unwrap_or(unspecified(to)), 0), remote: to, connection: Some(id) };
        self.by_address.insert((transport, to), id);
        self.open.insert(id, Open { flow, outgoing: outgoing_tx.clone() });
        let connector = Connector { limits: self.limits, events: self.events.clone(), tls: Arc::clone(&self.tls), from };
        self.runtime.spawn(connector.run(flow, id, admitted, outgoing_tx, outgoing));
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

/// What is needed to take a connection in.
#[derive(Clone)]
struct Taker {
    limits: StreamLimits,
    events: mpsc::Sender<StreamEvent>,
    next: Arc<AtomicU64>,
    transport: Transport,
}

async fn accept(listener: TcpListener, taker: Taker, admission: Arc<Admission>, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait for some to come back instead of spinning.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(admitted) = admission.admit(remote.ip()) else { continue };
        let Ok(local) = stream.local_addr() else { continue };
        let (taker, tls) = (taker.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => taker.take(stream, local, remote, admitted).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(taker.limits.connect, tls.accept(stream)).await {
                        taker.take(stream, local, remote, admitted).await;
                    }
                }
            }
        });
    }
}

impl Taker {
    async fn take<S>(self, stream: S, local: SocketAddr, remote: SocketAddr, admitted: Admitted)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let flow = Flow { transport: self.transport, local, remote, connection: Some(id) };
        let (outgoing_tx, outgoing) = mpsc::channel(self.limits.queue);
        serve(stream, flow, id, self.limits, self.events, admitted, outgoing_tx, outgoing).await;
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one connection, put together in one place")]
async fn serve<S>(
    stream: S,
    flow: Flow,
    id: ConnectionId,
    limits: StreamLimits,
    events: mpsc::Sender<StreamEvent>,
    admitted: Admitted,
    outgoing_tx: mpsc::Sender<Bytes>,
    outgoing: mpsc::Receiver<Bytes>,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    // The reader keeps a weak end only: the queue ends when the loop forgets the connection.
    let pongs = outgoing_tx.downgrade();
    if events.send(StreamEvent::Opened { flow, outgoing: outgoing_tx }).await.is_err() {
        return;
    }
    let StreamLimits { max_message_bytes, idle, partial, .. } = limits;
    Connection { flow, id, max_message_bytes, idle, partial, events, admitted }.run(stream, outgoing, pongs).await;
}

/// What is needed to open a connection.
struct Connector {
    limits: StreamLimits,
    events: mpsc::Sender<StreamEvent>,
    tls: Arc<rustls::ClientConfig>,
    from: Option<IpAddr>,
}

impl Connector {
    async fn run(
        self,
        flow: Flow,
        id: ConnectionId,
        admitted: Admitted,
        outgoing_tx: mpsc::Sender<Bytes>,
        outgoing: mpsc::Receiver<Bytes>,
    ) {
        let Self { limits, events, tls, from } = self;
        let connected = timeout(limits.connect, connect(flow.remote, from)).await;
        let Ok(Ok(stream)) = connected else { return closed(events, id).await };
        let flow = Flow { local: stream.local_addr().unwrap_or(flow.local), ..flow };
        if flow.transport == Transport::Tls {
            let name = ServerName::IpAddress(flow.remote.ip().into());
            match timeout(limits.connect, TlsConnector::from(tls).connect(name, stream)).await {
                Ok(Ok(stream)) => serve(stream, flow, id, limits, events, admitted, outgoing_tx, outgoing).await,
                _ => closed(events, id).await,
            }
        } else {
            serve(stream, flow, id, limits, events, admitted, outgoing_tx, outgoing).await;
        }
    }
}

async fn connect(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from.filter(|from| !from.is_unspecified() && from.is_ipv4() == to.is_ipv4()) {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.set_nodelay(true)?;
    socket.connect(to).await
}

async fn closed(events: mpsc::Sender<StreamEvent>, id: ConnectionId) {
    let _loop_is_gone = events.send(StreamEvent::Closed { connection: id }).await;
}
