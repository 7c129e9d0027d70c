//! Bad input by the thousand: text that was a plan once, and callers who do anything.

use std::{cell::Cell, path::Path, sync::Arc};

use proptest::{prelude::*, test_runner::Config};
use tandem_dialplan::{
    Fact, Input, Lengths, MAX_CALL_MS, MAX_STEPS, Output, Plan, Run, Script, Simulation, Source, check, needs, read_sources,
    run_test, simulate,
};
use tandem_switch::{
    ask::{Answer, Unanswered},
    step::{Step, StepOutcome},
};

use crate::{facts, grown_runs::grow_and_run, noon, world};

pub(crate) fn seeds() -> Vec<String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["demo", "../tests/load", "tests/wrong", "tests/calls"].map(|folder| read_sources(&home.join(folder)).unwrap());
    folders.into_iter().flatten().map(|source| source.text.to_string()).collect()
}

/// A cut, a repeat, a swap or a strange character at some place.
pub(crate) fn mutate(text: &str, edits: &[(u8, usize, usize)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (kind, at, other) in edits {
        let length = chars.len().max(1);
        let (from, to) = (at % length, (at % length + other % 40).min(chars.len()));
        match kind % 5 {
            0 => drop(chars.drain(from..to)),
            1 => {
                let piece: Vec<char> = chars[from..to].to_vec();
                let place = other % length;
                chars.splice(place..place, piece);
            }
            2 => chars.truncate(from),
            3 => {
                let strange = ['{', '}', '"', '#', '\\', '/', '*', '=', '\0', '\u{feff}', 'é', ';', '(', '\n', '-', '9'];
                chars.insert(from.min(chars.len()), strange[other % strange.len()]);
            }
            _ => {
                let place = other % length;
                if from < chars.len() && place < chars.len() {
                    chars.swap(from, place);
                }
            }
        }
    }
    chars.into_iter().collect()
}

fn outcome(n: u8) -> StepOutcome {
    match n % 17 {
        0 => StepOutcome::Digits("1".into()),
        1 => StepOutcome::Digits("2".into()),
        2 => StepOutcome::Digits("9".into()),
        3 => StepOutcome::Digits("1003".into()),
        4 => StepOutcome::Digits(String::new()),
        5 => StepOutcome::NoInput,
        6 => StepOutcome::Busy,
        7 => StepOutcome::NoAnswer,
        8 => StepOutcome::Unreachable,
        9 => StepOutcome::Rejected,
        10 => StepOutcome::NoAgents,
        11 => StepOutcome::TimedOut,
        12 => StepOutcome::Full,
        13 => StepOutcome::Answered(Answer { word: "gold".into(), values: vec![("a".into(), "x".repeat(99))] }),
        14 => StepOutcome::Unanswered(Unanswered::Late),
        _ => StepOutcome::Done,
    }
}

/// Feeds outcomes, matching or not, until the run hangs up; that must come within the bound.
pub(crate) fn to_the_end(plan: &Arc<Plan>, from: &str, to: &str, outcomes: &[u8]) {
    let mut run = Run::new(Arc::clone(plan), facts(from, to));
    let mut outcomes = outcomes.iter().cycle();
    let mut given = 0;
    run.handle(noon(), Input::Start);
    loop {
        match run.poll() {
            Some(Output::Step(Step::Hangup { .. })) => break,
            Some(Output::Step(_)) => {
                given += 1;
                assert!(given <= MAX_STEPS, "more steps than allowed");
                run.handle(noon(), Input::Outcome(outcome(*outcomes.next().unwrap_or(&13))));
            }
            Some(_) => {}
            None => panic!("the run gave no step and did not hang up"),
        }
    }
    run.handle(noon(), Input::Outcome(StepOutcome::Done));
    assert_eq!(run.poll(), None, "nothing comes after the end");
}

/// What holds of every call that was simulated.
fn whole(simulation: &Simulation) {
    assert!(simulation.after_ms(simulation.cdr.ended_at) <= MAX_CALL_MS + 2_000, "{simulation}");
    let last = simulation.called_back.last().unwrap_or(&simulation.cdr);
    assert_eq!(simulation.facts.last(), Some(&Fact::Ended(last.cause)), "{simulation}");
    for cdr in simulation.called_back.iter().chain([&simulation.cdr]) {
        let mut at = cdr.started_at;
        for segment in &cdr.segments {
            assert_eq!(segment.from_at, at, "{simulation}");
            at = segment.to_at;
        }
        assert_eq!(at, cdr.ended_at, "{simulation}");
    }
    assert!(simulation.called_back.windows(2).all(|pair| pair[0].ended_at <= pair[1].started_at), "{simulation}");
    assert!(!simulation.to_string().contains("more happens"), "{simulation}");
}

fn shipped(folder: &str) -> Arc<Plan> {
    let loaded = tandem_dialplan::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    Arc::new(loaded.plan.unwrap())
}

proptest! {
    #![proptest_config(Config { cases: 128, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_mutated_plan_is_checked_without_panic_and_runs_to_its_end(
        seed in any::<usize>(),
        edits in prop::collection::vec(any::<(u8, usize, usize)>(), 1..6),
        outcomes in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let seeds = seeds();
        let source = Source::new("plan.kdl", mutate(&seeds[seed % seeds.len()], &edits));
        let _ = needs(std::slice::from_ref(&source));
        let (plan, report) = check(&[source], &world());
        prop_assert_eq!(plan.is_none(), report.has_errors());
        let _ = report.drawn(false);
        if let Some(plan) = plan {
            let plan = Arc::new(plan);
            for test in plan.tests.iter().take(5) {
                whole(&run_test(&plan, test, &Lengths::default()).simulation);
            }
            for (from, to) in [("1001", "1"), ("1001", "1000"), ("1001", "1003"), ("trunk:callers", "4000"), ("trunk:carrier", "777")] {
                to_the_end(&plan, from, to, &outcomes);
            }
        }
    }

    #[test]
    fn every_way_through_the_shipped_plans_ends_with_a_hang_up(to in "[0-9*#]{1,5}|10(00|0[1-9]|10)|1800|1999|[*]1[1-4]|4000|2[02]00", outcomes in prop::collection::vec(any::<u8>(), 1..40)) {
        thread_local! {
            static PLANS: [Arc<Plan>; 2] = [shipped("demo"), shipped("../tests/load")];
        }
        PLANS.with(|plans| {
            for plan in plans {
                to_the_end(plan, "1001", &to, &outcomes);
                to_the_end(plan, "trunk:callers", &to, &outcomes);
            }
        });
    }

    #[test]
    fn whatever_a_script_says_the_call_ends_and_its_record_is_whole(
        to in "10(00|0[1-9]|10)|180[01]|1999|[*]1[1-4]",
        digits in "(([0-9*#]{1,4}|nothing|wait [1-9]s,[0-9]),){0,6}9",
        agents in prop::collection::vec((1001..=1010_u32, 0..8_usize, 0..20_u32), 0..5),
        hang_up_s in 0..400_u64,
    ) {
        thread_local! {
            static DEMO: Arc<Plan> = shipped("demo");
        }
        DEMO.with(|plan| {
            let mut script = Script::new(plan, noon(), Some("1001"), None, &to).unwrap();
            script.types(&digits).unwrap();
            for (agent, word, after_s) in agents {
                let words = ["ready", "away", "offline", "busy", "no-answer", "rejected", "unreachable", "nonsense"];
                let after = if ["ready", "rejected"].contains(&words[word]) { format!(":{}s", after_s + 1) } else { String::new() };
                let _twice = script.party_text(plan, &format!("{agent}=forwards:{}", 1001 + after_s % 10));
                let _twice_or_wrong = script.agent_text(plan, &format!("{agent}={}{after}", words[word]));
            }
            if hang_up_s < 300 {
                script.hangs_up_after(hang_up_s * 1_000).unwrap();
            }
            whole(&simulate(plan, &script, &Lengths::default()));
        });
    }

    #[test]
    fn any_text_at_all_in_a_script_is_read_without_panic(text in "(?s).{0,60}", name in "[0-9a-z=:,+]{0,12}") {
        thread_local! {
            static DEMO: Arc<Plan> = shipped("demo");
        }
        DEMO.with(|plan| {
            for text in [text, name] {
                let _ = Script::new(plan, noon(), Some(&text), None, &text).map(|script| whole(&simulate(plan, &script, &Lengths::default())));
                let mut script = Script::new(plan, noon(), None, None, "1000").unwrap();
                let _ = script.types(&text);
                let _ = script.agent_text(plan, &text);
                let _ = script.party_text(plan, &text);
                let _ = script.program_text(plan, &text);
                let _ = script.schedule_text(plan, &text);
                let _ = script.full(plan, &text);
                let _ = script.fault(&text);
                whole(&simulate(plan, &script, &Lengths::default()));
            }
        });
    }

    #[test]
    fn any_text_at_all_is_checked_without_panic(text in "(?s).{0,200}") {
        let (plan, report) = check(&[Source::new("plan.kdl", text.clone()), Source::new("a.ics", text)], &world());
        prop_assert_eq!(plan.is_none(), report.has_errors());
    }
}

#[test]
fn a_plan_that_grew_out_of_bytes_takes_every_call_to_its_end() {
    let (taken, grown) = (Cell::new(0), Cell::new(0));
    proptest!(Config { cases: 400, failure_persistence: None, ..Config::default() }, |(bytes in prop::collection::vec(any::<u8>(), 0..600))| {
        grown.set(grown.get() + 1);
        taken.set(taken.get() + usize::from(grow_and_run(&bytes)));
    });
    let (taken, grown) = (taken.get(), grown.get());
    assert!(taken * 8 > grown, "{taken} of {grown} plans were right: too few to prove anything");
}

#[test]
fn bombs_are_refused_in_little_time() {
    let deep = 100_000;
    for text in [
        "a {".repeat(deep),
        "a {".repeat(23),
        "route \"r\" { ".repeat(24) + &"}".repeat(24),
        "/*".repeat(deep),
        "/-".repeat(1_000),
        "a \\\n".repeat(1_000),
        "\"".repeat(deep),
        "#".repeat(deep),
        "(".repeat(deep),
        format!("route \"r\" {{ from any; {} }}", "unless-open \"x\" { ".repeat(20) + &"} ".repeat(20)),
        "queue \"q\"\n".repeat(20_000),
        format!("x {}", "\"a\" ".repeat(50_000)),
    ] {
        let (plan, report) = check(&[Source::new("bomb.kdl", text)], &world());
        assert!(plan.is_none());
        assert!(report.diagnostics.len() <= tandem_dialplan::MAX_DIAGNOSTICS + 1);
    }
}
