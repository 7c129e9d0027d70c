//! A caller who does not wait on the line: they press a key and hang up, and are called when it is their turn, with a
//! `kill -9` in between.

use tandem_tests::{
    journal::Journal,
    phone::Phone,
    postgres::Database,
    switch::Switch,
    wait::{self, SOON},
};

use crate::{TEAM, prompt, tells};

const CUSTOMER_HZ: f64 = 600.0;
const AGENT_HZ: f64 = 1_400.0;

/// The team's plan, whose waiting line offers to call back.
fn plan() -> String {
    let offer = "queue \"support\" {\n    callback offer-after=\"1s\" key=\"1\" prompt=\"please-hold\" confirm=\"goodbye\"\n    when-empty \"wait\"\n";
    let plan = TEAM.replace("queue \"support\" {\n", offer);
    assert!(plan.contains(offer), "the team has another plan");
    plan
}

#[test]
fn a_promise_outlives_a_kill_and_both_hear_each_other_on_sqlite() {
    a_promise_outlives_a_kill(None);
}

#[test]
fn a_promise_outlives_a_kill_and_both_hear_each_other_on_postgresql() {
    let database = Database::new("callbacks");
    a_promise_outlives_a_kill(Some(database.url()));
}

fn a_promise_outlives_a_kill(database: Option<String>) {
    let mut switch = Switch::with_plan_on(&plan(), database);
    let mut customer = Phone::of(&switch, "1011").hz(CUSTOMER_HZ).start(&switch);
    customer.dial("1800");
    customer.expect("CALL_ESTABLISHED");
    let offer = prompt("en/please-hold");
    wait::until_true("the offer is heard", || customer.heard().contains(&offer));
    customer.press("1");
    customer.expect("CALL_CLOSED");
    tells(&switch.until_cdr("1011"), &[("queue", "support"), ("cause", "callback"), ("blame", "us")]);

    switch.kill9();
    switch.start_again();
    let mut agent = Phone::of(&switch, "1001").hz(AGENT_HZ).start(&switch);
    switch.set_agent("1001", "sign-in");
    agent.expect("CALL_INCOMING");
    agent.accept();
    customer.expect("CALL_INCOMING");
    customer.accept();
    switch.until_call("1011", "talking");
    customer.until_heard(AGENT_HZ, 0.5);
    agent.until_heard(CUSTOMER_HZ, 0.5);
    customer.hang_up();
    let kept = Journal::open(&switch).until("callback-kept", 1, SOON);
    assert_eq!(kept[0]["item"]["callback"]["tries"]["left"], 3, "{kept:?}");
}
