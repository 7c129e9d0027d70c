//! 3xx: whom a called side names instead, and what is made of it (RFC 3261 sections 8.1.3.4, 16.7, 21.3).

use super::{
    desk::{Desk, Phone},
    far::Far,
};
use crate::{
    endpoint::{Command, Event, Invite, InviteId, PartyIdentity, Source, Target},
    message::{Message, Name, ResponseBuilder},
};

/// So many devices of alice ring; what each was sent.
fn ring(desk: &mut Desk, devices: usize) -> (InviteId, Vec<(Phone, Message)>) {
    let mut phones: Vec<Phone> = (1..=devices).map(|i| Phone::new("alice", "secret", &format!("192.0.2.{i}:5060"))).collect();
    for phone in &mut phones {
        desk.register(phone, &[]);
    }
    desk.words();
    let invite = desk.endpoint.next_invite();
    let (from_user, from_display) = ("7".to_owned(), String::new());
    let (target, party) = (Target::Account("alice".into()), PartyIdentity::default());
    let wish = Invite {
        invite,
        target,
        from_user,
        from_display,
        party,
        sdp: super::calls::sdp(),
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
    };
    desk.command(Command::Invite(Box::new(wish)));
    let sent = phones.into_iter().map(|phone| (phone, desk.next())).collect();
    (invite, sent)
}

fn reply(desk: &mut Desk, (phone, request): &(Phone, Message), code: u16, more: &[(Name, &str)]) {
    let mut builder = ResponseBuilder::from_request(request, code, "X", super::world::address(0), Some("t"));
    for (name, value) in more {
        builder = builder.header(*name, value);
    }
    desk.receive(phone.flow, builder.build().unwrap());
    assert_eq!(desk.next().method(), "ACK", "a 3xx is acknowledged as every refusal");
}

/// What one device that replies so comes to.
fn alone(code: u16, more: &[(Name, &str)]) -> Vec<String> {
    let mut desk = Desk::new();
    let (_, rings) = ring(&mut desk, 1);
    reply(&mut desk, &rings[0], code, more);
    assert_eq!(desk.lines(), Vec::<String>::new(), "nobody is called from here");
    assert_eq!(desk.endpoint.counts().invites, 0);
    desk.words()
}

#[test]
fn the_program_is_told_whom_a_3xx_names_and_nobody_is_called() {
    let mut desk = Desk::new();
    let (invite, rings) = ring(&mut desk, 1);
    reply(&mut desk, &rings[0], 302, &[(Name::Contact, "<sip:1005@evil.example;transport=tcp?Replaces=x&Subject=y>")]);
    let Some(Event::Redirected(told)) = desk.events.pop_front() else { panic!("not redirected") };
    assert_eq!((told.invite, told.by.clone(), told.code, told.why), (invite, Source::Account("alice".into()), 302, 302));
    assert_eq!(told.users, ["1005"], "hosts, parameters and embedded headers mean nothing");
    assert_eq!((desk.lines(), desk.endpoint.counts().invites), (vec![], 0));
}

#[test]
fn contacts_come_by_preference_and_only_a_few_that_could_be_called() {
    let contacts = [
        (Name::Contact, "<sip:1@a>;q=0.2, <mailto:x@a>, <sip:a.example>;q=1"),
        (Name::Contact, "<tel:+390212345678;phone-context=x>;q=0.8, <sips:%31%30@a>"),
        (Name::Contact, "<sip:12;par=3@a>;q=0.8"),
    ];
    assert_eq!(alone(302, &contacts), ["redirected 302 302 to 10 +390212345678 12 1"]);
    let many: Vec<String> = (0..50).map(|i| format!("<sip:{i}@a>")).collect();
    assert_eq!(alone(300, &[(Name::Contact, &many.join(", "))]), ["redirected 300 302 to 0 1 2 3 4 5 6 7"]);
}

#[test]
fn a_phone_says_why_in_its_diversion() {
    let contact = (Name::Contact, "<sip:1005@a>");
    let with = |diversion| alone(302, &[contact, (Name::Diversion, diversion)]);
    assert_eq!(with("<sip:alice@a>;reason=user-busy"), ["redirected 302 486 to 1005"]);
    assert_eq!(with("<sip:alice@a>;reason=\"no-answer\", <sip:7@a>;reason=user-busy"), ["redirected 302 480 to 1005"]);
    assert_eq!(with("<sip:alice@a>;reason=whim"), ["redirected 302 302 to 1005"]);
}

#[test]
fn what_names_nobody_to_call_is_a_refusal() {
    assert_eq!(alone(302, &[]), ["rejected 302 Peer"]);
    assert_eq!(alone(302, &[(Name::Contact, "*")]), ["rejected 302 Peer"]);
    assert_eq!(alone(301, &[(Name::Contact, "<http://a/>, <sip:a.example>, \"x")]), ["rejected 301 Peer"]);
    for code in [304, 305, 380, 399] {
        assert_eq!(alone(code, &[(Name::Contact, "<sip:1005@a>")]), [format!("rejected {code} Peer")]);
    }
}

#[test]
fn one_device_redirects_while_another_rings_and_counts_when_nobody_takes_it() {
    let contact = [(Name::Contact, "<sip:1005@a>")];
    for (last, outcome) in [(486, "redirected 302 302 to 1005"), (404, "redirected 302 302 to 1005"), (603, "rejected 603 Peer")]
    {
        let mut desk = Desk::new();
        let (_, rings) = ring(&mut desk, 2);
        reply(&mut desk, &rings[0], 302, &contact);
        assert_eq!(desk.words(), Vec::<String>::new(), "the other one may take it");
        reply(&mut desk, &rings[1], last, &[]);
        assert_eq!(desk.words(), [outcome], "{last}");
    }
}

#[test]
fn a_carrier_names_somebody_too() {
    let mut desk = super::far::desk(|_| {});
    let (far, _) = Far::called(&mut desk);
    far.reply(&mut desk, &far.invite().clone(), 302, &[(Name::Contact, "<sip:+390287654321@192.0.2.50>")], "");
    let Some(Event::Redirected(told)) = desk.events.pop_front() else { panic!("not redirected") };
    assert_eq!((told.by, told.users), (Source::Trunk("carrier".into()), vec!["far".to_owned(), "+390287654321".to_owned()]));
}
