//! Calls of a trunk as WhatsApp's is: challenged on top of their address, told by headers, and never changed from our
//! side.

use bytes::Bytes;

use super::{
    calls::end,
    desk::Desk,
    world::{REALM, SDP},
};
use crate::{
    digest::Challenge,
    endpoint::{
        Command, Destination, DigestUri, Input, Invite, InviteId, PartyIdentity, Peer, PeerMatch, Restored, Target, Trunk,
        TrunkCredentials,
    },
    flow::{ConnectionId, Flow, Transport},
    message::{Message, Name, ResponseBuilder},
};

const EDGE: &str = "192.0.2.50:5061";
const ROUTES: [&str; 2] = ["<sip:wa.meta.vc;transport=tls;lr>", "<sip:edge.internal.invalid:8191;transport=tls;lr>"];

fn trunk() -> Trunk {
    let credentials = TrunkCredentials { user: "15550100000".into(), password: "secret".into(), realm: None };
    let edge: std::net::SocketAddr = EDGE.parse().unwrap();
    Trunk {
        from: vec![PeerMatch { ip: edge.ip(), prefix: 24, port: None, transport: None }],
        credentials: Some(credentials),
        from_domain: Some("sip.example.com".into()),
        authority: Some("wa.meta.vc;transport=tls".into()),
        digest_uri: DigestUri::UserHost,
        challenges: true,
        takes_changes: false,
        tells: ["x-wa-meta-wacid", "x-wa-meta-call-duration"].map(Into::into).to_vec(),
        ..Trunk::new("wa", vec![Peer::new(Transport::Tls, edge)])
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![trunk()]));
    desk.words();
    desk
}

fn flow() -> Flow {
    Flow {
        transport: Transport::Tls,
        connection: Some(ConnectionId(7)),
        ..Flow::udp(super::world::address(0), EDGE.parse().unwrap())
    }
}

/// A request of the edge in the call `outgoing:wacid.DDD==`.
fn request(method: &str, cseq: u32, to_tag: &str, more: &str) -> String {
    let uri = "sip:+15550100000;tgrp=wacall;trunk-context=example.com@sip.example.com;transport=tls";
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    let (kind, body) = if method == "INVITE" { ("Content-Type: application/sdp\r\n", SDP) } else { ("", "") };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS [2001:db8::1]:5061;rport;branch=z9hG4bKPj{method}{cseq};alias\r\n\
         Record-Route: {}\r\nRecord-Route: {}\r\nMax-Forwards: 69\r\n\
         From: \"15550101234\" <sip:+15550101234@wa.meta.vc>;tag=f1\r\nTo: <sip:+15550100000@sip.example.com>{to_tag}\r\n\
         Contact: <sip:+15550101234@wa.meta.vc;transport=tls;ob>;isfocus\r\nCall-ID: outgoing:wacid.DDD==\r\n\
         CSeq: {cseq} {method}\r\nX-FB-External-Domain: wa.meta.vc\r\nx-wa-meta-wacid: wacid.DDD==\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS\r\nUser-Agent: Facebook SipGateway\r\n\
         {more}{kind}Content-Length: {}\r\n\r\n{body}",
        ROUTES[0],
        ROUTES[1],
        body.len()
    )
}

/// What answers the SHA-256 challenge (0) or the MD5 one (1) of a 407, made for a URI without parameters.
fn proof(challenge: &Message, which: usize, user: &str, password: &str) -> String {
    let values: Vec<_> = challenge.auth_values(Name::ProxyAuthenticate).collect();
    let challenge = Challenge::read(&values[which]).unwrap();
    let value = challenge.answer(user, password, "INVITE", "sip:+15550100000@sip.example.com", 1, "c");
    format!("Proxy-Authorization: {value}\r\n")
}

/// A call of the edge that is proved; not answered yet.
fn invited(desk: &mut Desk, more: &str) {
    desk.receive(flow(), request("INVITE", 2824, "", more));
    let challenge = desk.next();
    assert_eq!((challenge.code(), challenge.header_lines(Name::ProxyAuthenticate).count()), (Some(407), 2));
    assert!(!challenge.has(Name::WwwAuthenticate));
    let more = format!("{}{more}", proof(&challenge, 0, "15550100000", "secret"));
    desk.receive(flow(), request("INVITE", 2825, "", &more));
    let words = desk.words();
    assert_eq!(words, ["invited +15550100000;tgrp=wacall;trunk-context=example.com from +15550101234 sdp"]);
    desk.sent.clear();
}

/// The same, answered and acknowledged; our tag, and our answer.
fn up(desk: &mut Desk, more: &str) -> (String, Message) {
    invited(desk, more);
    desk.command(Command::Answer { invite: InviteId(1), sdp: Bytes::from_static(SDP.as_bytes()) });
    let answer = desk.sent.pop_back().unwrap().1;
    let tag = answer.to().unwrap().tag().unwrap().to_owned();
    desk.receive(flow(), request("ACK", 2825, &tag, ""));
    desk.sent.clear();
    desk.words();
    (tag, answer)
}

#[test]
fn a_call_must_prove_the_password_beside_its_address() {
    for (which, user, password) in [(0, "15550100000", "guess"), (1, "15550100000", "guess"), (0, "alice", "secret")] {
        let mut desk = desk();
        desk.receive(flow(), request("INVITE", 1, "", ""));
        let challenge = desk.next();
        desk.receive(flow(), request("INVITE", 2, "", &proof(&challenge, which, user, password)));
        assert_eq!((desk.code(), desk.words()), (407, vec![format!("auth failed {user}")]));
    }
    // MD5 will do, and credentials of a user of ours prove nothing here.
    let mut desk = desk();
    desk.receive(flow(), request("INVITE", 1, "", ""));
    let challenge = desk.next();
    assert!(challenge.header(Name::ProxyAuthenticate).unwrap().contains(REALM));
    desk.receive(flow(), request("INVITE", 2, "", &proof(&challenge, 1, "15550100000", "secret")));
    assert_eq!(desk.words().len(), 1);
    // The same from elsewhere is a stranger's, whatever it proves.
    let mut desk = super::trunk_calls::desk();
    let elsewhere = Flow { remote: "198.51.100.1:5061".parse().unwrap(), ..flow() };
    desk.receive(elsewhere, request("INVITE", 1, "", ""));
    assert_eq!(desk.code(), 401);
    // Without a password there is nothing that could prove it.
    desk.command(Command::SetTrunks(vec![Trunk { credentials: None, ..trunk() }]));
    desk.receive(flow(), request("INVITE", 3, "", ""));
    assert_eq!(desk.code(), 403);
}

#[test]
fn the_headers_that_the_trunk_tells_are_told_with_the_call_and_with_its_end() {
    let mut desk = desk();
    desk.receive(flow(), request("INVITE", 1, "", ""));
    let challenge = desk.next();
    desk.receive(flow(), request("INVITE", 2, "", &proof(&challenge, 0, "15550100000", "secret")));
    let Some(crate::endpoint::Event::Invited(invited)) = desk.events.pop_front() else { panic!("invited") };
    let told: Vec<_> = invited.headers.iter().map(|told| (&*told.name, &*told.value)).collect();
    assert_eq!(told, [("x-wa-meta-wacid", "wacid.DDD==")]);
    assert_eq!(&*invited.call_id, "outgoing:wacid.DDD==");

    let mut desk = super::trunk_calls::desk();
    let (tag, _) = up(&mut desk, "");
    let long = "9".repeat(300);
    desk.receive(flow(), request("BYE", 2826, &tag, &format!("X-WA-Meta-Call-Duration: 42{long}\r\n")));
    assert_eq!(desk.code(), 200);
    let words = desk.words();
    assert_eq!(words[0].len(), "told x-wa-meta-wacid=wacid.DDD== x-wa-meta-call-duration=".len() + 256, "{words:?}");
    assert_eq!(words[1], "ended Bye { cause: None }");
}

#[test]
fn both_record_routes_come_back_in_our_bye_the_nearest_first() {
    let mut desk = desk();
    let (_, answer) = up(&mut desk, "");
    assert_eq!(answer.headers(Name::RecordRoute).collect::<Vec<_>>(), ROUTES);
    desk.command(Command::End { invite: InviteId(1), code: 200, reason: String::new() });
    let bye = desk.next();
    assert_eq!((bye.method(), bye.request_uri()), ("BYE", "sip:+15550101234@wa.meta.vc;transport=tls;ob"));
    assert_eq!(bye.headers(Name::Route).collect::<Vec<_>>(), ROUTES);
}

#[test]
fn a_call_outlives_the_connection_that_it_came_by() {
    let mut desk = desk();
    up(&mut desk, "");
    desk.input(Input::ConnectionClosed { connection: ConnectionId(7) });
    assert_eq!(desk.words(), Vec::<String>::new());
    desk.command(Command::End { invite: InviteId(1), code: 200, reason: String::new() });
    let (to, bye) = desk.next_with_way();
    assert_eq!((bye.method(), bye.headers(Name::Route).count()), ("BYE", 2));
    assert_eq!(to, Destination::Address { transport: Transport::Tls, to: EDGE.parse().unwrap() });
}

#[test]
fn who_names_an_address_is_dialled_there_when_the_connection_is_gone() {
    let contact = format!("Contact: <sip:+15550101234@{};transport=tls>", EDGE.replace(":5061", ":5099"));
    let direct = |text: String| {
        let lines = text.split("\r\n").filter(|line| !line.starts_with("Record-Route"));
        lines.map(|line| if line.starts_with("Contact") { &contact } else { line }).collect::<Vec<_>>().join("\r\n")
    };
    let mut desk = desk();
    desk.command(Command::SetTrunks(vec![Trunk { challenges: false, ..trunk() }]));
    desk.receive(flow(), direct(request("INVITE", 1, "", "")));
    desk.command(Command::Answer { invite: InviteId(1), sdp: Bytes::from_static(SDP.as_bytes()) });
    let tag = desk.sent.pop_back().unwrap().1.to().unwrap().tag().unwrap().to_owned();
    desk.receive(flow(), direct(request("ACK", 1, &tag, "")));
    desk.sent.clear();
    let kept = desk.kept(InviteId(1));
    let there = Destination::Address { transport: Transport::Tls, to: EDGE.replace(":5061", ":5099").parse().unwrap() };
    desk.input(Input::ConnectionClosed { connection: ConnectionId(7) });
    desk.command(end(InviteId(1)));
    let (to, bye) = desk.next_with_way();
    assert_eq!((bye.method(), to), ("BYE", there));
    // And the same after a restart.
    let (mut desk, restored) = desk.killed(1_000, &kept);
    let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
    desk.command(end(invite));
    let (to, bye) = desk.next_with_way();
    assert_eq!((bye.method(), to), ("BYE", there));
}

#[test]
fn a_call_of_before_a_restart_goes_on_where_its_carrier_is_found() {
    let mut desk = desk();
    up(&mut desk, "");
    let kept = desk.kept(InviteId(1));
    let edge = Destination::Address { transport: Transport::Tls, to: EDGE.parse().unwrap() };
    let peers =
        vec![Peer::new(Transport::Tls, "198.51.100.9:5061".parse().unwrap()), Peer::new(Transport::Tls, EDGE.parse().unwrap())];
    for ends in [false, true] {
        // The name of the carrier is not looked up yet: nothing goes to the port that its connection came from.
        let (mut desk, restored) = super::trunk_calls::desk().killed(1_000, &kept);
        let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
        desk.command(Command::SetTrunks(vec![Trunk { peers: Vec::new(), ..trunk() }]));
        desk.endpoint.probe(desk.now, invite);
        if ends {
            desk.command(end(invite));
        }
        desk.pass(5_000);
        assert_eq!((desk.lines(), desk.words()), (vec![], vec!["wa up".to_owned()]));
        desk.command(Command::SetPeers { trunk: "wa".into(), peers: peers.clone() });
        let (to, request) = desk.next_with_way();
        assert_eq!((to, request.headers(Name::Route).count()), (edge, 2), "of several the machine that it was with");
        assert_eq!(request.method(), if ends { "BYE" } else { "OPTIONS" });
        // What is kept then does as well, and so does one that was kept before the carrier was found.
        if !ends {
            let again = desk.kept(invite);
            let mut next = super::trunk_calls::desk();
            let Restored::Up { invite, .. } = next.restore(&again) else { panic!("restored") };
            next.command(end(invite));
            let (to, bye) = next.next_with_way();
            assert_eq!((bye.method(), to), ("BYE", edge));
        }
    }
    // A carrier that is nowhere to be found is not waited for.
    let (mut desk, restored) = super::trunk_calls::desk().killed(1_000, &kept);
    let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
    desk.command(end(invite));
    desk.pass(60_000);
    assert_eq!(desk.next().method(), "BYE");
}

#[test]
fn nothing_of_a_running_call_is_changed_from_our_side() {
    let mut desk = desk();
    // They would have us refresh the session: for us it does not expire.
    let (tag, answer) = up(&mut desk, "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n");
    assert!(!answer.has(Name::SessionExpires) && answer.lists(Name::Supported, "timer"));
    desk.command(Command::Reoffer { invite: InviteId(1), sdp: Bytes::from_static(SDP.as_bytes()) });
    assert_eq!(desk.words(), ["reoffer rejected 488"]);
    desk.pass(7_200_000);
    assert!(desk.sent.is_empty() && desk.events.is_empty());
    // Theirs is taken as anybody's.
    desk.receive(flow(), request("INVITE", 2826, &tag, ""));
    assert_eq!(desk.words(), ["reoffered sdp"]);
    desk.command(Command::AnswerReoffer { invite: InviteId(1), sdp: Bytes::from_static(SDP.as_bytes()) });
    let codes: Vec<_> = desk.sent.drain(..).map(|(_, reply)| reply.code().unwrap()).collect();
    assert_eq!(codes, [100, 200]);
}

#[test]
fn a_session_that_they_refresh_is_agreed_to_and_ends_when_they_do_not() {
    let mut desk = desk();
    let (_, answer) = up(&mut desk, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    assert_eq!(answer.header(Name::SessionExpires), Some("600;refresher=uac"));
    desk.pass(600_000);
    assert_eq!(desk.words(), ["ended Timeout"]);
    // Who only knows timers is not asked for one.
    let mut desk = super::trunk_calls::desk();
    let (_, answer) = up(&mut desk, "Supported: timer\r\n");
    assert!(!answer.has(Name::SessionExpires));
}

fn call(desk: &mut Desk) -> Message {
    let invite = desk.endpoint.next_invite();
    let wish = Invite {
        invite,
        target: Target::Trunk { name: "wa".into(), user: "+15550101234".into() },
        from_user: "+15550100000".into(),
        from_display: String::new(),
        party: PartyIdentity::default(),
        sdp: Bytes::from_static(SDP.as_bytes()),
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
    };
    desk.command(Command::Invite(Box::new(wish)));
    desk.next()
}

fn reply(desk: &mut Desk, request: &Message, code: u16, more: &[(Name, &str)]) {
    let builder =
        ResponseBuilder::from_request(request, code, crate::endpoint::text::phrase(code), super::world::address(0), Some("them"));
    let builder = more.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
    desk.receive(flow(), builder.build().unwrap());
}

const CHALLENGES: [(Name, &str); 2] = [
    (Name::ProxyAuthenticate, r#"Digest realm="wa.meta.vc",nonce="n1",opaque="o1",algorithm=SHA-256,qop="auth""#),
    (Name::ProxyAuthenticate, r#"Digest realm="wa.meta.vc",nonce="n2",opaque="o2",algorithm=MD5,qop="auth""#),
];

#[test]
fn one_of_two_challenges_is_answered_with_its_own_nonce_for_user_and_host() {
    let mut desk = desk();
    let first = call(&mut desk);
    assert_eq!(first.request_uri(), "sip:+15550101234@wa.meta.vc;transport=tls");
    assert_eq!(first.header(Name::To), Some("<sip:+15550101234@wa.meta.vc>"));
    assert!(first.header(Name::From).unwrap().starts_with("<sip:+15550100000@sip.example.com>;tag="));
    assert!(!first.has(Name::SessionExpires) && first.lists(Name::Supported, "timer"));
    reply(&mut desk, &first, 407, &CHALLENGES);
    assert_eq!(desk.next().method(), "ACK");
    let second = desk.next();
    let proofs: Vec<_> = second.header_lines(Name::ProxyAuthorization).collect();
    assert_eq!(proofs.len(), 1);
    let proof = second.auth_values(Name::ProxyAuthorization).next().unwrap();
    for (name, value) in [
        ("username", "15550100000"),
        ("nonce", "n1"),
        ("opaque", "o1"),
        ("algorithm", "SHA-256"),
        ("uri", "sip:+15550101234@wa.meta.vc"),
    ] {
        assert_eq!(proof.get(name).as_deref(), Some(value), "{name}");
    }
    // The same with the Request-URI as it stands, for those who want that.
    desk.command(Command::SetTrunks(vec![Trunk { digest_uri: DigestUri::Whole, ..trunk() }]));
    let first = call(&mut desk);
    reply(&mut desk, &first, 407, &CHALLENGES);
    let second = desk.sent.pop_back().unwrap().1;
    let proof = second.auth_values(Name::ProxyAuthorization).next().unwrap();
    assert_eq!(proof.get("uri").as_deref(), Some("sip:+15550101234@wa.meta.vc;transport=tls"));
}

#[test]
fn an_answered_call_of_ours_has_their_routes_in_ack_and_bye_and_is_never_refreshed() {
    let mut desk = desk();
    let first = call(&mut desk);
    let contact = (Name::Contact, "<sip:+15550101234@wa.meta.vc;transport=tls>");
    // Along the way back they stand the other way round.
    let routes = [(Name::RecordRoute, ROUTES[1]), (Name::RecordRoute, ROUTES[0])];
    reply(&mut desk, &first, 200, &[contact, routes[0], routes[1], (Name::SessionExpires, "600;refresher=uac")]);
    let ack = desk.next();
    assert_eq!((ack.method(), ack.headers(Name::Route).collect::<Vec<_>>()), ("ACK", ROUTES.to_vec()));
    desk.pass(7_200_000);
    assert!(desk.sent.is_empty(), "nobody refreshes: {:?}", desk.sent);
    desk.words();
    desk.command(Command::End { invite: InviteId(1), code: 200, reason: String::new() });
    let bye = desk.next();
    assert_eq!((bye.method(), bye.headers(Name::Route).collect::<Vec<_>>()), ("BYE", ROUTES.to_vec()));
}

#[test]
fn a_refusal_says_what_its_warning_says() {
    let mut desk = desk();
    let first = call(&mut desk);
    reply(&mut desk, &first, 403, &[(Name::Warning, "399 wa.meta.vc \"no approved call permission\"")]);
    let Some(crate::endpoint::Event::Rejected { code: 403, reason, .. }) = desk.events.pop_front() else { panic!("rejected") };
    assert_eq!(reason, "Forbidden (no approved call permission)");
}
