//! Consents and suppressions, and the one question that they answer.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{
        Channel, MAX_NAME,
        consent::{Question, Rule, Whose, may_contact},
        fits,
    },
    id::ConsentId,
};
use utoipa::{IntoParams, ToSchema};

use super::IdentityName;
use crate::{
    clock,
    http::{
        Api,
        auth::Caller,
        problem::{JsonBody, Params, Path, Problem, id},
        view::{At, Done},
    },
    store::CustomerChange,
};

/// A consent or a suppression as somebody writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentWish {
    /// Of this address, whoever has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityName>,
    /// Of all addresses of this customer. Give this or `identity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// `true`: they may be contacted; `false`: not.
    pub allowed: bool,
    /// `service`, `marketing` or another word; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// `voice`, `email`, `sms`, `whatsapp` or `chat`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Two letters of the country whose law it is for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// Who says so: `web form`, `public register`.
    pub source: String,
    /// What proves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// From when on; now unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<At>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<At>,
}

/// A consent or a suppression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// Which.
    pub consent: String,
    /// Of which kind of address; absent where it is of a customer.
    pub kind: Option<String>,
    /// Of which address.
    pub value: Option<String>,
    /// Of which customer.
    pub customer: Option<String>,
    /// They may be contacted, or not.
    pub allowed: bool,
    /// What for; all when absent.
    pub purpose: Option<String>,
    /// On which channel; all when absent.
    pub channel: Option<String>,
    /// In which country; all when absent.
    pub jurisdiction: Option<String>,
    /// Who says so.
    pub source: String,
    /// What proves it.
    pub proof: Option<String>,
    /// From when on.
    pub valid_from: At,
    /// Until when.
    pub valid_to: Option<At>,
}

impl From<Rule> for ConsentView {
    fn from(rule: Rule) -> Self {
        let (identity, customer) = match rule.whose {
            Whose::Identity(identity) => (Some(identity), None),
            Whose::Customer(customer) => (None, Some(customer.to_string())),
        };
        Self {
            consent: rule.consent.to_string(),
            kind: identity.as_ref().map(|identity| identity.kind().word().to_owned()),
            value: identity.as_ref().map(|identity| identity.value().to_owned()),
            customer,
            allowed: rule.allowed,
            purpose: rule.purpose,
            channel: rule.channel.map(|channel| channel.word().to_owned()),
            jurisdiction: rule.jurisdiction,
            source: rule.source,
            proof: rule.proof,
            valid_from: At(rule.valid_from),
            valid_to: rule.valid_to.map(At),
        }
    }
}

/// What is to be done.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct MayContactQuery {
    /// `phone`, `email`, `whatsapp`, `chat-token` or `external`.
    kind: String,
    /// The address.
    value: String,
    /// `service`, `marketing` or another word.
    purpose: String,
    /// `voice`, `email`, `sms`, `whatsapp` or `chat`.
    channel: String,
    /// When; now unless said.
    #[param(value_type = Option<String>, format = DateTime)]
    at: Option<At>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MayContact {
    /// They may be contacted.
    pub may: bool,
    /// The consent or suppression that says so; absent where none says anything.
    pub consent: Option<String>,
    /// Why.
    pub reason: String,
}

fn channel(word: &str, place: &str) -> Result<Channel, Problem> {
    let todo = "give voice, email, sms, whatsapp or chat";
    Channel::of(word).ok_or_else(|| Problem::bad("no such channel").at(place).todo(todo))
}

/// May somebody be contacted, and why
#[utoipa::path(get, path = "/api/v1/may-contact", tag = "customers", security(("token" = ["read"])), params(MayContactQuery),
    responses((status = 200, body = MayContact), (status = 400, body = Problem)))]
pub(in crate::http) async fn may(
    State(api): State<Api>,
    Params(query): Params<MayContactQuery>,
) -> Result<Json<MayContact>, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let identity = api.identity(&query.kind, &query.value, "query.value")?;
    let (purpose, channel) = (super::word(query.purpose, "query.purpose")?, channel(&query.channel, "query.channel")?);
    let customer = customers.certain(&identity, now).await?;
    let rules = customers.store.consent_rules(Some(&identity), customer).await?;
    let at = query.at.map_or(now, |at| at.0);
    let answer = may_contact(&rules, Question { identity: &identity, customer, purpose: &purpose, channel, at });
    Ok(Json(MayContact { may: answer.may, consent: answer.rule.map(|rule| rule.to_string()), reason: answer.reason }))
}

/// Consents and suppressions of a customer: their own, and those of their addresses
#[utoipa::path(get, path = "/api/v1/customers/{customer}/consents", tag = "customers", security(("token" = ["read"])),
    params(("customer" = String, Path, description = "Their identifier")),
    responses((status = 200, body = [ConsentView]), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn consents(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(customer): Path<String>,
) -> Result<Json<Vec<ConsentView>>, Problem> {
    let root = api.root(&customer).await?.customer;
    api.audit(&caller, "customer-read", customer);
    let store = &api.control.store;
    let mut rules = store.consent_rules(None, Some(root)).await?;
    let mut seen = Vec::new();
    for row in store.identities_of(root).await? {
        if !seen.contains(&row.identity) {
            rules.extend(store.consent_rules(Some(&row.identity), None).await?);
            seen.push(row.identity);
        }
    }
    Ok(Json(rules.into_iter().map(ConsentView::from).collect()))
}

/// Write a consent or a suppression down
#[utoipa::path(post, path = "/api/v1/consents", tag = "customers", security(("token" = ["control"])), request_body = ConsentWish,
    responses((status = 200, body = ConsentView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn add_consent(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(wish): JsonBody<ConsentWish>,
) -> Result<Json<ConsentView>, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let whose = match (&wish.identity, &wish.customer) {
        (Some(name), None) => Whose::Identity(api.identity(&name.kind, &name.value, "body.identity")?),
        (None, Some(customer)) => Whose::Customer(api.root(customer).await?.customer),
        _ => return Err(Problem::bad("give either `identity` or `customer`").at("body")),
    };
    let jurisdiction = wish.jurisdiction.map(|letters| letters.to_ascii_uppercase());
    if jurisdiction.as_ref().is_some_and(|law| law.len() != 2 || !law.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Err(Problem::bad("give the two letters of a country").at("body.jurisdiction"));
    }
    if let Some(proof) = &wish.proof
        && !fits(proof, MAX_NAME)
    {
        return Err(Problem::bad("give at most 200 characters").at("body.proof"));
    }
    let (valid_from, valid_to) = (wish.valid_from.map_or(now, |at| at.0), wish.valid_to.map(|at| at.0));
    if valid_to.is_some_and(|end| end <= valid_from) {
        return Err(Problem::bad("valid_to must be after valid_from").at("body.valid_to"));
    }
    let rule = Rule {
        consent: ConsentId(customers.id(now)),
        whose,
        allowed: wish.allowed,
        purpose: wish.purpose.map(|purpose| super::word(purpose, "body.purpose")).transpose()?,
        channel: wish.channel.as_deref().map(|word| channel(word, "body.channel")).transpose()?,
        jurisdiction,
        source: super::word(wish.source, "body.source")?,
        proof: wish.proof,
        valid_from,
        valid_to,
    };
    customers.commit(&caller.name(), now, vec![CustomerChange::ConsentPut(rule.clone())]).await?;
    if !rule.allowed {
        api.control.beside.review().await;
    }
    Ok(Json(rule.into()))
}

/// End a consent or a suppression now
#[utoipa::path(delete, path = "/api/v1/consents/{consent}", tag = "customers", security(("token" = ["control"])),
    params(("consent" = String, Path, description = "Its identifier")),
    responses((status = 200, body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(in crate::http) async fn end_consent(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(consent): Path<String>,
) -> Result<Json<Done>, Problem> {
    let customers = &api.control.customers;
    let wanted: ConsentId = id(&consent)?;
    if !customers.store.has_consent(wanted).await? {
        return Err(Problem::not_found("consent", &consent));
    }
    let change = CustomerChange::ConsentEnded { consent: wanted };
    customers.commit(&caller.name(), clock::now().at, vec![change]).await?;
    Ok(Json(Done { done: true }))
}
