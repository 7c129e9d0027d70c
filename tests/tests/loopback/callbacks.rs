//! A caller who does not wait on the line: they press a key and hang up, and are called when it is their turn, with a
//! `kill -9` in between.

use serde_json::{Value, json};
use tandem_tests::{
    ground::Ground,
    journal::Journal,
    phone::Phone,
    postgres::Database,
    sipp::{Devices, Script},
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

const ANNA: &str = "+390212345678";
const BRUNO: &str = "+390612345678";

/// Has a customer called back by a trunk: the status, and what is said.
fn ask(switch: &Switch, number: &str, via: &str) -> (u16, Value) {
    let wish = json!({ "queue": "support", "number": number, "via": via, "shown": "+390298765432" });
    switch.post_as(&switch.access().1, "/callbacks", &wish)
}

#[test]
fn customers_outside_are_called_by_trunk_behind_an_agent_one_at_a_time_and_again_at_their_place() {
    let ground = Ground::new();
    let (first, second) = (ground.carrier(), ground.carrier());
    let trunks: String = [("gsm", first), ("sat", second)]
        .iter()
        .map(|(name, ip)| format!("trunk \"{name}\" {{\n    peer \"udp\" \"{ip}:5070\"\n    numbers country-code=\"39\"\n}}\n"))
        .collect();
    let terms = "queue \"support\" {\n    callback via=\"gsm\" tries=3 retry-after=\"4s\"\n    when-empty \"wait\"\n";
    let text = format!("{trunks}{}", TEAM.replace("queue \"support\" {\n", terms));
    let config = ground.plan(&text);
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);

    let (status, anna) = ask(&switch, ANNA, "gsm");
    assert_eq!(status, 200, "{anna}");
    assert_eq!(ask(&switch, BRUNO, "sat").0, 200);
    let (status, told) = ask(&switch, ANNA, "gsm");
    assert!(status == 409 && told.to_string().contains("called back already"), "one callback of a customer: {told}");

    // Both carriers are there, but nobody is called before there is an agent.
    let busy = Script::carrier("agent-refuses", &switch).at_ip(first).port(5_070).set("code", "486").start();
    let bruno = Script::carrier("agent-hangs-up", &switch).at_ip(second).port(5_070).stay_ms(300).start();
    assert!(switch.calls().is_empty(), "{:?}", switch.calls());
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-answers", &switch));
    switch.set_agent("1001", "sign-in");
    busy.succeed();
    let answers = Script::carrier("agent-hangs-up", &switch).at_ip(first).port(5_070).stay_ms(300).start();
    bruno.succeed();
    answers.succeed();

    let tries = switch.until_cdrs(&format!("number={}", ANNA.replace('+', "%2B")), 2);
    let mut causes: Vec<_> = tries.iter().map(|record| record["cause"].as_str().expect("a cause")).collect();
    causes.sort_unstable();
    assert_eq!(causes, ["busy", "normal"], "{tries:?}");
    assert!(tries.iter().all(|record| record["told"]["callback"] == anna["item"] && record["agent"] == "1001"), "{tries:?}");
    let mut journal = Journal::open(&switch);
    let asked: Vec<_> = journal.until("offered", 3, SOON).iter().map(|offer| offer["item"].clone()).collect();
    assert!(
        asked[0] == asked[2] && asked[0] == anna["item"] && asked[1] != asked[0],
        "the first first, then whose turn it is: {asked:?}"
    );
    let ended: Vec<_> = journal.until("offer-ended", 3, SOON).iter().map(|end| end["outcome"]["outcome"].clone()).collect();
    assert_eq!(ended, ["unreached", "accepted", "accepted"]);
    // One agent, one call at a time: no call to a customer begins before the last one is over.
    let all = switch.until_cdrs("", 3);
    let mut spans: Vec<_> = all.iter().map(|record| (record["started_at"].as_str(), record["ended_at"].as_str())).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
    // The place is that of the wish, before and after the first try.
    let kept: Vec<_> = journal.of("callback-kept").into_iter().filter(|row| row["item"]["item"] == anna["item"]).collect();
    let places: Vec<_> = kept.iter().map(|row| &row["item"]["virtual_arrival_at"]).collect();
    assert!(kept.len() == 2 && places[0] == places[1], "{kept:?}");
    assert_eq!(kept[1]["item"]["callback"]["tries"]["left"], 2, "{kept:?}");
}
