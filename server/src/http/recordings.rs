//! Recordings: their list, and their audio by identifier only; no part of a request ever becomes a path.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use std::io::{self, Read as _, Seek as _, SeekFrom};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tandem_switch::id::RecordingId;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    access::is_in_call,
    auth::Caller,
    calls::{MAX_PAGE, PAGE},
    problem::{JsonBody, Params, Path, Problem, id},
    view::{RecordingPage, RecordingView, WaveformView},
};
use crate::{
    clock,
    recordings::{
        file::{Audio, Remote, open_below},
        sweep,
    },
    store::{RecordingRow, RecordingState},
};

const CHUNK_BYTES: u64 = 64 * 1024;

/// Which recordings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordingQuery {
    /// Of this call.
    call: Option<String>,
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows at most: 1 to 500, 50 unless said.
    limit: Option<u32>,
}

/// Recordings, newest first
#[utoipa::path(get, path = "/api/v1/recordings", tag = "calls", security(("token" = ["read"])), params(RecordingQuery),
    responses((status = 200, body = RecordingPage), (status = 400, body = Problem)))]
pub(super) async fn recordings(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<RecordingQuery>,
) -> Result<Json<RecordingPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let call = query.call.as_deref().map(id).transpose()?;
    if let Some(agent) = caller.own() {
        let theirs = match call {
            Some(call) => is_in_call(&api, call, agent).await?,
            None => false,
        };
        theirs.then_some(()).ok_or_else(|| {
            Problem::forbidden("agents see the recordings of their own calls").at("query call").todo("name one of your calls")
        })?;
    }
    let before = query.before.as_deref().map(id).transpose()?;
    let rows = api.control.store.recordings(call, before, limit).await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = full.then(|| rows.last().map(|last| last.recording.to_string())).flatten();
    Ok(Json(RecordingPage { recordings: rows.into_iter().map(RecordingView::from).collect(), next }))
}

/// The audio of a recording
///
/// WAV or Opus in Ogg, stereo: the caller left, the agent or called party right. What is sealed is opened. Takes one byte
/// range (RFC 9110 section 14).
#[utoipa::path(get, path = "/api/v1/recordings/{recording}", tag = "calls", security(("token" = ["read"])),
    params(("recording" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Vec<u8>, content_type = "audio/wav"), (status = 206, body = Vec<u8>, content_type = "audio/wav"),
        (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem),
        (status = 416, body = Problem)))]
pub(super) async fn recording(
    State(api): State<Api>,
    Path(recording): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: RecordingId = id(&recording)?;
    let row = api.control.store.recording(id).await?.ok_or_else(|| Problem::not_found("recording", &recording))?;
    let (audio, size) = open(&api, &row).await?;
    let (name, kind) = (format!("{id}.{}", row.kept.format.suffix()), row.kept.format.media_type());
    serve_audio(&headers, (audio, size), (&name, kind)).await
}

/// Audio, or the part of it that was asked for, under the name and type of its file.
pub(super) async fn serve_audio(
    headers: &HeaderMap,
    (mut file, size): (Audio, u64),
    (name, kind): (&str, &'static str),
) -> Result<Response, Problem> {
    let (status, first, length) = match range(headers, size) {
        Range::All => (StatusCode::OK, 0, size),
        Range::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Range::Outside => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("the audio has {size} bytes"));
            let headers = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((headers, problem.at("header range")).into_response());
        }
    };
    if first > 0 {
        file = blocking(move || file.seek(SeekFrom::Start(first)).map(|_| file)).await.map_err(unreadable)?;
    }
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, kind)
        .header(header::CONTENT_LENGTH, length)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(header::CONTENT_RANGE, format!("bytes {first}-{}/{size}", first + length - 1));
    }
    response.body(chunks(file, length)).map_err(|_| gone())
}

fn gone() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the file of this audio is not there").todo("look in the backup of the data folder")
}

pub(super) fn unreadable(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => gone(),
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the recording cannot be opened: {error}"))
            .todo("look into `docs/recordings.md`, under keys"),
    }
}

/// Opens the file of a recording that is complete, and only below the recordings folder.
async fn open(api: &Api, row: &RecordingRow) -> Result<(Audio, u64), Problem> {
    match row.state {
        RecordingState::Recording | RecordingState::Captured => {
            return Err(Problem::new(StatusCode::CONFLICT, "the recording goes on, or is being finished").todo("try again later"));
        }
        RecordingState::Deleted => {
            return Err(Problem::new(StatusCode::GONE, "the audio of this recording was deleted; its time was over"));
        }
        // What was captured until then may still be on its way.
        RecordingState::Interrupted | RecordingState::Failed if row.size_bytes.is_none() && row.kept.capture.is_some() => {
            return Err(Problem::new(StatusCode::CONFLICT, "what was recorded is being finished").todo("try again later"));
        }
        RecordingState::Failed if row.size_bytes.is_none() => return Err(gone()),
        RecordingState::Finished | RecordingState::Interrupted | RecordingState::Failed => {}
    }
    let (folder, path, sealed) = (api.control.recordings.clone(), row.path.clone(), row.kept.sealed);
    let (keys, spool) = {
        let archive = api.control.archive.borrow();
        (archive.keys.clone(), archive.spool.clone())
    };
    if row.local {
        return blocking(move || Audio::open(open_below(&folder, &path)?, sealed, &keys)).await.map_err(unreadable);
    }
    let (Some(spool), Some(name)) = (spool, row.remote.clone()) else { return Err(gone()) };
    let remote = Remote::find(spool, name).await.map_err(unreadable)?;
    blocking(move || Audio::open_remote(remote, sealed, &keys)).await.map_err(unreadable)
}

/// Does what waits for the disk where waiting is allowed.
pub(super) async fn blocking<T: Send + 'static>(task: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(task).await.map_err(io::Error::other)?
}

/// What a sweep is to do.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SweepOrder {
    /// Only say what would be deleted.
    pub dry_run: bool,
}

/// Delete the recordings whose time is over
///
/// As it is done daily: audio, wherever it is, and waveform go, the row stays. The answer lists the first 500 that it was about.
#[utoipa::path(post, path = "/api/v1/recordings/sweep", tag = "calls", security(("token" = ["admin"])), request_body = SweepOrder,
    responses((status = 200, body = RecordingPage), (status = 400, body = Problem)))]
pub(super) async fn sweep_now(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(order): JsonBody<SweepOrder>,
) -> Result<Json<RecordingPage>, Problem> {
    let (now, control) = (clock::now().at, &api.control);
    let due = control.store.recordings_to_delete(now, None, MAX_PAGE).await?;
    if !order.dry_run {
        let spool = control.archive.borrow().spool.clone();
        let swept = sweep::sweep(&control.store, &control.writer, (&control.recordings, spool.as_deref()), now).await?;
        api.audit(&caller, "recordings-swept", format!("{} deleted, {} left", swept.deleted, swept.left));
        if swept.left > 0 {
            let detail = format!("{} recordings could not be deleted; {} were", swept.left, swept.deleted);
            return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).todo("see the log"));
        }
    }
    Ok(Json(RecordingPage { recordings: due.into_iter().map(RecordingView::from).collect(), next: None }))
}

/// What a recording looks like
///
/// The loudest sample of each side in spells of one length: 255 times the square root of its share of full scale.
#[utoipa::path(get, path = "/api/v1/recordings/{recording}/waveform", tag = "calls", security(("token" = ["read"])),
    params(("recording" = String, Path, description = "Its identifier")),
    responses((status = 200, body = WaveformView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn waveform(State(api): State<Api>, Path(recording): Path<String>) -> Result<Json<WaveformView>, Problem> {
    let waveform = api.control.store.waveform(id(&recording)?).await?;
    let waveform = waveform.ok_or_else(|| Problem::not_found("waveform of the recording", &recording))?;
    let side = |side: usize| waveform.peaks.iter().map(|spell| spell[side]).collect();
    Ok(Json(WaveformView { spell_ms: waveform.spell_ms, left: side(0), right: side(1) }))
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    All,
    /// Both ends are inside.
    Part {
        first: u64,
        last: u64,
    },
    Outside,
}

/// One byte range (RFC 9110 section 14.1.2). Several, or what cannot be read, are ignored as the RFC allows.
fn range(headers: &HeaderMap, size: u64) -> Range {
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((first, last)) = asked.and_then(|value| value.strip_prefix("bytes=")).and_then(|value| value.split_once('-')) else {
        return Range::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (number(first), number(last)) {
        (Some(first), _) if first >= size => Range::Outside,
        (Some(first), Some(last)) if first <= last => Range::Part { first, last: last.min(size - 1) },
        (Some(first), None) if last.trim().is_empty() => Range::Part { first, last: size - 1 },
        (None, Some(0)) if first.trim().is_empty() => Range::Outside,
        (None, Some(_)) if first.trim().is_empty() && size == 0 => Range::Outside,
        (None, Some(suffix)) if first.trim().is_empty() => Range::Part { first: size.saturating_sub(suffix), last: size - 1 },
        _ => Range::All,
    }
}

/// `length` bytes of a recording from where it stands, read and opened as the client takes them.
fn chunks(file: Audio, length: u64) -> Body {
    Body::from_stream(stream::unfold(Some((file, length)), |state| async move {
        let (mut file, left) = state.filter(|(_, left)| *left > 0)?;
        let read = blocking(move || {
            let mut chunk = Vec::new();
            (&mut file).take(left.min(CHUNK_BYTES)).read_to_end(&mut chunk)?;
            Ok((chunk, file))
        });
        match read.await {
            // The file became shorter: the client sees a broken transfer, not a shorter recording.
            Ok((chunk, _)) if chunk.is_empty() => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
            Ok((chunk, file)) => {
                let left = left.saturating_sub(chunk.len() as u64);
                Some((Ok(Bytes::from(chunk)), Some((file, left))))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: &str, size: u64, expected: Range) {
        let headers = HeaderMap::from_iter([(header::RANGE, asked.parse().unwrap())]);
        assert_eq!(range(&headers, size), expected, "{asked} of {size}");
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        check("bytes=0-99", 1_000, Range::Part { first: 0, last: 99 });
        check("bytes=900-5000", 1_000, Range::Part { first: 900, last: 999 });
        check("bytes=900-", 1_000, Range::Part { first: 900, last: 999 });
        check("bytes=-100", 1_000, Range::Part { first: 900, last: 999 });
        check("bytes=-5000", 1_000, Range::Part { first: 0, last: 999 });
        check("bytes=1000-", 1_000, Range::Outside);
        check("bytes=-0", 1_000, Range::Outside);
        check("bytes=-5", 0, Range::Outside);
        for ignored in
            ["bytes=5-3", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=-", "bytes=99999999999999999999999-"]
        {
            check(ignored, 1_000, Range::All);
        }
    }
}
