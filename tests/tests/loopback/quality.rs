//! What the program says of audio that is lost on the way or goes one way only. The called phone describes an address that
//! nobody reaches; its packets are in the hands of the test.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{IpAddr, SocketAddr, UdpSocket},
    process::{Child, Stdio},
};

use serde_json::Value;
use tandem_media::random::Random;
use tandem_tests::{
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::TEAM;

const PORT: u16 = 40_000;
const CALLED: &str = "1001";
const CALLER: &str = "1011";

/// A phone that speaks and hears, in conversation with one that is heard only as the test wants.
struct Conversation {
    switch: Switch,
    caller: Phone,
    called: Devices,
    /// Where the switch awaits the audio of the called one.
    awaited: SocketAddr,
    follow: Option<Child>,
}

impl Conversation {
    fn start() -> Self {
        let switch = Switch::with_plan(TEAM);
        let log = switch.ground.join("audio.log");
        let nat = Script::new("agent-behind-nat", &switch).set("port", &PORT.to_string());
        let nat = nat.with(&["-trace_logs", "-log_file", log.to_str().expect("plain paths")]);
        let called = Devices::start(&switch, &[CALLED], nat);
        let mut caller = Phone::of(&switch, CALLER).start(&switch);
        let follow = switch.command(&["follow", CALLER]).stdout(Stdio::piped()).spawn().expect("the program runs");
        wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
        caller.dial(CALLED);
        caller.expect("CALL_ESTABLISHED");
        let port = wait::until("the port of the switch", wait::SOON, || {
            fs::read_to_string(&log).ok()?.trim().rsplit_once("audio=")?.1.parse::<u16>().ok()
        });
        let awaited = SocketAddr::new(switch.sip.ip(), port);
        Self { switch, caller, called, awaited, follow: Some(follow) }
    }

    fn voice_at(&self, ip: IpAddr) -> UdpSocket {
        let voice = UdpSocket::bind((ip, PORT)).expect("an address of this test");
        voice.connect(self.awaited).expect("loopback");
        voice.set_read_timeout(Some(wait::SOON)).expect("a socket option");
        voice
    }

    /// What the record says of the audio of caller and called, after the caller hung up; and what the follower saw.
    fn end(mut self) -> (Value, Value, String) {
        self.caller.hang_up();
        let record = self.switch.until_cdr(CALLER);
        let mut follow = self.follow.take().expect("started with the call");
        follow.kill().expect("our child");
        let lines = BufReader::new(follow.stdout.take().expect("piped above")).lines().map_while(Result::ok);
        let seen = lines.collect::<Vec<_>>().join("\n");
        follow.wait().expect("our child");
        (record["quality"]["0"].clone(), record["quality"]["1"].clone(), seen)
    }
}

/// What the caller says paces what is sent, so that nothing is lost but what the test loses: waits for its next packet.
fn wait_for_the_other(voice: &UdpSocket) {
    voice.set_nonblocking(true).expect("a socket option");
    while voice.recv(&mut [0; 500]).is_ok() {}
    voice.set_nonblocking(false).expect("a socket option");
    voice.recv(&mut [0; 500]).expect("the caller speaks");
}

fn packet(number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&(u32::from(number) * 160).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 7]);
    packet.extend([0x9f; 160]);
    packet
}

#[test]
fn media_from_elsewhere_is_told_in_words_with_both_addresses() {
    let call = Conversation::start();
    let voice = call.voice_at(call.switch.ground.carrier());
    let mut number = 0;
    let verdicts = || call.switch.metric("tandem_media_one_way_total{cause=\"private-address\"}");
    wait::until_true("the verdict is counted", || {
        voice.send(&packet(number)).expect("loopback takes it");
        number += 1;
        verdicts() == 1.0
    });
    let from = voice.local_addr().expect("bound");
    let (caller, called, seen) = call.end();
    assert_eq!(caller.get("one_way"), None, "who is heard is not judged: {caller}");
    let verdict = &called["one_way"][0];
    assert_eq!((&verdict["way"], &verdict["cause"]), (&"from-peer".into(), &"private-address".into()), "{called}");
    let detail = verdict["detail"].as_str().expect("words");
    let words = format!("the peer's SDP says 192.168.77.7, media arrives from {from}");
    assert!(detail.starts_with(&words) && detail.ends_with(" refused)"), "{detail}");
    assert!(seen.contains("leg 1 is not heard: ") && seen.contains(&words), "{seen}");
    assert_eq!((&called["packets_received"], &called["mos"]), (&0.into(), &Value::Null), "nothing was measured");
}

#[test]
fn the_score_in_the_record_follows_the_formula_and_says_that_the_delay_is_unknown() {
    for (percent, expected) in [(0, 4.41), (5, 3.92)] {
        let call = Conversation::start();
        let voice = call.voice_at(call.called.at().ip());
        let mut random = Random::new(percent);
        let mut sent = 0;
        for number in 0..4_000 {
            // The first ones must prove that they are the phone's.
            if number < 10 || random.below(100) >= percent {
                voice.send(&packet(number)).expect("loopback takes it");
                sent += 1;
                if number % 8 == 7 {
                    wait_for_the_other(&voice);
                }
            }
        }
        let (caller, called, seen) = call.end();
        let received = called["packets_received"].as_u64().expect("a number");
        assert!((sent - sent / 100..=sent).contains(&received), "{received} of {sent}");
        let mos = called["mos"]["value"].as_f64().expect("a score");
        assert!((mos - expected).abs() < 0.1, "{mos} with {percent} % lost: {called}");
        assert_eq!((&called["mos"]["scale"], &called["mos"]["delay_ms"]), (&"narrow-band".into(), &Value::Null), "{called}");
        assert!(seen.contains("leg 1: ") && seen.contains("(delay unknown)"), "{seen}");
        assert!(caller["mos"]["value"].as_f64().is_some_and(|mos| mos > 4.0), "baresip is near: {caller}");
        assert!([&caller, &called].iter().all(|leg| leg.get("one_way").is_none()), "{caller} {called}");
    }
}
