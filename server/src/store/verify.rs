//! Whether the tables say what the journal says: folded again from its first row, and compared.
//!
//! - here: the floor as a restart finds it, records of calls, and the report.
//! - `figures`: waits, agents' spells and roll-ups.
//! - `others`: the other tables, column by column. `tables`: which.

mod figures;
mod others;
mod tables;

use std::{collections::BTreeMap, fmt::Debug};

use serde::{Deserialize, Serialize};
use tandem_switch::{
    cdr::Cdr,
    floor::{FloorEvent, Restored},
    id::CallId,
    time::Timestamp,
};

use self::{figures::Figures, others::Others};
use super::{
    Store, StoreError,
    changes::Changes,
    customers_verify::CustomersAgain,
    db::args,
    figures::{FIGURES_ARE_MISSING, changes},
    rollups::UNSEAL_SINCE,
};

/// The statements of this module.
#[cfg(test)]
pub(super) const ALL: &[(&str, &str)] = tables::ALL;

/// Journal rows that are read at a time.
const PAGE: u32 = 2_000;
/// Differences that are told; all are counted.
const MOST_TOLD: usize = 50;

/// What was compared, and what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Journal rows that were read.
    pub events: u64,
    /// Rows that were compared, by table.
    pub compared: BTreeMap<&'static str, u64>,
    /// How many rows differ.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

/// A row that is not what the journal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What the journal says; `None`: that there is no such row.
    pub journal: Option<String>,
    /// What the table says; `None`: there is no such row.
    pub found: Option<String>,
}

#[derive(Deserialize)]
struct Ended {
    cdr: Cdr,
}

#[derive(Deserialize)]
struct Started {
    call: CallId,
}

impl Store {
    /// Compares all that can be folded from the journal with the tables.
    ///
    /// To be asked while nothing is written: what a running switch commits meanwhile may be told as a difference.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        let (mut restored, mut figures, mut others) = (Restored::default(), Figures::default(), Others::default());
        let customers = CustomersAgain::new().await?;
        let mut calls: BTreeMap<CallId, bool> = BTreeMap::new();
        let mut seq = 0;
        loop {
            let page = self.events_after(seq, PAGE).await?;
            let Some(last) = page.last() else { break };
            seq = last.seq;
            verified.events += page.len() as u64;
            customers.apply(&page).await?;
            for row in &page {
                if &*row.kind == "call-ended" {
                    let ended: Ended = read(&row.body)?;
                    let found = self.cdr(ended.cdr.call).await?.map(|record| record.cdr);
                    verified.compare("calls", &ended.cdr.call.to_string(), Some(&ended.cdr), found.as_ref());
                    figures.call(&ended.cdr);
                    calls.insert(ended.cdr.call, true);
                } else if &*row.kind == "call-started" {
                    let started: Started = read(&row.body)?;
                    calls.entry(started.call).or_default();
                } else if row.is_of_floor() {
                    let event: FloorEvent = read(&row.body)?;
                    restored.apply(&event);
                    others.floor(&event);
                    figures.apply(&event);
                } else {
                    others.apply(row)?;
                }
            }
        }
        self.verify_floor(&restored, &mut verified).await?;
        self.verify_calls(&calls, &mut verified).await?;
        self.verify_figures(&figures, &mut verified).await?;
        customers.compare(self, &mut verified).await?;
        self.verify_others(others, &mut verified).await?;
        Ok(verified)
    }

    /// Calls that are up, and that there are no others than the journal tells of.
    async fn verify_calls(&self, calls: &BTreeMap<CallId, bool>, verified: &mut Verified) -> Result<(), StoreError> {
        let mut found = BTreeMap::new();
        let mut after = String::new();
        loop {
            let rows = self.db.fetch(tables::CALL_IDS, &args![after, PAGE]).await?;
            let Some(last) = rows.last() else { break };
            after = last.get("call_id")?;
            for row in &rows {
                let (call, ended) = (row.parsed("call_id")?, row.maybe_at("ended_us")?.is_some());
                // Those that ended were compared with all that is in them.
                if !ended || !calls.contains_key(&call) {
                    found.insert(call.to_string(), ended);
                }
            }
        }
        let up = calls.iter().filter(|(_, ended)| !**ended).map(|(call, ended)| (call.to_string(), *ended)).collect();
        verified.compare_all("calls", &up, &found);
        Ok(())
    }

    /// After an update from a version that kept no waits and spells: makes them of the journal.
    pub(super) async fn fill_figures(&self) -> Result<(), StoreError> {
        let Some(first) = self.db.fetch_one(FIGURES_ARE_MISSING, &[]).await? else { return Ok(()) };
        let mut seq = first.get::<i64>("seq")? - 1;
        let mut tx = self.db.begin_writing().await?;
        tx.execute(UNSEAL_SINCE, &args![Timestamp(i64::MIN)]).await?;
        loop {
            let page = self.events_after(seq, PAGE).await?;
            let Some(last) = page.last() else { break };
            seq = last.seq;
            let mut made = Changes::default();
            for row in page.iter().filter(|row| row.is_of_floor()) {
                changes(&read(&row.body)?, &mut made);
            }
            made.write(&mut tx).await?;
        }
        tx.commit().await
    }

    async fn verify_floor(&self, journal: &Restored, verified: &mut Verified) -> Result<(), StoreError> {
        let found = self.restore().await?;
        let by_item = |it: &Restored| it.waiting.iter().map(|item| (item.item.to_string(), item.clone())).collect();
        verified.compare_all("items", &by_item(journal), &by_item(&found));
        let by_held =
            |it: &Restored| it.held.iter().map(|held| (held.conversation.item.item.to_string(), held.clone())).collect();
        verified.compare_all("items", &by_held(journal), &by_held(&found));
        let by_agent = |it: &Restored| it.agents.iter().map(|agent| (agent.agent.to_string(), agent.clone())).collect();
        verified.compare_all("agents_state", &by_agent(journal), &by_agent(&found));
        let by_offer = |it: &Restored| it.offers.iter().map(|offer| (offer.offer.to_string(), offer.clone())).collect();
        verified.compare_all("offers", &by_offer(journal), &by_offer(&found));
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|_| StoreError::Unreadable { column: "journal.body" })
}

impl Verified {
    fn compare_all<T: Debug + PartialEq>(
        &mut self,
        table: &'static str,
        journal: &BTreeMap<String, T>,
        found: &BTreeMap<String, T>,
    ) {
        for (row, told) in journal {
            self.compare(table, row, Some(told), found.get(row));
        }
        for (row, extra) in found.iter().filter(|(row, _)| !journal.contains_key(*row)) {
            self.compare(table, row, None, Some(extra));
        }
    }

    fn compare<T: Debug + PartialEq>(&mut self, table: &'static str, row: &str, journal: Option<&T>, found: Option<&T>) {
        self.compared(table);
        if journal != found {
            let shown = |side: Option<&T>| side.map(|side| format!("{side:?}"));
            self.differ(table, row, shown(journal), shown(found));
        }
    }

    pub(super) fn compared(&mut self, table: &'static str) {
        *self.compared.entry(table).or_default() += 1;
    }

    pub(super) fn differ(&mut self, table: &'static str, row: &str, journal: Option<String>, found: Option<String>) {
        self.different += 1;
        if self.differences.len() < MOST_TOLD {
            self.differences.push(Difference { table, row: row.to_owned(), journal, found });
        }
    }
}
