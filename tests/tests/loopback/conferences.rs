//! Conferences: phones with different codecs in one room, each heard by the others.

use serde_json::Value;
use tandem_tests::{phone::Phone, switch::Switch, wait};

use crate::{TEAM, states, survive::kill_and_start, tells};

const TONES: [f64; 3] = [500.0, 900.0, 1_400.0];

pub(crate) fn start() -> Switch {
    Switch::with_plan(&format!(
        r#"
route "rooms" {{
    from any
    to "30{{n:2}}"
    conference "room-{{n}}" {{
        full {{ hangup "busy"; }}
        error {{ hangup; }}
    }}
}}
{TEAM}"#
    ))
}

pub(crate) fn enters(switch: &Switch, (user, codec, hz): (&str, &'static str, f64), room: &str) -> Phone {
    let mut phone = Phone::of(switch, user).codec(codec).hz(hz).start(switch);
    phone.dial(room);
    phone.expect("CALL_ESTABLISHED");
    phone
}

/// From now on each phone hears, for a second, the tones of those and none of the others.
fn hear(phones: &[Phone], expected: [&[usize]; 3]) {
    let is_so = |phone: &Phone, whom: &[usize]| {
        let heard = phone.heard();
        let last = heard.after((heard.seconds() - 1.0).max(0.0));
        TONES
            .iter()
            .enumerate()
            .all(|(index, hz)| if whom.contains(&index) { last.seconds_with(*hz) >= 0.8 } else { last.seconds_with(*hz) == 0.0 })
    };
    for (index, phone) in phones.iter().enumerate() {
        wait::until_true(&format!("phone {index} hears {:?}", expected[index]), || is_so(phone, expected[index]));
    }
}

#[test]
fn phones_of_three_codecs_hear_each_other_and_go_on_after_a_kill() {
    let mut switch = start();
    let [low, middle, high] = TONES;
    let mut phones = vec![
        enters(&switch, ("1011", "PCMU", low), "3000"),
        enters(&switch, ("1012", "G722", middle), "3000"),
        enters(&switch, ("1013", "opus", high), "3000"),
    ];
    let mut elsewhere = enters(&switch, ("1014", "PCMA", 2_000.0), "3001");
    hear(&phones, [&[1, 2], &[0, 2], &[0, 1]]);
    let music = elsewhere.heard();
    assert!(TONES.iter().all(|hz| music.seconds_of(*hz) < 0.3), "nobody of another room");
    let steps: Vec<Value> = switch.calls().iter().map(|call| call["step"].clone()).collect();
    assert_eq!(steps, ["conference"; 4]);

    phones[0].press("*6");
    hear(&phones, [&[1, 2], &[2], &[1]]);
    kill_and_start(&mut switch);
    hear(&phones, [&[1, 2], &[2], &[1]]);
    phones[0].press("*6");
    hear(&phones, [&[1, 2], &[0, 2], &[0, 1]]);

    // Who is on hold is not heard, and neither is their music.
    phones[2].hold();
    hear(&phones[..2], [&[1], &[0], &[]]);
    phones[2].resume();
    hear(&phones, [&[1, 2], &[0, 2], &[0, 1]]);

    phones[1].hang_up();
    hear(&phones[..1], [&[2], &[], &[]]);
    phones[0].hang_up();
    phones[2].hang_up();
    elsewhere.hang_up();
    let record = switch.until_cdr("1013");
    tells(&record, &[("route", "rooms"), ("cause", "normal"), ("blame", "caller")]);
    assert_eq!((&record["restarts"], states(&record)), (&Value::from(1), vec!["talking", "hold", "talking"]));
    switch.until_cdr("1014");
    wait::until_true("no audio is left", || switch.metric("tandem_media_streams") == 0.0);
}

/// A customer, an agent and a supervisor, with a tone each.
fn supervised() -> (Switch, Vec<Phone>) {
    let switch = Switch::with_plan(&format!(
        r#"
supervisors "1013"
route "listen" {{
    from extension
    to "70{{agent:extension}}"
    supervise "{{agent}}"
}}
{TEAM}"#
    ));
    let [low, middle, high] = TONES;
    let agent = Phone::of(&switch, "1002").hz(middle).answers().start(&switch);
    switch.set_agent("1002", "sign-in");
    let mut customer = Phone::of(&switch, "1011").hz(low).start(&switch);
    customer.dial("1800");
    customer.expect("CALL_ESTABLISHED");
    let supervisor = enters(&switch, ("1013", "opus", high), "701002");
    (switch, vec![customer, agent, supervisor])
}

#[test]
fn a_supervisor_listens_whispers_and_barges_in_and_the_conversation_outlives_it() {
    let (mut switch, mut phones) = supervised();
    hear(&phones, [&[1], &[0], &[0, 1]]);
    phones[2].press("2");
    hear(&phones, [&[1], &[0, 2], &[0, 1]]);
    kill_and_start(&mut switch);
    hear(&phones, [&[1], &[0, 2], &[0, 1]]);
    phones[2].press("3");
    hear(&phones, [&[1, 2], &[0, 2], &[0, 1]]);
    phones[2].press("1");
    hear(&phones, [&[1], &[0], &[0, 1]]);

    // The agent holds: the customer hears music, the supervisor nothing; then all is as it was.
    phones[1].hold();
    wait::until_true("music is heard", || {
        let heard = phones[0].heard();
        let last = heard.after((heard.seconds() - 1.0).max(0.0));
        last.seconds_of_sound() >= 0.5 && TONES.iter().all(|hz| last.seconds_with(*hz) < 0.3)
    });
    phones[1].resume();
    hear(&phones, [&[1], &[0], &[0, 1]]);

    // The supervisor goes, the two talk on; another listens to the next conversation of the agent.
    phones[2].hang_up();
    hear(&phones[..2], [&[1], &[0], &[]]);
    phones[2].dial("701002");
    phones[2].expect("CALL_ESTABLISHED");
    hear(&phones, [&[1], &[0], &[0, 1]]);
    phones[0].hang_up();
    phones[1].expect("CALL_CLOSED");
    phones[2].hang_up();
    tells(&switch.until_cdr("1011"), &[("agent", "1002"), ("cause", "normal"), ("blame", "caller")]);
    wait::until_true("no audio is left", || switch.metric("tandem_media_streams") == 0.0);
}
