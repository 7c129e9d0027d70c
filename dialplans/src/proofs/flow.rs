//! Walks every path through every route.
//!
//! Proves: no path ends in silence; no `goto` leads back without a wait; a variable is known wherever
//! it is used, and given once; keys are asked for only after an answer; nothing stands behind a step
//! that never goes on. Calls from outside that can dial outside are pointed out.

mod decisions;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use super::circles::circles;
use crate::{
    diagnostic::{Findings, did_you_mean},
    pattern::NumberMatch,
    plan::{Action, BlockId, DialOut, DialTarget, Ending, Handlers, OriginGuard, PickUp, Placed, Plan, Route, Say},
    source::Location,
    template::{CALLER, DIALLED, Template},
};

/// Steps that are looked at in one plan at most; a plan that needs more is refused.
const MAX_VISITS: usize = 1_000_000;

/// A `goto` and what holds on the way to it from the begin of its route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Goto {
    from: usize,
    pub(crate) to: usize,
    /// Time passes for sure.
    waited: bool,
    entry: Entry,
    at: Location,
}

/// What is sure of a call that enters a route, whichever way it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    answered: bool,
    heard: bool,
    /// It may be a call from outside.
    from_outside: bool,
}

impl Entry {
    /// What is sure when it came one way or the other.
    const fn or(self, other: Self) -> Self {
        Self {
            answered: self.answered && other.answered,
            heard: self.heard && other.heard,
            from_outside: self.from_outside || other.from_outside,
        }
    }
}

/// What holds at a point of a path.
#[derive(Clone, Debug)]
struct State {
    answered: bool,
    /// The caller heard something, or was put through.
    heard: bool,
    /// Time passed for sure.
    waited: bool,
    /// Most paths neither add nor lose one: they share the set.
    variables: Rc<BTreeSet<String>>,
}

impl State {
    /// What holds on both of two paths.
    fn and(self, other: &Self) -> Self {
        let is_same = Rc::ptr_eq(&self.variables, &other.variables);
        let both = || Rc::new(self.variables.intersection(&other.variables).cloned().collect());
        Self {
            answered: self.answered && other.answered,
            heard: self.heard && other.heard,
            waited: self.waited && other.waited,
            variables: if is_same { Rc::clone(&self.variables) } else { both() },
        }
    }
}

fn joined(paths: impl IntoIterator<Item = Option<State>>) -> Option<State> {
    paths.into_iter().flatten().reduce(|one, other| one.and(&other))
}

/// What the paths of a plan show of it.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) gotos: Vec<Goto>,
    /// How each route is entered, when anything leads to it.
    pub(crate) entries: Vec<Option<Entry>>,
    /// Steps that were looked at.
    pub(crate) visits: usize,
}

/// What the paths of one route lead others to.
#[derive(Debug)]
pub(crate) struct RouteFlow {
    gotos: Vec<Goto>,
    needs_captures: bool,
    visits: usize,
}

impl RouteFlow {
    /// Whether all other routes are entered as they are with the other one; steps that were looked at for this.
    pub(crate) fn leads_as(&self, other: &Self) -> Option<usize> {
        let bare = |goto: &Goto| (goto.to, goto.waited, goto.entry);
        let is_same = self.needs_captures == other.needs_captures && self.gotos.iter().map(bare).eq(other.gotos.iter().map(bare));
        is_same.then_some(self.visits + other.visits)
    }
}

/// Walks one route that is entered so; what is to be said of it is not said but makes it `None`.
pub(crate) fn quiet_route(plan: &Plan, index: usize, entry: Option<Entry>) -> Option<RouteFlow> {
    let mut findings = Findings::new(&[]);
    let mut walk = Walk::new(plan, &mut findings);
    walk.whole_route(index, entry);
    let Walk { gotos, needs_captures, visits, .. } = walk;
    (findings.count() == 0).then_some(RouteFlow { gotos, needs_captures: !needs_captures.is_empty(), visits })
}

/// Checks all routes and returns what was found of them.
pub(super) fn check(plan: &Plan, findings: &mut Findings) -> Flow {
    let (entries, too_large) = entries(plan);
    let mut walk = Walk::new(plan, findings);
    for (index, route) in plan.routes.iter().enumerate() {
        walk.whole_route(index, entries[index]);
        if too_large || walk.visits >= MAX_VISITS {
            walk.findings.error("too-large", route.at, "the paths of this plan are too many to be checked");
            break;
        }
    }
    let Walk { gotos, needs_captures, findings, visits, .. } = walk;
    captures_over_goto(plan, &gotos, &needs_captures, findings);
    loops(plan, &gotos, findings);
    Flow { gotos, entries, visits }
}

/// How each route can be entered, by a call of its own or by any `goto`; `None` for a route that nothing leads to.
/// Also whether there were too many paths to find that out.
fn entries(plan: &Plan) -> (Vec<Option<Entry>>, bool) {
    let own = |route: &Arc<Route>| {
        let from_outside = route.origins.iter().any(|origin| *origin != OriginGuard::Extension);
        (!route.origins.is_empty()).then_some(Entry { answered: false, heard: false, from_outside })
    };
    let mut entries: Vec<Option<Entry>> = plan.routes.iter().map(own).collect();
    let mut open: Vec<usize> = (0..entries.len()).filter(|index| entries[*index].is_some()).collect();
    let mut unheard = Findings::new(&[]);
    let mut walk = Walk::new(plan, &mut unheard);
    while let Some((index, entry)) = open.pop().and_then(|index| Some((index, entries[index]?))) {
        walk.route(index, entry);
        for goto in std::mem::take(&mut walk.gotos) {
            let before = entries[goto.to];
            let now = before.map_or(goto.entry, |before| before.or(goto.entry));
            // An entry can only become worse, and only three times: this ends.
            if before != Some(now) {
                entries[goto.to] = Some(now);
                open.push(goto.to);
            }
        }
    }
    let too_large = walk.visits >= MAX_VISITS;
    (entries, too_large)
}

/// A route that needs its own captures must not be entered by `goto`.
fn captures_over_goto(plan: &Plan, gotos: &[Goto], needs: &BTreeMap<usize, String>, findings: &mut Findings) {
    for goto in gotos {
        if let Some(variable) = needs.get(&goto.to) {
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
    let ways: Vec<(usize, usize)> = hasty.iter().map(|goto| (goto.from, goto.to)).collect();
    let circles = circles(plan.routes.len(), &ways);
    let mut reported = BTreeSet::new();
    for goto in hasty {
        if circles[goto.from] == circles[goto.to] && reported.insert(goto.at) {
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
    from_outside: bool,
    gotos: Vec<Goto>,
    visits: usize,
    /// Per route, a capture of its own that it uses.
    needs_captures: BTreeMap<usize, String>,
    /// Findings that one walk of a shared block is enough for.
    said: BTreeSet<(Location, &'static str)>,
}

impl<'a> Walk<'a> {
    fn new(plan: &'a Plan, findings: &'a mut Findings) -> Self {
        Self {
            plan,
            findings,
            route: 0,
            from_outside: false,
            gotos: Vec::new(),
            visits: 0,
            needs_captures: BTreeMap::new(),
            said: BTreeSet::new(),
        }
    }

    /// Walks a route as it is entered, and says so when it can end in silence.
    fn whole_route(&mut self, index: usize, entry: Option<Entry>) {
        // What nothing leads to is said elsewhere; it is not blamed for how it would be entered.
        let entry = entry.unwrap_or(Entry { answered: true, heard: true, from_outside: false });
        let end = self.route(index, entry);
        let route = &self.plan.routes[index];
        if end.is_some_and(|end| !end.heard) && !self.plan.block(route.block).steps.is_empty() {
            let message =
                format!("route `{}` can end in silence: nothing is played, dialled, queued or refused on some path", route.name);
            self.findings.error("silent-end", route.at, message);
        }
    }

    /// What holds at the end of a route; `None` when no path gets there.
    fn route(&mut self, index: usize, entry: Entry) -> Option<State> {
        let route = &self.plan.routes[index];
        (self.route, self.from_outside) = (index, entry.from_outside);
        let variables = Rc::new(self.captures(&route.to, &route.caller));
        let start = State { answered: entry.answered, heard: entry.heard, waited: false, variables };
        self.block(route.block, start)
    }

    /// Variables that every way into the route binds.
    fn captures(&self, to: &[NumberMatch], caller: &[NumberMatch]) -> BTreeSet<String> {
        // Most routes bind none.
        if to.iter().chain(caller).all(|m| m.names().is_empty()) {
            return BTreeSet::new();
        }
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
            Action::Ring => Some(state),
            Action::Set { .. } | Action::SetLanguage(_) | Action::If { .. } | Action::Switch(_) | Action::Ask(_) => {
                self.decision(&placed.action, at, state)
            }
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
                let asked = heard(state);
                let mut paths = self.endings(&collect.handlers, &[Ending::NoInput, Ending::Invalid], &asked);
                let mut known = asked;
                self.gives(&collect.variable, at, &mut known);
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
            Action::Fork { .. } => Some(state),
            Action::Stream { .. }
            | Action::HandBack { .. }
            | Action::Conference { .. }
            | Action::Supervise { .. }
            | Action::Park { .. }
            | Action::Voicemail { .. }
            | Action::Retrieve { .. }
            | Action::PickUp { .. } => self.service(&placed.action, at, state),
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
                let entry = Entry { answered: state.answered, heard: state.heard, from_outside: self.from_outside };
                self.gotos.push(Goto { from: self.route, to: *to, waited: state.waited, entry, at });
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

    /// Steps that bring the caller to others, or to a box.
    fn service(&mut self, action: &Action, at: Location, state: State) -> Option<State> {
        match action {
            Action::HandBack { number, handlers } => {
                self.uses(number, at, &state);
                self.takes_callers_back(number, at);
                let endings = [Ending::Busy, Ending::NoAnswer, Ending::Unreachable, Ending::Rejected, Ending::Error];
                joined(self.endings(handlers, &endings, &state))
            }
            Action::Conference { room, handlers, .. } => {
                self.uses(room, at, &state);
                // Without a name nothing was answered. Who finds the room full was; that the call ends at once says it.
                let mut paths = self.endings(handlers, &[Ending::Error], &state);
                paths.extend(self.endings(handlers, &[Ending::Full], &State { answered: true, ..heard(state) }));
                joined(paths)
            }
            Action::Supervise { agent, handlers, .. } => {
                self.uses(agent, at, &state);
                self.agents_only(at);
                if self.plan.supervisors.is_empty() {
                    self.say_once("no-supervisors", at, |findings, at| {
                        findings.error("no-supervisors", at, "nobody could use this: name them with `supervisors \"1001\"`");
                    });
                }
                // Who may not was not answered either.
                joined(self.endings(handlers, &[Ending::Error], &state))
            }
            Action::Park { handlers, .. } => {
                let mut paths = self.endings(handlers, &[Ending::Full, Ending::Error], &state);
                let parked = State { answered: true, ..heard(state) };
                paths.extend(self.endings(handlers, &[Ending::TimedOut], &parked));
                paths.push(Some(parked));
                joined(paths)
            }
            Action::Voicemail { mailbox, handlers } => {
                self.uses(mailbox, at, &state);
                let mut paths = self.endings(handlers, &[Ending::Full, Ending::Error], &state);
                paths.push(Some(State { answered: true, ..heard(state) }));
                joined(paths)
            }
            Action::Stream { choices, handlers, .. } => {
                let streamed = State { answered: true, ..heard(state) };
                let mut paths = self.endings(handlers, &[Ending::Failed, Ending::Stalled], &streamed);
                paths.extend(choices.iter().map(|(_, block)| self.block(*block, streamed.clone())));
                paths.push(Some(streamed));
                joined(paths)
            }
            // Who takes somebody is with them, in their call.
            Action::Retrieve { slot, handlers } => {
                self.uses(slot, at, &state);
                joined(self.endings(handlers, &[Ending::Error], &state))
            }
            Action::PickUp { whom, handlers } => {
                if let PickUp::Extension(extension) = whom {
                    self.uses(extension, at, &state);
                }
                self.picks_up(at);
                joined(self.endings(handlers, &[Ending::Error], &state))
            }
            _ => Some(state),
        }
    }

    /// The paths behind each ending that a step can have.
    fn endings(&mut self, handlers: &Handlers, endings: &[Ending], state: &State) -> Vec<Option<State>> {
        endings.iter().map(|ending| self.block(handlers.get(*ending), state.clone())).collect()
    }

    /// No trunk would take the caller back: the step could only fail. And who calls must not choose whom we pay for.
    fn takes_callers_back(&mut self, number: &Template, at: Location) {
        if !self.plan.trunks.values().any(|trunk| trunk.takes_refer) {
            self.say_once("no-taker", at, |findings, at| {
                findings.error("no-taker", at, "no trunk of this plan has `takes-refer #true`");
            });
        }
        if number.literal().is_none() && self.from_outside {
            self.say_once("open-relay", at, |findings, at| {
                findings.warning(
                    "open-relay",
                    at,
                    "callers from outside can choose the number that their carrier connects them to",
                );
            });
        }
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
        if free_choice && self.from_outside {
            let message = "callers from outside choose the number that is dialled through a trunk: at your expense";
            self.say_once("open-relay", at, |findings, at| findings.warning("open-relay", at, message));
        }
    }

    /// Fills in what is known, and no secret.
    fn uses(&mut self, template: &Template, at: Location, state: &State) {
        self.knows(template, at, state);
        if let Some(name) = template.variables().find(|name| self.plan.is_secret(name)) {
            let message = format!(
                "`{{{name}}}` is collected with `secret`: only `send` of an `ask`, `type`, `known` and `empty` may use it"
            );
            self.say_once("secret-use", at, |findings, at| findings.error("secret-use", at, message));
        }
    }

    fn knows(&mut self, template: &Template, at: Location, state: &State) {
        let route = &self.plan.routes[self.route];
        let captured: Vec<&str> = route.to.iter().chain(&route.caller).flat_map(NumberMatch::names).collect();
        for name in template.variables() {
            // What a trunk tells may be absent, as anything from outside: then the step ends as unreachable.
            if [CALLER, DIALLED].contains(&name) || self.plan.trunks.values().any(|trunk| trunk.calls.keeps(name)) {
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
                self.needs_captures.insert(self.route, name.to_owned());
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
        if self.from_outside {
            self.say_once("agents-only", at, |findings, at| {
                findings.error(
                    "agents-only",
                    at,
                    "only extensions, at their own phones, can do this: this route, and each that leads to it by `goto`, must say \
                     `from extension` and nothing else",
                );
            });
        }
    }

    fn picks_up(&mut self, at: Location) {
        self.agents_only(at);
        if self.plan.pickup_groups.is_empty() {
            self.say_once("no-pickup-group", at, |findings, at| {
                findings.error("no-pickup-group", at, "nobody could use this: declare a `pickup-group`");
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
