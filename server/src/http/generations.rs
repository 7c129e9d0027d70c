//! Plans that take the place of the one in service, and those that were.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use tandem_dialplan::{Source, parse_number};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    plan::PlanRefused,
    plan_order::{PlanAnswer, PlanNotTaken, PlanOrder, PlanTask},
    problem::{JsonBody, Params, Path, Problem},
    view::{GenerationDetail, GenerationPage, GenerationView, PlanApplied, PlanDiff, PlanText},
};
use crate::{
    plan_diff,
    store::{KEPT_TEXTS, Share, WatchRules},
};

/// The largest body of a plan: 4 MiB of text, and what JSON makes of it.
pub(super) const MAX_PLAN_BODY_BYTES: usize = 12 << 20;
/// Generations in one answer at most.
const MAX_PAGE: u32 = 200;
/// Test numbers of one canary at most.
const MAX_NUMBERS: usize = 100;
/// The longest watch: a week.
const MAX_WATCH_S: u64 = 7 * 86_400;
/// The longest reason.
const MAX_MESSAGE: usize = 1_000;

/// A plan that is to take the place of the one in service.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyOrder {
    /// Every file of the plan; those of the server's own folder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<PlanText>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Change nothing: check, and say what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// For some calls only. Needs `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryOrder>,
    /// When it goes back by itself; `null` for never. Ten minutes, 5% and 20 calls when absent.
    #[serde(default = "usual_watch")]
    pub watch: Option<WatchOrder>,
    /// Only if this generation is in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onto: Option<u64>,
}

/// Which calls run on a canary.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CanaryOrder {
    /// Of all callers so many, to a hundredth of a percent.
    #[serde(default)]
    pub percent: f64,
    /// Calls from or to these, always.
    #[serde(default)]
    pub numbers: Vec<String>,
}

/// When a plan is too bad to stay.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchOrder {
    /// How long it is watched, in seconds.
    pub for_s: u64,
    /// So many of its calls may go wrong, in percent.
    pub max_errors_percent: f64,
    /// Calls that must have ended before anything is concluded.
    pub least_calls: u32,
}

/// What is to be done without a new plan.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteOrder {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it goes back by itself; `null` for never.
    #[serde(default = "usual_watch")]
    pub watch: Option<WatchOrder>,
}

/// Which plan is to come back.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackOrder {
    /// Its number. When absent, a canary ends; without one, what was in service before comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What `ApplyOrder` says of the watch when it says nothing.
#[must_use]
pub fn usual_watch() -> Option<WatchOrder> {
    let WatchRules { for_ms, max_errors_per_10000, least_calls } = WatchRules::default();
    Some(WatchOrder { for_s: for_ms / 1_000, max_errors_percent: f64::from(max_errors_per_10000) / 100.0, least_calls })
}

/// Take another plan into service
///
/// Checks it first; with an error in it the one in service stays. Calls that are up keep the plan they began with.
#[utoipa::path(post, path = "/api/v1/plan/apply", tag = "plan", security(("token" = ["admin"])), request_body = ApplyOrder,
    responses((status = 200, body = PlanApplied), (status = 400, body = Problem), (status = 409, body = Problem), (status = 422, body = PlanRefused)))]
pub(super) async fn apply(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(order): JsonBody<ApplyOrder>,
) -> Result<Response, Problem> {
    let ApplyOrder { files, message, dry_run, canary, watch, onto } = order;
    let sources = files.map(|files| files.into_iter().map(|it| Source::new(it.file, it.text)).collect());
    let (task, what) = match (sources, canary) {
        (Some(sources), Some(canary)) => (PlanTask::Canary(sources, share(canary)?), "plan-canary-begun"),
        (Some(sources), None) => (PlanTask::Apply(sources), "plan-applied"),
        (None, None) => (PlanTask::Reload, "plan-reloaded"),
        (None, Some(_)) => {
            let todo = "send the files that the canary is made of";
            return Err(Problem::bad("a canary is not read from the server's own folder").at("body.files").todo(todo));
        }
    };
    let (message, watch) = (reason(message)?, watch.map(rules).transpose()?);
    let what = (!dry_run).then_some(what);
    answered(&api, &caller, what, |order| PlanOrder { message, watch, onto, dry_run, ..order }, task).await
}

/// Take the canary into service for all calls
#[utoipa::path(post, path = "/api/v1/plan/promote", tag = "plan", security(("token" = ["admin"])), request_body = PromoteOrder,
    responses((status = 200, body = PlanApplied), (status = 409, body = Problem), (status = 422, body = PlanRefused)))]
pub(super) async fn promote(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(PromoteOrder { message, watch }): JsonBody<PromoteOrder>,
) -> Result<Response, Problem> {
    let (message, watch) = (reason(message)?, watch.map(rules).transpose()?);
    let order = |order| PlanOrder { message, watch, ..order };
    answered(&api, &caller, Some("plan-promoted"), order, PlanTask::Promote).await
}

/// End a canary, or take an older plan into service again
#[utoipa::path(post, path = "/api/v1/plan/rollback", tag = "plan", security(("token" = ["admin"])), request_body = RollbackOrder,
    responses((status = 200, body = PlanApplied), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = PlanRefused)))]
pub(super) async fn rollback(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(RollbackOrder { generation, message }): JsonBody<RollbackOrder>,
) -> Result<Response, Problem> {
    let message = reason(message)?;
    let order = |order| PlanOrder { message, watch: None, ..order };
    answered(&api, &caller, Some("plan-rolled-back"), order, PlanTask::Rollback(generation)).await
}

async fn answered(
    api: &Api,
    caller: &Caller,
    what: Option<&str>,
    complete: impl FnOnce(PlanOrder) -> PlanOrder,
    task: PlanTask,
) -> Result<Response, Problem> {
    let order = |reply| ControlRequest::ChangePlan(complete(PlanOrder::new(caller.name(), task, reply)));
    let answer: PlanAnswer = api.control.ask_slow(order).await?;
    match answer {
        Ok(applied) => {
            if let Some(what) = what {
                api.audit(caller, what, applied.taken.unwrap_or(applied.plan.generation).to_string());
            }
            Ok(Json(applied).into_response())
        }
        Err(why) => refused(why),
    }
}

/// What a plan that was not taken looks like.
pub(super) fn refused(why: PlanNotTaken) -> Result<Response, Problem> {
    let problem = |status, sentence: String, todo: &str| Err(Problem::new(status, sentence).todo(todo));
    match why {
        PlanNotTaken::Problems(problems) => Ok(PlanRefused::response(problems)),
        PlanNotTaken::Conflict(sentence, todo) => problem(StatusCode::CONFLICT, sentence, todo),
        PlanNotTaken::NotThere(sentence) => problem(StatusCode::NOT_FOUND, sentence, "see the history for what there is"),
        PlanNotTaken::Failed(sentence, todo) => problem(StatusCode::INTERNAL_SERVER_ERROR, sentence, todo),
    }
}

/// Which generations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only older ones than this.
    before: Option<u64>,
    /// At most so many; 50 unless said, 200 at most.
    limit: Option<u32>,
}

/// Plans that were taken, the newest first
#[utoipa::path(get, path = "/api/v1/plan/generations", tag = "plan", security(("token" = ["read"])), params(HistoryQuery),
    responses((status = 200, body = GenerationPage)))]
pub(super) async fn history(
    State(api): State<Api>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<GenerationPage>, Problem> {
    let limit = query.limit.unwrap_or(50).clamp(1, MAX_PAGE);
    let rows = api.control.store.generations(query.before, limit + 1).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let generations: Vec<GenerationView> = rows.iter().take(shown).map(GenerationView::from).collect();
    let next = (rows.len() > shown).then(|| generations.last().map(|last| last.generation)).flatten();
    Ok(Json(GenerationPage { generations, next }))
}

/// A plan that was taken, with its texts
#[utoipa::path(get, path = "/api/v1/plan/generations/{generation}", tag = "plan", security(("token" = ["admin"])),
    params(("generation" = u64, Path, description = "Its number.")),
    responses((status = 200, body = GenerationDetail), (status = 404, body = Problem)))]
pub(super) async fn generation(State(api): State<Api>, Path(number): Path<u64>) -> Result<Json<GenerationDetail>, Problem> {
    let row = api.control.store.generation(number).await?;
    let row = row.ok_or_else(|| Problem::not_found("generation", &number.to_string()).todo("see /api/v1/plan/generations"))?;
    let texts = api.control.store.plan_texts(number).await?.into_iter().map(|(file, text)| PlanText { file, text }).collect();
    Ok(Json(GenerationDetail { generation: GenerationView::from(&row), texts }))
}

/// Which two.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The older one.
    from: u64,
    /// The newer one.
    to: u64,
}

/// What differs between two plans that were taken
#[utoipa::path(get, path = "/api/v1/plan/diff", tag = "plan", security(("token" = ["admin"])), params(DiffQuery),
    responses((status = 200, body = PlanDiff), (status = 404, body = Problem)))]
pub(super) async fn diff(State(api): State<Api>, Params(query): Params<DiffQuery>) -> Result<Json<PlanDiff>, Problem> {
    let (old, new) = (texts_of(&api, query.from).await?, texts_of(&api, query.to).await?);
    let differ = tokio::task::spawn_blocking(move || plan_diff::differ(&old, &new)).await;
    differ.map(Json).map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of the switch ended this request"))
}

async fn texts_of(api: &Api, generation: u64) -> Result<Vec<Source>, Problem> {
    let texts = api.control.store.plan_texts(generation).await?;
    if texts.is_empty() {
        let todo = format!("the texts of the last {KEPT_TEXTS} are kept; see /api/v1/plan/generations");
        return Err(Problem::not_found("text of generation", &generation.to_string()).todo(todo));
    }
    Ok(texts.into_iter().map(|(file, text)| Source::new(file, text)).collect())
}

pub(super) fn reason(message: Option<String>) -> Result<Option<String>, Problem> {
    match message {
        Some(message) if message.chars().count() > MAX_MESSAGE => {
            Err(Problem::bad(format!("the message is longer than {MAX_MESSAGE} letters")).at("body.message"))
        }
        message => Ok(message.map(|message| message.trim().to_owned()).filter(|message| !message.is_empty())),
    }
}

fn share(order: CanaryOrder) -> Result<Share, Problem> {
    let CanaryOrder { percent, numbers } = order;
    let per_10000 = per_10000(percent).ok_or_else(|| {
        Problem::bad(format!("{percent} is no share in percent")).at("body.canary.percent").todo("give a number from 0 to 100")
    })?;
    if numbers.len() > MAX_NUMBERS {
        return Err(Problem::bad(format!("there are more than {MAX_NUMBERS} numbers")).at("body.canary.numbers"));
    }
    let parsed = numbers.iter().map(|text| {
        let shown: String = text.chars().take(64).collect();
        let bad =
            || Problem::bad(format!("`{shown}` is no number")).at("body.canary.numbers").todo("give one like +390212345678");
        parse_number(text).ok_or_else(bad)
    });
    let numbers = parsed.collect::<Result<Vec<_>, _>>()?;
    if per_10000 == 0 && numbers.is_empty() {
        let todo = "give a percentage above 0, or test numbers";
        return Err(Problem::bad("no call would run on that canary").at("body.canary").todo(todo));
    }
    Ok(Share { per_10000, numbers })
}

fn rules(order: WatchOrder) -> Result<WatchRules, Problem> {
    let WatchOrder { for_s, max_errors_percent, least_calls } = order;
    if !(1..=MAX_WATCH_S).contains(&for_s) {
        return Err(Problem::bad("a plan is watched for a second to a week").at("body.watch.for_s"));
    }
    let max_errors_per_10000 = per_10000(max_errors_percent).ok_or_else(|| {
        let place = "body.watch.max_errors_percent";
        Problem::bad(format!("{max_errors_percent} is no share in percent")).at(place).todo("give a number from 0 to 100")
    })?;
    Ok(WatchRules { for_ms: for_s * 1_000, max_errors_per_10000, least_calls: least_calls.max(1) })
}

/// Percent, to a hundredth; `None` for what is no share.
#[must_use]
pub(super) fn per_10000(percent: f64) -> Option<u16> {
    let share = (0.0..=100.0).contains(&percent).then_some(percent * 100.0)?;
    format!("{share:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_nothing() {
        let all = [0.0, 0.01, 2.5, 10.0, 100.0, -0.1, 100.1, f64::NAN, f64::INFINITY].map(per_10000);
        assert_eq!(all, [Some(0), Some(1), Some(250), Some(1_000), Some(10_000), None, None, None, None]);
    }

    #[test]
    fn an_order_is_watched_unless_it_says_null() {
        let read = |text: &str| serde_json::from_str::<ApplyOrder>(text).map(|order| order.watch.map(|watch| rules(watch).ok()));
        assert_eq!(read("{}").unwrap(), Some(Some(WatchRules::default())));
        assert_eq!(read(r#"{"watch":null}"#).unwrap(), None);
        let strict = WatchRules { for_ms: 60_000, max_errors_per_10000: 0, least_calls: 1 };
        assert_eq!(read(r#"{"watch":{"for_s":60,"max_errors_percent":0,"least_calls":0}}"#).unwrap(), Some(Some(strict)));
        assert_eq!(read(r#"{"watch":{"for_s":0,"max_errors_percent":5,"least_calls":1}}"#).unwrap(), Some(None));
        assert!(read(r#"{"wacth":null}"#).is_err());
    }

    #[test]
    fn a_canary_has_calls() {
        let order = |percent, numbers: &[&str]| {
            share(CanaryOrder { percent, numbers: numbers.iter().map(|number| (*number).to_owned()).collect() })
        };
        assert!(order(0.0, &[]).is_err() && order(0.0, &["evil@x"]).is_err() && order(101.0, &[]).is_err());
        let taken = order(0.0, &["+39 02 12345"]).unwrap();
        assert_eq!(taken.numbers.iter().map(|number| number.as_str()).collect::<Vec<_>>(), ["+390212345"]);
    }
}
