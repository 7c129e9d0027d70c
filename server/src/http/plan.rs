//! The dialplan in service.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    generations,
    plan_order::{PlanOrder, PlanTask},
    problem::{Params, Problem},
    view::{At, PlanProblem, PlanView, RouteExplanation},
};

/// The plan in service
#[utoipa::path(get, path = "/api/v1/plan", tag = "plan", security(("token" = ["read"])), responses((status = 200, body = PlanView)))]
pub(super) async fn plan(State(api): State<Api>) -> Result<Json<PlanView>, Problem> {
    Ok(Json(api.control.ask(ControlRequest::Plan).await?))
}

/// A plan that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct PlanRefused {
    #[serde(flatten)]
    problem: Problem,
    /// Every error and warning.
    problems: Vec<PlanProblem>,
}

impl PlanRefused {
    pub(super) fn response(problems: Vec<PlanProblem>) -> Response {
        let detail = "the plan holds errors; the one in service stays";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).todo("correct them and try again");
        let mut response = Json(Self { problem, problems }).into_response();
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        response
    }
}

/// Read the plan again
///
/// Takes it into service when it holds no error; calls that are up keep theirs. Otherwise the old one stays.
#[utoipa::path(post, path = "/api/v1/plan/reload", tag = "plan", security(("token" = ["admin"])),
    responses((status = 200, body = PlanView), (status = 422, body = PlanRefused)))]
pub(super) async fn reload(State(api): State<Api>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let order = |reply| ControlRequest::ChangePlan(PlanOrder::new(caller.name(), PlanTask::Reload, reply));
    match api.control.ask_slow(order).await? {
        Ok(applied) => {
            api.audit(&caller, "plan-reloaded", applied.plan.generation.to_string());
            Ok(Json(applied.plan).into_response())
        }
        Err(why) => generations::refused(why),
    }
}

/// Which call.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplainQuery {
    /// The dialled number.
    to: String,
    /// The caller's number.
    from: String,
    /// When, RFC 3339; now unless said.
    #[param(value_type = Option<String>, format = DateTime)]
    at: Option<At>,
}

/// Which route a call would take, and why not the earlier ones
#[utoipa::path(get, path = "/api/v1/explain", tag = "plan", security(("token" = ["read"])), params(ExplainQuery),
    responses((status = 200, body = RouteExplanation), (status = 400, body = Problem)))]
pub(super) async fn explain(
    State(api): State<Api>,
    Params(query): Params<ExplainQuery>,
) -> Result<Json<RouteExplanation>, Problem> {
    let ExplainQuery { to, from, at } = query;
    let answer = api.control.ask(|reply| ControlRequest::Explain { to, from, at: at.map(|at| at.0), reply }).await?;
    answer.map(Json).map_err(|sentence| Problem::bad(sentence).at("query"))
}
