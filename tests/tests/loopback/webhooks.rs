//! Systems outside are told what happens: by Python's http.server, which verifies as the document says.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};
use tandem_tests::{
    journal::Journal,
    postgres::Database,
    program::Program,
    sipp::{Devices, Script},
    switch::Switch,
    wait::{self, SOON},
};

use crate::TEAM;

/// A receiver and the subscription that it has.
struct Receiver {
    program: Program,
    webhook: String,
    secret: String,
    got: Vec<Value>,
}

impl Receiver {
    fn of(switch: &Switch, words: &[&str]) -> Self {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/webhooks.md");
        let program = Program::of_script("webhook_receiver.py", &[document.to_str().expect("plain paths")]);
        let url = format!("http://127.0.0.1:{}/events", program.port());
        let made = switch.cli(&[&["webhooks", "add", &url, "--format", "json"], words].concat());
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let word = |name: &str| made[name].as_str().expect("a word").to_owned();
        let receiver = Self { program, webhook: word("webhook"), secret: word("secret"), got: Vec::new() };
        receiver.behaves("ok", 0);
        receiver
    }

    /// From now on it behaves so, for as many events.
    fn behaves(&self, mode: &str, times: u32) {
        let url = format!("http://127.0.0.1:{}/behave", self.program.port());
        let text = json!({ "secret": self.secret, "mode": mode, "times": times }).to_string();
        let status = std::process::Command::new("curl").args(["-sf", "-X", "PUT", "-d", &text, &url]).status();
        assert!(status.expect("curl").success(), "the receiver takes orders");
    }

    /// The next event that it got, as it came.
    #[track_caller]
    fn next(&mut self) -> Value {
        let got = self.program.until("got");
        assert!(got["valid"] == true && got["same"] == true, "signed by the secret, and by nothing else: {got}");
        self.got.push(got.clone());
        got
    }

    /// Reads on until it took so many different ones; their names in the order in which each was taken first.
    #[track_caller]
    fn until_taken(&mut self, count: usize) -> Vec<String> {
        while self.taken().len() < count {
            self.next();
        }
        self.taken()
    }

    fn taken(&self) -> Vec<String> {
        let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
        for got in self.got.iter().filter(|got| got["status"] == 200) {
            let name = got["body"]["name"].as_str().unwrap_or_default().to_owned();
            if seen.insert(got["seq"].as_i64()) {
                order.push(name);
            }
        }
        order
    }

    fn shown(&self, switch: &Switch) -> Value {
        switch.get(&format!("/webhooks/{}", self.webhook))
    }
}

fn customers(switch: &Switch, names: &[String]) {
    for name in names {
        let (status, answer) = switch.post_as(&switch.access().1, "/customers", &json!({ "name": name }));
        assert_eq!(status, 200, "{answer}");
    }
}

fn names(from: u32, to: u32) -> Vec<String> {
    (from..to).map(|n| format!("customer {n}")).collect()
}

#[test]
fn a_call_is_told_as_its_record_shows_it() {
    let switch = Switch::with_plan(TEAM);
    let mut receiver = Receiver::of(&switch, &["--kind", "call-started", "--kind", "offered", "--kind", "call-ended"]);
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(300));
    switch.set_agent("1001", "sign-in");
    Script::carrier("carrier-waits-for-bye", &switch).caller("+390230412345").dial("1800").start().succeed();
    let told: Vec<Value> = (0..3).map(|_| receiver.next()).collect();
    let kinds: Vec<&Value> = told.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["call-started", "offered", "call-ended"]);
    assert_eq!(told[0]["body"]["from"], "+390230412345");
    assert_eq!(told[1]["body"]["agent"], "1001");
    let mut record = switch.until_cdrs("", 1).remove(0);
    let mut body = told[2]["body"].clone();
    for (from, names) in [(&mut record, &["customer", "case", "segments"][..]), (&mut body, &["segments"])] {
        let fields = from.as_object_mut().expect("a record");
        fields.retain(|name, _| !names.contains(&name.as_str()));
    }
    assert_eq!(body, record);
}

#[test]
fn a_receiver_that_fails_and_comes_back_has_everything_in_order() {
    let switch = Switch::with_plan(TEAM);
    let mut receiver = Receiver::of(&switch, &["--kind", "customer-put"]);
    receiver.behaves("500", 2);
    customers(&switch, &names(0, 5));
    assert_eq!(receiver.until_taken(5), names(0, 5));
    let attempts: Vec<&Value> = receiver.got.iter().map(|got| &got["attempt"]).collect();
    assert_eq!(attempts, [1, 2, 3, 1, 1, 1, 1], "the first one three times, and nothing overtakes it");
    for (round, mode) in [(1, "slow"), (2, "close"), (3, "elsewhere")] {
        receiver.behaves(mode, 1);
        customers(&switch, &names(5 * round, 5 * round + 5));
        let all = 5 * round + 5;
        assert_eq!(receiver.until_taken(all as usize), names(0, all), "{mode}");
    }
    assert!(!receiver.program.told("followed"), "a redirect is not followed");
    // Nobody is there at all, and then somebody is again.
    receiver.program.kill();
    customers(&switch, &names(20, 22));
    wait::until_true("it fails", || receiver.shown(&switch)["state"] == "failing");
    assert!(switch.metric("tandem_webhooks_failing") > 0.0);
    receiver.program.again();
    receiver.behaves("ok", 0);
    switch.cli(&["webhooks", "resume", &receiver.webhook]);
    assert_eq!(receiver.until_taken(22), names(0, 22));
    wait::until_true("it is well", || receiver.shown(&switch)["state"] == "active");
    assert_eq!(receiver.shown(&switch)["dead"], 0);
}

#[test]
fn an_event_that_is_never_taken_is_a_dead_letter_that_can_be_sent_once_more() {
    let switch = Switch::with_plan(TEAM);
    let mut receiver = Receiver::of(&switch, &["--kind", "customer-put", "--give-up", "10"]);
    receiver.behaves("poison", 0);
    let names: Vec<String> = ["Ada", "Poison Ivy", "Bob"].map(str::to_owned).to_vec();
    customers(&switch, &names);
    assert_eq!(receiver.until_taken(1), ["Ada"]);
    let is_dead = || (receiver.shown(&switch)["dead"] == 1).then_some(());
    wait::until("one is given up", 3 * SOON, is_dead);
    assert_eq!(receiver.until_taken(2), ["Ada", "Bob"], "the order goes on");
    let dead = switch.get(&format!("/webhooks/{}/dead", receiver.webhook));
    assert_eq!((&dead[0]["kind"], &dead[0]["why"]), (&json!("customer-put"), &json!("it answered 400: ")));
    let listed = switch.cli(&["webhooks", "dead", &receiver.webhook]);
    assert!(listed.contains("customer-put") && listed.contains("it answered 400"), "{listed}");
    receiver.behaves("ok", 0);
    let seq = dead[0]["seq"].to_string();
    switch.cli(&["webhooks", "resend", &receiver.webhook, &seq]);
    assert_eq!(receiver.until_taken(3), ["Ada", "Bob", "Poison Ivy"]);
    assert_eq!(receiver.got.last().expect("some")["attempt"], 0);
    wait::until_true("the list is empty", || receiver.shown(&switch)["dead"] == 0);
    let audit = switch.cli(&["audit", "--what", "webhook-resent"]);
    assert!(audit.contains(&receiver.webhook), "{audit}");
}

#[test]
fn what_was_not_acknowledged_is_told_again_after_a_kill_on_sqlite() {
    told_again_after_a_kill(None);
}

#[test]
fn what_was_not_acknowledged_is_told_again_after_a_kill_on_postgresql() {
    let database = Database::new("webhooks");
    told_again_after_a_kill(Some(database.url()));
}

/// Killed each time that the receiver has an event and has not answered.
fn told_again_after_a_kill(database: Option<String>) {
    let mut switch = Switch::with_plan_on(TEAM, database);
    let mut receiver = Receiver::of(&switch, &["--kind", "customer-put"]);
    customers(&switch, &names(0, 3));
    receiver.until_taken(3);
    for round in 1..4 {
        receiver.behaves("slow", 1);
        customers(&switch, &names(3 * round, 3 * round + 3));
        let held = receiver.next();
        switch.kill9();
        switch.start_again();
        let all = 3 * round + 3;
        assert_eq!(receiver.until_taken(all as usize), names(0, all), "round {round}");
        let times = receiver.got.iter().filter(|got| got["id"] == held["id"]).count();
        assert!(times >= 2, "the one that was under way came again");
    }
    // What the receiver has is what the journal has: each once at least, and in its order when it came first.
    let mut journal = Journal::open(&switch);
    let told = journal.until("customer-put", 12, SOON);
    let told: Vec<&str> = told.iter().map(|body| body["name"].as_str().expect("a name")).collect();
    assert_eq!(receiver.taken(), told);
}
