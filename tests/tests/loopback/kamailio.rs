//! Kamailio as the carrier: a registrar that asks for passwords and a proxy that stays in the way, over each transport.

use std::fs;

use tandem_tests::{
    browser::{Account, Browser, Library},
    ground::Ground,
    kamailio::{DOMAIN, Kamailio, PASSWORD},
    phone::{Phone, Setup},
    switch::Switch,
    wait,
};

use crate::{prompt, tells, with_https};

/// An extension of ours, and two users of Kamailio's.
const DESK: &str = "1012";
const OUTSIDE: &str = "2001";
const PAGE: &str = "2002";
const HZ: f64 = 600.0;
const OUTSIDE_HZ: f64 = 1_400.0;

/// A trunk to a Kamailio, by the names of things in [`start`].
fn trunk(name: &str, kamailio: &Kamailio, transport: &str) -> String {
    let (ip, port) = (kamailio.ip, if transport == "tls" { 5_061 } else { 5_060 });
    let tls = if transport == "tls" { format!("tls name=\"{DOMAIN}\" ca=\"{name}.pem\"") } else { String::new() };
    format!(
        r#"
trunk "{name}" {{
    match "{ip}"
    peer "{transport}" "{ip}:{port}"
    {tls}
    domain "{DOMAIN}"
    credentials user="tandem" secret="file:secret" realm="{DOMAIN}"
    register #true
}}
"#
    )
}

fn routes(to: &str, from: &[&str]) -> String {
    let from: String = from.iter().map(|name| format!("    from trunk=\"{name}\"\n")).collect();
    format!(
        r#"
route "out" {{
    from extension
    to "9{{number:4}}"
    dial trunk="{to}" number="{{number}}" ring="20s" {{
        busy {{ hangup "busy"; }}
        unreachable {{ hangup "unavailable"; }}
    }}
}}
route "in" {{
{from}
    to "{{colleague:extension}}"
    dial extension="{{colleague}}" ring="20s" {{ busy {{ hangup "busy"; }} }}
}}
"#
    )
}

fn start(ground: Ground, kamailios: &[(&str, &Kamailio)], plan: &str) -> Switch {
    let config = ground.plan(&(plan.to_owned() + &with_https()));
    fs::write(config.join("secret"), PASSWORD).expect("a writable folder");
    for (name, kamailio) in kamailios {
        fs::write(config.join(format!("{name}.pem")), &kamailio.authority).expect("a writable folder");
    }
    Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060)
}

/// One Kamailio, reached by a transport, a switch that has registered there, and a phone on either side.
fn world(transport: &str) -> (Kamailio, Switch, Phone, Phone) {
    let ground = Ground::new();
    let kamailio = Kamailio::start(&ground, ground.carrier());
    let plan = trunk("up", &kamailio, transport) + &routes("up", &["up"]);
    let switch = start(ground, &[("up", &kamailio)], &plan);
    kamailio.until_registered("tandem", transport);
    let desk = Phone::of(&switch, DESK).hz(HZ).start(&switch);
    let outside = Setup::elsewhere(kamailio.ip, OUTSIDE, PASSWORD, switch.ground.join("outside")).hz(OUTSIDE_HZ).start_there();
    kamailio.until_registered(OUTSIDE, "udp");
    (kamailio, switch, desk, outside)
}

fn calls_pass_both_ways(transport: &str) {
    let (_kamailio, switch, mut desk, mut outside) = world(transport);

    outside.dial(DESK);
    desk.expect("CALL_INCOMING");
    desk.accept();
    outside.expect("CALL_ESTABLISHED");
    desk.until_heard(OUTSIDE_HZ, 0.5);
    outside.until_heard(HZ, 0.5);
    // A re-INVITE each way, by the routes of the call.
    outside.hold();
    switch.until_call(OUTSIDE, "hold");
    let music = prompt("music/hold");
    wait::until_true("the desk phone hears music", || desk.heard().contains(&music));
    outside.resume();
    switch.until_call(OUTSIDE, "talking");
    desk.hold();
    switch.until_call(OUTSIDE, "hold");
    desk.resume();
    switch.until_call(OUTSIDE, "talking");
    outside.press("7");
    assert_eq!(desk.expect("CALL_DTMF_START")["param"], "7");
    outside.hang_up();
    desk.expect("CALL_CLOSED");
    let record = switch.until_cdrs(&format!("number={OUTSIDE}"), 1).remove(0);
    tells(&record, &[("origin", "trunk:up"), ("route", "in"), ("answered_by", DESK), ("cause", "normal"), ("blame", "caller")]);

    desk.dial(&format!("9{OUTSIDE}"));
    outside.expect("CALL_INCOMING");
    outside.accept();
    desk.expect("CALL_ESTABLISHED");
    outside.until_heard(HZ, 0.5);
    desk.until_heard(OUTSIDE_HZ, 0.5);
    outside.hang_up();
    desk.expect("CALL_CLOSED");
    let record = switch.until_cdrs(&format!("number={DESK}"), 2).remove(0);
    tells(&record, &[("from", DESK), ("route", "out"), ("cause", "normal"), ("blame", "callee")]);

    // Busy, given up, and nobody by that number.
    desk.dial(&format!("9{OUTSIDE}"));
    outside.expect("CALL_INCOMING");
    outside.hang_up();
    let closed = desk.expect("CALL_CLOSED");
    assert!(closed["param"].as_str().is_some_and(|text| text.contains("486")), "{closed}");
    outside.expect("CALL_CLOSED");
    desk.dial(&format!("9{OUTSIDE}"));
    outside.expect("CALL_INCOMING");
    desk.hang_up();
    outside.expect("CALL_CLOSED");
    desk.expect("CALL_CLOSED");
    desk.dial("92999");
    let closed = desk.expect("CALL_CLOSED");
    assert!(closed["param"].as_str().is_some_and(|text| text.contains("404") || text.contains("480")), "{closed}");
    wait::until_true("no call is left", || switch.calls().is_empty());
}

#[test]
fn calls_pass_kamailio_over_udp() {
    calls_pass_both_ways("udp");
}

#[test]
fn calls_pass_kamailio_over_tcp() {
    calls_pass_both_ways("tcp");
}

#[test]
fn calls_pass_kamailio_over_tls_with_an_authority_of_the_plan() {
    calls_pass_both_ways("tls");
}

#[test]
fn a_browser_at_kamailio_by_wss_and_a_desk_phone_of_ours_call_each_other() {
    let (kamailio, switch, mut desk, _outside) = world("tls");
    let browser = Browser::start(&switch);
    let url = format!("wss://{}:8443/", kamailio.ip);
    let account = Account { url, host: kamailio.ip.to_string(), user: PAGE.to_owned(), password: PASSWORD.to_owned() };
    let mut page = browser.phone_of(&account, switch.ground.device(), Library::SipJs);
    kamailio.until_registered(PAGE, "wss");

    page.does(&format!("call('{DESK}')"));
    desk.expect("CALL_INCOMING");
    desk.accept();
    page.until("UP");
    desk.until_heard(HZ, 0.5);
    page.does("hold()");
    page.until("HELD");
    switch.until_call(PAGE, "hold");
    page.does("resume()");
    page.until("RESUMED");
    desk.hang_up();
    page.until("ENDED BY remote");
    let record = switch.until_cdrs(&format!("number={PAGE}"), 1).remove(0);
    tells(&record, &[("origin", "trunk:up"), ("answered_by", DESK), ("cause", "normal"), ("blame", "callee")]);

    desk.dial(&format!("9{PAGE}"));
    page.until(&format!("INCOMING {DESK}"));
    page.does("answer()");
    page.until("UP");
    desk.until_heard(HZ, 0.5);
    page.does("hangUp()");
    desk.expect("CALL_CLOSED");
}

#[test]
fn calls_go_by_the_other_kamailio_when_one_is_down() {
    let ground = Ground::new();
    let (mut first, second) = (Kamailio::start(&ground, ground.carrier()), Kamailio::start(&ground, ground.carrier()));
    let group = "trunk-group \"both\" {\n    member \"first\"\n    member \"second\" rank=1\n}\n";
    let trunks = trunk("first", &first, "udp") + &trunk("second", &second, "tcp");
    let plan = trunks.replace("register #true", "register #true\n    failover-after \"1500ms\"") + group;
    let switch = start(ground, &[("first", &first), ("second", &second)], &(plan + &routes("both", &["first", "second"])));
    first.until_registered("tandem", "udp");
    second.until_registered("tandem", "tcp");
    let mut desk = Phone::of(&switch, DESK).hz(HZ).start(&switch);
    // The same user is at both: as users of a carrier with two machines are.
    let outside = |kamailio: &Kamailio, name| {
        let setup = Setup::elsewhere(kamailio.ip, OUTSIDE, PASSWORD, switch.ground.join(name));
        let phone = setup.hz(OUTSIDE_HZ).answers().start_there();
        kamailio.until_registered(OUTSIDE, "udp");
        phone
    };
    let (mut at_first, mut at_second) = (outside(&first, "first"), outside(&second, "second"));

    desk.dial(&format!("9{OUTSIDE}"));
    desk.expect("CALL_ESTABLISHED");
    at_first.expect("CALL_ESTABLISHED");
    desk.hang_up();
    desk.expect("CALL_CLOSED");

    first.kill();
    desk.dial(&format!("9{OUTSIDE}"));
    desk.expect("CALL_ESTABLISHED");
    at_second.expect("CALL_ESTABLISHED");
    at_second.until_heard(HZ, 0.5);
    desk.hang_up();
    tells(&switch.until_cdrs(&format!("number={DESK}"), 2)[0], &[("from", DESK), ("cause", "normal"), ("blame", "caller")]);
    assert!(switch.metric("tandem_trunk_failovers_total") >= 1.0);
}
