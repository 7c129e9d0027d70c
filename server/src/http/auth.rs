//! Who asks, and whether they may: tokens and sessions, looked up by a name made from their hash, against the table of routes.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tandem_switch::{name::AgentName, time::Timestamp};

use super::{
    Api, Peer,
    access::{self, Leave, Row, events::Ear},
    player,
    problem::Problem,
};
use crate::{
    clock,
    store::{Audit, Doer, Record, SESSION_PREFIX, Session, StoreError, Token, TokenCheck},
};

/// The cookie of a session. Browsers take one of this name only with `Secure`, for this host and for all of it.
pub(super) const COOKIE: &str = "__Host-tandem";

/// Who sends a request; in the extensions of every request that passed [`require`].
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) who: Who,
    /// From where, if that is known.
    pub(super) from: Option<IpAddr>,
    /// They are let through to what is this agent's only.
    own: Option<AgentName>,
}

/// What they showed.
#[derive(Clone, Debug)]
pub(super) enum Who {
    /// A token.
    Token(Token),
    /// The secret of a session.
    Login(Session),
}

impl Caller {
    /// How the audit names them.
    pub(super) fn name(&self) -> String {
        match &self.who {
            Who::Token(token) => format!("token {} ({})", token.id, token.name),
            Who::Login(session) => format!("login {}", session.user),
        }
    }

    /// The same, and from where they come.
    pub(super) fn by(&self) -> Doer {
        Doer { who: self.name(), from: self.from }
    }

    /// Names what they showed; not secret.
    pub(super) fn id(&self) -> &str {
        match &self.who {
            Who::Token(token) => &token.id,
            Who::Login(session) => &session.id,
        }
    }

    /// The agent whose things alone they see; `None`: everybody's.
    pub(super) const fn own(&self) -> Option<&AgentName> {
        self.own.as_ref()
    }

    /// What they hear of events.
    pub(super) fn ear(&self) -> Ear {
        match &self.who {
            Who::Token(_) => Ear::All,
            Who::Login(session) => Ear::Roles(session.roles.clone(), agent(session)),
        }
    }

    /// Their session; a problem for tokens, which have none.
    pub(super) fn session(&self) -> Result<&Session, Problem> {
        match &self.who {
            Who::Login(session) => Ok(session),
            Who::Token(_) => Err(Problem::forbidden("a token has no session")),
        }
    }

    /// Whether what they showed still holds, and gives them what it gave: for connections that live long.
    pub(super) async fn holds(&self, api: &Api) -> Result<bool, StoreError> {
        let store = &api.control.store;
        match &self.who {
            Who::Token(token) => store.token_holds(&token.id).await,
            Who::Login(session) => {
                let still = store.session_still(&session.id, clock::now().at).await?;
                Ok(still.is_some_and(|still| still.roles == session.roles && still.extension == session.extension))
            }
        }
    }
}

fn agent(session: &Session) -> Option<AgentName> {
    session.extension.as_ref().map(|extension| AgentName::from(extension.as_str()))
}

/// Lets a request through that may use its route, and writes down looks at somebody's data.
pub(super) async fn require(State(api): State<Api>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let Some(row) = access::row_of(&request) else {
        tracing::error!(path = request.uri().path(), "a route without a row in the table of access: nobody may use it");
        return Err(Problem::forbidden("this is for nobody yet"));
    };
    let from = source(&request);
    let (who, by_cookie) = shown(&api, row, (request.headers(), request.uri().path())).await?;
    if by_cookie {
        check_origin(request.method(), request.headers())?;
    }
    let leave = match &who {
        Who::Token(token) => row.leave_of_scope(token.scope),
        Who::Login(session) => row.leave_of_roles(&session.roles, agent(session).as_ref()),
    };
    let own = match leave {
        Leave::All => None,
        Leave::Own(agent) => {
            row.check_own(&api, &agent, request.uri().path()).await?;
            Some(agent)
        }
        Leave::No(why) => return Err(Problem::forbidden(why)),
    };
    let caller = Caller { who, from, own };
    let look = row.look.map(|what| (what, subject(row, &request)));
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    if let Some((what, subject)) = look
        && response.status().is_success()
    {
        api.looked(&caller, what, &subject);
    }
    Ok(response)
}

/// From where a request comes.
pub(super) fn source(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.remote.ip().to_canonical())
}

fn unknown(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
        .at("header authorization")
        .todo("give `Authorization: Bearer tdm_…` (`tandem token add` makes one), or log in")
}

/// Whose token or session a request shows, and whether a cookie did.
async fn shown(api: &Api, row: &Row, (headers, path): (&HeaderMap, &str)) -> Result<(Who, bool), Problem> {
    let (store, now) = (&api.control.store, clock::now().at);
    if let Some(text) = bearer(headers) {
        let who = api.remembered.ask(text, now, known(api, text, now)).await?;
        let detail =
            if text.starts_with(SESSION_PREFIX) { "the session is over" } else { "the token is not known or was revoked" };
        return Ok((who.ok_or_else(|| unknown(detail))?, false));
    }
    if let Some(text) = cookie(headers, COOKIE) {
        let who = api.remembered.ask(text, now, known(api, text, now)).await?;
        return match who {
            Some(who @ Who::Login(_)) => Ok((who, true)),
            _ => Err(unknown("the session is over")),
        };
    }
    if row.ticket
        && let Some(id) = player::visitor(api, headers, path)
    {
        let tokens = store.tokens().await?;
        if let Some(token) = tokens.into_iter().find(|token| token.id == id && token.revoked_at.is_none()) {
            return Ok((Who::Token(token), false));
        }
        if let Some(session) = store.session_still(&id, now).await? {
            return Ok((Who::Login(session), false));
        }
    }
    Err(unknown("a token or a session is needed"))
}

/// Whose token or session this is; `None`: nobody's.
async fn known(api: &Api, text: &str, now: Timestamp) -> Result<Option<Who>, StoreError> {
    let store = &api.control.store;
    if text.starts_with(SESSION_PREFIX) {
        return Ok(store.check_session(text, now).await?.map(Who::Login));
    }
    Ok(match store.check_token(text, now).await? {
        TokenCheck::Good(token) => Some(Who::Token(token)),
        TokenCheck::Bad => None,
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// A cookie goes along with whatever a browser sends, so a page of others must not be able to make it send something:
/// what changes or subscribes must come from a page of this host. Browsers say so in `Origin` (RFC 6454 section 7).
pub(super) fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let only_reads = matches!(*method, Method::GET | Method::HEAD) && !headers.contains_key(header::UPGRADE);
    if only_reads {
        return Ok(());
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = text(header::HOST);
    if origin.is_some() && origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Problem::forbidden("with a cookie this is only taken from a page of this server").at("header origin"))
}

/// What a look was at: the names in the path and the question, cut to a line's length.
fn subject(row: &Row, request: &Request) -> String {
    let parts = row.parts(request.uri().path()).join(" ");
    let query = request.uri().query().filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
    let text = unescaped(&format!("{parts}{}", query.unwrap_or_default()));
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

/// What `%2B` and the like stand for: a number is to be found in the audit as it is written elsewhere.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => (plain.push(code), at += 3),
            None => (plain.push(*byte), at += 1),
        };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

impl Api {
    /// Notes for the audit who did what. A full queue must not keep an admin from acting, so it is only logged.
    pub(super) fn audit(&self, caller: &Caller, what: &str, subject: impl Into<String>) {
        self.audit_by(caller.by(), what, subject);
    }

    pub(super) fn audit_by(&self, by: Doer, what: &str, subject: impl Into<String>) {
        let audit = Audit::of(by, what, subject, clock::now().at);
        if let Err(error) = self.control.writer.try_write(Record::Audit(audit)) {
            tracing::error!(%error, what, "an audit record is lost");
        }
    }

    /// Notes a look, if it is not the same one again.
    fn looked(&self, caller: &Caller, what: &'static str, subject: &str) {
        if self.looks.is_news((caller.id(), what, subject), clock::now().at) {
            self.audit(caller, what, subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_says_what_was_asked_for() {
        for (text, plain) in
            [("?number=%2B39021", "?number=+39021"), ("%", "%"), ("a%2", "a%2"), ("%zz%41", "%zzA"), ("é%", "é%")]
        {
            assert_eq!(unescaped(text), plain);
        }
    }

    #[test]
    fn a_cookie_serves_only_pages_of_this_host() {
        let ask = |method: Method, fields: &[(&'static str, &str)]| {
            let headers = fields.iter().map(|(name, value)| {
                let name: axum::http::HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            });
            check_origin(&method, &headers.collect()).is_ok()
        };
        let host = ("host", "tandem.example:8443");
        let ours = ("origin", "https://tandem.example:8443");
        assert!(ask(Method::GET, &[host]));
        assert!(ask(Method::POST, &[host, ours]));
        assert!(!ask(Method::POST, &[host]));
        assert!(!ask(Method::POST, &[ours]));
        assert!(!ask(Method::GET, &[host, ("upgrade", "websocket")]));
        assert!(ask(Method::GET, &[host, ours, ("upgrade", "websocket")]));
        for theirs in ["https://evil.example", "null", "https://tandem.example", "https://tandem.example:8443.evil.example", ""] {
            assert!(!ask(Method::DELETE, &[host, ("origin", theirs)]), "{theirs}");
        }
    }
}
