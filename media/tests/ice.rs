//! Two engines in the full role of ICE, each with a plain phone, and a line between them.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use support::{Bench, Phone};
use tandem_media::{
    browser::{Candidate, CheckTerms, Fingerprint, IceTerms, Terms, asked_in},
    codec::Codec,
    contract::{Command, Configure, StreamId},
};

const LINE: StreamId = StreamId(100);
const NOWHERE: &str = "0.0.0.0:9";

/// An engine, its phone, and the stream of its end of the line, which the phone hears.
struct End {
    bench: Bench,
    phone: Phone,
    at: SocketAddr,
    name: &'static str,
}

impl End {
    fn new(host: u8, name: &'static str, shared: Option<u16>, clock: fn() -> Instant) -> Self {
        let mut bench = Bench::with(host, clock, |config| config.shared_port = shared);
        let phone = bench.phone_in(1, Codec::Pcma);
        let opened = bench.engine.open_shared(LINE, 1, bench.local).unwrap();
        Self { bench, phone, at: opened.rtp, name }
    }

    fn agree(&mut self, other: (&'static str, Fingerprint), is_controlling: bool, places: &[SocketAddr]) {
        let password = |name: &str| format!("the-password-of-{name}");
        let candidates = (1..).zip(places).map(|(priority, address)| Candidate { address: *address, priority }).collect();
        let ice = IceTerms {
            ufrag: self.name.to_owned(),
            password: password(self.name),
            their_ufrag: other.0.to_owned(),
            checks: Some(CheckTerms { their_password: password(other.0), is_controlling, candidates }),
        };
        let terms = Terms { fingerprint: other.1, is_client: is_controlling, ice: Some(ice) };
        let plain = Phone::plain(NOWHERE.parse().unwrap());
        let to = Configure { rtcp_mux: true, dtls: Some(Arc::new(terms)), ..plain };
        self.bench.command(Command::Configure { stream: LINE, to });
        self.bench.command(Command::Join { a: LINE, b: self.phone.stream });
    }
}

/// Whether a phone hears the other one over the line, as soon as there are keys.
fn is_heard(from: &mut Phone, to: &Phone, payload: u8, advance: impl Fn(u64)) -> bool {
    (0..200).any(|_| {
        from.send(8, false, &[payload; 160]);
        from.timestamp = from.timestamp.wrapping_add(160);
        advance(20);
        to.try_receive(Duration::from_millis(50)).is_some_and(|packet| packet.payload[..] == [payload; 160])
    })
}

fn talk(hosts: [u8; 2], shared: Option<u16>, clock: fn() -> Instant, advance: impl Fn(u64) + Copy) {
    let mut left = End::new(hosts[0], "left", shared, clock);
    let mut right = End::new(hosts[1], "right", shared, clock);
    assert_eq!(shared.is_some(), Some(left.at.port()) == shared);
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    // A place of somebody who has nothing to do with it, our own, and one of a family that we do not have.
    let victim = UdpSocket::bind("127.0.72.9:0").unwrap();
    victim.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let others = [victim.local_addr().unwrap(), left.at, "[2001:db8::1]:4000".parse().unwrap()];
    // First who checks nobody yet: a check that comes before its name is known is nobody's.
    right.agree(("left", ours), false, &[]);
    left.agree(("right", theirs), true, &[&others[..], &[right.at]].concat());
    assert!(is_heard(&mut left.phone, &right.phone, 3, advance) && is_heard(&mut right.phone, &left.phone, 4, advance));

    let (mut datagram, mut checks) = ([0; 2_000], 0);
    while let Ok(length) = victim.recv(&mut datagram) {
        assert!(asked_in(&datagram[..length]).is_some(), "nothing but checks");
        checks += 1;
    }
    assert!(checks <= 7, "{checks}");
    for end in [&mut left, &mut right] {
        let nobodys = end.bench.engine.datagrams_of_nobody();
        let (_, quality) = end.bench.close(LINE);
        // Audio may be faster than the answer to the check that finds its way: it is refused then, and said so.
        assert_eq!((quality.malformed, nobodys), (0, 0), "{quality:?}");
    }
}

simulated_clock!(OWN, own);

#[test]
fn two_engines_find_each_other_by_their_checks_and_others_get_nothing_but_checks() {
    talk([120, 121], None, own, |ms| OWN.advance_ms(ms));
}

simulated_clock!(SHARED, shared);

#[test]
fn answers_to_checks_from_a_shared_port_find_the_stream_that_asked() {
    talk([122, 123], Some(19_900), shared, |ms| SHARED.advance_ms(ms));
}
