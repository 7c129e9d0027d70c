//! Two peers in simulated time: ours in the lite role, and one at a place of its own that checks and begins.

mod attacks;
mod bare;
mod full;
mod no_keys;

use std::time::Duration;

use ::stun::{
    attributes::{ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType},
    error_code::ErrorCodeAttribute,
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter as _, Message, Setter as _, TransactionId},
    xoraddr::XorMappedAddress,
};

use super::*;
use crate::keys::Suite;

const OURS: &str = "127.0.0.1:20000";
const BROWSER: &str = "127.0.0.2:50000";
const ELSEWHERE: &str = "127.0.0.66:6666";
const PASSWORD: &str = "the-password-of-our-side";

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
fn start() -> Instant {
    Instant::now()
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn ice() -> IceTerms {
    IceTerms { ufrag: "ours".to_owned(), password: PASSWORD.to_owned(), their_ufrag: "them".to_owned(), checks: None }
}

/// A request with these attributes, protected by a password, with others behind the protection.
fn request(username: &str, password: &str, inside: &[AttrType], behind: &[AttrType]) -> Vec<u8> {
    let identity = Identity::new().unwrap();
    let mut message = Message::new();
    (message.typ, message.transaction_id) = (BINDING_REQUEST, TransactionId([7; 12]));
    message.write_header();
    message.add(ATTR_USERNAME, username.as_bytes());
    message.add(ATTR_PRIORITY, &[0x6e, 0, 1, 0xff]);
    for kind in inside {
        message.add(*kind, if *kind == ATTR_USE_CANDIDATE { &[] } else { &[1; 8] });
    }
    if !password.is_empty() {
        let proof = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), identity.crypto());
        proof.add_to(&mut message).unwrap();
    }
    for kind in behind {
        message.add(*kind, &[]);
    }
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

fn check() -> Vec<u8> {
    request("ours:them", PASSWORD, &[ATTR_ICE_CONTROLLING], &[])
}

fn nomination() -> Vec<u8> {
    request("ours:them", PASSWORD, &[ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE], &[])
}

/// Our side and a browser.
struct Pair {
    now: Instant,
    ours: Peer,
    browser: Peer,
    ours_said: Vec<Output>,
    browser_said: Vec<Output>,
    /// Datagrams on their way: to us, or to the browser.
    wire: VecDeque<(bool, Vec<u8>)>,
}

impl Pair {
    fn new() -> Self {
        let (one, other) = (Arc::new(Identity::new().unwrap()), Arc::new(Identity::new().unwrap()));
        let theirs = Terms { fingerprint: other.fingerprint(), is_client: false, ice: Some(ice()) };
        let ours = Terms { fingerprint: one.fingerprint(), is_client: true, ice: None };
        Self::with((&one, &theirs), (&other, &ours))
    }

    fn with(ours: (&Arc<Identity>, &Terms), browser: (&Arc<Identity>, &Terms)) -> Self {
        let now = start();
        Self {
            now,
            ours: Peer::new(now, ours.0, ours.1, at(BROWSER)),
            browser: Peer::new(now, browser.0, browser.1, at(OURS)),
            ours_said: Vec::new(),
            browser_said: Vec::new(),
            wire: VecDeque::new(),
        }
    }

    /// Puts what both sides want sent on the wire.
    fn collect(&mut self) {
        while let Some(output) = self.ours.poll() {
            match output {
                Output::Send { to, bytes } if to == at(BROWSER) => self.wire.push_back((false, bytes)),
                other => self.ours_said.push(other),
            }
        }
        while let Some(output) = self.browser.poll() {
            match output {
                Output::Send { bytes, .. } => self.wire.push_back((true, bytes)),
                other => self.browser_said.push(other),
            }
        }
    }

    /// Carries until nothing is on its way; what `lose` says of the n-th datagram does not arrive.
    fn carry(&mut self, mut lose: impl FnMut(usize, &[u8]) -> bool) {
        let mut count = 0;
        loop {
            self.collect();
            let Some((is_ours, datagram)) = self.wire.pop_front() else { return };
            count += 1;
            assert!(count < 1_000, "no end");
            if lose(count, &datagram) {
                continue;
            }
            if is_ours {
                self.ours.handle(self.now, at(BROWSER), &datagram);
            } else if datagram[0] >= 20 {
                self.browser.handle(self.now, at(OURS), &datagram);
            }
        }
    }

    /// The time goes on to whatever is due next.
    fn wait(&mut self) {
        let due = [self.ours.deadline(), self.browser.deadline()].into_iter().flatten().min().expect("something is due");
        self.now = self.now.max(due);
        self.ours.tick(self.now);
        self.browser.tick(self.now);
    }

    fn hears(&mut self, from: &str, datagram: &[u8]) {
        self.ours.handle(self.now, at(from), datagram);
    }

    /// The keys of both sides, once they have some.
    fn keys(&self) -> Option<(StreamKeys, StreamKeys)> {
        Some((keys(&self.ours_said)?, keys(&self.browser_said)?))
    }

    fn connect(&mut self) -> (StreamKeys, StreamKeys) {
        self.hears(BROWSER, &nomination());
        self.carry(|_, _| false);
        self.keys().expect("keys on both sides")
    }
}

fn keys(said: &[Output]) -> Option<StreamKeys> {
    said.iter().rev().find_map(|output| match output {
        Output::Keys(keys) => Some((**keys).clone()),
        _ => None,
    })
}

fn failed(said: &[Output]) -> Option<&NoKeys> {
    said.iter().find_map(|output| match output {
        Output::NoKeys(why) => Some(why),
        _ => None,
    })
}

/// What our side answers to a datagram.
fn answer(pair: &mut Pair, from: &str, datagram: &[u8]) -> Option<Message> {
    pair.hears(from, datagram);
    let mut found = None;
    while let Some(output) = pair.ours.poll() {
        match output {
            Output::Send { to, bytes } => {
                assert_eq!(to, at(from));
                assert!(bytes.len() <= 3 * datagram.len(), "no amplifier");
                let mut message = Message::default();
                message.unmarshal_binary(&bytes).unwrap();
                assert!(FINGERPRINT.check(&message).is_ok());
                found = Some(message);
            }
            other => pair.ours_said.push(other),
        }
    }
    found
}

fn code(message: &Message) -> u16 {
    let mut code = ErrorCodeAttribute::default();
    code.get_from(message).unwrap();
    code.code.0
}

#[test]
fn a_check_is_answered_a_nomination_selects_and_the_handshake_gives_both_the_same_keys() {
    let mut pair = Pair::new();
    let mut answered = answer(&mut pair, BROWSER, &check()).unwrap();
    let mut mapped = XorMappedAddress::default();
    mapped.get_from(&answered).unwrap();
    assert_eq!((answered.typ, SocketAddr::new(mapped.ip, mapped.port)), (BINDING_SUCCESS, at(BROWSER)));
    let crypto = Identity::new().unwrap();
    assert!(MessageIntegrity::check(&mut answered, PASSWORD.as_bytes(), crypto.crypto()).is_ok());
    assert_eq!(pair.ours_said, [], "a check alone selects nothing");
    let (ours, browser) = pair.connect();
    assert!(pair.ours_said.contains(&Output::Selected(at(BROWSER))));
    assert_eq!((&ours.send, &ours.receive), (&browser.receive, &browser.send));
    assert!(ours.send != ours.receive && ours.send.suite() == Suite::AeadAes128Gcm);
}

#[test]
fn a_handshake_survives_the_loss_of_each_of_its_datagrams() {
    let mut clean = Pair::new();
    let mut total = 0;
    clean.hears(BROWSER, &nomination());
    clean.carry(|count, _| {
        total = count;
        false
    });
    assert!((5..20).contains(&total), "{total}");
    for lost in 1..=total {
        let mut pair = Pair::new();
        pair.hears(BROWSER, &nomination());
        pair.carry(|count, _| count == lost);
        for _ in 0..8 {
            if pair.keys().is_some() {
                break;
            }
            // A last flight of ours that is lost is asked for by the browser.
            pair.wait();
            pair.carry(|_, _| false);
        }
        let (ours, browser) = pair.keys().unwrap_or_else(|| panic!("no keys without datagram {lost}"));
        assert_eq!(ours.send, browser.receive);
    }
}

#[test]
fn records_may_come_in_any_order_and_twice() {
    let mut pair = Pair::new();
    pair.hears(BROWSER, &nomination());
    let mut is_flight = true;
    for _ in 0..100 {
        pair.collect();
        if pair.keys().is_some() {
            break;
        }
        let mut flight: Vec<(bool, Vec<u8>)> =
            pair.wire.drain(..).flat_map(|(way, bytes)| records(&bytes).into_iter().map(move |one| (way, one))).collect();
        is_flight |= flight.len() > 3;
        if flight.is_empty() {
            pair.wait();
            continue;
        }
        flight.reverse();
        for (is_ours, record) in flight.iter().chain(&flight) {
            if *is_ours {
                pair.ours.handle(pair.now, at(BROWSER), record);
            } else if record[0] >= 20 {
                pair.browser.handle(pair.now, at(OURS), record);
            }
        }
    }
    let (ours, browser) = pair.keys().expect("keys");
    assert!(is_flight && ours.send == browser.receive);
}

/// The records of a datagram, each alone; a message of STUN is one.
fn records(datagram: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut found) = (datagram, Vec::new());
    while rest.len() >= 13 && rest[0] >= 20 {
        let (one, next) = rest.split_at(13 + usize::from(u16::from_be_bytes([rest[11], rest[12]])));
        found.push(one.to_vec());
        rest = next;
    }
    if !rest.is_empty() {
        found.push(rest.to_vec());
    }
    found
}

#[test]
fn a_restart_of_ice_keeps_keys_and_place_and_another_certificate_begins_anew() {
    let mut pair = Pair::new();
    pair.connect();
    let before = pair.ours.terms.clone();
    let (ufrag, password) = ("new1".to_owned(), "another-password-of-ours".to_owned());
    let restarted = IceTerms { ufrag, password, their_ufrag: "new2".to_owned(), checks: None };
    let terms = Terms { ice: Some(restarted), ..before.clone() };
    pair.ours_said.clear();
    pair.ours.renegotiate(pair.now, &terms, at(BROWSER));
    assert!(pair.ours.is_known(at(BROWSER)), "the old place counts on");
    assert_eq!(code(&answer(&mut pair, ELSEWHERE, &nomination()).unwrap()), 401, "the old password does not");
    let fresh = request("new1:new2", "another-password-of-ours", &[ATTR_USE_CANDIDATE], &[]);
    assert_eq!(answer(&mut pair, ELSEWHERE, &fresh).unwrap().typ, BINDING_SUCCESS);
    assert_eq!(pair.ours_said, [Output::Selected(at(ELSEWHERE))], "no new handshake");

    // The same terms again change nothing.
    pair.ours.renegotiate(pair.now, &terms, at(BROWSER));
    assert_eq!(pair.ours.poll(), None);

    let mut pair = Pair::new();
    let (first, _) = pair.connect();
    let third = Arc::new(Identity::new().unwrap());
    let ours = pair.ours.identity.fingerprint();
    pair.ours.renegotiate(pair.now, &Terms { fingerprint: third.fingerprint(), ..before }, at(BROWSER));
    pair.browser = Peer::new(pair.now, &third, &Terms { fingerprint: ours, is_client: true, ice: None }, at(OURS));
    pair.carry(|_, _| false);
    let (ours, browser) = pair.keys().unwrap();
    assert!(ours.send == browser.receive && ours.send != first.send);
}

#[test]
fn thirty_seconds_without_a_check_are_the_end_of_consent_until_there_is_one() {
    let mut pair = Pair::new();
    pair.connect();
    pair.ours_said.clear();
    for _ in 0..10 {
        pair.now += Duration::from_secs(20);
        pair.hears(BROWSER, &check());
        pair.ours.tick(pair.now);
    }
    // Those who do not prove anything do not count.
    pair.now += Duration::from_secs(29);
    pair.hears(BROWSER, &request("ours:them", "", &[], &[]));
    pair.ours.tick(pair.now);
    pair.collect();
    assert_eq!(pair.ours_said, []);
    pair.now += Duration::from_secs(1);
    assert_eq!(pair.ours.deadline(), Some(pair.now));
    pair.ours.tick(pair.now);
    pair.collect();
    assert_eq!(pair.ours_said, [Output::Silent(at(BROWSER))]);
    assert!(!pair.ours.is_known(at(BROWSER)));
    pair.hears(BROWSER, &nomination());
    pair.collect();
    assert_eq!(pair.ours_said.last(), Some(&Output::Selected(at(BROWSER))), "and the keys are what they were");
}

#[test]
fn without_ice_only_the_address_of_the_description_counts_in_either_role() {
    for is_client in [false, true] {
        let (one, other) = (Arc::new(Identity::new().unwrap()), Arc::new(Identity::new().unwrap()));
        let theirs = Terms { fingerprint: other.fingerprint(), is_client, ice: None };
        let ours = Terms { fingerprint: one.fingerprint(), is_client: !is_client, ice: None };
        let mut pair = Pair::with((&one, &theirs), (&other, &ours));
        assert!(pair.ours.is_known(at(BROWSER)) && !pair.ours.is_known(at(ELSEWHERE)));
        pair.hears(ELSEWHERE, &nomination());
        pair.carry(|_, _| false);
        let (ours, browser) = pair.keys().expect("keys");
        assert_eq!(ours.send, browser.receive);
    }
}
