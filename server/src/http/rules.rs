//! Rules over channels: what they wait for, what they did, and what happened elsewhere. `outbox`: the messages that they leave
//! to be sent.

pub mod outbox;

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    channel::Channel,
    customers::{Identity, IdentityKind},
    id::{CustomerId, TimerId},
    name::RuleName,
};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    problem::{JsonBody, Params, Path, Problem, id},
    view::{At, Done},
};
use crate::{
    clock,
    store::{DeedRow, Happening, RuleChange, RuleNews, TimerRow},
};

/// Rows of an answer, at most.
const MOST: u32 = 200;
/// Characters of a word or a reason, at most.
const MAX_TEXT: usize = 200;

/// A rule of the plan in service, and how often it was set off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleView {
    /// Its name.
    pub rule: String,
    /// What sets it off, in the plan's word.
    pub when: String,
    /// How long after that it looks, in ms.
    pub after_ms: u64,
    /// What it does, in the plan's words.
    pub then: Vec<String>,
    /// Timers of it that run.
    pub running: u64,
    /// How often it was carried out.
    pub fired: u64,
    /// How often something spoke against it.
    pub skipped: u64,
    /// How often it was overtaken.
    pub cancelled: u64,
}

/// One time that a rule was set off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimerView {
    /// Its identifier.
    pub timer: String,
    /// Which rule.
    pub rule: String,
    /// What set it off, in the plan's word.
    pub when: String,
    /// The row of the journal that did.
    pub cause: i64,
    /// The customer's address; absent where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Who they are; absent where that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The call that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// `running`, `cancelled`, `skipped` or `fired`.
    pub state: String,
    /// Why it was not carried out.
    pub why: String,
    /// When it was set off.
    pub set: At,
    /// When it looks, or looked.
    pub due: At,
    /// Since when it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<At>,
}

/// The same, with what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimerStory {
    /// What it is.
    #[serde(flatten)]
    pub timer: TimerView,
    /// What was done, in order.
    pub deeds: Vec<DeedView>,
}

/// One action of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeedView {
    /// The plan's word.
    pub what: String,
    /// `todo`, `done` or `refused`.
    pub state: String,
    /// With what, or why not.
    pub detail: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<At>,
}

/// Something that happened to a customer elsewhere: by `kind` and `value` of an address, by `customer`, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHappening {
    /// On which channel: `voice`, `email`, `sms`, `whatsapp` or `chat`.
    pub channel: String,
    /// What, in its own word, as the plan's `happened` has it: `unresolved`, `csat-low`.
    pub what: String,
    /// What the address is: `phone`, `email`, `whatsapp`, `chat-token` or `external`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
}

/// Which timers.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimerFilter {
    /// Before this one.
    before: Option<String>,
    /// `running`, `cancelled`, `skipped` or `fired`.
    #[serde(default)]
    state: String,
    /// Of this rule.
    #[serde(default)]
    rule: String,
    /// So many; 200 at most.
    limit: Option<u32>,
}

/// Why a timer is ended.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Reason {
    /// In at most 200 characters on one line.
    reason: String,
}

impl From<TimerRow> for TimerView {
    fn from(row: TimerRow) -> Self {
        let TimerRow { timer, state, why, ended_at } = row;
        Self {
            timer: timer.timer.to_string(),
            rule: timer.rule.name.to_string(),
            when: timer.rule.when.word().to_owned(),
            cause: timer.cause,
            identity: timer.about.identity.map(|identity| identity.value().to_owned()),
            customer: timer.about.customer.map(|customer| customer.to_string()),
            call: timer.about.call.map(|call| call.to_string()),
            state,
            why,
            set: At(timer.set_at),
            due: At(timer.due_at),
            ended: ended_at.map(At),
        }
    }
}

impl From<DeedRow> for DeedView {
    fn from(row: DeedRow) -> Self {
        Self { what: row.what, state: row.state, detail: row.detail, ended: row.ended_at.map(At) }
    }
}

fn most(limit: Option<u32>) -> u32 {
    limit.unwrap_or(MOST).clamp(1, MOST)
}

/// Text of one line.
fn line<'a>(text: &'a str, at: &str) -> Result<&'a str, Problem> {
    let fits = !text.trim().is_empty() && text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
    let todo = format!("give 1 to {MAX_TEXT} characters on one line");
    fits.then_some(text).ok_or_else(|| Problem::bad("the text does not fit").at(at).todo(todo))
}

fn channel(word: &str) -> Result<Channel, Problem> {
    let todo = "one of voice, email, sms, whatsapp, chat";
    Channel::of(word).ok_or_else(|| Problem::bad("there is no such channel").at("body.channel").todo(todo))
}

/// Rules of the plan in service
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", security(("token" = ["read"])), responses((status = 200, body = [RuleView])))]
pub(super) async fn rules(State(api): State<Api>) -> Result<Json<Vec<RuleView>>, Problem> {
    let counts = api.control.store.timer_counts().await.map_err(Problem::from)?;
    let count = |rule: &RuleName, state: &str| {
        counts.iter().find(|(name, of, _)| name == rule.as_str() && of == state).map_or(0, |(_, _, many)| *many)
    };
    let rules = api.control.rules.rules();
    let views = rules.iter().map(|rule| RuleView {
        rule: rule.name.to_string(),
        when: rule.when.word().to_owned(),
        after_ms: rule.after_ms,
        then: rule.then.iter().map(|then| then.word().to_owned()).collect(),
        running: count(&rule.name, "running"),
        fired: count(&rule.name, "fired"),
        skipped: count(&rule.name, "skipped"),
        cancelled: count(&rule.name, "cancelled"),
    });
    Ok(Json(views.collect()))
}

/// What rules wait for and did, the newest first
#[utoipa::path(get, path = "/api/v1/rules/timers", tag = "rules", security(("token" = ["read"])), params(TimerFilter),
    responses((status = 200, body = [TimerView]), (status = 400, body = Problem)))]
pub(super) async fn timers(State(api): State<Api>, Params(filter): Params<TimerFilter>) -> Result<Json<Vec<TimerView>>, Problem> {
    let before = filter.before.as_deref().map(id::<TimerId>).transpose()?;
    let rows =
        api.control.store.timers(before, (&filter.state, &filter.rule), most(filter.limit)).await.map_err(Problem::from)?;
    Ok(Json(rows.into_iter().map(TimerView::from).collect()))
}

/// Why a rule did what it did
#[utoipa::path(get, path = "/api/v1/rules/timers/{timer}", tag = "rules", security(("token" = ["read"])),
    params(("timer" = String, Path, description = "Its identifier")),
    responses((status = 200, body = TimerStory), (status = 404, body = Problem)))]
pub(super) async fn timer(State(api): State<Api>, Path(text): Path<String>) -> Result<Json<TimerStory>, Problem> {
    let timer: TimerId = id(&text)?;
    let row = api.control.store.timer(timer).await.map_err(Problem::from)?.ok_or_else(|| Problem::not_found("timer", &text))?;
    let deeds = api.control.store.deeds(timer).await.map_err(Problem::from)?;
    Ok(Json(TimerStory { timer: row.into(), deeds: deeds.into_iter().map(DeedView::from).collect() }))
}

/// End a timer before its time
#[utoipa::path(delete, path = "/api/v1/rules/timers/{timer}", tag = "rules", security(("token" = ["control"])),
    params(("timer" = String, Path, description = "Its identifier"), Reason),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn cancel_timer(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(text): Path<String>,
    Params(Reason { reason }): Params<Reason>,
) -> Result<Json<Done>, Problem> {
    let timer: TimerId = id(&text)?;
    line(&reason, "query.reason")?;
    match api.control.rules.cancel(timer, reason.clone()).await {
        None => return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "rules wait for the database").todo("try again later")),
        Some(false) => return Err(Problem::not_found("timer that runs", &text).todo("see `tandem rules timers --state running`")),
        Some(true) => {}
    }
    api.audit(&caller, "rule-timer-cancelled", format!("{timer}: {reason}"));
    Ok(Json(Done { done: true }))
}

/// Say that something happened to a customer elsewhere
#[utoipa::path(post, path = "/api/v1/happenings", tag = "rules", security(("token" = ["control"])), request_body = NewHappening,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn happened(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewHappening>,
) -> Result<Json<Done>, Problem> {
    let (control, now) = (&api.control, clock::now().at);
    let channel = channel(&new.channel)?;
    let what = line(&new.what, "body.what")?.to_owned();
    let identity = match (&new.kind, &new.value) {
        (Some(kind), Some(value)) => {
            let kind = IdentityKind::of(kind).ok_or_else(|| Problem::bad("there is no such kind of address").at("body.kind"))?;
            let read = Identity::read(kind, value, control.customers.country());
            Some(read.map_err(|why| Problem::bad(why.to_string()).at("body.value"))?)
        }
        (None, None) => None,
        _ => return Err(Problem::bad("an address has a `kind` and a `value`").at("body")),
    };
    let mut customer = match &new.customer {
        Some(text) => {
            let customer: CustomerId = id(text)?;
            let row = control.store.customer(customer).await.map_err(Problem::from)?;
            Some(row.ok_or_else(|| Problem::not_found("customer", text))?.root)
        }
        None => None,
    };
    if let (None, Some(identity)) = (customer, &identity) {
        customer = control.customers.certain(identity, now).await.map_err(Problem::from)?;
    }
    if customer.is_none() && identity.is_none() {
        return Err(Problem::bad("it is about nobody").at("body").todo("give `kind` and `value` of an address, or `customer`"));
    }
    let happening = Happening { channel, what, identity, customer, by: caller.name().to_owned() };
    control
        .store
        .commit_rules(vec![RuleNews::new(now, RuleChange::Happened(happening))], Vec::new())
        .await
        .map_err(Problem::from)?;
    Ok(Json(Done { done: true }))
}
