//! A waiting item moves ahead or back in its queue, within the queue's bound and for a reason that is kept.

use axum::{Extension, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    floor::{self, NotPrioritised},
    id::ItemId,
    time::Timestamp,
};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    kept::Answer,
    problem::{JsonBody, Path, Problem, id},
    view::ItemView,
};

/// Characters of a reason, at most.
const MAX_REASON: usize = 200;

/// Where an item is to stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriorityChange {
    /// Minutes of virtual waiting ahead, from now on: 0 up to the queue's `max-priority`.
    pub minutes: u32,
    /// Why, in at most 200 characters on one line.
    pub reason: String,
}

/// What is asked of the floor.
#[derive(Debug)]
pub struct PriorityRequest {
    /// Which item.
    pub item: ItemId,
    /// Minutes ahead.
    pub minutes: u32,
    /// Why.
    pub reason: String,
    /// How it stands afterwards, and when it was looked at.
    pub reply: oneshot::Sender<Result<(floor::ItemView, Timestamp), NotPrioritised>>,
}

/// Move a waiting item ahead or back
///
/// It keeps its waiting time; the minutes are added to it wherever items are compared.
#[utoipa::path(put, path = "/api/v1/items/{item}/priority", tag = "floor", security(("token" = ["control"])),
    params(("item" = String, Path, description = "Its identifier")), request_body = PriorityChange,
    responses((status = 200, body = ItemView), (status = 202, description = "Done; not in the database yet", body = ItemView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(super) async fn prioritise(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    JsonBody(change): JsonBody<PriorityChange>,
) -> Result<Answer<ItemView>, Problem> {
    let item: ItemId = id(&text)?;
    let PriorityChange { minutes, reason } = change;
    let fits = !reason.trim().is_empty() && reason.chars().count() <= MAX_REASON && !reason.chars().any(char::is_control);
    if !fits {
        let todo = format!("give a reason of 1 to {MAX_REASON} characters on one line");
        return Err(Problem::bad("the reason does not fit").at("body.reason").todo(todo));
    }
    let why = reason.clone();
    let ask = |reply| ControlRequest::Priority(PriorityRequest { item, minutes, reason, reply });
    let (view, at) = api.control.ask(ask).await?.map_err(|refused| match refused {
        NotPrioritised::NoSuchItem => Problem::not_found("item", &text).todo("see `tandem queue show` for those who wait"),
        NotPrioritised::NotWaiting => {
            Problem::new(StatusCode::CONFLICT, "the item does not wait").todo("only who waits can be moved ahead")
        }
        NotPrioritised::TooMuch(most) => Problem::bad(format!("the queue allows {most} minutes at most"))
            .at("body.minutes")
            .todo("give fewer, or give the queue a larger `max-priority`"),
    })?;
    api.audit(&caller, "item-prioritised", format!("{item}: {minutes} min: {why}"));
    Ok(api.kept(ItemView::new(&view, at)).await)
}
