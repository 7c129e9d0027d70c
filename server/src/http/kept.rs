//! What an answer promises: `200` that a restart does not forget it, `202` that it is done, but only in memory as yet.
//!
//! The floor decides at once and its journal is written a moment later. Who is told `200` in between and sees the process
//! killed would have been told wrong; who waits for a database that is away could not work.

use std::time::Duration;

use axum::{Json, http::StatusCode};

use super::Api;

/// How long an answer waits for the database.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer with the word for how well it is kept.
pub(super) type Answer<T> = (StatusCode, Json<T>);

impl Api {
    /// Waits until what was done is in the database, but not for one that is away.
    pub(super) async fn kept<T>(&self, answer: T) -> Answer<T> {
        let writer = &self.control.writer;
        let is_kept = writer.trouble().is_none()
            && !writer.is_pressed()
            && matches!(tokio::time::timeout(PATIENCE, writer.flush()).await, Ok(Ok(())));
        (if is_kept { StatusCode::OK } else { StatusCode::ACCEPTED }, Json(answer))
    }
}
