//! What those get who have no password: refusals, few of them, and never a trace.

use super::desk::{Desk, Phone};
use crate::{
    endpoint::{Command, EndpointConfig, Limits},
    flow::Flow,
    message::Name,
};

fn request(method: &str, more: &str) -> String {
    format!(
        "{method} sip:100@tandem.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{method}{}\r\nMax-Forwards: 70\r\n\
         From: <sip:eve@x>;tag=1\r\nTo: <sip:100@tandem.test>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\nContact: <sip:eve@192.0.2.9>\r\n{more}",
        more.len()
    )
}

fn flow(address: &str) -> Flow {
    Flow::udp(super::world::address(0), address.parse().unwrap())
}

#[test]
fn each_method_gets_its_refusal_and_nothing_happens() {
    let mut desk = Desk::new();
    let end = "Content-Length: 0\r\n\r\n";
    for (method, code) in [
        ("INVITE", 401),
        ("REGISTER", 401),
        ("OPTIONS", 200),
        ("BYE", 481),
        ("CANCEL", 481),
        ("INFO", 481),
        ("UPDATE", 481),
        ("MESSAGE", 401),
        ("SUBSCRIBE", 401),
        ("NOTIFY", 405),
        ("PUBLISH", 405),
        ("REFER", 403),
        ("PRACK", 481),
        ("FLY", 501),
    ] {
        desk.receive(flow("192.0.2.9:5060"), request(method, end));
        let reply = desk.next();
        assert_eq!(reply.code(), Some(code), "{method}");
        assert_eq!(reply.has(Name::Allow), matches!(code, 200 | 405 | 501), "{method}");
        assert!(reply.to().unwrap().tag().is_some());
    }
    desk.receive(flow("192.0.2.9:5060"), request("ACK", end));
    assert!(desk.sent.is_empty() && desk.events.is_empty());
    let counts = desk.endpoint.counts();
    assert_eq!(counts.server_transactions + counts.invites, 0);
}

#[test]
fn what_is_required_and_not_known_is_named() {
    let mut desk = Desk::new();
    let cases = [
        ("OPTIONS", "Require: a, b\r\nProxy-Require: c\r\nContent-Length: 0\r\n\r\n", 420, Name::Unsupported, "a, b, c"),
        ("INVITE", "Require: 100rel, x\r\nContent-Length: 0\r\n\r\n", 420, Name::Unsupported, "x"),
        ("INVITE", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", 415, Name::Accept, "application/sdp"),
        (
            "INVITE",
            "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
            415,
            Name::AcceptEncoding,
            "identity",
        ),
    ];
    for (method, more, code, name, value) in cases {
        desk.receive(flow("192.0.2.9:5060"), request(method, more));
        let reply = desk.next();
        assert_eq!((reply.code(), reply.header(name)), (Some(code), Some(value)));
    }
}

#[test]
fn replies_find_their_way_through_a_nat_and_to_an_old_phone() {
    let mut desk = Desk::new();
    let end = "Content-Length: 0\r\n\r\n";
    // Via's address is the source's and no rport is asked: the Via's port.
    desk.receive(flow("192.0.2.9:40000"), request("OPTIONS", end));
    assert_eq!(desk.sent.pop_front().unwrap().0.address().to_string(), "192.0.2.9:5060");
    // Behind a NAT: back where it came from, whether or not rport is asked for.
    desk.receive(flow("198.51.100.1:40000"), request("OPTIONS", end));
    let (to, reply) = desk.sent.pop_front().unwrap();
    assert_eq!(
        (to.address().to_string().as_str(), reply.via().unwrap().received()),
        ("198.51.100.1:40000", "198.51.100.1".parse().ok())
    );
    desk.receive(flow("192.0.2.9:40000"), request("OPTIONS", end).replace(";branch", ";rport;branch"));
    let (to, reply) = desk.sent.pop_front().unwrap();
    assert_eq!((to.address().port(), reply.via().unwrap().rport()), (40_000, Some(Some(40_000))));
}

#[test]
fn a_flood_gets_few_replies_and_others_all_of_theirs() {
    let mut desk = Desk::new();
    for i in 0..10_000 {
        desk.receive(flow("192.0.2.9:5060"), request("REGISTER", &format!("X: {i}\r\nContent-Length: 0\r\n\r\n")));
        desk.receive(flow("192.0.2.9:5060"), "INVITE broken SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n");
    }
    let burst = EndpointConfig::new("", Vec::new()).limits.stranger_burst as usize;
    assert_eq!(desk.sent.len(), burst);
    desk.sent.clear();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    assert_eq!(desk.register(&mut phone, &[]).code(), Some(200));
    let counts = desk.endpoint.counts();
    assert!(counts.server_transactions <= 1 && counts.timers <= 1, "{counts:?}");
}

#[test]
fn replies_to_strangers_are_never_much_longer_than_what_they_sent() {
    let mut desk = Desk::new();
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"] {
        let request = request(method, "Content-Length: 0\r\n\r\n");
        let sent = request.len();
        desk.receive(flow("192.0.2.9:5060"), request);
        desk.pass(40_000);
        let replies: usize = desk.sent.drain(..).map(|(_, message)| message.bytes().len()).sum();
        assert!(replies <= 3 * sent, "{method}: {sent} in, {replies} out");
    }
}

#[test]
fn full_and_draining_endpoints_say_503_without_a_trace() {
    let limits = Limits { max_dialogs: 0, ..Limits::default() };
    let mut desk = Desk::with(EndpointConfig { limits, ..super::world::config(0) });
    for _ in 0..2 {
        desk.receive(flow("192.0.2.9:5060"), request("INVITE", "Content-Length: 0\r\n\r\n"));
        let reply = desk.next();
        assert_eq!((reply.code(), reply.header(Name::RetryAfter)), (Some(503), Some("5")));
        desk = Desk::new();
        desk.command(Command::Drain);
    }
}

#[test]
fn an_old_client_without_a_branch_is_recognised_when_it_repeats_itself() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![super::world::trunk(
        "old",
        "192.0.2.9:5060".parse().unwrap(),
        crate::flow::Transport::Udp,
    )]));
    desk.words();
    let invite = request("INVITE", "Content-Length: 0\r\n\r\n").replace(";branch=z9hG4bKINVITE21", "").replace(";tag=1", "");
    for _ in 0..3 {
        desk.receive(flow("192.0.2.9:5060"), invite.clone());
        assert_eq!(desk.code(), 100);
    }
    assert_eq!(desk.words(), ["invited 100 from eve"]);
    let cancel = invite.replace("INVITE", "CANCEL").replace("Call-ID: CANCEL", "Call-ID: INVITE");
    desk.receive(flow("192.0.2.9:5060"), cancel);
    assert_eq!((desk.code(), desk.code(), desk.words()), (200, 487, vec!["cancelled".to_owned()]));
    let ack = invite.replace("INVITE", "ACK").replace("Call-ID: ACK", "Call-ID: INVITE");
    desk.receive(flow("192.0.2.9:5060"), ack);
    desk.pass(5_000);
    assert!(desk.sent.is_empty(), "the ACK stopped the repetitions of 487");
    desk.pass(32_001);
    assert_eq!(desk.endpoint.counts().server_transactions, 0);
}
