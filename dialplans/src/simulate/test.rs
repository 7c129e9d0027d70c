//! `test` blocks of a plan: a script, and what is to come of it.

use std::sync::Arc;

use tandem_switch::cause::Cause;

use super::{Lengths, Script, Simulation, simulate, story::Fact};
use crate::plan::Plan;

/// The words for the ends of calls.
pub(crate) const CAUSE_WORDS: &[&str] = &{
    let mut words = [""; Cause::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = Cause::ALL[at].as_str();
        at += 1;
    }
    words
};

/// A test of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    pub(crate) script: Script,
    pub(crate) expected: Vec<Expected>,
}

/// One line of expectations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    /// Its line, from 1.
    pub(crate) line: u32,
    /// All of them, in any order, after what the line before expects.
    pub(crate) facts: Vec<Fact>,
}

/// A test that was run.
#[derive(Debug)]
pub struct TestResult {
    /// Why it failed; `None` when it passed.
    pub failure: Option<String>,
    /// What happened.
    pub simulation: Simulation,
}

/// Runs one test of a plan.
#[must_use]
pub fn run_test(plan: &Arc<Plan>, test: &Test, lengths: &Lengths) -> TestResult {
    let simulation = simulate(plan, &test.script, lengths);
    let failure = missing(&test.expected, &simulation.facts).map(|(line, fact, from)| {
        let came: Vec<_> = simulation.facts[from..].iter().map(ToString::to_string).collect();
        let before = simulation.facts[..from].last().map(|last| format!(" after {last}")).unwrap_or_default();
        let came = if came.is_empty() { "nothing".to_owned() } else { came.join(", ") };
        format!("{}:{line}: expected {fact}{before}; what came{before}: {came}", test.file)
    });
    TestResult { failure, simulation }
}

/// The first fact that is expected and does not come, its line, and from which fact on it was looked for. Facts come in the
/// order of the lines that expect them, others may come between.
fn missing<'a>(expected: &'a [Expected], facts: &[Fact]) -> Option<(u32, &'a Fact, usize)> {
    let mut from = 0;
    for Expected { line, facts: wanted } in expected {
        let mut next = from;
        for fact in wanted {
            match facts[from..].iter().position(|known| known == fact) {
                Some(place) => next = next.max(from + place + 1),
                None => return Some((*line, fact, from)),
            }
        }
        from = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_in_the_order_of_the_lines_that_expect_them() {
        let prompt = |name: &str| Fact::Prompt(name.into());
        let route = |name: &str| Fact::Route(name.into());
        let facts = [route("a"), prompt("x"), route("b"), prompt("y"), prompt("x"), Fact::Ended(Cause::Normal)];
        let lines = |all: &[&[Fact]]| -> Vec<Expected> {
            (1..).zip(all).map(|(line, facts)| Expected { line, facts: facts.to_vec() }).collect()
        };
        let lost = |all: &[&[Fact]]| missing(&lines(all), &facts).map(|(line, fact, from)| (line, fact.to_string(), from));
        assert_eq!(lost(&[&[prompt("x"), route("b")], &[prompt("x")], &[Fact::Ended(Cause::Normal)]]), None);
        assert_eq!(lost(&[&[prompt("y"), route("a")]]), None, "in one line the order means nothing");
        assert_eq!(lost(&[&[prompt("y")], &[route("b")]]), Some((2, "route `b`".to_owned(), 4)));
        assert_eq!(lost(&[&[prompt("z")]]), Some((1, "prompt `z`".to_owned(), 0)));
        assert_eq!(lost(&[]), None);
    }

    #[test]
    fn every_cause_has_its_word() {
        assert_eq!(CAUSE_WORDS.len(), Cause::ALL.len());
        assert!(CAUSE_WORDS.contains(&"no-answer") && CAUSE_WORDS.iter().all(|word| !word.is_empty()));
    }
}
