//! A run that outlives its process: its place in the plan, by words instead of numbers.
//!
//! Blocks are counted anew with each plan, so the place is kept as the way to it: the route, and for each block that
//! is open, the step that opened it and by which branch. An admin may have edited the plan meanwhile. The place is
//! found again when that way is still there and leads to the same kind of step; otherwise it is [lost](Run::lost).

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use tandem_switch::{
    cdr::Origin,
    name::{Language, PartyNumber, RouteName},
};

use crate::{
    plan::{Action, BlockId, Ending, Handlers, Plan},
    run::{CallFacts, Run, State},
};

/// A run as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRun {
    origin: Origin,
    from: PartyNumber,
    to: PartyNumber,
    language: Language,
    variables: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<String, String>,
    steps: u32,
    place: Option<Place>,
}

/// Where a run waits for the end of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    route: RouteName,
    /// Steps that opened a block, outermost first, each with the branch it took.
    way: Vec<(usize, String)>,
    /// The step in the innermost block, and its kind.
    step: usize,
    kind: String,
    tries: u32,
}

impl KeptRun {
    /// What is known of the call.
    #[must_use]
    pub fn facts(&self) -> CallFacts {
        CallFacts {
            origin: self.origin.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            language: Some(self.language.clone()),
            overrides: Arc::default(),
        }
    }
}

impl Run {
    /// All that another process needs to go on. Inputs are to be worked off before.
    #[must_use]
    pub fn keep(&self) -> KeptRun {
        KeptRun {
            origin: self.facts.origin.clone(),
            from: self.facts.from.clone(),
            to: self.facts.to.clone(),
            language: self.language.clone(),
            variables: self.variables.iter().filter(|(name, _)| !self.plan.is_secret(name)).map(owned).collect(),
            told: self.told.clone(),
            steps: self.steps,
            place: self.place(),
        }
    }

    fn place(&self) -> Option<Place> {
        let State::AwaitsOutcome { block, index, tries } = self.state else { return None };
        let (outermost, _) = self.open.first()?;
        let route = self.plan.route_of(*outermost)?;
        let way = self.open.windows(2).map(|pair| {
            let ((outer, next), (inner, _)) = (pair[0], pair[1]);
            let step = next.checked_sub(1)?;
            Some((step, branch_to(&self.plan.block(outer).steps.get(step)?.action, inner)?))
        });
        let way = way.collect::<Option<_>>()?;
        let kind = kind(&self.plan.block(block).steps.get(index)?.action).to_owned();
        Some(Place { route: route.name.clone(), way, step: index, kind, tries })
    }

    /// A run that waits for the end of the same step, in whatever plan is in service now. `None`: the plan has no
    /// such place.
    #[must_use]
    pub fn restore(plan: Arc<Plan>, kept: &KeptRun) -> Option<Self> {
        let place = kept.place.as_ref()?;
        let mut block = plan.route(&place.route)?.block;
        let mut open = Vec::with_capacity(place.way.len() + 1);
        for (step, branch) in &place.way {
            open.push((block, step + 1));
            block = branch_of(&plan.block(block).steps.get(*step)?.action, branch)?;
        }
        let index = place.step;
        open.push((block, index + 1));
        let action = &plan.block(block).steps.get(index)?.action;
        if kind(action) != place.kind {
            return None;
        }
        let mut run = Self::new(plan, kept.facts()).told(kept.told.clone());
        run.variables = kept.variables.iter().cloned().collect();
        run.steps = kept.steps;
        run.open = open;
        run.state = State::AwaitsOutcome { block, index, tries: place.tries };
        Some(run)
    }

    /// A run whose place in the plan is not there any more. When what the call is doing ends well, so does the call;
    /// otherwise the plan begins anew with it.
    #[must_use]
    pub fn lost(plan: Arc<Plan>, kept: &KeptRun) -> Self {
        let mut run = Self::new(plan, kept.facts());
        run.state = State::Lost;
        run
    }
}

fn owned((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// The word for an action in the language.
pub(crate) const fn kind(action: &Action) -> &'static str {
    match action {
        Action::Ring => "ring",
        Action::Answer => "answer",
        Action::Play { .. } => "play",
        Action::Say { .. } => "say",
        Action::Menu(_) => "menu",
        Action::Collect(_) => "collect",
        Action::Queue(_) => "queue",
        Action::Dial(_) => "dial",
        Action::HandBack { .. } => "hand-back",
        Action::Conference { .. } => "conference",
        Action::Supervise { .. } => "supervise",
        Action::Park { .. } => "park",
        Action::Voicemail { .. } => "voicemail",
        Action::Retrieve { .. } => "retrieve",
        Action::PickUp { .. } => "pickup",
        Action::SetLanguage(_) => "language",
        Action::Set { .. } => "set",
        Action::If { holds: true, .. } => "if",
        Action::If { .. } => "unless",
        Action::Switch(_) => "switch",
        Action::Ask(_) => "ask",
        Action::Echo => "echo",
        Action::Fork { .. } => "fork",
        Action::Stream { .. } => "stream",
        Action::Agent { .. } => "agent",
        Action::WhenOpen { .. } => "when-open",
        Action::Goto(_) => "goto",
        Action::Hangup(_) => "hangup",
    }
}

/// The word by which an action leads to a block of its own.
fn branch_to(action: &Action, inner: BlockId) -> Option<String> {
    match action {
        Action::WhenOpen { block, .. } | Action::If { block, .. } => (*block == inner).then(|| "then".to_owned()),
        action => match choices_of(action).iter().find(|(_, block)| *block == inner) {
            Some((choice, _)) => Some(format!("choice {choice}")),
            None => ending_to(handlers_of(action)?, inner),
        },
    }
}

/// The block that a word of [`branch_to`] leads to.
fn branch_of(action: &Action, branch: &str) -> Option<BlockId> {
    match action {
        Action::WhenOpen { block, .. } | Action::If { block, .. } => (branch == "then").then_some(*block),
        action => match branch.strip_prefix("choice ") {
            Some(choice) => choices_of(action).iter().find(|(known, _)| known == choice).map(|(_, block)| *block),
            None => {
                let handlers = handlers_of(action)?;
                Ending::ALL.into_iter().find(|ending| ending.word() == branch).map(|ending| handlers.get(ending))
            }
        },
    }
}

/// Blocks of an action that a word leads to.
pub(crate) fn choices_of(action: &Action) -> &[(String, BlockId)] {
    match action {
        Action::Menu(menu) => &menu.choices,
        Action::Stream { choices, .. } => choices,
        Action::Switch(switch) => &switch.choices,
        Action::Ask(ask) => &ask.choices,
        _ => &[],
    }
}

fn ending_to(handlers: &Handlers, inner: BlockId) -> Option<String> {
    Ending::ALL.into_iter().find(|ending| handlers.get(*ending) == inner).map(|ending| ending.word().to_owned())
}

/// The answers of an action to its endings.
pub(crate) const fn handlers_of(action: &Action) -> Option<&Handlers> {
    match action {
        Action::Menu(menu) => Some(&menu.handlers),
        Action::Collect(collect) => Some(&collect.handlers),
        Action::Queue(queue) => Some(&queue.handlers),
        Action::Dial(dial) => Some(&dial.handlers),
        Action::Agent { handlers, .. }
        | Action::HandBack { handlers, .. }
        | Action::Conference { handlers, .. }
        | Action::Supervise { handlers, .. }
        | Action::Park { handlers, .. }
        | Action::Voicemail { handlers, .. }
        | Action::Retrieve { handlers, .. }
        | Action::PickUp { handlers, .. }
        | Action::Stream { handlers, .. } => Some(handlers),
        _ => None,
    }
}
