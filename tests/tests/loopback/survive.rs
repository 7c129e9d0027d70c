//! Calls that go on over `kill -9`.

use serde_json::Value;
use tandem_tests::{
    journal::Journal,
    phone::Phone,
    postgres::Database,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::{TEAM, prompt, states, tells};

pub(crate) const LOW: f64 = 600.0;
pub(crate) const HIGH: f64 = 1_400.0;
const WAITING: usize = 20;

/// Two phones in conversation.
fn talking(switch: &Switch, users: [&str; 2]) -> [Phone; 2] {
    let mut calls = Phone::of(switch, users[0]).hz(LOW).start(switch);
    let answers = Phone::of(switch, users[1]).hz(HIGH).answers().start(switch);
    calls.dial(users[1]);
    calls.expect("CALL_ESTABLISHED");
    let pair = [calls, answers];
    hear(&pair);
    pair
}

/// Each hears the other one, from now on.
pub(crate) fn hear([calls, answers]: &[Phone; 2]) {
    let before = [calls, answers].map(|phone| phone.heard().seconds());
    wait::until_true("both hear each other", || {
        calls.heard().after(before[0]).seconds_of(HIGH) >= 1.0 && answers.heard().after(before[1]).seconds_of(LOW) >= 1.0
    });
}

pub(crate) fn kill_and_start(switch: &mut Switch) {
    switch.until_kept();
    switch.kill9();
    switch.start_again();
}

#[test]
fn two_phones_talk_on_and_either_hangs_up() {
    let mut switch = Switch::with_plan(TEAM);
    let mut first = talking(&switch, ["1011", "1012"]);
    let mut second = talking(&switch, ["1013", "1014"]);
    kill_and_start(&mut switch);
    assert_eq!((switch.metric("tandem_calls_taken_up"), switch.metric("tandem_calls_not_taken_up")), (2.0, 0.0));
    for pair in [&first, &second] {
        hear(pair);
    }
    // And once more, from what was taken up.
    kill_and_start(&mut switch);
    for pair in [&mut first, &mut second] {
        hear(pair);
        assert!(!pair[0].has("CALL_CLOSED") && !pair[1].has("CALL_CLOSED"));
    }
    first[0].hang_up();
    first[1].expect("CALL_CLOSED");
    second[1].hang_up();
    second[0].expect("CALL_CLOSED");
    for (caller, callee, blame) in [("1011", "1012", "caller"), ("1013", "1014", "callee")] {
        let record = switch.until_cdr(caller);
        tells(&record, &[("answered_by", callee), ("cause", "normal"), ("blame", blame)]);
        assert_eq!((&record["restarts"], states(&record).last()), (&Value::from(2), Some(&"talking")), "{record}");
    }
    let mut journal = Journal::open(&switch);
    assert_eq!(journal.until("call-taken-up", 4, wait::SOON).len(), 4);
    assert_eq!(journal.until("call-ended", 2, wait::SOON).len(), 2, "one record each");
    assert_eq!(switch.calls(), Vec::<Value>::new());
}

fn number(n: usize) -> String {
    format!("+3902{:07}", 3_000_000 + n)
}

pub(crate) fn waiting(switch: &Switch) -> Vec<String> {
    switch.line("support").into_iter().filter(|(_, stage)| stage == "waiting").map(|(caller, _)| caller).collect()
}

#[test]
fn who_waits_waits_on_and_is_served_in_the_old_order_on_sqlite() {
    who_waits_waits_on(None);
}

#[test]
fn who_waits_waits_on_and_is_served_in_the_old_order_on_postgresql() {
    let database = Database::new("survive");
    who_waits_waits_on(Some(database.url()));
}

fn who_waits_waits_on(database: Option<String>) {
    let mut switch = Switch::with_plan_on(TEAM, database);
    // On duty but at no phone.
    switch.set_agent("1001", "sign-in");
    let script = Script::carrier("carrier-waits-for-bye", &switch).dial("1800").with(&["-r", "50"]);
    let callers = (0..WAITING).map(number).fold(script, |script, number| script.caller(&number)).start();
    wait::until_true("all wait", || waiting(&switch).len() == WAITING);
    let order = waiting(&switch);
    kill_and_start(&mut switch);
    assert_eq!(waiting(&switch), order, "who waits is where they were, with a live call");
    let last = Script::carrier("carrier-waits-for-bye", &switch).dial("1800").port(5_070).caller("+39025550000").start();
    wait::until_true("the new caller waits behind them", || waiting(&switch).len() == WAITING + 1);
    assert_eq!(waiting(&switch).last().map(String::as_str), Some("+39025550000"));

    let _device = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    callers.succeed();
    last.succeed();
    let mut journal = Journal::open(&switch);
    let ended = journal.until("call-ended", WAITING + 1, wait::SOON);
    assert!(ended.iter().all(|end| end["cdr"]["cause"] == "normal" && end["cdr"]["agent"] == "1001"), "{ended:?}");
    assert_eq!(ended.iter().filter(|end| end["cdr"]["restarts"] == 1).count(), WAITING);
    served_in_order(&journal, &[order, vec!["+39025550000".to_owned()]].concat());
    switch.until_agent("1001", "ready");
}

/// Every caller was offered in this order. An agent may hang up before the floor's word that connects them is there, on a
/// machine that stands still for longer than they stay: that caller waits on as a new item at the old place, and is the
/// next one again.
fn served_in_order(journal: &Journal, callers: &[String]) {
    let queued: Vec<Value> = journal.of("queued").into_iter().map(|mut row| row["item"].take()).collect();
    let offered: Vec<&Value> = journal
        .of("offered")
        .iter()
        .map(|offer| queued.iter().find(|item| item["item"] == offer["item"]).expect("an item that was queued"))
        .collect();
    assert_eq!(offered.len(), queued.len(), "each item is offered once");
    let mut served: Vec<(&Value, &Value)> = offered.iter().map(|item| (&item["caller"], &item["virtual_arrival_at"])).collect();
    served.dedup();
    let served: Vec<&str> = served.into_iter().map(|(caller, _)| caller.as_str().expect("a number")).collect();
    assert_eq!(served, callers, "each caller once, in this order, at the place of their arrival");
}

#[test]
fn an_agent_and_a_caller_talk_on_and_the_agent_is_free_after_it() {
    let plan = TEAM.replace("max-waiting 300", "max-waiting 300\n    record #true");
    let mut switch = Switch::with_plan(&plan);
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-stays", &switch).set("patience_ms", "100000"));
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1800");
    switch.until_call("1011", "talking");
    let next = Script::carrier("carrier-stays", &switch).dial("1800").set("patience_ms", "100000").caller("+39025550001");
    let mut next = next.start();
    wait::until_true("somebody waits", || waiting(&switch).len() == 1);
    kill_and_start(&mut switch);
    assert_eq!(switch.agent("1001")["state"], "engaged");
    assert_eq!(waiting(&switch).len(), 1, "nobody is free");
    // The agent's leg echoes what it hears: the caller hears themselves again.
    let before = caller.heard().seconds();
    wait::until_true("audio goes both ways", || caller.heard().after(before).seconds_of(600.0) >= 1.0);
    caller.hang_up();
    let record = switch.until_cdr("1011");
    tells(&record, &[("agent", "1001"), ("cause", "normal"), ("blame", "caller"), ("queue", "support")]);
    assert_eq!(states(&record), ["queued", "talking"], "{record}");
    let parts = switch.get(&format!("/recordings?call={}", record["call"].as_str().expect("a name")));
    let mut stages: Vec<_> = parts["recordings"].as_array().expect("a list").iter().map(|part| part["state"].clone()).collect();
    stages.reverse();
    assert_eq!(stages, ["interrupted", "finished"], "{parts}");
    // The next one is served by the agent who is free now.
    switch.until_call("+39025550001", "talking");
    assert!(next.runs());
}

#[test]
fn a_caller_in_a_menu_hears_it_again_and_chooses() {
    let mut switch = Switch::with_plan(TEAM);
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1000");
    caller.expect("CALL_ESTABLISHED");
    kill_and_start(&mut switch);
    let before = caller.heard().seconds();
    let menu = prompt("en/welcome");
    wait::until_true("the menu speaks again", || caller.heard().after(before).contains(&menu));
    caller.press("2");
    wait::until_true("the choice counts", || waiting(&switch) == ["1011"]);
    caller.hang_up();
    tells(&switch.until_cdr("1011"), &[("route", "menu"), ("queue", "support"), ("blame", "caller")]);
}

#[test]
fn a_call_that_was_not_answered_is_refused_and_its_device_stops_ringing() {
    let mut switch = Switch::with_plan(&TEAM.replace("ring=\"3s\"", "ring=\"60s\""));
    let silent = Devices::once(&switch, &["1001"], Script::new("agent-silent", &switch));
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1001");
    switch.until_call("1011", "ringing");
    kill_and_start(&mut switch);
    caller.expect("CALL_CLOSED");
    silent.succeed();
    tells(&switch.until_cdr("1011"), &[("cause", "restart"), ("blame", "us")]);
    assert_eq!(switch.calls(), Vec::<Value>::new());
}
