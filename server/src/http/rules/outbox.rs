//! Messages that rules leave to be sent, and the contract with whoever sends them: leased, sent with the message's own name, and
//! said what became of it. A lease that ends without a word gives the message to the next one.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{channel, line, most};
use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        problem::{JsonBody, Params, Path, Problem},
        view::At,
    },
    store::{OutboxRow, RuleChange, RuleNews, StoreError},
};

/// A lease in s, at most.
const MOST_LEASE_S: u32 = 3_600;
/// From one try of a message to the next, in ms: doubled each time.
const RETRY_MS: u64 = 30_000;
/// A message is tried so often.
const MOST_ATTEMPTS: u32 = 10;

/// A message that is to be sent, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboxView {
    /// Its name. Whoever sends it gives it along, so that the same message is never two.
    pub message: String,
    /// The timer that made it.
    pub timer: String,
    /// `sms`, `whatsapp` or `email`.
    pub channel: String,
    /// What the address is.
    pub kind: String,
    /// The address.
    pub to: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// What its text is called.
    pub template: String,
    /// `waiting`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before then.
    pub next: At,
    /// Who is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_by: Option<String>,
    /// Until then nobody else gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<At>,
    /// What its channel calls it, or why it was not sent.
    pub why: String,
    /// Since when it is there.
    pub made: At,
    /// When it was sent, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<At>,
}

/// Which messages.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OutboxFilter {
    /// Before this one.
    before: Option<String>,
    /// `waiting`, `sent` or `dead`.
    #[serde(default)]
    state: String,
    /// So many; 200 at most.
    limit: Option<u32>,
}

/// What whoever serves a channel wants to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// `sms`, `whatsapp` or `email`.
    pub channel: String,
    /// So many; 200 at most.
    pub limit: u32,
    /// For so long nobody else gets them, in s: 1 to 3600.
    pub seconds: u32,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// It was sent.
    pub sent: bool,
    /// What the channel calls it; or why it was not sent.
    pub why: String,
    /// It is not to be tried again.
    #[serde(default)]
    pub give_up: bool,
}

impl From<OutboxRow> for OutboxView {
    fn from(row: OutboxRow) -> Self {
        let OutboxRow { message, timer, state, attempts, next_at, leased_by, leased_until_at, why, made_at, ended_at } = row;
        Self {
            message: message.message,
            timer: timer.to_string(),
            channel: message.channel.word().to_owned(),
            kind: message.to.kind().word().to_owned(),
            to: message.to.value().to_owned(),
            customer: message.customer.map(|customer| customer.to_string()),
            template: message.template,
            state,
            attempts,
            next: At(next_at),
            leased_by,
            leased_until: leased_until_at.map(At),
            why,
            made: At(made_at),
            ended: ended_at.map(At),
        }
    }
}

/// Messages that are to be sent or were, the newest first
#[utoipa::path(get, path = "/api/v1/outbox", tag = "rules", security(("token" = ["read"])), params(OutboxFilter),
    responses((status = 200, body = [OutboxView])))]
pub(in crate::http) async fn outbox(
    State(api): State<Api>,
    Params(filter): Params<OutboxFilter>,
) -> Result<Json<Vec<OutboxView>>, Problem> {
    let rows =
        api.control.store.outbox(filter.before.as_deref(), &filter.state, most(filter.limit)).await.map_err(Problem::from)?;
    Ok(Json(rows.into_iter().map(OutboxView::from).collect()))
}

/// Take messages of a channel to send them
///
/// Nobody else gets them until the lease is over. Say what became of each before that.
#[utoipa::path(post, path = "/api/v1/outbox/lease", tag = "rules", security(("token" = ["control"])), request_body = Lease,
    responses((status = 200, body = [OutboxView]), (status = 400, body = Problem)))]
pub(in crate::http) async fn lease(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(wanted): JsonBody<Lease>,
) -> Result<Json<Vec<OutboxView>>, Problem> {
    let channel = channel(&wanted.channel)?;
    if !(1..=MOST_LEASE_S).contains(&wanted.seconds) {
        return Err(Problem::bad("that is no length of a lease").at("body.seconds").todo("1 to 3600"));
    }
    let (store, now) = (&api.control.store, clock::now().at);
    // Two that ask at once must not get the same.
    let _turn = api.control.customers.turn().await;
    let rows = store.outbox_due(channel.word(), now, most(Some(wanted.limit))).await.map_err(Problem::from)?;
    let until_at = now.plus_ms(u64::from(wanted.seconds) * 1_000);
    let leased = |row: &OutboxRow| {
        let (message, by) = (row.message.message.clone(), caller.name().to_owned());
        RuleNews::new(now, RuleChange::Leased { message, by, until_at })
    };
    store.commit_rules(rows.iter().map(leased).collect(), Vec::new()).await.map_err(Problem::from)?;
    let views = rows.into_iter().map(|mut row| {
        (row.leased_by, row.leased_until_at) = (Some(caller.name().to_owned()), Some(until_at));
        OutboxView::from(row)
    });
    Ok(Json(views.collect()))
}

/// Say what became of a message
///
/// One that was not sent is tried again, each time after twice as long, ten times at most. Saying it twice changes nothing.
#[utoipa::path(post, path = "/api/v1/outbox/{message}/outcome", tag = "rules", security(("token" = ["control"])), request_body = Outcome,
    params(("message" = String, Path, description = "Its name")),
    responses((status = 200, body = OutboxView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn outcome(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(message): Path<String>,
    JsonBody(outcome): JsonBody<Outcome>,
) -> Result<Json<OutboxView>, Problem> {
    line(&outcome.why, "body.why")?;
    let (store, now) = (&api.control.store, clock::now().at);
    let _turn = api.control.customers.turn().await;
    let row = found(&api, &message).await?;
    if row.state == "waiting" {
        let (attempts, why) = (row.attempts + 1, outcome.why);
        let what = if outcome.sent {
            RuleChange::Sent { message: message.clone(), reference: why, by: caller.name().to_owned() }
        } else {
            let is_over = outcome.give_up || attempts >= MOST_ATTEMPTS;
            let next_at = (!is_over).then(|| now.plus_ms(RETRY_MS << (attempts - 1).min(10)));
            RuleChange::Failed { message: message.clone(), why, attempts, next_at }
        };
        store.commit_rules(vec![RuleNews::new(now, what)], Vec::new()).await.map_err(Problem::from)?;
    }
    found(&api, &message).await.map(|row| Json(row.into()))
}

/// Try a dead message again
#[utoipa::path(post, path = "/api/v1/outbox/{message}/retry", tag = "rules", security(("token" = ["control"])),
    params(("message" = String, Path, description = "Its name")),
    responses((status = 200, body = OutboxView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(in crate::http) async fn retry(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(message): Path<String>,
) -> Result<Json<OutboxView>, Problem> {
    let (store, now) = (&api.control.store, clock::now().at);
    let _turn = api.control.customers.turn().await;
    let row = found(&api, &message).await?;
    if row.state != "dead" {
        return Err(
            Problem::new(StatusCode::CONFLICT, format!("the message is {}", row.state)).todo("only a dead one is tried again")
        );
    }
    let why = format!("again, by {}", caller.name());
    let what = RuleChange::Failed { message: message.clone(), why, attempts: 0, next_at: Some(now) };
    store.commit_rules(vec![RuleNews::new(now, what)], Vec::new()).await.map_err(Problem::from)?;
    api.audit(&caller, "outbox-retried", message.clone());
    found(&api, &message).await.map(|row| Json(row.into()))
}

async fn found(api: &Api, message: &str) -> Result<OutboxRow, Problem> {
    let row: Result<Option<OutboxRow>, StoreError> = api.control.store.outbox_message(message).await;
    row.map_err(Problem::from)?.ok_or_else(|| Problem::not_found("message", message).todo("see `tandem outbox`"))
}
