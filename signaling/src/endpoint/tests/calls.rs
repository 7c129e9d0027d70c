//! Two endpoints call each other: the ladders of RFC 3665 and the races of RFC 5407.

use bytes::Bytes;

use super::world::{SDP, World};
use crate::{
    endpoint::{Command, Event, Invite, InviteId, PartyIdentity, Target},
    flow::Transport,
};

/// Longer than any transaction lives: 64 T1 + T4, and again for a BYE at the end of it.
pub(super) const LONG_MS: u64 = 37_000;

pub(super) fn sdp() -> Bytes {
    Bytes::from_static(SDP.as_bytes())
}

/// Has `from` call `to` by trunk; gives the caller's name of the invitation.
pub(super) fn call(world: &mut World, from: usize, to: usize) -> InviteId {
    let invite = world.ends[from].next_invite();
    let target = Target::Trunk { name: format!("t{to}").into(), user: "200".to_owned() };
    let wish = Invite {
        party: PartyIdentity::default(),
        invite,
        target,
        from_user: "100".to_owned(),
        from_display: "A \"B\"".to_owned(),
        sdp: sdp(),
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
    };
    world.command(from, Command::Invite(Box::new(wish)));
    invite
}

/// Runs until the other side is invited; gives its name of the invitation.
pub(super) fn until_invited(world: &mut World) -> InviteId {
    let mut invited = None;
    world.run_with(20, &mut |_, _, event| {
        if let Event::Invited(event) = event {
            invited = Some(event.invite);
        }
    });
    invited.expect("the call arrived")
}

/// An established call: caller's and callee's names of it.
pub(super) fn established(world: &mut World) -> (InviteId, InviteId) {
    let caller = call(world, 0, 1);
    let callee = until_invited(world);
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    world.run(20);
    world.ladder.clear();
    (caller, callee)
}

pub(super) fn end(invite: InviteId) -> Command {
    Command::End { invite, code: 200, reason: String::new() }
}

#[test]
fn a_call_from_invite_to_bye() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(2, transport, 1);
        let caller = call(&mut world, 0, 1);
        let callee = until_invited(&mut world);
        world.command(1, Command::Progress { invite: callee, code: 180, sdp: None });
        assert_eq!(world.run(80), ["a: progressed 180"]);
        world.command(1, Command::Answer { invite: callee, sdp: sdp() });
        assert_eq!(world.run(100), ["a: answered sdp", "b: confirmed"]);
        world.command(0, end(caller));
        assert_eq!(world.run(100), ["b: ended Bye { cause: None }"]);
        let expected = "     0 a>b INVITE\n     1 b>a 100 INVITE\n    20 b>a 180 INVITE\n   100 b>a 200 INVITE\n   101 a>b ACK\n   200 a>b BYE\n   201 b>a 200 BYE\n";
        assert_eq!(world.ladder, expected, "{transport}");
        world.settle(LONG_MS);
        assert_eq!(world.ladder, expected, "nothing is sent later");
    }
}

#[test]
fn a_caller_who_gives_up_cancels() {
    let mut world = World::new(2, Transport::Udp, 2);
    let caller = call(&mut world, 0, 1);
    until_invited(&mut world);
    world.command(0, Command::End { invite: caller, code: 487, reason: String::new() });
    assert_eq!(world.run(100), ["b: cancelled"]);
    assert_eq!(
        world.ladder,
        "     0 a>b INVITE\n     1 b>a 100 INVITE\n    20 a>b CANCEL\n    21 b>a 200 CANCEL\n    21 b>a 487 INVITE\n    22 a>b ACK\n"
    );
    world.settle(LONG_MS);
}

#[test]
fn a_cancel_waits_for_a_provisional_reply() {
    let mut world = World::new(2, Transport::Udp, 3);
    let caller = call(&mut world, 0, 1);
    world.command(0, end(caller));
    assert_eq!(world.run(100).len(), 2, "invited, then cancelled");
    assert!(world.ladder.starts_with("     0 a>b INVITE\n     1 b>a 100 INVITE\n     2 a>b CANCEL\n"), "{}", world.ladder);
    world.settle(LONG_MS);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut world = World::new(2, Transport::Udp, 4);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(0, end(caller));
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    assert_eq!(world.run(100), ["b: confirmed", "b: ended Bye { cause: None }"]);
    assert!(world.ladder.contains("a>b ACK\n    21 a>b BYE\n"), "{}", world.ladder);
    world.settle(LONG_MS);
}

#[test]
fn a_refusal_reaches_the_caller_with_its_code() {
    let mut world = World::new(2, Transport::Udp, 5);
    call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(1, Command::Reject { invite: callee, code: 486, reason: "Out\r\nX: y".to_owned(), retry_after_s: Some(5) });
    assert_eq!(world.run(100), ["a: rejected 486 Peer"]);
    world.settle(LONG_MS);
}

#[test]
fn nobody_there_is_told_after_64_t1_and_no_way_at_once() {
    let mut world = World::new(2, Transport::Udp, 6);
    world.faults.loss = 100;
    call(&mut world, 0, 1);
    assert_eq!(world.run(31_900), Vec::<String>::new());
    assert_eq!(world.run(200), ["a: rejected 408 Network"]);
    let times: Vec<&str> = world.ladder.lines().map(|line| line[..6].trim()).collect();
    assert_eq!(times, ["0", "500", "1500", "3500", "7500", "15500", "31500"], "timer A");
    world.settle(LONG_MS);

    let mut world = World::new(2, Transport::Tcp, 6);
    let invite = world.ends[0].next_invite();
    let target = Target::Uri("sip:x@127.0.0.99;transport=tcp".to_owned());
    let wish = Invite {
        party: PartyIdentity::default(),
        invite,
        target,
        from_user: String::new(),
        from_display: String::new(),
        sdp: sdp(),
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
    };
    world.command(0, Command::Invite(Box::new(wish)));
    assert_eq!(world.run(0), ["a: rejected 503 Network"]);
    world.settle(0);
}

#[test]
fn a_hang_up_before_the_ack_waits_for_it() {
    let mut world = World::new(2, Transport::Udp, 7);
    call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    world.command(1, Command::End { invite: callee, code: 486, reason: "x \"y\"".to_owned() });
    assert_eq!(world.run(100), ["a: answered sdp", "a: ended Bye { cause: Some((\"SIP\", 486)) }"]);
    assert!(world.ladder.contains("a>b ACK\n    22 b>a BYE\n"), "{}", world.ladder);
    world.settle(LONG_MS);
}

#[test]
fn an_answer_without_an_ack_ends_in_a_bye() {
    let mut world = World::new(2, Transport::Udp, 8);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    world.faults.loss = 100;
    assert_eq!(world.run(33_000), ["a: answered sdp", "b: ended Timeout"]);
    world.command(0, end(caller));
    world.settle(2 * LONG_MS);
}

#[test]
fn hold_and_resume_both_ways() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(2, transport, 9);
        let (caller, callee) = established(&mut world);
        for (from, to, invite, other) in [(0, 1, caller, callee), (1, 0, callee, caller)] {
            world.command(from, Command::Reoffer { invite, sdp: sdp() });
            let name = ["a", "b"];
            assert_eq!(world.run(10), [format!("{}: reoffered sdp", name[to])]);
            world.command(to, Command::AnswerReoffer { invite: other, sdp: sdp() });
            assert_eq!(world.run(10), [format!("{}: reoffer answered sdp", name[from]), format!("{}: confirmed", name[to])]);
            world.command(from, Command::Reoffer { invite, sdp: sdp() });
            world.run(10);
            world.command(to, Command::RejectReoffer { invite: other, code: 488 });
            assert_eq!(world.run(10), [format!("{}: reoffer rejected 488", name[from])]);
        }
        world.command(1, end(callee));
        assert_eq!(world.run(10), ["a: ended Bye { cause: None }"]);
        world.settle(LONG_MS);
    }
}

#[test]
fn two_offers_at_once_both_get_through_in_the_end() {
    let mut world = World::new(2, Transport::Udp, 10);
    let (caller, callee) = established(&mut world);
    world.command(0, Command::Reoffer { invite: caller, sdp: sdp() });
    world.command(1, Command::Reoffer { invite: callee, sdp: sdp() });
    let mut seen = Vec::new();
    world.run_with(6_000, &mut |world, end, event| {
        seen.push(super::world::in_words(end, &event));
        if let Event::Reoffered { invite, .. } = event {
            world.command(end, Command::AnswerReoffer { invite, sdp: sdp() });
        }
    });
    assert_eq!(world.ladder.matches("491 INVITE").count(), 2, "{}", world.ladder);
    assert_eq!(
        seen,
        [
            "a: reoffered sdp",
            "b: reoffer answered sdp",
            "a: confirmed",
            "b: reoffered sdp",
            "a: reoffer answered sdp",
            "b: confirmed"
        ]
    );
    world.command(0, end(caller));
    world.settle(LONG_MS);
}

#[test]
fn a_lost_dialog_is_noticed_by_the_next_request() {
    let mut world = World::new(2, Transport::Tcp, 11);
    let (caller, _) = established(&mut world);
    // A carrier that is still one of ours would be called where it is (`trunk_calls`).
    world.command(1, Command::SetTrunks(Vec::new()));
    world.break_connections();
    assert_eq!(world.run(1_000), Vec::<String>::new(), "a closed connection alone ends no call");
    world.command(1, Command::Reoffer { invite: InviteId(1), sdp: sdp() });
    assert_eq!(world.run(1_000), ["b: ended ConnectionLost"]);
    world.command(0, end(caller));
    world.settle(LONG_MS);
}

#[test]
fn a_caller_whose_connection_breaks_before_an_answer_has_given_up() {
    let mut world = World::new(2, Transport::Tcp, 12);
    call(&mut world, 0, 1);
    until_invited(&mut world);
    world.break_connections();
    let mut seen = world.run(10);
    seen.sort();
    assert_eq!(seen, ["a: rejected 503 Network", "b: cancelled"]);
    world.settle(LONG_MS);
}

#[test]
fn an_offer_before_the_ack_waits_a_moment() {
    let mut world = World::new(2, Transport::Udp, 13);
    call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(1, Command::Answer { invite: callee, sdp: sdp() });
    world.command(1, Command::Reoffer { invite: callee, sdp: sdp() });
    world.command(1, Command::Reoffer { invite: callee, sdp: sdp() });
    let seen = world.run(300);
    assert_eq!(seen, ["b: reoffer rejected 491", "a: answered sdp", "b: confirmed", "a: reoffered sdp"]);
    world.command(1, end(callee));
    world.settle(LONG_MS);
}

#[test]
fn an_offer_that_waits_for_the_ack_goes_with_the_call() {
    let mut world = World::new(2, Transport::Udp, 24);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.faults.loss = 100;
    for command in [Command::Answer { invite: callee, sdp: sdp() }, Command::Reoffer { invite: callee, sdp: sdp() }, end(callee)]
    {
        world.command(1, command);
    }
    world.command(1, Command::Reoffer { invite: callee, sdp: sdp() });
    // Nothing is told of a call that was ended: neither that its offer has to wait, nor that it waited in vain.
    assert_eq!(world.run(30_000), Vec::<String>::new());
    assert!(!world.ladder.contains("b>a INVITE"), "{}", world.ladder);
    world.command(0, end(caller));
    world.settle(2 * LONG_MS);
}

#[test]
fn a_re_invite_whose_answer_was_lost_ends_with_its_dialog() {
    let mut world = World::new(2, Transport::Udp, 25);
    let (caller, callee) = established(&mut world);
    world.command(0, Command::Reoffer { invite: caller, sdp: sdp() });
    assert_eq!(world.run(20), ["b: reoffered sdp"]);
    world.faults.loss = 100;
    world.command(1, Command::AnswerReoffer { invite: callee, sdp: sdp() });
    world.faults.loss = 0;
    world.command(0, end(caller));
    world.settle(LONG_MS);
    assert!(world.ladder.contains("a>b CANCEL"), "{}", world.ladder);
}

#[test]
fn a_call_that_came_too_far_goes_no_further() {
    let mut world = World::new(2, Transport::Udp, 14);
    for (hops, expected) in [("0", "a: rejected 483 Us"), ("7", "b: invited 200 from 100 sdp")] {
        let invite = world.ends[0].next_invite();
        let target = Target::Trunk { name: "t1".into(), user: "200".to_owned() };
        let headers = vec![("Max-Forwards".to_owned(), hops.to_owned())];
        let wish = Invite {
            party: PartyIdentity::default(),
            invite,
            target,
            from_user: "100".to_owned(),
            from_display: String::new(),
            sdp: sdp(),
            headers,
            is_emergency: false,
            web_sdp: None,
        };
        world.command(0, Command::Invite(Box::new(wish)));
        world.run_with(20, &mut |_, end, event| {
            assert_eq!(super::world::in_words(end, &event), expected);
            if let Event::Invited(invited) = event {
                assert_eq!(invited.max_forwards, 7);
            }
        });
    }
}

#[test]
fn replies_other_than_to_invite_are_repeated_as_timer_e_and_g_say() {
    let mut world = World::new(2, Transport::Udp, 15);
    let (caller, _) = established(&mut world);
    world.faults.loss = 100;
    world.command(0, end(caller));
    world.run(40_000);
    let times: Vec<&str> = world.ladder.lines().map(|line| line[..6].trim()).collect();
    // T1 doubling up to T2, until 64 T1 are over.
    assert_eq!(times, ["40", "540", "1540", "3540", "7540", "11540", "15540", "19540", "23540", "27540", "31540"]);

    let mut world = World::new(2, Transport::Udp, 16);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.ladder.clear();
    world.faults.loss = 100;
    world.command(1, Command::Reject { invite: callee, code: 486, reason: String::new(), retry_after_s: None });
    world.run(40_000);
    let times: Vec<&str> = world.ladder.lines().map(|line| line[..6].trim()).collect();
    assert_eq!(times, ["20", "520", "1520", "3520", "7520", "11520", "15520", "19520", "23520", "27520", "31520"]);
    world.command(0, end(caller));
    world.settle(2 * LONG_MS);
}
