//! Whether the process lives, whether it can work, and its figures.

use std::{collections::BTreeMap, fmt::Write as _};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use tandem_switch::{floor::AgentState, kpi::Activity};

use super::{
    Api,
    control::{ControlRequest, FloorView},
    view::Health,
};
use crate::{
    clock,
    metrics::{AGENTS_METRIC, METRICS, QUEUE_AGENTS_METRIC, QUEUE_METRICS, head},
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
        queues(&mut text, &floor);
        agents(&mut text, &floor);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// What queues are and counted: a line for each of the plan, and for others that still have somebody.
fn queues(text: &mut String, floor: &FloorView) {
    for metric in QUEUE_METRICS.iter().filter(|metric| metric.kind == "gauge") {
        head(text, metric.name, metric.kind, metric.help);
        for queue in &floor.queues {
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, "{}{{queue=\"{}\"}} ", metric.name, value(queue.queue.as_str()));
            let _ = match metric.name {
                "tandem_queue_waiting" => writeln!(text, "{}", queue.waiting),
                "tandem_queue_agents_signed_in" => writeln!(text, "{}", queue.agents_signed_in),
                "tandem_queue_agents_ready" => writeln!(text, "{}", queue.agents_free),
                _ => writeln!(text, "{}", seconds(queue.longest_wait_ms)),
            };
        }
    }
    for metric in QUEUE_METRICS.iter().filter(|metric| metric.kind == "counter") {
        head(text, metric.name, metric.kind, metric.help);
        for (queue, count) in &floor.counts {
            let _ = write!(text, "{}{{queue=\"{}\"}} ", metric.name, value(queue.as_str()));
            let _ = match metric.name {
                "tandem_queue_offered_total" => writeln!(text, "{}", count.offered),
                "tandem_queue_answered_total" => writeln!(text, "{}", count.answered),
                "tandem_queue_abandoned_total" => writeln!(text, "{}", count.abandoned),
                "tandem_queue_flowed_out_total" => writeln!(text, "{}", count.flowed_out),
                _ => writeln!(text, "{}", seconds(count.answered_wait_ms)),
            };
        }
    }
}

/// What agents do, all of them and those of each queue.
fn agents(text: &mut String, floor: &FloorView) {
    let mut all: BTreeMap<Activity, u64> = BTreeMap::new();
    let mut of_queue: BTreeMap<(&str, Activity), u64> = BTreeMap::new();
    for agent in &floor.agents {
        let activity = Activity::of(&agent.state);
        *all.entry(activity).or_default() += 1;
        for queue in &agent.queues {
            *of_queue.entry((queue.as_str(), activity)).or_default() += 1;
        }
    }
    head(text, AGENTS_METRIC.name, AGENTS_METRIC.kind, AGENTS_METRIC.help);
    for activity in Activity::ALL {
        let count = all.get(&activity).copied().unwrap_or_default();
        let _ = writeln!(text, "{}{{state=\"{}\"}} {count}", AGENTS_METRIC.name, activity.as_str());
    }
    head(text, QUEUE_AGENTS_METRIC.name, QUEUE_AGENTS_METRIC.kind, QUEUE_AGENTS_METRIC.help);
    for queue in &floor.queues {
        let name = queue.queue.as_str();
        for activity in Activity::ALL {
            let count = of_queue.get(&(name, activity)).copied().unwrap_or_default();
            let (metric, state) = (QUEUE_AGENTS_METRIC.name, activity.as_str());
            let _ = writeln!(text, "{metric}{{queue=\"{}\",state=\"{state}\"}} {count}", value(name));
        }
    }
}

/// The value of a label.
fn value(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
