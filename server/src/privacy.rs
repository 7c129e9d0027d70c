//! Takes people out of everything that is kept: rows, journal and files. One job at a time, in small transactions; what ends
//! half-way is begun again and finds what is left.
//!
//! The voice goes before the number: a job that is cut off leaves a row that still says which files are to go.

mod age;
mod person;

use std::{collections::BTreeSet, io};

#[cfg(test)]
pub(crate) use age::look;
pub(crate) use age::{Ages, retain, start};
pub(crate) use person::{Person, Wanted};
use tandem_switch::{
    id::{CallId, CustomerId, RecordingId},
    time::Timestamp,
};

use crate::{
    clock,
    http::control::{Control, ControlRequest},
    recordings::{file::below, sweep},
    store::{
        Audit, Doer, Happened, Hold, MessageRow, Number, PersonCall, Record, RecordingNews, RecordingState, Redaction, StoreError,
    },
};

/// Rows that are looked at in one go.
const PAGE: u32 = 100;
pub(crate) const DAY_US: i64 = 86_400_000_000;
/// Recordings of one call, at most: a call has one.
const RECORDINGS: u32 = 500;

/// Why nobody, or not all, was erased.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivacyError {
    /// Something of them must stay.
    #[error("a legal hold keeps something of them: {} ({})", .0.id, .0.why)]
    Held(Hold),
    /// Nobody knows whose it is.
    #[error("a number is that of several customers: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Shared(Vec<CustomerId>),
    /// It would be written again.
    #[error("a call of theirs is up, or waits to be made, or they have a new address")]
    Busy,
    /// A recording is not yet what it will be.
    #[error("recording {0} goes on, or is being finished")]
    Unfinished(RecordingId),
    /// A file stays, and so does the row that names it.
    #[error("the file of {0} cannot be deleted: {1}")]
    File(RecordingId, io::Error),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was, or would be, taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Customers, merged ones each.
    pub(crate) customers: u64,
    /// Addresses of theirs that are somebody else's, too, and stay there.
    pub(crate) shared: u64,
    /// Suppressions that stay, hashed.
    pub(crate) suppressions: u64,
    /// Calls.
    pub(crate) calls: u64,
    /// Recordings of them.
    pub(crate) recordings: u64,
    /// Voice messages.
    pub(crate) messages: u64,
    /// Journal rows.
    pub(crate) events: u64,
    /// Calls and messages that a hold keeps.
    pub(crate) held: u64,
}

impl Taken {
    fn words(&self) -> String {
        let Self { customers, calls, recordings, messages, events, held, suppressions, shared } = self;
        format!(
            "{customers} customers, {calls} calls, {recordings} recordings, {messages} messages, {events} events; {held} held, \
             {suppressions} suppressions kept, {shared} addresses are somebody else's too"
        )
    }
}

/// How somebody is erased.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Only count.
    pub(crate) dry_run: bool,
    /// Write the database anew.
    pub(crate) compact: bool,
    /// Never contact them again.
    pub(crate) suppress: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Erased {
    /// What was taken out.
    pub(crate) taken: Taken,
    /// What stands in its place; empty after a dry run.
    pub(crate) tombstone: String,
}

/// Erases everything of one person.
pub(crate) async fn erase(control: &Control, wanted: Wanted, by: &Doer, how: How) -> Result<Erased, PrivacyError> {
    let How { dry_run, compact, suppress } = how;
    let (store, now) = (&control.store, clock::now().at);
    let person = Person::find(&control.customers, wanted).await?;
    let numbers = &person.numbers;
    for number in numbers {
        if let Some(hold) = store.holds_on(number).await?.into_iter().next() {
            return Err(PrivacyError::Held(hold));
        }
        if store.is_about(number).await? {
            return Err(PrivacyError::Busy);
        }
    }
    let redaction = Redaction::of(numbers);
    let mut job = Job { control, by, redaction: &redaction, dry_run, now, seen: BTreeSet::new(), taken: Taken::default() };
    job.taken.customers = u64::try_from(person.all.members.len()).unwrap_or(u64::MAX);
    job.taken.shared = person.all.shared;
    job.taken.suppressions = person.suppressions(suppress, now);
    for number in numbers {
        job.messages(number).await?;
    }
    for root in &person.roots {
        let mut after: Option<CallId> = None;
        loop {
            let page = person.calls(store, *root, after).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for call in page.iter().filter_map(|(_, call)| call.as_ref()) {
                job.call(call, true).await?;
            }
        }
    }
    for number in numbers {
        job.number(number).await?;
    }
    let mut taken = job.taken;
    if !dry_run {
        {
            let _turn = control.customers.turn().await;
            // Whoever changed something of theirs meanwhile did it before this.
            let again = person.again(&control.customers).await?;
            taken.events += again.erase(&control.customers, &redaction, (&by.who, suppress, now)).await?;
        }
        for number in numbers {
            let mut after = Some(0);
            while let Some(seq) = after {
                let (last, events) = store.erase_events(number, &redaction, seq).await?;
                (after, taken.events) = (last, taken.events + events);
            }
        }
        let subject = format!("{}: {}", redaction.tombstone(), taken.words());
        store.commit(&[Record::Audit(Audit::of(by.clone(), "person-erased", subject, now))]).await?;
    }
    if compact && !dry_run {
        store.compact().await?;
    }
    let tombstone = if dry_run { String::new() } else { redaction.tombstone().to_owned() };
    Ok(Erased { taken, tombstone })
}

/// Calls and messages of somebody who is being erased.
struct Job<'a> {
    control: &'a Control,
    by: &'a Doer,
    redaction: &'a Redaction,
    dry_run: bool,
    now: Timestamp,
    seen: BTreeSet<CallId>,
    taken: Taken,
}

impl Job<'_> {
    /// One call with its recordings. Of a call of the customer by somebody else's number that goes, too, in this call.
    async fn call(&mut self, call: &PersonCall, with_others: bool) -> Result<(), PrivacyError> {
        if !self.seen.insert(call.call) {
            return Ok(());
        }
        self.taken.recordings += recordings_of(self.control, call, self.by, self.dry_run).await?;
        self.taken.calls += 1;
        if !self.dry_run {
            let others = if with_others { call.outside() } else { Vec::new() };
            let redaction = self.redaction.and(&others);
            self.taken.events += self.control.store.erase_call(call, &redaction, self.now).await?.events;
        }
        Ok(())
    }

    /// Voice messages of one number. They go before its calls, which take the number out of them.
    async fn messages(&mut self, number: &Number) -> Result<(), PrivacyError> {
        let store = &self.control.store;
        let mut after: Option<RecordingId> = None;
        loop {
            let page = store.messages_of(number, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.message);
            for message in page {
                self.taken.messages += 1;
                if !self.dry_run {
                    forget_message(self.control, message, self.now).await?;
                }
            }
        }
        Ok(())
    }

    /// Everything else of one number.
    async fn number(&mut self, number: &Number) -> Result<(), PrivacyError> {
        let store = &self.control.store;
        let mut after: Option<CallId> = None;
        loop {
            let page = store.calls_of(number, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.call);
            for call in &page {
                self.call(call, false).await?;
            }
        }
        if !self.dry_run {
            store.erase_rules(number, self.redaction).await?;
        }
        Ok(())
    }
}

/// Deletes the audio of a call, wherever it is; how many recordings there were.
async fn recordings_of(control: &Control, call: &PersonCall, by: &Doer, dry_run: bool) -> Result<u64, PrivacyError> {
    let (store, now, mut deleted) = (&control.store, clock::now().at, 0);
    for row in store.recordings(Some(call.call), None, RECORDINGS).await? {
        let recording = row.recording;
        match row.state {
            RecordingState::Deleted => continue,
            RecordingState::Recording | RecordingState::Captured => return Err(PrivacyError::Unfinished(recording)),
            RecordingState::Finished | RecordingState::Failed | RecordingState::Interrupted => {}
        }
        deleted += 1;
        if dry_run {
            continue;
        }
        let spool = control.archive.borrow().spool.clone();
        let gone = sweep::forget(&control.recordings, spool.as_deref(), row, now).await;
        gone.map_err(|error| PrivacyError::File(recording, error))?;
        let what = Happened::Deleted { by: by.who.clone() };
        store.commit(&[Record::Recording(RecordingNews { recording, call: Some(call.call), at: now, what })]).await?;
    }
    Ok(deleted)
}

async fn forget_message(control: &Control, row: MessageRow, at: Timestamp) -> Result<(), PrivacyError> {
    let (message, mailbox) = (row.message, row.mailbox);
    if let Some(file) = below(&control.messages, &row.path) {
        match tokio::fs::remove_file(file).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(PrivacyError::File(message, error)),
            _ => {}
        }
    }
    control.store.commit(&[Record::MessageGone { message, mailbox, why: "erased", at }]).await?;
    // The lamps of the mailbox. A line loop that is too busy to hear it counts again when it starts.
    let _busy = control.tell(ControlRequest::Message { message, heard: None });
    Ok(())
}
