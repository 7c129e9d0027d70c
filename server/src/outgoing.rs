//! Requests to systems outside by URLs that admins gave: how far they go is [`Reach`]'s to say, and what comes back is bounded.
//!
//! Connections are kept and used again. No redirect is followed and no proxy is asked.

use std::{
    io,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, Uri},
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    decisions::exchange::{Link, link},
    reach::Reach,
};

/// Connections to one host that nothing goes over now, at most, and how long they are kept.
const MOST_IDLE: usize = 4;
const IDLE: Duration = Duration::from_secs(30);
/// Characters of a URL.
const MAX_URL: usize = 2_048;
/// Characters that are told of what went wrong.
const MAX_TOLD: usize = 200;
/// How the switch calls itself.
pub const US: &str = concat!("Tandem/", env!("CARGO_PKG_VERSION"));

/// What somebody outside answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// How.
    pub status: StatusCode,
    /// With which headers.
    pub headers: HeaderMap,
    /// With what, as far as it was read.
    pub body: Vec<u8>,
    /// There was more than may be.
    pub is_cut: bool,
}

/// All connections to systems outside. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outgoing {
    client: Client<Connector, Body>,
}

impl Outgoing {
    /// Connections within a reach.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(MOST_IDLE);
        Self { client: builder.build(Connector { reach }) }
    }

    /// Sends a request, and reads at most so many bytes of the answer. All of it takes no longer than `limit`.
    ///
    /// # Errors
    /// There was no answer; why, for people.
    pub async fn send(&self, request: Request<Body>, most_bytes: usize, limit: Duration) -> Result<Answered, String> {
        let whole = async {
            let response = self.client.request(request).await.map_err(|error| told(&innermost(&error)))?;
            let (parts, body) = response.into_parts();
            let mut pieces = Body::new(body).into_data_stream();
            let (mut read, mut is_cut) = (Vec::new(), false);
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| told(&innermost(&error)))?;
                let room = most_bytes - read.len();
                read.extend_from_slice(&piece[..room.min(piece.len())]);
                if piece.len() > room {
                    is_cut = true;
                    break;
                }
            }
            Ok(Answered { status: parts.status, headers: parts.headers, body: read, is_cut })
        };
        timeout(limit, whole).await.unwrap_or_else(|_| Err(format!("no answer within {} ms", limit.as_millis())))
    }
}

/// What a library says is told by its innermost cause.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Text from outside, short and on one line.
#[must_use]
pub fn told(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(MAX_TOLD).collect()
}

/// Looks whether a URL is one that something can be sent to.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(text: &str) -> Result<(), String> {
    let url = reqwest::Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("the URL begins neither with https:// nor with http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user name or password".to_owned());
    }
    if text.len() > MAX_URL || text.parse::<Uri>().is_err() {
        return Err(format!("the URL is longer than {MAX_URL} letters, or holds some that no request can"));
    }
    Ok(())
}

/// A URL without what may be secret in it.
#[must_use]
pub fn shown_url(text: &str) -> String {
    text.split_once(['?', '#']).map_or_else(|| text.to_owned(), |(before, _)| format!("{before}?…"))
}

/// Connects to where a URL says, if that is within reach.
#[derive(Clone, Debug)]
struct Connector {
    reach: Reach,
}

impl tower::Service<Uri> for Connector {
    type Response = Link;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Link>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let reach = self.reach.clone();
        async move {
            let is_secure = uri.scheme_str() == Some("https");
            // An IPv6 address stands in brackets there, and nowhere else.
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
            let addresses = reach.resolve(&host, port, is_secure).await?;
            let tcp = TcpStream::connect(&addresses[..]).await?;
            let _slower = tcp.set_nodelay(true);
            link(tcp, host, is_secure).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn urls_are_looked_at() {
        for good in ["https://crm.example/hook?key=1", "http://127.0.0.1:8080/", "https://[2001:db8::1]/x"] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in ["", "crm.example", "ftp://crm.example/", "https://", "https://ada:secret@crm.example/", "file:///etc/passwd"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
        assert_eq!(shown_url("https://crm.example/hook?key=1"), "https://crm.example/hook?…");
    }

    /// Answers each connection with a text, and counts them.
    async fn server(answer: &'static str) -> (u16, std::sync::Arc<std::sync::atomic::AtomicU32>) {
        let (listener, count) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), std::sync::Arc::<std::sync::atomic::AtomicU32>::default());
        let (port, counted) = (listener.local_addr().unwrap().port(), count.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let mut asked = [0; 4096];
                let _ = socket.read(&mut asked).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        (port, count)
    }

    fn get(port: u16) -> Request<Body> {
        Request::get(format!("http://127.0.0.1:{port}/")).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn nothing_leaves_beyond_the_reach_and_answers_are_bounded() {
        let (port, count) = server("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789").await;
        let error = Outgoing::new(Reach::default()).send(get(port), 100, LIMIT).await.unwrap_err();
        assert!(error.contains("--reach"), "{error}");
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 0, "nobody connected");
        let here = Outgoing::new(Reach::new(vec!["127.0.0.1".parse().unwrap()]));
        let answered = here.send(get(port), 4, LIMIT).await.unwrap();
        assert_eq!((answered.body.as_slice(), answered.is_cut), (&b"0123"[..], true));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_like_any_other() {
        let (inner, count) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let location = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{inner}/\r\ncontent-length: 0\r\n\r\n");
        let (port, _) = server(Box::leak(location.into_boxed_str())).await;
        let here = Outgoing::new(Reach::new(vec!["127.0.0.1".parse().unwrap()]));
        assert_eq!(here.send(get(port), 100, LIMIT).await.unwrap().status, StatusCode::FOUND);
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 0, "it was not followed");
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = Outgoing::new(Reach::new(vec!["127.0.0.1".parse().unwrap()]));
        let error = here.send(get(silent.local_addr().unwrap().port()), 100, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error, "no answer within 50 ms");
    }
}
