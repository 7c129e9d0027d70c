//! The engine between two phones on loopback: relay, learning, key presses, transcoding.

mod support;

use std::{net::UdpSocket, time::Duration};

use rtp::packet::Packet;
use support::{Bench, Phone, share_of};
use tandem_media::{
    codec::Codec,
    contract::{Command, CommandError, Event, LearnPolicy, OpenError, StreamId},
};

/// Asserts that packets continue one stream and gives them.
fn received(phone: &Phone, count: usize) -> Vec<Packet> {
    let packets: Vec<Packet> = (0..count).map(|_| phone.receive()).collect();
    for pair in packets.windows(2) {
        assert_eq!(pair[1].header.ssrc, pair[0].header.ssrc);
        assert_eq!(pair[1].header.sequence_number, pair[0].header.sequence_number.wrapping_add(1));
    }
    packets
}

simulated_clock!(RELAY, relay);
#[test]
fn two_phones_hear_each_other_unchanged() {
    let mut bench = Bench::new(1, relay);
    let (mut a, mut b) = (
        bench.phone(Codec::Pcmu),
        bench.phone_with(Codec::Pcmu, |to| (to.format.payload_type, to.format.receive_payload_type) = (96, 96)),
    );
    bench.join(&a, &b);
    for i in 0..100u8 {
        a.send(0, false, &[i; 160]);
        a.timestamp = a.timestamp.wrapping_add(160);
        let heard = b.receive();
        assert_eq!((heard.header.payload_type, &heard.payload[..]), (96, &[i; 160][..]));
        assert_eq!(heard.header.marker, i == 0);
        b.send(96, false, &[255 - i; 160]);
        b.timestamp = b.timestamp.wrapping_add(160);
        assert_eq!(a.receive().payload[..], [255 - i; 160]);
        RELAY.advance_ms(20);
    }
    assert_eq!(bench.event(|e| if let Event::MediaStarted { from, .. } = e { Some(*from) } else { None }), a.address());
    let (_, quality) = bench.close(a.stream);
    assert_eq!((quality.packets_received, quality.packets_sent, quality.lost), (100, 100, 0));
    assert!(quality.mos.unwrap().value > 4.3 && quality.jitter_ms.unwrap() < 1.0);
    assert_eq!(quality.rtt_ms, None, "never measured");
}

simulated_clock!(LOSS, loss);
#[test]
fn loss_repeats_and_lateness_are_counted() {
    let mut bench = Bench::new(2, loss);
    let (mut a, b) = (bench.phone(Codec::Pcma), bench.phone(Codec::Pcma));
    bench.join(&a, &b);
    let start = a.sequence;
    for number in [0, 1, 2, 5, 4, 4, 6] {
        a.sequence = start.wrapping_add(number);
        a.send(8, false, &[1; 160]);
    }
    let order: Vec<u16> = (0..6).map(|_| b.receive().header.sequence_number).collect();
    let steps: Vec<u16> = order.iter().map(|s| s.wrapping_sub(order[0])).collect();
    assert_eq!(steps, [0, 1, 2, 5, 4, 6]);
    let (_, quality) = bench.close(a.stream);
    assert_eq!((quality.received(), quality.lost, quality.reordered, quality.duplicated), (6, 1, 1, 1));
}

trait Received {
    fn received(&self) -> u64;
}
impl Received for tandem_media::contract::Quality {
    fn received(&self) -> u64 {
        self.packets_received
    }
}

simulated_clock!(ATTACK, attack);
#[test]
fn a_stranger_neither_speaks_nor_hears() {
    let mut bench = Bench::new(3, attack);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let stranger = UdpSocket::bind("127.0.72.66:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    for i in 0..200u16 {
        let mut forged = a.packet(0, false, b"forged");
        forged[2..4].copy_from_slice(&i.to_be_bytes());
        stranger.send_to(&forged, a.engine_rtp).unwrap();
        stranger.send_to(&[0x80, 200, 0, 0], a.engine_rtp).unwrap();
        if i % 10 == 0 {
            b.send(0, false, b"to the caller");
            assert_eq!(a.receive().payload[..], *b"to the caller");
        }
        if i >= 100 {
            a.send(0, false, b"true");
            assert_eq!(b.receive().payload[..], *b"true", "with the same SSRC and sequence numbers");
        }
        ATTACK.advance_ms(20);
    }
    assert!(stranger.recv(&mut [0; 100]).is_err(), "nothing came to the stranger");
    let (_, quality) = bench.close(a.stream);
    assert_eq!((quality.packets_received, quality.foreign + quality.malformed), (100, 400));
}

simulated_clock!(NAT, nat);
#[test]
fn a_phone_behind_nat_is_found_after_three_packets() {
    let mut bench = Bench::new(4, nat);
    let mut a = bench.phone_with(Codec::Pcmu, |to| {
        to.remote = "10.9.9.9:4000".parse().unwrap();
        to.signalling = Some([127, 0, 72, 1].into());
    });
    let mut b = bench.phone(Codec::Pcmu);
    bench.join(&a, &b);
    for _ in 0..5 {
        a.send(0, false, &[7; 160]);
    }
    let heard = received(&b, 3);
    assert!(heard[0].header.marker);
    b.send(0, false, &[8; 160]);
    assert_eq!(a.receive().payload[..], [8; 160]);
}

simulated_clock!(STRICT, strict);
#[test]
fn media_is_never_sent_to_ourselves_or_to_groups() {
    let mut bench = Bench::new(5, strict);
    let phone = bench.phone_with(Codec::Pcmu, |to| to.learn = LearnPolicy::Any);
    let own = bench.engine.open(StreamId(99), 1, bench.local).unwrap().rtp;
    for remote in [own, "224.0.0.5:4000".parse().unwrap(), "255.255.255.255:9".parse().unwrap(), "0.0.0.0:9".parse().unwrap()] {
        let mut to = phone.configured.clone().unwrap();
        to.remote = remote;
        let refused = bench.engine.command(Command::Configure { stream: phone.stream, to });
        assert_eq!(refused, Err(CommandError::ForbiddenRemote), "{remote}");
    }
    assert_eq!(bench.engine.command(Command::Join { a: StreamId(1), b: StreamId(77) }), Err(CommandError::NotOpen));
}

/// A key press as a phone sends it: start, two updates, three ends.
fn press(phone: &mut Phone, key: u8) {
    for (step, end) in [(1u16, false), (2, false), (3, false), (4, true), (4, true), (4, true)] {
        let [high, low] = (step * 160).to_be_bytes();
        phone.send(101, step == 1, &[key, u8::from(end) << 7 | 10, high, low]);
    }
    phone.timestamp = phone.timestamp.wrapping_add(800);
}

/// Waits until all that the phone sent was handled: a key press in one packet, told after what came before.
fn handled(bench: &Bench, phone: &mut Phone) {
    phone.send(101, true, &[1, 0x8a, 3, 0x20]);
    phone.timestamp = phone.timestamp.wrapping_add(800);
    bench.event(|e| matches!(e, Event::Digit { .. }).then_some(()));
}

simulated_clock!(DIGITS, digits);
#[test]
fn key_presses_are_told_once_and_passed_on_under_the_partners_payload_type() {
    let mut bench = Bench::new(6, digits);
    let mut a = bench.phone(Codec::Pcmu);
    let b = bench.phone_with(Codec::Pcmu, |to| to.format.dtmf_payload_type = Some(96));
    bench.join(&a, &b);
    a.send_tone(400.0);
    press(&mut a, 5);
    press(&mut a, 11);
    a.send_tone(400.0);
    let heard = received(&b, 14);
    let kinds: Vec<u8> = heard.iter().map(|p| p.header.payload_type).collect();
    assert_eq!(kinds, [vec![0], vec![96; 12], vec![0]].concat());
    assert!(heard[1..7].iter().all(|p| p.header.timestamp == heard[1].header.timestamp));
    assert_eq!(heard[7].header.timestamp, heard[1].header.timestamp.wrapping_add(800));
    let (events, _) = bench.close(a.stream);
    let digits: Vec<(char, u32)> = events
        .iter()
        .filter_map(|e| if let Event::Digit { digit, duration_ms, .. } = e { Some((*digit, *duration_ms)) } else { None })
        .collect();
    assert_eq!(digits, [('5', 80), ('#', 80)]);
}

simulated_clock!(NUMBERS, numbers);
#[test]
fn an_answer_may_use_other_numbers_than_its_offer() {
    let mut bench = Bench::new(15, numbers);
    let mut a = bench.phone_with(Codec::Opus, |to| (to.format.payload_type, to.format.receive_payload_type) = (107, 96));
    let b = bench.phone(Codec::Opus);
    bench.join(&a, &b);
    a.send_tone(400.0);
    let heard = received(&b, 1);
    assert_eq!(heard[0].header.payload_type, 111, "taken under the number of our offer, passed on under the partner's");
}

simulated_clock!(NO_EVENTS, no_events);
#[test]
fn key_presses_leave_no_gap_at_a_partner_without_them() {
    let mut bench = Bench::new(7, no_events);
    let mut a = bench.phone(Codec::Pcmu);
    let b = bench.phone_with(Codec::Pcmu, |to| to.format.dtmf_payload_type = None);
    bench.join(&a, &b);
    a.send_tone(400.0);
    press(&mut a, 1);
    a.send_tone(400.0);
    let heard = received(&b, 2);
    assert!(heard.iter().all(|p| p.header.payload_type == 0));
}

simulated_clock!(LOST_END, lost_end);
#[test]
fn a_key_press_whose_end_is_lost_is_told_after_silence() {
    let mut bench = Bench::new(8, lost_end);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    a.send(101, true, &[9, 10, 1, 0x40]);
    b.receive();
    LOST_END.advance_ms(500);
    let digit = bench.event(|e| if let Event::Digit { digit, .. } = e { Some(*digit) } else { None });
    assert_eq!(digit, '9');
}

simulated_clock!(SEND_DIGIT, send_digit);
#[test]
fn a_key_press_is_sent_with_three_ends_and_audio_gives_way() {
    let mut bench = Bench::new(9, send_digit);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    a.send_tone(400.0);
    let mut heard = received(&b, 1);
    bench.command(Command::SendDigit { stream: b.stream, digit: '7', duration_ms: 100 });
    for _ in 0..8 {
        heard.push(b.receive());
        SEND_DIGIT.advance_ms(20);
    }
    assert!(heard[1..].iter().all(|p| p.header.payload_type == 101 && p.payload[0] == 7));
    assert_eq!(heard.iter().filter(|p| p.payload.len() == 4 && p.payload[1] & 0x80 != 0).count(), 3);
    assert!(heard[1].header.marker && !heard[2].header.marker);
    assert_eq!(heard[8].payload[2..], 800u16.to_be_bytes());
}

simulated_clock!(RELAY_DIGIT, relay_digit);
#[test]
fn a_key_that_was_pressed_outside_the_audio_is_sent_to_the_partner_only() {
    let mut bench = Bench::new(20, relay_digit);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    // Nobody hears it: no partner yet, and none that hears itself.
    bench.command(Command::RelayDigit { stream: a.stream, digit: '1', duration_ms: 40 });
    bench.command(Command::Echo { stream: a.stream });
    bench.command(Command::RelayDigit { stream: a.stream, digit: '2', duration_ms: 40 });
    bench.join(&a, &b);
    bench.command(Command::RelayDigit { stream: a.stream, digit: '7', duration_ms: 100 });
    let mut heard = Vec::new();
    for _ in 0..8 {
        heard.push(b.receive());
        RELAY_DIGIT.advance_ms(20);
    }
    assert!(heard.iter().all(|p| p.header.payload_type == 101 && p.payload[0] == 7));
    assert_eq!(heard.iter().filter(|p| p.payload[1] & 0x80 != 0).count(), 3);
    b.send_tone(400.0);
    assert_eq!(a.receive().header.payload_type, 0, "who pressed it hears nothing of it");
    a.send_tone(400.0);
}

/// A tone from each side must arrive at the other in its codec.
fn transcoded(host: u8, clock: &support::Clock, read: fn() -> std::time::Instant, left: Codec, right: Codec, ptime_ms: u8) {
    let mut bench = Bench::new(host, read);
    let (mut a, mut b) = (bench.phone(left), bench.phone_with(right, |to| to.format.ptime_ms = ptime_ms));
    bench.join(&a, &b);
    let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
    let per_packet = usize::from(ptime_ms) / 20;
    let mut control = bench.control();
    for i in 0..60 {
        a.send_tone(500.0);
        b.send_tone(900.0);
        control.settle();
        // They come out of the jitter buffers one packet later at most.
        clock.advance_ms(20);
        if (i + 1) % per_packet == 0 {
            let packet = b.receive();
            b.listen(&packet, &mut at_b);
        }
        let packet = a.receive();
        a.listen(&packet, &mut at_a);
    }
    let (rate_a, rate_b) = (left.sample_rate_hz(), right.sample_rate_hz());
    assert_eq!((at_a.len(), at_b.len()), (60 * rate_a as usize / 50, 60 * rate_b as usize / 50));
    let (heard_a, heard_b) = (&at_a[rate_a as usize / 5..], &at_b[rate_b as usize / 5..]);
    assert!(share_of(heard_a, rate_a, 900.0) > 0.9, "{}", share_of(heard_a, rate_a, 900.0));
    assert!(share_of(heard_b, rate_b, 500.0) > 0.9, "{}", share_of(heard_b, rate_b, 500.0));
}

simulated_clock!(T1, t1);
simulated_clock!(T2, t2);
simulated_clock!(T3, t3);
simulated_clock!(T4, t4);
#[test]
fn codecs_are_translated_both_ways() {
    transcoded(10, &T1, t1, Codec::Pcmu, Codec::Pcma, 20);
    transcoded(11, &T2, t2, Codec::Pcmu, Codec::Opus, 20);
    transcoded(12, &T3, t3, Codec::G722, Codec::Pcma, 40);
    transcoded(13, &T4, t4, Codec::G722, Codec::Opus, 20);
}

simulated_clock!(T5, t5);
#[test]
fn key_presses_cross_codecs_at_the_partners_clock() {
    let mut bench = Bench::new(14, t5);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Opus));
    bench.join(&a, &b);
    let mut control = bench.control();
    let mut speak = |a: &mut Phone, ms: u64| {
        a.send_tone(400.0);
        control.settle();
        T5.advance_ms(ms);
    };
    speak(&mut a, 20);
    let mut heard = received(&b, 1);
    // It speaks while it presses the key: what is held of that, and what comes with it, makes no second key of it.
    speak(&mut a, 0);
    press(&mut a, 3);
    heard.extend(received(&b, 6));
    speak(&mut a, 40);
    speak(&mut a, 60);
    speak(&mut a, 20);
    heard.extend(received(&b, 1));
    for pair in heard.windows(2) {
        assert_eq!(pair[1].header.sequence_number, pair[0].header.sequence_number.wrapping_add(1));
    }
    assert_eq!(heard[6].payload[2..], 3_840u16.to_be_bytes(), "80 ms at 48 kHz");
    assert!(heard[1..7].iter().all(|p| p.header.payload_type == 101 && p.header.timestamp == heard[1].header.timestamp));
    assert_eq!(heard[7].header.payload_type, 111, "audio again");
}

simulated_clock!(LOSSY, lossy);
#[test]
fn what_is_lost_on_the_way_to_another_codec_is_concealed_and_what_comes_too_late_is_told() {
    let mut bench = Bench::new(48, lossy);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcma));
    bench.join(&a, &b);
    let mut control = bench.control();
    let mut pcm = Vec::new();
    for i in 0..100u32 {
        if i % 20 == 9 {
            // One of twenty comes 200 ms late, when its turn is over.
            a.encoded_tone(400.0);
            (a.sequence, a.timestamp) = (a.sequence.wrapping_add(1), a.timestamp.wrapping_add(160));
        } else {
            a.send_tone(400.0);
        }
        if i % 20 == 19 {
            let (sequence, timestamp) = (a.sequence, a.timestamp);
            (a.sequence, a.timestamp) = (sequence.wrapping_sub(11), timestamp.wrapping_sub(11 * 160));
            a.send(0, false, &[0xff; 160]);
            (a.sequence, a.timestamp) = (sequence, timestamp);
        }
        control.settle();
        LOSSY.advance_ms(20);
        let packet = b.receive();
        b.listen(&packet, &mut pcm);
    }
    assert!(share_of(&pcm[1_600..], 8_000, 400.0) > 0.9, "{}", share_of(&pcm[1_600..], 8_000, 400.0));
    let (_, quality) = bench.close(a.stream);
    assert_eq!((quality.packets_received, quality.lost, quality.reordered, quality.late), (100, 0, 5, Some(5)));
    let (_, quality) = bench.close(b.stream);
    assert_eq!(quality.late, None, "nothing of it was played");
}

simulated_clock!(T6, t6);
#[test]
fn events_of_8_khz_beside_opus_are_heard_passed_on_and_sent_in_their_own_clock() {
    let mut bench = Bench::new(19, t6);
    let mut a = bench.phone_with(Codec::Opus, |to| to.format.dtmf_clock_hz = 8_000);
    let b = bench.phone(Codec::Opus);
    bench.join(&a, &b);
    a.send_tone(400.0);
    press(&mut a, 3);
    a.send_tone(400.0);
    let heard = received(&b, 8);
    assert_eq!(heard[6].payload[2..], 3_840u16.to_be_bytes(), "80 ms at 48 kHz");
    assert!(heard[1..7].iter().all(|p| p.header.timestamp == heard[1].header.timestamp));
    let (events, _) = {
        bench.command(Command::SendDigit { stream: a.stream, digit: '7', duration_ms: 40 });
        let sent: Vec<_> = (0..3)
            .map(|_| {
                let packet = a.receive();
                T6.advance_ms(20);
                packet
            })
            .collect();
        assert_eq!(sent[2].payload[..], [7, 0x8a, 1, 0x40], "40 ms at 8 kHz");
        bench.close(a.stream)
    };
    assert!(events.contains(&Event::Digit { stream: a.stream, digit: '3', duration_ms: 80 }), "{events:?}");
}

simulated_clock!(ECHO, echo);
#[test]
fn echo_and_hold() {
    let mut bench = Bench::new(15, echo);
    let mut a = bench.phone(Codec::G722);
    bench.command(Command::Echo { stream: a.stream });
    a.send(9, false, &[3; 160]);
    assert_eq!(a.receive().payload[..], [3; 160]);
    let mut held = a.configured.clone().unwrap();
    held.send = false;
    bench.command(Command::Configure { stream: a.stream, to: held });
    a.send(9, false, &[4; 160]);
    handled(&bench, &mut a);
    bench.command(Command::Configure { stream: a.stream, to: a.configured.clone().unwrap() });
    a.send(9, false, &[5; 160]);
    assert_eq!(a.receive().payload[..], [5; 160], "nothing is sent while on hold");
}

simulated_clock!(HELD, held);
#[test]
fn hold_does_not_look_like_loss_to_the_one_who_holds() {
    let mut bench = Bench::new(18, held);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    a.send_tone(400.0);
    let before = b.receive().header;
    let mut to = b.configured.clone().unwrap();
    to.send = false;
    bench.command(Command::Configure { stream: b.stream, to });
    for _ in 0..10 {
        a.send_tone(400.0);
        HELD.advance_ms(20);
    }
    handled(&bench, &mut a);
    bench.command(Command::Configure { stream: b.stream, to: b.configured.clone().unwrap() });
    a.send_tone(400.0);
    let after = b.receive().header;
    assert_eq!(after.sequence_number, before.sequence_number.wrapping_add(1));
    assert_eq!(after.timestamp, before.timestamp.wrapping_add(11 * 160 + 800));
}

simulated_clock!(HOSTILE, hostile);
#[test]
fn hostile_datagrams_leave_the_call_alive() {
    let mut bench = Bench::new(16, hostile);
    let (mut a, b) = (bench.phone_with(Codec::Opus, |to| to.rtcp_mux = true), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let mut random = tandem_media::random::Random::new(16);
    for i in 0..3_000u64 {
        let length = random.below(120);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.u16().to_be_bytes()[0]).collect();
        if i % 2 == 0 && bytes.len() > 2 {
            bytes[0] = 0x80 | bytes[0] & 0x3f;
            bytes[1] = [111, 101, 200, 201, 13, 205][usize::try_from(random.below(6)).unwrap()];
        }
        a.send_raw(&bytes);
        a.rtcp.send_to(&bytes, (bench.local, a.engine_rtp.port() + 1)).unwrap();
    }
    a.ssrc += 1;
    for _ in 0..3 {
        a.send_tone(400.0);
    }
    let (events, quality) = bench.close(a.stream);
    assert!(quality.malformed > 0 && quality.packets_received > 0);
    assert!(!events.iter().any(|e| matches!(e, Event::Fault { .. })));
}

simulated_clock!(PORTS, ports);
#[test]
fn ports_rest_before_they_are_used_again() {
    let mut bench = Bench::with(17, ports, |config| {
        (config.first_port, config.last_port) = (20_000, 20_005);
        config.drain = Duration::from_secs(2);
    });
    // Another program has a port of the range: it is stepped over.
    let taken = UdpSocket::bind((bench.local, 20_002)).unwrap();
    let first = bench.engine.open(StreamId(1), 1, bench.local).unwrap();
    let second = bench.engine.open(StreamId(2), 1, bench.local).unwrap();
    assert_eq!((first.rtp.port() % 2, first.rtcp.port()), (0, first.rtp.port() + 1));
    assert!(first.rtp.port() != second.rtp.port() && second.rtp.port() != 20_002);
    let refused = bench.engine.open(StreamId(3), 1, bench.local);
    assert!(matches!(refused, Err(OpenError::PortsExhausted(_))));
    bench.close(StreamId(1));
    assert!(bench.engine.open(StreamId(4), 1, bench.local).is_err(), "the port rests");
    drop(taken);
    PORTS.advance_ms(2_000);
    let ports = [4, 5].map(|id| bench.engine.open(StreamId(id), 1, bench.local).unwrap().rtp.port());
    assert!(ports.contains(&first.rtp.port()) && ports.contains(&20_002));
    assert!(matches!(bench.engine.open(StreamId(9), 1, [127, 0, 0, 9].into()), Err(OpenError::UnknownAddress(_))));
}

simulated_clock!(ODD, odd);
#[test]
fn the_port_of_rtcp_is_opened_when_a_call_needs_it_and_a_call_without_it_talks() {
    let mut bench = Bench::new(47, odd);
    let odd_port = |phone: &Phone| (phone.engine_rtp.ip(), phone.engine_rtp.port() + 1);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone_with(Codec::Pcmu, |to| to.rtcp_mux = true));
    bench.join(&a, &b);
    // Another program has it.
    let taken = UdpSocket::bind(odd_port(&a)).unwrap();
    ODD.advance_ms(10_000);
    a.send_tone(400.0);
    b.receive();
    drop(UdpSocket::bind(odd_port(&b)).expect("nobody needs the second port of a peer that multiplexes"));
    drop(taken);

    let c = bench.phone(Codec::Pcmu);
    bench.join(&a, &c);
    // What is heard was opened before: its time counts from there.
    a.send_tone(400.0);
    c.receive();
    ODD.advance_ms(10_000);
    // The second comes out when the turn of the first, with its tick, is over.
    for _ in 0..2 {
        a.send_tone(400.0);
        c.receive();
    }
    assert!(UdpSocket::bind(odd_port(&c)).is_err(), "it is open once the call lasts");
}
