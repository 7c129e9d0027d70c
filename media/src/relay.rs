//! Carries the packets of one source over into a stream's outgoing identity: sequence numbers,
//! timestamps, marker and SSRC are rewritten so that the receiver sees one unbroken stream whoever
//! is joined to it. Loss stays visible as a gap, reordering stays reordering; what is held back here
//! (an event the receiver did not negotiate) leaves no gap. Allocates nothing.

use std::time::Instant;

use crate::{
    outgoing::{Outgoing, ticks},
    reception::Arrival,
    rtp::{Header, Stamp},
};

/// A timestamp that runs away from the clock by more than this is a new base of the sender.
const MAX_TIMESTAMP_DRIFT_S: u32 = 4;

/// How the numbers of the current source map to ours.
#[derive(Clone, Debug)]
struct Mapping {
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Older packets of the source were mapped otherwise; they cannot be placed any more.
    valid_from: u16,
    newest_timestamp: u32,
    newest_at: Instant,
}

/// How a receiver wants its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Payload type.
    pub payload_type: u8,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Ticks of one packet.
    pub step: u32,
}

/// The incoming direction of a stream's audio, as long as a source is relayed to it.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    mapping: Option<Mapping>,
}

impl Relay {
    /// No source yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { mapping: None }
    }

    /// Something else was sent or another source follows: the next packet starts a new mapping.
    pub fn forget(&mut self) {
        self.mapping = None;
    }

    /// The header under which the packet leaves, or `None` when it must not: it came twice, is wild,
    /// or belongs to a time before the current mapping.
    pub fn forward(
        &mut self,
        now: Instant,
        header: &Header,
        arrival: Arrival,
        packing: Packing,
        outgoing: &mut Outgoing,
    ) -> Option<Stamp> {
        let Packing { payload_type, clock_rate, step } = packing;
        let mut marker = header.marker;
        match (arrival, &mut self.mapping) {
            (Arrival::Duplicate | Arrival::Wild, _) | (Arrival::Late, None) => return None,
            (Arrival::Late, Some(mapping)) => {
                if is_before(header.sequence, mapping.valid_from) {
                    return None;
                }
            }
            (Arrival::InOrder { .. }, Some(mapping)) => mapping.follow(now, header.timestamp, clock_rate, step),
            (Arrival::First, _) | (Arrival::InOrder { .. }, None) => {
                marker = true;
                let timestamp = outgoing.timestamp_at(now, clock_rate, step);
                self.mapping = Some(Mapping {
                    sequence_offset: outgoing.next_sequence().wrapping_sub(header.sequence),
                    timestamp_offset: timestamp.wrapping_sub(header.timestamp),
                    valid_from: header.sequence,
                    newest_timestamp: header.timestamp,
                    newest_at: now,
                });
            }
        }
        let mapping = self.mapping.as_ref()?;
        let sequence = header.sequence.wrapping_add(mapping.sequence_offset);
        let timestamp = header.timestamp.wrapping_add(mapping.timestamp_offset);
        outgoing.sent(now, sequence, timestamp, header.payload().len());
        Some(Stamp { payload_type, marker, sequence, timestamp, ssrc: outgoing.ssrc() })
    }

    /// The packet is not forwarded although it was in its place: those after it close up.
    pub fn hold_back(&mut self, header: &Header, arrival: Arrival) {
        if let (Some(mapping), Arrival::InOrder { .. }) = (&mut self.mapping, arrival) {
            mapping.sequence_offset = mapping.sequence_offset.wrapping_sub(1);
            mapping.valid_from = header.sequence.wrapping_add(1);
        }
    }
}

impl Mapping {
    /// Keeps the timestamp offset unless the sender's timestamps jumped against the clock.
    fn follow(&mut self, now: Instant, timestamp: u32, clock_rate: u32, step: u32) {
        let elapsed = ticks(now.saturating_duration_since(self.newest_at), clock_rate);
        let advanced = timestamp.wrapping_sub(self.newest_timestamp);
        let drift = advanced.wrapping_sub(elapsed).cast_signed().unsigned_abs();
        if drift > clock_rate.saturating_mul(MAX_TIMESTAMP_DRIFT_S) {
            self.timestamp_offset = self.timestamp_offset.wrapping_add(elapsed.max(step)).wrapping_sub(advanced);
        }
        (self.newest_timestamp, self.newest_at) = (timestamp, now);
    }
}

/// Whether `a` comes before `b` on the circle of sequence numbers.
const fn is_before(a: u16, b: u16) -> bool {
    a.wrapping_sub(b) >= 0x8000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{random::Random, reception::Reception};

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header::parse(&Stamp { payload_type: 0, marker: false, sequence, timestamp, ssrc }.bytes()).unwrap()
    }

    const PACKING: Packing = Packing { payload_type: 8, clock_rate: 8_000, step: 160 };

    /// A receiver's relay with the statistics of the source in front of it.
    struct Bench {
        now: Instant,
        relay: Relay,
        reception: Reception,
        outgoing: Outgoing,
    }

    impl Bench {
        fn new() -> Self {
            let now = start();
            Self { now, relay: Relay::new(), reception: Reception::new(now), outgoing: Outgoing::new(77, 65_000, 4_294_960_000) }
        }

        fn receive(&mut self, header: &Header) -> Option<Stamp> {
            let arrival = self.reception.handle(self.now, header, true);
            self.relay.forward(self.now, header, arrival, PACKING, &mut self.outgoing)
        }

        fn pass(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
        }
    }

    #[test]
    fn numbers_go_on_across_player_and_peers() {
        let mut b = Bench::new();
        let first = b.receive(&header(1, 500, 1_000)).unwrap();
        assert!(first.marker && first.payload_type == 8 && first.ssrc == 77 && first.sequence == 65_000);
        b.pass(20);
        let second = b.receive(&header(1, 501, 1_160)).unwrap();
        assert_eq!((second.marker, second.sequence, second.timestamp), (false, 65_001, first.timestamp.wrapping_add(160)));
        b.pass(20);
        let timestamp = b.outgoing.timestamp_at(b.now, 8_000, 160);
        let played = b.outgoing.stamp(b.now, 8, timestamp, true, 160);
        b.relay.forget();
        assert_eq!((played.sequence, played.timestamp), (65_002, second.timestamp.wrapping_add(160)));
        b.pass(500);
        let other = b.receive(&header(2, 9, 77)).unwrap();
        assert_eq!((other.marker, other.sequence, other.timestamp), (true, 65_003, played.timestamp.wrapping_add(4_000)));
    }

    #[test]
    fn loss_and_reordering_pass_and_repeats_do_not() {
        let mut b = Bench::new();
        let sequences = [10, 11, 14, 13, 13, 15];
        let out: Vec<_> = sequences.iter().map(|&s| b.receive(&header(1, s, u32::from(s) * 160)).map(|s| s.sequence)).collect();
        assert_eq!(out, [Some(65_000), Some(65_001), Some(65_004), Some(65_003), None, Some(65_005)]);
    }

    #[test]
    fn what_is_held_back_leaves_no_gap() {
        let mut b = Bench::new();
        b.receive(&header(1, 10, 0));
        for s in 11..15 {
            let h = header(1, s, 160);
            let arrival = b.reception.handle(b.now, &h, false);
            b.relay.hold_back(&h, arrival);
        }
        assert_eq!(b.receive(&header(1, 15, 900)).unwrap().sequence, 65_001);
        assert_eq!(b.receive(&header(1, 9, 900)), None, "from before the mapping");
    }

    #[test]
    fn a_sender_that_resets_its_timestamps_does_not_break_ours() {
        let mut b = Bench::new();
        let first = b.receive(&header(1, 10, 3_000_000_000)).unwrap();
        b.pass(20);
        let second = b.receive(&header(1, 11, 5)).unwrap();
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));
        b.pass(3_000);
        let third = b.receive(&header(1, 12, 5 + 24_000)).unwrap();
        assert_eq!(third.timestamp, second.timestamp.wrapping_add(24_000), "silence suppression is kept");
    }

    /// Random loss, repeats, reordering, changes of source and prompts: each sequence number leaves at
    /// most once, the newest only grows, and timestamps never run back at a new number.
    #[test]
    fn a_receiver_never_sees_a_number_twice_or_time_run_back() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let mut b = Bench::new();
            let mut seen = std::collections::HashSet::new();
            let mut newest: Option<Stamp> = None;
            let (mut ssrc, mut sequence, mut timestamp) = (1, 0u16, 0u32);
            let mut held: Option<Header> = None;
            for _ in 0..1_500 {
                b.pass(20);
                (sequence, timestamp) = (sequence.wrapping_add(1), timestamp.wrapping_add(160));
                if random.below(100) == 0 {
                    (ssrc, sequence, timestamp) = (ssrc + 1, random.u16(), random.u32());
                }
                let mut batch = vec![header(ssrc, sequence, timestamp)];
                match random.below(20) {
                    0 => batch.clear(),
                    1 => batch.push(batch[0]),
                    2 => held = batch.pop(),
                    3 => batch.extend(held.take().filter(|h| h.ssrc == ssrc)),
                    _ => {}
                }
                let mut out: Vec<Stamp> = batch.iter().filter_map(|h| b.receive(h)).collect();
                if random.below(200) == 0 {
                    let at = b.outgoing.timestamp_at(b.now, 8_000, 160);
                    out.push(b.outgoing.stamp(b.now, 8, at, true, 160));
                    b.relay.forget();
                }
                for stamp in out {
                    assert!(seen.insert(stamp.sequence), "seed {seed}: sequence {} twice", stamp.sequence);
                    if let Some(old) = newest {
                        if is_before(stamp.sequence, old.sequence) {
                            continue;
                        }
                        let step = stamp.timestamp.wrapping_sub(old.timestamp).cast_signed();
                        assert!(step >= 0, "seed {seed}: time runs back by {step}");
                    }
                    newest = Some(stamp);
                }
            }
        }
    }
}
