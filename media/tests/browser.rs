//! Streams with keys by DTLS: two engines, each with a plain phone, and a line between them.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{net::UdpSocket, sync::Arc, time::Duration};

use support::{Bench, Phone};
use tandem_media::{
    browser::{Fingerprint, Terms},
    codec::Codec,
    contract::{Command, Configure, Event, StreamId},
};

const LINE: StreamId = StreamId(100);

simulated_clock!(CLOCK, clock);

/// An engine, its phone, and the stream of its end of the line, which the phone hears.
struct End {
    bench: Bench,
    phone: Phone,
    line: Configure,
}

impl End {
    fn new(host: u8) -> Self {
        let mut bench = Bench::new(host, clock);
        let phone = bench.phone(Codec::Pcma);
        let opened = bench.engine.open(LINE, 1, bench.local).unwrap();
        let line = Configure { remote: opened.rtp, rtcp_mux: true, ..phone.configured.clone().unwrap() };
        bench.command(Command::Join { a: LINE, b: phone.stream });
        Self { bench, phone, line }
    }

    /// Agrees on the line with the other end, which has that certificate.
    fn agree(&mut self, other: &Self, fingerprint: Fingerprint, is_client: bool) {
        let terms = Terms { fingerprint, is_client, ice: None };
        let (remote, to) = (other.line.remote, self.line.clone());
        let to = Configure { remote, remote_rtcp: None, dtls: Some(Arc::new(terms)), ..to };
        self.bench.command(Command::Configure { stream: LINE, to });
    }
}

/// Whether a phone hears the other one over the line, as soon as there are keys.
fn is_heard(from: &mut Phone, to: &Phone, payload: u8) -> bool {
    is_heard_within(100, from, to, payload)
}

fn is_heard_within(packets: usize, from: &mut Phone, to: &Phone, payload: u8) -> bool {
    (0..packets).any(|_| {
        from.send(8, false, &[payload; 160]);
        from.timestamp = from.timestamp.wrapping_add(160);
        CLOCK.advance_ms(20);
        to.try_receive(Duration::from_millis(50)).is_some_and(|packet| packet.payload[..] == [payload; 160])
    })
}

#[test]
fn two_lines_with_dtls_hear_each_other_and_nobody_else_and_only_with_the_right_certificate() {
    let (mut left, mut right) = (End::new(90), End::new(91));
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    assert!(ours != theirs, "each engine has its own");
    let wiretap = UdpSocket::bind("127.0.72.1:0").unwrap();

    // Another certificate than the one that was named.
    left.agree(&right, Fingerprint([9; 32]), false);
    right.agree(&left, ours, true);
    assert!(!is_heard_within(20, &mut left.phone, &right.phone, 1) && !is_heard_within(20, &mut right.phone, &left.phone, 2));

    left.agree(&right, theirs, false);
    // What failed is tried again under other terms only: the other role is some.
    right.agree(&left, ours, false);
    right.agree(&left, ours, true);
    assert!(is_heard(&mut left.phone, &right.phone, 3) && is_heard(&mut right.phone, &left.phone, 4));
    let started = |event: &Event| match event {
        Event::MediaStarted { stream: LINE, from } => Some(*from),
        _ => None,
    };
    assert_eq!(left.bench.event(started), right.line.remote);

    // The same again, as a refresh does, changes nothing.
    left.agree(&right, theirs, false);
    assert!(is_heard(&mut left.phone, &right.phone, 5));

    // Packets in the clear, handshakes and checks from elsewhere.
    for datagram in
        [&left.phone.packet(8, false, &[6; 160])[..], b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x01\x01", b"\0\x01\0\0\x21\x12\xa4\x42"]
    {
        for _ in 0..100 {
            wiretap.send_to(datagram, left.line.remote).unwrap();
        }
    }
    assert!(is_heard(&mut right.phone, &left.phone, 7) && is_heard(&mut left.phone, &right.phone, 8));
    let (_, quality) = left.bench.close(LINE);
    assert!(quality.foreign >= 100 && quality.malformed == 0 && quality.packets_received > 0, "{quality:?}");
}
