//! What services answer that a plan asks, in a script.

use tandem_switch::{
    ask::{Ask, Unanswered},
    call::Input,
    name::ServiceName,
};

use super::{
    behaviour::split,
    script::{MAX_CALL_MS, Script, ScriptError},
    stage::{Event, Stage},
};
use crate::{
    decisions::AskService,
    diagnostic::did_you_mean,
    plan::{Action, Plan},
};

/// Words for a service that does not answer.
const FAILURES: &[(&str, Unanswered)] = &[
    ("late", Unanswered::Late),
    ("unreachable", Unanswered::Unreachable),
    ("busy", Unanswered::Busy),
    ("refused", Unanswered::Status(503)),
    ("malformed", Unanswered::Malformed),
];
/// A service of which no time is said answers after so long, in ms.
const ANSWERS_AFTER_MS: u64 = 100;
/// Answers of one script at most.
const MAX_REPLIES: usize = 64;

/// One answer of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    after_ms: u64,
    /// The word and the values.
    says: Result<(String, Vec<(String, String)>), Unanswered>,
}

impl Script {
    /// What a service answers: `crm=gold`, `crm=gold:language=it;name=Rossi`, `crm=late`. Said more than once, it is the
    /// answers to one question after another; the last one holds from then on.
    ///
    /// # Errors
    /// There is no such service, or no such word or value.
    pub fn answer_text(&mut self, plan: &Plan, text: &str) -> Result<(), ScriptError> {
        let (name, rest) = super::script::named(text, "crm=gold")?;
        let (word, values) = split(rest);
        let mut given = Vec::new();
        for value in values.into_iter().flat_map(|values| values.split(';')) {
            let (name, value) = super::script::named(value, "crm=gold:language=it")?;
            given.push((name.to_owned(), value.to_owned()));
        }
        self.answer(plan, name, word, None, given)
    }

    /// The same, word by word.
    ///
    /// # Errors
    /// As [`Self::answer_text`].
    pub fn answer(
        &mut self,
        plan: &Plan,
        service: &str,
        word: &str,
        after_ms: Option<u64>,
        values: Vec<(String, String)>,
    ) -> Result<(), ScriptError> {
        if !plan.decision_services.contains_key(service) {
            let known = plan.decision_services.keys().map(ServiceName::as_str);
            return Err(ScriptError::unknown("decision-service", service, known));
        }
        let questions: Vec<&AskService> = questions(plan).filter(|ask| ask.service.as_str() == service).collect();
        if after_ms.is_some_and(|ms| ms > MAX_CALL_MS) {
            return Err(ScriptError::new("a simulated call does not last so long"));
        }
        for (name, _) in &values {
            let known = || questions.iter().flat_map(|ask| ask.receives.iter().map(String::as_str));
            if !known().any(|known| known == name) {
                let sentence = format!("`{service}` is asked for no value `{}`", name.escape_debug());
                return Err(ScriptError { suggestion: did_you_mean(name, known()), ..ScriptError::new(sentence) });
            }
        }
        // A word of the plan means itself, whatever else it could mean.
        let is_known = questions.iter().any(|ask| ask.words().any(|known| known == word));
        let failure = FAILURES.iter().find(|(known, _)| *known == word).map(|(_, why)| *why);
        let says = match failure.filter(|_| !is_known) {
            Some(_) if !values.is_empty() => return Err(ScriptError::new(format!("`{word}` gives no values"))),
            Some(why) => Err(why),
            None if is_known => Ok((word.to_owned(), values)),
            None => {
                let mut all: Vec<&str> = Vec::new();
                for word in questions.iter().flat_map(|ask| ask.words()).chain(FAILURES.iter().map(|(word, _)| *word)) {
                    if !all.contains(&word) {
                        all.push(word);
                    }
                }
                let sentence = format!("`{}` is no answer: expected {}", word.escape_debug(), all.join(", "));
                let suggestion = did_you_mean(word, all.iter().copied());
                return Err(ScriptError { suggestion, ..ScriptError::new(sentence) });
            }
        };
        let replies = self.replies.entry(service.into()).or_default();
        if replies.len() >= MAX_REPLIES {
            return Err(ScriptError::new(format!("a script has at most {MAX_REPLIES} answers of a service")));
        }
        replies.push(Reply { after_ms: after_ms.unwrap_or(ANSWERS_AFTER_MS), says });
        Ok(())
    }
}

/// All questions of a plan.
fn questions(plan: &Plan) -> impl Iterator<Item = &AskService> {
    plan.blocks().flat_map(|block| &block.steps).filter_map(|placed| match &placed.action {
        Action::Ask(ask) => Some(ask),
        _ => None,
    })
}

impl Stage<'_> {
    /// A service is asked, and does what the script says.
    pub(super) fn asked(&mut self, question: u32, ask: &Ask) {
        let replies = self.script.replies.get(&ask.service);
        let turn = self.asked.entry(ask.service.clone()).or_default();
        let reply = replies.and_then(|replies| replies.get(*turn).or(replies.last()));
        *turn += 1;
        let answer = match reply.map(|reply| &reply.says) {
            Some(Ok((word, values))) => ask.judge(word, values.iter().cloned()),
            Some(Err(why)) => Err(*why),
            None => Err(Unanswered::Unreachable),
        };
        match answer {
            // The call keeps the time by itself.
            Err(Unanswered::Late) => {}
            Err(Unanswered::Busy) => self.inputs.push_back(Input::Answered { question, answer }),
            answer => self.later(reply.map_or(0, |reply| reply.after_ms), Event::Answered { question, answer }),
        }
    }
}
