//! UPDATE (RFC 3311) both ways, before and after the answer.

use super::{
    calls::{LONG_MS, call, end, sdp, until_invited},
    far::{ALLOW, Far, OURS, THEIRS, desk},
    world::World,
};
use crate::{
    endpoint::{Command, InviteId},
    flow::Transport,
    message::Name,
};

/// A call of ours with early media, agreed upon.
fn early(desk: &mut super::desk::Desk) -> (Far, InviteId) {
    let (far, invite) = Far::called(desk);
    far.progress(desk, 183, 1, THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec!["PRACK".to_owned()], vec!["progressed 183 sdp".to_owned()]));
    (far, invite)
}

const fn reoffer(invite: InviteId) -> Command {
    Command::Reoffer { invite, sdp: bytes::Bytes::from_static(OURS.as_bytes()) }
}

#[test]
fn early_media_is_changed_by_either_side() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(2, transport, 41);
        let caller = call(&mut world, 0, 1);
        let callee = until_invited(&mut world);
        world.command(1, Command::Progress { invite: callee, code: 183, sdp: Some(sdp()) });
        world.run(20);
        world.ladder.clear();
        for (from, to, invite, other) in [(0, 1, caller, callee), (1, 0, callee, caller)] {
            let name = ["a", "b"];
            world.command(from, reoffer(invite));
            assert_eq!(world.run(10), [format!("{}: reoffered sdp", name[to])]);
            world.command(to, Command::AnswerReoffer { invite: other, sdp: sdp() });
            assert_eq!(world.run(10), [format!("{}: reoffer answered sdp", name[from])]);
            world.command(from, reoffer(invite));
            world.run(10);
            world.command(to, Command::RejectReoffer { invite: other, code: 488 });
            assert_eq!(world.run(10), [format!("{}: reoffer rejected 488", name[from])]);
        }
        assert_eq!(world.ladder.matches(" UPDATE\n").count(), 8, "{}", world.ladder);
        world.command(1, Command::Answer { invite: callee, sdp: sdp() });
        assert_eq!(world.run(20), ["a: answered", "b: confirmed"]);
        world.command(0, end(caller));
        world.settle(LONG_MS);
    }
}

#[test]
fn nothing_is_offered_anew_before_the_first_answer_came_reliably() {
    let mut world = World::new(2, Transport::Udp, 42);
    let caller = call(&mut world, 0, 1);
    let callee = until_invited(&mut world);
    world.command(1, Command::Progress { invite: callee, code: 180, sdp: None });
    world.run(20);
    world.command(0, reoffer(caller));
    world.command(1, reoffer(callee));
    assert_eq!(world.run(20), ["a: reoffer rejected 491", "b: reoffer rejected 491"]);
    world.command(1, Command::Progress { invite: callee, code: 183, sdp: Some(sdp()) });
    world.command(1, reoffer(callee));
    let seen = world.run(20);
    assert!(seen.contains(&"b: reoffer rejected 491".to_owned()), "no PRACK yet: {seen:?}");
    world.command(0, end(caller));
    world.settle(LONG_MS);
}

#[test]
fn nobody_who_does_not_know_it_gets_one() {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::called(&mut desk);
    let reliable = [(Name::Require, "100rel"), (Name::RSeq, "1"), (Name::Allow, "INVITE, ACK, BYE")];
    far.reply(&mut desk, &far.invite().clone(), 183, &reliable, THEIRS);
    desk.words();
    desk.command(reoffer(invite));
    assert_eq!((desk.lines(), desk.words()), (vec!["PRACK".to_owned()], vec!["reoffer rejected 491".to_owned()]));
}

#[test]
fn theirs_are_refused_while_something_is_open() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = early(&mut desk);
    desk.command(reoffer(invite));
    let ours = desk.next();
    assert_eq!((ours.method(), ours.cseq().unwrap().number, ours.body()), ("UPDATE", 3, OURS.as_bytes()));
    far.send(&mut desk, "UPDATE", &[], THEIRS);
    assert_eq!(desk.code(), 491, "ours is open");
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!(desk.final_reply().code(), Some(491));
    far.ack(&mut desk, "");
    far.send(&mut desk, "UPDATE", &[], "");
    assert_eq!(desk.code(), 200, "without an offer it overlaps nothing");
    far.reply(&mut desk, &ours, 200, &[ALLOW], THEIRS);
    assert_eq!(desk.words(), ["reoffer answered sdp"]);
    far.send(&mut desk, "UPDATE", &[], THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec!["reoffered sdp".to_owned()]));
    far.send(&mut desk, "UPDATE", &[], THEIRS);
    let refusal = desk.next();
    let after: u32 = refusal.header(Name::RetryAfter).unwrap().parse().unwrap();
    assert!(refusal.code() == Some(500) && after <= 10, "theirs is open");
    desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["200 sdp"]);
}

#[test]
fn theirs_before_our_first_answer_has_to_wait() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[], THEIRS);
    desk.command(Command::Progress { invite, code: 180, sdp: None });
    far.hear(&mut desk, 180);
    for method in ["UPDATE", "INVITE"] {
        far.send(&mut desk, method, &[], THEIRS);
        let refusal = desk.final_reply();
        assert_eq!((refusal.code(), refusal.has(Name::RetryAfter)), (Some(500), true), "{method}");
    }
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn an_update_after_our_answer_need_not_wait_for_the_ack() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[], THEIRS);
    desk.command(Command::Answer { invite, sdp: sdp() });
    far.hear(&mut desk, 200);
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!(desk.final_reply().code(), Some(491), "a re-INVITE has to");
    far.send(&mut desk, "UPDATE", &[], THEIRS);
    assert_eq!(desk.words(), ["reoffered sdp"]);
    desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["200 sdp"]);
}

#[test]
fn our_answer_waits_for_an_update_of_ours() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[(Name::Supported, "100rel"), ALLOW], THEIRS);
    desk.command(Command::Progress { invite, code: 183, sdp: Some(sdp()) });
    let said = far.hear(&mut desk, 183);
    far.send(&mut desk, "PRACK", &[(Name::RAck, &format!("{} 1 INVITE", said.header(Name::RSeq).unwrap()))], "");
    assert_eq!(desk.code(), 200);
    desk.command(reoffer(invite));
    let update = desk.next();
    desk.command(Command::Answer { invite, sdp: sdp() });
    desk.command(reoffer(invite));
    assert_eq!((desk.lines(), desk.words()), (vec![], vec!["reoffer rejected 491".to_owned()]));
    far.reply(&mut desk, &update, 200, &[ALLOW], THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec!["200".to_owned()], vec!["reoffer answered sdp".to_owned()]));
}

#[test]
fn an_update_that_is_answered_after_the_call_is_up_counts_still() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = early(&mut desk);
    desk.command(reoffer(invite));
    let update = desk.next();
    far.reply(&mut desk, &far.invite().clone(), 200, &[ALLOW], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["answered".to_owned()]));
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!(desk.final_reply().code(), Some(491));
    far.ack(&mut desk, "");
    far.reply(&mut desk, &update, 200, &[ALLOW], THEIRS);
    assert_eq!(desk.words(), ["reoffer answered sdp"]);
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered sdp".to_owned()]));
}

#[test]
fn an_update_in_a_dialog_that_lost_is_told_of_before_the_answer() {
    let mut desk = desk(|_| {});
    let (far, invite) = early(&mut desk);
    let other = Far::at(far.invite(), "y");
    desk.command(reoffer(invite));
    let update = desk.next();
    other.reply(&mut desk, &far.invite().clone(), 200, &[ALLOW], THEIRS);
    assert_eq!(desk.words(), ["reoffer rejected 487", "answered sdp"]);
    far.reply(&mut desk, &update, 200, &[ALLOW], THEIRS);
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn an_early_update_that_fails_leaves_the_call_ringing() {
    let mut desk = desk(|_| {});
    let (far, invite) = early(&mut desk);
    for code in [481, 488, 500] {
        desk.command(reoffer(invite));
        let update = desk.next();
        far.reply(&mut desk, &update, code, &[], "");
        assert_eq!((desk.lines(), desk.words()), (vec![], vec![format!("reoffer rejected {code}")]));
    }
    desk.command(reoffer(invite));
    desk.next();
    desk.pass(33_000);
    assert_eq!(desk.words(), ["reoffer rejected 408"]);
}
