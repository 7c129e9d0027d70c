//! What figures are worked out from: waits, agents' spells, and the roll-ups that were made of them.

use std::collections::BTreeMap;

use tandem_switch::{
    cause::Cause,
    cdr::{Cdr, SegmentState},
    floor::FloorEvent,
    kpi::{Books, Rollup, Tally},
    name::{AgentName, QueueName},
    time::Timestamp,
};

use super::{PAGE, Verified};
use crate::store::{
    By, FigureQuery, Store, StoreError,
    db::args,
    rollups::{ROLLED_UP, SPANS_S, Stretch},
};

/// The journal, folded into what figures count.
#[derive(Default)]
pub(super) struct Figures {
    books: Books,
    /// Customers who were transferred: when, out of which queue and by whom.
    transfers: Vec<(Timestamp, QueueName, Option<AgentName>)>,
}

impl Figures {
    pub(super) fn apply(&mut self, event: &FloorEvent) {
        self.books.apply(event);
    }

    pub(super) fn call(&mut self, cdr: &Cdr) {
        let Some(queue) = &cdr.queue else { return };
        let transferred =
            cdr.segments.iter().filter(|part| part.state == SegmentState::Transferring && part.cause == Some(Cause::Normal));
        self.transfers.extend(transferred.map(|part| (part.from_at, queue.clone(), cdr.agent.clone())));
    }

    /// What these stretches count.
    fn rolled_up(&self, stretches: impl Iterator<Item = Stretch>) -> BTreeMap<Stretch, Rollup> {
        let mut all: BTreeMap<Stretch, Rollup> = stretches.map(|stretch| (stretch, Rollup::default())).collect();
        for span_s in SPANS_S {
            let mut around = |at: Timestamp, count: &mut dyn FnMut(&mut Rollup)| {
                all.get_mut(&Stretch::around(span_s, at)).into_iter().for_each(count);
            };
            for wait in self.books.waits() {
                around(wait.entered_at, &mut |rollup| rollup.wait(wait));
            }
            for (agent, outcome, at) in self.books.offers() {
                around(*at, &mut |rollup| rollup.offer(agent, *outcome));
            }
            for (at, queue, agent) in &self.transfers {
                around(*at, &mut |rollup| rollup.transfer(queue, agent.as_ref()));
            }
            for spell in self.books.spells() {
                let first = Stretch::around(span_s, spell.from_at);
                let until = Stretch { span_s, from_us: spell.to_at.map_or(i64::MAX, |at| at.0) };
                for (stretch, rollup) in all.range_mut(first..until.max(first)) {
                    rollup.spell(spell, stretch.bounds());
                }
            }
        }
        all.into_iter().map(|(stretch, rollup)| (stretch, rollup.tidy())).collect()
    }
}

impl Store {
    pub(super) async fn verify_figures(&self, figures: &Figures, verified: &mut Verified) -> Result<(), StoreError> {
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
        let told = figures.books.waits().iter().map(|wait| (format!("{} {}", wait.item, wait.nth), wait.clone())).collect();
        verified.compare_all("waits", &told, &waits);
        drop(waits);
        let mut spells = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.spells(&all, "", after.as_ref()).await?;
            after = page.last().cloned();
            if after.is_none() {
                break;
            }
            spells.extend(page.into_iter().map(|spell| (format!("{} {}", spell.agent, spell.nth), spell)));
        }
        let told = figures.books.spells().iter().map(|spell| (format!("{} {}", spell.agent, spell.nth), spell.clone())).collect();
        verified.compare_all("agent_spells", &told, &spells);
        self.verify_rollups(figures, verified).await
    }

    async fn verify_rollups(&self, figures: &Figures, verified: &mut Verified) -> Result<(), StoreError> {
        let (mut found, mut stretches) = (BTreeMap::new(), Vec::new());
        let (mut span, mut from, mut kind, mut name) = (0, i64::MIN, String::new(), String::new());
        loop {
            let rows = self.db.fetch(ROLLED_UP, &args![span, from, kind.as_str(), name.as_str(), PAGE]).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                (span, from, kind, name) = (row.get("span_s")?, row.get("from_us")?, row.get("kind")?, row.get("name")?);
                let stretch = Stretch { span_s: span, from_us: from };
                if row.get::<i64>("to_us")? != stretch.to_us() {
                    return Err(StoreError::Unreadable { column: "figure_rollups.to_us" });
                }
                found.insert(key(stretch, &kind, &name), row.json::<Tally>("body")?);
                stretches.push(stretch);
            }
        }
        let mut told = BTreeMap::new();
        for (stretch, rollup) in figures.rolled_up(stretches.into_iter()) {
            told.insert(key(stretch, "all", ""), rollup.all);
            told.extend(rollup.queues.into_iter().map(|(queue, tally)| (key(stretch, "queue", queue.as_str()), tally)));
            told.extend(rollup.agents.into_iter().map(|(agent, tally)| (key(stretch, "agent", agent.as_str()), tally)));
        }
        verified.compare_all("figure_rollups", &told, &found);
        Ok(())
    }
}

fn key(stretch: Stretch, kind: &str, name: &str) -> String {
    format!("{} s from {} {kind} {name}", stretch.span_s, crate::http::view::At(Timestamp(stretch.from_us)))
}
