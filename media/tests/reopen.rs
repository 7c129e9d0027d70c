//! Streams that outlive the process: another engine opens them on the ports that they had.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::net::UdpSocket;

use support::{Bench, Phone};
use tandem_media::{
    codec::Codec,
    contract::{Command, Event, KeptMedia, OpenError, StreamId},
};

/// As it comes back from the store.
fn written(kept: &KeptMedia) -> KeptMedia {
    let text = serde_json::to_string(kept).unwrap();
    assert!(text.len() < 600, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// What is kept of two phones that talk, after the process is gone.
fn killed(bench: Bench, phones: [&Phone; 2]) -> [KeptMedia; 2] {
    let kept = phones.map(|phone| written(&bench.engine.keep(phone.stream, Some(phone.address())).unwrap()));
    drop(bench);
    kept
}

/// The CNAME in the next RTCP packet that has one.
fn cname(phone: &Phone) -> String {
    phone.rtcp.set_read_timeout(Some(support::DEADLINE)).unwrap();
    let mut bytes = [0; 2_048];
    loop {
        let length = phone.rtcp.recv(&mut bytes).unwrap();
        // SDES item 1 of length 16: our names have so many letters.
        let at = bytes[..length].windows(2).position(|pair| pair == [1, 16]);
        if let Some(at) = at {
            return String::from_utf8(bytes[at + 2..at + 18].to_vec()).unwrap();
        }
    }
}

simulated_clock!(TALK, talk);
#[test]
fn two_phones_go_on_where_they_were() {
    let mut bench = Bench::new(90, talk);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    a.send(0, false, &[1; 160]);
    let before = b.receive();
    b.send(0, false, &[1; 160]);
    a.receive();
    TALK.advance_ms(10_000);
    let name = cname(&b);
    let kept = killed(bench, [&a, &b]);

    let mut bench = Bench::new(90, talk);
    for (kept, phone) in kept.iter().zip([&a, &b]) {
        let opened = bench.engine.reopen(phone.stream, 1, kept).unwrap();
        assert_eq!((opened.rtp, opened.rtcp.port()), (phone.engine_rtp, phone.engine_rtp.port() + 1));
        assert_eq!(bench.engine.keep(phone.stream, Some(phone.address())).as_ref(), Some(kept), "it can be kept again");
    }
    bench.join(&a, &b);
    for i in 0..20u8 {
        a.send(0, false, &[i; 160]);
        let heard = b.receive();
        assert_eq!(heard.payload[..], [i; 160]);
        assert_eq!(heard.header.marker, i == 0);
        assert_ne!(heard.header.ssrc, before.header.ssrc, "it is a new source");
        b.send(0, false, &[255 - i; 160]);
        assert_eq!(a.receive().payload[..], [255 - i; 160]);
        TALK.advance_ms(20);
    }
    TALK.advance_ms(10_000);
    assert_eq!(cname(&b), name, "of the same name");
}

simulated_clock!(NAT, nat);
#[test]
fn whoever_was_learned_is_known_from_the_first_packet_and_nobody_else_is() {
    let mut bench = Bench::new(91, nat);
    let behind_nat = |to: &mut tandem_media::contract::Configure| {
        to.remote = "10.9.9.9:4000".parse().unwrap();
        to.signalling = Some([127, 0, 72, 1].into());
    };
    let (mut a, mut b) = (bench.phone_with(Codec::Pcmu, behind_nat), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    for _ in 0..3 {
        a.send(0, false, &[1; 160]);
    }
    b.receive();
    let from = bench.event(|event| match event {
        Event::MediaStarted { stream: StreamId(1), from } => Some(*from),
        _ => None,
    });
    assert_eq!(from, a.address());
    let kept = killed(bench, [&a, &b]);

    let mut bench = Bench::new(91, nat);
    for (kept, phone) in kept.iter().zip([&a, &b]) {
        bench.engine.reopen(phone.stream, 1, kept).unwrap();
    }
    bench.join(&a, &b);
    // It hears first, and is heard at once.
    b.send(0, false, &[2; 160]);
    assert_eq!(a.receive().payload[..], [2; 160]);
    a.send(0, false, &[3; 160]);
    assert_eq!(b.receive().payload[..], [3; 160]);
    let other = UdpSocket::bind("127.0.72.1:0").unwrap();
    for _ in 0..5 {
        other.send_to(&a.packet(0, false, &[4; 160]), a.engine_rtp).unwrap();
        a.sequence = a.sequence.wrapping_add(1);
    }
    a.send(0, false, &[5; 160]);
    assert_eq!(b.receive().payload[..], [5; 160], "the peer is there: no other port of its host is tried");
}

simulated_clock!(TAKEN, taken);
#[test]
fn a_port_that_another_has_is_said_to_be_taken_and_is_nobodys_then() {
    let mut bench = Bench::new(92, taken);
    let (a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    let [of_a, of_b] = killed(bench, [&a, &b]);

    let foreign = UdpSocket::bind(b.engine_rtp).unwrap();
    let mut bench = Bench::new(92, taken);
    let free = bench.engine.free_ports(bench.local);
    let refused = bench.engine.reopen(StreamId(2), 1, &of_b).unwrap_err();
    assert!(matches!(refused, OpenError::PortTaken(port) if port == b.engine_rtp), "{refused}");
    assert_eq!((bench.engine.free_ports(bench.local), bench.engine.open_streams()), (free, 0));
    bench.engine.reopen(StreamId(1), 1, &of_a).unwrap();
    assert!(matches!(bench.engine.reopen(StreamId(1), 1, &of_a), Err(OpenError::AlreadyOpen(StreamId(1)))));
    assert!(matches!(bench.engine.reopen(StreamId(3), 1, &of_a), Err(OpenError::PortTaken(_))), "of another stream");
    assert_eq!(bench.engine.free_ports(bench.local), free - 1);
    // No new stream gets that port.
    for id in 10..10 + u64::try_from(free).unwrap() - 2 {
        assert_ne!(bench.engine.open(StreamId(id), 1, bench.local).unwrap().rtp, a.engine_rtp);
    }
    drop(foreign);
    bench.engine.reopen(StreamId(2), 1, &of_b).unwrap();
    bench.close(StreamId(1));
}

simulated_clock!(NONSENSE, nonsense);
#[test]
fn what_cannot_have_been_kept_is_refused() {
    let mut bench = Bench::new(93, nonsense);
    let phone = bench.phone(Codec::Opus);
    let kept = serde_json::to_value(bench.engine.keep(phone.stream, Some(phone.address())).unwrap()).unwrap();
    assert_eq!(bench.engine.keep(StreamId(77), None), None);
    let own = serde_json::to_value(phone.engine_rtp).unwrap();
    bench.close(phone.stream);
    for (path, value) in [
        ("/v", 2.into()),
        ("/to/remote", "0.0.0.0:1".into()),
        ("/to/remote", own.clone()),
        ("/to/remote_rtcp", "224.0.0.1:5".into()),
        ("/heard_from", own),
    ] {
        let mut bad = kept.clone();
        *bad.pointer_mut(path).unwrap() = value;
        let bad = serde_json::from_value(bad).unwrap();
        assert!(matches!(bench.engine.reopen(StreamId(5), 1, &bad), Err(OpenError::Nonsense)), "{path}");
    }
    for (rtp, port_is_ours) in [
        ("127.0.71.94:20000", false),
        ("127.0.71.93:19998", true),
        ("127.0.71.93:20001", true),
        ("127.0.71.93:20100", true),
        ("127.0.71.93:0", true),
    ] {
        let mut bad = kept.clone();
        bad["rtp"] = rtp.into();
        let bad = serde_json::from_value(bad).unwrap();
        let refused = bench.engine.reopen(StreamId(5), 1, &bad);
        let expected = if port_is_ours {
            matches!(refused, Err(OpenError::PortTaken(_)))
        } else {
            matches!(refused, Err(OpenError::UnknownAddress(_)))
        };
        assert!(expected, "{rtp}: {refused:?}");
    }
    assert_eq!(bench.engine.open_streams(), 0);
    // One that was never negotiated is open, and accepts nothing, as a new one.
    let mut bare = kept;
    bare["to"] = serde_json::Value::Null;
    let opened = bench.engine.reopen(StreamId(6), 1, &serde_json::from_value(bare).unwrap()).unwrap();
    assert_eq!(opened.rtp, phone.engine_rtp);
    bench.command(Command::StopPlay { stream: StreamId(6) });
    phone.send_raw(&phone.packet(111, false, &[1]));
    let (_, quality) = bench.close(StreamId(6));
    assert_eq!(quality.packets_received, 0);
}
