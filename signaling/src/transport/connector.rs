//! Opening connections.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    accept::Admitted,
    connection::{Connection, KeepAlive},
    door::watch_over,
    streams::{StreamEvent, StreamLimits},
    tls::TlsPeer,
};
use crate::flow::{ConnectionId, Flow};

/// What is needed to open a connection.
pub(super) struct Connector {
    pub(super) limits: StreamLimits,
    pub(super) events: mpsc::Sender<StreamEvent>,
    /// Whom to expect, when it is by TLS.
    pub(super) tls: Option<TlsPeer>,
    pub(super) from: Option<IpAddr>,
    pub(super) admitted: Admitted,
}

impl Connector {
    pub(super) async fn run(
        self,
        flow: Flow,
        id: ConnectionId,
        outgoing: mpsc::Receiver<Bytes>,
        outgoing_tx: mpsc::Sender<Bytes>,
    ) {
        let Self { limits, events, tls, from, admitted } = self;
        let mut connection = Connection { flow, id, limits, events, admitted, keep_alive: KeepAlive::ours(&limits, id) };
        let Ok(Ok(stream)) = timeout(limits.connect, connect(flow.remote, from)).await else { return connection.close().await };
        connection.flow.local = stream.local_addr().unwrap_or(flow.local);
        let Some(TlsPeer { name, config }) = tls else { return connection.run(stream, outgoing, outgoing_tx).await };
        let failed = match timeout(limits.connect, TlsConnector::from(Arc::clone(&config)).connect(name.clone(), stream)).await {
            Ok(Ok(stream)) => return connection.run(stream, outgoing, outgoing_tx).await,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        tracing::warn!(peer = %flow.remote, name = %name.to_str(), error = failed, "no TLS connection: the handshake failed");
        connection.close().await;
    }
}

async fn connect(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from.filter(|from| !from.is_unspecified() && from.is_ipv4() == to.is_ipv4()) {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let stream = socket.connect(to).await?;
    watch_over(&stream);
    Ok(stream)
}
