//! Customers: who they are, their addresses, merges, and what happened with them.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

pub mod cases;
pub mod clocks;
pub mod consents;
pub mod dispositions;
pub mod files;
pub mod merges;
pub mod pop;
pub mod timeline;
pub mod view;

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{
        Identity, IdentityKind, MAX_ATTRIBUTES, MAX_IDENTITIES, MAX_NAME, MAX_VALUE, MAX_WORD, fits, import::is_language,
        matching::CERTAIN,
    },
    id::CustomerId,
    time::Timestamp,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::view::{CustomerDetail, CustomerPage, CustomerView, IdentityView};
use super::{
    Api,
    auth::Caller,
    calls::{MAX_PAGE, PAGE},
    problem::{JsonBody, Params, Path, Problem, id},
    view::{At, Done},
};
use crate::{
    clock,
    store::{CustomerChange, CustomerRow, IdentityRow},
};

/// What the scope `read` may ask.
pub(super) fn routes_to_read() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(customers))
        .routes(routes!(customer))
        .routes(routes!(timeline::timeline))
        .routes(routes!(cases::cases))
        .routes(routes!(cases::case))
        .routes(routes!(cases::states))
        .routes(routes!(clocks::due))
        .routes(routes!(dispositions::dispositions))
        .routes(routes!(consents::may))
        .routes(routes!(consents::consents))
        .routes(routes!(pop::caller))
        .routes(routes!(pop::screen_pops))
}

/// What the scope `control` may change.
pub(super) fn routes_to_change() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(add_customer))
        .routes(routes!(change_customer))
        .routes(routes!(drop_identity))
        .routes(routes!(timeline::add_note))
        .routes(routes!(merges::merge))
        .routes(routes!(merges::unmerge))
        .routes(routes!(merges::split))
        .routes(routes!(cases::open_case))
        .routes(routes!(cases::change_case))
        .routes(routes!(cases::move_conversation))
        .routes(routes!(dispositions::dispose))
        .routes(routes!(consents::add_consent))
        .routes(routes!(consents::end_consent))
}

/// What the scope `admin` sets.
pub(super) fn routes_to_set() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(dispositions::put_disposition))
}

/// Whole files, for the scope `admin`. A file is read as it comes, so that its length does not matter.
pub(super) fn routes_of_files() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(files::import)).routes(routes!(files::export)).layer(DefaultBodyLimit::disable())
}

/// A customer as somebody writes them. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerWish {
    /// What they are called, at most 200 characters; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The language that they prefer, a tag like `en`; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What else is known: 64 names at most. One with an empty value goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, String>>,
    /// Addresses to add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityWish>,
}

/// An address as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityWish {
    /// `phone`, `email`, `whatsapp`, `chat-token` or `external`.
    pub kind: String,
    /// The address; it is normalised.
    pub value: String,
    /// Somebody made sure that it is theirs.
    #[serde(default)]
    pub verified: bool,
    /// How sure it is, 0 to 100; 100 unless said. Below 100 the customer is shown as a candidate only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// Who says so; `manual` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Theirs since; now unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<At>,
    /// Theirs until.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<At>,
}

/// One address, to name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct IdentityName {
    /// `phone`, `email`, `whatsapp`, `chat-token` or `external`.
    pub kind: String,
    /// The address.
    pub value: String,
}

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerQuery {
    /// With this phone number, however it is written.
    number: Option<String>,
    /// With this email address.
    email: Option<String>,
    /// Called so by another program, `crm:4711`.
    external: Option<String>,
    /// Words of their name begin so.
    name: Option<String>,
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows at most: 1 to 500, 50 unless said.
    limit: Option<u32>,
}

/// Text that people chose for something small.
fn word(text: String, place: &str) -> Result<String, Problem> {
    let good = fits(&text, MAX_WORD) && !text.contains(char::is_control);
    good.then_some(text).ok_or_else(|| Problem::bad(format!("give 1 to {MAX_WORD} characters on one line")).at(place))
}

impl Api {
    /// An address out of a request.
    fn identity(&self, kind: &str, value: &str, place: &str) -> Result<Identity, Problem> {
        let known = IdentityKind::of(kind).ok_or_else(|| {
            Problem::bad("no such kind of address").at(place).todo("give phone, email, whatsapp, chat-token or external")
        })?;
        Identity::read(known, value, self.control.customers.country()).map_err(|error| Problem::bad(error.to_string()).at(place))
    }

    /// A customer as they are after all merges.
    pub(super) async fn root(&self, customer: &str) -> Result<CustomerRow, Problem> {
        let store = &self.control.store;
        let found = store.customer(id::<CustomerId>(customer)?).await?;
        let found = found.ok_or_else(|| Problem::not_found("customer", customer))?;
        if found.root == found.customer {
            return Ok(found);
        }
        store.customer(found.root).await?.ok_or_else(|| Problem::not_found("customer", customer))
    }

    async fn detail(&self, row: CustomerRow) -> Result<CustomerDetail, Problem> {
        let store = &self.control.store;
        let (identities, links) = (store.identities_of(row.customer).await?, store.links_of(row.customer).await?);
        Ok(CustomerDetail::new(row, &identities, links))
    }
}

fn identity_row(api: &Api, customer: CustomerId, wish: IdentityWish, now: Timestamp) -> Result<IdentityRow, Problem> {
    let identity = api.identity(&wish.kind, &wish.value, "body.identities")?;
    let source = word(wish.source.unwrap_or_else(|| "manual".to_owned()), "body.identities.source")?;
    let confidence = wish.confidence.unwrap_or(CERTAIN);
    if confidence > CERTAIN {
        return Err(Problem::bad("confidence goes from 0 to 100").at("body.identities.confidence"));
    }
    let (valid_from, valid_to) = (wish.valid_from.map_or(now, |at| at.0), wish.valid_to.map(|at| at.0));
    if valid_to.is_some_and(|end| end <= valid_from) {
        return Err(Problem::bad("valid_to must be after valid_from").at("body.identities.valid_to"));
    }
    Ok(IdentityRow { customer, identity, verified: wish.verified, source, confidence, valid_from, valid_to })
}

/// Writes a wish into a customer; the addresses to add come back.
fn apply(wish: CustomerWish, row: &mut CustomerRow) -> Result<Vec<IdentityWish>, Problem> {
    if let Some(name) = wish.name {
        let good = name.is_empty() || (fits(&name, MAX_NAME) && !name.contains(char::is_control));
        good.then_some(()).ok_or_else(|| Problem::bad("give at most 200 characters on one line").at("body.name"))?;
        row.name = name;
    }
    if let Some(language) = wish.language {
        let good = language.is_empty() || is_language(&language);
        good.then_some(()).ok_or_else(|| Problem::bad("give a tag like en or pt-BR").at("body.language"))?;
        row.language = language;
    }
    for (name, value) in wish.attributes.unwrap_or_default() {
        if !fits(&name, MAX_WORD) || !(value.is_empty() || fits(&value, MAX_VALUE)) {
            let detail = "give names of 1 to 64 and values of at most 1000 characters";
            return Err(Problem::bad(detail).at("body.attributes"));
        }
        row.attributes.insert(name, value);
    }
    row.attributes.retain(|_, value| !value.is_empty());
    if row.attributes.len() > MAX_ATTRIBUTES {
        return Err(Problem::bad("a customer has at most 64 attributes").at("body.attributes"));
    }
    Ok(wish.identities)
}

/// Writes a wish down: for a customer who is there, or a new one.
async fn put(api: &Api, caller: &Caller, known: Option<&str>, wish: CustomerWish) -> Result<CustomerDetail, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let _turn = customers.turn().await;
    let before = match known {
        Some(known) => Some(api.root(known).await?),
        None => None,
    };
    let mut row = before.clone().unwrap_or_else(|| {
        let customer = CustomerId(customers.id(now));
        let (name, language, attributes) = (String::new(), String::new(), BTreeMap::new());
        CustomerRow { customer, name, language, attributes, root: customer, created_at: now, changed_at: now }
    });
    let wanted = apply(wish, &mut row)?;
    let held = customers.store.identities_of(row.customer).await?.len();
    if held + wanted.len() > MAX_IDENTITIES {
        return Err(Problem::bad("a customer has at most 64 addresses").at("body.identities"));
    }
    let mut changes = Vec::new();
    if before.as_ref() != Some(&row) {
        changes.push(CustomerChange::Put(row.clone()));
    }
    for wish in wanted {
        changes.push(CustomerChange::IdentityPut(identity_row(api, row.customer, wish, now)?));
    }
    customers.commit(&caller.name(), now, changes).await?;
    api.detail(row).await
}

/// Customers, newest first
///
/// With `number`, `email` or `external`: everybody who has that address, also those of whom it is not certain.
#[utoipa::path(get, path = "/api/v1/customers", tag = "customers", security(("token" = ["read"])), params(CustomerQuery),
    responses((status = 200, body = CustomerPage), (status = 400, body = Problem)))]
pub(super) async fn customers(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<CustomerQuery>,
) -> Result<Json<CustomerPage>, Problem> {
    api.audit(&caller, "customers-searched", "");
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let store = &api.control.store;
    let address = [("phone", &query.number), ("email", &query.email), ("external", &query.external)];
    let address = address.into_iter().find_map(|(kind, value)| Some((kind, value.as_deref()?)));
    if let Some((kind, value)) = address {
        let mut found = Vec::new();
        for holder in store.holders(&api.identity(kind, value, "query")?).await? {
            if found.iter().all(|row: &CustomerRow| row.customer != holder.customer) {
                found.extend(store.customer(holder.customer).await?);
            }
        }
        return Ok(Json(CustomerPage { customers: found.into_iter().map(CustomerView::from).collect(), next: None }));
    }
    let before = query.before.as_deref().map(id).transpose()?;
    let rows = store.customers_by_name(query.name.as_deref().unwrap_or_default(), before, limit).await?;
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = full.then(|| rows.last().map(|row| row.customer.to_string())).flatten();
    Ok(Json(CustomerPage { customers: rows.into_iter().map(CustomerView::from).collect(), next }))
}

/// Add a customer
#[utoipa::path(post, path = "/api/v1/customers", tag = "customers", security(("token" = ["control"])), request_body = CustomerWish,
    responses((status = 200, body = CustomerDetail), (status = 400, body = Problem)))]
pub(super) async fn add_customer(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(wish): JsonBody<CustomerWish>,
) -> Result<Json<CustomerDetail>, Problem> {
    Ok(Json(put(&api, &caller, None, wish).await?))
}

/// One customer, as they are after all merges
#[utoipa::path(get, path = "/api/v1/customers/{customer}", tag = "customers", security(("token" = ["read"])),
    params(("customer" = String, Path, description = "Their identifier")),
    responses((status = 200, body = CustomerDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn customer(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
) -> Result<Json<CustomerDetail>, Problem> {
    let row = api.root(&customer).await?;
    api.audit(&caller, "customer-read", customer);
    Ok(Json(api.detail(row).await?))
}

/// Change a customer, or add addresses
#[utoipa::path(patch, path = "/api/v1/customers/{customer}", tag = "customers", security(("token" = ["control"])),
    params(("customer" = String, Path, description = "Their identifier")), request_body = CustomerWish,
    responses((status = 200, body = CustomerDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn change_customer(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    JsonBody(wish): JsonBody<CustomerWish>,
) -> Result<Json<CustomerDetail>, Problem> {
    Ok(Json(put(&api, &caller, Some(&customer), wish).await?))
}

/// Take an address from a customer
#[utoipa::path(delete, path = "/api/v1/customers/{customer}/identities", tag = "customers", security(("token" = ["control"])),
    params(("customer" = String, Path, description = "Their identifier"), IdentityName),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn drop_identity(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    Params(name): Params<IdentityName>,
) -> Result<Json<Done>, Problem> {
    let customers = &api.control.customers;
    let _turn = customers.turn().await;
    let root = api.root(&customer).await?.customer;
    let identity = api.identity(&name.kind, &name.value, "query")?;
    let held = customers.store.identities_of(root).await?;
    let gone = held.into_iter().filter(|row| row.identity == identity);
    let changes: Vec<_> =
        gone.map(|row| CustomerChange::IdentityGone { customer: row.customer, identity: row.identity }).collect();
    if changes.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "the customer does not have that address").at("query"));
    }
    customers.commit(&caller.name(), clock::now().at, changes).await?;
    Ok(Json(Done { done: true }))
}

/// Addresses as they are shown, of one customer.
fn shown(identities: &[IdentityRow]) -> Vec<IdentityView> {
    identities.iter().map(IdentityView::from).collect()
}
