//! Calls become interactions: the journal is read after the calls, and each call joins its customer and their open case.
//!
//! How far it was read is written down with what came of it, so that a `kill -9` neither loses an interaction nor makes one
//! twice: the identifiers of a call's conversation and interaction are those of the call.

use std::time::Duration;

use serde::Deserialize;
use tandem_switch::{
    cdr::{Cdr, Origin},
    customers::{
        Channel, Identity,
        cases::{CaseStatus, Joined, joined},
        matching::Matched,
    },
    id::{ConversationId, CustomerId, InteractionId},
    identity::CallerIdentity,
    time::Timestamp,
};
use tokio::task::JoinHandle;

use super::Customers;
use crate::store::{CallStarted, CaseRow, CustomerChange, InteractionRow, JournalRow, StoreError};

/// Rows of the journal that are read at once.
const PAGE: u32 = 200;
/// A journal that nobody here wrote to is looked at so often.
const LOOK: Duration = Duration::from_secs(5);
/// A database that does not answer is asked again after that.
const PAUSE: Duration = Duration::from_secs(1);
/// Cases that are weighed.
const CASES: u32 = 50;
/// Who does it, in the journal.
const BY: &str = "the switch";

/// The end of a call as the journal has it.
#[derive(Deserialize)]
struct Ended {
    cdr: Cdr,
    identity: Option<CallerIdentity>,
}

/// Starts to follow the journal; from its end where nobody did before.
pub fn start(customers: Customers) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut committed = customers.store.committed();
        loop {
            match caught_up(&customers).await {
                Ok(()) => {
                    // A clock that ticks without news costs one small question.
                    let _news_or_time = tokio::time::timeout(LOOK, committed.changed()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "calls do not become interactions for now: the database does not answer");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

/// Reads the journal to its end.
///
/// # Errors
/// The database. What was read is written down.
pub async fn caught_up(customers: &Customers) -> Result<(), StoreError> {
    let mut seq = match customers.store.customers_read_up_to().await? {
        Some(seq) => seq,
        None => {
            let head = customers.store.head().await?;
            customers.commit(BY, Timestamp::default(), vec![CustomerChange::ReadUpTo(head)]).await?;
            head
        }
    };
    loop {
        let rows = customers.store.events_after(seq, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        let (last_seq, last_at) = (last.seq, last.at);
        let _turn = customers.turn().await;
        let mut begun = Vec::new();
        for row in rows.iter().filter(|row| &*row.kind == "call-started") {
            if let Some(started) = read::<CallStarted>(row) {
                begun.extend(call_began(customers, &started).await?);
            }
        }
        customers.commit(BY, last_at, begun).await?;
        for row in rows.iter().filter(|row| &*row.kind == "call-ended") {
            if let Some(ended) = read::<Ended>(row) {
                let changes = call_ended(customers, &ended).await?;
                customers.commit(BY, ended.cdr.ended_at, changes).await?;
            }
        }
        // Most rows of the journal are no calls, and what was written here is read here: only then is nothing left to note.
        let worth_it = rows.iter().any(|row| row.kind.starts_with("call-")) || rows.len() == PAGE as usize;
        if worth_it {
            customers.commit(BY, last_at, vec![CustomerChange::ReadUpTo(last_seq)]).await?;
        }
        seq = last_seq;
    }
}

fn read<'a, T: Deserialize<'a>>(row: &'a JournalRow) -> Option<T> {
    serde_json::from_str(&row.body)
        .inspect_err(
            |error| tracing::error!(seq = row.seq, %error, "a call in the journal cannot be read: it becomes no interaction"),
        )
        .ok()
}

/// The customer's side of a call: `None` for a call within the house.
fn outside(customers: &Customers, origin: &Origin, from: &str, to: &str) -> Option<(bool, Option<Identity>)> {
    match origin {
        Origin::Trunk(_) => Some((true, Identity::of_caller(from, customers.country()))),
        // Somebody of ours calls out: a number that no subscriber can have is one of ours.
        Origin::Extension(_) => Identity::of_caller(to, customers.country()).map(|identity| (false, Some(identity))),
    }
}

async fn call_began(customers: &Customers, started: &CallStarted) -> Result<Vec<CustomerChange>, StoreError> {
    let (from, to) = (started.from.as_str(), started.to.as_str());
    let Some((inbound, identity)) = outside(customers, &started.origin, from, to) else { return Ok(Vec::new()) };
    let interaction = InteractionId(started.call.0);
    if customers.store.interaction(interaction).await?.is_some() {
        return Ok(Vec::new());
    }
    let matched = match &identity {
        Some(identity) => customers.whose(identity, None, started.at).await?,
        None => Matched::Nobody,
    };
    let (customer, candidates) = match matched {
        Matched::Certain(customer) => (Some(customer), Vec::new()),
        Matched::Candidates(candidates) => (None, candidates),
        Matched::Nobody => (None, Vec::new()),
    };
    let mut changes = Vec::new();
    let case = match customer {
        Some(customer) => case_for(customers, customer, None, started.at, &mut changes).await?,
        None => None,
    };
    changes.insert(
        0,
        CustomerChange::InteractionStarted(InteractionRow {
            interaction,
            conversation: ConversationId(started.call.0),
            customer,
            case,
            channel: Channel::Voice,
            inbound,
            identity,
            candidates,
            call: Some(started.call),
            queue: None,
            agent: None,
            started_at: started.at,
            ended_at: None,
            disposition: None,
        }),
    );
    Ok(changes)
}

async fn call_ended(customers: &Customers, ended: &Ended) -> Result<Vec<CustomerChange>, StoreError> {
    let (cdr, interaction) = (&ended.cdr, InteractionId(ended.cdr.call.0));
    let Some(row) = customers.store.interaction(interaction).await? else { return Ok(Vec::new()) };
    if row.ended_at.is_some() {
        return Ok(Vec::new());
    }
    let queue = cdr.queue.as_ref().map(ToString::to_string);
    let agent = cdr.agent.as_ref().map(ToString::to_string);
    let mut changes = vec![CustomerChange::InteractionEnded { interaction, queue: queue.clone(), agent }];
    let Some(customer) = row.customer else { return Ok(changes) };
    // The signature of the caller's number is checked beside the call: one that does not hold takes the certainty back.
    let doubted = match &row.identity {
        Some(identity) if row.inbound && ended.identity.is_some() => {
            let before = customers.whose(identity, None, cdr.started_at).await?;
            let now = customers.whose(identity, ended.identity, cdr.started_at).await?;
            matches!((before, now), (Matched::Certain(_), Matched::Candidates(_)))
        }
        _ => false,
    };
    let conversation = row.conversation;
    if doubted {
        changes.push(CustomerChange::ConversationMoved { conversation, customer: None, case: None });
    } else if row.case.is_none() && queue.is_some() {
        let root = customers.store.customer(customer).await?.map_or(customer, |row| row.root);
        let case = case_for(customers, root, queue.as_deref(), cdr.ended_at, &mut changes).await?;
        if case.is_some() {
            changes.push(CustomerChange::ConversationMoved { conversation, customer: Some(customer), case });
        }
    }
    Ok(changes)
}

/// The case that a contact goes on with. That it did is noted on the case, and one that was resolved is open again.
async fn case_for(
    customers: &Customers,
    root: CustomerId,
    topic: Option<&str>,
    at: Timestamp,
    changes: &mut Vec<CustomerChange>,
) -> Result<Option<tandem_switch::id::CaseId>, StoreError> {
    let cases = customers.store.cases_of(root, CASES).await?;
    let heads: Vec<_> = cases.iter().map(CaseRow::head).collect();
    let (case, again) = match joined(&heads, topic, at) {
        Joined::Open(case) => (case, false),
        Joined::Reopened(case) => (case, true),
        Joined::None => return Ok(None),
    };
    if let Some(row) = cases.into_iter().find(|row| row.case == case) {
        let status = if again { CaseStatus::Open } else { row.status };
        let resolved_at = if again { None } else { row.resolved_at };
        changes.push(CustomerChange::CasePut(CaseRow { status, resolved_at, touched_at: at.max(row.touched_at), ..row }));
    }
    Ok(Some(case))
}
