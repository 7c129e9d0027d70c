//! A stream that nobody hears: on loopback, with a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{f64::consts::TAU, path::PathBuf, time::Duration};

use support::{Bench, Clock, Phone, share_of};
use tandem_media::{
    codec::{Codec, Encoder},
    contract::{Command, Event, MixMember, MixRole, Wanted},
};

const KEYS: Wanted = Wanted { keys: true, ..Wanted::NOTHING };
/// The key 5, and somebody who speaks.
const FIVE: &[f64] = &[770.0, 1_336.0];
const VOICE: &[f64] = &[300.0];

/// A phone says tones for so many ms.
fn say(phone: &mut Phone, control: &mut Phone, clock: &Clock, hz: &[f64], ms: usize) {
    let mut encoder = Encoder::with_rate(Codec::Pcmu, 8_000).unwrap();
    for piece in 0..ms / 20 {
        let mut pcm = [0; 160];
        for (n, sample) in pcm.iter_mut().enumerate() {
            let at = (piece * 160 + n) as f64 / 8_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "a test tone of less than full scale")]
            let sum = hz.iter().map(|hz| 4_000.0 * (TAU * hz * at).sin()).sum::<f64>() as i16;
            *sample = sum;
        }
        let mut payload = [0; 1_500];
        let bytes = encoder.encode(&pcm, &mut payload).unwrap();
        phone.send(0, false, &payload[..bytes]);
        phone.timestamp = phone.timestamp.wrapping_add(160);
        control.settle();
        clock.advance_ms(20);
    }
}

/// An event of RFC 4733 for the key 7, without its end, or with it.
fn seven(phone: &mut Phone, control: &mut Phone, ends: bool) {
    phone.send(101, !ends, &[7, if ends { 0x8a } else { 10 }, 0, 160]);
    control.settle();
}

/// All that a phone was sent since it looked last: audio, and the codes of events.
fn heard(phone: &mut Phone) -> (Vec<i16>, Vec<u8>) {
    let (mut pcm, mut events) = (Vec::new(), Vec::new());
    while let Some(packet) = phone.try_receive(Duration::from_millis(60)) {
        if packet.header.payload_type == 101 {
            events.push(packet.payload[0]);
        } else {
            phone.listen(&packet, &mut pcm);
        }
    }
    (pcm, events)
}

/// The keys that were told, and those that were hidden.
fn keys(events: &[Event]) -> (Vec<char>, Vec<char>) {
    let told = events.iter().filter_map(|e| if let Event::Digit { digit, .. } = e { Some(*digit) } else { None });
    let hidden = events.iter().filter_map(|e| if let Event::Hidden { key, .. } = e { Some(key.expose()) } else { None });
    (told.collect(), hidden.collect())
}

simulated_clock!(MASK, mask);
#[test]
fn nobody_hears_a_masked_stream_and_its_keys_are_told_as_hidden_until_the_last_is_let_go() {
    let mut bench = Bench::new(110, mask);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    let mut control = bench.control();
    bench.join(&a, &b);
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("masked-{}.wav", std::process::id()));
    let _ = std::fs::remove_file(&path);
    bench.command(Command::Record { recording: 1, path: path.clone(), key: None, left: a.stream, right: Some(b.stream) });
    say(&mut a, &mut control, &MASK, VOICE, 400);
    let (before, _) = heard(&mut b);
    assert!(before.len() == 400 * 8 && share_of(&before, 8_000, 300.0) > 0.9);

    bench.command(Command::Mask { stream: a.stream, masked: true });
    say(&mut a, &mut control, &MASK, &[], 100);
    say(&mut a, &mut control, &MASK, FIVE, 100);
    say(&mut a, &mut control, &MASK, &[], 1_200);
    seven(&mut a, &mut control, false);
    say(&mut a, &mut control, &MASK, &[], 40);
    seven(&mut a, &mut control, true);
    bench.command(Command::RelayDigit { stream: a.stream, digit: '9', duration_ms: 100 });
    say(&mut a, &mut control, &MASK, VOICE, 1_200);
    // In its audio a key is held when the mask ends, and still after that.
    say(&mut a, &mut control, &MASK, FIVE, 200);
    bench.command(Command::Mask { stream: a.stream, masked: false });
    say(&mut a, &mut control, &MASK, FIVE, 600);
    assert_eq!(heard(&mut b), (Vec::new(), Vec::new()));
    say(&mut a, &mut control, &MASK, &[], 400);
    heard(&mut b);
    say(&mut a, &mut control, &MASK, VOICE, 400);
    let (after, events) = heard(&mut b);
    assert!(share_of(&after, 8_000, 300.0) > 0.9 && events.is_empty());
    say(&mut a, &mut control, &MASK, FIVE, 100);
    say(&mut a, &mut control, &MASK, &[], 200);
    assert!(!heard(&mut b).1.is_empty(), "an event is made of it again");

    bench.command(Command::StopRecord { recording: 1 });
    bench.event(|e| matches!(e, Event::Recorded { .. }).then_some(()));
    let (told, _) = bench.close(b.stream);
    drop(told);
    let mut reader = hound::WavReader::open(&path).unwrap();
    let left: Vec<i16> = reader.samples::<i16>().step_by(2).map(Result::unwrap).collect();
    let masked = &left[500 * 8..3_500 * 8];
    assert!(masked.iter().all(|sample| *sample == 0), "not one sample of it");
    assert!(share_of(&left[100 * 8..300 * 8], 8_000, 300.0) > 0.9);
}

simulated_clock!(TOLD, told);
#[test]
fn keys_are_told_as_hidden_in_a_mask_only_and_a_room_hears_nothing() {
    let mut bench = Bench::new(111, told);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    let mut control = bench.control();
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    let members = [&a, &b].map(|phone| MixMember { stream: phone.stream, role: MixRole::Party });
    bench.command(Command::Mix { room: 1, members: members.to_vec() });
    say(&mut a, &mut control, &TOLD, FIVE, 100);
    say(&mut a, &mut control, &TOLD, &[], 1_200);
    bench.command(Command::Mask { stream: a.stream, masked: true });
    say(&mut a, &mut control, &TOLD, &[], 200);
    heard(&mut b);
    say(&mut a, &mut control, &TOLD, FIVE, 100);
    say(&mut a, &mut control, &TOLD, VOICE, 400);
    seven(&mut a, &mut control, false);
    seven(&mut a, &mut control, true);
    let (pcm, events) = heard(&mut b);
    assert!(events.is_empty() && pcm.iter().all(|sample| sample.abs() < 16), "silence, in the noise of the codec");
    bench.command(Command::Mask { stream: a.stream, masked: false });
    say(&mut a, &mut control, &TOLD, &[], 1_200);
    say(&mut a, &mut control, &TOLD, FIVE, 100);
    say(&mut a, &mut control, &TOLD, &[], 300);
    let (events, _) = bench.close(a.stream);
    assert_eq!(keys(&events), (vec!['5', '5'], vec!['5', '7']));
    assert!(!format!("{events:?}").contains("'7'"));
}

simulated_clock!(UNHEARD, unheard);
#[test]
fn keys_in_the_audio_are_gathered_also_where_they_are_passed_on_unheard_otherwise() {
    let mut bench = Bench::new(112, unheard);
    let mut a = bench.phone_with(Codec::Pcmu, |to| to.format.receive_dtmf_payload_type = None);
    let mut b = bench.phone_with(Codec::Pcmu, |to| to.format.dtmf_payload_type = None);
    let mut control = bench.control();
    bench.join(&a, &b);
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    bench.command(Command::Mask { stream: a.stream, masked: true });
    say(&mut a, &mut control, &UNHEARD, &[], 200);
    say(&mut a, &mut control, &UNHEARD, FIVE, 100);
    say(&mut a, &mut control, &UNHEARD, &[], 400);
    assert_eq!(heard(&mut b), (Vec::new(), Vec::new()));
    let (events, _) = bench.close(a.stream);
    assert_eq!(keys(&events), (vec![], vec!['5']));
}

simulated_clock!(BEFORE, before);
#[test]
fn a_key_that_was_pressed_before_the_mask_is_nobodys() {
    let mut bench = Bench::new(113, before);
    let mut a = bench.phone(Codec::Pcmu);
    let mut control = bench.control();
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    say(&mut a, &mut control, &BEFORE, VOICE, 200);
    let pressed_at = a.timestamp;
    seven(&mut a, &mut control, false);
    say(&mut a, &mut control, &BEFORE, FIVE, 100);
    bench.command(Command::Mask { stream: a.stream, masked: true });
    // All packets of an event have the timestamp of its begin (RFC 4733 section 2.2.1).
    let now = std::mem::replace(&mut a.timestamp, pressed_at);
    seven(&mut a, &mut control, true);
    a.timestamp = now;
    say(&mut a, &mut control, &BEFORE, &[], 1_200);
    say(&mut a, &mut control, &BEFORE, FIVE, 100);
    say(&mut a, &mut control, &BEFORE, &[], 400);
    let (events, _) = bench.close(a.stream);
    assert_eq!(keys(&events), (vec![], vec!['5']), "the one that was pressed behind it");
}
