//! From a draft to a plan that passes the check.

use std::collections::{BTreeMap, BTreeSet};

use kdl::KdlNode;

use super::{
    Imported,
    draft::{Draft, PlanFile, Recording, RouteDraft, Top, file},
    kdl_out::{Build as _, goto_target, node, text, walk},
    ledger::{Ledger, UnitId},
    limits::ImportError,
};
use crate::{
    checker::check,
    diagnostic::{Diagnostic, Severity},
    source::Source,
    world::World,
};

/// Largest file that is written; the language takes twice as much.
const MAX_FILE_BYTES: usize = 512 << 10;
/// Steps of a route that stands in the place of the only `goto` that leads to it.
const MAX_INLINE: usize = 8;
/// How deep routes are put into each other.
const MAX_PASSES: usize = 6;
/// How often what does not pass is taken out. Each time takes something out, so this is never reached in practice.
const MAX_ROUNDS: usize = 200;

/// Prints the draft, and takes out of it what would not pass.
pub(super) fn settle(mut draft: Draft, world: &World) -> Result<Imported, ImportError> {
    join(&mut draft.routes);
    inline(&mut draft.routes);
    join(&mut draft.routes);
    for node in draft.extension_nodes().into_iter().rev() {
        draft.tops.insert(0, Top { file: file::SWITCH, node, units: Vec::new() });
    }
    if draft.tops.is_empty() && draft.routes.is_empty() {
        return Ok(finish(draft, Vec::new()));
    }
    let mut world = world.clone();
    world.shared_prompts.extend(draft.recordings.keys().map(|prompt| prompt.as_str().into()));
    world.files.extend(draft.secrets.iter().map(|secret| secret.path.clone()));
    for _ in 0..MAX_ROUNDS {
        let (files, places) = print(&draft);
        let sources: Vec<_> = files.iter().map(|file| Source::new(file.name.clone(), file.text.clone())).collect();
        let (plan, report) = check(&sources, &world);
        if plan.is_some() {
            return Ok(finish(draft, files));
        }
        let errors = report.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let wrong: BTreeMap<Place, &Diagnostic> =
            errors.clone().filter_map(|error| Some((find(&places, error)?, error))).rev().collect();
        if wrong.is_empty() {
            let first = errors.map(ToString::to_string).next().unwrap_or_default();
            return Err(ImportError::Unsettled(first));
        }
        take_out(&mut draft, &wrong);
    }
    Err(ImportError::Unsettled(format!("{MAX_ROUNDS} rounds did not suffice")))
}

fn finish(draft: Draft, files: Vec<PlanFile>) -> Imported {
    // Silence that only a route played that was taken out is not needed.
    let mut played = BTreeSet::new();
    let steps = draft.routes.iter().flat_map(|route| &route.steps).chain(draft.tops.iter().map(|top| &top.node));
    for step in steps {
        walk(std::slice::from_ref(step), &mut |node| {
            played.extend(node.entries().iter().filter_map(|entry| entry.value().as_string()).map(str::to_owned));
        });
    }
    let used = draft.recordings.into_iter().filter(|(prompt, _)| played.contains(prompt));
    Imported {
        files,
        secrets: draft.secrets,
        people: draft.people.into_values().collect(),
        recordings: used.map(|(prompt, sound)| Recording { prompt, sound }).collect(),
        findings: draft.ledger.into_findings(),
    }
}

/// What a printed node was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Top(usize),
    Route(usize),
}

/// File, first line and last line of each node.
type Places = Vec<(String, u32, u32, Place)>;

/// All files and where each node stands in them.
fn print(draft: &Draft) -> (Vec<PlanFile>, Places) {
    let mut nodes: BTreeMap<&str, Vec<(String, Place)>> = BTreeMap::new();
    for (index, top) in draft.tops.iter().enumerate() {
        let printed = text(&top.node, &comments(&draft.ledger, &top.units));
        nodes.entry(top.file).or_default().push((printed, Place::Top(index)));
    }
    for (index, route) in draft.routes.iter().enumerate() {
        let shown = node("route").arg(route.name.as_str()).children_of(route.guards.clone()).children_of(route.steps.clone());
        let file = if route.guards.is_empty() { file::INSIDE } else { file::ROUTES };
        let printed = text(&shown, &comments(&draft.ledger, &route.units));
        nodes.entry(file).or_default().push((printed, Place::Route(index)));
    }
    let mut files = Vec::new();
    let mut places = Vec::new();
    for (stem, nodes) in nodes {
        let several = nodes.iter().map(|(text, _)| text.len() + 1).sum::<usize>() > MAX_FILE_BYTES;
        let (mut part, mut text, mut line) = (1, String::new(), 1);
        let name = |part: u32| if several { format!("{stem}-{part:02}.kdl") } else { format!("{stem}.kdl") };
        for (printed, place) in nodes {
            if !text.is_empty() && text.len() + printed.len() > MAX_FILE_BYTES {
                files.push(PlanFile { name: name(part), text: std::mem::take(&mut text) });
                (part, line) = (part + 1, 1);
            }
            let lines = u32::try_from(printed.lines().count()).unwrap_or(u32::MAX);
            places.push((name(part), line, line + lines, place));
            text.push_str(&printed);
            text.push('\n');
            line += lines + 1;
        }
        files.push(PlanFile { name: name(part), text });
    }
    (files, places)
}

/// Where it comes from: the first line, and how many more.
fn comments(ledger: &Ledger, units: &[UnitId]) -> Vec<String> {
    units.first().map(|first| ledger.place(*first)).into_iter().collect()
}

fn find(places: &Places, error: &Diagnostic) -> Option<Place> {
    let found = places.iter().find(|(file, from, to, _)| *file == error.file && (*from..=*to).contains(&error.line));
    found.map(|(.., place)| *place)
}

/// A route that does not pass refuses its calls instead, so that what leads to it still has where to lead; one whose
/// guards are wrong can be reached by `goto` only. Anything else goes.
fn take_out(draft: &mut Draft, wrong: &BTreeMap<Place, &Diagnostic>) {
    let refusal = vec![node("hangup").arg("unavailable")];
    for (place, error) in wrong.iter().rev() {
        let why = format!("what was made of it does not pass the check: {}", error.message);
        let todo = "write it by hand: docs/dialplan.md";
        let units = match place {
            Place::Route(index) => {
                let route = &mut draft.routes[*index];
                if route.steps == refusal {
                    route.guards.clear();
                }
                route.steps.clone_from(&refusal);
                route.units.clone()
            }
            Place::Top(index) => draft.tops.remove(*index).units,
        };
        for unit in units {
            draft.ledger.not_converted(unit, why.clone(), todo);
        }
    }
}

/// Makes one of routes without guards that do the same.
fn join(routes: &mut Vec<RouteDraft>) {
    for _ in 0..MAX_PASSES {
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        let mut same: BTreeMap<String, String> = BTreeMap::new();
        for route in routes.iter().filter(|route| route.guards.is_empty()) {
            let steps = text(&node("route").children_of(route.steps.clone()), &[]);
            match first.get(&steps) {
                Some(known) => {
                    same.insert(route.name.clone(), known.clone());
                }
                None => {
                    first.insert(steps, route.name.clone());
                }
            }
        }
        if same.is_empty() {
            return;
        }
        routes.retain(|route| !same.contains_key(&route.name));
        for route in routes.iter_mut() {
            rename(&mut route.steps, &same);
        }
    }
}

fn rename(steps: &mut [KdlNode], same: &BTreeMap<String, String>) {
    for step in steps {
        if let Some(known) = goto_target(step).and_then(|to| same.get(to)) {
            *step = node("goto").arg(known.as_str());
        } else if let Some(children) = step.children_mut() {
            rename(children.nodes_mut(), same);
        }
    }
}

/// Whether a route is one plain step, which may stand wherever a `goto` leads to it.
fn is_plain(route: &RouteDraft) -> bool {
    matches!(route.steps.as_slice(), [step] if step.children().is_none() && goto_target(step) != Some(route.name.as_str()))
}

/// Puts short routes in the place of the only `goto` that leads to them, and drops those that nothing leads to. Each
/// pass takes those that lead to no other of their kind, so braces never get deep.
fn inline(routes: &mut Vec<RouteDraft>) {
    for _ in 0..MAX_PASSES {
        drop_unused(routes);
        let uses = uses(routes);
        let short = |route: &&RouteDraft| {
            let once = route.steps.len() <= MAX_INLINE && uses.get(&route.name) == Some(&1);
            route.guards.is_empty() && (once || is_plain(route))
        };
        let names: BTreeSet<String> = routes.iter().filter(short).map(|route| route.name.clone()).collect();
        let leads_to_short = |route: &RouteDraft| targets(route).any(|to| names.contains(&to));
        let (taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(routes).into_iter().partition(|route| names.contains(&route.name) && !leads_to_short(route));
        *routes = kept;
        if taken.is_empty() {
            return;
        }
        let taken: BTreeMap<String, RouteDraft> = taken.into_iter().map(|route| (route.name.clone(), route)).collect();
        for route in routes.iter_mut() {
            let mut units = Vec::new();
            replace(&mut route.steps, &taken, &mut units);
            route.units.extend(units);
        }
    }
}

fn drop_unused(routes: &mut Vec<RouteDraft>) {
    loop {
        let (before, uses) = (routes.len(), uses(routes));
        routes.retain(|route| !route.guards.is_empty() || uses.contains_key(&route.name));
        if routes.len() == before {
            return;
        }
    }
}

fn targets(route: &RouteDraft) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    walk(&route.steps, &mut |node| found.extend(goto_target(node).map(str::to_owned)));
    found.into_iter()
}

/// How many `goto` lead to each route.
fn uses(routes: &[RouteDraft]) -> BTreeMap<String, usize> {
    let mut uses = BTreeMap::new();
    for to in routes.iter().flat_map(targets) {
        *uses.entry(to).or_default() += 1;
    }
    uses
}

/// Puts the steps of routes in the place of each `goto` that leads to them.
fn replace(steps: &mut Vec<KdlNode>, taken: &BTreeMap<String, RouteDraft>, units: &mut Vec<UnitId>) {
    let mut at = 0;
    while at < steps.len() {
        if let Some(route) = goto_target(&steps[at]).and_then(|to| taken.get(to)) {
            units.extend(&route.units);
            steps.splice(at..=at, route.steps.iter().cloned());
            at += route.steps.len();
            continue;
        }
        if let Some(children) = steps[at].children_mut() {
            replace(children.nodes_mut(), taken, units);
        }
        at += 1;
    }
}
