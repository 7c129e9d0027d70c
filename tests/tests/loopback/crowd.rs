//! Two hundred callers at once into twenty agents.

use std::time::Duration;

use tandem_tests::{
    journal::Journal,
    sipp::{Devices, Script},
    switch::Switch,
};

use crate::TEAM;

const CALLERS: usize = 200;

#[test]
fn two_hundred_callers_are_served_by_twenty_agents_in_the_order_of_arrival() {
    let switch = Switch::with_plan(TEAM);
    let names: Vec<String> = (1001..=1020).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let _agents = Devices::start(&switch, &names, Script::new("agent-hangs-up", &switch).stay_ms(500));
    for name in &names {
        switch.set_agent(name, "sign-in");
    }
    let mut journal = Journal::open(&switch);
    let mut script = Script::carrier("carrier-waits-for-bye", &switch).dial("1800").with(&["-r", "200"]);
    for n in 0..CALLERS {
        script = script.caller(&format!("+3902{:07}", 1_000_000 + n));
    }
    script.start().succeed();

    let ended = journal.until("call-ended", CALLERS, Duration::from_secs(60));
    for end in &ended {
        let cdr = &end["cdr"];
        assert_eq!((&cdr["cause"], &cdr["queue"]), (&"normal".into(), &"support".into()), "{cdr}");
        assert!(!cdr["agent"].is_null() && !cdr["connected_at"].is_null(), "served: {cdr}");
    }
    let queued: Vec<_> = journal.of("queued").into_iter().map(|row| row["item"]["item"].clone()).collect();
    let offered: Vec<_> = journal.of("offered").into_iter().map(|row| row["item"].clone()).collect();
    assert_eq!((queued.len(), offered.len()), (CALLERS, CALLERS), "everybody is offered once");
    assert_eq!(queued, offered, "in the order of arrival");
    let outcomes = journal.of("offer-ended");
    assert!(outcomes.iter().all(|end| end["outcome"]["outcome"] == "accepted"), "every offer is taken");
    assert_eq!(switch.line("support"), []);
}
