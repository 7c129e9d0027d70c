//! What callers send becomes no target, no path and no header, wherever a plan writes it.
//!
//! `hostile/texts.json` holds what was tried against this and other switches. Each text stands for the caller, for
//! what was dialled, for what a carrier tells and for what was pressed; each step that can take a text is given it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

use tandem_dialplan::{CallFacts, Input, Output, Plan, Run, World, describe, say};
use tandem_switch::{
    cdr::Origin,
    step::{Phrase, Step, StepOutcome, Target, Whom},
};

use crate::{noon, plan, world};

/// One way for each step that can be given a text.
const STEPS: &[&str] = &[
    r#"dial extension="{text}" ring="10s""#,
    r#"dial trunk="carrier" number="{text}""#,
    r#"dial trunk="carrier" number="00{text}""#,
    r#"dial extension="1001" caller-id="{text}""#,
    r#"dial { extension "1002"; outside trunk="carrier" number="{text}"; }"#,
    r#"hand-back "{text}""#,
    r#"conference "{text}""#,
    r#"conference "room-{text}""#,
    r#"voicemail "{text}""#,
    r#"retrieve "{text}""#,
    r#"pickup "{text}""#,
    r#"supervise "{text}""#,
    r#"say number="{text}""#,
    r#"say digits="{text}""#,
];

const SETTINGS: &str = r#"
    extensions from=1001 to=1010
    supervisors "1001"
    pickup-group "desk" { extension "1001" "1002"; }
    parking "lot" from=700 to=709
    mailbox "support"
    trunk "carrier" { match "192.0.2.1"; peer "udp" "192.0.2.1"; takes-refer #true; keep-header "X-Account" as="account"; }
"#;

static WORLD: LazyLock<World> = LazyLock::new(world);

/// The texts, each with what it tries.
fn texts() -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/texts.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Plans in which the text comes in each of the ways that there are, one for each way and step.
fn plans(step: &str) -> Vec<Arc<Plan>> {
    let from = if step.starts_with("supervise") || step.starts_with("pickup") { "extension" } else { "any" };
    let route = |guard: &str, before: &str, variable: &str| {
        let step = step.replace("{text}", &format!("{{{variable}}}"));
        let lines = [format!("from {from}"), guard.to_owned(), "answer".to_owned(), before.to_owned(), step];
        plan(&format!("{SETTINGS}\nroute \"all\" {{\n{}\nplay \"goodbye\"\n}}", lines.join("\n")))
    };
    vec![
        route("", "", "caller"),
        route("", "", "dialled"),
        route("", "", "account"),
        route(r##"to matches=#"(?s)(?<rest>.*)"#"##, "", "rest"),
        route(r##"caller matches=#"(?s)(?<rest>.*)"#"##, "", "rest"),
        route("", r#"collect max=32 as="keys""#, "keys"),
    ]
}

/// All that a call is given until it ends; each step goes wrong, and what is asked for is the text.
fn steps(plan: &Arc<Plan>, text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for origin in [Origin::Trunk("carrier".into()), Origin::Extension("1001".into())] {
        let facts = CallFacts { origin, from: text.into(), to: text.into(), language: None, overrides: Arc::default() };
        let mut run = Run::new(Arc::clone(plan), facts).told(BTreeMap::from([("account".to_owned(), text.to_owned())]));
        run.handle(noon(), Input::Start);
        while let Some(output) = run.poll() {
            match output {
                Output::Step(step) => {
                    let outcome =
                        if matches!(step, Step::Collect(_)) { StepOutcome::Digits(text.into()) } else { StepOutcome::Done };
                    steps.push(step);
                    run.handle(noon(), Input::Outcome(outcome));
                }
                Output::Trace(_, line) => assert!(!line.contains(char::is_control), "{line:?} is no line of a trace"),
                Output::Routed(_) => {}
            }
        }
    }
    steps
}

/// What a carrier may be sent as a number.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b))
}

fn is_extension(text: &str) -> bool {
    text.len() == 4 && text.parse().is_ok_and(|n: u32| (1_001..=1_010).contains(&n))
}

fn is_harmless(step: &Step) -> bool {
    match step {
        Step::Dial(dial) => {
            let harmless = |target: &Target| match target {
                Target::Extension(extension) => is_extension(extension.as_str()),
                Target::Trunk { trunk, number } => trunk.as_str() == "carrier" && is_number(number.as_str()),
                Target::Fixed(_) => false,
            };
            dial.targets.iter().all(harmless) && dial.caller_id.as_ref().is_none_or(|number| is_number(number.as_str()))
        }
        Step::HandBack { number } => is_number(number.as_str()),
        Step::Conference { room, .. } => {
            let name = room.as_str();
            (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        }
        Step::Voicemail(message) => message.mailbox.as_str() == "support" || is_extension(message.mailbox.as_str()),
        Step::Take(Whom::Parked(slot)) => slot.as_str().parse().is_ok_and(|n: u32| (700..=709).contains(&n)),
        Step::Take(Whom::Calling(whom)) => whom.iter().all(|extension| is_extension(extension.as_str())),
        Step::Supervise { agent, .. } => is_extension(agent.as_str()),
        // What is spoken is a file each: of those that ship, whatever the text was.
        Step::Play { audio, .. } => {
            let known = &WORLD.prompts[&audio.language];
            say(audio).iter().all(|prompt| known.contains(prompt))
                && audio.phrases.iter().all(|phrase| matches!(phrase, Phrase::Prompt(_) | Phrase::Number(_) | Phrase::Digits(_)))
        }
        Step::Answer | Step::Collect(_) | Step::Hangup { .. } => true,
        _ => false,
    }
}

#[test]
fn no_text_of_a_caller_becomes_a_target_a_path_or_a_header() {
    let texts = texts();
    assert!(texts.len() > 60);
    for step in STEPS {
        for plan in plans(step) {
            for (tries, text) in &texts {
                for given in steps(&plan, text) {
                    assert!(is_harmless(&given), "{step} with {text:?} ({tries}): {given:?}");
                }
            }
        }
    }
}

/// The test above would see it.
#[test]
fn each_step_is_reached_with_a_text_that_is_one() {
    let mut seen = BTreeMap::new();
    for step in STEPS {
        for plan in plans(step) {
            for text in ["1002", "700", "+390212345678"] {
                let word = |given: &Step| describe(given).split(' ').next().unwrap_or_default().to_owned();
                seen.entry(*step).or_insert_with(Vec::new).extend(steps(&plan, text).iter().map(word));
            }
        }
        let words = &seen[step];
        let kinds: BTreeSet<_> = words.iter().filter(|word| !["answer", "hang", "play"].contains(&word.as_str())).collect();
        assert!(!kinds.is_empty() || step.starts_with("say"), "{step} is never given: {words:?}");
    }
}
