//! Busy lamps, presence and texts, as others' programs see them.

use serde_json::json;
use tandem_tests::{
    journal::Journal,
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait::SOON,
    watcher::{Watcher, send_text},
};

use crate::TEAM;

const IDLE: &str = "entity=\"sip:1001@";

#[test]
fn a_busy_lamp_follows_a_call_from_its_ringing_to_its_end() {
    // It rings until everybody has seen it.
    let switch = Switch::with_plan(
        &TEAM.replace("dial extension=\"{colleague}\" ring=\"3s\"", "dial extension=\"{colleague}\" ring=\"60s\""),
    );
    let (mut caller, mut called) = (Phone::of(&switch, "1011").start(&switch), Phone::of(&switch, "1001").start(&switch));
    let lamp = Watcher::start(&switch, "1002", "dialog", "1001");
    let own = Watcher::start(&switch, "1001", "dialog", "1001");
    let first = lamp.until_told(IDLE);
    assert_eq!(first["state"], "active;expires=600");
    assert!(!first["body"].as_str().expect("a document").contains("<dialog "), "{first}");
    own.until_told(IDLE);

    caller.dial("1001");
    called.expect("CALL_INCOMING");
    let rings = lamp.until_told("<state>early</state>");
    let document = rings["body"].as_str().expect("a document");
    assert!(document.contains("direction=\"recipient\"") && !document.contains("1011"), "{document}");
    assert!(own.until_told("<state>early</state>")["body"].as_str().expect("a document").contains("sip:1011@"));
    called.accept();
    lamp.until_told("<state>confirmed</state>");
    caller.hang_up();
    called.expect("CALL_CLOSED");
    let last = lamp.until_told(IDLE);
    assert!(!last["body"].as_str().expect("a document").contains("<dialog "), "{last}");
}

#[test]
fn who_signs_in_and_goes_to_lunch_is_seen_to() {
    let switch = Switch::with_plan(TEAM);
    let watcher = Watcher::start(&switch, "1002", "presence", "1001");
    watcher.until_told("<basic>closed</basic>");
    switch.set_agent("1001", "sign-in");
    let there = watcher.until_told("<basic>open</basic>");
    assert!(!there["body"].as_str().expect("a document").contains("rpid:a"), "{there}");
    switch.post("/agents/1001/state", &json!({ "state": "not-ready", "reason": "lunch" }));
    let away = watcher.until_told("<rpid:away/>");
    assert!(away["body"].as_str().expect("a document").contains("<note>lunch</note>"), "{away}");
    switch.set_agent("1001", "sign-out");
    watcher.until_told("<basic>closed</basic>");
    // Nobody has left a message.
    let mail = Watcher::start(&switch, "1001", "message-summary", "1001");
    mail.until_told("Messages-Waiting: no\r\n");
}

#[test]
fn presence_is_there_again_after_a_restart() {
    let mut switch = Switch::with_plan(TEAM);
    switch.set_agent("1001", "sign-in");
    Journal::open(&switch).until("agent-changed", 1, SOON);
    switch.kill9();
    switch.start_again();
    Watcher::start(&switch, "1002", "presence", "1001").until_told("<basic>open</basic>");
}

#[test]
fn a_text_reaches_the_device_of_a_colleague_and_no_log() {
    const WORDS: &str = "lunch at one";
    let switch = Switch::with_plan(TEAM);
    assert_eq!(send_text(&switch, "1002", "1001", WORDS), 480, "nobody is there");
    assert_eq!(send_text(&switch, "1002", "9999", WORDS), 404, "nobody has that name");
    let taken = Script::new("text-taken", &switch).set("from", "1002").set("text", WORDS);
    let device = Devices::once(&switch, &["1001"], taken);
    assert_eq!(send_text(&switch, "1002", "1001", WORDS), 200);
    device.succeed();
    assert!(!switch.log().contains(WORDS), "what people write is not in the log");
}
