//! Sockets and connections of one line loop.

use std::{
    collections::HashMap,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::Poll,
    time::Instant,
};

use bytes::Bytes;
use tandem_signaling::{
    endpoint::{Destination, Input},
    flow::{ConnectionId, Flow, Transport},
    transport::{StreamEvent, StreamLimits, Streams, TlsPeers, UdpTransport},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use super::{SipEdge, probe::Probe};
use crate::metrics::METRICS;

/// Events of connections that may wait; a connection whose message finds no room is not read meanwhile.
const STREAM_EVENTS: usize = 4_096;

/// When so many events wait that a connection may have to, they count as late by so many ms.
const STREAM_LATE_MS: usize = 400;

/// Bound sockets, before they belong to a loop.
#[derive(Debug, Default)]
pub struct Sockets {
    /// SIP over UDP.
    pub udp: Vec<std::net::UdpSocket>,
    /// SIP over TCP.
    pub tcp: Vec<std::net::TcpListener>,
    /// SIP over TLS.
    pub tls: Vec<std::net::TcpListener>,
}

/// What TLS needs on both sides: looked at whenever a connection begins, so that what is new counts for new ones only.
#[derive(Clone)]
pub struct TlsConfigs {
    /// For connections that come in.
    pub server: watch::Receiver<Arc<rustls::ServerConfig>>,
    /// For connections that we open.
    pub peers: watch::Receiver<Arc<TlsPeers>>,
}

/// The network side of one line loop.
pub struct Network {
    udp: Vec<UdpTransport>,
    streams: Streams,
    events: mpsc::Receiver<StreamEvent>,
    /// An event that was taken while waiting for readiness.
    ready: Option<StreamEvent>,
    /// Connections that do not stand yet, and what they were opened for.
    connecting: HashMap<ConnectionId, Destination>,
    /// The address that connections are opened from.
    from: Option<IpAddr>,
    /// Counts what was taken, so that each source has its turn.
    turn: usize,
    /// For each UDP socket, how long datagrams wait in it.
    probes: Vec<Probe>,
}

impl Sockets {
    /// Binds every address.
    ///
    /// # Errors
    /// The first address that cannot be bound, and why.
    pub fn bind(udp: &[SocketAddr], tcp: &[SocketAddr], tls: &[SocketAddr]) -> Result<Self, (SocketAddr, std::io::Error)> {
        fn all<T>(
            addresses: &[SocketAddr],
            bind: impl Fn(SocketAddr) -> std::io::Result<T>,
        ) -> Result<Vec<T>, (SocketAddr, std::io::Error)> {
            addresses.iter().map(|address| bind(*address).map_err(|error| (*address, error))).collect()
        }
        Ok(Self {
            udp: all(udp, UdpTransport::bind)?,
            tcp: all(tcp, std::net::TcpListener::bind)?,
            tls: all(tls, std::net::TcpListener::bind)?,
        })
    }
}

impl Network {
    /// Takes bound sockets into the current runtime; connections run on `runtime`, at most `connections` of them.
    ///
    /// # Errors
    /// A runtime refuses a socket.
    pub fn new(sockets: Sockets, tls: TlsConfigs, connections: usize, runtime: Handle) -> std::io::Result<Self> {
        let (events_tx, events) = mpsc::channel(STREAM_EVENTS);
        let usual = StreamLimits::default();
        let limits = StreamLimits { connections: usual.connections.min(connections), ..usual };
        let streams = Streams::new(limits, runtime, events_tx, tls.peers);
        let from = sockets
            .tcp
            .first()
            .or(sockets.tls.first())
            .and_then(|listener| listener.local_addr().ok())
            .map(|address| address.ip());
        for listener in sockets.tcp {
            streams.listen(listener, None)?;
        }
        for listener in sockets.tls {
            streams.listen(listener, Some(tls.server.clone()))?;
        }
        let udp: Vec<_> = sockets.udp.into_iter().map(UdpTransport::new).collect::<Result<_, _>>()?;
        let probes = udp.iter().map(|_: &UdpTransport| Probe::default()).collect();
        Ok(Self { udp, streams, events, ready: None, connecting: HashMap::new(), from, turn: 0, probes })
    }

    /// The route on the HTTP port by which WebSockets come in.
    pub fn web(&self) -> axum::Router {
        super::web::routes(self.streams.door())
    }

    /// Returns when something may have arrived. Nothing is lost when it is not waited for to the end.
    pub async fn ready(&mut self) {
        if self.ready.is_some() {
            return;
        }
        poll_fn(|cx| {
            if self.udp.iter().any(|socket| socket.poll_ready(cx).is_ready()) {
                return Poll::Ready(());
            }
            match self.events.poll_recv(cx) {
                Poll::Ready(event) => {
                    self.ready = event;
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
    }

    /// Hands one thing that arrived to the endpoint. `false`: nothing is waiting.
    ///
    /// Datagrams and connections take turns, and so do sockets: however much arrives at one, the others are heard.
    pub fn take(&mut self, sip: &mut SipEdge) -> bool {
        self.turn = self.turn.wrapping_add(1);
        let events_first = self.turn.is_multiple_of(2);
        events_first && self.take_event(sip) || self.take_datagram(sip) || !events_first && self.take_event(sip)
    }

    fn take_datagram(&mut self, sip: &mut SipEdge) -> bool {
        let sockets = self.udp.len();
        for index in 0..sockets {
            let socket = &mut self.udp[(self.turn / 2 + index) % sockets];
            let received = socket.try_receive();
            self.probes[(self.turn / 2 + index) % sockets].note(socket, sip.now());
            if let Some((bytes, from)) = received {
                METRICS.sip_received.inc("udp");
                let flow = Flow::udp(socket.local(), from);
                let answer = sip.received(flow, bytes);
                self.settle_with(answer);
                return true;
            }
        }
        false
    }

    fn take_event(&mut self, sip: &mut SipEdge) -> bool {
        let Some(event) = self.ready.take().or_else(|| self.events.try_recv().ok()) else { return false };
        self.streams.note(&event);
        match event {
            StreamEvent::Message { flow, bytes } => {
                METRICS.sip_received.inc(flow.transport.word());
                let answer = sip.received(flow, bytes);
                self.settle_with(answer);
            }
            StreamEvent::Opened { flow, .. } => {
                if let Some(connection) = flow.connection {
                    self.connecting.remove(&connection);
                }
            }
            StreamEvent::Closed { connection } => {
                if let Some(to) = self.connecting.remove(&connection) {
                    sip.give(Input::SendFailed { to });
                }
                sip.give(Input::ConnectionClosed { connection });
            }
        }
        true
    }

    /// Sends one message. `false`: there is no way to its destination.
    pub fn send(&mut self, to: Destination, bytes: Bytes) -> bool {
        let (Destination::Flow(Flow { transport, .. }) | Destination::Address { transport, .. }) = to;
        METRICS.sip_sent.inc(transport.word());
        match to {
            Destination::Flow(Flow { connection: Some(connection), .. }) => self.streams.send_on(connection, bytes).is_ok(),
            Destination::Flow(Flow { transport: Transport::Udp, local, remote, .. }) => {
                let socket = self.udp.iter().find(|socket| socket.local() == local).or_else(|| self.udp_for(remote));
                socket.is_some_and(|socket| socket.try_send(&bytes, remote).is_ok())
            }
            Destination::Address { transport: Transport::Udp, to } => {
                self.udp_for(to).is_some_and(|socket| socket.try_send(&bytes, to).is_ok())
            }
            Destination::Flow(Flow { transport, remote: address, .. }) | Destination::Address { transport, to: address } => {
                match self.streams.send_to(transport, address, self.from, bytes) {
                    Ok(connection) => {
                        self.connecting.entry(connection).or_insert(to);
                        true
                    }
                    Err(_) => false,
                }
            }
        }
    }

    /// The addresses that a message to a destination travels between, ours first, as far as they are known before it
    /// leaves.
    pub(super) fn way_to(&self, to: &Destination) -> ((SocketAddr, SocketAddr), Transport) {
        match *to {
            Destination::Flow(flow) => ((flow.local, flow.remote), flow.transport),
            Destination::Address { transport, to } => {
                let udp = (transport == Transport::Udp).then(|| self.udp_for(to)).flatten().map(UdpTransport::local);
                let unknown = if to.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
                ((udp.unwrap_or_else(|| (self.from.unwrap_or(unknown), 0).into()), to), transport)
            }
        }
    }

    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.streams.close(connection);
    }

    /// How long messages wait at present, in ms, as far as is known; and another measurement is begun.
    pub fn waited_ms(&mut self, now: Instant) -> u32 {
        let waiting = self.events.len() * STREAM_LATE_MS / STREAM_EVENTS;
        METRICS.sip_dropped.add("backlog", self.udp.iter_mut().map(UdpTransport::dropped).sum());
        let datagrams = self.udp.iter_mut().zip(&mut self.probes).map(|(socket, probe)| probe.look(socket, now)).max();
        datagrams.unwrap_or(0).max(u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.streams.count()
    }

    fn udp_for(&self, to: SocketAddr) -> Option<&UdpTransport> {
        self.udp.iter().find(|socket| socket.local().is_ipv4() == to.is_ipv4())
    }
}
