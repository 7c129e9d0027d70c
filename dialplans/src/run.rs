//! One caller's way through a plan.
//!
//! A core: it is told how each step ended and gives the next one. Every way through it ends with a
//! [`Step::Hangup`], after at most [`MAX_STEPS`] steps of the text, whatever it is told.

mod callback;
mod decide;
mod give;
mod overflow;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    name::{Language, PartyNumber, RouteName},
    step::{Step, StepOutcome},
    time::Timestamp,
};

use crate::{
    build::BUILT_IN,
    describe::describe,
    keep::handlers_of,
    plan::{Action, BlockId, Ending, Plan, Route},
    switches::Overrides,
    trail::Trail,
};

use give::Next;

/// Steps of the text that one call may take; the next one ends the call as our fault.
pub const MAX_STEPS: u32 = 1_000;

/// What is known of a call before its first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// Where it came from.
    pub origin: Origin,
    /// Who calls.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    /// The caller's language, when it is known; else that of the plan.
    pub language: Option<Language>,
    /// Emergency switches of schedules.
    pub overrides: Arc<Overrides>,
}

/// What a run is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin. Once.
    Start,
    /// The step that was given last ended so.
    Outcome(StepOutcome),
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The call goes by this route from now on.
    Routed(RouteName),
    /// The next step. After [`Step::Hangup`] nothing comes.
    Step(Step),
    /// A line for `tandem follow`: what kind, and what. No personal data.
    Trace(&'static str, Arc<str>),
}

/// One caller's way through a plan.
#[derive(Debug)]
pub struct Run {
    pub(crate) plan: Arc<Plan>,
    pub(crate) facts: CallFacts,
    pub(crate) language: Language,
    pub(crate) variables: BTreeMap<String, String>,
    /// What the call brought beside its numbers: text from outside, by name.
    pub(crate) told: BTreeMap<String, String>,
    /// Blocks that are not done, the innermost last, and the step of each that comes next.
    pub(crate) open: Vec<(BlockId, usize)>,
    pub(crate) state: State,
    pub(crate) steps: u32,
    /// Where it got to, when somebody wants to know.
    trail: Option<Box<Trail>>,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    AwaitsStart,
    /// The outcome of the step at this place; `tries` is how often it was asked.
    AwaitsOutcome {
        block: BlockId,
        index: usize,
        tries: u32,
    },
    /// The outcome of a step that is not in the plan any more.
    Lost,
    /// Between an input and what it leads to.
    Moving,
    Over,
}

impl Run {
    /// A run that awaits its start.
    #[must_use]
    pub fn new(plan: Arc<Plan>, facts: CallFacts) -> Self {
        let language =
            facts.language.clone().filter(|language| plan.languages.contains(language)).unwrap_or_else(|| plan.language.clone());
        Self {
            plan,
            facts,
            language,
            variables: BTreeMap::new(),
            told: BTreeMap::new(),
            open: Vec::new(),
            state: State::AwaitsStart,
            steps: 0,
            trail: None,
            outputs: VecDeque::new(),
        }
    }

    /// A run that is behind a step already, which the plan did not give: when that ends well, so does the call; otherwise the
    /// plan begins with it. So it is with a call that the switch made to somebody who had called before.
    #[must_use]
    pub fn behind_a_step(plan: Arc<Plan>, facts: CallFacts) -> Self {
        Self { state: State::Lost, ..Self::new(plan, facts) }
    }

    /// The same for a call that brought more than its numbers: see [`TrunkCalls::kept`](crate::TrunkCalls::kept). It
    /// is text from outside, as all variables are.
    #[must_use]
    pub fn told(mut self, told: BTreeMap<String, String>) -> Self {
        self.told = told;
        self
    }

    /// How the emergency switches of schedules stand from now on.
    pub fn turn(&mut self, switches: &Arc<Overrides>) {
        if !Arc::ptr_eq(&self.facts.overrides, switches) {
            self.facts.overrides = Arc::clone(switches);
        }
    }

    /// The same, and it notes where it gets to.
    pub(crate) fn with_trail(mut self) -> Self {
        self.trail = Some(Box::default());
        self
    }

    /// Where it got to.
    pub(crate) fn take_trail(&mut self) -> Trail {
        self.trail.take().map_or_else(Trail::default, |trail| *trail)
    }

    /// Where the call came from that is on its way.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.facts.origin
    }

    /// The plan that it runs on.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The language that the caller hears now.
    #[must_use]
    pub const fn language(&self) -> &Language {
        &self.language
    }

    /// Takes one input. What comes when it is not awaited means nothing.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        let plan = Arc::clone(&self.plan);
        match (self.state, input) {
            (State::AwaitsStart, Input::Start) => {
                self.state = State::Moving;
                self.start(&plan);
                self.advance(&plan, now);
            }
            (State::AwaitsOutcome { block, index, tries }, Input::Outcome(outcome)) => {
                self.state = State::Moving;
                self.outcome(&plan, block, index, tries, &outcome);
                self.advance(&plan, now);
            }
            (State::Lost, Input::Outcome(StepOutcome::Done)) => self.end(Cause::Normal),
            (State::Lost, Input::Outcome(_)) => {
                self.trace("restart", "the plan has changed and begins anew");
                self.state = State::Moving;
                self.start(&plan);
                self.advance(&plan, now);
            }
            (State::AwaitsStart, Input::Outcome(_))
            | (State::AwaitsOutcome { .. } | State::Lost, Input::Start)
            | (State::Moving | State::Over, _) => {}
        }
    }

    /// What it wants; `None` when all was given.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the step that was given last stands as `menu` in the plan; the call knows it as `collect`.
    #[must_use]
    pub fn is_in_menu(&self) -> bool {
        let State::AwaitsOutcome { block, index, .. } = self.state else { return false };
        let placed = self.plan.block(block).steps.get(index);
        placed.is_some_and(|placed| matches!(placed.action, Action::Menu(_)))
    }

    fn start(&mut self, plan: &Plan) {
        match plan.found(&self.facts) {
            Some((route, captures)) => {
                self.enter(route);
                self.variables.extend(captures);
            }
            None => {
                self.trace("route", "none fits");
                self.end(Cause::NotFound);
            }
        }
    }

    fn enter(&mut self, route: &Route) {
        self.variables.clear();
        self.open.clear();
        self.open_block(route.block);
        self.outputs.push_back(Output::Routed(route.name.clone()));
    }

    /// The steps of a block come next.
    fn open_block(&mut self, block: BlockId) {
        if let Some(trail) = &mut self.trail {
            trail.blocks.insert(block);
        }
        self.open.push((block, 0));
    }

    /// Takes steps of the text until one must be waited for.
    fn advance(&mut self, plan: &Plan, now: Timestamp) {
        while self.state == State::Moving {
            let Some((block, index)) = self.open.last_mut() else { return self.end(Cause::Normal) };
            let (block, at) = (*block, *index);
            let Some(placed) = plan.block(block).steps.get(at) else {
                self.open.pop();
                continue;
            };
            *index += 1;
            self.steps += 1;
            if let Some(trail) = self.trail.as_mut().filter(|_| placed.at != BUILT_IN) {
                trail.steps.insert((block, at));
            }
            if self.steps > MAX_STEPS {
                self.trace("fault", "too many steps");
                return self.end(Cause::Fault);
            }
            match self.next(plan, &placed.action, now) {
                Next::GoOn => {}
                Next::Give(step) => {
                    self.trace("step", &describe(&step));
                    self.outputs.push_back(Output::Step(step));
                    self.state = State::AwaitsOutcome { block, index: at, tries: 1 };
                    return;
                }
                Next::Ended(ending) => self.answer(&placed.action, ending),
                Next::Over(cause) => return self.end(cause),
            }
        }
    }

    fn outcome(&mut self, plan: &Plan, block: BlockId, index: usize, tries: u32, outcome: &StepOutcome) {
        let action = &plan.block(block).steps[index].action;
        match (action, outcome) {
            (Action::Menu(menu), _) => match pressed(outcome) {
                Some(keys) => match menu.choices.iter().find(|(choice, _)| choice == keys) {
                    Some((choice, chosen)) => {
                        self.trace("pressed", choice);
                        self.open_block(*chosen);
                    }
                    None => self.ask_again(action, (block, index, tries), Ending::Invalid),
                },
                None => self.ask_again(action, (block, index, tries), Ending::NoInput),
            },
            (Action::Collect(collect), _) => match pressed(outcome) {
                Some(digits) if self.fits(collect, digits) => {
                    self.trace("collected", &format!("{} digits", digits.len()));
                    self.variables.insert(collect.variable.clone(), digits.to_owned());
                }
                Some(_) => self.ask_again(action, (block, index, tries), Ending::Invalid),
                None => self.ask_again(action, (block, index, tries), Ending::NoInput),
            },
            (Action::Stream { choices, .. }, StepOutcome::Said(word)) => match choices.iter().find(|(known, _)| known == word) {
                Some((word, block)) => {
                    self.trace("said", word);
                    self.open_block(*block);
                }
                None => self.trace("said", "something that the plan does not know"),
            },
            (Action::Ask(ask), outcome) => self.answered(ask, outcome),
            (_, outcome) => {
                if let Some(ending) = Ending::of(outcome) {
                    self.answer(action, ending);
                }
            }
        }
    }

    /// A wrong or missing answer of the caller: once more, or what the plan says of it.
    fn ask_again(&mut self, action: &Action, (block, index, tries): (BlockId, usize, u32), ending: Ending) {
        let (allowed, step) = match action {
            Action::Menu(menu) => (menu.tries, self.ask_menu(menu, Some(ending))),
            Action::Collect(collect) => (collect.tries, self.ask_digits(collect, Some(ending))),
            _ => return,
        };
        self.steps += 1;
        if tries < allowed && self.steps <= MAX_STEPS {
            self.trace("again", ending.word());
            self.outputs.push_back(Output::Step(step));
            self.state = State::AwaitsOutcome { block, index, tries: tries + 1 };
        } else {
            self.answer(action, ending);
        }
    }

    /// Goes on with the plan's answer to an ending. Every step has one for each of its own endings,
    /// and the defaults answer the rest.
    fn answer(&mut self, action: &Action, ending: Ending) {
        let Some(handlers) = handlers_of(action) else {
            self.trace("fault", ending.word());
            return self.end(Cause::Fault);
        };
        let who = match (handlers.is_own(ending), handlers.is_of_queue(ending)) {
            (true, _) => "ended",
            (false, true) => "ended, by the queue",
            (false, false) => "ended, by default",
        };
        self.trace(who, ending.word());
        self.open_block(handlers.get(ending));
    }

    fn end(&mut self, cause: Cause) {
        self.trace("step", &describe(&Step::Hangup { cause }));
        self.outputs.push_back(Output::Step(Step::Hangup { cause }));
        self.open.clear();
        self.state = State::Over;
    }

    fn trace(&mut self, kind: &'static str, what: &str) {
        self.outputs.push_back(Output::Trace(kind, what.into()));
    }
}

/// The digits, if there are any.
fn pressed(outcome: &StepOutcome) -> Option<&str> {
    match outcome {
        StepOutcome::Digits(digits) if !digits.is_empty() => Some(digits),
        _ => None,
    }
}
