//! Routes that an earlier route leaves nothing for, or only a part that may surprise.

use super::compare::{Automaton, compare};
use crate::{
    diagnostic::Findings,
    pattern::NumberMatch,
    plan::{OriginGuard, Plan, Route},
};

/// Pairs of routes that are compared at most; a plan with more has these checks only in part.
const MAX_PAIRS: usize = 200_000;

/// Compares each route with the earlier ones.
pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    let automata: Vec<Option<Automaton>> = plan.routes.iter().map(|route| automaton(plan, route)).collect();
    let mut pairs = 0;
    for (index, later) in plan.routes.iter().enumerate() {
        for (earlier, early) in plan.routes[..index].iter().zip(&automata) {
            let (Some(early), Some(late)) = (early, &automata[index]) else { continue };
            if !later.origins.iter().any(|origin| meets(earlier, origin)) {
                continue;
            }
            pairs += 1;
            if pairs > MAX_PAIRS {
                return;
            }
            let found = compare(early, late);
            let same_origins = later.origins.iter().all(|origin| holds(earlier, origin));
            if found.covered && same_origins && earlier.caller.is_empty() {
                let message = format!(
                    "route `{}` is never reached: `{}` ({}) takes all its calls",
                    later.name,
                    earlier.name,
                    findings.place(earlier.at)
                );
                findings.warning("unreachable-route", later.at, message);
                findings.relate(earlier.at, "this route takes its calls");
                break;
            }
            let narrower = compare(late, early).covered;
            if found.overlap && !found.covered && !narrower && earlier.caller.is_empty() {
                let message = format!(
                    "some numbers fit both `{}` and `{}` ({}), which takes them because it stands first",
                    later.name,
                    earlier.name,
                    findings.place(earlier.at)
                );
                findings.advice("overlap", later.at, message);
                findings.relate(earlier.at, "this route stands first");
            }
        }
    }
}

/// `None` when the route cannot be compared: it is reached by `goto` only, or has a regular expression.
fn automaton(plan: &Plan, route: &Route) -> Option<Automaton> {
    if route.origins.is_empty() {
        return None;
    }
    if route.to.is_empty() {
        return Some(Automaton::anything());
    }
    let patterns: Option<Vec<_>> =
        route.to.iter().map(|to| if let NumberMatch::Pattern(pattern) = to { Some(pattern) } else { None }).collect();
    Some(Automaton::of(patterns?, &plan.extensions))
}

/// Whether all calls of `origin` may use the route.
fn holds(route: &Route, origin: &OriginGuard) -> bool {
    route.origins.iter().any(|mine| *mine == OriginGuard::Any || mine == origin)
}

/// Whether some calls of `origin` may use the route.
fn meets(route: &Route, origin: &OriginGuard) -> bool {
    *origin == OriginGuard::Any || holds(route, origin)
}
