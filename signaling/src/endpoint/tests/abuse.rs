//! What strangers can make of us: nothing that tells who exists, and nothing that others suffer from.

use std::{fs, path::Path};

use super::desk::{Desk, Phone};
use crate::{
    flow::Flow,
    message::{Kind, Message, Name},
};

fn stranger() -> Flow {
    Flow::udp(super::world::address(0), "192.0.2.9:5060".parse().unwrap())
}

fn request(method: &str, user: &str, more: &str) -> String {
    format!(
        "{method} sip:{user}@tandem.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{method}\r\n\
         From: <sip:{user}@tandem.test>;tag=1\r\nTo: <sip:{user}@tandem.test>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:{user}@192.0.2.9>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// A reply with what is random in it, and the user that was asked for, made the same.
fn alike(reply: &Message, user: &str) -> String {
    let mut text = String::from_utf8(reply.bytes().to_vec()).unwrap().replace(user, "USER");
    for mark in ["nonce=\"", ";tag="] {
        let mut from = 0;
        while let Some(at) = text[from..].find(mark).map(|at| from + at + mark.len()) {
            let end = text[at..].find(['"', '\r']).map_or(text.len(), |end| at + end);
            let letters = "x".repeat(end - at);
            text.replace_range(at..end, &letters);
            from = at;
        }
    }
    text
}

#[test]
fn known_and_unknown_users_get_the_same_answers() {
    for method in ["REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "OPTIONS", "REFER", "BYE", "CANCEL"] {
        let answers = ["alice", "nobdy"].map(|user| {
            let mut desk = Desk::new();
            let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
            assert_eq!(desk.register(&mut phone, &[]).code(), Some(200));
            desk.words();
            let mut answers = Vec::new();
            desk.receive(stranger(), request(method, user, ""));
            let reply = desk.next();
            answers.push(alike(&reply, user));
            // And with credentials: for our nonce, and for one of nobody.
            let ours = reply.auth_values(Name::WwwAuthenticate).next().and_then(|value| Some(value.get("nonce")?.into_owned()));
            for nonce in [ours.unwrap_or_default(), "0".repeat(64)] {
                let digest = format!(
                    "Authorization: Digest username=\"{user}\", realm=\"tandem.test\", nonce=\"{nonce}\", uri=\"sip:{user}@tandem.test\", \
                     response=\"00000000000000000000000000000000\", algorithm=MD5, cnonce=\"1\", nc=00000001, qop=auth\r\n"
                );
                desk.receive(stranger(), request(method, user, &digest).replace("branch=z9hG4bK", "branch=z9hG4bKb"));
                answers.push(alike(&desk.next(), user));
            }
            desk.pass(40_000);
            assert!(desk.sent.is_empty(), "{method}: nothing comes later");
            answers
        });
        assert_eq!(answers[0], answers[1], "{method}");
    }
}

/// Bytes that one datagram of a stranger leads to, until all timers are over.
fn sent_for(bytes: &[u8]) -> usize {
    let mut desk = Desk::new();
    desk.receive(stranger(), bytes.to_vec());
    let mut sent = 0;
    for _ in 0..80 {
        desk.pass(500);
        sent += desk.sent.drain(..).map(|(_, message)| message.bytes().len()).sum::<usize>();
    }
    sent
}

#[test]
fn no_datagram_of_a_stranger_is_answered_by_more_than_three_times_its_bytes() {
    let mut kinds: Vec<(String, Vec<u8>)> = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/torture");
    for part in ["rfc4475", "rfc5118"] {
        for file in fs::read_dir(folder.join(part)).unwrap().map(|entry| entry.unwrap().path()) {
            kinds.push((file.display().to_string(), fs::read(&file).unwrap()));
        }
    }
    assert_eq!(kinds.len(), 61);
    let methods = [
        "INVITE",
        "REGISTER",
        "OPTIONS",
        "SUBSCRIBE",
        "MESSAGE",
        "BYE",
        "CANCEL",
        "ACK",
        "PRACK",
        "UPDATE",
        "INFO",
        "REFER",
        "NOTIFY",
        "X",
    ];
    for method in methods {
        kinds.push((format!("plain {method}"), request(method, "1001", "").into_bytes()));
        // As short as can be.
        let short = format!(
            "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\ni:1\r\nCSeq:1 {method}\r\n\r\n"
        );
        kinds.push((format!("short {method}"), short.clone().into_bytes()));
        kinds.push((format!("requires {method}"), short.replace("\r\n\r\n", "\r\nRequire:a,b,c\r\n\r\n").into_bytes()));
        kinds.push((format!("broken {method}"), short.replace("CSeq:1", "CSeq:x").into_bytes()));
        kinds.push((
            format!("routed {method}"),
            short.replace("v:", "Record-Route:<sip:a;lr>\r\nv:SIP/2.0/UDP b\r\nv:").into_bytes(),
        ));
    }
    kinds.push(("nothing".to_owned(), b"\r\n\r\n".to_vec()));
    let mut answered = 0;
    for (name, bytes) in kinds {
        let sent = sent_for(&bytes);
        assert!(sent <= 3 * bytes.len(), "{name}: {} in, {sent} out", bytes.len());
        answered += usize::from(sent > 0);
    }
    assert!(answered > 60, "{answered} were answered at all");
}

#[test]
fn who_sends_little_gets_a_short_answer_that_serves_and_by_a_connection_the_whole_one() {
    let short = "REGISTER sip:a SIP/2.0\r\nv:SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nf:<sip:a@a>;tag=1\r\nt:<sip:a@a>\r\ni:1\r\nCSeq:1 REGISTER\r\n\r\n";
    let challenges = |flow: Flow| {
        let mut desk = Desk::new();
        desk.receive(flow, short);
        let reply = desk.next();
        assert!(matches!(reply.kind(), Kind::Response { code: 401, .. }));
        reply.auth_values(Name::WwwAuthenticate).count()
    };
    assert_eq!(challenges(stranger()), 1, "the best one");
    let tcp = Flow { transport: crate::flow::Transport::Tcp, connection: Some(crate::flow::ConnectionId(1)), ..stranger() };
    assert_eq!(challenges(tcp), 2, "a connection proves the address");
}
