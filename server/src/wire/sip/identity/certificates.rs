//! Fetches certificates over HTTPS. The URL comes from whoever calls, so that nothing of this machine or its networks
//! may be reached by it: the address is looked at after the name is resolved, and it alone is connected to. Redirects
//! are not followed.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, Uri, header},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tandem_signaling::identity::{Fetched, MAX_CERTIFICATE_BYTES};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_rustls::TlsConnector;

use crate::reach::is_public;

/// Everything together takes no longer.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a certificate is kept whose server does not say.
const USUAL_AGE: Duration = Duration::from_secs(300);

/// What lies at a URL; `None` when it cannot be had. `named`: the plan names the host, so that it may be anywhere.
pub(super) async fn fetch(url: &str, named: bool, tls: Arc<ClientConfig>) -> Option<Fetched> {
    let fetched = timeout(LIMIT, get(url, named, tls)).await.ok().flatten();
    if fetched.is_none() {
        tracing::info!(url, "a certificate for caller ids cannot be had");
    }
    fetched
}

async fn get(url: &str, named: bool, tls: Arc<ClientConfig>) -> Option<Fetched> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut addresses = tokio::net::lookup_host((bare, uri.port_u16().unwrap_or(443))).await.ok()?;
    let address = addresses.find(|address| named || is_public(address.ip()))?;
    let stream = TcpStream::connect(address).await.ok()?;
    let stream = TlsConnector::from(tls).connect(ServerName::try_from(bare.to_owned()).ok()?, stream).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let _ended_with_us = Connection(tokio::spawn(async move {
        let _what_matters_is_the_response = connection.await;
    }));
    let request = Request::get(uri.path_and_query()?.as_str())
        .header(header::HOST, uri.authority()?.as_str())
        .header(header::ACCEPT, "application/pem-certificate-chain, application/x-pem-file, application/pkix-cert, */*;q=0.1")
        .header(header::USER_AGENT, concat!("Tandem/", env!("CARGO_PKG_VERSION")))
        .body(Body::empty());
    let response = sender.send_request(request.ok()?).await.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let max_age = max_age(response.headers());
    let bytes = to_bytes(Body::new(response.into_body()), MAX_CERTIFICATE_BYTES).await.ok()?;
    Some(Fetched { bytes: bytes.to_vec(), max_age })
}

/// The task of a connection; it ends when this goes.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long a response may be kept (RFC 9111 section 5.2.2).
fn max_age(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut age = None;
    for directive in values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            None if matches!(directive.as_str(), "no-store" | "no-cache") => return Duration::ZERO,
            Some(("max-age", seconds)) => age = seconds.trim_matches('"').parse().ok().map(Duration::from_secs),
            _ => {}
        }
    }
    age.unwrap_or(USUAL_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_kept_as_long_as_it_says() {
        let age = |value: &str| max_age(&HeaderMap::from_iter([(header::CACHE_CONTROL, value.parse().unwrap())])).as_secs();
        for (value, seconds) in [
            ("max-age=60", 60),
            ("public, Max-Age=\"7\"", 7),
            ("no-store, max-age=60", 0),
            ("no-cache", 0),
            ("max-age=x", 300),
            ("public", 300),
        ] {
            assert_eq!(age(value), seconds, "{value}");
        }
        assert_eq!(max_age(&HeaderMap::new()), USUAL_AGE);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_on_this_machine_is_reached_for_a_stranger() {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let roots = rustls::RootCertStore::empty();
        let tls = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let url = format!("https://{host}:{}/c.pem", listener.local_addr().unwrap().port());
            assert!(fetch(&url, false, Arc::clone(&tls)).await.is_none());
        }
        assert!(timeout(Duration::from_millis(1), listener.accept()).await.is_err(), "nobody connected");
    }
}
