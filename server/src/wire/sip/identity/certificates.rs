//! Fetches certificates over HTTPS. The URL comes from whoever calls, so that nothing of this machine or its networks
//! may be reached by it: the address is looked at after the name is resolved, and it alone is connected to. Redirects
//! are not followed.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, Uri, header},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tandem_signaling::identity::{Fetched, MAX_CERTIFICATE_BYTES};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_rustls::TlsConnector;

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

/// Whether an address is one of the public Internet (RFC 6890 and its registries), and not one in which another hides.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = matches!((a, b, c), (0 | 10 | 127, ..) | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _))
        || matches!(
            (a, b, c),
            (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113)
        );
    !special && a < 224
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    // Global unicast without Teredo and its neighbours, documentation, and 6to4.
    let special = (a == 0x2001 && (b < 0x200 || b == 0xDB8)) || a == 0x2002 || (a == 0x3FFF && b < 0x1000);
    (0x2000..0x4000).contains(&a) && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_reached() {
        for address in ["1.1.1.1", "192.0.1.1", "172.32.0.1", "100.63.0.1", "223.255.255.1", "2606:4700::1111", "2a00::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

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
