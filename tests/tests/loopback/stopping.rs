//! What a stop keeps, and what happens when a part of the switch ends or hangs.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;
use tandem_tests::{
    phone::Phone,
    postgres::Database,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
    words::Words,
};

use crate::{TEAM, tells};

fn in_an_echo(switch: &Switch, user: &str) -> Phone {
    let mut phone = Phone::of(switch, user).start(switch);
    phone.dial("1999");
    phone.expect("CALL_ESTABLISHED");
    phone.until_heard(600.0, 0.5);
    phone
}

#[test]
fn a_stop_waits_until_the_last_recording_is_complete() {
    let mut switch = Switch::demo();
    let mut caller = Phone::of(&switch, "1001").start(&switch);
    let _agent = Phone::of(&switch, "1002").hz(1_400.0).answers().start(&switch);
    switch.set_agent("1002", "sign-in");
    caller.dial("1800");
    switch.until_call("1001", "talking");
    caller.until_heard(1_400.0, 1.0);
    switch.signal("TERM");
    wait::until_true("the switch drains", || switch.status("/readyz") == 503);
    caller.hang_up();
    assert_eq!(switch.ended().code(), Some(0), "{}", switch.log());
    switch.start_again();
    let recordings = switch.get("/recordings")["recordings"].take();
    let recording = &recordings[0];
    assert_eq!(recording["state"], "finished", "{recordings}");
    let number = |name: &str| recording[name].as_u64().unwrap_or_else(|| panic!("{name} in {recording}"));
    assert!(number("duration_ms") >= 1_000 && number("size_bytes") > 16_000, "{recording}");
}

#[test]
fn a_database_that_is_away_does_not_keep_the_switch_from_stopping() {
    let database = Database::new("away");
    let mut switch = Switch::with_plan_on(TEAM, Some(database.url()));
    database.shut();
    Script::new("caller-refused", &switch).set("code", "404").user(&switch, "1011").dial("4711").start().succeed();
    wait::until_true("the database is missed", || switch.status("/readyz") == 503);
    switch.signal("TERM");
    assert_eq!(switch.ended().code(), Some(1), "{}", switch.log());
    let log = switch.log();
    let lost = log.lines().find(|line| line.contains("they are lost")).unwrap_or_else(|| panic!("{log}"));
    assert!(lost.contains("records"), "{lost}");

    database.open();
    switch.start_again();
    database.shut();
    Script::new("caller-refused", &switch).set("code", "404").user(&switch, "1012").dial("4711").start().succeed();
    wait::until_true("the database is missed", || switch.status("/readyz") == 503);
    switch.signal("TERM");
    wait::until_true("it waits for the database", || {
        switch.signal_if_lives("INT");
        !switch.lives()
    });
    assert_eq!(switch.ended().code(), Some(1), "{}", switch.log());
    assert!(switch.log().contains("ending at once"), "{}", switch.log());
    database.open();
}

#[test]
fn a_fault_of_the_line_loop_ends_the_process() {
    let mut switch = Switch::demo();
    let mut phone = in_an_echo(&switch, "1001");
    assert_eq!(switch.status("/healthz"), 200);
    phone.press("C");
    assert_eq!(switch.ended().code(), Some(1), "{}", switch.log());
    assert!(switch.log().contains("the line loop ended by a fault"), "{}", switch.log());
    switch.start_again();
    // What the call was in the middle of is not known; the call is.
    let heard = phone.heard().seconds_of(600.0);
    phone.until_heard(600.0, heard + 0.5);
    phone.hang_up();
    let record = switch.until_cdr("1001");
    tells(&record, &[("cause", "normal"), ("blame", "caller")]);
    assert_eq!(record["restarts"], 1, "{record}");
}

#[test]
fn a_message_that_is_a_fault_to_its_reader_is_dropped_and_nothing_else_is() {
    let switch = Switch::demo();
    let mut phone = in_an_echo(&switch, "1001");
    let words = Words::new(switch.ground.device(), switch.sip);
    let bad = words.request("OPTIONS", &format!("sip:{}", switch.sip), "probe", "bad", "X-Tandem-Fault: here\r\n");
    words.send(bad.as_bytes());
    wait::until_true("the fault is counted", || switch.metric("tandem_sip_faults_total") == 1.0);
    assert!(words.answered_options("good"));
    let heard = phone.heard().seconds_of(600.0);
    phone.until_heard(600.0, heard + 0.5);
    assert_eq!(switch.status("/healthz"), 200);
    phone.hang_up();
    tells(&switch.until_cdr("1001"), &[("cause", "normal")]);
}

#[test]
fn a_request_in_progress_is_answered_before_the_stop() {
    let mut switch = Switch::with_plan(TEAM);
    let (server, _) = switch.access();
    let mut half = TcpStream::connect(server.trim_start_matches("http://")).expect("the API listens");
    half.set_read_timeout(Some(wait::SOON)).expect("a socket option");
    // Its head is read when the stop comes, its body is not.
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").expect("an open connection");
    assert_eq!(switch.status("/healthz"), 200);
    switch.signal("TERM");
    wait::until_true("the switch stops", || TcpStream::connect(server.trim_start_matches("http://")).is_err());
    half.write_all(b"\r\n").expect("an open connection");
    let mut answer = String::new();
    half.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(switch.ended().code(), Some(0));
}

#[test]
fn a_new_password_signs_devices_off_and_a_new_realm_is_told() {
    let mut switch = Switch::with_plan(TEAM);
    let device = Devices::start(&switch, &["1001"], Script::new("agent-silent", &switch));
    assert_eq!(switch.agent("1001")["reachable"], true, "{}", device.at());
    switch.cli(&["user", "set-password", "1001"]);
    wait::until_true("the device is signed off", || switch.agent("1001")["reachable"] == false);

    let _plan = switch.ground.plan(&TEAM.replace("realm \"tandem\"", "realm \"example\""));
    switch.signal("TERM");
    assert_eq!(switch.ended().code(), Some(0));
    switch.start_again();
    assert!(switch.log().contains("20 people need a new password because the realm"), "{}", switch.log());
    switch.cli(&["user", "set-password", "1001"]);
    let people: Value = serde_json::from_str(&switch.cli(&["user", "list", "--format", "json"])).expect("JSON");
    let needs: Vec<_> = people.as_array().expect("a list").iter().map(|person| person["needs_password"] == true).collect();
    assert_eq!((needs[0], needs[1]), (false, true), "{people}");
}
