//! The HTTP of it: connections that are kept and used again, over TLS unless the service is on this machine.
//!
//! No redirect is followed, no proxy is asked, and a request that was sent is never sent again.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{
        HeaderValue, Request, StatusCode, Uri,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
    },
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::pki_types::ServerName;
use tandem_switch::{
    ask::{Answer, Ask, Unanswered},
    id::CallId,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    Target,
    message::{self, MAX_ANSWER_BYTES},
};

/// Connections to one service that nothing goes over now, at most, and how long they are kept.
const MOST_IDLE: usize = 16;
const IDLE: Duration = Duration::from_secs(30);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const US: HeaderValue = HeaderValue::from_static(concat!("Tandem/", env!("CARGO_PKG_VERSION")));

/// All connections to services.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    client: Client<Connector, Body>,
}

impl Exchange {
    pub(super) fn new() -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(MOST_IDLE);
        Self { client: builder.build(Connector) }
    }

    /// Asks once. Whoever waits for this keeps the time.
    pub(super) async fn ask(&self, target: &Target, call: CallId, ask: &Ask) -> Result<Answer, Unanswered> {
        let body = message::question(call, ask).map_err(|_| Unanswered::Malformed)?;
        let mut request = Request::post(target.url.text())
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, JSON)
            .header(USER_AGENT, US)
            .body(Body::from(body))
            .map_err(|_| Unanswered::Unreachable)?;
        if let Some(token) = &target.token {
            let value = token.bearer().map_err(|_| Unanswered::Unreachable)?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let response = self.client.request(request).await.map_err(|error| {
            tracing::debug!(service = %ask.service, %error, "a service cannot be asked");
            Unanswered::Unreachable
        })?;
        if response.status() != StatusCode::OK {
            return Err(Unanswered::Status(response.status().as_u16()));
        }
        let mut pieces = Body::new(response.into_body()).into_data_stream();
        let mut said = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Unanswered::Unreachable)?;
            if said.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(Unanswered::TooLarge);
            }
            said.extend_from_slice(&piece);
        }
        message::answer(ask, &said)
    }
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A connection to a service.
pub(crate) struct Link(TokioIo<Box<dyn Socket>>);

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Connects to where a URL says.
#[derive(Clone, Copy, Debug)]
struct Connector;

impl tower::Service<Uri> for Connector {
    type Response = Link;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Link>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        connect(uri).boxed()
    }
}

async fn connect(uri: Uri) -> io::Result<Link> {
    let is_secure = uri.scheme_str() == Some("https");
    // An IPv6 address stands in brackets there, and nowhere else.
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let found = tokio::net::lookup_host((host.as_str(), port)).await?;
    // What a name leads to is not ours to know: without TLS nothing leaves this machine.
    let addresses: Vec<SocketAddr> = found.filter(|at| is_secure || at.ip().is_loopback()).collect();
    let tcp = TcpStream::connect(&addresses[..]).await?;
    let _slower = tcp.set_nodelay(true);
    link(tcp, host, is_secure).await
}

/// Speaks TLS over a connection, if it is to be.
pub(crate) async fn link(tcp: TcpStream, host: String, is_secure: bool) -> io::Result<Link> {
    let socket: Box<dyn Socket> = if is_secure {
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Box::new(TlsConnector::from(Arc::clone(&crate::programs::tls())).connect(name, tcp).await?)
    } else {
        Box::new(tcp)
    };
    Ok(Link(TokioIo::new(socket)))
}
