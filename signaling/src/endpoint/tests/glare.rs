//! Offers that meet (RFC 3261 sections 14.1 and 14.2, RFC 6337): who refuses, who waits how long, and what
//! a failure does to the call.

use std::collections::BTreeSet;

use super::{
    calls::sdp,
    desk::Desk,
    far::{ALLOW, Far, OURS, THEIRS, desk},
};
use crate::{
    endpoint::{Command, InviteId},
    message::{Message, Name},
};

fn reoffer(desk: &mut Desk, invite: InviteId) -> Message {
    desk.command(Command::Reoffer { invite, sdp: sdp() });
    desk.next()
}

/// Refuses our re-INVITEs again and again; how long we waited each time, in ms.
fn waits(desk: &mut Desk, far: &Far, invite: InviteId) -> Vec<u64> {
    let mut waits = Vec::new();
    let mut request = reoffer(desk, invite);
    loop {
        far.reply(desk, &request, 491, &[], "");
        assert_eq!(desk.next().method(), "ACK");
        if !desk.events.is_empty() {
            assert_eq!(desk.words(), ["reoffer rejected 491"]);
            return waits;
        }
        waits.push(desk.until_sent(4_000));
        let again = desk.next();
        assert_eq!((again.method(), again.body()), ("INVITE", OURS.as_bytes()));
        assert_eq!(again.cseq().unwrap().number, request.cseq().unwrap().number + 1);
        request = again;
    }
}

#[test]
fn whoever_chose_the_call_id_waits_longer() {
    for ours in [true, false] {
        let mut desk = desk(|config| config.session.expires_s = 0);
        let (far, invite) = if ours {
            Far::answered(&mut desk, &[ALLOW])
        } else {
            let (far, invite, _) = Far::talking(&mut desk, &[]);
            (far, invite)
        };
        let mut seen = BTreeSet::new();
        for _ in 0..60 {
            let waits = waits(&mut desk, &far, invite);
            assert_eq!(waits.len(), 3, "tried again a bounded number of times");
            seen.extend(waits);
        }
        let window = if ours { 2_100..=4_000 } else { 0..=2_000 };
        assert!(seen.iter().all(|ms| window.contains(ms) && ms % 10 == 0), "{seen:?}");
        assert!(seen.len() > 60 && seen.last().unwrap() - seen.first().unwrap() > 1_700, "by chance: {seen:?}");
    }
}

#[test]
fn every_overlap_of_re_invites_is_refused() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::answered(&mut desk, &[ALLOW]);
    let ours = reoffer(&mut desk, invite);
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!(desk.final_reply().code(), Some(491), "ours is out");
    far.ack(&mut desk, "");
    far.send(&mut desk, "UPDATE", &[], THEIRS);
    assert_eq!(desk.code(), 491);
    far.send(&mut desk, "UPDATE", &[], "");
    assert_eq!(desk.code(), 200);
    far.reply(&mut desk, &ours, 200, &[ALLOW], THEIRS);
    assert_eq!(desk.lines(), ["ACK"]);
    desk.words();
    for offer in [THEIRS, ""] {
        far.send(&mut desk, "INVITE", &[], offer);
        let first = far.cseq;
        assert_eq!((desk.code(), desk.words().len()), (100, 1));
        for method in ["INVITE", "UPDATE"] {
            far.send(&mut desk, method, &[], THEIRS);
            let refusal = desk.final_reply();
            assert_eq!((refusal.code(), refusal.has(Name::RetryAfter)), (Some(500), true), "theirs waits: {method}");
            if method == "INVITE" {
                far.ack(&mut desk, "");
            }
        }
        desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
        assert_eq!(desk.lines(), ["200 sdp"]);
        far.send(&mut desk, "INVITE", &[], THEIRS);
        assert_eq!(desk.final_reply().code(), Some(491), "our 2xx awaits its ACK");
        far.ack(&mut desk, "");
        let last = std::mem::replace(&mut far.cseq, first);
        far.ack(&mut desk, if offer.is_empty() { THEIRS } else { "" });
        far.cseq = last;
        assert_eq!(desk.words().len(), 1);
    }
}

#[test]
fn a_500_says_itself_when_to_try_again() {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::answered(&mut desk, &[ALLOW]);
    for (after, waits) in [(Some("3"), true), (Some("0"), true), (Some("11"), false), (None, false)] {
        let request = reoffer(&mut desk, invite);
        let headers: Vec<(Name, &str)> = after.map(|after| (Name::RetryAfter, after)).into_iter().collect();
        far.reply(&mut desk, &request, 500, &headers, "");
        assert_eq!(desk.next().method(), "ACK");
        if waits {
            let ms = desk.until_sent(4_000);
            assert_eq!(ms, after.unwrap().parse::<u64>().unwrap() * 1_000);
            let again = desk.next();
            far.reply(&mut desk, &again, 200, &[ALLOW], THEIRS);
            assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["reoffer answered sdp".to_owned()]));
        } else {
            assert_eq!(desk.words(), ["reoffer rejected 500"]);
        }
    }
}

#[test]
fn most_failures_keep_the_call_and_some_end_it() {
    for code in [400, 403, 415, 480, 486, 487, 488, 503, 603] {
        let mut desk = desk(|_| {});
        let (far, invite) = Far::answered(&mut desk, &[ALLOW]);
        let request = reoffer(&mut desk, invite);
        far.reply(&mut desk, &request, code, &[], "");
        assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec![format!("reoffer rejected {code}")]));
        assert_eq!(desk.endpoint.counts().dialogs, 1);
    }
    for code in [408, 481] {
        let mut desk = desk(|_| {});
        let (far, invite) = Far::answered(&mut desk, &[ALLOW]);
        let request = reoffer(&mut desk, invite);
        far.reply(&mut desk, &request, code, &[], "");
        assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned(), "BYE".to_owned()], vec!["ended Timeout".to_owned()]));
        assert_eq!(desk.endpoint.counts().dialogs, 0);
    }
}

#[test]
fn a_2xx_without_the_answer_it_owes_leaves_the_media_as_they_were() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::answered(&mut desk, &[ALLOW]);
    let request = reoffer(&mut desk, invite);
    far.reply(&mut desk, &request, 200, &[ALLOW], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["reoffer answered".to_owned()]));
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered sdp".to_owned()]));
}

#[test]
fn a_re_invite_that_is_cancelled_or_refused_leaves_the_call_as_it_was() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::answered(&mut desk, &[ALLOW]);
    far.send(&mut desk, "INVITE", &[], "");
    assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered".to_owned()]));
    desk.command(Command::RejectReoffer { invite, code: 488 });
    assert_eq!(desk.code(), 488);
    far.ack(&mut desk, "");
    far.send(&mut desk, "INVITE", &[], THEIRS);
    assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered sdp".to_owned()]));
    desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
    assert_eq!(desk.lines(), ["200 sdp"]);
}
