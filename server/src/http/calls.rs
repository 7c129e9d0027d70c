//! Calls that are up, and the records of those that are over.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::id::CallId;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    access::is_theirs,
    auth::Caller,
    control::ControlRequest,
    problem::{JsonBody, Params, Path, Problem, id},
    view::{At, CallDetail, CallView, CdrPage, CdrView, Done, ParkedView},
};
use crate::store::CdrFilter;

/// Rows of a page when none are asked for, and at most.
pub(super) const PAGE: u32 = 50;
pub(super) const MAX_PAGE: u32 = 500;

/// All calls that are up
///
/// For agents, those of their own.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", security(("token" = ["read"])), responses((status = 200, body = [CallView])))]
pub(super) async fn calls(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Json<Vec<CallView>>, Problem> {
    let mut calls = api.control.ask(ControlRequest::Calls).await?;
    if let Some(agent) = caller.own() {
        calls.retain(|call| is_theirs(call, agent));
    }
    calls.sort_by(|a, b| a.call.cmp(&b.call));
    name(&api, &mut calls).await;
    Ok(Json(calls))
}

/// Who is parked in which slot
#[utoipa::path(get, path = "/api/v1/parked", tag = "calls", security(("token" = ["read"])), responses((status = 200, body = [ParkedView])))]
pub(super) async fn parked(State(api): State<Api>) -> Result<Json<Vec<ParkedView>>, Problem> {
    Ok(Json(api.control.ask(ControlRequest::Parked).await?))
}

/// One call, up or over
#[utoipa::path(get, path = "/api/v1/calls/{call}", tag = "calls", security(("token" = ["read"])),
    params(("call" = String, Path, description = "Its identifier")),
    responses((status = 200, body = CallDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn call(State(api): State<Api>, Path(call): Path<String>) -> Result<Json<CallDetail>, Problem> {
    let id: CallId = id(&call)?;
    if let Some(record) = api.control.store.cdr(id).await? {
        return Ok(Json(CallDetail::Ended(CdrView::from(record))));
    }
    let mut live = api.control.ask(ControlRequest::Calls).await?;
    live.retain(|live| live.call == call);
    name(&api, &mut live).await;
    live.pop().map(|live| Json(CallDetail::Live(live))).ok_or_else(|| Problem::not_found("call", &call))
}

/// Says who is outside, as far as is certain.
async fn name(api: &Api, calls: &mut [CallView]) {
    let named = api.control.beside.named(calls.iter().filter_map(|live| live.call.parse().ok()).collect()).await;
    for live in calls {
        let known = live.call.parse().ok().and_then(|call: CallId| named.get(&call));
        (live.customer, live.customer_name) = known.map(|(customer, name)| (customer.to_string(), name.clone())).unzip();
    }
}

/// End a call
#[utoipa::path(post, path = "/api/v1/calls/{call}/hangup", tag = "calls", security(("token" = ["control"])),
    params(("call" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn hangup(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
) -> Result<Json<Done>, Problem> {
    let id: CallId = id(&call)?;
    if !api.control.ask(|reply| ControlRequest::Hangup { call: id, reply }).await? {
        return Err(Problem::not_found("call that is up", &call));
    }
    api.audit(&caller, "call-hung-up", call);
    Ok(Json(Done { done: true }))
}

/// What a recording is to do.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "action")]
pub enum RecordingOrder {
    /// Silence from now on: card numbers.
    Pause,
    /// Audio again.
    Resume,
}

/// Pause or resume the recording of a call
///
/// While it pauses, silence is recorded and no sample of what is said, through hold, transfers and restarts, until it is
/// resumed or the call is over.
#[utoipa::path(post, path = "/api/v1/calls/{call}/recording", tag = "calls", security(("token" = ["control"])),
    params(("call" = String, Path, description = "Its identifier")), request_body = RecordingOrder,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn recording(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
    JsonBody(order): JsonBody<RecordingOrder>,
) -> Result<Json<Done>, Problem> {
    let id: CallId = id(&call)?;
    let paused = matches!(order, RecordingOrder::Pause);
    match api.control.ask(|reply| ControlRequest::PauseRecording { call: id, paused, reply }).await? {
        None => Err(Problem::not_found("call that is up", &call)),
        Some(false) => Err(Problem::new(StatusCode::CONFLICT, "the call is not recorded now")),
        Some(true) => {
            api.audit(&caller, if paused { "recording-paused" } else { "recording-resumed" }, call);
            Ok(Json(Done { done: true }))
        }
    }
}

/// Which CDRs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CdrQuery {
    /// Started then or later, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<At>,
    /// Started before, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<At>,
    /// Caller's or dialled number, whole.
    number: Option<String>,
    /// Waited in this queue.
    queue: Option<String>,
    /// This agent talked.
    agent: Option<String>,
    /// Ended with this cause (`no-answer`).
    cause: Option<String>,
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows at most: 1 to 500, 50 unless said.
    limit: Option<u32>,
}

/// Records of calls that are over, newest first
///
/// For agents, those in which they talked last.
#[utoipa::path(get, path = "/api/v1/cdrs", tag = "calls", security(("token" = ["read"])), params(CdrQuery),
    responses((status = 200, body = CdrPage), (status = 400, body = Problem)))]
pub(super) async fn cdrs(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<CdrQuery>,
) -> Result<Json<CdrPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let filter = CdrFilter {
        from_at: query.from.map(|at| at.0),
        to_at: query.to.map(|at| at.0),
        number: query.number,
        queue: query.queue.map(Into::into),
        agent: caller.own().cloned().or_else(|| query.agent.map(Into::into)),
        cause: query.cause,
        before: query.before.as_deref().map(id).transpose()?,
    };
    let cdrs: Vec<CdrView> = api.control.store.cdrs(&filter, limit).await?.into_iter().map(CdrView::from).collect();
    let full = cdrs.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = full.then(|| cdrs.last().map(|last| last.call.clone())).flatten();
    Ok(Json(CdrPage { cdrs, next }))
}
