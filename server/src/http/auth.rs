//! Who asks, and whether they may: bearer tokens, looked up by a name made from their hash.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::{Api, problem::Problem};
use crate::{
    clock,
    store::{Audit, Record, Scope, Token, TokenCheck},
};

/// The token of this request; in the extensions of every request that passed [`require`].
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Token);

impl Caller {
    /// How the audit names them.
    pub(super) fn name(&self) -> String {
        format!("token {} ({})", self.0.id, self.0.name)
    }
}

/// Lets a request through whose token is good and holds `scope`.
pub(super) async fn require(
    State((api, scope)): State<(Api, Scope)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let unknown = |detail| {
        let todo = "give `Authorization: Bearer tdm_…`; `tandem token add` makes one";
        Problem::new(StatusCode::UNAUTHORIZED, detail).at("header authorization").todo(todo)
    };
    let shown = bearer(request.headers()).ok_or_else(|| unknown("a token is needed"))?;
    let token = match api.control.store.check_token(shown, clock::now().at).await? {
        TokenCheck::Good(token) => token,
        TokenCheck::Bad => return Err(unknown("the token is not known or was revoked")),
    };
    if !token.scope.holds(scope) {
        let detail = format!("this asks for a token of scope {scope}; yours has scope {}", token.scope);
        return Err(Problem::new(StatusCode::FORBIDDEN, detail)
            .at("header authorization")
            .todo("ask an admin for another token"));
    }
    request.extensions_mut().insert(Caller(token));
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Api {
    /// Notes for the audit who did what. A full queue must not keep an admin from acting, so it is only logged.
    pub(super) fn audit(&self, caller: &Caller, what: &str, subject: impl Into<String>) {
        let audit = Audit { who: caller.name(), what: what.into(), subject: subject.into(), at: clock::now().at };
        if let Err(error) = self.control.writer.try_write(Record::Audit(audit)) {
            tracing::error!(%error, what, "an audit record is lost");
        }
    }
}
