//! Keys between parties that take them in different forms, on loopback, with a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::time::Duration;

use support::{Bench, Clock, Phone, share_of};
use tandem_media::{
    codec::Codec,
    contract::{Command, Event},
};

/// The key 5 by RFC 4733: 100 ms, its end said three times.
fn five(phone: &mut Phone, control: &mut Phone, clock: &Clock) {
    for (n, flags) in [10u8, 10, 10, 10, 0x8a, 0x8a, 0x8a].into_iter().enumerate() {
        let duration = 160 * u16::try_from(n + 1).unwrap().min(5);
        phone.send(101, n == 0, &[5, flags, duration.to_be_bytes()[0], duration.to_be_bytes()[1]]);
        control.settle();
        clock.advance_ms(20);
    }
    phone.timestamp = phone.timestamp.wrapping_add(160 * 7);
}

/// Somebody says a tone for so many ms.
fn say(phone: &mut Phone, control: &mut Phone, clock: &Clock, ms: usize) {
    for _ in 0..ms / 20 {
        phone.send_tone(300.0);
        control.settle();
        clock.advance_ms(20);
    }
}

fn heard(phone: &mut Phone) -> Vec<i16> {
    let mut pcm = Vec::new();
    while let Some(packet) = phone.try_receive(Duration::from_millis(60)) {
        assert_eq!(packet.header.payload_type, 0, "audio and nothing else");
        phone.listen(&packet, &mut pcm);
    }
    pcm
}

simulated_clock!(TONES, tones);
#[test]
fn a_party_without_events_hears_keys_as_tones_once() {
    let mut bench = Bench::new(120, tones);
    let mut a = bench.phone(Codec::Pcmu);
    let mut b = bench.phone_with(Codec::Pcmu, |to| to.format.dtmf_payload_type = None);
    let mut control = bench.control();
    bench.join(&a, &b);
    say(&mut a, &mut control, &TONES, 200);
    five(&mut a, &mut control, &TONES);
    say(&mut a, &mut control, &TONES, 600);
    let pcm = heard(&mut b);
    let is_five = |piece: &&[i16]| share_of(piece, 8_000, 770.0) > 0.25 && share_of(piece, 8_000, 1_336.0) > 0.25;
    let tone = pcm.chunks_exact(160).filter(is_five).count();
    assert!((4..=6).contains(&tone), "{tone} times 20 ms of the key");
    assert!(share_of(&pcm[pcm.len() - 1_600..], 8_000, 300.0) > 0.9, "the voice goes on behind it");
    // A key that comes in a message of the call.
    bench.command(Command::RelayDigit { stream: a.stream, digit: '5', duration_ms: 200 });
    say(&mut a, &mut control, &TONES, 600);
    let tone = heard(&mut b).chunks_exact(160).filter(is_five).count();
    assert!((9..=11).contains(&tone), "{tone} times 20 ms of the key");
    let (events, _) = bench.close(a.stream);
    let told = events.iter().filter(|e| matches!(e, Event::Digit { digit: '5', .. })).count();
    assert_eq!(told, 1);
}

simulated_clock!(SIGNALLED, signalled);
#[test]
fn a_party_that_wants_keys_in_messages_gets_no_tone() {
    let mut bench = Bench::new(121, signalled);
    let mut a = bench.phone(Codec::Pcmu);
    let mut b = bench.phone_with(Codec::Pcmu, |to| {
        (to.format.dtmf_payload_type, to.format.signalled_keys) = (None, true);
    });
    let mut control = bench.control();
    bench.join(&a, &b);
    say(&mut a, &mut control, &SIGNALLED, 200);
    five(&mut a, &mut control, &SIGNALLED);
    say(&mut a, &mut control, &SIGNALLED, 400);
    assert!(heard(&mut b).chunks_exact(160).all(|piece| share_of(piece, 8_000, 770.0) < 0.1));
    let out =
        |e: &Event| if let Event::KeyOut { stream, key, duration_ms } = e { Some((*stream, *key, *duration_ms)) } else { None };
    assert_eq!(bench.event(out), (b.stream, '5', 100));
    bench.command(Command::SendDigit { stream: b.stream, digit: '#', duration_ms: 160 });
    assert_eq!(bench.event(out), (b.stream, '#', 160));
}
