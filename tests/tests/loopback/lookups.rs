//! A CRM says who rings: on the screen when it is quick, later when it is slow, and never in the way.

use serde_json::{Value, json};
use tandem_tests::{
    program::Program,
    screen::Screen,
    sipp::{Devices, Script},
    switch::Switch,
};

use crate::TEAM;

const HERS: &str = "+390230412345";

fn behaves(crm: &Program, how: &Value) {
    let url = format!("http://127.0.0.1:{}/behave", crm.port());
    let status = std::process::Command::new("curl").args(["-sf", "-X", "PUT", "-d", &how.to_string(), &url]).status();
    assert!(status.expect("curl").success(), "the CRM takes orders");
}

/// A team with a CRM, an agent at their phone and their screen.
struct Desk {
    switch: Switch,
    crm: Program,
    screen: Screen,
    _agent: Devices,
}

impl Desk {
    fn open(stay_ms: u32, words: &[&str]) -> Self {
        let switch = Switch::with_plan(TEAM);
        let crm = Program::of_script("crm.py", &[]);
        let url = format!("http://127.0.0.1:{}/by?phone={{number}}", crm.port());
        let fields = ["--field", "Name=/contact/name", "--field", "Orders=/orders"];
        switch.cli(&[&["lookup", "set", &url][..], &fields, words].concat());
        let screen = Screen::open(&switch, "1001");
        let agent = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(stay_ms));
        switch.set_agent("1001", "sign-in");
        Self { switch, crm, screen, _agent: agent }
    }

    fn call(&self, number: &str) {
        Script::carrier("carrier-waits-for-bye", &self.switch).caller(number).dial("1800").start().succeed();
    }
}

fn hers() -> Value {
    json!({ "Name": "Ada Lovelace", "Orders": "3" })
}

#[test]
fn what_a_crm_said_is_on_the_screen_when_it_rings_and_it_is_not_asked_twice() {
    let mut desk = Desk::open(300, &["--lookup-token", "secret"]);
    let tested = desk.switch.cli(&["lookup", "test", HERS]);
    assert!(tested.contains("Ada Lovelace"), "{tested}");
    let asked = desk.crm.until("asked");
    assert_eq!((&asked["number"], &asked["token"]), (&json!(HERS), &json!("Bearer secret")));
    desk.call(HERS);
    let pop = desk.screen.next("pop");
    assert_eq!((&pop["looked"]["fields"], &pop["looked"]["kept"]), (&hers(), &json!(true)), "{pop}");
    assert!(!desk.crm.told("asked"), "the answer was kept");
    assert!(!desk.switch.cli(&["lookup", "show"]).contains("secret"));
    let nobody = desk.switch.cli(&["lookup", "test", "+393471234567"]);
    assert!(nobody.contains("Nobody has +393471234567"), "{nobody}");
}

#[test]
fn a_slow_crm_holds_up_neither_the_call_nor_the_screen_and_is_shown_later() {
    // The call is still there when the CRM answers, however busy this machine is.
    let mut desk = Desk::open(6_000, &["--keep", "0", "--limit", "5000"]);
    behaves(&desk.crm, &json!({ "delay": 1 }));
    desk.call(HERS);
    let pop = desk.screen.next("pop");
    assert!(pop["looked"].is_null(), "{pop}");
    let took_ms = pop["caller"]["took_ms"].as_u64().expect("a number");
    assert!(took_ms < 500, "the screen waited {took_ms} ms for a CRM that took 1000");
    let later = desk.screen.next("looked_up");
    assert_eq!((&later["looked_up"], &later["looked"]["fields"]), (&pop["offer"], &hers()));
    assert!(later["looked"]["took_ms"].as_u64().is_some_and(|ms| ms >= 1_000), "{later}");
    // One that is away altogether is not even waited for.
    desk.crm.kill();
    desk.switch.until_agent("1001", "ready");
    desk.call(HERS);
    let pop = desk.screen.next("pop");
    assert!(pop["looked"].is_null(), "{pop}");
    assert!(desk.switch.metric("tandem_lookups_late_total") >= 1.0);
}
