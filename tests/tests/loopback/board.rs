//! The live board on a console that somebody else's library made.

use std::net::TcpStream;

use serde_json::Value;
use tandem_tests::{
    program::Program,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::{TEAM, survive::kill_and_start};

/// Sends the console away, or brings it back.
fn toggle(console: &Program) {
    TcpStream::connect(("127.0.0.1", console.port())).expect("the console listens");
}

/// The next message in which the queue is as wanted, with all numbers on the way.
fn until(console: &mut Program, what: &str, is_so: impl Fn(&Value) -> bool) -> Vec<(i64, Value)> {
    let mut seen = Vec::new();
    for _ in 0..200 {
        let message = console.until("board");
        let tile = message["queues"].as_array().and_then(|all| all.iter().find(|tile| tile["queue"] == "support")).cloned();
        seen.push((message["seq"].as_i64().expect("a number"), message));
        if tile.is_some_and(|tile| is_so(&tile)) {
            return seen;
        }
    }
    panic!("never: {what}; {seen:?}");
}

#[test]
fn a_console_sees_the_floor_and_gets_what_it_missed() {
    let mut switch = Switch::with_plan(TEAM);
    let (server, token) = switch.access();
    let mut console = Program::of_script("board.py", &[&server, &token]);
    console.until("watching");
    let first = until(&mut console, "the whole board", |tile| tile["waiting"] == 0);
    assert_eq!(first[0].1["anew"], true);
    let _phones = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    until(&mut console, "an agent is there", |tile| tile["agents"]["ready"] == 1);

    toggle(&console);
    console.until("away");
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("1800").start().succeed();
    switch.until_cdr("1011");
    let answered = |switch: &Switch| switch.get("/kpis?by=queue&kpi=answered")["rows"][0]["figures"][0]["value"] == 1.0;
    wait::until_true("the call counts", || answered(&switch));
    toggle(&console);
    let after = console.until("watching")["after"].as_i64().expect("it knows a number");
    let seen = until(&mut console, "the call is over and counts", |tile| {
        tile["today"]["answered"] == 1 && tile["talking"] == 0 && tile["today"]["service_level"] == 1.0
    });
    for (expected, (seq, message)) in (after + 1..).zip(&seen) {
        assert_eq!((*seq, &message["anew"]), (expected, &Value::Bool(false)), "what was missed, in order: {message}");
    }
    // The same figures as the API's and Prometheus'.
    let level = &switch.get("/kpis?by=queue&kpi=service-level&variant=default")["rows"][0]["figures"][0]["value"];
    assert_eq!(level, 1.0);
    let metrics = String::from_utf8(switch.download("/metrics")).expect("text");
    assert!(metrics.contains("tandem_queue_offered_total{queue=\"support\"} 1\n"), "{metrics}");
    assert!(metrics.contains("tandem_queue_answered_total{queue=\"support\"} 1\n"), "{metrics}");

    // Another process gives other numbers: the console begins anew.
    toggle(&console);
    console.until("away");
    kill_and_start(&mut switch);
    toggle(&console);
    console.until("watching");
    assert_eq!(console.until("board")["anew"], true);
    switch.until_agent("1001", "ready");
}

#[test]
fn a_day_is_run_again_and_the_tables_are_what_the_journal_says() {
    let switch = Switch::with_plan(TEAM);
    let _phones = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    for caller in ["1011", "1012"] {
        Script::new("caller-waits-for-bye", &switch).user(&switch, caller).dial("1800").start().succeed();
        switch.until_cdr(caller);
    }
    switch.until_agent("1001", "ready");
    let since = switch.until_cdr("1011")["started_at"].as_str().expect("an instant").to_owned();
    let plan = switch.ground.plan(TEAM);
    let plan = plan.to_str().expect("plain paths");
    let rerun = ["--format", "json", "replay", "floor", "--since", &since, "--plan", plan, "--staff", "support=+1"];
    let told: Value = serde_json::from_str(&switch.cli(&rerun)).expect("JSON");
    let answered =
        told["rows"].as_array().expect("rows").iter().find(|row| row["queue"] == "support" && row["kpi"] == "answered");
    let answered = answered.expect("the queue's figure");
    assert_eq!(
        (&answered["recorded"], &answered["rerun"], &answered["changed"]),
        (&2.0.into(), &2.0.into(), &2.0.into()),
        "{told}"
    );
    let drawn = switch.cli(&["replay", "floor", "--since", &since, "--plan", plan]);
    assert!(drawn.contains("RERUN AS IT WAS") && drawn.contains("2 callers"), "{drawn}");
    wait::until_true("everything is written", || {
        switch.cli(&["journal", "verify"]).contains("the tables are what the journal says")
    });
}
