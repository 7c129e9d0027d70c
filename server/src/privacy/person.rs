//! Who is meant: a person is a customer with all their addresses, or, where nobody knows the customer, the numbers alone.

use std::collections::BTreeSet;

use tandem_switch::{
    customers::{
        Country, Identity, IdentityKind,
        consent::{Rule, Whose},
    },
    id::{CallId, ConsentId, CustomerId},
    time::Timestamp,
};

use super::{PAGE, PrivacyError};
use crate::{
    customers::Customers,
    store::{Belongings, CustomerChange, CustomerNews, Number, PersonCall, Record, Redaction, Store, StoreError, is_hashed},
};

/// Spellings of numbers that are found in their calls, at most.
const MOST_SPELLINGS: usize = 256;

/// Whom somebody means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Their numbers and other addresses, as records have them.
    pub(crate) numbers: Vec<Number>,
    /// The same, where they can be an address of a customer.
    pub(crate) identities: Vec<Identity>,
    /// Customers, after all merges.
    pub(crate) customers: Vec<CustomerId>,
}

impl Wanted {
    /// Reads one address as people write it.
    pub(crate) fn add(&mut self, text: &str, country: Country) -> Result<(), String> {
        let number: Number = text.parse()?;
        let kind = if text.contains('@') { IdentityKind::Email } else { IdentityKind::Phone };
        // What can be no address of a customer may still stand in records.
        if let Ok(identity) = Identity::read(kind, text, country) {
            self.number(identity.value());
            self.identities.push(identity);
        }
        if !self.numbers.contains(&number) {
            self.numbers.push(number);
        }
        Ok(())
    }

    fn number(&mut self, text: &str) {
        if let Ok(number) = text.parse::<Number>()
            && !self.numbers.contains(&number)
        {
            self.numbers.push(number);
        }
    }
}

/// Who that is.
#[derive(Debug)]
pub(crate) struct Person {
    /// Every way in which their addresses are written.
    pub(crate) numbers: Vec<Number>,
    identities: Vec<Identity>,
    /// The customers that they are, after all merges.
    pub(crate) roots: Vec<CustomerId>,
    /// What belongs to them.
    pub(crate) all: Belongings,
}

impl Person {
    /// Finds out.
    pub(crate) async fn find(customers: &Customers, wanted: Wanted) -> Result<Self, PrivacyError> {
        let store = &customers.store;
        let (mut roots, mut wanted) = (wanted.customers.clone(), wanted);
        for number in &wanted.numbers {
            let holders = store.customers_with(number).await?;
            match holders.as_slice() {
                [] => {}
                [one] => roots.push(*one),
                // One of them may be named; else nobody knows who is meant.
                many if many.iter().any(|root| wanted.customers.contains(root)) => {}
                many => return Err(PrivacyError::Shared(many.to_vec())),
            }
        }
        roots.sort_unstable();
        roots.dedup();
        let mut all = store.belongings(None, &wanted.numbers).await?;
        for root in &roots {
            let theirs = store.belongings(Some(*root), &[]).await?;
            all.members.extend(theirs.members);
            all.shared += theirs.shared;
            all.rules.extend(theirs.rules);
            all.identities.extend(theirs.identities);
        }
        let mut seen = BTreeSet::new();
        all.rules.retain(|rule| seen.insert(rule.consent));
        all.identities.iter().for_each(|identity| wanted.number(identity.value()));
        let mut identities = all.identities.clone();
        identities.extend(wanted.identities.into_iter().filter(|identity| !all.identities.contains(identity)));
        let mut person = Self { numbers: wanted.numbers, identities, roots, all };
        person.spellings(customers).await?;
        Ok(person)
    }

    /// The same after a while: what belongs to them now.
    pub(crate) async fn again(&self, customers: &Customers) -> Result<Self, PrivacyError> {
        let mut all = customers.store.belongings(None, &self.numbers).await?;
        for root in &self.roots {
            let theirs = customers.store.belongings(Some(*root), &[]).await?;
            all.members.extend(theirs.members);
            all.rules.extend(theirs.rules);
            // An address that came meanwhile has calls that nobody looked for.
            let known = |identity: &Identity| self.identities.contains(identity);
            if !theirs.identities.iter().all(known) {
                return Err(PrivacyError::Busy);
            }
        }
        let mut seen = BTreeSet::new();
        all.rules.retain(|rule| seen.insert(rule.consent));
        let (numbers, identities, roots) = (self.numbers.clone(), self.identities.clone(), self.roots.clone());
        Ok(Self { numbers, identities, roots, all })
    }

    /// A trunk may write a number as it is dialled in its country.
    async fn spellings(&mut self, customers: &Customers) -> Result<(), StoreError> {
        let country = customers.country();
        for root in self.roots.clone() {
            let mut after = None;
            while self.numbers.len() < MOST_SPELLINGS {
                let page = self.calls(&customers.store, root, after).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.0);
                for text in page.iter().filter_map(|(_, call)| call.as_ref()).flat_map(PersonCall::parties) {
                    let theirs = Identity::of_caller(text, country).is_some_and(|identity| self.identities.contains(&identity));
                    if let Some(number) = theirs.then(|| Number::outside(text)).flatten()
                        && !self.numbers.contains(&number)
                    {
                        self.numbers.push(number);
                    }
                }
            }
        }
        Ok(())
    }

    /// A page of the calls of a customer; `None`: the call is up, or its record is not there.
    pub(crate) async fn calls(
        &self,
        store: &Store,
        root: CustomerId,
        after: Option<CallId>,
    ) -> Result<Vec<(CallId, Option<PersonCall>)>, StoreError> {
        let mut page = Vec::new();
        for call in store.calls_of_customer(root, after, PAGE).await? {
            page.push((call, store.person_call(call).await?));
        }
        Ok(page)
    }

    /// Whether something of theirs must stay, or goes on.
    pub(crate) async fn is_kept(&self, store: &Store) -> Result<bool, StoreError> {
        for number in &self.numbers {
            if !store.holds_on(number).await?.is_empty() || store.is_about(number).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where they must not be contacted, whatever else becomes of them.
    fn suppressed(&self, now: Timestamp) -> Vec<(Identity, &Rule)> {
        let holds = |rule: &&Rule| !rule.allowed && rule.valid_to.is_none_or(|end| end > now);
        let mut all = Vec::new();
        for rule in self.all.rules.iter().filter(holds) {
            match &rule.whose {
                Whose::Identity(identity) if is_hashed(identity) => {}
                Whose::Identity(identity) => all.push((identity.clone(), rule)),
                Whose::Customer(_) => all.extend(self.identities.iter().map(|identity| (identity.clone(), rule))),
            }
        }
        all
    }

    /// How many suppressions outlive them.
    pub(crate) fn suppressions(&self, suppress: bool, now: Timestamp) -> u64 {
        let more = if suppress { self.identities.len() } else { 0 };
        u64::try_from(self.suppressed(now).len() + more).unwrap_or(u64::MAX)
    }

    /// Takes the words about them out, and their addresses; what must not be contacted stays, hashed. Journal rows that changed.
    pub(crate) async fn erase(
        &self,
        customers: &Customers,
        redaction: &Redaction,
        (by, suppress, now): (&str, bool, Timestamp),
    ) -> Result<u64, StoreError> {
        let store = &customers.store;
        let mut changes = Vec::new();
        let never = |identity: &Identity| Rule {
            consent: ConsentId(0),
            whose: Whose::Identity(identity.clone()),
            allowed: false,
            purpose: None,
            channel: None,
            jurisdiction: None,
            source: "erasure".to_owned(),
            proof: None,
            valid_from: now,
            valid_to: None,
        };
        let mut kept: Vec<(Identity, Rule)> = self
            .suppressed(now)
            .into_iter()
            .map(|(identity, rule)| (identity, Rule { source: "erasure".to_owned(), proof: None, ..rule.clone() }))
            .collect();
        if suppress {
            kept.extend(self.identities.iter().map(|identity| (identity.clone(), never(identity))));
        }
        for (identity, rule) in kept {
            let whose = Whose::Identity(store.hashed_for_good(&identity).await?);
            changes.push(CustomerChange::ConsentPut(Rule { consent: ConsentId(customers.id(now)), whose, ..rule }));
        }
        changes.extend(self.all.members.iter().map(|customer| CustomerChange::Erased { customer: *customer }));
        let news = |what| Record::Customer(Box::new(CustomerNews { by: by.to_owned(), at: now, what }));
        let records: Vec<Record> = changes.into_iter().map(news).collect();
        Ok(store.erase_customer(&self.all, redaction, &self.numbers, &records).await?.events)
    }
}
