//! The waiting line: who is asked, who keeps the place, and how agents' phones may behave.

use serde_json::Value;
use tandem_tests::{
    journal::Journal,
    phone::Phone,
    sipp::{Devices, Script, Sipp},
    switch::Switch,
    wait::{self, SOON},
};

use crate::{TEAM, prompt, states, tells};

/// A caller who waits until the switch hangs up.
fn caller(switch: &Switch, user: &str) -> Sipp {
    Script::new("caller-waits-for-bye", switch).user(switch, user).dial("1800").start()
}

/// Agents whose device answers and hangs up after a short talk; on duty.
fn agents(switch: &Switch, extensions: &[&str]) -> Devices {
    let devices = Devices::start(switch, extensions, Script::new("agent-hangs-up", switch).stay_ms(300));
    for extension in extensions {
        switch.set_agent(extension, "sign-in");
    }
    devices
}

fn until_waiting(switch: &Switch, callers: &[&str]) {
    wait::until_true(&format!("{callers:?} wait"), || {
        switch.line("support").iter().map(|(caller, _)| caller.as_str()).eq(callers.iter().copied())
    });
}

#[test]
fn an_agent_takes_the_call_and_hangs_up() {
    let switch = Switch::with_plan(TEAM);
    let _agents = agents(&switch, &["1001"]);
    caller(&switch, "1011").succeed();
    let record = switch.until_cdr("1011");
    tells(&record, &[("queue", "support"), ("agent", "1001"), ("cause", "normal"), ("blame", "callee"), ("to", "1800")]);
    assert_eq!(states(&record), ["queued", "talking"], "{record}");
    switch.until_agent("1001", "ready");
}

#[test]
fn without_an_agent_the_caller_hears_so_and_is_hung_up() {
    let switch = Switch::with_plan(TEAM);
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1800");
    caller.expect("CALL_ESTABLISHED");
    caller.expect("CALL_CLOSED");
    assert!(caller.heard().contains(&prompt("en/no-agents")) && caller.heard().contains(&prompt("en/try-later")));
    let record = switch.until_cdr("1011");
    tells(&record, &[("queue", "support"), ("cause", "unavailable"), ("blame", "us")]);
    assert!(record["agent"].is_null() && record["connected_at"].is_null(), "{record}");
}

#[test]
fn an_offer_expires_and_the_caller_keeps_the_place_before_a_later_one() {
    let switch = Switch::with_plan(TEAM);
    let silent = Devices::once(&switch, &["1001"], Script::new("agent-silent", &switch));
    switch.set_agent("1001", "sign-in");
    let first = caller(&switch, "1011");
    switch.until_offered("support", "1011");
    let second = caller(&switch, "1012");
    until_waiting(&switch, &["1011", "1012"]);
    // One missed call is enough here: 1001 is asked no more, and their phone is told to stop.
    switch.until_agent("1001", "not-ready");
    silent.succeed();
    until_waiting(&switch, &["1011", "1012"]);

    let _agents = agents(&switch, &["1002"]);
    first.succeed();
    second.succeed();
    let mut journal = Journal::open(&switch);
    let asked: Vec<_> = journal.until("offered", 3, SOON).iter().map(|offer| offer["agent"].clone()).collect();
    assert_eq!(asked, ["1001", "1002", "1002"]);
    let outcomes: Vec<_> = journal.until("offer-ended", 3, SOON).iter().map(|end| end["outcome"]["outcome"].clone()).collect();
    assert_eq!(outcomes, ["expired", "accepted", "accepted"]);
    let [first, second] = ["1011", "1012"].map(|number| switch.until_cdr(number));
    assert!(connected(&first) < connected(&second), "in the order of arrival");
    assert_eq!(states(&first), ["queued", "talking"], "{first}");
    tells(&first, &[("agent", "1002"), ("cause", "normal")]);
}

fn connected(record: &Value) -> &str {
    record["connected_at"].as_str().unwrap_or_else(|| panic!("never connected: {record}"))
}

#[test]
fn a_busy_agent_is_passed_over() {
    let switch = Switch::with_plan(TEAM);
    let busy = Devices::once(&switch, &["1001"], Script::new("agent-refuses", &switch).set("code", "486"));
    switch.set_agent("1001", "sign-in");
    let waits = caller(&switch, "1011");
    busy.succeed();
    let _agents = agents(&switch, &["1002"]);
    waits.succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1002"), ("cause", "normal")]);
    let ended = Journal::open(&switch).until("offer-ended", 2, SOON);
    assert_eq!(
        (&ended[0]["outcome"]["outcome"], &ended[0]["outcome"]["cause"]),
        (&"declined".into(), &"busy".into()),
        "{ended:?}"
    );
}

#[test]
fn a_caller_who_hangs_up_while_waiting_leaves_the_line() {
    let switch = Switch::with_plan(TEAM);
    // On duty, but without a device: nobody is rung.
    switch.set_agent("1001", "sign-in");
    let mut leaving = Phone::of(&switch, "1011").start(&switch);
    leaving.dial("1800");
    leaving.expect("CALL_ESTABLISHED");
    until_waiting(&switch, &["1011"]);
    leaving.hang_up();
    until_waiting(&switch, &[]);
    let record = switch.until_cdr("1011");
    tells(&record, &[("queue", "support"), ("cause", "normal"), ("blame", "caller")]);
    assert_eq!(states(&record), ["queued"], "{record}");
    assert_eq!(Journal::open(&switch).until("left", 1, SOON)[0]["reason"], "abandoned");
    assert_eq!(switch.metric("tandem_items_abandoned_total"), 1.0);
}

#[test]
fn a_caller_who_hangs_up_while_an_agent_is_rung_stops_the_ringing() {
    let switch = Switch::with_plan(TEAM);
    let silent = Devices::once(&switch, &["1001"], Script::new("agent-silent", &switch));
    switch.set_agent("1001", "sign-in");
    let mut leaving = Phone::of(&switch, "1011").start(&switch);
    leaving.dial("1800");
    switch.until_offered("support", "1011");
    leaving.hang_up();
    silent.succeed();
    // Their phone rang, but it was not they who let it ring out.
    switch.until_agent("1001", "ready");
    assert_eq!(switch.agent("1001")["missed"], 0);
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "normal"), ("blame", "caller")]);
    assert!(record["agent"].is_null(), "nobody talked: {record}");
}

#[test]
fn a_caller_who_hangs_up_in_conversation_ends_it_for_the_agent() {
    let switch = Switch::with_plan(TEAM);
    let agent = Devices::once(&switch, &["1001"], Script::new("agent-answers", &switch));
    switch.set_agent("1001", "sign-in");
    let mut leaving = Phone::of(&switch, "1011").start(&switch);
    leaving.dial("1800");
    switch.until_call("1011", "talking");
    leaving.hang_up();
    agent.succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal"), ("blame", "caller")]);
    switch.until_agent("1001", "ready");
}

#[test]
fn queues_and_skills_that_change_while_somebody_waits_count_at_once() {
    let queue = "queue \"support\" {\n";
    let plan = TEAM.replace(queue, &format!("skill \"billing\"\n{queue}    when-empty \"wait\"\n"));
    let needs = "    to \"1800\"\n    answer\n    queue \"support\"\n";
    assert!(plan.contains(needs));
    let switch = Switch::with_plan(
        &plan.replace(needs, "    to \"1800\"\n    answer\n    queue \"support\" { skill \"billing\" level=3; }\n"),
    );
    switch.cli(&["user", "set", "1001", "--queue", "elsewhere"]);
    let _agents = agents(&switch, &["1001"]);
    let waits = caller(&switch, "1011");
    until_waiting(&switch, &["1011"]);
    switch.cli(&["user", "set", "1001", "--queue", "support", "--skill", "billing=2"]);
    wait::until_true("1001 serves the queue", || switch.agent("1001")["queues"] == serde_json::json!(["support"]));
    until_waiting(&switch, &["1011"]);
    switch.until_agent("1001", "ready");
    switch.cli(&["user", "set", "1001", "--skill", "billing=3"]);
    waits.succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal")]);
}
