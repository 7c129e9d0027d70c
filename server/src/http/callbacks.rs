//! Callbacks: who is called when it is their turn, and those that are asked for by API.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_dialplan::{BadWish, CallbackWhom, CallbackWish};
use tandem_switch::{
    floor::{self, ItemStage, NotPromised},
    id::{CustomerId, ItemId},
    time::Timestamp,
};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    kept::Answer,
    problem::{JsonBody, Params, Path, Problem, id},
    view::{At, Done, ItemView, SkillView},
};
use crate::{clock, customers::beside};

/// Characters of a reason, at most.
const MAX_REASON: usize = 64;

/// Somebody who is called back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallbackView {
    /// The item that waits.
    #[serde(flatten)]
    pub item: ItemView,
    /// They are not called before then.
    pub not_before: At,
}

impl CallbackView {
    /// As it is at `now`; `None` for an item with a caller on the line.
    #[must_use]
    pub fn of(item: &floor::ItemView, now: Timestamp) -> Option<Self> {
        let (_, not_before) = item.callback?;
        Some(Self { item: ItemView::new(item, now), not_before: At(not_before) })
    }
}

/// A callback that is asked for: by `number`, or by `extension`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCallback {
    /// Where the customer waits.
    pub queue: String,
    /// The customer's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The trunk that they are called by; that of the queue's `callback` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Whom to call inside, instead of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// The number of yours that they see, as far as the trunk's `caller-id` shows it.
    pub shown: String,
    /// What an agent must be able to do.
    #[serde(default)]
    pub skills: Vec<SkillView>,
    /// Minutes of waiting that they get ahead, up to 1440.
    #[serde(default)]
    pub priority_minutes: u32,
}

/// Why a callback is cancelled.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Cancelled {
    /// In at most 64 characters, for the audit.
    reason: String,
}

/// What is asked of the loops.
#[derive(Debug)]
pub enum CallbackRequest {
    /// Have somebody called back.
    Ask {
        /// Whom, and where they wait.
        wish: Box<CallbackWish>,
        /// Who they are, when it is certain.
        customer: Option<CustomerId>,
        /// The item that waits for them, and when it was looked at.
        reply: oneshot::Sender<Result<(floor::ItemView, Timestamp), NotAsked>>,
    },
    /// Cancel a callback. `false`: there is no such one.
    Drop {
        /// Which.
        item: ItemId,
        /// Whether it was there.
        reply: oneshot::Sender<bool>,
    },
}

/// Why a callback that was asked for is not promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAsked {
    /// The plan does not let it be.
    Bad(BadWish),
    /// The floor does not take it.
    Refused(NotPromised),
}

/// Everybody who is called back, queue by queue, the next one first
#[utoipa::path(get, path = "/api/v1/callbacks", tag = "floor", security(("token" = ["read"])), responses((status = 200, body = [CallbackView])))]
pub(super) async fn callbacks(State(api): State<Api>) -> Result<Json<Vec<CallbackView>>, Problem> {
    let floor = api.control.ask(ControlRequest::Floor).await?;
    let promised = floor.items.iter().filter(|item| item.stage != ItemStage::Engaged);
    Ok(Json(promised.filter_map(|item| CallbackView::of(item, floor.at)).collect()))
}

/// Have a customer called when it is their turn
///
/// They wait from now on, as if they had called; one callback of a number, and of a customer, at a time.
#[utoipa::path(post, path = "/api/v1/callbacks", tag = "floor", security(("token" = ["control"])), request_body = NewCallback,
    responses((status = 200, body = CallbackView), (status = 202, description = "Done; not in the database yet", body = CallbackView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn ask_callback(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewCallback>,
) -> Result<Answer<CallbackView>, Problem> {
    let NewCallback { queue, number, via, extension, shown, skills, priority_minutes } = new;
    let whom = match (number, extension) {
        (Some(number), None) => CallbackWhom::Number { number, via },
        (None, Some(extension)) if via.is_none() => CallbackWhom::Extension(extension),
        _ => {
            let todo = "give `number` (and `via` where the queue names no trunk), or `extension` alone";
            return Err(Problem::bad("either a number or an extension is called back").at("body").todo(todo));
        }
    };
    let (customers, now) = (&api.control.customers, clock::now().at);
    let customer = match &whom {
        CallbackWhom::Number { number, .. } => {
            // A database that is away is asked again when the agent is rung.
            let asked = tokio::time::timeout(beside::BUDGET, customers.not_called_back(number, now)).await;
            if let Ok(Ok(Some(why))) = asked {
                let todo = "end the suppression first, if the customer says so: `tandem customer consent list`";
                return Err(Problem::new(StatusCode::CONFLICT, format!("the number may not be called: it {why}")).todo(todo));
            }
            customers.caller(number, now).await
        }
        CallbackWhom::Extension(_) => None,
    };
    let skills = skills.iter().map(Into::into).collect();
    let wish = CallbackWish { queue, whom, shown, skills, priority_minutes };
    let answer =
        api.control.ask(|reply| ControlRequest::Callback(CallbackRequest::Ask { wish: Box::new(wish), customer, reply })).await?;
    let (item, at) = answer.map_err(not_asked)?;
    api.audit(&caller, "callback-asked", item.item.to_string());
    let unknown = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the switch did not keep the callback").todo("try again");
    Ok(api.kept(CallbackView::of(&item, at).ok_or_else(unknown)?).await)
}

fn not_asked(why: NotAsked) -> Problem {
    let conflict = |detail: String, todo: &str| Problem::new(StatusCode::CONFLICT, detail).todo(todo);
    match why {
        NotAsked::Bad(why) => Problem::bad(why.to_string()).at(&format!("body.{}", why.field())).todo(why.todo()),
        NotAsked::Refused(NotPromised::NoSuchQueue) => not_asked(NotAsked::Bad(BadWish::Queue)),
        NotAsked::Refused(NotPromised::Full) => {
            conflict("the queue is full".into(), "ask again later, or give the queue a larger `max-waiting`")
        }
        NotAsked::Refused(NotPromised::TooOften) => {
            let todo = "ask tomorrow (UTC), or give the queue's `callback` a larger `per-day`";
            conflict("this number has been promised as many callbacks as it may be in a day".into(), todo)
        }
        NotAsked::Refused(NotPromised::Promised(item)) => {
            let detail = format!("this number, or another one of the customer, is called back already, by item {item}");
            conflict(detail, "cancel that one first, or leave it")
        }
    }
}

/// Cancel a callback
///
/// Whoever rings or is called for it at that moment is not any more.
#[utoipa::path(delete, path = "/api/v1/callbacks/{item}", tag = "floor", security(("token" = ["control"])),
    params(("item" = String, Path, description = "Its identifier"), Cancelled),
    responses((status = 200, body = Done), (status = 202, description = "Done; not in the database yet", body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn cancel_callback(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    Params(Cancelled { reason }): Params<Cancelled>,
) -> Result<Answer<Done>, Problem> {
    let item: ItemId = id(&text)?;
    let fits = !reason.trim().is_empty() && reason.chars().count() <= MAX_REASON && !reason.chars().any(char::is_control);
    if !fits {
        let todo = format!("give a reason of 1 to {MAX_REASON} characters on one line");
        return Err(Problem::bad("the reason does not fit").at("query.reason").todo(todo));
    }
    if !api.control.ask(|reply| ControlRequest::Callback(CallbackRequest::Drop { item, reply })).await? {
        return Err(Problem::not_found("callback", &text).todo("see `tandem callbacks` for those that there are"));
    }
    api.audit(&caller, "callback-cancelled", format!("{item}: {reason}"));
    Ok(api.kept(Done { done: true }).await)
}
