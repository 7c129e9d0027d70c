//! Who rings is on the agent's screen: the customer beside the call, and never in its way.

use serde_json::{Value, json};
use tandem_tests::{
    postgres::Database,
    screen::Screen,
    sipp::{Devices, Script, Sipp},
    switch::Switch,
    wait,
};

use crate::{TEAM, tells};

const HERS: &str = "0230412345";
const HER_OTHER: &str = "3471234567";

/// The team, whose carrier can be called too: for callbacks.
fn plan() -> String {
    let both = "    match \"{carrier}\"\n    peer \"udp\" \"127.0.0.1:5099\"\n";
    let plan = TEAM.replace("    match \"{carrier}\"\n", both);
    assert!(plan.contains(both), "the team has another plan");
    plan
}

fn posted(switch: &Switch, path: &str, body: &Value) -> Value {
    let (status, answer) = switch.post_as(&switch.access().1, path, body);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// Ada, with two numbers, an open case and a note.
fn ada(switch: &Switch) -> (String, String) {
    let identities: Vec<Value> = [HERS, HER_OTHER].map(|number| json!({ "kind": "phone", "value": number })).to_vec();
    let ada = posted(switch, "/customers", &json!({ "name": "Ada", "language": "it", "identities": identities }));
    let ada = ada["customer"].as_str().expect("an identifier").to_owned();
    let case = posted(switch, &format!("/customers/{ada}/cases"), &json!({ "subject": "No tone" }));
    posted(switch, &format!("/customers/{ada}/notes"), &json!({ "body": "Prefers mornings" }));
    (ada, case["case"].as_str().expect("an identifier").to_owned())
}

fn calls(switch: &Switch, number: &str) -> Sipp {
    Script::carrier("carrier-waits-for-bye", switch).caller(number).dial("1800").start()
}

#[test]
fn who_rings_is_on_the_screen_with_the_reason_and_on_the_record() {
    let switch = Switch::with_plan(TEAM);
    let (ada, case) = ada(&switch);
    let mut screen = Screen::open(&switch, "1001");
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    calls(&switch, HERS).succeed();
    let pop = screen.next("pop");
    tells(&pop, &[("agent", "1001"), ("queue", "support")]);
    assert!(pop["why"].as_str().is_some_and(|why| why.contains("idle")), "{pop}");
    let caller = &pop["caller"];
    tells(caller, &[("language", "it"), ("because", "+390230412345 is theirs")]);
    tells(&caller["customer"], &[("customer", &ada), ("name", "Ada")]);
    assert_eq!(caller["customer"]["identities"].as_array().expect("addresses").len(), 2, "{caller}");
    assert_eq!(caller["open_cases"][0]["case"], *case, "{caller}");
    assert_eq!(caller["timeline"][0]["body"], "Prefers mornings", "{caller}");
    assert_eq!(screen.next("ended")["outcome"], "accepted");

    // The record is written with the call, its link beside it.
    let record = wait::until("the record names her", wait::SOON, || {
        let record = switch.until_cdr(HERS);
        (!record["customer"].is_null()).then_some(record)
    });
    tells(&record, &[("customer", &ada), ("case", &case), ("call", pop["call"].as_str().expect("an identifier"))]);
    let spell = wait::until("the timeline has the whole call", wait::SOON, || {
        let entries = switch.get(&format!("/customers/{ada}/timeline"))["entries"].take();
        let spell = entries.as_array()?.iter().find(|entry| entry["kind"] == "interaction")?.clone();
        (!spell["ended_at"].is_null()).then_some(spell)
    });
    tells(&spell, &[("direction", "inbound"), ("queue", "support"), ("by", "1001"), ("case", &case)]);

    let verified = switch.cli(&["journal", "verify"]);
    assert!(verified.contains("interactions") && verified.contains("case_states"), "{verified}");

    // A stranger is nobody, and a number that is withheld is not even looked for.
    calls(&switch, "0299999999").succeed();
    let stranger = screen.next("pop");
    assert!(stranger["caller"]["customer"].is_null() && stranger["caller"]["because"] == "nobody has this number", "{stranger}");
    calls(&switch, "anonymous").succeed();
    let nobody = screen.next("pop");
    assert!(nobody["caller"]["because"].as_str().is_some_and(|because| because.contains("withheld")), "{nobody}");
}

#[test]
fn a_database_that_does_not_answer_holds_up_neither_the_ring_nor_the_screen() {
    let database = Database::new("screens");
    let switch = Switch::with_plan_on(TEAM, Some(database.url()));
    let (ada, _) = ada(&switch);
    let mut screen = Screen::open(&switch, "1001");
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    calls(&switch, HERS).succeed();
    assert_eq!(screen.next("pop")["caller"]["customer"]["customer"], *ada);
    switch.until_agent("1001", "ready");

    let held = database.hold("customers, identities");
    calls(&switch, HER_OTHER).succeed();
    let pop = screen.next("pop");
    assert!(pop["caller"]["customer"].is_null(), "{pop}");
    tells(&pop["caller"], &[("because", "the database did not answer in time")]);
    assert!(pop["caller"]["took_ms"].as_u64().is_some_and(|took| (150..2_000).contains(&took)), "{pop}");
    drop(held);
    let record = wait::until("the record names her", wait::SOON, || {
        let record = switch.until_cdr(HER_OTHER);
        (!record["customer"].is_null()).then_some(record)
    });
    tells(&record, &[("customer", &ada), ("agent", "1001")]);
    assert!(record["waited_ms"].as_u64().is_some_and(|waited| waited < 1_000), "the agent is rung at once: {record}");
}

#[test]
fn a_customer_is_called_back_once_whichever_number_is_given() {
    let switch = Switch::with_plan(&plan());
    ada(&switch);
    let (_, token) = switch.access();
    let ask = |number: &str| {
        let body = json!({ "queue": "support", "number": number, "via": "carrier", "shown": "0298765432" });
        switch.post_as(&token, "/callbacks", &body)
    };
    let (status, promised) = ask(HERS);
    assert_eq!(status, 200, "{promised}");
    let (status, refused) = ask(HER_OTHER);
    assert_eq!(status, 409, "{refused}");
    let item = promised["item"].as_str().expect("an identifier");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.ends_with(item)), "{refused}");
    let (status, other) = ask("0299999999");
    assert_eq!(status, 200, "{other}");
}
