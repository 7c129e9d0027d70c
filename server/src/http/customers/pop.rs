//! What an agent sees when a call rings: who it is, or may be, and what they may want.

use std::time::Duration;

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::matching::{Candidate, Doubt, Matched},
    id::{CallId, CustomerId, InteractionId},
};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::view::{CaseView, CustomerDetail, CustomerView, TimelineEntry};
use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        control::ControlRequest,
        problem::{Path, Problem, id},
    },
};

/// What is looked up at ring time has to be there by then; what is not is unknown.
const BUDGET: Duration = Duration::from_millis(150);
/// Entries of the timeline that are shown.
const HEAD: u32 = 5;
/// Cases that are looked at.
const CASES: u32 = 50;

/// Who it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CandidateView {
    /// They.
    #[serde(flatten)]
    pub customer: CustomerView,
    /// 0 to 99.
    pub score: u8,
    /// What speaks against them: `shared`, `unsure`, `expired` or `unproven`.
    pub doubts: Vec<String>,
}

/// Who is on a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallerView {
    /// The customer, when it is certain.
    pub customer: Option<CustomerDetail>,
    /// Who it may be, when it is not; best first.
    pub candidates: Vec<CandidateView>,
    /// The language that they prefer.
    pub language: Option<String>,
    /// Their cases that are open, the one touched last first.
    pub open_cases: Vec<CaseView>,
    /// The last things that happened.
    pub timeline: Vec<TimelineEntry>,
    /// Why it is they, or nobody.
    pub because: String,
    /// How long it took to find out, in ms.
    pub took_ms: u64,
}

/// Who is on a call
///
/// For the screen of the agent whom it is offered to. What is not known within 150 ms is unknown: ask again.
#[utoipa::path(get, path = "/api/v1/calls/{call}/customer", tag = "customers", security(("token" = ["read"])),
    params(("call" = String, Path, description = "Its identifier")),
    responses((status = 200, body = CallerView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn caller(
    State(api): State<Api>,
    Extension(token): Extension<Caller>,
    Path(call): Path<String>,
) -> Result<Json<CallerView>, Problem> {
    let wanted: CallId = id(&call)?;
    let began = clock::now().at;
    let mut view = match timeout(BUDGET, known(&api, wanted)).await {
        Ok(view) => view?.ok_or_else(|| Problem::not_found("call", &call))?,
        Err(_) => CallerView { because: "the database did not answer within 150 ms".to_owned(), ..CallerView::default() },
    };
    api.audit(&token, "caller-read", call);
    view.took_ms = clock::now().at.ms_since(began);
    Ok(Json(view))
}

/// What is known; `None`: there is no such call.
async fn known(api: &Api, call: CallId) -> Result<Option<CallerView>, Problem> {
    let customers = &api.control.customers;
    if let Some(row) = customers.store.interaction(InteractionId(call.0)).await? {
        let address = row.identity.as_ref().map(|identity| identity.value().to_owned());
        return match (row.customer, address) {
            (Some(customer), address) => {
                let because = address.map_or_else(|| "somebody said so".to_owned(), |it| format!("{it} is theirs"));
                certain(api, customer, because).await.map(Some)
            }
            (None, Some(_)) => doubtful(api, row.candidates).await.map(Some),
            (None, None) => {
                Ok(Some(CallerView { because: "the number is withheld or none".to_owned(), ..CallerView::default() }))
            }
        };
    }
    // It arrived just now: the journal may not have it yet.
    let live = api.control.ask(ControlRequest::Calls).await?;
    let Some(live) = live.into_iter().find(|live| live.call == call.to_string()) else { return Ok(None) };
    let number = if live.origin.starts_with("trunk:") { &live.from } else { &live.to };
    let Some(identity) = tandem_switch::customers::Identity::of_caller(number, customers.country()) else {
        return Ok(Some(CallerView { because: "the number is withheld or none".to_owned(), ..CallerView::default() }));
    };
    Ok(Some(match customers.whose(&identity, None, clock::now().at).await? {
        Matched::Certain(customer) => certain(api, customer, format!("{} is theirs", identity.value())).await?,
        Matched::Candidates(candidates) => doubtful(api, candidates).await?,
        Matched::Nobody => doubtful(api, Vec::new()).await?,
    }))
}

async fn certain(api: &Api, customer: CustomerId, because: String) -> Result<CallerView, Problem> {
    let row = api.root(&customer.to_string()).await?;
    let root = row.customer;
    let language = (!row.language.is_empty()).then(|| row.language.clone());
    let cases = api.control.store.cases_of(root, CASES).await?;
    let open_cases = cases.into_iter().filter(|case| case.status.is_open()).map(CaseView::from).collect();
    let timeline = super::timeline::page(api, root, None, HEAD).await?.entries;
    let customer = Some(api.detail(row).await?);
    Ok(CallerView { customer, candidates: Vec::new(), language, open_cases, timeline, because, took_ms: 0 })
}

async fn doubtful(api: &Api, candidates: Vec<Candidate>) -> Result<CallerView, Problem> {
    let mut shown = Vec::new();
    for Candidate { customer, score, doubts } in candidates {
        let doubts = doubts.into_iter().map(doubt).map(str::to_owned).collect();
        shown.push(CandidateView { customer: api.root(&customer.to_string()).await?.into(), score, doubts });
    }
    let because = if shown.is_empty() { "nobody has this number" } else { "it is not certain whose number this is" };
    Ok(CallerView { candidates: shown, because: because.to_owned(), ..CallerView::default() })
}

const fn doubt(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Shared => "shared",
        Doubt::Unsure => "unsure",
        Doubt::Expired => "expired",
        Doubt::Unproven => "unproven",
    }
}
