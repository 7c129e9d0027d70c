//! Follows calls through Asterisk's dialplan and writes the routes that they take.
//!
//! An extension that calls can dial becomes a route with guards. What a `Goto` leads to becomes a route without, once
//! for each thing that is known there. Where digits that only the dialled number tells would be lost on the way, the
//! steps stand in the route itself. A `Goto` to a number that was dialled leads to different extensions for different
//! numbers: then the route is split, each part for the numbers of one extension.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kdl::KdlNode;

use super::{
    super::{
        draft::{Draft, RouteDraft},
        kdl_out::{Build as _, node},
        ledger::UnitId,
        limits::MAX_ROUTES,
        value::{Piece, Value, text},
    },
    devices::Devices,
    dialplan::{Dialplan, Place, Step},
    pattern::{Guard, Numbers},
    state::{MAX_STACK, State},
    values::{Known, numbers},
};

/// Steps that are looked at in one import at most.
const MAX_STEPS: usize = 300_000;
/// How deep steps are put into one route.
const MAX_INLINE: usize = 12;

/// A step: context, extension, and its place among the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) place: Place,
    pub(super) step: usize,
}

/// How a call goes on behind a step.
pub(super) enum Flow {
    /// With the next step, after these.
    Next(Vec<KdlNode>),
    /// With another one, after these.
    Jump(Vec<KdlNode>, At),
    /// These are the last ones.
    End(Vec<KdlNode>),
}

/// Who may use a route: the lines of its guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) trunks: Vec<String>,
    pub(super) extensions: bool,
    /// These extensions only; all when empty.
    pub(super) callers: Vec<String>,
}

/// A route that calls can dial.
struct Entry {
    origin: Origin,
    numbers: Numbers,
    /// For every number: `s` and `i`.
    any: bool,
    place: Place,
    /// Its name, where a `goto` may lead to it as well.
    name: Option<String>,
    splits: usize,
}

pub(super) struct Walk<'a> {
    pub(super) draft: &'a mut Draft,
    pub(super) plan: &'a Dialplan,
    pub(super) devices: &'a Devices,
    made: BTreeMap<(At, State), String>,
    open: VecDeque<(String, At, State)>,
    /// Lines of the route that is written.
    units: Vec<UnitId>,
    /// Where the captures begin that the route needs.
    pub(super) captures: BTreeSet<usize>,
    /// The route knows what was dialled.
    is_entry: bool,
    splits: Option<Vec<Numbers>>,
    /// Numbers that earlier routes of the same calls took.
    taken: Vec<Numbers>,
    depth: usize,
    steps: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(draft: &'a mut Draft, plan: &'a Dialplan, devices: &'a Devices) -> Self {
        Self {
            draft,
            plan,
            devices,
            made: BTreeMap::new(),
            open: VecDeque::new(),
            units: Vec::new(),
            captures: BTreeSet::new(),
            is_entry: false,
            splits: None,
            taken: Vec::new(),
            depth: 0,
            steps: 0,
        }
    }

    /// The routes of calls that come in at a context.
    pub(super) fn enter(&mut self, context: usize, origin: &Origin) {
        let mut entries: VecDeque<Entry> = VecDeque::new();
        let mut catch_all = Vec::new();
        for place in self.plan.reach(context) {
            let exten = self.plan.exten(place);
            let any = matches!(exten.text.as_str(), "s" | "i");
            self.mark(place.0);
            if (super::dialplan::is_event(&exten.text) && !any) || super::dialplan::is_inside(&exten.text) {
                continue;
            }
            let entry = Entry { origin: origin.clone(), numbers: exten.numbers.clone(), any, place, name: None, splits: 0 };
            // A call without a number is rung at `s`; one that fits nothing else, at `i`. Both stand last.
            let to_catch = any && (exten.text == "i" || !origin.trunks.is_empty());
            if to_catch {
                catch_all.push(entry);
            } else if !any {
                entries.push_back(entry);
            }
        }
        catch_all.sort_by_key(|entry| self.plan.exten(entry.place).text != "s");
        catch_all.truncate(1);
        entries.extend(catch_all);
        self.taken.clear();
        for entry in &mut entries {
            entry.name = self.own_name(entry);
        }
        while let Some(entry) = entries.pop_front() {
            if self.draft.routes.len() >= MAX_ROUTES || self.taken.iter().any(|known| known.covers(&entry.numbers)) {
                // No call is dialled there, but others may lead to it: then its lines are told as converted.
                for step in &self.plan.exten(entry.place).steps {
                    self.draft.ledger.left_out(step.at, "another extension takes all its calls");
                }
                if let Some(name) = entry.name.clone() {
                    self.open.push_back((name, At { place: entry.place, step: 0 }, self.start(&entry)));
                }
                continue;
            }
            if let Some(parts) = self.entry(&entry) {
                let part = |numbers| Entry { numbers, origin: origin.clone(), name: None, splits: entry.splits + 1, ..entry };
                for part in parts.into_iter().rev().map(part) {
                    entries.push_front(part);
                }
            } else if !entry.any {
                self.taken.push(entry.numbers);
            }
        }
        self.finish();
    }

    /// What is known at the first step.
    fn start(&self, entry: &Entry) -> State {
        let single = entry.numbers.single();
        let number = match &single {
            Some(number) if !entry.any => text(number),
            _ => vec![Piece::Dialled(0)],
        };
        let dialled = single.is_none().then(|| entry.numbers.clone());
        State::new(Known { number, dialled, vars: self.globals() })
    }

    /// A route for one number is also what a `goto` to that number leads to.
    fn own_name(&mut self, entry: &Entry) -> Option<String> {
        let number = entry.numbers.single().filter(|_| !entry.any)?;
        let key = (At { place: entry.place, step: 0 }, self.start(entry));
        if self.made.contains_key(&key) {
            return None;
        }
        let context = &self.plan.contexts[entry.place.0].name;
        let name = self.draft.route_names.unique(&format!("{context}-{number}"));
        self.made.insert(key, name.clone());
        Some(name)
    }

    /// Writes a route, or says for which numbers to write several.
    fn entry(&mut self, entry: &Entry) -> Option<Vec<Numbers>> {
        let single = entry.numbers.single();
        let state = self.start(entry);
        (self.units, self.captures, self.is_entry, self.splits, self.depth) =
            (Vec::new(), BTreeSet::new(), entry.splits < MAX_STACK, None, 0);
        let at = At { place: entry.place, step: 0 };
        let steps = self.block(at, state);
        if let Some(splits) = self.splits.take() {
            return Some(splits);
        }
        let exten = self.plan.exten(entry.place);
        let shown = single.unwrap_or_else(|| exten.text.clone());
        let context = &self.plan.contexts[entry.place.0].name;
        let name = entry.name.clone().unwrap_or_else(|| self.draft.route_names.unique(&format!("{context}-{shown}")));
        let trunks = entry.origin.trunks.iter().map(|trunk| node("from").prop("trunk", trunk.as_str()));
        let extensions = entry.origin.extensions.then(|| node("from").arg("extension"));
        let mut guards: Vec<KdlNode> = extensions.into_iter().chain(trunks).collect();
        if !entry.any {
            let captures: Vec<usize> = self.captures.iter().copied().collect();
            match entry.numbers.guard(&captures) {
                Guard::Any => {}
                Guard::Pattern(pattern) => guards.push(node("to").arg(pattern)),
                Guard::Regex(regex) => guards.push(node("to").prop("matches", regex)),
            }
        }
        if !entry.origin.callers.is_empty() {
            guards.push(entry.origin.callers.iter().fold(node("caller"), |node, caller| node.arg(caller.as_str())));
        }
        self.draft.routes.push(RouteDraft { name, guards, steps, units: std::mem::take(&mut self.units) });
        None
    }

    /// Writes the routes that others lead to.
    fn finish(&mut self) {
        while let Some((name, at, state)) = self.open.pop_front() {
            (self.units, self.captures, self.is_entry, self.splits, self.depth) = (Vec::new(), BTreeSet::new(), false, None, 0);
            let steps = self.block(at, state);
            let units = std::mem::take(&mut self.units);
            self.draft.routes.push(RouteDraft { name, guards: Vec::new(), steps, units });
        }
    }

    fn globals(&self) -> BTreeMap<String, Value> {
        let mut known = Known::default();
        for (name, value) in &self.plan.globals {
            if self.plan.mentioned.contains(name) {
                let value = known.expand(value);
                known.vars.insert(name.clone(), value);
            }
        }
        known.vars
    }

    pub(super) fn step(&self, at: At) -> Option<&'a Step> {
        self.plan.exten(at.place).steps.get(at.step)
    }

    /// The step that a priority or a label names.
    pub(super) fn find_step(&self, place: Place, wanted: &str) -> Option<At> {
        let steps = &self.plan.exten(place).steps;
        let number: Option<u32> = wanted.parse().ok();
        let fits = |step: &Step| step.label.as_deref() == Some(wanted) || number == Some(step.priority);
        steps.iter().position(fits).map(|step| At { place, step })
    }

    /// Steps from one on, to an end.
    pub(super) fn block(&mut self, at: At, mut state: State) -> Vec<KdlNode> {
        let mut nodes = Vec::new();
        let mut at = at;
        loop {
            self.steps += 1;
            let Some(step) = self.step(at).filter(|_| self.steps < MAX_STEPS) else {
                if state.in_macro() && self.steps < MAX_STEPS {
                    at = state.back().unwrap_or(at);
                    continue;
                }
                if self.steps >= MAX_STEPS {
                    self.too_much(at);
                }
                // Behind these no call goes on.
                if nodes.last().is_none_or(|last: &KdlNode| !matches!(last.name().value(), "conference" | "retrieve")) {
                    nodes.push(node("hangup"));
                }
                return nodes;
            };
            self.units.push(step.at);
            self.mark(at.place.0);
            match self.convert(step, at, &mut state) {
                Flow::Next(more) => {
                    nodes.extend(more);
                    at.step += 1;
                }
                Flow::Jump(more, to) => {
                    nodes.extend(more);
                    nodes.extend(self.transfer(to, state));
                    return nodes;
                }
                Flow::End(more) => {
                    nodes.extend(more);
                    return nodes;
                }
            }
        }
    }

    /// Calls get to this context: what makes it one is converted.
    fn mark(&mut self, context: usize) {
        for unit in &self.plan.contexts[context].units {
            self.draft.ledger.converted(*unit, "the routes of its extensions");
        }
    }

    fn too_much(&mut self, at: At) {
        if let Some(step) = self.step(at) {
            self.draft.ledger.not_converted(step.at, "the ways through this dialplan are too many", "import a part of it");
        }
    }

    /// The step that leads to another one.
    pub(super) fn transfer(&mut self, to: At, mut state: State) -> Vec<KdlNode> {
        state.known.vars.retain(|name, _| self.plan.mentioned.contains(name) || name.contains('('));
        if !state.known.number.iter().any(|piece| matches!(piece, Piece::Dialled(_))) {
            state.known.dialled = None;
        }
        if state.is_local() {
            if self.depth < MAX_INLINE {
                self.depth += 1;
                let nodes = self.block(to, state);
                self.depth -= 1;
                return nodes;
            }
            self.too_much(to);
            return vec![node("hangup").arg("unavailable")];
        }
        let key = (to, state);
        if let Some(name) = self.made.get(&key) {
            return vec![node("goto").arg(name.as_str())];
        }
        if self.made.len() >= MAX_ROUTES {
            self.too_much(to);
            return vec![node("hangup").arg("unavailable")];
        }
        let exten = self.plan.exten(to.place);
        let context = &self.plan.contexts[to.place.0].name;
        let step = self.step(to);
        let label = match step {
            Some(Step { label: Some(label), .. }) => format!("-{label}"),
            _ if to.step == 0 => String::new(),
            _ => format!("-{}", to.step + 1),
        };
        let shown = match key.1.known.number.as_slice() {
            [Piece::Text(number)] => number.clone(),
            _ => exten.text.clone(),
        };
        let name = self.draft.route_names.unique(&format!("to-{context}-{shown}{label}"));
        self.made.insert(key.clone(), name.clone());
        self.open.push_back((name.clone(), key.0, key.1));
        vec![node("goto").arg(name)]
    }

    /// Where a number leads in a context. When that depends on what was dialled, the route is to be split.
    pub(super) fn dial_in(&mut self, context: usize, number: &[Piece], state: &State) -> Option<Place> {
        let reach: Vec<Place> = self.plan.reach(context);
        reach.iter().for_each(|(context, _)| self.mark(*context));
        self.mark(context);
        if let Some(name) = super::super::value::literal(number) {
            let wanted = Numbers::literal(&name)?;
            let found = if super::dialplan::is_event(&name) {
                self.plan.event(context, &name)
            } else {
                let fits = |place: &Place| {
                    let exten = self.plan.exten(*place);
                    !super::dialplan::is_event(&exten.text) && exten.numbers.covers(&wanted)
                };
                reach.into_iter().find(fits)
            };
            return found.or_else(|| self.plan.event(context, "i"));
        }
        let (wanted, prefix, from) = numbers(number, state.known.dialled.as_ref())?;
        let mut parts: Vec<(Numbers, Place)> = Vec::new();
        let dialled = state.known.dialled.as_ref()?;
        let as_dialled = |both: &Numbers| dialled.with(from, both.places.get(prefix..).unwrap_or_default(), both.tail);
        for place in reach {
            let exten = self.plan.exten(place);
            if super::dialplan::is_event(&exten.text) {
                continue;
            }
            if let Some(both) = exten.numbers.and(&wanted) {
                let whole = both == wanted;
                // Another route has these already.
                if !whole && self.taken.iter().any(|known| known.covers(&as_dialled(&both))) {
                    continue;
                }
                parts.push((both, place));
                if whole {
                    break;
                }
            }
        }
        match parts.as_slice() {
            [] => self.plan.event(context, "i"),
            [(both, place)] if *both == wanted => Some(*place),
            _ if self.is_entry => {
                self.splits = Some(parts.iter().map(|(both, _)| as_dialled(both)).collect());
                None
            }
            _ => None,
        }
    }

    /// Whether this route is thrown away for several ones.
    pub(super) const fn is_split(&self) -> bool {
        self.splits.is_some()
    }
}
