//! Calls that outlive the process: kept, the endpoint dropped, restored in a new one. Here what goes on in a dialog
//! after that; session timers are in `restart_sessions`,
//! ways and unanswered legs in `restart_ways`, nonsense in `restart_damage`.

use std::time::Duration;

use super::{
    calls::{end, sdp},
    desk::Desk,
    far::{ALLOW, Far, OURS, THEIRS, desk, with_carrier},
    transfers::{Talker, notified},
    world::trunk,
};
use crate::{
    endpoint::{Command, Invite, InviteId, KeptLeg, Moment, PartyIdentity, Restored, Target, Trunk},
    flow::Transport,
    message::{Message, Name},
};

/// The wall clock of the tests at the beginning.
const UNIX_MS: u64 = 1_790_000_000_000;

pub(super) const WE_REFRESH: (Name, &str) = (Name::SessionExpires, "600;refresher=uac");

impl Desk {
    /// The present on both clocks.
    pub(super) fn moment(&self) -> Moment {
        let passed = self.now.saturating_duration_since(self.start);
        Moment { instant: self.now, unix_ms: UNIX_MS + u64::try_from(passed.as_millis()).unwrap() }
    }

    pub(super) fn kept(&mut self, invite: InviteId) -> KeptLeg {
        let moment = self.moment();
        self.endpoint.keep(moment, invite).expect("there is such a leg")
    }

    /// The process is killed; after so long another one begins with what was kept, as it was written down.
    pub(super) fn killed(self, down_ms: u64, kept: &KeptLeg) -> (Self, Restored) {
        let (start, now) = (self.start, self.now + Duration::from_millis(down_ms));
        let mut next = with_carrier(Self::begun(super::world::config(0), start, now));
        let written = serde_json::to_string(kept).unwrap();
        assert!(written.len() < 2_048, "{} bytes", written.len());
        let restored = next.restore(&serde_json::from_str(&written).unwrap());
        (next, restored)
    }

    pub(super) fn restore(&mut self, kept: &KeptLeg) -> Restored {
        let moment = self.moment();
        let restored = self.endpoint.restore(moment, kept).expect("what was kept can be restored");
        self.drain();
        restored
    }

    /// Killed, and up again after a second: the new name of the leg.
    pub(super) fn survived(self, invite: InviteId) -> (Self, InviteId) {
        self.survived_after(1_000, invite)
    }

    pub(super) fn survived_after(mut self, down_ms: u64, invite: InviteId) -> (Self, InviteId) {
        let kept = self.kept(invite);
        let (next, restored) = self.killed(down_ms, &kept);
        let Restored::Up { invite, needs_offer: false } = restored else { panic!("{restored:?}") };
        (next, invite)
    }

    pub(super) fn nothing_is_left(&mut self) {
        self.pass(40_000);
        let counts = self.endpoint.counts();
        let left = [counts.client_transactions, counts.server_transactions, counts.dialogs, counts.invites, counts.referrals];
        assert_eq!(left, [0; 5]);
    }
}

pub(super) fn cseq(message: &Message) -> u32 {
    message.cseq().unwrap().number
}

/// A call of ours and one of theirs, both with a session timer that is ours, each killed and restored.
fn both(more: &[(Name, &str)], go_on: impl Fn(Desk, Far, InviteId, bool)) {
    let mut caller = desk(|_| {});
    let (far, invite) = Far::answered(&mut caller, more);
    let (caller, invite) = caller.survived(invite);
    go_on(caller, far, invite, true);
    let mut called = desk(|_| {});
    let (far, invite, _) = Far::talking(&mut called, more);
    let (called, invite) = called.survived(invite);
    go_on(called, far, invite, false);
}

#[test]
fn a_restored_call_is_hung_up_by_us_with_a_higher_number() {
    both(&[ALLOW], |mut desk, far, invite, is_caller| {
        desk.command(end(invite));
        let bye = desk.next();
        assert_eq!((bye.method(), cseq(&bye)), ("BYE", if is_caller { 66 } else { 65 }));
        assert_eq!(bye.request_uri(), "sip:far@192.0.2.50:5060");
        far.reply(&mut desk, &bye, 200, &[], "");
        desk.nothing_is_left();
    });
}

#[test]
fn a_restored_call_is_hung_up_by_them_and_an_older_number_is_refused() {
    both(&[ALLOW], |mut desk, mut far, _, is_caller| {
        if !is_caller {
            far.send(&mut desk, "OPTIONS", &[], "");
            assert_eq!(desk.code(), 200);
            far.cseq -= 2;
            far.send(&mut desk, "OPTIONS", &[], "");
            assert_eq!(desk.code(), 500, "the number of the INVITE");
            far.cseq += 1;
        }
        far.send(&mut desk, "BYE", &[], "");
        assert_eq!(desk.code(), 200);
        assert_eq!(desk.words(), ["ended Bye { cause: None }"]);
        far.send(&mut desk, "BYE", &[], "");
        assert_eq!(desk.code(), 481);
        desk.nothing_is_left();
    });
}

#[test]
fn they_hold_and_resume_a_restored_call_and_ask_what_they_like() {
    both(&[ALLOW], |mut desk, mut far, invite, _| {
        for direction in ["sendonly", "sendrecv"] {
            far.send(&mut desk, "INVITE", &[], &format!("{THEIRS}a={direction}\r\n"));
            assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered sdp".to_owned()]));
            desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
            let answer = desk.next();
            assert_eq!((answer.code(), answer.body()), (Some(200), OURS.as_bytes()));
            assert!(answer.header(Name::To).unwrap().ends_with(far.other.split(";tag=").nth(1).unwrap()), "our tag stays");
            far.ack(&mut desk, "");
            assert_eq!(desk.words(), ["confirmed"]);
        }
        let digit = [(Name::ContentType, "application/dtmf-relay")];
        for (method, more, code) in
            [("OPTIONS", &[][..], 200), ("UPDATE", &[], 200), ("INFO", &digit, 200), ("REFER", &[], 403), ("NOTIFY", &[], 481)]
        {
            far.send(&mut desk, method, more, "");
            assert_eq!(desk.final_reply().code(), Some(code), "{method}");
        }
        far.send(&mut desk, "BYE", &[], "");
        desk.sent.clear();
        desk.nothing_is_left();
    });
}

#[test]
fn we_hold_and_resume_a_restored_call() {
    both(&[ALLOW], |mut desk, far, invite, is_caller| {
        let mut expected = if is_caller { 66 } else { 65 };
        for version in ["2", "3"] {
            let ours = OURS.replace("o=- 1 1", &format!("o=- 1 {version}"));
            desk.command(Command::Reoffer { invite, sdp: ours.clone().into() });
            let request = desk.next();
            assert_eq!((request.method(), cseq(&request), request.body()), ("INVITE", expected, ours.as_bytes()));
            far.reply(&mut desk, &request, 200, &[], THEIRS);
            assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["reoffer answered sdp".to_owned()]));
            expected += 1;
        }
        desk.command(end(invite));
        let bye = desk.next();
        assert_eq!(cseq(&bye), expected);
        far.reply(&mut desk, &bye, 200, &[], "");
        desk.nothing_is_left();
    });
}

#[test]
fn whoever_chose_the_call_id_still_waits_longer_after_a_glare() {
    both(&[ALLOW], |mut desk, far, invite, is_caller| {
        desk.command(Command::Reoffer { invite, sdp: sdp() });
        let request = desk.next();
        far.reply(&mut desk, &request, 491, &[], "");
        assert_eq!(desk.lines(), ["ACK"]);
        let window = if is_caller { 2_100..=4_000 } else { 0..=2_000 };
        assert!(window.contains(&desk.until_sent(4_000)));
    });
}

#[test]
fn what_is_kept_again_is_what_was_kept_but_for_the_jump() {
    for is_caller in [true, false] {
        let mut desk = desk(|_| {});
        let route = (Name::RecordRoute, "<sip:192.0.2.50;lr>");
        let more = [ALLOW, WE_REFRESH, (Name::Supported, "timer"), route];
        let invite = if is_caller { Far::answered(&mut desk, &more).1 } else { Far::talking(&mut desk, &more).1 };
        let before = desk.kept(invite);
        let mut expected: serde_json::Value = serde_json::to_value(&before).unwrap();
        let (mut desk, restored) = desk.killed(5_000, &before);
        let Restored::Up { invite, needs_offer: false } = restored else { panic!("{restored:?}") };
        expected["local_cseq"] = (expected["local_cseq"].as_u64().unwrap() + 64).into();
        let after = desk.kept(invite);
        assert_eq!(serde_json::to_value(&after).unwrap(), expected);
        assert!(expected["session"]["due_unix_ms"].is_u64() && expected["routes"].is_array());
        let kept = format!("{before:?}");
        assert!(!kept.contains("192.0.2.50") && !kept.contains("sip:"), "nothing of it gets into logs: {kept}");
    }
}

#[test]
fn an_answer_of_theirs_that_comes_again_is_acknowledged_again_for_a_while() {
    both(&[ALLOW], |mut desk, far, invite, _| {
        desk.command(Command::Reoffer { invite, sdp: sdp() });
        let request = desk.next();
        let (mut desk, restored) = {
            let kept = desk.kept(invite);
            desk.killed(1_000, &kept)
        };
        let Restored::Up { needs_offer: true, .. } = restored else { panic!("an offer was under way: {restored:?}") };
        for _ in 0..3 {
            far.reply(&mut desk, &request, 200, &[], THEIRS);
            let ack = desk.next();
            assert_eq!((ack.method(), cseq(&ack), desk.words()), ("ACK", cseq(&request), vec![]));
            desk.pass(4_000);
        }
        far.reply(&mut desk, &request, 180, &[], "");
        far.reply(&mut desk, &request, 486, &[], "");
        desk.pass(30_000);
        far.reply(&mut desk, &request, 200, &[], THEIRS);
        assert_eq!(desk.lines(), Vec::<String>::new(), "not for ever");
    });
}

#[test]
fn another_fork_that_answers_after_the_restart_is_acknowledged_and_hung_up() {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::answered(&mut desk, &[ALLOW]);
    let (mut desk, _) = desk.survived(invite);
    let other = Far::at(far.invite(), "y");
    other.reply(&mut desk, &far.invite().clone(), 200, &[], THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned(), "BYE".to_owned()], vec![]));
}

#[test]
fn a_late_ack_means_nothing_and_an_answer_without_one_is_repeated() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[ALLOW], THEIRS);
    desk.command(Command::Answer { invite, sdp: sdp() });
    let answer = far.hear(&mut desk, 200);
    let (mut desk, invite) = desk.survived(invite);
    let again = desk.next();
    assert_eq!(again.bytes(), answer.bytes(), "byte for byte");
    assert_eq!(desk.until_sent(1_000), 1_000);
    desk.sent.clear();
    far.ack(&mut desk, "");
    assert_eq!(desk.words(), ["confirmed"]);
    far.ack(&mut desk, "");
    desk.pass(40_000);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]));
    let (mut desk, _) = desk.survived(invite);
    far.ack(&mut desk, "");
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]), "late");
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_the_restored_call() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[ALLOW], THEIRS);
    desk.command(Command::Answer { invite, sdp: sdp() });
    far.hear(&mut desk, 200);
    let (mut desk, _) = desk.survived(invite);
    desk.pass(31_999);
    assert_eq!(desk.words(), Vec::<String>::new());
    desk.sent.clear();
    desk.pass(1);
    assert_eq!((desk.lines(), desk.words()), (vec!["BYE".to_owned()], vec!["ended Timeout".to_owned()]));
}

#[test]
fn our_offer_in_an_answer_is_answered_after_the_restart() {
    for (theirs, told) in [(THEIRS, "confirmed sdp"), ("", "ended NoAnswer")] {
        let mut desk = desk(|_| {});
        let (mut far, invite) = Far::calls(&mut desk, &[ALLOW], "");
        desk.command(Command::Answer { invite, sdp: sdp() });
        far.hear(&mut desk, 200);
        let (mut desk, _) = desk.survived(invite);
        far.ack(&mut desk, theirs);
        assert_eq!(desk.words(), [told]);
    }
}

#[test]
fn a_phone_has_a_restored_call_transferred_and_hears_of_one_that_was_forgotten() {
    let mut desk = Desk::new();
    let mut talker = Talker::new(&mut desk, "alice", "secret", 7);
    let (mut desk, invite) = desk.survived(talker.invite);
    let to = [("Refer-To", "<sip:1001@tandem.test>")];
    assert_eq!(talker.refer(&mut desk, &to).code(), Some(202));
    assert_eq!(desk.words(), ["transferred to 1001"]);
    let (notify, words) = notified(&mut desk);
    assert_eq!(words, "refer active;expires=180 SIP/2.0 100 Trying");
    talker.reply(&mut desk, &notify, 200);
    // Before it is decided the process is killed again.
    let (mut desk, invite) = desk.survived(invite);
    let (notify, words) = notified(&mut desk);
    assert_eq!(words, "refer terminated;reason=noresource SIP/2.0 503 Service Unavailable");
    assert!(cseq(&notify) > 64);
    talker.reply(&mut desk, &notify, 200);
    // The next has a name of its own.
    talker.refer(&mut desk, &to);
    desk.words();
    assert!(notified(&mut desk).1.starts_with("refer;id="));
    desk.command(end(invite));
}

#[test]
fn only_what_changed_is_to_be_kept_anew() {
    let mut desk = desk(|_| {});
    let changed = |desk: &mut Desk| -> Vec<u64> { std::iter::from_fn(|| desk.endpoint.next_changed()).map(|it| it.0).collect() };
    let (mut far, invite) = Far::answered(&mut desk, &[ALLOW, WE_REFRESH]);
    assert_eq!(changed(&mut desk), [invite.0]);
    assert_eq!(changed(&mut desk), Vec::<u64>::new(), "told once");
    far.send(&mut desk, "OPTIONS", &[], "");
    assert_eq!(changed(&mut desk), [invite.0], "their number");
    desk.kept(invite);
    assert_eq!(changed(&mut desk), Vec::<u64>::new());
    desk.pass(200_000);
    assert_eq!(changed(&mut desk), Vec::<u64>::new(), "it was looked at now and then, and did not change");
    desk.pass(100_000);
    assert_eq!(changed(&mut desk), [invite.0], "a refresh is out");
    desk.kept(invite);
    let update = desk.sent.pop_back().unwrap().1;
    far.reply(&mut desk, &update, 200, &[WE_REFRESH], "");
    assert_eq!(changed(&mut desk), [invite.0]);
    let (mut desk, invite) = desk.survived(invite);
    assert_eq!(changed(&mut desk), [invite.0], "its numbers have jumped");
    desk.kept(invite);
    far.send(&mut desk, "BYE", &[], "");
    assert_eq!(changed(&mut desk), Vec::<u64>::new(), "it is over");
    let moment = desk.moment();
    assert_eq!(desk.endpoint.keep(moment, invite), None);
}

#[test]
fn a_restored_call_counts_among_those_of_its_trunk() {
    let one_call = |desk: &mut Desk| {
        let carrier = trunk("carrier", "192.0.2.50:5060".parse().unwrap(), Transport::Udp);
        desk.command(Command::SetTrunks(vec![Trunk { max_calls: 1, ..carrier }]));
        desk.words();
    };
    let mut desk = desk(|_| {});
    let (_, invite) = Far::answered(&mut desk, &[ALLOW]);
    let kept = desk.kept(invite);
    let (mut desk, _) = desk.killed(0, &kept);
    one_call(&mut desk);
    let wish = |desk: &mut Desk| {
        let invite = desk.endpoint.next_invite();
        let target = Target::Trunk { name: "carrier".into(), user: "1".to_owned() };
        let (from_user, from_display, party) = ("7".to_owned(), String::new(), PartyIdentity::default());
        let wish = Invite {
            invite,
            target,
            from_user,
            from_display,
            sdp: sdp(),
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
            party,
        };
        desk.command(Command::Invite(Box::new(wish)));
        desk.words()
    };
    assert_eq!(wish(&mut desk), ["rejected 503 Us"]);
    desk.command(end(InviteId(1)));
    assert_eq!(wish(&mut desk), Vec::<String>::new());
}
