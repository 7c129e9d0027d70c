//! What holds of every way through a plan that grew out of bytes. Also what `tests/fuzz/targets/plan_runs.rs` asserts.

use std::sync::Arc;

use tandem_dialplan::{CallFacts, Input, KeptRun, MAX_STEPS, Output, Plan, Run, Source, World, check, vocabulary};
use tandem_switch::{
    cdr::Origin,
    step::{Step, StepOutcome},
    time::Timestamp,
};

use crate::grown::{self, Dice};

const AT: Timestamp = Timestamp::from_ms(1_795_348_800_000);
/// Runs on one plan.
const RUNS: usize = 4;

/// Grows a plan, and with it one that may come; takes calls through the first. Whether the plan was taken at all.
pub(crate) fn grow_and_run(bytes: &[u8]) -> bool {
    let mut dice = Dice::new(bytes);
    let text = grown::plan(&mut dice);
    let Some(plan) = checked(&text) else { return false };
    let other = if dice.roll(3) == 2 { checked(&grown::plan(&mut dice)) } else { None };
    for _ in 0..RUNS {
        run(&plan, other.as_ref(), &mut dice, &text);
        if dice.is_spent() {
            break;
        }
    }
    true
}

fn checked(text: &str) -> Option<Arc<Plan>> {
    let mut world = World::default();
    for language in ["en", "it"] {
        let names = grown::PROMPTS.iter().map(|name| (*name).into());
        world.prompts.insert(language.into(), names.chain(vocabulary(&language.into()).unwrap_or_default()).collect());
    }
    world.shared_prompts.insert("music/hold".into());
    let (plan, report) = check(&[Source::new("grown.kdl", text)], &world);
    assert_eq!(plan.is_none(), report.has_errors(), "{}", report.lines());
    assert!(!report.diagnostics.iter().any(|found| found.code == "syntax"), "{text}\n{}", report.lines());
    plan.map(Arc::new)
}

/// One call, told random things, written down and read back now and then, on the same plan or the one that came. Each plan
/// may take it so many steps; then it is over.
fn run(plan: &Arc<Plan>, other: Option<&Arc<Plan>>, dice: &mut Dice<'_>, text: &str) {
    let callers = [Origin::Extension("1001".into()), Origin::Trunk("carrier".into())];
    let origin = callers[dice.roll(2)].clone();
    let from = if matches!(origin, Origin::Extension(_)) { "1001" } else { "+393471234567" };
    let to = ["1000", "200", "1234", "0390212", "1005", "*"][dice.roll(6)];
    let facts = CallFacts { origin, from: from.into(), to: to.into(), language: None, overrides: Arc::default() };
    let mut run = Run::new(Arc::clone(plan), facts);
    let mut most = MAX_STEPS;
    let mut given = 0;
    run.handle(AT, Input::Start);
    loop {
        let step = match run.poll() {
            Some(Output::Step(step)) => step,
            Some(Output::Routed(_) | Output::Trace(..)) => continue,
            None => panic!("a run gave no step and did not hang up:\n{text}"),
        };
        if matches!(step, Step::Hangup { .. }) {
            break;
        }
        given += 1;
        assert!(given <= most, "more than {most} steps:\n{text}");
        if dice.roll(4) == 3 {
            run = read_back(&run, plan, text);
            if let Some(other) = other.filter(|_| dice.roll(4) == 3) {
                let kept = run.keep();
                // The new plan counts on where it has the same place, and from the begin where it has not.
                run = Run::restore(Arc::clone(other), &kept).unwrap_or_else(|| Run::lost(Arc::clone(other), &kept));
                most = given + MAX_STEPS;
            }
        }
        run.handle(AT, Input::Outcome(outcome(dice)));
    }
    run.handle(AT, Input::Outcome(StepOutcome::Done));
    run.handle(AT, Input::Start);
    assert_eq!(run.poll(), None, "nothing comes after the end:\n{text}");
}

/// The same run out of what was written down of it.
fn read_back(run: &Run, plan: &Arc<Plan>, text: &str) -> Run {
    let kept: KeptRun = serde_json::from_str(&serde_json::to_string(&run.keep()).expect("plain data")).expect("what was written");
    assert_eq!(kept, run.keep());
    let again = Run::restore(Arc::clone(run.plan()), &kept);
    let again =
        again.unwrap_or_else(|| panic!("a place that its own plan does not know: {kept:?}\n{text}\n{}", plan.routes.len()));
    assert_eq!(again.keep(), kept, "read back, it is somewhere else:\n{text}");
    again
}

fn outcome(dice: &mut Dice<'_>) -> StepOutcome {
    match dice.roll(16) {
        0 => StepOutcome::Digits("1".into()),
        1 => StepOutcome::Digits("2".into()),
        2 => StepOutcome::Digits("1003".into()),
        3 => StepOutcome::Digits("#".into()),
        4 => StepOutcome::NoInput,
        5 => StepOutcome::Busy,
        6 => StepOutcome::NoAnswer,
        7 => StepOutcome::Unreachable,
        8 => StepOutcome::Rejected,
        9 => StepOutcome::NoAgents,
        10 => StepOutcome::TimedOut,
        11 => StepOutcome::Full,
        12 => StepOutcome::Error,
        13 => StepOutcome::Said("billing".into()),
        _ => StepOutcome::Done,
    }
}
