//! What is told outside of what happened: a closed list of kinds, each with a body of its own that a later version only adds to.
//!
//! The journal is ours and may change; this does not follow it by itself. Whoever is told gets names and words as the HTTP API has
//! them, and instants in RFC 3339.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use tandem_switch::{
    cdr::Cdr,
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem},
    id::CallId,
    identity::CallerIdentity,
    time::Timestamp,
};

use crate::{
    http::view::{At, CdrView, origin},
    store::{CallRecord, CallStarted, CustomerChange, CustomerNews, JournalRow, MessageLeft},
};

/// The form of all this: a number that grows when something is told otherwise than before.
const VERSION: u32 = 1;
/// All kinds, those to come too.
pub const ALL: &str = "*";
/// The kind of an event that did not happen.
pub const TEST: &str = "test";

/// The kinds, and what each tells.
pub const KINDS: &[(&str, &str)] = &[
    ("call-started", "A call arrived: call, origin, from, to."),
    ("call-ended", "It is over: its record as GET /api/v1/cdrs has it, with segments."),
    ("queued", "Somebody waits in a queue: item, call, queue, caller, since when."),
    ("refused", "A queue did not take a call: call, queue, why."),
    ("overflowed", "A waiting item went on to another queue: item, call, queue, from."),
    ("offered", "An agent is asked: offer, item, agent."),
    ("offer-ended", "They answered, or not: offer, item, agent, outcome, cause."),
    ("callback-kept", "Somebody is called back when it is their turn: item, call, queue, caller."),
    ("left", "An item left its queue unserved: item, why (`abandoned`, `timed-out`, …)."),
    ("finished", "The conversation about an item is over: item, agent, cause."),
    ("agent-changed", "An agent does something else: agent, state, reason."),
    ("message-left", "Somebody left a voice message: message, mailbox, duration_ms."),
    ("customer-put", "A customer is new or changed: customer, name, language, attributes."),
    ("customers-merged", "Two customers are one: link, kept, folded, why."),
    ("customers-unmerged", "They are two again: link, customer."),
    ("customer-noted", "Somebody wrote a note: note, customer, case, body, by."),
    ("case-put", "A case is new or changed: case, customer, subject, topic, status, outcome, opened_at."),
    ("interaction-started", "A spell of contact began: interaction, customer, case, channel, inbound, address, call."),
    ("interaction-ended", "It is over: interaction, queue, agent."),
    ("interaction-disposed", "An agent said what it was: interaction, disposition, by."),
];

/// The end of a call as the journal has it.
#[derive(Deserialize)]
struct Ended {
    cdr: Cdr,
    quality: Option<Value>,
    identity: Option<CallerIdentity>,
}

/// Whether a subscription to these kinds is told of that one.
#[must_use]
pub fn is_wanted(kinds: &BTreeSet<String>, kind: &str) -> bool {
    (kinds.contains(kind) || kinds.contains(ALL)) && KINDS.iter().any(|(known, _)| *known == kind)
}

/// What names an event: the same each time that it is sent.
#[must_use]
pub fn id(seq: i64) -> String {
    format!("evt_{seq}")
}

/// The message of a row of the journal; `None`: nothing is told of it.
#[must_use]
pub fn message(row: &JournalRow) -> Option<String> {
    let body = match body(row) {
        Ok(body) => body?,
        Err(error) => {
            tracing::error!(seq = row.seq, %error, "a row of the journal cannot be read: no subscriber is told of it");
            return None;
        }
    };
    Some(enveloped(&id(row.seq), row.seq, &row.kind, row.at, &body))
}

/// The message of an event that did not happen.
#[must_use]
pub fn test_message(id: &str, at: Timestamp) -> String {
    enveloped(id, 0, TEST, at, &json!({ "message": "This is a test: nothing happened." }))
}

fn enveloped(id: &str, seq: i64, kind: &str, at: Timestamp, body: &Value) -> String {
    json!({ "v": VERSION, "id": id, "seq": seq, "kind": kind, "at": At(at), "body": body }).to_string()
}

fn body(row: &JournalRow) -> Result<Option<Value>, Box<dyn std::error::Error>> {
    if !KINDS.iter().any(|(kind, _)| *kind == &*row.kind) {
        return Ok(None);
    }
    Ok(match &*row.kind {
        "call-started" => {
            let CallStarted { call, origin: from_where, from, to, .. } = serde_json::from_str(&row.body)?;
            Some(json!({ "call": call, "origin": origin(&from_where), "from": from, "to": to }))
        }
        "call-ended" => {
            let Ended { cdr, quality, identity } = serde_json::from_str(&row.body)?;
            let view = CdrView::from(CallRecord { cdr, quality, identity, customer: None, case: None });
            let mut body = serde_json::to_value(view)?;
            if let Some(fields) = body.as_object_mut() {
                // Whose call it was is found out after its end, and told of the interaction.
                fields.retain(|name, _| name != "customer" && name != "case");
            }
            Some(body)
        }
        "message-left" => {
            let MessageLeft { message, mailbox, duration_ms, .. } = serde_json::from_str(&row.body)?;
            Some(json!({ "message": message, "mailbox": mailbox, "duration_ms": duration_ms }))
        }
        _ if row.is_of_floor() => of_floor(&serde_json::from_str(&row.body)?),
        _ => CustomerNews::read(row)?.and_then(|news| of_customer(news.what, &news.by)),
    })
}

fn of_floor(event: &FloorEvent) -> Option<Value> {
    Some(match event {
        FloorEvent::Queued { item, .. } | FloorEvent::CallbackKept { item, .. } => waiting(item),
        FloorEvent::Overflowed { item, from, .. } => {
            let mut body = waiting(item);
            body["from"] = json!(from);
            body
        }
        FloorEvent::Refused { call, queue, reason, .. } => json!({ "call": call, "queue": queue, "why": reason }),
        FloorEvent::Offered { offer, item, agent, .. } => json!({ "offer": offer, "item": item, "agent": agent }),
        FloorEvent::OfferEnded { offer, item, agent, outcome, .. } => {
            let (word, cause) = match outcome {
                OfferOutcome::Accepted => ("accepted", None),
                OfferOutcome::Declined(cause) => ("declined", Some(cause)),
                OfferOutcome::Expired => ("expired", None),
                OfferOutcome::Unreached(cause) => ("unreached", Some(cause)),
                OfferOutcome::Withdrawn => ("withdrawn", None),
            };
            json!({ "offer": offer, "item": item, "agent": agent, "outcome": word, "cause": cause })
        }
        FloorEvent::Left { item, reason, .. } => json!({ "item": item, "why": reason }),
        FloorEvent::Finished { item, agent, cause, .. } => json!({ "item": item, "agent": agent, "cause": cause }),
        FloorEvent::AgentChanged { agent, state, .. } => {
            let (word, reason) = match state {
                AgentState::Offline => ("offline", None),
                AgentState::Ready => ("ready", None),
                AgentState::Reserved { .. } => ("reserved", None),
                AgentState::Engaged { .. } => ("engaged", None),
                AgentState::WrapUp { .. } => ("wrap-up", None),
                AgentState::NotReady { reason } => ("not-ready", Some(reason)),
            };
            json!({ "agent": agent, "state": word, "reason": reason })
        }
        FloorEvent::AgentAsked { .. }
        | FloorEvent::Prioritised { .. }
        | FloorEvent::ConversationChanged { .. }
        | FloorEvent::Returned { .. } => return None,
    })
}

fn waiting(item: &WaitingItem) -> Value {
    let call = (item.call != CallId(0)).then_some(item.call);
    json!({ "item": item.item, "call": call, "queue": item.queue, "caller": item.caller, "since": At(item.virtual_arrival_at) })
}

fn of_customer(what: CustomerChange, by: &str) -> Option<Value> {
    Some(match what {
        CustomerChange::Put(row) => {
            json!({ "customer": row.customer, "name": row.name, "language": row.language, "attributes": row.attributes })
        }
        CustomerChange::Merged { link, kept, folded, why, .. } => {
            json!({ "link": link, "kept": kept, "folded": folded, "why": why })
        }
        CustomerChange::Unmerged { link, customer, .. } => json!({ "link": link, "customer": customer }),
        CustomerChange::Noted { note, customer, case, body } => {
            json!({ "note": note, "customer": customer, "case": case, "body": body, "by": by })
        }
        CustomerChange::CasePut(row) => {
            json!({ "case": row.case, "customer": row.customer, "subject": row.subject, "topic": row.topic,
            "status": row.status, "outcome": row.outcome, "opened_at": At(row.opened_at) })
        }
        CustomerChange::InteractionStarted(row) => {
            let address = row.identity.as_ref().map(|identity| identity.value());
            json!({ "interaction": row.interaction, "customer": row.customer, "case": row.case, "channel": row.channel,
                "inbound": row.inbound, "address": address, "call": row.call })
        }
        CustomerChange::InteractionEnded { interaction, queue, agent } => {
            json!({ "interaction": interaction, "queue": queue, "agent": agent })
        }
        CustomerChange::Disposed { interaction, disposition } => {
            json!({ "interaction": interaction, "disposition": disposition, "by": by })
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
