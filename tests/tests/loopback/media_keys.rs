//! Encrypted audio (SRTP with keys in the messages) of phones that others wrote, beside phones without.

use tandem_tests::{phone::Phone, switch::Switch, tone, wait};

use crate::{TEAM, prompt, tells};

/// `sdes`.
const LOCKED: [&str; 2] = ["1011", "1012"];
/// `sdes-optional`.
const EITHER: [&str; 2] = ["1013", "1014"];
/// `none`.
const PLAIN: &str = "1002";
const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;

fn plan() -> String {
    let ranges = "extensions from=1001 to=1010\nextensions from=1011 to=1012 media-keys=\"sdes\"\n\
                  extensions from=1013 to=1014 media-keys=\"sdes-optional\"\nextensions from=1015 to=1020";
    let plan = TEAM
        .replace("extensions from=1001 to=1020", ranges)
        .replace("    max-missed 1\n", "    max-missed 1\n    record #true\n");
    assert!(plan.contains("sdes-optional") && plan.contains("record #true"));
    plan
}

#[test]
fn a_phone_with_keys_over_tls_hears_echo_and_menu_and_its_recording_is_right() {
    let switch = Switch::with_plan(&plan());
    let mut caller = Phone::of(&switch, LOCKED[0]).over("tls").with_keys().hz(LOW).start(&switch);
    caller.dial("1999");
    caller.expect("CALL_ESTABLISHED");
    caller.until_heard(LOW, 1.0);
    caller.hang_up();
    caller.expect("CALL_CLOSED");

    let mut agent = Phone::of(&switch, PLAIN).hz(HIGH).start(&switch);
    switch.set_agent(PLAIN, "sign-in");
    let before = caller.heard().seconds();
    caller.dial("1000");
    caller.expect("CALL_ESTABLISHED");
    let menu = prompt("en/welcome");
    wait::until_true("the caller hears the menu", || caller.heard().after(before).contains(&menu));
    caller.press("2");
    agent.expect("CALL_INCOMING");
    agent.accept();
    switch.until_call(LOCKED[0], "talking");
    caller.until_heard(HIGH, 2.0);
    agent.until_heard(LOW, 2.0);
    agent.hang_up();
    caller.expect("CALL_CLOSED");
    let record = switch.until_cdrs("number=1000", 1).remove(0);
    let recording = record["recording"].as_str().expect("a recording").to_owned();
    let is_complete = |r: &serde_json::Value| r["recording"] == *recording && r["state"] == "finished";
    let all = || switch.get("/recordings")["recordings"].as_array().expect("a list").clone();
    wait::until_true("the recording is complete", || all().iter().any(is_complete));
    let bytes = switch.download(&format!("/api/v1/recordings/{recording}"));
    let side = |channel| tone::parse(&bytes, channel).expect("a recording of two sides");
    assert!(side(0).seconds_of(LOW) >= 1.5 && side(1).seconds_of(HIGH) >= 1.5);
    assert!(side(0).seconds_of(HIGH) < 0.1 && side(1).seconds_of(LOW) < 0.1);
    assert!(record["quality"]["0"]["packets_received"].as_u64().is_some_and(|n| n > 100), "{record}");
    assert!(!switch.log().contains("inline:"), "no key is in the log");
}

#[test]
fn phones_with_keys_and_without_talk_to_each_other_both_ways() {
    let switch = Switch::with_plan(&plan());
    let mut locked = Phone::of(&switch, LOCKED[0]).over("tls").with_keys().hz(LOW).start(&switch);
    let mut other = Phone::of(&switch, LOCKED[1]).over("tls").with_keys().hz(HIGH).start(&switch);
    let mut plain = Phone::of(&switch, PLAIN).hz(HIGH).start(&switch);
    talks(&switch, (LOCKED[0], &mut locked, LOW), (PLAIN, &mut plain, HIGH));
    talks(&switch, (PLAIN, &mut plain, HIGH), (LOCKED[0], &mut locked, LOW));
    talks(&switch, (LOCKED[0], &mut locked, LOW), (LOCKED[1], &mut other, HIGH));
}

type Party<'a> = (&'a str, &'a mut Phone, f64);

fn talks(switch: &Switch, (number, from, hz): Party<'_>, (called, to, other_hz): Party<'_>) {
    from.dial(called);
    to.expect("CALL_INCOMING");
    to.accept();
    from.expect("CALL_ESTABLISHED");
    switch.until_call(number, "talking");
    let before = (from.heard().seconds(), to.heard().seconds());
    wait::until_true("both hear each other", || {
        from.heard().after(before.0).seconds_of(other_hz) >= 0.5 && to.heard().after(before.1).seconds_of(hz) >= 0.5
    });
    from.hang_up();
    from.expect("CALL_CLOSED");
    to.expect("CALL_CLOSED");
    wait::until_true("no call is left", || switch.calls().is_empty());
}

#[test]
fn who_offers_what_may_not_be_is_refused_and_optional_takes_either() {
    let switch = Switch::with_plan(&plan());
    let mut bare = Phone::of(&switch, LOCKED[0]).start(&switch);
    let mut locked = Phone::of(&switch, PLAIN).over("tls").with_keys().start(&switch);
    for phone in [&mut bare, &mut locked] {
        phone.dial("1999");
        let closed = phone.expect("CALL_CLOSED");
        assert!(closed["param"].as_str().is_some_and(|text| text.contains("488")), "{closed}");
        assert!(!phone.has("CALL_ESTABLISHED"));
    }
    let mut plain = Phone::of(&switch, EITHER[0]).start(&switch);
    let mut secure = Phone::of(&switch, EITHER[1]).over("tls").with_keys().start(&switch);
    for phone in [&mut plain, &mut secure] {
        phone.dial("1999");
        phone.expect("CALL_ESTABLISHED");
        phone.until_heard(LOW, 0.5);
        phone.hang_up();
        phone.expect("CALL_CLOSED");
    }
    // Who is called and cannot do what we must offer.
    let mut caller = Phone::of(&switch, "1003").start(&switch);
    caller.dial(LOCKED[0]);
    caller.expect("CALL_CLOSED");
    assert!(!bare.has("CALL_ESTABLISHED"));
    tells(&switch.until_cdr("1003"), &[("to", LOCKED[0])]);
}

/// The keys are in the database, the counters are not.
#[test]
fn phones_with_keys_talk_on_after_kill_9() {
    let mut switch = Switch::with_plan(&plan());
    let mut calls = Phone::of(&switch, LOCKED[0]).with_keys().hz(LOW).start(&switch);
    let mut answers = Phone::of(&switch, LOCKED[1]).with_keys().hz(HIGH).answers().start(&switch);
    calls.dial(LOCKED[1]);
    calls.expect("CALL_ESTABLISHED");
    for round in 0..3 {
        let before = (calls.heard().seconds(), answers.heard().seconds());
        wait::until_true("both hear each other", || {
            calls.heard().after(before.0).seconds_of(HIGH) >= 1.0 && answers.heard().after(before.1).seconds_of(LOW) >= 1.0
        });
        assert!(!calls.has("CALL_CLOSED") && !answers.has("CALL_CLOSED"), "{round}");
        if round < 2 {
            switch.until_kept();
            switch.kill9();
            switch.start_again();
        }
    }
    calls.hang_up();
    answers.expect("CALL_CLOSED");
    tells(&switch.until_cdr(LOCKED[0]), &[("answered_by", LOCKED[1]), ("cause", "normal")]);
    assert!(!switch.log().contains("inline:"), "no key is in the log");
}
