//! Messages in boxes: left by real phones, read back as a file, shown by a lamp.

use std::path::Path;

use serde_json::{Value, json};
use tandem_tests::{
    journal::Journal,
    phone::Phone,
    switch::Switch,
    tone::{self, Heard},
    wait,
    watcher::Watcher,
};

use crate::{TEAM, tells};

const SPEAKS: f64 = 600.0;

fn start() -> Switch {
    Switch::with_plan(&format!(
        r#"
mailbox "support" {{
    greeting "music/beep"
    max "3s"
    messages 2
    extension "1002"
}}
route "support-box" {{
    from any
    to "1700"
    voicemail "support" {{ full {{ hangup "busy"; }}; }}
    hangup
}}
route "own-box" {{
    from any
    to "*7{{whose:extension}}"
    voicemail "{{whose}}"
    hangup
}}
{TEAM}"#
    ))
}

fn messages(switch: &Switch, query: &str) -> Vec<Value> {
    switch.get(&format!("/messages?{query}"))["messages"].as_array().expect("a list").clone()
}

/// The lamp is quicker than the store.
fn until_messages(switch: &Switch, query: &str, count: usize) -> Vec<Value> {
    wait::until("the messages are listed", wait::SOON, || {
        Some(messages(switch, query)).filter(|messages| messages.len() == count)
    })
}

fn audio(switch: &Switch, message: &Value) -> Heard {
    let file = switch.ground.join("message.wav");
    let id = message["message"].as_str().expect("an identifier");
    std::fs::write(&file, switch.download(&format!("/api/v1/messages/{id}"))).expect("a writable folder");
    tone::read(&file, 0)
}

/// 1011 has heard the greeting and the tone, and has spoken for a while.
fn speaking(switch: &Switch, number: &str) -> Phone {
    let mut caller = Phone::of(switch, "1011").hz(SPEAKS).start(switch);
    caller.dial(number);
    caller.expect("CALL_ESTABLISHED");
    caller.until_heard(1_000.0, 0.2);
    caller
}

/// So much more was written of messages: stereo, 16 bits, 8 kHz.
fn until_spoken(switch: &Switch, seconds: f64) {
    let folder = switch.ground.join("var/messages");
    let begun = bytes_below(&folder);
    wait::until_true("more is written", || (bytes_below(&folder) - begun) as f64 >= seconds * 32_000.0);
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes_below(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[test]
fn a_message_is_left_is_shown_by_a_lamp_and_is_heard() {
    let mut switch = start();
    let lamp = Watcher::start(&switch, "1002", "message-summary", "1002");
    lamp.until_told("Messages-Waiting: no");
    let mut caller = speaking(&switch, "1700");
    // The longest message ends it.
    caller.expect("CALL_CLOSED");
    let told = lamp.until_told("Messages-Waiting: yes");
    assert!(told["body"].as_str().expect("a document").contains("Voice-Message: 1/0"), "{told}");
    let left = until_messages(&switch, "mailbox=support", 1);
    tells(&left[0], &[("mailbox", "support"), ("from", "1011"), ("state", "new")]);
    let length = left[0]["duration_ms"].as_u64().expect("a length");
    assert!((2_900..=3_300).contains(&length), "{length} ms");
    let heard = audio(&switch, &left[0]);
    assert!(heard.seconds_of(SPEAKS) >= 2.0, "{} s of the tone", heard.seconds_of(SPEAKS));
    assert_eq!(messages(&switch, "mailbox=support&state=new").len(), 1, "read as a file, it is new still");

    // A key ends the second one; with it the box is full.
    let mut caller = speaking(&switch, "1700");
    until_spoken(&switch, 1.5);
    caller.press("#");
    caller.expect("CALL_CLOSED");
    lamp.until_told("Voice-Message: 2/0");
    until_messages(&switch, "mailbox=support&state=new", 2);
    let mut late = Phone::of(&switch, "1012").start(&switch);
    late.dial("1700");
    late.expect("CALL_CLOSED");
    assert_eq!(switch.until_cdr("1012")["cause"], "busy");

    // Heard, deleted, and still so after a restart.
    let id = left[0]["message"].as_str().expect("an identifier");
    assert!(switch.cli(&["messages", "list", "--mailbox", "support"]).contains("1011"));
    switch.cli(&["messages", "heard", id]);
    lamp.until_told("Voice-Message: 1/1");
    let other = until_messages(&switch, "mailbox=support&state=new", 1);
    switch.cli(&["messages", "delete", other[0]["message"].as_str().expect("an identifier")]);
    let told = lamp.until_told("Voice-Message: 0/1");
    assert!(told["body"].as_str().expect("a document").contains("Messages-Waiting: no"), "{told}");
    switch.kill9();
    switch.start_again();
    Watcher::start(&switch, "1002", "message-summary", "1002").until_told("Voice-Message: 0/1");
    let mut journal = Journal::open(&switch);
    assert_eq!(journal.until("message-left", 2, wait::SOON).len(), 2);
    assert_eq!(journal.until("message-heard", 1, wait::SOON).len(), 1);
}

#[test]
fn what_was_said_before_a_kill_is_a_message_and_what_is_said_after_it_another() {
    let mut switch = start();
    let mut caller = speaking(&switch, "*71003");
    until_spoken(&switch, 2.0);
    switch.until_kept();
    switch.kill9();
    switch.start_again();
    let before = messages(&switch, "mailbox=1003");
    assert_eq!(before.len(), 1, "{before:?}");
    assert!(audio(&switch, &before[0]).seconds_of(SPEAKS) >= 1.0);
    // The caller speaks on, and hangs up.
    wait::until_true("the caller is there again", || switch.calls().iter().any(|call| call["step"] == "voicemail"));
    until_spoken(&switch, 2.0);
    caller.hang_up();
    until_messages(&switch, "mailbox=1003&state=new", 2);
    let record = switch.until_cdr("1011");
    tells(&record, &[("cause", "normal"), ("blame", "caller")]);
    assert_eq!(record["restarts"], json!(1));
}
