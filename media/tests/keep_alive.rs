//! Signs of life: a peer that counts silence hears of us at once, and again before it loses patience.

mod support;

use std::time::Duration;

use support::Bench;
use tandem_media::{
    codec::Codec,
    contract::{Command, Configure},
};

fn alive(to: &mut Configure) {
    to.keep_alive_ms = Some(4_000);
}

simulated_clock!(SILENT, silent);
#[test]
fn silence_is_sent_at_once_and_again_when_nothing_else_is() {
    let mut bench = Bench::new(41, silent);
    let mut phone = bench.phone_with(Codec::Opus, alive);
    let mut pcm = Vec::new();
    let mut before = None;
    for _ in 0..3 {
        let header = loop {
            SILENT.advance_ms(200);
            if let Some(packet) = phone.try_receive(Duration::from_millis(20)) {
                phone.listen(&packet, &mut pcm);
                break packet.header;
            }
        };
        assert_eq!((header.payload_type, header.marker), (111, true));
        if let Some((sequence, timestamp)) = before.replace((header.sequence_number, header.timestamp)) {
            assert_eq!(header.sequence_number, u16::wrapping_add(sequence, 1));
            let ms = header.timestamp.wrapping_sub(timestamp) / 48;
            // The clock of the test runs ahead of the one that wakes the thread.
            assert!((4_000..12_000).contains(&ms), "{ms} ms");
        }
    }
    assert!(pcm.iter().all(|sample| sample.abs() < 10), "it is silence");
}

simulated_clock!(HELD, held);
#[test]
fn who_holds_us_and_who_did_not_ask_is_sent_nothing() {
    let mut bench = Bench::new(42, held);
    let plain = bench.phone(Codec::Pcmu);
    let other = bench.phone_with(Codec::Pcmu, |to| {
        alive(to);
        to.send = false;
    });
    for _ in 0..50 {
        HELD.advance_ms(200);
        assert!(plain.try_receive(Duration::from_millis(2)).is_none() && other.try_receive(Duration::from_millis(2)).is_none());
    }
    // Taken back, it is heard of again.
    let mut to = other.configured.clone().unwrap();
    to.send = true;
    bench.command(Command::Configure { stream: other.stream, to });
    HELD.advance_ms(400);
    let _silence = other.receive();
}

simulated_clock!(TALKING, talking);
#[test]
fn nothing_is_put_between_words() {
    let mut bench = Bench::new(43, talking);
    let mut speaker = bench.phone(Codec::Pcmu);
    let listener = bench.phone_with(Codec::Pcmu, alive);
    bench.join(&speaker, &listener);
    speaker.send_tone(400.0);
    let mut last = listener.receive().header;
    for _ in 0..400 {
        TALKING.advance_ms(20);
        speaker.send_tone(400.0);
        let header = listener.receive().header;
        // The first sign of life may come before the first word.
        if header.sequence_number == last.sequence_number.wrapping_add(1) && !header.marker {
            assert_eq!(header.timestamp, last.timestamp.wrapping_add(160));
        }
        last = header;
    }
    assert!(!last.marker);
}
