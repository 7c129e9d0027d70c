//! Codecs that are passed on only.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
};

use tandem_tests::{
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::TEAM;

const CALLED_PORT: u16 = 40_000;
const CALLER_PORT: u16 = 40_002;

/// Ten ms of G.729 in two frames of ten bytes each.
fn packet(source: u8, number: u16, voice: [u8; 20]) -> Vec<u8> {
    let mut packet = vec![0x80, 18];
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&(u32::from(number) * 160).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, source]);
    packet.extend_from_slice(&voice);
    packet
}

/// Sends a voice until the other end hears one, and gives what it hears, and from where.
fn until_heard(from: (&UdpSocket, u8, SocketAddr), voice: [u8; 20], at: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let (socket, source, to) = from;
    let (mut number, mut heard) = (0, [0; 1_500]);
    at.set_nonblocking(true).expect("a socket option");
    wait::until("what the other one says", wait::SOON, || {
        socket.send_to(&packet(source, number, voice), to).expect("loopback takes it");
        number += 1;
        let (bytes, from) = at.recv_from(&mut heard).ok()?;
        Some((heard[..bytes].to_vec(), from))
    })
}

#[test]
fn g729_is_passed_on_between_two_that_speak_it() {
    let switch = Switch::with_plan(TEAM);
    let log = switch.ground.join("audio.log");
    let called = Script::new("agent-behind-nat", &switch).set("port", &CALLED_PORT.to_string()).speaks(18, "G729/8000", 0);
    let called = called.with(&["-trace_logs", "-log_file", log.to_str().expect("plain paths")]);
    let called = Devices::start(&switch, &["1001"], called);
    let caller_ip = switch.ground.device();
    let caller = Script::new("caller-hangs-up", &switch).at_ip(caller_ip).user(&switch, "1011").dial("1001").stay_ms(20_000);
    let mut caller = caller.speaks(18, "G729/8000", CALLER_PORT).start();
    switch.until_call("1011", "talking");
    let port = wait::until("the port of the switch", wait::SOON, || {
        fs::read_to_string(&log).ok()?.trim().rsplit_once("audio=")?.1.parse::<u16>().ok()
    });
    let called_voice = UdpSocket::bind((called.at().ip(), CALLED_PORT)).expect("an address of this test");
    let caller_voice = UdpSocket::bind((caller_ip, CALLER_PORT)).expect("an address of this test");

    let awaited = SocketAddr::new(switch.sip.ip(), port);
    let (heard, leg) = until_heard((&called_voice, 7, awaited), [0x55; 20], &caller_voice);
    assert_eq!((heard[1] & 0x7f, &heard[12..]), (18, &[0x55; 20][..]), "as it was sent");
    let (heard, _) = until_heard((&caller_voice, 8, leg), [0x2a; 20], &called_voice);
    assert_eq!((heard[1] & 0x7f, &heard[12..]), (18, &[0x2a; 20][..]), "as it was sent");
    caller.kill();
}

#[test]
fn whoever_speaks_g729_only_is_refused_where_something_of_ours_would_be_heard() {
    let switch = Switch::with_plan(TEAM);
    // The menu.
    let caller = Script::new("caller-refused", &switch).set("code", "488").user(&switch, "1012").dial("1000");
    caller.speaks(18, "G729/8000", CALLER_PORT).start().succeed();
    // Somebody who speaks PCMU only.
    let called = Devices::start(&switch, &["1002"], Script::new("agent-answers", &switch));
    let caller = Script::new("caller-refused", &switch).set("code", "480").user(&switch, "1013").dial("1002");
    caller.speaks(18, "G729/8000", CALLER_PORT).start().succeed();
    drop(called);
}
