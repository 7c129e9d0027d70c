//! Phones in Chromium by libraries that others wrote, over WSS at `/sip`.
//!
//! The libraries and their signalling are whole. The browser's audio is left out (`browser_audio` has it): the pages
//! describe plain RTP, and a socket of the test sends back what it hears there.

use serde_json::Value;
use tandem_tests::{
    browser::{Browser, Library, WebRtcPhone},
    phone::Phone,
    switch::Switch,
    wait,
};

use crate::{prompt, tells, with_plain_pages};

/// The extension of the browser's phone, and of the desk phones beside it.
const PAGE: &str = "1011";
const DESK: &str = "1012";
const OTHER: &str = "1013";
const HZ: f64 = 600.0;
const OTHER_HZ: f64 = 1_400.0;

#[test]
fn jssip_in_chromium_does_what_a_phone_does() {
    does_what_a_phone_does(Library::JsSip);
}

#[test]
fn sip_js_in_chromium_does_what_a_phone_does() {
    does_what_a_phone_does(Library::SipJs);
}

#[test]
fn browsers_answer_the_challenge_that_they_know_of_two() {
    // As a plan has it that says nothing of algorithms.
    let switch = Switch::with_plan(&with_plain_pages().replace("digest \"md5\"\n", ""));
    let browser = Browser::start(&switch);
    for (library, user) in [(Library::JsSip, "1014"), (Library::SipJs, "1015")] {
        let mut page = browser.phone(&switch, library, user);
        page.does("call('1000')");
        page.until("UP");
        wait::until_true("the menu is heard", || page.echo.heard() > 20);
        page.does("hangUp()");
        page.until("ENDED BY local");
        tells(&switch.until_cdr(user), &[("route", "menu"), ("cause", "normal"), ("blame", "caller")]);
    }
}

fn does_what_a_phone_does(library: Library) {
    let switch = Switch::with_plan(&with_plain_pages());
    let browser = Browser::start(&switch);
    let mut page = browser.phone(&switch, library, PAGE);
    let mut desk = Phone::of(&switch, DESK).hz(HZ).start(&switch);
    calls_holds_resumes_and_presses(&switch, &mut page, &mut desk);
    is_called(&switch, &mut page, &mut desk);
    is_busy_and_finds_others_busy(&switch, &mut page, &mut desk);
    gives_up_and_is_given_up(&switch, &mut page, &mut desk);
    hands_over(&switch, &mut page, &mut desk);
    brings_two_together(&switch, &mut page, &mut desk);
    page.does("leave()");
    page.until("UNREGISTERED");
    wait::until_true("the extension is gone", || switch.agent(PAGE)["reachable"] == false);
}

/// The newest record, as soon as there are `count` of the page's.
fn record(switch: &Switch, count: usize) -> Value {
    switch.until_cdrs(&format!("number={PAGE}"), count).remove(0)
}

fn calls_holds_resumes_and_presses(switch: &Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    page.does(&format!("call('{DESK}')"));
    desk.expect("CALL_INCOMING");
    page.until("PROGRESS 180");
    desk.accept();
    page.until("UP");
    desk.until_heard(HZ, 0.5);

    page.does("hold()");
    page.until("HELD");
    switch.until_call(PAGE, "hold");
    let music = prompt("music/hold");
    wait::until_true("the desk phone hears music", || desk.heard().contains(&music));
    page.does("resume()");
    page.until("RESUMED");
    switch.until_call(PAGE, "talking");
    let before = desk.heard().seconds();
    wait::until_true("the desk phone hears the page again", || desk.heard().after(before).seconds_of(HZ) >= 0.5);

    // Held by the other side.
    desk.hold();
    switch.until_call(PAGE, "hold");
    desk.resume();
    switch.until_call(PAGE, "talking");

    for digit in ["1", "#", "9"] {
        page.does(&format!("press('{digit}')"));
        page.until(&format!("PRESSED {digit}"));
        let event = desk.expect("CALL_DTMF_START");
        assert_eq!(event["param"], digit, "{event}");
    }
    page.does("hangUp()");
    page.until("ENDED BY local");
    desk.expect("CALL_CLOSED");
    tells(&record(switch, 1), &[("from", PAGE), ("answered_by", DESK), ("cause", "normal"), ("blame", "caller")]);
}

fn is_called(switch: &Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    page.does("answer()");
    page.until("UP");
    desk.expect("CALL_ESTABLISHED");
    desk.until_heard(HZ, 0.5);
    desk.hang_up();
    page.until("ENDED BY remote");
    tells(&record(switch, 2), &[("from", DESK), ("answered_by", PAGE), ("cause", "normal"), ("blame", "caller")]);
    desk.expect("CALL_CLOSED");
}

fn is_busy_and_finds_others_busy(switch: &Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    page.does("refuse(486)");
    let closed = desk.expect("CALL_CLOSED");
    assert!(closed["param"].as_str().is_some_and(|text| text.contains("486")), "{closed}");
    tells(&record(switch, 3), &[("from", DESK), ("cause", "busy")]);

    page.does(&format!("call('{DESK}')"));
    desk.expect("CALL_INCOMING");
    desk.hang_up();
    page.until("FAILED 486");
    desk.expect("CALL_CLOSED");
    tells(&record(switch, 4), &[("from", PAGE), ("cause", "busy")]);
    page.does("call('4711')");
    page.until("FAILED 404");
    tells(&record(switch, 5), &[("from", PAGE), ("cause", "not-found")]);
}

fn gives_up_and_is_given_up(switch: &Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    page.does(&format!("call('{DESK}')"));
    page.until("PROGRESS 180");
    page.does("cancel()");
    page.until("GIVEN UP");
    desk.expect("CALL_CLOSED");
    tells(&record(switch, 6), &[("from", PAGE), ("blame", "caller")]);

    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    desk.hang_up();
    page.until("FAILED Canceled");
    desk.expect("CALL_CLOSED");
    tells(&record(switch, 7), &[("from", DESK), ("blame", "caller")]);
}

/// Blind: the desk phone is handed to another one.
fn hands_over(switch: &Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    let _other = Phone::of(switch, OTHER).hz(OTHER_HZ).answers().start(switch);
    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    page.does("answer()");
    page.until("UP");
    desk.until_heard(HZ, 0.5);
    page.does("transfer('4711')");
    page.until("NOT TRANSFERRED 404");
    assert!(!page.has("ENDED BY remote"));
    page.does(&format!("transfer('{OTHER}')"));
    page.until("TRANSFERRED 200");
    page.until("ENDED BY remote");
    desk.until_heard(OTHER_HZ, 0.5);
    desk.hang_up();
    tells(&record(switch, 8), &[("from", DESK), ("answered_by", OTHER), ("cause", "normal"), ("blame", "caller")]);
}

/// Consult: on the line with the desk phone, the page asks another one, and leaves the two to each other.
fn brings_two_together(switch: &Switch, page: &mut WebRtcPhone, desk: &mut Phone) {
    let other = Phone::of(switch, OTHER).hz(OTHER_HZ).answers().start(switch);
    desk.expect("CALL_CLOSED");
    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    page.does("answer()");
    page.until("UP");
    page.does("hold()");
    page.until("HELD");
    page.does(&format!("call('{OTHER}')"));
    page.until("UP");
    let before = (desk.heard().seconds(), other.heard().seconds());
    page.does("join()");
    page.until_each(&["TRANSFERRED 200", "ENDED BY remote", "ENDED BY remote"]);
    wait::until_true("the desk phone hears the other", || desk.heard().after(before.0).seconds_of(OTHER_HZ) >= 0.5);
    wait::until_true("the other hears the desk phone", || other.heard().after(before.1).seconds_of(HZ) >= 0.5);
    // The call that the page asked the other in is over, the one that it was called in goes on.
    tells(&record(switch, 9), &[("from", PAGE), ("answered_by", OTHER), ("cause", "normal"), ("blame", "caller")]);
    desk.hang_up();
    // The newest began last.
    let older = switch.until_cdrs(&format!("number={PAGE}"), 10).remove(1);
    tells(&older, &[("from", DESK), ("answered_by", OTHER), ("cause", "normal"), ("blame", "caller")]);
}
