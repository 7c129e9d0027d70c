//! Our messages against those of `rsip`: conversions both ways, and a differential test on the subset it is sound on.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rsip::headers::UntypedHeader as _;
use rsip::message::{HasHeaders as _, HeadersExt as _};
use tandem_signaling::flow::Transport;
use tandem_signaling::message::{Message, Method, Name};
use tandem_signaling::vocabulary::{NotExpressible, status_code};

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n"))).unwrap()
}

const FOLDED: &str = "MESSAGE sip:a@example.com SIP/2.0\nv: SIP/2.0/UDP h;branch=z9hG4bK1\nf: <sip:b@h>;tag=1\nt: <sip:a@h>\n\
                      i: c\nCSeq: 7\n MESSAGE\nX-Own: 1\nc: application/octet-stream\nl: 4\n\n";

#[test]
fn a_message_goes_there_and_back() {
    let mut bytes = FOLDED.replace('\n', "\r\n").into_bytes();
    bytes.extend([0, 0xFF, 0xFE, b'x']);
    let ours = Message::parse(Bytes::from(bytes)).unwrap();
    let theirs = rsip::SipMessage::try_from(&ours).unwrap();
    assert_eq!(theirs.body(), &[0, 0xFF, 0xFE, b'x']);
    let rsip::SipMessage::Request(request) = &theirs else { panic!("a request") };
    assert_eq!((request.method, request.cseq_header().unwrap().seq().unwrap()), (rsip::Method::Message, 7));
    let back = Message::try_from(&theirs).unwrap();
    assert_eq!((back.method(), back.request_uri(), back.body()), (ours.method(), ours.request_uri(), ours.body()));
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::ContentType] {
        assert_eq!(back.header(name), ours.header(name));
    }
    assert_eq!(back.cseq(), ours.cseq());
    assert_eq!(back.header_named("x-own"), Some("1"));
}

#[test]
fn responses_keep_the_code_and_lose_the_known_phrase() {
    let ours = message("SIP/2.0 486 Besetzt\nCall-ID: c\n\n");
    let theirs = rsip::SipMessage::try_from(&ours).unwrap();
    let back = Message::try_from(&theirs).unwrap();
    assert_eq!((back.code(), back.header(Name::CallId)), (Some(486), Some("c")));
    assert_eq!(status_code(499, "Own words").to_string(), "499 Own words");
    assert_eq!(status_code(486, "x"), rsip::StatusCode::BusyHere);
}

#[test]
fn what_rsip_can_not_say_is_an_error() {
    let convert = |line: &str| rsip::SipMessage::try_from(&message(&format!("{line} SIP/2.0\nCall-ID: c\n\n")));
    assert!(matches!(convert("OPTIONS sip:a@h?Route=x"), Err(NotExpressible::LossyUri | NotExpressible::Refused(_))));
    assert!(matches!(convert("OPTIONS sip:[::1]"), Err(NotExpressible::LossyUri | NotExpressible::Refused(_))));
    assert!(matches!(convert("NEWMETHOD sip:a@h"), Err(NotExpressible::Refused(_))));
    let bytes = Bytes::from_static(b"OPTIONS sip:a@h SIP/2.0\r\nX: \xFF\r\n\r\n");
    assert!(matches!(rsip::SipMessage::try_from(&Message::parse(bytes).unwrap()), Err(NotExpressible::NotText)));
}

#[test]
fn a_message_of_rsip_can_not_smuggle_a_header() {
    let theirs = rsip::Request {
        method: rsip::Method::Options,
        uri: rsip::Uri::try_from("sip:a@h").unwrap(),
        version: rsip::Version::V2,
        headers: vec![rsip::Header::Other("X".into(), "1\r\nRoute: <sip:evil>".into())].into(),
        body: Vec::new(),
    };
    assert!(matches!(Message::try_from(&rsip::SipMessage::Request(theirs)), Err(NotExpressible::Unprintable(_))));
}

#[test]
fn methods_and_transports_go_both_ways() {
    for method in rsip::Method::all() {
        assert_eq!(rsip::Method::try_from(Method::from(method)).unwrap(), method);
    }
    assert!(rsip::Method::try_from(Method::Other).is_err());
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        assert_eq!(Transport::try_from(rsip::Transport::from(transport)).unwrap(), transport);
    }
    assert!(Transport::try_from(rsip::Transport::Sctp).is_err());
}

/// What must be equal when both read a request.
fn assert_same(bytes: &[u8], theirs: &rsip::Request, ours: &Message) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(theirs.method.to_string(), ours.method(), "{text}");
    assert!(theirs.uri.to_string().eq_ignore_ascii_case(ours.request_uri()), "{text}");
    assert_eq!(theirs.headers().iter().count(), ours.header_count(), "{text}");
    if let Ok(call_id) = theirs.call_id_header() {
        assert_eq!(call_id.value().trim(), ours.header(Name::CallId).unwrap(), "{text}");
    }
    if let Ok(Ok(number)) = theirs.cseq_header().map(|cseq| cseq.seq()) {
        assert_eq!(ours.cseq().map(|cseq| cseq.number), Ok(number), "{text}");
    }
}

prop_compose! {
    fn uri()(
        scheme in "sips?", user in "([a-zA-Z0-9._+!~*'()&=$-]|%[0-9A-F]{2}){1,12}", has_user: bool,
        host in "[a-z][a-z0-9]{0,6}(\\.[a-z]{2,5}){0,2}|192\\.0\\.2\\.[1-9]",
        port in prop::option::of(1u16..), params in prop::collection::vec("(lr|user=phone|x-[a-z]{1,4}=[a-z0-9]{1,5})", 0..3),
    ) -> String {
        let user = if has_user { format!("{user}@") } else { String::new() };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let params: String = params.iter().map(|param| format!(";{param}")).collect();
        format!("{scheme}:{user}{host}{port}{params}")
    }
}

prop_compose! {
    /// A request of the subset that rsip is sound on: long names, no folds, known methods, a right Content-Length.
    fn request()(
        method in prop::sample::select(vec!["INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "MESSAGE", "UPDATE", "PRACK"]),
        target in uri(), from in uri(), to in uri(), call_id in "[a-zA-Z0-9.@-]{1,20}", number in 0u32..0x7FFF_FFFF,
        others in prop::collection::vec(("X-[A-Za-z0-9]{1,8}", "[!-~]([ -~]{0,30}[!-~])?"), 0..20),
        display in "(\"[a-zA-Z ,;<>]{0,12}\" )?", body in "[ -~]{0,40}", order: u8,
    ) -> String {
        let mut lines = vec![
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1".to_owned(),
            format!("From: {display}<{from}>;tag=1"),
            format!("To: <{to}>"),
            format!("Call-ID: {call_id}"),
            format!("CSeq: {number} {method}"),
            format!("Content-Length: {}", body.len()),
        ];
        lines.extend(others.iter().map(|(name, value)| format!("{name}: {value}")));
        let turn = usize::from(order) % lines.len();
        lines.rotate_left(turn);
        format!("{method} {target} SIP/2.0\r\n{}\r\n\r\n{body}", lines.join("\r\n"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: RngSeed::Fixed(4475), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_rsip_reads_we_read_alike(text in request()) {
        let ours = Message::parse(Bytes::from(text.clone()));
        if let Ok(theirs) = rsip::Request::try_from(text.as_bytes()) {
            let ours = ours.unwrap();
            prop_assert_eq!(ours.validate_request(), Ok(()), "{}", text);
            assert_same(text.as_bytes(), &theirs, &ours);
            prop_assert_eq!(&theirs.body[..], ours.body());
        }
    }

    /// Any damage: where both still read it, they read the same.
    #[test]
    fn damaged_messages_read_alike_or_not_at_all(
        text in request(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (ours, theirs) = (Message::parse(Bytes::from(bytes.clone())), rsip::Request::try_from(&bytes[..]));
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) && ours.validate_request().is_ok() && is_sound(&bytes) {
            assert_same(&bytes, &theirs, &ours);
        }
    }
}

/// Line ends that only one of the two takes (bare LF, leading blanks of a fold) move the boundaries of headers.
fn is_sound(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    head.split("\r\n").all(|line| !line.contains(['\r', '\n']) && !line.starts_with([' ', '\t']))
}

#[test]
fn torture_messages_that_both_read_are_read_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/torture/rfc4475");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let (ours, theirs) = (Message::parse(Bytes::from(bytes.clone())), rsip::Request::try_from(&bytes[..]));
        if let (Ok(ours), Ok(theirs)) = (ours, theirs)
            && ours.validate_request().is_ok()
            && !ours.request_uri().contains('?')
        {
            assert_same(&bytes, &theirs, &ours);
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}
