//! Engines that a coturn lends addresses to.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use support::{
    line::{End, LINE, is_heard},
    turnserver::{PASSWORD, TurnServer, USER},
};
use tandem_media::turn::Server;

const PORT: u16 = 19_900;

/// A server of one test; what it lends is on the next address.
fn server(host: u8) -> TurnServer {
    let ip = |host| IpAddr::from([127, 0, 73, host]);
    TurnServer::start(ip(host), ip(host + 1))
}

/// Who we are to it.
fn login(server: &TurnServer, password: &str) -> Server {
    Server { address: server.at, username: USER.to_owned(), password: password.to_owned() }
}

/// An end on a shared port, with a server or without.
fn end(host: u8, name: &'static str, turn: Option<Server>, clock: fn() -> Instant) -> End {
    End::new(host, name, clock, |config| (config.shared_port, config.turn) = (Some(PORT), turn))
}

/// What an end is lent, when it is.
fn borrowed(end: &mut End, advance: impl Fn(u64)) -> Option<SocketAddr> {
    (0..100).find_map(|_| {
        advance(50);
        // Real time for the answers of the server.
        end.phone.try_receive(Duration::from_millis(20));
        end.bench.engine.lent(LINE)
    })
}

/// Where an end's audio came from, as it was told.
fn heard_from(end: &End) -> SocketAddr {
    end.bench.event(|event| match event {
        tandem_media::contract::Event::MediaStarted { stream: LINE, from } => Some(*from),
        _ => None,
    })
}

simulated_clock!(BOTH, both);

#[test]
fn two_who_reach_only_what_a_server_lends_the_other_talk_by_it() {
    let server = server(10);
    let advance = |ms| BOTH.advance_ms(ms);
    let mut left = end(130, "left", Some(login(&server, PASSWORD)), both);
    let mut right = end(131, "right", Some(login(&server, PASSWORD)), both);
    let places = [&mut left, &mut right].map(|end| borrowed(end, advance).unwrap_or_else(|| panic!("{}", server.log())));
    assert!(places.iter().all(|place| place.ip() == IpAddr::from([127, 0, 73, 11])), "{places:?}");
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    left.agree(("right", theirs), true, &places[1..], None);
    right.agree(("left", ours), false, &places[..1], None);
    assert!(is_heard(&mut left.phone, &right.phone, 3, advance) && is_heard(&mut right.phone, &left.phone, 4, advance));
    assert_eq!((heard_from(&left), heard_from(&right)), (places[1], places[0]));

    // By a channel each, from some packets on.
    let channels = || server.log().matches("CHANNEL_BIND processed, success").count();
    assert!((0..100).any(|_| is_heard(&mut left.phone, &right.phone, 5, advance) && channels() >= 2), "{}", server.log());
    assert!((0..20).all(|_| is_heard(&mut left.phone, &right.phone, 6, advance)));
    // Permissions of five minutes are kept up, and so is consent.
    for _ in 0..700 {
        advance(1_000);
        right.phone.try_receive(Duration::from_millis(2));
    }
    assert!(is_heard(&mut left.phone, &right.phone, 7, advance) && is_heard(&mut right.phone, &left.phone, 8, advance));
    for end in [&mut left, &mut right] {
        let (_, quality) = end.bench.close(LINE);
        assert_eq!(quality.malformed, 0, "{quality:?}");
    }
}

simulated_clock!(ONE, one);

#[test]
fn one_whose_candidates_say_nothing_is_let_in_where_its_signalling_comes_from() {
    let server = server(20);
    let advance = |ms| ONE.advance_ms(ms);
    let mut left = end(132, "left", Some(login(&server, PASSWORD)), one);
    let mut right = end(133, "right", None, one);
    let lent = borrowed(&mut left, advance).unwrap_or_else(|| panic!("{}", server.log()));
    assert_eq!(right.bench.engine.lent(LINE), None);
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    left.agree(("right", theirs), false, &[], Some(right.at.ip()));
    right.agree(("left", ours), true, &[lent], None);
    assert!(is_heard(&mut left.phone, &right.phone, 3, advance) && is_heard(&mut right.phone, &left.phone, 4, advance));
    assert_eq!((heard_from(&left), heard_from(&right)), (right.at, lent));
}

simulated_clock!(DIRECT, direct);

#[test]
fn who_is_reached_without_the_server_is() {
    let server = server(30);
    let advance = |ms| DIRECT.advance_ms(ms);
    let mut left = end(134, "left", Some(login(&server, PASSWORD)), direct);
    let mut right = end(135, "right", None, direct);
    let lent = borrowed(&mut left, advance).unwrap_or_else(|| panic!("{}", server.log()));
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    left.agree(("right", theirs), true, &[right.at], None);
    right.agree(("left", ours), false, &[lent, left.at], None);
    assert!(is_heard(&mut left.phone, &right.phone, 3, advance) && is_heard(&mut right.phone, &left.phone, 4, advance));
    assert_eq!((heard_from(&left), heard_from(&right)), (right.at, left.at));
}

simulated_clock!(REFUSED, refused);

#[test]
fn with_a_wrong_password_and_with_no_server_calls_go_on_without() {
    let server = server(40);
    let advance = |ms| REFUSED.advance_ms(ms);
    let mut left = end(136, "left", Some(login(&server, "guessed")), refused);
    let nobody = Server { address: SocketAddr::from(([127, 0, 73, 99], 3_478)), ..login(&server, PASSWORD) };
    let mut right = end(137, "right", Some(nobody), refused);
    assert_eq!((borrowed(&mut left, advance), borrowed(&mut right, advance)), (None, None));
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    left.agree(("right", theirs), true, &[right.at], None);
    right.agree(("left", ours), false, &[left.at], None);
    assert!(is_heard(&mut left.phone, &right.phone, 3, advance) && is_heard(&mut right.phone, &left.phone, 4, advance));
}
