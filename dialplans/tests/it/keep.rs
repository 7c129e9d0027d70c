//! A run that is written down and goes on in another process, on the same plan or another one.

use std::sync::Arc;

use tandem_dialplan::{Input, KeptRun, Output, Plan, Run};
use tandem_switch::{
    cause::Cause,
    step::{Step, StepOutcome},
};

use super::{facts, noon, plan};

const MENU: &str = r#"
queue "support" {}
route "main" {
    from any
    answer
    menu "welcome" {
        press "1" {
            collect "ext-enter" max=3 as="wanted"
            play "please-hold"
            queue "support" { no-agents { play "no-agents"; hangup; }; }
            play "goodbye"
        }
        otherwise { hangup; }
    }
    play "closed"
}
"#;

/// Written down, read back, and on `plan`.
fn again(run: &Run, plan: &Arc<Plan>) -> Result<Box<Run>, Box<Run>> {
    let kept = written(run);
    match Run::restore(Arc::clone(plan), &kept) {
        Some(run) => Ok(Box::new(run)),
        None => Err(Box::new(Run::lost(Arc::clone(plan), &kept))),
    }
}

fn written(run: &Run) -> KeptRun {
    serde_json::from_str(&serde_json::to_string(&run.keep()).unwrap()).unwrap()
}

fn next(run: &mut Run, input: Input) -> Step {
    run.handle(noon(), input);
    let steps =
        std::iter::from_fn(|| run.poll()).filter_map(|output| if let Output::Step(step) = output { Some(step) } else { None });
    steps.last().expect("a step")
}

fn digits(keys: &str) -> Input {
    Input::Outcome(StepOutcome::Digits(keys.into()))
}

#[test]
fn a_run_goes_on_where_it_was_however_deep() {
    let plan = plan(MENU);
    let (mut one, mut other) = (Run::new(Arc::clone(&plan), facts("1001", "9")), None::<Box<Run>>);
    let inputs = [
        Input::Start,
        Input::Outcome(StepOutcome::Done),
        digits("7"),
        digits("1"),
        digits("123"),
        Input::Outcome(StepOutcome::Done),
        Input::Outcome(StepOutcome::NoAgents),
        Input::Outcome(StepOutcome::Done),
    ];
    for input in inputs {
        let step = next(&mut one, input.clone());
        if let Some(other) = &mut other {
            assert_eq!(next(other, input), step, "after a restart it went otherwise");
        }
        if !matches!(step, Step::Hangup { .. }) {
            let back = again(&one, &plan).expect("the same plan has the same places");
            assert_eq!(written(&back), written(&one));
            other = Some(back);
        }
    }
    assert!(matches!(next(&mut again(&one, &plan).unwrap_err(), Input::Outcome(StepOutcome::Done)), Step::Hangup { .. }));
}

#[test]
fn a_place_that_an_edit_moved_or_did_away_with_is_lost_and_the_others_are_found() {
    let run = &mut Run::new(plan(MENU), facts("1001", "9"));
    for input in [Input::Start, Input::Outcome(StepOutcome::Done), digits("1"), digits("123")] {
        next(run, input);
    }
    // It plays `please-hold`. Other prompts and steps elsewhere do not matter.
    let edited = plan(&MENU.replace("\"welcome\"", "\"closed\"").replace("play \"closed\"", "play \"closed\"; play \"goodbye\""));
    let mut found = again(run, &edited).expect("the place is there");
    assert!(matches!(next(&mut found, Input::Outcome(StepOutcome::Done)), Step::Queue(_)));
    // The choice is another one now, or a step stands in the way, or the route has another name.
    for (from, to) in [("press \"1\"", "press \"2\""), ("play \"please-hold\"", ""), ("\"main\"", "\"other\"")] {
        let mut lost = again(run, &plan(&MENU.replace(from, to))).expect_err("the place is gone");
        assert!(again(&lost, &edited).is_err(), "who is lost stays lost");
        assert_eq!(next(&mut lost, Input::Outcome(StepOutcome::Error)), Step::Answer, "the plan begins anew");
    }
    let mut lost = again(run, &plan(&MENU.replace("\"main\"", "\"other\""))).expect_err("the place is gone");
    let end = next(&mut lost, Input::Outcome(StepOutcome::Done));
    assert_eq!(end, Step::Hangup { cause: Cause::Normal }, "a conversation that ended well ends the call");
}
