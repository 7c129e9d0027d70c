//! How many new calls are let in: all, until messages wait too long; then as many as keep the loop just busy.
//!
//! **Into shedding** it goes when datagrams waited [`LATE_MS`] in two looks one after the other: beyond T1 (500 ms,
//! RFC 3261 section 17.1.1.1) every request would be sent twice, and the load would grow by itself. It then lets in
//! what was really done, and follows the loop: less while it has no rest or the database falls behind, more while it
//! has. **Out of it** when for [`CALM_MS`] nobody had to be refused.
//!
//! The calls that are let in are tokens of a bucket. New ones leave half of it to agents, agents a quarter to those
//! who stand in line, and an emergency takes what is not there: so who comes first is strict, and the sum holds.

/// How often the rate is looked at, in ms.
const WINDOW_MS: u64 = 100;
/// Messages that wait so long, in ms, are late.
const LATE_MS: u32 = 300;
/// In shedding, messages should not wait longer, in ms.
const WAIT_MS: u32 = 60;
/// How busy the loop is kept, in thousandths.
const BUSY: u32 = 960;
/// How full the queue to the database may get, in thousandths.
const WRITER: u32 = 300;
/// So full, the queue to the database alone begins shedding, in thousandths.
const WRITER_LATE: u32 = 700;
/// Late looks in a row that begin shedding.
const LATE_LOOKS: u32 = 2;
/// Without a refusal for so long, in ms, everything is let in again.
const CALM_MS: u64 = 5_000;
/// In one look the rate grows by so much at most, in thousandths: from next to nothing to all in two seconds.
const MOST_MORE: u64 = 300;
/// Fewer are never let in, in thousandths of a call a second.
const LEAST: u64 = 5_000;
/// One call in the bucket.
pub(super) const CALL: u64 = 1_000;

/// Who is let in first when not all can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A call to an emergency number: always let in.
    Emergency,
    /// A caller who calls back for the place in a line that a restart of ours cost them. Whoever waits by a call that is
    /// up begins nothing new: what belongs to that call is never refused.
    InQueue,
    /// An agent on duty.
    Agent,
    /// Everybody else.
    New,
}

impl Class {
    /// All, the first first.
    pub const ALL: [Self; 4] = [Self::Emergency, Self::InQueue, Self::Agent, Self::New];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::InQueue => "in-queue",
            Self::Agent => "agent",
            Self::New => "new",
        }
    }

    /// The share of the calls at a time that this class may fill, in thousandths.
    const fn share(self) -> usize {
        match self {
            Self::Emergency => usize::MAX,
            Self::InQueue => 980,
            Self::Agent => 950,
            Self::New => 900,
        }
    }
}

/// How the loop is doing, as it was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The share of the time since the last look that it was at work, in thousandths.
    pub busy: u32,
    /// How long the last message waited in the socket, in ms; how long the one that is awaited does, when that is more.
    pub waited_ms: u32,
    /// How full the queue to the database is, in thousandths.
    pub writer: u32,
    /// Calls that are up.
    pub calls: usize,
}

#[derive(Debug)]
pub(super) struct Pressure {
    max_calls: usize,
    calls: usize,
    /// Thousandths of a call a second; `None` lets all in.
    rate: Option<u64>,
    tokens: i64,
    at: u64,
    /// Of the present look.
    since: u64,
    admitted: u64,
    refused: bool,
    late_looks: u32,
    waited_ms: u32,
    refused_at: u64,
}

impl Pressure {
    pub(super) const fn new(max_calls: usize) -> Self {
        Self {
            max_calls,
            calls: 0,
            rate: None,
            tokens: 0,
            at: 0,
            since: 0,
            admitted: 0,
            refused: false,
            late_looks: 0,
            waited_ms: 0,
            refused_at: 0,
        }
    }

    pub(super) fn set_max_calls(&mut self, max_calls: usize) {
        self.max_calls = max_calls;
    }

    /// Calls a second that are let in; `None` for all.
    pub(super) fn calls_per_s(&self) -> Option<u64> {
        self.rate.map(|rate| rate / CALL)
    }

    /// Whether somebody was refused within the last `ms`.
    pub(super) fn refused_within(&self, now: u64, ms: u64) -> bool {
        self.refused_at != 0 && now.saturating_sub(self.refused_at) <= ms
    }

    /// Lets a call in, or not. `cost`: thousandths of a call; 0 for what only asks for a challenge.
    pub(super) fn admit(&mut self, now: u64, class: Class, cost: u64) -> bool {
        let full = class != Class::Emergency && self.calls.saturating_mul(1_000) >= self.max_calls.saturating_mul(class.share());
        let let_in = !full && self.take(now, class, cost);
        if let_in {
            self.admitted += cost;
        } else {
            self.refused = true;
            self.refused_at = now.max(1);
        }
        let_in
    }

    fn take(&mut self, now: u64, class: Class, cost: u64) -> bool {
        let Some(rate) = self.rate else { return true };
        let (size, cost) = (bucket(rate), signed(cost));
        let come = signed(now.saturating_sub(self.at).saturating_mul(rate) / 1_000);
        if come > 0 {
            self.tokens = (self.tokens + come).min(size);
            self.at = now;
        }
        let left = match class {
            Class::Emergency => i64::MIN,
            Class::InQueue => 0,
            Class::Agent => size / 4,
            Class::New => size / 2,
        };
        let let_in = class == Class::Emergency || self.tokens - cost.max(1) >= left;
        if let_in {
            self.tokens = (self.tokens - cost).max(-size);
        }
        let_in
    }

    /// A look at how the loop is doing. To be called often; `true` when shedding began or ended.
    pub(super) fn look(&mut self, now: u64, load: &Load) -> bool {
        self.calls = load.calls;
        let elapsed = now.saturating_sub(self.since);
        if elapsed < WINDOW_MS {
            return false;
        }
        let done = (self.admitted * 1_000 / elapsed).max(LEAST);
        let before = self.rate;
        self.rate = match before {
            None => self.begin(now, done, load),
            Some(rate) => self.follow(now, rate, done, load),
        };
        (self.since, self.admitted, self.refused, self.waited_ms) = (now, 0, false, load.waited_ms);
        before.is_some() != self.rate.is_some()
    }

    fn begin(&mut self, now: u64, done: u64, load: &Load) -> Option<u64> {
        let late = load.waited_ms >= LATE_MS || load.writer >= WRITER_LATE;
        self.late_looks = if late { self.late_looks + 1 } else { 0 };
        (self.late_looks >= LATE_LOOKS).then(|| {
            (self.late_looks, self.at, self.tokens, self.refused_at) = (0, now, 0, now);
            done * 7 / 10
        })
    }

    fn follow(&self, now: u64, rate: u64, done: u64, load: &Load) -> Option<u64> {
        let of = |value: u32, bound: u32| u64::from(value) * 1_000 / u64::from(bound);
        let strain = of(load.busy, BUSY).max(of(load.waited_ms, WAIT_MS)).max(of(load.writer, WRITER));
        if strain > 1_000 {
            // What waits is about to be worked off: letting in still fewer would only leave the loop idle after it.
            let eases = load.waited_ms < self.waited_ms && load.writer < WRITER;
            let kept = if eases { 1_000 } else { (1_000_000 / strain).clamp(700, 1_000) };
            return Some((rate.min(done.max(rate / 2)) * kept / 1_000).max(LEAST));
        }
        if now.saturating_sub(self.refused_at) >= CALM_MS {
            return None;
        }
        let more = if self.refused { ((1_000 - strain) / 2).clamp(2, MOST_MORE) } else { 0 };
        Some(rate + rate * more / 1_000)
    }
}

/// What the bucket holds: a tenth of a second, four calls at least.
fn bucket(rate: u64) -> i64 {
    signed((rate / 10).max(4 * CALL))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
