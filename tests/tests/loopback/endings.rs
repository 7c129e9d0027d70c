//! Calls that end before or beside a queue: numbers, colleagues, the menu.

use tandem_tests::{
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::{TEAM, prompt, tells};

#[test]
fn an_unknown_number_is_told_in_early_media_and_refused() {
    let switch = Switch::with_plan(TEAM);
    let script = Script::new("caller-hears-and-is-refused", &switch).set("code", "404");
    let refused = script.user(&switch, "1012").dial("4711").start();
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("4711");
    let closed = caller.expect("CALL_CLOSED");
    assert!(closed["param"].as_str().is_some_and(|text| text.contains("404")), "{closed}");
    assert!(caller.heard().contains(&prompt("en/not-found")), "heard before any answer");
    refused.succeed();
    for number in ["1011", "1012"] {
        let record = switch.until_cdr(number);
        tells(&record, &[("route", "unknown"), ("cause", "not-found")]);
        assert!(record["answered_at"].is_null(), "never answered: {record}");
    }
}

#[test]
fn a_caller_hangs_up_in_the_menu() {
    let switch = Switch::with_plan(TEAM);
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1000");
    caller.expect("CALL_ESTABLISHED");
    wait::until_true("the menu asks", || switch.calls().iter().any(|call| call["step"] == "menu"));
    caller.hang_up();
    let record = switch.until_cdr("1011");
    tells(&record, &[("route", "menu"), ("cause", "normal"), ("blame", "caller")]);
}

#[test]
fn a_key_that_comes_as_a_message_is_as_good() {
    let switch = Switch::with_plan(TEAM);
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(200));
    switch.set_agent("1001", "sign-in");
    Script::new("caller-presses-two", &switch).user(&switch, "1011").dial("1000").stay_ms(300).start().succeed();
    tells(&switch.until_cdr("1011"), &[("queue", "support"), ("agent", "1001"), ("cause", "normal")]);
}

#[test]
fn a_caller_gives_up_before_the_answer() {
    let switch = Switch::with_plan(TEAM);
    let silent = Devices::once(&switch, &["1002"], Script::new("agent-silent", &switch));
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1002");
    caller.expect("CALL_RINGING");
    caller.hang_up();
    silent.succeed();
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "cancelled"), ("blame", "caller")]);
    assert!(record["answered_at"].is_null(), "{record}");
}

#[test]
fn colleagues_answer_are_busy_do_not_answer_decline_or_are_not_there() {
    let switch = Switch::with_plan(TEAM);
    let refuses = |code| Script::new("agent-refuses", &switch).set("code", code);
    let devices = [
        Devices::once(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(200)),
        Devices::once(&switch, &["1002"], refuses("486")),
        Devices::once(&switch, &["1003"], Script::new("agent-silent", &switch)),
        Devices::once(&switch, &["1004"], refuses("603")),
    ];
    let answered = Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("1001").start();
    let refused = [("1012", "1002", "486"), ("1013", "1003", "480"), ("1014", "1004", "603"), ("1015", "1005", "480")]
        .map(|(from, to, code)| Script::new("caller-refused", &switch).set("code", code).user(&switch, from).dial(to).start());
    answered.succeed();
    for sipp in refused.into_iter().chain(devices) {
        sipp.succeed();
    }
    let record = switch.until_cdr("1011");
    tells(&record, &[("answered_by", "1001"), ("cause", "normal"), ("blame", "callee")]);
    for (from, cause) in [("1012", "busy"), ("1013", "no-answer"), ("1014", "rejected"), ("1015", "unavailable")] {
        let record = switch.until_cdr(from);
        tells(&record, &[("cause", cause), ("blame", "callee")]);
        assert!(record["connected_at"].is_null(), "{record}");
    }
}
