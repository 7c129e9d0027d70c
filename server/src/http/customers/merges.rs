//! Two customers who are one, one who is two, and how a merge is undone.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{MAX_NOTE, fits},
    id::{CustomerId, LinkId},
};
use utoipa::ToSchema;

use super::{IdentityName, view::CustomerDetail};
use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        problem::{JsonBody, Path, Problem, id},
    },
    store::{CustomerChange, CustomerRow, IdentityRow},
};

/// Who is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeWish {
    /// The other customer.
    pub customer: String,
    /// Why, 1 to 4000 characters.
    pub why: String,
}

/// Which addresses are somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitWish {
    /// They and what came by them go to a new customer.
    pub identities: Vec<IdentityName>,
    /// What the new customer is called.
    #[serde(default)]
    pub name: String,
}

fn conflict(error: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::CONFLICT, error.to_string())
}

/// Make another customer one with this one, who gives the name
///
/// Nothing is rewritten: it is a link, and `DELETE /api/v1/merges/{link}` takes it away again.
#[utoipa::path(post, path = "/api/v1/customers/{customer}/merge", tag = "customers", security(("token" = ["control"])),
    params(("customer" = String, Path, description = "Their identifier")), request_body = MergeWish,
    responses((status = 200, body = CustomerDetail), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::http) async fn merge(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    JsonBody(wish): JsonBody<MergeWish>,
) -> Result<Json<CustomerDetail>, Problem> {
    if !fits(&wish.why, MAX_NOTE) {
        return Err(Problem::bad("say why in 1 to 4000 characters").at("body.why"));
    }
    let (customers, now) = (&api.control.customers, clock::now().at);
    let _turn = customers.turn().await;
    let (kept, folded) = (api.root(&customer).await?.customer, api.root(&wish.customer).await?.customer);
    let mut links = customers.store.customer_links(&[kept, folded]).await?;
    let link = LinkId(customers.id(now));
    let (kept, folded, moved) = links.merge(link, kept, folded).map_err(conflict)?;
    let change = CustomerChange::Merged { link, kept, folded, why: wish.why, moved };
    customers.commit(&caller.name(), now, vec![change]).await?;
    let row = api.root(&kept.to_string()).await?;
    Ok(Json(api.detail(row).await?))
}

/// Undo a merge
///
/// Whoever came with it is their own again, with all that was theirs.
#[utoipa::path(delete, path = "/api/v1/merges/{link}", tag = "customers", security(("token" = ["control"])),
    params(("link" = String, Path, description = "Its identifier")),
    responses((status = 200, body = CustomerDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn unmerge(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(link): Path<String>,
) -> Result<Json<CustomerDetail>, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let _turn = customers.turn().await;
    let wanted: LinkId = id(&link)?;
    let root = customers.store.link_root(wanted).await?;
    let root = root.ok_or_else(|| Problem::not_found("merge that holds", &link))?;
    let mut links = customers.store.customer_links(&[root]).await?;
    let (customer, moved) = links.undo(wanted).map_err(conflict)?;
    customers.commit(&caller.name(), now, vec![CustomerChange::Unmerged { link: wanted, customer, moved }]).await?;
    let row = api.root(&customer.to_string()).await?;
    Ok(Json(api.detail(row).await?))
}

/// Make two customers of one
///
/// The addresses, and the conversations that came by them, go to a new customer.
#[utoipa::path(post, path = "/api/v1/customers/{customer}/split", tag = "customers", security(("token" = ["control"])),
    params(("customer" = String, Path, description = "Their identifier")), request_body = SplitWish,
    responses((status = 200, body = CustomerDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn split(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
    JsonBody(wish): JsonBody<SplitWish>,
) -> Result<Json<CustomerDetail>, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let _turn = customers.turn().await;
    let root = api.root(&customer).await?.customer;
    let held = customers.store.identities_of(root).await?;
    let new = CustomerId(customers.id(now));
    let (language, attributes) = (String::new(), std::collections::BTreeMap::new());
    let mut row =
        CustomerRow { customer: new, name: String::new(), language, attributes, root: new, created_at: now, changed_at: now };
    super::apply(super::CustomerWish { name: Some(wish.name), ..super::CustomerWish::default() }, &mut row)?;
    let (mut changes, mut with_them) = (vec![CustomerChange::Put(row)], Vec::new());
    for name in wish.identities {
        let identity = api.identity(&name.kind, &name.value, "body.identities")?;
        let before = changes.len();
        for row in held.iter().filter(|row| row.identity == identity) {
            let moved = IdentityRow { customer: new, ..row.clone() };
            let conversations = customers.store.conversations_by(&identity, row.customer).await?;
            changes.push(CustomerChange::IdentityMoved { row: moved, from: row.customer });
            // Each by name: numbers may be gone from some of them when the journal is read again.
            let moved = |conversation| CustomerChange::ConversationMoved { conversation, customer: Some(new), case: None };
            with_them.extend(conversations.into_iter().map(moved));
        }
        if changes.len() == before {
            return Err(Problem::bad("the customer does not have that address").at("body.identities"));
        }
    }
    if changes.len() == 1 {
        return Err(Problem::bad("name at least one address").at("body.identities"));
    }
    if held.len() < changes.len() {
        return Err(Problem::bad("the customer would have no address left").at("body.identities"));
    }
    changes.extend(with_them);
    customers.commit(&caller.name(), now, changes).await?;
    let row = api.root(&new.to_string()).await?;
    Ok(Json(api.detail(row).await?))
}
