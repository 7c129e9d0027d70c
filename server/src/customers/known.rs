//! What is known of somebody outside, for a screen that has no time to ask twice.

use tandem_switch::{
    customers::{
        Identity,
        matching::{Candidate, Doubt, Matched},
    },
    id::CustomerId,
    identity::CallerIdentity,
    time::Timestamp,
};

use super::Customers;
use crate::store::{CaseRow, CustomerRow, IdentityRow, InteractionRow, LinkRow, NoteRow, StoreError};

/// Entries of the timeline that are shown.
pub const HEAD: u32 = 5;
/// Cases that are looked at.
const CASES: u32 = 50;

/// Who somebody is, or may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The customer, when it is certain.
    pub customer: Option<KnownCustomer>,
    /// Who it may be, when it is not; best first.
    pub candidates: Vec<(CustomerRow, u8, Vec<Doubt>)>,
    /// Why it is they, or nobody.
    pub because: String,
}

/// A customer with what may matter at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCustomer {
    /// They, after all merges.
    pub row: CustomerRow,
    /// Their addresses.
    pub identities: Vec<IdentityRow>,
    /// What they were made of.
    pub links: Vec<LinkRow>,
    /// Cases that are open, the one touched last first.
    pub open_cases: Vec<CaseRow>,
    /// The last interactions.
    pub interactions: Vec<InteractionRow>,
    /// The last notes.
    pub notes: Vec<NoteRow>,
}

impl Known {
    /// Nothing is known, and why.
    #[must_use]
    pub fn nothing(because: &str) -> Self {
        Self { because: because.to_owned(), ..Self::default() }
    }

    /// The customer, when it is certain.
    #[must_use]
    pub fn certain(&self) -> Option<CustomerId> {
        self.customer.as_ref().map(|customer| customer.row.customer)
    }
}

impl Customers {
    /// What is known of whoever has an address. `proof`: what is known of the caller's signature.
    ///
    /// # Errors
    /// The database.
    pub async fn known(
        &self,
        identity: Option<&Identity>,
        proof: Option<CallerIdentity>,
        now: Timestamp,
    ) -> Result<Known, StoreError> {
        let Some(identity) = identity else { return Ok(Known::nothing("the number is withheld, or one of the house")) };
        match self.whose(identity, proof, now).await? {
            Matched::Certain(customer) => self.known_customer(customer, format!("{} is theirs", identity.value())).await,
            Matched::Candidates(candidates) => self.known_candidates(candidates).await,
            Matched::Nobody => self.known_candidates(Vec::new()).await,
        }
    }

    /// What is known of a customer.
    ///
    /// # Errors
    /// The database.
    pub async fn known_customer(&self, customer: CustomerId, because: String) -> Result<Known, StoreError> {
        let Some(row) = self.root(customer).await? else { return Ok(Known::nothing("the customer is not there any more")) };
        let root = row.customer;
        let mut open_cases = self.store.cases_of(root, CASES).await?;
        open_cases.retain(|case| case.status.is_open());
        let customer = KnownCustomer {
            identities: self.store.identities_of(root).await?,
            links: self.store.links_of(root).await?,
            interactions: self.store.interactions_of(root, None, HEAD).await?,
            notes: self.store.notes_of(root, None, HEAD).await?,
            row,
            open_cases,
        };
        Ok(Known { customer: Some(customer), candidates: Vec::new(), because })
    }

    /// What is known of those whom it may be.
    ///
    /// # Errors
    /// The database.
    pub async fn known_candidates(&self, candidates: Vec<Candidate>) -> Result<Known, StoreError> {
        let mut shown = Vec::new();
        for Candidate { customer, score, doubts } in candidates {
            shown.extend(self.root(customer).await?.map(|row| (row, score, doubts)));
        }
        let because = if shown.is_empty() { "nobody has this number" } else { "it is not certain whose number this is" };
        Ok(Known { customer: None, candidates: shown, because: because.to_owned() })
    }

    /// A customer after all merges.
    async fn root(&self, customer: CustomerId) -> Result<Option<CustomerRow>, StoreError> {
        match self.store.customer(customer).await? {
            Some(row) if row.root != row.customer => self.store.customer(row.root).await,
            found => Ok(found),
        }
    }
}
