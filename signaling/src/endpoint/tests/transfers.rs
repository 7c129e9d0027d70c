//! REFER and Replaces, as a phone on the desk sends them: who may, what is refused, and what is said of how it goes.

use bytes::Bytes;

use super::{
    desk::{Desk, Phone},
    world::{SDP, account, address, trunk},
};
use crate::{
    endpoint::{Account, Command, Event, Input, InviteId, Rights, TransferTo},
    flow::{Flow, Transport},
    message::{Message, Method, Name, RequestBuilder, ResponseBuilder},
};

const OURS: &str = "sip:127.0.0.1:5060";

/// A phone in an answered call, with what its requests in the dialog are made from.
pub(super) struct Talker {
    pub(super) phone: Phone,
    pub(super) invite: InviteId,
    to: String,
}

/// Headers beside those that every request has.
pub(super) type More<'a> = &'a [(&'a str, &'a str)];

impl Talker {
    pub(super) fn new(desk: &mut Desk, user: &'static str, password: &'static str, number: u8) -> Self {
        let mut phone = Phone::new(user, password, &format!("192.0.2.{number}:5060"));
        let contact = phone.contact.clone();
        let trying = desk.proved(&mut phone, "INVITE", "sip:1800@tandem.test", &[(Name::Contact, &contact)]);
        assert_eq!(trying.code(), Some(100));
        let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
        desk.command(Command::Answer { invite: invited.invite, sdp: Bytes::from_static(SDP.as_bytes()) });
        let to = desk.next().header(Name::To).unwrap().to_owned();
        let mut talker = Self { phone, invite: invited.invite, to };
        let ack = talker.request("ACK", &[]);
        desk.receive(talker.phone.flow, ack);
        assert_eq!(desk.words(), ["confirmed sdp"]);
        talker
    }

    /// A request in the dialog; an ACK has the number of its INVITE.
    pub(super) fn request(&mut self, method: &str, more: More<'_>) -> Bytes {
        self.phone.cseq += u32::from(method != "ACK");
        let (remote, cseq) = (self.phone.flow.remote, self.phone.cseq);
        let mut builder = RequestBuilder::new(method, OURS)
            .via(Transport::Udp, remote, &format!("z9hG4bK{method}{remote}{cseq}"))
            .max_forwards(70)
            .from("", format!("sip:{}@tandem.test", self.phone.user), "phone")
            .header(Name::To, &self.to)
            .call_id(&self.phone.call_id)
            .cseq(cseq);
        for (name, value) in more {
            builder = builder.header_named(name, value);
        }
        // Our offer went out in the answer: the ACK owes one.
        let built = if method == "ACK" { builder.build_with_body("application/sdp", SDP.as_bytes()) } else { builder.build() };
        built.unwrap()
    }

    /// What the Replaces header of a transfer to this dialog holds.
    fn replaces(&self) -> String {
        let tag = self.to.split("tag=").nth(1).unwrap();
        format!("{};to-tag={tag};from-tag=phone", self.phone.call_id)
    }

    /// Sends a REFER, and again with the password when asked for it; the last reply.
    pub(super) fn refer(&mut self, desk: &mut Desk, more: More<'_>) -> Message {
        let request = self.request("REFER", more);
        desk.receive(self.phone.flow, request);
        let reply = desk.next();
        if reply.code() != Some(401) {
            return reply;
        }
        let credentials = self.phone.credentials(&reply, "REFER", OURS, 1);
        let more: Vec<_> = more.iter().copied().chain([("Authorization", credentials.as_str())]).collect();
        let request = self.request("REFER", &more);
        desk.receive(self.phone.flow, request);
        desk.next()
    }

    pub(super) fn reply(&self, desk: &mut Desk, request: &Message, code: u16) {
        let reply = ResponseBuilder::from_request(request, code, "X", address(0), None).build().unwrap();
        desk.receive(self.phone.flow, reply);
    }
}

/// The next NOTIFY in words: its event, its state, what it says.
pub(super) fn notified(desk: &mut Desk) -> (Message, String) {
    let notify = desk.next();
    assert_eq!(notify.method(), "NOTIFY");
    let kind = notify.content_type().unwrap();
    assert!(kind.is("message", "sipfrag") && kind.params.get("version") == Some("2.0"));
    let header = |name| notify.header(name).unwrap().to_owned();
    let said = String::from_utf8_lossy(notify.body()).trim_end().to_owned();
    let words = format!("{} {} {said}", header(Name::Event), header(Name::SubscriptionState));
    (notify, words)
}

fn progress(desk: &mut Desk, invite: InviteId, code: u16) {
    desk.command(Command::TransferProgress { invite, code });
}

fn nothing_left(desk: &mut Desk, talker: &mut Talker) {
    let bye = talker.request("BYE", &[]);
    desk.receive(talker.phone.flow, bye);
    desk.pass(64_000);
    let counts = desk.endpoint.counts();
    let left = [counts.client_transactions, counts.server_transactions, counts.dialogs, counts.invites, counts.referrals];
    assert_eq!(left, [0; 5]);
}

#[test]
fn a_phone_refers_and_hears_how_it_goes() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    let accepted = alice.refer(&mut desk, &[("r", "<sip:1002@tandem.test>"), ("b", "<sip:boss@tandem.test>")]);
    assert_eq!((accepted.code(), accepted.contacts().count()), (Some(202), 1));
    assert_eq!(desk.words(), ["transferred to 1002"]);
    let (first, words) = notified(&mut desk);
    assert_eq!(words, "refer active;expires=180 SIP/2.0 100 Trying");
    assert_eq!((first.cseq().unwrap().number, first.to().unwrap().tag()), (1, Some("phone")));

    // The next one waits for the reply to the first, and of two only the newer is said.
    progress(&mut desk, alice.invite, 180);
    progress(&mut desk, alice.invite, 183);
    assert!(desk.sent.is_empty());
    desk.pass(1_000);
    assert_eq!(desk.next().bytes(), first.bytes(), "said again as any request");
    desk.sent.clear();
    alice.reply(&mut desk, &first, 200);
    let (second, words) = notified(&mut desk);
    assert_eq!(words, "refer active;expires=179 SIP/2.0 183 Session Progress");
    alice.reply(&mut desk, &second, 200);
    progress(&mut desk, alice.invite, 200);
    let (last, words) = notified(&mut desk);
    assert_eq!(words, "refer terminated;reason=noresource SIP/2.0 200 OK");
    progress(&mut desk, alice.invite, 486);
    alice.reply(&mut desk, &last, 200);
    assert!(desk.sent.is_empty(), "the last word was said");
    assert_eq!(desk.endpoint.counts().referrals, 0);
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn a_failed_transfer_is_told_and_another_one_can_follow() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let (first, _) = notified(&mut desk);
    assert_eq!(alice.refer(&mut desk, &[("Refer-To", "sip:1003@tandem.test")]).code(), Some(491), "one at a time");
    progress(&mut desk, alice.invite, 486);
    alice.reply(&mut desk, &first, 200);
    let (last, words) = notified(&mut desk);
    assert_eq!(words, "refer terminated;reason=noresource SIP/2.0 486 Busy Here");
    alice.reply(&mut desk, &last, 200);
    desk.words();
    assert_eq!(alice.refer(&mut desk, &[("Refer-To", "sip:1003@tandem.test")]).code(), Some(202));
    assert_eq!(desk.words(), ["transferred to 1003"]);
    let (_, words) = notified(&mut desk);
    assert_eq!(words, format!("refer;id={} active;expires=180 SIP/2.0 100 Trying", alice.phone.cseq), "told from the first");
    progress(&mut desk, alice.invite, 603);
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn who_hangs_up_meanwhile_still_hears_how_it_ends() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let (first, _) = notified(&mut desk);
    alice.reply(&mut desk, &first, 200);
    let bye = alice.request("BYE", &[]);
    desk.receive(alice.phone.flow, bye);
    assert_eq!(desk.code(), 200);
    progress(&mut desk, alice.invite, 200);
    let (last, words) = notified(&mut desk);
    assert_eq!(words, "refer terminated;reason=noresource SIP/2.0 200 OK");
    assert_eq!(last.cseq().unwrap().number, 2);
    alice.reply(&mut desk, &last, 481);
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn a_call_that_we_end_gets_its_last_word_too() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let (first, _) = notified(&mut desk);
    progress(&mut desk, alice.invite, 200);
    desk.command(Command::End { invite: alice.invite, code: 200, reason: String::new() });
    assert!(desk.sent.is_empty(), "phones forget a transfer with its call: the BYE waits");
    alice.reply(&mut desk, &first, 200);
    let (last, words) = notified(&mut desk);
    assert_eq!((words.as_str(), last.cseq().unwrap().number), ("refer terminated;reason=noresource SIP/2.0 200 OK", 2));
    alice.reply(&mut desk, &last, 200);
    let bye = desk.next();
    assert_eq!((bye.method(), bye.cseq().unwrap().number), ("BYE", 3));
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn a_call_that_we_end_is_hung_up_though_nobody_takes_the_last_word() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let _unanswered = notified(&mut desk);
    desk.command(Command::End { invite: alice.invite, code: 200, reason: String::new() });
    desk.pass(40_000);
    assert_eq!(desk.sent.pop_back().unwrap().1.method(), "BYE");
    desk.sent.clear();
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn a_phone_that_does_not_count_the_request_that_answered_a_challenge_can_hang_up() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    assert_eq!(alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test"), ("Refer-Sub", "false")]).code(), Some(202));
    desk.events.clear();
    alice.phone.cseq -= 2;
    let older = alice.request("BYE", &[]);
    desk.receive(alice.phone.flow, older);
    assert_eq!(desk.next().code(), Some(500), "lower is out of order");
    let same = alice.request("BYE", &[]);
    desk.receive(alice.phone.flow, same);
    assert_eq!(desk.next().code(), Some(200));
}

#[test]
fn a_subscription_ends_by_itself_or_when_it_is_not_wanted() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let (first, _) = notified(&mut desk);
    alice.reply(&mut desk, &first, 200);
    desk.pass(180_000);
    let (last, words) = notified(&mut desk);
    assert_eq!(words, "refer terminated;reason=timeout SIP/2.0 100 Trying");
    alice.reply(&mut desk, &last, 200);
    assert_eq!(desk.endpoint.counts().referrals, 0);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let (first, _) = notified(&mut desk);
    alice.reply(&mut desk, &first, 481);
    progress(&mut desk, alice.invite, 200);
    assert!(desk.sent.is_empty(), "nobody listens");
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn whoever_refers_can_ask_how_it_goes_or_not_to_be_told() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    alice.refer(&mut desk, &[("Refer-To", "sip:1002@tandem.test")]);
    let (first, _) = notified(&mut desk);
    alice.reply(&mut desk, &first, 200);
    desk.pass(1_000);
    let subscribe = |desk: &mut Desk, alice: &mut Talker, event: &str, expires: &str| {
        let request = alice.request("SUBSCRIBE", &[("Event", event), ("Expires", expires)]);
        desk.receive(alice.phone.flow, request);
        desk.next()
    };
    let granted = subscribe(&mut desk, &mut alice, "refer", "3600");
    assert_eq!((granted.code(), granted.expires(), granted.contacts().count()), (Some(200), Some(179), 1), "no longer");
    let (second, words) = notified(&mut desk);
    assert_eq!(words, "refer active;expires=179 SIP/2.0 100 Trying");
    alice.reply(&mut desk, &second, 200);
    assert_eq!(subscribe(&mut desk, &mut alice, "presence", "60").code(), Some(403), "nothing else shares the dialog");
    assert_eq!(subscribe(&mut desk, &mut alice, "refer", "0").expires(), Some(0));
    let (last, words) = notified(&mut desk);
    assert_eq!(words, "refer terminated;reason=timeout SIP/2.0 100 Trying");
    assert_eq!(subscribe(&mut desk, &mut alice, "refer", "60").code(), Some(481), "it is over");
    progress(&mut desk, alice.invite, 200);
    alice.reply(&mut desk, &last, 200);
    assert!(desk.sent.is_empty(), "nothing follows the last word");
    assert_eq!(desk.endpoint.counts().referrals, 0);

    // The second REFER of a dialog is told from the first by its number.
    desk.words();
    alice.refer(&mut desk, &[("Refer-To", "sip:1003@tandem.test")]);
    let id = alice.phone.cseq;
    let (first, _) = notified(&mut desk);
    alice.reply(&mut desk, &first, 200);
    assert_eq!(subscribe(&mut desk, &mut alice, "refer", "0").code(), Some(481));
    assert_eq!(subscribe(&mut desk, &mut alice, &format!("refer;id={id}"), "5").expires(), Some(5));
    let (second, _) = notified(&mut desk);
    alice.reply(&mut desk, &second, 200);
    desk.pass(5_000);
    assert_eq!(notified(&mut desk).1, format!("refer;id={id} terminated;reason=timeout SIP/2.0 100 Trying"));
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn without_a_subscription_nothing_is_said() {
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    let more = [("Refer-To", "sip:1002@tandem.test"), ("refer-sub", "False"), ("Require", "norefersub")];
    let accepted = alice.refer(&mut desk, &more);
    assert_eq!((accepted.code(), accepted.header_named("Refer-Sub")), (Some(202), Some("false")));
    assert_eq!(desk.words(), ["transferred to 1002"]);
    progress(&mut desk, alice.invite, 200);
    assert!(desk.sent.is_empty());
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn what_is_not_right_about_a_refer_is_told() {
    let good = ("Refer-To", "<sip:1002@tandem.test>");
    let cases: [(More<'_>, u16); 12] = [
        (&[], 400),
        (&[good, good], 400),
        (&[("Refer-To", "1002")], 400),
        (&[("Refer-To", "<sip:tandem.test>")], 400),
        (&[good, ("Referred-By", "boss")], 400),
        (&[good, ("Referred-By", "<sip:a@h>"), ("b", "<sip:a@h>")], 400),
        (&[good, ("Refer-Sub", "perhaps")], 400),
        (&[("Refer-To", "<sip:1002@tandem.test?Replaces=a>")], 400),
        (&[good, ("Replaces", "a;to-tag=1;from-tag=2")], 400),
        (&[("Refer-To", "<http://127.0.0.1:5432/>")], 416),
        (&[("Refer-To", "<sip:1002@198.51.100.66>")], 403),
        (&[("Refer-To", "<sip:1002@tandem.test;method=BYE>")], 403),
    ];
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    for (more, code) in cases {
        assert_eq!(alice.refer(&mut desk, more).code(), Some(code), "{more:?}");
        assert!(desk.words().is_empty() && desk.sent.is_empty(), "{more:?}");
    }
    assert_eq!(alice.refer(&mut desk, &[good, ("Require", "replaces")]).code(), Some(420), "of an INVITE only");
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn only_an_account_that_may_and_proves_itself_has_a_call_transferred() {
    let refer_to = ("Refer-To", "<sip:1002@tandem.test>");
    let mut desk = Desk::new();
    let mut alice = Talker::new(&mut desk, "alice", "secret", 7);
    // Whoever has read the tags on the wire has not read the password.
    let request = alice.request("REFER", &[refer_to]);
    desk.receive(Phone::new("x", "x", "198.51.100.1:5060").flow, request);
    assert_eq!(desk.code(), 401);
    // Another of our users is not this one.
    let request = alice.request("REFER", &[refer_to]);
    desk.receive(alice.phone.flow, request);
    let challenge = desk.next();
    let bob = Phone { user: "bob", password: "other", ..alice.phone.clone() };
    let credentials = bob.credentials(&challenge, "REFER", OURS, 1);
    let request = alice.request("REFER", &[refer_to, ("Authorization", &credentials)]);
    desk.receive(alice.phone.flow, request);
    assert_eq!(desk.code(), 403);
    // And an account that may not is not even asked.
    desk.command(Command::PutAccount(Account { rights: Rights::default(), ..account("alice", "secret") }));
    assert_eq!(alice.refer(&mut desk, &[refer_to]).code(), Some(403));
    assert!(desk.words().is_empty());
    nothing_left(&mut desk, &mut alice);
}

#[test]
fn a_trunk_transfers_only_when_it_may() {
    for transfers in [false, true] {
        let mut desk = Desk::new();
        let carrier = "203.0.113.5:5060".parse().unwrap();
        let rights = Rights { transfers, ..Rights::default() };
        desk.command(Command::SetTrunks(vec![crate::endpoint::Trunk { rights, ..trunk("carrier", carrier, Transport::Udp) }]));
        desk.words();
        let mut phone = Phone::new("carrier", "", "203.0.113.5:5060");
        phone.flow = Flow::udp(address(0), carrier);
        let contact = phone.contact.clone();
        let invite = phone.request("INVITE", "sip:1800@tandem.test", &[(Name::Contact, &contact)]);
        desk.receive(phone.flow, invite);
        assert_eq!(desk.code(), 100);
        let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
        desk.command(Command::Answer { invite: invited.invite, sdp: Bytes::from_static(SDP.as_bytes()) });
        let to = desk.next().header(Name::To).unwrap().to_owned();
        let mut talker = Talker { phone, invite: invited.invite, to };
        let ack = talker.request("ACK", &[]);
        desk.receive(carrier_flow(&talker), ack);
        desk.words();
        let code = talker.refer(&mut desk, &[("Refer-To", "<sip:+390212345@tandem.test>")]).code();
        assert_eq!(code, Some(if transfers { 202 } else { 403 }));
        assert_eq!(desk.words().len(), usize::from(transfers));
        desk.sent.clear();
        progress(&mut desk, talker.invite, 200);
        nothing_left(&mut desk, &mut talker);
    }
}

const fn carrier_flow(talker: &Talker) -> Flow {
    talker.phone.flow
}

#[test]
fn outside_a_dialog_nobody_transfers_anything() {
    let mut desk = Desk::new();
    let mut alice = Phone::new("alice", "secret", "192.0.2.7:5060");
    let refer = alice.request("REFER", "sip:1800@tandem.test", &[(Name::ReferTo, "<sip:1002@tandem.test>")]);
    desk.receive(alice.flow, refer);
    assert_eq!(desk.code(), 403);
    let mut unanswered = Phone::new("alice", "secret", "192.0.2.8:5060");
    let contact = unanswered.contact.clone();
    desk.proved(&mut unanswered, "INVITE", "sip:1800@tandem.test", &[(Name::Contact, &contact)]);
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    desk.command(Command::Progress { invite: invited.invite, code: 180, sdp: None });
    let to = desk.next().header(Name::To).unwrap().to_owned();
    let mut early = Talker { phone: unanswered, invite: invited.invite, to };
    assert_eq!(early.refer(&mut desk, &[("Refer-To", "<sip:1002@tandem.test>")]).code(), Some(491), "not answered yet");
    assert!(desk.words().is_empty());
}

#[test]
fn two_calls_of_one_phone_are_joined_and_those_of_two_are_not() {
    let mut desk = Desk::new();
    let mut first = Talker::new(&mut desk, "alice", "secret", 7);
    let second = Talker::new(&mut desk, "alice", "secret", 8);
    let others = Talker::new(&mut desk, "bob", "other", 9);
    let refer_to = |replaces: &str| {
        let escaped = replaces.replace(';', "%3B").replace('=', "%3D");
        format!("<sip:1002@tandem.test?Replaces={escaped}&Require=replaces>")
    };
    let own = first.replaces();
    for (replaces, code) in [
        (others.replaces(), 403),
        (own, 403),
        (second.replaces().replace("from-tag=phone", "from-tag=x"), 481),
        (second.replaces().replace("to-tag=", "to-tag=0"), 481),
        (second.replaces() + ";early-only", 486),
    ] {
        assert_eq!(first.refer(&mut desk, &[("Refer-To", &refer_to(&replaces))]).code(), Some(202));
        let (notify, words) = notified(&mut desk);
        assert!(words.contains(&format!("terminated;reason=noresource SIP/2.0 {code}")), "{replaces}: {words}");
        first.reply(&mut desk, &notify, 200);
        assert!(desk.words().is_empty());
    }
    assert_eq!(first.refer(&mut desk, &[("Refer-To", &refer_to(&second.replaces()))]).code(), Some(202));
    let Some(Event::Transferred { invite, to, .. }) = desk.events.pop_front() else { panic!("not transferred") };
    assert_eq!((invite, to), (first.invite, TransferTo::Invitation(second.invite)));
}

#[test]
fn an_invite_takes_the_place_of_an_answered_call_of_ours() {
    let mut desk = Desk::new();
    let alice = Talker::new(&mut desk, "alice", "secret", 7);
    let replaces = alice.replaces();
    let early = format!("{replaces};early-only");
    let unknown = replaces.replace("from-tag=phone", "from-tag=x");
    let broken = "c;to-tag=1";
    let mut number = 10;
    let mut call = |desk: &mut Desk, more: &[(Name, &str)]| {
        number += 1;
        let mut bob = Phone::new("bob", "other", &format!("192.0.2.{number}:5060"));
        let contact = bob.contact.clone();
        let more: Vec<_> = more.iter().copied().chain([(Name::Contact, contact.as_str())]).collect();
        desk.proved(&mut bob, "INVITE", "sip:alice@tandem.test", &more).code().unwrap()
    };
    let one = (Name::Replaces, replaces.as_str());
    for (more, code) in [
        (vec![one, one], 400),
        (vec![(Name::Replaces, broken)], 400),
        (vec![(Name::Replaces, unknown.as_str())], 481),
        (vec![(Name::Replaces, early.as_str())], 486),
    ] {
        assert_eq!(call(&mut desk, &more), code, "{more:?}");
        assert!(desk.words().is_empty());
    }
    assert_eq!(call(&mut desk, &[one, (Name::Require, "replaces")]), 100);
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    assert_eq!(invited.replaces, Some(alice.invite));
    desk.command(Command::PutAccount(Account { rights: Rights::default(), ..account("bob", "other") }));
    assert_eq!(call(&mut desk, &[one]), 403, "who may not");
    desk.command(Command::SetTrunks(vec![trunk("carrier", "203.0.113.5:5060".parse().unwrap(), Transport::Udp)]));
    let mut carrier = Phone::new("carrier", "", "203.0.113.5:5060");
    let contact = carrier.contact.clone();
    let invite = carrier.request("INVITE", "sip:alice@tandem.test", &[(Name::Contact, &contact), one]);
    desk.receive(carrier.flow, invite);
    assert_eq!(desk.code(), 403, "no trunk takes a place");
}

#[test]
fn a_call_that_ends_before_its_ack_is_not_taken_over() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5060");
    let contact = phone.contact.clone();
    desk.proved(&mut phone, "INVITE", "sip:1800@tandem.test", &[(Name::Contact, &contact)]);
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    desk.command(Command::Answer { invite: invited.invite, sdp: Bytes::from_static(SDP.as_bytes()) });
    let to = desk.next().header(Name::To).unwrap().to_owned();
    desk.command(Command::End { invite: invited.invite, code: 200, reason: String::new() });
    let leaving = Talker { phone, invite: invited.invite, to };
    let mut bob = Phone::new("bob", "other", "192.0.2.9:5060");
    let contact = bob.contact.clone();
    let more = [(Name::Contact, contact.as_str()), (Name::Replaces, &leaving.replaces())];
    assert_eq!(desk.proved(&mut bob, "INVITE", "sip:alice@tandem.test", &more).code(), Some(603));
    desk.input(Input::Tick);
}

#[test]
fn options_say_what_can_be_done() {
    let mut desk = Desk::new();
    let mut alice = Phone::new("alice", "secret", "192.0.2.7:5060");
    let options = alice.request("OPTIONS", "sip:tandem.test", &[]);
    desk.receive(alice.flow, options);
    let reply = desk.next();
    assert!(reply.lists(Name::Supported, "norefersub"));
    assert!(reply.headers(Name::Allow).any(|method| Method::of(method) == Method::Refer));
}
