//! Whether the process lives, whether it can work, and its figures.

use std::fmt::Write as _;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use tandem_switch::floor::AgentState;

use super::{Api, control::ControlRequest, view::Health};
use crate::{
    clock,
    metrics::{METRICS, QUEUE_METRICS, head},
};

/// The process lives
///
/// `200` when its loops turn. Restart the process when this does not answer, or answers `503`: a loop that stands
/// still is named then.
#[utoipa::path(get, path = "/healthz", tag = "process", security(()), responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn healthz(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    health("still", api.control.ready.still(clock::now().at))
}

/// The process can do its work
///
/// `200` when SIP is bound, the store takes records, a plan is in service and the process is not about to end.
#[utoipa::path(get, path = "/readyz", tag = "process", security(()), responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let mut missing = api.control.ready.missing(&api.control.writer);
    missing.extend(api.control.ready.still(clock::now().at));
    if missing.is_empty() && api.control.store.head().await.is_err() {
        missing.push("the database cannot be read: see the log".into());
    }
    health("not ready", missing)
}

fn health(otherwise: &str, missing: Vec<String>) -> (StatusCode, Json<Health>) {
    let (status, word) = if missing.is_empty() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, otherwise) };
    (status, Json(Health { status: word.into(), missing }))
}

/// Figures for Prometheus
///
/// In its text format; `docs/metrics.md` lists them.
#[utoipa::path(get, path = "/metrics", tag = "process", security(("token" = ["read"])),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    // A floor that is too busy to answer must not cost the other figures.
    let floor = api.control.ask(ControlRequest::Floor).await;
    if let Ok(floor) = &floor {
        let on_duty = floor.agents.iter().filter(|agent| agent.state != AgentState::Offline).count();
        METRICS.agents_signed_in.set(on_duty as u64);
    }
    let mut text = METRICS.render();
    if let Ok(floor) = floor {
        for metric in QUEUE_METRICS {
            head(&mut text, metric.name, metric.kind, metric.help);
            for queue in &floor.queues {
                let name = queue.queue.as_str().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = write!(text, "{}{{queue=\"{name}\"}} ", metric.name);
                let _ = match metric.name {
                    "tandem_queue_waiting" => writeln!(text, "{}", queue.waiting),
                    "tandem_queue_agents_signed_in" => writeln!(text, "{}", queue.agents_signed_in),
                    "tandem_queue_agents_ready" => writeln!(text, "{}", queue.agents_free),
                    _ => writeln!(text, "{}.{:03}", queue.longest_wait_ms / 1_000, queue.longest_wait_ms % 1_000),
                };
            }
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
