//! What was received from a peer: sequence numbers sorted into new, late, repeated and wild ones
//! (RFC 3550 appendix A.1), loss (A.3) and how it is spread, interarrival jitter (A.8), and the longest time without audio.

use std::time::{Duration, Instant};

use crate::{bursts::LossPattern, emodel::Loss, rtp::Header};

/// A forward step of this size is a restart of the source, not loss (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3_000;
/// How far back a packet may be and still be late rather than a restart.
const MAX_MISORDER: u16 = 100;
/// Sequence numbers in one cycle.
const CYCLE: u32 = 1 << 16;
/// Packets that may still come late, and whose loss is not settled.
const WINDOW: u32 = 64;

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
    /// How many of these bits are packets: up to 64 since the first one.
    window: u32,
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
    reordered: u64,
    duplicated: u64,
    pattern: LossPattern,
    /// Arrival and timestamp of the newest packet.
    newest: Option<(Instant, u32)>,
    longest_gap: Option<Duration>,
}

impl Reception {
    /// Nothing received. `epoch` is any instant before the first packet.
    #[must_use]
    pub const fn new(epoch: Instant) -> Self {
        Self {
            source: None,
            epoch,
            clock_rate: 8_000,
            received: 0,
            lost_of_earlier_sources: 0,
            reordered: 0,
            duplicated: 0,
            pattern: LossPattern::NEW,
            newest: None,
            longest_gap: None,
        }
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
            Some(source) if source.ssrc == header.ssrc => source.place(header.sequence, &mut self.pattern),
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
            Arrival::Late => self.reordered += 1,
            Arrival::InOrder { missing } => self.measure_gap(now, header.timestamp, missing, timed),
            Arrival::First => {
                self.newest = Some((now, header.timestamp));
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

    /// The peer may be silent from now on, or was allowed to be: that is no gap.
    pub const fn forgive(&mut self) {
        self.newest = None;
    }

    /// How long audio was missing before this packet. What the sender left out on purpose, its numbers going on and its
    /// timestamps jumping, is not missing.
    fn measure_gap(&mut self, now: Instant, timestamp: u32, missing: u16, timed: bool) {
        if let Some((at, before)) = self.newest.replace((now, timestamp)).filter(|_| timed) {
            let meant = timestamp.wrapping_sub(before) / (u32::from(missing) + 1);
            let meant = Duration::from_micros(u64::from(meant) * 1_000_000 / u64::from(self.clock_rate));
            let gap = now.saturating_duration_since(at).saturating_sub(meant);
            self.longest_gap = self.longest_gap.max(Some(gap));
        }
    }

    fn start(&mut self, header: &Header) {
        if let Some(old) = &self.source {
            self.lost_of_earlier_sources += u64::from(old.lost());
            old.settle(&mut self.pattern);
        }
        // One cycle ahead, so that a late packet from before the first one is not below zero.
        let sequence = CYCLE + u32::from(header.sequence);
        self.source = Some(Source {
            ssrc: header.ssrc,
            first: sequence,
            newest: sequence,
            received: 0,
            seen: 1,
            window: 1,
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
    pub const fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Packets that came twice.
    #[must_use]
    pub const fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// How loss is spread, all that may still come late counted as it is now.
    #[must_use]
    pub fn pattern(&self) -> LossPattern {
        let mut pattern = self.pattern;
        if let Some(source) = &self.source {
            source.settle(&mut pattern);
        }
        pattern
    }

    /// Loss, with `discarded` packets that came and were not played.
    #[must_use]
    pub fn loss(&self, discarded: u64) -> Loss {
        let expected = self.lost() + self.received;
        #[expect(clippy::cast_precision_loss, reason = "a ratio of packet counts")]
        let percent = if expected == 0 { 0.0 } else { (self.lost() + discarded) as f32 * 100.0 / expected as f32 };
        Loss { percent: percent.min(100.0), burst_ratio: self.pattern().burst_ratio() }
    }

    /// The longest time that audio was missing, in ms; `None` before two packets came.
    #[must_use]
    pub fn longest_gap_ms(&self) -> Option<u32> {
        self.longest_gap.map(|gap| u32::try_from(gap.as_millis()).unwrap_or(u32::MAX))
    }

    /// Jitter in ms; `None` before two packets were timed.
    #[must_use]
    pub fn jitter_ms(&self) -> Option<f32> {
        let source = self.source.as_ref().filter(|s| s.transit.is_some() && s.received > 1)?;
        #[expect(clippy::cast_possible_truncation, reason = "a figure for people: single precision is ample")]
        Some((source.jitter * 1_000.0 / f64::from(self.clock_rate)) as f32)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates here, and jitter is not negative")]
const fn whole(jitter: f64) -> u32 {
    jitter as u32
}

impl Source {
    fn place(&mut self, sequence: u16, pattern: &mut LossPattern) -> Arrival {
        let newest = (self.newest & 0xffff) as u16;
        let ahead = sequence.wrapping_sub(newest);
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            self.newest = self.newest.wrapping_add(u32::from(ahead));
            for _ in 0..ahead {
                if self.window == WINDOW {
                    pattern.push(self.seen >> (WINDOW - 1) == 1);
                } else {
                    self.window += 1;
                }
                self.seen <<= 1;
            }
            self.seen |= 1;
            self.wild_next = None;
            return Arrival::InOrder { missing: ahead - 1 };
        }
        let behind = newest.wrapping_sub(sequence);
        if behind <= MAX_MISORDER {
            if behind >= 64 || self.seen >> behind & 1 == 1 {
                return Arrival::Duplicate;
            }
            self.seen |= 1 << behind;
            self.window = self.window.max(u32::from(behind) + 1);
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

    /// What has not come by now will not come.
    fn settle(&self, pattern: &mut LossPattern) {
        for behind in (0..self.window).rev() {
            pattern.push(self.seen >> behind & 1 == 1);
        }
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
mod tests;
