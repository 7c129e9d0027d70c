//! What an interaction was, and the codes that say so.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{MAX_NAME, fits},
    id::InteractionId,
};
use utoipa::ToSchema;

use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        problem::{JsonBody, Path, Problem, id},
        view::Done,
    },
    store::{CustomerChange, DispositionRow},
};

/// Codes that are offered at a time.
const MAX_CODES: usize = 200;
/// Codes that an error names.
const NAMED: usize = 20;

/// What an interaction was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DispositionWish {
    /// A code of 1 to 64 characters.
    pub disposition: String,
}

/// A code for what an interaction was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DispositionView {
    /// The code.
    pub code: String,
    /// What it means, for people.
    pub label: String,
    /// Agents may say it; one that is not offered any more stays on the interactions that have it.
    pub offered: bool,
}

impl From<DispositionRow> for DispositionView {
    fn from(row: DispositionRow) -> Self {
        let DispositionRow { code, label, offered } = row;
        Self { code, label, offered }
    }
}

/// A code as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeWish {
    /// What it means, 1 to 200 characters.
    pub label: String,
    /// Agents may say it; `true` unless said.
    #[serde(default = "yes")]
    pub offered: bool,
}

const fn yes() -> bool {
    true
}

fn some(codes: &[String]) -> String {
    let more = if codes.len() > NAMED { " …" } else { "" };
    format!("{}{more}", codes[..codes.len().min(NAMED)].join(", "))
}

/// The codes for what an interaction was
#[utoipa::path(get, path = "/api/v1/dispositions", tag = "customers", security(("token" = ["read"])),
    responses((status = 200, body = [DispositionView])))]
pub(in crate::http) async fn dispositions(State(api): State<Api>) -> Result<Json<Vec<DispositionView>>, Problem> {
    let rows = api.control.store.dispositions().await?;
    Ok(Json(rows.into_iter().map(DispositionView::from).collect()))
}

/// Offer a code, or do not any more
#[utoipa::path(put, path = "/api/v1/dispositions/{code}", tag = "customers", security(("token" = ["admin"])),
    params(("code" = String, Path, description = "1 to 64 characters")), request_body = CodeWish,
    responses((status = 200, body = DispositionView), (status = 400, body = Problem)))]
pub(in crate::http) async fn put_disposition(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(code): Path<String>,
    JsonBody(CodeWish { label, offered }): JsonBody<CodeWish>,
) -> Result<Json<DispositionView>, Problem> {
    let customers = &api.control.customers;
    let _turn = customers.turn().await;
    let code = super::word(code, "path.code")?;
    if !fits(&label, MAX_NAME) || label.contains(char::is_control) {
        return Err(Problem::bad("give 1 to 200 characters on one line").at("body.label"));
    }
    let known = customers.store.dispositions().await?;
    if known.len() >= MAX_CODES && known.iter().all(|row| row.code != code) {
        return Err(Problem::bad("there are 200 codes already").at("path.code").todo("change one of them"));
    }
    let row = DispositionRow { code, label, offered };
    if !known.contains(&row) {
        customers.commit(&caller.name(), clock::now().at, vec![CustomerChange::DispositionPut(row.clone())]).await?;
    }
    Ok(Json(row.into()))
}

/// Say what an interaction was
///
/// By a code that is offered; by any while none is.
#[utoipa::path(put, path = "/api/v1/interactions/{interaction}/disposition", tag = "customers", security(("token" = ["control"])),
    params(("interaction" = String, Path, description = "Its identifier; that of a call is the call's")),
    request_body = DispositionWish,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn dispose(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(interaction): Path<String>,
    JsonBody(wish): JsonBody<DispositionWish>,
) -> Result<Json<Done>, Problem> {
    let customers = &api.control.customers;
    let wanted: InteractionId = id(&interaction)?;
    let disposition = super::word(wish.disposition, "body.disposition")?;
    if customers.store.interaction(wanted).await?.is_none() {
        return Err(Problem::not_found("interaction", &interaction));
    }
    let codes: Vec<String> =
        customers.store.dispositions().await?.into_iter().filter(|row| row.offered).map(|row| row.code).collect();
    if !codes.is_empty() && !codes.contains(&disposition) {
        let todo = format!("give one of {}, or add it to /api/v1/dispositions", some(&codes));
        return Err(Problem::bad("no such disposition").at("body.disposition").todo(todo));
    }
    let change = CustomerChange::Disposed { interaction: wanted, disposition };
    customers.commit(&caller.name(), clock::now().at, vec![change]).await?;
    Ok(Json(Done { done: true }))
}
