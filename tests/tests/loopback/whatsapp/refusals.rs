//! Calls that are refused, on either side, and what an admin gets to see of it.

use tandem_tests::{
    sipp::Script,
    switch::Switch,
    wait,
    whatsapp::{Behaviour, Stage},
};

use super::{QUEUE, World};
use crate::tells;

/// Somebody calls a number by WhatsApp, and is refused so.
fn refused(switch: &Switch, user: &str, number: &str, code: &str) {
    Script::new("caller-refused", switch).set("code", code).user(switch, user).dial(number).start().succeed();
}

#[test]
fn each_refusal_of_the_edge_has_its_cause_and_its_words_are_in_the_log() {
    let world = World::start(QUEUE);
    let World { edge, switch, .. } = &world;
    // Reply of the edge, that to our phone, and the cause in the record.
    for (row, (code, reason, to_phone, cause)) in [
        (400, "From number is not a WhatsApp business number", "480", "unavailable"),
        (403, "Daily limit reached", "403", "forbidden"),
        (404, "Not Found", "480", "unavailable"),
        (408, "RTP timeout", "480", "no-answer"),
        (480, "Temporarily Unavailable", "480", "unavailable"),
        (486, "Busy Here", "486", "busy"),
        (503, "Service Unavailable", "480", "unavailable"),
    ]
    .into_iter()
    .enumerate()
    {
        edge.behave(Behaviour::Refuse(code, reason, None));
        let user = format!("10{:02}", row + 1);
        refused(switch, &user, "915550101234", to_phone);
        tells(&switch.until_cdr(&user), &[("route", "to-whatsapp"), ("cause", cause)]);
        if matches!(code, 400 | 403) {
            wait::until_true(reason, || switch.log().contains(reason));
        }
    }
    edge.behave(Behaviour::Answer);
    // Nobody but the customer said that they may be called.
    refused(switch, "1020", "915550109999", "403");
    let words = "No approved call permission from the recipient";
    wait::until_true(words, || switch.log().contains(words));
    assert!(!switch.log().contains("15550109999"), "numbers of people are not in the log");
    world.is_lawful();
}

#[test]
fn who_has_the_wrong_password_is_let_in_on_neither_side() {
    let world = World::with("sip.example.com", "another-secret", QUEUE);
    let World { edge, switch, .. } = &world;
    let call = world.customer_calls(&[]);
    edge.until(&call, Stage::Over);
    assert_eq!(edge.end_of(&call), (407, None));
    assert_eq!(switch.metric("tandem_sip_auth_failed_total"), 1.0);
    refused(switch, "1011", "915550101234", "403");
    assert!(edge.violations().iter().all(|broken| broken.starts_with("Bad digest")), "{:?}", edge.violations());
    assert!(switch.log().contains("Bad digest"));
}

#[test]
fn another_host_name_than_the_configured_is_refused_there_and_told_here() {
    let world = World::with("elsewhere.example.net", "wa-secret", QUEUE);
    refused(&world.switch, "1011", "915550101234", "403");
    assert!(world.switch.log().contains("From host is not configured"));
}
