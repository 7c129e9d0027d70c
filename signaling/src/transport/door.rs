//! Where connections come in: TCP and TLS by listeners, WebSockets from the HTTP server that took their handshake.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    accept::{Admission, Admitted},
    connection::{Connection, KeepAlive},
    streams::{StreamEvent, StreamLimits},
    websocket,
};
use crate::flow::{ConnectionId, Flow, Transport};

/// What is needed to take a connection in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    pub(super) limits: StreamLimits,
    pub(super) events: mpsc::Sender<StreamEvent>,
    pub(super) next: Arc<AtomicU64>,
    pub(super) admission: Arc<Admission>,
    /// Handshakes that are under way: what costs most and proves least.
    pub(super) handshakes: Arc<Admission>,
}

/// The right to bring one WebSocket in.
#[derive(Debug)]
pub struct Ticket(Admitted);

impl Door {
    pub(super) fn new(limits: StreamLimits, events: mpsc::Sender<StreamEvent>) -> Self {
        Self {
            limits,
            events,
            next: Arc::new(AtomicU64::new(1)),
            admission: Admission::new(limits.connections, limits.per_address),
            handshakes: Admission::new(limits.handshakes, limits.handshakes_per_address),
        }
    }

    pub(super) fn next_id(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The right to bring in one WebSocket from `address`; `None` when there are too many connections, in all or of
    /// that address.
    #[must_use]
    pub fn ticket(&self, address: IpAddr) -> Option<Ticket> {
        self.admission.admit(address).map(Ticket)
    }

    /// Serves a WebSocket whose handshake is done (RFC 7118), until either side ends it. `secure`: it is in TLS.
    pub async fn web_socket<S>(self, ticket: Ticket, stream: S, secure: bool, local: SocketAddr, remote: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let transport = if secure { Transport::Wss } else { Transport::Ws };
        let (connection, outgoing, outgoing_tx) = self.connection(transport, local, remote, ticket.0);
        let pongs = outgoing_tx.downgrade();
        if connection.open(outgoing_tx).await {
            websocket::run(connection, stream, outgoing, pongs).await;
        }
    }

    /// Takes connections from a listener for ever.
    pub(super) async fn accept(self, listener: TcpListener, tls: Option<watch::Receiver<Arc<ServerConfig>>>) {
        loop {
            let Ok((stream, remote)) = listener.accept().await else {
                // Out of file descriptors, most likely: wait for some to come back instead of spinning.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Some(admitted) = self.admission.admit(remote.ip()) else { continue };
            let Ok(local) = stream.local_addr() else { continue };
            watch_over(&stream);
            let door = self.clone();
            match &tls {
                None => drop(tokio::spawn(door.serve(stream, Transport::Tcp, local, remote, admitted))),
                Some(tls) => {
                    let Some(handshake) = self.handshakes.admit(remote.ip()) else { continue };
                    // Each handshake by the certificate that counts now; connections that stand keep theirs.
                    let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
                    tokio::spawn(async move {
                        let done = timeout(door.limits.connect, acceptor.accept(stream)).await;
                        drop(handshake);
                        match done {
                            Ok(Ok(stream)) => door.serve(stream, Transport::Tls, local, remote, admitted).await,
                            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                            Err(_) => tracing::debug!("a TLS handshake took too long"),
                        }
                    });
                }
            }
        }
    }

    async fn serve<S>(self, stream: S, transport: Transport, local: SocketAddr, remote: SocketAddr, admitted: Admitted)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (connection, outgoing, outgoing_tx) = self.connection(transport, local, remote, admitted);
        connection.run(stream, outgoing, outgoing_tx).await;
    }

    /// The parts of a connection that came in.
    fn connection(
        self,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        admitted: Admitted,
    ) -> (Connection, mpsc::Receiver<bytes::Bytes>, mpsc::Sender<bytes::Bytes>) {
        let id = self.next_id();
        let (outgoing_tx, outgoing) = mpsc::channel(self.limits.queue);
        let flow = Flow { transport, local, remote, connection: Some(id) };
        let Self { limits, events, .. } = self;
        (Connection { flow, id, limits, events, admitted, keep_alive: KeepAlive::theirs() }, outgoing, outgoing_tx)
    }
}

/// How long a peer may be out of reach while nothing is said, and how long it may leave what we said unconfirmed.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// Small messages leave at once, and the system notices when the other machine is gone: no close comes from a phone
/// whose cable was pulled, and its binding must not stand for an hour.
pub(super) fn watch_over(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(DEAD_AFTER).with_interval(DEAD_AFTER / 6).with_retries(3);
    // A system that refuses one of these only notices later.
    let _later = socket.set_tcp_keepalive(&probes);
    let _later = socket.set_tcp_user_timeout(Some(DEAD_AFTER));
    let _later = socket.set_tcp_nodelay(true);
}
