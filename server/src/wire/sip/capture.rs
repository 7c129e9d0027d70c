//! Copies of messages: to a Homer collector (HEP3 over UDP), and to whoever follows calls.
//!
//! The line loop hands over a reference to the message and never waits: what finds the queue full is counted and lost.
//! Masking and packing are done by a task of its own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use tandem_signaling::{capture::Captured, flow::Transport};
use tandem_switch::time::Timestamp;
use tokio::{net::UdpSocket, sync::mpsc};

use super::seen::seen;
use crate::{metrics::METRICS, wire::trace::TraceBus};

/// Messages that may wait to be sent.
const WAITING: usize = 4_096;

/// Where copies go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Its address.
    pub address: SocketAddr,
    /// Our number among its agents.
    pub agent_id: u32,
}

/// One message on its way to the collector.
struct Copy {
    to: Collector,
    source: SocketAddr,
    destination: SocketAddr,
    transport: Transport,
    at: Timestamp,
    message: Bytes,
}

/// The line loop's end of it.
pub struct Capture {
    collector: Option<Collector>,
    copies: mpsc::Sender<Copy>,
    traces: TraceBus,
}

impl Capture {
    /// Starts the task that sends, on the current runtime. No collector has copies before [`Capture::set`]; followers
    /// see what passes while there are any.
    #[must_use]
    pub fn start(traces: TraceBus) -> Self {
        let (copies, waiting) = mpsc::channel(WAITING);
        tokio::spawn(send(waiting));
        Self { collector: None, copies, traces }
    }

    /// From now on copies go there, or nowhere.
    pub fn set(&mut self, collector: Option<Collector>) {
        self.collector = collector;
    }

    /// Whether anybody is told of messages.
    pub(super) fn is_on(&self) -> bool {
        self.collector.is_some() || self.traces.wanted()
    }

    /// Hands a message over that travelled from `source` to `destination`; `sent` by us, or to us.
    pub(super) fn note(
        &self,
        (source, destination): (SocketAddr, SocketAddr),
        (transport, sent): (Transport, bool),
        at: Timestamp,
        message: &Bytes,
    ) {
        if self.traces.wanted()
            && let Some(seen) = seen(at, if sent { destination } else { source }, transport, sent, message)
        {
            self.traces.publish_message(seen);
        }
        let Some(to) = self.collector else { return };
        if self.copies.try_send(Copy { to, source, destination, transport, at, message: message.clone() }).is_err() {
            METRICS.capture_dropped.inc();
        }
    }
}

async fn send(mut waiting: mpsc::Receiver<Copy>) {
    let mut sockets = Sockets::default();
    while let Some(copy) = waiting.recv().await {
        let packet = Captured {
            source: copy.source,
            destination: copy.destination,
            transport: copy.transport,
            unix_us: u64::try_from(copy.at.0).unwrap_or(0),
            agent_id: copy.to.agent_id,
            message: &copy.message,
        }
        .to_hep3();
        if sockets.send(&packet, copy.to.address).await.is_ok() {
            METRICS.capture_sent.inc();
        } else {
            METRICS.capture_dropped.inc();
        }
    }
}

/// A socket of each family, made when it is first needed.
#[derive(Default)]
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
}

impl Sockets {
    async fn send(&mut self, packet: &[u8], to: SocketAddr) -> std::io::Result<usize> {
        let (slot, any) = match to {
            SocketAddr::V4(_) => (&mut self.v4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            SocketAddr::V6(_) => (&mut self.v6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
        };
        let socket = match slot {
            Some(socket) => socket,
            None => slot.insert(UdpSocket::bind(any).await?),
        };
        socket.send_to(packet, to).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_full_queue_loses_copies_and_never_waits() {
        let collector = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut capture = Capture::start(TraceBus::default());
        let at = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.2:5060".parse().unwrap());
        let note = |capture: &Capture| capture.note(at, (Transport::Udp, false), Timestamp(1), &Bytes::from_static(b"x"));
        note(&capture);
        assert!(!capture.is_on());
        let dropped = METRICS.capture_dropped.get();
        capture.set(Some(Collector { address: collector.local_addr().unwrap(), agent_id: 7 }));
        // The task has not run yet: nothing leaves the queue meanwhile.
        for _ in 0..WAITING + 3 {
            note(&capture);
        }
        assert_eq!(METRICS.capture_dropped.get() - dropped, 3);
        let mut buffer = [0; 2_048];
        let (length, _) = collector.recv_from(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"HEP3"));
    }
}
