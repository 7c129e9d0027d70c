//! Session timers (RFC 4028) in both roles: asked for, agreed, refreshed, and run out.

use super::{
    calls::{LONG_MS, end, established, sdp},
    desk::Desk,
    far::{ALLOW, Far, OURS, THEIRS, desk},
    world::World,
};
use crate::{
    endpoint::{Command, InviteId},
    flow::Transport,
    message::{Message, Name},
};

const TIMER: (Name, &str) = (Name::Supported, "timer");
const WE_REFRESH: (Name, &str) = (Name::SessionExpires, "600;refresher=uac");
const THEY_REFRESH: (Name, &str) = (Name::SessionExpires, "600;refresher=uas");

fn expires(message: &Message) -> Option<&str> {
    message.header(Name::SessionExpires)
}

/// What is sent at half of the interval.
fn refresh(desk: &mut Desk) -> Message {
    let ms = desk.until_sent(300_000);
    assert_eq!(ms, 300_000);
    desk.next()
}

#[test]
fn a_call_that_lasts_is_refreshed_and_nobody_hears_of_it() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(2, transport, 51);
        let (caller, _) = established(&mut world);
        assert_eq!(world.run(4 * 900_000 + 1_000), Vec::<String>::new());
        assert_eq!(world.ladder.matches("a>b UPDATE").count(), 4, "{}", world.ladder);
        assert!(world.ladder.starts_with("900021 a>b UPDATE\n900022 b>a 200 UPDATE\n"), "{}", world.ladder);
        world.command(0, end(caller));
        world.settle(LONG_MS);
    }
}

#[test]
fn a_call_whose_other_end_is_gone_ends_on_both_sides() {
    let mut world = World::new(2, Transport::Udp, 52);
    established(&mut world);
    world.faults.loss = 100;
    assert_eq!(world.run(900_000), Vec::<String>::new());
    // The refresher gets no reply; the other no refresh: 1800 s less 32 s.
    assert_eq!(world.run(33_000), ["a: ended Timeout"]);
    assert_eq!(world.run(834_000), Vec::<String>::new());
    assert_eq!(world.run(2_000), ["b: ended Timeout"]);
    world.settle(LONG_MS);
}

#[test]
fn we_ask_for_it_unless_told_not_to() {
    for (expires_s, min_s, asked, least) in
        [(1_800, 90, Some("1800"), None), (600, 300, Some("600"), Some("300")), (60, 10, Some("90"), None), (0, 90, None, None)]
    {
        let mut desk = desk(|config| (config.session.expires_s, config.session.min_s) = (expires_s, min_s));
        let (far, _) = Far::called(&mut desk);
        assert!(far.invite().lists(Name::Supported, "timer"));
        assert_eq!((expires(far.invite()), far.invite().header(Name::MinSe)), (asked, least));
    }
}

#[test]
fn we_answer_what_they_ask_for() {
    for (headers, said, required) in [
        (vec![TIMER, (Name::SessionExpires, "600")], Some("600;refresher=uac"), true),
        (vec![TIMER, (Name::SessionExpires, "600;refresher=uas")], Some("600;refresher=uas"), false),
        (vec![(Name::SessionExpires, "600")], Some("600;refresher=uas"), false),
        (vec![TIMER], Some("1800;refresher=uac"), true),
        (vec![], None, false),
    ] {
        let mut desk = desk(|_| {});
        let (_, _, answer) = Far::talking(&mut desk, &headers);
        assert_eq!((expires(&answer), answer.lists(Name::Require, "timer")), (said, required), "{headers:?}");
        assert!(answer.lists(Name::Supported, "timer"));
    }
}

#[test]
fn too_short_a_session_is_refused_with_what_we_take() {
    let mut desk = desk(|config| config.session.min_s = 120);
    let (mut far, _, _) = Far::talking(&mut desk, &[TIMER]);
    for method in ["INVITE", "UPDATE"] {
        far.send(&mut desk, method, &[TIMER, (Name::SessionExpires, "119")], "");
        let refusal = desk.final_reply();
        assert_eq!((refusal.code(), refusal.header(Name::MinSe)), (Some(422), Some("120")), "{method}");
        far.ack(&mut desk, "");
    }
    assert_eq!(desk.words(), Vec::<String>::new());
    far.send(&mut desk, "UPDATE", &[TIMER, (Name::SessionExpires, "120;refresher=uac")], "");
    let accepted = desk.next();
    assert_eq!((accepted.code(), expires(&accepted)), (Some(200), Some("120;refresher=uac")));

    let mut desk = self::desk(|_| {});
    let (mut other, _) = Far::calls(&mut desk, &[], "");
    other.cseq = 50;
    other.other = "<sip:2@127.0.0.1>".to_owned();
    other.send(&mut desk, "INVITE", &[TIMER, (Name::SessionExpires, "89")], THEIRS);
    let refusal = desk.next();
    assert_eq!((refusal.code(), refusal.header(Name::MinSe)), (Some(422), Some("90")));
    assert!(desk.events.is_empty(), "nobody hears of it");
}

#[test]
fn a_422_is_answered_with_a_longer_session() {
    let mut desk = desk(|_| {});
    let (far, _) = Far::called(&mut desk);
    let first = far.invite().clone();
    far.reply(&mut desk, &first, 422, &[(Name::MinSe, "3600")], "");
    assert_eq!(desk.next().method(), "ACK");
    let second = desk.next();
    assert_eq!((expires(&second), second.header(Name::MinSe)), (Some("3600"), Some("3600")));
    assert_eq!((second.cseq().unwrap().number, second.call_id().unwrap()), (2, first.call_id().unwrap()));
    assert_eq!((second.from().unwrap().tag(), second.body()), (first.from().unwrap().tag(), OURS.as_bytes()));
    far.reply(&mut desk, &second, 200, &[ALLOW, (Name::SessionExpires, "3600;refresher=uac")], THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["answered sdp".to_owned()]));
    assert_eq!(desk.until_sent(1_800_000), 1_800_000);
    let refresh = desk.next();
    assert_eq!(refresh.header(Name::MinSe), Some("3600"), "what they told is told again (section 7.4)");
    for wrong in ["60", "1800", "86401", "x", ""] {
        let mut desk = self::desk(|_| {});
        let (far, _) = Far::called(&mut desk);
        let headers = if wrong.is_empty() { vec![] } else { vec![(Name::MinSe, wrong)] };
        far.reply(&mut desk, &far.invite().clone(), 422, &headers, "");
        assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["rejected 422 Peer".to_owned()]), "{wrong}");
    }
    let mut desk = self::desk(|_| {});
    let (far, _) = Far::called(&mut desk);
    let mut request = far.invite().clone();
    for more in 1..10 {
        far.reply(&mut desk, &request, 422, &[(Name::MinSe, &(1_800 + more).to_string())], "");
        desk.next();
        match desk.sent.pop_front() {
            Some((_, next)) => request = next,
            None => return assert_eq!((more, desk.words()), (5, vec!["rejected 422 Peer".to_owned()])),
        }
    }
    panic!("tried for ever");
}

#[test]
fn who_does_not_refresh_waits_and_then_hangs_up() {
    let mut desk = desk(|_| {});
    let (mut far, _) = Far::answered(&mut desk, &[ALLOW, THEY_REFRESH]);
    for (method, offer) in [("UPDATE", ""), ("INVITE", THEIRS)] {
        desk.pass(500_000);
        far.send(&mut desk, method, &[TIMER, (Name::SessionExpires, "600;refresher=uac")], offer);
        if method == "INVITE" {
            assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered sdp".to_owned()]));
            desk.command(Command::AnswerReoffer { invite: InviteId(1), sdp: sdp() });
        }
        let answer = desk.next();
        assert_eq!((answer.code(), expires(&answer)), (Some(200), Some("600;refresher=uac")), "{method}");
    }
    far.ack(&mut desk, "");
    desk.words();
    desk.pass(567_999);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]));
    desk.pass(1);
    assert_eq!((desk.lines(), desk.words()), (vec!["BYE".to_owned()], vec!["ended Timeout".to_owned()]));
}

#[test]
fn no_timer_is_agreed_and_none_runs() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::answered(&mut desk, &[ALLOW]);
    desk.pass(10_000_000);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]));
    // And one that was agreed ends with a 2xx that says nothing of it.
    far.send(&mut desk, "UPDATE", &[TIMER, (Name::SessionExpires, "600;refresher=uac")], "");
    assert_eq!(desk.code(), 200);
    desk.command(Command::Reoffer { invite, sdp: sdp() });
    let ours = desk.next();
    assert_eq!(expires(&ours), Some("600;refresher=uas"), "it stays theirs");
    far.reply(&mut desk, &ours, 200, &[ALLOW], THEIRS);
    assert_eq!(desk.lines(), ["ACK"]);
    desk.words();
    desk.pass(10_000_000);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]));
}

#[test]
fn without_update_the_last_description_is_offered_again() {
    let mut desk = desk(|_| {});
    let (far, _) = Far::answered(&mut desk, &[(Name::Allow, "INVITE, ACK, BYE"), WE_REFRESH]);
    for (answer, told) in [(THEIRS.to_owned(), vec![]), (THEIRS.replace("7 7", "7 8"), vec!["reoffer answered sdp".to_owned()])] {
        let request = refresh(&mut desk);
        assert_eq!((request.method(), request.body(), expires(&request)), ("INVITE", OURS.as_bytes(), Some("600;refresher=uac")));
        far.reply(&mut desk, &request, 200, &[WE_REFRESH], &answer);
        assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], told), "only what is new is told");
    }
    // It gives way to theirs, and to the program's own offer.
    let request = refresh(&mut desk);
    far.reply(&mut desk, &request, 491, &[], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec![]));
    let ms = desk.until_sent(4_000);
    assert!((2_100..=4_000).contains(&ms));
    let request = desk.next();
    far.reply(&mut desk, &request, 500, &[], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec![]), "refused: they are there all the same");
    let request = refresh(&mut desk);
    desk.command(Command::Reoffer { invite: InviteId(1), sdp: sdp() });
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]), "it waits for the refresh");
    far.reply(&mut desk, &request, 200, &[WE_REFRESH], THEIRS);
    assert_eq!(desk.lines(), ["ACK"]);
    assert_eq!(desk.until_sent(1_000), 250);
}

#[test]
fn what_becomes_of_a_refresh_that_fails() {
    let mut desk = desk(|_| {});
    let (far, _) = Far::answered(&mut desk, &[ALLOW, WE_REFRESH]);
    let update = refresh(&mut desk);
    assert_eq!((update.method(), update.body().len(), expires(&update)), ("UPDATE", 0, Some("600;refresher=uac")));
    far.reply(&mut desk, &update, 500, &[(Name::RetryAfter, "7")], "");
    assert_eq!(desk.until_sent(8_000), 7_000);
    let update = desk.next();
    far.reply(&mut desk, &update, 403, &[], "");
    let update = refresh(&mut desk);
    far.reply(&mut desk, &update, 422, &[(Name::MinSe, "900")], "");
    let longer = desk.next();
    assert_eq!((longer.method(), expires(&longer)), ("UPDATE", Some("900;refresher=uac")));
    far.reply(&mut desk, &longer, 200, &[(Name::SessionExpires, "900;refresher=uac"), (Name::Supported, "timer")], "");
    assert_eq!(desk.until_sent(450_000), 450_000);
    let update = desk.next();
    assert_eq!((update.cseq().unwrap().number, update.header(Name::MinSe)), (longer.cseq().unwrap().number + 1, Some("900")));
    // They said that they know UPDATE, and do not.
    far.reply(&mut desk, &update, 501, &[], "");
    assert_eq!(desk.until_sent(10), 0);
    let invite = desk.next();
    assert_eq!((invite.method(), invite.body()), ("INVITE", OURS.as_bytes()));
    far.reply(&mut desk, &invite, 481, &[], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned(), "BYE".to_owned()], vec!["ended Timeout".to_owned()]));
}

#[test]
fn the_called_side_refreshes_when_it_is_asked_to() {
    let mut desk = desk(|_| {});
    let (far, _, _) = Far::talking(&mut desk, &[TIMER, ALLOW, THEY_REFRESH]);
    let update = refresh(&mut desk);
    assert_eq!((update.method(), expires(&update)), ("UPDATE", Some("600;refresher=uac")));
    far.reply(&mut desk, &update, 200, &[THEY_REFRESH], "");
    // The roles are changed by whoever answers.
    desk.pass(567_999);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]));
    desk.pass(1);
    assert_eq!((desk.lines(), desk.words()), (vec!["BYE".to_owned()], vec!["ended Timeout".to_owned()]));
}

#[test]
fn timers_of_calls_that_are_over_do_not_pile_up() {
    let mut world = World::new(2, Transport::Udp, 53);
    for _ in 0..20 {
        let (caller, _) = established(&mut world);
        world.run(2_000);
        world.command(0, end(caller));
        world.settle(LONG_MS);
    }
    world.run(60_000);
    assert!(world.ends.iter().all(|end| end.counts().timers == 0), "{:?}", world.ends[0].counts());
}
