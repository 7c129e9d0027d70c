//! Calls that `tandem test` simulates.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use tandem_switch::{cause::Cause, time::Timestamp};

use super::{Builder, tops};
use crate::{
    plan::{Plan, parse_number},
    read::{Data, Item, Value},
    simulate::{Expected, Fact, Script, ScriptError, Test},
    source::Location,
};

impl Builder<'_> {
    /// The tests of a plan that is complete but for them.
    pub(super) fn tests(&mut self, items: &[Item], plan: &Plan) -> Vec<Test> {
        let mut names = BTreeSet::new();
        let mut tests = Vec::new();
        for item in tops(items, "test") {
            let Some(name) = item.text() else { continue };
            if !names.insert(name) {
                self.findings.error("twice", item.at, format!("test `{name}` is declared twice"));
            }
            let expected: Vec<_> = item.named("expect").map(|line| self.expected(line, plan)).collect();
            if expected.is_empty() {
                self.findings.error("no-expectation", item.at, "this test expects nothing: say what with `expect`");
            }
            let Some(script) = self.script(item, plan) else { continue };
            let (file, line, _) = self.findings.line_column(item.at);
            tests.push(Test { name: name.to_owned(), file: file.to_owned(), line, script, expected });
        }
        tests
    }

    /// The call of a test; `None` when it is so wrong that an error was given.
    fn script(&mut self, item: &Item, plan: &Plan) -> Option<Script> {
        let Some(call) = item.child("call") else {
            self.findings.error("no-call", item.at, "this test has no call: say who calls with `call from=… to=…`");
            return None;
        };
        let at = match &item.prop("at")?.data {
            Data::When(when) => self.moment(*when, plan.time_zone.clone(), item.at)?,
            _ => return None,
        };
        let (to, trunk) = (call.prop_text("to")?, call.prop_text("trunk"));
        // A name that does not exist was said already.
        trunk.is_none_or(|name| plan.trunks.contains_key(name) || plan.trunk_groups.contains_key(name)).then_some(())?;
        let script = Script::new(plan, at, call.prop_text("from"), trunk, to);
        let mut script = script.map_err(|error| self.wrong(call.at, error)).ok()?;
        if let Some(value) = call.prop("hang-up-after") {
            self.tell(value.at, call.prop_ms("hang-up-after").map_or(Ok(()), |ms| script.hangs_up_after(ms)));
        }
        if let Some(value) = call.prop("talk") {
            self.tell(value.at, call.prop_ms("talk").map_or(Ok(()), |ms| script.talks(ms)));
        }
        for line in &item.children {
            self.tell_line(line, plan, &mut script);
        }
        Some(script)
    }

    /// One line of a test that says what somebody does.
    fn tell_line(&mut self, line: &Item, plan: &Plan, script: &mut Script) {
        let after_ms = line.prop_ms("after");
        let first = line.text();
        let second = line.args.get(1).and_then(Value::text);
        let told = match (line.spec.name, first, second) {
            ("digits", Some(keys), _) => script.types(keys),
            ("agent", Some(name), Some(word)) => script.agent(plan, name, word, after_ms),
            ("party", Some(name), Some(word)) => script.party(plan, name, word, after_ms, line.prop_text("to")),
            ("program", Some(name), Some(word)) if plan.audio_streams.contains_key(name) => {
                script.program(plan, name, word, line.prop_text("word"))
            }
            ("answer", Some(name), Some(word)) if plan.decision_services.contains_key(name) => {
                let values = line.named("value").filter_map(|it| Some((it.text()?.to_owned(), it.prop_text("is")?.to_owned())));
                script.answer(plan, name, word, after_ms, values.collect())
            }
            ("schedule", Some(name), Some(word)) if plan.schedules.contains_key(name) => script.schedule(plan, name, word),
            ("fault", ..) => line.texts().try_for_each(|word| script.fault(word)),
            ("full", ..) => line.texts().try_for_each(|name| script.full(plan, name)),
            // A name or word that does not exist was said already.
            _ => Ok(()),
        };
        self.tell(line.args.first().map_or(line.at, |value| value.at), told);
    }

    fn expected(&mut self, line: &Item, plan: &Plan) -> Expected {
        let mut facts = Vec::new();
        for (name, value) in &line.props {
            let Some(text) = value.text() else { continue };
            facts.extend(match *name {
                "route" => Some(Fact::Route(text.into())),
                "prompt" => Some(Fact::Prompt(text.into())),
                "queue" => Some(Fact::Queue(text.into())),
                "cause" => Cause::from_word(text).map(Fact::Ended),
                "digits" => Some(Fact::Digits(text.to_owned())),
                _ => self.answers(value, text, plan),
            });
        }
        if line.props.is_empty() {
            self.findings.error("no-expectation", line.at, "nothing is expected here: say what, as in `expect route=\"night\"`");
        }
        let (_, number, _) = self.findings.line_column(line.at);
        Expected { line: number, facts }
    }

    /// Somebody who can answer.
    fn answers(&mut self, value: &Value, text: &str, plan: &Plan) -> Option<Fact> {
        let is_agent = plan.starter_profiles().iter().any(|profile| profile.agent.as_str() == text);
        if is_agent || plan.extension(text).is_some() {
            return Some(Fact::Answered(text.to_owned()));
        }
        match parse_number(text) {
            // So short a number is meant to be one of ours.
            Some(number) if number.as_str().len() > 4 => Some(Fact::Answered(number.as_str().to_owned())),
            _ => {
                let message = format!("`{text}` is no agent, no internal number of this plan, and no number outside");
                self.findings.error("unknown-name", value.at, message);
                None
            }
        }
    }

    fn moment(&mut self, when: crate::simulate::When, zone: TimeZone, at: Location) -> Option<Timestamp> {
        if matches!(when, crate::simulate::When::Clock(_)) {
            self.findings.error("bad-value", at, "a test has a date, so that it means the same every day: `2026-12-25T18:05:00`");
            return None;
        }
        when.instant(&zone, Timestamp::default())
    }

    fn tell(&mut self, at: Location, told: Result<(), ScriptError>) {
        if let Err(error) = told {
            self.wrong(at, error);
        }
    }

    fn wrong(&mut self, at: Location, ScriptError { sentence, suggestion }: ScriptError) {
        self.findings.error_with("bad-test", at, sentence, suggestion);
    }
}
