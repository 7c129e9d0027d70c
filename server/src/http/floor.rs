//! Queues, agents and items.

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use tandem_switch::{floor::AgentState, id::ItemId, name::AgentName};
use tokio::time::timeout;

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    kept::Answer,
    problem::{JsonBody, Path, Problem, id},
    view::{AgentView, ItemStoryView, ItemView, QueueDetail, QueueView, StateChange},
};

/// Characters of a reason, at most.
const MAX_REASON: usize = 64;
/// How long a question about an item waits for what is on its way to the database.
const COMMIT_PATIENCE: Duration = Duration::from_secs(1);

/// All queues
#[utoipa::path(get, path = "/api/v1/queues", tag = "floor", security(("token" = ["read"])), responses((status = 200, body = [QueueView])))]
pub(super) async fn queues(State(api): State<Api>) -> Result<Json<Vec<QueueView>>, Problem> {
    let floor = api.control.ask(ControlRequest::Floor).await?;
    Ok(Json(floor.queues.iter().map(QueueView::from).collect()))
}

/// One queue and who waits in it, the next one first
#[utoipa::path(get, path = "/api/v1/queues/{queue}", tag = "floor", security(("token" = ["read"])),
    params(("queue" = String, Path, description = "Its name")),
    responses((status = 200, body = QueueDetail), (status = 404, body = Problem)))]
pub(super) async fn queue(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<QueueDetail>, Problem> {
    let floor = api.control.ask(ControlRequest::Floor).await?;
    let queue =
        floor.queues.iter().find(|queue| queue.queue.as_str() == name).ok_or_else(|| Problem::not_found("queue", &name))?;
    let items = floor.items.iter().filter(|item| item.queue.as_str() == name).map(|item| ItemView::new(item, floor.at));
    Ok(Json(QueueDetail { queue: QueueView::from(queue), items: items.collect() }))
}

/// All agents
#[utoipa::path(get, path = "/api/v1/agents", tag = "floor", security(("token" = ["read"])), responses((status = 200, body = [AgentView])))]
pub(super) async fn agents(State(api): State<Api>) -> Result<Json<Vec<AgentView>>, Problem> {
    let floor = api.control.ask(ControlRequest::Floor).await?;
    Ok(Json(floor.agents.iter().map(AgentView::from).collect()))
}

/// One agent
#[utoipa::path(get, path = "/api/v1/agents/{agent}", tag = "floor", security(("token" = ["read"])),
    params(("agent" = String, Path, description = "Their name: the extension of their device")),
    responses((status = 200, body = AgentView), (status = 404, body = Problem)))]
pub(super) async fn agent(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<AgentView>, Problem> {
    let floor = api.control.ask(ControlRequest::Floor).await?;
    let agent = floor.agents.iter().find(|agent| agent.agent.as_str() == name);
    agent.map(|agent| Json(AgentView::from(agent))).ok_or_else(|| Problem::not_found("agent", &name))
}

/// Change an agent's state
///
/// Signs in or out, makes ready or not ready. In a conversation, sign-out and not-ready come after it and its wrap-up.
#[utoipa::path(put, path = "/api/v1/agents/{agent}/state", tag = "floor", security(("token" = ["control"])),
    params(("agent" = String, Path, description = "Their name: the extension of their device")), request_body = StateChange,
    responses((status = 200, body = AgentView), (status = 202, description = "Done; not in the database yet", body = AgentView), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn put_agent_state(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    JsonBody(change): JsonBody<StateChange>,
) -> Result<Answer<AgentView>, Problem> {
    if let StateChange::NotReady { reason } = &change {
        let fits = !reason.trim().is_empty() && reason.chars().count() <= MAX_REASON && !reason.chars().any(char::is_control);
        if !fits {
            let todo = format!("give a reason of 1 to {MAX_REASON} characters on one line");
            return Err(Problem::bad("the reason does not fit").at("body.reason").todo(todo));
        }
    }
    let begins = change == StateChange::SignIn;
    let more = change == StateChange::MoreWrapUp;
    let off_duty_is_right = change == StateChange::SignOut;
    let agent = AgentName::from(name.as_str());
    let answer = api.control.ask(|reply| ControlRequest::Agent { agent, request: change.into(), reply }).await?;
    let agent = answer.ok_or_else(|| Problem::not_found("agent", &name).todo("give the person a queue: `tandem user set`"))?;
    if more && !matches!(agent.state, AgentState::WrapUp { .. }) {
        let todo = "ask for it while they wrap up a conversation";
        return Err(Problem::new(StatusCode::CONFLICT, "the agent does no paperwork now").todo(todo));
    }
    if agent.state == AgentState::Offline && !off_duty_is_right {
        let (detail, todo) = match begins {
            true => ("the agent could not sign in", "register their device first, or give them a fixed one"),
            false => ("the agent is off duty", "sign them in first"),
        };
        return Err(Problem::new(StatusCode::CONFLICT, detail).todo(todo));
    }
    api.audit(&caller, "agent-state-changed", name);
    Ok(api.kept(AgentView::from(&agent)).await)
}

/// Change an agent's state
///
/// The same as `PUT`.
#[utoipa::path(post, path = "/api/v1/agents/{agent}/state", tag = "floor", security(("token" = ["control"])),
    params(("agent" = String, Path, description = "Their name: the extension of their device")), request_body = StateChange,
    responses((status = 200, body = AgentView), (status = 202, description = "Done; not in the database yet", body = AgentView), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn post_agent_state(
    state: State<Api>,
    caller: Extension<Caller>,
    name: Path<String>,
    change: JsonBody<StateChange>,
) -> Result<Answer<AgentView>, Problem> {
    put_agent_state(state, caller, name, change).await
}

/// Why an item was given to whom, or why it still waits
#[utoipa::path(get, path = "/api/v1/items/{item}/why", tag = "floor", security(("token" = ["read"])),
    params(("item" = String, Path, description = "Its identifier")),
    responses((status = 200, body = ItemStoryView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn why(State(api): State<Api>, Path(item): Path<String>) -> Result<Json<ItemStoryView>, Problem> {
    let id: ItemId = id(&item)?;
    let store = &api.control.store;
    let mut story = store.why(id).await?;
    if story.is_none() && timeout(COMMIT_PATIENCE, api.control.writer.flush()).await.is_ok() {
        // It may have come in just now: what the floor knows is told once it is written.
        story = store.why(id).await?;
    }
    let story = story.ok_or_else(|| Problem::not_found("item", &item))?;
    // What is stored is told even when the floor is too busy to add to it.
    let now = match story.state.as_str() {
        "waiting" => api.control.ask(|reply| ControlRequest::WhyWaiting { item: id, reply }).await.ok().flatten(),
        _ => None,
    };
    Ok(Json(ItemStoryView::new(story, now)))
}
