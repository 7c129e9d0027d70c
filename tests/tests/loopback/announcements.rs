//! Announcements into conversations and rooms, and what operators do with the members of a room.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_tests::{journal::Journal, phone::Phone, switch::Switch, tone, tone::Heard, wait};

use crate::{TEAM, conferences, prompt};

const CALLER_HZ: f64 = 600.0;
const AGENT_HZ: f64 = 1_400.0;

/// Waits until a phone has heard a recording since then.
fn until_announced(phone: &Phone, since: f64, audio: &Heard) {
    wait::until_true("the announcement is heard", || phone.heard().after(since).contains(audio));
}

#[test]
fn a_conversation_hears_an_announcement_and_goes_on_and_its_recording_misses_nothing() {
    let switch = Switch::with_plan(&TEAM.replace("    max-missed 1\n", "    max-missed 1\n    record #true\n"));
    let own = switch.access().1;
    let mut agent = Phone::of(&switch, "1002").hz(AGENT_HZ).start(&switch);
    switch.set_agent("1002", "sign-in");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("1800");
    agent.expect("CALL_INCOMING");
    let call = switch.calls()[0]["call"].as_str().expect("a name").to_owned();
    let path = format!("/calls/{call}/announce");
    let order = |prompt: &str, to: &str| switch.post_as(&own, &path, &json!({ "prompt": prompt, "to": to })).0;
    assert_eq!(order("please-hold", "caller"), 409, "nobody talks yet");
    agent.accept();
    switch.until_call("1011", "talking");
    caller.until_heard(AGENT_HZ, 1.0);
    let audio = prompt("en/please-hold");

    let (before, others) = (caller.heard().seconds(), agent.heard().seconds());
    assert_eq!(order("please-hold", "caller"), 200);
    until_announced(&caller, before, &audio);
    wait::until_true("the agent is heard again", || caller.heard().after(before + audio.seconds()).seconds_of(AGENT_HZ) >= 1.0);
    let heard = agent.heard().after(others + 0.2);
    assert!(heard.seconds_of(CALLER_HZ) >= heard.seconds() - 0.2, "the agent hears the caller all the time");

    let before = [caller.heard().seconds(), agent.heard().seconds()];
    switch.cli(&["calls", "announce", &call, "please-hold"]);
    until_announced(&caller, before[0], &audio);
    until_announced(&agent, before[1], &audio);
    assert_eq!((order("no-such-prompt", "both"), order("", "both")), (404, 400));
    agent.hold();
    switch.until_call("1011", "hold");
    assert_eq!(order("please-hold", "agent"), 409, "the agent holds");
    agent.resume();
    switch.until_call("1011", "talking");
    let before = caller.heard().seconds();
    wait::until_true("they talk on", || caller.heard().after(before).seconds_of(AGENT_HZ) >= 1.0);
    caller.hang_up();
    assert_eq!(switch.until_cdr("1011")["cause"], "normal");
    assert_eq!(order("please-hold", "both"), 404);
    let done = || switch.get("/recordings")["recordings"][0].clone();
    wait::until_true("the recording is complete", || done()["state"] == "finished");
    let bytes = switch.download(&format!("/api/v1/recordings/{}", done()["recording"].as_str().expect("a name")));
    let side = |channel| tone::parse(&bytes, channel).expect("a recording");
    // All but the hold.
    for (side, hz) in [(side(0), CALLER_HZ), (side(1), AGENT_HZ)] {
        assert!(side.seconds_of(hz) >= side.seconds() - 1.0, "{} s of {} s", side.seconds_of(hz), side.seconds());
    }
    assert!(!side(0).contains(&audio) && !side(1).contains(&audio));
}

#[test]
fn operators_see_mute_and_remove_members_and_announce_and_who_is_alone_hears_music() {
    let switch = conferences::start();
    let own = switch.access().1;
    let music = prompt("music/hold");
    let mut first = conferences::enters(&switch, ("1011", "PCMU", CALLER_HZ), "3000");
    wait::until_true("music is heard", || first.heard().seconds_of_sound() >= 1.0 && first.heard().contains(&music));
    let audio = prompt("en/please-hold");
    let before = first.heard().seconds();
    switch.cli(&["conferences", "announce", "room-00", "please-hold"]);
    until_announced(&first, before, &audio);
    let since = first.heard().seconds();
    wait::until_true("music again", || first.heard().after(since).seconds_of_sound() >= 1.0);

    let mut second = conferences::enters(&switch, ("1012", "PCMU", AGENT_HZ), "3000");
    let since = first.heard().seconds();
    wait::until_true("no music but the second one", || first.heard().after(since).seconds_of(AGENT_HZ) >= 1.0);
    let rooms = switch.get("/conferences");
    let members = rooms[0]["members"].as_array().expect("a list").clone();
    assert_eq!((&rooms[0]["room"], members.len()), (&"room-00".into(), 2), "{rooms}");
    let seen: Vec<(&Value, &Value)> = members.iter().map(|member| (&member["from"], &member["muted"])).collect();
    assert_eq!(seen, [(&"1011".into(), &false.into()), (&"1012".into(), &false.into())]);
    let call = members[1]["call"].as_str().expect("a name").to_owned();

    switch.cli(&["conferences", "mute", "room-00", &call]);
    assert_eq!(switch.get("/conferences")[0]["members"][1]["muted"], true);
    wait::until_true("who is muted is not heard", || {
        let heard = first.heard();
        heard.after((heard.seconds() - 0.5).max(0.0)).seconds_of(AGENT_HZ) == 0.0
    });
    switch.cli(&["conferences", "unmute", "room-00", &call]);
    let since = first.heard().seconds();
    wait::until_true("and heard again", || first.heard().after(since).seconds_of(AGENT_HZ) >= 1.0);
    let before = [first.heard().seconds(), second.heard().seconds()];
    switch.post("/conferences/room-00/announce", &json!({ "prompt": "please-hold" }));
    until_announced(&first, before[0], &audio);
    until_announced(&second, before[1], &audio);
    assert_eq!(switch.post_as(&own, "/conferences/room-00/announce", &json!({ "prompt": "no-such-prompt" })).0, 404);
    assert_eq!(switch.post_as(&own, "/conferences/room-01/announce", &json!({ "prompt": "please-hold" })).0, 404);
    assert_eq!(switch.post_as(&own, &format!("/conferences/room-01/members/{call}/mute"), &json!(null)).0, 404);

    switch.cli(&["conferences", "remove", "room-00", &call]);
    second.expect("CALL_CLOSED");
    let since = first.heard().seconds();
    wait::until_true("alone again, with music", || first.heard().after(since).seconds_of_sound() >= 1.0);
    first.hang_up();
    let mut journal = Journal::open(&switch);
    assert_eq!(journal.until("conference-left", 2, Duration::from_secs(10)).len(), 2);
    let of = |kind: &str| journal.of(kind);
    assert_eq!((of("conference-joined").len(), of("conference-muted").len(), of("conference-unmuted").len()), (2, 1, 1));
    assert_eq!((&of("conference-muted")[0]["room"], &of("conference-muted")[0]["call"]), (&"room-00".into(), &call.into()));
    assert_eq!(switch.get("/conferences"), json!([]));
}
