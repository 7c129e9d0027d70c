//! Devices that register by flows (RFC 5626), by browsers (RFC 7118) and through proxies (RFC 3327).

use bytes::Bytes;

use super::{
    desk::{Desk, Phone},
    world::SDP,
};
use crate::{
    endpoint::{Command, Destination, Input, Invite, PartyIdentity, Target},
    flow::{ConnectionId, Flow, Transport},
    message::{Message, Name, ResponseBuilder},
};

const OUTBOUND: (Name, &str) = (Name::Supported, "path, outbound");

/// A phone of alice on a connection of its own, with a contact as browsers have.
fn flow(connection: u64, reg_id: &str) -> Phone {
    let mut phone = Phone::new("alice", "secret", &format!("192.0.2.7:{}", 5_000 + connection)).over_tcp(connection);
    phone.flow.transport = Transport::Ws;
    phone.contact = format!("<sip:alice@h{connection}.invalid;transport=ws;ob>;reg-id={reg_id};+sip.instance=\"<urn:uuid:1>\"");
    phone
}

fn call_alice(desk: &mut Desk) {
    let invite = desk.endpoint.next_invite();
    let (from_user, sdp) = ("7".to_owned(), Bytes::from_static(SDP.as_bytes()));
    let target = Target::Account("alice".into());
    let wish = Invite {
        invite,
        target,
        from_user,
        from_display: String::new(),
        sdp,
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
        party: PartyIdentity::default(),
    };
    desk.command(Command::Invite(Box::new(wish)));
}

/// The connections of the INVITEs that were sent since, and the last of these.
fn invited(desk: &mut Desk) -> (Vec<u64>, Option<Message>) {
    let sent: Vec<_> = desk.sent.drain(..).filter(|(_, message)| message.method() == "INVITE").collect();
    let connection = |to: &Destination| match to {
        Destination::Flow(Flow { connection: Some(id), .. }) => id.0,
        other => panic!("not by a flow: {other:?}"),
    };
    (sent.iter().map(|(to, _)| connection(to)).collect(), sent.into_iter().last().map(|(_, message)| message))
}

fn reply(desk: &mut Desk, flow: Flow, request: &Message, code: u16) {
    let bytes = ResponseBuilder::from_request(request, code, "X", super::world::address(0), Some("t")).build().unwrap();
    desk.receive(flow, bytes);
}

#[test]
fn a_flow_is_registered_by_instance_and_number_and_the_reply_says_so() {
    let mut desk = Desk::new();
    let reply = desk.register(&mut flow(1, "1"), &[OUTBOUND]);
    assert_eq!(reply.code(), Some(200));
    let values: Vec<&str> = reply.headers(Name::Contact).collect();
    assert_eq!(values, ["<sip:alice@h1.invalid;transport=ws;ob>;expires=3600;reg-id=1;+sip.instance=\"<urn:uuid:1>\""]);
    assert_eq!((reply.header(Name::Require), reply.header(Name::FlowTimer)), (Some("outbound"), Some("120")));
    // A second flow stands beside it; the first one opened again takes the place of its old self.
    desk.register(&mut flow(2, "2"), &[OUTBOUND]);
    desk.register(&mut flow(3, "1"), &[OUTBOUND]);
    assert_eq!(
        desk.words(),
        [
            "added sip:alice@h1.invalid;transport=ws;ob",
            "added sip:alice@h2.invalid;transport=ws;ob",
            "added sip:alice@h3.invalid;transport=ws;ob",
            "removed sip:alice@h1.invalid;transport=ws;ob Replaced 2",
        ]
    );
    let mut again = flow(3, "1");
    (again.cseq, again.call_id) = (50, "other".to_owned());
    desk.register(&mut again, &[OUTBOUND]);
    assert_eq!(desk.words(), ["refreshed sip:alice@h3.invalid;transport=ws;ob"]);
    let mut gone = flow(9, "2");
    desk.register(&mut gone, &[OUTBOUND, (Name::Expires, "0")]);
    assert_eq!(desk.words(), ["removed sip:alice@h2.invalid;transport=ws;ob Unregistered 1"], "by its number");
}

#[test]
fn a_flow_over_udp_is_to_be_kept_alive_more_often() {
    let mut desk = Desk::new();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    phone.contact = "<sip:alice@10.0.0.7>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"".to_owned();
    assert_eq!(desk.register(&mut phone, &[OUTBOUND]).header(Name::FlowTimer), Some("25"));
}

#[test]
fn without_the_option_or_the_instance_a_number_means_nothing() {
    let mut desk = Desk::new();
    let plain = desk.register(&mut flow(1, "1"), &[]);
    let mut nameless = flow(2, "1");
    nameless.contact = "<sip:alice@h2.invalid>;reg-id=1".to_owned();
    let nameless = desk.register(&mut nameless, &[OUTBOUND]);
    for reply in [plain, nameless] {
        assert_eq!((reply.code(), reply.header(Name::Require), reply.header(Name::FlowTimer)), (Some(200), None, None));
    }
}

#[test]
fn what_breaks_the_rules_of_outbound_is_refused() {
    let long = format!("<sip:alice@h>;reg-id=1;+sip.instance=\"{}\"", "x".repeat(300));
    let bad = [
        ("<sip:alice@h>;reg-id=0;+sip.instance=\"<urn:uuid:1>\"", 400),
        ("<sip:alice@h>;reg-id=2147483648;+sip.instance=\"<urn:uuid:1>\"", 400),
        ("<sip:alice@h>;reg-id=x;+sip.instance=\"<urn:uuid:1>\"", 400),
        ("<sip:alice@h>;reg-id=1;+sip.instance=\"<urn:uuid:1>\", <sip:alice@i>", 400),
        ("<sip:alice@h>;reg-id=1;+sip.instance=\"<urn:uuid:1>\", <sip:alice@i>;expires=0", 200),
        (long.as_str(), 400),
    ];
    for (contact, code) in bad {
        let mut desk = Desk::new();
        let mut phone = Phone { contact: contact.to_owned(), ..flow(1, "1") };
        assert_eq!(desk.register(&mut phone, &[OUTBOUND]).code(), Some(code), "{contact}");
    }
}

#[test]
fn a_proxy_that_knows_no_flows_is_named_and_one_that_does_is_passed_by_calls() {
    let through = (Name::Via, "SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKdevice");
    let edge = (Name::Path, "<sip:token@192.0.2.7;lr;ob>");
    let mut desk = Desk::new();
    assert_eq!(desk.register(&mut flow(1, "1"), &[OUTBOUND, through]).code(), Some(439));
    let old = (Name::Path, "<sip:192.0.2.7;lr>");
    assert_eq!(desk.register(&mut flow(2, "1"), &[OUTBOUND, through, old]).code(), Some(439));
    assert_eq!(desk.endpoint.counts().bindings, 0);
    let inner = (Name::Path, "<sip:192.0.2.8;lr>");
    let reply = desk.register(&mut flow(3, "1"), &[OUTBOUND, through, inner, edge]);
    let path: Vec<&str> = reply.headers(Name::Path).collect();
    assert_eq!((reply.code(), path), (Some(200), vec![inner.1, edge.1]));
    call_alice(&mut desk);
    let (by, invite) = invited(&mut desk);
    let invite = invite.unwrap();
    assert_eq!((by, invite.headers(Name::Route).collect::<Vec<_>>()), (vec![3], vec![inner.1, edge.1]));
    assert_eq!(invite.request_uri(), "sip:alice@h3.invalid;transport=ws;ob");
}

#[test]
fn a_path_is_kept_in_silence_for_a_device_that_does_not_know_it_and_never_when_it_is_none() {
    let mut desk = Desk::new();
    let reply = desk.register(&mut Phone::new("alice", "secret", "192.0.2.7:5070"), &[(Name::Path, "<sip:192.0.2.8;lr>")]);
    assert_eq!((reply.code(), reply.header(Name::Path)), (Some(200), None));
    for path in ["nonsense", "<tel:+1>"] {
        assert_eq!(desk.register(&mut flow(1, "1"), &[OUTBOUND, (Name::Path, path)]).code(), Some(400), "{path}");
    }
    let many = ["<sip:192.0.2.8;lr>"; 9].join(", ");
    assert_eq!(desk.register(&mut flow(1, "1"), &[OUTBOUND, (Name::Path, &many)]).code(), Some(400));
}

#[test]
fn a_register_may_require_path_and_outbound_and_nothing_else() {
    let mut desk = Desk::new();
    let reply = desk.register(&mut flow(1, "1"), &[(Name::Require, "path, outbound")]);
    assert_eq!((reply.code(), reply.header(Name::Require)), (Some(200), Some("outbound")));
    let mut phone = flow(2, "1");
    let request = phone.request("REGISTER", "sip:tandem.test", &[(Name::Require, "outbound, gruu")]);
    desk.receive(phone.flow, request);
    let refused = desk.next();
    assert_eq!((refused.code(), refused.header(Name::Unsupported)), (Some(420), Some("gruu")));
}

#[test]
fn one_flow_of_a_device_rings_at_a_time_and_the_next_when_it_fails() {
    let mut desk = Desk::new();
    for (connection, reg_id) in [(1, "1"), (2, "2"), (3, "3")] {
        desk.register(&mut flow(connection, reg_id), &[OUTBOUND]);
    }
    desk.words();
    call_alice(&mut desk);
    let (by, invite) = invited(&mut desk);
    assert_eq!(by, [3], "the newest, and no other");
    // A proxy on the way says that the flow is gone: so is the binding, and the next is tried.
    reply(&mut desk, flow(3, "3").flow, &invite.unwrap(), 430);
    assert_eq!(invited(&mut desk).0, [2]);
    assert_eq!(desk.words(), ["removed sip:alice@h3.invalid;transport=ws;ob FlowFailed 2"]);
    // The connection of the next breaks.
    desk.input(Input::ConnectionClosed { connection: ConnectionId(2) });
    let (by, invite) = invited(&mut desk);
    assert_eq!(by, [1]);
    assert_eq!(desk.words(), ["removed sip:alice@h2.invalid;transport=ws;ob ConnectionClosed 1"]);
    // What the device itself says is not asked of it again.
    reply(&mut desk, flow(1, "1").flow, &invite.unwrap(), 486);
    assert_eq!((invited(&mut desk).0, desk.words()), (vec![], vec!["rejected 486 Peer".to_owned()]));
}

#[test]
fn a_device_that_rang_too_long_is_not_rung_by_another_flow() {
    let mut desk = Desk::new();
    desk.register(&mut flow(1, "1"), &[OUTBOUND]);
    desk.register(&mut flow(2, "2"), &[OUTBOUND]);
    call_alice(&mut desk);
    let (by, invite) = invited(&mut desk);
    assert_eq!(by, [2]);
    reply(&mut desk, flow(2, "2").flow, &invite.unwrap(), 180);
    desk.words();
    desk.pass(1_000_000);
    assert_eq!((invited(&mut desk).0, desk.words()), (vec![], vec!["rejected 408 Network".to_owned()]));
}

#[test]
fn requests_to_a_browser_go_by_its_connection_and_name_ours() {
    let mut desk = Desk::new();
    let mut phone = flow(1, "1");
    desk.register(&mut phone, &[OUTBOUND]);
    call_alice(&mut desk);
    let (_, invite) = invited(&mut desk);
    let invite = invite.unwrap();
    assert!(invite.header(Name::Via).unwrap().starts_with("SIP/2.0/WS "), "{:?}", invite.header(Name::Via));
    assert!(invite.header(Name::Contact).unwrap().ends_with(";transport=ws>"));
    let contact = "sip:alice@h1.invalid;transport=ws;ob";
    let answer = ResponseBuilder::from_request(&invite, 200, "OK", super::world::address(0), Some("t")).contact(contact);
    desk.receive(phone.flow, answer.build_with_body("application/sdp", SDP.as_bytes()).unwrap());
    let (to, ack) = desk.sent.pop_front().unwrap();
    assert_eq!((to, ack.method(), ack.request_uri()), (Destination::Flow(phone.flow), "ACK", contact));
    // Nobody can be called at such an address from here.
    let invite = desk.endpoint.next_invite();
    let (from_user, sdp) = ("7".to_owned(), Bytes::from_static(SDP.as_bytes()));
    let target = Target::Uri("sip:alice@192.0.2.7;transport=ws".to_owned());
    desk.words();
    desk.command(Command::Invite(Box::new(Invite {
        invite,
        target,
        from_user,
        from_display: String::new(),
        sdp,
        headers: vec![],
        is_emergency: false,
        web_sdp: None,
        party: PartyIdentity::default(),
    })));
    assert_eq!(desk.words(), ["rejected 404 Us"]);
}
