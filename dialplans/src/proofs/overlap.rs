//! Routes that an earlier route leaves nothing for, or only a part that may surprise.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Automaton, compare};
use crate::{
    diagnostic::Findings,
    pattern::NumberMatch,
    plan::{OriginGuard, Plan, Route},
};

/// Pairs of routes that are compared at most; a plan with more has these checks only in part.
const MAX_PAIRS: usize = 200_000;

/// What was compared, for a plan in which some routes take other numbers.
#[derive(Debug)]
pub(crate) struct Compared {
    routes: Earlier,
    /// Of routes; more than there are now after each change.
    pairs: usize,
}

impl Compared {
    /// Whether a route that takes other numbers now still has nothing to do with any other one, whichever stands first.
    pub(crate) fn changes_quietly(&mut self, plan: &Plan, index: usize) -> bool {
        let (Some(route), Ok(at)) = (plan.routes.get(index), self.routes.automata.binary_search_by_key(&index, |it| it.0)) else {
            return false;
        };
        let Some(automaton) = automaton(plan, route) else { return false };
        self.routes.put(at, automaton.clone());
        let mut unheard = Findings::new(&[]);
        for (other_index, other_automaton) in self.routes.beside(&automaton).filter(|(other, _)| *other != index) {
            let other = &*plan.routes[other_index];
            let ((late, late_automaton), (early, early_automaton)) = if other_index < index {
                ((&**route, &automaton), (other, other_automaton))
            } else {
                ((other, other_automaton), (&**route, &automaton))
            };
            if !late.origins.iter().any(|origin| meets(early, origin)) {
                continue;
            }
            self.pairs += 1;
            pair(late, late_automaton, early, early_automaton, &mut unheard);
            if unheard.count() > 0 || self.pairs > MAX_PAIRS {
                return false;
            }
        }
        true
    }
}

/// Compares each route with those earlier ones that may have a number in common with it. `None`: not all were compared.
pub(super) fn check(plan: &Plan, findings: &mut Findings) -> Option<Compared> {
    let mut earlier = Earlier::default();
    let mut pairs = 0;
    for (index, later) in plan.routes.iter().enumerate() {
        let Some(late) = automaton(plan, later) else { continue };
        for (at, early) in earlier.beside(&late) {
            if findings.is_full() {
                return None;
            }
            let route = &plan.routes[at];
            if !later.origins.iter().any(|origin| meets(route, origin)) {
                continue;
            }
            pairs += 1;
            if pairs > MAX_PAIRS {
                return None;
            }
            if pair(later, &late, route, early, findings) {
                break;
            }
        }
        earlier.add(index, late);
    }
    Some(Compared { routes: earlier, pairs })
}

/// Says what is to be said of two routes, and whether the later one has nothing left.
fn pair(later: &Route, late: &Automaton, earlier: &Route, early: &Automaton, findings: &mut Findings) -> bool {
    if !earlier.caller.is_empty() {
        return false;
    }
    let found = compare(early, late);
    if found.covered && later.origins.iter().all(|origin| holds(earlier, origin)) {
        let message = format!(
            "route `{}` is never reached: `{}` ({}) takes all its calls",
            later.name,
            earlier.name,
            findings.place(earlier.at)
        );
        findings.warning("unreachable-route", later.at, message);
        findings.relate(earlier.at, "this route takes its calls");
        return true;
    }
    if found.overlap && !found.covered && !compare(late, early).covered {
        let message = format!(
            "some numbers fit both `{}` and `{}` ({}), which takes them because it stands first",
            later.name,
            earlier.name,
            findings.place(earlier.at)
        );
        findings.advice("overlap", later.at, message);
        findings.relate(earlier.at, "this route stands first");
    }
    false
}

/// The routes before the one that is looked at, by what their numbers begin with.
#[derive(Debug, Default)]
struct Earlier {
    automata: Vec<(usize, Automaton)>,
    /// Into `automata`.
    by_beginning: BTreeMap<Vec<u8>, Vec<usize>>,
    /// Of the beginnings.
    lengths: BTreeSet<usize>,
}

impl Earlier {
    fn add(&mut self, index: usize, automaton: Automaton) {
        for beginning in automaton.beginnings() {
            self.lengths.insert(beginning.len());
            self.by_beginning.entry(beginning).or_default().push(self.automata.len());
        }
        self.automata.push((index, automaton));
    }

    /// Puts another one in the place of one of them.
    fn put(&mut self, at: usize, automaton: Automaton) {
        for beginning in self.automata[at].1.beginnings() {
            if let Some(found) = self.by_beginning.get_mut(&beginning) {
                found.retain(|known| *known != at);
            }
        }
        for beginning in automaton.beginnings() {
            self.lengths.insert(beginning.len());
            self.by_beginning.entry(beginning).or_default().push(at);
        }
        self.automata[at].1 = automaton;
    }

    /// In file order, those of which one beginning is that of `late`, or begins with it, or the other way round: no
    /// number can begin with two texts of which neither begins with the other.
    fn beside(&self, late: &Automaton) -> impl Iterator<Item = (usize, &Automaton)> {
        let mut found: Vec<usize> = Vec::new();
        for beginning in late.beginnings() {
            for length in self.lengths.range(..beginning.len()) {
                found.extend(self.by_beginning.get(&beginning[..*length]).into_iter().flatten());
            }
            let longer = self.by_beginning.range(beginning.clone()..);
            found.extend(longer.take_while(|(text, _)| text.starts_with(&beginning)).flat_map(|(_, all)| all));
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| (self.automata[at].0, &self.automata[at].1))
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
        route.to.iter().map(|to| if let NumberMatch::Pattern(pattern) = to { Some(&**pattern) } else { None }).collect();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use proptest::prelude::*;

    use super::*;
    use crate::{Source, World};

    /// Every route with every earlier one: what `check` must find by looking at few.
    fn check_each_pair(plan: &Plan, findings: &mut Findings) {
        let automata: Vec<Option<Automaton>> = plan.routes.iter().map(|route| automaton(plan, route)).collect();
        for (index, later) in plan.routes.iter().enumerate() {
            for (earlier, early) in plan.routes.iter().take(index).zip(&automata) {
                let (Some(early), Some(late)) = (early, &automata[index]) else { continue };
                if later.origins.iter().any(|origin| meets(earlier, origin)) && pair(later, late, earlier, early, findings) {
                    break;
                }
            }
        }
    }

    fn guards() -> impl Strategy<Value = String> {
        let from =
            prop::sample::select(vec!["from any", "from extension", "from trunk=\"a\"", "from trunk=\"b\"\n from extension", ""]);
        let number = "(\\+39|[0-2X]|\\{n:2\\}|\\{e:extension\\}|\\{m:1\\.\\.3\\}){1,2}[0-2XZ]?";
        let to = prop::collection::vec(number, 0..3);
        (from, to, any::<bool>()).prop_map(|(from, to, caller)| {
            let to = to.iter().map(|to| format!("to \"{to}\"\n")).collect::<String>();
            if from.is_empty() { String::new() } else { format!("{from}\n{to}{}", if caller { "caller \"9\"\n" } else { "" }) }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn looking_at_few_pairs_finds_what_looking_at_all_does(guards in prop::collection::vec(guards(), 1..12), extensions in any::<bool>()) {
            let mut text = "trunk \"a\" { match \"192.0.2.1\" }\ntrunk \"b\" { match \"192.0.2.2\" }\n".to_owned();
            if extensions {
                text += "extensions from=10 to=21\n";
            }
            for (at, guard) in guards.iter().enumerate() {
                text += &format!("route \"r{at}\" {{\n{guard}hangup\n}}\n");
            }
            let sources = [Source::new("a.kdl", text.as_str())];
            let mut world = World::default();
            world.prompts.entry("en".into()).or_default();
            let Some(plan) = crate::check(&sources, &world).0 else { return Ok(()) };
            let (mut few, mut all) = (Findings::new(&sources), Findings::new(&sources));
            check(&plan, &mut few);
            check_each_pair(&plan, &mut all);
            prop_assert_eq!(few.into_report().diagnostics, all.into_report().diagnostics);
        }
    }
}
