//! The emergency switch of a schedule: for new calls, for calls that are up, over `kill -9`, and with its story told.

use serde_json::Value;
use tandem_tests::{phone::Phone, sipp::Script, switch::Switch, wait};

use crate::{TEAM, prompt, tells};

const HOURS: &str = r#"
schedule "office" { open "daily" "00:00-24:00"; }
route "office" {
    from any
    to "1900"
    unless-open "office" { hangup "busy"; }
    answer
    play "welcome"
    hangup
}
route "office-menu" {
    from extension
    to "1901"
    answer
    menu "welcome" timeout="60s" {
        press "1" {
            unless-open "office" { play "closed"; hangup; }
            play "goodbye"
            hangup
        }
    }
}
"#;

/// A call that is refused because the office is closed.
fn refused(switch: &Switch, from: &str) {
    Script::new("caller-refused", switch).set("code", "486").user(switch, from).dial("1900").start().succeed();
    tells(&switch.until_cdr(from), &[("route", "office"), ("cause", "busy")]);
}

/// A call that is answered because it is open.
fn answered(switch: &Switch, from: &str) {
    Script::new("caller-waits-for-bye", switch).user(switch, from).dial("1900").start().succeed();
    tells(&switch.until_cdr(from), &[("route", "office"), ("cause", "normal")]);
}

fn office(switch: &Switch) -> Value {
    switch.get("/schedules/office")
}

#[test]
fn an_office_that_is_forced_closed_stays_so_over_a_kill_until_it_follows_its_hours_again() {
    let mut switch = Switch::with_plan(&format!("{HOURS}{TEAM}"));
    answered(&switch, "1011");
    let told = switch.cli(&["schedule", "office", "force-closed", "--why", "the roof burns", "--for", "2h"]);
    assert!(told.contains("closed") && told.contains("the roof burns"), "{told}");
    refused(&switch, "1012");
    let explained = switch.cli(&["explain", "--to", "1900", "--from", "1011"]);
    assert!(explained.contains("forced closed by token"), "{explained}");
    switch.kill9();
    switch.start_again();
    let now = office(&switch);
    assert_eq!(
        (&now["open"], &now["switch"]["says"], &now["switch"]["why"]),
        (&Value::Bool(false), &"force-closed".into(), &"the roof burns".into())
    );
    assert!(now["switch"]["until"].is_string() && now["switch"]["by"].is_string(), "{now}");
    refused(&switch, "1013");
    switch.cli(&["schedule", "office", "follow"]);
    answered(&switch, "1014");
    switch.kill9();
    switch.start_again();
    assert_eq!((&office(&switch)["open"], &office(&switch)["switch"]), (&Value::Bool(true), &Value::Null));
    let all = switch.cli(&["schedules"]);
    assert!(all.contains("office") && all.contains("open"), "{all}");
}

#[test]
fn a_caller_who_is_in_a_menu_finds_the_office_closed_with_the_next_step() {
    let switch = Switch::with_plan(&format!("{HOURS}{TEAM}"));
    let mut caller = Phone::of(&switch, "1011").start(&switch);
    caller.dial("1901");
    caller.expect("CALL_ESTABLISHED");
    wait::until_true("the menu asks", || switch.calls().iter().any(|call| call["step"] == "menu"));
    switch.cli(&["schedule", "office", "force-closed", "--why", "fire"]);
    caller.press("1");
    let closed = prompt("en/closed");
    wait::until_true("they hear that it is closed", || caller.heard().contains(&closed));
    caller.expect("CALL_CLOSED");
    tells(&switch.until_cdr("1011"), &[("route", "office-menu"), ("cause", "normal"), ("blame", "us")]);
}

#[test]
fn a_switch_for_a_moment_turns_itself_back_and_one_of_a_schedule_that_is_gone_is_kept() {
    let mut switch = Switch::with_plan(&format!("{HOURS}{TEAM}"));
    switch.cli(&["schedule", "office", "force-closed", "--why", "a drill", "--for", "2s"]);
    assert_eq!(office(&switch)["open"], false);
    wait::until_true("it turns itself back", || office(&switch)["open"] == true);
    answered(&switch, "1011");
    switch.cli(&["schedule", "office", "force-open", "--why", "a sale"]);
    switch.kill9();
    let _same_folder = switch.ground.plan(TEAM);
    switch.start_again();
    let gone = office(&switch);
    assert_eq!((&gone["open"], &gone["switch"]["says"]), (&Value::Null, &"force-open".into()));
    let output = switch.command(&["schedule", "cellar", "force-open", "--why", "x"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(4), "no such schedule");
    switch.cli(&["schedule", "office", "follow"]);
    assert_eq!(switch.get("/schedules"), Value::Array(Vec::new()));
}
