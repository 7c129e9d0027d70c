//! Building a plan again when only steps of some routes are other ones: everything else is shared with the plan before.
//!
//! What is proved of a plan as a whole hangs on few things that a route shows to the rest: which calls it takes, where
//! it leads them, which names it uses and which variables it gives. A route that shows the same as it did before leaves
//! all that was proved of the others as it is. Whatever is not plainly so is left to a check of the whole plan: that is
//! slower, never wrong.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    BlockId, Builder,
    names::{self, Names},
    unused,
};
use crate::{
    diagnostic::{Diagnostic, Findings, Report},
    grammar::Noun,
    plan::{Ending, Plan},
    proofs::{
        flow::{self, Flow},
        overlap::Compared,
    },
    read::{Item, Value},
    source::{Location, Source},
    world::World,
};

/// Steps whose values nothing but their own route depends on, and the parts of these. What they call by name is counted.
const OWN_AFFAIR: &[&str] = &[
    "ring",
    "answer",
    "echo",
    "play",
    "menu",
    "press",
    "otherwise",
    "dial",
    "extension",
    "outside",
    "queue",
    "agent",
    "retrieve",
    "hand-back",
    "when-open",
    "unless-open",
    "goto",
    "hangup",
];
/// What says which numbers a route takes.
const NUMBERS: &[&str] = &["to", "caller"];
/// Steps on all paths of a plan that is not proved whole again, at most: far from where a plan is refused.
const MAX_VISITS: usize = 500_000;

/// The last plan that was good, and what was found out on the way to it.
#[derive(Debug)]
pub(crate) struct Last {
    plan: Plan,
    sources: Vec<Source>,
    world: World,
    found: Vec<(Location, Diagnostic)>,
    /// All items that are no routes.
    others: Vec<Item>,
    /// Of each route the position among all items.
    routes: Vec<usize>,
    made: Made,
    /// How often each name is used, tests aside; made when it is first asked for.
    uses: HashMap<Noun, HashMap<String, usize>>,
}

/// What was made on the way to a plan.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) names: Names,
    /// Of each route its number.
    pub(super) numbers: Arc<BTreeMap<String, usize>>,
    /// Answers of queues.
    pub(super) answers: Vec<(String, Ending, BlockId)>,
    pub(super) flow: Flow,
    /// When all numbers that routes take were compared.
    pub(super) compared: Option<Compared>,
}

impl Last {
    /// Of a plan that was just checked; `None` when too much is to be said of it.
    pub(super) fn new(
        plan: &Plan,
        (items, sources, world): (&[Item], &[Source], &World),
        made: Made,
        findings: &Findings,
    ) -> Option<Self> {
        let is_route = |item: &Item| item.spec.name == "route";
        (!findings.is_full()).then(|| Self {
            plan: plan.clone(),
            sources: sources.to_vec(),
            world: world.clone(),
            found: findings.found().to_vec(),
            others: items.iter().filter(|item| !is_route(item)).cloned().collect(),
            routes: items.iter().enumerate().filter(|(_, item)| is_route(item)).map(|(at, _)| at).collect(),
            made,
            uses: HashMap::new(),
        })
    }

    /// The texts, and where their lines begin.
    pub(crate) fn texts(&self) -> (&[Source], &[Arc<[usize]>]) {
        (&self.sources, &self.plan.lines)
    }

    /// The plan of texts that differ from the last ones where `places` says, when that is in steps of routes that
    /// nothing else depends on, or in their numbers. `None`: the whole must be checked; this is of no use any more.
    pub(crate) fn again(
        &mut self,
        places: &BTreeMap<usize, Option<Item>>,
        items: &[Item],
        sources: &[Source],
        world: &World,
    ) -> Option<(Plan, Report)> {
        if !self.is_around(sources, world) || !self.is_found_elsewhere(sources, places) {
            return None;
        }
        let mut findings = Findings::again(sources, &self.sources, &self.plan.lines);
        let numbers = places.keys().map(|at| self.routes.binary_search(at).ok()).collect::<Option<Vec<_>>>()?;
        let mut changed = Vec::new();
        for ((at, was), number) in places.iter().zip(&numbers) {
            if let Some(was) = was {
                let now = &items[*at];
                if shown(was, &self.sources)? != shown(now, sources)? {
                    return None;
                }
                changed.push((*number, was, now));
            }
        }
        self.count(items, &changed);
        if !self.still_uses(&changed) {
            return None;
        }
        let mut plan = self.plan.clone();
        plan.lines = findings.lines().to_vec();
        let again = places.iter().zip(&numbers).map(|((at, was), number)| (*number, was.as_ref(), &items[*at]));
        self.build(&mut plan, again, (sources, world), &mut findings)?;
        let others = changed.iter().filter(|(_, was, now)| numbers_of(was, &self.sources) != numbers_of(now, sources));
        self.renumber(&mut plan, &others.map(|(number, ..)| *number).collect::<Vec<_>>())?;
        let mut visits = self.made.flow.visits;
        for (number, _, now) in &changed {
            unused::variables_of(now, &mut findings);
            let entry = *self.made.flow.entries.get(*number)?;
            let before = flow::quiet_route(&self.plan, *number, entry)?;
            visits += flow::quiet_route(&plan, *number, entry)?.leads_as(&before)?;
        }
        if findings.count() > 0 || visits > MAX_VISITS {
            return None;
        }
        self.made.flow.visits = visits;
        self.keep_count(&changed);
        (self.plan, self.sources) = (plan.clone(), sources.to_vec());
        findings.extend(&self.found);
        Some((plan, findings.into_report()))
    }

    /// Routes of the plan that may take other numbers than before. `None`: something is to be said of one.
    fn renumber(&mut self, plan: &mut Plan, routes: &[usize]) -> Option<()> {
        for at in routes {
            let (was, now) = (self.plan.routes.get(*at)?, plan.routes.get(*at)?);
            // What a number tells one route may be asked for in another.
            let is_same = was.captured() == now.captured();
            if !is_same || !self.made.compared.as_mut()?.changes_quietly(plan, *at) {
                return None;
            }
        }
        if !routes.is_empty() {
            plan.index = Arc::new(plan.index.with_others(&plan.routes, routes));
        }
        Some(())
    }

    /// Whether all that is no plan text is as it was.
    fn is_around(&self, sources: &[Source], world: &World) -> bool {
        let World { prompts, shared_prompts, broken_prompts, own_prompts, other_sounds, environment, files, now } = world;
        let mine = &self.world;
        let same_files = self.sources.len() == sources.len()
            && self
                .sources
                .iter()
                .zip(sources)
                .all(|(mine, now)| mine.path == now.path && (mine.text == now.text || mine.path.ends_with(".kdl")));
        // Days go by: what is said of schedules may be another thing now.
        let same_time = now == &mine.now || !self.others.iter().any(|item| item.spec.name == "schedule");
        same_files
            && (same_time || self.schedules_say_the_same(sources, world))
            && *prompts == mine.prompts
            && *shared_prompts == mine.shared_prompts
            && *broken_prompts == mine.broken_prompts
            && *own_prompts == mine.own_prompts
            && *other_sounds == mine.other_sounds
            && *environment == mine.environment
            && *files == mine.files
    }

    /// Whether nothing is to be said of any schedule, then and now.
    fn schedules_say_the_same(&self, sources: &[Source], world: &World) -> bool {
        let silent = |sources: &[Source], world: &World| {
            let mut findings = Findings::again(sources, &self.sources, &self.plan.lines);
            let mut builder = Builder::new(&self.others, sources, world, self.made.names.clone(), &mut findings);
            builder.schedules(&self.others);
            findings.count() == 0
        };
        silent(&self.sources, &self.world) && silent(sources, world)
    }

    /// Whether what was found last stands before the first difference of its file and in no item that is another one
    /// now, so that it is still there.
    fn is_found_elsewhere(&self, sources: &[Source], places: &BTreeMap<usize, Option<Item>>) -> bool {
        if self.found.is_empty() {
            return true;
        }
        let mut same_until: Vec<usize> =
            self.sources.iter().zip(sources).map(|(old, new)| same_until(&old.text, &new.text)).collect();
        for was in places.values().flatten() {
            if let Some(same) = same_until.get_mut(usize::from(was.at.file)) {
                *same = (*same).min(was.at.offset as usize);
            }
        }
        let is_before = |file: usize, end: usize| same_until.get(file).is_none_or(|same| end < *same);
        self.found.iter().all(|(at, diagnostic)| {
            let related = diagnostic.related.as_ref().is_none_or(|related| {
                let file = sources.iter().position(|source| source.path == related.file);
                file.is_some_and(|file| is_before(file, (related.offset + related.length) as usize))
            });
            related && is_before(usize::from(at.file), (at.offset + at.length) as usize)
        })
    }

    /// Counts the uses of names in the plan before, which had other ones in the places of the `changed` items.
    fn count(&mut self, items: &[Item], changed: &[(usize, &Item, &Item)]) {
        if self.uses.is_empty() {
            for item in items.iter().filter(|item| item.spec.name != "test") {
                used(item, &mut |noun, name| *self.uses.entry(noun).or_default().entry(name.to_owned()).or_default() += 1);
            }
            self.each_use(changed, true);
        }
    }

    /// From the uses of the plan before to those of the plan now, or back.
    fn each_use(&mut self, changed: &[(usize, &Item, &Item)], back: bool) {
        for (_, was, now) in changed {
            let (gone, come) = if back { (now, was) } else { (was, now) };
            used(come, &mut |noun, name| *self.uses.entry(noun).or_default().entry(name.to_owned()).or_default() += 1);
            used(gone, &mut |noun, name| {
                if let Some(count) = self.uses.get_mut(&noun).and_then(|names| names.get_mut(name)) {
                    *count = count.saturating_sub(1);
                }
            });
        }
    }

    /// Whether exactly the names are used that were.
    fn still_uses(&mut self, changed: &[(usize, &Item, &Item)]) -> bool {
        let mut named: Vec<(Noun, String)> = Vec::new();
        for (_, was, now) in changed {
            used(was, &mut |noun, name| named.push((noun, name.to_owned())));
            used(now, &mut |noun, name| named.push((noun, name.to_owned())));
        }
        let which = |last: &Self| -> Vec<bool> {
            let count = |(noun, name): &(Noun, String)| last.uses.get(noun).and_then(|names| names.get(name)).copied();
            named.iter().map(|name| count(name).is_some_and(|count| count > 0)).collect()
        };
        let before = which(self);
        self.each_use(changed, false);
        let now = which(self);
        self.each_use(changed, true);
        before == now
    }

    fn keep_count(&mut self, changed: &[(usize, &Item, &Item)]) {
        self.each_use(changed, false);
    }

    /// Builds some routes into the plan, each with its number, what it was and what it is; `None` when one wants other
    /// things of what is built for all.
    fn build<'i>(
        &self,
        plan: &mut Plan,
        routes: impl Iterator<Item = (usize, Option<&'i Item>, &'i Item)>,
        (sources, world): (&[Source], &World),
        findings: &mut Findings,
    ) -> Option<()> {
        let said = findings.count();
        let mut unheard = Findings::new(&[]);
        let mut builder = Builder::new(&self.others, sources, world, self.made.names.clone(), &mut unheard);
        builder.languages.clone_from(&plan.languages);
        builder.routes = Arc::clone(&self.made.numbers);
        builder.inside(&self.others);
        builder.answers_of(&self.others);
        builder.know_answers(&self.made.answers);
        let shared = builder.shared.len();
        builder.asked_answers().clear();
        let mut unheard = std::mem::replace(&mut builder.findings, findings);
        let languages = plan.languages.clone();
        let spoken = names::spoken(&languages, world);
        for (number, was, item) in routes {
            let nth = u32::try_from(number).ok()?;
            item.walk(&mut |item| {
                item.values().for_each(|value| self.made.names.reference(value, &spoken, world, builder.findings))
            });
            let (route, blocks) = builder.nth_route(nth, item);
            plan.routes.put(number, route)?;
            plan.parts.put(number + 1, blocks)?;
            let asked = builder.asked_answers();
            if let Some(was) = was.filter(|_| !self.made.answers.is_empty()) {
                std::mem::swap(&mut builder.findings, &mut unheard);
                let _blocks = builder.nth_route(nth, was);
                std::mem::swap(&mut builder.findings, &mut unheard);
                // An answer of a queue stands where it was first asked for.
                if builder.asked_answers() != asked {
                    return None;
                }
            }
        }
        (builder.shared.len() == shared && builder.findings.count() == said).then_some(())
    }
}

/// Bytes that two texts begin with alike.
fn same_until(old: &str, new: &str) -> usize {
    if old == new { usize::MAX } else { old.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count() }
}

/// Names that an item calls others by, those aside that leave them unused.
fn used(item: &Item, say: &mut impl FnMut(Noun, &str)) {
    item.walk(&mut |item| {
        for value in item.values() {
            if let Some((noun, name)) = names::use_of(item, value) {
                say(noun, name);
            }
        }
    });
}

/// How a value is written.
fn text_of<'a>(value: &Value, sources: &'a [Source]) -> Option<&'a str> {
    let (text, begin) = (&sources.get(usize::from(value.at.file))?.text, value.at.offset as usize);
    text.get(begin..begin + value.at.length as usize)
}

/// The numbers that a route takes, as they are written.
fn numbers_of<'a>(route: &Item, sources: &'a [Source]) -> Vec<(&'static str, Vec<Option<&'a str>>)> {
    let guards = route.children.iter().filter(|child| NUMBERS.contains(&child.spec.name));
    guards.map(|guard| (guard.spec.name, guard.values().map(|value| text_of(value, sources)).collect())).collect()
}

/// What a route shows to the rest of its plan but for its numbers, as it is written; `None` when it is no route.
fn shown<'a>(item: &Item, sources: &'a [Source]) -> Option<Vec<&'a str>> {
    if item.spec.name != "route" {
        return None;
    }
    let text = |value: &Value| text_of(value, sources);
    let mut shown = item.values().map(text).collect::<Option<Vec<_>>>()?;
    let mut open: Vec<&Item> = item.children.iter().filter(|child| !NUMBERS.contains(&child.spec.name)).rev().collect();
    while let Some(item) = open.pop() {
        if !OWN_AFFAIR.contains(&item.spec.name) && Ending::from_word(item.spec.name).is_none() {
            shown.extend(["\n", item.spec.name]);
            for (name, value) in &item.props {
                shown.extend([*name, text(value)?]);
            }
            for value in &item.args {
                shown.push(text(value)?);
            }
        }
        open.extend(item.children.iter().rev());
    }
    Some(shown)
}
