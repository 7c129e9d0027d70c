//! The same calls over TCP, TLS and IPv6.

use tandem_tests::{
    ground::Ground,
    phone::Phone,
    ports::Ports,
    sipp::{Devices, Script},
    switch::Switch,
};

use crate::{TEAM, tells};

#[test]
fn phones_over_tcp_and_tls_register_and_talk() {
    let switch = Switch::with_plan(TEAM);
    let mut calls = Phone::of(&switch, "1011").over("tcp").hz(600.0).start(&switch);
    let mut answers = Phone::of(&switch, "1012").over("tls").hz(1_400.0).answers().start(&switch);
    let sources = [
        switch.metric("tandem_sip_received_total{transport=\"tcp\"}"),
        switch.metric("tandem_sip_received_total{transport=\"tls\"}"),
    ];
    assert!(sources.iter().all(|n| *n >= 2.0), "{sources:?}");
    calls.dial("1012");
    calls.expect("CALL_ESTABLISHED");
    calls.until_heard(1_400.0, 1.0);
    answers.until_heard(600.0, 1.0);
    answers.hang_up();
    calls.expect("CALL_CLOSED");
    tells(&switch.until_cdr("1011"), &[("answered_by", "1012"), ("cause", "normal"), ("blame", "callee")]);
}

#[test]
fn a_caller_over_tcp_talks_with_an_agent_over_udp() {
    let switch = Switch::with_plan(TEAM);
    let _agent = Devices::start(&switch, &["1001"], Script::new("agent-hangs-up", &switch).stay_ms(100));
    switch.set_agent("1001", "sign-in");
    Script::new("caller-waits-for-bye", &switch).with(&["-t", "t1"]).user(&switch, "1011").dial("1800").start().succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal")]);
}

#[test]
fn ipv6_is_as_good() {
    // All tests share this one address: ports are what keeps them apart.
    let ports = Ports::take();
    let mut plan = TEAM.replace("{carrier}", "127.0.0.9").replace("20000-29999", "19980-19999");
    for (old, n) in [(":5060", 0), (":5061", 1), (":8080", 2)] {
        plan = plan.replace(old, &format!(":{}", ports.at(n)));
    }
    let ground = Ground::v6();
    let config = ground.plan(&plan);
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, ports.at(0));
    let agent = Script::new("agent-hangs-up", &switch).stay_ms(100).port(ports.at(4)).with(&["-mp", &ports.at(6).to_string()]);
    let _agent = Devices::start(&switch, &["1001"], agent);
    switch.set_agent("1001", "sign-in");
    let caller = Script::new("caller-waits-for-bye", &switch).port(ports.at(10)).with(&["-mp", &ports.at(12).to_string()]);
    caller.user(&switch, "1011").dial("1800").start().succeed();
    tells(&switch.until_cdr("1011"), &[("agent", "1001"), ("cause", "normal"), ("blame", "callee")]);
}
