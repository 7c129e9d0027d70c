use super::*;
use crate::{codec::Encoder, rtp::Stamp};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
fn start() -> Instant {
    Instant::now()
}

const NEXT: Arrival = Arrival::InOrder { missing: 0 };

/// Packets of 20 ms of a constant level in PCMU come as `plan` says, one turn of 20 ms after the other; frames are asked
/// for every 10 ms. What comes out: in which turn, how much was skipped before it, and its mean level.
fn run(ptime_ms: u8, plan: &[Option<(u32, Arrival)>]) -> Vec<(usize, u32, i32)> {
    let epoch = start();
    let mut transcoder = Transcoder::new(Codec::Pcmu, 8_000, ptime_ms, epoch).unwrap();
    let (mut payload, mut frame, mut out) = ([0; 160], [0; 960], Vec::new());
    Encoder::new(Codec::Pcmu).unwrap().encode(&[1_000; 160], &mut payload).unwrap();
    for (turn, packet) in plan.iter().chain(&[None; 6]).enumerate() {
        for half in 0..2 {
            let now = epoch + Duration::from_millis(turn as u64 * 20 + half * 10);
            if let (Some((number, arrival)), 0) = (packet, half) {
                transcoder.receive(now, &header(*number), Some(&payload), *arrival);
            }
            while let Some(skipped_ms) = transcoder.next_frame(now, &mut frame) {
                let samples = transcoder.frame_samples();
                let level = frame[..samples].iter().map(|s| i32::from(*s)).sum::<i32>() / i32::try_from(samples).unwrap();
                out.push((turn, skipped_ms, (level + 50) / 100));
            }
        }
    }
    assert!(!transcoder.is_busy(), "it ends by itself");
    out
}

fn header(number: u32) -> Header {
    let [.., high, low] = number.to_be_bytes();
    let sequence = u16::from_be_bytes([high, low]);
    let stamp = Stamp { payload_type: 0, marker: false, sequence, timestamp: number.wrapping_mul(160), ssrc: 1 };
    Header::parse(&stamp.bytes()).unwrap()
}

fn spoken(numbers: std::ops::Range<u32>) -> Vec<Option<(u32, Arrival)>> {
    numbers.clone().map(|n| Some((n, if n == numbers.start { Arrival::First } else { NEXT }))).collect()
}

#[test]
fn packets_are_cut_to_the_receivers_length_and_come_out_10_ms_later() {
    let loud = |out: Vec<(usize, u32, i32)>| out.into_iter().filter(|(_, _, level)| *level == 10).collect::<Vec<_>>();
    let plan = spoken(1..5);
    assert_eq!(loud(run(20, &plan)), [(0, 0, 10), (1, 0, 10), (2, 0, 10), (3, 0, 10)]);
    assert_eq!(loud(run(40, &plan)), [(1, 0, 10), (3, 0, 10)]);
    assert_eq!(loud(run(10, &plan)).len(), 9, "the tenth fades");
    assert_eq!(loud(run(30, &plan))[..2], [(1, 0, 10), (2, 0, 10)]);
}

#[test]
fn losses_are_filled_and_silence_is_skipped() {
    let mut two_lost = spoken(1..8);
    (two_lost[3], two_lost[4]) = (None, None);
    two_lost[5] = Some((6, Arrival::InOrder { missing: 2 }));
    let out = run(20, &two_lost);
    assert_eq!(
        out.iter().take(7).map(|(turn, skipped, _)| (*turn, *skipped)).collect::<Vec<_>>(),
        (0..7).map(|t| (t, 0)).collect::<Vec<_>>()
    );
    assert!(out[3].2 > 5 && out[5].2 >= 9 && out[6].2 == 10, "{out:?}");

    let mut pause = spoken(1..3);
    pause.extend([None; 48]);
    pause.extend([Some((51, Arrival::InOrder { missing: 0 })), Some((52, NEXT))]);
    let out = run(20, &pause);
    let resumed = out.iter().position(|(turn, ..)| *turn == 50).unwrap();
    let before = u32::try_from(resumed).unwrap();
    assert_eq!((before, out[resumed].1), (5, 1_000 - before * 20), "two packets and three of a guess: {out:?}");
}

#[test]
fn late_repeated_and_invalid_packets_do_no_harm() {
    let plan = [(5, Arrival::First), (4, Arrival::Late), (5, Arrival::Duplicate), (900, Arrival::Wild), (6, NEXT)];
    let out = run(20, &plan.map(Some));
    assert!(out.len() >= 2 && out[0].2 == 10, "{out:?}");
    let now = start();
    let mut opus = Transcoder::new(Codec::Opus, 8_000, 20, now).unwrap();
    let mut frame = [0; 160];
    for (i, payload) in [&[][..], &[0xff; 3], &[0x03, 0xff, 0, 0], &[0xff; 1_400]].iter().enumerate() {
        let at = now + Duration::from_millis(20 * i as u64);
        opus.receive(at, &header(u32::try_from(i).unwrap()), Some(payload), NEXT);
        while opus.next_frame(at, &mut frame).is_some() {}
    }
    opus.forget();
    assert!(!opus.is_busy());
}

#[test]
fn codecs_meet_at_the_narrower_rate() {
    assert_eq!(common_rate_hz(Codec::Pcmu, Codec::Opus), 8_000);
    assert_eq!(common_rate_hz(Codec::G722, Codec::Opus), 16_000);
}

#[expect(clippy::cast_possible_truncation, reason = "at most the largest sample")]
/// The root mean square of what is played in each 20 ms, and how much was skipped before.
fn levels(transcoder: &mut Transcoder, now: Instant) -> Vec<(u32, i32)> {
    let (mut frame, mut out) = ([0; 160], Vec::new());
    while let Some(skipped_ms) = transcoder.next_frame(now, &mut frame) {
        let sum: f64 = frame.iter().map(|s| f64::from(*s).powi(2)).sum();
        out.push((skipped_ms, (sum / 160.0).sqrt().round() as i32));
    }
    out
}

#[test]
fn comfort_noise_goes_on_at_its_level_until_somebody_speaks() {
    let epoch = start();
    let mut transcoder = Transcoder::new(Codec::Pcmu, 8_000, 20, epoch).unwrap();
    let mut payload = [0; 160];
    Encoder::new(Codec::Pcmu).unwrap().encode(&[4_000; 160], &mut payload).unwrap();
    let mut out = Vec::new();
    for turn in 0..200u32 {
        let now = epoch + Duration::from_millis(u64::from(turn) * 20);
        match turn {
            0 => transcoder.receive(now, &header(0), Some(&payload), Arrival::First),
            1..10 | 150.. => transcoder.receive(now, &header(turn), Some(&payload), NEXT),
            10 => {
                transcoder.receive(now, &header(turn), None, NEXT);
                transcoder.comfort(40);
            }
            _ => {}
        }
        for half in [0, 10] {
            out.extend(
                levels(&mut transcoder, now + Duration::from_millis(half)).into_iter().map(|(skip, level)| (turn, skip, level)),
            );
        }
    }
    assert!(out.iter().all(|(_, skipped, _)| *skipped == 0), "no break: {out:?}");
    let noise: Vec<i32> = out.iter().filter(|(turn, ..)| (15..145).contains(turn)).map(|(.., level)| *level).collect();
    assert!(noise.len() >= 128, "{} frames", noise.len());
    // 40 dB under 32,767.
    let mean = noise.iter().sum::<i32>() / i32::try_from(noise.len()).unwrap();
    assert!((300..360).contains(&mean), "{mean}");
    assert!(out.iter().filter(|(turn, ..)| *turn > 160).all(|(.., level)| *level > 3_500), "then the voice again");
    assert!((0..100).any(|turn| {
        let now = epoch + Duration::from_millis(4_000 + turn * 20);
        drop(levels(&mut transcoder, now));
        !transcoder.is_busy()
    }));
}

#[test]
fn noise_that_was_described_once_ends_with_a_sender_that_is_gone() {
    let epoch = start();
    let mut transcoder = Transcoder::new(Codec::Pcmu, 8_000, 20, epoch).unwrap();
    transcoder.receive(epoch, &header(0), Some(&[0x80; 160]), Arrival::First);
    transcoder.receive(epoch + Duration::from_millis(20), &header(1), None, NEXT);
    transcoder.comfort(50);
    let is_busy_at = |transcoder: &mut Transcoder, s: std::ops::Range<u64>| {
        (s.start * 100..s.end * 100).map(|tick| levels(transcoder, epoch + Duration::from_millis(tick * 10)).len()).sum::<usize>()
            > 0
    };
    assert!(is_busy_at(&mut transcoder, 0..5) && is_busy_at(&mut transcoder, 5..29));
    assert!(is_busy_at(&mut transcoder, 29..31) && !is_busy_at(&mut transcoder, 31..33) && !transcoder.is_busy());
}

#[test]
fn pauses_that_opus_leaves_out_are_filled() {
    use crate::codec::OpusLimits;
    let epoch = start();
    let mut encoder = Encoder::with_rate(Codec::Opus, 8_000).unwrap();
    encoder.limit(OpusLimits { dtx: true, ..OpusLimits::default() }).unwrap();
    let mut transcoder = Transcoder::new(Codec::Opus, 8_000, 20, epoch).unwrap();
    let (mut payload, mut random) = ([0; 1275], Random::new(7));
    let (mut sent, mut played, mut skipped) = (0u16, 0, 0);
    for turn in 0..300u32 {
        let now = epoch + Duration::from_millis(u64::from(turn) * 20);
        // A second of something like speech, then a quiet room.
        let pcm: Vec<i16> = match turn {
            0..50 => (0..160).map(|i| if (i + turn * 160) % 71 < 6 { 9_000 } else { -500 }).collect(),
            _ => (0..160).map(|_| noise(&mut random, 20)).collect(),
        };
        let bytes = encoder.encode(&pcm, &mut payload).unwrap();
        if !encoder.is_pause(bytes) {
            let stamp = Stamp { payload_type: 0, marker: false, sequence: sent, timestamp: turn * 960, ssrc: 1 };
            let arrival = if sent == 0 { Arrival::First } else { NEXT };
            transcoder.receive(now, &Header::parse(&stamp.bytes()).unwrap(), Some(&payload[..bytes]), arrival);
            sent += 1;
        }
        for half in [0, 10] {
            for (skip, _) in levels(&mut transcoder, now + Duration::from_millis(half)) {
                (played, skipped) = (played + 1, skipped + skip);
            }
        }
    }
    assert!(sent < 150, "{sent} packets in six seconds with one of speech");
    assert!(played >= 296 && skipped == 0, "{played} frames of 300, {skipped} ms skipped");
}
