//! `kill -9` with fifty callers waiting whose calls cannot be taken up again: what must outlive it, on both databases.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_tests::{
    journal::Journal,
    postgres::Database,
    sipp::{Devices, Script},
    switch::Switch,
    wait::{self, SOON},
};

use crate::TEAM;

const WAITING: usize = 50;
const STAY_AWAY: usize = 5;

#[test]
fn places_outlive_a_kill_on_sqlite() {
    places_outlive_a_kill(None);
}

#[test]
fn places_outlive_a_kill_on_postgresql() {
    let database = Database::new("restart");
    places_outlive_a_kill(Some(database.url()));
}

fn number(n: usize) -> String {
    format!("+3902{:07}", 2_000_000 + n)
}

/// Callers of the carrier, in this order, a hundred a second.
fn callers(switch: &Switch, numbers: &[String]) -> Script {
    let script = Script::carrier("carrier-waits-for-bye", switch).dial("1800").with(&["-r", "100"]);
    numbers.iter().fold(script, |script, number| script.caller(number))
}

fn numbers(switch: &Switch, stage: &str) -> Vec<String> {
    switch.line("support").into_iter().filter(|(_, is)| is == stage).map(|(caller, _)| caller).collect()
}

/// The callers for whom an agent was asked, in order.
fn callers_offered(journal: &Journal) -> Vec<String> {
    let queued = journal.of("queued");
    let caller = |item: &Value| {
        queued.iter().find(|row| row["item"]["item"] == *item).map(|row| row["item"]["caller"].as_str().expect("a number"))
    };
    journal.of("offered").iter().map(|offer| caller(&offer["item"]).expect("an item that was queued").to_owned()).collect()
}

/// What an agent is doing, and since when they are on duty.
fn standing(switch: &Switch, agent: &str) -> Value {
    let now = switch.agent(agent);
    let since = if now["state"] == "offline" { &Value::Null } else { &now["since"] };
    json!([now["state"], now["reason"], since, now["reachable"], now["missed"], now["pending"]])
}

fn places_outlive_a_kill(database: Option<String>) {
    let mut switch = Switch::with_plan_on(TEAM, database);
    // On duty but at no phone, on a break at a phone, and off duty.
    let _device = Devices::start(&switch, &["1002"], Script::new("agent-hangs-up", &switch).stay_ms(100));
    switch.set_agent("1001", "sign-in");
    switch.set_agent("1002", "sign-in");
    switch.post("/agents/1002/state", &json!({ "state": "not-ready", "reason": "lunch" }));
    let agents = ["1001", "1002", "1003"];
    let before = agents.map(|agent| standing(&switch, agent));

    let all: Vec<String> = (0..WAITING).map(number).collect();
    let mut first_try = callers(&switch, &all).start();
    wait::until_true("fifty callers wait", || numbers(&switch, "waiting").len() == WAITING);
    let order = numbers(&switch, "waiting");
    // What the queue shows is written within the second; the journal says when.
    assert_eq!(Journal::open(&switch).until("queued", WAITING, SOON).len(), WAITING);
    switch.until_kept();
    switch.kill9();
    first_try.kill();
    // Another version of the program kept them, in a form that this one does not read.
    switch.alter("UPDATE kept_calls SET v = 999");
    switch.start_again();
    assert_eq!((switch.metric("tandem_calls_taken_up"), switch.metric("tandem_calls_not_taken_up")), (0.0, WAITING as f64));

    let after = agents.map(|agent| standing(&switch, agent));
    assert_eq!(after, before, "agents are what they were");
    assert_eq!(numbers(&switch, "detached"), order, "the line is what it was");
    let lost = switch.until_cdrs("cause=restart", WAITING);
    assert!(lost.len() == WAITING && lost.iter().all(|cdr| cdr["blame"] == "us"), "calls that were lost say so");

    // A new caller comes first, then those of before in any other order; five stay away.
    let new = "+39025550000".to_owned();
    let _new = callers(&switch, std::slice::from_ref(&new)).start();
    wait::until_true("the new caller waits", || numbers(&switch, "waiting") == [new.clone()]);
    let mut back: Vec<String> = order[STAY_AWAY..].to_vec();
    back.reverse();
    let _back = callers(&switch, &back).start();
    let expected: Vec<String> = order[STAY_AWAY..].iter().chain([&new]).cloned().collect();
    wait::until_true("everybody else is back", || numbers(&switch, "waiting").len() == expected.len());
    assert_eq!(numbers(&switch, "waiting"), expected, "callers have their old places, ahead of the new one");

    let mut journal = Journal::open(&switch);
    let left = journal.until("left", STAY_AWAY, Duration::from_secs(40));
    assert!(left.iter().all(|row| row["reason"] == "restart"), "{left:?}");
    assert_eq!(
        (numbers(&switch, "detached").len(), numbers(&switch, "waiting")),
        (0, expected.clone()),
        "who stays away loses the place"
    );

    // The device of before the kill is rung without registering again: for the first of before.
    switch.set_agent("1002", "ready");
    journal.until("call-ended", WAITING + expected.len(), Duration::from_secs(60));
    let served = callers_offered(&journal);
    assert_eq!(served, expected, "served in the old order");
}
