//! A plan file: taken or refused with a place in the file, and a plan that was taken answers every call.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tandem_dialplan::{CallFacts, Fact, Input, Lengths, MAX_CALL_MS, Output, Run, Source, World, check, run_test};
use tandem_switch::{
    cdr::Origin,
    step::{Step, StepOutcome},
    time::Timestamp,
};

fuzz_target!(|text: &str| {
    let sources = [Source::new("plan.kdl", text)];
    let (plan, report) = check(&sources, &World::default());
    for found in &report.diagnostics {
        assert!(!found.message.is_empty());
        assert!(found.line as usize <= text.lines().count() + 1, "line {}", found.line);
    }
    let _ = report.drawn(false);
    let Some(plan) = plan else {
        assert!(!report.diagnostics.is_empty(), "a plan is refused with a reason");
        return;
    };
    let now = Timestamp::from_ms(1_800_000_000_000);
    let facts = CallFacts {
        origin: Origin::Extension("1001".into()),
        from: "1001".into(),
        to: "1000".into(),
        language: None,
        overrides: Arc::default(),
    };
    let plan = Arc::new(plan);
    for test in plan.tests.iter().take(3) {
        let simulation = run_test(&plan, test, &Lengths::default()).simulation;
        assert!(simulation.after_ms(simulation.cdr.ended_at) <= MAX_CALL_MS + 10_000, "a call has no end");
        assert_eq!(simulation.facts.last(), Some(&Fact::Ended(simulation.cdr.cause)));
    }
    let mut run = Run::new(plan, facts);
    run.handle(now, Input::Start);
    // Whoever presses nothing and hangs up nowhere still comes to an end.
    let mut steps = 0;
    while let Some(output) = run.poll() {
        if let Output::Step(step) = output {
            steps += 1;
            assert!(steps <= 2_000, "a plan has no end");
            if matches!(step, Step::Hangup { .. }) {
                return;
            }
            let outcome = match &step {
                Step::Ask(ask) => {
                    let word = ask.words.first().map_or("", String::as_str);
                    let values = ask.receives.iter().map(|name| (name.clone(), "1001".to_owned()));
                    ask.judge(word, values).map_or_else(StepOutcome::Unanswered, StepOutcome::Answered)
                }
                _ => StepOutcome::Done,
            };
            run.handle(now, Input::Outcome(outcome));
        }
    }
});
