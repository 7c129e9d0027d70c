//! Who is heard, who is refused, and that the switch keeps working at its best while it refuses.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Class, Dropped, Gate, GateSettings, Load, News, Offence, Prefix, SourceLimits, Verdict};
use crate::{
    endpoint::PeerMatch,
    flow::{ConnectionId, Flow, Transport},
    message::{Message, Name},
};

struct Desk {
    gate: Gate,
    start: Instant,
    now: Cell<Duration>,
}

fn flow(remote: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap())
}

fn stream(remote: &str) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(ConnectionId(1)), ..flow(remote) }
}

fn request(method: &str, uri: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bKa\r\nVia: SIP/2.0/TCP b;branch=z9hG4bKb\r\n\
         From: <sip:{from}@h>;tag=1\r\nTo: <sip:1@h>{to}\r\nCall-ID: c\r\nCSeq: 7 {method}\r\n{more}\r\n"
    )
}

fn invite(from: &str) -> String {
    request("INVITE", "sip:1800@h", from, "", "")
}

impl Desk {
    fn new() -> Self {
        Self::with(GateSettings::default())
    }

    fn with(settings: GateSettings) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a simulation needs some first instant; nothing depends on which")]
        let start = Instant::now();
        Self { gate: Gate::new(settings, &SourceLimits::default(), [1, 2]), start, now: Cell::default() }
    }

    fn now(&self) -> Instant {
        self.start + self.now.get()
    }

    fn pass(&self, ms: u64) {
        self.now.set(self.now.get() + Duration::from_millis(ms));
    }

    fn judge(&mut self, flow: &Flow, text: &str) -> Verdict {
        self.gate.judge(self.now(), (flow, text.as_bytes()), false, |_, _| false)
    }

    fn of_carrier(&mut self, text: &str) -> Verdict {
        self.gate.judge(self.now(), (&flow("198.51.100.1:5060"), text.as_bytes()), true, |_, _| false)
    }

    /// Looks every 100 ms for so long.
    fn look(&mut self, ms: u64, load: Load) {
        for _ in 0..ms / 100 {
            self.pass(100);
            self.gate.look(self.now(), &load);
        }
    }

    /// In shedding, with five calls a second let in and the bucket empty but for what `Agent` and above may take.
    fn hurried() -> Self {
        let mut desk = Self::new();
        desk.look(1_000, LATE);
        assert!(desk.gate.calls_per_s().is_some());
        desk
    }
}

const LATE: Load = Load { busy: 1_000, waited_ms: 400, writer: 0, calls: 0 };
const CALM: Load = Load { busy: 100, waited_ms: 0, writer: 0, calls: 0 };

fn class(verdict: &Verdict) -> Option<Class> {
    if let Verdict::Refuse(class, _) = verdict { Some(*class) } else { None }
}

#[test]
fn in_calm_everything_passes_and_one_late_look_changes_nothing() {
    let mut desk = Desk::new();
    desk.look(1_000, CALM);
    desk.look(100, LATE);
    desk.look(100, CALM);
    desk.look(100, LATE);
    assert_eq!(desk.gate.calls_per_s(), None);
    for _ in 0..1_000 {
        assert_eq!(desk.of_carrier(&invite("+39021234567")), Verdict::Pass);
    }
    desk.look(100, LATE);
    assert!(desk.gate.calls_per_s().is_some() && matches!(desk.gate.poll(), Some(News::Shedding(Some(_)))));
}

#[test]
fn a_refusal_is_a_whole_reply_with_a_spread_time_and_costs_no_memory() {
    let mut desk = Desk::hurried();
    let refused = std::iter::repeat_with(|| desk.of_carrier(&invite("+39021234567"))).find(|verdict| class(verdict).is_some());
    let Some(Verdict::Refuse(Class::New, refusal)) = refused else { panic!() };
    assert_eq!(refusal.to.remote.to_string(), "198.51.100.1:5060", "rport is asked for");
    let reply = Message::parse(refusal.bytes.clone()).unwrap();
    assert_eq!((reply.code(), reply.call_id().unwrap(), reply.cseq().unwrap().number), (Some(503), "c", 7));
    assert_eq!(reply.headers(Name::Via).count(), 2);
    let via = reply.via().unwrap();
    assert_eq!((via.rport(), via.received()), (Some(Some(5_060)), "198.51.100.1".parse().ok()));
    let tag = reply.to().unwrap().tag().unwrap().to_owned();
    assert!(refusal.bytes.len() < 2 * invite("+39021234567").len());

    // Its ACK is known by the tag; that of others goes to the endpoint.
    let ack = |tag: &str| request("ACK", "sip:1800@h", "x", &format!(";tag={tag}"), "");
    assert_eq!(desk.of_carrier(&ack(&tag)), Verdict::Drop(Dropped::Ack));
    assert_eq!(desk.of_carrier(&ack("other")), Verdict::Pass);

    let mut seen = std::collections::BTreeSet::new();
    for n in 0..100 {
        let Verdict::Refuse(_, refusal) = desk.of_carrier(&invite("1").replace("Call-ID: c", &format!("Call-ID: {n}"))) else {
            continue;
        };
        seen.insert(Message::parse(refusal.bytes).unwrap().header(Name::RetryAfter).unwrap().parse::<u32>().unwrap());
    }
    assert!(seen.len() > 5 && seen.first() >= Some(&5) && seen.last() <= Some(&15), "{seen:?}");
}

#[test]
fn what_is_under_way_is_never_refused() {
    let mut desk = Desk::hurried();
    while class(&desk.of_carrier(&invite("1"))).is_none() {}
    for method in ["INVITE", "BYE", "UPDATE", "INFO", "PRACK", "REFER"] {
        assert_eq!(desk.of_carrier(&request(method, "sip:h", "1", ";tag=ours", "")), Verdict::Pass, "{method}");
    }
    assert_eq!(desk.of_carrier(&request("CANCEL", "sip:h", "1", "", "")), Verdict::Pass);
    assert_eq!(desk.of_carrier("SIP/2.0 200 OK\r\n\r\n"), Verdict::Pass);
    assert_eq!(desk.of_carrier(&request("OPTIONS", "sip:h", "1", "", "")), Verdict::Pass, "a carrier asks whether we live");
    let repeated = desk.gate.judge(desk.now(), (&flow("198.51.100.1:5060"), invite("1").as_bytes()), true, |via, method| {
        via.branch() == Some("z9hG4bKa") && method == "INVITE"
    });
    assert_eq!(repeated, Verdict::Pass, "a repetition of one that was let in");
}

#[test]
fn emergencies_go_first_then_who_stands_in_line_then_agents() {
    let mut desk = Desk::hurried();
    let device = flow("203.0.113.5:5060");
    let account: Arc<str> = "1001".into();
    desk.gate.proved(desk.now(), &device, &account);
    desk.gate.set_on_duty("1001", true);
    desk.gate.expect_back(desk.now(), "+393471234567", 60_000);
    desk.look(2_000, Load { busy: 1_000, ..LATE });
    let by_agent = request("INVITE", "sip:1800@h", "1001", "", "Authorization: Digest x\r\n");
    // Each drains what it may: nobody below gets anything after.
    assert_eq!(desk.of_carrier(&invite("1")), Verdict::Pass);
    while class(&desk.of_carrier(&invite("1"))) != Some(Class::New) {}
    let agents = (0..40).filter(|_| desk.judge(&device, &by_agent) == Verdict::Pass).count();
    assert!((1..10).contains(&agents), "{agents}");
    assert_eq!(class(&desk.judge(&device, &by_agent)), Some(Class::Agent));
    // The number as the carrier writes it.
    let in_line = (0..100).filter(|_| desk.of_carrier(&invite("00393471234567")) == Verdict::Pass).count();
    assert!((1..10).contains(&in_line), "{in_line}");
    for _ in 0..100 {
        assert_eq!(desk.of_carrier(&request("INVITE", "sip:112@h", "1", "", "")), Verdict::Pass);
    }
    assert_eq!(class(&desk.of_carrier(&invite("1"))), Some(Class::New));
    // Whoever proved nothing has ten a second of them, so that a flood of claims is none of emergencies.
    let claims =
        (0..90).filter(|_| desk.judge(&flow("203.0.113.77:5060"), &request("INVITE", "sip:112@h", "1", "", "")) == Verdict::Pass);
    assert!(claims.count() <= 21);
}

#[test]
fn the_number_of_calls_is_bounded_and_the_last_places_are_for_those_who_matter() {
    let mut desk = Desk::with(GateSettings { max_calls: 100, ..GateSettings::default() });
    desk.gate.expect_back(desk.now(), "+393471234567", 60_000);
    let mut at = |calls, from: &str| {
        desk.look(100, Load { calls, ..CALM });
        class(&desk.of_carrier(&invite(from)))
    };
    assert_eq!((at(89, "1"), at(90, "1")), (None, Some(Class::New)));
    assert_eq!((at(97, "+393471234567"), at(98, "+393471234567")), (None, Some(Class::InQueue)));
    desk.look(100, Load { calls: 200, ..CALM });
    assert_eq!(desk.of_carrier(&request("INVITE", "sip:911@h", "1", "", "")), Verdict::Pass);
}

#[test]
fn a_stranger_has_a_bound_and_a_known_device_at_the_same_address_its_own() {
    let mut desk = Desk::new();
    let device = flow("203.0.113.5:5060");
    desk.gate.proved(desk.now(), &device, &"1001".into());
    let register = request("REGISTER", "sip:h", "1002", "", "");
    let heard = (0..5_000).filter(|_| desk.judge(&flow("203.0.113.5:6000"), &register) == Verdict::Pass).count();
    assert_eq!(heard, 500);
    assert_eq!(desk.judge(&flow("203.0.113.5:7000"), &register), Verdict::Drop(Dropped::Rate), "whatever the port");
    assert_eq!(desk.judge(&device, &register), Verdict::Pass);
    assert_eq!(desk.judge(&flow("203.0.113.6:6000"), &register), Verdict::Pass);
    assert!(desk.gate.bans().is_empty(), "a datagram proves no address");
    desk.pass(1_000);
    assert_eq!((0..500).filter(|_| desk.judge(&flow("203.0.113.5:6000"), &register) == Verdict::Pass).count(), 100);
    let calls = (0..500).filter(|_| desk.judge(&flow("203.0.113.9:1"), &invite("1")) == Verdict::Pass).count();
    assert_eq!(calls, 100);
    let known = (0..5_000).filter(|_| desk.judge(&device, &register) == Verdict::Pass).count();
    assert!(known <= 600, "{known}: a known device has a bound as well");
}

#[test]
fn forged_datagrams_ban_nobody_and_proved_offences_do() {
    let mut desk = Desk::new();
    let scan = request("OPTIONS", "sip:100@h", "100", "", "User-Agent: friendly-scanner\r\n");
    for _ in 0..10_000 {
        assert_eq!(desk.judge(&flow("203.0.113.5:5060"), &scan), Verdict::Drop(Dropped::Scanner));
        desk.judge(&flow("203.0.113.5:5060"), "rubbish\r\n\r\n");
        desk.gate.wrong_password(desk.now(), "203.0.113.5".parse().unwrap(), false);
    }
    assert!(desk.gate.bans().is_empty());
    for _ in 0..3 {
        desk.judge(&stream("203.0.113.6:5060"), &scan);
    }
    for _ in 0..11 {
        desk.gate.wrong_password(desk.now(), "203.0.113.7".parse().unwrap(), true);
    }
    for _ in 0..21 {
        desk.judge(&stream("203.0.113.8:5060"), "GET / HTTP/1.1\r\n\r\n");
    }
    let banned: Vec<_> = desk.gate.bans().iter().map(|ban| (ban.source.to_string(), ban.offence)).collect();
    let expected = [("203.0.113.6", Offence::Scan), ("203.0.113.7", Offence::Passwords), ("203.0.113.8", Offence::Malformed)];
    assert_eq!(banned, expected.map(|(source, offence)| (source.to_owned(), offence)));
    let told = std::iter::from_fn(|| desk.gate.poll()).filter(|news| matches!(news, News::Banned(_))).count();
    assert_eq!(told, 3, "each is told once");
}

#[test]
fn a_ban_spares_those_who_are_known_ends_and_can_be_lifted() {
    let mut desk = Desk::with(GateSettings {
        allow: vec![PeerMatch { ip: "203.0.113.64".parse().unwrap(), prefix: 26, port: None, transport: None }],
        ..GateSettings::default()
    });
    let device = flow("203.0.113.7:5060");
    desk.gate.know(desk.now(), &device, &"1001".into(), desk.now() + Duration::from_secs(3_600));
    let guess = |desk: &mut Desk, address: &str| {
        for _ in 0..20 {
            desk.gate.wrong_password(desk.now(), address.parse().unwrap(), true);
        }
    };
    guess(&mut desk, "203.0.113.7");
    guess(&mut desk, "203.0.113.70");
    let register = request("REGISTER", "sip:h", "1", "", "");
    assert_eq!(desk.judge(&flow("203.0.113.7:9"), &register), Verdict::Drop(Dropped::Banned));
    assert_eq!(desk.judge(&flow("203.0.113.7:9"), "SIP/2.0 200 OK\r\n\r\n"), Verdict::Drop(Dropped::Banned));
    assert_eq!(desk.judge(&device, &register), Verdict::Pass, "it proved itself on this flow");
    assert_eq!(desk.judge(&flow("203.0.113.70:9"), &register), Verdict::Pass, "allowed");
    desk.pass(60_000);
    assert_eq!(desk.judge(&flow("203.0.113.7:9"), &register), Verdict::Pass, "a minute later");
    guess(&mut desk, "203.0.113.7");
    assert_eq!(desk.gate.bans()[0].left_ms, 240_000, "longer each time");
    assert!(desk.gate.lift("203.0.113.7".parse::<Prefix>().unwrap()));
    assert_eq!(desk.judge(&flow("203.0.113.7:9"), &register), Verdict::Pass);
    // One wrong password now and then is a finger, not an attack.
    for _ in 0..100 {
        desk.gate.wrong_password(desk.now(), "203.0.113.7".parse().unwrap(), true);
        desk.pass(7_000);
    }
    assert!(desk.gate.bans().is_empty());
}

#[test]
fn what_is_turned_away_is_told_once_in_ten_seconds() {
    let mut desk = Desk::new();
    let scan = request("OPTIONS", "sip:100@h", "100", "", "User-Agent: sipcli/v1.8\r\n");
    let mut told = 0;
    for _ in 0..300 {
        for _ in 0..10 {
            desk.judge(&flow("203.0.113.5:5060"), &scan);
        }
        desk.look(100, CALM);
        while let Some(news) = desk.gate.poll() {
            let News::Turned(tally) = news else { panic!("{news:?}") };
            assert!(tally.dropped[1] > 0);
            told += 1;
        }
    }
    assert_eq!(told, 3);
}

/// A loop in simulated time: calls cost `CALL_US`, refusals `REFUSE_US`; what comes waits in one queue.
struct Loop {
    desk: Desk,
    /// When each message came, in µs; `true` for the end of a call, which costs as much as its beginning.
    waiting: VecDeque<(u64, bool)>,
    clock_us: u64,
    idle_us: u64,
    looked_us: u64,
    slowest_ms: u32,
    done: u64,
    refused: u64,
}

const CALL_US: u64 = 300;
const REFUSE_US: u64 = 4;

impl Loop {
    fn new() -> Self {
        Self {
            desk: Desk::new(),
            waiting: VecDeque::new(),
            clock_us: 0,
            idle_us: 0,
            looked_us: 0,
            slowest_ms: 0,
            done: 0,
            refused: 0,
        }
    }

    /// Runs for so long with so many calls a second. Calls done and refused.
    fn run(&mut self, seconds: u64, calls_per_s: u64) -> (u64, u64) {
        let until = self.clock_us + seconds * 1_000_000;
        let before = (self.done, self.refused);
        let text = invite("+39021234567");
        let (from_us, mut come) = (self.clock_us, 0);
        let arrives_us = |nth: u64| from_us + nth * 1_000_000 / calls_per_s;
        while self.clock_us < until {
            while arrives_us(come) <= self.clock_us {
                self.waiting.push_back((arrives_us(come), false));
                come += 1;
            }
            match self.waiting.pop_front() {
                None => {
                    let sleeps = arrives_us(come).saturating_sub(self.clock_us).clamp(1, 10_000);
                    self.idle_us += sleeps;
                    self.clock_us += sleeps;
                }
                Some((came, ends)) => {
                    self.slowest_ms = self.slowest_ms.max(u32::try_from((self.clock_us - came) / 1_000).unwrap());
                    self.desk.now.set(Duration::from_micros(self.clock_us));
                    if ends {
                        self.clock_us += CALL_US / 2;
                        self.done += 1;
                    } else if self.desk.of_carrier(&text) == Verdict::Pass {
                        self.clock_us += CALL_US / 2;
                        self.waiting.push_back((self.clock_us, true));
                    } else {
                        self.clock_us += REFUSE_US;
                        self.refused += 1;
                    }
                }
            }
            if self.clock_us - self.looked_us >= 100_000 {
                let elapsed = self.clock_us - self.looked_us;
                let busy = u32::try_from(1_000 - (self.idle_us * 1_000 / elapsed).min(1_000)).unwrap();
                let waited_ms = self
                    .waiting
                    .front()
                    .map_or(0, |(came, _)| u32::try_from(self.clock_us.saturating_sub(*came) / 1_000).unwrap());
                self.desk.now.set(Duration::from_micros(self.clock_us));
                self.desk.gate.look(self.desk.now(), &Load { busy, waited_ms, ..Load::default() });
                (self.idle_us, self.looked_us) = (0, self.clock_us);
            }
        }
        (self.done - before.0, self.refused - before.1)
    }
}

#[test]
fn at_any_load_the_loop_does_nearly_what_it_does_at_its_best_and_nobody_waits_long() {
    let best = 1_000_000 / CALL_US;
    for percent in [130, 200, 500, 1_000] {
        let offered = best * percent / 100;
        let mut world = Loop::new();
        assert_eq!(world.run(5, best * 8 / 10).1, 0, "below its best nobody is refused");
        world.run(5, offered);
        world.slowest_ms = 0;
        let (done, refused) = world.run(20, offered);
        // Of ten times the best, refusing the rest takes its own time.
        let for_refusals = refused * REFUSE_US;
        let could = (20_000_000 - for_refusals) / CALL_US;
        assert!(done * 100 >= could * 92, "{percent} %: {done} of {could} calls, {refused} refused");
        assert!(world.slowest_ms < 250, "{percent} %: somebody waited {} ms", world.slowest_ms);
        world.run(8, best / 2);
        assert_eq!((world.desk.gate.calls_per_s(), world.run(1, best / 2).1), (None, 0), "calm again");
    }
}

#[test]
fn an_emergency_passes_whatever_else_its_source_sent_and_is_itself_bounded() {
    let emergency = || request("INVITE", "sip:112@h", "1001", "", "");
    let mut desk = Desk::new();
    let (known, stranger) = (flow("192.0.2.9:5062"), flow("192.0.2.77:5060"));
    desk.gate.know(desk.now(), &known, &Arc::from("1001"), desk.now() + Duration::from_secs(600));
    for from in [&known, &stranger] {
        let flood = (0..700).filter(|_| desk.judge(from, &invite("1001")) == Verdict::Pass).count();
        assert!(flood <= 110, "{flood}");
        assert_eq!(desk.judge(from, &invite("1001")), Verdict::Drop(Dropped::Rate));
        assert_eq!(desk.judge(from, &emergency()), Verdict::Pass);
        let passed = (0..700).filter(|_| desk.judge(from, &emergency()) == Verdict::Pass).count();
        assert!(passed <= 20, "{passed}: a flood of them is a flood");
        desk.pass(2_000);
        assert_eq!(desk.judge(from, &emergency()), Verdict::Pass, "the next one in a while");
    }
}

#[test]
fn whoever_waits_by_a_call_that_is_up_is_never_refused_in_it() {
    let mut desk = Desk::hurried();
    while class(&desk.of_carrier(&invite("1"))).is_none() {}
    let full = Load { calls: 1_000_000, ..LATE };
    desk.look(100, full);
    let phone = flow("192.0.2.77:5060");
    for method in ["INVITE", "UPDATE", "INFO", "REFER", "PRACK", "OPTIONS", "BYE", "ACK"] {
        let inside = request(method, "sip:192.0.2.1:5060", "+39021234567", ";tag=ours", "");
        assert_eq!(desk.of_carrier(&inside), Verdict::Pass, "{method}");
        assert_eq!(
            desk.judge(&phone, &inside),
            Verdict::Pass,
            "{method} of a stranger's address: a phone behind a NAT that moved it"
        );
    }
}
