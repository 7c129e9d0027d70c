//! What happened with a customer, and what somebody writes about them.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{MAX_NOTE, fits},
    id::{CaseId, CustomerId, InteractionId, NoteId},
};
use utoipa::{IntoParams, ToSchema};

use super::view::{Timeline, TimelineEntry};
use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        calls::{MAX_PAGE, PAGE},
        problem::{JsonBody, Params, Path, Problem, id},
        view::Done,
    },
    store::CustomerChange,
};

/// Something to write about a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteWish {
    /// 1 to 4000 characters.
    pub body: String,
    /// About which case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PageQuery {
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows at most: 1 to 500, 50 unless said.
    limit: Option<u32>,
}

/// Write something about a customer
#[utoipa::path(post, path = "/api/v1/customers/{customer}/notes", tag = "customers", security(("token" = ["control"])),
    params(("customer" = String, Path, description = "Their identifier")), request_body = NoteWish,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn add_note(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    JsonBody(wish): JsonBody<NoteWish>,
) -> Result<Json<Done>, Problem> {
    if !fits(&wish.body, MAX_NOTE) {
        return Err(Problem::bad(format!("give 1 to {MAX_NOTE} characters")).at("body.body"));
    }
    let (customers, now) = (&api.control.customers, clock::now().at);
    let customer = api.root(&customer).await?.customer;
    let case: Option<CaseId> = wish.case.as_deref().map(id).transpose()?;
    if let Some(case) = case {
        let owner = super::cases::found(&api, &case.to_string()).await?;
        if api.root(&owner.customer.to_string()).await?.customer != customer {
            return Err(Problem::bad("the case is another customer's").at("body.case"));
        }
    }
    let note = NoteId(customers.id(now));
    customers.commit(&caller.name(), now, vec![CustomerChange::Noted { note, customer, case, body: wish.body }]).await?;
    Ok(Json(Done { done: true }))
}

/// What happened with a customer, newest first
///
/// Calls and notes of everybody whom the customer was made of.
#[utoipa::path(get, path = "/api/v1/customers/{customer}/timeline", tag = "customers", security(("token" = ["read"])),
    params(("customer" = String, Path, description = "Their identifier"), PageQuery),
    responses((status = 200, body = Timeline), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn timeline(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Timeline>, Problem> {
    let root = api.root(&customer).await?.customer;
    api.audit(&caller, "customer-read", customer);
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    Ok(Json(page(&api, root, query.before.as_deref(), limit).await?))
}

/// A page of a timeline. Identifiers are ordered by time, whatever they name.
pub(super) async fn page(api: &Api, root: CustomerId, before: Option<&str>, limit: u32) -> Result<Timeline, Problem> {
    let store = &api.control.store;
    let (spell, note) = (before.map(id::<InteractionId>).transpose()?, before.map(id::<NoteId>).transpose()?);
    let spells = store.interactions_of(root, spell, limit).await?;
    let notes = store.notes_of(root, note, limit).await?;
    let mut entries: Vec<TimelineEntry> =
        spells.into_iter().map(TimelineEntry::from).chain(notes.into_iter().map(TimelineEntry::from)).collect();
    entries.sort_by(|a, b| b.id.cmp(&a.id));
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() >= most;
    entries.truncate(most);
    let next = more.then(|| entries.last().map(|last| last.id.clone())).flatten();
    Ok(Timeline { entries, next })
}
