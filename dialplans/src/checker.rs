//! Reads and checks plans: once, or again and again as an admin changes one.

use std::collections::BTreeSet;

use crate::{
    build::{self, Last, build},
    diagnostic::{Findings, Report},
    plan::Plan,
    read::Kept,
    source::{Location, MAX_FILES, MAX_PLAN_BYTES, Source},
    world::World,
};

/// Reads and checks a plan. The plan is there exactly when the report holds no error.
///
/// Files named `*.kdl` are the plan, in the order given, and form one namespace; files named `*.ics`
/// are calendars that schedules may name.
#[must_use]
pub fn check(sources: &[Source], world: &World) -> (Option<Plan>, Report) {
    Checker::default().check(sources, world)
}

/// Looks only for the names of outside things in a plan; errors are left to [`check`].
#[must_use]
pub fn needs(sources: &[Source]) -> Needs {
    Checker::default().needs(sources)
}

/// What a plan wants to know of its surroundings before it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Folder of the recordings, relative to that of the plan.
    pub prompts: String,
    /// Files that it names.
    pub files: BTreeSet<String>,
}

/// Checks one plan after the other, each as [`check`] would, and parses only what the one before did not have.
///
/// Holds what was read of the last plan, no more; dropping it costs nothing but time.
#[derive(Debug, Default)]
pub struct Checker {
    kept: Kept,
    /// The last plan that was good, while what is read is held against it.
    last: Option<Last>,
}

impl Checker {
    /// As [`check`].
    #[must_use]
    pub fn check(&mut self, sources: &[Source], world: &World) -> (Option<Plan>, Report) {
        let (before, lines) = self.last.as_ref().map_or_else(Default::default, Last::texts);
        let mut findings = Findings::again(sources, before, lines);
        if is_too_large(sources) {
            let message = format!("a plan has at most {MAX_FILES} files and {} MiB", MAX_PLAN_BYTES >> 20);
            findings.error("too-large", Location::default(), message);
            return (None, findings.into_report());
        }
        self.kept.read(sources, &mut findings);
        if let Some(last) = self.last.as_mut().filter(|_| findings.count() == 0)
            && let Some(places) = self.kept.since()
            && let Some((plan, report)) = last.again(places, self.kept.items(), sources, world)
        {
            self.kept.settle();
            return (Some(plan), report);
        }
        let items = self.kept.items();
        if items.is_empty() && !findings.has_errors() {
            findings.error("empty", Location::default(), "the plan is empty: there is no file *.kdl, or nothing in it");
        }
        let (plan, last) = build(items, sources, world, &mut findings);
        self.last = last;
        self.kept.settle();
        (plan, findings.into_report())
    }

    /// As [`needs`].
    #[must_use]
    pub fn needs(&mut self, sources: &[Source]) -> Needs {
        let none: &[Source] = &[];
        let read = if is_too_large(sources) { none } else { sources };
        // What is found is said by the check.
        build::needs(self.kept.read(read, &mut Findings::new(&[])))
    }
}

fn is_too_large(sources: &[Source]) -> bool {
    sources.len() > MAX_FILES || sources.iter().map(|source| source.text.len()).sum::<usize>() > MAX_PLAN_BYTES
}
