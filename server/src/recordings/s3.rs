//! A store that speaks the language of S3: PUT, HEAD, GET of a range and DELETE, signed by AWS Signature Version 4.
//!
//! One connection for each request: recordings are few and long. Redirects are not followed.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Method, Request, Response, StatusCode, header, uri::Authority},
};
use hyper_util::rt::TokioIo;
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tandem_switch::time::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// How long it may take to connect, and to answer once all is sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// The slowest that a file may be sent, in bytes a second.
const SLOWEST: u64 = 16 * 1024;
/// Bytes of an answer that says what is wrong.
const MAX_ANSWER: usize = 64 * 1024;
/// Characters of it that are told.
const TOLD: usize = 200;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreTrouble {
    /// It is not reached.
    #[error("the store is not reached: {0}")]
    Away(String),
    /// It has no such object.
    #[error("the store does not have it")]
    Missing,
    /// It says no.
    #[error("the store answered {status}: {text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// It has something else than it was sent.
    #[error("the store has {there} bytes of {sent}")]
    Other {
        /// What it has.
        there: u64,
        /// What it was sent.
        sent: u64,
    },
}

/// Who we are to a store.
#[derive(Clone)]
pub struct Credentials {
    /// The name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: Zeroizing<String>,
}

/// A folder in a bucket of a store.
#[derive(Clone)]
pub struct Bucket {
    tls: Option<Arc<ClientConfig>>,
    /// Host and port, as they stand in the URL.
    authority: String,
    /// Bucket and folder, from `/` on.
    path: String,
    region: String,
    credentials: Credentials,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the store {}{}", self.authority, self.path)
    }
}

impl Bucket {
    /// The folder at a URL that was checked. `None`: it is none.
    #[must_use]
    pub fn new(url: &str, region: String, credentials: Credentials) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_once('/')?;
        let tls = (scheme == "https").then(|| {
            let mut roots = RootCertStore::empty();
            // Without any, no store is believed, and every attempt says so.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
        });
        Some(Self { tls, authority: authority.to_owned(), path: format!("/{path}"), region, credentials })
    }

    /// Brings an object of so many bytes with this SHA-256, and asks whether it is there.
    ///
    /// # Errors
    /// It is not there then.
    pub async fn put(&self, at: Timestamp, name: &str, body: Body, bytes: u64, sha256: &str) -> Result<(), StoreTrouble> {
        let limit = PATIENCE + Duration::from_secs(bytes / SLOWEST);
        self.ask(at, (Method::PUT, name, None), (body, Some(bytes), sha256), limit).await?;
        match self.size(at, name).await? {
            there if there == bytes => Ok(()),
            there => Err(StoreTrouble::Other { there, sent: bytes }),
        }
    }

    /// The size of an object.
    ///
    /// # Errors
    /// It is not there, or the store does not say.
    pub async fn size(&self, at: Timestamp, name: &str) -> Result<u64, StoreTrouble> {
        let response = self.ask(at, (Method::HEAD, name, None), nothing(), PATIENCE).await?;
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.ok_or_else(|| StoreTrouble::Away("it does not say how long an object is".to_owned()))
    }

    /// Bytes of an object, both ends included.
    ///
    /// # Errors
    /// They are not there, or the store does not give them.
    pub async fn get(&self, at: Timestamp, name: &str, first: u64, last: u64) -> Result<Bytes, StoreTrouble> {
        let most = usize::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(usize::MAX);
        let response = self.ask(at, (Method::GET, name, Some((first, last))), nothing(), PATIENCE).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(StoreTrouble::Refused { status: response.status().as_u16(), text: "it gives no ranges".to_owned() });
        }
        let read = timeout(PATIENCE, to_bytes(response.into_body(), most)).await;
        read.map_err(|_| late())?.map_err(away)
    }

    /// Removes an object; one that is not there is gone already.
    ///
    /// # Errors
    /// It may be there still.
    pub async fn delete(&self, at: Timestamp, name: &str) -> Result<(), StoreTrouble> {
        match self.ask(at, (Method::DELETE, name, None), nothing(), PATIENCE).await {
            Ok(_) | Err(StoreTrouble::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        at: Timestamp,
        (method, name, range): (Method, &str, Option<(u64, u64)>),
        (body, bytes, sha256): (Body, Option<u64>, &str),
        limit: Duration,
    ) -> Result<Response<Body>, StoreTrouble> {
        let path = format!("{}/{name}", self.path);
        let (day, instant) = times(at);
        let range = range.map(|(first, last)| format!("bytes={first}-{last}"));
        let mut headers = vec![("host", self.authority.clone())];
        headers.extend(range.clone().map(|range| ("range", range)));
        headers.extend([("x-amz-content-sha256", sha256.to_owned()), ("x-amz-date", instant.clone())]);
        let scope = Scope { day: &day, instant: &instant, region: &self.region };
        let authorization = sign(method.as_str(), &path, &headers, sha256, &scope, &self.credentials);
        let mut request = Request::builder().method(method).uri(&path).header(header::AUTHORIZATION, authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(bytes) = bytes {
            request = request.header(header::CONTENT_LENGTH, bytes);
        }
        let request = request.body(body).map_err(away)?;
        let response = timeout(limit, self.send(request)).await.map_err(|_| late())??;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::NOT_FOUND {
            return Err(StoreTrouble::Missing);
        }
        let text = timeout(PATIENCE, to_bytes(response.into_body(), MAX_ANSWER)).await.ok().and_then(Result::ok);
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).chars().filter(|c| !c.is_control()).take(TOLD).collect();
        Err(StoreTrouble::Refused { status: status.as_u16(), text })
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, StoreTrouble> {
        let authority: Authority = self.authority.parse().map_err(away)?;
        let port = authority.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        // An IPv6 address stands in brackets there, and nowhere else.
        let host = authority.host().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, port)).await.map_err(away)?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(away)?;
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(away)?;
                exchange(stream, request).await
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<Response<Body>, StoreTrouble> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(away)?;
    // It ends with the body of its answer.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.map_err(away)?.map(Body::new))
}

fn away(error: impl std::fmt::Display) -> StoreTrouble {
    StoreTrouble::Away(error.to_string())
}

fn late() -> StoreTrouble {
    StoreTrouble::Away("it does not answer in time".to_owned())
}

/// The body of a request that has none.
fn nothing() -> (Body, Option<u64>, &'static str) {
    (Body::empty(), None, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
}

/// What a signature holds for.
struct Scope<'a> {
    day: &'a str,
    instant: &'a str,
    region: &'a str,
}

/// `20260314` and `20260314T150926Z`.
fn times(at: Timestamp) -> (String, String) {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    (at.strftime("%Y%m%d").to_string(), at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The header Authorization of a request without a query. `headers` are sorted, their names in lower case.
fn sign(
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    sha256: &str,
    scope: &Scope<'_>,
    credentials: &Credentials,
) -> String {
    let Scope { day, instant, region } = scope;
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{sha256}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{instant}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let first = Zeroizing::new(format!("AWS4{}", *credentials.secret_key));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
    for part in [day, region, "s3", "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    let signature = hex(hmac::sign(&key, to_sign.as_bytes()).as_ref());
    format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", credentials.access_key)
}

/// Hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "GET Object" of Amazon's documentation of Signature Version 4.
    #[test]
    fn the_example_of_the_documentation_is_signed_as_there() {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
        };
        let (_, _, empty) = nothing();
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com".to_owned()),
            ("range", "bytes=0-9".to_owned()),
            ("x-amz-content-sha256", empty.to_owned()),
            ("x-amz-date", "20130524T000000Z".to_owned()),
        ];
        let scope = Scope { day: "20130524", instant: "20130524T000000Z", region: "us-east-1" };
        let signed = sign("GET", "/test.txt", &headers, empty, &scope, &credentials);
        assert!(signed.ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"), "{signed}");
        assert_eq!(times(Timestamp(1_369_353_600_000_000)), ("20130524".to_owned(), "20130524T000000Z".to_owned()));
    }
}
