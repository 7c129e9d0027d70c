//! Programs that hear a call: named in the plan, started and stopped here.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::{id::CallId, step::Sides};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    control::{ControlRequest, StreamAnswer},
    problem::{JsonBody, Path, Problem, id},
    view::Done,
};
use crate::wire::calls::KeptFork;

/// Whom a program hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeardSides {
    /// The party that the call is for, and whom they talk to.
    #[default]
    Both,
    /// The first of them.
    Caller,
    /// The second.
    Agent,
}

/// Which program is to hear the call, and what of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamOrder {
    /// An `audio-stream` of the plan.
    pub stream: String,
    /// Both unless said.
    #[serde(default)]
    pub sides: HeardSides,
    /// Samples a second, 8000 or 16000; as the plan has it unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

/// Let a program hear a call
///
/// The program is one that the plan names: no address is taken from here. It hears the call until that ends, the program
/// is stopped, or fails. The call does not wait for it.
#[utoipa::path(post, path = "/api/v1/calls/{call}/stream", tag = "calls", security(("token" = ["control"])),
    params(("call" = String, Path, description = "Its identifier")), request_body = StreamOrder,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn stream(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
    JsonBody(order): JsonBody<StreamOrder>,
) -> Result<Json<Done>, Problem> {
    let id: CallId = id(&call)?;
    if order.rate.is_some_and(|rate| !matches!(rate, 8_000 | 16_000)) {
        return Err(Problem::bad("a rate is 8000 or 16000".to_owned()).at("body.rate"));
    }
    let sides = match order.sides {
        HeardSides::Both => Sides::Both,
        HeardSides::Caller => Sides::Caller,
        HeardSides::Agent => Sides::Agent,
    };
    let wanted = KeptFork { program: order.stream.as_str().into(), sides, rate_hz: order.rate };
    settle(&api, &caller, (id, call), (Some(wanted), &order.stream), "stream-started").await
}

/// Stop the program that hears a call
#[utoipa::path(delete, path = "/api/v1/calls/{call}/stream", tag = "calls", security(("token" = ["control"])),
    params(("call" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn end_stream(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
) -> Result<Json<Done>, Problem> {
    let id: CallId = id(&call)?;
    settle(&api, &caller, (id, call), (None, ""), "stream-stopped").await
}

async fn settle(
    api: &Api,
    caller: &Caller,
    (id, call): (CallId, String),
    (wanted, name): (Option<KeptFork>, &str),
    done: &'static str,
) -> Result<Json<Done>, Problem> {
    let conflict = |detail| Err(Problem::new(StatusCode::CONFLICT, detail));
    match api.control.ask(|reply| ControlRequest::Stream { call: id, wanted, reply }).await? {
        StreamAnswer::NoCall => Err(Problem::not_found("call that is up", &call)),
        StreamAnswer::NoProgram => Err(Problem::not_found("audio-stream of the plan", name).at("body.stream")),
        StreamAnswer::Running => conflict("a program hears this call already"),
        StreamAnswer::NotRunning => conflict("no program hears this call"),
        StreamAnswer::TooMany => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are as many audio streams as there may be"))
        }
        StreamAnswer::Done => {
            api.audit(caller, done, format!("{call} {name}").trim_end().to_owned());
            Ok(Json(Done { done: true }))
        }
    }
}
