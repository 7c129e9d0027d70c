//! Who calls: what is believed of whom, in which spelling, and what is told to whom (RFC 3323, 3325, 5806, 7044).

use bytes::Bytes;

use super::{
    desk::{Desk, Phone},
    world::{SDP, address, trunk},
};
use crate::{
    endpoint::{Command, Diverted, Event, Invite, PartyIdentity, Rights, Target, Trunk},
    flow::{Flow, Transport},
    message::{Message, Name},
};

const CARRIER: &str = "203.0.113.5:5060";

/// A desk with a carrier that is trusted with who calls, or not.
fn desk(identity: bool) -> Desk {
    let mut desk = Desk::new();
    let rights = Rights { identity, ..Rights::default() };
    desk.command(Command::SetTrunks(vec![Trunk { rights, ..trunk("carrier", CARRIER.parse().unwrap(), Transport::Udp) }]));
    desk.words();
    desk
}

/// What is believed of a call of the carrier with these header lines.
fn believed(identity: bool, from: &str, lines: &str) -> PartyIdentity {
    let mut desk = desk(identity);
    let text = format!(
        "INVITE sip:1800@tandem.test SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
         From: {from};tag=1\r\nTo: <sip:1800@tandem.test>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:{CARRIER}>\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    desk.receive(Flow::udp(address(0), CARRIER.parse().unwrap()), text);
    assert_eq!(desk.code(), 100);
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    invited.party
}

const FROM: &str = "\"Claim\" <sip:+399@carrier.test>";

#[test]
fn a_trusted_trunk_is_believed_and_another_is_not_in_any_spelling() {
    for lines in [
        "P-Asserted-Identity: \"Ann\" <sip:+39021@carrier.test>\r\n",
        "p-asserted-identity  :\r\n \"Ann\"\r\n\t<sip:%2B39021;x=1@carrier.test>, <tel:+39022>\r\n",
        "P-ASSERTED-IDENTITY: \"Ann\" <http://x/>, \"Ann\" <tel:+39021>\r\nP-Asserted-Identity: <sip:+39023@c>\r\n",
        "Remote-Party-ID: <sip:7@c>;party=called\r\nremote-party-id: \"Ann\" <sip:+39021@c>;party=calling;screen=yes\r\n",
    ] {
        let known = believed(true, FROM, lines);
        assert_eq!((known.number.as_deref(), known.display.as_str()), (Some("+39021"), "Ann"), "{lines}");
        assert_eq!(believed(false, FROM, lines), PartyIdentity::default(), "{lines}");
    }
    for lines in ["", "P-Preferred-Identity: <sip:+39021@c>\r\n", "P-Asserted-Identity: <sip:anonymous@c>\r\n"] {
        assert_eq!(believed(true, FROM, lines), PartyIdentity::default(), "{lines}");
    }
}

#[test]
fn who_does_not_want_to_be_shown_is_not_whatever_is_known() {
    let withheld = PartyIdentity { is_withheld: true, ..PartyIdentity::default() };
    let asserted = "P-Asserted-Identity: \"Ann\" <sip:+39021@carrier.test>\r\n";
    for (from, lines) in [
        (FROM, format!("{asserted}Privacy: id\r\n")),
        (FROM, format!("{asserted}privacy: critical;\r\n  USER\r\n")),
        (FROM, format!("PRIVACY:header\r\n{asserted}")),
        (FROM, "Remote-Party-ID: <sip:+39021@c>;privacy=Full\r\n".to_owned()),
        ("<sip:Anonymous@carrier.test>", asserted.to_owned()),
        ("\"A\" <sip:x@anonymous.invalid>", asserted.to_owned()),
    ] {
        assert_eq!(believed(true, from, &lines), withheld, "{from} {lines}");
    }
    assert!(believed(false, FROM, "Privacy: id\r\n").is_withheld, "a wish is honoured from anybody");
    for lines in ["Privacy: none\r\n", "Privacy: session\r\n"] {
        assert!(!believed(true, FROM, lines).is_withheld, "{lines}");
    }
}

#[test]
fn diversions_are_taken_from_the_trusted_and_bounded() {
    let lines = "Diversion: <sip:1002@c>;reason=user-busy;counter=1, <sip:1001@c>;reason=unconditional\r\n\
                 diversion: \"x\" <tel:+391>;reason=\"nonsense\"\r\n";
    let diverted = |user: &str, code| Diverted { user: user.to_owned(), code };
    assert_eq!(believed(true, FROM, lines).diverted_by, [diverted("+391", 300), diverted("1001", 302), diverted("1002", 486)]);
    assert_eq!(believed(false, FROM, lines).diverted_by, []);
    let lines = "History-Info: <sip:1001@c?Reason=SIP%3Bcause%3D302>;index=1\r\n\
                 HISTORY-INFO: <sip:1002@c?reason=SIP%3bcause%3d486%3Btext%3D%22Busy%22>;index=1.1, <sip:1800@c>;index=1.1.1\r\n";
    assert_eq!(believed(true, FROM, lines).diverted_by, [diverted("1001", 302), diverted("1002", 486)]);
    assert_eq!(believed(false, FROM, lines).diverted_by, []);
    let many: String = (0..40).map(|n| format!("Diversion: <sip:{n}@c>;reason=no-answer\r\n")).collect();
    assert_eq!(believed(true, FROM, &many).diverted_by.len(), 8);
}

#[test]
fn an_account_is_who_it_is_and_may_ask_not_to_be_shown() {
    for (more, withheld) in [
        (vec![(Name::PAssertedIdentity, "<sip:boss@tandem.test>"), (Name::Diversion, "<sip:1001@c>")], false),
        (vec![(Name::PPreferredIdentity, "<sip:boss@tandem.test>"), (Name::RemotePartyId, "<sip:boss@c>")], false),
        (vec![(Name::Privacy, "id")], true),
    ] {
        let mut desk = desk(true);
        let mut phone = Phone::new("alice", "secret", "192.0.2.7:5060");
        let contact = phone.contact.clone();
        let more: Vec<_> = more.into_iter().chain([(Name::Contact, contact.as_str())]).collect();
        desk.proved(&mut phone, "INVITE", "sip:1800@tandem.test", &more);
        let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
        assert_eq!(invited.party, PartyIdentity { is_withheld: withheld, ..PartyIdentity::default() });
    }
}

/// The INVITE that goes out for a party.
fn told(desk: &mut Desk, target: Target, party: PartyIdentity) -> Message {
    let invite = desk.endpoint.next_invite();
    let trusted = ["P-Asserted-Identity", "diversion", "History-Info", "Remote-Party-ID", "P-Preferred-Identity", "Privacy"];
    let trusted = [&trusted[..], &["Referred-By", "b", "REFERRED-BY"]].concat();
    let headers = trusted.into_iter().map(|name| (name.to_owned(), "<sip:smuggled@x>".to_owned())).collect();
    let (from_user, from_display) = ("1001".to_owned(), "Ann".to_owned());
    let sdp = Bytes::from_static(SDP.as_bytes());
    desk.command(Command::Invite(Box::new(Invite {
        invite,
        target,
        from_user,
        from_display,
        party,
        sdp,
        headers,
        is_emergency: false,
        web_sdp: None,
    })));
    let message = desk.next();
    assert!(!String::from_utf8_lossy(message.bytes()).contains("smuggled"));
    message
}

fn trunk_target() -> Target {
    Target::Trunk { name: "carrier".into(), user: "+391".to_owned() }
}

/// From without its tag, and the headers that say who calls.
fn says(message: &Message) -> Vec<String> {
    let from = message.header(Name::From).unwrap().split(";tag").next().unwrap().to_owned();
    let names = [Name::Privacy, Name::PAssertedIdentity, Name::Diversion, Name::HistoryInfo];
    let lines = names.into_iter().flat_map(|name| message.header_lines(name).map(move |line| (name, line)));
    std::iter::once(from)
        .chain(lines.map(|(name, line)| format!("{}: {}", name.as_str(), String::from_utf8_lossy(line))))
        .collect()
}

#[test]
fn a_trusted_trunk_is_told_who_calls_and_another_what_from_says() {
    // What is neither a number nor a plain name is not handed on.
    let diverted_by = [("1001", 302), ("10 03;x=y", 486), ("1002", 486)];
    let diverted_by = diverted_by.map(|(user, code)| Diverted { user: user.to_owned(), code }).to_vec();
    let shown = PartyIdentity { number: Some("+39021".to_owned()), diverted_by, ..PartyIdentity::default() };
    assert_eq!(
        says(&told(&mut desk(true), trunk_target(), shown.clone())),
        [
            "\"Ann\" <sip:1001@127.0.0.1:5060>",
            "P-Asserted-Identity: \"Ann\" <sip:+39021@127.0.0.1:5060>",
            "Diversion: <sip:1002@127.0.0.1:5060>;reason=user-busy;counter=1",
            "Diversion: <sip:1001@127.0.0.1:5060>;reason=unconditional;counter=1",
            "History-Info: <sip:1001@127.0.0.1:5060?Reason=SIP%3Bcause%3D302>;index=1",
            "History-Info: <sip:1002@127.0.0.1:5060?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1",
            "History-Info: <sip:+391@203.0.113.5:5060>;index=1.1.1;mp=1.1",
        ]
    );
    assert_eq!(says(&told(&mut desk(false), trunk_target(), shown)), ["\"Ann\" <sip:1001@127.0.0.1:5060>"]);
}

#[test]
fn who_withholds_a_number_is_nobody_but_to_those_who_are_trusted() {
    let withheld = PartyIdentity { is_withheld: true, ..PartyIdentity::default() };
    let nobody = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    let asserted = "P-Asserted-Identity: \"Ann\" <sip:1001@127.0.0.1:5060>";
    assert_eq!(says(&told(&mut desk(true), trunk_target(), withheld.clone())), [nobody, "Privacy: id", asserted]);
    assert_eq!(says(&told(&mut desk(false), trunk_target(), withheld.clone())), [nobody, "Privacy: id"]);
    let mut desk = desk(true);
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5060");
    desk.register(&mut phone, &[]);
    assert_eq!(says(&told(&mut desk, Target::Account("alice".into()), withheld)), [nobody]);
}

#[test]
fn who_had_a_call_transferred_is_told_to_users_and_trusted_trunks_and_never_believed() {
    let party = PartyIdentity { referred_by: Some("10 01".to_owned()), ..PartyIdentity::default() };
    let by = |message: &Message| message.header_lines(Name::ReferredBy).map(|line| line.to_vec()).collect::<Vec<_>>();
    let ours = [b"<sip:10%2001@127.0.0.1:5060>".to_vec()];
    assert_eq!(by(&told(&mut desk(true), trunk_target(), party.clone())), ours);
    assert_eq!(by(&told(&mut desk(false), trunk_target(), party.clone())), [] as [Vec<u8>; 0]);
    let fixed = Target::Uri("sip:agent7@192.0.2.9:5090".to_owned());
    assert_eq!(by(&told(&mut desk(true), fixed, party.clone())), [] as [Vec<u8>; 0]);
    let mut at_home = desk(false);
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5060");
    at_home.register(&mut phone, &[]);
    assert_eq!(by(&told(&mut at_home, Target::Account("alice".into()), party)), ours);
    for lines in
        ["Referred-By: <sip:1001@c>\r\n", "b: <sip:1001@c>\r\n", "B :\r\n <sip:1001@c>\r\n", "REFERRED-BY:<sip:1001@c>\r\n"]
    {
        for trusted in [true, false] {
            assert_eq!(believed(trusted, FROM, lines), PartyIdentity::default(), "{lines}");
        }
    }
}
