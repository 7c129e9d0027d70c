//! Audio with keys by DTLS and addresses by ICE: Chromium with a page of `JsSIP`, and baresip, each beside a desk phone
//! with plain RTP. Both ends say which tone they hear.

use tandem_tests::{
    browser::{Browser, Library, WebRtcPhone},
    phone::Phone,
    switch::Switch,
    wait,
};

use crate::{TEAM, tells, with_https};

const PAGE: &str = "1011";
const DESK: &str = "1012";
const LOCKED: &str = "1013";
const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;

/// Both hear each other from now on.
#[track_caller]
fn talk(page: &mut WebRtcPhone, desk: &Phone) {
    let before = desk.heard().seconds();
    page.until_heard(LOW);
    wait::until_true("the desk phone hears the page", || desk.heard().after(before).seconds_of(HIGH) >= 0.5);
}

#[test]
fn a_page_calls_and_is_called_and_both_hear_each_other() {
    calls_and_is_called(&with_https());
}

#[test]
fn a_page_calls_and_is_called_where_both_sides_check() {
    calls_and_is_called(&full(&with_https()));
}

/// In the full role of ICE.
fn full(plan: &str) -> String {
    plan.replace("    rtp \"", "    ice \"full\"\n    rtp \"")
}

fn calls_and_is_called(plan: &str) {
    let switch = Switch::with_plan(plan);
    let browser = Browser::speaking(&switch, HIGH);
    let mut page = browser.phone(&switch, Library::JsSipAudio, PAGE);
    let mut desk = Phone::of(&switch, DESK).hz(LOW).start(&switch);

    page.does(&format!("call('{DESK}')"));
    desk.expect("CALL_INCOMING");
    desk.accept();
    page.until("UP");
    talk(&mut page, &desk);
    page.does("hold()");
    page.until("HELD");
    switch.until_call(PAGE, "hold");
    // The page holds before it is answered, and resumes only after that.
    wait::until_true("the page may resume", || page.evaluate("phone.session.isReadyToReOffer()") == true);
    page.does("resume()");
    page.until("RESUMED");
    switch.until_call(PAGE, "talking");
    talk(&mut page, &desk);
    page.does("hangUp()");
    page.until("ENDED BY local");
    desk.expect("CALL_CLOSED");
    let record = switch.until_cdrs(&format!("number={PAGE}"), 1).remove(0);
    tells(&record, &[("from", PAGE), ("answered_by", DESK), ("cause", "normal")]);
    assert_eq!(record["quality"]["0"]["malformed"], 0, "{record}");

    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    page.does("answer()");
    page.until("UP");
    desk.expect("CALL_ESTABLISHED");
    talk(&mut page, &desk);
    desk.hang_up();
    page.until("ENDED BY remote");
    desk.expect("CALL_CLOSED");
    assert!(!switch.log().contains("ice-pwd"), "no password is in the log");
}

/// Keys by DTLS are no next process's: it offers anew, with another certificate and a restart of ICE.
#[test]
fn a_page_talks_on_after_kill_9() {
    let mut switch = Switch::with_plan(&with_https());
    let browser = Browser::speaking(&switch, HIGH);
    let mut page = browser.phone(&switch, Library::JsSipAudio, PAGE);
    let mut desk = Phone::of(&switch, DESK).hz(LOW).answers().start(&switch);
    page.does(&format!("call('{DESK}')"));
    page.until("UP");
    talk(&mut page, &desk);
    switch.until_kept();
    switch.kill9();
    switch.start_again();
    page.until("REGISTERED");
    talk(&mut page, &desk);
    page.does("hangUp()");
    page.until("ENDED BY local");
    desk.expect("CALL_CLOSED");
    tells(&switch.until_cdr(PAGE), &[("answered_by", DESK), ("cause", "normal")]);
}

/// A desk phone and a page of one extension get one offer each; whichever answers is heard.
#[test]
fn a_page_and_a_desk_phone_of_one_extension_are_called_at_once() {
    let switch = Switch::with_plan(&with_https());
    let browser = Browser::speaking(&switch, HIGH);
    let mut page = browser.phone(&switch, Library::JsSipAudio, PAGE);
    let mut beside = Phone::of(&switch, PAGE).hz(HIGH).start(&switch);
    let mut desk = Phone::of(&switch, DESK).hz(LOW).start(&switch);
    desk.dial(PAGE);
    beside.expect("CALL_INCOMING");
    page.until(&format!("INCOMING {DESK}"));
    page.does("answer()");
    page.until("UP");
    talk(&mut page, &desk);
    desk.hang_up();
    page.until("ENDED BY remote");
    desk.expect("CALL_CLOSED");
    desk.dial(PAGE);
    page.until(&format!("INCOMING {DESK}"));
    beside.expect("CALL_INCOMING");
    beside.accept();
    desk.expect("CALL_ESTABLISHED");
    beside.until_heard(LOW, 0.5);
    desk.until_heard(HIGH, 0.5);
}

fn plan() -> String {
    let ranges = "extensions from=1001 to=1012\nextensions from=1013 to=1020 media-keys=\"dtls\"";
    TEAM.replace("extensions from=1001 to=1020", ranges)
}

#[test]
fn baresip_with_dtls_calls_and_is_called_without_ice_and_with() {
    baresip_calls_and_is_called(&plan());
}

#[test]
fn baresip_with_dtls_calls_and_is_called_where_both_sides_check() {
    baresip_calls_and_is_called(&full(&plan()));
}

fn baresip_calls_and_is_called(plan: &str) {
    let switch = Switch::with_plan(plan);
    let mut desk = Phone::of(&switch, DESK).hz(HIGH).start(&switch);
    for (has_ice, user) in [(false, LOCKED), (true, "1014")] {
        let setup = Phone::of(&switch, user).hz(LOW);
        let setup = if has_ice { setup.with_dtls_and_ice() } else { setup.with_dtls() };
        let mut locked = setup.start(&switch);
        locked.dial(DESK);
        desk.expect("CALL_INCOMING");
        desk.accept();
        locked.expect("CALL_ESTABLISHED");
        hear_each_other(&locked, &desk);
        locked.hang_up();
        desk.expect("CALL_CLOSED");
        locked.expect("CALL_CLOSED");
        desk.dial(user);
        locked.expect("CALL_INCOMING");
        locked.accept();
        desk.expect("CALL_ESTABLISHED");
        hear_each_other(&locked, &desk);
        desk.hang_up();
        locked.expect("CALL_CLOSED");
        desk.expect("CALL_CLOSED");
    }
}

#[track_caller]
fn hear_each_other(locked: &Phone, desk: &Phone) {
    let before = (locked.heard().seconds(), desk.heard().seconds());
    wait::until_true("both hear each other", || {
        locked.heard().after(before.0).seconds_of(HIGH) >= 0.5 && desk.heard().after(before.1).seconds_of(LOW) >= 0.5
    });
}

#[test]
fn who_must_have_dtls_and_offers_something_else_is_refused() {
    let switch = Switch::with_plan(&plan());
    let mut plain = Phone::of(&switch, LOCKED).start(&switch);
    let mut written = Phone::of(&switch, "1014").over("tls").with_keys().start(&switch);
    for phone in [&mut plain, &mut written] {
        phone.dial("1999");
        let closed = phone.expect("CALL_CLOSED");
        assert!(closed["param"].as_str().is_some_and(|text| text.contains("488")), "{closed}");
    }
}
