//! Reliable progress of incoming calls (RFC 3262): what needs a PRACK, and what waits for it.

use super::{
    calls::{LONG_MS, call, sdp, until_invited},
    far::{Far, OURS, THEIRS, desk},
    world::World,
};
use crate::{
    endpoint::{Command, InviteId, ReliableProgress},
    flow::Transport,
    message::{Message, Name},
};

const MUST: &[(Name, &str)] = &[(Name::Require, "100rel")];
const MAY: &[(Name, &str)] = &[(Name::Supported, "timer, 100rel")];

const fn progress(invite: InviteId, code: u16) -> Command {
    Command::Progress { invite, code, sdp: None }
}

fn early_media(invite: InviteId) -> Command {
    Command::Progress { invite, code: 183, sdp: Some(sdp()) }
}

fn rseq(message: &Message) -> Option<u32> {
    message.lists(Name::Require, "100rel").then(|| message.header(Name::RSeq).unwrap().parse().unwrap())
}

#[test]
fn early_media_is_acknowledged_and_its_answer_is_not_said_twice() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(2, transport, 31);
        let caller = call(&mut world, 0, 1);
        let callee = until_invited(&mut world);
        world.command(1, progress(callee, 180));
        world.command(1, early_media(callee));
        assert_eq!(world.run(80), ["a: progressed 180", "a: progressed 183 sdp"]);
        world.command(1, Command::Answer { invite: callee, sdp: sdp() });
        assert_eq!(world.run(100), ["a: answered", "b: confirmed"]);
        let expected = "     0 a>b INVITE\n     1 b>a 100 INVITE\n    20 b>a 180 INVITE\n    20 b>a 183 INVITE\n    21 a>b PRACK\n    22 b>a 200 PRACK\n   100 b>a 200 INVITE\n   101 a>b ACK\n";
        assert_eq!(world.ladder, expected, "{transport}");
        world.command(0, super::calls::end(caller));
        world.settle(LONG_MS);
    }
}

#[test]
fn an_answer_waits_for_the_prack_of_early_media() {
    let mut world = World::new(2, Transport::Udp, 32);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(1, early_media(callee));
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    assert_eq!(world.run(80), ["a: progressed 183 sdp", "a: answered", "b: confirmed"]);
    assert!(
        world.ladder.ends_with("183 INVITE\n    21 a>b PRACK\n    22 b>a 200 PRACK\n    22 b>a 200 INVITE\n    23 a>b ACK\n")
    );
    world.command(0, super::calls::end(caller));
    world.settle(LONG_MS);
}

#[test]
fn without_a_prack_it_is_said_again_and_then_given_up() {
    let mut world = World::new(2, Transport::Tcp, 33);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.ladder.clear();
    // The wire breaks only one way: what the caller hears does not matter here.
    world.deaf = Some(1);
    world.command(1, early_media(callee));
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    let seen = world.run(33_000);
    assert_eq!(seen, ["a: progressed 183 sdp", "b: ended Timeout", "a: rejected 504 Peer"]);
    let times: Vec<&str> = world.ladder.lines().filter(|line| line.contains("b>a")).map(|line| line[..6].trim()).collect();
    // T1 doubling without end, on every transport; the 504 at 64 T1.
    assert_eq!(times, ["20", "520", "1520", "3520", "7520", "15520", "31520", "32020"], "{}", world.ladder);
    world.deaf = None;
    world.command(0, super::calls::end(caller));
    world.settle(LONG_MS);
}

#[test]
fn what_must_be_reliable_goes_one_after_the_other() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, MUST, THEIRS);
    desk.command(progress(invite, 180));
    let first = far.hear(&mut desk, 180);
    let number = rseq(&first).unwrap();
    assert!(number < 1 << 31);
    desk.command(early_media(invite));
    desk.command(progress(invite, 182));
    assert_eq!(desk.lines(), Vec::<String>::new(), "the first is not acknowledged");
    for (rack, code) in [
        (format!("{} 1 INVITE", number + 1), 481),
        (format!("{number} 2 INVITE"), 481),
        (format!("{number} 1 UPDATE"), 481),
        (format!("{number} INVITE"), 400),
    ] {
        far.send(&mut desk, "PRACK", &[(Name::RAck, &rack)], "");
        assert_eq!(desk.code(), code, "{rack}");
    }
    far.send(&mut desk, "PRACK", &[], "");
    assert_eq!(desk.code(), 400);
    far.send(&mut desk, "PRACK", &[(Name::RAck, &format!("{number} 1 INVITE"))], "");
    assert_eq!(desk.code(), 200);
    let second = far.hear(&mut desk, 182);
    assert_eq!((rseq(&second), second.body()), (Some(number + 1), OURS.as_bytes()), "what waited is said at once");
    far.send(&mut desk, "PRACK", &[(Name::RAck, &format!("{number} 1 INVITE"))], "");
    assert_eq!(desk.code(), 481, "acknowledged twice");
    desk.command(Command::Answer { invite, sdp: sdp() });
    desk.command(progress(invite, 180));
    assert_eq!(desk.lines(), Vec::<String>::new());
    far.send(&mut desk, "PRACK", &[(Name::RAck, &format!("{} 1 INVITE", number + 1))], "");
    assert_eq!(desk.lines(), ["200", "200"]);
    far.cseq = 1;
    far.ack(&mut desk, "");
    assert_eq!(desk.words(), ["confirmed"]);
}

#[test]
fn an_answer_may_overtake_progress_without_a_description() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, MUST, THEIRS);
    desk.command(progress(invite, 180));
    let number = rseq(&far.hear(&mut desk, 180)).unwrap();
    desk.command(Command::Answer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["200 sdp"]);
    far.ack(&mut desk, "");
    far.send(&mut desk, "PRACK", &[(Name::RAck, &format!("{number} 1 INVITE"))], "");
    assert_eq!(desk.code(), 200, "a late PRACK fits still");
    desk.pass(33_000);
    assert_eq!(desk.lines(), Vec::<String>::new(), "nothing is said again after the final reply");
}

#[test]
fn our_offer_in_progress_is_answered_in_the_prack() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, MUST, "");
    desk.command(progress(invite, 180));
    assert_eq!(desk.lines(), Vec::<String>::new(), "the first reliable reply has the offer");
    desk.command(early_media(invite));
    let said = far.hear(&mut desk, 183);
    let rack = format!("{} 1 INVITE", rseq(&said).unwrap());
    assert_eq!(said.body(), OURS.as_bytes());
    far.send(&mut desk, "PRACK", &[(Name::RAck, &rack)], "");
    assert_eq!(desk.code(), 400, "the answer is owed here");
    far.send(&mut desk, "PRACK", &[(Name::RAck, &rack)], THEIRS);
    assert_eq!((desk.code(), desk.words()), (200, vec!["reoffer answered sdp".to_owned()]));
    desk.command(Command::Answer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["200"]);
    far.cseq = 1;
    far.ack(&mut desk, THEIRS);
    assert_eq!(desk.words(), ["confirmed"], "an answer to nothing is none");
}

#[test]
fn an_offer_that_could_not_be_answered_goes_with_the_2xx() {
    let mut desk = desk(|_| {});
    let (_, invite) = Far::calls(&mut desk, &[], "");
    desk.command(early_media(invite));
    desk.command(Command::Answer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["183", "200 sdp"]);
}

#[test]
fn an_offer_that_is_acknowledged_without_an_answer_ends_the_call() {
    for is_first in [true, false] {
        let mut desk = desk(|_| {});
        let (mut far, invite) = Far::calls(&mut desk, &[], "");
        desk.command(Command::Answer { invite, sdp: sdp() });
        far.hear(&mut desk, 200);
        if !is_first {
            far.ack(&mut desk, THEIRS);
            assert_eq!(desk.words(), ["confirmed sdp"]);
            far.send(&mut desk, "INVITE", &[], "");
            assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered".to_owned()]));
            desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
            assert_eq!(desk.lines(), ["200 sdp"]);
        }
        far.ack(&mut desk, "");
        assert_eq!((desk.lines(), desk.words()), (vec!["BYE".to_owned()], vec!["ended NoAnswer".to_owned()]));
    }
}

#[test]
fn a_prack_may_bring_a_new_offer() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, MAY, THEIRS);
    desk.command(early_media(invite));
    let rack = format!("{} 1 INVITE", rseq(&far.hear(&mut desk, 183)).unwrap());
    far.send(&mut desk, "PRACK", &[(Name::RAck, &rack)], THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec!["reoffered sdp".to_owned()]));
    desk.command(Command::Answer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), Vec::<String>::new(), "one exchange after the other");
    desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["200 sdp", "200"]);

    let mut desk = self::desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, MUST, THEIRS);
    desk.command(progress(invite, 180));
    let rack = format!("{} 1 INVITE", rseq(&far.hear(&mut desk, 180)).unwrap());
    far.send(&mut desk, "PRACK", &[(Name::RAck, &rack)], THEIRS);
    assert_eq!(desk.code(), 500, "their first offer is not answered yet");
}

#[test]
fn only_those_who_know_how_are_asked_for_a_prack() {
    for (policy, headers, reliable) in [
        (ReliableProgress::EarlyMedia, [].as_slice(), false),
        (ReliableProgress::EarlyMedia, MAY, true),
        (ReliableProgress::WhenRequired, MAY, false),
        (ReliableProgress::WhenRequired, MUST, true),
    ] {
        let mut desk = desk(|config| config.reliable_progress = policy);
        let (mut far, invite) = Far::calls(&mut desk, headers, THEIRS);
        desk.command(early_media(invite));
        assert_eq!(rseq(&far.hear(&mut desk, 183)).is_some(), reliable, "{policy:?} {headers:?}");
    }
}

#[test]
fn acknowledged_progress_is_not_said_again_but_new_is() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, MUST, THEIRS);
    desk.command(early_media(invite));
    let number = rseq(&far.hear(&mut desk, 183)).unwrap();
    far.send(&mut desk, "PRACK", &[(Name::RAck, &format!("{number} 1 INVITE"))], "");
    assert_eq!(desk.code(), 200);
    desk.pass(59_999);
    assert_eq!(desk.lines(), Vec::<String>::new());
    desk.pass(1);
    let next = far.hear(&mut desk, 183);
    assert_eq!((rseq(&next), next.body().len()), (Some(number + 1), 0));
}

#[test]
fn extensions_that_we_know_may_be_required_and_others_not() {
    let mut desk = desk(|_| {});
    let (mut far, _) = Far::calls(&mut desk, &[(Name::Require, "100rel, TIMER")], THEIRS);
    far.send(&mut desk, "OPTIONS", &[(Name::Require, "100rel, gruu, timer")], "");
    let refusal = desk.next();
    assert_eq!((refusal.code(), refusal.header(Name::Unsupported)), (Some(420), Some("gruu")));
}
