//! Callers who are parked, and calls that are picked up: real phones, in both directions.

use serde_json::json;
use tandem_tests::{phone::Phone, switch::Switch, wait, watcher::Watcher};

use crate::{
    TEAM, states,
    survive::{HIGH, LOW, hear, kill_and_start},
    tells,
};

fn start(timeout: &str) -> Switch {
    Switch::with_plan(&format!(
        r#"
parking "main" from=701 to=703 timeout="{timeout}" music="music/hold"
pickup-group "sales" {{ extension "1001" "1002" "1003"; }}
route "park" {{
    from any
    to "700"
    park "main" {{
        full {{ hangup "busy"; }}
        timed-out {{ hangup "no-answer"; }}
    }}
}}
route "slots" {{
    from extension
    to "{{slot:3}}"
    retrieve "{{slot}}" {{ error {{ hangup "not-found"; }}; }}
}}
route "pickup-one" {{
    from extension
    to "*8{{whose:extension}}"
    pickup "{{whose}}" {{ error {{ hangup "forbidden"; }}; }}
}}
route "pickup" {{
    from extension
    to "*8"
    pickup {{ error {{ hangup "rejected"; }}; }}
}}
{TEAM}"#
    ))
}

/// 1011 talks to 1001, who then parks them.
fn parked(switch: &Switch) -> (Phone, Phone) {
    let mut caller = Phone::of(switch, "1011").hz(LOW).start(switch);
    let mut colleague = Phone::of(switch, "1001").hz(900.0).answers().start(switch);
    caller.dial("1001");
    caller.expect("CALL_ESTABLISHED");
    caller.until_heard(900.0, 0.5);
    colleague.transfer("700");
    colleague.expect("CALL_CLOSED");
    switch.until_call("1011", "parked");
    (caller, colleague)
}

fn slots(switch: &Switch) -> Vec<[String; 4]> {
    let parked = switch.get("/parked");
    let word = |it: &serde_json::Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
    let of = |it| ["slot", "lot", "party", "by"].map(|field| word(it, field));
    parked.as_array().expect("a list").iter().map(of).collect()
}

#[test]
fn a_caller_is_parked_by_a_phone_outlives_a_kill_and_is_taken_by_another_phone() {
    let mut switch = start("5m");
    let lamp = Watcher::start(&switch, "1003", "dialog", "701");
    let idle = lamp.until_told("entity=\"sip:701@");
    assert!(!idle["body"].as_str().expect("a document").contains("<dialog "), "{idle}");
    let (caller, colleague) = parked(&switch);
    let shown = lamp.until_told("<state>confirmed</state>");
    assert!(!shown["body"].as_str().expect("a document").contains("1011"), "{shown}");
    assert_eq!(slots(&switch), [["701", "main", "1011", "1001"]]);
    let listed = switch.cli(&["calls", "parked"]);
    assert!(listed.contains("701") && listed.contains("1011"), "{listed}");
    let before = caller.heard().seconds();
    wait::until_true("music is heard", || caller.heard().after(before).seconds_of_sound() >= 0.5);

    kill_and_start(&mut switch);
    assert_eq!(slots(&switch), [["701", "main", "1011", "1001"]], "in the same slot");
    let lamp = Watcher::start(&switch, "1003", "dialog", "701");
    lamp.until_told("<state>confirmed</state>");
    // Nobody is there, and one who is in no slot.
    let mut other = Phone::of(&switch, "1002").hz(HIGH).start(&switch);
    other.dial("702");
    other.expect("CALL_CLOSED");
    other.dial("701");
    other.expect("CALL_ESTABLISHED");
    let mut pair = [caller, other];
    hear(&pair);
    let last = lamp.until_told("entity=\"sip:701@");
    assert!(!last["body"].as_str().expect("a document").contains("<dialog "), "{last}");
    assert_eq!(switch.get("/parked"), json!([]));
    kill_and_start(&mut switch);
    hear(&pair);
    pair[0].hang_up();
    pair[1].expect("CALL_CLOSED");
    let record = switch.until_cdr("1011");
    tells(&record, &[("answered_by", "1002"), ("cause", "normal"), ("blame", "caller")]);
    let states: Vec<_> = states(&record).into_iter().filter(|state| !["hold", "ringing"].contains(state)).collect();
    assert_eq!(states, ["talking", "parked", "talking"], "{record}");
    drop(colleague);
    wait::until_true("no audio is left", || switch.metric("tandem_media_streams") == 0.0);
}

#[test]
fn whom_nobody_takes_from_the_slot_is_back_with_whoever_parked_them() {
    let switch = start("1s");
    let (mut caller, mut colleague) = parked(&switch);
    colleague.expect("CALL_ESTABLISHED");
    let before = caller.heard().seconds();
    wait::until_true("the two talk again", || caller.heard().after(before).seconds_of(900.0) >= 0.5);
    assert_eq!(switch.get("/parked"), json!([]));
    caller.hang_up();
    colleague.expect("CALL_CLOSED");
    let record = switch.until_cdr("1011");
    tells(&record, &[("answered_by", "1001"), ("cause", "normal")]);
}

#[test]
fn a_full_lot_takes_nobody_and_the_two_talk_on() {
    let switch = start("5m");
    let mut waiting: Vec<Phone> = ["1012", "1013", "1014"].map(|user| Phone::of(&switch, user).start(&switch)).into();
    for (phone, count) in waiting.iter_mut().zip(1..) {
        phone.dial("700");
        phone.expect("CALL_ESTABLISHED");
        wait::until_true("parked", || slots(&switch).len() == count);
    }
    let mut caller = Phone::of(&switch, "1011").hz(LOW).start(&switch);
    let mut colleague = Phone::of(&switch, "1001").hz(900.0).answers().start(&switch);
    caller.dial("1001");
    caller.until_heard(900.0, 0.5);
    colleague.transfer("700");
    let failed = colleague.expect("TRANSFER_FAILED");
    assert!(failed["param"].as_str().is_some_and(|text| text.contains("486")), "{failed}");
    // A lot of somebody who hangs up is free again.
    waiting[1].hang_up();
    wait::until_true("702 is free", || slots(&switch).len() == 2);
    let mut another = Phone::of(&switch, "1015").start(&switch);
    another.dial("700");
    another.expect("CALL_ESTABLISHED");
    wait::until_true("702 again", || slots(&switch).iter().any(|slot| slot[0] == "702" && slot[2] == "1015"));
}

#[test]
fn a_ringing_call_is_picked_up_by_one_of_the_group_and_by_no_other() {
    let switch = start("5m");
    let mut caller = Phone::of(&switch, "1011").hz(LOW).start(&switch);
    let mut called = Phone::of(&switch, "1001").start(&switch);
    let mut stranger = Phone::of(&switch, "1012").start(&switch);
    let mut taker = Phone::of(&switch, "1002").hz(HIGH).start(&switch);
    let mut late = Phone::of(&switch, "1003").start(&switch);
    // Nobody rings.
    taker.dial("*8");
    let refused = taker.expect("CALL_CLOSED");
    assert!(refused["param"].as_str().is_some_and(|text| text.contains("603")), "{refused}");
    caller.dial("1001");
    called.expect("CALL_INCOMING");
    stranger.dial("*81001");
    let refused = stranger.expect("CALL_CLOSED");
    assert!(refused["param"].as_str().is_some_and(|text| text.contains("403")), "{refused}");
    taker.dial("*81001");
    taker.expect("CALL_ESTABLISHED");
    called.expect("CALL_CLOSED");
    late.dial("*81001");
    late.expect("CALL_CLOSED");
    let mut pair = [caller, taker];
    hear(&pair);
    // The call rang for three seconds at most: it goes on as a conversation.
    assert!(!pair[0].has("CALL_CLOSED") && !pair[1].has("CALL_CLOSED"));
    pair[1].hang_up();
    pair[0].expect("CALL_CLOSED");
    let record = switch.until_cdr("1011");
    tells(&record, &[("answered_by", "1002"), ("cause", "normal"), ("blame", "callee")]);
}
