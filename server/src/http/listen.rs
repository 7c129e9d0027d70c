//! Takes connections, with limits on how many in all and of one source, how slow and how large their heads may be.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::shares::Shares;
use crate::metrics::METRICS;

/// Connections at the same time, WebSockets included.
const MAX_CONNECTIONS: usize = 1_024;
/// Of these, from one source: half, so that a proxy with many users behind it still serves them, and nobody takes all.
const MAX_OF_ONE_SOURCE: usize = MAX_CONNECTIONS / 2;
/// From the first byte waited for to the end of a request's head; idle connections end by it too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A TLS handshake may take so long.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
/// After an accept that failed, as when there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Both ends of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Ours.
    pub local: SocketAddr,
    /// Theirs: a proxy's, if there is one.
    pub remote: SocketAddr,
    /// It is in TLS.
    pub secure: bool,
}

/// Serves connections until `stop` is true or its sender is gone; then answers those that are in progress and returns.
/// WebSockets are closed. With `tls`, a connection begins with a handshake by the certificate that it holds then.
pub async fn serve_until(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    app: Router,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let shares = Shares::new(MAX_OF_ONE_SOURCE);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, source) = match accepted {
            Ok((stream, remote)) => (stream, remote.ip()),
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (Ok(permit), Some(share)) = (permits.clone().try_acquire_owned(), shares.take(source)) else {
            METRICS.http_refused.inc();
            continue;
        };
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.borrow())));
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            begin(stream, acceptor, app, stop).await;
            drop((permit, share));
        });
    }
    drop(listener);
    // Every connection heard the same stop: wait until they gave their permits back.
    let all = u32::try_from(MAX_CONNECTIONS).expect("a small constant");
    let _ = timeout(HEAD_TIMEOUT, permits.acquire_many(all)).await;
}

async fn begin(stream: TcpStream, tls: Option<TlsAcceptor>, app: Router, stop: watch::Receiver<bool>) {
    // Small answers must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let peer = Peer { local, remote, secure: tls.is_some() };
    match tls {
        None => connection(stream, peer, app, stop).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                connection(stream, peer, app, stop).await;
            }
        }
    }
}

async fn connection<S>(stream: S, peer: Peer, app: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A client that breaks off is its own business: nothing to tell.
    tokio::select! {
        _ended = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}
