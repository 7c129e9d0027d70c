//! Two engines in the full role of ICE, each with a plain phone, and a line between them.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use support::line::{End, LINE, is_heard};
use tandem_media::browser::asked_in;

fn talk(hosts: [u8; 2], shared: Option<u16>, clock: fn() -> Instant, advance: impl Fn(u64) + Copy) {
    let mut left = End::new(hosts[0], "left", clock, |config| config.shared_port = shared);
    let mut right = End::new(hosts[1], "right", clock, |config| config.shared_port = shared);
    assert_eq!(shared.is_some(), Some(left.at.port()) == shared);
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    // A place of somebody who has nothing to do with it, our own, and one of a family that we do not have.
    let victim = UdpSocket::bind("127.0.72.9:0").unwrap();
    victim.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let others = [victim.local_addr().unwrap(), left.at, "[2001:db8::1]:4000".parse().unwrap()];
    // First who checks nobody yet: a check that comes before its name is known is nobody's.
    right.agree(("left", ours), false, &[], None);
    left.agree(("right", theirs), true, &[&others[..], &[right.at]].concat(), None);
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
