//! Trunks: credentials, peers that fail, pings, registration, bounds.

use bytes::Bytes;

use super::{
    desk::Desk,
    world::{SDP, World, account, in_words, trunk},
};
use crate::{
    endpoint::{Command, Destination, Event, Invite, InviteId, PartyIdentity, Peer, Target, Trunk, TrunkCredentials},
    flow::{Flow, Transport},
    message::{Message, Name, ResponseBuilder},
};

const CARRIER: &str = "192.0.2.50:5060";

fn carrier() -> Trunk {
    let credentials =
        TrunkCredentials { user: "alice".to_owned(), password: "secret".to_owned(), realm: Some("tandem.test".to_owned()) };
    Trunk { credentials: Some(credentials), ..trunk("carrier", CARRIER.parse().unwrap(), Transport::Udp) }
}

fn call(desk: &mut Desk) -> InviteId {
    let invite = desk.endpoint.next_invite();
    let target = Target::Trunk { name: "carrier".into(), user: "+39 1;x".to_owned() };
    let headers = [("X-Case", "7"), ("X-Bad", "a\r\nB: c"), ("Via", "mine"), ("P-Asserted-Identity", "<sip:7@x>")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let sdp = Bytes::from_static(SDP.as_bytes());
    let wish = Invite {
        party: PartyIdentity::default(),
        invite,
        target,
        from_user: "7".to_owned(),
        from_display: String::new(),
        sdp,
        headers,
        is_emergency: false,
        web_sdp: None,
    };
    desk.command(Command::Invite(Box::new(wish)));
    invite
}

fn reply(desk: &mut Desk, request: &Message, code: u16, more: &[(Name, &str)]) {
    let from = CARRIER.parse().unwrap();
    let builder = ResponseBuilder::from_request(request, code, "", super::world::address(0), Some("them"));
    let builder = more.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
    desk.receive(Flow::udp(super::world::address(0), from), builder.build().unwrap());
}

const SHA256: &str = r#"Digest realm="tandem.test", nonce="n", algorithm=SHA-256, qop="auth""#;
const MD5: &str = r#"Digest realm="tandem.test", nonce="n", algorithm=MD5, qop="auth""#;

#[test]
fn a_challenge_is_answered_with_the_strongest_algorithm_and_once_more_when_the_nonce_is_stale() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![carrier()]));
    desk.words();
    call(&mut desk);
    let first = desk.next();
    assert_eq!(first.request_uri(), "sip:+39%201%3Bx@192.0.2.50:5060");
    assert_eq!(
        (first.header_named("X-Case"), first.header_named("X-Bad"), first.header_lines(Name::Via).count()),
        (Some("7"), None, 1)
    );
    assert!(!first.has(Name::PAssertedIdentity), "not to a carrier that is not trusted with it");
    reply(&mut desk, &first, 407, &[(Name::ProxyAuthenticate, MD5), (Name::ProxyAuthenticate, SHA256)]);
    assert_eq!(desk.next().method(), "ACK");
    let second = desk.next();
    let value = second.header(Name::ProxyAuthorization).unwrap();
    assert!(value.contains("algorithm=SHA-256") && value.contains("nc=00000001"), "{value}");
    assert_eq!((second.cseq().unwrap().number, second.call_id().unwrap()), (2, first.call_id().unwrap()));
    assert_ne!(second.via().unwrap().branch(), first.via().unwrap().branch());
    assert_eq!(second.body(), SDP.as_bytes());
    let stale = format!("{SHA256}, stale=true");
    reply(&mut desk, &second, 407, &[(Name::ProxyAuthenticate, &stale)]);
    assert_eq!(desk.next().method(), "ACK");
    let third = desk.next();
    assert!(third.header(Name::ProxyAuthorization).unwrap().contains("nc=00000002"));
    reply(&mut desk, &third, 407, &[(Name::ProxyAuthenticate, &SHA256.replace("\"n\"", "\"m\""))]);
    assert_eq!(desk.next().method(), "ACK");
    assert_eq!(desk.words(), ["rejected 407 Peer"]);
    desk.pass(32_001);
    assert_eq!(desk.endpoint.counts().client_transactions, 0);
}

#[test]
fn credentials_go_to_their_realm_only_and_the_ack_repeats_them() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![carrier()]));
    call(&mut desk);
    let first = desk.next();
    desk.words();
    reply(&mut desk, &first, 401, &[(Name::WwwAuthenticate, &SHA256.replace("tandem.test", "*"))]);
    assert_eq!((desk.next().method(), desk.words()), ("ACK", vec!["rejected 401 Peer".to_owned()]));
    assert!(desk.sent.is_empty());
    call(&mut desk);
    let first = desk.next();
    reply(&mut desk, &first, 401, &[(Name::WwwAuthenticate, SHA256)]);
    desk.next();
    let second = desk.next();
    reply(&mut desk, &second, 200, &[(Name::Contact, "<sip:gw@192.0.2.51:5080>")]);
    let (to, ack) = desk.sent.pop_front().unwrap();
    assert_eq!(
        (to.address().to_string().as_str(), ack.header(Name::Authorization)),
        ("192.0.2.51:5080", second.header(Name::Authorization))
    );
    assert_eq!(ack.cseq().unwrap().number, 2);
}

#[test]
fn a_dialog_that_the_carrier_began_never_sees_our_password_when_any_realm_may_ask_for_it() {
    let mut desk = Desk::new();
    let credentials = carrier().credentials.map(|known| TrunkCredentials { realm: None, ..known });
    desk.command(Command::SetTrunks(vec![Trunk { credentials, ..carrier() }]));
    desk.words();
    let invite = format!(
        "INVITE sip:100@x SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK1\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:100@x>\r\n\
         Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:{CARRIER}>\r\nContent-Length: 0\r\n\r\n"
    );
    let flow = Flow::udp(super::world::address(0), CARRIER.parse().unwrap());
    desk.receive(flow, invite.clone());
    desk.command(Command::Answer { invite: InviteId(1), sdp: Bytes::from_static(SDP.as_bytes()) });
    let answer = desk.sent.pop_back().unwrap().1;
    desk.sent.clear();
    let ack = invite.replace("INVITE sip", "ACK sip").replace("1 INVITE", "1 ACK").replace("K1", "K2");
    let ack = ack.replace("To: <sip:100@x>", &format!("To: {}", answer.header(Name::To).unwrap()));
    desk.receive(flow, ack);
    desk.command(Command::End { invite: InviteId(1), code: 200, reason: String::new() });
    let bye = desk.next();
    assert_eq!(bye.method(), "BYE");
    reply(&mut desk, &bye, 401, &[(Name::WwwAuthenticate, SHA256)]);
    assert!(desk.sent.is_empty());
}

#[test]
fn the_next_peer_is_tried_when_one_is_out_of_order() {
    let mut desk = Desk::new();
    let mut two = carrier();
    two.peers.push(Peer::new(Transport::Udp, "192.0.2.60:5060".parse().unwrap()));
    desk.command(Command::SetTrunks(vec![two]));
    call(&mut desk);
    let first = desk.next();
    reply(&mut desk, &first, 503, &[]);
    assert_eq!(desk.next().method(), "ACK");
    let (to, second) = desk.sent.pop_front().unwrap();
    assert_eq!((to.address().to_string().as_str(), second.method()), ("192.0.2.60:5060", "INVITE"));
    desk.words();
    desk.input(crate::endpoint::Input::SendFailed { to });
    assert_eq!(desk.words(), ["rejected 503 Network"]);
}

#[test]
fn pings_tell_whether_a_carrier_is_there() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![Trunk { options_ping_s: 60, ..carrier() }]));
    desk.pass(0);
    let ping = desk.next();
    assert_eq!((ping.method(), desk.words()), ("OPTIONS", vec![]));
    reply(&mut desk, &ping, 404, &[]);
    assert_eq!(desk.words(), ["carrier up"]);
    desk.pass(60_000);
    let ping = desk.next();
    reply(&mut desk, &ping, 200, &[]);
    assert_eq!(desk.words(), Vec::<String>::new(), "said once");
    desk.pass(60_000 + 32_000);
    assert_eq!(desk.words(), ["carrier down 408"]);
    // The list is set again as it was: nothing changes.
    desk.command(Command::SetTrunks(vec![Trunk { options_ping_s: 60, ..carrier() }]));
    assert_eq!(desk.words(), Vec::<String>::new());
    desk.command(Command::SetTrunks(Vec::new()));
    desk.sent.clear();
    desk.pass(300_000);
    assert!(desk.sent.is_empty());
}

#[test]
fn a_trunk_registers_with_another_switch_and_refreshes() {
    let mut world = World::new(2, Transport::Udp, 3);
    world.command(1, Command::SetTrunks(Vec::new()));
    world.command(1, Command::SetAccounts(vec![account("alice", "secret")]));
    let to = super::world::address(1);
    let registering = Trunk { register: true, ..carrier() };
    let registering = Trunk { peers: vec![Peer::new(Transport::Udp, to)], ..registering };
    world.command(0, Command::SetTrunks(vec![registering]));
    assert_eq!(world.run(1_000), ["b: added sip:alice@127.0.0.1:5060", "a: carrier up"]);
    let seen = world.run(3_600_000);
    assert_eq!(seen, ["b: refreshed sip:alice@127.0.0.1:5060"], "at 70 to 85 % of an hour");
    world.command(1, Command::RemoveAccount { user: "alice".into() });
    assert_eq!(world.run(2_900_000).first().map(String::as_str), Some("b: removed sip:alice@127.0.0.1:5060 ByCommand 0"));
    assert!(world.ladder.contains("401 REGISTER"));
}

#[test]
fn a_registration_that_is_not_wanted_any_more_is_not_begun_again_by_a_late_reply() {
    let mut desk = Desk::new();
    for code in [200, 403] {
        desk.command(Command::SetTrunks(vec![Trunk { register: true, ..carrier() }]));
        let request = desk.next();
        assert_eq!(request.method(), "REGISTER");
        desk.command(Command::SetTrunks(vec![carrier()]));
        reply(&mut desk, &request, code, &[]);
        desk.pass(7_200_000);
        assert!(desk.sent.is_empty(), "{:?}", desk.sent);
    }
}

#[test]
fn a_trunk_has_as_many_calls_as_it_may() {
    let mut world = World::new(2, Transport::Udp, 4);
    let bounded = Trunk { max_calls: 1, calls_per_s: 1, ..trunk("t1", super::world::address(1), Transport::Udp) };
    world.command(0, Command::SetTrunks(vec![bounded]));
    world.run(0);
    let mut seen = Vec::new();
    // An emergency finds room all the same.
    for is_emergency in [false, false, true] {
        let invite = world.ends[0].next_invite();
        let target = Target::Trunk { name: "t1".into(), user: "1".to_owned() };
        let sdp = Bytes::from_static(SDP.as_bytes());
        let wish = Invite {
            party: PartyIdentity::default(),
            invite,
            target,
            from_user: "2".to_owned(),
            from_display: String::new(),
            sdp,
            headers: Vec::new(),
            is_emergency,
            web_sdp: None,
        };
        world.command(0, Command::Invite(Box::new(wish)));
    }
    world.run_with(10, &mut |world, end, event| {
        seen.push(in_words(end, &event));
        if let Event::Invited(invited) = event {
            world.command(end, Command::Reject { invite: invited.invite, code: 486, reason: String::new(), retry_after_s: None });
        }
    });
    let (invited, refused) = ("b: invited 1 from 2 sdp", "a: rejected 486 Peer");
    assert_eq!(seen, ["a: rejected 503 Us", invited, invited, refused, refused]);
    world.run(1_000);
    let invite = world.ends[0].next_invite();
    let target = Target::Trunk { name: "t1".into(), user: "1".to_owned() };
    let wish = Invite {
        party: PartyIdentity::default(),
        invite,
        target,
        from_user: "2".to_owned(),
        from_display: String::new(),
        sdp: Bytes::new(),
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
    };
    world.command(0, Command::Invite(Box::new(wish)));
    assert_eq!(world.run(10), ["b: invited 1 from 2"], "the place is free again");
}

#[test]
fn a_fixed_device_is_called_where_it_is() {
    let mut desk = Desk::new();
    for (uri, to) in [
        ("sip:agent7@127.0.0.3:5090", Some(("UDP", "127.0.0.3:5090"))),
        ("sip:a@[::1];transport=tcp", Some(("TCP", "[::1]:5060"))),
        ("sip:a@example.org", None),
        ("tel:1", None),
    ] {
        let target = Target::Uri(uri.to_owned());
        let sdp = Bytes::from_static(SDP.as_bytes());
        let invite = desk.endpoint.next_invite();
        let wish = Invite {
            party: PartyIdentity::default(),
            invite,
            target,
            from_user: "c0".to_owned(),
            from_display: String::new(),
            sdp,
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
        };
        desk.command(Command::Invite(Box::new(wish)));
        let Some((transport, address)) = to else {
            assert_eq!(desk.words(), ["rejected 404 Us"]);
            continue;
        };
        let (way, message) = desk.sent.pop_front().unwrap();
        let Destination::Address { transport: over, to } = way else { panic!("not to an address") };
        assert_eq!((over.via_name(), to.to_string().as_str(), message.request_uri()), (transport, address, uri));
        assert_eq!(message.from().unwrap().uri().unwrap().user, Some("c0"));
    }
}
