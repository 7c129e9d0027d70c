//! The command line beside a running switch.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use serde_json::Value;
use tandem_tests::{
    ground::Ground,
    journal::Journal,
    phone::Phone,
    sipp::{Devices, Script},
    switch::{Switch, program},
    wait,
};

use crate::TEAM;

#[test]
fn a_plan_is_checked_and_explained() {
    let switch = Switch::demo();
    let checked = switch.cli(&["check", "demo"]);
    assert!(checked.contains("0 errors"), "{checked}");
    let office = switch.ground.plan(&format!("{TEAM}\nschedule \"office\" {{ open \"mon-fri\" \"08:00-18:00\"; }}\n"));
    let checked = switch.cli(&["check", office.to_str().expect("plain paths")]);
    assert_eq!(checked.lines().filter(|line| line.ends_with("opens") || line.ends_with("closes")).count(), 10, "{checked}");
    let bad = switch.ground.plan(&TEAM.replace("hangup \"busy\"", "hangup \"bussy\""));
    let out = switch.command(&["check", bad.to_str().expect("plain paths")]).output().expect("the program runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("plan.kdl:") && text.contains("busy"), "{text}");

    let explained = switch.cli(&["explain", "--to", "1800", "--from", "1001"]);
    assert!(explained.contains("support"), "{explained}");
    let explained = switch.cli(&["explain", "--to", "4711", "--from", "1001"]);
    assert!(explained.contains("unknown") && explained.contains("30-routes.kdl"), "{explained}");
}

#[test]
fn an_address_that_stands_for_all_is_refused_at_the_start() {
    let ground = Ground::new();
    let mut switch = Command::new(program())
        .args(["serve", "--config", "demo", "--data", "var", "--bind", "0.0.0.0"])
        .current_dir(&ground.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let status = wait::until("the switch does not start", wait::SOON, || switch.try_wait().expect("our child"));
    let mut said = String::new();
    switch.stderr.take().expect("piped above").read_to_string(&mut said).expect("text");
    assert!(!status.success() && said.contains("0.0.0.0") && said.contains("--bind"), "{said}");
}

#[test]
fn people_and_tokens_are_made_and_unmade() {
    let switch = Switch::demo();
    switch.cli(&["user", "remove", "1010"]);
    assert!(!switch.cli(&["user", "list"]).contains("1010"));
    switch.cli(&["user", "add", "1010", "--name", "Ada", "--queue", "support"]);
    let listed = switch.cli(&["user", "list"]);
    assert!(listed.contains("Ada") && listed.contains("1001"), "{listed}");
    assert_eq!(switch.agent("1010")["state"], "offline");

    let made: Value =
        serde_json::from_str(&switch.cli(&["token", "add", "wallboard", "--scope", "read", "--format", "json"])).expect("JSON");
    let secret = made["token"].as_str().unwrap_or_else(|| panic!("a token in {made}")).to_owned();
    let with =
        |arguments: &[&str]| switch.command(arguments).env("TANDEM_TOKEN", &secret).output().expect("the program runs").status;
    assert!(with(&["queue", "list"]).success());
    assert!(!with(&["agent", "1001", "sign-in"]).success(), "reading is not changing");
    let tokens = switch.cli(&["token", "list"]);
    assert!(tokens.contains("wallboard") && !tokens.contains(&secret), "{tokens}");
    let id = made["id"].as_str().unwrap_or_else(|| panic!("an identifier in {made}"));
    switch.cli(&["token", "revoke", id]);
    assert!(!with(&["queue", "list"]).success(), "revoked");
    for path in ["/api/v1/queues", "/metrics"] {
        assert_eq!(switch.status(path), 401, "{path}");
    }
}

#[test]
fn calls_can_be_followed_explained_and_counted() {
    let switch = Switch::demo();
    let mut follow = switch.command(&["follow", "1800"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
    let _agent = Devices::start(&switch, &["1002"], Script::new("agent-answers", &switch));
    let mut caller = Phone::of(&switch, "1001").start(&switch);
    switch.cli(&["agent", "1002", "sign-in"]);
    switch.cli(&["agent", "1002", "not-ready", "lunch"]);
    caller.dial("1800");
    switch.until_call("1001", "queued");

    let item = switch.get("/queues/support")["items"][0]["item"].as_str().expect("somebody waits").to_owned();
    Journal::open(&switch).until("queued", 1, wait::SOON);
    let why = switch.cli(&["why", &item]);
    assert!(why.contains("1002") && why.contains("lunch"), "{why}");
    let queues = switch.cli(&["queue", "list"]);
    assert!(queues.contains("support") && queues.contains("sales"), "{queues}");
    assert!(switch.cli(&["queue", "show", "support"]).contains("1001"));
    assert!(switch.cli(&["calls", "list"]).contains("1800"));
    assert!(switch.cli(&["agents"]).contains("lunch"));

    switch.cli(&["agent", "1002", "ready"]);
    let call = switch.until_call("1001", "talking")["call"].as_str().expect("an identifier").to_owned();
    switch.cli(&["calls", "hangup", &call]);
    caller.expect("CALL_CLOSED");
    switch.until_cdr("1001");
    assert!(switch.cli(&["calls", "show", &call]).contains("1002"));
    assert!(switch.cli(&["calls", "cdr", "--queue", "support"]).contains("1001"));
    assert!(switch.cli(&["why", &item]).contains("accepted"));

    follow.kill().expect("our child");
    let lines: Vec<String> = BufReader::new(follow.stdout.take().expect("piped above")).lines().map_while(Result::ok).collect();
    follow.wait().expect("our child");
    for wanted in ["route", "queue", "INVITE 1800 (sdp)", "ended"] {
        assert!(lines.iter().any(|line| line.contains(wanted)), "no {wanted} in:\n{}", lines.join("\n"));
    }
    assert_eq!(switch.metric("tandem_calls_started_total"), 1.0);
    for counter in
        ["tandem_media_packets_in_total", "tandem_media_packets_out_total", "tandem_store_records_total", "tandem_registrations"]
    {
        assert!(switch.metric(counter) > 0.0, "{counter}");
    }
    for (counter, value) in
        [("tandem_offers_ended_total{outcome=\"accepted\"}", 1.0), ("tandem_calls_ended_total{cause=\"normal\"}", 1.0)]
    {
        assert_eq!(switch.metric(counter), value, "{counter}");
    }
}
