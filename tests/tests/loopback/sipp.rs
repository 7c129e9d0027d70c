//! The scenarios that SIPp brings with it, unchanged. They know no passwords, so they are the carrier's machines.
//!
//! Some do not apply: `branchc` registers without a password, which nobody may, and calls another domain; `branchs`
//! answers nobody but a caller called `ua2`, who is no number; `regexp` wants a user name in `o=`, where `-` is right
//! (RFC 8866 section 5.2); `ooc_…` are no scenarios of calls.

use std::{
    fs,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    os::unix::fs::symlink,
};

use tandem_tests::{
    ground::Ground,
    sipp::{Script, Sipp},
    switch::Switch,
};

use crate::{TEAM, tells};

const ECHO: &str = "1998";

fn plan(peer: &str) -> String {
    format!(
        r#"
trunk "far" {{ peer "udp" "{peer}:5060"; }}
route "out" {{
    from extension
    to "9{{number:4}}"
    dial trunk="far" number="{{number}}"
}}
route "echo-for-all" {{
    from any
    to "{ECHO}"
    answer
    echo
}}
{TEAM}"#
    )
}

fn start() -> Switch {
    let ground = Ground::new();
    let config = ground.plan(&plan(&ground.carrier().to_string()));
    Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060)
}

/// Where the trunk leads: the first of the carrier's machines.
fn peer(switch: &Switch) -> IpAddr {
    let network = switch.ground.carrier_network();
    network.trim_end_matches("/26").parse().expect("an address")
}

#[test]
fn sipp_s_own_callers_are_answered() {
    let switch = start();
    let mut callers = vec!["uac"];
    // It sends packets under addresses of its own.
    if fs::read_to_string("/proc/self/status").expect("Linux").contains("\nUid:\t0\t") {
        symlink("/usr/share/sip-tester", switch.ground.join("pcap")).expect("a writable folder");
        callers.push("uac_pcap");
    } else {
        writeln!(std::io::stderr(), "SIPp's uac_pcap was left out: only root may run it").expect("a standard error");
    }
    let running: Vec<Sipp> = callers.iter().map(|name| Script::built_in(name, &switch).with(&["-s", ECHO]).start()).collect();
    running.into_iter().for_each(Sipp::succeed);
    for record in switch.until_cdrs(&format!("number={ECHO}"), callers.len()) {
        tells(&record, &[("route", "echo-for-all"), ("cause", "normal"), ("blame", "caller")]);
    }
    assert!(switch.calls().is_empty());
}

#[test]
fn sipp_s_own_answerer_is_called() {
    let switch = start();
    let answers = Script::built_in("uas", &switch).at_ip(peer(&switch)).start();
    Script::new("caller-hangs-up", &switch).user(&switch, "1011").dial("92001").stay_ms(300).start().succeed();
    answers.succeed();
    tells(&switch.until_cdr("1011"), &[("route", "out"), ("cause", "normal"), ("blame", "caller")]);
}

/// Third-party call control: SIPp is the controller, which offers one call's audio to the other one.
#[test]
fn sipp_s_own_controller_joins_two_calls_of_ours() {
    let switch = start();
    let twin = SocketAddr::new(switch.ground.carrier(), 7_000).to_string();
    let controller = |name| Script::built_in(name, &switch).with(&["-3pcc", &twin, "-s", ECHO]);
    // The one that listens for its twin comes first.
    let second = controller("3pcc-C-B").start();
    let first = controller("3pcc-C-A").start();
    first.succeed();
    second.succeed();
    for record in switch.until_cdrs(&format!("number={ECHO}"), 2) {
        tells(&record, &[("route", "echo-for-all"), ("cause", "normal")]);
    }
}
