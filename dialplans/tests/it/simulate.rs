//! Simulated calls. Each `calls/*.kdl` is a plan with tests and ends with what comes of them, one `//~` line after another;
//! `UPDATE_EXPECTED=1` writes these lines anew, for a person to read.

use std::{fs, path::PathBuf, sync::Arc};

use tandem_dialplan::{Coverage, Lengths, MAX_CALL_MS, Plan, Script, Source, TestResult, check, junit, run_test, simulate};
use tandem_switch::cause::Cause;

use crate::{noon, plan, world};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/calls")
}

/// One second for each recording that has a name of its own.
fn lengths() -> Lengths {
    let mut lengths = Lengths::default();
    for name in ["welcome", "closed", "goodbye", "please-hold", "ext-enter"] {
        lengths.insert(format!("en/{name}"), 1_000);
        lengths.insert(format!("it/{name}"), 1_500);
    }
    lengths
}

#[test]
fn every_call_goes_as_it_went_before() {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 5);
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let of = |wanted: bool| -> String {
            text.lines().filter(|line| line.starts_with("//~") == wanted).map(|line| format!("{line}\n")).collect()
        };
        let (written, expected) = (of(false), of(true));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (plan, report) = check(&[Source::new(name.as_str(), written.as_str())], &world());
        let plan = Arc::new(plan.unwrap_or_else(|| panic!("{}", report.drawn(false))));
        let mut coverage = Coverage::of(&plan);
        let mut told = String::new();
        for test in &plan.tests {
            let TestResult { failure, simulation } = run_test(&plan, test, &lengths());
            told += &format!("\n== {} ({})\n{simulation}", test.name, failure.as_deref().unwrap_or("passed"));
            coverage.add(&simulation);
        }
        let (routes, branches, steps) = (coverage.routes(), coverage.branches(), coverage.steps());
        told += &format!("\n== reached: routes {routes:?}, branches {branches:?}, steps {steps:?}\n");
        coverage.never().iter().for_each(|never| told += &format!("never {} ({}:{})\n", never.what, never.file, never.line));
        let found: String = told.lines().map(|line| format!("//~ {line}").trim_end().to_owned() + "\n").collect();
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&path, format!("{written}{found}")).unwrap();
        } else {
            assert_eq!(found, expected, "{name}");
        }
    }
}

/// A plan whose every route is tried by hand.
fn small() -> Arc<Plan> {
    plan(
        r#"
        extensions from=1001 to=1003
        queue "support" { when-empty "wait"; }
        route "wait" { from any; to "1"; queue "support"; }
        route "echo" { from any; to "2"; answer; play "echo-start"; echo; }
        route "round" { from any; to "3"; play "busy"; goto "round-again"; }
        route "round-again" { play "busy"; goto "round-back"; }
        route "round-back" { play "busy"; goto "round-again"; }
        "#,
    )
}

#[test]
fn a_call_ends_in_virtual_time_whatever_the_plan_does() {
    let plan = small();
    for to in ["1", "2", "3"] {
        let mut script = Script::new(&plan, noon(), Some("1002"), None, to).unwrap();
        let ended = |script: &Script| {
            let simulation = simulate(&plan, script, &lengths());
            (simulation.after_ms(simulation.cdr.ended_at), simulation.cdr.cause, simulation.rows.len() + simulation.left_out)
        };
        let (ms, _, _) = ended(&script);
        assert!(ms <= 600_000, "ten minutes unless said: {ms}");
        script.hangs_up_after(MAX_CALL_MS).unwrap();
        let (ms, cause, rows) = ended(&script);
        assert!(ms <= MAX_CALL_MS && rows < 10_000, "{to}: {ms} ms, {rows} rows");
        // Who goes round by nobody's will is ended by the plan's own bound.
        assert_eq!((cause, ms == MAX_CALL_MS), if to == "3" { (Cause::Fault, false) } else { (Cause::Normal, true) }, "{to}");
        assert!(script.hangs_up_after(MAX_CALL_MS + 1).is_err());
    }
}

#[test]
fn the_same_script_gives_the_same_story() {
    let plan = small();
    let mut script = Script::new(&plan, noon(), None, None, "1").unwrap();
    script.agent_text(&plan, "1003=ready:7s").unwrap();
    let story = || simulate(&plan, &script, &lengths()).to_string();
    assert_eq!(story(), story());
    assert!(story().contains("1003"), "{}", story());
}

#[test]
fn a_script_that_cannot_be_is_refused_with_what_was_meant() {
    let plan = plan(
        r#"
        extensions from=1001 to=1003
        trunk "carrier" { match "192.0.2.1"; }
        trunk "other" { match "192.0.2.2"; }
        mailbox "office"
        audio-stream "bot" { url "ws://127.0.0.1:9/"; }
        schedule "office" { open "daily" "08:00-18:00"; }
        route "r" { from any; when-open "office" { play "closed"; }; stream "bot"; }
        route "t" { from trunk="carrier"; from trunk="other"; to "9"; voicemail "office"; }
        "#,
    );
    let new = |from: Option<&str>, trunk: Option<&str>, to: &str| Script::new(&plan, noon(), from, trunk, to);
    let refused = |error: tandem_dialplan::ScriptError| match &error.suggestion {
        Some(suggestion) => format!("{error} ({suggestion})"),
        None => error.to_string(),
    };
    assert!(new(Some("1001"), None, "1").is_ok() && new(None, Some("other"), "1").is_ok());
    let of = |from, trunk, to| refused(new(from, trunk, to).unwrap_err());
    assert_eq!(of(None, Some("carier"), "1"), "there is no trunk `carier` (did you mean `carrier`?)");
    assert_eq!(
        of(Some("+39347"), None, "1"),
        "`+39347` is no extension: say by which trunk it comes, as in `carrier:+39347` (trunks: carrier, other)"
    );
    assert!(new(Some("other:+39347"), None, "1").is_ok() && new(Some("nobody:+39347"), None, "1").is_err());
    assert!(new(None, None, "1").is_err() && new(Some("1001"), None, "").is_err() && new(Some("1001"), None, "1\n").is_err());
    let mut script = new(Some("1001"), None, "1").unwrap();
    let mut wrong = Vec::new();
    for text in ["1002", "1002=redy", "2002=ready", "1002=busy:3s", "1002=ready:soon", "1002=ready", "1002=busy"] {
        wrong.extend(script.agent_text(&plan, text).map_err(refused).err());
    }
    for text in ["carier=unreachable", "1001=busy:2s", "1001=ready", "1001=forwards", "1001=forwards:bob", "carrier=forwards:1"] {
        wrong.extend(script.party_text(&plan, text).map_err(refused).err());
    }
    for text in ["bott=done", "bot=said", "bot=done:x", "bot=away"] {
        wrong.extend(script.program_text(&plan, text).map_err(refused).err());
    }
    wrong.extend(script.schedule_text(&plan, "offise=open").map_err(refused).err());
    wrong.extend(script.schedule_text(&plan, "office=shut").map_err(refused).err());
    wrong.extend(script.full(&plan, "ofice").map_err(refused).err());
    insta::assert_snapshot!(wrong.join("\n"), @r"
    `1002` says not what: expected as in `1002=ready`
    `redy` is not known here: expected ready, away, offline, busy, no-answer, rejected, unreachable (did you mean `ready`?)
    there is no agent or extension `2002`
    `busy` takes no time: only who answers or declines does
    `soon` is no duration: expected as in `500ms`, `20s`, `2m30s` or `1h`
    agent `1002` is told twice what to do
    there is no extension, number or trunk `carier` (did you mean `carrier`?)
    `busy` takes no time: only who answers or declines does
    `ready` is not known here: expected answers, busy, no-answer, rejected, unreachable, voicemail, forwards
    `forwards` needs the number that is called instead
    `bob` is no telephone number
    only phones of extensions forward here, and `carrier` is none
    there is no audio-stream `bott` (did you mean `bot`?)
    `said` needs the word that the program says
    only a program that `said` something has a word, not one that is `done`
    `away` is not known here: expected done, said, failed, stalled
    there is no schedule `offise` (did you mean `office`?)
    a schedule is `open` or `closed`, not `shut`
    there is no mailbox, parking lot or room `ofice` (did you mean `office`?)
    ");
}

#[test]
fn results_are_written_as_junit() {
    let text = r#"
        extensions from=1001 to=1003
        route "r" { from any; play "closed"; }
        test "good" at="2026-11-23T10:00:00Z" { call to="1"; expect prompt="closed" cause="normal"; }
        test "<bad>" at="2026-11-23T10:00:00Z" { call to="1"; expect prompt="busy"; }
        "#;
    let plan = plan(text);
    let results: Vec<_> = plan.tests.iter().map(|test| (test, run_test(&plan, test, &lengths()))).collect();
    insta::assert_snapshot!(junit(&results), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="dialplan" tests="2" failures="1">
        <testcase name="good" classname="plan.kdl" file="plan.kdl" line="4" time="1.000"/>
        <testcase name="&lt;bad&gt;" classname="plan.kdl" file="plan.kdl" line="5" time="1.000">
          <failure message="plan.kdl:5: expected prompt `busy`; what came: route `r`, prompt `closed`, cause `normal`">Mon 2026-11-23 10:00:00 UTC: 1001 calls 1

        0.000  plan    step play closed (en)
        0.000  call    route r
        0.000  caller  hears closed (en)
        1.000  plan    step hang up: normal
        1.000  call    ended normal by us

    route        r
    ended        after 1.000 s
    cause        normal (by: us)
    time         plan 1.000 s
    </failure>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}
