//! Passwords and registrations.

use std::time::Duration;

use tandem_tests::{
    sipp::{Devices, Script},
    switch::Switch,
    wait,
    words::{Words, code},
};

use crate::TEAM;

#[test]
fn a_wrong_password_is_refused_and_an_unknown_name_looks_the_same() {
    let switch = Switch::with_plan(TEAM);
    for user in ["1001", "9999"] {
        Script::new("register-refused", &switch).set("code", "401").user_with(user, "wrong").start().succeed();
        Script::new("caller-refused", &switch).set("code", "401").user_with(user, "wrong").dial("1800").start().succeed();
    }
    let challenges = ["1001", "9999"].map(|user| {
        let words = Words::new(switch.ground.device(), switch.sip);
        words.send(words.request("REGISTER", &format!("sip:{}", switch.sip), user, "same", "").as_bytes());
        let answer = words.hear(wait::SOON).expect("a challenge");
        assert_eq!(code(&answer), Some(401), "{answer}");
        shape(&answer)
    });
    assert_eq!(challenges[0], challenges[1], "nothing tells who is known");
    assert_eq!(switch.agent("1001")["reachable"], false);
    assert!(switch.calls().is_empty());
}

/// The lines of a response without what differs from one to the next of the same kind: random words, addresses,
/// and the name that was asked for.
fn shape(answer: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once(':') {
        Some((name, value)) if name.eq_ignore_ascii_case("www-authenticate") => {
            let (before, rest) = value.split_once("nonce=\"").expect("a nonce");
            let (nonce, after) = rest.split_once('"').expect("a quoted nonce");
            format!("{name}:{before}{}{after}", nonce.len())
        }
        Some((name, _)) => name.to_owned(),
        None => line.to_owned(),
    };
    answer.lines().map(line).collect()
}

#[test]
fn a_registration_that_expires_is_rung_no_more() {
    let switch = Switch::with_plan(TEAM);
    // One minute is the least that the switch takes.
    let mut devices = Devices::start_for(&switch, &["1001"], Script::new("agent-silent", &switch), "60");
    switch.set_agent("1001", "sign-in");
    assert_eq!(switch.agent("1001")["free"], true);
    devices.kill();
    wait::until("the registration expires", Duration::from_secs(80), || {
        (switch.agent("1001")["reachable"] == false).then_some(())
    });
    assert_eq!(switch.agent("1001")["free"], false);

    let caller = Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("1800").start();
    wait::until_true("the caller waits", || switch.line("support") == [("1011".to_owned(), "waiting".to_owned())]);
    // Whoever registers is rung at once.
    let _back = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(100));
    caller.succeed();
}
