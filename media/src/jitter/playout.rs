//! What comes out of a jitter buffer, and where time is gained or lost.

use std::time::Instant;

use super::{JitterBuffer, Kind, Slot, wrapped};

/// Losses in a row are concealed for so long, in ms; then it is silence.
const CONCEALED_MS: u32 = 60;
/// The delay may be so much under its target before it grows.
const SCANT_MS: i64 = 2;
/// And so much over it, beside one packet, before a packet is left out: in silence, and anywhere.
const SLACK_MS: i64 = 5;
const TOO_MUCH_MS: i64 = 80;
/// Packets that are played between two that are left out: in silence, and anywhere.
const APART: [u32; 2] = [1, 5];

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Playout<'a> {
    /// A packet. Whoever decodes it says by [`JitterBuffer::played`] how long it was.
    Packet {
        /// As it came.
        payload: &'a [u8],
        /// Something before it was left out: the seam must be smoothed.
        is_cut: bool,
    },
    /// So many ticks were lost, and are to be concealed.
    Lost {
        /// Of the RTP clock.
        ticks: u32,
        /// The packet directly behind, which may hold a copy (RFC 6716 section 2.1.7).
        next: Option<&'a [u8]>,
    },
    /// So many ticks more than there are, made up from what was played: the delay grows.
    Stretch {
        /// Of the RTP clock.
        ticks: u32,
    },
    /// So many ticks of silence.
    Silence {
        /// Of the RTP clock.
        ticks: u32,
    },
    /// Nothing, until more comes or time goes on.
    Wait,
}

impl JitterBuffer {
    /// What is to be played next, at `now`. `is_quiet`: what was played last was silence or near it.
    pub fn next(&mut self, now: Instant, is_quiet: bool) -> Playout<'_> {
        let now = self.ticks(now);
        if self.copies && self.lossy_until < now {
            self.depth.set_floor_ms(0);
        }
        // Each round but the last takes a packet out, or brings the cursor to one.
        loop {
            let Some(at) = self.lowest() else { return self.run_dry(now) };
            let Slot { sequence, timestamp, kind, .. } = self.slots[at];
            let Some(cursor) = self.cursor else {
                if kind == Kind::Pause {
                    self.take(sequence);
                    continue;
                }
                if self.depth.delay(now, timestamp) < self.depth.target() {
                    return Playout::Wait;
                }
                (self.cursor, self.is_pausing, self.made_up) = (Some(timestamp), false, 0);
                continue;
            };
            let follows = self.last.is_none_or(|last| sequence == last.wrapping_add(1));
            let ahead = i64::from(timestamp.wrapping_sub(cursor).cast_signed());
            if kind == Kind::Pause && (follows || ahead <= i64::from(self.step / 4)) {
                self.take(sequence);
                self.is_pausing = true;
            } else if ahead > 0 && self.depth.delay(now, cursor) > self.depth.most() {
                // Nobody asked for so long that all this is history.
                (self.cursor, self.is_cut) = (Some(timestamp), true);
            } else if ahead <= -i64::from(self.step) {
                self.take(sequence);
                self.discarded.late += u64::from(kind == Kind::Audio);
            } else if ahead <= i64::from(self.step / 4) {
                if !self.is_too_long(now, timestamp, is_quiet) {
                    return self.play(now, at, is_quiet);
                }
                self.take(sequence);
                self.cursor = Some(timestamp.wrapping_add(self.step));
                (self.discarded.cut, self.is_cut, self.since_cut) = (self.discarded.cut + 1, true, 0);
            } else if follows || self.is_pausing {
                if let Some(silence) = self.pause(now, cursor, ahead) {
                    return silence;
                }
            } else {
                return self.lose(now, cursor, ahead, at);
            }
        }
    }

    /// A packet that came out was so long.
    pub const fn played(&mut self, ticks: u32) {
        if let Some(cursor) = self.cursor {
            self.cursor = Some(cursor.wrapping_add(ticks));
        }
    }

    /// Whether the delay is so much over its target that a packet is left out: one at a time, unless it is over all bounds.
    fn is_too_long(&self, now: i64, timestamp: u32, is_quiet: bool) -> bool {
        let delay = self.depth.delay(now, timestamp);
        let over = delay - self.depth.target() - i64::from(self.step);
        let (slack, apart) = if is_quiet { (SLACK_MS, APART[0]) } else { (TOO_MUCH_MS, APART[1]) };
        delay > self.depth.most() || over > slack * self.per_ms() && self.since_cut >= apart
    }

    fn play(&mut self, now: i64, at: usize, is_quiet: bool) -> Playout<'_> {
        let Slot { sequence, timestamp, bytes, .. } = self.slots[at];
        let step = self.step;
        if is_quiet && self.made_up == 0 && self.is_scant(now, timestamp) {
            self.made_up = step;
            return Playout::Stretch { ticks: step };
        }
        self.take(sequence);
        (self.cursor, self.made_up, self.is_pausing) = (Some(timestamp), 0, false);
        let is_cut = std::mem::take(&mut self.is_cut);
        self.since_cut = self.since_cut.saturating_add(1);
        Playout::Packet { payload: &self.payloads[at][..usize::from(bytes)], is_cut }
    }

    /// The sender left out the time up to its next packet. `None`: that is to be played now.
    fn pause(&mut self, now: i64, cursor: u32, ahead: i64) -> Option<Playout<'static>> {
        let missing = self.depth.target() - self.depth.delay(now, cursor);
        let step = i64::from(self.step);
        if missing >= step {
            return Some(Playout::Silence { ticks: self.step });
        }
        let left_out = (-missing).clamp(0, ahead);
        let ticks = (ahead - left_out).min(step);
        self.cursor = Some(cursor.wrapping_add(wrapped(left_out + ticks)));
        (ticks > 0).then(|| Playout::Silence { ticks: wrapped(ticks) })
    }

    /// The time up to the packet in a slot was lost.
    fn lose(&mut self, now: i64, cursor: u32, ahead: i64, at: usize) -> Playout<'_> {
        if let Some(stretch) = self.hold_out(now, cursor) {
            return stretch;
        }
        let ticks = wrapped(ahead.min(i64::from(self.step)));
        self.cursor = Some(cursor.wrapping_add(ticks));
        if self.made_up >= self.clock_hz / 1_000 * CONCEALED_MS {
            return Playout::Silence { ticks };
        }
        self.made_up += ticks;
        let Slot { bytes, kind, .. } = self.slots[at];
        let is_next = kind == Kind::Audio && i64::from(ticks) == ahead;
        Playout::Lost { ticks, next: is_next.then(|| &self.payloads[at][..usize::from(bytes)]) }
    }

    /// Nothing is here although its turn has come.
    fn run_dry(&mut self, now: i64) -> Playout<'static> {
        let Some(cursor) = self.cursor else { return Playout::Wait };
        if self.is_pausing || self.made_up >= self.clock_hz / 1_000 * CONCEALED_MS {
            self.cursor = None;
            return Playout::Wait;
        }
        if let Some(stretch) = self.hold_out(now, cursor) {
            return stretch;
        }
        let ticks = self.step;
        self.cursor = Some(cursor.wrapping_add(ticks));
        self.made_up += ticks;
        Playout::Lost { ticks, next: None }
    }

    /// What is not here may still come, where it is awaited for less long than others are.
    fn hold_out(&mut self, now: i64, cursor: u32) -> Option<Playout<'static>> {
        (self.is_scant(now, cursor) && self.made_up < self.clock_hz / 1_000 * CONCEALED_MS).then(|| {
            self.made_up += self.step;
            Playout::Stretch { ticks: self.step }
        })
    }

    /// Whether what has that timestamp would be played before packets that are as late as some are.
    fn is_scant(&self, now: i64, timestamp: u32) -> bool {
        self.depth.delay(now, timestamp) < self.depth.target() - SCANT_MS * self.per_ms()
    }
}
