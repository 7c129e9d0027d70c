//! Payments by keys: kept from everybody in the call, read once by whoever may.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use tandem_switch::id::CallId;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    Api,
    auth::Caller,
    control::{ControlRequest, PaymentAnswer},
    problem::{JsonBody, Path, Problem, id},
    view::Done,
};

/// What a payment is to do.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "action")]
pub enum PaymentOrder {
    /// From now on nobody in the call hears the customer, and their keys are gathered.
    Begin,
    /// All is as before, and what was gathered can be read once, for a minute.
    End,
}

/// The keys of a payment, as they are told once.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document: the answer is written by hand, so that no copy of the keys is left")]
pub(super) struct PaymentKeys {
    /// `0`-`9`, `*`, `#`, `A`-`D`, at most 64.
    keys: String,
}

/// Begin or end a payment by keys
///
/// From begin to end nothing that the customer sends is heard by the agent, a supervisor or the recording: neither keys,
/// in whichever form, nor voice. The customer hears the agent. It holds through hold and a restart, and ends with a transfer
/// or hang-up; what was gathered is gone then.
#[utoipa::path(post, path = "/api/v1/calls/{call}/payment", tag = "calls", security(("token" = ["control"])),
    params(("call" = String, Path, description = "Its identifier")), request_body = PaymentOrder,
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn payment(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
    JsonBody(order): JsonBody<PaymentOrder>,
) -> Result<Json<Done>, Problem> {
    let id: CallId = id(&call)?;
    let begins = matches!(order, PaymentOrder::Begin);
    let conflict = |detail| Err(Problem::new(StatusCode::CONFLICT, detail));
    match api.control.ask(|reply| ControlRequest::Payment { call: id, begins, reply }).await? {
        PaymentAnswer::NoCall => Err(Problem::not_found("call that is up", &call)),
        PaymentAnswer::NotTalking => conflict("the call is in no conversation"),
        PaymentAnswer::NotPaying => conflict("no payment of the call is under way"),
        PaymentAnswer::Busy => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the customer cannot be masked now: no payment"))
        }
        PaymentAnswer::Done => {
            api.audit(&caller, if begins { "payment-begun" } else { "payment-ended" }, call);
            Ok(Json(Done { done: true }))
        }
    }
}

/// Read the keys of a payment, once
///
/// For a minute after its end. They are nowhere else, and forgotten with this answer. Asks for a token of scope `payment`,
/// which can do nothing else.
#[utoipa::path(post, path = "/api/v1/calls/{call}/payment/keys", tag = "calls", security(("token" = ["payment"])),
    params(("call" = String, Path, description = "Its identifier")),
    responses((status = 200, body = PaymentKeys), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn payment_keys(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(call): Path<String>,
) -> Result<Response, Problem> {
    let id: CallId = id(&call)?;
    let keys = api.control.ask(|reply| ControlRequest::ReadPayment { call: id, reply }).await?;
    let keys = keys.ok_or_else(|| Problem::not_found("payment to be read of call", &call))?;
    api.audit(&caller, "payment-read", call);
    // Keys need no escapes. The answer wipes its text when it was sent.
    let body = Bytes::from_owner(Zeroizing::new(format!("{{\"keys\":\"{}\"}}", keys.expose()).into_bytes()));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
