//! Calls that are only thought of, beside real ones.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tandem_tests::{
    ground::Ground,
    phone::Phone,
    sipp::{Devices, Script},
    switch::{Switch, program},
    wait,
};

use crate::{TEAM, tells};

/// What plan and call say, in order.
pub(crate) fn said<'a>(rows: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = rows.into_iter().map(|row| (word(row, "part"), word(row, "text")));
    rows.filter(|(part, _)| part == "plan" || part == "call").map(|(part, text)| format!("{part}: {text}")).collect()
}

/// What a follower is told while somebody calls, until the call says `last`.
fn followed(switch: &Switch, number: &str, last: &str) -> Vec<String> {
    let mut follow =
        switch.command(&["follow", number, "--format", "json"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
    let mut caller = Phone::of(switch, "1001").start(switch);
    caller.dial(number);
    let lines = BufReader::new(follow.stdout.take().expect("piped above")).lines().map_while(Result::ok);
    let mut real = Vec::new();
    for line in lines {
        real.extend(said([&serde_json::from_str::<Value>(&line).expect("JSON")]));
        if real.last().is_some_and(|row| row.starts_with(last)) {
            break;
        }
    }
    follow.kill().expect("our child");
    follow.wait().expect("our child");
    drop(caller);
    switch.until_cdr("1001");
    wait::until_true("nobody follows", || switch.metric("tandem_http_subscribers") == 0.0);
    real
}

fn thought(switch: &Switch, arguments: &[&str]) -> Vec<String> {
    let simulated = switch.cli(&[&["simulate", "demo", "--from", "1001", "--format", "json"], arguments].concat());
    let simulated: Value = serde_json::from_str(&simulated).expect("JSON");
    assert_eq!(simulated["record"]["from"], "1001", "{simulated}");
    said(simulated["trace"].as_array().expect("rows"))
}

#[test]
fn a_simulated_call_tells_the_story_of_a_real_one() {
    let switch = Switch::demo();
    // Nobody is signed in at the first number, nobody is there at all at the second.
    for number in ["1800", "4711"] {
        let thought = thought(&switch, &["--to", number]);
        assert!(thought.len() > 5, "{thought:?}");
        assert_eq!(followed(&switch, number, "call: ended"), thought, "{number}");
    }
    let _agent = Devices::start(&switch, &["1002"], Script::new("agent-answers", &switch));
    switch.cli(&["agent", "1002", "sign-in"]);
    let mut thought = thought(&switch, &["--to", "1801", "--agent", "1002=ready"]);
    let until = thought.iter().position(|row| row.starts_with("call: connected")).expect("a conversation");
    thought.truncate(until + 1);
    assert_eq!(followed(&switch, "1801", "call: connected"), thought);
}

fn tandem(ground: &Ground, arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).current_dir(&ground.folder).output().expect("the program runs")
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

#[test]
fn the_tests_of_a_plan_are_run_without_a_switch() {
    let ground = Ground::new();
    let out = tandem(&ground, &["test", "demo", "--junit", "results.xml"]);
    let shown = text(&out);
    assert!(out.status.success() && shown.contains(" 0 failed") && !shown.contains("never:"), "{shown}");
    let xml = std::fs::read_to_string(ground.folder.join("results.xml")).expect("the results");
    assert!(xml.contains("failures=\"0\"") && xml.contains("<testcase name=\"lunch\""), "{xml}");

    let folder = ground.plan(&format!(
        "{TEAM}\ntest \"wrong\" at=\"2026-11-23T10:00:00\" {{ call from=\"1001\" to=\"1002\"; party \"1002\" \"answers\" after=\"1s\"; expect answered-by=\"1003\"; }}\n"
    ));
    let plan = folder.to_str().expect("plain paths");
    let out = tandem(&ground, &["test", plan]);
    let shown = text(&out);
    assert_eq!(out.status.code(), Some(1), "{shown}");
    assert!(shown.contains("FAILED  wrong") && shown.contains("expected an answer of `1003`"), "{shown}");
    assert!(shown.contains("1002 (leg 1) answers") && shown.contains("never: route"), "{shown}");

    for (arguments, wanted) in [
        (vec!["simulate", "demo"], "--to"),
        (vec!["simulate", "demo", "--to", "1000", "--agent", "1002=redy"], "did you mean `ready`?"),
        (vec!["simulate", "demo", "--to", "1000", "--at", "tomorrow"], "no moment"),
        (vec!["simulate", "demo", "--to", "1000", "--from", "+39347"], "no extension"),
        (vec!["test", "demo", "--only", "brunch"], "there is no test `brunch`"),
    ] {
        let out = tandem(&ground, &arguments);
        assert!(!out.status.success() && text(&out).contains(wanted), "{arguments:?}: {}", text(&out));
    }
}

#[test]
fn yesterdays_calls_on_another_plan_say_which_would_go_elsewhere() {
    let switch = Switch::demo();
    let mut caller = Phone::of(&switch, "1001").start(&switch);
    for number in ["1800", "4711"] {
        caller.dial(number);
        caller.expect("CALL_CLOSED");
    }
    switch.until_cdrs("number=1001", 2);
    let replay = |more: &[&str]| tandem(&switch.ground, &[&["replay"], more].concat());
    let out = replay(&["demo", "--against", "demo"]);
    assert!(out.status.success() && text(&out).contains("2 calls, 0 would go elsewhere"), "{}", text(&out));

    // A plan in which nothing leads to the support line.
    let folder = switch.ground.join("other");
    let unpacked = switch.ground.join("var/demo");
    std::fs::create_dir_all(&folder).expect("a writable folder");
    for file in std::fs::read_dir(&unpacked).expect("the demo").map_while(Result::ok) {
        let plan = std::fs::read_to_string(file.path()).expect("a file of the plan").replace("to \"1800\"", "to \"1809\"");
        std::fs::write(folder.join(file.file_name()), plan).expect("a writable folder");
    }
    let other = folder.to_str().expect("plain paths");
    let out = replay(&[other]);
    let shown = text(&out);
    assert_eq!(out.status.code(), Some(1), "{shown}");
    assert!(shown.contains("2 calls, 1 would go elsewhere") && shown.contains("1800"), "{shown}");
    let out = replay(&[other, "--format", "json"]);
    let found: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let moved = &found["elsewhere"][0];
    assert_eq!(found["calls"], 2, "{found}");
    tells(moved, &[("from", "1001"), ("to", "1800"), ("route", "support"), ("fate", "route"), ("by", "unknown")]);
    for (arguments, wanted) in [(vec!["nowhere"], "folder"), (vec!["demo", "--since", "yesterday"], "no moment")] {
        let out = replay(&arguments);
        assert!(!out.status.success() && text(&out).contains(wanted), "{arguments:?}: {}", text(&out));
    }
}
