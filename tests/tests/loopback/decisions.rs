//! Services that routes ask what to do, on an HTTP server that is not ours: what they are told, and that a call never
//! waits for one longer than its plan says.

use std::{path::Path, process::Stdio};

use serde_json::{Value, json};
use tandem_tests::{ground::Ground, phone::Phone, program::Program, switch::Switch, wait};

use crate::{TEAM, prompt, survive::kill_and_start, tells};

const HZ: f64 = 600.0;
const TOKEN: &str = "decide-7Qx2";
/// Ways to behave that end in the default, and what is counted. Nobody listens for the last one.
const FAILS: [(&str, &str); 10] = [
    ("slow", "late"),
    ("slow-body", "late"),
    ("broken", "status"),
    ("elsewhere", "status"),
    ("garbage", "malformed"),
    ("large", "too-large"),
    ("other-word", "unknown-word"),
    ("no-text", "bad-value"),
    ("rude", "unreachable"),
    ("nobody", "unreachable"),
];

/// A team whose number 40NN asks the service that behaves in the NNth way.
fn plan(port: u16) -> String {
    let mut plan = format!(
        r#"
languages "it"
decision-service "gold" {{ url "http://localhost:{port}/gold"; token "file:token"; }}
route "gold" {{
    from extension
    to "4{{branch:1}}99"
    ring
    ask "gold" {{
        send "branch"
        receive "language" "contact"
        outcome "gold" {{
            set language="{{language}}"
            switch "{{contact}}" {{ type "extension" {{ dial extension="{{contact}}" ring="3s"; }}; }}
            answer
            play "goodbye"
        }}
        otherwise {{ hangup "not-found"; }}
    }}
}}
route "pin" {{
    from extension
    to "4097"
    answer
    collect max=12 as="pin" timeout="60s" between="60s" secret=#true
    ask "gold" {{
        send "pin"
        outcome "gold" {{ play "goodbye"; hangup; }}
        otherwise {{ hangup "not-found"; }}
    }}
}}
route "patient" {{
    from extension
    to "4098"
    answer
    ask "slow" budget="5s" {{
        outcome "gold" {{ hangup "busy"; }}
        otherwise {{ play "goodbye"; }}
    }}
}}
"#
    );
    for (at, (how, _)) in FAILS.iter().enumerate() {
        let port = if *how == "nobody" { 9 } else { port };
        plan += &format!(
            r#"
decision-service "{how}" {{ url "http://127.0.0.1:{port}/{how}"; }}
route "{how}" {{
    from extension
    to "40{at:02}"
    ask "{how}" budget="700ms" {{
        receive "contact"
        outcome "gold" {{ hangup "busy"; }}
        otherwise {{ hangup "not-found"; }}
    }}
}}
"#
        );
    }
    plan + TEAM
}

fn start() -> (Program, Switch) {
    let service = Program::of_script("decider.py", &[]);
    let ground = Ground::new();
    let config = ground.plan(&plan(service.port()));
    std::fs::write(config.join("token"), format!("{TOKEN}\n")).expect("a writable folder");
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    (service, switch)
}

fn counted(switch: &Switch, result: &str) -> f64 {
    switch.metric(&format!("tandem_decisions_total{{result=\"{result}\"}}"))
}

#[test]
fn an_answer_decides_and_is_told_no_more_than_the_plan_says() {
    let (mut service, switch) = start();
    let mut contact = Phone::of(&switch, "1012").answers().start(&switch);
    let mut caller = Phone::of(&switch, "1011").hz(HZ).start(&switch);
    let mut asked = Vec::new();
    for _ in 0..2 {
        caller.dial("4299");
        caller.expect("CALL_ESTABLISHED");
        asked.push(service.until("asked"));
        let goodbye = prompt("it/goodbye");
        contact.hang_up();
        wait::until_true("the language is that of the answer", || caller.heard().contains(&goodbye));
        caller.expect("CALL_CLOSED");
        contact.expect("CALL_CLOSED");
    }
    let records = switch.until_cdrs("number=1011", 2);
    tells(&records[0], &[("route", "gold"), ("answered_by", "1012")]);
    let [first, second] = [&asked[0], &asked[1]];
    let mut body = first["body"].clone();
    let call = body.as_object_mut().and_then(|body| body.remove("call")).expect("the name of the call");
    assert!(records.iter().any(|record| record["call"] == call), "{call} in {records:?}");
    let expected = json!({ "service": "gold", "from": "1011", "to": "4299", "origin": { "extension": "1011" },
        "route": "gold", "language": "en", "budget_ms": 1_000, "answers": ["gold"], "variables": { "branch": "2" } });
    assert_eq!(body, expected);
    assert_eq!((&first["authorization"], &first["type"]), (&json!(format!("Bearer {TOKEN}")), &json!("application/json")));
    assert_eq!(first["connection"], second["connection"], "a connection is used again");
    assert_eq!((counted(&switch, "answered"), switch.metric("tandem_decisions_under_way")), (2.0, 0.0));
}

#[test]
fn without_an_answer_there_is_the_default_in_time() {
    let (mut service, switch) = start();
    let mut caller = Phone::of(&switch, "1011").hz(HZ).start(&switch);
    let mut follower = switch.command(&["follow", "1011", "--lines"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
    for (at, (how, result)) in FAILS.iter().enumerate() {
        let before = counted(&switch, result);
        caller.dial(&format!("40{at:02}"));
        caller.expect("CALL_CLOSED");
        let record = &switch.until_cdrs("number=1011", at + 1)[0];
        tells(record, &[("route", how), ("cause", "not-found")]);
        wait::until_true(&format!("{how} is counted as {result}"), || counted(&switch, result) == before + 1.0);
        if *how != "nobody" {
            assert_eq!(service.until("asked")["path"], format!("/{how}"));
        }
    }
    let in_time = switch.metric("tandem_decision_seconds_bucket{le=\"1.6\"}");
    assert_eq!(in_time, FAILS.len() as f64, "the budget is 700 ms, and the service takes 4 s");
    assert!(!service.told("followed") && !service.told("asked"), "no redirect is followed, and nothing is asked twice");
    follower.kill().expect("it runs");
    let followed = follower.wait_with_output().expect("our child").stdout;
    let followed = String::from_utf8_lossy(&followed);
    for line in [
        "unanswered (no answer in time)",
        "unanswered (status 500 instead of 200)",
        "broken after",
        "unanswered (it cannot be reached)",
    ] {
        assert!(followed.contains(line), "{line} in {followed}");
    }
}

#[test]
fn who_is_waiting_for_an_answer_may_hang_up_and_is_not_lost_by_a_kill() {
    let (mut service, mut switch) = start();
    let mut caller = Phone::of(&switch, "1011").hz(HZ).start(&switch);
    caller.dial("4098");
    caller.expect("CALL_ESTABLISHED");
    service.until("asked");
    caller.hang_up();
    tells(&switch.until_cdr("1011"), &[("cause", "normal"), ("blame", "caller")]);

    caller.expect("CALL_CLOSED");
    caller.dial("4098");
    caller.expect("CALL_ESTABLISHED");
    service.until("asked");
    assert_eq!(switch.until_call("1011", "plan")["step"], "ask");
    kill_and_start(&mut switch);
    let goodbye = prompt("en/goodbye");
    wait::until_true("the default is heard", || caller.heard().contains(&goodbye));
    let records: Vec<Value> = switch.until_cdrs("number=1011", 2);
    tells(&records[0], &[("route", "patient"), ("cause", "normal"), ("blame", "us")]);
    assert!(!service.told("asked"), "nobody is asked twice");
}

#[test]
fn a_service_elsewhere_must_prove_itself() {
    let ground = Ground::new();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let [certificate, key] = ["service.pem", "service.key"].map(|name| ground.join(name));
    std::fs::write(&certificate, certified.cert.pem()).expect("a writable folder");
    std::fs::write(&key, certified.signing_key.serialize_pem()).expect("a writable folder");
    let paths = [&certificate, &key].map(|path| path.to_str().expect("plain paths"));
    let service = Program::of_script("decider.py", &paths);
    let config = ground.plan(&plan(service.port()).replace("http://localhost", "https://localhost"));
    std::fs::write(config.join("token"), TOKEN).expect("a writable folder");
    let mut switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let mut caller = Phone::of(&switch, "1011").hz(HZ).start(&switch);
    caller.dial("4299");
    tells(&switch.until_cdr("1011"), &[("cause", "not-found")]);
    assert_eq!(counted(&switch, "unreachable"), 1.0, "nobody vouches for it");
    drop(caller);
    switch.kill9();
    std::fs::copy(&certificate, config.join("trusted.pem")).expect("a writable folder");
    switch.start_again();
    let mut caller = Phone::of(&switch, "1011").hz(HZ).start(&switch);
    let _contact = Phone::of(&switch, "1012").answers().start(&switch);
    caller.dial("4299");
    caller.expect("CALL_ESTABLISHED");
    assert_eq!(counted(&switch, "answered"), 1.0);
}

/// All that a switch has written, as it stands on the disk.
fn written(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        bytes.extend(if path.is_dir() { written(&path) } else { std::fs::read(&path).unwrap_or_default() });
    }
    bytes
}

#[test]
fn a_pin_reaches_its_service_and_is_written_nowhere() {
    let (mut service, switch) = start();
    let mut caller = Phone::of(&switch, "1011").hz(HZ).start(&switch);
    let mut follower = switch.command(&["follow", "1011", "--lines"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
    caller.dial("4097");
    caller.expect("CALL_ESTABLISHED");
    for (at, key) in "7391460258".chars().enumerate() {
        caller.press(&key.to_string());
        if at == 7 {
            // Most of it typed, the call is written down.
            switch.until_kept();
        }
    }
    caller.press("#");
    assert_eq!(service.until("asked")["body"]["variables"], json!({ "pin": "7391460258" }));
    caller.expect("CALL_CLOSED");
    let record = switch.until_cdr("1011");
    tells(&record, &[("route", "pin"), ("cause", "normal")]);
    follower.kill().expect("it runs");
    let followed = String::from_utf8_lossy(&follower.wait_with_output().expect("our child").stdout).into_owned();
    assert!(followed.contains("collected 10 digits"), "{followed}");
    let all =
        [written(&switch.ground.join("var")), switch.log().into_bytes(), followed.into_bytes(), record.to_string().into_bytes()]
            .concat();
    assert!(String::from_utf8_lossy(&all).contains("4097"), "what is no secret is there");
    for secret in ["7391460258", "73914602"] {
        assert!(!all.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is written somewhere");
    }
}
