//! The engine's player, recorder, RTCP and time limits, in simulated time.

mod support;

use std::{path::PathBuf, sync::Arc, time::Duration};

use support::{Bench, share_of};
use tandem_media::{
    codec::{Audio, Codec},
    contract::{Command, Event},
};

simulated_clock!(PLAY, play);
#[test]
fn a_prompt_is_heard_at_its_frequency_and_its_end_is_told() {
    let mut bench = Bench::new(31, play);
    let mut a = bench.phone(Codec::Pcma);
    let audio = vec![Arc::new(Audio::tone(600.0, -12.0, 200, 0)), Arc::new(Audio::tone(1_000.0, -12.0, 200, 0))];
    bench.command(Command::Play { stream: a.stream, play: 7, audio, repeat: false });
    let mut pcm = Vec::new();
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let packet = a.receive();
        a.listen(&packet, &mut pcm);
        numbers.push((packet.header.sequence_number, packet.header.timestamp, packet.header.marker));
        PLAY.advance_ms(20);
    }
    assert!(share_of(&pcm[160..1_440], 8_000, 600.0) > 0.95 && share_of(&pcm[1_760..3_040], 8_000, 1_000.0) > 0.95);
    for pair in numbers.windows(2) {
        assert_eq!((pair[1].0, pair[1].1, pair[1].2), (pair[0].0.wrapping_add(1), pair[0].1.wrapping_add(160), false));
    }
    assert!(numbers[0].2);
    let played = bench.event(|e| if let Event::Played { stream, play } = e { Some((*stream, *play)) } else { None });
    assert_eq!(played, (a.stream, 7));
}

simulated_clock!(SWITCH, switch);
#[test]
fn numbers_go_on_from_prompt_to_partner_to_ring_back() {
    let mut bench = Bench::new(32, switch);
    let (mut a, mut b) = (bench.phone(Codec::Opus), bench.phone(Codec::Opus));
    let audio = vec![Arc::new(Audio::tone(600.0, -12.0, 1_000, 0))];
    bench.command(Command::Play { stream: a.stream, play: 1, audio, repeat: true });
    let mut heard = vec![a.receive()];
    SWITCH.advance_ms(20);
    heard.push(a.receive());
    bench.command(Command::StopPlay { stream: a.stream });
    bench.join(&a, &b);
    SWITCH.advance_ms(40);
    b.send_tone(500.0);
    heard.push(a.receive());
    bench.command(Command::RingBack { stream: a.stream });
    SWITCH.advance_ms(20);
    let mut pcm = Vec::new();
    for _ in 0..30 {
        let packet = a.receive();
        a.listen(&packet, &mut pcm);
        heard.push(packet);
        SWITCH.advance_ms(20);
    }
    for pair in heard.windows(2) {
        let (old, new) = (&pair[0].header, &pair[1].header);
        assert_eq!((new.ssrc, new.sequence_number), (old.ssrc, old.sequence_number.wrapping_add(1)));
        let step = new.timestamp.wrapping_sub(old.timestamp);
        assert!((960..=960 * 6).contains(&step), "{step}");
    }
    assert!(share_of(&pcm[4_000..], 16_000, 425.0) > 0.9);
}

simulated_clock!(WAITING, waiting);
#[test]
fn the_pauses_of_ring_back_are_not_sent() {
    let mut bench = Bench::new(39, waiting);
    let (mut a, mut b) = (bench.phone(Codec::Pcma), bench.phone(Codec::Pcmu));
    bench.command(Command::Echo { stream: b.stream });
    bench.command(Command::RingBack { stream: a.stream });
    // A second of tone and its hang-over, twice; the four seconds between them are a jump of the clock.
    let mut heard: Vec<(u16, u32, bool)> = Vec::new();
    let mut pcm = Vec::new();
    for tick in 0..300 {
        if tick % 250 < 55 {
            let packet = a.receive();
            a.listen(&packet, &mut pcm);
            heard.push((packet.header.sequence_number, packet.header.timestamp, packet.header.marker));
        }
        // So that the engine sees each tick, and not a jump of the clock.
        b.settle();
        WAITING.advance_ms(20);
    }
    for pair in heard.windows(2) {
        let (gap, number) = (pair[1].1.wrapping_sub(pair[0].1), pair[1].0.wrapping_sub(pair[0].0));
        assert!(number == 1 && (gap, pair[1].2) == if pair[1].2 { (196 * 160, true) } else { (160, false) }, "{pair:?}");
    }
    assert_eq!((heard.len(), heard.iter().filter(|packet| packet.2).count()), (105, 2));
    assert!(share_of(&pcm[..8_000], 8_000, 425.0) > 0.9 && share_of(&pcm[8_800..16_400], 8_000, 425.0) > 0.9);
}

fn temporary(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.wav", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
fn channels(path: &PathBuf) -> (u32, Vec<i16>, Vec<i16>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    let side = |n: usize| samples.iter().skip(n).step_by(2).copied().collect();
    (reader.spec().sample_rate, side(0), side(1))
}

simulated_clock!(RECORD, record);
#[test]
fn a_recording_has_each_side_in_its_channel() {
    let mut bench = Bench::new(33, record);
    let (mut a, mut b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let path = temporary("each-side");
    bench.command(Command::Record { recording: 5, path: path.clone(), key: None, left: a.stream, right: Some(b.stream) });
    // A packet through the relay proves that the command before it was taken.
    for i in 0..150 {
        a.send_tone(440.0);
        b.receive();
        if i >= 50 {
            b.send_tone(1_200.0);
            a.receive();
        }
        RECORD.advance_ms(20);
    }
    bench.command(Command::StopRecord { recording: 5 });
    let (duration_ms, lost) = bench.event(|e| match e {
        Event::Recorded { recording: 5, duration_ms, frames_lost, .. } => Some((*duration_ms, *frames_lost)),
        _ => None,
    });
    assert!((2_960..=3_040).contains(&duration_ms) && lost == 0, "{duration_ms} ms, {lost} lost");
    let (rate, left, right) = channels(&path);
    assert_eq!((rate, left.len() as u64), (8_000, duration_ms * 8));
    assert!(share_of(&left[400..23_000], 8_000, 440.0) > 0.95 && share_of(&left[400..], 8_000, 1_200.0) < 0.01);
    assert!(share_of(&right[8_400..23_000], 8_000, 1_200.0) > 0.95);
    assert!(right[..7_600].iter().all(|&s| s == 0), "the right side began a second later");
    std::fs::remove_file(path).unwrap();
}

simulated_clock!(WIDE, wide);
#[test]
fn a_recording_goes_on_through_a_transfer_and_a_pause() {
    let mut bench = Bench::new(34, wide);
    let (mut a, mut b, mut c) = (bench.phone(Codec::Opus), bench.phone(Codec::G722), bench.phone(Codec::Pcmu));
    let path = temporary("transfer");
    bench.join(&a, &b);
    let record = |left, right| Command::Record { recording: 6, path: path.clone(), key: None, left, right };
    bench.command(record(a.stream, Some(b.stream)));
    let (first, third) = (a.stream, c.stream);
    let mut control = bench.control();
    let mut talk = |other: &mut support::Phone, hz: f64, count: usize| {
        for _ in 0..count {
            a.send_tone(300.0);
            other.send_tone(hz);
            control.settle();
            WIDE.advance_ms(20);
            other.receive();
            a.receive();
        }
    };
    talk(&mut b, 700.0, 50);
    bench.command(Command::PauseRecord { recording: 6, paused: true });
    talk(&mut b, 700.0, 50);
    bench.command(Command::PauseRecord { recording: 6, paused: false });
    bench.command(Command::Join { a: first, b: third });
    bench.command(record(first, Some(third)));
    talk(&mut c, 1_500.0, 50);
    bench.command(Command::StopRecord { recording: 6 });
    bench.event(|e| matches!(e, Event::Recorded { recording: 6, .. }).then_some(()));
    let (rate, left, right) = channels(&path);
    assert_eq!(rate, 16_000);
    assert!(share_of(&left[1_600..15_000], rate, 300.0) > 0.9 && share_of(&right[1_600..15_000], rate, 700.0) > 0.9);
    for side in [&left, &right] {
        assert!(side[17_000..31_000].iter().all(|&sample| sample == 0), "nothing while paused");
    }
    assert!(share_of(&left[34_000..46_000], rate, 300.0) > 0.9 && share_of(&right[34_000..46_000], rate, 1_500.0) > 0.9);
    std::fs::remove_file(path).unwrap();
}

simulated_clock!(CRASH, crash);
#[test]
fn a_running_recording_is_readable_and_a_bad_path_is_told() {
    let mut bench = Bench::new(35, crash);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let path = temporary("running");
    bench.command(Command::Record { recording: 1, path: path.clone(), key: None, left: a.stream, right: None });
    bench.command(Command::Record { recording: 2, path: "/nowhere/at/all.wav".into(), key: None, left: b.stream, right: None });
    bench.event(|e| matches!(e, Event::RecordFailed { recording: 2, .. }).then_some(()));
    let mut sent_ms = 0usize;
    // The file grows while the call goes on, never more than two seconds behind.
    loop {
        a.send_tone(440.0);
        b.receive();
        CRASH.advance_ms(20);
        sent_ms += 20;
        let length = hound::WavReader::open(&path).map_or(0, |reader| reader.duration() / 8);
        if length > 3_000 {
            assert!(sent_ms < 60_000);
            break;
        }
    }
    drop(bench);
    let (_, left, _) = channels(&path);
    assert_eq!(left.len() / 160, sent_ms / 20, "the end of the engine completes it");
    std::fs::remove_file(path).unwrap();
}

simulated_clock!(LOST, lost);
#[test]
fn silence_is_told_once_and_only_where_it_is_watched() {
    let mut bench = Bench::new(36, lost);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let stream = a.stream;
    let watch = |bench: &mut Bench, silence: Option<u64>| {
        bench.command(Command::Watch { stream, silence: silence.map(Duration::from_secs) });
    };
    // Before the answer and while held nobody minds; the time counts from the command.
    LOST.advance_ms(60_000);
    watch(&mut bench, Some(30));
    LOST.advance_ms(29_000);
    watch(&mut bench, None);
    LOST.advance_ms(60_000);
    watch(&mut bench, Some(30));
    LOST.advance_ms(29_000);
    watch(&mut bench, Some(30));
    a.send_tone(400.0);
    b.receive();
    LOST.advance_ms(29_000);
    a.send_tone(400.0);
    b.receive();
    LOST.advance_ms(31_000);
    bench.event(|e| (*e == Event::MediaLost { stream }).then_some(()));
    LOST.advance_ms(31_000);
    let (mut events, _) = bench.close(a.stream);
    events.extend(bench.close(b.stream).0);
    assert!(!events.iter().any(|e| matches!(e, Event::MediaLost { .. })), "{events:?}");
}

simulated_clock!(REPORTS, reports);
#[test]
fn reports_are_exchanged_and_end_with_bye() {
    let mut bench = Bench::new(37, reports);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    a.send_tone(400.0);
    let ssrc = b.receive().header.ssrc;
    REPORTS.advance_ms(10_000);
    b.rtcp.set_read_timeout(Some(support::DEADLINE)).unwrap();
    let mut bytes = [0; 500];
    let (length, from) = b.rtcp.recv_from(&mut bytes).unwrap();
    assert_eq!((bytes[1], length > 28 + 8, from.port() % 2), (200, true, 1), "a sender report from the odd port");
    assert_eq!(bytes[4..8], ssrc.to_be_bytes());
    // The peer answers 90 ms later, having waited 50 ms: 40 ms were on the way.
    let mut answer = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    answer.extend_from_slice(&ssrc.to_be_bytes());
    answer.extend_from_slice(&[0; 4]);
    answer.extend_from_slice(&[0; 8]);
    answer.extend_from_slice(&bytes[10..14]);
    answer.extend_from_slice(&(65_536u32 * 50 / 1_000).to_be_bytes());
    REPORTS.advance_ms(90);
    b.rtcp.send_to(&answer, from).unwrap();
    // Told to close only after the answer was read: a packet after it comes out of the relay.
    a.send_tone(400.0);
    b.receive();
    let (_, quality) = bench.close(b.stream);
    if let Some(rtt) = quality.rtt_ms {
        assert!((rtt - 40.0).abs() < 1.0, "{rtt}");
    } else {
        panic!("the round trip was not measured");
    }
    assert_eq!(quality.remote.map(|remote| remote.loss), Some(0.0));
    let (length, _) = b.rtcp.recv_from(&mut bytes).unwrap();
    let last = rtcp::packet::unmarshal(&mut &bytes[..length]).unwrap();
    assert!(last.last().unwrap().as_any().is::<rtcp::goodbye::Goodbye>());
}
