//! Our registrations with carriers: where they go, how often, and how they come back.

use std::collections::BTreeSet;

use super::failover::{ONE, TWO, call, desk, peer, registering, reply_from, sent, take, target};
use crate::{
    endpoint::{Command, Input, Peer, Trunk},
    message::Name,
};

use super::desk::Desk;

#[test]
fn a_registration_goes_to_the_next_address_at_once_and_then_waits_longer_each_time() {
    let mut desk = desk(vec![registering()]);
    let first = take(&mut desk, "REGISTER", ONE);
    reply_from(&mut desk, ONE, &first, 503, &[]);
    let second = take(&mut desk, "REGISTER", TWO);
    assert_eq!(desk.words(), Vec::<String>::new(), "not down while somebody is left to ask");
    reply_from(&mut desk, TWO, &second, 500, &[]);
    assert_eq!(desk.words(), ["carrier down 500"]);
    // RFC 5626 section 4.5: 30-60 s, 60-120 s, ... 15-30 min.
    for (least, most) in [(30, 60), (60, 120), (120, 240), (240, 480), (480, 960), (900, 1_800), (900, 1_800)] {
        desk.sent.clear();
        desk.pass(least * 1_000 - 1);
        assert!(sent(&desk).is_empty(), "not before {least} s: {:?}", sent(&desk));
        let mut waited = least * 1_000 - 1;
        while sent(&desk).is_empty() {
            desk.pass(100);
            waited += 100;
        }
        assert!(waited <= most * 1_000 + 100, "{waited} ms is more than {most} s");
        let to = desk.sent[0].0.address().to_string();
        let request = take(&mut desk, "REGISTER", &to);
        reply_from(&mut desk, &to, &request, 403, &[]);
    }
}

#[test]
fn a_silent_registrar_is_left_after_four_seconds_while_there_is_another() {
    let mut desk = desk(vec![registering()]);
    take(&mut desk, "REGISTER", ONE);
    desk.pass(4_000);
    let second = take(&mut desk, "REGISTER", TWO);
    reply_from(&mut desk, TWO, &second, 200, &[(Name::Expires, "600")]);
    assert_eq!(desk.words(), ["carrier up"]);
    // The refresh goes to the one that we are registered with, in good time.
    desk.pass(600_000 * 69 / 100);
    assert!(sent(&desk).is_empty());
    desk.pass(600_000 * 17 / 100);
    take(&mut desk, "REGISTER", TWO);
}

#[test]
fn a_registrar_that_is_seen_again_is_asked_again_soon() {
    let mut desk = desk(vec![Trunk { options_ping_s: 10, peers: vec![peer(ONE, 0)], ..registering() }]);
    desk.pass(0);
    let (to, _) = desk.sent[0];
    desk.input(Input::SendFailed { to });
    desk.pass(19_999);
    desk.sent.clear();
    desk.pass(1);
    let ping = take(&mut desk, "OPTIONS", ONE);
    reply_from(&mut desk, ONE, &ping, 200, &[]);
    desk.pass(1_000);
    take(&mut desk, "REGISTER", ONE);
    // Once is enough: the next ping does not hurry what is under way.
    desk.pass(9_000);
    let ping = take(&mut desk, "OPTIONS", ONE);
    reply_from(&mut desk, ONE, &ping, 200, &[]);
    let first = |desk: &Desk| desk.sent.iter().filter(|(_, message)| message.method() == "REGISTER").count();
    desk.pass(1_000);
    assert!(first(&desk) <= 1, "{:?}", sent(&desk));
}

#[test]
fn too_brief_is_asked_again_for_longer_and_not_for_ever() {
    let mut desk = desk(vec![registering()]);
    let first = take(&mut desk, "REGISTER", ONE);
    for (min, wish) in [("7200", "7200"), ("9000", "9000"), ("9001", "9001")] {
        let request = if min == "7200" { first.clone() } else { take(&mut desk, "REGISTER", ONE) };
        reply_from(&mut desk, ONE, &request, 423, &[(Name::MinExpires, min)]);
        assert_eq!(desk.sent[0].1.header(Name::Expires), Some(wish));
    }
    let request = take(&mut desk, "REGISTER", ONE);
    reply_from(&mut desk, ONE, &request, 423, &[(Name::MinExpires, "9002")]);
    assert_eq!((sent(&desk), desk.words()), (vec![], vec!["carrier down 423".to_owned()]));
}

#[test]
fn the_time_granted_is_that_of_our_own_contact() {
    let mut desk = desk(vec![registering()]);
    let first = take(&mut desk, "REGISTER", ONE);
    let own = format!("{};expires=1000", first.header(Name::Contact).unwrap());
    reply_from(&mut desk, ONE, &first, 200, &[(Name::Contact, "<sip:u@203.0.113.9>;expires=20"), (Name::Contact, &own)]);
    desk.pass(690_000);
    assert!(sent(&desk).is_empty());
    while sent(&desk).is_empty() {
        desk.pass(100);
    }
    let again = take(&mut desk, "REGISTER", ONE);
    reply_from(&mut desk, ONE, &again, 200, &[(Name::Expires, "1")]);
    desk.pass(4_999);
    assert!(sent(&desk).is_empty(), "never more often than every 5 s");
    desk.pass(1);
    take(&mut desk, "REGISTER", ONE);
}

#[test]
fn many_trunks_register_with_a_little_spread() {
    let trunks = (0..60).map(|n| Trunk { name: format!("t{n}").into(), ..registering() }).collect();
    let mut desk = desk(trunks);
    let mut begun = BTreeSet::new();
    let mut most = 0;
    for _ in 0..60 {
        let before = begun.len();
        begun.extend(desk.sent.drain(..).map(|(_, message)| message.call_id().unwrap().to_owned()));
        most = most.max(begun.len() - before);
        desk.pass(50);
    }
    assert_eq!(begun.len(), 60, "all within 3 s");
    assert!(most < 10, "{most} in 50 ms");
}

#[test]
fn addresses_that_come_later_begin_a_registration_and_those_that_change_do_not_end_it() {
    let mut desk = desk(vec![Trunk { peers: Vec::new(), ..registering() }]);
    assert!(sent(&desk).is_empty());
    call(&mut desk, target());
    assert_eq!(desk.words(), ["rejected 503 Us"], "a call waits for no name server");
    let set = |desk: &mut Desk, peers: Vec<Peer>| {
        desk.command(Command::SetPeers { trunk: "carrier".into(), peers });
        desk.pass(0);
    };
    set(&mut desk, vec![peer(ONE, 0)]);
    let first = take(&mut desk, "REGISTER", ONE);
    reply_from(&mut desk, ONE, &first, 200, &[(Name::Expires, "600")]);
    assert_eq!(desk.words(), ["carrier up"]);
    set(&mut desk, vec![peer(TWO, 0), peer(ONE, 1)]);
    assert!(sent(&desk).is_empty(), "still registered with the one that stayed");
    call(&mut desk, target());
    take(&mut desk, "INVITE", TWO);
    set(&mut desk, vec![peer(TWO, 0)]);
    let again = take(&mut desk, "REGISTER", TWO);
    assert_eq!(again.call_id().unwrap(), first.call_id().unwrap());
    set(&mut desk, Vec::new());
    assert!(sent(&desk).is_empty());
}
