//! SIP over WebSocket on the HTTP port (RFC 7118): the handshake at `/sip`. What follows it is the transport's.
//!
//! No token is asked for: a WebSocket gives no more rights than a TCP connection to the SIP port, and whoever
//! registers or calls by it proves a password by digest. A page of somebody else's gains nothing by opening one.

use axum::{
    Router,
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use hyper_util::rt::TokioIo;
use tandem_signaling::transport::Door;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::{Peer, Problem};

/// The path of the handshake.
pub const PATH: &str = "/sip";
/// The sub-protocol that must be asked for (RFC 7118 section 4.1).
const SUB_PROTOCOL: &str = "sip";
/// The only version there is (RFC 6455 section 4.1).
const VERSION: &str = "13";
/// A key is 16 bytes in base64.
const KEY_LETTERS: usize = 24;

/// The route whose WebSockets enter by `door`.
pub(super) fn routes(door: Door) -> Router {
    Router::new().route(PATH, get(enter)).with_state(door)
}

async fn enter(State(door): State<Door>, Extension(peer): Extension<Peer>, mut request: Request) -> Response {
    let accept = match read_handshake(request.method(), request.headers()) {
        Ok(key) => derive_accept_key(key.as_bytes()),
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(accept) = HeaderValue::from_str(&accept) else { return StatusCode::BAD_REQUEST.into_response() };
    let Some(ticket) = door.ticket(peer.remote.ip()) else {
        let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are too many connections");
        return full.todo("close those that are not needed").into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            door.web_socket(ticket, TokioIo::new(stream), peer.secure, peer.local, peer.remote).await;
        }
    });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUB_PROTOCOL)),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Why there is no WebSocket.
struct Refusal(Problem);

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if response.status() == StatusCode::UPGRADE_REQUIRED {
            // What they should have asked for (RFC 9110 section 15.5.22, RFC 6455 section 4.4).
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        }
        response
    }
}

/// The key of a right handshake (RFC 6455 section 4.2.1).
fn read_handshake<'a>(method: &Method, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
    let asks = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let has = |name, wanted: &str| asks(name).any(|word| word.trim().eq_ignore_ascii_case(wanted));
    let upgrades = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    if method != Method::GET || !upgrades || !has(header::SEC_WEBSOCKET_VERSION, VERSION) {
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: the request does not ask for one");
        return Err(Refusal(problem.todo("connect with ws:// or wss://, version 13")));
    }
    // Names of sub-protocols are compared with their case (RFC 6455 section 4.2.2).
    if !asks(header::SEC_WEBSOCKET_PROTOCOL).any(|name| name.trim() == SUB_PROTOCOL) {
        let problem = Problem::new(StatusCode::BAD_REQUEST, "the sub-protocol `sip` is not among those that are offered");
        return Err(Refusal(problem.todo("send `Sec-WebSocket-Protocol: sip` (RFC 7118)")));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let is_key = |key: &&str| key.len() == KEY_LETTERS && key.ends_with("==");
    key.filter(is_key).ok_or_else(|| Refusal(Problem::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing or malformed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        let right = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "xmpp, sip"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for (name, value) in right.iter().chain(change) {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        match read_handshake(&Method::GET, &headers) {
            Ok(key) => key.to_owned(),
            Err(refusal) => {
                let response = refusal.into_response();
                let version = response.headers().get("sec-websocket-version").map_or("", |value| value.to_str().unwrap());
                format!("{} {version}", response.status().as_u16())
            }
        }
    }

    #[test]
    fn a_handshake_must_ask_for_version_13_and_the_sub_protocol_sip() {
        assert_eq!(check(&[]), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(check(&[("connection", "close")]), "426 13");
        assert_eq!(check(&[("upgrade", "h2c")]), "426 13");
        assert_eq!(check(&[("sec-websocket-version", "8")]), "426 13");
        for protocol in ["", "xmpp", "SIP", "sip2"] {
            assert_eq!(check(&[("sec-websocket-protocol", protocol)]), "400 ", "{protocol}");
        }
        assert_eq!(check(&[("sec-websocket-key", "short==")]), "400 ");
    }
}
