//! The one identity under which a stream sends: SSRC, sequence numbers and timestamps go on without a
//! break whoever speaks, so that a phone's jitter buffer never drops audio at a change of source.

use std::time::{Duration, Instant};

use crate::rtp::Stamp;

/// What a peer has seen of us so far.
#[derive(Clone, Debug)]
pub struct Outgoing {
    ssrc: u32,
    next_sequence: u16,
    timestamp: u32,
    sent_at: Option<Instant>,
    packets: u64,
    payload_bytes: u64,
}

impl Outgoing {
    /// Nothing sent yet. The three numbers should be random (RFC 3550 section 5.1).
    #[must_use]
    pub const fn new(ssrc: u32, first_sequence: u16, first_timestamp: u32) -> Self {
        Self { ssrc, next_sequence: first_sequence, timestamp: first_timestamp, sent_at: None, packets: 0, payload_bytes: 0 }
    }

    /// Our SSRC.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Sequence number of the next new packet.
    #[must_use]
    pub const fn next_sequence(&self) -> u16 {
        self.next_sequence
    }

    /// Timestamp of the newest packet.
    #[must_use]
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Packets sent.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent, headers not counted.
    #[must_use]
    pub const fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// When the newest packet was sent.
    #[must_use]
    pub const fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    /// The timestamp at which a new source begins at `now`: as much later than the newest packet as
    /// time went by, at least one packet of `step` ticks.
    #[must_use]
    pub fn timestamp_at(&self, now: Instant, clock_rate: u32, step: u32) -> u32 {
        let Some(sent_at) = self.sent_at else { return self.timestamp };
        self.timestamp.wrapping_add(ticks(now.saturating_duration_since(sent_at), clock_rate).max(step))
    }

    /// What the timestamp would be at `now`, for a sender report; `None` when nothing was sent.
    #[must_use]
    pub fn timestamp_now(&self, now: Instant, clock_rate: u32) -> Option<u32> {
        let elapsed = now.saturating_duration_since(self.sent_at?);
        Some(self.timestamp.wrapping_add(ticks(elapsed, clock_rate)))
    }

    /// Stamps a packet of our own making with the next sequence number and counts it.
    pub fn stamp(&mut self, now: Instant, payload_type: u8, timestamp: u32, marker: bool, payload_bytes: usize) -> Stamp {
        let sequence = self.next_sequence;
        self.sent(now, sequence, timestamp, payload_bytes);
        Stamp { payload_type, marker, sequence, timestamp, ssrc: self.ssrc }
    }

    /// Counts a packet that leaves under `sequence`; a late one does not move the newest.
    pub fn sent(&mut self, now: Instant, sequence: u16, timestamp: u32, payload_bytes: usize) {
        self.packets += 1;
        self.payload_bytes += payload_bytes as u64;
        if sequence.wrapping_sub(self.next_sequence) < 0x8000 {
            self.next_sequence = sequence.wrapping_add(1);
            // All packets of a telephone event carry the time of its start, which does not move.
            if timestamp != self.timestamp || self.sent_at.is_none() {
                (self.timestamp, self.sent_at) = (timestamp, Some(now));
            }
        }
    }
}

/// `elapsed` in ticks of a clock; at most half the range of a timestamp.
#[must_use]
pub fn ticks(elapsed: Duration, clock_rate: u32) -> u32 {
    let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX).min(u32::MAX / 2)
}
