//! Call forwarding that is set in a phone, and carriers that name another number: SIP 3xx under the plan's rules.

use std::{
    net::{IpAddr, UdpSocket},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tandem_tests::{
    ground::Ground,
    sipp::{Devices, Script, Sipp},
    switch::Switch,
};

use crate::{TEAM, tells};

/// 1002 may call outside, nobody else; 1016 and above may not have their calls go elsewhere.
fn plan(carrier: IpAddr, trunk: &str) -> String {
    let team = TEAM
        .replace("extensions from=1001 to=1020", "extensions from=1001 to=1015\nextensions from=1016 to=1020 redirects=#false");
    format!(
        r#"
trunk "far" {{
    peer "udp" "{carrier}:5060"
    numbers country-code="39"
    trust "identity"
    {trunk}
}}
route "out" {{
    from extension
    to "0{{number:number}}"
    caller "1002"
    dial trunk="far" number="{{number}}" {{
        unreachable {{ hangup "unavailable"; }}
        rejected {{ hangup "forbidden"; }}
    }}
}}
{team}"#
    )
}

fn start(trunk: &str) -> (Switch, IpAddr) {
    let ground = Ground::new();
    let carrier = ground.carrier();
    let config = ground.plan(&plan(carrier, trunk));
    (Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060), carrier)
}

/// A phone of an extension that has its next call go elsewhere, at a new address.
fn redirects(switch: &Switch, extension: &str, elsewhere: &str) -> Sipp {
    redirects_at(switch, switch.ground.device(), extension, elsewhere)
}

/// The same phone another time.
fn redirects_at(switch: &Switch, ip: IpAddr, extension: &str, elsewhere: &str) -> Sipp {
    Devices::once(switch, &[extension], Script::new("agent-redirects", switch).at_ip(ip).set("elsewhere", elsewhere))
}

fn refused(switch: &Switch, user: &str, number: &str, code: &str) {
    Script::new("caller-refused", switch).set("code", code).user(switch, user).dial(number).start().succeed();
}

/// What a record says that the call spent its time on, with the cause where it is said.
fn ways(record: &Value) -> Vec<(&str, Option<&str>)> {
    let segments = record["segments"].as_array().expect("segments").iter();
    let all = segments.map(|segment| (segment["state"].as_str().expect("a word"), segment["cause"].as_str()));
    all.filter(|(state, _)| *state != "plan").collect()
}

#[test]
fn a_phone_forwards_its_calls_with_the_rights_of_its_extension_and_no_others() {
    let (switch, carrier) = start("");
    let told = |why: &str| {
        let script = Script::carrier("carrier-is-told-who-diverted", &switch).at_ip(carrier);
        script.set("number", "212345678").set("by", "1002").set("why", why).stay_ms(200).start()
    };
    let calls = |user| Script::new("caller-waits-for-bye", &switch).user(&switch, user).dial("1002").start();
    // Who calls may not call outside; whose phone it is may. The host that the phone names is asked nothing.
    let far = told("unconditional");
    let desk = switch.ground.device();
    let phone = redirects_at(&switch, desk, "1002", "Contact: <sip:0212345678@evil.example:5066?Subject=x>");
    calls("1011").succeed();
    phone.succeed();
    far.succeed();
    let record = switch.until_cdr("1011");
    tells(&record, &[("route", "colleagues"), ("answered_by", "212345678"), ("cause", "normal")]);
    assert_eq!(ways(&record)[0], ("ringing", Some("redirected")), "{record}");
    assert_eq!(ways(&record).last(), Some(&("talking", None)), "{record}");

    let far = told("user-busy");
    let elsewhere = "Contact: <sip:0212345678@127.0.0.1>\n      Diversion: <sip:1002@tandem>;reason=user-busy";
    let phone = redirects_at(&switch, desk, "1002", elsewhere);
    calls("1012").succeed();
    phone.succeed();
    far.succeed();

    // 1003 has no such right, 1016 none to forward at all; and what is no number is nobody.
    for (user, extension, to) in [("1013", "1003", "0212345678"), ("1014", "1016", "1004"), ("1015", "1002", "alice")] {
        let ip = if extension == "1002" { desk } else { switch.ground.device() };
        let phone = redirects_at(&switch, ip, extension, &format!("Contact: <sip:{to}@127.0.0.1>"));
        refused(&switch, user, extension, "480");
        phone.succeed();
        tells(&switch.until_cdr(user), &[("cause", "unavailable")]);
    }
}

#[test]
fn phones_that_forward_to_each_other_end() {
    let (switch, _) = start("");
    let first = redirects(&switch, "1003", "Contact: <sip:1004@127.0.0.1>");
    let second = redirects(&switch, "1004", "Contact: <sip:1003@127.0.0.1>");
    refused(&switch, "1011", "1003", "480");
    first.succeed();
    second.succeed();
}

#[test]
fn an_agent_whose_phone_forwards_does_not_take_callers_out_of_the_queue() {
    let (switch, _) = start("");
    let phone = redirects(&switch, "1001", "Contact: <sip:1009@127.0.0.1>");
    let other = Devices::once(&switch, &["1002"], Script::new("agent-hangs-up", &switch).stay_ms(200));
    switch.set_agent("1001", "sign-in");
    let caller = Script::carrier("carrier-waits-for-bye", &switch).caller("0212345678").dial("1800").start();
    phone.succeed();
    switch.set_agent("1002", "sign-in");
    caller.succeed();
    other.succeed();
    tells(&switch.until_cdr("0212345678"), &[("agent", "1002")]);
}

/// A carrier of one UDP port: replies to each new INVITE in turn, and gives what was asked: request lines and Diversions.
fn carrier(ip: IpAddr, replies: &'static [&'static str]) -> JoinHandle<Vec<String>> {
    let socket = UdpSocket::bind((ip, 5_060)).expect("an address of our own");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    thread::spawn(move || {
        let mut asked: Vec<(String, String)> = Vec::new();
        let mut buffer = [0; 8_192];
        for reply in replies {
            let (text, from) = loop {
                let (length, from) = socket.recv_from(&mut buffer).expect("somebody calls in time");
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let call = header(&text, "Call-ID");
                if text.starts_with("INVITE") && asked.iter().all(|(known, _)| *known != call) {
                    let by = text.lines().filter(|line| line.starts_with("Diversion:"));
                    let said: Vec<_> = text.lines().take(1).chain(by).collect();
                    asked.push((call, said.join("\n")));
                    break (text, from);
                }
            };
            let copied = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(&text, name))).concat();
            let to = header(&text, "To");
            let answer = format!("SIP/2.0 {reply}\r\n{copied}To: {to};tag=far\r\nContent-Length: 0\r\n\r\n");
            socket.send_to(answer.as_bytes(), from).expect("loopback");
        }
        asked.into_iter().map(|(_, said)| said).collect()
    })
}

fn header(text: &str, name: &str) -> String {
    let start = format!("{name}: ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
}

const MOVED: &str = "302 Moved\r\nContact: <sip:287654321@198.51.100.9>";

#[test]
fn a_carrier_may_name_another_number_where_the_plan_says_so() {
    let (switch, ip) = start("redirects #true");
    let far = carrier(ip, &[MOVED, "486 Busy"]);
    refused(&switch, "1002", "0212345678", "486");
    let asked = far.join().expect("the carrier is well");
    assert!(asked[0].contains("sip:212345678@") && asked[1].contains(&format!("sip:287654321@{ip}")), "{asked:?}");
    assert_eq!(ways(&switch.until_cdr("1002"))[0], ("ringing", Some("redirected")));
    // The trunk's rules hold for what it names.
    let far = carrier(ip, &["302 Moved\r\nContact: <sip:00442071838750@198.51.100.9>"]);
    refused(&switch, "1002", "0212345679", "403");
    assert_eq!(far.join().expect("the carrier is well").len(), 1);
}

const SEVERAL: &str = "302 Moved\r\nContact: <sip:287654321@198.51.100.9>;q=0.3, <sip:alice@198.51.100.9>;q=0.9, \
                       <sip:287654322@198.51.100.9>;q=0.7\r\nDiversion: <sip:212345678@far.example>;reason=user-busy";

#[test]
fn of_several_numbers_that_a_carrier_names_each_is_tried_and_the_carrier_told_who_led_there() {
    let (switch, ip) = start("redirects #true");
    let far = carrier(ip, &[SEVERAL, "404 Not Found", "486 Busy"]);
    refused(&switch, "1002", "0212345678", "486");
    let asked = far.join().expect("the carrier is well");
    assert!(!asked[0].contains("Diversion"), "{asked:?}");
    for (asked, number) in asked[1..].iter().zip(["287654322", "287654321"]) {
        let (line, diverted) = asked.split_once('\n').expect("a Diversion");
        assert!(line.contains(&format!("sip:{number}@{ip}")), "{asked}");
        assert!(diverted.contains("<sip:212345678@") && diverted.ends_with(";reason=user-busy;counter=1"), "{asked}");
    }
}

#[test]
fn a_carrier_that_may_not_is_not_followed() {
    let (switch, ip) = start("");
    let far = carrier(ip, &[MOVED]);
    refused(&switch, "1002", "0212345678", "480");
    assert_eq!(far.join().expect("the carrier is well").len(), 1);
}
