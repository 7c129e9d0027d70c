//! People outside: what is kept of one, taken out on their wish or by age, and held for a court.

mod export;

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tandem_switch::id::CallId;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    problem::{JsonBody, Path, Problem, id},
    view::{At, Done},
};
use crate::{
    clock,
    privacy::{self, Ages, Erased, How, PrivacyError, Taken, Wanted},
    store::{Hold, Number, RetentionTerms},
};

/// Numbers of one person.
const MOST_NUMBERS: usize = 16;
const MOST_HOLDS: usize = 10_000;
/// How long an answer waits for the job; then it says that the job goes on.
const PATIENCE: Duration = Duration::from_secs(25);

/// Whose data, by how they are reached or by what they are.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonOrder {
    /// Their numbers and other addresses as records have them, with or without `+`; up to 16. Numbers have 6 digits or more.
    /// A customer who has one of them is meant with all their addresses.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Customers, by their identifiers; up to 16. Needed where several have a number.
    #[serde(default)]
    pub customers: Vec<String>,
}

/// Who is to be erased.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseOrder {
    /// Their numbers and other addresses as records have them, with or without `+`; up to 16. Numbers have 6 digits or more.
    /// A customer who has one of them goes with all their addresses.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Customers, by their identifiers; up to 16. Needed where several have a number.
    #[serde(default)]
    pub customers: Vec<String>,
    /// Never contact them again: their addresses stay, hashed with a key, as suppressions.
    #[serde(default)]
    pub suppress: bool,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
    /// Write the database anew, too, so that its files hold nothing of them: it takes as long as the database is large, and
    /// writers wait.
    #[serde(default)]
    pub compact: bool,
}

/// What is to age now.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionOrder {
    /// Calls and voice messages, by days since their begin; 1 to 36,500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<u32>,
    /// Customers, by days since anything was heard of them; 1 to 36,500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customers_older_than_days: Option<u32>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What ages by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicy {
    /// Calls and voice messages, by days since their begin; 1 to 36,500; never when absent.
    #[serde(default)]
    pub calls_days: Option<u32>,
    /// Customers, by days since anything was heard of them; 1 to 36,500; never when absent.
    #[serde(default)]
    pub customers_days: Option<u32>,
    /// When it last ran. It is not for you to set, and is not read.
    #[serde(default)]
    pub last_at: Option<At>,
}

/// What went, or would go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TakenView {
    /// Nothing was changed.
    pub dry_run: bool,
    /// It takes longer, and goes on: the audit will say how it ended. The counts are not known yet.
    pub running: bool,
    /// What stands in the place of names and numbers now: the receipt, which the audit names, too. Empty after a dry run and
    /// where each record has one of its own.
    pub receipt: String,
    /// Customers of whom only figures stay; each that was merged counts.
    pub customers: u64,
    /// Addresses that are somebody else's, too, and stay with them.
    pub shared: u64,
    /// Suppressions that stay, hashed.
    pub suppressions: u64,
    /// Calls whose numbers went.
    pub calls: u64,
    /// Recordings that were deleted.
    pub recordings: u64,
    /// Voice messages that were deleted.
    pub messages: u64,
    /// Rows of the journal that were changed.
    pub events: u64,
    /// Calls and messages that a hold keeps.
    pub held: u64,
}

impl TakenView {
    fn new(erased: Erased, dry_run: bool) -> Self {
        let Erased { taken, tombstone: receipt } = erased;
        let Taken { customers, shared, suppressions, calls, recordings, messages, events, held } = taken;
        Self { dry_run, running: false, receipt, customers, shared, suppressions, calls, recordings, messages, events, held }
    }
}

/// What is to stay.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldOrder {
    /// This call with all that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Or all calls and messages of this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Why; 1 to 200 characters.
    pub why: String,
}

/// What stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// Names it.
    pub id: String,
    /// This call with all that belongs to it.
    pub call: Option<String>,
    /// Or all of this number, without `+` and leading zeros.
    pub number: Option<String>,
    /// Why.
    pub why: String,
    /// Who placed it.
    pub by: String,
    /// When.
    pub at: At,
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        let Hold { id, call, number, why, by, at } = hold;
        Self { id, call: call.map(|call| call.to_string()), number, why, by, at: At(at) }
    }
}

impl From<PrivacyError> for Problem {
    fn from(error: PrivacyError) -> Self {
        let (status, todo) = match &error {
            PrivacyError::Held(_) => (StatusCode::CONFLICT, "lift the hold first, if that is lawful: `tandem hold list`"),
            PrivacyError::Shared(_) => (StatusCode::CONFLICT, "name the customer who is meant in `customers`"),
            PrivacyError::Busy => (StatusCode::CONFLICT, "wait until the call is over or cancel the callback, and do it again"),
            PrivacyError::Unfinished(_) => (StatusCode::CONFLICT, "try again when it is finished"),
            PrivacyError::File(..) => (StatusCode::INTERNAL_SERVER_ERROR, "mend what stands in its way, and do it again"),
            PrivacyError::Store(_) => {
                tracing::warn!(%error, "people could not be erased");
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database could not be used, and not all may be done")
                    .todo("do it again");
            }
        };
        Self::new(status, error.to_string()).todo(todo)
    }
}

/// All of them are for admins, but the list of holds.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(export::routes())
        .routes(routes!(erase))
        .routes(routes!(policy, put_policy, retention))
        .routes(routes!(holds, place_hold))
        .routes(routes!(lift_hold))
}

/// Reads whom somebody means.
async fn wanted(api: &Api, numbers: &[String], customers: &[String]) -> Result<Wanted, Problem> {
    if numbers.len() + customers.len() == 0 || numbers.len() > MOST_NUMBERS || customers.len() > MOST_NUMBERS {
        return Err(Problem::bad(format!("give 1 to {MOST_NUMBERS} numbers, or customers")).at("body.numbers"));
    }
    let mut wanted = Wanted::default();
    for text in numbers {
        let country = api.control.customers.country();
        wanted.add(text, country).map_err(|sentence| Problem::bad(sentence).at("body.numbers"))?;
    }
    for customer in customers {
        wanted.customers.push(api.root(customer).await?.customer);
    }
    Ok(wanted)
}

/// Erase a person
///
/// Their numbers and other addresses go from records of calls, items, customers and the whole journal, with names, notes and the
/// words of their cases, and a tombstone takes their place; recordings of their calls and their voice messages are deleted;
/// figures stay, and where they must not be contacted stays as a hash. Refused while a hold keeps something of them or a call of
/// theirs is up. Staff are no people outside: `DELETE /api/v1/people/{extension}`.
#[utoipa::path(post, path = "/api/v1/privacy/erase", tag = "admin", security(("token" = ["admin"])), request_body = EraseOrder,
    responses((status = 200, body = TakenView), (status = 202, body = TakenView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn erase(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(order): JsonBody<EraseOrder>,
) -> Result<Response, Problem> {
    let wanted = wanted(&api, &order.numbers, &order.customers).await?;
    let (by, control) = (caller.by(), api.control.clone());
    let how = How { dry_run: order.dry_run, compact: order.compact, suppress: order.suppress };
    // What is on its way to the database is erased, too.
    api.control.writer.flush().await.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    job(&api, order.dry_run, async move { privacy::erase(&control, wanted, &by, how).await }).await
}

/// Age records
///
/// Of calls that began so long ago the numbers of people outside go, and voice messages of so long ago are deleted; of customers
/// without an open case of whom nothing was heard for so long the words go. Figures stay, and what a hold keeps. Recordings have
/// a time of their own, in the plan.
#[utoipa::path(post, path = "/api/v1/privacy/retention", tag = "admin", security(("token" = ["admin"])), request_body = RetentionOrder,
    responses((status = 200, body = TakenView), (status = 202, body = TakenView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn retention(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(order): JsonBody<RetentionOrder>,
) -> Result<Response, Problem> {
    in_days(order.older_than_days, "body.older_than_days")?;
    in_days(order.customers_older_than_days, "body.customers_older_than_days")?;
    if order.older_than_days.or(order.customers_older_than_days).is_none() {
        return Err(Problem::bad("say what is to age: older_than_days, customers_older_than_days, or both").at("body"));
    }
    let ages = Ages::of((order.older_than_days, order.customers_older_than_days), clock::now().at);
    let (by, control, dry_run) = (caller.by(), api.control.clone(), order.dry_run);
    job(&api, dry_run, async move {
        let taken = privacy::retain(&control, ages, &by, dry_run).await?;
        Ok(Erased { taken, tombstone: String::new() })
    })
    .await
}

fn in_days(days: Option<u32>, place: &str) -> Result<(), Problem> {
    let fits = days.is_none_or(|days| (1..=36_500).contains(&days));
    fits.then_some(()).ok_or_else(|| Problem::bad("give 1 to 36,500 days").at(place))
}

/// What ages by itself, and when it last did
#[utoipa::path(get, path = "/api/v1/privacy/retention", tag = "admin", security(("token" = ["admin"])),
    responses((status = 200, body = RetentionPolicy)))]
pub(super) async fn policy(State(api): State<Api>) -> Result<Json<RetentionPolicy>, Problem> {
    let RetentionTerms { calls_days, customers_days, last_at } = api.control.store.retention().await?;
    Ok(Json(RetentionPolicy { calls_days, customers_days, last_at: last_at.map(At) }))
}

/// Say what ages by itself, daily
///
/// What is absent never does.
#[utoipa::path(put, path = "/api/v1/privacy/retention", tag = "admin", security(("token" = ["admin"])), request_body = RetentionPolicy,
    responses((status = 200, body = RetentionPolicy), (status = 400, body = Problem)))]
pub(super) async fn put_policy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(wish): JsonBody<RetentionPolicy>,
) -> Result<Json<RetentionPolicy>, Problem> {
    in_days(wish.calls_days, "body.calls_days")?;
    in_days(wish.customers_days, "body.customers_days")?;
    let terms = RetentionTerms { calls_days: wish.calls_days, customers_days: wish.customers_days, last_at: None };
    api.control.store.put_retention(terms, caller.by(), clock::now().at).await?;
    policy(State(api)).await
}

/// Runs one job at a time. Who asks may leave, and after a while is told that it goes on.
async fn job(
    api: &Api,
    dry_run: bool,
    work: impl Future<Output = Result<Erased, PrivacyError>> + Send + 'static,
) -> Result<Response, Problem> {
    let alone =
        api.control.customers.erasing.clone().try_lock_owned().map_err(|_| {
            Problem::new(StatusCode::CONFLICT, "another erasure is under way").todo("wait for its row in the audit")
        })?;
    let running = tokio::spawn(async move {
        let outcome = work.await;
        if let Err(error) = &outcome {
            tracing::warn!(%error, "an erasure is not done");
        }
        drop(alone);
        outcome
    });
    match tokio::time::timeout(PATIENCE, running).await {
        Ok(Ok(taken)) => Ok(Json(TakenView::new(taken?, dry_run)).into_response()),
        Ok(Err(_)) => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the switch ended the erasure").todo("do it again"))
        }
        Err(_) => Ok((StatusCode::ACCEPTED, Json(TakenView { dry_run, running: true, ..TakenView::default() })).into_response()),
    }
}

/// Everything that must stay
#[utoipa::path(get, path = "/api/v1/holds", tag = "admin", security(("token" = ["admin"])), responses((status = 200, body = [HoldView])))]
pub(super) async fn holds(State(api): State<Api>) -> Result<Json<Vec<HoldView>>, Problem> {
    Ok(Json(api.control.store.holds().await?.into_iter().map(HoldView::from).collect()))
}

/// Keep a call, or all of a number, whatever their age and whoever wants them gone
#[utoipa::path(post, path = "/api/v1/holds", tag = "admin", security(("token" = ["admin"])), request_body = HoldOrder,
    responses((status = 200, body = HoldView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn place_hold(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(order): JsonBody<HoldOrder>,
) -> Result<Json<HoldView>, Problem> {
    let HoldOrder { call, number, why } = order;
    let fits = !why.trim().is_empty() && why.chars().count() <= 200 && !why.contains(char::is_control);
    fits.then_some(()).ok_or_else(|| Problem::bad("say why in 1 to 200 characters on one line").at("body.why"))?;
    if call.is_some() == number.is_some() {
        return Err(Problem::bad("give a call, or a number").at("body"));
    }
    let call: Option<CallId> = call.as_deref().map(id).transpose()?;
    let number: Option<Number> =
        number.map(|number| number.parse()).transpose().map_err(|said: String| Problem::bad(said).at("body.number"))?;
    let store = &api.control.store;
    if store.holds().await?.len() >= MOST_HOLDS {
        return Err(Problem::new(StatusCode::CONFLICT, format!("there are {MOST_HOLDS} holds already")).todo("lift old ones"));
    }
    let hold = store.place_hold((call, number.as_ref()), &why, caller.by(), clock::now().at).await?;
    Ok(Json(hold.into()))
}

/// Lift a hold
#[utoipa::path(delete, path = "/api/v1/holds/{hold}", tag = "admin", security(("token" = ["admin"])),
    params(("hold" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Done), (status = 404, body = Problem)))]
pub(super) async fn lift_hold(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(hold): Path<String>,
) -> Result<Json<Done>, Problem> {
    if !api.control.store.lift_hold(&hold, caller.by(), clock::now().at).await? {
        return Err(Problem::not_found("hold", &hold));
    }
    Ok(Json(Done { done: true }))
}
