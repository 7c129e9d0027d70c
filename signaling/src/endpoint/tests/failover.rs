//! Carriers with several addresses: who is asked next, and who is avoided.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    desk::Desk,
    world::{SDP, address, config},
};
use crate::{
    digest::ha1,
    endpoint::{Command, EndpointConfig, Input, Invite, InviteId, PartyIdentity, Peer, Target, Trunk, TrunkCredentials},
    flow::{Flow, Transport},
    message::{Message, Name, ResponseBuilder},
};

pub(super) const ONE: &str = "192.0.2.1:5060";
pub(super) const TWO: &str = "192.0.2.2:5060";
const THREE: &str = "192.0.2.3:5060";

pub(super) fn peer(address: &str, rank: u16) -> Peer {
    Peer { rank, ..Peer::new(Transport::Udp, address.parse().unwrap()) }
}

pub(super) fn carrier() -> Trunk {
    Trunk::new("carrier", vec![peer(ONE, 0), peer(TWO, 1)])
}

pub(super) fn registering() -> Trunk {
    let credentials = TrunkCredentials { user: "u".to_owned(), password: "secret".to_owned(), realm: None };
    let domain = Some("carrier.test".to_owned());
    Trunk { credentials: Some(credentials), from_domain: domain, register: true, ..carrier() }
}

pub(super) fn desk(trunks: Vec<Trunk>) -> Desk {
    let mut desk = Desk::with(EndpointConfig { product: String::new(), ..config(0) });
    desk.command(Command::SetTrunks(trunks));
    desk.words();
    desk
}

pub(super) fn target() -> Target {
    Target::Trunk { name: "carrier".into(), user: "1".to_owned() }
}

pub(super) fn call(desk: &mut Desk, target: Target) -> InviteId {
    let (invite, sdp) = (desk.endpoint.next_invite(), Bytes::from_static(SDP.as_bytes()));
    let wish = Invite {
        invite,
        target,
        from_user: "7".to_owned(),
        from_display: String::new(),
        sdp,
        headers: Vec::new(),
        is_emergency: false,
        web_sdp: None,
        party: PartyIdentity::default(),
    };
    desk.command(Command::Invite(Box::new(wish)));
    invite
}

/// What was sent since the last look: method, and the last part of the address.
pub(super) fn sent(desk: &Desk) -> Vec<String> {
    let word =
        |to: SocketAddr, message: &Message| format!("{} .{}", message.method(), to.ip().to_string().rsplit('.').next().unwrap());
    desk.sent.iter().map(|(to, message)| word(to.address(), message)).collect()
}

/// The first message of a method to an address; all that was sent is looked away.
pub(super) fn take(desk: &mut Desk, method: &str, to: &str) -> Message {
    let to: SocketAddr = to.parse().unwrap();
    let found = desk.sent.iter().find(|(at, message)| at.address() == to && message.method() == method);
    let found = found.unwrap_or_else(|| panic!("no {method} to {to}: {:?}", sent(desk))).1.clone();
    desk.sent.clear();
    found
}

pub(super) fn reply_from(desk: &mut Desk, from: &str, request: &Message, code: u16, more: &[(Name, &str)]) {
    let builder = ResponseBuilder::from_request(request, code, "", address(0), Some("them"));
    let contact = format!("<sip:{from}>");
    let builder = if code < 300 { builder.header(Name::Contact, &contact) } else { builder };
    let builder = more.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
    desk.receive(Flow::udp(address(0), from.parse().unwrap()), builder.build().unwrap());
}

#[test]
fn an_invite_without_any_reply_moves_on_within_four_seconds_and_the_first_is_cancelled() {
    let mut desk = desk(vec![carrier()]);
    call(&mut desk, target());
    desk.pass(3_999);
    assert!(sent(&desk).iter().all(|line| line == "INVITE .1"), "{:?}", sent(&desk));
    let first = take(&mut desk, "INVITE", ONE);
    desk.pass(1);
    assert_eq!(sent(&desk), ["INVITE .2"], "nothing is known to be there to be cancelled");
    let second = take(&mut desk, "INVITE", TWO);
    assert_ne!(first.call_id().unwrap(), second.call_id().unwrap());
    reply_from(&mut desk, TWO, &second, 180, &[]);
    // It was there after all: it is cancelled as soon as it shows itself, and its call hung up.
    reply_from(&mut desk, ONE, &first, 180, &[]);
    assert_eq!(sent(&desk), ["CANCEL .1"]);
    desk.sent.clear();
    reply_from(&mut desk, ONE, &first, 200, &[]);
    assert_eq!(sent(&desk), ["ACK .1", "BYE .1"]);
    desk.sent.clear();
    reply_from(&mut desk, TWO, &second, 200, &[]);
    assert_eq!(
        (sent(&desk), desk.words()),
        (vec!["ACK .2".to_owned()], vec!["progressed 180".to_owned(), "answered".to_owned()])
    );
}

#[test]
fn a_provisional_reply_means_that_it_rings_and_nobody_else_is_asked() {
    let mut desk = Desk::with(EndpointConfig { longest_ring: std::time::Duration::from_secs(60), ..config(0) });
    desk.command(Command::SetTrunks(vec![carrier()]));
    desk.words();
    call(&mut desk, target());
    let first = take(&mut desk, "INVITE", ONE);
    reply_from(&mut desk, ONE, &first, 100, &[]);
    desk.pass(59_000);
    assert!(sent(&desk).is_empty());
    desk.pass(1_000);
    assert_eq!((sent(&desk), desk.words()), (vec!["CANCEL .1".to_owned()], vec!["rejected 408 Network".to_owned()]));
}

#[test]
fn what_one_call_learned_helps_the_next_and_the_registration() {
    let mut desk = desk(vec![carrier()]);
    call(&mut desk, target());
    desk.pass(4_000);
    let second = take(&mut desk, "INVITE", TWO);
    reply_from(&mut desk, TWO, &second, 486, &[]);
    desk.sent.clear();
    call(&mut desk, target());
    let third = take(&mut desk, "INVITE", TWO);
    reply_from(&mut desk, TWO, &third, 486, &[]);
    desk.sent.clear();
    desk.command(Command::SetTrunks(vec![registering()]));
    desk.pass(0);
    take(&mut desk, "REGISTER", TWO);
    // After the while the first has its turn again.
    desk.command(Command::SetTrunks(vec![carrier()]));
    desk.pass(15_000);
    desk.sent.clear();
    call(&mut desk, target());
    take(&mut desk, "INVITE", ONE);
}

#[test]
fn a_503_is_heeded_for_as_long_as_it_says_and_a_transport_error_at_once() {
    let mut desk = desk(vec![carrier()]);
    call(&mut desk, target());
    let first = take(&mut desk, "INVITE", ONE);
    reply_from(&mut desk, ONE, &first, 503, &[(Name::RetryAfter, "300")]);
    assert_eq!(sent(&desk), ["ACK .1", "INVITE .2"]);
    let (to, _) = desk.sent.pop_back().unwrap();
    desk.words();
    desk.input(Input::SendFailed { to });
    assert_eq!(desk.words(), ["rejected 503 Network"]);
    assert!(!desk.endpoint.trunk_is_usable("carrier"));
    desk.pass(290_000);
    desk.sent.clear();
    assert!(desk.endpoint.trunk_is_usable("carrier"));
    call(&mut desk, target());
    let second = take(&mut desk, "INVITE", TWO);
    reply_from(&mut desk, TWO, &second, 486, &[]);
    desk.pass(11_000);
    desk.sent.clear();
    call(&mut desk, target());
    take(&mut desk, "INVITE", ONE);
}

#[test]
fn a_ping_that_is_not_answered_warns_calls_and_one_that_is_answered_clears() {
    let mut desk = desk(vec![Trunk { options_ping_s: 10, ..carrier() }]);
    desk.pass(0);
    let other = take(&mut desk, "OPTIONS", TWO);
    reply_from(&mut desk, TWO, &other, 200, &[]);
    assert_eq!(desk.words(), ["carrier up"]);
    desk.pass(4_000);
    desk.sent.clear();
    call(&mut desk, target());
    take(&mut desk, "INVITE", TWO);
    desk.pass(6_000);
    let first = take(&mut desk, "OPTIONS", ONE);
    reply_from(&mut desk, ONE, &first, 404, &[]);
    call(&mut desk, target());
    take(&mut desk, "INVITE", ONE);
}

#[test]
fn with_somewhere_else_to_call_a_silent_carrier_is_given_up_and_without_not() {
    let mut desk = desk(vec![Trunk { peers: vec![peer(ONE, 0)], ..carrier() }]);
    call(&mut desk, Target::TrunkOrElse { name: "carrier".into(), user: "1".to_owned() });
    desk.pass(4_000);
    assert_eq!(desk.words(), ["rejected 408 Network"]);
    call(&mut desk, target());
    desk.pass(31_999);
    assert!(desk.words().is_empty());
    desk.pass(1);
    assert_eq!(desk.words(), ["rejected 408 Network"]);
    desk.pass(64_000);
    assert_eq!(desk.endpoint.counts().client_transactions, 0, "everything ends");
}

#[test]
fn the_patience_is_a_setting_and_a_name_stays_a_name() {
    let authority = Some("carrier.test:5070;transport=udp".to_owned());
    let mut desk = desk(vec![Trunk { patience_ms: 1_500, authority, ..carrier() }]);
    call(&mut desk, target());
    assert_eq!(take(&mut desk, "INVITE", ONE).request_uri(), "sip:1@carrier.test:5070;transport=udp");
    desk.pass(1_499);
    desk.sent.clear();
    desk.pass(1);
    take(&mut desk, "INVITE", TWO);
}

#[test]
fn calls_are_begun_so_many_per_second_after_as_many_at_once() {
    let mut desk = desk(vec![Trunk { calls_per_s: 5, ..carrier() }]);
    let mut begun = 0;
    for _ in 0..100 {
        call(&mut desk, target());
        begun += desk.sent.drain(..).filter(|(_, message)| message.method() == "INVITE" && !message.body().is_empty()).count();
        desk.pass(30);
        desk.sent.clear();
    }
    assert!((19..=21).contains(&begun), "5 at once and 5 a second for 3 s: {begun}");
    assert!(desk.words().iter().all(|word| word == "rejected 503 Us"));
}

#[test]
fn a_challenge_from_elsewhere_is_not_answered_and_a_wrong_password_is_not_said_twice() {
    let challenge = r#"Digest realm="x", nonce="n", algorithm=SHA-256, qop="auth""#;
    let asks = [(Name::WwwAuthenticate, challenge)];
    let mut desk = desk(vec![Trunk { register: false, ..registering() }]);
    call(&mut desk, target());
    let first = take(&mut desk, "INVITE", ONE);
    reply_from(&mut desk, THREE, &first, 401, &asks);
    assert_eq!((sent(&desk), desk.words()), (vec!["ACK .1".to_owned()], vec!["rejected 401 Peer".to_owned()]));
    desk.sent.clear();
    call(&mut desk, target());
    let first = take(&mut desk, "INVITE", ONE);
    reply_from(&mut desk, ONE, &first, 401, &asks);
    let second = take(&mut desk, "INVITE", ONE);
    assert!(second.header(Name::Authorization).is_some_and(|value| value.contains("algorithm=SHA-256")));
    let fresh = challenge.replace("\"n\"", "\"m\"");
    reply_from(&mut desk, ONE, &second, 401, &[(Name::WwwAuthenticate, &fresh)]);
    assert_eq!((sent(&desk), desk.words()), (vec!["ACK .1".to_owned()], vec!["rejected 401 Peer".to_owned()]));
}

#[test]
fn a_proxy_and_the_carrier_behind_it_both_get_their_proof() {
    let mut desk = desk(vec![Trunk { register: false, ..registering() }]);
    call(&mut desk, target());
    let first = take(&mut desk, "INVITE", ONE);
    let asks = |realm: &str| format!("Digest realm=\"{realm}\", nonce=\"n\", algorithm=MD5, qop=\"auth\"");
    reply_from(&mut desk, ONE, &first, 407, &[(Name::ProxyAuthenticate, &asks("proxy"))]);
    let second = take(&mut desk, "INVITE", ONE);
    reply_from(&mut desk, ONE, &second, 407, &[(Name::ProxyAuthenticate, &asks("inner"))]);
    let third = take(&mut desk, "INVITE", ONE);
    reply_from(&mut desk, ONE, &third, 401, &[(Name::WwwAuthenticate, &asks("carrier"))]);
    let fourth = take(&mut desk, "INVITE", ONE);
    assert_eq!((fourth.headers(Name::ProxyAuthorization).count(), fourth.headers(Name::Authorization).count()), (2, 1));
    let ha1 = ha1("u", "carrier", "secret");
    assert_ne!(ha1.md5, [0; 16]);
}
