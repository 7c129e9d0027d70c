//! Desk phones that others wrote, over connections: everything that a phone does, by TCP and by TLS. The other party's
//! phone is on UDP.

use tandem_tests::{phone::Phone, switch::Switch, wait};

use crate::{TEAM, prompt, tells};

const OURS: &str = "1011";
const DESK: &str = "1012";
const OTHER: &str = "1013";
const HZ: f64 = 600.0;
const DESK_HZ: f64 = 900.0;
const OTHER_HZ: f64 = 1_400.0;

#[test]
fn baresip_over_tcp_does_what_a_phone_does() {
    does_what_a_phone_does("tcp");
}

#[test]
fn baresip_over_tls_does_what_a_phone_does() {
    does_what_a_phone_does("tls");
}

fn does_what_a_phone_does(transport: &'static str) {
    let switch = Switch::with_plan(TEAM);
    let mut phone = Phone::of(&switch, OURS).over(transport).hz(HZ).start(&switch);
    assert!(switch.metric(&format!("tandem_sip_received_total{{transport=\"{transport}\"}}")) >= 2.0);
    let mut desk = Phone::of(&switch, DESK).hz(DESK_HZ).start(&switch);
    calls_holds_resumes_and_presses(&switch, &mut phone, &mut desk);
    is_called(&switch, &mut phone, &mut desk);
    finds_busy(&mut phone, &mut desk, DESK);
    finds_busy(&mut desk, &mut phone, OURS);
    gives_up(&mut phone, &mut desk, DESK);
    gives_up(&mut desk, &mut phone, OURS);
    hands_over(&switch, &mut phone, &mut desk);
    wait::until_true("no call is left", || switch.calls().is_empty());
    let records = switch.until_cdrs(&format!("number={OURS}"), 7);
    let causes: Vec<_> = records.iter().rev().map(|record| record["cause"].as_str().expect("a cause")).collect();
    assert_eq!(causes, ["normal", "normal", "busy", "busy", "cancelled", "cancelled", "normal"], "{records:?}");
}

fn calls_holds_resumes_and_presses(switch: &Switch, phone: &mut Phone, desk: &mut Phone) {
    phone.dial(DESK);
    desk.expect("CALL_INCOMING");
    desk.accept();
    phone.expect("CALL_ESTABLISHED");
    phone.until_heard(DESK_HZ, 0.5);
    desk.until_heard(HZ, 0.5);
    phone.hold();
    switch.until_call(OURS, "hold");
    let music = prompt("music/hold");
    wait::until_true("the held one hears music", || desk.heard().contains(&music));
    phone.resume();
    switch.until_call(OURS, "talking");
    let before = desk.heard().seconds();
    wait::until_true("the held one hears the other again", || desk.heard().after(before).seconds_of(HZ) >= 0.5);
    // What baresip hears after a hold of its own it does not write down: that it is held is seen here only.
    desk.hold();
    switch.until_call(OURS, "hold");
    desk.resume();
    switch.until_call(OURS, "talking");
    presses(phone, desk, "4");
    presses(desk, phone, "#");
    phone.hang_up();
    desk.expect("CALL_CLOSED");
    phone.expect("CALL_CLOSED");
}

fn presses(from: &mut Phone, to: &mut Phone, digit: &str) {
    from.press(digit);
    assert_eq!(to.expect("CALL_DTMF_START")["param"], digit);
}

fn is_called(switch: &Switch, phone: &mut Phone, desk: &mut Phone) {
    desk.dial(OURS);
    phone.expect("CALL_INCOMING");
    phone.accept();
    desk.expect("CALL_ESTABLISHED");
    switch.until_call(DESK, "talking");
    phone.until_heard(DESK_HZ, 0.5);
    desk.until_heard(HZ, 0.5);
    phone.hang_up();
    desk.expect("CALL_CLOSED");
    phone.expect("CALL_CLOSED");
    tells(&switch.until_cdrs(&format!("number={DESK}"), 2)[0], &[("from", DESK), ("answered_by", OURS), ("blame", "callee")]);
}

fn finds_busy(from: &mut Phone, to: &mut Phone, number: &str) {
    from.dial(number);
    to.expect("CALL_INCOMING");
    to.hang_up();
    let closed = from.expect("CALL_CLOSED");
    assert!(closed["param"].as_str().is_some_and(|text| text.contains("486")), "{closed}");
    to.expect("CALL_CLOSED");
}

fn gives_up(from: &mut Phone, to: &mut Phone, number: &str) {
    from.dial(number);
    to.expect("CALL_INCOMING");
    from.expect("CALL_RINGING");
    from.hang_up();
    to.expect("CALL_CLOSED");
    from.expect("CALL_CLOSED");
}

/// Blind: the desk phone is handed to another one.
fn hands_over(switch: &Switch, phone: &mut Phone, desk: &mut Phone) {
    let _other = Phone::of(switch, OTHER).hz(OTHER_HZ).answers().start(switch);
    desk.dial(OURS);
    phone.expect("CALL_INCOMING");
    phone.accept();
    desk.expect("CALL_ESTABLISHED");
    desk.until_heard(HZ, 0.5);
    phone.transfer(OTHER);
    desk.until_heard(OTHER_HZ, 0.5);
    phone.expect("CALL_CLOSED");
    assert!(!phone.has("TRANSFER_FAILED") && !desk.has("CALL_CLOSED"));
    desk.hang_up();
    desk.expect("CALL_CLOSED");
}
