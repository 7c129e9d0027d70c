//! The full role, in simulated time: two sides and a network between them that loses, repeats and reorders.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::browser::terms::{Candidate, CheckTerms};
use crate::random::Random;

const LEFT: &str = "127.0.0.1:20000";
const RIGHT: &str = "127.0.0.2:50000";
/// Nobody is there.
const DEAD: &str = "127.0.0.3:4000";

fn side(name: &str, other: &str) -> IceTerms {
    IceTerms { ufrag: name.to_owned(), password: password(name), their_ufrag: other.to_owned(), checks: None }
}

fn password(name: &str) -> String {
    format!("the-password-of-side-{name}")
}

fn full(name: &str, other: &str, is_controlling: bool, places: &[(&str, u32)]) -> IceTerms {
    let candidates = places.iter().map(|(place, priority)| Candidate { address: at(place), priority: *priority }).collect();
    let checks = CheckTerms { their_password: password(other), is_controlling, candidates };
    IceTerms { checks: Some(checks), ..side(name, other) }
}

/// One end.
struct End {
    place: SocketAddr,
    peer: Peer,
    said: Vec<Output>,
}

/// Two ends and what is between them.
struct Net {
    now: Instant,
    ends: [End; 2],
    /// By the time of arrival: from, to, what.
    wire: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    count: u64,
    random: Random,
    /// Percent lost and repeated.
    loss: u64,
    /// All that was sent, where to.
    sent: HashMap<SocketAddr, Vec<(Instant, Vec<u8>)>>,
}

impl Net {
    fn new(left: &IceTerms, right: &IceTerms) -> Self {
        let now = start();
        let identities = [0, 1].map(|_| Arc::new(Identity::new().unwrap()));
        let terms = |of: usize, ice: &IceTerms| Terms {
            fingerprint: identities[1 - of].fingerprint(),
            is_client: of == 1,
            ice: Some(ice.clone()),
        };
        let end = |of: usize, place: &str, ice| End {
            place: at(place),
            peer: Peer::new(now, &identities[of], &terms(of, ice), at(DEAD)),
            said: Vec::new(),
        };
        let ends = [end(0, LEFT, left), end(1, RIGHT, right)];
        Self { now, ends, wire: BTreeMap::new(), count: 0, random: Random::new(1), loss: 0, sent: HashMap::new() }
    }

    fn collect(&mut self) {
        for end in &mut self.ends {
            while let Some(output) = end.peer.poll() {
                let Output::Send { to, bytes } = output else {
                    end.said.push(output);
                    continue;
                };
                self.sent.entry(to).or_default().push((self.now, bytes.clone()));
                let copies = match self.random.below(100) {
                    chance if chance < self.loss => 0,
                    chance if chance < 2 * self.loss => 2,
                    _ => 1,
                };
                for _ in 0..copies {
                    self.count += 1;
                    // Up to 40 ms, so that some overtake others.
                    let arrives = self.now + Duration::from_millis(1 + self.random.below(40));
                    self.wire.insert((arrives, self.count), (end.place, to, bytes.clone()));
                }
            }
        }
    }

    /// What is next, within a time; `false` when nothing is.
    fn step(&mut self, until: Instant) -> bool {
        self.collect();
        let arrival = self.wire.first_key_value().map(|((arrives, _), _)| *arrives);
        let due = [self.ends[0].peer.deadline(), self.ends[1].peer.deadline(), arrival].into_iter().flatten().min();
        let Some(due) = due.filter(|due| *due <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(due);
        if arrival == Some(due) {
            let (_, (from, to, bytes)) = self.wire.pop_first().unwrap();
            if let Some(end) = self.ends.iter_mut().find(|end| end.place == to) {
                end.peer.handle(self.now, from, &bytes);
            }
        } else {
            self.ends.iter_mut().for_each(|end| end.peer.tick(self.now));
        }
        self.collect();
        true
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        while self.step(until) {
            steps += 1;
            assert!(steps < 20_000, "no end");
        }
    }

    fn keys(&self) -> [Option<StreamKeys>; 2] {
        [0, 1].map(|end| keys(&self.ends[end].said))
    }

    #[track_caller]
    fn is_connected(&self) {
        let [left, right] = self.keys();
        assert_eq!(left.expect("keys on the left").send, right.expect("keys on the right").receive);
        assert_eq!(self.ends[0].peer.selected, Some(at(RIGHT)));
        assert_eq!(self.ends[1].peer.selected, Some(at(LEFT)));
    }

    /// The checks that went to a place, each transaction once.
    fn checks(&self, to: &str) -> HashMap<Transaction, usize> {
        let mut found = HashMap::new();
        for id in self.sent.get(&at(to)).into_iter().flatten().filter_map(|(_, bytes)| asked_in(bytes)) {
            *found.entry(id).or_default() += 1;
        }
        found
    }
}

#[test]
fn two_full_sides_find_each_other_whoever_controls_and_even_if_both_do_or_none() {
    for (left, right) in [(true, false), (false, true), (true, true), (false, false)] {
        let mut net = Net::new(&full("left", "right", left, &[(RIGHT, 7)]), &full("right", "left", right, &[(LEFT, 9)]));
        net.run(Duration::from_secs(5));
        net.is_connected();
        let roles = [0, 1].map(|end| net.ends[end].peer.ice.as_ref().unwrap().is_controlling());
        assert!(roles[0] != roles[1], "{left} {right}: one of them controls");
    }
}

#[test]
fn a_lite_side_is_checked_and_chosen_by_a_full_one() {
    let mut net = Net::new(&full("left", "right", true, &[(DEAD, 99), (RIGHT, 7)]), &side("right", "left"));
    net.run(Duration::from_secs(5));
    net.is_connected();
    assert!(net.sent[&at(DEAD)].iter().all(|(_, bytes)| asked_in(bytes).is_some()), "nothing but checks");
}

#[test]
fn who_names_no_address_is_found_by_its_checks() {
    for is_controlling in [false, true] {
        let mut net =
            Net::new(&full("left", "right", is_controlling, &[]), &full("right", "left", !is_controlling, &[(LEFT, 9)]));
        net.run(Duration::from_secs(5));
        net.is_connected();
    }
}

#[test]
fn a_way_is_found_through_loss_repetition_and_disorder() {
    for seed in 0..40 {
        let is_controlling = seed % 2 == 0;
        let mut net = Net::new(
            &full("left", "right", is_controlling, &[(DEAD, 99), (RIGHT, 7)]),
            &full("right", "left", !is_controlling, &[(LEFT, 9), (DEAD, 1)]),
        );
        (net.loss, net.random) = (25, Random::new(seed));
        // Shorter than consent lasts, which so much loss would end at times.
        net.run(Duration::from_secs(20));
        net.loss = 0;
        net.run(Duration::from_secs(70));
        // A handshake that loses a quarter of all may be given up; the way is found.
        let selected = net.ends.each_ref().map(|end| end.peer.selected);
        assert_eq!(selected, [Some(at(RIGHT)), Some(at(LEFT))], "seed {seed}: {:?} {:?}", net.ends[0].said, net.ends[1].said);
    }
}

#[test]
fn checks_are_few_and_slow_and_nothing_else_goes_to_who_does_not_answer() {
    let places: Vec<String> = (0..40).map(|number| format!("127.0.0.3:{}", 4_000 + number)).collect();
    let named: Vec<(&str, u32)> = places.iter().map(|place| (&**place, 5)).collect();
    let mut net = Net::new(&full("left", "right", true, &named), &side("nobody", "left"));
    net.run(Duration::from_secs(200));
    let mut all: Vec<Instant> = Vec::new();
    for place in &places {
        let checks = net.checks(place);
        assert!(checks.len() <= 1 && checks.values().all(|times| *times == 7), "{place} {checks:?}");
        assert_eq!(checks.values().sum::<usize>(), net.sent.get(&at(place)).map_or(0, Vec::len));
        all.extend(net.sent.get(&at(place)).into_iter().flatten().next().map(|(when, _)| *when));
    }
    all.sort();
    assert_eq!(all.len(), 32, "more pairs are not made");
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(50)));
    assert!(!net.ends[0].peer.is_checking(), "and then there is an end");
    assert_eq!(failed(&net.ends[0].said), Some(&NoKeys::NotReached));
}

/// The first check of the left side, and what answers it.
fn asked(net: &mut Net) -> Vec<u8> {
    net.collect();
    net.sent[&at(RIGHT)][0].1.clone()
}

fn reply(check: &[u8], kind: stun_message::MessageType, password: &str, code: Option<u16>) -> Vec<u8> {
    let identity = Identity::new().unwrap();
    let mut message = Message::new();
    (message.typ, message.transaction_id) = (kind, TransactionId(asked_in(check).unwrap()));
    message.write_header();
    match code {
        Some(code) => ::stun::error_code::ErrorCode(code).add_to(&mut message).unwrap(),
        None => XorMappedAddress { ip: at(LEFT).ip(), port: 20_000 }.add_to(&mut message).unwrap(),
    }
    if !password.is_empty() {
        let proof = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), identity.crypto());
        proof.add_to(&mut message).unwrap();
    }
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

use ::stun::message as stun_message;

fn alone() -> Net {
    Net::new(&full("left", "right", true, &[(RIGHT, 7)]), &side("nobody", "left"))
}

#[test]
fn an_answer_counts_with_the_right_password_transaction_and_place_only() {
    let right = password("right");
    for (password, from, is_other, expected) in [
        (&*right, RIGHT, false, true),
        ("a-guess", RIGHT, false, false),
        ("", RIGHT, false, false),
        (&*right, ELSEWHERE, false, false),
        (&*right, RIGHT, true, false),
    ] {
        let mut net = alone();
        let mut answer = reply(&asked(&mut net), BINDING_SUCCESS, password, None);
        if is_other {
            answer = reply(&[&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[9; 12]].concat(), BINDING_SUCCESS, &right, None);
        }
        let left = &mut net.ends[0].peer;
        assert_eq!(left.handle(net.now, at(from), &answer), expected);
        assert_eq!(left.is_known(at(RIGHT)), expected, "{password} {from}");
        assert!(!left.is_known(at(ELSEWHERE)));
        assert_eq!(left.is_checking(), from == RIGHT, "an answer from elsewhere is the end of the pair");
        // The same again means nothing.
        assert!(!left.handle(net.now, at(from), &answer));
    }
}

#[test]
fn a_refusal_ends_a_pair_and_a_conflict_of_roles_is_settled_by_asking_again() {
    let mut net = alone();
    let check = asked(&mut net);
    let refused = reply(&check, BINDING_ERROR, &password("right"), Some(400));
    net.ends[0].peer.handle(net.now, at(RIGHT), &refused);
    assert!(!net.ends[0].peer.is_checking());

    let mut net = alone();
    let check = asked(&mut net);
    // Whoever does not know the password changes no role.
    for (password, is_controlling) in [("a-guess", true), (&*password("right"), false)] {
        let conflict = reply(&check, BINDING_ERROR, password, Some(487));
        net.ends[0].peer.handle(net.now, at(RIGHT), &conflict);
        assert_eq!(net.ends[0].peer.ice.as_ref().unwrap().is_controlling(), is_controlling);
    }
    net.run(Duration::from_millis(200));
    let last = net.sent[&at(RIGHT)].last().unwrap().1.clone();
    let mut message = Message::default();
    message.unmarshal_binary(&last).unwrap();
    assert!(message.contains(ATTR_ICE_CONTROLLED) && asked_in(&last) != asked_in(&check));
}

#[test]
fn a_check_of_ours_says_what_the_rfc_wants() {
    let mut net = alone();
    let check = asked(&mut net);
    let mut message = Message::default();
    message.unmarshal_binary(&check).unwrap();
    assert_eq!(message.get(ATTR_USERNAME).unwrap(), b"right:left");
    assert_eq!(message.get(ATTR_PRIORITY).unwrap()[0], 110);
    assert!(message.contains(ATTR_ICE_CONTROLLING) && !message.contains(ATTR_USE_CANDIDATE));
    assert!(FINGERPRINT.check(&message).is_ok());
    let identity = Identity::new().unwrap();
    assert!(MessageIntegrity::check(&mut message, password("right").as_bytes(), identity.crypto()).is_ok());
}

#[test]
fn consent_is_asked_for_each_five_seconds_and_ends_thirty_after_the_last_answer_until_a_restart() {
    let terms = [full("left", "right", true, &[(RIGHT, 7)]), full("right", "left", false, &[(LEFT, 9)])];
    let mut net = Net::new(&terms[0], &terms[1]);
    net.run(Duration::from_secs(5));
    net.is_connected();
    let before = net.checks(RIGHT).len();
    net.run(Duration::from_secs(120));
    let asked = net.checks(RIGHT).len() - before;
    assert!((19..=31).contains(&asked), "{asked} in two minutes");
    net.is_connected();

    // Nothing arrives any more.
    net.loss = 100;
    net.run(Duration::from_secs(20));
    assert!(!net.ends[0].said.iter().any(|output| matches!(output, Output::Silent(_))));
    net.run(Duration::from_secs(11));
    for end in &net.ends {
        assert!(end.said.iter().any(|output| matches!(output, Output::Silent(_))) && end.peer.selected.is_none());
    }
    let before = net.sent[&at(RIGHT)].len();
    net.loss = 0;
    net.run(Duration::from_secs(120));
    assert_eq!(net.sent[&at(RIGHT)].len(), before, "nothing goes there by the old names");

    for (end, (name, other, terms)) in [("new1", "new2", &terms[0]), ("new2", "new1", &terms[1])].into_iter().enumerate() {
        let mut again = terms.clone();
        (again.ufrag, again.password, again.their_ufrag) = (name.to_owned(), password(name), other.to_owned());
        again.checks.as_mut().unwrap().their_password = password(other);
        let peer = &mut net.ends[end].peer;
        let terms = Terms { ice: Some(again), ..peer.terms.clone() };
        assert!(!peer.renegotiate(net.now, &terms, at(DEAD)), "the keys stay");
    }
    net.run(Duration::from_secs(5));
    net.is_connected();
}

#[test]
fn a_restart_keeps_the_place_until_there_is_another_or_its_consent_ends() {
    let mut net = Net::new(&full("left", "right", true, &[(RIGHT, 7)]), &side("right", "left"));
    net.run(Duration::from_secs(5));
    net.is_connected();
    // The other side knows nothing of it, so nothing answers.
    let terms = Terms { ice: Some(full("new1", "new2", true, &[(DEAD, 7)])), ..net.ends[0].peer.terms.clone() };
    net.ends[0].peer.renegotiate(net.now, &terms, at(DEAD));
    assert!(net.ends[0].peer.is_known(at(RIGHT)) && net.ends[0].peer.selected == Some(at(RIGHT)));
    net.run(Duration::from_secs(20));
    assert_eq!(net.ends[0].peer.selected, Some(at(RIGHT)));
    net.run(Duration::from_secs(11));
    assert_eq!(net.ends[0].peer.selected, None);

    // The same names with other candidates are no restart.
    let (mut net, before) = (alone(), ());
    let terms = Terms { ice: Some(full("left", "right", false, &[(DEAD, 7)])), ..net.ends[0].peer.terms.clone() };
    net.ends[0].peer.renegotiate(net.now, &terms, at(DEAD));
    net.run(Duration::from_secs(1));
    assert_eq!((net.checks(DEAD).len(), before), (0, ()));
}

#[test]
fn a_flood_of_places_that_a_peer_checks_from_is_checked_back_within_the_same_bounds() {
    let mut net = alone();
    let spoofed = request("left:right", &password("left"), &[ATTR_ICE_CONTROLLED], &[]);
    for round in 0..10_u16 {
        for number in 0..200_u16 {
            net.ends[0].peer.handle(net.now, SocketAddr::from(([192, 0, 2, 9], 1_000 + number)), &spoofed);
        }
        net.run(Duration::from_millis(100 + u64::from(round)));
    }
    net.run(Duration::from_secs(100));
    let victims: Vec<_> = net.sent.iter().filter(|(to, _)| to.ip() == at("192.0.2.9:1").ip()).collect();
    let checks = |sent: &[(Instant, Vec<u8>)]| sent.iter().filter(|(_, bytes)| asked_in(bytes).is_some()).count();
    let checked = victims.iter().filter(|(_, sent)| checks(sent) > 0).count();
    assert!(checked <= 32, "{checked}");
    let total: usize = victims.iter().map(|(_, sent)| checks(sent)).sum();
    assert!(total <= 32 * 7 + 30, "{total}");
}
