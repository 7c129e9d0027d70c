//! Parties whose audio is described, promised or sent in ways of their own.

use std::{
    collections::BTreeSet,
    fs,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use tandem_tests::{
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::{TEAM, tells};

/// The tone of a square wave of eight samples.
const SQUARE_HZ: f64 = 1_000.0;
const PORT: u16 = 40_000;

/// Audio of a party, in PCMU, without signalling.
struct Voice {
    socket: UdpSocket,
    to: SocketAddr,
    sent: u16,
}

impl Voice {
    fn new(from: SocketAddr, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind(from).expect("an address of this test");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket option");
        Self { socket, to, sent: 0 }
    }

    /// Sends 20 ms of the tone and waits as long for as much; whether that was sound.
    fn turn(&mut self) -> bool {
        let mut packet = vec![0x80, 0];
        packet.extend_from_slice(&self.sent.to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.sent) * 160).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 7]);
        packet.extend((0..160).map(|i| if i % 8 < 4 { 0x9f } else { 0x1f }));
        self.sent = self.sent.wrapping_add(1);
        self.socket.send_to(&packet, self.to).expect("loopback takes it");
        let Ok(bytes) = self.socket.recv(&mut packet) else { return false };
        packet[12..bytes.max(12)].iter().collect::<BTreeSet<_>>().len() > 10
    }
}

#[test]
fn a_called_phone_behind_nat_hears_and_is_heard() {
    let switch = Switch::with_plan(TEAM);
    let log = switch.ground.join("audio.log");
    let nat = Script::new("agent-behind-nat", &switch).set("port", &PORT.to_string());
    let nat = nat.with(&["-trace_logs", "-log_file", log.to_str().expect("plain paths")]);
    let device = Devices::start(&switch, &["1001"], nat);
    let mut caller = Phone::of(&switch, "1011").hz(600.0).start(&switch);
    caller.dial("1001");
    caller.expect("CALL_ESTABLISHED");
    let port = wait::until("the port of the switch", wait::SOON, || {
        fs::read_to_string(&log).ok()?.trim().rsplit_once("audio=")?.1.parse::<u16>().ok()
    });
    let mut voice = Voice::new(SocketAddr::new(device.at().ip(), PORT), SocketAddr::new(switch.sip.ip(), port));
    let end = wait::deadline(wait::SOON);
    let mut sounds = 0;
    while sounds < 50 || caller.heard().seconds_of(SQUARE_HZ) < 1.0 {
        assert!(!wait::passed(end), "{sounds} packets with sound, {} s heard", caller.heard().seconds_of(SQUARE_HZ));
        sounds += (0..50).filter(|_| voice.turn()).count();
    }
    caller.hang_up();
    tells(&switch.until_cdr("1011"), &[("answered_by", "1001"), ("cause", "normal"), ("blame", "caller")]);
}

#[test]
fn a_call_without_an_offer_gets_ours_and_must_answer_it() {
    let switch = Switch::with_plan(TEAM);
    let scripts = [("caller-without-offer", "1011", "1000"), ("caller-owes-an-answer", "1012", "1000")];
    let calls = scripts.map(|(name, user, number)| Script::new(name, &switch).user(&switch, user).dial(number).stay_ms(1_500));
    let refused = Script::new("caller-without-offer-refused", &switch).set("code", "404").user(&switch, "1013").dial("4711");
    for sipp in calls.into_iter().chain([refused]).map(Script::start).collect::<Vec<_>>() {
        sipp.succeed();
    }
    let heard = switch.until_cdr("1011");
    tells(&heard, &[("route", "menu"), ("cause", "normal"), ("blame", "caller")]);
    let echoed = heard["quality"]["0"]["packets_received"].as_u64();
    assert!(echoed.is_some_and(|packets| packets > 20), "what it heard of the menu comes back: {heard}");
    tells(&switch.until_cdr("1012"), &[("route", "menu"), ("cause", "incompatible")]);
    let refused = switch.until_cdr("1013");
    tells(&refused, &[("route", "unknown"), ("cause", "not-found")]);
    assert!(refused["answered_at"].is_null(), "what it could not hear was not waited for: {refused}");
}

#[test]
fn a_description_in_an_ack_that_owes_none_means_nothing() {
    let switch = Switch::with_plan(TEAM);
    Script::new("caller-says-it-twice", &switch).user(&switch, "1011").dial("1999").stay_ms(500).start().succeed();
    tells(&switch.until_cdr("1011"), &[("route", "echo"), ("cause", "normal"), ("blame", "caller")]);
}

#[test]
fn silence_ends_calls_that_are_up_but_not_on_hold() {
    let plan = TEAM.replace("ring=\"3s\"", "ring=\"20s\"");
    let switch = Switch::with_plan(&format!("silence-ends-after \"1s\"\n{plan}"));
    let agent = Devices::once(&switch, &["1001"], Script::new("agent-early", &switch).stay_ms(2_500));
    let caller = |scenario, user, number| Script::new(scenario, &switch).user(&switch, user).dial(number);
    let calls = [
        caller("caller-waits-for-bye", "1011", "1999").start(),
        caller("caller-holds", "1012", "1999").stay_ms(2_500).start(),
        caller("caller-waits-for-bye", "1013", "1001").start(),
    ];
    for sipp in calls.into_iter().chain([agent]) {
        sipp.succeed();
    }
    tells(&switch.until_cdr("1011"), &[("cause", "media-timeout")]);
    tells(&switch.until_cdr("1012"), &[("cause", "normal"), ("blame", "caller")]);
    tells(&switch.until_cdr("1013"), &[("answered_by", "1001"), ("cause", "normal"), ("blame", "callee")]);
}
