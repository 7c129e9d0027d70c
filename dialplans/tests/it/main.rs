//! The dialplan language from text to text: what is wrong is said, what is right runs to its end.

#![expect(clippy::unwrap_used, reason = "what is not as expected fails the test")]

mod again;
mod decisions;
mod demo;
mod docs;
mod edit;
mod editor;
mod fuzz;
mod grown;
mod grown_runs;
mod hostile;
mod import;
mod imports;
mod keep;
mod many;
mod replay;
mod runs;
mod shipped;
mod simulate;
mod wrong;

use std::sync::Arc;

use tandem_dialplan::{CallFacts, Input, Output, Plan, Report, Run, Source, World, check, describe, vocabulary};
use tandem_switch::{
    cdr::Origin,
    name::PromptName,
    step::{Step, StepOutcome},
    time::Timestamp,
};

/// Recordings as they ship, one environment variable, one file.
fn world() -> World {
    let mut world = World::default();
    let plain = "welcome goodbye closed invalid-key no-input try-later all-agents-busy please-hold no-agents agent-signed-in agent-error \
                 unavailable busy no-answer not-found echo-start recording-notice ext-enter \
                 voicemail-greeting callback-offer callback-kept callback-agent confirm-call";
    for language in ["en", "it"] {
        let names = plain.split_whitespace().map(PromptName::from).chain(vocabulary(&language.into()).unwrap());
        world.prompts.insert(language.into(), names.collect());
    }
    world.shared_prompts.extend(["music/hold".into(), "music/beep".into()]);
    world.environment.insert("CARRIER_SECRET".into());
    for file in ["secrets/carrier", "secrets/signing-key.pem", "trust/authorities.pem"] {
        world.files.insert(file.into());
    }
    world
}

fn checked(text: &str) -> (Option<Plan>, Report) {
    check(&[Source::new("plan.kdl", text)], &world())
}

/// A plan that must be right; what was found is shown when it is not.
fn plan(text: &str) -> Arc<Plan> {
    let (plan, report) = checked(text);
    Arc::new(plan.unwrap_or_else(|| panic!("{}", report.drawn(false))))
}

/// A Sunday noon in November, in UTC.
fn noon() -> Timestamp {
    Timestamp::from_ms(1_795_348_800_000)
}

fn facts(from: &str, to: &str) -> CallFacts {
    let origin = match from.strip_prefix("trunk:") {
        Some(trunk) => Origin::Trunk(trunk.into()),
        None => Origin::Extension(from.into()),
    };
    let from = if from.starts_with("trunk:") { "+393471234567" } else { from };
    CallFacts { origin, from: from.into(), to: to.into(), language: None, overrides: Arc::default() }
}

/// Runs a call; `outcomes` answers each step that is not simply done. One line a step.
fn ladder(plan: &Arc<Plan>, facts: CallFacts, outcomes: &[StepOutcome]) -> String {
    let mut run = Run::new(Arc::clone(plan), facts);
    let mut outcomes = outcomes.iter().cloned();
    let mut lines = String::new();
    run.handle(noon(), Input::Start);
    while let Some(output) = run.poll() {
        match output {
            Output::Routed(route) => lines += &format!("[{route}]\n"),
            Output::Trace("step", _) => {}
            Output::Trace(kind, what) => lines += &format!("  ({kind}: {what})\n"),
            Output::Step(step) => {
                lines += &format!("  {}\n", describe(&step));
                let done = matches!(step, Step::Ring | Step::Answer | Step::Play { .. });
                let outcome = if done { Some(StepOutcome::Done) } else { outcomes.next() };
                if let (false, Some(outcome)) = (matches!(step, Step::Hangup { .. }), outcome) {
                    run.handle(noon(), Input::Outcome(outcome));
                }
            }
        }
    }
    lines
}
