//! How long packets must be held so that nearly all of them are there when their turn comes.
//!
//! A packet's transit is its arrival less its timestamp. The least transit of the last seconds is that of a packet that
//! nothing delayed; how much later than that each other one came is what a buffer must make up for. The least is taken
//! anew every few seconds, so a sender whose clock runs slower than ours (its transits grow) is followed as well as one
//! whose clock runs faster.

use std::ops::RangeInclusive;

/// Bounds of the depth, in ms.
pub(super) const DEPTH_MS: RangeInclusive<u32> = 10..=200;
/// So many packets in a hundred may come too late.
const LATE_SHARE: f32 = 0.01;
/// A cell of the histogram, in ms.
const CELL_MS: u32 = 10;
/// Cells up to the greatest depth, and one for all beyond.
const CELLS: usize = 21;
/// How much the newest packet counts, once there were so many: a memory of five seconds of packets of 20 ms.
const MEMORY: f32 = 256.0;
/// The least transit is taken anew so often, in ms.
const PERIOD_MS: i64 = 5_000;
/// When so many packets in a row are later than the greatest depth, the way itself became longer.
const LONGER_WAY: u32 = 25;

/// What is known of the delays of one source. All times are in ticks of its clock.
#[derive(Debug)]
pub(super) struct Depth {
    per_ms: i64,
    /// The newest timestamp, and the same without its wrap at 2³².
    newest: Option<(u32, i64)>,
    /// Least transits of the period before and of this one, and when this one ends.
    least: Option<(i64, i64)>,
    period_ends: i64,
    /// Packets in a row beyond the greatest depth, and the least transit of them.
    beyond: (u32, i64),
    /// Shares of the packets that were so many cells later than the fastest.
    shares: [f32; CELLS],
    packets: f32,
    /// In ms.
    target_ms: u32,
    floor_ms: u32,
}

impl Depth {
    pub(super) fn new(clock_hz: u32) -> Self {
        Self {
            per_ms: i64::from(clock_hz / 1_000).max(1),
            newest: None,
            least: None,
            period_ends: 0,
            beyond: (0, 0),
            shares: [0.0; CELLS],
            packets: 0.0,
            target_ms: *DEPTH_MS.start(),
            floor_ms: *DEPTH_MS.start(),
        }
    }

    /// The depth is never less than this; it is held to the bounds.
    pub(super) fn set_floor_ms(&mut self, ms: u32) {
        self.floor_ms = ms.clamp(*DEPTH_MS.start(), *DEPTH_MS.end());
        self.choose();
    }

    /// How deep the buffer should be now.
    pub(super) fn target(&self) -> i64 {
        i64::from(self.target_ms) * self.per_ms
    }

    pub(super) const fn target_ms(&self) -> u32 {
        self.target_ms
    }

    pub(super) fn most(&self) -> i64 {
        i64::from(*DEPTH_MS.end()) * self.per_ms
    }

    /// How long a sample with that timestamp, played at `now`, would have been held had nothing delayed it on its way.
    pub(super) fn delay(&self, now: i64, timestamp: u32) -> i64 {
        let (Some((newest, unwrapped)), Some((before, this))) = (self.newest, self.least) else { return 0 };
        let behind = i64::from(timestamp.wrapping_sub(newest).cast_signed());
        now - (unwrapped + behind) - before.min(this)
    }

    /// A packet came.
    pub(super) fn arrived(&mut self, now: i64, timestamp: u32) {
        let unwrapped = match self.newest {
            Some((newest, unwrapped)) => unwrapped + i64::from(timestamp.wrapping_sub(newest).cast_signed()),
            None => i64::from(timestamp),
        };
        if self.newest.is_none_or(|(_, newest)| unwrapped > newest) {
            self.newest = Some((timestamp, unwrapped));
        }
        let transit = now - unwrapped;
        let Some((before, this)) = self.least else { return self.begin(now, transit) };
        let late = transit - before.min(this);
        if late > self.most() {
            let (count, least) = self.beyond;
            self.beyond = (count + 1, if count == 0 { transit } else { least.min(transit) });
            if self.beyond.0 >= LONGER_WAY {
                return self.begin(now, self.beyond.1);
            }
        } else {
            self.beyond.0 = 0;
        }
        self.least = if now < self.period_ends {
            Some((before, this.min(transit)))
        } else {
            self.period_ends = now + PERIOD_MS * self.per_ms;
            Some((this, transit))
        };
        self.count(late.max(0));
    }

    /// Nothing can be compared with what was before.
    pub(super) fn forget(&mut self) {
        (self.newest, self.least) = (None, None);
    }

    fn begin(&mut self, now: i64, transit: i64) {
        self.least = Some((transit, transit));
        self.period_ends = now + PERIOD_MS * self.per_ms;
        self.beyond.0 = 0;
        self.count(0);
    }

    fn count(&mut self, late: i64) {
        let cell = usize::try_from(late / (i64::from(CELL_MS) * self.per_ms)).map_or(CELLS - 1, |cell| cell.min(CELLS - 1));
        self.packets = (self.packets + 1.0).min(MEMORY);
        let weight = 1.0 / self.packets;
        for (at, share) in self.shares.iter_mut().enumerate() {
            *share += (f32::from(u8::from(at == cell)) - *share) * weight;
        }
        self.choose();
    }

    /// The least depth beyond which only the share that may be late is left.
    fn choose(&mut self) {
        let mut beyond = 0.0;
        let mut cells = CELLS;
        while cells > 0 && beyond + self.shares[cells - 1] <= LATE_SHARE {
            beyond += self.shares[cells - 1];
            cells -= 1;
        }
        let ms = u32::try_from(cells).unwrap_or(0) * CELL_MS;
        self.target_ms = ms.clamp(self.floor_ms, *DEPTH_MS.end());
    }
}
