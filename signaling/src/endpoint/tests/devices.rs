//! Calls from and to registered devices: who may call, forks, NAT, digits.

use bytes::Bytes;

use super::{
    desk::{Desk, Phone},
    world::SDP,
};
use crate::{
    endpoint::{Command, Destination, Event, Invite, InviteId, PartyIdentity, Source, Target},
    message::{Message, Name, ResponseBuilder},
};

fn sdp() -> Bytes {
    Bytes::from_static(SDP.as_bytes())
}

fn call_alice(desk: &mut Desk) -> InviteId {
    let invite = desk.endpoint.next_invite();
    let target = Target::Account("alice".into());
    let wish = Invite {
        party: PartyIdentity::default(),
        invite,
        target,
        from_user: "7".to_owned(),
        from_display: "Seven".to_owned(),
        sdp: sdp(),
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
    };
    desk.command(Command::Invite(Box::new(wish)));
    invite
}

/// A reply of a phone to one of our requests.
fn reply(desk: &mut Desk, phone: &Phone, request: &Message, code: u16, tag: &str) {
    let contact = phone.contact.trim_matches(['<', '>']);
    let builder = ResponseBuilder::from_request(request, code, "X", super::world::address(0), Some(tag)).contact(contact);
    let bytes = if code == 200 && request.method() == "INVITE" {
        builder.build_with_body("application/sdp", SDP.as_bytes())
    } else {
        builder.build()
    };
    desk.receive(phone.flow, bytes.unwrap());
}

/// Three devices of alice, the first behind a NAT; what each was sent.
fn ring_three(desk: &mut Desk) -> (InviteId, Vec<Phone>, Vec<Message>) {
    let mut phones: Vec<Phone> = (1..=3).map(|i| Phone::new("alice", "secret", &format!("192.0.2.{i}:5060"))).collect();
    phones[0].contact = "<sip:alice@10.0.0.1:5099>".to_owned();
    for phone in &mut phones {
        desk.register(phone, &[]);
    }
    desk.words();
    let invite = call_alice(desk);
    let requests = phones
        .iter()
        .map(|phone| {
            let (to, request) = desk.sent.pop_front().unwrap();
            assert_eq!(to, Destination::Flow(phone.flow), "by the flow of the registration");
            assert_eq!(request.request_uri(), phone.contact.trim_matches(['<', '>']), "to the contact as registered");
            assert_eq!(request.header(Name::From).unwrap().split(';').next(), Some("\"Seven\" <sip:7@127.0.0.1:5060>"));
            request
        })
        .collect();
    (invite, phones, requests)
}

#[test]
fn an_account_whose_devices_all_come_by_web_socket_is_known_as_such_until_another_one_comes() {
    let mut desk = Desk::new();
    let mut phones = [Phone::new("alice", "secret", "192.0.2.1:5060"), Phone::new("alice", "secret", "192.0.2.2:5060")];
    phones[0].flow.transport = crate::flow::Transport::Wss;
    assert!(!desk.endpoint.comes_by_web_socket_only("alice"), "nobody is there");
    for (phone, only) in phones.iter_mut().zip([true, false]) {
        desk.register(phone, &[]);
        assert_eq!(desk.endpoint.comes_by_web_socket_only("alice"), only);
    }
}

#[test]
fn a_device_that_comes_by_web_socket_is_offered_what_is_for_it() {
    let mut desk = Desk::new();
    let mut phones = [Phone::new("alice", "secret", "192.0.2.1:5060"), Phone::new("alice", "secret", "192.0.2.2:5060")];
    phones[1].flow.transport = crate::flow::Transport::Wss;
    assert!(!desk.endpoint.comes_by_web_socket("alice"));
    for (phone, by_web) in phones.iter_mut().zip([false, true]) {
        desk.register(phone, &[]);
        assert_eq!(desk.endpoint.comes_by_web_socket("alice"), by_web);
    }
    desk.words();
    let invite = desk.endpoint.next_invite();
    let web_sdp = Bytes::from(SDP.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"));
    let wish = Invite {
        party: PartyIdentity::default(),
        invite,
        target: Target::Account("alice".into()),
        from_user: "7".to_owned(),
        from_display: String::new(),
        sdp: sdp(),
        web_sdp: Some(web_sdp.clone()),
        headers: Vec::new(),
        is_emergency: false,
    };
    desk.command(Command::Invite(Box::new(wish)));
    for (phone, expected) in phones.iter().zip([sdp(), web_sdp]) {
        let (to, request) = desk.sent.pop_front().unwrap();
        assert_eq!((to, request.body()), (Destination::Flow(phone.flow), &expected[..]));
    }
}

#[test]
fn what_a_called_phone_says_names_the_way_it_came() {
    let mut desk = Desk::new();
    let (_, phones, invites) = ring_three(&mut desk);
    for code in [183, 200] {
        reply(&mut desk, &phones[0], &invites[0], code, "first");
        let (Event::Progressed { flow, .. } | Event::Answered { flow, .. }) = desk.events.pop_back().unwrap() else {
            panic!("no progress and no answer");
        };
        assert_eq!(flow.remote, phones[0].flow.remote, "not the contact, which is private");
    }
}

#[test]
fn all_devices_ring_and_the_first_answer_wins() {
    let mut desk = Desk::new();
    let (_, phones, invites) = ring_three(&mut desk);
    for (phone, invite) in phones.iter().zip(&invites) {
        reply(&mut desk, phone, invite, 180, phone.user);
    }
    assert_eq!(desk.words(), ["progressed 180", "progressed 180", "progressed 180"]);
    reply(&mut desk, &phones[1], &invites[1], 200, "second");
    assert_eq!(desk.words(), ["answered sdp"]);
    let sent: Vec<String> = desk.sent.drain(..).map(|(to, message)| format!("{} {}", message.method(), to.address())).collect();
    assert_eq!(sent, ["ACK 192.0.2.2:5060", "CANCEL 192.0.2.1:5060", "CANCEL 192.0.2.3:5060"]);
    // The third had answered already: it is acknowledged and hung up; a repetition only acknowledged.
    for expected in [vec!["ACK", "BYE"], vec!["ACK"]] {
        reply(&mut desk, &phones[2], &invites[2], 200, "third");
        assert_eq!(desk.sent.drain(..).map(|(_, message)| message.method().to_owned()).collect::<Vec<_>>(), expected);
    }
    reply(&mut desk, &phones[0], &invites[0], 487, "first");
    assert_eq!(desk.code_or_method(), "ACK");
    assert_eq!(desk.words(), Vec::<String>::new());
    assert_eq!(desk.endpoint.counts().dialogs, 1);
}

#[test]
fn a_cancel_says_that_the_call_was_completed_elsewhere() {
    let mut desk = Desk::new();
    let (_, phones, invites) = ring_three(&mut desk);
    reply(&mut desk, &phones[0], &invites[0], 180, "first");
    reply(&mut desk, &phones[1], &invites[1], 200, "second");
    let cancel = desk.sent.iter().find(|(_, message)| message.method() == "CANCEL").map(|(_, message)| message.clone()).unwrap();
    assert_eq!(cancel.header(Name::Reason), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    assert_eq!(cancel.via().unwrap().branch(), invites[0].via().unwrap().branch());
}

#[test]
fn two_answers_through_one_proxy_leave_one_call() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.1:5060");
    desk.register(&mut phone, &[]);
    call_alice(&mut desk);
    let invite = desk.next();
    desk.words();
    reply(&mut desk, &phone, &invite, 200, "one");
    reply(&mut desk, &phone, &invite, 200, "two");
    let sent: Vec<String> = desk
        .sent
        .drain(..)
        .map(|(_, message)| format!("{} {}", message.method(), message.to().unwrap().tag().unwrap()))
        .collect();
    assert_eq!(sent, ["ACK one", "ACK two", "BYE two"]);
    assert_eq!(desk.words(), ["answered sdp"]);
}

#[test]
fn the_most_telling_failure_is_told_once_all_have_failed() {
    let mut desk = Desk::new();
    let (_, phones, invites) = ring_three(&mut desk);
    for (i, code) in [(0, 480), (1, 486), (2, 500)] {
        assert_eq!(desk.words(), Vec::<String>::new());
        reply(&mut desk, &phones[i], &invites[i], code, "t");
    }
    assert_eq!(desk.words(), ["rejected 486 Peer"]);
    let (_, phones, invites) = {
        let mut other = Desk::new();
        let ring = ring_three(&mut other);
        desk = other;
        ring
    };
    reply(&mut desk, &phones[2], &invites[2], 603, "t");
    assert_eq!(desk.words(), ["rejected 603 Peer"], "a global refusal ends the others");
    assert_eq!(desk.endpoint.counts().invites, 0);
}

#[test]
fn nobody_registered_is_480_and_nobody_known_is_404() {
    let mut desk = Desk::new();
    call_alice(&mut desk);
    assert_eq!(desk.words(), ["rejected 480 Us"]);
    desk.command(Command::RemoveAccount { user: "alice".into() });
    call_alice(&mut desk);
    assert_eq!(desk.words(), ["rejected 404 Us"]);
}

/// An INVITE of a phone that proves itself; the reply after the challenge.
fn invite(desk: &mut Desk, phone: &mut Phone, from: &str) -> Message {
    let own = format!("<sip:{from}@tandem.test>");
    let edit = |bytes: Bytes| {
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace(&format!("<sip:{}@tandem.test>", phone_user()), &own);
        Bytes::from(text)
    };
    let uri = "sip:12%3334@tandem.test";
    let contact = phone.contact.clone();
    let headers = [(Name::Contact, contact.as_str()), (Name::PAssertedIdentity, "<sip:boss@tandem.test>")];
    let request = edit(phone.request("INVITE", uri, &headers));
    desk.receive(phone.flow, request);
    let challenge = desk.next();
    assert_eq!(challenge.code(), Some(401));
    let credentials = phone.credentials(&challenge, "INVITE", uri, 1);
    let request = edit(phone.request("INVITE", uri, &[headers[0], headers[1], (Name::Authorization, &credentials)]));
    desk.receive(phone.flow, request);
    desk.next()
}

const fn phone_user() -> &'static str {
    "alice"
}

#[test]
fn a_phone_calls_as_itself_or_as_nobody_but_not_as_others() {
    for (from, code) in [("alice", 100), ("anonymous", 100), ("bob", 403)] {
        let mut desk = Desk::new();
        let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
        assert_eq!(invite(&mut desk, &mut phone, from).code(), Some(code), "{from}");
        if code == 100 {
            let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
            assert_eq!((invited.source, invited.request_user.as_str()), (Source::Account("alice".into()), "12334"));
            assert_eq!((invited.from_user.as_str(), invited.sdp), (from, None));
        }
        assert!(desk.events.is_empty());
    }
}

#[test]
fn the_same_call_by_two_ways_is_refused_the_second_time() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    invite(&mut desk, &mut phone, "alice");
    let mut twin = Phone { cseq: 0, ..phone.clone() };
    twin.flow.remote.set_port(5071);
    let reply = invite(&mut desk, &mut twin, "alice");
    assert_eq!(reply.code(), Some(482));
    assert_eq!(desk.events.len(), 1);
}

#[test]
fn replies_that_make_a_dialog_name_the_proxies_that_stay_on_the_way() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    let contact = phone.contact.clone();
    let routes = [(Name::RecordRoute, "<sip:192.0.2.50;lr>"), (Name::RecordRoute, "<sip:192.0.2.51;lr;edge=1>")];
    let trying = desk.proved(&mut phone, "INVITE", "sip:7@tandem.test", &[(Name::Contact, &contact), routes[0], routes[1]]);
    assert_eq!((trying.code(), trying.has(Name::RecordRoute)), (Some(100), false), "no dialog yet (RFC 3261 section 8.2.6.2)");
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    desk.command(Command::Progress { invite: invited.invite, code: 180, sdp: None });
    desk.command(Command::Progress { invite: invited.invite, code: 183, sdp: Some(sdp()) });
    desk.command(Command::Answer { invite: invited.invite, sdp: sdp() });
    for code in [180, 183, 200] {
        let reply = desk.next();
        let named: Vec<_> = reply.headers(Name::RecordRoute).collect();
        assert_eq!((reply.code(), named), (Some(code), routes.map(|(_, route)| route).to_vec()));
    }
}

/// An answered call from a phone whose INVITE had no offer; its To with our tag.
pub(super) fn talking(desk: &mut Desk, phone: &mut Phone) -> (InviteId, String) {
    invite(desk, phone, "alice");
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    desk.command(Command::Answer { invite: invited.invite, sdp: sdp() });
    let answer = desk.next();
    (invited.invite, answer.header(Name::To).unwrap().to_owned())
}

pub(super) fn in_dialog(phone: &mut Phone, method: &str, to: &str, cseq: u32, kind: &str, body: &str) -> Bytes {
    phone.cseq = cseq - 1;
    let request = phone.request(method, "sip:127.0.0.1:5060", &[]);
    let text = String::from_utf8(request.to_vec()).unwrap();
    let (head, _) = text.split_once("Content-Length").unwrap();
    let to_line = head.lines().find(|line| line.starts_with("To:")).unwrap();
    let head = head.replace(to_line, &format!("To: {to}")).replace("z9hG4bK-", &format!("z9hG4bK-{method}"));
    let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    Bytes::from(format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len()))
}

#[test]
fn an_offer_of_ours_is_answered_in_the_ack_and_then_digits_come() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    let (_, to) = talking(&mut desk, &mut phone);
    let send = |desk: &mut Desk, phone: &mut Phone, method: &str, cseq: u32, kind: &str, body: &str| {
        let request = in_dialog(phone, method, &to, cseq, kind, body);
        desk.receive(phone.flow, request.clone());
        request
    };
    send(&mut desk, &mut phone, "ACK", 2, "application/sdp", SDP);
    assert_eq!(desk.words(), ["confirmed sdp"]);
    let relay = "application/dtmf-relay";
    let info = send(&mut desk, &mut phone, "INFO", 3, relay, "Signal= #\r\nDuration= 250\r\n");
    assert_eq!(desk.code(), 200);
    desk.receive(phone.flow, info);
    assert_eq!(desk.code(), 200, "repeated");
    assert_eq!(desk.words(), ["digit # 250"], "but pressed once");
    for (cseq, kind, body, code) in [
        (4, relay, "Signal=5", 200),
        (5, "application/dtmf", "d", 200),
        (6, relay, "Signal=55", 415),
        (7, "text/plain", "5", 415),
        (8, "", "", 200),
    ] {
        send(&mut desk, &mut phone, "INFO", cseq, kind, body);
        assert_eq!(desk.code(), code, "{body}");
    }
    assert_eq!(desk.words(), ["digit 5 160", "digit D 160"]);
    send(&mut desk, &mut phone, "OPTIONS", 9, "", "");
    assert_eq!(desk.code(), 200);
    send(&mut desk, &mut phone, "UPDATE", 10, "", "");
    assert_eq!(desk.code(), 200);
    send(&mut desk, &mut phone, "INFO", 9, relay, "Signal=1");
    assert_eq!(desk.code(), 500, "the number is lower");
    send(&mut desk, &mut phone, "MESSAGE", 11, "", "");
    assert_eq!(desk.code(), 403);
    send(&mut desk, &mut phone, "UPDATE", 12, "application/sdp", SDP);
    assert_eq!(desk.words(), ["reoffered sdp"]);
    desk.command(Command::AnswerReoffer { invite: InviteId(1), sdp: sdp() });
    let answer = desk.next();
    assert_eq!((answer.code(), answer.body()), (Some(200), SDP.as_bytes()));
    send(&mut desk, &mut phone, "INVITE", 13, "", "");
    assert_eq!((desk.code(), desk.words()), (100, vec!["reoffered".to_owned()]));
    desk.command(Command::AnswerReoffer { invite: InviteId(1), sdp: sdp() });
    assert_eq!(desk.code(), 200);
    send(&mut desk, &mut phone, "ACK", 13, "application/sdp", SDP);
    assert_eq!(desk.words(), ["confirmed sdp"]);
    send(&mut desk, &mut phone, "BYE", 14, "", "");
    assert_eq!((desk.code(), desk.words()), (200, vec!["ended Bye { cause: None }".to_owned()]));
    send(&mut desk, &mut phone, "INFO", 15, relay, "Signal=1");
    assert_eq!(desk.code(), 481);
}

#[test]
fn nobody_else_can_touch_a_dialog() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    let (_, to) = talking(&mut desk, &mut phone);
    let bye = String::from_utf8(in_dialog(&mut phone, "BYE", &to, 9, "", "").to_vec()).unwrap();
    let elsewhere = Phone::new("x", "x", "198.51.100.1:5060").flow;
    for (wrong, right) in [(";tag=phone", ";tag=other"), ("c-192", "d-192"), (";tag=", ";tag=0")] {
        desk.receive(elsewhere, bye.replace(wrong, right));
        assert_eq!(desk.code(), 481);
    }
    let cancel = String::from_utf8(in_dialog(&mut phone, "CANCEL", &to, 2, "", "").to_vec())
        .unwrap()
        .replace("z9hG4bK-CANCEL", "z9hG4bK-");
    desk.receive(elsewhere, cancel);
    assert_eq!(desk.code(), 481, "the branch alone does not make it his");
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn requests_to_a_phone_behind_a_nat_go_where_it_came_from() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    phone.contact = "<sip:alice@10.0.0.7:5060>".to_owned();
    let (invite, to) = talking(&mut desk, &mut phone);
    let ack = in_dialog(&mut phone, "ACK", &to, 2, "application/sdp", SDP);
    desk.receive(phone.flow, ack);
    desk.command(Command::End { invite, code: 200, reason: String::new() });
    let (way, bye) = desk.sent.pop_front().unwrap();
    assert_eq!((way, bye.request_uri()), (Destination::Flow(phone.flow), "sip:alice@10.0.0.7:5060"));
    assert_eq!(bye.to().unwrap().tag(), Some("phone"));
}

impl Desk {
    fn code_or_method(&mut self) -> String {
        let message = self.next();
        message.code().map_or_else(|| message.method().to_owned(), |code| code.to_string())
    }
}
