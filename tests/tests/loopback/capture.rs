//! Copies of signalling for a Homer collector, read by a decoder that others could have written.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    process::{Command, Stdio},
};

use serde_json::Value;
use tandem_tests::{ground::Ground, switch::Switch, wait};

#[test]
fn what_comes_and_goes_is_copied_with_passwords_masked() {
    let ground = Ground::new();
    let collector = UdpSocket::bind((ground.ip, 9_060)).expect("a free port");
    collector.set_read_timeout(Some(wait::SOON)).expect("a socket");
    let plan = crate::TEAM.to_owned() + &format!("\ncapture \"udp\" \"{}\" id=2001\n", ground.ip);
    let config = ground.plan(&plan);
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);

    let phone = UdpSocket::bind((switch.ground.device(), 5_060)).expect("a free port");
    phone.set_read_timeout(Some(wait::SOON)).expect("a socket");
    let own = phone.local_addr().expect("bound");
    phone.send_to(register("UDP", own, "over-udp").as_bytes(), switch.sip).expect("sent");
    phone.recv_from(&mut [0; 4_096]).expect("a reply");
    let [came, went] = [0, 1].map(|_| receive(&collector));
    check(&came, (own, switch.sip), 17, "over-udp");
    check(&went, (switch.sip, own), 17, "over-udp");
    let text = came["payload"].as_str().expect("text");
    let sent = register("UDP", own, "over-udp");
    assert!(!text.contains("fe5f4e") && text.contains("\r\nAuthorization: ****** *****************\r\n"), "{text}");
    assert_eq!(text.len(), sent.len());
    assert!(went["payload"].as_str().expect("text").starts_with("SIP/2.0 4"), "{went}");

    let mut phone = TcpStream::connect(switch.sip).expect("a connection");
    let own = phone.local_addr().expect("connected");
    phone.write_all(register("TCP", own, "over-tcp").as_bytes()).expect("sent");
    assert!(phone.read(&mut [0; 4_096]).expect("a reply") > 0);
    let [came, went] = [0, 1].map(|_| receive(&collector));
    check(&came, (own, switch.sip), 6, "over-tcp");
    check(&went, (switch.sip, own), 6, "over-tcp");
    assert!(switch.metric("tandem_capture_sent_total") >= 4.0);
    assert_eq!(switch.metric("tandem_capture_dropped_total"), 0.0);
}

fn register(transport: &str, own: SocketAddr, call_id: &str) -> String {
    format!(
        "REGISTER sip:tandem SIP/2.0\r\nVia: SIP/2.0/{transport} {own};branch=z9hG4bK{call_id}\r\nMax-Forwards: 70\r\n\
         From: <sip:1011@tandem>;tag=1\r\nTo: <sip:1011@tandem>\r\nCall-ID: {call_id}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:1011@{own}>\r\nAuthorization: Digest response=\"fe5f4e\"\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The next packet, as `tests/hep3.py` reads it.
fn receive(collector: &UdpSocket) -> Value {
    let mut buffer = [0; 65_536];
    let (length, _) = collector.recv_from(&mut buffer).expect("a copy");
    let hex: String = buffer[..length].iter().map(|byte| format!("{byte:02x}")).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/hep3.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is among the packages of the tests");
    python.stdin.take().expect("piped").write_all(hex.as_bytes()).expect("it reads");
    let out = python.wait_with_output().expect("it ends");
    serde_json::from_slice(&out.stdout).expect("one JSON object")
}

fn check(packet: &Value, (source, destination): (SocketAddr, SocketAddr), protocol: u8, call_id: &str) {
    for (name, value) in [
        ("family", Value::from(2)),
        ("protocol", protocol.into()),
        ("source", source.ip().to_string().into()),
        ("source_port", source.port().into()),
        ("destination", destination.ip().to_string().into()),
        ("destination_port", destination.port().into()),
        ("type", 1.into()),
        ("agent", 2001.into()),
        ("correlation", call_id.into()),
    ] {
        assert_eq!(packet[name], value, "{name} of {packet}");
    }
    assert!(packet["seconds"].as_u64().is_some_and(|s| s > 1_600_000_000), "{packet}");
    assert!(packet["microseconds"].as_u64().is_some_and(|us| us < 1_000_000), "{packet}");
}
