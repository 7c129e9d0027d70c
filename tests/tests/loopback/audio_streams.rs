//! Calls' audio for programs that others' libraries made: who hears what, who speaks, and what becomes of those that fail.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tandem_tests::{ground::Ground, phone::Phone, program::Program, switch::Switch, wait};

use crate::{TEAM, survive::kill_and_start, tells};

const CALLER_HZ: f64 = 600.0;
const AGENT_HZ: f64 = 1_400.0;
const TOKEN: &str = "fork-3Vt9";

/// A team whose plan names a program, with more of the plan.
fn start(program: &str, more: &str) -> Switch {
    let ground = Ground::new();
    let config = ground.plan(&format!("audio-stream \"program\" {{\n{program}\n}}\n{more}\n{TEAM}"));
    std::fs::write(config.join("token"), format!("{TOKEN}\n")).expect("a writable folder");
    Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060)
}

/// A plan in which 4000 leads to the program.
fn bot(program: &Program, handlers: &str) -> Switch {
    let route = format!(
        "route \"bot\" {{\n    from any\n    to \"4000\"\n    stream \"program\" {{\n{handlers}\n    }}\n    hangup \"rejected\"\n}}"
    );
    start(&format!("    url \"{}\"", program.url()), &route)
}

/// Which of the streams of a call its record tells of.
fn streams(record: &Value) -> Vec<Value> {
    record["quality"]["streams"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_transcriber_hears_each_side_apart_and_again_after_a_kill() {
    let mut program = Program::start("record", Some(TOKEN));
    let mut switch = start(&format!("    url \"{}\"\n    token \"file:token\"\n    rate \"16000\"", program.url()), "");
    let own = switch.access().1;
    let mut agent = Phone::of(&switch, "1002").hz(AGENT_HZ).answers().start(&switch);
    switch.set_agent("1002", "sign-in");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("1800");
    let call = switch.until_call("1011", "talking")["call"].as_str().expect("a name").to_owned();
    let path = format!("/calls/{call}/stream");
    let order = |switch: &Switch, body: Value| switch.post_as(&own, &path, &body).0;
    assert_eq!(order(&switch, json!({ "stream": "nobody" })), 404);
    assert_eq!(order(&switch, json!({ "stream": "program", "rate": 44_100 })), 400);
    assert_eq!(order(&switch, json!({ "stream": "program", "url": "ws://127.0.0.1:1/" })), 422, "no address is taken");
    switch.cli(&["calls", "stream", &call, "program"]);
    assert_eq!(order(&switch, json!({ "stream": "program" })), 409, "one at a time");
    let started = program.until("start");
    let expected = json!({ "event": "start", "version": 1, "call": call, "stream": "program", "mode": "listen",
        "sides": ["caller", "agent"], "rate": 16_000, "frame_ms": 20, "sequence": 0 });
    assert_eq!(started, expected);
    assert_eq!(program.until("connected")["authorization"], format!("Bearer {TOKEN}"));
    let hears = |program: &Program, connection: u32| {
        wait::until_true("the program hears both", || {
            program.heard(connection, "caller").seconds_of(CALLER_HZ) >= 2.0
                && program.heard(connection, "agent").seconds_of(AGENT_HZ) >= 2.0
        });
        assert_eq!(program.heard(connection, "caller").seconds_with(AGENT_HZ), 0.0, "each side alone");
        assert_eq!(program.heard(connection, "agent").seconds_with(CALLER_HZ), 0.0);
    };
    hears(&program, 0);
    assert!(!program.told("gap"));
    assert_eq!(switch.metric("tandem_audio_streams"), 1.0);

    // The customer pays: silence, marked as such.
    switch.cli(&["calls", "payment", &call, "begin"]);
    assert_eq!(program.until("masked")["side"], "caller");
    let (before, other) = (program.heard(0, "caller").seconds(), program.heard(0, "agent").seconds());
    wait::until_true("time goes on", || program.heard(0, "agent").after(other).seconds_of(AGENT_HZ) >= 1.0);
    assert_eq!(program.heard(0, "caller").after(before).seconds_of_sound(), 0.0);
    switch.cli(&["calls", "payment", &call, "end"]);
    wait::until_true("the caller is heard again", || program.heard(0, "caller").after(before).seconds_of(CALLER_HZ) >= 1.0);

    kill_and_start(&mut switch);
    program.until("start");
    hears(&program, 1);
    // The program is killed and comes back: it is connected once more, and hears on.
    program.kill();
    program.again();
    assert_eq!(program.until("start")["sequence"], 1);
    hears(&program, 0);
    switch.cli(&["calls", "stream", &call, "--end"]);
    assert_eq!(program.until("stop")["reason"], "removed");
    assert_eq!(program.until("closed")["code"], 1_000);
    assert_eq!(order(&switch, json!({ "stream": "program", "sides": "agent", "rate": 8_000 })), 200);
    let again = program.until("start");
    assert_eq!((&again["sides"], &again["rate"]), (&json!(["agent"]), &json!(8_000)));
    wait::until_true("the agent is heard", || program.heard(1, "agent").seconds_of(AGENT_HZ) >= 1.0);
    caller.hang_up();
    assert_eq!(program.until("stop")["reason"], "call-ended");
    assert_eq!(program.heard(1, "caller").seconds(), 0.0, "it was not to hear the caller");
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "normal"), ("blame", "caller")]);
    let told = streams(&record);
    assert_eq!(told.len(), 2, "{record}");
    assert_eq!((&told[0]["ending"], &told[0]["connections"], &told[0]["mode"]), (&json!("stopped"), &json!(2), &json!("listen")));
    assert!(told[0]["frames_sent"].as_u64().expect("a number") > 200, "{record}");
    wait::until_true("no stream is left", || switch.metric("tandem_audio_streams") == 0.0);
    agent.expect("CALL_CLOSED");
}

#[test]
fn a_call_whose_plan_forks_it_goes_on_without_the_program() {
    let mut program = Program::start("record", Some("another"));
    let plan =
        "route \"forked\" {\n    from any\n    to \"4001\"\n    fork \"program\" sides=\"caller\"\n    answer\n    echo\n}";
    let switch = start(&format!("    url \"{}\"\n    token \"file:token\"", program.url()), plan);
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("4001");
    caller.until_heard(CALLER_HZ, 1.0);
    assert_eq!(program.until("refused")["authorization"], format!("Bearer {TOKEN}"));
    program.until("refused");
    wait::until_true("it is given up", || switch.metric("tandem_audio_streams") == 0.0);
    assert!(!program.told("refused"), "one more try, and no more");
    let before = caller.heard().seconds();
    wait::until_true("the call goes on", || caller.heard().after(before).seconds_of(CALLER_HZ) >= 1.0);
    caller.hang_up();
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "normal"), ("blame", "caller")]);
    let told = streams(&record);
    assert_eq!((&told[0]["ending"], &told[0]["connections"]), (&json!("failed"), &json!(0)), "{record}");
}

/// The example of the document, word for word.
fn example() -> String {
    let document = include_str!("../../../docs/audio-streams.md");
    let text = document.split("```python\n").nth(1).expect("an example");
    text.split("```").next().expect("its end").to_owned()
}

#[test]
fn the_example_of_the_document_echoes_and_is_done_at_a_key() {
    let example = example();
    assert!(example.lines().count() <= 20, "an example is short");
    let program = Program::of_text(&example);
    let switch = bot(&program, "outcome \"enough\" { play \"goodbye\"; hangup; }");
    let mut follower = switch.command(&["follow", "1011", "--lines"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut caller = Phone::of(&switch, "1011").codec("opus").hz(CALLER_HZ).start(&switch);
    caller.dial("4000");
    caller.until_heard(CALLER_HZ, 3.0);
    caller.press("#");
    let goodbye = crate::prompt("en/goodbye");
    wait::until_true("the plan goes on", || caller.heard().contains(&goodbye));
    let record = switch.until_cdr("1011");
    tells(&record, &[("route", "bot"), ("cause", "normal")]);
    assert_eq!((&streams(&record)[0]["ending"], &streams(&record)[0]["mode"]), (&json!("done"), &json!("talk")), "{record}");
    follower.kill().expect("it runs");
    let followed = follower.wait_with_output().expect("our child").stdout;
    let followed = String::from_utf8_lossy(&followed);
    for line in ["talk program", "program connected", "said enough"] {
        assert!(followed.contains(line), "{line} in {followed}");
    }
}

#[test]
fn a_bot_is_interrupted_and_hangs_up_when_it_was_heard() {
    let mut program = Program::start("bot", None);
    let switch = bot(&program, "");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("4000");
    caller.until_heard(1_000.0, 1.0);
    caller.press("1");
    assert_eq!(program.until("keys")["keys"], "1");
    assert_eq!(program.until("mark"), json!({ "event": "mark", "name": "long", "cleared": true }));
    assert_eq!(program.until("mark"), json!({ "event": "mark", "name": "short", "cleared": false }));
    let heard = caller.heard();
    assert!(heard.seconds_of(2_000.0) >= 1.6, "{} s of the second tone", heard.seconds_of(2_000.0));
    assert!(heard.seconds_of(1_000.0) < 8.0, "{} s of the first tone", heard.seconds_of(1_000.0));
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "normal"), ("blame", "us")]);
    assert_eq!(streams(&record)[0]["ending"], "hangup");
}

/// Dials the program, and gives the record once the call is over.
fn fails(program: &Program, handlers: &str) -> Value {
    let switch = bot(program, handlers);
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("4000");
    caller.expect("CALL_ESTABLISHED");
    let record = switch.until_cdr("1011");
    wait::until_true("no stream is left", || switch.metric("tandem_audio_streams") == 0.0);
    record
}

const HANDLED: &str = "failed { hangup \"busy\"; }\nstalled { hangup \"no-answer\"; }";

#[test]
fn programs_that_refuse_close_or_speak_nonsense_fail_and_the_plan_goes_on() {
    for mode in ["close", "nonsense"] {
        let program = Program::start(mode, None);
        let record = fails(&program, HANDLED);
        tells(&record, &[("cause", "busy")]);
        assert_eq!(streams(&record)[0]["ending"], "failed", "{mode}: {record}");
    }
    let mut program = Program::start("record", None);
    program.kill();
    let record = fails(&program, "");
    tells(&record, &[("cause", "unavailable")]);
    program = Program::start("record", Some("another"));
    let record = fails(&program, HANDLED);
    tells(&record, &[("cause", "busy")]);
    program.until("refused");
}

#[test]
fn a_program_that_stalls_is_given_up_and_the_plan_goes_on() {
    let program = Program::start("stall", None);
    let [early, late] = [9, 20].map(|seconds| wait::deadline(Duration::from_secs(seconds)));
    let record = fails(&program, HANDLED);
    assert!(wait::passed(early) && !wait::passed(late), "about ten seconds");
    tells(&record, &[("cause", "no-answer")]);
    assert_eq!(streams(&record)[0]["ending"], "stalled", "{record}");
}

#[test]
fn a_program_that_floods_is_closed_with_1008() {
    let mut program = Program::start("flood", None);
    let record = fails(&program, HANDLED);
    tells(&record, &[("cause", "busy")]);
    let told = &streams(&record)[0];
    assert!(told["voice_dropped_ms"].as_u64().expect("a number") >= 29_000, "{record}");
    assert_eq!(program.until("closed")["code"], 1_008);
}
