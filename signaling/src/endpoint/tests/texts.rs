//! MESSAGE (RFC 3428): from one user to the devices of another, and who may not.

use bytes::Bytes;

use super::{
    desk::{Desk, Phone},
    devices::{in_dialog, talking},
    world::{account, config, trunk},
};
use crate::{
    endpoint::{Command, Destination, EndpointConfig, Limits},
    flow::Transport,
    message::{Message, Name, ResponseBuilder},
};

const BOB: &str = "sip:bob@tandem.test";
const PLAIN: &str = "text/plain;charset=UTF-8";

fn alice() -> Phone {
    Phone::new("alice", "secret", "192.0.2.7:5070")
}

/// Has alice send a text with a password; what is sent upon it is left where it is.
fn text(desk: &mut Desk, phone: &mut Phone, uri: &str, kind: &str, body: &[u8], change: impl Fn(String) -> String) {
    let request = phone.request("MESSAGE", uri, &[]);
    desk.receive(phone.flow, request);
    let challenge = desk.next();
    assert_eq!(challenge.code(), Some(401));
    let credentials = phone.credentials(&challenge, "MESSAGE", uri, 1);
    let request = phone.request("MESSAGE", uri, &[(Name::Authorization, &credentials), (Name::Subject, "private")]);
    let head = String::from_utf8(request.to_vec()).unwrap();
    let head = head.replace("Content-Length: 0\r\n", &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
    desk.receive(phone.flow, [change(head).as_bytes(), body].concat());
}

/// What a text to bob comes to when nobody has to be asked.
fn refused(kind: &str, body: &[u8], change: impl Fn(String) -> String) -> Message {
    let (mut desk, _) = with_devices(1);
    text(&mut desk, &mut alice(), BOB, kind, body, change);
    let reply = desk.next();
    assert!(desk.sent.is_empty());
    reply
}

/// A desk with so many registered devices of bob.
fn with_devices(count: u8) -> (Desk, Vec<Phone>) {
    let mut desk = Desk::new();
    let mut phones: Vec<Phone> = (1..=count).map(|i| Phone::new("bob", "other", &format!("192.0.2.{}:5060", 20 + i))).collect();
    for phone in &mut phones {
        desk.register(phone, &[]);
    }
    desk.words();
    (desk, phones)
}

fn answer(desk: &mut Desk, phone: &Phone, request: &Message, code: u16) {
    let reply = ResponseBuilder::from_request(request, code, "X", super::world::address(0), Some("t")).build();
    desk.receive(phone.flow, reply.unwrap());
}

#[test]
fn a_text_is_made_anew_for_each_device_and_the_first_that_takes_it_decides() {
    let (mut desk, phones) = with_devices(2);
    let body = "Ciao, perché no? \u{1f600}\r\n".as_bytes();
    text(&mut desk, &mut alice(), BOB, PLAIN, body, |head| head.replace("From: <", "From: \"Alice\" <"));
    let copies: Vec<(Destination, Message)> = desk.sent.drain(..).collect();
    assert_eq!(copies.len(), 2, "the sender hears nothing yet");
    for ((to, copy), phone) in copies.iter().zip(&phones) {
        assert_eq!((to, copy.method()), (&Destination::Flow(phone.flow), "MESSAGE"));
        assert_eq!(copy.request_uri(), phone.contact.trim_matches(['<', '>']));
        assert_eq!(copy.header(Name::From).unwrap().split(';').next(), Some("\"Alice\" <sip:alice@127.0.0.1:5060>"));
        assert_eq!(copy.header(Name::To), Some("<sip:bob@127.0.0.1:5060>"));
        assert_eq!((copy.body(), copy.header(Name::ContentType)), (body, Some(PLAIN)));
        assert_eq!(copy.max_forwards().unwrap(), Some(69));
        // RFC 3428 section 4: no Contact; and nothing of the sender's own headers.
        assert!(!copy.has(Name::Contact) && !copy.has(Name::Subject) && !copy.has(Name::Authorization));
        assert!(!copy.call_id().unwrap().contains("192.0.2.7"));
    }
    answer(&mut desk, &phones[0], &copies[0].1, 486);
    assert!(desk.sent.is_empty());
    answer(&mut desk, &phones[1], &copies[1].1, 200);
    let reply = desk.next();
    assert_eq!((reply.code(), reply.has(Name::Contact), reply.body().len()), (Some(200), false, 0));
    assert_eq!(desk.words(), Vec::<String>::new(), "a text is nobody else's business");
    desk.pass(40_000);
    let counts = desk.endpoint.counts();
    assert_eq!(counts.client_transactions + counts.server_transactions, 0);
}

#[test]
fn the_sender_is_told_what_became_of_it() {
    for (codes, told, phrase) in [
        ([202, 0], 202, "Accepted"),
        ([200, 486], 200, "OK"),
        ([486, 404], 486, "Busy Here"),
        ([503, 415], 415, "Unsupported Media Type"),
        ([401, 503], 480, "Temporarily Unavailable"),
        ([302, 481], 480, "Temporarily Unavailable"),
        ([603, 480], 603, "Decline"),
    ] {
        let (mut desk, phones) = with_devices(2);
        text(&mut desk, &mut alice(), BOB, PLAIN, b"hi", |head| head);
        let copies: Vec<Message> = desk.sent.drain(..).map(|(_, copy)| copy).collect();
        for ((copy, phone), code) in copies.iter().zip(&phones).zip(codes).filter(|(_, code)| *code > 0) {
            answer(&mut desk, phone, copy, code);
        }
        let reply = desk.next();
        assert_eq!(reply.code(), Some(told), "{codes:?}");
        assert!(matches!(reply.kind(), crate::message::Kind::Response { reason, .. } if reason == phrase), "{codes:?}");
        assert!(desk.sent.is_empty(), "one final reply");
    }
}

#[test]
fn silence_is_480_before_the_sender_gives_up() {
    let (mut desk, phones) = with_devices(1);
    text(&mut desk, &mut alice(), BOB, PLAIN, b"hi", |head| head);
    let copy = desk.next();
    desk.pass(15_999);
    assert!(desk.sent.drain(..).all(|(_, again)| again.bytes() == copy.bytes()));
    desk.pass(1);
    let codes: Vec<_> = desk.sent.drain(..).filter_map(|(_, message)| message.code()).collect();
    assert_eq!(codes, [480]);
    answer(&mut desk, &phones[0], &copy, 200);
    assert!(desk.sent.is_empty(), "too late to be told");
    desk.pass(60_000);
    let counts = desk.endpoint.counts();
    assert_eq!(counts.client_transactions + counts.server_transactions + counts.timers, 0);
}

#[test]
fn a_text_that_comes_twice_is_sent_once() {
    let (mut desk, phones) = with_devices(1);
    let mut phone = alice();
    text(&mut desk, &mut phone, BOB, PLAIN, b"hi", |head| head);
    let copy = desk.next();
    phone.cseq -= 1;
    let again = phone.request("MESSAGE", BOB, &[]);
    desk.receive(phone.flow, again.clone());
    assert!(desk.sent.is_empty());
    answer(&mut desk, &phones[0], &copy, 200);
    assert_eq!(desk.code(), 200);
    desk.receive(phone.flow, again);
    assert_eq!(desk.code(), 200);
    assert!(desk.sent.is_empty());
}

#[test]
fn only_short_plain_text_goes_through() {
    let same = |head: String| head;
    for kind in ["text/html", "application/sdp", "text/plain;charset=ISO-8859-1", "multipart/mixed;boundary=x"] {
        let reply = refused(kind, b"hi", same);
        assert_eq!((reply.code(), reply.header(Name::Accept)), (Some(415), Some("text/plain")), "{kind}");
    }
    let zipped = refused(PLAIN, b"hi", |head| head.replace("Content-Type", "Content-Encoding: gzip\r\nContent-Type"));
    assert_eq!((zipped.code(), zipped.header(Name::AcceptEncoding)), (Some(415), Some("identity")));
    assert_eq!(refused(PLAIN, b"", same).code(), Some(400));
    assert_eq!(refused(PLAIN, b"caf\xe9", same).code(), Some(400), "said to be UTF-8");
    assert_eq!(refused(PLAIN, &[b'x'; 1_301], same).code(), Some(413));
    assert_eq!(refused(PLAIN, &[b'x'; 1_200], same).code(), Some(413), "longer than 1,300 with its head");
    assert_eq!(refused(PLAIN, b"hi", |head| head.replace("Max-Forwards: 70", "Max-Forwards: 0")).code(), Some(483));
    assert_eq!(refused(PLAIN, b"hi", |head| head.replace("From: <sip:alice", "From: <sip:bob")).code(), Some(403));

    let (mut desk, _) = with_devices(1);
    text(&mut desk, &mut alice(), BOB, "text/plain", &[b'x'; 900], same);
    let copy = desk.next();
    assert!(copy.method() == "MESSAGE" && copy.bytes().len() <= 1_300);
}

#[test]
fn nobody_of_that_name_is_404_and_nobody_registered_480() {
    let (mut desk, _) = with_devices(1);
    desk.command(Command::PutAccount(account("carla", "third")));
    let mut phone = alice();
    for (uri, code) in [("sip:nobody@tandem.test", 404), ("sip:carla@tandem.test", 480), ("tel:+39061", 416)] {
        text(&mut desk, &mut phone, uri, PLAIN, b"hi", |head| head);
        assert_eq!(desk.code(), code, "{uri}");
    }
    let mut desk = Desk::with(EndpointConfig { domains: vec!["pbx.test".to_owned()], ..config(0) });
    desk.register(&mut Phone::new("bob", "other", "192.0.2.21:5060"), &[]);
    text(&mut desk, &mut alice(), "sip:bob@elsewhere.test", PLAIN, b"hi", |head| head);
    assert_eq!(desk.code(), 404, "we are nobody's relay");
}

#[test]
fn a_stranger_is_challenged_and_a_carrier_refused() {
    let (mut desk, _) = with_devices(1);
    let mut phone = alice();
    phone.password = "guess";
    assert_eq!(desk.proved(&mut phone, "MESSAGE", BOB, &[]).code(), Some(401));
    desk.command(Command::SetTrunks(vec![trunk("carrier", "192.0.2.50:5060".parse().unwrap(), Transport::Udp)]));
    let mut carrier = Phone::new("alice", "secret", "192.0.2.50:5060");
    let request: Bytes = carrier.request("MESSAGE", BOB, &[]);
    desk.receive(carrier.flow, request);
    assert_eq!(desk.code(), 403);
    assert!(desk.sent.is_empty());
}

#[test]
fn who_writes_too_much_is_slowed_down_and_others_are_not() {
    let limits = Limits { message_rate_per_s: 1, message_burst: 2, ..Limits::default() };
    let mut desk = Desk::with(EndpointConfig { limits, ..config(0) });
    let mut sent = 0;
    let mut codes = |user: &'static str, password: &'static str, wait_ms: u64| {
        desk.pass(wait_ms);
        sent += 1;
        let mut phone = Phone { call_id: format!("c{sent}"), ..Phone::new(user, password, "192.0.2.7:5070") };
        text(&mut desk, &mut phone, BOB, PLAIN, b"hi", |head| head);
        let reply = desk.next();
        (reply.code().unwrap(), reply.header(Name::RetryAfter).map(str::to_owned))
    };
    // Nobody is registered: 480 all the same, but without a time to wait.
    for _ in 0..2 {
        assert_eq!(codes("alice", "secret", 1), (480, None));
    }
    assert_eq!(codes("alice", "secret", 1), (480, Some("5".to_owned())));
    assert_eq!(codes("bob", "other", 0), (480, None));
    assert_eq!(codes("alice", "secret", 1_000), (480, None));
}

#[test]
fn in_a_call_nothing_is_written() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let (_, to) = talking(&mut desk, &mut phone);
    for (cseq, method) in [(9, "MESSAGE"), (10, "SUBSCRIBE")] {
        let request = in_dialog(&mut phone, method, &to, cseq, "text/plain", "hi");
        desk.receive(phone.flow, request);
        assert_eq!(desk.code(), 403, "{method}");
    }
}
