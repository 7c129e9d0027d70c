//! Strangers at the ports of calls that are up: what they send is heard by nobody, and nothing is ever sent to them
//! (security tests M1 to M5 and M8).

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tandem_media::{
    codec::{Codec, Encoder},
    random::Random,
};
use tandem_tests::{
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
};

use crate::{TEAM, prompt};

const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;
/// What a stranger says.
const STRANGE: f64 = 2_500.0;
/// Packets that a stranger sends in one go, between pauses that leave the processor to others.
const AT_ONCE: usize = 50;

/// Somebody who sends to every port of audio that there is, from an address that no description names.
struct Stranger {
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    /// `make` gives the datagrams, by their number.
    fn start(switch: &Switch, mut make: impl FnMut(u64) -> Vec<u8> + Send + 'static) -> Self {
        let IpAddr::V4(ip) = switch.sip.ip() else { panic!("an IPv4 test") };
        let [a, b, c, _] = ip.octets();
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::new(a, b, c, 66), 0)).expect("an address of this test"));
        socket.set_nonblocking(true).expect("a socket option");
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (from, stopped, count) = (Arc::clone(&socket), Arc::clone(&stop), Arc::clone(&sent));
        let switch = switch.sip;
        let thread = thread::spawn(move || {
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                for port in ports_of(switch) {
                    for _ in 0..AT_ONCE {
                        let _no_such_port_any_more = from.send_to(&make(number), (switch.ip(), port));
                        number += 1;
                    }
                }
                count.store(number, Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(5));
            }
        });
        Self { socket, stop, sent, thread: Some(thread) }
    }

    fn until_sent(&self, count: u64) {
        let target = self.sent.load(Ordering::Relaxed) + count;
        wait::until_true("the stranger has sent", || self.sent.load(Ordering::Relaxed) >= target);
    }

    /// Ends; nothing may have come back.
    fn end(self) -> u64 {
        self.end_with(|_| false)
    }

    /// Ends; nothing may have come back but such.
    fn end_with(mut self, may_come: fn(&[u8]) -> bool) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("once").join().expect("it only sends");
        let mut answer = [0; 2_000];
        while let Ok(bytes) = self.socket.recv(&mut answer) {
            let answer = &answer[..bytes];
            assert!(may_come(answer), "something was sent to a stranger: {answer:x?}");
        }
        self.sent.load(Ordering::Relaxed)
    }
}

/// The UDP ports that the switch has open for audio now.
fn ports_of(switch: SocketAddr) -> BTreeSet<u16> {
    let IpAddr::V4(ip) = switch.ip() else { panic!("an IPv4 test") };
    // As /proc/net/udp writes it.
    let own = format!("{:08X}:", u32::from_be_bytes(ip.octets()).swap_bytes());
    let table = fs::read_to_string("/proc/net/udp").expect("Linux");
    let local = table.lines().filter_map(|line| line.split_whitespace().nth(1));
    let ports = local.filter_map(|local| u16::from_str_radix(local.strip_prefix(&own)?, 16).ok());
    ports.filter(|port| *port >= 20_000).collect()
}

/// A loud tone in PCMU, from one source after another.
fn strange_voice() -> impl FnMut(u64) -> Vec<u8> + Send {
    let mut encoder = Encoder::new(Codec::Pcmu).expect("G.711");
    move |number| {
        let sample = |n: u64| {
            let at = u32::try_from((number * 160 + n) % 8_000).map(f64::from).expect("below a second");
            #[expect(clippy::cast_possible_truncation, reason = "within 30,000")]
            let sample = (30_000.0 * (std::f64::consts::TAU * STRANGE * at / 8_000.0).sin()) as i16;
            sample
        };
        let pcm: Vec<i16> = (0..160).map(sample).collect();
        let mut payload = [0; 160];
        encoder.encode(&pcm, &mut payload).expect("room");
        rtp(0, number, u32::try_from(number / 500 % 7).expect("few"), &payload)
    }
}

fn rtp(payload_type: u8, number: u64, source: u32, payload: &[u8]) -> Vec<u8> {
    let [.., high, low] = number.to_be_bytes();
    let mut packet = vec![0x80, payload_type, high, low];
    packet.extend_from_slice(&u32::try_from(number * 160 % (1 << 32)).expect("cut").to_be_bytes());
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// Both hear each other for a second more, and none of them the stranger.
fn talk_on(caller: &Phone, called: &Phone) {
    let before = (caller.heard().seconds(), called.heard().seconds());
    wait::until_true("both hear each other", || {
        caller.heard().after(before.0).seconds_of(HIGH) >= 1.0 && called.heard().after(before.1).seconds_of(LOW) >= 1.0
    });
    for phone in [caller, called] {
        let strange = phone.heard().seconds_with(STRANGE);
        assert!(strange <= 0.0, "{strange} s of what a stranger said were heard");
    }
}

#[test]
fn a_stranger_at_the_ports_of_a_plain_call_is_neither_heard_nor_sent_anything() {
    let switch = Switch::with_plan(TEAM);
    let mut caller = Phone::of(&switch, "1011").hz(LOW).start(&switch);
    let called = Phone::of(&switch, "1012").hz(HIGH).answers().start(&switch);
    // There before the call is: before its first packet, too.
    let stranger = Stranger::start(&switch, strange_voice());
    caller.dial("1012");
    caller.expect("CALL_ESTABLISHED");
    talk_on(&caller, &called);
    // On hold, and behind it.
    caller.hold();
    switch.until_call("1011", "hold");
    let music = prompt("music/hold");
    wait::until_true("the held one hears music", || called.heard().contains(&music));
    stranger.until_sent(2_000);
    caller.resume();
    switch.until_call("1011", "talking");
    let before = called.heard().seconds();
    wait::until_true("the held one hears the other again", || called.heard().after(before).seconds_of(LOW) >= 1.0);
    assert!(called.heard().seconds_with(STRANGE) <= 0.0 && caller.heard().seconds_with(STRANGE) <= 0.0);
    let sent = stranger.end();
    assert!(sent > 5_000, "{sent} packets");
    caller.hang_up();
    let record = switch.until_cdr("1011");
    let foreign: u64 = ["0", "1"].iter().filter_map(|leg| record["quality"][leg]["foreign"].as_u64()).sum();
    assert!(foreign > 1_000, "they are counted: {record}");
}

#[test]
fn a_hundred_thousand_bad_packets_leave_calls_with_keys_up() {
    let ranges = "extensions from=1001 to=1010 media-keys=\"sdes\"\nextensions from=1011 to=1020 media-keys=\"dtls\"";
    let switch = Switch::with_plan(&TEAM.replace("extensions from=1001 to=1020", ranges));
    let mut caller = Phone::of(&switch, "1001").with_keys().hz(LOW).seconds(300).start(&switch);
    let called = Phone::of(&switch, "1011").with_dtls_and_ice().hz(HIGH).seconds(300).answers().start(&switch);
    caller.dial("1011");
    caller.expect("CALL_ESTABLISHED");
    talk_on(&caller, &called);
    let mut random = Random::new(5);
    let mut voice = strange_voice();
    let stranger = Stranger::start(&switch, move |number| match number % 5 {
        // In the clear; with a tag of nobody; short; reports; what is no packet at all.
        0 => voice(number),
        1 => [voice(number), vec![7; 10]].concat(),
        2 => rtp(0, number, 3, &[1; 4]),
        3 => vec![0x81, 201, 0, 7, 0, 0, 0, 3, 0x80, 0, 0, 0, 9, 9, 9, 9],
        _ => (0..random.below(200)).map(|_| random.u16().to_be_bytes()[0]).collect(),
    });
    stranger.until_sent(100_000);
    talk_on(&caller, &called);
    stranger.end();
    talk_on(&caller, &called);
    caller.hang_up();
    assert_eq!(switch.until_cdr("1001")["cause"], "normal");
}

/// A ClientHello of DTLS 1.2 with some cipher suites and no cookie.
fn client_hello(number: u64) -> Vec<u8> {
    let mut hello = vec![0xfe, 0xfd];
    hello.extend_from_slice(&[7; 24]);
    hello.extend_from_slice(&number.to_be_bytes());
    // No session, no cookie, two suites, no compression, one extension: use_srtp.
    hello.extend_from_slice(&[0, 0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0, 0, 9, 0, 14, 0, 5, 0, 2, 0, 1, 0]);
    let length = u32::try_from(hello.len()).expect("short").to_be_bytes();
    let mut message = vec![1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3]];
    message.extend_from_slice(&hello);
    let [.., high, low] = message.len().to_be_bytes();
    let mut record = vec![22, 0xfe, 0xff, 0, 0];
    record.extend_from_slice(&number.to_be_bytes()[2..]);
    record.extend_from_slice(&[high, low]);
    record.extend_from_slice(&message);
    record
}

#[test]
fn a_spray_of_hellos_neither_stops_a_handshake_nor_gets_an_answer() {
    let plan = TEAM.replace("extensions from=1001 to=1020", "extensions from=1001 to=1020 media-keys=\"dtls\"");
    let switch = Switch::with_plan(&plan);
    let mut caller = Phone::of(&switch, "1011").with_dtls_and_ice().hz(LOW).seconds(300).start(&switch);
    let called = Phone::of(&switch, "1012").with_dtls_and_ice().hz(HIGH).seconds(300).answers().start(&switch);
    let stranger = Stranger::start(&switch, |number| match number % 3 {
        0 | 1 => client_hello(number),
        // A check of ICE by somebody who does not know the password, with a name of a thousand letters.
        _ => {
            let mut check = vec![0, 1, 0x03, 0xf4, 0x21, 0x12, 0xa4, 0x42];
            check.extend_from_slice(&[5; 12]);
            check.extend_from_slice(&[0, 6, 0x03, 0xf0]);
            check.extend_from_slice(&[b'x'; 1_008]);
            check
        }
    });
    // The first handshake of all is made under the spray.
    caller.dial("1012");
    caller.expect("CALL_ESTABLISHED");
    talk_on(&caller, &called);
    stranger.until_sent(20_000);
    talk_on(&caller, &called);
    // A check without proof is refused in words (RFC 8489 section 9.1.3); a hello is not.
    stranger.end_with(|answer| answer.starts_with(&[0x01, 0x11]));
    caller.hang_up();
    assert_eq!(switch.until_cdr("1011")["cause"], "normal");
}

/// One end of a call, in the hands of the test.
struct End {
    voice: UdpSocket,
}

impl End {
    fn at(ip: IpAddr, port: u16) -> Self {
        let voice = UdpSocket::bind((ip, port)).expect("an address of this test");
        voice.set_nonblocking(true).expect("a socket option");
        Self { voice }
    }

    /// The payloads that came by now.
    fn heard(&self) -> Vec<u8> {
        let mut packet = [0; 1_500];
        let mut heard = Vec::new();
        while let Ok(bytes) = self.voice.recv(&mut packet) {
            heard.extend(packet[..bytes].get(12).copied());
        }
        heard
    }
}

/// Freed ports are used again as soon as they may be, because there are no others; whoever goes on sending to them is
/// heard in no later call.
#[test]
fn packets_of_an_old_call_reach_no_new_one_although_ports_are_scarce() {
    let switch = Switch::with_plan(&TEAM.replace("rtp \"20000-29999\"", "rtp \"20000-20003\""));
    let called = Script::new("agent-behind-nat", &switch).set("port", "40000");
    let called = Devices::start(&switch, &["1001"], called);
    let (old, new) = (switch.ground.device(), switch.ground.device());
    let stray = End::at(old, 40_002);
    let called_voice = End::at(called.at().ip(), 40_000);
    let first = Script::new("caller-hangs-up", &switch).at_ip(old).user(&switch, "1011").dial("1001").stay_ms(600);
    first.speaks(0, "PCMU/8000", 40_002).start().succeed();
    let spoken = |byte: u8, number: u64| rtp(0, number, 99, &[byte; 160]);
    let new_voice = End::at(new, 40_004);
    let call = || {
        let second = Script::new("caller-hangs-up", &switch).at_ip(new).user(&switch, "1012").dial("1001").stay_ms(20_000);
        second.speaks(0, "PCMU/8000", 40_004).start()
    };
    // Refused as long as the ports rest.
    let mut second = call();
    wait::until_true("the new call is up", || {
        if !second.runs() {
            second = call();
        }
        switch.calls().iter().any(|call| call["state"] == "talking")
    });
    let mut number = 0;
    // Until the new call speaks, and for a while afterwards, the old one goes on.
    let (mut heard, mut answered) = (Vec::new(), Vec::new());
    wait::until_true("the two of the new call hear each other", || {
        for port in ports_of(switch.sip) {
            for _ in 0..20 {
                stray.voice.send_to(&spoken(0x11, number), (switch.sip.ip(), port)).expect("loopback takes it");
            }
            for (end, byte) in [(&new_voice, 0x22), (&called_voice, 0x33)] {
                end.voice.send_to(&spoken(byte, number), (switch.sip.ip(), port)).expect("loopback takes it");
            }
            number += 1;
        }
        heard.extend(called_voice.heard());
        answered.extend(new_voice.heard());
        let count = |heard: &[u8], byte: u8| heard.iter().filter(|heard| **heard == byte).count();
        count(&heard, 0x22) >= 50 && count(&answered, 0x33) >= 50
    });
    assert!(!heard.contains(&0x11) && !answered.contains(&0x11), "a packet of the old call was heard in the new one");
    assert!(stray.heard().is_empty(), "something was sent to the end of the old call");
    second.kill();
}
