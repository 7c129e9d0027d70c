//! HUP takes a new plan and never a bad one; TERM lets calls end, a second TERM ends them.

use std::fs;

use tandem_tests::{phone::Phone, sipp::Script, switch::Switch, wait};

use crate::{TEAM, tells};

/// Replaces the plan on the disk.
fn write_plan(switch: &Switch, text: &str) {
    let _folder = switch.ground.plan(text);
}

/// A phone in an echo test, so in a call that lasts.
fn in_a_call(switch: &Switch) -> Phone {
    let mut phone = Phone::of(switch, "1011").start(switch);
    phone.dial("1999");
    phone.expect("CALL_ESTABLISHED");
    phone.until_heard(600.0, 0.5);
    phone
}

fn refused(switch: &Switch, user: &str, number: &str, code: &str) {
    Script::new("caller-refused", switch).set("code", code).user(switch, user).dial(number).start().succeed();
}

#[test]
fn a_new_plan_is_taken_a_bad_one_is_not_and_no_call_is_disturbed() {
    let switch = Switch::with_plan(TEAM);
    let mut phone = in_a_call(&switch);
    refused(&switch, "1012", "4711", "404");

    let good = TEAM.replace("play \"not-found\"\n    hangup \"not-found\"", "hangup \"busy\"");
    assert_ne!(good, TEAM);
    write_plan(&switch, &good);
    switch.signal("HUP");
    // Questions are answered while the plan is read.
    wait::until_true("the new plan is in service", || switch.get("/plan")["generation"] == 2);
    refused(&switch, "1013", "4711", "486");
    assert_eq!(switch.get("/plan")["by"], "signal");

    let line = 1 + good.lines().position(|line| line == "    queue \"support\"").expect("the step");
    let bad = good.replace("    answer\n    queue \"support\"\n", "    answer\n    queue \"suport\"\n");
    write_plan(&switch, &bad);
    switch.signal("HUP");
    wait::until_true("the bad plan is refused", || switch.log().contains("plan not taken"));
    let log = switch.log();
    let told = log.lines().find(|line| line.contains("plan not taken")).expect("found above").to_owned();
    assert!(told.contains("plan.kdl") && told.contains(&line.to_string()) && told.contains("suport"), "{told}, line {line}");
    assert_eq!(switch.get("/plan")["generation"], 2, "the plan before it stays");
    assert_eq!(switch.metric("tandem_plan_reloads_refused_total"), 1.0);
    refused(&switch, "1014", "4711", "486");

    let heard = phone.heard().seconds_of(600.0);
    phone.until_heard(600.0, heard + 0.5);
    phone.hang_up();
    let records = ["1011", "1012", "1013"].map(|number| switch.until_cdr(number));
    assert_eq!(records.each_ref().map(|record| record["generation"].as_u64()), [Some(1), Some(1), Some(2)]);
    tells(&records[0], &[("cause", "normal"), ("blame", "caller")]);
}

#[test]
fn a_stop_waits_for_the_call_and_takes_no_new_one() {
    let mut switch = Switch::with_plan(TEAM);
    let mut phone = in_a_call(&switch);
    switch.signal("TERM");
    wait::until_true("the switch drains", || switch.status("/readyz") == 503);
    Script::new("caller-turned-away", &switch).set("code", "503").user(&switch, "1012").dial("1999").start().succeed();
    let heard = phone.heard().seconds_of(600.0);
    phone.until_heard(600.0, heard + 0.5);
    assert!(switch.lives() && !phone.has("CALL_CLOSED"), "the call goes on");
    phone.hang_up();
    assert_eq!(switch.ended().code(), Some(0));
    switch.start_again();
    tells(&switch.until_cdr("1011"), &[("cause", "normal"), ("blame", "caller")]);
}

#[test]
fn a_second_signal_ends_calls() {
    let mut switch = Switch::with_plan(TEAM);
    let mut phone = in_a_call(&switch);
    switch.signal("TERM");
    wait::until_true("the switch drains", || switch.status("/readyz") == 503);
    switch.signal("TERM");
    phone.expect("CALL_CLOSED");
    assert_eq!(switch.ended().code(), Some(0));
    assert!(!fs::read_to_string(switch.ground.join("log")).expect("a log").contains("ERROR"), "{}", switch.log());
    switch.start_again();
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "restart"), ("blame", "us"), ("route", "echo")]);
}
