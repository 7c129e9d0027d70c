//! The call of the README: menu by key, queue with music, an agent at a phone, a recording, a record.

use serde_json::Value;
use tandem_tests::{phone::Phone, switch::Switch, tone, wait};

const CALLER_HZ: f64 = 600.0;
const AGENT_HZ: f64 = 1_400.0;

#[test]
fn a_caller_chooses_by_key_waits_with_music_and_talks_with_an_agent() {
    let switch = Switch::demo();
    let mut caller = Phone::of(&switch, "1001").hz(CALLER_HZ).start(&switch);
    let mut agent = Phone::of(&switch, "1002").hz(AGENT_HZ).start(&switch);

    // By hand, at their own phone: sign in, and take a short break before the first call.
    for (code, state) in [("*11", "ready"), ("*14", "not-ready")] {
        agent.dial(code);
        agent.expect("CALL_CLOSED");
        switch.until_agent("1002", state);
    }

    caller.dial("1000");
    caller.expect("CALL_ESTABLISHED");
    let menu = crate::prompt("en/welcome");
    wait::until_true("the caller hears the menu", || caller.heard().contains(&menu));
    caller.press("2");
    switch.until_call("1001", "queued");
    let music = crate::prompt("music/hold");
    wait::until_true("the caller hears music", || caller.heard().contains(&music));

    agent.dial("*13");
    agent.expect("CALL_CLOSED");
    agent.expect("CALL_INCOMING");
    switch.until_offered("support", "1001");
    agent.accept();
    let call = switch.until_call("1001", "talking");
    assert_eq!((&call["agent"], &call["queue"]), (&"1002".into(), &"support".into()), "{call}");
    caller.until_heard(AGENT_HZ, 2.0);
    agent.until_heard(CALLER_HZ, 2.0);
    caller.hang_up();
    agent.expect("CALL_CLOSED");

    assert!(caller.heard().contains(&crate::prompt("en/recording-notice")), "the caller was told of the recording");
    assert_eq!(caller.heard().seconds_of(CALLER_HZ), 0.0, "the caller does not hear themselves");
    assert_eq!(agent.heard().seconds_of(AGENT_HZ), 0.0, "the agent does not hear themselves");

    let record = switch.until_cdrs("number=1000", 1).remove(0);
    let record = switch.get(&format!("/calls/{}", record["call"].as_str().expect("an identifier")));
    the_record_tells_the_story(&record);
    the_recording_has_both_sides(&switch, &record);
    switch.until_agent("1002", "wrap-up");
}

fn the_record_tells_the_story(record: &Value) {
    for (field, value) in [
        ("origin", "extension:1001"),
        ("from", "1001"),
        ("to", "1000"),
        ("route", "welcome"),
        ("queue", "support"),
        ("agent", "1002"),
        ("cause", "normal"),
        ("blame", "caller"),
    ] {
        assert_eq!(record[field], value, "{field} of {record}");
    }
    let times = ["started_at", "answered_at", "connected_at", "ended_at"].map(|name| record[name].as_str().expect("a time"));
    assert!(times.is_sorted(), "{times:?}");
    let talked = record["talked_ms"].as_u64().expect("a duration");
    let waited = record["waited_ms"].as_u64().expect("a duration");
    assert!((2_000..30_000).contains(&talked) && waited > 100, "{record}");
    assert_eq!(crate::states(record), ["queued", "talking"], "{record}");
    assert!(
        record["quality"]["0"]["packets_received"].as_u64().is_some_and(|n| n > 100),
        "the caller's audio was measured: {record}"
    );
}

fn the_recording_has_both_sides(switch: &Switch, record: &Value) {
    let recording = record["recording"].as_str().expect("a recording").to_owned();
    wait::until_true("the recording is complete", || {
        switch.get("/recordings")["recordings"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|r| r["recording"] == *recording && r["state"] == "finished")
    });
    let bytes = switch.download(&format!("/api/v1/recordings/{recording}"));
    let [left, right] = [0, 1].map(|channel| tone::parse(&bytes, channel).expect("sound"));
    assert!(left.seconds() >= 2.0, "{} s", left.seconds());
    assert!(left.share_of(CALLER_HZ) > 0.7, "the caller is left: {}", left.share_of(CALLER_HZ));
    assert!(right.share_of(AGENT_HZ) > 0.7, "the agent is right: {}", right.share_of(AGENT_HZ));
    assert_eq!((left.seconds_of(AGENT_HZ), right.seconds_of(CALLER_HZ)), (0.0, 0.0), "and not the other way round");
}
