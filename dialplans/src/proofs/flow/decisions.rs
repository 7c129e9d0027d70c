//! Paths through what values decide: variables that are set, conditions, and services that are asked.

use std::rc::Rc;

use super::{State, Walk, joined};
use crate::{
    decisions::{AskService, Condition, LanguageChoice, OTHERWISE, Switch},
    plan::{Action, Plan},
    source::Location,
    template::{CALLER, DIALLED, Part, Template},
};

impl Walk<'_> {
    pub(super) fn decision(&mut self, action: &Action, at: Location, mut state: State) -> Option<State> {
        match action {
            Action::Set { variable, to } => {
                self.uses(to, at, &state);
                self.gives(variable, at, &mut state);
                Some(state)
            }
            Action::SetLanguage(LanguageChoice::Of(template)) => {
                self.uses(template, at, &state);
                Some(state)
            }
            Action::If { value, condition, holds, block } => {
                self.decides_by(value, condition, at, &state);
                let inside = if *holds { self.with(value, condition, at, &state) } else { state.clone() };
                let inside = self.block(*block, inside);
                joined([inside, Some(state)])
            }
            Action::Switch(switch) => self.switch(switch, at, state),
            Action::Ask(ask) => self.ask(ask, at, state),
            _ => Some(state),
        }
    }

    fn switch(&mut self, switch: &Switch, at: Location, state: State) -> Option<State> {
        let mut paths = Vec::new();
        let mut before = None;
        for (condition, (_, block)) in switch.conditions.iter().zip(&switch.choices) {
            self.decides_by(&switch.value, condition, at, &state);
            // Many words lead to one block, and in all of them the same is known there.
            let binds_nothing = matches!(condition, Condition::Is(_));
            if binds_nothing && before.replace(*block) == Some(*block) {
                continue;
            }
            let inside = self.with(&switch.value, condition, at, &state);
            paths.push(self.block(*block, inside));
        }
        if !switch.has_otherwise() {
            paths.push(Some(state));
        }
        joined(paths)
    }

    /// No time need pass: a service that cannot be reached is known at once.
    fn ask(&mut self, ask: &AskService, at: Location, state: State) -> Option<State> {
        for name in &ask.sends {
            self.knows(&Template { parts: vec![Part::Variable(name.clone())] }, at, &state);
        }
        let mut answered = state.clone();
        for name in &ask.receives {
            self.gives(name, at, &mut answered);
        }
        let mut paths = Vec::new();
        let mut before = None;
        for (word, block) in &ask.choices {
            if before.replace(*block) == Some(*block) {
                continue;
            }
            let inside = if word == OTHERWISE { &state } else { &answered };
            paths.push(self.block(*block, inside.clone()));
        }
        joined(paths)
    }

    /// A variable has a value from here on; it must not have had one.
    pub(super) fn gives(&mut self, variable: &str, at: Location, state: &mut State) {
        if [CALLER, DIALLED].contains(&variable) || !Rc::make_mut(&mut state.variables).insert(variable.to_owned()) {
            let message = format!("`{variable}` has a value already: choose another name");
            self.say_once("twice", at, |findings, at| findings.error("twice", at, message));
        }
    }

    /// Whether there is a value may be asked of any variable that the plan can set somewhere.
    fn decides_by(&mut self, value: &Template, condition: &Condition, at: Location, state: &State) {
        let somewhere = |name: &str| can_be_set(self.plan, name);
        match condition {
            Condition::Known | Condition::Empty if value.variables().all(somewhere) => {}
            // That it is a number, or there, tells nobody which.
            Condition::Known | Condition::Empty | Condition::Type(_) | Condition::Otherwise => self.knows(value, at, state),
            Condition::Is(_) | Condition::Fits(_) => self.uses(value, at, state),
        }
    }

    /// What is known where a condition holds.
    fn with(&mut self, value: &Template, condition: &Condition, at: Location, state: &State) -> State {
        let mut inside = state.clone();
        for name in condition.names() {
            self.gives(name, at, &mut inside);
        }
        if matches!(condition, Condition::Known)
            && let [Part::Variable(name)] = value.parts.as_slice()
        {
            Rc::make_mut(&mut inside.variables).insert(name.clone());
        }
        inside
    }
}

/// Whether some path through the plan gives the variable a value.
fn can_be_set(plan: &Plan, name: &str) -> bool {
    let captured = plan.routes.iter().flat_map(|route| route.to.iter().chain(&route.caller));
    let by_step = |action: &Action| match action {
        Action::Set { variable, .. } => variable == name,
        Action::Collect(collect) => collect.variable == name,
        Action::Ask(ask) => ask.receives.iter().any(|known| known == name),
        Action::If { condition, .. } => condition.names().contains(&name),
        Action::Switch(switch) => switch.conditions.iter().any(|condition| condition.names().contains(&name)),
        _ => false,
    };
    captured.flat_map(crate::pattern::NumberMatch::names).any(|known| known == name)
        || plan.blocks().flat_map(|block| &block.steps).any(|placed| by_step(&placed.action))
}
