//! Streams with SRTP between phones that encrypt with the `srtp` crate by themselves: relay, player, recorder, RTCP,
//! changed keys, forged packets, restart.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{path::PathBuf, sync::Arc, time::Duration};

use rtp::packet::Packet;
use srtp::{context::Context, crypto, protection_profile::ProtectionProfile};
use support::{Bench, DEADLINE, Phone, share_of, unmarshal};
use tandem_media::{
    codec::{Audio, Codec},
    contract::{Command, Configure, Event, StreamId},
    keys::{StreamKey, StreamKeys, Suite},
};

/// What a phone encrypts and decrypts with.
struct Locks {
    out: Context,
    back: Context,
}

fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

fn context(suite: Suite, byte: u8) -> Context {
    let (key, salt) = (vec![byte; suite.key_bytes()], vec![byte; suite.salt_bytes()]);
    Context::new(&key, &salt, profile(suite), None, None, crypto::default_provider().unwrap().crypto()).unwrap()
}

/// The stream's keys, and the phone's side of them.
fn keys(suite: Suite, (send, receive): (u8, u8)) -> (Arc<StreamKeys>, Locks) {
    let key = |byte| StreamKey::new(suite, &vec![byte; suite.key_bytes()], &vec![byte; suite.salt_bytes()]).unwrap();
    let locks = Locks { out: context(suite, receive), back: context(suite, send) };
    (Arc::new(StreamKeys { send: key(send), receive: key(receive) }), locks)
}

/// A phone whose stream has these keys, as its key numbers.
fn phone(bench: &mut Bench, suite: Suite, numbers: (u8, u8)) -> (Phone, Locks) {
    let (keys, locks) = keys(suite, numbers);
    (bench.phone_with(Codec::Pcma, |to| to.keys = Some(keys)), locks)
}

fn send(phone: &mut Phone, locks: &mut Locks, payload: &[u8]) -> Vec<u8> {
    let sealed = locks.out.encrypt_rtp(&phone.packet(8, false, payload)).unwrap().to_vec();
    phone.send_raw(&sealed);
    phone.sequence = phone.sequence.wrapping_add(1);
    phone.timestamp = phone.timestamp.wrapping_add(160);
    sealed
}

fn sealed(phone: &Phone) -> Vec<u8> {
    let mut bytes = [0; 2_048];
    phone.rtp.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = phone.rtp.recv(&mut bytes).unwrap();
    bytes[..length].to_vec()
}

fn receive(phone: &Phone, locks: &mut Locks) -> Packet {
    unmarshal(&locks.back.decrypt_rtp(&sealed(phone)).unwrap())
}

fn configure(bench: &mut Bench, phone: &Phone, change: impl FnOnce(&mut Configure)) {
    let mut to = phone.configured.clone().unwrap();
    change(&mut to);
    bench.command(Command::Configure { stream: phone.stream, to });
}

simulated_clock!(RELAY, relay);
#[test]
fn legs_of_every_suite_and_a_plain_leg_hear_each_other() {
    let mut bench = Bench::new(100, relay);
    for (number, (of_a, of_b)) in [
        (Suite::AesCm128HmacSha1_80, Some(Suite::AeadAes128Gcm)),
        (Suite::AesCm256HmacSha1_80, Some(Suite::AesCm128HmacSha1_32)),
        (Suite::AeadAes256Gcm, None),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut a, mut locks) = phone(&mut bench, of_a, (1, 2));
        let second = of_b.map(|suite| keys(suite, (3, 4)));
        let mut b = bench.phone_with(Codec::Pcma, |to| to.keys = second.as_ref().map(|(keys, _)| Arc::clone(keys)));
        let mut second = second.map(|(_, locks)| locks);
        bench.join(&a, &b);
        let mut first = None;
        for i in 0..40u8 {
            let on_wire = send(&mut a, &mut locks, &[i; 160]);
            let heard = match &mut second {
                Some(locks) => receive(&b, locks),
                None => b.receive(),
            };
            assert_eq!(heard.payload[..], [i; 160], "{number}");
            assert!(!on_wire.windows(16).any(|part| part == [i; 16]), "nothing is in the clear");
            let numbers = *first.get_or_insert((heard.header.ssrc, heard.header.sequence_number));
            assert_eq!((heard.header.ssrc, heard.header.sequence_number), (numbers.0, numbers.1.wrapping_add(u16::from(i))));
            match &mut second {
                Some(locks) => {
                    send(&mut b, locks, &[255 - i; 160]);
                }
                None => b.send(8, false, &[255 - i; 160]),
            }
            assert_eq!(receive(&a, &mut locks).payload[..], [255 - i; 160]);
            RELAY.advance_ms(20);
        }
        let (_, quality) = bench.close(a.stream);
        assert_eq!((quality.packets_received, quality.malformed, quality.lost), (40, 0, 0));
        bench.close(b.stream);
    }
}

simulated_clock!(FORGED, forged);
#[test]
fn whoever_does_not_have_the_key_is_neither_heard_nor_learned() {
    let mut bench = Bench::new(101, forged);
    let ((mut a, mut locks), mut b) = (phone(&mut bench, Suite::AesCm128HmacSha1_80, (1, 2)), bench.phone(Codec::Pcma));
    bench.join(&a, &b);
    send(&mut a, &mut locks, &[1; 160]);
    assert_eq!(b.receive().payload[..], [1; 160]);
    let stranger = std::net::UdpSocket::bind("127.0.72.1:0").unwrap();
    let mut wrong = context(Suite::AesCm128HmacSha1_80, 9);
    let clear = a.packet(8, false, &[2; 160]);
    for round in 0..10_000_u32 {
        let mut bad = clear.clone();
        if round % 2 == 0 {
            bad = wrong.encrypt_rtp(&bad).unwrap().to_vec();
        }
        stranger.send_to(&bad, a.engine_rtp).unwrap();
        a.send_raw(&bad);
        if round % 20 == 0 {
            // So that none is lost for want of room, and the peer is heard between.
            send(&mut a, &mut locks, &[3; 160]);
            assert_eq!(b.receive().payload[..], [3; 160]);
        }
    }
    b.send(8, false, &[4; 160]);
    assert_eq!(receive(&a, &mut locks).payload[..], [4; 160], "audio still goes to the peer");
    let (events, quality) = bench.close(a.stream);
    let started: Vec<_> =
        events.iter().filter(|event| matches!(event, Event::MediaStarted { stream, .. } if *stream == a.stream)).collect();
    assert!(started.len() <= 1, "{started:?}");
    assert_eq!(quality.packets_received, 501);
    assert!(quality.malformed > 10_000, "{quality:?}");
}

simulated_clock!(PLAYED, played);
#[test]
fn prompts_key_presses_and_reports_are_encrypted_and_recordings_are_not() {
    let mut bench = Bench::new(102, played);
    let (mut a, mut locks) = phone(&mut bench, Suite::AeadAes128Gcm, (1, 2));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("secure-{}.wav", std::process::id()));
    let _ = std::fs::remove_file(&path);
    bench.command(Command::Record { recording: 1, path: path.clone(), key: None, left: a.stream, right: None });
    let audio = vec![Arc::new(Audio::tone(600.0, -12.0, 400, 0))];
    bench.command(Command::Play { stream: a.stream, play: 7, audio, repeat: false });
    let (mut pcm, mut tone) = (Vec::new(), Phone::new(StreamId(99), a.engine_rtp, Codec::Pcma));
    for _ in 0..20 {
        let packet = receive(&a, &mut locks);
        a.listen(&packet, &mut pcm);
        // What another phone would say in the clear, encrypted.
        let payload = tone.encoded_tone(440.0);
        send(&mut a, &mut locks, &payload);
        PLAYED.advance_ms(20);
    }
    assert!(share_of(&pcm, 8_000, 600.0) > 0.95);
    PLAYED.advance_ms(10_000);
    let mut bytes = [0; 2_048];
    a.rtcp.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = a.rtcp.recv(&mut bytes).unwrap();
    let report = locks.back.decrypt_rtcp(&bytes[..length]).unwrap();
    assert_eq!((report[1], report.windows(2).any(|pair| pair == [1, 16])), (200, true), "a sender report with a CNAME");
    // The phone's own report is believed: it says how many packets were lost.
    let ssrc = u32::from_be_bytes([report[4], report[5], report[6], report[7]]);
    let mut own = vec![0x81, 201, 0, 7];
    own.extend(a.ssrc.to_be_bytes());
    own.extend(ssrc.to_be_bytes());
    own.extend([128, 0, 0, 10]);
    own.extend([0; 16]);
    let own = locks.out.encrypt_rtcp(&own).unwrap();
    a.rtcp.send_to(&own, (a.engine_rtp.ip(), a.engine_rtp.port() + 1)).unwrap();
    let mut forged = own.to_vec();
    let flag = forged.len() - 4;
    forged[flag] &= 0x7f;
    a.rtcp.send_to(&forged, (a.engine_rtp.ip(), a.engine_rtp.port() + 1)).unwrap();
    // A packet that is answered after the reports were read.
    bench.command(Command::Echo { stream: a.stream });
    send(&mut a, &mut locks, &[7; 160]);
    while receive(&a, &mut locks).payload[..] != [7; 160] {}
    bench.command(Command::SendDigit { stream: a.stream, digit: '5', duration_ms: 60 });
    PLAYED.advance_ms(20);
    let event = std::iter::from_fn(|| Some(receive(&a, &mut locks))).find(|packet| packet.header.payload_type == 101).unwrap();
    assert_eq!(event.payload[0], 5);
    bench.command(Command::StopRecord { recording: 1 });
    let (before, quality) = bench.close(a.stream);
    assert!(quality.remote.is_some() && quality.malformed <= 1, "{quality:?}");
    // The thread that writes recordings may be done before the stream is closed.
    let is_recorded = |event: &Event| matches!(event, Event::Recorded { recording: 1, .. });
    if !before.iter().any(is_recorded) {
        bench.event(|event| is_recorded(event).then_some(()));
    }
    let mut reader = hound::WavReader::open(&path).unwrap();
    let left: Vec<i16> = reader.samples().map(Result::unwrap).step_by(2).collect();
    assert!(share_of(&left[400..3_000], 8_000, 440.0) > 0.95);
}

simulated_clock!(CHANGED, changed);
#[test]
fn a_new_key_of_the_peer_is_taken_and_one_that_stays_keeps_its_counters() {
    let mut bench = Bench::new(103, changed);
    let suite = Suite::AesCm128HmacSha1_80;
    let (mut a, mut locks) = phone(&mut bench, suite, (1, 2));
    bench.command(Command::Echo { stream: a.stream });
    // The phone's numbers go round: its counter is 1 afterwards.
    for i in 0..20u8 {
        send(&mut a, &mut locks, &[i; 160]);
        assert_eq!(receive(&a, &mut locks).payload[..], [i; 160]);
    }
    configure(&mut bench, &a, |_| ());
    send(&mut a, &mut locks, &[30; 160]);
    assert_eq!(receive(&a, &mut locks).payload[..], [30; 160], "a refresh changes nothing");
    let (new, fresh) = keys(suite, (1, 5));
    configure(&mut bench, &a, |to| to.keys = Some(new));
    locks.out = fresh.out;
    send(&mut a, &mut locks, &[31; 160]);
    assert_eq!(receive(&a, &mut locks).payload[..], [31; 160], "ours goes on");
    let (both, fresh) = keys(Suite::AeadAes256Gcm, (6, 7));
    configure(&mut bench, &a, |to| to.keys = Some(both));
    locks = fresh;
    send(&mut a, &mut locks, &[32; 160]);
    assert_eq!(receive(&a, &mut locks).payload[..], [32; 160], "both are new");
    configure(&mut bench, &a, |to| to.keys = None);
    a.send(8, false, &[33; 160]);
    assert_eq!(a.receive().payload[..], [33; 160], "in the clear, when that was agreed");
}

simulated_clock!(RESTART, restart);
#[test]
fn a_stream_goes_on_in_the_next_process_with_its_keys_and_no_keystream_twice() {
    let mut bench = Bench::new(104, restart);
    let (mut a, mut locks) = phone(&mut bench, Suite::AesCm128HmacSha1_80, (1, 2));
    bench.command(Command::Echo { stream: a.stream });
    let mut numbers = Vec::new();
    for round in 0..3_u32 {
        // The peer's counter is beyond 0 when the next process hears it.
        for _ in 0..20 {
            send(&mut a, &mut locks, &[1; 160]);
            let heard = receive(&a, &mut locks);
            assert_eq!(heard.payload[..], [1; 160], "{round}");
            let number = (heard.header.ssrc, heard.header.sequence_number);
            assert!(!numbers.contains(&number), "a keystream is made from these two and the key");
            numbers.push(number);
        }
        let kept = bench.engine.keep(a.stream, Some(a.address())).unwrap();
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!format!("{kept:?}").contains("AQEB") && text.contains("AQEB"), "kept, but not shown");
        drop(bench);
        bench = Bench::with(104, restart, |config| config.seed += u64::from(round) + 1);
        bench.engine.reopen(a.stream, 1, &serde_json::from_str(&text).unwrap()).unwrap();
        bench.command(Command::Echo { stream: a.stream });
    }
    assert!(a.try_receive(Duration::from_millis(1)).is_none());
}
