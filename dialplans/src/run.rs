//! One caller's way through a plan.
//!
//! A core: it is told how each step ended and gives the next one. Every way through it ends with a
//! [`Step::Hangup`], after at most [`MAX_STEPS`] steps of the text, whatever it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    name::{Extension, Language, LotName, PartyNumber, PromptName, RouteName},
    step::{Audio, Collect, Dial, LeaveMessage, Park, Phrase, QueueStep, Step, StepOutcome, Supervision, Target, Whom},
    time::Timestamp,
};

use crate::{
    build::BUILT_IN,
    describe::describe,
    plan::{
        Action, BlockId, CollectDigits, DialOut, DialTarget, DigitShape, Ending, JoinQueue, Menu, PickUp, Plan, Route, Say,
        parse_number, parse_room,
    },
    routing::admits,
    schedule::Overrides,
    settings::Mailbox,
    template::{CALLER, DIALLED, Template},
    trail::Trail,
};

/// Steps of the text that one call may take; the next one ends the call as our fault.
pub const MAX_STEPS: u32 = 1_000;

/// What is heard before a message where a box has no greeting of its own.
const GREETING: &str = "voicemail-greeting";
/// The tone that a message begins at.
const TONE: &str = "music/beep";

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

/// What follows a step of the text.
enum Next {
    /// Nothing is to be waited for.
    GoOn,
    /// The call is given this, and says how it ended.
    Give(Step),
    /// The step ended at once, so.
    Ended(Ending),
    Over(Cause),
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

    /// The same for a call that brought more than its numbers: see [`TrunkCalls::kept`](crate::TrunkCalls::kept). It
    /// is text from outside, as all variables are.
    #[must_use]
    pub fn told(mut self, told: BTreeMap<String, String>) -> Self {
        self.told = told;
        self
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
        let found = plan.routes.iter().find_map(|route| Some((route, admits(plan, route, &self.facts).ok()?)));
        match found {
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

    fn next(&mut self, plan: &Plan, action: &Action, now: Timestamp) -> Next {
        match action {
            Action::Ring => Next::Give(Step::Ring),
            Action::Answer => Next::Give(Step::Answer),
            Action::Echo => Next::Give(Step::Echo),
            Action::Play { prompts, interrupt } => {
                Next::Give(Step::Play { audio: self.audio([], prompts), interrupt: *interrupt })
            }
            Action::Say { what, interrupt } => match self.phrase(plan, what, now) {
                Some(phrase) => {
                    let audio = Audio { language: self.language.clone(), phrases: vec![phrase] };
                    Next::Give(Step::Play { audio, interrupt: *interrupt })
                }
                None => Next::GoOn,
            },
            Action::Menu(menu) => Next::Give(self.ask_menu(menu, None)),
            Action::Collect(collect) => Next::Give(self.ask_digits(collect, None)),
            Action::Queue(queue) => self.queue(plan, queue),
            Action::Dial(dial) => self.dial(plan, dial),
            Action::HandBack { number, .. } => self.hand_back(plan, number),
            Action::Conference { room, muted, .. } => match self.fill(room).and_then(|room| parse_room(&room)) {
                Some(room) => Next::Give(Step::Conference { room, muted: *muted }),
                None => Next::Ended(Ending::Error),
            },
            Action::Supervise { agent, role, .. } => self.supervise(plan, agent, *role),
            Action::Park { lot, .. } => self.park(plan, lot),
            Action::Voicemail { mailbox, .. } => self.voicemail(plan, mailbox),
            Action::Retrieve { slot, .. } => match self.fill(slot).and_then(|slot| plan.slot(&slot)) {
                Some(slot) => Next::Give(Step::Take(Whom::Parked(slot))),
                None => Next::Ended(Ending::Error),
            },
            Action::PickUp { whom, .. } => self.pick_up(plan, whom),
            Action::Fork { program, sides } => Next::Give(Step::Fork { program: program.clone(), sides: *sides }),
            Action::Stream { program, .. } => Next::Give(Step::Stream { program: program.clone() }),
            Action::Agent { request, .. } => Next::Give(Step::Agent(request.clone())),
            Action::SetLanguage(language) => {
                self.trace("language", language.as_str());
                self.language = language.clone();
                Next::GoOn
            }
            Action::WhenOpen { schedule, open, block } => {
                let switch = self.facts.overrides.get(schedule).copied();
                let is_open = plan.schedules.get(schedule).is_some_and(|s| s.standing(now, switch).open);
                self.trace("schedule", &format!("{schedule} is {}", if is_open { "open" } else { "closed" }));
                if is_open == *open {
                    self.open_block(*block);
                }
                Next::GoOn
            }
            Action::Goto(route) => {
                self.enter(&plan.routes[*route]);
                Next::GoOn
            }
            Action::Hangup(cause) => Next::Over(*cause),
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
        let handlers = match action {
            Action::Menu(menu) => &menu.handlers,
            Action::Collect(collect) => &collect.handlers,
            Action::Queue(queue) => &queue.handlers,
            Action::Dial(dial) => &dial.handlers,
            Action::Agent { handlers, .. }
            | Action::HandBack { handlers, .. }
            | Action::Conference { handlers, .. }
            | Action::Supervise { handlers, .. }
            | Action::Park { handlers, .. }
            | Action::Voicemail { handlers, .. }
            | Action::Retrieve { handlers, .. }
            | Action::PickUp { handlers, .. }
            | Action::Stream { handlers, .. } => handlers,
            _ => {
                self.trace("fault", ending.word());
                return self.end(Cause::Fault);
            }
        };
        self.trace(if handlers.is_own(ending) { "ended" } else { "ended, by default" }, ending.word());
        self.open_block(handlers.get(ending));
    }

    fn ask_menu(&self, menu: &Menu, complaint: Option<Ending>) -> Step {
        let first = complaint_prompt(complaint, menu.invalid_prompt.as_ref(), menu.no_input_prompt.as_ref());
        Step::Collect(Collect {
            audio: self.audio(first, &menu.prompts),
            max_digits: menu.max_digits,
            first_digit_ms: menu.timeout_ms,
            next_digit_ms: menu.between_ms,
            terminator: None,
        })
    }

    fn ask_digits(&self, collect: &CollectDigits, complaint: Option<Ending>) -> Step {
        let first = complaint_prompt(complaint, collect.invalid_prompt.as_ref(), collect.no_input_prompt.as_ref());
        Step::Collect(Collect {
            audio: self.audio(first, &collect.prompts),
            max_digits: collect.max,
            first_digit_ms: collect.timeout_ms,
            next_digit_ms: collect.between_ms,
            terminator: collect.end,
        })
    }

    fn fits(&self, collect: &CollectDigits, digits: &str) -> bool {
        let length = (collect.min..=usize::from(collect.max)).contains(&digits.len());
        length
            && match collect.shape {
                DigitShape::Digits => digits.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#'),
                DigitShape::Extension => self.plan.extension(digits).is_some(),
                DigitShape::Number => parse_number(digits).is_some(),
            }
    }

    fn queue(&self, plan: &Plan, join: &JoinQueue) -> Next {
        let Some(queue) = plan.queues.get(&join.queue) else { return Next::Ended(Ending::Error) };
        Next::Give(Step::Queue(QueueStep {
            queue: join.queue.clone(),
            skills: join.skills.clone(),
            priority_minutes: join.priority_minutes,
            max_wait_ms: join.max_wait_ms.or(queue.max_wait_ms),
            music: queue.music.clone(),
            language: self.language.clone(),
            announce_every_ms: queue.announce_every_ms,
            comfort: queue.comfort.clone(),
            record: join.record.unwrap_or(queue.record),
            wait_without_agents: queue.wait_without_agents,
        }))
    }

    /// What a caller sent becomes a target only here, and only by the parser of the target's type.
    /// What does not parse is nobody; with nobody left, the step ends as unreachable.
    fn dial(&self, plan: &Plan, dial: &DialOut) -> Next {
        let targets: Vec<Target> = dial
            .targets
            .iter()
            .filter_map(|target| match target {
                DialTarget::Extension(template) => plan.extension(&self.fill(template)?).map(Target::Extension),
                DialTarget::Trunk { trunk, number } => {
                    Some(Target::Trunk { trunk: trunk.clone(), number: parse_number(&self.fill(number)?)? })
                }
            })
            .collect();
        if targets.is_empty() {
            return Next::Ended(Ending::Unreachable);
        }
        Next::Give(Step::Dial(Dial {
            targets,
            strategy: dial.strategy,
            ring_ms: dial.ring_ms,
            record: dial.record,
            music: dial.music.clone(),
            caller_id: dial.caller_id.as_ref().and_then(|template| parse_number(&self.fill(template)?)),
        }))
    }

    /// Only a carrier that takes them can have its callers back.
    fn hand_back(&self, plan: &Plan, number: &Template) -> Next {
        let takes = match &self.facts.origin {
            Origin::Trunk(trunk) => plan.trunks.get(trunk).is_some_and(|trunk| trunk.takes_refer),
            Origin::Extension(_) => false,
        };
        match self.fill(number).and_then(|number| parse_number(&number)) {
            _ if !takes => Next::Ended(Ending::Error),
            Some(number) => Next::Give(Step::HandBack { number }),
            None => Next::Ended(Ending::Unreachable),
        }
    }

    /// Only a supervisor at their own phone may.
    fn supervise(&self, plan: &Plan, agent: &Template, role: Supervision) -> Next {
        let may = matches!(&self.facts.origin, Origin::Extension(extension) if plan.supervisors.contains(extension));
        match self.fill(agent).and_then(|agent| plan.extension(&agent)) {
            Some(agent) if may => Next::Give(Step::Supervise { agent: agent.as_str().into(), role }),
            _ => Next::Ended(Ending::Error),
        }
    }

    fn park(&self, plan: &Plan, lot: &LotName) -> Next {
        let Some(known) = plan.lots.get(lot) else { return Next::Ended(Ending::Error) };
        Next::Give(Step::Park(Park {
            lot: lot.clone(),
            slots: known.slots,
            timeout_ms: known.timeout_ms,
            music: known.music.clone(),
            language: self.language.clone(),
        }))
    }

    fn voicemail(&self, plan: &Plan, mailbox: &Template) -> Next {
        let found = self.fill(mailbox).and_then(|text| plan.mailbox(&text));
        let Some((mailbox, Mailbox { greeting, max_ms, most, .. })) = found else { return Next::Ended(Ending::Error) };
        let greeting = greeting.unwrap_or_else(|| GREETING.into());
        let greeting = self.audio([greeting], &[TONE.into()]);
        Next::Give(Step::Voicemail(LeaveMessage { mailbox, greeting, max_ms, most }))
    }

    /// Only an extension may, and only where it shares a group with whose phone rings.
    fn pick_up(&self, plan: &Plan, whom: &PickUp) -> Next {
        let Origin::Extension(by) = &self.facts.origin else { return Next::Ended(Ending::Error) };
        let groups = || plan.pickup_groups.values().filter(|group| group.contains(by));
        let wanted: Vec<Extension> = match whom {
            PickUp::Extension(template) => self.fill(template).and_then(|text| plan.extension(&text)).into_iter().collect(),
            PickUp::Group(name) => plan.pickup_groups.get(name).filter(|group| group.contains(by)).cloned().unwrap_or_default(),
            PickUp::Groups => groups().flatten().cloned().collect(),
        };
        let theirs: Vec<Extension> = wanted.into_iter().filter(|of| of != by && plan.may_pick_up(by, of)).collect();
        if theirs.is_empty() { Next::Ended(Ending::Error) } else { Next::Give(Step::Take(Whom::Calling(theirs))) }
    }

    fn fill(&self, template: &Template) -> Option<String> {
        template.fill(|name| match name {
            DIALLED => Some(self.facts.to.as_str()),
            CALLER => Some(self.facts.from.as_str()),
            _ => self.variables.get(name).or_else(|| self.told.get(name)).map(String::as_str),
        })
    }

    fn phrase(&self, plan: &Plan, what: &Say, now: Timestamp) -> Option<Phrase> {
        match what {
            Say::Number(template) => self.fill(template)?.parse().ok().map(Phrase::Number),
            Say::Digits(template) => self.fill(template).map(Phrase::Digits),
            Say::Time => {
                let instant = jiff::Timestamp::from_microsecond(now.0).ok()?;
                let clock = plan.time_zone.to_datetime(instant);
                Some(Phrase::Time { hour: clock.hour().unsigned_abs(), minute: clock.minute().unsigned_abs() })
            }
        }
    }

    fn audio(&self, first: impl IntoIterator<Item = PromptName>, prompts: &[PromptName]) -> Audio {
        let phrases = first.into_iter().chain(prompts.iter().cloned()).map(Phrase::Prompt).collect();
        Audio { language: self.language.clone(), phrases }
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

fn complaint_prompt(
    complaint: Option<Ending>,
    invalid: Option<&PromptName>,
    no_input: Option<&PromptName>,
) -> Option<PromptName> {
    match complaint? {
        Ending::NoInput => no_input.cloned(),
        _ => invalid.cloned(),
    }
}
