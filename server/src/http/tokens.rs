//! Tokens of this API.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Who},
    logins::SessionView,
    problem::{JsonBody, Path, Problem},
    view::{At, Done},
};
use crate::{
    clock,
    store::{Scope, Token},
};

/// A token as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Names it in lists and in the audit; not secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The most it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: At,
    /// When it was used last, within a minute.
    pub used_at: Option<At>,
    /// When it was revoked.
    pub revoked_at: Option<At>,
}

/// Who sends a request.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Whoami {
    /// Whoever has this token.
    Token(TokenView),
    /// Somebody who logged in.
    Login(SessionView),
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for; 1 to 100 characters.
    pub name: String,
    /// The most it may do.
    pub scope: Scope,
}

/// A token that was made.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeToken {
    /// The token itself: shown this once.
    pub token: String,
    /// How lists show it.
    #[serde(flatten)]
    pub view: TokenView,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scope: token.scope,
            created_at: At(token.created_at),
            used_at: token.used_at.map(At),
            revoked_at: token.revoked_at.map(At),
        }
    }
}

/// Who sends this request
#[utoipa::path(get, path = "/api/v1/whoami", tag = "admin", security(("token" = ["read"])), responses((status = 200, body = Whoami)))]
pub(super) async fn whoami(Extension(caller): Extension<Caller>) -> Json<Whoami> {
    Json(match caller.who {
        Who::Token(token) => Whoami::Token(token.into()),
        Who::Login(session) => Whoami::Login(session.into()),
    })
}

/// All tokens ever made
#[utoipa::path(get, path = "/api/v1/tokens", tag = "admin", security(("token" = ["admin"])), responses((status = 200, body = [TokenView])))]
pub(super) async fn tokens(State(api): State<Api>) -> Result<Json<Vec<TokenView>>, Problem> {
    Ok(Json(api.control.store.tokens().await?.into_iter().map(TokenView::from).collect()))
}

/// Make a token
#[utoipa::path(post, path = "/api/v1/tokens", tag = "admin", security(("token" = ["admin"])), request_body = NewToken,
    responses((status = 200, body = MadeToken), (status = 400, body = Problem)))]
pub(super) async fn add_token(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewToken>,
) -> Result<Json<MadeToken>, Problem> {
    if new.name.trim().is_empty() || new.name.chars().count() > 100 || new.name.contains(char::is_control) {
        return Err(Problem::bad("the name does not fit").at("body.name").todo("give 1 to 100 characters on one line"));
    }
    let (text, token) = api.control.store.add_token(&new.name, new.scope, caller.by(), clock::now().at).await?;
    Ok(Json(MadeToken { token: text.expose().into(), view: token.into() }))
}

/// Revoke a token
///
/// Holds at once for requests, and within five seconds for open WebSockets.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "admin", security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn revoke_token(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    if !api.control.store.revoke_token(&id, caller.by(), clock::now().at).await? {
        return Err(Problem::not_found("token that holds", &id));
    }
    Ok(Json(Done { done: true }))
}
