//! Voice messages: their list, their audio by identifier only, and what becomes of them.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use tandem_switch::id::RecordingId;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    calls::{MAX_PAGE, PAGE},
    control::ControlRequest,
    problem::{JsonBody, Params, Path, Problem, id},
    recordings::{blocking, serve_audio, unreadable},
    view::{At, Done},
};
use crate::{
    clock,
    recordings::file::{Audio, below, open_below},
    store::{MessageFilter, MessageRow, MessageState, Record},
};

/// A voice message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageView {
    /// Which.
    pub message: String,
    /// The box that it lies in.
    pub mailbox: String,
    /// The call that left it.
    pub call: String,
    /// Who spoke; empty for somebody who is not to be shown.
    pub from: String,
    /// `new` or `heard`.
    pub state: String,
    /// When it began.
    pub at: At,
    /// Its length, in ms.
    pub duration_ms: u64,
    /// Size of the audio.
    pub size_bytes: u64,
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<MessageView>,
    /// Give it as `before` to get the next page; absent on the last one.
    pub next: Option<String>,
}

impl From<MessageRow> for MessageView {
    fn from(row: MessageRow) -> Self {
        Self {
            message: row.message.to_string(),
            mailbox: row.mailbox.to_string(),
            call: row.call.to_string(),
            from: row.from.as_str().to_owned(),
            state: if row.state == MessageState::Heard { "heard" } else { "new" }.to_owned(),
            at: At(row.started_at),
            duration_ms: row.duration_ms.unwrap_or(0),
            size_bytes: row.size_bytes.unwrap_or(0),
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessageQuery {
    /// In this box.
    mailbox: Option<String>,
    /// `new` or `heard`.
    state: Option<WantedState>,
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows at most: 1 to 500, 50 unless said.
    limit: Option<u32>,
}

/// Whether a message was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WantedState {
    /// Not yet.
    New,
    /// It was.
    Heard,
}

/// What a message is to be.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageChange {
    /// Heard, or new again.
    pub state: WantedState,
}

/// Voice messages, newest first
#[utoipa::path(get, path = "/api/v1/messages", tag = "calls", security(("token" = ["read"])), params(MessageQuery),
    responses((status = 200, body = MessagePage), (status = 400, body = Problem)))]
pub(super) async fn messages(State(api): State<Api>, Params(query): Params<MessageQuery>) -> Result<Json<MessagePage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let state = query.state.map(|state| if state == WantedState::Heard { MessageState::Heard } else { MessageState::New });
    let before = query.before.as_deref().map(id).transpose()?;
    let rows = api.control.store.messages(&MessageFilter { mailbox: query.mailbox, state, before }, limit).await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = full.then(|| rows.last().map(|last| last.message.to_string())).flatten();
    Ok(Json(MessagePage { messages: rows.into_iter().map(MessageView::from).collect(), next }))
}

/// The audio of a voice message
///
/// WAV, stereo: whoever spoke is left, the right is silent. Takes one byte range (RFC 9110 section 14). It stays new until
/// it is said to be heard.
#[utoipa::path(get, path = "/api/v1/messages/{message}", tag = "calls", security(("token" = ["read"])),
    params(("message" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Vec<u8>, content_type = "audio/wav"), (status = 206, body = Vec<u8>, content_type = "audio/wav"),
        (status = 400, body = Problem), (status = 404, body = Problem), (status = 416, body = Problem)))]
pub(super) async fn message(
    State(api): State<Api>,
    Path(message): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = found(&api, &message).await?;
    let folder = api.control.messages.clone();
    let audio = blocking(move || Audio::open(open_below(&folder, &row.path)?, false, &[])).await.map_err(unreadable)?;
    serve_audio(&headers, audio, (&format!("{message}.wav"), "audio/wav")).await
}

/// Say that a voice message was heard, or is new
#[utoipa::path(patch, path = "/api/v1/messages/{message}", tag = "calls", security(("token" = ["control"])),
    params(("message" = String, Path, description = "Its identifier")), request_body = MessageChange,
    responses((status = 200, body = MessageView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn change_message(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(message): Path<String>,
    JsonBody(change): JsonBody<MessageChange>,
) -> Result<Json<MessageView>, Problem> {
    let row = found(&api, &message).await?;
    let heard = change.state == WantedState::Heard;
    let state = if heard { MessageState::Heard } else { MessageState::New };
    if row.state != state {
        let marked = Record::MessageMarked { message: row.message, mailbox: row.mailbox.clone(), heard, at: clock::now().at };
        api.control.store.commit(&[marked]).await?;
        api.audit(&caller, if heard { "message-heard" } else { "message-new" }, message);
    }
    api.control.tell(ControlRequest::Message { message: row.message, heard: Some(heard) })?;
    Ok(Json(MessageView::from(MessageRow { state, ..row })))
}

/// Delete a voice message
#[utoipa::path(delete, path = "/api/v1/messages/{message}", tag = "calls", security(("token" = ["control"])),
    params(("message" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn delete_message(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(message): Path<String>,
) -> Result<Json<Done>, Problem> {
    let row = found(&api, &message).await?;
    let (id, mailbox) = (row.message, row.mailbox.clone());
    if let Some(hold) = api.control.store.holds_on_message(id).await?.first() {
        let detail = format!("the legal hold {} keeps this message", hold.id);
        return Err(Problem::new(StatusCode::CONFLICT, detail).todo("lift it first, if that is lawful"));
    }
    api.control.store.commit(&[Record::MessageGone { message: id, mailbox, why: "deleted", at: clock::now().at }]).await?;
    if let Some(file) = below(&api.control.messages, &row.path)
        && let Err(error) = tokio::fs::remove_file(file).await
    {
        tracing::warn!(message = %id, %error, "the file of a deleted message cannot be removed");
    }
    api.audit(&caller, "message-deleted", message);
    api.control.tell(ControlRequest::Message { message: id, heard: None })?;
    Ok(Json(Done { done: true }))
}

/// A message that is complete.
async fn found(api: &Api, message: &str) -> Result<MessageRow, Problem> {
    let id: RecordingId = id(message)?;
    let row = api.control.store.message(id).await?.filter(|row| row.state != MessageState::Recording);
    row.ok_or_else(|| Problem::not_found("message", message))
}
