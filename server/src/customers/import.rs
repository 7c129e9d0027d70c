//! A file of customers, row by row: at no time more of it is held than a batch of rows.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{
        Identity, MAX_ATTRIBUTES,
        csv::{Reader, Row},
        import::{Columns, ImportedCustomer, read},
        matching::CERTAIN,
    },
    id::CustomerId,
    time::Timestamp,
};
use utoipa::ToSchema;

use super::Customers;
use crate::store::{CustomerChange, CustomerRow, IdentityRow, StoreError};

/// Rows that are written in one transaction.
const BATCH: usize = 200;

/// What became of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Rows after the head.
    pub rows: u64,
    /// Customers who were not there.
    pub added: u64,
    /// Customers who were there and are otherwise now.
    pub changed: u64,
    /// Customers who were there as the file has them.
    pub same: u64,
    /// Rows that were not taken.
    pub refused: u64,
    /// Nothing was written.
    pub dry_run: bool,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRow {
    /// The line of the file that it begins at, from 1.
    pub line: u64,
    /// Why, without what it holds.
    pub reason: String,
}

/// Why a file cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum NoImport {
    /// Its head is wrong.
    #[error("line 1: {0}")]
    Head(String),
    /// The database.
    #[error("the database could not be used; give the file again: what was taken is not taken twice")]
    Store(#[from] StoreError),
}

/// An import under way.
#[derive(Debug)]
pub struct Importer {
    customers: Customers,
    by: String,
    reader: Reader,
    columns: Option<Columns>,
    batch: Vec<(u64, ImportedCustomer)>,
    refused: Vec<RefusedRow>,
    report: ImportReport,
}

impl Importer {
    /// An import that nothing was given to yet.
    #[must_use]
    pub fn new(customers: Customers, by: String, separator: u8, dry_run: bool) -> Self {
        let report = ImportReport { dry_run, ..ImportReport::default() };
        let (columns, batch, refused) = (None, Vec::new(), Vec::new());
        Self { customers, by, reader: Reader::new(separator), columns, batch, refused, report }
    }

    /// Takes the next piece of the file; the rows that were refused since.
    ///
    /// # Errors
    /// The import is over.
    pub async fn push(&mut self, piece: &[u8], now: Timestamp) -> Result<Vec<RefusedRow>, NoImport> {
        self.reader.push(piece);
        self.rows(now).await
    }

    /// The file is over: its last rows, and what became of it.
    ///
    /// # Errors
    /// The last rows could not be written.
    pub async fn end(&mut self, now: Timestamp) -> Result<(Vec<RefusedRow>, ImportReport), NoImport> {
        self.reader.end();
        let mut refused = self.rows(now).await?;
        if self.columns.is_none() {
            return Err(NoImport::Head("the file is empty".to_owned()));
        }
        self.flush(now).await?;
        refused.append(&mut self.refused);
        Ok((refused, self.report))
    }

    async fn rows(&mut self, now: Timestamp) -> Result<Vec<RefusedRow>, NoImport> {
        while let Some(row) = self.reader.next_row() {
            self.row(row)?;
            if self.batch.len() >= BATCH {
                self.flush(now).await?;
            }
        }
        Ok(std::mem::take(&mut self.refused))
    }

    fn row(&mut self, row: Row) -> Result<(), NoImport> {
        let Some(columns) = &self.columns else {
            let head = row.fields.map_err(|error| NoImport::Head(error.to_string()))?;
            self.columns = Some(Columns::read(&head).map_err(|error| NoImport::Head(error.to_string()))?);
            return Ok(());
        };
        self.report.rows += 1;
        let country = self.customers.country();
        let taken = row.fields.map_err(|error| error.to_string());
        match taken.and_then(|fields| read(columns, &fields, country).map_err(|error| error.to_string())) {
            Ok(customer) => self.batch.push((row.line, customer)),
            Err(reason) => self.refuse(row.line, reason),
        }
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: String) {
        self.report.refused += 1;
        self.refused.push(RefusedRow { line, reason });
    }

    /// Writes the batch down. A row that speaks of whom an earlier one speaks waits until that one is written.
    async fn flush(&mut self, now: Timestamp) -> Result<(), NoImport> {
        let customers = self.customers.clone();
        let _turn = customers.turn().await;
        let mut changes = Vec::new();
        let mut spoken_of: BTreeSet<Identity> = BTreeSet::new();
        for (line, row) in std::mem::take(&mut self.batch) {
            if row.identities.iter().any(|identity| spoken_of.contains(identity)) {
                self.write(now, std::mem::take(&mut changes)).await?;
                spoken_of.clear();
            }
            spoken_of.extend(row.identities.iter().cloned());
            match self.owner(&row, now).await? {
                Ok(known) => changes.extend(self.changed(line, row, known, now).await?),
                Err(reason) => self.refuse(line, reason.to_owned()),
            }
        }
        self.write(now, changes).await
    }

    async fn write(&self, now: Timestamp, changes: Vec<CustomerChange>) -> Result<(), NoImport> {
        if !self.report.dry_run {
            self.customers.commit(&self.by, now, changes).await?;
        }
        Ok(())
    }

    /// Whom a row is about. What another program calls them decides; else the addresses do, when they agree.
    async fn owner(
        &self,
        row: &ImportedCustomer,
        now: Timestamp,
    ) -> Result<Result<Option<CustomerId>, &'static str>, StoreError> {
        if let Some(external) = row.external() {
            let holders: BTreeSet<CustomerId> =
                self.customers.store.holders(external).await?.iter().map(|holder| holder.customer).collect();
            let first = holders.first().copied();
            return Ok(if holders.len() > 1 {
                Err("external_id: several customers have it; take it from all but one")
            } else {
                Ok(first)
            });
        }
        let mut owners = BTreeSet::new();
        for identity in &row.identities {
            owners.extend(self.customers.certain(identity, now).await?);
        }
        let first = owners.first().copied();
        Ok(if owners.len() > 1 {
            Err("its addresses belong to several customers; merge them, or correct the row")
        } else {
            Ok(first)
        })
    }

    /// What a row changes.
    async fn changed(
        &mut self,
        line: u64,
        row: ImportedCustomer,
        known: Option<CustomerId>,
        now: Timestamp,
    ) -> Result<Vec<CustomerChange>, StoreError> {
        let before = match known {
            Some(customer) => self.customers.store.customer(customer).await?,
            None => None,
        };
        let held = match known {
            Some(customer) => self.customers.store.identities_of(customer).await?,
            None => Vec::new(),
        };
        let customer = known.unwrap_or_else(|| CustomerId(self.customers.id(now)));
        let old = before.clone().unwrap_or_else(|| CustomerRow {
            customer,
            name: String::new(),
            language: String::new(),
            attributes: std::collections::BTreeMap::new(),
            root: customer,
            created_at: now,
            changed_at: now,
        });
        let mut new = old.clone();
        new.name = row.name.unwrap_or(new.name);
        new.language = row.language.unwrap_or(new.language);
        new.attributes.extend(row.attributes);
        new.attributes.retain(|_, value| !value.is_empty());
        if new.attributes.len() > MAX_ATTRIBUTES {
            self.refuse(line, "attributes: the customer would have more than 64".to_owned());
            return Ok(Vec::new());
        }
        let mut changes = Vec::new();
        if before.is_none() || new != old {
            changes.push(CustomerChange::Put(new));
        }
        for identity in row.identities {
            let has = |row: &IdentityRow| row.identity == identity && row.confidence == CERTAIN && row.valid_to.is_none();
            if !held.iter().any(has) {
                let source = "import".to_owned();
                let (verified, confidence, valid_from, valid_to) = (false, CERTAIN, now, None);
                let row = IdentityRow { customer, identity, verified, source, confidence, valid_from, valid_to };
                changes.push(CustomerChange::IdentityPut(row));
            }
        }
        match (before.is_some(), changes.is_empty()) {
            (false, _) => self.report.added += 1,
            (true, false) => self.report.changed += 1,
            (true, true) => self.report.same += 1,
        }
        Ok(changes)
    }
}
