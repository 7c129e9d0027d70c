//! Recordings: their list, and their audio by identifier only; no part of a request ever becomes a path.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use std::{
    io::SeekFrom,
    path::{Component, Path as FilePath, PathBuf},
};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use tandem_switch::id::RecordingId;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};
use utoipa::IntoParams;

use super::{
    Api,
    auth::Caller,
    calls::{MAX_PAGE, PAGE},
    problem::{Params, Path, Problem, id},
    view::{RecordingPage, RecordingView},
};
use crate::store::{RecordingRow, RecordingState};

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
    Params(query): Params<RecordingQuery>,
) -> Result<Json<RecordingPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let call = query.call.as_deref().map(id).transpose()?;
    let before = query.before.as_deref().map(id).transpose()?;
    let rows = api.control.store.recordings(call, before, limit).await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = full.then(|| rows.last().map(|last| last.recording.to_string())).flatten();
    Ok(Json(RecordingPage { recordings: rows.into_iter().map(RecordingView::from).collect(), next }))
}

/// The audio of a recording
///
/// WAV, stereo: the caller left, the agent or called party right. Takes one byte range (RFC 9110 section 14).
#[utoipa::path(get, path = "/api/v1/recordings/{recording}", tag = "calls", security(("token" = ["read"])),
    params(("recording" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Vec<u8>, content_type = "audio/wav"), (status = 206, body = Vec<u8>, content_type = "audio/wav"),
        (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 416, body = Problem)))]
pub(super) async fn recording(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(recording): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: RecordingId = id(&recording)?;
    let row = api.control.store.recording(id).await?.ok_or_else(|| Problem::not_found("recording", &recording))?;
    let audio = open(&api.control.recordings, &row).await?;
    serve_audio(&headers, audio, &recording, || api.audit(&caller, "recording-read", recording.as_str())).await
}

/// The audio of a file, or the part of it that was asked for. `read` is told of a reading from the beginning.
pub(super) async fn serve_audio(
    headers: &HeaderMap,
    (mut file, size): (File, u64),
    name: &str,
    read: impl FnOnce(),
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
    file.seek(SeekFrom::Start(first)).await.map_err(|_| gone())?;
    if first == 0 {
        read();
    }
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "audio/wav")
        .header(header::CONTENT_LENGTH, length)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.wav\""));
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(header::CONTENT_RANGE, format!("bytes {first}-{}/{size}", first + length - 1));
    }
    response.body(chunks(file, length)).map_err(|_| gone())
}

fn gone() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "the file of this audio is not there").todo("look in the backup of the data folder")
}

/// Opens the file of a recording that is complete, and only below `root`.
async fn open(root: &FilePath, row: &RecordingRow) -> Result<(File, u64), Problem> {
    match row.state {
        RecordingState::Finished | RecordingState::Interrupted => {}
        RecordingState::Recording => {
            return Err(Problem::new(StatusCode::CONFLICT, "the recording goes on").todo("try again when the call is over"));
        }
        RecordingState::Failed => return Err(gone()),
    }
    open_below(root, &row.path).await
}

/// Opens a stored relative path, and only below `root`.
pub(super) async fn open_below(root: &FilePath, path: &str) -> Result<(File, u64), Problem> {
    let path = below(root, path).ok_or_else(gone)?;
    // Links are followed first: what counts is where the file really is.
    let (root, path) = (tokio::fs::canonicalize(root).await, tokio::fs::canonicalize(path).await);
    let (Ok(root), Ok(path)) = (root, path) else { return Err(gone()) };
    if !path.starts_with(root) {
        return Err(gone());
    }
    let file = File::open(path).await.map_err(|_| gone())?;
    let about = file.metadata().await.map_err(|_| gone())?;
    if !about.is_file() {
        return Err(gone());
    }
    Ok((file, about.len()))
}

/// A stored relative path below `root`; `None` when it would lead anywhere else.
pub(super) fn below(root: &FilePath, path: &str) -> Option<PathBuf> {
    let path = FilePath::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| root.join(path))
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

/// `length` bytes of a file from where it stands, read as the client takes them.
fn chunks(file: File, length: u64) -> Body {
    Body::from_stream(stream::unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut chunk = Vec::new();
        match (&mut file).take(left.min(CHUNK_BYTES)).read_to_end(&mut chunk).await {
            // The file became shorter: the client sees a broken transfer, not a shorter recording.
            Ok(0) => Some((Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)), (file, 0))),
            Ok(read) => Some((Ok(Bytes::from(chunk)), (file, left.saturating_sub(read as u64)))),
            Err(error) => Some((Err(error), (file, 0))),
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

    #[test]
    fn no_stored_path_leads_out_of_the_folder() {
        let root = FilePath::new("/recordings");
        assert_eq!(below(root, "2026/11/a.wav"), Some("/recordings/2026/11/a.wav".into()));
        for out in ["../a.wav", "/etc/passwd", "a/../../b", "./../x", ".."] {
            assert_eq!(below(root, out), None, "{out}");
        }
    }
}
