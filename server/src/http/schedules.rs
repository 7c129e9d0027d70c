//! Schedules: whether they are open now, and their emergency switches.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_dialplan::Override;
use tandem_switch::{name::ScheduleName, time::Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    control::{ControlRequest, TurnAnswer},
    problem::{JsonBody, Params, Path, Problem},
    view::At,
};
use crate::{clock, store::ScheduleTurned};

/// Characters of a reason at most.
const MAX_WHY: usize = 200;
/// A switch may be turned for so long at most, in seconds: ten years.
const MAX_FOR_S: u64 = 315_360_000;
/// How long the database may take to keep a switch before whoever turned it is told that it has not.
const KEEPING: Duration = Duration::from_secs(5);

/// A schedule as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    /// Its name.
    pub schedule: String,
    /// Open or closed; absent when the plan in service has no such schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Why, in a sentence.
    pub why: String,
    /// Its emergency switch, when that is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch: Option<SwitchView>,
    /// Its next openings and closings, as they will be while its switch is off.
    pub next: Vec<TransitionView>,
}

impl ScheduleView {
    /// One that neither the plan nor a switch knows any more.
    pub(crate) fn gone(schedule: &ScheduleName) -> Self {
        let why = "the plan in service has no such schedule".to_owned();
        Self { schedule: schedule.to_string(), open: None, why, switch: None, next: Vec::new() }
    }
}

/// What a switch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchSays {
    /// Open, whatever the hours.
    ForceOpen,
    /// Closed, whatever the hours.
    ForceClosed,
}

/// An emergency switch that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SwitchView {
    /// What it says.
    pub says: SwitchSays,
    /// Who turned it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it was turned.
    pub at: At,
    /// When it turns itself back; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<At>,
}

impl SwitchView {
    /// The one that was turned on.
    pub(crate) fn of(turned: &ScheduleTurned) -> Option<Self> {
        let says = match turned.says? {
            Override::ForceOpen => SwitchSays::ForceOpen,
            Override::ForceClosed => SwitchSays::ForceClosed,
        };
        let (by, why) = (turned.by.clone(), turned.why.clone());
        Some(Self { says, by, why, at: At(turned.at), until: turned.until.map(At) })
    }
}

/// A moment at which a schedule opens or closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransitionView {
    /// When.
    pub at: At,
    /// Opens (`true`) or closes.
    pub opens: bool,
    /// The same on the wall clock of the schedule: `Fri 2026-12-25 08:30 CET`.
    pub local: String,
}

/// How a switch is to be turned.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchOrder {
    /// What it is to say.
    pub says: SwitchSays,
    /// Why, for those who will ask: 200 characters at most.
    pub why: String,
    /// When it turns itself back; `for_s` may be given in its place. Until it is turned back unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<At>,
    /// After how many seconds it turns itself back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
}

/// How all schedules stand
///
/// Also those that are gone from the plan and whose emergency switch is still on.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "plan", security(("token" = ["read"])), responses((status = 200, body = [ScheduleView])))]
pub(super) async fn schedules(State(api): State<Api>) -> Result<Json<Vec<ScheduleView>>, Problem> {
    Ok(Json(api.control.ask(ControlRequest::Schedules).await?))
}

/// How a schedule stands
#[utoipa::path(get, path = "/api/v1/schedules/{schedule}", tag = "plan", security(("token" = ["read"])),
    params(("schedule" = String, Path, description = "Its name")),
    responses((status = 200, body = ScheduleView), (status = 404, body = Problem)))]
pub(super) async fn schedule(State(api): State<Api>, Path(schedule): Path<String>) -> Result<Json<ScheduleView>, Problem> {
    let all = api.control.ask(ControlRequest::Schedules).await?;
    all.into_iter().find(|view| view.schedule == schedule).map(Json).ok_or_else(|| no_schedule(&schedule))
}

/// Turn the emergency switch of a schedule
///
/// It takes effect for calls that are up too, with their next step. The answer comes when it is kept over a restart.
#[utoipa::path(put, path = "/api/v1/schedules/{schedule}/switch", tag = "plan", security(("token" = ["control"])),
    params(("schedule" = String, Path, description = "Its name")), request_body = SwitchOrder,
    responses((status = 200, body = ScheduleView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn turn(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(schedule): Path<String>,
    JsonBody(order): JsonBody<SwitchOrder>,
) -> Result<Json<ScheduleView>, Problem> {
    let SwitchOrder { says, why, until, for_s } = order;
    let at = clock::now().at;
    let says = match says {
        SwitchSays::ForceOpen => Override::ForceOpen,
        SwitchSays::ForceClosed => Override::ForceClosed,
    };
    let why = reason(&why, "body.why")?;
    if why.is_empty() {
        return Err(Problem::bad("a reason is needed").at("body.why").todo("say why, for those who will ask"));
    }
    let until = end(at, until, for_s)?;
    settle(&api, &caller, ScheduleTurned { schedule: schedule.into(), says: Some(says), by: caller.name(), why, at, until }).await
}

/// Why a switch is turned back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FollowQuery {
    /// In a few words, if at all.
    #[serde(default)]
    why: String,
}

/// Turn the emergency switch of a schedule back
///
/// From then on the schedule is followed again.
#[utoipa::path(delete, path = "/api/v1/schedules/{schedule}/switch", tag = "plan", security(("token" = ["control"])),
    params(("schedule" = String, Path, description = "Its name"), FollowQuery),
    responses((status = 200, body = ScheduleView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn follow(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(schedule): Path<String>,
    Params(query): Params<FollowQuery>,
) -> Result<Json<ScheduleView>, Problem> {
    let why = reason(&query.why, "query.why")?;
    let (by, at) = (caller.name(), clock::now().at);
    settle(&api, &caller, ScheduleTurned { schedule: schedule.into(), says: None, by, why, at, until: None }).await
}

async fn settle(api: &Api, caller: &Caller, turned: ScheduleTurned) -> Result<Json<ScheduleView>, Problem> {
    let (schedule, what) = (turned.schedule.clone(), turned.says.map_or("schedule-followed", Override::audited));
    match api.control.ask(|reply| ControlRequest::TurnSchedule { turned, reply }).await? {
        TurnAnswer::Done(view) => {
            api.audit(caller, what, schedule.as_str());
            match tokio::time::timeout(KEEPING, api.control.writer.flush()).await {
                Ok(Ok(())) => Ok(Json(*view)),
                _ => Err(Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the switch is turned, but the database has not kept it yet",
                )
                .todo("see /readyz and the log; until it is kept, a restart forgets it")),
            }
        }
        TurnAnswer::NoSchedule => Err(no_schedule(schedule.as_str())),
        TurnAnswer::NotTurned => Err(Problem::new(StatusCode::CONFLICT, "the emergency switch of this schedule is not on")),
        TurnAnswer::TooMany => Err(Problem::new(StatusCode::CONFLICT, "too many emergency switches are on")
            .todo("turn back those of schedules that are gone from the plan")),
        TurnAnswer::NotKept => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the switch is not turned: the queue of the database is full")
                .todo("try again in a moment; see /readyz if it stays so"))
        }
    }
}

fn no_schedule(name: &str) -> Problem {
    Problem::not_found("schedule", name).todo("GET /api/v1/schedules has their names")
}

/// A reason without anything that a terminal would obey.
fn reason(written: &str, place: &str) -> Result<String, Problem> {
    let why = written.trim();
    if why.chars().count() > MAX_WHY || why.chars().any(char::is_control) {
        return Err(Problem::bad(format!("a reason is one line of {MAX_WHY} characters at most")).at(place));
    }
    Ok(why.to_owned())
}

/// When a switch turns itself back.
fn end(now: Timestamp, until: Option<At>, for_s: Option<u64>) -> Result<Option<Timestamp>, Problem> {
    match (until, for_s) {
        (Some(_), Some(_)) => Err(Problem::bad("give `until` or `for_s`, not both").at("body.for_s")),
        (Some(until), None) if until.0 <= now => Err(Problem::bad("this moment is over").at("body.until")),
        (Some(until), None) => Ok(Some(until.0)),
        (None, Some(for_s)) if (1..=MAX_FOR_S).contains(&for_s) => Ok(Some(now.plus_ms(for_s * 1_000))),
        (None, Some(_)) => Err(Problem::bad(format!("expected 1 to {MAX_FOR_S} seconds")).at("body.for_s")),
        (None, None) => Ok(None),
    }
}
