//! What an agent sees when a call rings: who it is, or may be, and what they may want.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{
        Identity,
        matching::{Doubt, speaks_against},
    },
    floor::OfferOutcome,
    id::{CallId, InteractionId},
    identity::CallerIdentity,
    name::AgentName,
};
use tokio::{sync::broadcast::error::RecvError, time::timeout};
use utoipa::{IntoParams, ToSchema};

use super::view::{CaseView, CustomerDetail, CustomerView, TimelineEntry};
use crate::{
    clock,
    customers::{
        beside::{BUDGET, Shown},
        known::{HEAD, Known, KnownCustomer},
        screens::Pop,
    },
    http::{
        Api,
        auth::Caller,
        control::ControlRequest,
        lookup::LookedView,
        problem::{Params, Path, Problem, id},
        socket::{self, Closed, Subscriber},
        view::At,
    },
    metrics::METRICS,
    store::CustomerRow,
};

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
    let known = match timeout(BUDGET, known(&api, wanted)).await {
        Ok(known) => known?.ok_or_else(|| Problem::not_found("call", &call))?,
        Err(_) => Known::nothing("the database did not answer in time"),
    };
    api.audit(&token, "caller-read", call);
    Ok(Json(CallerView::of(known, clock::now().at.ms_since(began))))
}

/// What is known; `None`: there is no such call.
async fn known(api: &Api, call: CallId) -> Result<Option<Known>, Problem> {
    let (customers, now) = (&api.control.customers, clock::now().at);
    let row = customers.store.interaction(InteractionId(call.0)).await?;
    // One that arrived just now: the journal may not have it yet. And one whose caller may be in doubt.
    let may_be_live = row.as_ref().is_none_or(|row| row.ended_at.is_none());
    let live = if may_be_live { api.control.ask(ControlRequest::Calls).await? } else { Vec::new() };
    let live = live.into_iter().find(|live| live.call == call.to_string());
    let proof =
        live.as_ref().and_then(|live| CallerIdentity::of(live.identity.as_deref()?)).filter(|proof| speaks_against(*proof));
    let Some(row) = row else {
        let Some(live) = live else { return Ok(None) };
        let number = if live.origin.starts_with("trunk:") { &live.from } else { &live.to };
        let identity = Identity::of_caller(number, customers.country());
        return Ok(Some(customers.known(identity.as_ref(), proof, now).await?));
    };
    Ok(Some(match (row.customer, &row.identity) {
        (Some(_), Some(identity)) if proof.is_some() && row.inbound => customers.known(Some(identity), proof, now).await?,
        (Some(customer), address) => {
            let said = || "somebody said so".to_owned();
            let because = address.as_ref().map_or_else(said, |it| format!("{} is theirs", it.value()));
            customers.known_customer(customer, because).await?
        }
        (None, Some(_)) => customers.known_candidates(row.candidates).await?,
        (None, None) => customers.known(None, None, now).await?,
    }))
}

impl CallerView {
    fn of(known: Known, took_ms: u64) -> Self {
        let shown = |(row, score, doubts): (CustomerRow, u8, Vec<Doubt>)| {
            let doubts = doubts.into_iter().map(doubt).map(str::to_owned).collect();
            CandidateView { customer: row.into(), score, doubts }
        };
        let candidates = known.candidates.into_iter().map(shown).collect();
        let nobody = Self { candidates, because: known.because, took_ms, ..Self::default() };
        let Some(KnownCustomer { row, identities, links, open_cases, interactions, notes }) = known.customer else {
            return nobody;
        };
        let mut timeline: Vec<TimelineEntry> =
            interactions.into_iter().map(TimelineEntry::from).chain(notes.into_iter().map(TimelineEntry::from)).collect();
        timeline.sort_by(|a, b| b.id.cmp(&a.id));
        timeline.truncate(HEAD as usize);
        Self {
            language: (!row.language.is_empty()).then(|| row.language.clone()),
            customer: Some(CustomerDetail::new(row, &identities, links)),
            open_cases: open_cases.into_iter().map(CaseView::from).collect(),
            timeline,
            ..nobody
        }
    }
}

/// An agent is asked, with all that their screen needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PopView {
    /// The offer.
    pub offer: String,
    /// What waits.
    pub item: String,
    /// The call; that of somebody who is called back is over, or never was.
    pub call: Option<String>,
    /// Where it waited.
    pub queue: Option<String>,
    /// Who is asked.
    pub agent: String,
    /// Why they: what `tandem why` says of the one who was chosen.
    pub why: String,
    /// When they were asked.
    pub at: At,
    /// Who is outside.
    pub caller: CallerView,
    /// What the CRM says of them; absent where none is asked, or it has not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<LookedView>,
}

impl From<&Pop> for PopView {
    fn from(pop: &Pop) -> Self {
        Self {
            offer: pop.offer.to_string(),
            item: pop.item.to_string(),
            call: pop.call.map(|call| call.to_string()),
            queue: pop.queue.as_ref().map(ToString::to_string),
            agent: pop.agent.to_string(),
            why: pop.why.clone(),
            at: At(pop.at),
            caller: CallerView::of((*pop.known).clone(), pop.took_ms),
            looked: pop.looked.as_deref().map(LookedView::from),
        }
    }
}

/// One message: a pop, what a CRM says later, the end of an offer, or a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PopMessage {
    /// An agent is asked.
    Pop {
        /// What their screen shows.
        pop: Box<PopView>,
    },
    /// What the CRM says came after the pop.
    LookedUp {
        /// Of which offer.
        looked_up: String,
        /// Whose screen.
        agent: String,
        /// What it says.
        looked: LookedView,
    },
    /// They have answered, or not.
    Ended {
        /// Which offer.
        ended: String,
        /// Who was asked.
        agent: String,
        /// `accepted`, `declined`, `expired`, `unreached` or `withdrawn`.
        outcome: String,
    },
    /// The reader was too slow: some were not sent. Connect again to have those that are open.
    Gap {
        /// How many.
        lost: u64,
    },
}

/// Whose screen.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PopQuery {
    /// Of this agent; of all unless said. An agent sees their own.
    agent: Option<String>,
}

/// Who rings, on the screens of agents (WebSocket)
///
/// At first the offers that are open, then each as it is made: with the customer, their addresses, the last things that
/// happened, open cases, the language that they prefer, and why this agent is asked. It is there 150 ms after the offer at the
/// latest, whatever the database does; who is not found by then is unknown. A pop of an offer that was shown already takes its
/// place: the signature of the caller's number came later, and speaks against them.
#[utoipa::path(get, path = "/api/v1/screen-pops", tag = "live", security(("token" = ["read"])), params(PopQuery),
    responses((status = 101, description = "WebSocket; each text message is one of these", body = PopMessage), (status = 503, body = Problem)))]
pub(in crate::http) async fn screen_pops(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<PopQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(socket::no_upgrade)?;
    // Who is an agent and nothing more sees their own.
    let agent = match (caller.own(), query.agent) {
        (Some(own), Some(asked)) if asked != own.as_str() => return Err(Problem::forbidden("these are another agent's screens")),
        (Some(own), _) => Some(own.to_string()),
        (None, asked) => asked,
    };
    api.audit(&caller, "screen-pops-read", agent.clone().unwrap_or_default());
    socket::upgrade(upgrade, api, caller, move |subscriber| serve(subscriber, agent))
}

async fn serve(mut subscriber: Subscriber, agent: Option<String>) -> Result<(), Closed> {
    let beside = subscriber.api().control.beside.clone();
    let is_theirs = |name: &AgentName| agent.as_deref().is_none_or(|agent| agent == name.as_str());
    // Listened first: what is shown meanwhile comes twice, and is sent once.
    let mut shown = beside.listen();
    let mut first = BTreeSet::new();
    for pop in beside.shown().await.iter().filter(|pop| is_theirs(&pop.agent)) {
        first.insert(pop.offer);
        subscriber.send(&PopMessage::Pop { pop: Box::new((&**pop).into()) }).await?;
    }
    loop {
        let news = tokio::select! {
            news = shown.recv() => news,
            heard = subscriber.heard() => {
                subscriber.attend(heard?).await?;
                continue;
            }
        };
        match news {
            Ok(Shown::Pop(pop)) if first.remove(&pop.offer) => {}
            Ok(Shown::Pop(pop)) if is_theirs(&pop.agent) => {
                subscriber.send(&PopMessage::Pop { pop: Box::new((&*pop).into()) }).await?;
            }
            Ok(Shown::LookedUp(pop)) if is_theirs(&pop.agent) => {
                if let Some(looked) = pop.looked.as_deref().map(LookedView::from) {
                    let (looked_up, agent) = (pop.offer.to_string(), pop.agent.to_string());
                    subscriber.send(&PopMessage::LookedUp { looked_up, agent, looked }).await?;
                }
            }
            Ok(Shown::Ended { offer, agent, outcome }) if is_theirs(&agent) => {
                let (ended, agent) = (offer.to_string(), agent.to_string());
                subscriber.send(&PopMessage::Ended { ended, agent, outcome: word(outcome).to_owned() }).await?;
            }
            Ok(_) => {}
            Err(RecvError::Lagged(lost)) => {
                METRICS.http_gaps.inc();
                subscriber.send(&PopMessage::Gap { lost }).await?;
            }
            Err(RecvError::Closed) => return Err(Closed),
        }
    }
}

const fn word(outcome: OfferOutcome) -> &'static str {
    match outcome {
        OfferOutcome::Accepted => "accepted",
        OfferOutcome::Declined(_) => "declined",
        OfferOutcome::Expired => "expired",
        OfferOutcome::Unreached(_) => "unreached",
        OfferOutcome::Withdrawn => "withdrawn",
    }
}

const fn doubt(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Shared => "shared",
        Doubt::Unsure => "unsure",
        Doubt::Expired => "expired",
        Doubt::Unproven => "unproven",
    }
}
