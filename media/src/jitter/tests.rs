//! A sender, a network with faults of a seed, and a player that asks every 20 ms.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{random::Random, rtp::Stamp};

const STEP: u32 = 160;

/// What a network does to packets.
#[derive(Clone, Copy, Debug, Default)]
struct Profile {
    lost_per_mille: u64,
    /// So many in a row are lost, every five seconds.
    burst: u64,
    jitter_ms: u64,
    reordered_per_mille: u64,
    twice_per_mille: u64,
    /// Once, all packets of so long are held up.
    stall_ms: u64,
    /// How much faster the sender's clock is, in millionths.
    ppm: i64,
    /// Half of the time, in turns of two seconds, the sender is silent.
    quiet: bool,
}

/// What was heard.
#[derive(Debug, Default)]
struct Heard {
    numbers: Vec<u64>,
    /// From the sending of a packet to its turn, in ms.
    delays: Vec<i64>,
    lost: u32,
    stretched: u32,
    silent: u32,
    waited: u32,
    discarded: Discarded,
    lost_on_the_way: u64,
    depth_ms: u32,
}

impl Heard {
    /// Delay that nine in ten packets of the last quarter are below.
    fn usual_delay(&self) -> i64 {
        let mut late = self.delays[self.delays.len() * 3 / 4..].to_vec();
        late.sort_unstable();
        late[late.len() * 9 / 10]
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
fn start() -> Instant {
    Instant::now()
}

fn header(sequence: u16, timestamp: u32) -> Header {
    Header::parse(&Stamp { payload_type: 0, marker: false, sequence, timestamp, ssrc: 1 }.bytes()).unwrap()
}

/// Arrivals in order: when, in µs, and which number.
fn arrivals(profile: &Profile, packets: u64, random: &mut Random) -> (Vec<(u64, u64)>, u64) {
    let mut arrivals = Vec::new();
    let mut lost = 0;
    let stall = packets / 2..packets / 2 + profile.stall_ms / 20;
    for n in 0..packets {
        let sent = sent_us(profile, n);
        if random.below(1_000) < profile.lost_per_mille || n % 250 >= 250 - profile.burst {
            lost += 1;
            continue;
        }
        let mut at = sent + random.below(profile.jitter_ms * 1_000 + 1);
        if random.below(1_000) < profile.reordered_per_mille {
            at += 30_000;
        }
        if stall.contains(&n) {
            at = sent_us(profile, stall.end);
        }
        arrivals.push((at, n));
        if random.below(1_000) < profile.twice_per_mille {
            arrivals.push((at + 10_000, n));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    (arrivals, lost)
}

fn sent_us(profile: &Profile, n: u64) -> u64 {
    u64::try_from(i64::try_from(n * 20_000).unwrap() * (1_000_000 - profile.ppm) / 1_000_000).unwrap()
}

fn run(seed: u64, packets: u64, profile: Profile) -> Heard {
    let mut random = Random::new(seed);
    let (first, base) = (random.u16(), random.u32());
    let epoch = start();
    let at = |us: u64| epoch + Duration::from_micros(us);
    let mut buffer = JitterBuffer::new(8_000, epoch, false);
    let mut reception = crate::reception::Reception::new(epoch);
    let (arrivals, lost_on_the_way) = arrivals(&profile, packets, &mut random);
    let mut coming = arrivals.iter().peekable();
    let mut heard = Heard { lost_on_the_way, ..Heard::default() };
    let (mut left, mut is_quiet) = (0, false);
    for turn in 0..packets + 20 {
        let now = turn * 20_000 + 7_000;
        while let Some((us, n)) = coming.next_if(|(us, _)| *us <= now) {
            let [.., high, low] = n.to_be_bytes();
            let sequence = first.wrapping_add(u16::from_be_bytes([high, low]));
            let header = header(sequence, base.wrapping_add(wrapped(i64::try_from(n * 160).unwrap())));
            let arrival = reception.handle(at(*us), &header, true);
            buffer.insert(at(*us), &header, Some(&n.to_be_bytes()), arrival);
            assert!(buffer.held <= SLOTS);
        }
        while left < STEP {
            left += match buffer.next(at(now), is_quiet) {
                Playout::Packet { payload, .. } => {
                    let n = u64::from_be_bytes(payload.try_into().unwrap());
                    heard.numbers.push(n);
                    heard.delays.push((i64::try_from(now).unwrap() - i64::try_from(sent_us(&profile, n)).unwrap()) / 1_000);
                    is_quiet = profile.quiet && n / 100 % 2 == 1;
                    buffer.played(STEP);
                    STEP
                }
                Playout::Lost { ticks, .. } => {
                    heard.lost += ticks;
                    ticks
                }
                Playout::Stretch { ticks } => {
                    heard.stretched += ticks;
                    ticks
                }
                Playout::Silence { ticks } => {
                    heard.silent += ticks;
                    ticks
                }
                Playout::Wait => {
                    heard.waited += STEP;
                    STEP
                }
            };
        }
        left -= STEP;
    }
    heard.discarded = buffer.discarded();
    heard.depth_ms = buffer.depth_ms();
    assert!(heard.numbers.is_sorted_by(|a, b| a < b), "seed {seed}: out of order or twice");
    heard
}

#[test]
fn a_steady_stream_comes_out_whole_and_soon() {
    let heard = run(1, 5_000, Profile::default());
    assert_eq!(heard.numbers.len(), 5_000);
    // At its end nobody knows that it is one.
    assert_eq!((heard.lost, heard.stretched, heard.silent, heard.discarded), (3 * STEP, 0, 0, Discarded::default()));
    assert!(heard.delays.iter().all(|ms| (10..=30).contains(ms)), "{:?}", heard.delays.iter().max());
    assert_eq!(heard.depth_ms, 10);
}

#[test]
fn what_is_lost_is_told_to_whoever_conceals_and_costs_no_delay() {
    for seed in 0..3 {
        for per_mille in [10, 30, 50, 100] {
            let heard = run(seed, 5_000, Profile { lost_per_mille: per_mille, ..Profile::default() });
            assert_eq!(heard.numbers.len() as u64, 5_000 - heard.lost_on_the_way, "all that came was played");
            let told = u64::from(heard.lost + heard.silent + heard.waited) / u64::from(STEP);
            assert!(
                (heard.lost_on_the_way..heard.lost_on_the_way + 30).contains(&told),
                "{told} {heard:?}",
                heard = heard.lost_on_the_way
            );
            assert!(heard.usual_delay() <= 30, "{}", heard.usual_delay());
        }
        let bursts = run(seed, 5_000, Profile { burst: 5, ..Profile::default() });
        assert_eq!(bursts.numbers.len(), 4_900);
        assert!(bursts.usual_delay() <= 30 && bursts.lost >= 19 * 3 * STEP, "{bursts:?}");
    }
}

#[test]
fn jitter_is_made_up_for_by_as_much_delay_as_it_takes() {
    for seed in 0..3 {
        for (jitter_ms, most) in [(20, 60), (60, 100), (120, 160)] {
            let heard = run(seed, 6_000, Profile { jitter_ms, quiet: true, ..Profile::default() });
            let missing = 6_000 - heard.numbers.len();
            assert!(missing < 180, "{missing} of 6,000 with {jitter_ms} ms: {:?}", heard.discarded);
            assert!(heard.usual_delay() <= most, "{} ms for {jitter_ms} ms", heard.usual_delay());
            let depth = u64::from(heard.depth_ms);
            assert!((jitter_ms - jitter_ms / 4..=jitter_ms + 10).contains(&depth), "{depth} for {jitter_ms}");
        }
    }
}

#[test]
fn reordered_and_repeated_packets_come_out_in_order_and_once() {
    for seed in 0..3 {
        let faults = Profile { reordered_per_mille: 20, twice_per_mille: 20, quiet: true, ..Profile::default() };
        let heard = run(seed, 6_000, faults);
        assert!(heard.numbers.len() > 5_980, "{:?}", heard.discarded);
        assert!(heard.usual_delay() <= 70, "{}", heard.usual_delay());
    }
}

#[test]
fn a_stall_is_caught_up_with_in_silence() {
    let heard = run(1, 5_000, Profile { stall_ms: 200, quiet: true, ..Profile::default() });
    assert!(heard.numbers.len() > 4_970, "{:?}", heard.discarded);
    assert!(heard.usual_delay() <= 50, "{}", heard.usual_delay());
    assert!(heard.delays.iter().all(|ms| *ms <= 220), "{:?}", heard.delays.iter().max());
}

#[test]
fn clocks_that_differ_are_followed_for_as_long_as_it_takes() {
    for ppm in [200, -200] {
        for quiet in [true, false] {
            // Twenty minutes: 240 ms.
            let heard = run(3, 60_000, Profile { ppm, quiet, jitter_ms: 5, ..Profile::default() });
            let missing = 60_000 - heard.numbers.len();
            assert!(missing <= 20, "{missing} at {ppm}: {:?}", heard.discarded);
            let most = if quiet { 60 } else { 140 };
            assert!(heard.delays.iter().all(|ms| (0..=most).contains(ms)), "{ppm}: {:?}", heard.delays.iter().max());
            assert!(heard.stretched + heard.lost <= 20 * STEP, "{heard:?}", heard = heard.stretched);
        }
    }
}

/// A buffer by hand: what comes, and what is played every 20 ms.
struct Hand {
    now: Instant,
    newest: u16,
    buffer: JitterBuffer,
}

impl Hand {
    fn new(copies: bool) -> Self {
        let now = start();
        Self { now, newest: 0, buffer: JitterBuffer::new(8_000, now, copies) }
    }

    /// Packets of these numbers and timestamps come, each a turn after the other; what is played meanwhile.
    fn turns(&mut self, packets: &[Option<(u16, u32)>]) -> Vec<String> {
        packets
            .iter()
            .map(|packet| self.turn(packet.map(|(sequence, timestamp)| (sequence, timestamp, Some(&[7; 160][..])))))
            .collect()
    }

    fn turn(&mut self, packet: Option<(u16, u32, Option<&[u8]>)>) -> String {
        self.now += Duration::from_millis(20);
        if let Some((sequence, timestamp, payload)) = packet {
            let missing = sequence.wrapping_sub(self.newest).saturating_sub(1);
            self.buffer.insert(self.now, &header(sequence, timestamp), payload, Arrival::InOrder { missing });
            self.newest = sequence;
        }
        let text = match self.buffer.next(self.now + Duration::from_millis(12), false) {
            Playout::Packet { .. } => "packet".to_owned(),
            Playout::Lost { next, .. } => if next.is_some() { "copy" } else { "lost" }.to_owned(),
            Playout::Stretch { .. } => "stretch".to_owned(),
            Playout::Silence { .. } => "silence".to_owned(),
            Playout::Wait => "wait".to_owned(),
        };
        if text == "packet" {
            self.buffer.played(STEP);
        }
        text
    }
}

#[test]
fn a_sender_that_stops_is_concealed_shortly_and_begins_anew() {
    let mut hand = Hand::new(false);
    let spoken = [Some((1, 0)), Some((2, 160)), None, None, None, None, None, Some((3, 1_120)), Some((4, 1_280))];
    let played = ["packet", "packet", "lost", "lost", "lost", "wait", "wait", "packet", "packet"];
    assert_eq!(hand.turns(&spoken), played);
    assert_eq!(hand.buffer.discarded(), Discarded::default());
}

#[test]
fn comfort_noise_and_events_are_pauses_that_nobody_conceals() {
    let mut hand = Hand::new(false);
    assert_eq!(hand.turns(&[Some((1, 0)), Some((2, 160))]), ["packet", "packet"]);
    assert_eq!(hand.turn(Some((3, 320, None))), "wait");
    assert_eq!(hand.turns(&[None, None]), ["wait", "wait"]);
    // Two events of one time, then audio.
    assert_eq!([hand.turn(Some((4, 960, None))), hand.turn(Some((5, 960, None)))], ["wait", "wait"]);
    assert_eq!(hand.turns(&[Some((6, 1_280)), Some((7, 1_440))]), ["packet", "packet"]);
}

#[test]
fn new_timestamps_are_taken_and_old_ones_do_not_silence_the_stream() {
    let mut hand = Hand::new(false);
    let jumps =
        [Some((1, 900_000)), Some((2, 900_160)), Some((3, 5)), Some((4, 165)), Some((5, 0x7000_0000)), Some((6, 0x7000_00a0))];
    assert_eq!(hand.turns(&jumps), ["packet"; 6]);
    // A clock that stands still while the sender is silent.
    hand.now += Duration::from_secs(60);
    assert_eq!(hand.turns(&[None, None, None, None]), ["lost", "lost", "lost", "wait"]);
    assert_eq!(hand.turns(&[Some((7, 0x7000_0140)), Some((8, 0x7000_01e0))]), ["packet"; 2]);
    // Half around the numbers without being asked.
    assert_eq!(hand.turns(&[Some((40_000, 0x7000_0280)), Some((40_001, 0x7000_0320))])[1], "packet");
}

#[test]
fn copies_are_waited_for_once_something_was_lost() {
    let mut hand = Hand::new(true);
    let mut stream: Vec<Option<(u16, u32)>> = (0..200u16).map(|n| Some((n, u32::from(n) * STEP))).collect();
    (50..200).step_by(10).for_each(|n| stream[n] = None);
    let played = hand.turns(&stream);
    let count = |what: &str| played.iter().filter(|text| *text == what).count();
    assert!(count("lost") <= 3 && count("copy") >= 10, "{} lost, {} restored", count("lost"), count("copy"));
}

proptest! {
    #[test]
    fn any_packets_at_any_time_come_out_in_order_and_bounded(
        steps in proptest::collection::vec((0u64..300, any::<u16>(), any::<u32>(), 0u8..8, any::<bool>()), 1..300),
    ) {
        let mut now = start();
        let mut buffer = JitterBuffer::new(48_000, now, true);
        let mut last: Option<u16> = None;
        let mut newest: Option<u16> = None;
        for (ms, sequence, timestamp, kind, near) in steps {
            now += Duration::from_millis(ms);
            let (sequence, timestamp) = if near { (sequence % 64, timestamp % 96_000) } else { (sequence, timestamp) };
            let header = header(sequence, timestamp);
            // Whoever tells how a packet arrived takes a leap of half the numbers as a new beginning: of more than two
            // such, nobody could say which came first.
            let leaps = newest.is_some_and(|newest| sequence.wrapping_sub(newest).cast_signed().unsigned_abs() > 10_000);
            newest = Some(sequence);
            let arrival = match kind {
                _ if leaps => Arrival::First,
                0 => Arrival::First,
                1 => Arrival::Late,
                2 => Arrival::Duplicate,
                _ => Arrival::InOrder { missing: 0 },
            };
            let before = buffer.last;
            buffer.insert(now, &header, (kind != 3).then_some(&sequence.to_be_bytes()[..]), arrival);
            if buffer.last != before {
                last = None;
            }
            prop_assert!(buffer.held <= SLOTS);
            prop_assert_eq!(buffer.held, buffer.slots.iter().filter(|slot| slot.kind != Kind::Free).count());
            for _ in 0..8 {
                match buffer.next(now, kind % 2 == 0) {
                    Playout::Packet { payload, .. } => {
                        let number = u16::from_be_bytes([payload[0], payload[1]]);
                        if let Some(last) = last {
                            prop_assert!(number.wrapping_sub(last).cast_signed() > 0, "{number} after {last}");
                        }
                        last = Some(number);
                        buffer.played(960);
                    }
                    Playout::Lost { ticks, .. } | Playout::Stretch { ticks } | Playout::Silence { ticks } => {
                        prop_assert!((1..=48 * PACKET_MS).contains(&ticks), "{ticks}");
                    }
                    Playout::Wait => break,
                }
            }
        }
    }
}
