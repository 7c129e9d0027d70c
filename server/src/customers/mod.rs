//! Customers at work: who calls, calls that become interactions, files of customers.
//!
//! Nothing of this stands in the way of a call. Who a caller is is asked beside the call, and calls become interactions by
//! reading the journal after them, from where the last process stopped.

pub mod beside;
pub mod follow;
pub mod import;
pub mod known;
mod promised;
pub mod screens;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use tandem_switch::{
    customers::{
        Country, Identity,
        consent::{Question, may_contact},
        matching::{Matched, matched},
    },
    id::{CustomerId, IdSource},
    identity::CallerIdentity,
    time::Timestamp,
};
use tokio::{
    sync::{Mutex as Turns, MutexGuard, watch},
    time::timeout,
};

use crate::store::{CustomerChange, CustomerNews, Record, Store, StoreError};

/// The lane of identifiers of customers and of what belongs to them.
const LANE: u8 = 8;

/// All that works on customers has one of these. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Customers {
    /// Where they are kept.
    pub store: Store,
    country: watch::Receiver<Option<String>>,
    ids: Arc<Mutex<IdSource>>,
    turns: Arc<Turns<()>>,
    /// Whoever erases people does it alone.
    pub erasing: Arc<Turns<()>>,
}

impl Customers {
    /// Customers of a store, with the country of the plan in service.
    #[must_use]
    pub fn new(store: Store, country: watch::Receiver<Option<String>>) -> Self {
        Self { store, country, ids: Arc::new(Mutex::new(IdSource::new(LANE))), turns: Arc::default(), erasing: Arc::default() }
    }

    /// The country whose numbers are written without a prefix.
    #[must_use]
    pub fn country(&self) -> Country {
        Country::of(self.country.borrow().as_deref())
    }

    /// The next identifier.
    #[must_use]
    pub fn id(&self, now: Timestamp) -> u64 {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now)
    }

    /// Waits until nobody else changes customers. What is read after it and written before its end is one change.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }

    /// Writes changes down, all or none.
    ///
    /// # Errors
    /// The database.
    pub async fn commit(&self, by: &str, at: Timestamp, changes: Vec<CustomerChange>) -> Result<(), StoreError> {
        self.commit_all(changes.into_iter().map(|what| CustomerNews { by: by.to_owned(), at, what }).collect()).await
    }

    /// The same, of changes at several moments.
    ///
    /// # Errors
    /// The database.
    pub async fn commit_all(&self, news: Vec<CustomerNews>) -> Result<(), StoreError> {
        if news.is_empty() {
            return Ok(());
        }
        let records: Vec<Record> = news.into_iter().map(|news| Record::Customer(Box::new(news))).collect();
        self.store.commit(&records).await
    }

    /// Whose an address is.
    ///
    /// # Errors
    /// The database.
    pub async fn whose(&self, identity: &Identity, proof: Option<CallerIdentity>, now: Timestamp) -> Result<Matched, StoreError> {
        Ok(matched(&self.store.holders(identity).await?, proof, now))
    }

    /// The customer who has a number without a doubt, if the database says so at once.
    pub async fn caller(&self, number: &str, now: Timestamp) -> Option<CustomerId> {
        let identity = Identity::of_caller(number, self.country())?;
        timeout(beside::BUDGET, self.certain(&identity, now)).await.ok()?.ok()?
    }

    /// Why somebody may not be contacted; `None`: they may.
    ///
    /// # Errors
    /// The database.
    pub async fn refused(&self, question: Question<'_>) -> Result<Option<String>, StoreError> {
        let rules = self.store.consent_rules(Some(question.identity), question.customer).await?;
        let answer = may_contact(&rules, question);
        Ok((!answer.may).then_some(answer.reason))
    }

    /// The customer who has an address without a doubt.
    ///
    /// # Errors
    /// The database.
    pub async fn certain(&self, identity: &Identity, now: Timestamp) -> Result<Option<CustomerId>, StoreError> {
        Ok(match self.whose(identity, None, now).await? {
            Matched::Certain(customer) => Some(customer),
            Matched::Candidates(_) | Matched::Nobody => None,
        })
    }
}
