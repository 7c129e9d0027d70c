//! The 61 messages of RFC 4475 and RFC 5118, and thousands of damaged ones, through the endpoint.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use serde_json::Value;

use super::desk::{Desk, Phone};
use crate::{
    endpoint::{Command, Destination},
    flow::{ConnectionId, Flow, Transport},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/torture")
}

/// Name, bytes and manifest entry of each message.
fn messages() -> Vec<(String, Bytes, Value)> {
    let text = std::fs::read_to_string(folder().join("manifest.json")).unwrap();
    let Value::Object(entries) = serde_json::from_str(&text).unwrap() else { panic!("the manifest is an object") };
    entries.into_iter().map(|(name, entry)| (name.clone(), std::fs::read(folder().join(name)).unwrap().into(), entry)).collect()
}

fn flow_of(entry: &Value) -> Flow {
    let udp = Flow::udp(super::world::address(0), "127.0.0.9:5060".parse().unwrap());
    match entry["via"].as_str() {
        Some("tcp") => Flow { transport: Transport::Tcp, connection: Some(ConnectionId(1)), ..udp },
        Some("tls") => Flow { transport: Transport::Tls, connection: Some(ConnectionId(1)), ..udp },
        _ => udp,
    }
}

/// The final codes sent back for one message to a fresh endpoint.
fn outcome(bytes: Bytes, flow: Flow) -> Vec<u16> {
    let mut desk = Desk::new();
    desk.receive(flow, bytes);
    assert!(desk.endpoint.counts().bindings == 0 && desk.events.is_empty(), "a stranger leaves no trace");
    for (to, _) in &desk.sent {
        assert_eq!(to.address().ip(), flow.remote.ip(), "replies go to the source");
        assert!(matches!(to, Destination::Flow(_)));
    }
    desk.sent.iter().filter_map(|(_, message)| message.code()).collect()
}

#[test]
fn the_outcomes_are_those_of_the_manifest() {
    let mut strict = 0;
    for (name, bytes, entry) in messages() {
        let codes = outcome(bytes, flow_of(&entry));
        let allow = entry["allow"].as_array().unwrap();
        let allowed = match codes[..] {
            [] => allow.iter().any(|one| one == "drop"),
            [code] => allow.iter().any(|one| one.as_u64() == Some(u64::from(code)) || (one == "not400" && code != 400)),
            _ => false,
        };
        println!("{name}: {codes:?} {}", if allowed { "" } else { "NOT ALLOWED" });
        strict += usize::from(allowed);
    }
    println!("{strict} of 61");
    assert!(strict >= 58, "{strict} of 61");
}

#[test]
fn a_trunk_may_send_them_too_and_nothing_is_left_after_a_while() {
    let mut desk = Desk::new();
    let peer = "127.0.0.9:5060".parse().unwrap();
    desk.command(Command::SetTrunks(vec![super::world::trunk("t", peer, Transport::Udp)]));
    desk.words();
    for (_, bytes, _) in messages() {
        desk.receive(Flow::udp(super::world::address(0), peer), bytes);
        let invited = desk.events.drain(..).filter_map(|event| match event {
            crate::endpoint::Event::Invited(invited) => Some(invited.invite),
            _ => None,
        });
        for invite in invited.collect::<Vec<_>>() {
            desk.command(Command::Answer { invite, sdp: Bytes::from_static(super::world::SDP.as_bytes()) });
        }
    }
    let invites = desk.endpoint.counts().invites;
    assert!(invites >= 9, "{invites} calls came of them");
    desk.pass(3 * 37_000);
    let counts = desk.endpoint.counts();
    assert_eq!((counts.invites, counts.client_transactions, counts.server_transactions, counts.timers), (0, 0, 0, 0));
}

#[test]
fn damaged_messages_harm_nobody() {
    let corpus = messages();
    let mut random = ChaCha12Rng::seed_from_u64(20_260_930);
    let mut below = |bound: usize| usize::try_from(random.next_u32()).unwrap() % bound.max(1);
    let mut desk = Desk::new();
    let peer = "127.0.0.9:5060".parse().unwrap();
    desk.command(Command::SetTrunks(vec![super::world::trunk("t", peer, Transport::Udp)]));
    for round in 0..20_000 {
        let (_, bytes, _) = &corpus[below(corpus.len())];
        let mut bytes = bytes.to_vec();
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            match below(5) {
                0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                1 => bytes.truncate(at.max(20)),
                2 => {
                    let end = (at + below(40)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let end = (at + below(60)).min(bytes.len());
                    let copy = bytes[at..end].to_vec();
                    let to = below(bytes.len());
                    bytes.splice(to..to, copy);
                }
                _ => {
                    let spice: [&[u8]; 8] = [
                        b"\r\n",
                        b",",
                        b";tag=x",
                        b"\"",
                        b"<sip:a@b>",
                        b"Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n",
                        b"%00",
                        b"4294967296",
                    ];
                    let piece = spice[below(spice.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        desk.receive(Flow::udp(super::world::address(0), peer), bytes);
        for event in std::mem::take(&mut desk.events) {
            if let crate::endpoint::Event::Invited(invited) = event {
                let invite = invited.invite;
                let sdp = Bytes::from_static(super::world::SDP.as_bytes());
                desk.command(match below(3) {
                    0 => Command::Answer { invite, sdp },
                    1 => Command::End { invite, code: 486, reason: String::new() },
                    _ => Command::Progress { invite, code: 183, sdp: Some(sdp) },
                });
                desk.command(Command::End { invite, code: 200, reason: String::new() });
            }
        }
        desk.sent.clear();
        if round % 1_000 == 0 {
            desk.pass(10_000);
        }
    }
    desk.pass(3 * 37_000);
    let counts = desk.endpoint.counts();
    assert_eq!((counts.invites, counts.client_transactions, counts.server_transactions), (0, 0, 0), "{counts:?}");
    desk.sent.clear();
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:5070");
    assert_eq!(desk.register(&mut phone, &[]).code(), Some(200), "and the endpoint serves on");
}
