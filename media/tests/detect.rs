//! A stream is listened to by the engine: on loopback, with a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::f64::consts::TAU;

use support::{Bench, Clock, Phone};
use tandem_media::{
    codec::{Codec, Encoder},
    contract::{Command, Event, Verdict, Wanted},
    detect::{Answer, Tone},
};

const KEYS: Wanted = Wanted { keys: true, ..Wanted::NOTHING };

/// Speaks for so many ms: tones of these frequencies, or silence.
struct Speaker {
    encoder: Encoder,
    said: usize,
}

impl Speaker {
    fn new(codec: Codec) -> Self {
        Self { encoder: Encoder::with_rate(codec, 8_000).unwrap(), said: 0 }
    }

    fn say(&mut self, phone: &mut Phone, control: &mut Phone, clock: &Clock, hz: &[f64], ms: usize) {
        for _ in 0..ms / 20 {
            let mut pcm = [0; 160];
            for (n, sample) in pcm.iter_mut().enumerate() {
                let at = (self.said + n) as f64 / 8_000.0;
                let sum: f64 = hz.iter().map(|hz| 4_000.0 * (TAU * hz * at).sin()).sum();
                *sample = sample_of(sum);
            }
            self.said += 160;
            let mut payload = [0; 1_500];
            let bytes = self.encoder.encode(&pcm, &mut payload).unwrap();
            phone.send(phone.payload_type, false, &payload[..bytes]);
            phone.timestamp = phone.timestamp.wrapping_add(phone.configured.as_ref().unwrap().format.codec.rtp_clock_hz() / 50);
            control.settle();
            clock.advance_ms(20);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a test tone of less than full scale")]
fn sample_of(value: f64) -> i16 {
    value as i16
}

fn digits(events: &[Event]) -> Vec<char> {
    events.iter().filter_map(|event| if let Event::Digit { digit, .. } = event { Some(*digit) } else { None }).collect()
}

simulated_clock!(KEY, key);
#[test]
fn a_key_in_the_audio_is_told_once_and_sent_to_a_partner_with_events() {
    for (codec, other) in [(Codec::Pcma, Codec::Pcma), (Codec::G722, Codec::Pcmu)] {
        let mut bench = Bench::new(if codec == other { 100 } else { 101 }, key);
        let (mut a, b) = (bench.phone_with(codec, |to| to.format.receive_dtmf_payload_type = None), bench.phone(other));
        let mut control = bench.control();
        bench.join(&a, &b);
        bench.command(Command::Detect { stream: a.stream, what: KEYS });
        let mut speaker = Speaker::new(codec);
        for (hz, ms) in
            [(&[][..], 200), (&[770.0, 1_336.0][..], 100), (&[][..], 200), (&[941.0, 1_477.0][..], 60), (&[][..], 400)]
        {
            speaker.say(&mut a, &mut control, &KEY, hz, ms);
        }
        let mut sent = Vec::new();
        while let Some(packet) = b.try_receive(std::time::Duration::from_millis(100)) {
            if packet.header.payload_type == 101 && packet.payload[1] & 0x80 != 0 {
                sent.push(packet.payload[0]);
            }
        }
        sent.dedup();
        assert_eq!(sent, [5, 11], "{codec:?}");
        let (events, _) = bench.close(a.stream);
        assert_eq!(digits(&events), ['5', '#'], "{codec:?}");
    }
}

simulated_clock!(PASSED, passed);
#[test]
fn keys_between_two_that_know_no_events_are_passed_on_unheard_and_found_again_behind_it() {
    let mut bench = Bench::new(104, passed);
    let without = |to: &mut tandem_media::contract::Configure| {
        (to.format.receive_dtmf_payload_type, to.format.dtmf_payload_type) = (None, None);
    };
    let (mut a, b) = (bench.phone_with(Codec::Pcmu, without), bench.phone_with(Codec::Pcmu, without));
    let mut control = bench.control();
    bench.join(&a, &b);
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    let mut speaker = Speaker::new(Codec::Pcmu);
    for (hz, ms) in [(&[][..], 200), (&[770.0, 1_336.0][..], 100), (&[][..], 400)] {
        speaker.say(&mut a, &mut control, &PASSED, hz, ms);
    }
    bench.command(Command::Part { stream: a.stream });
    for (hz, ms) in [(&[][..], 200), (&[941.0, 1_477.0][..], 100), (&[][..], 400)] {
        speaker.say(&mut a, &mut control, &PASSED, hz, ms);
    }
    let (events, _) = bench.close(a.stream);
    assert_eq!(digits(&events), ['#'], "the other one heard the first as it was");
}

simulated_clock!(PAUSE, pause);
#[test]
fn who_sends_nothing_for_a_while_is_heard_again_from_the_first_packet() {
    let mut bench = Bench::new(105, pause);
    let mut a = bench.phone_with(Codec::Pcmu, |to| to.format.receive_dtmf_payload_type = None);
    let mut control = bench.control();
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    let mut speaker = Speaker::new(Codec::Pcmu);
    for (key, away_ms) in [([770.0, 1_336.0], 1_500), ([941.0, 1_477.0], 60_000), ([852.0, 1_477.0], 1_500)] {
        // The last packet is one of the key.
        speaker.say(&mut a, &mut control, &PAUSE, &key, 200);
        for _ in 0..away_ms / 500 {
            control.settle();
            PAUSE.advance_ms(500);
        }
        a.timestamp = a.timestamp.wrapping_add(8 * away_ms);
    }
    let (events, _) = bench.close(a.stream);
    assert_eq!(digits(&events), ['5', '#', '9']);
}

simulated_clock!(BOTH, both);
#[test]
fn a_key_that_comes_both_ways_counts_once() {
    let mut bench = Bench::new(102, both);
    let mut a = bench.phone(Codec::Pcmu);
    let mut control = bench.control();
    bench.command(Command::Detect { stream: a.stream, what: KEYS });
    let mut speaker = Speaker::new(Codec::Pcmu);
    speaker.say(&mut a, &mut control, &BOTH, &[], 200);
    let began = a.timestamp;
    a.send(101, true, &[5, 10, 0, 160]);
    speaker.say(&mut a, &mut control, &BOTH, &[770.0, 1_336.0], 100);
    let goes_on = std::mem::replace(&mut a.timestamp, began);
    for _ in 0..3 {
        a.send(101, false, &[5, 0x8a, 3, 32]);
    }
    a.timestamp = goes_on;
    speaker.say(&mut a, &mut control, &BOTH, &[], 1_500);
    speaker.say(&mut a, &mut control, &BOTH, &[852.0, 1_477.0], 100);
    speaker.say(&mut a, &mut control, &BOTH, &[], 300);
    let (events, _) = bench.close(a.stream);
    assert_eq!(digits(&events), ['5', '9'], "the second one came in the audio only");
}

simulated_clock!(FOUND, found);
#[test]
fn tones_and_answers_are_told_and_nothing_after_it_is_ended() {
    let mut bench = Bench::new(103, found);
    let mut a = bench.phone(Codec::Opus);
    let mut control = bench.control();
    let what = Wanted { tones: true, answer: Some(tandem_media::detect::ANSWER_BUDGET), ..Wanted::NOTHING };
    bench.command(Command::Detect { stream: a.stream, what });
    let mut speaker = Speaker::new(Codec::Opus);
    for ms in [500, 500, 500, 500, 500, 500] {
        speaker.say(&mut a, &mut control, &FOUND, if (speaker.said / 4_000).is_multiple_of(2) { &[425.0] } else { &[] }, ms);
    }
    bench.command(Command::Detect { stream: a.stream, what: Wanted::NOTHING });
    for _ in 0..3 {
        speaker.say(&mut a, &mut control, &FOUND, &[1_100.0], 500);
        speaker.say(&mut a, &mut control, &FOUND, &[], 1_000);
    }
    let (events, _) = bench.close(a.stream);
    let told: Vec<_> =
        events.iter().filter_map(|e| if let Event::Detected { verdict, .. } = e { Some(*verdict) } else { None }).collect();
    assert_eq!(told, [Verdict::Tone(Tone::Busy), Verdict::Answer(Answer::Silence)]);
}

simulated_clock!(QUIET, quiet);
#[test]
fn who_sends_nothing_is_silent() {
    let mut bench = Bench::new(104, quiet);
    let a = bench.phone(Codec::Pcmu);
    let mut control = bench.control();
    let what = Wanted { answer: Some(tandem_media::detect::ANSWER_BUDGET), ..Wanted::NOTHING };
    bench.command(Command::Detect { stream: a.stream, what });
    for _ in 0..200 {
        control.settle();
        QUIET.advance_ms(20);
    }
    let (events, _) = bench.close(a.stream);
    assert!(events.contains(&Event::Detected { stream: a.stream, verdict: Verdict::Answer(Answer::Silence) }), "{events:?}");
}
