//! Logging in and out, and who may.

mod guesses;
mod view;

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use axum::{
    Extension, Json,
    extract::{FromRequest as _, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::guesses::Guesses;
pub use self::view::{Keep, LoginChange, LoginOrder, LoginPassword, LoginView, OwnPassword, SessionView};
use super::{
    Api,
    auth::{self, COOKIE, Caller},
    problem::{JsonBody, Path, Problem},
    view::Done,
};
use crate::{
    clock,
    passwords::{self, Busy, Passwords},
    store::{Login, MOST_FAILURES},
};

/// Logins at most.
const MOST_LOGINS: usize = 10_000;

/// What stands between who guesses and the passwords.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    passwords: Passwords,
    guesses: Mutex<Guesses>,
}

impl Gate {
    fn begin(&self, name: &str, source: Option<IpAddr>) -> Result<(), Problem> {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.begin(name, source, clock::now().at).map_err(|wait_ms| {
            let todo = format!("wait {} s; an admin may set a new password", wait_ms.div_ceil(1_000));
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "there were too many wrong passwords").todo(todo)
        })
    }

    fn right(&self, name: &str, source: Option<IpAddr>) {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).right(name, source);
    }
}

impl From<Busy> for Problem {
    fn from(_: Busy) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too many passwords are looked at").todo("try again in a moment")
    }
}

/// The name of a login, in small letters.
///
/// # Errors
/// A sentence on what is expected.
pub fn read_user(text: &str) -> Result<String, String> {
    let good = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    good.then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "the name of a login is 1 to 64 letters, digits, dots, dashes, underscores or @".into())
}

/// Routes for who has a session or a token, and the one that needs neither.
pub(super) fn routes() -> (OpenApiRouter<Api>, OpenApiRouter<Api>) {
    let guarded = OpenApiRouter::new()
        .routes(routes!(log_out))
        .routes(routes!(put_own_password))
        .routes(routes!(sessions, end_own_sessions))
        .routes(routes!(logins))
        .routes(routes!(put_login, delete_login))
        .routes(routes!(put_login_password))
        .routes(routes!(unlock))
        .routes(routes!(end_sessions));
    (OpenApiRouter::new().routes(routes!(log_in)), guarded)
}

/// Log in
///
/// A wrong password, an unknown name and a locked login get the same answer after the same time. After ten wrong passwords
/// for a name, or thirty from a source, each costs a wait that doubles.
#[utoipa::path(post, path = "/api/v1/login", tag = "admin", request_body = LoginOrder,
    responses((status = 200, body = SessionView), (status = 401, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn log_in(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let source = auth::source(&request);
    let method = request.method().clone();
    let headers = request.headers().clone();
    let JsonBody(LoginOrder { user, password, keep }) = JsonBody::<LoginOrder>::from_request(request, &api).await?;
    if keep == Keep::Cookie && headers.contains_key(header::ORIGIN) {
        // A page of others must not log somebody in as somebody else.
        auth::check_origin(&method, &headers)?;
    }
    let name: String = user.trim().to_lowercase().chars().take(128).collect();
    let login = api.check_password(&name, password, source).await?;
    let (secret, session) = api.control.store.begin_session(&login, source, clock::now().at).await?;
    let mut view = SessionView::from(session);
    if keep == Keep::Bearer {
        view.token = Some(secret.expose().to_owned());
        return Ok(Json(view).into_response());
    }
    let cookie = format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict", secret.expose());
    Ok(([(header::SET_COOKIE, cookie)], Json(view)).into_response())
}

/// Log out
///
/// The session ends at once, and within five seconds its open WebSockets.
#[utoipa::path(post, path = "/api/v1/logout", tag = "admin", responses((status = 200, body = Done), (status = 403, body = Problem)))]
pub(super) async fn log_out(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    api.control.store.end_session(&caller.session()?.id, caller.by(), clock::now().at).await?;
    Ok(forgotten())
}

/// Change one's own password
///
/// All sessions of the login end, this one too.
#[utoipa::path(put, path = "/api/v1/password", tag = "admin", request_body = OwnPassword,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn put_own_password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(change): JsonBody<OwnPassword>,
) -> Result<Response, Problem> {
    let user = caller.session()?.user.clone();
    let new = passwords::read(&change.new).map_err(|sentence| Problem::bad(sentence).at("body.new"))?.to_owned();
    // The old one is guessed at from a stolen session as it is from outside.
    api.check_password(&user, change.old, caller.from).await?;
    api.set_password(&user, new, &caller).await?;
    Ok(forgotten())
}

/// Everybody who is logged in
#[utoipa::path(get, path = "/api/v1/sessions", tag = "admin", security(("token" = ["admin"])), responses((status = 200, body = [SessionView])))]
pub(super) async fn sessions(State(api): State<Api>) -> Result<Json<Vec<SessionView>>, Problem> {
    Ok(Json(api.control.store.sessions(clock::now().at).await?.into_iter().map(SessionView::from).collect()))
}

/// End all of one's own sessions
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "admin", responses((status = 200, body = Done), (status = 403, body = Problem)))]
pub(super) async fn end_own_sessions(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    api.control.store.end_sessions(&caller.session()?.user, caller.by(), clock::now().at).await?;
    Ok(forgotten())
}

/// Everybody who may log in
#[utoipa::path(get, path = "/api/v1/logins", tag = "admin", security(("token" = ["admin"])), responses((status = 200, body = [LoginView])))]
pub(super) async fn logins(State(api): State<Api>) -> Result<Json<Vec<LoginView>>, Problem> {
    Ok(Json(api.control.store.logins().await?.into_iter().map(LoginView::from).collect()))
}

/// Add a login, or change its roles and extension
///
/// What is changed holds at once, in sessions that go on too. A new login has no password until one is set.
#[utoipa::path(put, path = "/api/v1/logins/{user}", tag = "admin", security(("token" = ["admin"])),
    params(("user" = String, Path, description = "Its name")), request_body = LoginChange,
    responses((status = 200, body = LoginView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn put_login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    JsonBody(change): JsonBody<LoginChange>,
) -> Result<Json<LoginView>, Problem> {
    let user = read_user(&user).map_err(|sentence| Problem::bad(sentence).at("path"))?;
    let (roles, extension) = change.read().map_err(|sentence| Problem::bad(sentence).at("body"))?;
    let store = &api.control.store;
    if store.login(&user).await?.is_none() && store.logins().await?.len() >= MOST_LOGINS {
        return Err(Problem::new(StatusCode::CONFLICT, format!("there are {MOST_LOGINS} logins already")).todo("remove old ones"));
    }
    store.put_login(&user, (&roles, extension.as_ref()), caller.by(), clock::now().at).await?;
    Ok(Json(api.login(&user).await?.into()))
}

/// Remove a login; its sessions end
#[utoipa::path(delete, path = "/api/v1/logins/{user}", tag = "admin", security(("token" = ["admin"])),
    params(("user" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn delete_login(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Json<Done>, Problem> {
    if !api.control.store.remove_login(&user, caller.by(), clock::now().at).await? {
        return Err(Problem::not_found("login", &user));
    }
    Ok(Json(Done { done: true }))
}

/// Set the password of a login
///
/// All its sessions end, and it is locked no more.
#[utoipa::path(put, path = "/api/v1/logins/{user}/password", tag = "admin", security(("token" = ["admin"])),
    params(("user" = String, Path, description = "Its name")), request_body = LoginPassword,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn put_login_password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
    JsonBody(change): JsonBody<LoginPassword>,
) -> Result<Json<Done>, Problem> {
    let new = passwords::read(&change.password).map_err(|sentence| Problem::bad(sentence).at("body.password"))?.to_owned();
    let login = api.login(&user).await?;
    api.set_password(&login.user, new, &caller).await?;
    Ok(Json(Done { done: true }))
}

/// Take passwords again of a login that was locked
#[utoipa::path(post, path = "/api/v1/logins/{user}/unlock", tag = "admin", security(("token" = ["admin"])),
    params(("user" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn unlock(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Json<Done>, Problem> {
    let login = api.login(&user).await?;
    api.control.store.unlock_login(&login.user, caller.by(), clock::now().at).await?;
    api.gate.right(&login.user, None);
    Ok(Json(Done { done: true }))
}

/// End all sessions of a login
#[utoipa::path(delete, path = "/api/v1/logins/{user}/sessions", tag = "admin", security(("token" = ["admin"])),
    params(("user" = String, Path, description = "Its name")),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn end_sessions(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(user): Path<String>,
) -> Result<Json<Done>, Problem> {
    let login = api.login(&user).await?;
    api.control.store.end_sessions(&login.user, caller.by(), clock::now().at).await?;
    Ok(Json(Done { done: true }))
}

/// An answer after which a browser shows the session no more.
fn forgotten() -> Response {
    let cookie = HeaderValue::from_static("__Host-tandem=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], Json(Done { done: true })).into_response()
}

impl Api {
    async fn login(&self, user: &str) -> Result<Login, Problem> {
        self.control.store.login(user).await?.ok_or_else(|| Problem::not_found("login", user))
    }

    async fn set_password(&self, user: &str, password: String, caller: &Caller) -> Result<(), Problem> {
        let hash = self.gate.passwords.hash(password).await?;
        self.control.store.set_login_password(user, &hash, caller.by(), clock::now().at).await?;
        self.gate.right(user, None);
        Ok(())
    }

    /// The login whose password this is. Whatever is wrong, the answer is the same and takes as long.
    async fn check_password(&self, user: &str, password: String, source: Option<IpAddr>) -> Result<Login, Problem> {
        self.gate.begin(user, source)?;
        let store = &self.control.store;
        let login = store.login(user).await?;
        // Nothing longer was ever set; to hash a whole body would cost more than a password does.
        let password: String = password.chars().take(129).collect();
        let hash = login.as_ref().and_then(|login| login.password.clone());
        let is_right = self.gate.passwords.matches(password, hash).await?;
        match login {
            Some(login) if is_right && login.locked_at.is_none() => {
                self.gate.right(user, source);
                Ok(login)
            }
            login => {
                store.login_failed(user, login.as_ref(), source, clock::now().at).await?;
                Err(Problem::new(StatusCode::UNAUTHORIZED, "name or password is wrong, or the login is locked").at("body").todo(
                    format!("after {MOST_FAILURES} wrong passwords in a row an admin has to unlock it: `tandem login unlock`"),
                ))
            }
        }
    }
}
