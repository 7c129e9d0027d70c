//! Zones as text in, peers as text out; and time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{Answer, Data, Input, Locator, Output, Peer, Place, Question, Reach, Record, RecordKind, draw};
use crate::{flow::Transport, message::Uri};

/// A name server that knows a few lines, and a locator that asks it.
struct Desk {
    locator: Locator,
    now: Instant,
    zone: String,
    asked: Vec<String>,
    found: Vec<String>,
}

fn reach() -> Reach {
    Reach { transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls], ipv4: true, ipv6: true }
}

impl Desk {
    fn new(zone: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some first instant; nothing depends on which")]
        let now = Instant::now();
        Self { locator: Locator::new(reach()), now, zone: zone.to_owned(), asked: Vec::new(), found: Vec::new() }
    }

    fn watch(&mut self, uri: &str) {
        let place = Place::of_uri(&Uri::parse(uri).unwrap()).unwrap();
        self.input(Input::Watch(vec![("it".into(), place)]));
    }

    fn input(&mut self, input: Input) {
        self.locator.handle(self.now, input);
        while let Some(output) = self.locator.poll() {
            match output {
                Output::Ask(question) => {
                    self.asked.push(format!("{:?} {}", question.kind, question.name));
                    let answer = self.answer(&question);
                    if let Some(answer) = answer {
                        self.locator.handle(self.now, Input::Answered { question, answer });
                    }
                }
                Output::Found { peers, .. } => self.found.push(in_words(&peers)),
            }
        }
    }

    /// `NAME TTL KIND DATA…` lines; `NAME fails` and `NAME silent` for name servers that do not work.
    fn answer(&self, question: &Question) -> Option<Answer> {
        let lines = self.zone.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut records = Vec::new();
        for words in lines.filter(|words| !words.is_empty()) {
            if words[0] == question.name && words[1] == "silent" {
                return None;
            }
            if words[0] == question.name && words[1] == "fails" {
                return Some(Answer::Failed);
            }
            let fits = match (words[2], question.kind) {
                ("CNAME", _) => true,
                (kind, wanted) => words[0] == question.name && kind == format!("{wanted:?}").to_uppercase(),
            };
            if fits {
                records.push(Record { name: words[0].to_owned(), ttl_s: words[1].parse().unwrap(), data: data(&words[2..]) });
            }
        }
        let ours = records.iter().any(|record| record.name == question.name);
        Some(if ours { Answer::Records(records) } else { Answer::Nothing { ttl_s: 60 } })
    }

    fn pass(&mut self, s: u64) {
        let until = self.now + Duration::from_secs(s);
        while let Some(at) = self.locator.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
        }
        self.now = until;
        self.input(Input::Tick);
    }
}

fn data(words: &[&str]) -> Data {
    let number = |at: usize| words[at].parse().unwrap();
    match words[0] {
        "A" => Data::A(words[1].parse().unwrap()),
        "AAAA" => Data::Aaaa(words[1].parse().unwrap()),
        "CNAME" => Data::Alias(words[1].to_owned()),
        "SRV" => Data::Srv { priority: number(1), weight: number(2), port: number(3), target: words[4].to_owned() },
        _ => Data::Naptr {
            order: number(1),
            preference: number(2),
            flags: words[3].to_owned(),
            services: words[4].to_owned(),
            has_regexp: words[5] != "-",
            replacement: words[6].to_owned(),
        },
    }
}

fn in_words(peers: &[Peer]) -> String {
    let word = |peer: &Peer| format!("{}{} {}", peer.transport.uri_name(), peer.rank, peer.address);
    peers.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// What a URI comes to in a zone.
fn locate(zone: &str, uri: &str) -> String {
    let mut desk = Desk::new(zone);
    desk.watch(uri);
    assert_eq!(desk.found.len(), 1, "{uri}: {:?} after {:?}", desk.found, desk.asked);
    desk.found.remove(0)
}

const FULL: &str = "
    a.test            300 NAPTR 20 10 s SIP+D2U  - _sip._udp.a.test
    a.test            300 NAPTR 10 10 s SIPS+D2T - _sips._tcp.a.test
    a.test            300 NAPTR 20 20 s SIP+D2T  - _sip._tcp.a.test
    a.test            300 NAPTR 5  1  s SIP+D2S  - _sip._sctp.a.test
    a.test            300 NAPTR 6  1  u SIP+D2U  - _sip._udp.bad.test
    a.test            300 NAPTR 7  1  s SIP+D2U  !x! _sip._udp.bad.test
    _sips._tcp.a.test 300 SRV 1 0 5071 one.a.test.
    _sip._udp.a.test  300 SRV 2 0 5060 two.a.test
    _sip._udp.a.test  300 SRV 1 0 5062 one.a.test
    _sip._tcp.a.test  300 SRV 1 0 5060 two.a.test
    one.a.test        300 A    192.0.2.1
    two.a.test        300 A    192.0.2.2
    two.a.test        300 AAAA 2001:db8::2
    a.test            300 A    192.0.2.9";

#[test]
fn addresses_and_ports_are_taken_as_written_without_a_question() {
    for (uri, expected) in [
        ("sip:192.0.2.7", "udp0 192.0.2.7:5060"),
        ("sips:192.0.2.7", "tls0 192.0.2.7:5061"),
        ("sip:192.0.2.7:5070;transport=tcp", "tcp0 192.0.2.7:5070"),
        ("sips:[2001:db8::7]:5090;transport=tcp", "tls0 [2001:db8::7]:5090"),
    ] {
        let mut desk = Desk::new("");
        desk.watch(uri);
        assert_eq!((desk.found.join("|").as_str(), desk.asked.len()), (expected, 0), "{uri}");
        assert_eq!(desk.locator.deadline(), None);
    }
}

#[test]
fn a_name_with_a_port_has_addresses_and_no_services() {
    assert_eq!(locate(FULL, "sip:two.a.test:5080"), "udp0 [2001:db8::2]:5080, udp0 192.0.2.2:5080");
    assert_eq!(locate(FULL, "sips:two.a.test:5080"), "tls0 [2001:db8::2]:5080, tls0 192.0.2.2:5080");
    assert_eq!(locate(FULL, "sip:one.a.test:5080;transport=tcp"), "tcp0 192.0.2.1:5080");
}

#[test]
fn a_transport_that_is_given_asks_for_its_servers_only() {
    let mut desk = Desk::new(FULL);
    desk.watch("sip:a.test;transport=tcp");
    assert_eq!(desk.found, ["tcp0 [2001:db8::2]:5060, tcp0 192.0.2.2:5060"]);
    assert_eq!(desk.asked, ["Srv _sip._tcp.a.test", "Aaaa two.a.test", "A two.a.test"]);
}

#[test]
fn naptr_says_transports_in_its_order_and_what_we_cannot_use_is_left_out() {
    let expected = "tls0 192.0.2.1:5071, udp1 192.0.2.1:5062, udp2 [2001:db8::2]:5060, udp2 192.0.2.2:5060, \
                    tcp3 [2001:db8::2]:5060, tcp3 192.0.2.2:5060";
    assert_eq!(locate(FULL, "sip:A.test."), expected);
    assert_eq!(locate(FULL, "sips:a.test"), "tls0 192.0.2.1:5071", "nothing but TLS for sips");
}

#[test]
fn without_naptr_each_transport_is_asked_for_its_servers() {
    let zone = "
        _sip._tcp.b.test 60 SRV 1 0 5060 b.test
        b.test 60 A 192.0.2.3";
    let mut desk = Desk::new(zone);
    desk.watch("sip:b.test");
    assert_eq!(desk.found, ["tcp0 192.0.2.3:5060"]);
    assert_eq!(desk.asked[..4], ["Naptr b.test", "Srv _sip._udp.b.test", "Srv _sip._tcp.b.test", "Srv _sips._tcp.b.test"]);
    let mut desk = Desk::new(zone);
    desk.watch("sips:b.test");
    assert_eq!(desk.asked[..2], ["Naptr b.test", "Srv _sips._tcp.b.test"]);
    assert_eq!(desk.found, ["tls0 192.0.2.3:5061"], "the host itself when there is no service");
}

#[test]
fn without_any_service_the_host_is_asked_for_its_address() {
    let zone = "c.test 60 A 192.0.2.4";
    assert_eq!(locate(zone, "sip:c.test"), "udp0 192.0.2.4:5060");
    assert_eq!(locate(zone, "sip:c.test;transport=tls"), "tls0 192.0.2.4:5061");
    assert_eq!(
        locate("_sip._udp.c.test 60 SRV 0 0 5060 .\nc.test 60 A 192.0.2.4", "sip:c.test;transport=udp"),
        "",
        "RFC 2782: no such service"
    );
    assert_eq!(locate("", "sip:nowhere.test"), "");
}

#[test]
fn aliases_are_followed_a_few_times_and_loops_end() {
    let zone = "
        d.test 60 CNAME e.test
        e.test 60 CNAME f.test
        f.test 60 A 192.0.2.5
        g.test 60 CNAME h.test
        h.test 60 CNAME g.test";
    assert_eq!(locate(zone, "sip:d.test:5060"), "udp0 192.0.2.5:5060");
    assert_eq!(locate(zone, "sip:g.test:5060"), "");
}

#[test]
fn what_was_not_asked_and_what_is_of_another_name_is_not_believed() {
    let mut desk = Desk::new("i.test silent");
    desk.watch("sip:i.test:5060;transport=udp");
    let record = |name: &str| Record { name: name.to_owned(), ttl_s: 60, data: Data::A([192, 0, 2, 66].into()) };
    let other = Question { name: "j.test".to_owned(), kind: RecordKind::A };
    desk.input(Input::Answered { question: other, answer: Answer::Records(vec![record("j.test")]) });
    let ours = |kind| Question { name: "i.test".to_owned(), kind };
    desk.input(Input::Answered { question: ours(RecordKind::A), answer: Answer::Records(vec![record("j.test")]) });
    desk.input(Input::Answered { question: ours(RecordKind::Aaaa), answer: Answer::Nothing { ttl_s: 1 } });
    assert_eq!(desk.found, [""]);
    desk.input(Input::Answered { question: ours(RecordKind::A), answer: Answer::Records(vec![record("i.test")]) });
    assert_eq!(desk.found, [""], "a second answer to one question");
}

#[test]
fn peers_are_looked_up_again_by_their_time_to_live_and_stay_meanwhile() {
    let mut desk = Desk::new("k.test 30 A 192.0.2.6");
    desk.watch("sip:k.test:5060;transport=udp");
    assert_eq!(desk.found, ["udp0 192.0.2.6:5060"]);
    desk.asked.clear();
    desk.pass(29);
    assert!(desk.asked.is_empty(), "{:?}", desk.asked);
    desk.zone = "k.test 0 A 192.0.2.8".to_owned();
    desk.pass(1);
    assert_eq!((desk.asked.join(" "), desk.found.len()), ("A k.test".to_owned(), 2));
    desk.asked.clear();
    desk.pass(20);
    assert!((3..=6).contains(&desk.asked.len()), "a time to live of 0 is 5 s here: {:?}", desk.asked);
    assert_eq!(desk.found.len(), 2, "said when it changes");
}

#[test]
fn while_the_dns_fails_the_last_good_answer_is_kept_for_a_day() {
    let good = "l.test 60 A 192.0.2.6";
    for broken in ["l.test fails", "l.test silent", ""] {
        let mut desk = Desk::new(good);
        desk.watch("sip:l.test:5060;transport=udp");
        desk.zone = broken.to_owned();
        desk.asked.clear();
        desk.pass(86_000);
        assert_eq!(desk.found, ["udp0 192.0.2.6:5060"], "{broken}");
        assert!(desk.asked.len() < 3_500, "{} questions in a day", desk.asked.len());
        desk.pass(1_000);
        assert_eq!(desk.found.last().unwrap(), "", "{broken}: not for ever");
        desk.zone = good.to_owned();
        desk.pass(400);
        assert_eq!(desk.found.last().unwrap(), "udp0 192.0.2.6:5060");
    }
}

#[test]
fn a_hundred_servers_with_a_hundred_addresses_are_few_questions_and_few_peers() {
    use std::fmt::Write as _;
    let mut zone = String::new();
    for n in 0..200 {
        writeln!(zone, "_sip._udp.m.test 60 SRV {} 1 5060 h{n}.m.test", n % 7).unwrap();
        for k in 0..100 {
            writeln!(zone, "h{n}.m.test 60 A 10.{n}.{k}.1").unwrap();
        }
    }
    let mut desk = Desk::new(&zone);
    desk.watch("sip:m.test;transport=udp");
    assert!(desk.asked.len() <= 1 + 2 * 32, "{}", desk.asked.len());
    assert_eq!(desk.found[0].split(", ").count(), 32);
}

#[test]
fn the_lot_falls_by_weight_within_a_rank_and_never_across() {
    let peer = |rank, weight, last| Peer { rank, weight, ..Peer::new(Transport::Udp, ([192, 0, 2, last], 5060).into()) };
    let peers = [peer(1, 10, 3), peer(0, 30, 1), peer(0, 10, 2), peer(0, 0, 4)];
    let mut seed: u64 = 1;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let mut first = BTreeMap::new();
    for _ in 0..4_000 {
        let order = draw(&peers, &mut random);
        assert_eq!((order.len(), order[3]), (4, peers[0]));
        *first.entry(order[0].weight).or_insert(0) += 1;
    }
    assert!((2_700..3_100).contains(&first[&30]) && (850..1_150).contains(&first[&10]) && first[&0] < 200, "{first:?}");
    let same = [peer(0, 0, 1), peer(0, 0, 2)];
    assert_eq!(draw(&same, || 7), same, "without shares the order given stays");
}

/// The share of a server is that of all its addresses together.
#[test]
fn two_addresses_divide_the_share_of_their_server() {
    let zone = "
        _sip._udp.n.test 60 SRV 0 1 5060 x.test
        _sip._udp.n.test 60 SRV 0 1 5060 y.test
        x.test 60 A 192.0.2.1
        x.test 60 A 192.0.2.2
        y.test 60 A 192.0.2.3";
    let mut desk = Desk::new(zone);
    let place = Place { host: "n.test".into(), port: None, transport: Some(Transport::Udp), secure: false };
    desk.locator.handle(desk.now, Input::Watch(vec![("n".into(), place)]));
    let mut weights = Vec::new();
    while let Some(output) = desk.locator.poll() {
        match output {
            Output::Ask(question) => {
                let answer = desk.answer(&question).unwrap();
                desk.locator.handle(desk.now, Input::Answered { question, answer });
            }
            Output::Found { peers, .. } => weights = peers.iter().map(|peer| peer.weight).collect(),
        }
    }
    assert_eq!(weights, [420, 420, 840]);
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let name = prop::sample::select(vec!["a.test", "b.test", "_sip._udp.a.test", "", ".", "_sips._tcp.a.test"]);
    let data = prop_oneof![
        any::<[u8; 4]>().prop_map(|v4| Data::A(v4.into())),
        any::<[u8; 16]>().prop_map(|v6| Data::Aaaa(v6.into())),
        name.clone().prop_map(|name| Data::Alias(name.to_owned())),
        (0..3_u16, 0..3_u16, 0..2_u16, name.clone()).prop_map(|(priority, weight, port, target)| Data::Srv {
            priority,
            weight,
            port,
            target: target.to_owned()
        }),
        (0..3_u16, any::<bool>(), name.clone()).prop_map(|(order, has_regexp, replacement)| Data::Naptr {
            order,
            preference: 0,
            flags: "s".to_owned(),
            services: "SIP+D2U".to_owned(),
            has_regexp,
            replacement: replacement.to_owned()
        }),
    ];
    let record = (name, any::<u32>(), data).prop_map(|(name, ttl_s, data)| Record { name: name.to_owned(), ttl_s, data });
    prop_oneof![
        6 => prop::collection::vec(record, 0..6).prop_map(Answer::Records),
        1 => any::<u32>().prop_map(|ttl_s| Answer::Nothing { ttl_s }),
        1 => Just(Answer::Failed),
    ]
}

proptest! {
    /// Whatever a name server says: every search ends, questions and peers are few, and nothing panics.
    #[test]
    fn every_search_ends(answers in prop::collection::vec(any_answer(), 1..40), step_s in 0_u64..10) {
        let mut desk = Desk::new("");
        let place = Place { host: "a.test".into(), port: None, transport: None, secure: false };
        desk.locator.handle(desk.now, Input::Watch(vec![("it".into(), place)]));
        let mut answers = answers.into_iter().cycle();
        let (mut distinct, mut found) = (BTreeSet::new(), false);
        for _ in 0..400 {
            match desk.locator.poll() {
                Some(Output::Ask(question)) => {
                    distinct.insert(question.clone());
                    desk.now += Duration::from_millis(step_s);
                    desk.locator.handle(desk.now, Input::Answered { question, answer: answers.next().unwrap() });
                }
                Some(Output::Found { peers, .. }) => {
                    prop_assert!(peers.len() <= 32);
                    found = true;
                }
                None => break,
            }
        }
        prop_assert!(found && distinct.len() < 30, "{distinct:?}");
    }
}
