//! The torture messages of RFC 4475 and RFC 5118, and thousands of damaged ones, at the running switch.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::Value;
use tandem_tests::{
    journal::Journal,
    mutants::Dice,
    phone::Phone,
    sipp::{Devices, Script},
    switch::Switch,
    wait,
    ways::{Doors, Heard, Way},
    words::{Words, code},
};

use crate::{TEAM, with_https};

/// The switch answers or does not: on loopback that is seen at once, but this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(3);
/// A stream on which a message stays incomplete is closed after ten seconds.
const PATIENCE_FOR_THE_REST: Duration = Duration::from_secs(20);

struct Torture {
    name: String,
    bytes: Vec<u8>,
    allow: Vec<Value>,
}

impl Torture {
    /// How much longer than the message the Content-Length is that it names; `None` when it names none that is a number.
    fn claims_more(&self) -> Option<i64> {
        let head = self.bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.bytes[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            matches!(name.trim_end(), "content-length" | "l").then(|| value.trim().parse::<i64>().ok()).flatten()
        })?;
        Some(length - i64::try_from(self.bytes.len() - head).expect("a short message"))
    }

    /// Whether a stream on which it arrives is still in its place behind it.
    fn keeps_the_place(&self) -> bool {
        self.claims_more().is_some_and(|more| more <= 0)
    }

    /// How long a reply is waited for.
    fn patience(&self, way: Way) -> Duration {
        if way.is_stream() && self.claims_more().is_some_and(|more| more > 0) { PATIENCE_FOR_THE_REST } else { PATIENCE }
    }
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
    };
    entries.map(message).collect()
}

/// An address of its own for message `n`: what strangers may ask for is limited per address.
fn stranger(switch: &Switch, n: usize) -> IpAddr {
    let IpAddr::V4(ip) = switch.sip.ip() else { panic!("an IPv4 test") };
    let [a, b, c, _] = ip.octets();
    IpAddr::V4(Ipv4Addr::new(a, b, c, 100 + u8::try_from(n).expect("61 messages")))
}

/// What became of a message.
enum Outcome {
    /// The first final reply.
    Answered(u16),
    /// No final reply, and the connection was closed.
    Closed,
    /// No final reply.
    Silent,
}

impl Outcome {
    fn of(heard: &Heard) -> Self {
        match final_code(&heard.text) {
            Some(code) => Self::Answered(code),
            None if heard.closed => Self::Closed,
            None => Self::Silent,
        }
    }

    fn word(&self) -> String {
        match self {
            Self::Answered(code) => code.to_string(),
            Self::Closed => "close".to_owned(),
            Self::Silent => "-".to_owned(),
        }
    }

    /// Whether the manifest allows it. A stream is closed where a message does not say where it ends (RFC 3261 sections
    /// 18.3 and 20.14), whatever it would be answered in a datagram.
    fn is_allowed(&self, way: Way, message: &Torture) -> bool {
        let has = |word: &str| message.allow.iter().any(|one| one == word);
        match self {
            Self::Silent => has("drop"),
            Self::Closed => has("tcp-close") || way.is_stream() && !message.keeps_the_place(),
            Self::Answered(code) => {
                has("not400") && *code != 400 || message.allow.iter().any(|one| one.as_u64() == Some(u64::from(*code)))
            }
        }
    }
}

fn final_code(text: &str) -> Option<u16> {
    text.lines().filter_map(code).find(|code| *code >= 200)
}

#[test]
fn torture_messages_are_answered_as_the_manifest_allows_on_every_transport() {
    let switch = Switch::with_plan(&with_https());
    let (doors, messages) = (Doors::of(&switch), messages());
    assert_eq!(messages.len(), 61);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (switch_of, doors_of) = (&switch, &doors);
    let tried = join_all(Way::ALL.map(|way| {
        let all = messages.iter().enumerate().map(move |(n, message)| (stranger(switch_of, n), message));
        join_all(all.map(move |(from, message)| async move {
            let enough = |text: &str| final_code(text).is_some();
            doors_of.say(way, from, &message.bytes, message.patience(way), enough).await
        }))
    }));
    let outcomes: Vec<Vec<_>> = runtime.block_on(tried).iter().map(|heard| heard.iter().map(Outcome::of).collect()).collect();
    assert!(Words::new(switch.ground.device(), switch.sip).answered_options("alive"));

    let allowed = table(&messages, &outcomes);
    assert!(allowed.iter().all(|allowed| *allowed >= 58), "at least 58 of 61 on every transport");
    leaves_nothing_behind(&switch);
}

/// Prints what became of each message on each way; how many were answered as allowed on each.
fn table(messages: &[Torture], outcomes: &[Vec<Outcome>]) -> [u32; Way::ALL.len()] {
    let mut table = format!("{:40}", "torture message");
    Way::ALL.iter().for_each(|way| write!(table, "{:>12}", format!("{way:?}")).expect("a text"));
    let mut allowed = [0; Way::ALL.len()];
    for (n, message) in messages.iter().enumerate() {
        write!(table, "\n{:40}", message.name).expect("a text");
        for ((way, outcomes), allowed) in Way::ALL.iter().zip(outcomes).zip(&mut allowed) {
            let is_allowed = outcomes[n].is_allowed(*way, message);
            *allowed += u32::from(is_allowed);
            write!(table, "{:>12}", outcomes[n].word() + if is_allowed { "" } else { " !" }).expect("a text");
        }
    }
    write!(table, "\n{:40}", "allowed of 61").expect("a text");
    allowed.iter().for_each(|allowed| write!(table, "{allowed:>12}").expect("a text"));
    // Past the test harness, which shows what tests print only when they fail.
    writeln!(std::io::stderr(), "{table}").expect("a standard error");
    allowed
}

/// Strangers make no calls, registrations, items or records.
fn leaves_nothing_behind(switch: &Switch) {
    assert!(switch.calls().is_empty(), "{:?}", switch.calls());
    assert!(switch.line("support").is_empty(), "{:?}", switch.line("support"));
    let cdrs = switch.get("/cdrs")["cdrs"].take();
    assert!(cdrs.as_array().is_some_and(Vec::is_empty), "{cdrs}");
    // What the journal tells up to a registration of ours is all that has happened.
    let _ours = Devices::start(switch, &["1001"], Script::new("agent-silent", switch));
    let mut journal = Journal::open(switch);
    assert_eq!(journal.until("binding-put", 1, wait::SOON).len(), 1, "a stranger is registered");
    for kind in ["call-started", "call-ended"] {
        assert!(journal.of(kind).is_empty(), "{kind}: {:?}", journal.of(kind));
    }
}

const ROUNDS: usize = 6_000;
const SEED: u64 = 20_261_122;

#[test]
fn a_flood_of_damaged_messages_costs_no_memory_and_no_call() {
    let switch = Switch::with_plan(TEAM);
    let mut phone = Phone::of(&switch, "1011").start(&switch);
    let messages = messages();
    let mut dice = Dice::new(SEED);
    let strangers: Vec<Words> = (0..61).map(|n| Words::new(stranger(&switch, n), switch.sip)).collect();
    // Half of it comes from the carrier: whose calls are taken.
    let carriers: Vec<Words> = (0..20).map(|_| Words::new(switch.ground.carrier(), switch.sip)).collect();
    let mut flood = |rounds: usize| {
        for round in 0..rounds {
            let bytes = dice.mutant(&messages[round % messages.len()].bytes);
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
