//! Card numbers that a caller enters in a conversation: nobody gets them but who may read them, once.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::json;
use tandem_tests::{phone::Phone, switch::Switch, tone, wait};

use crate::{TEAM, survive::kill_and_start};

const CALLER_HZ: f64 = 600.0;
const AGENT_HZ: f64 = 1_400.0;
const CARD: &str = "4929718204635517";

/// What the switch wrote and made: data, configuration, log.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Presses keys one after another, as a finger does.
fn enter(phone: &mut Phone, keys: &str) {
    for key in keys.chars() {
        phone.press(&key.to_string());
        let before = phone.heard().seconds();
        wait::until_true("a moment passes", || phone.heard().seconds() >= before + 0.25);
    }
}

#[test]
fn a_card_number_is_read_once_and_is_nowhere_else() {
    let plan = TEAM.replace("    max-missed 1\n", "    max-missed 1\n    record #true\n");
    let switch = Switch::with_plan(&plan);
    let token = switch.cli(&["--format", "json", "token", "add", "till", "--scope", "payment"]);
    let token = serde_json::from_str::<serde_json::Value>(&token).expect("JSON")["token"].as_str().expect("a token").to_owned();
    let mut agent = Phone::of(&switch, "1002").hz(AGENT_HZ).answers().start(&switch);
    switch.set_agent("1002", "sign-in");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    let mut follower = switch.command(&["follow", "1011"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    caller.dial("1800");
    let call = switch.until_call("1011", "talking")["call"].as_str().expect("a name").to_owned();
    agent.until_heard(CALLER_HZ, 1.0);
    enter(&mut caller, "9");
    agent.expect("CALL_DTMF_START");
    let keys = format!("/calls/{call}/payment/keys");
    assert_eq!(switch.post_as(&token, &keys, &json!(null)).0, 404, "before there is any");

    switch.cli(&["calls", "payment", &call, "begin"]);
    assert_eq!(switch.get(&format!("/calls/{call}"))["payment"], true);
    let masked_at = agent.heard().seconds();
    enter(&mut caller, &CARD[..4]);
    let before = caller.heard().seconds();
    wait::until_true("the caller hears the agent", || caller.heard().after(before).seconds_of(AGENT_HZ) >= 1.0);
    enter(&mut caller, &CARD[4..]);
    let own = switch.access().1;
    assert_eq!(switch.post_as(&own, &keys, &json!(null)).0, 403, "an admin may not");
    let heard = agent.heard().after(masked_at + 0.5);
    assert!(heard.seconds_of(CALLER_HZ) == 0.0, "{} s of the caller", heard.seconds_of(CALLER_HZ));
    assert!(!agent.has("CALL_DTMF_START"));

    switch.post(&format!("/calls/{call}/payment"), &json!({ "action": "end" }));
    let (status, read) = switch.post_as(&token, &keys, &json!(null));
    assert_eq!((status, &read["keys"]), (200, &CARD.into()), "{read}");
    assert_eq!(switch.post_as(&token, &keys, &json!(null)).0, 404, "only once");
    let after = agent.heard().seconds();
    wait::until_true("the agent hears the caller again", || agent.heard().after(after).seconds_of(CALLER_HZ) >= 1.0);
    caller.press("8");
    agent.expect("CALL_DTMF_START");
    caller.hang_up();
    switch.until_cdr("1011");
    let recordings = || switch.get("/recordings")["recordings"].as_array().expect("a list").clone();
    let is_done = || recordings().iter().all(|row| row["state"] == "finished" || row["state"] == "interrupted");
    wait::until_true("the recordings are complete", is_done);
    let bytes = switch.download(&format!("/api/v1/recordings/{}", recordings()[0]["recording"].as_str().expect("a name")));
    let sides = [0, 1].map(|side| tone::parse(&bytes, side).expect("a recording"));
    let (spoke, paid) = (sides[0].seconds_of_sound(), sides[0].seconds() - sides[0].seconds_of_sound());
    assert!(spoke >= 2.0 && paid >= 5.0, "{spoke} s are heard, and {paid} s are silence");
    assert!(sides[1].seconds_of(AGENT_HZ) > 4.0);

    follower.kill().expect("it runs");
    let mut followed = String::new();
    follower.stdout.take().expect("piped").read_to_string(&mut followed).expect("text");
    follower.wait().expect("our child");
    assert!(followed.contains("payment begins") && !followed.contains(CARD), "{followed}");
    for file in files(&switch.ground.join("var")).into_iter().chain([switch.ground.join("log")]) {
        let bytes = fs::read(&file).expect("a file");
        assert!(!bytes.windows(8).any(|part| part == &CARD.as_bytes()[..8]), "{}", file.display());
    }
}

/// What the last process knew of the keys is gone with it; the mask is not.
#[test]
fn a_payment_outlives_hold_and_a_kill_and_its_keys_do_not() {
    let mut switch = Switch::with_plan(TEAM);
    let token = switch.cli(&["--format", "json", "token", "add", "till", "--scope", "payment"]);
    let token = serde_json::from_str::<serde_json::Value>(&token).expect("JSON")["token"].as_str().expect("a token").to_owned();
    let mut agent = Phone::of(&switch, "1002").hz(AGENT_HZ).answers().start(&switch);
    switch.set_agent("1002", "sign-in");
    let mut caller = Phone::of(&switch, "1011").hz(CALLER_HZ).start(&switch);
    caller.dial("1800");
    let call = switch.until_call("1011", "talking")["call"].as_str().expect("a name").to_owned();
    agent.until_heard(CALLER_HZ, 1.0);
    switch.cli(&["calls", "payment", &call, "begin"]);
    let masked_at = agent.heard().seconds();
    enter(&mut caller, &CARD[..4]);
    agent.hold();
    switch.until_call("1011", "hold");
    agent.resume();
    switch.until_call("1011", "talking");
    kill_and_start(&mut switch);
    switch.until_call("1011", "talking");
    assert_eq!(switch.get(&format!("/calls/{call}"))["payment"], true);
    let before = caller.heard().seconds();
    wait::until_true("the caller hears the agent", || caller.heard().after(before).seconds_of(AGENT_HZ) >= 1.0);
    enter(&mut caller, &CARD[8..]);
    assert_eq!(agent.heard().after(masked_at + 0.5).seconds_of_sound(), 0.0);
    assert!(!agent.has("CALL_DTMF_START"));
    switch.cli(&["calls", "payment", &call, "end"]);
    let keys = format!("/calls/{call}/payment/keys");
    assert_eq!(switch.post_as(&token, &keys, &json!(null)).1["keys"], CARD[8..]);
    caller.hang_up();
    assert_eq!(switch.until_cdr("1011")["cause"], "normal");
}
