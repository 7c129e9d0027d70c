//! The fate of each line of the source.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It means nothing here; why is told.
    LeftOut,
    /// It is in the plan.
    Converted,
    /// It is not in the plan, or not all of it.
    NotConverted,
}

/// One line, or a spell of lines, and its fate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What became of it.
    pub fate: Fate,
    /// File, relative to the folder of the configuration.
    pub file: String,
    /// First line, from 1.
    pub line: u32,
    /// Lines that it stands for.
    pub lines: usize,
    /// The line, without passwords.
    pub text: String,
    /// What it became, or why it did not.
    pub why: String,
    /// What a person can do about it; only with [`Fate::NotConverted`].
    pub todo: Option<String>,
}

/// A line of the source, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitId(usize);

#[derive(Debug)]
struct Unit {
    file: Arc<str>,
    line: u32,
    lines: usize,
    text: String,
    fate: Option<(Fate, String, Option<String>)>,
}

/// All lines that say something, and what is known of each.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    units: Vec<Unit>,
}

/// The longest text of a line that is repeated in a finding, in characters.
const MAX_SHOWN: usize = 160;

impl Ledger {
    /// Enters a line. Control characters of it are never shown.
    pub(super) fn enter(&mut self, file: &Arc<str>, line: u32, text: &str) -> UnitId {
        let text = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN).collect();
        self.units.push(Unit { file: Arc::clone(file), line, lines: 1, text, fate: None });
        UnitId(self.units.len() - 1)
    }

    /// Enters a whole file that is not looked into.
    pub(super) fn enter_file(&mut self, path: &str, lines: usize) -> UnitId {
        self.units.push(Unit { file: path.into(), line: 1, lines, text: "(the whole file)".to_owned(), fate: None });
        UnitId(self.units.len() - 1)
    }

    pub(super) fn converted(&mut self, at: UnitId, into: impl Into<String>) {
        self.settle(at, Fate::Converted, into.into(), None);
    }

    pub(super) fn left_out(&mut self, at: UnitId, why: impl Into<String>) {
        self.settle(at, Fate::LeftOut, why.into(), None);
    }

    pub(super) fn not_converted(&mut self, at: UnitId, why: impl Into<String>, todo: impl Into<String>) {
        self.settle(at, Fate::NotConverted, why.into(), Some(todo.into()));
    }

    /// A line is used in several places. The worst that happened to it is what must be told, and of the same the first.
    fn settle(&mut self, at: UnitId, fate: Fate, why: String, todo: Option<String>) {
        let Some(unit) = self.units.get_mut(at.0) else { return };
        if unit.fate.as_ref().is_none_or(|(known, ..)| *known < fate) {
            unit.fate = Some((fate, why, todo));
        }
    }

    /// Blots out a password in the text of a line. One that cannot be found there takes the whole value with it.
    pub(super) fn hide(&mut self, at: UnitId, secret: &str) {
        let Some(unit) = self.units.get_mut(at.0) else { return };
        if !secret.is_empty() && unit.text.contains(secret) {
            unit.text = unit.text.replace(secret, "***");
        } else if let Some(end) = unit.text.find(['=', ' ', ',']) {
            unit.text.truncate(end);
            unit.text.push_str(" ***");
        }
    }

    /// `file:line`, as comments of the plan name it.
    pub(super) fn place(&self, at: UnitId) -> String {
        self.units.get(at.0).map(|unit| format!("{}:{}", unit.file, unit.line)).unwrap_or_default()
    }

    /// Whether nobody said anything of the line yet.
    pub(super) fn is_open(&self, at: UnitId) -> bool {
        self.units.get(at.0).is_some_and(|unit| unit.fate.is_none())
    }

    /// All of it. What nobody looked at is told as not converted. A file that is included twice is told once.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .units
            .into_iter()
            .map(|unit| {
                let unread = || {
                    let todo = "see whether calls need it, and write it by hand: docs/dialplan.md";
                    (Fate::NotConverted, "nothing that was converted leads here".to_owned(), Some(todo.to_owned()))
                };
                let (fate, why, todo) = unit.fate.unwrap_or_else(unread);
                let file = unit.file.to_string();
                Finding { fate, file, line: unit.line, lines: unit.lines, text: unit.text, why, todo }
            })
            .collect();
        // The worst first among those of one line, so that it is the one that stays.
        findings.sort_by(|a, b| (&a.file, a.line, &a.text).cmp(&(&b.file, b.line, &b.text)).then(b.fate.cmp(&a.fate)));
        let mut seen = BTreeSet::new();
        findings.retain(|finding| seen.insert((finding.file.clone(), finding.line, finding.text.clone())));
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_fate_of_a_line_is_told_and_no_line_is_forgotten() {
        let mut ledger = Ledger::default();
        let file: Arc<str> = "a.conf".into();
        let ids: Vec<_> = (1..=3).map(|line| ledger.enter(&file, line, "secret = \x1bhunter2")).collect();
        ledger.hide(ids[0], "hunter2");
        ledger.left_out(ids[0], "nothing");
        ledger.not_converted(ids[0], "too hard", "do it");
        ledger.converted(ids[0], "route");
        ledger.converted(ids[1], "route");
        let findings = ledger.into_findings();
        assert_eq!(findings.len(), 3);
        assert_eq!((findings[0].fate, findings[0].text.as_str()), (Fate::NotConverted, "secret =  ***"));
        assert_eq!(findings[1].fate, Fate::Converted);
        assert_eq!((findings[2].fate, findings[2].todo.is_some()), (Fate::NotConverted, true));
    }
}
