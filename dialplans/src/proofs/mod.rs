//! What can be proved of a plan whose names all exist: paths, loops, coverage.

mod circles;
mod compare;
pub(crate) mod flow;
mod ladders;
pub(crate) mod overlap;

use std::collections::BTreeSet;

use crate::{diagnostic::Findings, inside::ExtensionRange, pattern::Pattern, plan::Plan, read::Item};

/// Whether every number that fits the later pattern fits the earlier one; `false` where that takes too long to tell.
pub(crate) fn covers(earlier: &Pattern, later: &Pattern, extensions: &[ExtensionRange]) -> bool {
    let of = |pattern| compare::Automaton::of([pattern], extensions);
    compare::compare(&of(earlier), &of(later)).covered
}

/// Runs every check.
pub(crate) fn all(plan: &Plan, items: &[Item], findings: &mut Findings) -> (flow::Flow, Option<overlap::Compared>) {
    let flow = flow::check(plan, findings);
    let compared = overlap::check(plan, findings);
    ladders::check(plan, items, findings);
    if !findings.has_errors() {
        unused_routes(plan, &flow.gotos, findings);
    }
    if !items.is_empty() && plan.routes.is_empty() {
        findings.warning("no-routes", items[0].at, "the plan has no route: every call is refused as not found");
    }
    (flow, compared)
}

/// A route without guards that no `goto` names.
fn unused_routes(plan: &Plan, gotos: &[flow::Goto], findings: &mut Findings) {
    let led_to: BTreeSet<usize> = gotos.iter().map(|goto| goto.to).collect();
    for (index, route) in plan.routes.iter().enumerate() {
        if route.origins.is_empty() && !led_to.contains(&index) {
            findings.warning("unused", route.at, format!("route `{}` has no `from`, and no `goto` leads to it", route.name));
        }
    }
}
