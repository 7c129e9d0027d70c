//! The CRM that is asked about a number when a call comes.

use std::collections::BTreeMap;

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::customers::Identity;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    problem::{JsonBody, Problem},
    view::{At, Done},
};
use crate::{
    clock,
    lookup::{Looked, MOST_FIELDS, NUMBER},
    outgoing::{check_url, shown_url},
    store::LookupTerms,
};

const WAIT_MS: u64 = 100;
const LIMIT_MS: u64 = 2_000;
const KEEP_S: u64 = 300;
/// What is not on the screen by then comes later: that is what a screen has for everything together.
const LONGEST_WAIT_MS: u64 = 150;
const LONGEST_LIMIT_MS: u64 = 10_000;
const LONGEST_KEEP_S: u64 = 24 * 60 * 60;
const MAX_NAME: usize = 64;

/// How a CRM is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLookup {
    /// Where: https, or http to a network that `tandem serve --reach` names. Of a GET with `{number}` in it.
    pub url: String,
    /// By POST with `{"v":1,"number":"+39…"}`; else by GET.
    #[serde(default)]
    pub post: bool,
    /// What it wants of whoever asks, sent as a bearer token. The one that is kept already stays, unless `""` is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Names of what is shown, and where each stands in the answer, as a JSON pointer. None: all words and numbers at its top.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// A screen waits so long for it: 10 to 150 ms, 100 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// It may take so long at all, and is shown late then: up to 10 s, 2 s unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
    /// An answer holds so long: up to a day, 300 s unless said; 0: it is asked each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_s: Option<u64>,
}

/// How a CRM is asked, and whether it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookupView {
    /// Where, without its query, which may hold a key.
    pub url: String,
    /// By POST.
    pub post: bool,
    /// It is sent a token.
    pub has_token: bool,
    /// What is shown.
    pub fields: BTreeMap<String, String>,
    /// A screen waits so long.
    pub wait_ms: u64,
    /// It may take so long.
    pub limit_ms: u64,
    /// An answer holds so long.
    pub keep_s: u64,
    /// It failed too often, and is left alone until then.
    pub rests_until: Option<At>,
}

/// What a CRM says of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookedView {
    /// Names and values; empty: it knows nobody.
    pub fields: BTreeMap<String, String>,
    /// It said so before, and was not asked again.
    pub kept: bool,
    /// How long it took, in ms.
    pub took_ms: u64,
}

impl From<&Looked> for LookedView {
    fn from(looked: &Looked) -> Self {
        Self { fields: looked.fields.clone(), kept: looked.is_kept, took_ms: looked.took_ms }
    }
}

/// Whom to ask about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupTest {
    /// Their number, as a carrier would show it.
    pub number: String,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookupTested {
    /// The number that was asked about.
    pub number: String,
    /// What it said.
    pub looked: Option<LookedView>,
    /// Why it said nothing.
    pub error: Option<String>,
}

/// All routes.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(lookup, put_lookup, delete_lookup)).routes(routes!(test_lookup))
}

fn off() -> Problem {
    Problem::not_found("lookup", "crm").todo("`tandem lookup set URL` makes one")
}

async fn shown(api: &Api) -> Result<Json<LookupView>, Problem> {
    let LookupTerms { url, is_post, token, fields, wait_ms, limit_ms, keep_s } =
        api.control.store.lookup().await?.ok_or_else(off)?;
    let rests_until = api.control.lookups.rests_until(clock::now().at).map(At);
    let (url, has_token) = (shown_url(&url), token.is_some());
    Ok(Json(LookupView { url, post: is_post, has_token, fields, wait_ms, limit_ms, keep_s, rests_until }))
}

/// The CRM that is asked about a number when a call comes
#[utoipa::path(get, path = "/api/v1/lookup", tag = "webhooks", security(("token" = ["read"])),
    responses((status = 200, body = LookupView), (status = 404, body = Problem)))]
pub(super) async fn lookup(State(api): State<Api>) -> Result<Json<LookupView>, Problem> {
    shown(&api).await
}

/// Ask a CRM about each number from now on
#[utoipa::path(put, path = "/api/v1/lookup", tag = "webhooks", security(("token" = ["admin"])), request_body = NewLookup,
    responses((status = 200, body = LookupView), (status = 400, body = Problem)))]
pub(super) async fn put_lookup(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewLookup>,
) -> Result<Json<LookupView>, Problem> {
    let mut terms = checked(new)?;
    match &terms.token {
        // Whoever points it elsewhere may not take the token along.
        None => {
            let before = api.control.store.lookup().await?.filter(|before| host(&before.url) == host(&terms.url));
            terms.token = before.and_then(|before| before.token);
        }
        Some(token) if token.expose().is_empty() => terms.token = None,
        Some(_) => {}
    }
    api.control.store.put_lookup(&terms, caller.by(), clock::now().at).await?;
    api.control.lookups.set(Some(terms));
    shown(&api).await
}

/// Scheme, host and port.
fn host(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn checked(new: NewLookup) -> Result<LookupTerms, Problem> {
    let NewLookup { url, post, token, fields, wait_ms, limit_ms, keep_s } = new;
    // The braces of the number are none of a URL: the rest has to be one.
    let todo = "give one like https://crm.example/by-number?phone={number}";
    check_url(&url.replace(NUMBER, "0")).map_err(|why| Problem::bad(why).at("body.url").todo(todo))?;
    if !post
        && !url.split_once("://").is_some_and(|(_, rest)| rest.split_once('/').is_some_and(|(_, path)| path.contains(NUMBER)))
    {
        return Err(Problem::bad("the number stands nowhere in the path or query of the URL").at("body.url").todo(todo));
    }
    if token.as_deref().is_some_and(|token| token.len() > 4_096 || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Problem::bad("the token holds what no header can").at("body.token"));
    }
    let is_name = |name: &str| !name.is_empty() && name.chars().count() <= MAX_NAME && !name.contains(char::is_control);
    let is_place = |place: &str| place.starts_with('/') && place.len() <= 256;
    if fields.len() > MOST_FIELDS || !fields.iter().all(|(name, place)| is_name(name) && is_place(place)) {
        let todo = "give up to 32 names of up to 64 characters, each with a JSON pointer like /contact/name";
        return Err(Problem::bad("the fields do not fit").at("body.fields").todo(todo));
    }
    let within = |name: &str, value: u64, (least, most): (u64, u64)| {
        let fits = (least..=most).contains(&value);
        fits.then_some(value).ok_or_else(|| Problem::bad(format!("{name} is {least} to {most}")).at(&format!("body.{name}")))
    };
    Ok(LookupTerms {
        wait_ms: within("wait_ms", wait_ms.unwrap_or(WAIT_MS), (10, LONGEST_WAIT_MS))?,
        limit_ms: within("limit_ms", limit_ms.unwrap_or(LIMIT_MS), (10, LONGEST_LIMIT_MS))?,
        keep_s: within("keep_s", keep_s.unwrap_or(KEEP_S), (0, LONGEST_KEEP_S))?,
        url,
        is_post: post,
        token: token.map(Into::into),
        fields,
    })
}

/// Ask no CRM any more
#[utoipa::path(delete, path = "/api/v1/lookup", tag = "webhooks", security(("token" = ["admin"])),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn delete_lookup(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Json<Done>, Problem> {
    api.control.store.lookup().await?.ok_or_else(off)?;
    api.control.store.remove_lookup(caller.by(), clock::now().at).await?;
    api.control.lookups.set(None);
    Ok(Json(Done { done: true }))
}

/// Ask the CRM about a number now
#[utoipa::path(post, path = "/api/v1/lookup/test", tag = "webhooks", security(("token" = ["admin"])), request_body = LookupTest,
    responses((status = 200, body = LookupTested), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn test_lookup(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(LookupTest { number }): JsonBody<LookupTest>,
) -> Result<Json<LookupTested>, Problem> {
    let identity = Identity::of_caller(&number, api.control.customers.country())
        .ok_or_else(|| Problem::bad("this is no number of somebody outside").at("body.number"))?;
    api.control.lookups.wait().ok_or_else(off)?;
    let number = identity.value().to_owned();
    api.audit(&caller, "lookup-tested", number.clone());
    let asked = api.control.lookups.ask(&number).await;
    let (looked, error) = (asked.as_ref().ok().map(LookedView::from), asked.as_ref().err().map(ToString::to_string));
    Ok(Json(LookupTested { number, looked, error }))
}
