//! A page that plays a recording, and how it may: no token is ever in an address.
//!
//! Who has a token asks for a ticket of one recording, and opens the page with it behind `#`, which browsers send to nobody. The
//! page trades it for a cookie that only this recording's addresses see, and that ends with its session or after an hour.
//! Both are signed with a key of this process; a token that is revoked, or a session that ends, takes what was made of it along.

use std::sync::LazyLock;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use serde::{Deserialize, Serialize};
use tandem_switch::{id::RecordingId, time::Timestamp};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{self, Caller},
    problem::{JsonBody, Path, Problem, id},
    view::At,
};
use crate::clock;

/// How long a ticket can be traded, in ms: as long as it takes to open a page.
const TICKET_MS: u64 = 2 * 60 * 1_000;
/// How long the page may listen, in ms.
const SESSION_MS: u64 = 60 * 60 * 1_000;
const COOKIE: &str = "tandem-listen";

/// What a signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ticket,
    Session,
}

/// Signs tickets.
#[derive(Debug)]
pub(crate) struct Tickets {
    key: hmac::Key,
}

impl Tickets {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system gives random bytes");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    fn words(kind: Kind, recording: RecordingId, token: &str, until: Timestamp) -> String {
        format!("{kind:?} {recording} {token} {}", until.0)
    }

    fn issue(&self, kind: Kind, recording: RecordingId, token: &str, until: Timestamp) -> String {
        let mac = hmac::sign(&self.key, Self::words(kind, recording, token, until).as_bytes());
        let mac: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{token}.{mac}", until.0)
    }

    /// The token or session that a ticket was made of, if it is good for this recording now.
    fn check(&self, kind: Kind, recording: RecordingId, text: &str, now: Timestamp) -> Option<String> {
        let mut parts = text.splitn(3, '.');
        let (until, token, mac) = (Timestamp(parts.next()?.parse().ok()?), parts.next()?, parts.next()?);
        let digit = |at: usize| u8::from_str_radix(mac.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..mac.len()).step_by(2).map(digit).collect();
        hmac::verify(&self.key, Self::words(kind, recording, token, until).as_bytes(), &bytes?).ok()?;
        (now < until).then(|| token.to_owned())
    }
}

/// Leave to listen to one recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TicketView {
    /// For the page, or for `session`. It can be traded for two minutes.
    pub ticket: String,
    /// The page with it, relative to this server: for the address line of a browser.
    pub player: String,
    /// When it ends.
    pub expires_at: At,
}

/// A ticket to be traded.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TicketOrder {
    /// As it was given.
    pub ticket: String,
}

/// Leave for a browser to play a recording
#[utoipa::path(post, path = "/api/v1/recordings/{recording}/ticket", tag = "calls", security(("token" = ["read"])),
    params(("recording" = String, Path, description = "Its identifier")),
    responses((status = 200, body = TicketView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn ticket(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(recording): Path<String>,
) -> Result<Json<TicketView>, Problem> {
    let id: RecordingId = id(&recording)?;
    api.control.store.recording(id).await?.ok_or_else(|| Problem::not_found("recording", &recording))?;
    let until = clock::now().at.plus_ms(TICKET_MS);
    let ticket = api.tickets.issue(Kind::Ticket, id, caller.id(), until);
    let player = format!("/api/v1/recordings/{id}/player#{ticket}");
    Ok(Json(TicketView { ticket, player, expires_at: At(until) }))
}

/// Trade a ticket for a cookie
///
/// The cookie gives the audio and the waveform of this recording for an hour, and nothing else.
#[utoipa::path(post, path = "/api/v1/recordings/{recording}/session", tag = "calls", request_body = TicketOrder,
    params(("recording" = String, Path, description = "Its identifier")),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn session(
    State(api): State<Api>,
    Path(recording): Path<String>,
    headers: HeaderMap,
    JsonBody(order): JsonBody<TicketOrder>,
) -> Result<Response, Problem> {
    let (id, now): (RecordingId, _) = (id(&recording)?, clock::now().at);
    let token = api.tickets.check(Kind::Ticket, id, &order.ticket, now).ok_or_else(refused)?;
    let cookie = api.tickets.issue(Kind::Session, id, &token, now.plus_ms(SESSION_MS));
    // A page that came by TLS never gives it away without.
    let is_tls = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https:"));
    let secure = if is_tls { "; Secure" } else { "" };
    let path = format!("/api/v1/recordings/{id}");
    let cookie = format!("{COOKIE}={cookie}; Path={path}; Max-Age={}; HttpOnly; SameSite=Strict{secure}", SESSION_MS / 1_000);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn refused() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "the ticket is not of this recording, or its time is over").todo("ask for another one")
}

/// The name of the token or session behind the cookie of a recording, while it holds.
pub(super) fn visitor(api: &Api, headers: &HeaderMap, path: &str) -> Option<String> {
    let cookie = auth::cookie(headers, COOKIE)?;
    let recording = path.strip_prefix("/api/v1/recordings/")?.split('/').next()?.parse().ok()?;
    api.tickets.check(Kind::Session, recording, cookie, clock::now().at)
}

const PAGE: &str = include_str!("player.html");

/// What the page may do: its own script and style, and what lies at this server.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let inside = PAGE.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
        BASE64_STANDARD.encode(digest(&SHA256, inside.map_or("", |(inside, _)| inside).as_bytes()))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; media-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        hash("script"),
        hash("style")
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// A page that plays a recording
///
/// The same for all: what it plays is asked for with the ticket behind `#`.
#[utoipa::path(get, path = "/api/v1/recordings/{recording}/player", tag = "calls",
    params(("recording" = String, Path, description = "Its identifier")),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn player() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, PAGE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_one_recording_one_use_and_its_time() {
        let tickets = Tickets::new();
        let (now, until) = (Timestamp(1_000_000), Timestamp(2_000_000));
        let ticket = tickets.issue(Kind::Ticket, RecordingId(5), "0123456789ab", until);
        let check = |kind, recording, text: &str, at| tickets.check(kind, RecordingId(recording), text, at);
        assert_eq!(check(Kind::Ticket, 5, &ticket, now), Some("0123456789ab".to_owned()));
        assert_eq!(check(Kind::Ticket, 6, &ticket, now), None);
        assert_eq!(check(Kind::Session, 5, &ticket, now), None);
        assert_eq!(check(Kind::Ticket, 5, &ticket, until), None);
        assert_eq!(Tickets::new().check(Kind::Ticket, RecordingId(5), &ticket, now), None);
        let later = ticket.replacen("2000000", "9000000", 1);
        let other = ticket.replacen("0123456789ab", "0123456789ac", 1);
        for bad in [&later, &other, &ticket[..ticket.len() - 2], &format!("{ticket}00"), "", "..", "2000000.x.é1"] {
            assert_eq!(check(Kind::Ticket, 5, bad, now), None, "{bad}");
        }
    }

    #[test]
    fn the_page_has_one_script_and_one_style_and_nothing_of_others() {
        assert_eq!((PAGE.matches("<script").count(), PAGE.matches("<style").count()), (1, 1));
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains(" style="));
        assert!(POLICY.to_str().unwrap().contains("script-src 'sha256-"));
    }
}
