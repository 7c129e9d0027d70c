//! Rooms: who is in them, and what is done with that. Announcements into rooms and conversations.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    id::CallId,
    name::{Language, PromptName},
};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    control::{AnnounceAnswer, ControlRequest, Hearers, MemberOrder},
    problem::{JsonBody, Path, Problem, id},
    view::{ConferenceView, Done},
};

/// Longest name of a prompt, in letters.
const LONGEST_NAME: usize = 200;

/// Who hears an announcement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeardBy {
    /// The party that the call is for.
    Caller,
    /// Whom they talk to.
    Agent,
    /// Both.
    #[default]
    Both,
}

/// What is announced in a conversation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallAnnouncement {
    /// A recording of the plan or of those that ship, without language and ending: `please-hold`.
    pub prompt: String,
    /// Whose ears; both unless said.
    #[serde(default)]
    pub to: HeardBy,
    /// In which language; that of the call's plan unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What is announced in a room.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomAnnouncement {
    /// As in a conversation.
    pub prompt: String,
    /// In which language; for each member that of their plan unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// All rooms that somebody is in
#[utoipa::path(get, path = "/api/v1/conferences", tag = "calls", security(("token" = ["read"])), responses((status = 200, body = [ConferenceView])))]
pub(super) async fn conferences(State(api): State<Api>) -> Result<Json<Vec<ConferenceView>>, Problem> {
    Ok(Json(api.control.ask(ControlRequest::Conferences).await?))
}

/// Mute a member of a room
#[utoipa::path(post, path = "/api/v1/conferences/{room}/members/{call}/mute", tag = "calls", security(("token" = ["control"])),
    params(("room" = String, Path, description = "Its name"), ("call" = String, Path, description = "The member's call")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn mute(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(member): Path<(String, String)>,
) -> Result<Json<Done>, Problem> {
    order(&api, &caller, member, MemberOrder::Mute, "member-muted").await
}

/// Let a member of a room speak
#[utoipa::path(post, path = "/api/v1/conferences/{room}/members/{call}/unmute", tag = "calls", security(("token" = ["control"])),
    params(("room" = String, Path, description = "Its name"), ("call" = String, Path, description = "The member's call")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn unmute(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(member): Path<(String, String)>,
) -> Result<Json<Done>, Problem> {
    order(&api, &caller, member, MemberOrder::Unmute, "member-unmuted").await
}

/// Remove a member from a room: their call ends
#[utoipa::path(post, path = "/api/v1/conferences/{room}/members/{call}/remove", tag = "calls", security(("token" = ["control"])),
    params(("room" = String, Path, description = "Its name"), ("call" = String, Path, description = "The member's call")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(member): Path<(String, String)>,
) -> Result<Json<Done>, Problem> {
    order(&api, &caller, member, MemberOrder::Remove, "member-removed").await
}

async fn order(
    api: &Api,
    caller: &Caller,
    (room, call): (String, String),
    order: MemberOrder,
    what: &str,
) -> Result<Json<Done>, Problem> {
    let id: CallId = id(&call)?;
    let (name, subject) = (room.as_str().into(), format!("{room} {call}"));
    if !api.control.ask(|reply| ControlRequest::Member { room: name, call: id, order, reply }).await? {
        return Err(Problem::not_found("member of the room", &subject));
    }
    api.audit(caller, what, subject);
    Ok(Json(Done { done: true }))
}

/// Announce something in a conversation
///
/// Whoever it is for hears it over the other party, who is heard again when it is over, and recorded all the time.
#[utoipa::path(post, path = "/api/v1/calls/{call}/announce", tag = "calls", security(("token" = ["control"])),
    params(("call" = String, Path, description = "Its identifier")), request_body = CallAnnouncement,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn announce_to_call(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
    JsonBody(CallAnnouncement { prompt, to, language }): JsonBody<CallAnnouncement>,
) -> Result<Json<Done>, Problem> {
    let hearers = Hearers::Call { call: id(&call)?, caller: to != HeardBy::Agent, agent: to != HeardBy::Caller };
    let gone = Problem::not_found("call that is up", &call);
    announce(&api, &caller, (prompt, language), hearers, (call, gone)).await
}

/// Announce something in a room, to all its members
#[utoipa::path(post, path = "/api/v1/conferences/{room}/announce", tag = "calls", security(("token" = ["control"])),
    params(("room" = String, Path, description = "Its name")), request_body = RoomAnnouncement,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn announce_to_room(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(room): Path<String>,
    JsonBody(RoomAnnouncement { prompt, language }): JsonBody<RoomAnnouncement>,
) -> Result<Json<Done>, Problem> {
    let gone = Problem::not_found("room with somebody in it", &room);
    announce(&api, &caller, (prompt, language), Hearers::Room(room.as_str().into()), (room, gone)).await
}

async fn announce(
    api: &Api,
    caller: &Caller,
    (prompt, language): (String, Option<String>),
    to: Hearers,
    (subject, gone): (String, Problem),
) -> Result<Json<Done>, Problem> {
    if prompt.is_empty() || prompt.len() > LONGEST_NAME {
        return Err(Problem::bad(format!("a prompt has a name of 1 to {LONGEST_NAME} letters")).at("body.prompt"));
    }
    let name = PromptName::from(prompt.as_str());
    let language = language.map(|language| Language::from(language.as_str()));
    match api.control.ask(|reply| ControlRequest::Announce { prompt: name, language, to, reply }).await? {
        AnnounceAnswer::NotThere => Err(gone),
        AnnounceAnswer::NoPrompt => Err(Problem::not_found("prompt", &prompt).at("body.prompt")),
        AnnounceAnswer::NotTalking => {
            let todo = "announce when two talk and nobody holds";
            Err(Problem::new(StatusCode::CONFLICT, "in this call nobody talks to anybody now").todo(todo))
        }
        AnnounceAnswer::Done => {
            api.audit(caller, "announced", format!("{subject} {prompt}"));
            Ok(Json(Done { done: true }))
        }
    }
}
