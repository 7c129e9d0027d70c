//! Calls become interactions: the journal is read after the calls, and each call joins its customer and their open case.
//!
//! How far it was read is written down with what came of it, so that a `kill -9` neither loses an interaction nor makes one
//! twice: the identifiers of a call's conversation and interaction are those of the call.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use tandem_switch::{
    cdr::{Cdr, Origin},
    customers::{
        Channel, Identity,
        cases::{CaseStatus, Joined, joined},
        matching::Matched,
    },
    id::{CaseId, ConversationId, CustomerId, InteractionId},
    identity::CallerIdentity,
    time::Timestamp,
};
use tokio::task::JoinHandle;

use super::Customers;
use crate::store::{CallStarted, CaseRow, CustomerChange, CustomerNews, InteractionRow, JournalRow, StoreError};

/// Rows of the journal that are read at once.
const PAGE: u32 = 200;
/// A journal that nobody here wrote to is looked at so often.
const LOOK: Duration = Duration::from_secs(5);
/// Calls that begin and end within that are written together.
const GATHER: Duration = Duration::from_millis(200);
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
                    // What happens in this while is one commit, not many: calls need the database more than we do.
                    tokio::time::sleep(GATHER).await;
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
        let last_seq = last.seq;
        let _turn = customers.turn().await;
        let mut batch = Batch { customers, news: Vec::new(), touched: BTreeSet::new() };
        for row in &rows {
            match &*row.kind {
                "call-started" => {
                    if let Some(started) = read::<CallStarted>(row) {
                        batch.call_began(&started).await?;
                    }
                }
                "call-ended" => {
                    if let Some(ended) = read::<Ended>(row) {
                        batch.call_ended(&ended).await?;
                    }
                }
                _ => {}
            }
        }
        // Most rows of the journal are no calls, and what was written here is read here: only then is nothing left to note.
        let worth_it = rows.iter().any(|row| row.kind.starts_with("call-")) || rows.len() == PAGE as usize;
        batch.write(worth_it.then_some(last_seq)).await?;
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
pub(super) fn outside(customers: &Customers, origin: &Origin, from: &str, to: &str) -> Option<(bool, Option<Identity>)> {
    match origin {
        Origin::Trunk(_) => Some((true, Identity::of_caller(from, customers.country()))),
        // Somebody of ours calls out: a number that no subscriber can have is one of ours.
        Origin::Extension(_) => Identity::of_caller(to, customers.country()).map(|identity| (false, Some(identity))),
    }
}

/// What becomes of a page of the journal: one commit, unless two calls of the page are about the same people.
struct Batch<'a> {
    customers: &'a Customers,
    news: Vec<CustomerNews>,
    /// The interactions and customers that the news are about: whoever asks the database about them must find it all there.
    touched: BTreeSet<u64>,
}

impl Batch<'_> {
    fn add(&mut self, at: Timestamp, changes: Vec<CustomerChange>) {
        self.news.extend(changes.into_iter().map(|what| CustomerNews { by: BY.to_owned(), at, what }));
    }

    /// With the number of the last row that was read, where it is worth to be noted.
    async fn write(&mut self, read_up_to: Option<i64>) -> Result<(), StoreError> {
        if let Some(seq) = read_up_to {
            self.add(Timestamp::default(), vec![CustomerChange::ReadUpTo(seq)]);
        }
        self.touched.clear();
        self.customers.commit_all(std::mem::take(&mut self.news)).await
    }

    /// From here on the database is asked about somebody.
    async fn touch(&mut self, id: u64) -> Result<(), StoreError> {
        if self.touched.contains(&id) {
            self.write(None).await?;
        }
        self.touched.insert(id);
        Ok(())
    }

    async fn call_began(&mut self, started: &CallStarted) -> Result<(), StoreError> {
        let customers = self.customers;
        let (from, to) = (started.from.as_str(), started.to.as_str());
        let Some((inbound, identity)) = outside(customers, &started.origin, from, to) else { return Ok(()) };
        let interaction = InteractionId(started.call.0);
        self.touch(interaction.0).await?;
        if customers.store.interaction(interaction).await?.is_some() {
            return Ok(());
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
        let mut joined = Vec::new();
        let case = match customer {
            Some(customer) => self.case_for(customer, None, started.at, &mut joined).await?,
            None => None,
        };
        let row = InteractionRow {
            interaction,
            conversation: ConversationId(started.call.0),
            customer,
            case,
            channel: Channel::Voice,
            inbound: inbound && !started.called_back,
            identity,
            candidates,
            call: Some(started.call),
            queue: None,
            agent: None,
            started_at: started.at,
            ended_at: None,
            disposition: None,
        };
        joined.insert(0, CustomerChange::InteractionStarted(row));
        self.add(started.at, joined);
        Ok(())
    }

    async fn call_ended(&mut self, ended: &Ended) -> Result<(), StoreError> {
        let (cdr, interaction, customers) = (&ended.cdr, InteractionId(ended.cdr.call.0), self.customers);
        self.touch(interaction.0).await?;
        let Some(row) = customers.store.interaction(interaction).await? else { return Ok(()) };
        if row.ended_at.is_some() {
            return Ok(());
        }
        let queue = cdr.queue.as_ref().map(ToString::to_string);
        let agent = cdr.agent.as_ref().map(ToString::to_string);
        let mut changes = vec![CustomerChange::InteractionEnded { interaction, queue: queue.clone(), agent }];
        if let Some(customer) = row.customer {
            let conversation = row.conversation;
            if self.doubted(&row, ended).await? {
                changes.push(CustomerChange::ConversationMoved { conversation, customer: None, case: None });
            } else if row.case.is_none() && queue.is_some() {
                let root = customers.store.customer(customer).await?.map_or(customer, |row| row.root);
                let case = self.case_for(root, queue.as_deref(), cdr.ended_at, &mut changes).await?;
                if case.is_some() {
                    changes.push(CustomerChange::ConversationMoved { conversation, customer: Some(customer), case });
                }
            }
        }
        self.add(cdr.ended_at, changes);
        Ok(())
    }

    /// The signature of the caller's number is checked beside the call: one that does not hold takes the certainty back.
    async fn doubted(&self, row: &InteractionRow, ended: &Ended) -> Result<bool, StoreError> {
        let Some(identity) = row.identity.as_ref().filter(|_| row.inbound && ended.identity.is_some()) else { return Ok(false) };
        let at = ended.cdr.started_at;
        let before = self.customers.whose(identity, None, at).await?;
        let now = self.customers.whose(identity, ended.identity, at).await?;
        Ok(matches!((before, now), (Matched::Certain(_), Matched::Candidates(_))))
    }

    /// The case that a contact goes on with. That it did is noted on the case, and one that was solved is open again.
    async fn case_for(
        &mut self,
        root: CustomerId,
        topic: Option<&str>,
        at: Timestamp,
        changes: &mut Vec<CustomerChange>,
    ) -> Result<Option<CaseId>, StoreError> {
        self.touch(root.0).await?;
        let cases = self.customers.store.cases_of(root, CASES).await?;
        let heads: Vec<_> = cases.iter().map(CaseRow::head).collect();
        let (case, again) = match joined(&heads, topic, at) {
            Joined::Open(case) => (case, false),
            Joined::Reopened(case) => (case, true),
            Joined::None => return Ok(None),
        };
        if let Some(mut row) = cases.into_iter().find(|row| row.case == case) {
            row.touched_at = at.max(row.touched_at);
            if again {
                row.set_status(CaseStatus::Open, BY, at);
            }
            changes.push(CustomerChange::CasePut(row));
        }
        Ok(Some(case))
    }
}
