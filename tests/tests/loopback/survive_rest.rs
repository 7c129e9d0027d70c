//! What is no call and outlives `kill -9` all the same: what was spent of caps, and how devices are reached. And calls to
//! emergency services, which neither that nor a full trunk holds up.

use std::{net::UdpSocket, time::Duration};

use tandem_tests::{ground::Ground, journal::Journal, phone::Phone, sipp::Script, switch::Switch, wait};

use crate::{TEAM, survive::hear, survive::kill_and_start, tells};

const HZ: f64 = 600.0;

fn plan(far: &str) -> String {
    format!(
        r#"
protect {{
    extension-caps calls=1 per-hour=2
}}
trunk "out" {{
    peer "udp" "{far}:5070"
    max-calls 1
}}
route "emergency" {{
    from extension
    to "112"
    dial trunk="out" number="112"
}}
route "out" {{
    from extension
    to "0{{number:number}}"
    dial trunk="out" number="{{number}}"
}}
{TEAM}"#
    )
}

/// Calls from a phone of 1011; what it hears comes back from the far side.
fn call(switch: &Switch, user: &str, number: &str) -> Phone {
    let mut phone = Phone::of(switch, user).hz(HZ).start(switch);
    phone.dial(number);
    phone
}

/// Long enough that what it cost is written down, which is done each second.
fn talk(phone: &mut Phone) {
    phone.expect("CALL_ESTABLISHED");
    phone.until_heard(HZ, 3.0);
}

fn refused(mut phone: Phone) {
    phone.expect("CALL_CLOSED");
}

#[test]
fn what_was_spent_of_a_cap_stays_spent_and_an_emergency_passes_all_the_same() {
    let ground = Ground::new();
    let far = ground.carrier();
    let config = ground.plan(&plan(&far.to_string()));
    let mut switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let carrier = Script::carrier("agent-stays", &switch).at_ip(far).port(5_070).set("patience_ms", "100000");
    let _carrier = carrier.start_many(10, "10");
    let capped = |cap: &str| switch_refusals(cap);

    let mut first = call(&switch, "1011", "0212345678");
    talk(&mut first);
    kill_and_start(&mut switch);
    // The call goes on, and is the one that the extension may have.
    refused(call(&switch, "1011", "0212345679"));
    assert_eq!(switch.metric(&capped("calls")), 1.0);
    first.hang_up();
    first.expect("CALL_CLOSED");
    let mut second = call(&switch, "1011", "0212345679");
    talk(&mut second);
    second.hang_up();
    second.expect("CALL_CLOSED");
    switch.until_cdrs("number=1011", 3);
    kill_and_start(&mut switch);
    refused(call(&switch, "1011", "0212345680"));
    assert_eq!(switch.metric(&capped("per-hour")), 1.0, "two of before the restart");

    // Somebody else has the trunk's one call; nobody else gets one, but an emergency does.
    let mut other = call(&switch, "1012", "0212345678");
    talk(&mut other);
    refused(call(&switch, "1013", "0212345678"));
    let mut emergency = call(&switch, "1011", "112");
    talk(&mut emergency);
    emergency.hang_up();
    emergency.expect("CALL_CLOSED");
    tells(&switch.until_cdrs("number=112", 1)[0], &[("from", "1011"), ("cause", "normal"), ("route", "emergency")]);
    other.hang_up();
    other.expect("CALL_CLOSED");
}

fn switch_refusals(cap: &str) -> String {
    format!("tandem_toll_refusals_total{{cap=\"{cap}\"}}")
}

#[test]
fn a_phone_over_tcp_is_rung_before_it_registers_again() {
    let mut switch = Switch::with_plan(TEAM);
    let phone = Phone::of(&switch, "1011").over("tcp").hz(1_400.0).answers().start(&switch);
    let mut desk = Phone::of(&switch, "1012").hz(HZ).start(&switch);
    Journal::open(&switch).until("binding-put", 2, wait::SOON);
    kill_and_start(&mut switch);
    assert_eq!(switch.agent("1011")["reachable"], true);
    desk.dial("1011");
    desk.expect("CALL_ESTABLISHED");
    let mut pair = [desk, phone];
    hear(&pair);
    pair[0].hang_up();
    pair[1].expect("CALL_CLOSED");
}

#[test]
fn a_device_behind_an_edge_proxy_is_rung_through_it_after_a_restart() {
    let mut switch = Switch::with_plan(TEAM);
    let edge = switch.ground.device();
    let register = Script::new("register-by-flow", &switch).at_ip(edge).with(&["-auth_uri", &switch.sip.ip().to_string()]);
    register.user(&switch, "1013").start().succeed();
    Journal::open(&switch).until("binding-put", 1, wait::SOON);
    kill_and_start(&mut switch);
    assert_eq!(switch.agent("1013")["reachable"], true);
    let socket = UdpSocket::bind((edge, 5_060)).expect("an address of our own");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket option");
    let mut desk = Phone::of(&switch, "1012").hz(HZ).start(&switch);
    desk.dial("1013");
    let mut bytes = [0; 65_536];
    let invite = wait::until("the proxy is asked", wait::SOON, || {
        let length = socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned()).filter(|text| text.starts_with("INVITE "))
    });
    assert!(invite.starts_with("INVITE sip:1013@10.0.0.9:5061;transport=tls;ob SIP/2.0\r\n"), "{invite}");
    assert!(invite.contains(&format!("\r\nRoute: <sip:{edge}:5060;lr;ob>\r\n")), "{invite}");
    desk.hang_up();
    desk.expect("CALL_CLOSED");
}
