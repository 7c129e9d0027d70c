//! Carriers that are found by name, by a real name server; and what happens when one of their servers is dead.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use tandem_tests::{ground::Ground, names::NameServer, sipp::Script, switch::Switch, wait};

use crate::{TEAM, tells};

/// A server that takes everything and says nothing.
struct Silent {
    socket: UdpSocket,
    heard: BTreeMap<String, usize>,
}

impl Silent {
    fn at(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 5_060)).expect("an address of our own");
        socket.set_nonblocking(true).expect("a socket");
        Self { socket, heard: BTreeMap::new() }
    }

    /// Requests heard so far, by method and Call-ID: how often each.
    fn heard(&mut self) -> &BTreeMap<String, usize> {
        let mut buffer = [0; 4_096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let method = text.split(' ').next().unwrap_or_default();
            let call = text.lines().find(|line| line.starts_with("Call-ID:")).unwrap_or_default();
            *self.heard.entry(format!("{method} {call}")).or_default() += 1;
        }
        &self.heard
    }

    fn calls(&mut self) -> usize {
        self.heard().keys().filter(|key| key.starts_with("INVITE")).count()
    }
}

fn plan(server: SocketAddr) -> String {
    format!(
        r#"
name-server "{server}"
trunk "far" {{
    peer "auto" "carrier.test"
    failover-after "1500ms"
}}
route "out" {{
    from extension
    to "0{{number:number}}"
    dial trunk="far" number="{{number}}" {{
        unreachable {{ hangup "unavailable"; }}
    }}
}}
{TEAM}"#
    )
}

#[test]
fn a_carrier_is_found_by_its_services_and_a_dead_server_of_it_costs_one_call_a_moment() {
    let ground = Ground::new();
    let (dns, dead, live) = (ground.carrier(), ground.carrier(), ground.carrier());
    let names = NameServer::start(
        dns,
        &[
            "--naptr-record=carrier.test,10,10,s,SIP+D2U,,_sip._udp.carrier.test".to_owned(),
            "--srv-host=_sip._udp.carrier.test,one.carrier.test,5060,10,1".to_owned(),
            "--srv-host=_sip._udp.carrier.test,two.carrier.test,5070,20,1".to_owned(),
            format!("--host-record=one.carrier.test,{dead}"),
            format!("--host-record=two.carrier.test,{live}"),
        ],
    );
    let mut silent = Silent::at(dead);
    let config = ground.plan(&plan(names.at));
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    wait::until_true("the carrier is found", || switch.log().contains("the peer of a trunk was found"));
    let answers = || Script::carrier("agent-hangs-up", &switch).at_ip(live).port(5_070).stay_ms(200).start();

    // The first server says nothing: the second takes the call, and the record knows of no trouble.
    let carrier = answers();
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("0800123").start().succeed();
    carrier.succeed();
    tells(&switch.until_cdr("1011"), &[("route", "out"), ("cause", "normal")]);
    assert_eq!(silent.calls(), 1, "{:?}", silent.heard());

    // The second call does not ask the dead one again.
    let carrier = answers();
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1012").dial("0800124").start().succeed();
    carrier.succeed();
    tells(&switch.until_cdr("1012"), &[("route", "out"), ("cause", "normal")]);
    assert_eq!(silent.calls(), 1, "{:?}", silent.heard());
}

#[test]
fn a_carrier_that_the_name_server_does_not_know_refuses_calls_at_once() {
    let ground = Ground::new();
    let names = NameServer::start(ground.carrier(), &[]);
    let config = ground.plan(&plan(names.at));
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    wait::until_true("nothing is found", || switch.log().contains("has no address now"));
    Script::new("caller-refused", &switch).set("code", "480").user(&switch, "1011").dial("0800123").start().succeed();
}

#[test]
fn what_one_trunk_cannot_take_the_next_of_its_group_does_and_what_the_called_party_refuses_it_does_not() {
    let ground = Ground::new();
    let (first, second) = (ground.carrier(), ground.carrier());
    let config = ground.plan(&format!(
        r#"
trunk "first" {{
    peer "udp" "{first}:5060"
    numbers out="e164" country-code="39" national-prefix="none"
    caller-id "fixed" number="+390298765432"
}}
trunk "second" {{ peer "udp" "{second}:5060"; }}
trunk-group "outside" {{
    member "second" rank=1
    member "first"
}}
route "out" {{
    from extension
    to "0{{number:number}}"
    dial trunk="outside" number="{{number}}" {{
        busy {{ hangup "busy"; }}
        rejected {{ hangup "forbidden"; }}
    }}
}}
{TEAM}"#
    ));
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let refuses = |code| Script::carrier("agent-refuses", &switch).at_ip(first).set("code", code).start();
    let refused = |user, number, code| {
        Script::new("caller-refused", &switch).set("code", code).user(&switch, user).dial(number).start().succeed();
    };

    let mut silent = Silent::at(second);
    let no = refuses("486");
    refused("1012", "00212345678", "486");
    no.succeed();
    refused("1013", "000442071838750", "403");
    assert_eq!(switch.metric("tandem_trunk_refusals_total{why=\"international\"}"), 1.0);
    assert_eq!(silent.calls(), 0, "{:?}", silent.heard());
    drop(silent);

    let answers = || Script::carrier("agent-hangs-up", &switch).at_ip(second).stay_ms(200).start();
    let (no, yes) = (refuses("503"), answers());
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("00212345678").start().succeed();
    no.succeed();
    yes.succeed();
    assert_eq!(switch.metric("tandem_trunk_failovers_total"), 1.0);

    // The next call does not bother the one that has just said 503.
    let mut silent = Silent::at(first);
    let yes = answers();
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1014").dial("00212345678").start().succeed();
    yes.succeed();
    assert_eq!((silent.calls(), switch.metric("tandem_trunk_failovers_total")), (0, 1.0));
}
