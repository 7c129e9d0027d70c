//! Cases, and which conversation belongs to which.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{
        MAX_NAME,
        cases::{CaseStatus, MAX_REOPEN_WINDOW_S, REOPEN_WINDOW_S},
        clocks::MAX_WITHIN_S,
        fits,
    },
    id::{CaseId, ConversationId},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{
    clocks::{self, CaseDetail},
    view::{CaseStateView, CaseView},
};
use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        calls::MAX_PAGE,
        problem::{JsonBody, Path, Problem, id},
        view::Done,
    },
    store::{CaseRow, CustomerChange},
};

/// A case as somebody writes it. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseWish {
    /// What it is, 1 to 200 characters; a new case needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it is about, in one word; calls of the queue of that name go on with it. Empty: nothing in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// `open`, `pending`, `solved` or `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What came of it, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// How long a new contact opens it again after it was solved, in s; seven days unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopen_window_s: Option<u32>,
    /// Promise an answer within that, in s, from when the case is opened; 0: no promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond_within_s: Option<u32>,
    /// Promise a solution within that, in s, not counting while it is `pending`; 0: no promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_within_s: Option<u32>,
    /// Conversations that are about it; they are taken from wherever they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<String>,
}

/// Where a conversation belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConversationWish {
    /// To this case; to none when absent.
    #[serde(default)]
    pub case: Option<String>,
    /// With this customer; stays as it is when absent. Who is certain of a candidate says so here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
}

/// Conversations that one request may move.
const MAX_CONVERSATIONS: usize = 100;

/// A case that is there.
pub(super) async fn found(api: &Api, case: &str) -> Result<CaseRow, Problem> {
    let row = api.control.store.case(id::<CaseId>(case)?).await?;
    row.ok_or_else(|| Problem::not_found("case", case))
}

/// Writes a wish into a case.
fn apply(wish: CaseWish, row: &mut CaseRow, (by, now): (&str, Timestamp)) -> Result<(), Problem> {
    if let Some(subject) = wish.subject {
        row.subject = subject;
    }
    if !fits(&row.subject, MAX_NAME) || row.subject.contains(char::is_control) {
        return Err(Problem::bad("give 1 to 200 characters on one line").at("body.subject"));
    }
    let one = |text: Option<String>, old: Option<String>, place: &str| match text {
        None => Ok(old),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => super::word(text, place).map(Some),
    };
    row.topic = one(wish.topic, row.topic.take(), "body.topic")?;
    row.outcome = one(wish.outcome, row.outcome.take(), "body.outcome")?;
    if let Some(window) = wish.reopen_window_s {
        if window > MAX_REOPEN_WINDOW_S {
            return Err(Problem::bad("a case can be gone on with for a year at most").at("body.reopen_window_s"));
        }
        row.reopen_window_s = window;
    }
    let promised = |wish: Option<u32>, old: Option<u32>, place: &str| match wish {
        None => Ok(old),
        Some(0) => Ok(None),
        Some(within) if within <= MAX_WITHIN_S => Ok(Some(within)),
        Some(_) => Err(Problem::bad("nothing can be promised for later than a year").at(place)),
    };
    row.respond_within_s = promised(wish.respond_within_s, row.respond_within_s, "body.respond_within_s")?;
    row.resolve_within_s = promised(wish.resolve_within_s, row.resolve_within_s, "body.resolve_within_s")?;
    if let Some(status) = wish.status {
        let known = CaseStatus::of(&status)
            .ok_or_else(|| Problem::bad("no such status").at("body.status").todo("give open, pending, solved or closed"))?;
        if !row.status.may_become(known) {
            let detail = "the case is closed, and stays so";
            return Err(Problem::new(StatusCode::CONFLICT, detail).at("body.status").todo("open a new case"));
        }
        row.set_status(known, by, now);
    }
    Ok(())
}

async fn put(
    api: &Api,
    caller: &Caller,
    (mut row, now): (CaseRow, Timestamp),
    mut wish: CaseWish,
) -> Result<Json<CaseView>, Problem> {
    let customers = &api.control.customers;
    row.touched_at = now;
    let conversations = std::mem::take(&mut wish.conversations);
    if conversations.len() > MAX_CONVERSATIONS {
        return Err(Problem::bad("at most 100 conversations at once").at("body.conversations"));
    }
    apply(wish, &mut row, (&caller.name(), now))?;
    let mut changes = vec![CustomerChange::CasePut(row.clone())];
    for text in conversations {
        let conversation: ConversationId = id(&text)?;
        let known = customers.store.conversation(conversation).await?;
        known.ok_or_else(|| Problem::not_found("conversation", &text).at("body.conversations"))?;
        let (customer, case) = (Some(row.customer), Some(row.case));
        changes.push(CustomerChange::ConversationMoved { conversation, customer, case });
    }
    customers.commit(&caller.name(), now, changes).await?;
    Ok(Json(CaseView::from(row)))
}

/// The cases of a customer, the one touched last first; at most 500
#[utoipa::path(get, path = "/api/v1/customers/{customer}/cases", tag = "customers", security(("token" = ["read"])),
    params(("customer" = String, Path, description = "Their identifier")),
    responses((status = 200, body = [CaseView]), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn cases(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
) -> Result<Json<Vec<CaseView>>, Problem> {
    let root = api.root(&customer).await?.customer;
    api.audit(&caller, "customer-read", customer);
    let cases = api.control.store.cases_of(root, MAX_PAGE).await?;
    Ok(Json(cases.into_iter().map(CaseView::from).collect()))
}

/// Open a case
///
/// With conversations of another case, that one is split.
#[utoipa::path(post, path = "/api/v1/customers/{customer}/cases", tag = "customers", security(("token" = ["control"])),
    params(("customer" = String, Path, description = "Their identifier")), request_body = CaseWish,
    responses((status = 200, body = CaseView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn open_case(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    JsonBody(wish): JsonBody<CaseWish>,
) -> Result<Json<CaseView>, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let _turn = customers.turn().await;
    let customer = api.root(&customer).await?.customer;
    let row = CaseRow {
        case: CaseId(customers.id(now)),
        customer,
        subject: String::new(),
        topic: None,
        status: CaseStatus::Open,
        outcome: None,
        reopen_window_s: REOPEN_WINDOW_S,
        respond_within_s: None,
        resolve_within_s: None,
        opened_at: now,
        touched_at: now,
        solved_at: None,
        status_by: caller.name(),
        status_at: now,
    };
    put(&api, &caller, (row, now), wish).await
}

/// One case, with its clocks
#[utoipa::path(get, path = "/api/v1/cases/{case}", tag = "customers", security(("token" = ["read"])),
    params(("case" = String, Path, description = "Its identifier")),
    responses((status = 200, body = CaseDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn case(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(case): Path<String>,
) -> Result<Json<CaseDetail>, Problem> {
    let row = found(&api, &case).await?;
    api.audit(&caller, "case-read", case);
    Ok(Json(clocks::detail(&api, row, clock::now().at).await?))
}

/// Each status that a case had, the first one first; at most 1000
#[utoipa::path(get, path = "/api/v1/cases/{case}/states", tag = "customers", security(("token" = ["read"])),
    params(("case" = String, Path, description = "Its identifier")),
    responses((status = 200, body = [CaseStateView]), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn states(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(case): Path<String>,
) -> Result<Json<Vec<CaseStateView>>, Problem> {
    let row = found(&api, &case).await?;
    api.audit(&caller, "case-read", case);
    let states = api.control.store.case_states(row.case).await?;
    Ok(Json(states.into_iter().map(CaseStateView::from).collect()))
}

/// Change a case, or move conversations to it
#[utoipa::path(patch, path = "/api/v1/cases/{case}", tag = "customers", security(("token" = ["control"])),
    params(("case" = String, Path, description = "Its identifier")), request_body = CaseWish,
    responses((status = 200, body = CaseView), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::http) async fn change_case(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(case): Path<String>,
    JsonBody(wish): JsonBody<CaseWish>,
) -> Result<Json<CaseView>, Problem> {
    let _turn = api.control.customers.turn().await;
    let row = found(&api, &case).await?;
    put(&api, &caller, (row, clock::now().at), wish).await
}

/// Say where a conversation belongs
#[utoipa::path(put, path = "/api/v1/conversations/{conversation}", tag = "customers", security(("token" = ["control"])),
    params(("conversation" = String, Path, description = "Its identifier; that of a call is the call's")),
    request_body = ConversationWish,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn move_conversation(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(conversation): Path<String>,
    JsonBody(wish): JsonBody<ConversationWish>,
) -> Result<Json<Done>, Problem> {
    let customers = &api.control.customers;
    let _turn = customers.turn().await;
    let wanted: ConversationId = id(&conversation)?;
    let known = customers.store.conversation(wanted).await?;
    let (owner, _) = known.ok_or_else(|| Problem::not_found("conversation", &conversation))?;
    let mut customer = match &wish.customer {
        Some(customer) => Some(api.root(customer).await?.customer),
        None => owner,
    };
    let case = match &wish.case {
        Some(case) => {
            let case = found(&api, case).await?;
            let of_case = api.root(&case.customer.to_string()).await?.customer;
            let theirs = match customer {
                Some(customer) => api.root(&customer.to_string()).await?.customer == of_case,
                None => true,
            };
            if !theirs {
                return Err(Problem::bad("the case is another customer's").at("body.case").todo("name its customer too"));
            }
            customer = customer.or(Some(of_case));
            Some(case.case)
        }
        None => None,
    };
    let change = CustomerChange::ConversationMoved { conversation: wanted, customer, case };
    customers.commit(&caller.name(), clock::now().at, vec![change]).await?;
    Ok(Json(Done { done: true }))
}
