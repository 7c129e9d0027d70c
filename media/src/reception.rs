//! What was received from a peer: sequence numbers sorted into new, late, repeated and wild ones
//! (RFC 3550 appendix A.1), loss (A.3), interarrival jitter (A.8) and the quality estimated from them.

use std::time::Instant;

use crate::rtp::Header;

/// A forward step of this size is a restart of the source, not loss (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3_000;
/// How far back a packet may be and still be late rather than a restart.
const MAX_MISORDER: u16 = 100;
/// Sequence numbers in one cycle.
const CYCLE: u32 = 1 << 16;
/// Fewer packets than this say nothing about quality.
const MIN_PACKETS_FOR_MOS: u64 = 50;

/// How a packet fits to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of a source, or the first after the source started anew: nothing to compare with.
    First,
    /// Newer than all before; so many in between have not come.
    InOrder {
        /// Missing packets directly before this one.
        missing: u16,
    },
    /// Older than the newest, seen for the first time.
    Late,
    /// Seen before, or too old to tell.
    Duplicate,
    /// Far from the others; believed only when a second one follows it.
    Wild,
}

/// One source's sequence numbers.
#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    /// Extended sequence numbers: cycles in the upper half.
    first: u32,
    newest: u32,
    received: u32,
    /// Bit n: the packet n before the newest was seen.
    seen: u64,
    wild_next: Option<u16>,
    transit: Option<i64>,
    jitter: f64,
    expected_before: u32,
    received_before: u32,
}

/// The figures of one report block (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whose packets.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits, never negative.
    pub lost: u32,
    /// Newest sequence number with its cycles.
    pub newest: u32,
    /// Jitter at the RTP clock.
    pub jitter: u32,
}

/// Statistics over all sources that a stream had.
#[derive(Clone, Debug)]
pub struct Reception {
    source: Option<Source>,
    epoch: Instant,
    clock_rate: u32,
    received: u64,
    lost_of_earlier_sources: u64,
    late: u64,
    duplicated: u64,
}

impl Reception {
    /// Nothing received. `epoch` is any instant before the first packet.
    #[must_use]
    pub const fn new(epoch: Instant) -> Self {
        Self { source: None, epoch, clock_rate: 8_000, received: 0, lost_of_earlier_sources: 0, late: 0, duplicated: 0 }
    }

    /// From now on timestamps count at this rate, in Hz.
    pub fn set_clock_rate(&mut self, hz: u32) {
        if hz != self.clock_rate {
            self.clock_rate = hz.max(1);
            if let Some(source) = &mut self.source {
                (source.transit, source.jitter) = (None, 0.0);
            }
        }
    }

    /// A packet of the accepted peer arrived. `timed` says that its timestamp is that of its own
    /// sampling (audio), not of an event's start, so that it counts for jitter.
    pub fn handle(&mut self, now: Instant, header: &Header, timed: bool) -> Arrival {
        let ticks = self.ticks(now);
        let arrival = match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => source.place(header.sequence),
            _ => {
                self.start(header);
                Arrival::First
            }
        };
        match arrival {
            Arrival::Wild => return arrival,
            Arrival::Duplicate => {
                self.duplicated += 1;
                return arrival;
            }
            Arrival::Late => self.late += 1,
            Arrival::InOrder { .. } => {}
            Arrival::First => {
                // A restart inside one SSRC comes here too, with its source still the old one.
                if self.source.as_ref().is_some_and(|s| s.received > 0) {
                    self.start(header);
                }
            }
        }
        self.received += 1;
        if let Some(source) = &mut self.source {
            source.received += 1;
            if timed {
                source.time(ticks, header.timestamp);
            }
        }
        arrival
    }

    fn start(&mut self, header: &Header) {
        if let Some(old) = &self.source {
            self.lost_of_earlier_sources += u64::from(old.lost());
        }
        // One cycle ahead, so that a late packet from before the first one is not below zero.
        let sequence = CYCLE + u32::from(header.sequence);
        self.source = Some(Source {
            ssrc: header.ssrc,
            first: sequence,
            newest: sequence,
            received: 0,
            seen: 1,
            wild_next: None,
            transit: None,
            jitter: 0.0,
            expected_before: 0,
            received_before: 0,
        });
    }

    fn ticks(&self, now: Instant) -> i64 {
        let us = i64::try_from(now.saturating_duration_since(self.epoch).as_micros()).unwrap_or(i64::MAX);
        us.saturating_mul(i64::from(self.clock_rate)) / 1_000_000
    }

    /// The block for the next report; `None` before the first packet.
    pub fn report(&mut self) -> Option<Report> {
        let source = self.source.as_mut()?;
        let expected = source.expected();
        let lost = source.lost();
        let step_expected = expected.wrapping_sub(source.expected_before);
        let step_received = source.received.wrapping_sub(source.received_before);
        (source.expected_before, source.received_before) = (expected, source.received);
        let step_lost = step_expected.saturating_sub(step_received);
        let fraction = (u64::from(step_lost) << 8).checked_div(u64::from(step_expected)).unwrap_or(0).min(255);
        Some(Report {
            ssrc: source.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: lost.min(0x7f_ffff),
            newest: source.newest.wrapping_sub(CYCLE),
            jitter: whole(source.jitter),
        })
    }

    /// Packets accepted.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_of_earlier_sources + self.source.as_ref().map_or(0, |s| u64::from(s.lost()))
    }

    /// Packets that came after a later one.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Packets that came twice.
    #[must_use]
    pub const fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// Jitter in ms; `None` before two packets were timed.
    #[must_use]
    pub fn jitter_ms(&self) -> Option<f32> {
        let source = self.source.as_ref().filter(|s| s.transit.is_some() && s.received > 1)?;
        #[expect(clippy::cast_possible_truncation, reason = "a figure for people: single precision is ample")]
        Some((source.jitter * 1_000.0 / f64::from(self.clock_rate)) as f32)
    }

    /// Listening quality of G.711 with loss concealment by the E-model (ITU-T G.107, with Ie = 0 and
    /// Bpl = 25.1 of G.113 appendix I). The delay that counts is half the round trip, one packet and a
    /// receive buffer of twice the jitter. `None` when too little was received.
    #[must_use]
    pub fn mos(&self, rtt_ms: Option<f32>) -> Option<f32> {
        let jitter_ms = self.jitter_ms().filter(|_| self.received >= MIN_PACKETS_FOR_MOS)?;
        #[expect(clippy::cast_precision_loss, reason = "a ratio of packet counts")]
        let loss_percent = self.lost() as f32 * 100.0 / (self.lost() + self.received) as f32;
        Some(mos_of(loss_percent, rtt_ms.unwrap_or(0.0) / 2.0 + 20.0 + 2.0 * jitter_ms))
    }
}

fn mos_of(loss_percent: f32, delay_ms: f32) -> f32 {
    let delay = 0.024 * delay_ms + if delay_ms > 177.3 { 0.11 * (delay_ms - 177.3) } else { 0.0 };
    let equipment = 95.0 * loss_percent / (loss_percent + 25.1);
    let r = (93.2 - delay - equipment).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates here, and jitter is not negative")]
const fn whole(jitter: f64) -> u32 {
    jitter as u32
}

impl Source {
    fn place(&mut self, sequence: u16) -> Arrival {
        let newest = (self.newest & 0xffff) as u16;
        let ahead = sequence.wrapping_sub(newest);
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            self.newest = self.newest.wrapping_add(u32::from(ahead));
            self.seen = if ahead >= 64 { 1 } else { self.seen << ahead | 1 };
            self.wild_next = None;
            return Arrival::InOrder { missing: ahead - 1 };
        }
        let behind = newest.wrapping_sub(sequence);
        if behind <= MAX_MISORDER {
            if behind >= 64 || self.seen >> behind & 1 == 1 {
                return Arrival::Duplicate;
            }
            self.seen |= 1 << behind;
            let extended = self.newest.wrapping_sub(u32::from(behind));
            // Distances, because the count wraps after 4 billion packets.
            if self.newest.wrapping_sub(extended) > self.newest.wrapping_sub(self.first) {
                self.first = extended;
            }
            return Arrival::Late;
        }
        if self.wild_next == Some(sequence) {
            return Arrival::First;
        }
        self.wild_next = Some(sequence.wrapping_add(1));
        Arrival::Wild
    }

    fn expected(&self) -> u32 {
        self.newest.wrapping_sub(self.first).wrapping_add(1)
    }

    fn lost(&self) -> u32 {
        self.expected().saturating_sub(self.received)
    }

    fn time(&mut self, arrived: i64, timestamp: u32) {
        // Modulo 2^32 like the timestamp itself, so that its wrap does not look like a delay.
        let transit = arrived.wrapping_sub(i64::from(timestamp));
        if let Some(before) = self.transit {
            let difference = f64::from(low_bits(transit.wrapping_sub(before)).unsigned_abs());
            // A jump of over ten seconds is a new timestamp base, not jitter.
            if difference < 480_000.0 {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
        self.transit = Some(transit);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "arithmetic modulo 2^32 is meant")]
const fn low_bits(value: i64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rtp::Stamp;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header::parse(&Stamp { payload_type: 0, marker: false, sequence, timestamp, ssrc }.bytes()).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn feed(sequences: &[u16]) -> (Reception, Vec<Arrival>) {
        let epoch = start();
        let mut reception = Reception::new(epoch);
        let arrivals = sequences
            .iter()
            .enumerate()
            .map(|(i, &s)| {
                reception.handle(epoch + Duration::from_millis(20 * i as u64), &header(1, s, 160 * u32::from(s)), true)
            })
            .collect();
        (reception, arrivals)
    }

    #[test]
    fn order_loss_lateness_and_repeats_are_told_apart() {
        use Arrival::{Duplicate, First, InOrder, Late};
        let (r, arrivals) = feed(&[65_534, 65_535, 1, 0, 1, 4]);
        let expected = [First, InOrder { missing: 0 }, InOrder { missing: 1 }, Late, Duplicate, InOrder { missing: 2 }];
        assert_eq!(arrivals, expected);
        assert_eq!((r.received(), r.lost(), r.late(), r.duplicated()), (5, 2, 1, 1));
    }

    #[test]
    fn one_wild_packet_is_ignored_and_two_are_a_restart() {
        let (r, arrivals) = feed(&[10, 11, 40_000, 12, 50_000, 50_001, 50_002]);
        assert_eq!(arrivals[2], Arrival::Wild);
        assert_eq!(arrivals[3], Arrival::InOrder { missing: 0 });
        assert_eq!(arrivals[4..], [Arrival::Wild, Arrival::First, Arrival::InOrder { missing: 0 }]);
        assert_eq!((r.received(), r.lost()), (5, 0));
    }

    #[test]
    fn a_new_source_starts_anew_and_keeps_the_totals() {
        let epoch = start();
        let mut r = Reception::new(epoch);
        for s in [1, 2, 5] {
            r.handle(epoch, &header(1, s, 0), true);
        }
        assert_eq!(r.handle(epoch, &header(2, 900, 0), true), Arrival::First);
        assert_eq!((r.received(), r.lost()), (4, 2));
        let report = r.report().unwrap();
        assert_eq!((report.ssrc, report.newest, report.lost), (2, 900, 0));
    }

    #[test]
    fn a_report_counts_the_interval() {
        let (mut r, _) = feed(&[0, 1, 2, 3]);
        assert_eq!(r.report().unwrap().fraction_lost, 0);
        let epoch = r.epoch;
        for s in [4, 7] {
            r.handle(epoch, &header(1, s, 0), false);
        }
        let report = r.report().unwrap();
        assert_eq!((report.fraction_lost, report.lost, report.newest), (128, 2, 7));
    }

    #[test]
    fn jitter_follows_appendix_a8() {
        let epoch = start();
        let mut r = Reception::new(epoch);
        for i in 0..400u16 {
            let late = if i % 2 == 0 { 0 } else { 5_000 };
            let now = epoch + Duration::from_micros(20_000 * u64::from(i) + late);
            r.handle(now, &header(1, i, 160 * u32::from(i)), true);
        }
        let jitter = r.jitter_ms().unwrap();
        assert!((jitter - 5.0).abs() < 0.1, "{jitter}");
        assert!(r.mos(Some(40.0)).unwrap() > 4.3);
    }

    #[test]
    fn quality_is_unknown_until_measured_and_falls_with_loss() {
        let (r, _) = feed(&[1, 2, 3]);
        assert_eq!(r.mos(None), None);
        assert!(mos_of(0.0, 20.0) > 4.35);
        assert!((2.5..3.9).contains(&mos_of(5.0, 100.0)), "{}", mos_of(5.0, 100.0));
        assert!(mos_of(40.0, 600.0) < 1.6);
    }
}
