//! What goes with age: by order, and daily by itself.

use std::time::Duration;

use tandem_switch::{id::CustomerId, time::Timestamp};
use tokio::time::sleep;

use super::{DAY_US, PAGE, Person, PrivacyError, Taken, Wanted, forget_message};
use crate::{
    clock,
    http::{control::Control, view::At},
    store::{Audit, Doer, Record, Redaction, RetentionTerms},
};

/// How often it is looked whether a day is over.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// Who ages, for the audit.
const BY: &str = "retention";

/// Before which times things are old.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ages {
    /// Calls and voice messages that began before.
    pub(crate) calls: Option<Timestamp>,
    /// Customers of whom nothing was heard since.
    pub(crate) customers: Option<Timestamp>,
}

impl Ages {
    /// As many days before a time.
    pub(crate) fn of((calls, customers): (Option<u32>, Option<u32>), now: Timestamp) -> Self {
        let before = |days: u32| Timestamp(now.0.saturating_sub(i64::from(days) * DAY_US));
        Self { calls: calls.map(before), customers: customers.map(before) }
    }

    fn words(&self) -> String {
        let said = |what, at: Option<Timestamp>| at.map(|at| format!("{what} before {}", At(at)));
        [said("calls", self.calls), said("customers", self.customers)].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Ages what is to age by itself, a day after it last did, as long as the runtime is there.
pub(crate) fn start(control: &Control) {
    let control = control.clone();
    tokio::spawn(async move {
        loop {
            if let Err(error) = look(&control, clock::now().at).await {
                tracing::warn!(%error, "old records and customers did not age; it is tried again in an hour");
            }
            sleep(LOOK).await;
        }
    });
}

/// Ages what is due; `None`: nothing is, or somebody is being erased right now.
pub(crate) async fn look(control: &Control, now: Timestamp) -> Result<Option<Taken>, PrivacyError> {
    let terms = control.store.retention().await?;
    if !is_due(terms, now) {
        return Ok(None);
    }
    let Ok(_alone) = control.customers.erasing.try_lock() else { return Ok(None) };
    let ages = Ages::of((terms.calls_days, terms.customers_days), now);
    let taken = retain(control, ages, &Doer::from(BY), false).await?;
    control.store.retention_ran(now).await?;
    tracing::info!(
        calls = taken.calls,
        messages = taken.messages,
        customers = taken.customers,
        held = taken.held,
        "old records have aged"
    );
    Ok(Some(taken))
}

fn is_due(terms: RetentionTerms, now: Timestamp) -> bool {
    let is_set = terms.calls_days.or(terms.customers_days).is_some();
    is_set && terms.last_at.is_none_or(|last| now.0 >= last.0.saturating_add(DAY_US))
}

/// Takes the numbers of people outside out of calls that are old, deletes voice messages that are, and takes the words about
/// customers out who are. Recordings have a time of their own: they stay.
pub(crate) async fn retain(control: &Control, ages: Ages, by: &Doer, dry_run: bool) -> Result<Taken, PrivacyError> {
    let mut taken = Taken::default();
    if let Some(before) = ages.calls {
        calls(control, before, dry_run, &mut taken).await?;
    }
    if let Some(since) = ages.customers {
        customers(control, since, dry_run, &mut taken).await?;
    }
    if !dry_run {
        let subject = format!("{}: {}", ages.words(), taken.words());
        let audit = Audit::of(by.clone(), "records-aged", subject, clock::now().at);
        control.store.commit(&[Record::Audit(audit)]).await?;
    }
    Ok(taken)
}

async fn calls(control: &Control, before: Timestamp, dry_run: bool, taken: &mut Taken) -> Result<(), PrivacyError> {
    let (store, now) = (&control.store, clock::now().at);
    let (old_calls, old_messages) = store.older_than(before).await?;
    let mut after = None;
    loop {
        let page = store.calls_to_erase(before, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.call);
        for call in &page {
            taken.calls += 1;
            if !dry_run {
                taken.events += store.erase_call(call, &Redaction::of(&call.outside()), now).await?.events;
            }
        }
    }
    let mut after = None;
    loop {
        let page = store.messages_to_erase(before, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.message);
        for message in page {
            taken.messages += 1;
            if !dry_run {
                forget_message(control, message, now).await?;
            }
        }
    }
    taken.held += (old_calls + old_messages).saturating_sub(taken.calls + taken.messages);
    Ok(())
}

async fn customers(control: &Control, since: Timestamp, dry_run: bool, taken: &mut Taken) -> Result<(), PrivacyError> {
    let store = &control.store;
    let mut after: Option<CustomerId> = None;
    loop {
        let page = store.idle_customers(since, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(*last);
        for root in &page {
            let wanted = Wanted { customers: vec![*root], ..Wanted::default() };
            // Whoever calls meanwhile is a customer again: who they are is asked and written in one turn.
            let _turn = control.customers.turn().await;
            let person = Person::find(&control.customers, wanted).await?;
            if person.is_kept(store).await? {
                taken.held += 1;
                continue;
            }
            taken.customers += u64::try_from(person.all.members.len()).unwrap_or(u64::MAX);
            let now = clock::now().at;
            taken.suppressions += person.suppressions(false, now);
            if !dry_run {
                let redaction = Redaction::of(&person.numbers);
                taken.events += person.erase(&control.customers, &redaction, (BY, false, now)).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ages_by_itself_unless_somebody_said_so_and_then_daily() {
        let terms = |calls_days, customers_days, last: Option<i64>| RetentionTerms {
            calls_days,
            customers_days,
            last_at: last.map(Timestamp),
        };
        let now = Timestamp(10 * DAY_US);
        assert!(!is_due(terms(None, None, None), now));
        assert!(is_due(terms(Some(1), None, None), now));
        assert!(is_due(terms(None, Some(1), Some(9 * DAY_US)), now));
        assert!(!is_due(terms(Some(1), Some(1), Some(9 * DAY_US + 1)), now));
    }
}
