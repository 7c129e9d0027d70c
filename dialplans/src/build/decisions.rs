//! Values and what follows from them: variables, conditions, and services that are asked.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::{
    ask::MAX_VALUES,
    name::{Language, ServiceName},
};

use super::{Builder, tops};
use crate::{
    decisions::{AskService, BUDGET_MS, Condition, DecisionService, LanguageChoice, OTHERWISE, ServiceUrl, Switch},
    pattern::NumberMatch,
    plan::{Action, Block, BlockId, DigitShape, Placed},
    proofs::covers,
    read::{Data, Item, Value},
    shared_list::SharedList,
    source::Location,
    template::Template,
};

/// Names of what callers type in secret.
pub(super) fn secrets(parts: &SharedList<Vec<Block>>) -> BTreeSet<String> {
    let steps = parts.iter().flat_map(|part| &**part).flat_map(|block| &block.steps);
    let secret = |placed: &Placed| match &placed.action {
        Action::Collect(collect) if collect.secret => Some(collect.variable.clone()),
        _ => None,
    };
    steps.filter_map(secret).collect()
}

impl Builder<'_> {
    pub(super) fn decision_services(&mut self, items: &[Item]) -> BTreeMap<ServiceName, DecisionService> {
        let mut all = BTreeMap::new();
        for item in tops(items, "decision-service") {
            if let (Some(name), Some(service)) = (item.text(), self.decision_service(item)) {
                all.entry(name.into()).or_insert(service);
            }
        }
        all
    }

    fn decision_service(&mut self, item: &Item) -> Option<DecisionService> {
        let Some(value) = item.child("url").and_then(|url| url.args.first()) else {
            self.findings.error("missing-url", item.at, "`decision-service` needs `url`");
            return None;
        };
        let Some(url) = ServiceUrl::parse(value.text()?) else {
            self.findings.error("bad-value", value.at, "expected `https://host/path` or `http://127.0.0.1:port/path`");
            return None;
        };
        if !url.is_secure() && !url.is_loopback() {
            let message = "what is known of calls would go to another machine in the clear";
            self.findings.error_with("unencrypted", value.at, message, Some("use `https://`".into()));
        }
        let token = item.child("token").and_then(|token| token.args.first()).and_then(Value::secret).cloned();
        Some(DecisionService { url, token })
    }

    pub(super) fn set(&mut self, item: &Item) -> Option<Action> {
        match (item.args.first(), item.prop("to"), item.prop("language")) {
            (Some(variable), Some(to), None) => {
                let (variable, to) = (variable.text()?.to_owned(), to.as_template()?);
                Some(Action::Set { variable, to })
            }
            (None, None, Some(language)) => {
                let choice = match &language.data {
                    Data::Template(template) => {
                        self.several_languages(language.at);
                        LanguageChoice::Of(template.clone())
                    }
                    _ => LanguageChoice::This(Language::from(language.text()?)),
                };
                Some(Action::SetLanguage(choice))
            }
            _ => {
                let message = "expected `set \"variable\" to=\"…\"` or `set language=\"…\"`";
                self.findings.error("bad-set", item.at, message);
                None
            }
        }
    }

    fn several_languages(&mut self, at: Location) {
        if self.languages.len() < 2 {
            let only: Vec<_> = self.languages.iter().map(|language| format!("`{language}`")).collect();
            let message = format!("a variable chooses the language, but this plan speaks only {}", only.concat());
            self.findings.warning_with("one-language", at, message, Some("say which with `languages`".into()));
        }
    }

    pub(super) fn if_so(&mut self, item: &Item) -> Option<Action> {
        let block = self.block(&item.children);
        let value = self.decided_value(item);
        let mut found = Vec::new();
        for (name, value) in &item.props {
            found.extend(match (*name, &value.data) {
                ("known", Data::Flag(known)) => Some(if *known { Condition::Known } else { Condition::Empty }),
                (name, _) => self.condition(name, value),
            });
        }
        if item.props.len() != 1 {
            let message = format!("`{}` takes one of `is`, `fits`, `matches`, `type` and `known`", item.spec.name);
            self.findings.error("bad-condition", item.at, message);
        }
        Some(Action::If { value: value?, condition: found.pop()?, holds: item.spec.name == "if", block })
    }

    pub(super) fn switch(&mut self, item: &Item) -> Option<Action> {
        let value = self.decided_value(item);
        let mut switch = Switch { value: value?, conditions: Vec::new(), choices: Vec::new() };
        for branch in &item.children {
            let block = self.block(&branch.children);
            match branch.spec.name {
                "known" => self.branch(&mut switch, Condition::Known, block, branch.at),
                "empty" => self.branch(&mut switch, Condition::Empty, block, branch.at),
                OTHERWISE => self.branch(&mut switch, Condition::Otherwise, block, branch.at),
                name => {
                    for value in &branch.args {
                        if let Some(condition) = self.condition(name, value) {
                            self.branch(&mut switch, condition, block, value.at);
                        }
                    }
                }
            }
        }
        if item.children.is_empty() {
            self.findings.error("no-choice", item.at, "this switch has no branch");
        }
        Some(Action::Switch(switch))
    }

    /// What is decided by: a value that can be one or another.
    fn decided_value(&mut self, item: &Item) -> Option<Template> {
        let value = item.args.first()?;
        let template = value.as_template()?;
        if template.variables().next().is_none() {
            let message = "this is always the same: expected a variable in braces, as in `{number}`";
            self.findings.error("constant", value.at, message);
        }
        Some(template)
    }

    fn condition(&self, name: &str, value: &Value) -> Option<Condition> {
        match &value.data {
            Data::Pattern(pattern) => Some(Condition::Fits(NumberMatch::Pattern(pattern.clone()))),
            Data::Regex(regex) => Some(Condition::Fits(NumberMatch::Regex(regex.clone()))),
            Data::Text(word) if name == "type" => DigitShape::from_word(word).map(Condition::Type),
            Data::Text(word) => Some(Condition::Is(word.clone())),
            _ => None,
        }
    }

    /// One more condition of a switch. One that can never be the first to hold is pointed out.
    fn branch(&mut self, switch: &mut Switch, condition: Condition, block: BlockId, at: Location) {
        let label = condition.label();
        let is_known = switch.choices.iter().any(|(known, _)| *known == label);
        // A second `otherwise` was said already.
        if is_known && !matches!(condition, Condition::Otherwise) {
            self.findings.error("twice", at, format!("`{label}` stands in this switch twice"));
        } else if let Some(earlier) = switch.conditions.iter().find(|earlier| self.hides(earlier, &condition)) {
            let message = format!("never reached: `{}` before it takes all that this would", earlier.label());
            self.findings.warning("never-reached", at, message);
        }
        switch.conditions.push(condition);
        switch.choices.push((label, block));
    }

    /// Whether all that one condition holds for is taken by an earlier one; `false` where that cannot be told.
    fn hides(&self, earlier: &Condition, later: &Condition) -> bool {
        match (earlier, later) {
            (Condition::Otherwise, _) => true,
            (earlier, Condition::Is(word)) => earlier.holds(Some(word), &self.extensions).is_some(),
            (Condition::Known, Condition::Fits(NumberMatch::Pattern(_)) | Condition::Type(_)) => true,
            (Condition::Type(DigitShape::Number), Condition::Type(_)) => true,
            (Condition::Type(DigitShape::Digits), Condition::Type(DigitShape::Extension)) => true,
            (Condition::Fits(NumberMatch::Pattern(earlier)), Condition::Fits(NumberMatch::Pattern(later))) => {
                covers(earlier, later, &self.extensions)
            }
            _ => false,
        }
    }

    pub(super) fn ask(&mut self, item: &Item) -> Option<Action> {
        let mut choices: Vec<(String, BlockId)> = Vec::new();
        for outcome in item.named("outcome") {
            let block = self.block(&outcome.children);
            for word in outcome.texts() {
                if word == OTHERWISE {
                    self.findings.error(
                        "bad-value",
                        outcome.at,
                        "`otherwise` is what there is no answer for: choose another word",
                    );
                } else if choices.iter().any(|(known, _)| known == word) {
                    self.findings.error("twice", outcome.at, format!("outcome `{word}` is handled twice"));
                }
                choices.push((word.to_owned(), block));
            }
        }
        if choices.is_empty() {
            self.findings.error("no-choice", item.at, "nothing is asked: say what the service may answer with `outcome`");
        }
        let Some(default) = item.child(OTHERWISE) else {
            let message = "what becomes of the call without an answer? Say it with `otherwise`";
            self.findings.error("no-default", item.at, message);
            return None;
        };
        let block = self.block(&default.children);
        choices.push((OTHERWISE.to_owned(), block));
        let [sends, receives] = ["send", "receive"].map(|name| self.names_of(item, name));
        if receives.len() > MAX_VALUES {
            self.findings.error("too-many", item.at, format!("an answer gives at most {MAX_VALUES} values"));
        }
        let (least, most, unless_said) = BUDGET_MS;
        let budget_ms = item.prop_ms("budget").unwrap_or(unless_said);
        if !(least..=most).contains(&budget_ms) {
            let at = item.prop("budget").map_or(item.at, |value| value.at);
            self.findings.error("bad-value", at, "callers wait for this: expected 100ms to 5s");
        }
        Some(Action::Ask(AskService { service: item.text()?.into(), budget_ms, sends, receives, choices }))
    }

    /// Variables that a line of an `ask` names, each once.
    fn names_of(&mut self, item: &Item, line: &'static str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for value in item.child(line).into_iter().flat_map(|line| &line.args) {
            let Some(name) = value.text() else { continue };
            if names.iter().any(|known| known == name) {
                self.findings.error("twice", value.at, format!("`{name}` stands here twice"));
            } else {
                names.push(name.to_owned());
            }
        }
        names
    }
}
