//! Walks every path through every route.
//!
//! Proves: no path ends in silence; no `goto` leads back without a wait; a variable is known wherever
//! it is used, and given once; keys are asked for only after an answer; nothing stands behind a step
//! that never goes on. Calls from outside that can dial outside are pointed out.

use std::collections::BTreeSet;

use crate::{
    diagnostic::{Findings, did_you_mean},
    pattern::NumberMatch,
    plan::{Action, BlockId, DialOut, DialTarget, Ending, Handlers, OriginGuard, Placed, Plan, Say},
    source::Location,
    template::{CALLER, DIALLED, Template},
};

/// Steps that are looked at in one plan at most; a plan that needs more is refused.
const MAX_VISITS: usize = 1_000_000;

/// A `goto` and whether the way to it, from the begin of its route, can be without any wait.
#[derive(Debug)]
pub(super) struct Goto {
    from: usize,
    pub(super) to: usize,
    waited: bool,
    at: Location,
}

/// What holds at a point of a path.
#[derive(Clone, Debug)]
struct State {
    answered: bool,
    /// The caller heard something, or was put through.
    heard: bool,
    /// Time passed for sure.
    waited: bool,
    variables: BTreeSet<String>,
}

impl State {
    /// What holds on both of two paths.
    fn and(self, other: &Self) -> Self {
        Self {
            answered: self.answered && other.answered,
            heard: self.heard && other.heard,
            waited: self.waited && other.waited,
            variables: self.variables.intersection(&other.variables).cloned().collect(),
        }
    }
}

fn joined(paths: impl IntoIterator<Item = Option<State>>) -> Option<State> {
    paths.into_iter().flatten().reduce(|one, other| one.and(&other))
}

/// Checks all routes and returns their gotos.
pub(super) fn check(plan: &Plan, findings: &mut Findings) -> Vec<Goto> {
    let mut walk = Walk {
        plan,
        findings,
        route: 0,
        gotos: Vec::new(),
        visits: 0,
        needs_captures: vec![None; plan.routes.len()],
        said: BTreeSet::new(),
    };
    for (index, route) in plan.routes.iter().enumerate() {
        walk.route = index;
        let only_goto = route.origins.is_empty();
        let start =
            State { answered: only_goto, heard: only_goto, waited: false, variables: walk.captures(&route.to, &route.caller) };
        if let Some(end) = walk.block(route.block, start)
            && !end.heard
            && !plan.block(route.block).steps.is_empty()
        {
            let message =
                format!("route `{}` can end in silence: nothing is played, dialled, queued or refused on some path", route.name);
            walk.findings.error("silent-end", route.at, message);
        }
        if walk.visits >= MAX_VISITS {
            walk.findings.error("too-large", route.at, "the paths of this plan are too many to be checked");
            break;
        }
    }
    let Walk { gotos, needs_captures, findings, .. } = walk;
    captures_over_goto(plan, &gotos, &needs_captures, findings);
    loops(plan, &gotos, findings);
    gotos
}

/// A route that needs its own captures must not be entered by `goto`.
fn captures_over_goto(plan: &Plan, gotos: &[Goto], needs: &[Option<String>], findings: &mut Findings) {
    for goto in gotos {
        if let Some(variable) = &needs[goto.to] {
            let name = &plan.routes[goto.to].name;
            let message = format!(
                "route `{name}` uses `{{{variable}}}`, which only its own `to` or `caller` can tell: it cannot be reached by `goto`"
            );
            findings.error("unknown-variable", goto.at, message);
        }
    }
}

/// Circles of gotos on which no time passes.
fn loops(plan: &Plan, gotos: &[Goto], findings: &mut Findings) {
    let hasty: Vec<&Goto> = gotos.iter().filter(|goto| !goto.waited).collect();
    let mut reported = BTreeSet::new();
    for goto in &hasty {
        let mut reached = BTreeSet::from([goto.to]);
        let mut open = vec![goto.to];
        while let Some(at) = open.pop() {
            for next in hasty.iter().filter(|next| next.from == at) {
                if reached.insert(next.to) {
                    open.push(next.to);
                }
            }
        }
        if reached.contains(&goto.from) && reported.insert(goto.at) {
            let message = format!(
                "this leads back to route `{}` without any wait: the call would go round and round",
                plan.routes[goto.from].name
            );
            findings.error("endless-loop", goto.at, message);
        }
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    findings: &'a mut Findings,
    route: usize,
    gotos: Vec<Goto>,
    visits: usize,
    /// Per route, a capture of its own that it uses.
    needs_captures: Vec<Option<String>>,
    /// Findings that one walk of a shared block is enough for.
    said: BTreeSet<(Location, &'static str)>,
}

impl Walk<'_> {
    /// Variables that every way into the route binds.
    fn captures(&self, to: &[NumberMatch], caller: &[NumberMatch]) -> BTreeSet<String> {
        let common = |matches: &[NumberMatch]| {
            let sets = matches.iter().map(|m| m.names().into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
            sets.reduce(|one, other| one.intersection(&other).cloned().collect()).unwrap_or_default()
        };
        common(to).union(&common(caller)).cloned().collect()
    }

    /// What holds behind the block; `None` when no path gets there.
    fn block(&mut self, id: BlockId, start: State) -> Option<State> {
        let mut state = start;
        let steps = &self.plan.block(id).steps;
        for (index, placed) in steps.iter().enumerate() {
            self.visits += 1;
            if self.visits >= MAX_VISITS {
                return None;
            }
            match self.step(placed, state) {
                Some(next) => state = next,
                None => {
                    if let Some(next) = steps.get(index + 1) {
                        self.say_once("never-reached", next.at, |findings, at| {
                            findings.warning("never-reached", at, "this step is never reached")
                        });
                    }
                    return None;
                }
            }
        }
        Some(state)
    }

    fn step(&mut self, placed: &Placed, mut state: State) -> Option<State> {
        let at = placed.at;
        match &placed.action {
            Action::Ring | Action::SetLanguage(_) => Some(state),
            Action::Answer => {
                state.answered = true;
                Some(state)
            }
            Action::Play { .. } => Some(heard(state)),
            Action::Say { what, .. } => {
                match what {
                    Say::Number(template) | Say::Digits(template) => self.uses(template, at, &state),
                    Say::Time => {}
                }
                Some(heard(state))
            }
            Action::Menu(menu) => {
                self.wants_answer("a menu", at, &state);
                let asked = heard(state);
                let mut paths: Vec<_> = menu.choices.iter().map(|(_, block)| self.block(*block, asked.clone())).collect();
                paths.extend(self.endings(&menu.handlers, &[Ending::NoInput, Ending::Invalid], &asked));
                joined(paths)
            }
            Action::Collect(collect) => {
                self.wants_answer("collecting digits", at, &state);
                if state.variables.contains(&collect.variable) || [CALLER, DIALLED].contains(&collect.variable.as_str()) {
                    let message = format!("`{}` has a value already: choose another name", collect.variable);
                    self.findings.error("twice", at, message);
                }
                let asked = heard(state);
                let mut paths = self.endings(&collect.handlers, &[Ending::NoInput, Ending::Invalid], &asked);
                let mut known = asked;
                known.variables.insert(collect.variable.clone());
                paths.push(Some(known));
                joined(paths)
            }
            Action::Queue(queue) => {
                let endings = [Ending::NoAgents, Ending::TimedOut, Ending::Full, Ending::Error];
                let mut paths = self.endings(&queue.handlers, &endings, &state);
                paths.push(Some(State { answered: true, ..heard(state) }));
                joined(paths)
            }
            Action::Dial(dial) => {
                self.dial(dial, at, &state);
                let endings = [Ending::Busy, Ending::NoAnswer, Ending::Unreachable, Ending::Rejected];
                let mut paths = self.endings(&dial.handlers, &endings, &state);
                paths.push(Some(State { answered: true, ..heard(state) }));
                joined(paths)
            }
            Action::Echo => {
                self.wants_answer("`echo`", at, &state);
                Some(heard(state))
            }
            Action::Agent { handlers, .. } => {
                self.agents_only(at);
                let refused = self.endings(handlers, &[Ending::Error], &state);
                joined(refused.into_iter().chain([Some(state)]))
            }
            Action::WhenOpen { block, .. } => {
                let inside = self.block(*block, state.clone());
                joined([inside, Some(state)])
            }
            Action::Goto(to) => {
                self.gotos.push(Goto { from: self.route, to: *to, waited: state.waited, at });
                None
            }
            Action::Hangup(_) => {
                if state.answered && !state.heard {
                    self.say_once("silent-end", at, |findings, at| {
                        findings.warning("silent-end", at, "the call is answered, and ends before anything is heard");
                    });
                }
                None
            }
        }
    }

    /// The paths behind each ending that a step can have.
    fn endings(&mut self, handlers: &Handlers, endings: &[Ending], state: &State) -> Vec<Option<State>> {
        endings.iter().map(|ending| self.block(handlers.get(*ending), state.clone())).collect()
    }

    fn dial(&mut self, dial: &DialOut, at: Location, state: &State) {
        let mut free_choice = false;
        for target in &dial.targets {
            match target {
                DialTarget::Extension(template) => self.uses(template, at, state),
                DialTarget::Trunk { number, trunk } => {
                    self.uses(number, at, state);
                    free_choice |= number.literal().is_none();
                    if self.plan.trunks.get(trunk).is_some_and(|trunk| trunk.peer.is_none()) {
                        let message = format!("trunk `{trunk}` has no `peer`: no call can go there");
                        self.say_once("missing-peer", at, |findings, at| findings.error("missing-peer", at, message));
                    }
                }
            }
        }
        if let Some(caller_id) = &dial.caller_id {
            self.uses(caller_id, at, state);
        }
        let from_outside = self.plan.routes[self.route].origins.iter().any(|origin| *origin != OriginGuard::Extension);
        if free_choice && from_outside {
            let message = "callers from outside choose the number that is dialled through a trunk: at your expense";
            self.say_once("open-relay", at, |findings, at| findings.warning("open-relay", at, message));
        }
    }

    fn uses(&mut self, template: &Template, at: Location, state: &State) {
        let route = &self.plan.routes[self.route];
        let captured: Vec<&str> = route.to.iter().chain(&route.caller).flat_map(NumberMatch::names).collect();
        for name in template.variables() {
            if [CALLER, DIALLED].contains(&name) {
                continue;
            }
            if !state.variables.contains(name) {
                let message = format!("`{{{name}}}` is not known on every path that leads here");
                let known = state.variables.iter().map(String::as_str).chain([CALLER, DIALLED]);
                let suggestion = did_you_mean(name, known);
                self.say_once("unknown-variable", at, |findings, at| {
                    findings.error_with("unknown-variable", at, message, suggestion)
                });
            } else if captured.contains(&name) {
                self.needs_captures[self.route] = Some(name.to_owned());
            }
        }
    }

    fn wants_answer(&mut self, what: &str, at: Location, state: &State) {
        if !state.answered {
            let message = format!("{what} before `answer`: many phones send no keys and no audio until the call is answered");
            self.say_once("not-answered", at, |findings, at| findings.warning("not-answered", at, message));
        }
    }

    fn agents_only(&mut self, at: Location) {
        let origins = &self.plan.routes[self.route].origins;
        if origins.iter().any(|origin| *origin != OriginGuard::Extension) {
            self.say_once("agents-only", at, |findings, at| {
                findings.error(
                    "agents-only",
                    at,
                    "only agents at their own phones can do this: the route must say `from extension` and nothing else",
                );
            });
        }
    }

    /// Blocks are walked once for each path that leads into them; what is wrong in one is said once.
    fn say_once(&mut self, code: &'static str, at: Location, say: impl FnOnce(&mut Findings, Location)) {
        if self.said.insert((at, code)) {
            say(self.findings, at);
        }
    }
}

fn heard(state: State) -> State {
    State { heard: true, waited: true, ..state }
}
