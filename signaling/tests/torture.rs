//! The torture messages of RFC 4475 and RFC 5118 through parser, validation and printer.
//!
//! What the endpoint answers beyond syntax (401, 404, 405, 415, 420, …) is checked by the whole-program tests; here a
//! message must be refused exactly when every allowed answer is one of syntax.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use tandem_signaling::message::{Kind, Message, Name, ParseError, ResponseBuilder};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/torture")
}

fn manifest() -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(folder().join("manifest.json")).unwrap();
    let Value::Object(entries) = serde_json::from_str(&text).unwrap() else { panic!("the manifest is an object") };
    entries.into_iter().collect()
}

fn read(name: &str) -> Bytes {
    std::fs::read(folder().join(name)).unwrap().into()
}

/// `ok`, `drop`, or the refusal.
fn outcome(bytes: Bytes) -> String {
    match Message::parse(bytes) {
        Ok(message) if !message.is_request() => match message.cseq() {
            Ok(_) => "response".to_owned(),
            Err(fault) => format!("drop ({})", fault.reason),
        },
        Ok(message) => message.validate_request().map_or_else(|fault| fault.to_string(), |()| "ok".to_owned()),
        Err(ParseError::Unacceptable(refused)) => refused.fault.to_string(),
        Err(error) => format!("drop ({error})"),
    }
}

#[test]
fn every_message_has_an_outcome_the_manifest_allows() {
    let entries = manifest();
    assert_eq!(entries.len(), 61);
    for (name, entry) in entries {
        let outcome = outcome(read(&name));
        let allow = entry["allow"].as_array().unwrap();
        let code = outcome.get(..3).and_then(|code| code.parse::<u64>().ok());
        let is_allowed = match code {
            Some(code) => allow.iter().any(|allowed| allowed.as_u64() == Some(code)),
            // Accepted by syntax: fine unless the only allowed answers are about syntax.
            None if outcome == "ok" => {
                allow.iter().any(|allowed| !matches!(allowed.as_u64(), Some(400 | 416 | 505)) && allowed != "tcp-close")
            }
            None => allow.iter().any(|allowed| allowed == "drop"),
        };
        assert!(is_allowed, "{name}: {outcome}, allowed {allow:?}");
    }
}

#[test]
fn refusals_are_worded() {
    let mut text = String::new();
    for (name, _) in manifest() {
        let _ = writeln!(text, "{name}: {}", outcome(read(&name)));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn refusals_can_be_answered() {
    let source = "127.0.0.9:5080".parse().unwrap();
    for (name, entry) in manifest() {
        let (bytes, is_request) = (read(&name), entry["kind"] == "req");
        let (message, code) = match Message::parse(bytes) {
            Ok(message) => (message, 200),
            Err(ParseError::Unacceptable(refused)) => (refused.message, refused.fault.code),
            Err(_) => continue,
        };
        if !is_request {
            continue;
        }
        let reply = ResponseBuilder::from_request(&message, code, "Reason", source, Some("ours")).build().unwrap();
        let Ok(reply) = Message::parse(reply) else { panic!("{name}: the reply can not be read") };
        assert_eq!(reply.code(), Some(code), "{name}");
        for header in [Name::From, Name::CallId, Name::CSeq] {
            assert_eq!(reply.header_bytes(header), message.header_bytes(header), "{name}");
        }
        assert!(reply.header_bytes(Name::To).unwrap_or(b"").starts_with(message.header_bytes(Name::To).unwrap_or(b"")), "{name}");
        let (mut ours, mut theirs) = (reply.headers(Name::Via), message.headers(Name::Via));
        assert_eq!(ours.next().is_some(), theirs.next().is_some(), "{name}");
        assert!(ours.eq(theirs), "{name}: only the top Via changes");
    }
}

#[test]
fn folded_and_compact_headers_are_read() {
    let message = Message::parse(read("rfc4475/wsinv.dat")).unwrap();
    assert_eq!(message.kind(), Kind::Request { method: "INVITE", uri: "sip:vivekg@chair-dnrc.example.com;unknownparam" });
    assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(message.from().unwrap().display_name(), "J Rosenberg \\\"");
    assert_eq!(message.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    assert_eq!(message.cseq().unwrap().number, 9);
    let vias: Vec<_> = message.headers(Name::Via).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(message.header(Name::Subject), Some(""));
    assert_eq!(message.header_named("unknownheaderwithunusualvalue"), Some(";;,,;;,;"));
    assert_eq!(message.contacts().next().unwrap().unwrap().q_thousandths(), Some(330));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn what_follows_the_body_of_a_datagram_is_left_out() {
    let message = Message::parse(read("rfc4475/dblreq.dat")).unwrap();
    assert_eq!((message.method(), message.body()), ("REGISTER", &b""[..]));
}

#[test]
fn binary_bodies_and_odd_bytes_stay_as_they_are() {
    let bytes = read("rfc4475/mpart01.dat");
    let message = Message::parse(bytes.clone()).unwrap();
    assert_eq!(message.body().len(), 553);
    assert!(bytes.ends_with(message.body()));
    let message = Message::parse(read("rfc4475/intmeth.dat")).unwrap();
    assert_eq!(message.method(), "!interesting-Method0123456789_*+`.%indeed'~");
    assert_eq!(message.to().unwrap().display_name(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    assert_eq!(message.to().unwrap().uri().unwrap().user, Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
}
