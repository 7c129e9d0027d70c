//! The verdict on audio that goes one way only, of a running engine: each cause, and what is none.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{net::UdpSocket, sync::Arc};

use support::{Bench, Phone};
use tandem_media::{
    codec::Codec,
    contract::{Command, Configure, Event, OneWay},
    keys::{StreamKey, StreamKeys, Suite},
};

fn answered(bench: &mut Bench, phone: &Phone) {
    bench.command(Command::Expect { stream: phone.stream, both_ways: true });
}

/// The verdict on a stream.
fn verdict(bench: &Bench, phone: &Phone) -> OneWay {
    let of = |e: &Event| if let Event::OneWay { stream, verdict } = e { Some((*stream, *verdict)) } else { None };
    let (stream, verdict) = bench.event(of);
    assert_eq!(stream, phone.stream);
    verdict
}

/// A second and a half of packets that the phone sends, then the rest of the two seconds.
fn two_seconds(clock: &support::Clock, control: &mut Phone, mut packet: impl FnMut()) {
    control.settle();
    for _ in 0..75 {
        packet();
        control.settle();
        clock.advance_ms(20);
    }
    clock.advance_ms(500);
}

simulated_clock!(NOTHING, nothing);
#[test]
fn nothing_comes() {
    let mut bench = Bench::new(50, nothing);
    let phone = bench.phone(Codec::Pcmu);
    // Before the answer nobody minds.
    NOTHING.advance_ms(60_000);
    answered(&mut bench, &phone);
    bench.control().settle();
    NOTHING.advance_ms(2_000);
    assert_eq!(verdict(&bench, &phone), OneWay::NothingComes { described: phone.address() });
}

simulated_clock!(OTHER, other);
#[test]
fn packets_come_from_elsewhere() {
    let mut bench = Bench::new(51, other);
    let mut control = bench.control();
    let stranger = UdpSocket::bind("127.0.72.66:0").unwrap();
    let from = stranger.local_addr().unwrap();
    let phone = bench.phone(Codec::Pcmu);
    answered(&mut bench, &phone);
    two_seconds(&OTHER, &mut control, || drop(stranger.send_to(&phone.packet(0, false, &[7; 160]), phone.engine_rtp)));
    let described = phone.address();
    assert_eq!(verdict(&bench, &phone), OneWay::OtherSource { described, from, refused: 75 });

    let private = |to: &mut Configure| to.remote = "192.168.1.5:4000".parse().unwrap();
    let phone = bench.phone_with(Codec::Pcmu, private);
    answered(&mut bench, &phone);
    two_seconds(&OTHER, &mut control, || phone.send_raw(&phone.packet(0, false, &[7; 160])));
    let words = format!("the peer's SDP says 192.168.1.5, media arrives from {} (75 refused)", phone.address());
    assert_eq!(verdict(&bench, &phone).to_string(), words);
}

simulated_clock!(KINDS, kinds);
#[test]
fn packets_are_of_another_kind() {
    let mut bench = Bench::new(52, kinds);
    let mut control = bench.control();
    let mut phone = bench.phone(Codec::Pcmu);
    answered(&mut bench, &phone);
    two_seconds(&KINDS, &mut control, || phone.send(18, false, &[7; 20]));
    assert_eq!(verdict(&bench, &phone), OneWay::OtherPayloadType { payload_type: 18, packets: 75 });

    let phone = bench.phone(Codec::Pcmu);
    answered(&mut bench, &phone);
    two_seconds(&KINDS, &mut control, || phone.send_raw(b"\0\x01 no RTP at all"));
    assert_eq!(verdict(&bench, &phone), OneWay::NoRtp { packets: 75 });

    let key = || StreamKey::new(Suite::AesCm128HmacSha1_80, &[1; 16], &[2; 14]).unwrap();
    let locked = |to: &mut Configure| to.keys = Some(Arc::new(StreamKeys { send: key(), receive: key() }));
    let mut phone = bench.phone_with(Codec::Pcmu, locked);
    answered(&mut bench, &phone);
    two_seconds(&KINDS, &mut control, || phone.send(0, false, &[7; 160]));
    assert_eq!(verdict(&bench, &phone), OneWay::Undecryptable { packets: 75 });
}

simulated_clock!(DEAF, deaf);
#[test]
fn the_peer_reports_that_it_hears_nothing() {
    let mut bench = Bench::new(53, deaf);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    answered(&mut bench, &a);
    answered(&mut bench, &b);
    let talk = |a: &mut Phone, b: &mut Phone| {
        for _ in 0..100 {
            a.send_tone(400.0);
            b.receive();
            b.send_tone(400.0);
            a.receive();
            DEAF.advance_ms(20);
        }
    };
    talk(&mut a, &mut b);
    let to = (bench.local, b.engine_rtp.port() + 1);
    // A receiver report without a block: nobody is heard.
    b.rtcp.send_to(&[0x80, 201, 0, 1, 0, 0, 0, 9], to).unwrap();
    let words = format!("the peer reports that it receives nothing (RTCP) of 100 packets sent to {}", b.address());
    assert_eq!(verdict(&bench, &b).to_string(), words);
    talk(&mut a, &mut b);
    b.rtcp.send_to(&[0x80, 201, 0, 1, 0, 0, 0, 9], to).unwrap();
    b.send_tone(400.0);
    a.receive();
    let (events, _) = bench.close(b.stream);
    assert!(!events.iter().any(|e| matches!(e, Event::OneWay { .. })), "told once: {events:?}");
}

simulated_clock!(NONE, none);
#[test]
fn hold_early_media_comfort_noise_keys_and_pauses_are_no_one_way_audio() {
    let mut bench = Bench::new(54, none);
    let mut phones: Vec<Phone> = (0..6).map(|_| bench.phone(Codec::Pcmu)).collect();
    let [early, held, noise, keys, pausing, silent] = &mut phones[..] else { unreachable!() };
    // Audio before the answer, which is not awaited; and none, where the call is held at once.
    early.send_tone(400.0);
    for phone in [&held, &noise, &keys, &pausing, &silent] {
        bench.command(Command::Expect { stream: phone.stream, both_ways: true });
    }
    bench.control().settle();
    NONE.advance_ms(500);
    noise.send(13, false, &[70]);
    keys.send(101, true, &[5, 10, 0, 160]);
    pausing.send_tone(400.0);
    bench.command(Command::Expect { stream: held.stream, both_ways: false });
    bench.control().settle();
    NONE.advance_ms(1_500);
    assert_eq!(verdict(&bench, silent).cause(), "nothing-comes", "the only one, and the last to be looked at");
    NONE.advance_ms(60_000);
    for phone in &phones {
        let (events, _) = bench.close(phone.stream);
        assert!(!events.iter().any(|e| matches!(e, Event::OneWay { .. })), "{events:?}");
    }
}
