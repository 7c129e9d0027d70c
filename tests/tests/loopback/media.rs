//! What phones hear: other codecs, hold, keys, an echo.

use tandem_tests::{phone::Phone, switch::Switch, wait};

use crate::{TEAM, prompt};

const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;

/// Two phones in conversation; the second one speaks PCMU.
fn talking(switch: &Switch, codec: &'static str) -> (Phone, Phone) {
    let mut calls = Phone::of(switch, "1011").codec(codec).hz(LOW).start(switch);
    let answers = Phone::of(switch, "1012").codec("PCMU").hz(HIGH).answers().start(switch);
    calls.dial("1012");
    calls.expect("CALL_ESTABLISHED");
    (calls, answers)
}

fn heard_both_ways(codec: &'static str) {
    let switch = Switch::with_plan(TEAM);
    let (calls, answers) = talking(&switch, codec);
    calls.until_heard(HIGH, 1.0);
    answers.until_heard(LOW, 1.0);
}

#[test]
fn opus_and_pcmu_hear_each_other() {
    heard_both_ways("opus");
}

#[test]
fn g722_and_pcmu_hear_each_other() {
    heard_both_ways("G722");
}

#[test]
fn who_is_held_hears_music_and_afterwards_the_other_one_again() {
    let switch = Switch::with_plan(TEAM);
    let (mut calls, answers) = talking(&switch, "PCMU");
    answers.until_heard(LOW, 0.5);
    calls.hold();
    switch.until_call("1011", "hold");
    let music = prompt("music/hold");
    wait::until_true("the held one hears music", || answers.heard().contains(&music));
    let before = answers.heard().seconds();
    calls.resume();
    switch.until_call("1011", "talking");
    wait::until_true("the held one hears the other again", || answers.heard().after(before).seconds_of(LOW) >= 1.0);
    calls.hang_up();
    let record = switch.until_cdr("1011");
    assert_eq!(crate::states(&record).last(), Some(&"talking"), "{record}");
    assert!(crate::states(&record).contains(&"hold"), "{record}");
}

#[test]
fn keys_reach_the_other_one() {
    keys_pressed("PCMU");
}

#[test]
fn keys_reach_the_other_one_from_g722() {
    keys_pressed("G722");
}

#[test]
fn keys_reach_the_other_one_from_opus_with_events_of_8_khz() {
    // That is all that this phone knows.
    keys_pressed("opus");
}

#[test]
fn keys_reach_a_phone_that_wants_them_by_info() {
    let switch = Switch::with_plan(&with_dtmf("info"));
    let (mut calls, mut answers) = talking(&switch, "G722");
    answers.until_heard(LOW, 0.5);
    for digit in ["1", "#", "9"] {
        calls.press(digit);
        assert_eq!(answers.expect("CALL_DTMF_START")["param"], digit);
    }
    // And back, as an event of RFC 4733 to us.
    answers.press("4");
    assert_eq!(calls.expect("CALL_DTMF_START")["param"], "4");
}

#[test]
fn keys_reach_a_phone_that_wants_them_as_tones() {
    let switch = Switch::with_plan(&with_dtmf("tones"));
    let (mut calls, mut answers) = talking(&switch, "PCMU");
    answers.until_heard(LOW, 0.5);
    calls.press("5");
    wait::until_true("the upper tone of the key is heard", || answers.heard().seconds_with(1_336.0) >= 0.1);
    assert!(!answers.has("CALL_DTMF_START"));
}

fn with_dtmf(way: &str) -> String {
    let plan = TEAM.replace("extensions from=1001 to=1020", &format!("extensions from=1001 to=1020 dtmf=\"{way}\""));
    assert_ne!(plan, TEAM);
    plan
}

fn keys_pressed(codec: &'static str) {
    let switch = Switch::with_plan(TEAM);
    let (mut calls, mut answers) = talking(&switch, codec);
    answers.until_heard(LOW, 0.5);
    for digit in ["1", "#", "9"] {
        calls.press(digit);
        let event = answers.expect("CALL_DTMF_START");
        assert_eq!(event["param"], digit, "{event}");
        answers.expect("CALL_DTMF_END");
    }
}

#[test]
fn the_echo_test_gives_back_what_it_hears() {
    let switch = Switch::demo();
    let mut phone = Phone::of(&switch, "1001").hz(LOW).start(&switch);
    phone.dial("1999");
    phone.expect("CALL_ESTABLISHED");
    let notice = prompt("en/echo-start");
    wait::until_true("the phone hears what this is", || phone.heard().contains(&notice));
    phone.until_heard(LOW, 1.0);
}

#[test]
fn a_fault_in_one_call_ends_that_call_only() {
    let switch = Switch::demo();
    let mut phones = ["1001", "1002"].map(|user| Phone::of(&switch, user).hz(LOW).start(&switch));
    for phone in &mut phones {
        phone.dial("1999");
        phone.expect("CALL_ESTABLISHED");
        phone.until_heard(LOW, 0.5);
    }
    let [faulty, other] = &mut phones;
    faulty.press("D");
    faulty.expect("CALL_CLOSED");
    let ended = switch.until_cdr("1001");
    assert_eq!((&ended["cause"], &ended["blame"]), (&"fault".into(), &"us".into()), "{ended}");
    assert!(!other.has("CALL_CLOSED"), "the other call goes on");
    other.until_heard(LOW, 2.0);
    other.hang_up();
    assert_eq!(switch.until_cdr("1002")["cause"], "normal");
}
