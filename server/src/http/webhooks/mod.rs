//! Who outside is told what happens: subscriptions, what they did not take, and orders about both.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

mod view;

use std::collections::BTreeSet;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::view::{DeadDone, DeadView, MadeSecret, NewWebhook, TestView, WebhookChange, WebhookView, WhichDead};
use super::{
    Api,
    auth::Caller,
    problem::{JsonBody, Params, Path, Problem},
    view::Done,
};
use crate::{
    clock,
    outgoing::check_url,
    store::{WebhookRow, WebhookTerms},
    webhooks::{MOST, events},
};

/// A day.
const GIVE_UP_S: u64 = 24 * 60 * 60;
const SHORTEST_GIVE_UP_S: u64 = 10;
const LONGEST_GIVE_UP_S: u64 = 30 * GIVE_UP_S;
/// Dead letters in an answer.
const PAGE: u32 = 500;

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadQuery {
    /// After this one.
    after: Option<i64>,
}

/// All of them.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(webhooks, add))
        .routes(routes!(webhook, change, remove))
        .routes(routes!(new_secret))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(test))
        .routes(routes!(dead))
        .routes(routes!(resend))
        .routes(routes!(discard))
}

async fn found(api: &Api, name: &str) -> Result<WebhookRow, Problem> {
    api.control.store.webhook(name).await?.ok_or_else(|| Problem::not_found("webhook", name))
}

async fn shown(api: &Api, name: &str) -> Result<Json<WebhookView>, Problem> {
    let head = api.control.webhooks.head().await?;
    Ok(Json(WebhookView::of(found(api, name).await?, head)))
}

fn checked(url: String, kinds: BTreeSet<String>, give_up_s: u64) -> Result<WebhookTerms, Problem> {
    check_url(&url).map_err(|why| Problem::bad(why).at("body.url").todo("give one like https://crm.example/tandem"))?;
    let is_known = |kind: &String| kind == events::ALL || events::KINDS.iter().any(|(known, _)| known == kind);
    if let Some(unknown) = kinds.iter().find(|kind| !is_known(kind)) {
        let unknown: String = unknown.chars().take(64).collect();
        return Err(Problem::bad(format!("`{unknown}` is no kind of event"))
            .at("body.kinds")
            .todo("see docs/webhooks.md, or `tandem webhooks kinds`"));
    }
    if kinds.is_empty() {
        return Err(Problem::bad("a subscription to nothing").at("body.kinds").todo("name kinds of events, or `*` for all"));
    }
    if !(SHORTEST_GIVE_UP_S..=LONGEST_GIVE_UP_S).contains(&give_up_s) {
        return Err(Problem::bad("events are given up after 10 s to 30 days").at("body.give_up_s"));
    }
    Ok(WebhookTerms { url, kinds, give_up_s })
}

/// Who outside is told what happens
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", security(("token" = ["read"])), responses((status = 200, body = [WebhookView])))]
pub(super) async fn webhooks(State(api): State<Api>) -> Result<Json<Vec<WebhookView>>, Problem> {
    let head = api.control.webhooks.head().await?;
    Ok(Json(api.control.store.webhooks().await?.into_iter().map(|row| WebhookView::of(row, head)).collect()))
}

/// Tell a system outside what happens from now on
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", security(("token" = ["admin"])), request_body = NewWebhook,
    responses((status = 200, body = MadeSecret), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(NewWebhook { url, kinds, give_up_s }): JsonBody<NewWebhook>,
) -> Result<Json<MadeSecret>, Problem> {
    let terms = checked(url, kinds, give_up_s.unwrap_or(GIVE_UP_S))?;
    if api.control.store.webhooks().await?.len() >= MOST {
        return Err(
            Problem::new(StatusCode::CONFLICT, format!("there are {MOST} subscriptions already")).todo("remove one first")
        );
    }
    let (webhook, secret) = api.control.store.add_webhook(&terms, caller.by(), clock::now().at).await?;
    api.control.webhooks.changed(&webhook);
    Ok(Json(MadeSecret { webhook, secret: secret.expose().into() }))
}

/// One subscription
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook}", tag = "webhooks", security(("token" = ["read"])),
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(super) async fn webhook(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<WebhookView>, Problem> {
    shown(&api, &name).await
}

/// Change a subscription
#[utoipa::path(patch, path = "/api/v1/webhooks/{webhook}", tag = "webhooks", security(("token" = ["admin"])), request_body = WebhookChange,
    params(("webhook" = String, Path, description = "Its name")),
    responses((status = 200, body = WebhookView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(WebhookChange { url, kinds, give_up_s }): JsonBody<WebhookChange>,
) -> Result<Json<WebhookView>, Problem> {
    let row = found(&api, &name).await?;
    let terms = checked(url.unwrap_or(row.url), kinds.unwrap_or(row.kinds), give_up_s.unwrap_or(row.give_up_s))?;
    api.control.store.change_webhook(&name, &terms, caller.by(), clock::now().at).await?;
    api.control.webhooks.changed(&name);
    shown(&api, &name).await
}

/// End a subscription, dead letters and all
#[utoipa::path(delete, path = "/api/v1/webhooks/{webhook}", tag = "webhooks", security(("token" = ["admin"])),
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Done>, Problem> {
    found(&api, &name).await?;
    api.control.webhooks.removed(&name);
    api.control.store.remove_webhook(&name, caller.by(), clock::now().at).await?;
    Ok(Json(Done { done: true }))
}

/// Give a subscription another secret
///
/// The one before signs beside it for 24 hours, so that the receiver can change over meanwhile.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook}/secret", tag = "webhooks", security(("token" = ["admin"])),
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = MadeSecret), (status = 404, body = Problem)))]
pub(super) async fn new_secret(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<MadeSecret>, Problem> {
    found(&api, &name).await?;
    let secret = api.control.store.change_webhook_secret(&name, caller.by(), clock::now().at).await?;
    api.control.webhooks.changed(&name);
    Ok(Json(MadeSecret { webhook: name, secret: secret.expose().into() }))
}

/// Send nothing for now; what happens meanwhile is kept
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook}/pause", tag = "webhooks", security(("token" = ["control"])),
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<WebhookView>, Problem> {
    if found(&api, &name).await?.paused_at.is_none() {
        api.control.store.pause_webhook(&name, None, caller.by(), clock::now().at).await?;
        api.control.webhooks.changed(&name);
    }
    shown(&api, &name).await
}

/// Go on where it was, or try now what waits for a next attempt
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook}/resume", tag = "webhooks", security(("token" = ["control"])),
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub(super) async fn resume(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<WebhookView>, Problem> {
    if found(&api, &name).await?.paused_at.is_some() {
        api.control.store.resume_webhook(&name, caller.by(), clock::now().at).await?;
    }
    api.control.webhooks.changed(&name);
    shown(&api, &name).await
}

/// Send an event that did not happen, beside the order, and tell what came of it
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook}/test", tag = "webhooks", security(("token" = ["control"])),
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = TestView), (status = 404, body = Problem)))]
pub(super) async fn test(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<TestView>, Problem> {
    let row = found(&api, &name).await?;
    let attempt = api.control.webhooks.test(&row).await;
    api.audit(&caller, "webhook-tested", name);
    Ok(Json(attempt.into()))
}

/// What a subscriber did not take in time, oldest first, at most 500
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook}/dead", tag = "webhooks", security(("token" = ["read"])),
    params(("webhook" = String, Path, description = "Its name"), DeadQuery),
    responses((status = 200, body = [DeadView]), (status = 404, body = Problem)))]
pub(super) async fn dead(
    State(api): State<Api>,
    Path(name): Path<String>,
    Params(query): Params<DeadQuery>,
) -> Result<Json<Vec<DeadView>>, Problem> {
    found(&api, &name).await?;
    let rows = api.control.store.dead_of_webhook(&name, query.after.unwrap_or(0), PAGE).await?;
    Ok(Json(rows.into_iter().map(DeadView::from).collect()))
}

/// Send dead letters once more: one, or all
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook}/dead/resend", tag = "webhooks", security(("token" = ["control"])), request_body = WhichDead,
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = DeadDone), (status = 404, body = Problem)))]
pub(super) async fn resend(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(WhichDead { seq }): JsonBody<WhichDead>,
) -> Result<Json<DeadDone>, Problem> {
    found(&api, &name).await?;
    let events = api.control.store.resend_dead(&name, seq, caller.by(), clock::now().at).await?;
    of_dead(&api, &name, seq, events)
}

/// Throw dead letters away: one, or all
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook}/dead/discard", tag = "webhooks", security(("token" = ["control"])), request_body = WhichDead,
    params(("webhook" = String, Path, description = "Its name")), responses((status = 200, body = DeadDone), (status = 404, body = Problem)))]
pub(super) async fn discard(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(WhichDead { seq }): JsonBody<WhichDead>,
) -> Result<Json<DeadDone>, Problem> {
    found(&api, &name).await?;
    let events = api.control.store.discard_dead(&name, seq, caller.by(), clock::now().at).await?;
    of_dead(&api, &name, seq, events)
}

fn of_dead(api: &Api, name: &str, seq: Option<i64>, events: u64) -> Result<Json<DeadDone>, Problem> {
    if let (0, Some(seq)) = (events, seq) {
        return Err(Problem::not_found("dead letter", &seq.to_string()));
    }
    api.control.webhooks.changed(name);
    Ok(Json(DeadDone { events }))
}
