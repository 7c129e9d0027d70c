//! A jitter buffer: packets go in as they come, and come out at an even pace, in order, each once.
//!
//! For whoever decodes: transcoding, and later mixing, detection. The plain relay has none, since the phone behind it has
//! one. It owns a fixed ring of packets and allocates nothing after its making.
//!
//! **Time.** A cursor goes through the timestamps. Whoever plays asks for the next piece whenever it has no samples left; each
//! answer moves the cursor by what it stands for. How long the sample at the cursor was held, had nothing delayed it, is the
//! delay; `depth` says how long it should be, from how late packets were in the last seconds. The two come together
//! where nobody hears it: the delay grows by a piece of concealment and shrinks by leaving out a packet, in silence first.
//! A clock of the sender that is faster or slower than ours moves the delay, and is followed in the same way.
//!
//! **What is not there** when its turn comes is lost, and concealed; when it comes after all it is too late. A sender that
//! pauses (DTX, comfort noise, telephone events: its numbers go on and its timestamps jump) lost nothing: that is silence,
//! in which the delay is set right for free. When nothing comes any more the buffer stands still until something does.

mod depth;
mod playout;

pub use playout::Playout;

use std::time::Instant;

use crate::{reception::Arrival, rtp::Header};
use depth::Depth;

/// Packets that are held at most: 320 ms of the shortest.
const SLOTS: usize = 32;
const SLOTS_U16: u16 = 32;
/// The longest payload that is held: Opus has none longer in a frame (RFC 6716 section 3.4).
const PAYLOAD_BYTES: usize = 1_280;
/// A packet may last so long (RFC 6716 section 3.2.5), in ms.
const PACKET_MS: u32 = 120;
/// Timestamps that go back by more than this, or ahead by more than that, are a new base of the sender, in ms.
const BACK_MS: i64 = 500;
const AHEAD_MS: i64 = 10_000;
/// Copies in later packets are waited for so long after a loss, in ms.
const LOSSY_MS: i64 = 10_000;

/// What became of packets beside being played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    /// They came after their turn.
    pub late: u64,
    /// They were left out, because the delay had become too long.
    pub cut: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    sequence: u16,
    timestamp: u32,
    bytes: u16,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Free,
    Audio,
    /// A packet without audio: the sender pauses.
    Pause,
}

/// Packets of one stream between their arrival and their turn.
#[derive(Debug)]
pub struct JitterBuffer {
    clock_hz: u32,
    epoch: Instant,
    slots: [Slot; SLOTS],
    payloads: Box<[[u8; PAYLOAD_BYTES]]>,
    held: usize,
    depth: Depth,
    /// The timestamp that is to be played next; `None` before the first and after the last packet.
    cursor: Option<u32>,
    /// The number that came out last.
    last: Option<u16>,
    /// The newest audio that came in.
    newest: Option<(u16, u32)>,
    /// The highest number that is held, when one is.
    highest: u16,
    /// Ticks of a packet.
    step: u32,
    /// Ticks that were made up in a row.
    made_up: u32,
    /// The sender pauses after what came out last.
    is_pausing: bool,
    /// The packet before was left out.
    is_cut: bool,
    /// Packets played since one was left out.
    since_cut: u32,
    /// Later packets may hold copies, which are worth waiting for until some time after a loss.
    copies: bool,
    lossy_until: i64,
    discarded: Discarded,
}

impl JitterBuffer {
    /// An empty one for packets whose timestamps count at `clock_hz`. `epoch` is any instant before the first packet;
    /// `copies`: packets of this codec may hold copies of those before them.
    #[must_use]
    pub fn new(clock_hz: u32, epoch: Instant, copies: bool) -> Self {
        Self {
            clock_hz: clock_hz.max(1_000),
            epoch,
            slots: [Slot::default(); SLOTS],
            payloads: vec![[0; PAYLOAD_BYTES]; SLOTS].into(),
            held: 0,
            depth: Depth::new(clock_hz),
            cursor: None,
            last: None,
            newest: None,
            highest: 0,
            step: clock_hz / 50,
            made_up: 0,
            is_pausing: false,
            is_cut: false,
            since_cut: 0,
            copies,
            lossy_until: i64::MIN,
            discarded: Discarded::default(),
        }
    }

    /// What was not played, up to now.
    #[must_use]
    pub const fn discarded(&self) -> Discarded {
        self.discarded
    }

    /// How long packets are to be held now, in ms.
    #[must_use]
    pub const fn depth_ms(&self) -> u32 {
        self.depth.target_ms()
    }

    /// The longest that they ever are, in ms.
    #[must_use]
    pub const fn most_ms() -> u32 {
        *depth::DEPTH_MS.end()
    }

    /// Whether nothing is held and nothing is played: it need not be asked before the next packet.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.held == 0 && self.cursor.is_none()
    }

    /// A packet came; without a payload it is one that holds no audio (comfort noise, a telephone event).
    pub fn insert(&mut self, now: Instant, header: &Header, payload: Option<&[u8]>, arrival: Arrival) {
        match arrival {
            Arrival::Duplicate | Arrival::Wild => return,
            Arrival::First => self.restart(),
            Arrival::InOrder { .. } | Arrival::Late => {}
        }
        let now = self.ticks(now);
        if matches!(arrival, Arrival::InOrder { missing: 1.. }) {
            self.lossy(now);
        }
        if payload.is_some() {
            self.compare(now, header, arrival);
            self.depth.arrived(now, header.timestamp);
        }
        let is_past = |last: u16| header.sequence.wrapping_sub(last).cast_signed() <= 0;
        if self.last.is_some_and(is_past) && arrival != Arrival::Late {
            // The newest of all, and yet before what was played: its numbers went half around while nobody asked.
            self.restart();
            self.depth.arrived(now, header.timestamp);
        } else if self.last.is_some_and(is_past) {
            self.discarded.late += u64::from(payload.is_some());
            return;
        }
        if self.make_room(header.sequence) {
            self.store(header, payload);
        }
    }

    /// What is held will not be asked for: the next packet is a beginning.
    pub fn forget(&mut self) {
        self.clear();
        self.cursor = None;
    }

    /// Everything begins anew: another source, or timestamps that have nothing to do with those before.
    fn restart(&mut self) {
        self.clear();
        self.depth.forget();
        (self.cursor, self.last, self.newest) = (None, None, None);
    }

    fn clear(&mut self) {
        self.slots = [Slot::default(); SLOTS];
        self.held = 0;
    }

    /// Finds out whether the sender's timestamps go on from those before, and how long its packets are.
    fn compare(&mut self, now: i64, header: &Header, arrival: Arrival) {
        if arrival == Arrival::Late {
            return;
        }
        let Some((sequence, timestamp)) = self.newest.replace((header.sequence, header.timestamp)) else { return };
        let ahead = i64::from(header.timestamp.wrapping_sub(timestamp).cast_signed());
        let is_late_for_all = self.is_idle() && self.depth.delay(now, header.timestamp) > self.depth.most();
        if is_late_for_all || !(-BACK_MS * self.per_ms()..=AHEAD_MS * self.per_ms()).contains(&ahead) {
            self.restart();
            self.newest = Some((header.sequence, header.timestamp));
        } else if header.sequence == sequence.wrapping_add(1)
            && let Ok(step) = u32::try_from(ahead)
            && (1..=self.clock_hz / 1_000 * PACKET_MS).contains(&step)
        {
            self.step = step;
        }
    }

    /// Sees that a number fits into the ring together with all that are held. `false`: it is too old for that.
    fn make_room(&mut self, sequence: u16) -> bool {
        while let Some(lowest) = self.lowest() {
            let lowest = self.slots[lowest].sequence;
            let ahead = sequence.wrapping_sub(lowest).cast_signed();
            if ahead < 0 {
                let fits = self.highest.wrapping_sub(sequence) < SLOTS_U16;
                self.discarded.late += u64::from(!fits);
                return fits;
            }
            if ahead.unsigned_abs() < SLOTS_U16 {
                return true;
            }
            // So many newer ones are here: this one's turn was never, and the cursor goes on behind it.
            self.take(lowest);
            self.discarded.cut += 1;
        }
        true
    }

    fn store(&mut self, header: &Header, payload: Option<&[u8]>) {
        let at = place(header.sequence);
        // A longer one is none that we agreed on; what is kept of it does not decode.
        let bytes = payload.map_or(0, <[u8]>::len).min(PAYLOAD_BYTES);
        if let Some(payload) = payload {
            self.payloads[at][..bytes].copy_from_slice(&payload[..bytes]);
        }
        if self.held == 0 || header.sequence.wrapping_sub(self.highest).cast_signed() > 0 {
            self.highest = header.sequence;
        }
        self.held += usize::from(self.slots[at].kind == Kind::Free);
        self.slots[at] = Slot {
            sequence: header.sequence,
            timestamp: header.timestamp,
            bytes: u16::try_from(bytes).unwrap_or(0),
            kind: if payload.is_some() { Kind::Audio } else { Kind::Pause },
        };
    }

    /// Something was lost: copies are worth waiting for, for a while.
    fn lossy(&mut self, now: i64) {
        if self.copies {
            self.lossy_until = now + LOSSY_MS * self.per_ms();
            let packet_ms = self.step / (self.clock_hz / 1_000);
            self.depth.set_floor_ms(packet_ms + *depth::DEPTH_MS.start());
        }
    }

    fn take(&mut self, sequence: u16) {
        self.slots[place(sequence)].kind = Kind::Free;
        self.held -= 1;
        self.last = Some(sequence);
    }

    /// The slot of the lowest number that is held.
    fn lowest(&self) -> Option<usize> {
        if self.held == 0 {
            return None;
        }
        let is_held = |at: &usize| self.slots[*at].kind != Kind::Free;
        (0..SLOTS).filter(is_held).max_by_key(|at| self.highest.wrapping_sub(self.slots[*at].sequence))
    }

    fn ticks(&self, now: Instant) -> i64 {
        let us = i64::try_from(now.saturating_duration_since(self.epoch).as_micros()).unwrap_or(i64::MAX);
        us.saturating_mul(i64::from(self.clock_hz)) / 1_000_000
    }

    fn per_ms(&self) -> i64 {
        i64::from(self.clock_hz / 1_000)
    }
}

/// Where a number lies in the ring.
fn place(sequence: u16) -> usize {
    usize::from(sequence % SLOTS_U16)
}

/// Ticks as timestamps count them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "arithmetic modulo 2^32 is meant")]
const fn wrapped(ticks: i64) -> u32 {
    ticks as u32
}

#[cfg(test)]
mod tests;
