//! Calls that go on over `kill -9` in a plan that was edited meanwhile: either in the plan, or to an end that the
//! documents name.

use serde_json::Value;
use tandem_tests::{
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::{
    TEAM, prompt,
    survive::{HIGH, LOW, hear, waiting},
    tells,
};

const MENU: &str = "route \"menu\" {";
const COLLEAGUES: &str = "route \"colleagues\" {";

/// Kills the switch and starts it with another plan.
fn kill_and_start_with(switch: &mut Switch, plan: &str) {
    switch.until_kept();
    switch.kill9();
    let _same_folder = switch.ground.plan(plan);
    switch.start_again();
    assert_eq!(switch.metric("tandem_calls_not_taken_up"), 0.0);
}

/// The team's plan without the block that begins so.
fn without(plan: &str, begin: &str) -> String {
    let (before, rest) = plan.split_once(begin).expect("such a block");
    let end = rest.find("\n}\n").expect("its end");
    format!("{before}{}", &rest[end + 3..])
}

fn in_the_menu(switch: &Switch) -> Phone {
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(switch, "1011").start(switch);
    caller.dial("1000");
    caller.expect("CALL_ESTABLISHED");
    let menu = prompt("en/welcome");
    wait::until_true("the menu speaks", || caller.heard().contains(&menu));
    caller
}

#[test]
fn a_menu_that_was_edited_offers_its_new_choices() {
    let mut switch = Switch::with_plan(TEAM);
    let mut caller = in_the_menu(&switch);
    // A step more before it in another branch, another key, another order of the routes.
    let edited = without(TEAM, MENU)
        + "route \"menu\" {\n    from extension\n    to \"1000\"\n    answer\n    menu \"welcome\" timeout=\"5s\" tries=3 {\n        \
           press \"7\" { queue \"support\"; }\n        otherwise { hangup; }\n    }\n}\n";
    kill_and_start_with(&mut switch, &edited);
    let (before, menu) = (caller.heard().seconds(), prompt("en/welcome"));
    wait::until_true("the menu speaks again", || caller.heard().after(before).contains(&menu));
    caller.press("7");
    wait::until_true("the new choice counts", || waiting(&switch) == ["1011"]);
    caller.hang_up();
    tells(&switch.until_cdr("1011"), &[("route", "menu"), ("queue", "support"), ("blame", "caller")]);
}

#[test]
fn who_was_in_a_route_that_is_gone_begins_anew_with_what_they_dialled() {
    let mut switch = Switch::with_plan(TEAM);
    let mut caller = in_the_menu(&switch);
    // Said once, and maybe before the new process answers the test.
    let (before, gone) = (caller.heard().seconds(), prompt("en/not-found"));
    kill_and_start_with(&mut switch, &without(TEAM, MENU));
    // Nothing is at 1000 any more: the route for everything else says so.
    wait::until_true("they hear that it is gone", || caller.heard().after(before).contains(&gone));
    caller.expect("CALL_CLOSED");
    tells(&switch.until_cdr("1011"), &[("cause", "not-found"), ("blame", "us")]);
    assert_eq!(switch.calls(), Vec::<Value>::new());
}

#[test]
fn a_conversation_whose_route_is_gone_goes_on_and_ends_well() {
    let mut switch = Switch::with_plan(TEAM);
    let mut calls = Phone::of(&switch, "1011").hz(LOW).start(&switch);
    let answers = Phone::of(&switch, "1012").hz(HIGH).answers().start(&switch);
    calls.dial("1012");
    calls.expect("CALL_ESTABLISHED");
    let mut pair = [calls, answers];
    hear(&pair);
    kill_and_start_with(&mut switch, &without(TEAM, COLLEAGUES));
    hear(&pair);
    pair[1].hang_up();
    pair[0].expect("CALL_CLOSED");
    tells(&switch.until_cdr("1011"), &[("answered_by", "1012"), ("cause", "normal"), ("blame", "callee")]);
    assert_eq!(switch.calls(), Vec::<Value>::new());
}

#[test]
fn who_waits_while_the_route_goes_is_served_all_the_same() {
    let mut switch = Switch::with_plan(TEAM);
    switch.set_agent("1001", "sign-in");
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1800");
    wait::until_true("they wait", || waiting(&switch) == ["1011"]);
    kill_and_start_with(&mut switch, &without(TEAM, "route \"support\" {"));
    assert_eq!(waiting(&switch), ["1011"]);
    let _device = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(100));
    caller.expect("CALL_CLOSED");
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal"), ("blame", "callee")]);
    switch.until_agent("1001", "ready");
}

#[test]
fn a_queue_that_is_gone_is_served_by_its_agents_and_without_them_callers_begin_anew() {
    let mut switch = Switch::with_plan(TEAM);
    switch.set_agent("1001", "sign-in");
    let mut callers = ["1011", "1012"].map(|user| Phone::of(&switch, user).start(&switch));
    callers[0].dial("1800");
    wait::until_true("the first one waits", || waiting(&switch) == ["1011"]);
    callers[1].dial("1800");
    wait::until_true("both wait", || waiting(&switch) == ["1011", "1012"]);
    // What they dialled leads to another queue now, in which nobody is.
    let edited = TEAM.replace("queue \"support\"", "queue \"sales\"").replace("queues \"support\"", "queues \"sales\"");
    kill_and_start_with(&mut switch, &edited);
    for caller in ["1011", "1012"] {
        switch.until_call(caller, "queued");
    }
    let device = Devices::once(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(100));
    callers[0].expect("CALL_CLOSED");
    device.succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal"), ("blame", "callee")]);
    let before = callers[1].heard().seconds();
    switch.set_agent("1001", "sign-out");
    let nobody = prompt("en/no-agents");
    wait::until_true("the other one hears that nobody is there", || callers[1].heard().after(before).contains(&nobody));
    callers[1].expect("CALL_CLOSED");
    let record = switch.until_cdr("1012");
    tells(&record, &[("route", "support"), ("blame", "us")]);
    assert_eq!(switch.calls(), Vec::<Value>::new());
}
