//! From rows of the journal to what rules hear.

use serde::Deserialize;
use tandem_switch::{
    cdr::{Cdr, Origin},
    customers::{Identity, links::Moved},
    floor::{FloorEvent, OfferOutcome},
    id::{CallId, ItemId, RecordingId},
    link::LeaveReason,
    name::PartyNumber,
    rules::{About, Heard, Thing, What},
    time::Timestamp,
};

use crate::{
    customers::Customers,
    store::{CaseRow, Happening, InteractionRow, ItemOf, JournalRow, MessageLeft, StoreError},
};

#[derive(Deserialize)]
struct Ended {
    cdr: Cdr,
}

#[derive(Deserialize)]
struct Named {
    message: RecordingId,
}

#[derive(Deserialize)]
struct Links {
    moved: Moved,
}

fn read<'a, T: Deserialize<'a>>(row: &'a JournalRow) -> Option<T> {
    serde_json::from_str(&row.body)
        .inspect_err(|error| tracing::error!(seq = row.seq, %error, "a row of the journal cannot be read: no rule hears of it"))
        .ok()
}

/// What a row says to rules; `None`: nothing.
///
/// # Errors
/// The database, which is asked about the caller.
pub(super) async fn heard(customers: &Customers, row: &JournalRow) -> Result<Option<Heard>, StoreError> {
    let told = match &*row.kind {
        kind if row.is_of_floor() => match read::<FloorEvent>(row).filter(|_| kind != "agent-changed") {
            Some(event) => of_floor(customers, &event).await?,
            None => None,
        },
        "call-ended" => match read::<Ended>(row) {
            Some(ended) => unanswered(customers, &ended.cdr).await?,
            None => None,
        },
        "message-left" => match read::<MessageLeft>(row) {
            Some(left) => message_left(customers, &left).await?,
            None => None,
        },
        "message-heard" | "message-gone" => {
            read::<Named>(row).map(|named| (What::MessageOver, Thing::Message(named.message), About::default()))
        }
        "interaction-started" => read::<InteractionRow>(row).and_then(moved),
        "case-put" => match read::<CaseRow>(row) {
            Some(case) => case_put(customers, case, row.at).await?,
            None => None,
        },
        "happened" => read::<Happening>(row).map(|happening| {
            let Happening { channel, what, identity, customer, .. } = happening;
            (What::Happened { channel, what }, Thing::Itself(row.seq), About { identity, customer, ..About::default() })
        }),
        "customers-merged" | "customers-unmerged" => {
            read::<Links>(row).map(|links| (What::Merged(links.moved), Thing::Itself(row.seq), About::default()))
        }
        _ => None,
    };
    Ok(told.map(|(what, thing, about)| Heard { seq: row.seq, at: row.at, what, thing, about }))
}

type Said = (What, Thing, About);

/// Who has a number, with the call that it came by.
async fn about(customers: &Customers, number: &PartyNumber, call: Option<CallId>, at: Timestamp) -> Result<About, StoreError> {
    let identity = Identity::of_caller(number.as_str(), customers.country());
    let customer = match &identity {
        Some(identity) => customers.certain(identity, at).await?,
        None => None,
    };
    let dialled = match call {
        Some(call) => customers.store.call_for_rules(call).await?.map(|call| call.to),
        None => None,
    };
    Ok(About { identity, customer, call, dialled })
}

async fn of_floor(customers: &Customers, event: &FloorEvent) -> Result<Option<Said>, StoreError> {
    Ok(match event {
        FloorEvent::Queued { item, at, .. } | FloorEvent::Overflowed { item, at, .. } => {
            let passed_on = matches!(event, FloorEvent::Overflowed { .. });
            let about = about(customers, &item.caller, Some(item.call), *at).await?;
            Some((What::Waits { queue: item.queue.clone(), passed_on }, Thing::Item(item.item), about))
        }
        FloorEvent::OfferEnded { item, outcome: OfferOutcome::Accepted, .. } => {
            Some((What::WaitsNoMore, Thing::Item(*item), About::default()))
        }
        FloorEvent::Left { item, reason, at } => left(customers, *item, *reason, *at).await?,
        _ => None,
    })
}

async fn left(customers: &Customers, item: ItemId, reason: LeaveReason, at: Timestamp) -> Result<Option<Said>, StoreError> {
    let thing = Thing::Item(item);
    if !matches!(reason, LeaveReason::Abandoned | LeaveReason::Unreached) {
        return Ok(Some((What::WaitsNoMore, thing, About::default())));
    }
    let Some(ItemOf { queue, caller, call, queued_at, .. }) = customers.store.item_for_rules(item).await? else {
        return Ok(Some((What::WaitsNoMore, thing, About::default())));
    };
    let about = about(customers, &caller, Some(call), at).await?;
    let what = match reason {
        LeaveReason::Unreached => What::CallbackFailed(queue),
        _ => What::Abandoned { queue, waited_ms: at.ms_since(queued_at) },
    };
    Ok(Some((what, thing, about)))
}

/// A call from outside without a conversation. Who left a message has said what they wanted, and whom we called has not called.
async fn unanswered(customers: &Customers, cdr: &Cdr) -> Result<Option<Said>, StoreError> {
    let is_ours = cdr.told.contains_key("callback");
    let talked = cdr.connected_at.is_some() || cdr.agent.is_some() || cdr.answered_by.is_some();
    if is_ours || talked || matches!(cdr.origin, Origin::Extension(_)) || customers.store.left_a_message(cdr.call).await? {
        return Ok(None);
    }
    let about = about(customers, &cdr.from, Some(cdr.call), cdr.ended_at).await?;
    Ok(Some((What::Unanswered, Thing::Call(cdr.call), about)))
}

async fn message_left(customers: &Customers, left: &MessageLeft) -> Result<Option<Said>, StoreError> {
    let Some(message) = customers.store.message_for_rules(left.message).await? else { return Ok(None) };
    let about = about(customers, &message.from, message.call, left.at).await?;
    Ok(Some((What::MessageLeft(message.mailbox), Thing::Message(left.message), about)))
}

/// A contact that the customer began.
fn moved(row: InteractionRow) -> Option<Said> {
    let InteractionRow { inbound, identity, customer, call, interaction, .. } = row;
    let thing = call.map_or(Thing::Call(CallId(interaction.0)), Thing::Call);
    inbound.then_some((What::Moved, thing, About { identity, customer, call, dialled: None }))
}

/// A case sets rules off when its status becomes open, not whenever something is noted on it.
async fn case_put(customers: &Customers, case: CaseRow, at: Timestamp) -> Result<Option<Said>, StoreError> {
    let thing = Thing::Case(case.case);
    if !case.status.is_open() {
        return Ok(Some((What::CaseOver, thing, About::default())));
    }
    if case.status_at != at {
        return Ok(None);
    }
    let customer = customers.store.customer(case.customer).await?.map_or(case.customer, |row| row.root);
    let about = About { customer: Some(customer), ..About::default() };
    Ok(Some((What::CaseOpened(case.topic), thing, about)))
}
