//! The torture messages of RFC 4475 and RFC 5118, and thousands of damaged ones, at the running switch.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tandem_tests::{
    phone::Phone,
    switch::Switch,
    wait,
    words::{Words, code},
};

use crate::TEAM;

/// The switch answers or does not: on loopback that is seen at once, but this machine may be busy.
const PATIENCE: Duration = Duration::from_millis(700);

struct Torture {
    name: String,
    bytes: Vec<u8>,
    allow: Vec<Value>,
    by_tcp: bool,
}

fn messages() -> Vec<Torture> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/torture");
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).expect("a manifest")).expect("JSON");
    let entries = manifest.as_object().expect("an object").iter();
    let message = |(name, entry): (&String, &Value)| Torture {
        name: name.clone(),
        bytes: fs::read(folder.join(name)).expect("a message"),
        allow: entry["allow"].as_array().expect("a list").clone(),
        by_tcp: entry["via"] != "udp",
    };
    entries.map(message).collect()
}

/// An address of its own for message `n`: what strangers may ask for is limited per address.
fn stranger(switch: &Switch, n: usize) -> IpAddr {
    let IpAddr::V4(ip) = switch.sip.ip() else { panic!("an IPv4 test") };
    let [a, b, c, _] = ip.octets();
    IpAddr::V4(Ipv4Addr::new(a, b, c, 100 + u8::try_from(n).expect("61 messages")))
}

/// What came back: status codes, and whether a connection was closed.
struct Outcome {
    codes: Vec<u16>,
    closed: bool,
}

fn by_udp(switch: &Switch, from: IpAddr, bytes: &[u8]) -> Outcome {
    let words = Words::new(from, switch.sip);
    words.send(bytes);
    let codes = std::iter::from_fn(|| words.hear(PATIENCE)).filter_map(|text| code(&text)).filter(|code| *code > 100);
    // Final responses may be repeated until they are acknowledged: the first one tells.
    Outcome { codes: codes.take(1).collect(), closed: false }
}

fn by_tcp(switch: &Switch, bytes: &[u8]) -> Outcome {
    let mut stream = TcpStream::connect(switch.sip).expect("the switch takes connections");
    stream.write_all(bytes).expect("an open connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    let (mut text, mut piece) = (Vec::new(), [0; 4_096]);
    let closed = loop {
        match stream.read(&mut piece) {
            Ok(0) => break true,
            Ok(n) => text.extend_from_slice(&piece[..n]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    let text = String::from_utf8_lossy(&text);
    Outcome { codes: text.lines().filter_map(code).filter(|code| *code > 100).take(1).collect(), closed }
}

fn is_allowed(outcome: &Outcome, allow: &[Value]) -> bool {
    allow.iter().any(|one| match (one.as_str(), outcome.codes.first()) {
        (Some("drop"), None) => true,
        (Some("tcp-close"), _) => outcome.closed,
        (Some("not400"), Some(code)) => *code != 400,
        (None, Some(code)) => one.as_u64() == Some(u64::from(*code)),
        _ => false,
    })
}

#[test]
fn torture_messages_are_answered_as_the_manifest_allows() {
    let switch = Switch::with_plan(TEAM);
    let messages = messages();
    assert_eq!(messages.len(), 61);
    let mut allowed = 0;
    for (n, message) in messages.iter().enumerate() {
        let outcome =
            if message.by_tcp { by_tcp(&switch, &message.bytes) } else { by_udp(&switch, stranger(&switch, n), &message.bytes) };
        if is_allowed(&outcome, &message.allow) {
            allowed += 1;
        } else {
            println!(
                "{}: {:?}{}, allowed {:?}",
                message.name,
                outcome.codes,
                if outcome.closed { " closed" } else { "" },
                message.allow
            );
        }
    }
    // Past the test harness, which shows what tests print only when they fail.
    writeln!(std::io::stderr(), "{allowed} of 61 torture messages were answered as the manifest allows")
        .expect("a standard error");
    assert!(allowed >= 58, "{allowed} of 61 answered as the manifest allows");
    // The same once more over the other transport: nothing is asked but that it lives.
    for message in &messages {
        let _any = by_tcp_in_haste(&switch, &message.bytes);
    }
    assert!(Words::new(switch.ground.device(), switch.sip).answered_options("alive"));
    assert!(switch.calls().is_empty(), "strangers make no calls");
}

fn by_tcp_in_haste(switch: &Switch, bytes: &[u8]) -> std::io::Result<()> {
    TcpStream::connect(switch.sip)?.write_all(bytes)
}

/// A generator that is the same on every machine (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).expect("small")).expect("below a usize")
    }

    /// A damaged copy.
    fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] = u8::try_from(self.below(256)).expect("an octet"),
                1 => bytes.truncate(at.max(20)),
                2 => drop(bytes.drain(at..(at + self.below(40)).min(bytes.len()))),
                _ => {
                    let piece: &[u8] = [&b"\r\n"[..], b",", b"\"", b"%00", b";tag=x", b"<sip:a@b>", b"4294967296"][self.below(7)];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        bytes
    }
}

const ROUNDS: usize = 6_000;
const SEED: u64 = 20_261_122;

#[test]
fn a_flood_of_damaged_messages_costs_no_memory_and_no_call() {
    let switch = Switch::with_plan(TEAM);
    let mut phone = Phone::of(&switch, "1011").start(&switch);
    let messages = messages();
    let mut dice = Dice(SEED);
    let strangers: Vec<Words> = (0..61).map(|n| Words::new(stranger(&switch, n), switch.sip)).collect();
    // Half of it comes from the carrier: whose calls are taken.
    let carriers: Vec<Words> = (0..20).map(|_| Words::new(switch.ground.carrier(), switch.sip)).collect();
    let mut flood = |rounds: usize| {
        for round in 0..rounds {
            let bytes = dice.damaged(&messages[round % messages.len()].bytes);
            let from = if round % 2 == 0 { &strangers[round / 2 % 61] } else { &carriers[round / 2 % 20] };
            from.send(&bytes);
            if round % 100 == 0 {
                assert!(
                    Words::new(switch.ground.ip, switch.sip).answered_options(&format!("round{round}")),
                    "seed {SEED}, round {round}"
                );
            }
        }
    };
    flood(ROUNDS / 3);
    let before = switch.resident_kib();
    flood(ROUNDS);
    let grown = switch.resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1_024, "{grown} KiB more after {ROUNDS} messages");
    phone.dial("1999");
    phone.expect("CALL_ESTABLISHED");
    phone.until_heard(600.0, 0.5);
    phone.hang_up();
    wait::until_true("the call is over", || switch.calls().iter().all(|call| call["from"] != "1011"));
}
