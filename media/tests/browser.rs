//! Streams with keys by DTLS: two engines, each with a plain phone, and a line between them.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{net::UdpSocket, sync::Arc, time::Duration};

use support::{Bench, Phone};
use tandem_media::{
    browser::{Fingerprint, Terms},
    codec::{Audio, Codec},
    contract::{Command, Configure, Event, NoKeys, StreamId},
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
        Self::with(host, clock)
    }

    fn with(host: u8, clock: fn() -> std::time::Instant) -> Self {
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

    let verdict = |event: &Event| match event {
        Event::NoKeys { stream: LINE, verdict } => Some(verdict.clone()),
        _ => None,
    };
    assert_eq!(left.bench.event(verdict), NoKeys::OtherCertificate);

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

simulated_clock!(PROMPT_CLOCK, prompt_clock);

/// Each 20 ms of it are a level of their own.
fn prompt(packets: i16) -> Arc<Audio> {
    let at =
        |samples: i16| (0..packets).flat_map(move |packet| (0..samples).map(move |_| 1_000 + 500 * packet)).collect::<Vec<_>>();
    Arc::new(Audio { pcm_8k: at(160).into(), pcm_16k: at(320).into(), duration_ms: 0 })
}

#[test]
fn a_prompt_and_keys_wait_for_keys_of_dtls_and_nothing_of_them_is_lost() {
    let (mut left, mut right) = (End::with(92, prompt_clock), End::with(93, prompt_clock));
    let (ours, theirs) = (left.bench.engine.fingerprint(), right.bench.engine.fingerprint());
    left.agree(&right, theirs, false);
    left.bench.command(Command::Play { stream: LINE, play: 7, audio: vec![prompt(10)], repeat: false });
    // Longer than the prompt, shorter than our patience.
    for _ in 0..200 {
        PROMPT_CLOCK.advance_ms(10);
        left.bench.engine.commit();
    }
    assert!(right.phone.try_receive(Duration::from_millis(50)).is_none());
    right.agree(&left, ours, true);
    let played = |event: &Event| matches!(event, Event::Played { stream: LINE, play: 7 }).then_some(());
    let mut heard = Vec::new();
    for _ in 0..400 {
        PROMPT_CLOCK.advance_ms(10);
        heard.extend(right.phone.try_receive(Duration::from_millis(30)).map(|packet| packet.payload[0]));
        if heard.len() == 10 {
            break;
        }
    }
    let mut levels = [0_u8; 10];
    let mut encoder = tandem_media::codec::Encoder::new(Codec::Pcma).unwrap();
    for (level, frame) in levels.iter_mut().zip(prompt(10).pcm_8k.chunks(160)) {
        let mut coded = [0; 160];
        encoder.encode(frame, &mut coded).unwrap();
        *level = coded[0];
    }
    assert_eq!(heard, levels, "all of it, from its first packet on");
    PROMPT_CLOCK.advance_ms(20);
    left.bench.event(played);
}

simulated_clock!(DEAF_CLOCK, deaf_clock);

#[test]
fn a_prompt_to_whoever_never_has_keys_ends_all_the_same() {
    let (mut left, right) = (End::with(94, deaf_clock), End::with(95, deaf_clock));
    left.agree(&right, Fingerprint([9; 32]), false);
    let plays = |left: &mut End, play| {
        left.bench.command(Command::Play { stream: LINE, play, audio: vec![prompt(5)], repeat: false });
    };
    let waited_ms = |left: &End, wanted| {
        for waited in 1..200_u64 {
            DEAF_CLOCK.advance_ms(50);
            let played = |event: &Event| matches!(event, Event::Played { play, .. } if *play == wanted).then_some(());
            if left.bench.try_event(Duration::from_millis(20), played).is_some() {
                return waited * 50;
            }
        }
        unreachable!("it never ended")
    };
    plays(&mut left, 1);
    let first = waited_ms(&left, 1);
    assert!((5_000..7_000).contains(&first), "{first} ms");
    plays(&mut left, 2);
    let second = waited_ms(&left, 2);
    assert!(second < 2_000, "patience is over: {second} ms");
}
