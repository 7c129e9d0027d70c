//! Agents with several devices: who is rung, who is told what, and that a voicemail never has a caller.

use tandem_tests::{
    ground::Ground,
    journal::Journal,
    phone::Phone,
    postgres::Database,
    sipp::{Devices, Script},
    switch::Switch,
    wait::{self, SOON},
};

use crate::{TEAM, prompt, tells};

const CALLER_HZ: f64 = 600.0;
const AGENT_HZ: f64 = 1_400.0;

/// Adds a device of 1001, as an admin does.
fn add(switch: &Switch, name: &str, words: &[&str]) {
    switch.cli(&[&["device", "add", "1001", name], words].concat());
}

#[test]
fn all_devices_ring_and_those_that_were_too_late_are_told_so() {
    let switch = Switch::with_plan(TEAM);
    add(&switch, "desk", &["--kind", "desk", "--extension", "1001"]);
    add(&switch, "laptop", &["--kind", "softphone", "--extension", "1002"]);
    let listed = switch.cli(&["device", "order", "1001", "laptop", "--all"]);
    assert!(listed.contains("They ring all at once.") && listed.find("laptop") < listed.find("desk"), "{listed}");
    let desk = Devices::once(&switch, &["1001"], Script::new("agent-told-elsewhere", &switch));
    let _laptop = Devices::start(&switch, &["1002"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("1800").start().succeed();
    desk.succeed();
    tells(&switch.until_cdr("1011"), &[("queue", "support"), ("agent", "1001"), ("cause", "normal")]);
    switch.until_agent("1001", "ready");
    // One offer, and one answer to it, however many rang.
    assert_eq!(Journal::open(&switch).until("offer-ended", 1, SOON)[0]["outcome"]["outcome"], "accepted");
}

#[test]
fn one_device_after_another_and_what_is_lost_is_passed_over() {
    let switch = Switch::with_plan(TEAM);
    add(&switch, "desk", &["--kind", "desk", "--extension", "1001"]);
    add(&switch, "laptop", &["--kind", "softphone", "--extension", "1002", "--ring-ms", "1500"]);
    add(&switch, "spare", &["--kind", "softphone", "--extension", "1003"]);
    // The desk phone is gone without a word: its registration ends.
    let mut desk = Devices::start_for(&switch, &["1001"], Script::new("agent-silent", &switch), "60");
    let laptop = Devices::once(&switch, &["1002"], Script::new("agent-silent", &switch));
    let _spare = Devices::start(&switch, &["1003"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    switch.alter("UPDATE bindings SET expires_us = 1 WHERE extension = '1001'");
    desk.kill();
    let mut switch = switch;
    switch.kill9();
    switch.start_again();
    let agent = switch.agent("1001");
    assert_eq!(agent["reachable"], true, "at the others");
    let reachable: Vec<_> =
        agent["devices"].as_array().expect("a list").iter().map(|device| device["reachable"].clone()).collect();
    assert_eq!(reachable, [false, true, true], "{agent}");
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("1800").start().succeed();
    laptop.succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal")]);
    let kept = switch.cli(&["device", "remove", "1001", "laptop"]);
    assert!(kept.contains("spare") && !kept.contains("laptop"), "{kept}");
}

#[test]
fn a_voicemail_outside_takes_no_caller_and_the_next_device_does() {
    let ground = Ground::new();
    let carrier = ground.carrier();
    let gsm = format!("trunk \"gsm\" {{\n    peer \"udp\" \"{carrier}:5070\"\n    numbers country-code=\"39\"\n}}\n{TEAM}");
    // Devices of a new database; nobody is told of a key: a mobile number wants one.
    let devices = "password-file \"demo-passwords\"\n    device \"mobile\" kind=\"mobile\" number=\"+39333123{n}\" via=\"gsm\"\n    \
        device \"desk\" kind=\"desk\" extension=\"{n}\"\n";
    let config = ground.plan(&gsm.replace("password-file \"demo-passwords\"\n", devices));
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let listed = switch.cli(&["device", "list", "1001"]);
    assert!(listed.contains("+393331231001 by gsm") && listed.contains("one after another"), "{listed}");
    let voicemail = Script::carrier("agent-answers", &switch).at_ip(carrier).port(5_070).start();
    let mut agent = Phone::of(&switch, "1001").hz(AGENT_HZ).start(&switch);
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("1800");
    caller.expect("CALL_ESTABLISHED");
    // The voicemail is hung up on, and until then nobody hears it.
    voicemail.succeed();
    agent.expect("CALL_INCOMING");
    agent.accept();
    caller.until_heard(AGENT_HZ, 0.5);
    agent.until_heard(CALLER_HZ, 0.5);
    agent.hang_up();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal"), ("blame", "callee")]);
    let outcomes = Journal::open(&switch).until("offer-ended", 1, SOON);
    assert_eq!(outcomes[0]["outcome"]["outcome"], "accepted", "{outcomes:?}");
}

#[test]
fn the_key_takes_the_call_after_a_kill_on_sqlite() {
    the_key_takes_the_call_after_a_kill(None);
}

#[test]
fn the_key_takes_the_call_after_a_kill_on_postgresql() {
    let database = Database::new("devices");
    the_key_takes_the_call_after_a_kill(Some(database.url()));
}

fn the_key_takes_the_call_after_a_kill(database: Option<String>) {
    let mut switch = Switch::with_plan_on(TEAM, database);
    add(&switch, "mobile", &["--kind", "mobile", "--extension", "1002", "--confirm", "5", "--ring-ms", "20000"]);
    switch.kill9();
    switch.start_again();
    let mut mobile = Phone::of(&switch, "1002").hz(AGENT_HZ).start(&switch);
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("1800");
    mobile.expect("CALL_INCOMING");
    mobile.accept();
    mobile.expect("CALL_ESTABLISHED");
    let asked = prompt("en/confirm-call");
    wait::until_true("the key is asked for", || mobile.heard().contains(&asked));
    assert_eq!(switch.agent("1001")["state"], "reserved", "not taken yet");
    mobile.press("1");
    mobile.press("5");
    switch.until_call("1011", "talking");
    caller.until_heard(AGENT_HZ, 0.5);
    mobile.until_heard(CALLER_HZ, 0.5);
    caller.hang_up();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal"), ("blame", "caller")]);
}
