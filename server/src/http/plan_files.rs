//! The files of the plan: read them, write them whole, edit their nodes. Two who edit the same are told of each other.
//!
//! What is written is not in service before it is applied; `docs/editing.md` tells the rules.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tandem_dialplan::MAX_FILE_BYTES;
use tokio::{sync::oneshot, task::spawn_blocking};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    control::{ControlRequest, NoAnswer},
    generations::reason,
    plan_order::{EditTask, Edited, PlanAnswer, PlanNotTaken, PlanOrder, PlanTask},
    problem::{JsonBody, Params, Path, Problem},
    view::{PlanProblem, PlanView},
};
use crate::plan_files::{EditRefused, FileChange, PlanEdits, Precondition, Proposal, Refused, Wish, etag, of_etag};

/// A file of the plan, as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanFileState {
    /// Its name.
    pub file: String,
    /// Its bytes.
    pub size: usize,
    /// What `If-Match` and the `base` of edits want.
    pub etag: String,
    /// `in-service`; `changed`, when the plan in service was read from another text; `new`, when without it.
    pub state: String,
}

/// The files of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanFileList {
    /// Those that there are, in the order in which they are read.
    pub files: Vec<PlanFileState>,
    /// Those that the plan in service was read from and that are gone.
    pub gone: Vec<String>,
    /// The generation that is in service.
    pub generation: u64,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanWritten {
    /// Whether it was written; not so when only that was asked what would be.
    pub written: bool,
    /// Each file that changes.
    pub files: Vec<FileChange>,
    /// What the check says of the plan as it is then.
    pub problems: Vec<PlanProblem>,
    /// The plan in service, when it was to be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<PlanView>,
}

/// How a file is written.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteQuery {
    /// Only tell what would become of it.
    #[serde(default)]
    dry_run: bool,
    /// Take the plan into service too; when that fails, the file stays as it was.
    #[serde(default)]
    apply: bool,
    /// Why, for the history of the plan.
    message: Option<String>,
}

/// A problem, with what belongs to it.
pub(super) struct NotTaken(Box<EditRefused>);

impl IntoResponse for NotTaken {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let etag = match self.0.conflicts.as_slice() {
            [conflict] => conflict.etag.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok()),
            _ => None,
        };
        let mut response = (status, Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(etag) = etag {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

impl<T: Into<Problem>> From<T> for NotTaken {
    fn from(problem: T) -> Self {
        Self(Box::new(EditRefused { problem: problem.into(), problems: Vec::new(), conflicts: Vec::new() }))
    }
}

impl NotTaken {
    fn of(refused: Refused) -> Self {
        let sentence = refused.to_string();
        let problem = |status| Problem::new(status, sentence.clone());
        let again = "read what is there now and make the change to that";
        let (problem, problems, conflicts) = match refused {
            Refused::Name(_) => (problem(StatusCode::BAD_REQUEST).at("path"), Vec::new(), Vec::new()),
            Refused::NoFile(_) => (problem(StatusCode::NOT_FOUND).at("path"), Vec::new(), Vec::new()),
            Refused::Folder(_) => (problem(StatusCode::CONFLICT), Vec::new(), Vec::new()),
            Refused::Conflict(all) => (problem(StatusCode::PRECONDITION_FAILED).todo(again), Vec::new(), all),
            Refused::Overlap { edit, conflicts, .. } => {
                (problem(StatusCode::CONFLICT).at(&format!("body.edits[{edit}]")).todo(again), Vec::new(), conflicts)
            }
            Refused::NoBase(files) => {
                let files: Vec<_> = files.iter().map(|(file, etag)| format!("{file}: {etag}", etag = self::etag(etag))).collect();
                let todo = format!("if you know the texts as they are now, give their ETags: {}", files.join(", "));
                (problem(StatusCode::PRECONDITION_REQUIRED).at("body.base").todo(todo), Vec::new(), Vec::new())
            }
            Refused::Edit(edit, _) => {
                (problem(StatusCode::UNPROCESSABLE_ENTITY).at(&format!("body.edits[{edit}]")), Vec::new(), Vec::new())
            }
            Refused::Count(_) => (problem(StatusCode::BAD_REQUEST).at("body.edits"), Vec::new(), Vec::new()),
            Refused::Errors(problems) => {
                (problem(StatusCode::UNPROCESSABLE_ENTITY).todo("correct them; nothing was written"), problems, Vec::new())
            }
            Refused::Disk(_) => {
                let todo = "look at the folder of the plan: its rights, links, space";
                tracing::warn!("the plan's files were not written: {sentence}");
                (problem(StatusCode::CONFLICT).todo(todo), Vec::new(), Vec::new())
            }
        };
        Self(Box::new(EditRefused { problem, problems, conflicts }))
    }
}

/// What is answered here. A file is larger than other requests may be.
pub(super) fn routes() -> OpenApiRouter<Api> {
    let whole = OpenApiRouter::new().routes(routes!(file, put_file, delete_file));
    let whole = whole.layer(DefaultBodyLimit::max(MAX_FILE_BYTES + 1));
    OpenApiRouter::new().routes(routes!(files)).routes(routes!(edit)).merge(whole)
}

type Taken<T> = Result<T, NotTaken>;

/// Runs what blocks, beside the loops.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refused> + Send + 'static) -> Taken<T> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(NotTaken::of),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the switch ended this request").into()),
    }
}

/// The files of the plan
///
/// As they lie on the disk, each with its ETag.
#[utoipa::path(get, path = "/api/v1/plan/files", tag = "plan", security(("token" = ["admin"])),
    responses((status = 200, body = PlanFileList), (status = 409, body = Problem)))]
pub(super) async fn files(State(api): State<Api>) -> Taken<Json<PlanFileList>> {
    let plan: PlanView = api.control.ask(ControlRequest::Plan).await?;
    let texts = Arc::clone(&api.control.plan_files);
    let texts = beside(move || Ok(texts.read()?)).await?;
    let in_service = |name: &str| plan.files.iter().find(|file| file.file == name);
    let gone = plan.files.iter().map(|file| &file.file).filter(|file| texts.iter().all(|text| text.name != **file));
    let gone = gone.cloned().collect();
    let files = texts.iter().map(|text| PlanFileState {
        file: text.name.clone(),
        size: text.text.len(),
        etag: etag(&text.sha256),
        state: match in_service(&text.name) {
            Some(file) if file.sha256 == text.sha256 => "in-service",
            Some(_) => "changed",
            None => "new",
        }
        .to_owned(),
    });
    Ok(Json(PlanFileList { files: files.collect(), gone, generation: plan.generation }))
}

/// One file of the plan
///
/// Its text, with its ETag.
#[utoipa::path(get, path = "/api/v1/plan/files/{file}", tag = "plan", security(("token" = ["admin"])),
    params(("file" = String, Path, description = "Its path below the folder, with `%2F` for `/`")),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 304), (status = 404, body = Problem)))]
pub(super) async fn file(State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap) -> Taken<Response> {
    let texts = Arc::clone(&api.control.plan_files);
    let found = beside(move || {
        let found = texts.read_one(&name)?;
        found.ok_or_else(|| Refused::NoFile(name.chars().take(80).collect()))
    })
    .await?;
    let etag = etag(&found.sha256);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
    let known = known.flat_map(|known| known.split(',')).any(|known| known.trim() == etag);
    let headers = [(header::ETAG, etag), (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned())];
    Ok(if known { (StatusCode::NOT_MODIFIED, headers).into_response() } else { (headers, found.text).into_response() })
}

/// What must be there: `If-Match` with the ETag that was read, or `If-None-Match: *` for a new file.
fn precondition(headers: &HeaderMap) -> Taken<Precondition> {
    let one = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (one(header::IF_MATCH), one(header::IF_NONE_MATCH)) {
        (Some(etag), None) => of_etag(etag)
            .map(Precondition::Is)
            .ok_or_else(|| Problem::bad("`If-Match` takes one ETag, as it came with the text").at("header if-match").into()),
        (None, Some("*")) => Ok(Precondition::Absent),
        _ => Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, "it must be told which text is to be replaced")
            .at("header if-match")
            .todo("give `If-Match` with the ETag that came with the text, or `If-None-Match: *` for a new file")
            .into()),
    }
}

/// Write a file of the plan
///
/// `If-Match` with the ETag that was read, or `If-None-Match: *` for a new file. The plan is checked first: with errors nothing is written.
#[utoipa::path(put, path = "/api/v1/plan/files/{file}", tag = "plan", security(("token" = ["admin"])),
    params(("file" = String, Path, description = "Its path below the folder, with `%2F` for `/`, ending in `.kdl` or `.ics`"), WriteQuery,
        ("if-match" = Option<String>, Header, description = "The ETag that came with the text"),
        ("if-none-match" = Option<String>, Header, description = "`*` for a new file")),
    request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = PlanWritten), (status = 412, body = EditRefused), (status = 422, body = EditRefused), (status = 428, body = Problem)))]
pub(super) async fn put_file(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Params(query): Params<WriteQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Taken<Json<PlanWritten>> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()).at("body"))?;
    let text = String::from_utf8(body.into()).map_err(|_| Problem::bad("a file of the plan is UTF-8 text").at("body"))?;
    if text.len() > MAX_FILE_BYTES {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "a file of the plan is not larger than 1 MiB").at("body").into());
    }
    let precondition = precondition(&headers)?;
    change(api, caller, query, Wish::Whole { name, text: Some(text), precondition }).await
}

/// Remove a file of the plan
///
/// `If-Match` with the ETag that was read. A file that the plan cannot be without stays.
#[utoipa::path(delete, path = "/api/v1/plan/files/{file}", tag = "plan", security(("token" = ["admin"])),
    params(("file" = String, Path, description = "Its path below the folder, with `%2F` for `/`"), WriteQuery, ("if-match" = String, Header, description = "The ETag that came with the text")),
    responses((status = 200, body = PlanWritten), (status = 404, body = Problem), (status = 412, body = EditRefused), (status = 422, body = EditRefused)))]
pub(super) async fn delete_file(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Params(query): Params<WriteQuery>,
    headers: HeaderMap,
) -> Taken<Json<PlanWritten>> {
    let precondition = precondition(&headers)?;
    change(api, caller, query, Wish::Whole { name, text: None, precondition }).await
}

/// Edit nodes of the plan
///
/// All edits are made, in any number of files, or none is. Every byte that they are not about stays as it is, comments and layout too.
#[utoipa::path(post, path = "/api/v1/plan/edits", tag = "plan", security(("token" = ["admin"])), request_body = PlanEdits,
    responses((status = 200, body = PlanWritten), (status = 409, body = EditRefused), (status = 412, body = EditRefused),
        (status = 422, body = EditRefused), (status = 428, body = Problem)))]
pub(super) async fn edit(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(wish): JsonBody<PlanEdits>,
) -> Taken<Json<PlanWritten>> {
    let query = WriteQuery { dry_run: wish.dry_run, apply: wish.apply, message: wish.message.clone() };
    change(api, caller, query, Wish::Nodes(wish)).await
}

/// An order among the others to change the plan: nothing is written between what is read and what is checked. Whoever
/// asked may go: what was begun is ended, and audited.
async fn change(api: Api, caller: Caller, query: WriteQuery, wish: Wish) -> Taken<Json<PlanWritten>> {
    let WriteQuery { dry_run, apply, message } = query;
    let message = reason(message)?;
    let work = tokio::spawn(async move {
        let (done, outcome) = oneshot::channel();
        let task = EditTask { files: Arc::clone(&api.control.plan_files), wish, apply, done };
        let order = |reply| {
            let order = PlanOrder::new(caller.name(), PlanTask::Edit(Box::new(task)), reply);
            ControlRequest::ChangePlan(PlanOrder { message, dry_run, ..order })
        };
        let (answer, outcome) = tokio::join!(api.control.ask_slow::<PlanAnswer>(order), outcome);
        let Ok(outcome) = outcome else {
            // It did not come so far: there were too many orders, or a fault.
            return Err(not_begun(answer));
        };
        let Edited { proposal, is_written } = outcome.map_err(NotTaken::of)?;
        if is_written && !dry_run {
            audit(&api, &caller, &proposal);
        }
        if dry_run || !apply {
            return Ok(Json(written(&proposal, is_written, None)));
        }
        match answer {
            Ok(Ok(applied)) => {
                api.audit(&caller, "plan-applied", applied.plan.generation.to_string());
                Ok(Json(written(&proposal, true, Some(applied.plan))))
            }
            Ok(Err(why)) => Err(not_in_service(why)),
            Err(no_answer) => {
                let detail = format!("whether the files are in service is not known: {no_answer}");
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).todo("see `GET /api/v1/plan`").into())
            }
        }
    });
    let fault = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the switch ended this request");
    work.await.map_err(fault)?
}

fn not_begun(answer: Result<PlanAnswer, NoAnswer>) -> NotTaken {
    match answer {
        Ok(Err(PlanNotTaken::Conflict(why, todo))) => Problem::new(StatusCode::CONFLICT, why).todo(todo).into(),
        Ok(Err(why)) => not_in_service(why),
        Ok(Ok(_)) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the switch ended this request").into(),
        Err(no_answer) => Problem::from(no_answer).into(),
    }
}

/// The plan in service stays, and so do the files.
fn not_in_service(why: PlanNotTaken) -> NotTaken {
    let problems = match why {
        PlanNotTaken::Problems(problems) => problems,
        PlanNotTaken::NotThere(why) => vec![PlanProblem::of_no_file(&why, None)],
        PlanNotTaken::Conflict(why, todo) | PlanNotTaken::Failed(why, todo) => vec![PlanProblem::of_no_file(&why, Some(todo))],
    };
    let problem =
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the plan was not taken into service; the files are as they were")
            .todo("correct them and apply again");
    NotTaken(Box::new(EditRefused { problem, problems, conflicts: Vec::new() }))
}

fn written(proposal: &Proposal, written: bool, applied: Option<PlanView>) -> PlanWritten {
    PlanWritten { written, files: proposal.files.clone(), problems: proposal.problems.clone(), applied }
}

/// Which file went from which text to which.
fn audit(api: &Api, caller: &Caller, proposal: &Proposal) {
    for change in &proposal.files {
        let hash = |etag: &Option<String>| etag.as_deref().and_then(of_etag).unwrap_or_else(|| "nothing".to_owned());
        let (before, after) = (hash(&change.before), hash(&change.etag));
        api.audit(caller, "plan-file-changed", format!("{}: {before} to {after}", change.file));
    }
}
