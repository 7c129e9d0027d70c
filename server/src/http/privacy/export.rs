//! Everything that is kept of one person, a line at a time.

use std::collections::{BTreeSet, VecDeque};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tandem_switch::{
    customers::Identity,
    id::{CallId, CustomerId, InteractionId, NoteId, RecordingId},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{PersonOrder, wanted};
use crate::{
    http::{
        Api,
        auth::Caller,
        customers::{
            consents::ConsentView,
            view::{CaseView, CustomerView, IdentityView, TimelineEntry},
        },
        messages::MessageView,
        problem::{JsonBody, Problem},
        view::{CdrView, RecordingView},
    },
    privacy::Person,
    store::{Number, Store, StoreError},
};

const PAGE: u32 = 50;
/// Journal rows of one call, cases of one customer, at most.
const EVENTS: u32 = 10_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Everything that is kept of a person
///
/// One JSON value a line: each customer that they are with addresses, consents and cases, each entry of their timelines, each
/// call with its recordings and its part of the journal, each voice message, each message that a rule sent, and at last
/// `{"end": …}` with how many there were; without it the export is not whole. Audio is told by its identifiers.
#[utoipa::path(post, path = "/api/v1/privacy/export", tag = "admin", security(("token" = ["admin"])), request_body = PersonOrder,
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 400, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::http) async fn export(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    JsonBody(order): JsonBody<PersonOrder>,
) -> Result<Response, Problem> {
    let wanted = wanted(&api, &order.numbers, &order.customers).await?;
    let named: Vec<&str> = order.numbers.iter().chain(&order.customers).map(String::as_str).collect();
    api.audit(&caller, "person-exported", named.join(" "));
    let person = Person::find(&api.control.customers, wanted).await?;
    let mut todo: VecDeque<Part> = person.roots.iter().map(|root| Part::Customer(*root)).collect();
    todo.extend(person.roots.iter().map(|root| Part::Interactions(*root, None)));
    todo.extend(person.roots.iter().map(|root| Part::Notes(*root, None)));
    todo.extend(person.roots.iter().map(|root| Part::CallsOf(*root, None)));
    for number in &person.numbers {
        todo.extend([Part::Calls(number.clone(), None), Part::Messages(number.clone(), None)]);
    }
    todo.push_back(Part::End);
    let export = Export { store: api.control.store.clone(), person, todo, counts: Counts::default(), seen: BTreeSet::new() };
    let lines = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        match export.next().await {
            Ok(Some(lines)) => Some((Ok::<_, StoreError>(Bytes::from(lines)), Some(export))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    let kind =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CONTENT_DISPOSITION, "attachment; filename=\"person.ndjson\"")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// An export that is under way: a page at a time, whatever there is.
struct Export {
    store: Store,
    person: Person,
    todo: VecDeque<Part>,
    counts: Counts,
    /// Calls that were told.
    seen: BTreeSet<CallId>,
}

#[derive(Default)]
struct Counts {
    customers: u64,
    entries: u64,
    calls: u64,
    messages: u64,
}

enum Part {
    Customer(CustomerId),
    Interactions(CustomerId, Option<InteractionId>),
    Notes(CustomerId, Option<NoteId>),
    /// By whichever number.
    CallsOf(CustomerId, Option<CallId>),
    Calls(Number, Option<CallId>),
    Messages(Number, Option<RecordingId>),
    End,
}

impl Export {
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let Some(part) = self.todo.pop_front() else { return Ok(None) };
        let (mut lines, mut more) = (String::new(), None);
        match part {
            Part::Customer(root) => {
                lines = self.customer(root).await?;
                self.counts.customers += 1;
            }
            Part::Interactions(root, before) => {
                let page = self.store.interactions_of(root, before, PAGE).await?;
                more = page.last().map(|last| Part::Interactions(root, Some(last.interaction)));
                self.entries(&mut lines, page.into_iter().map(TimelineEntry::from));
            }
            Part::Notes(root, before) => {
                let page = self.store.notes_of(root, before, PAGE).await?;
                more = page.last().map(|last| Part::Notes(root, Some(last.note)));
                self.entries(&mut lines, page.into_iter().map(TimelineEntry::from));
            }
            Part::CallsOf(root, after) => {
                let page = self.person.calls(&self.store, root, after).await?;
                more = page.last().map(|(last, _)| Part::CallsOf(root, Some(*last)));
                for (call, _) in page.iter().filter(|(_, call)| call.is_some()) {
                    lines.push_str(&self.call(*call).await?);
                }
            }
            Part::Calls(number, after) => {
                let page = self.store.calls_of(&number, after, PAGE).await?;
                more = page.last().map(|last| Part::Calls(number, Some(last.call)));
                for call in &page {
                    lines.push_str(&self.call(call.call).await?);
                }
            }
            Part::Messages(number, after) => {
                let page = self.store.messages_of(&number, after, PAGE).await?;
                more = page.last().map(|last| Part::Messages(number, Some(last.message)));
                for message in page {
                    lines.push_str(&line(&json!({ "message": MessageView::from(message) })));
                    self.counts.messages += 1;
                }
            }
            Part::End => {
                let Counts { customers, entries, calls, messages } = self.counts;
                let end = json!({ "customers": customers, "entries": entries, "calls": calls, "messages": messages });
                lines = line(&json!({ "end": end }));
            }
        }
        if let Some(part) = more {
            self.todo.push_front(part);
        }
        Ok(Some(lines))
    }

    fn entries(&mut self, lines: &mut String, entries: impl Iterator<Item = TimelineEntry>) {
        for entry in entries {
            lines.push_str(&line(&json!({ "entry": entry })));
            self.counts.entries += 1;
        }
    }

    async fn customer(&self, root: CustomerId) -> Result<String, StoreError> {
        let store = &self.store;
        let identities = store.identities_of(root).await?;
        let mut consents = store.consent_rules(None, Some(root)).await?;
        let mut seen: Vec<&Identity> = Vec::new();
        for row in &identities {
            if !seen.contains(&&row.identity) {
                seen.push(&row.identity);
                consents.extend(store.consent_rules(Some(&row.identity), None).await?);
            }
        }
        let cases: Vec<_> = store.cases_of(root, EVENTS).await?.into_iter().map(CaseView::from).collect();
        Ok(line(&json!({
            "customer": store.customer(root).await?.map(CustomerView::from),
            "identities": identities.iter().map(IdentityView::from).collect::<Vec<_>>(),
            "consents": consents.into_iter().map(ConsentView::from).collect::<Vec<_>>(),
            "cases": cases,
        })))
    }

    async fn call(&mut self, call: CallId) -> Result<String, StoreError> {
        if !self.seen.insert(call) {
            return Ok(String::new());
        }
        self.counts.calls += 1;
        let record = self.store.cdr(call).await?.map(CdrView::from);
        let recordings = self.store.recordings(Some(call), None, PAGE).await?;
        let recordings: Vec<_> = recordings.into_iter().map(RecordingView::from).collect();
        let events = self.store.events_of_call(call, EVENTS).await?;
        Ok(line(&json!({ "call": record, "recordings": recordings, "events": events })))
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
