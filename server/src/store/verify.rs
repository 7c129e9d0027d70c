//! Whether the tables say what the journal says: folded again from its first row, and compared.

use std::{collections::BTreeMap, fmt::Debug};

use serde::{Deserialize, Serialize};
use tandem_switch::{
    cdr::Cdr,
    floor::{FloorEvent, Restored},
    kpi::Books,
    time::Timestamp,
};

use super::{
    Store, StoreError,
    customers_verify::CustomersAgain,
    figures::{By, FIGURES_ARE_MISSING, FigureQuery, changes},
};

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

impl Store {
    /// Compares what can be folded from the journal with the tables: who waits, agents and live offers; waits and agents'
    /// spells; records of calls with their segments; customers and what belongs to them.
    ///
    /// To be asked while nothing is written: what a running switch commits meanwhile may be told as a difference.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        let (mut restored, mut books) = (Restored::default(), Books::default());
        let customers = CustomersAgain::new().await?;
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
                } else if is_of_floor(&row.kind) {
                    let event: FloorEvent = read(&row.body)?;
                    restored.apply(&event);
                    books.apply(&event);
                }
            }
        }
        self.verify_floor(&restored, &mut verified).await?;
        self.verify_figures(&books, &mut verified).await?;
        customers.compare(self, &mut verified).await?;
        Ok(verified)
    }

    /// After an update from a version that kept no waits and spells: makes them of the journal.
    pub(super) async fn fill_figures(&self) -> Result<(), StoreError> {
        let Some(first) = self.db.fetch_one(FIGURES_ARE_MISSING, &[]).await? else { return Ok(()) };
        let mut seq = first.get::<i64>("seq")? - 1;
        let mut tx = self.db.begin().await?;
        loop {
            let page = self.events_after(seq, PAGE).await?;
            let Some(last) = page.last() else { break };
            seq = last.seq;
            for row in page.iter().filter(|row| is_of_floor(&row.kind)) {
                for (statement, args) in changes(&read(&row.body)?) {
                    tx.execute(statement, &args).await?;
                }
            }
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

    async fn verify_figures(&self, books: &Books, verified: &mut Verified) -> Result<(), StoreError> {
        let (from_at, to_at) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        let all = FigureQuery { from_at, to_at, queue: None, agent: None, by: By::All, interval_s: None };
        let mut waits = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.waits(&all, after.as_ref(), PAGE).await?;
            after = page.last().cloned();
            if after.is_none() {
                break;
            }
            waits.extend(page.into_iter().map(|wait| (format!("{} {}", wait.item, wait.nth), wait)));
        }
        let told = books.waits().iter().map(|wait| (format!("{} {}", wait.item, wait.nth), wait.clone())).collect();
        verified.compare_all("waits", &told, &waits);
        let mut spells = BTreeMap::new();
        let (mut last, mut nth) = (String::new(), -1);
        loop {
            let page = self.spells(&all, "", (&last, nth)).await?;
            let Some(end) = page.last() else { break };
            (last, nth) = (end.agent.to_string(), i64::from(end.nth));
            spells.extend(page.into_iter().map(|spell| (format!("{} {}", spell.agent, spell.nth), spell)));
        }
        let told = books.spells().iter().map(|spell| (format!("{} {}", spell.agent, spell.nth), spell.clone())).collect();
        verified.compare_all("agent_spells", &told, &spells);
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|_| StoreError::Unreadable { column: "journal.body" })
}

fn is_of_floor(kind: &str) -> bool {
    const KINDS: [&str; 13] = [
        "agent-changed",
        "agent-asked",
        "queued",
        "refused",
        "offered",
        "offer-ended",
        "callback-kept",
        "overflowed",
        "prioritised",
        "conversation-changed",
        "returned",
        "left",
        "finished",
    ];
    KINDS.contains(&kind)
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
