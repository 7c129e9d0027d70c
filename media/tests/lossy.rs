//! Lines that lose, delay, repeat and reorder (security test M6), in simulated time: the recording is as long as the
//! conversation was, the voice stands in it at its place, keys count once, and the score is that of the formula.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{collections::BTreeMap, path::PathBuf};

use support::{Bench, Clock, Phone, share_of};
use tandem_media::{
    codec::Codec,
    contract::{Command, Event, Quality},
    emodel::{self, Loss},
    random::Random,
};

/// Packets of a conversation: twelve seconds. Simulated time is faster than the thread that writes recordings, and so much of it has
/// room on the way there.
const PACKETS: u32 = 600;
const TICK_MS: u64 = 10;
const TONE: f64 = 500.0;
/// What is pressed, and before which packet.
const PRESSED: [(u32, u8); 5] = [(80, 5), (180, 0), (280, 11), (380, 9), (480, 5)];
const KEYS: [char; 5] = ['5', '0', '#', '9', '5'];

/// What a line does, in percent and ms.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    loss: u64,
    /// Losses come in runs of so many.
    run: u32,
    /// Each packet is late by up to so much.
    jitter_ms: u64,
    /// So many percent are late by 50 ms more, behind those after them.
    reordered: u64,
    repeated: u64,
    /// Nothing comes for so long, once.
    gap_ms: u64,
}

/// The packets under way, by when they come.
struct Wire {
    line: Line,
    random: Random,
    lost_yet: u32,
    due: BTreeMap<(u64, u64), Vec<u8>>,
    count: u64,
}

impl Wire {
    fn new(line: Line, seed: u64) -> Self {
        Self { line, random: Random::new(seed), lost_yet: 0, due: BTreeMap::new(), count: 0 }
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.random.below(10_000) < percent * 100
    }

    /// A packet that is sent at that time. Key presses are never lost in all of their copies here: who loses all of a key
    /// has lost it.
    fn carry(&mut self, at_ms: u64, packet: Vec<u8>) {
        let run = self.line.run.max(1);
        if self.lost_yet == 0 && self.happens(self.line.loss) && (run == 1 || self.random.below(run.into()) == 0) {
            self.lost_yet = run;
        }
        let in_gap = (7_000..7_000 + self.line.gap_ms).contains(&at_ms);
        if self.lost_yet > 0 || in_gap {
            self.lost_yet = self.lost_yet.saturating_sub(1);
            return;
        }
        let copies = 1 + u32::from(self.happens(self.line.repeated));
        for _ in 0..copies {
            let late = if self.happens(self.line.reordered) { 50 } else { 0 };
            let at = at_ms + late + self.random.below(self.line.jitter_ms + 1);
            self.count += 1;
            self.due.insert((at, self.count), packet.clone());
        }
    }

    fn arrive(&mut self, now_ms: u64) -> Vec<Vec<u8>> {
        let later = self.due.split_off(&(now_ms + 1, 0));
        std::mem::replace(&mut self.due, later).into_values().collect()
    }
}

/// What came of a conversation over a line.
struct Outcome {
    duration_ms: u64,
    left: Vec<i16>,
    keys: Vec<char>,
    quality: Quality,
}

fn converse(host: u8, clock: &'static Clock, read: fn() -> std::time::Instant, line: Line) -> Outcome {
    let mut bench = Bench::new(host, read);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    let mut control = bench.control();
    bench.join(&a, &b);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("lossy-{host}-{}.wav", std::process::id()));
    let _ = std::fs::remove_file(&path);
    bench.command(Command::Record { recording: 7, path: path.clone(), key: None, left: a.stream, right: Some(b.stream) });
    control.settle();
    b.rtp.set_nonblocking(true).unwrap();
    let (mut wire, mut now_ms) = (Wire::new(line, u64::from(host)), 0);
    let mut sent = 0;
    while sent < PACKETS || now_ms < u64::from(PACKETS) * 20 + 300 {
        if now_ms.is_multiple_of(20) && sent < PACKETS {
            say(&mut a, &mut wire, now_ms, sent);
            sent += 1;
        }
        for packet in wire.arrive(now_ms) {
            a.send_raw(&packet);
        }
        control.settle();
        clock.advance_ms(TICK_MS);
        now_ms += TICK_MS;
        while b.rtp.recv(&mut [0; 1_500]).is_ok() {}
    }
    bench.command(Command::StopRecord { recording: 7 });
    let (events, quality) = bench.close(a.stream);
    let recorded = |event: &Event| match event {
        Event::Recorded { recording: 7, duration_ms, .. } => Some(*duration_ms),
        _ => None,
    };
    let duration_ms = events.iter().find_map(recorded).unwrap_or_else(|| bench.event(recorded));
    let keys = events.iter().filter_map(|event| if let Event::Digit { digit, .. } = event { Some(*digit) } else { None });
    let keys = keys.collect();
    let mut reader = hound::WavReader::open(&path).unwrap();
    let left = reader.samples::<i16>().map(Result::unwrap).step_by(2).collect();
    std::fs::remove_file(path).unwrap();
    Outcome { duration_ms, left, keys, quality }
}

/// Twenty ms of voice; or a key, which takes the place of 100 ms of it and has five packets and three ends.
fn say(a: &mut Phone, wire: &mut Wire, at_ms: u64, number: u32) {
    let pressed = PRESSED.iter().find(|(from, _)| (*from..from + 5).contains(&number));
    let Some((from, key)) = pressed else {
        let payload = a.encoded_tone(TONE);
        wire.carry(at_ms, a.packet(a.payload_type, false, &payload));
        (a.sequence, a.timestamp) = (a.sequence.wrapping_add(1), a.timestamp.wrapping_add(160));
        return;
    };
    let step = u16::try_from(number - from + 1).unwrap();
    let [high, low] = (step * 160).to_be_bytes();
    // All packets of a key bear the time of its begin.
    let begun = a.timestamp;
    let ends: u8 = if step == 5 { 3 } else { 1 };
    for _ in 0..ends {
        let end = if step == 5 { 0x80 } else { 0 };
        wire.carry(at_ms, a.packet(101, step == 1, &[*key, end | 10, high, low]));
        a.sequence = a.sequence.wrapping_add(1);
    }
    if step == 5 {
        a.timestamp = begun.wrapping_add(5 * 160);
        let _skipped: Vec<_> = (0..5).map(|_| a.encoded_tone(TONE)).collect();
    }
}

/// The recording is as long as the conversation, give or take a packet, and its tone is where it was said.
fn assert_whole(line: Line, outcome: &Outcome) {
    let said_ms = u64::from(PACKETS) * 20 + 300;
    assert!(outcome.duration_ms.abs_diff(said_ms) <= 20, "{line:?}: {} ms of {said_ms}", outcome.duration_ms);
    assert_eq!(outcome.left.len() as u64, outcome.duration_ms * 8, "{line:?}");
    assert_eq!(outcome.keys, KEYS, "{line:?}: each key once");
    // In pieces of half a second: the voice is in each, also where some of it was lost.
    let pieces = outcome.left.chunks_exact(4_000).take(23);
    let heard = pieces.filter(|piece| share_of(piece, 8_000, TONE) > 0.5).count();
    assert!(heard >= 21, "{line:?}: the voice is in {heard} of 23 half seconds");
}

macro_rules! lines {
    ($($name:ident, $clock:ident, $read:ident, $host:literal, $line:expr;)*) => {$(
        simulated_clock!($clock, $read);
        #[test]
        fn $name() {
            let line = $line;
            let outcome = converse($host, &$clock, $read, line);
            assert_whole(line, &outcome);
            assert_score(line, &outcome);
        }
    )*};
}

/// Within a tenth of the formula for the loss that was made, where it was random.
fn assert_score(line: Line, outcome: &Outcome) {
    let score = outcome.quality.mos.expect("twelve seconds are enough").value;
    if line.run > 1 || line.gap_ms > 0 {
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of a hundred")]
    let loss = Loss { percent: line.loss as f32, burst_ratio: 1.0 };
    let expected = emodel::estimate(Codec::Pcmu, true, loss, None).unwrap().value;
    // Twelve seconds do not lose exactly their share: what was lost says how far off that is.
    #[expect(clippy::cast_precision_loss, reason = "a count of packets")]
    let made = outcome.quality.lost as f32 * 100.0 / PACKETS as f32;
    assert!((made - line.loss as f32).abs() < 4.0, "{line:?}: {made} % lost");
    assert!(
        (score - expected).abs() <= 0.1 + (made - line.loss as f32).abs() * 0.1,
        "{line:?}: {score}, by the formula {expected}"
    );
}

lines! {
    a_clean_line, CLEAN, clean, 110, Line::default();
    one_percent_lost, ONE, one, 111, Line { loss: 1, ..Line::default() };
    three_percent_lost, THREE, three, 112, Line { loss: 3, ..Line::default() };
    five_percent_lost, FIVE, five, 113, Line { loss: 5, ..Line::default() };
    ten_percent_lost, TEN, ten, 114, Line { loss: 10, ..Line::default() };
    losses_in_runs_of_five, RUNS, runs, 115, Line { loss: 5, run: 5, ..Line::default() };
    twenty_ms_of_jitter, SLIGHT, slight, 116, Line { jitter_ms: 20, ..Line::default() };
    sixty_ms_of_jitter, SOME, some, 117, Line { jitter_ms: 60, ..Line::default() };
    a_hundred_and_twenty_ms_of_jitter, MUCH, much, 118, Line { jitter_ms: 120, ..Line::default() };
    reordered_and_repeated, MIXED, mixed, 119, Line { reordered: 2, repeated: 2, ..Line::default() };
    a_gap_of_200_ms, GAP, gap, 120, Line { gap_ms: 200, ..Line::default() };
    all_of_it, ALL, all, 121, Line { loss: 3, jitter_ms: 60, reordered: 2, repeated: 2, gap_ms: 200, ..Line::default() };
}
