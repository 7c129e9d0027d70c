//! What values decide: variables that are set, conditions, and services that are asked.
//!
//! Values come from callers and from services. None of them is a word of the trace; only the plan's own words are.

use tandem_switch::{
    ask::{Answer, Ask, MAX_VALUE_BYTES},
    name::Language,
    step::{Step, StepOutcome},
};

use super::{Run, give::Next};
use crate::{
    decisions::{AskService, Condition, LanguageChoice, MAX_SET_BYTES, OTHERWISE, Switch},
    plan::{BlockId, Plan},
    template::{Part, Template},
};

impl Run {
    /// A value that cannot be had, or is too long, is empty: whatever it is used for takes that for nobody.
    pub(super) fn set(&mut self, variable: &str, to: &Template) -> Next {
        let value = self.fill(to).filter(|value| value.len() <= MAX_SET_BYTES);
        self.trace("set", &format!("{variable}{}", if value.is_some() { "" } else { ": no value, or too long" }));
        self.variables.insert(variable.to_owned(), value.unwrap_or_default());
        Next::GoOn
    }

    pub(super) fn set_language(&mut self, plan: &Plan, choice: &LanguageChoice) -> Next {
        let wanted = match choice {
            LanguageChoice::This(language) => Some(language.clone()),
            LanguageChoice::Of(template) => self.fill(template).map(Language::from).filter(|it| plan.languages.contains(it)),
        };
        match wanted {
            Some(language) => {
                self.trace("language", language.as_str());
                self.language = language;
            }
            None => self.trace("language", &format!("{} still: the plan does not speak what was asked for", self.language)),
        }
        Next::GoOn
    }

    pub(super) fn if_so(
        &mut self,
        plan: &Plan,
        value: &Template,
        (condition, holds): (&Condition, bool),
        block: BlockId,
    ) -> Next {
        let bound = condition.holds(self.fill(value).as_deref(), &plan.extensions);
        let word = if bound.is_some() { "yes" } else { "no" };
        self.trace("if", &format!("{value} {}: {word}", condition.label()));
        if bound.is_some() == holds {
            self.open_block(block);
        }
        self.variables.extend(bound.filter(|_| holds).into_iter().flatten());
        Next::GoOn
    }

    pub(super) fn switch(&mut self, plan: &Plan, switch: &Switch) -> Next {
        let value = self.fill(&switch.value);
        let mut branches = switch.conditions.iter().zip(&switch.choices);
        let found = branches.find_map(|(condition, (label, block))| {
            let bound = condition.holds(value.as_deref(), &plan.extensions)?;
            Some((bound, label, *block))
        });
        match found {
            Some((bound, label, block)) => {
                self.trace("switch", &format!("{} {label}", switch.value));
                self.variables.extend(bound);
                self.open_block(block);
            }
            None => self.trace("switch", &format!("{} fits no branch", switch.value)),
        }
        Next::GoOn
    }

    pub(super) fn ask_service(&self, plan: &Plan, ask: &AskService) -> Next {
        let value_of = |name: &String| {
            let value = self.fill(&Template { parts: vec![Part::Variable(name.clone())] })?;
            Some((name.clone(), value))
        };
        let first = self.open.first().map(|(block, _)| *block);
        Next::Give(Step::Ask(Box::new(Ask {
            service: ask.service.clone(),
            budget_ms: ask.budget_ms,
            words: ask.words().map(str::to_owned).collect(),
            receives: ask.receives.clone(),
            origin: self.facts.origin.clone(),
            from: self.facts.from.clone(),
            to: self.facts.to.clone(),
            route: first.and_then(|first| plan.route_of(first)).map(|route| route.name.clone()),
            language: self.language.clone(),
            variables: ask.sends.iter().filter_map(value_of).collect(),
        })))
    }

    /// Goes on with what a service answered, or without an answer. Whoever asked it has held the answer against the
    /// question; that is not relied on.
    pub(super) fn answered(&mut self, ask: &AskService, outcome: &StepOutcome) {
        let taken = match outcome {
            StepOutcome::Answered(answer) => match ask.choices.iter().find(|(word, _)| *word == answer.word && word != OTHERWISE)
            {
                Some((word, block)) => Ok((answer, word, *block)),
                None => Err("a word that the plan does not know".to_owned()),
            },
            StepOutcome::Unanswered(why) => Err(why.to_string()),
            _ => Err("it could not be asked".to_owned()),
        };
        match taken {
            Ok((answer, word, block)) => {
                self.trace("answered", word);
                for name in &ask.receives {
                    self.variables.insert(name.clone(), received(answer, name).to_owned());
                }
                self.open_block(block);
            }
            Err(why) => {
                self.trace("unanswered", &format!("({why})"));
                if let Some((_, block)) = ask.choices.last() {
                    self.open_block(*block);
                }
            }
        }
    }
}

fn received<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    if value.len() <= MAX_VALUE_BYTES && !value.contains(char::is_control) { value } else { "" }
}
