//! The HTTP API under `/api/v1`, health and metrics. Documented by itself at `/api/v1/openapi.json`.
//!
//! It decides nothing: it asks the loops through [`Control`](control::Control) and reads the store. Every route but health, readiness
//! and the document asks for a token or a session, and has a row in the table of
//! `access` that says whose; what has none is for nobody.

mod access;
pub mod audits;
mod auth;
pub mod bans;
mod board;
pub mod callbacks;
pub mod calls;
pub mod conferences;
pub mod control;
pub mod customers;
pub mod devices;
mod events;
mod floor;
pub mod follow;
pub mod generations;
mod health;
mod kept;
pub mod kpis;
mod listen;
pub mod logins;
mod looks;
pub mod lookup;
pub mod messages;
pub mod payments;
pub mod people;
mod plan;
pub mod plan_files;
pub mod plan_order;
mod player;
pub mod priority;
pub mod privacy;
mod problem;
mod readiness;
pub mod recordings;
mod remembered;
pub mod rules;
pub mod schedules;
mod shares;
mod socket;
pub mod streams;
#[cfg(test)]
mod tests;

pub mod tokens;
pub mod view;
pub mod webhooks;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::Response,
};
pub use listen::{Peer, serve_until};
pub use problem::Problem;
use tokio::sync::Semaphore;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};
use utoipa::{
    OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{control::Control, logins::Gate, looks::Looks, player::Tickets};
use crate::metrics::METRICS;

/// The largest request body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long a request may take until its response begins.
const MAX_REQUEST: Duration = Duration::from_secs(30);
/// WebSocket subscribers at most, of events, boards and traces together.
const MAX_SUBSCRIBERS: usize = 1_024;

/// What every handler has.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) control: Control,
    pub(crate) subscribers: Arc<Semaphore>,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) gate: Arc<Gate>,
    looks: Arc<Looks>,
    remembered: Arc<remembered::Remembered<auth::Who>>,
    pub(crate) board: Arc<board::Board>,
}

impl Api {
    fn new(control: Control, subscribers: usize) -> Self {
        let (subscribers, tickets) = (Arc::new(Semaphore::new(subscribers)), Arc::new(Tickets::new()));
        let (gate, looks, board) = (Arc::default(), Arc::default(), board::Board::new());
        Self { control, subscribers, tickets, gate, looks, remembered: Arc::default(), board }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        description = "The HTTP API of the Tandem contact switch. Give a token of `tandem token add` as `Authorization: Bearer tdm_…`; \
                       the scopes read, control and admin each hold the ones before; payment reads the keys of payments, \
                       and nothing else does. Or log in: each route names the roles that it is for.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "floor", description = "Queues, agents and items."),
        (name = "calls", description = "Calls, their records and recordings."),
        (name = "webhooks", description = "Systems outside that are told what happens."),
        (name = "customers", description = "Who is outside: customers, cases, consent."),
        (name = "plan", description = "The dialplan in service."),
        (name = "live", description = "What happens, as it happens, by WebSocket."),
        (name = "admin", description = "People, tokens, logins and who did what."),
        (name = "process", description = "The process itself."),
    ),
    components(schemas(Problem))
)]
struct Document;

/// The routes, and the document that describes them.
fn routes(api: &Api) -> (Router, utoipa::openapi::OpenApi) {
    let open = OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(player::session))
        .routes(routes!(player::player));
    let listened = OpenApiRouter::new().routes(routes!(recordings::recording)).routes(routes!(recordings::waveform));
    let read = OpenApiRouter::new()
        .routes(routes!(health::metrics))
        .routes(routes!(floor::queues))
        .routes(routes!(floor::queue))
        .routes(routes!(floor::agents))
        .routes(routes!(floor::agent))
        .routes(routes!(floor::why))
        .routes(routes!(kpis::kpis))
        .routes(routes!(kpis::definitions))
        .routes(routes!(kpis::waits))
        .routes(routes!(calls::calls))
        .routes(routes!(calls::call))
        .routes(routes!(calls::parked))
        .routes(routes!(calls::cdrs))
        .routes(routes!(conferences::conferences))
        .routes(routes!(recordings::recordings))
        .routes(routes!(player::ticket))
        .routes(routes!(messages::messages))
        .routes(routes!(messages::message))
        .routes(routes!(bans::bans))
        .routes(routes!(callbacks::callbacks))
        .routes(routes!(rules::rules))
        .routes(routes!(rules::timers))
        .routes(routes!(rules::timer))
        .routes(routes!(rules::outbox::outbox))
        .routes(routes!(schedules::schedules))
        .routes(routes!(schedules::schedule))
        .routes(routes!(plan::plan))
        .routes(routes!(plan::explain))
        .routes(routes!(generations::history))
        .merge(customers::routes_to_read())
        .routes(routes!(board::board))
        .routes(routes!(events::events))
        .routes(routes!(follow::follow))
        .routes(routes!(tokens::whoami));
    let control = OpenApiRouter::new()
        .routes(routes!(floor::put_agent_state, floor::post_agent_state))
        .routes(routes!(calls::hangup))
        .routes(routes!(calls::recording))
        .routes(routes!(payments::payment))
        .routes(routes!(streams::stream, streams::end_stream))
        .routes(routes!(conferences::mute))
        .routes(routes!(conferences::unmute))
        .routes(routes!(conferences::remove))
        .routes(routes!(conferences::announce_to_call))
        .routes(routes!(conferences::announce_to_room))
        .routes(routes!(messages::change_message, messages::delete_message))
        .routes(routes!(schedules::turn, schedules::follow))
        .merge(customers::routes_to_change())
        .routes(routes!(callbacks::ask_callback))
        .routes(routes!(callbacks::cancel_callback))
        .routes(routes!(priority::prioritise))
        .routes(routes!(rules::cancel_timer))
        .routes(routes!(rules::happened))
        .routes(routes!(rules::outbox::lease))
        .routes(routes!(rules::outbox::outcome))
        .routes(routes!(rules::outbox::retry))
        .routes(routes!(bans::lift_ban));
    let paying = OpenApiRouter::new().routes(routes!(payments::payment_keys));
    let admin = OpenApiRouter::new()
        .routes(routes!(plan::reload))
        .routes(routes!(generations::promote))
        .routes(routes!(generations::rollback))
        .routes(routes!(generations::generation))
        .routes(routes!(generations::diff))
        .merge(plan_files::routes())
        .merge(customers::routes_of_files())
        .merge(customers::routes_to_set())
        .routes(routes!(recordings::sweep_now))
        .routes(routes!(people::people))
        .routes(routes!(people::person, people::put_person, people::delete_person))
        .routes(routes!(people::put_password))
        .routes(routes!(people::changed))
        .merge(devices::routes())
        .routes(routes!(tokens::tokens, tokens::add_token))
        .routes(routes!(tokens::revoke_token))
        .merge(webhooks::routes())
        .merge(lookup::routes())
        .routes(routes!(audits::audit));
    let plans =
        OpenApiRouter::new().routes(routes!(generations::apply)).layer(DefaultBodyLimit::max(generations::MAX_PLAN_BODY_BYTES));
    let (log_in, logins) = logins::routes();
    let guarded =
        read.merge(listened).merge(control).merge(admin).merge(plans).merge(paying).merge(logins).merge(privacy::routes());
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(open)
        .merge(log_in)
        .merge(guarded.route_layer(middleware::from_fn_with_state(api.clone(), auth::require)))
        .split_for_parts();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("tdm_…").build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.add_security_scheme("login", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(auth::COOKIE))));
    access::document(&mut document);
    (router.with_state(api.clone()), document)
}

/// The whole application, with routes of others beside its own.
pub fn app(control: Control, beside: Router) -> Router {
    let api = Api::new(control, MAX_SUBSCRIBERS);
    let (router, document) = routes(&api);
    let document = Json(document);
    let header =
        |name: HeaderName, value: &'static str| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    router
        .merge(beside)
        .route("/api/v1/openapi.json", axum::routing::get(|| async move { document }))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, MAX_REQUEST))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(middleware::map_response(counted))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
}

async fn counted(response: Response) -> Response {
    METRICS.http_responses.inc(match response.status().as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    });
    response
}

/// The API's description, as JSON text.
#[must_use]
pub fn openapi(control: Control) -> String {
    let api = Api::new(control, 0);
    routes(&api).1.to_pretty_json().unwrap_or_default()
}
