//! Rules over channels: a caller who gave up is called back and written to, once, unless they call again, whatever is killed
//! meanwhile.

use serde_json::{Value, json};
use tandem_tests::{
    journal::Journal,
    postgres::Database,
    sipp::Script,
    switch::Switch,
    wait::{self, SOON},
};

use crate::TEAM;

const ANNA: &str = "+390230412345";

/// The team's plan with rules, and a trunk that calls can go out by.
fn plan(rules: &str) -> String {
    let peer = "trunk \"carrier\" {\n    match \"{carrier}\"\n    peer \"udp\" \"127.0.0.9:5999\"\n    international #true\n";
    let plan = TEAM.replace("trunk \"carrier\" {\n    match \"{carrier}\"\n", peer);
    assert!(plan.contains(peer), "the team has another plan");
    let wait =
        plan.replace("queue \"support\" {\n", "queue \"support\" {\n    when-empty \"wait\"\n    callback via=\"carrier\"\n");
    format!("{wait}\n{rules}\n")
}

/// Somebody from outside calls, waits for a moment and hangs up.
fn gives_up(switch: &Switch) {
    let left = Journal::open(switch).of("left").len();
    Script::carrier("carrier-stays", switch).caller(ANNA).dial("1800").set("patience_ms", "700").start().succeed();
    Journal::open(switch).until("left", left + 1, SOON);
}

fn timers(switch: &Switch, state: &str) -> Vec<Value> {
    let all = switch.get(&format!("/rules/timers?state={state}"));
    all.as_array().expect("a list").clone()
}

fn until_timers(switch: &Switch, state: &str, count: usize) -> Vec<Value> {
    wait::until(&format!("{count} timers are {state}"), 3 * SOON, || {
        let found = timers(switch, state);
        (found.len() == count).then_some(found)
    })
}

#[test]
fn the_next_call_of_who_gave_up_ends_the_rule() {
    let switch = Switch::with_plan(&plan(
        "rule \"write\" { when { abandoned queue=\"support\" after=\"10m\"; }\n then { sms template=\"sorry\"; } }",
    ));
    gives_up(&switch);
    let running = until_timers(&switch, "running", 1);
    assert_eq!((&running[0]["rule"], &running[0]["identity"]), (&json!("write"), &json!(ANNA)), "{running:?}");
    gives_up(&switch);
    let ended = until_timers(&switch, "cancelled", 1);
    assert_eq!((&ended[0]["timer"], &ended[0]["why"]), (&running[0]["timer"], &json!("the customer got in touch")));
    // They gave up again: that is a thing of its own.
    let again = until_timers(&switch, "running", 1).remove(0);
    let timer = again["timer"].as_str().expect("a name");
    switch.cli(&["rules", "cancel", timer, "--reason", "done by hand"]);
    let why = switch.cli(&["rules", "why", timer]);
    assert!(why.contains("set off by row") && why.contains("done by hand"), "{why}");
    let listed = switch.cli(&["rules"]);
    assert!(listed.contains("write") && listed.contains("abandoned"), "{listed}");
    assert_eq!(switch.get("/outbox"), json!([]), "nothing was done");
    let verified = switch.cli(&["journal", "verify"]);
    assert!(verified.contains("rule_timers"), "{verified}");
}

#[test]
fn what_happens_elsewhere_sets_rules_off_and_words_against_them_count() {
    let switch = Switch::with_plan(&plan(
        "schedule \"never\" { open \"sun\" \"00:00-00:01\"; }\n\
         rule \"chat\" { when { happened \"unresolved\" channel=\"chat\"; }\n unless { cap 1 per=\"24h\"; }\n\
         then { notify \"look at it\"; email template=\"help\"; whatsapp template=\"help\"; case \"open\" topic=\"chat\"; } }\n\
         rule \"hours\" { when { happened \"csat-low\"; }\n unless { outside schedule=\"never\"; }\n then { notify \"call them\"; } }",
    ));
    let happened = |what: &str| {
        switch.post("/happenings", &json!({ "channel": "chat", "what": what, "kind": "phone", "value": ANNA }));
    };
    happened("unresolved");
    let fired = until_timers(&switch, "fired", 1).remove(0);
    let story = switch.get(&format!("/rules/timers/{}", fired["timer"].as_str().expect("a name")));
    let deeds: Vec<(&str, &str)> = story["deeds"].as_array().expect("deeds").iter().map(said).collect();
    assert_eq!(
        deeds,
        [
            ("notify", "look at it"),
            ("email", "no address for email is known"),
            ("whatsapp", &*format!("message {}-2 is in the outbox", fired["timer"].as_str().expect("a name"))),
            ("case", "it is not certain who the customer is"),
        ]
    );
    happened("unresolved");
    happened("csat-low");
    let skipped = until_timers(&switch, "skipped", 2);
    let why: Vec<&str> = skipped.iter().rev().map(|timer| timer["why"].as_str().expect("words")).collect();
    assert_eq!(why, ["done 1 times already, and 1 is the cap", "outside the hours of `never`"]);

    // Whoever sends: one lease each, tried again after a failure, said twice changes nothing.
    let lease = json!({ "channel": "whatsapp", "limit": 10, "seconds": 60 });
    let (_, leased) = switch.post_as(&switch.access().1, "/outbox/lease", &lease);
    let message = leased[0]["message"].as_str().expect("a message").to_owned();
    assert_eq!((&leased[0]["to"], &leased[0]["template"]), (&json!(ANNA), &json!("help")), "{leased}");
    assert_eq!(switch.post_as(&switch.access().1, "/outbox/lease", &lease).1, json!([]), "it is somebody's");
    let outcome = format!("/outbox/{message}/outcome");
    switch.post(&outcome, &json!({ "sent": false, "why": "no such account", "give_up": true }));
    assert_eq!(switch.get("/outbox?state=dead")[0]["why"], "no such account");
    switch.cli(&["outbox", "retry", &message]);
    let (_, again) = switch.post_as(&switch.access().1, "/outbox/lease", &lease);
    assert_eq!(again[0]["message"], message.as_str(), "its name is the key that makes it one");
    for reference in ["wamid.1", "wamid.2"] {
        switch.post(&outcome, &json!({ "sent": true, "why": reference }));
    }
    assert_eq!(switch.get("/outbox?state=sent")[0]["why"], "wamid.1");
    let verified = switch.cli(&["journal", "verify"]);
    assert!(verified.contains("outbox"), "{verified}");
}

#[test]
fn nobody_is_written_to_who_must_not_be_whatever_the_rule_asks() {
    let switch = Switch::with_plan(&plan(
        "rule \"chat\" { when { happened \"unresolved\"; }\n then { whatsapp template=\"help\"; sms template=\"help\"; } }",
    ));
    let no =
        json!({ "identity": { "kind": "phone", "value": ANNA }, "allowed": false, "channel": "whatsapp", "source": "letter" });
    switch.post("/consents", &no);
    switch.post("/happenings", &json!({ "channel": "chat", "what": "unresolved", "kind": "phone", "value": ANNA }));
    let fired = until_timers(&switch, "fired", 1).remove(0);
    let story = switch.get(&format!("/rules/timers/{}", fired["timer"].as_str().expect("a name")));
    let deeds: Vec<(&str, &str)> = story["deeds"].as_array().expect("deeds").iter().map(said).collect();
    assert_eq!(deeds[0], ("whatsapp", "the customer is suppressed for all purposes on whatsapp, by letter"));
    assert_eq!((deeds[1].0, switch.get("/outbox").as_array().map(Vec::len)), ("sms", Some(1)));
}

fn said(deed: &Value) -> (&str, &str) {
    (deed["what"].as_str().expect("a word"), deed["detail"].as_str().expect("words"))
}

#[test]
fn a_rule_is_carried_out_once_whatever_is_killed_on_sqlite() {
    once_whatever_is_killed(None);
}

#[test]
fn a_rule_is_carried_out_once_whatever_is_killed_on_postgresql() {
    let database = Database::new("rules");
    once_whatever_is_killed(Some(database.url()));
}

fn once_whatever_is_killed(database: Option<String>) {
    let rules = "rule \"back\" { when { abandoned queue=\"support\" after=\"3s\"; }\n\
         then { call queue=\"support\" priority=5; sms template=\"sorry\"; } }";
    let mut switch = Switch::with_plan_on(&plan(rules), database.clone());
    gives_up(&switch);
    until_timers(&switch, "running", 1);
    switch.kill9();
    switch.start_again();
    let fired = until_timers(&switch, "fired", 1);
    let story = format!("/rules/timers/{}", fired[0]["timer"].as_str().expect("a name"));
    let done = |switch: &Switch| (switch.get(&story)["deeds"][0]["state"] == "done").then_some(());
    wait::until("the callback is there", 3 * SOON, || done(&switch));
    switch.kill9();
    switch.start_again();
    wait::until("the callback is there still", 3 * SOON, || {
        let callbacks = switch.get("/callbacks");
        (callbacks.as_array().expect("a list").len() == 1).then_some(())
    });
    let callback = switch.get("/callbacks").get(0).cloned().expect("one");
    assert_eq!((&callback["caller"], &callback["priority_minutes"]), (&json!(ANNA), &json!(5)), "{callback}");
    let mut journal = Journal::open(&switch);
    assert_eq!(journal.until("rule-fired", 1, SOON).len(), 1);
    assert_eq!(Journal::open(&switch).until("callback-kept", 1, SOON).len(), 1, "promised once");
    assert_eq!(switch.get("/outbox").as_array().expect("a list").len(), 1);
    let of = database.as_deref().map_or_else(Vec::new, |url| vec!["--database", url]);
    let verified = switch.cli(&[&["journal", "verify"], &of[..]].concat());
    assert!(verified.contains("rule_deeds"), "{verified}");
}
