//! Transfers by a real phone: done, refused by a busy colleague, and to a number that nobody has.

use tandem_tests::{
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
};

use crate::{TEAM, states, tells};

/// A caller in conversation with agent 1001, who speaks in 900 Hz.
fn in_conversation(switch: &Switch) -> (Phone, Phone) {
    let agent = Phone::of(switch, "1001").hz(900.0).answers().start(switch);
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(switch, "1011").start(switch);
    caller.dial("1800");
    switch.until_call("1011", "talking");
    caller.until_heard(900.0, 0.5);
    (caller, agent)
}

#[test]
fn an_agent_hands_the_caller_to_a_colleague() {
    let switch = Switch::with_plan(TEAM);
    let _colleague = Phone::of(&switch, "1002").hz(1_500.0).answers().start(&switch);
    let (mut caller, mut agent) = in_conversation(&switch);
    agent.transfer("1002");
    caller.until_heard(1_500.0, 0.5);
    agent.expect("CALL_CLOSED");
    assert!(!agent.has("TRANSFER_FAILED"));
    switch.until_agent("1001", "ready");
    assert!(!caller.has("CALL_CLOSED"));
    caller.hang_up();
    let record = switch.until_cdr("1011");
    tells(&record, &[("agent", "1001"), ("answered_by", "1002"), ("cause", "normal"), ("blame", "caller")]);
    let states: Vec<_> = states(&record).into_iter().filter(|state| *state != "hold").collect();
    assert_eq!(states, ["queued", "talking", "transferring", "talking"], "{record}");
    assert_eq!(transfers(&record), ["normal"]);
}

#[test]
fn a_caller_whom_a_busy_colleague_does_not_take_is_back_with_the_agent() {
    let switch = Switch::with_plan(TEAM);
    let busy = Devices::once(&switch, &["1002"], Script::new("agent-refuses", &switch).set("code", "486"));
    let (mut caller, mut agent) = in_conversation(&switch);
    agent.transfer("1002");
    let failed = agent.expect("TRANSFER_FAILED");
    assert!(failed["param"].as_str().is_some_and(|text| text.contains("486")), "{failed}");
    busy.succeed();
    // baresip hangs up by itself then: the caller is in the queue again, with the place they had, and is offered
    // to the agent.
    agent.expect("CALL_ESTABLISHED");
    let heard = caller.heard().seconds_of(900.0);
    caller.until_heard(900.0, heard + 0.5);
    // And to a number that no route knows.
    agent.transfer("4711");
    let failed = agent.expect("TRANSFER_FAILED");
    assert!(failed["param"].as_str().is_some_and(|text| text.contains("404")), "{failed}");
    agent.expect("CALL_ESTABLISHED");
    let heard = caller.heard().seconds_of(900.0);
    caller.until_heard(900.0, heard + 0.5);
    assert!(!caller.has("CALL_CLOSED") && !agent.has("CALL_CLOSED"));
    agent.hang_up();
    caller.expect("CALL_CLOSED");
    let record = switch.until_cdr("1011");
    tells(&record, &[("agent", "1001"), ("cause", "normal"), ("blame", "callee")]);
    assert_eq!(transfers(&record), ["busy"], "what fails at once takes no time: {record}");
}

/// Referred-By (RFC 3892) is ours to write, from who proved that they asked; what anybody claims is passed on to nobody.
#[test]
fn whom_a_transferred_call_comes_to_is_told_who_asked_and_nobody_believes_what_others_claim() {
    let switch = Switch::with_plan(TEAM);
    let looks = |extension: &str, check: &str, said: &str| {
        let script = Script::new("agent-refuses-and-looks", &switch).set("check", check).set("said", said);
        Devices::once(&switch, &[extension], script)
    };
    let told = looks("1002", "check_it", "Referred-By: *&lt;sip:1001@");
    let (mut caller, mut agent) = in_conversation(&switch);
    agent.transfer("1002");
    agent.expect("TRANSFER_FAILED");
    told.succeed();
    caller.hang_up();
    for (extension, claims) in [("1003", "Referred-By: <sip:1001@127.0.0.1>"), ("1004", "b: <sip:1001@127.0.0.1>")] {
        let untold = looks(extension, "check_it_inverse", "Referred-By:|\nb:");
        let script = Script::new("caller-refused", &switch).set("code", "486").says(claims);
        script.user(&switch, "1012").dial(extension).start().succeed();
        untold.succeed();
    }
}

/// How the transfers of a call ended, in order.
fn transfers(record: &serde_json::Value) -> Vec<&str> {
    let segments = record["segments"].as_array().expect("segments").iter();
    let transfers = segments.filter(|segment| segment["state"] == "transferring");
    transfers.map(|segment| segment["cause"].as_str().expect("a cause")).collect()
}
