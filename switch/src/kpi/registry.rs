//! The figures. A new one is a row here; API, command line, metrics and documentation read this table.

use std::fmt::Write as _;

use serde::Serialize;

use super::{books::Activity, spread::Spread, tally::Tally};

/// In conversation or with its paperwork.
const BUSY: [Activity; 3] = [Activity::Engaged, Activity::Direct, Activity::WrapUp];
/// On duty, whatever one does.
const SIGNED_IN: [Activity; 6] =
    [Activity::Ready, Activity::Reserved, Activity::Engaged, Activity::Direct, Activity::WrapUp, Activity::NotReady];

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// How many.
    Count,
    /// From 0 to 1.
    Share,
    /// Milliseconds.
    Ms,
}

/// What a figure can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// A queue, or all.
    Queue,
    /// An agent, or all.
    Agent,
    /// Both.
    Both,
}

/// What the asker chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Wanted answer time, in seconds.
    pub target_s: u32,
    /// Who goes sooner than this did not wait, in seconds.
    pub short_abandon_s: u32,
}

impl Terms {
    /// Bounds of both: up to here they are counted exactly.
    pub const MOST_S: u32 = 256;
}

impl Default for Terms {
    fn default() -> Self {
        Self { target_s: 20, short_abandon_s: 6 }
    }
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Kpi {
    /// Its name.
    pub name: &'static str,
    /// Which of those of this name; `default` is what is meant when nothing is said.
    pub variant: &'static str,
    /// The formula.
    pub formula: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// What it can be told of.
    pub per: Per,
    /// What it leaves out, and what else one must know.
    pub excludes: &'static str,
    #[serde(skip)]
    worked_out: fn(&Tally, Terms) -> Figure,
}

/// A figure worked out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// Which figure.
    pub kpi: &'static str,
    /// Which variant.
    pub variant: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// The figure; `None` when there is nothing that it could be told of.
    pub value: Option<f64>,
    /// Of how many it is told.
    pub n: u64,
    /// Half of them are at most so long, in ms.
    pub median: Option<u64>,
    /// Nine in ten are at most so long, in ms.
    pub p90: Option<u64>,
}

enum Figure {
    Count(u64),
    /// Part, of so many.
    Share(u64, u64),
    Average(Spread),
}

impl Kpi {
    /// What it is for these counts.
    #[must_use]
    pub fn of(&self, tally: &Tally, terms: Terms) -> Reading {
        let Self { name: kpi, variant, unit, .. } = *self;
        let (value, n, median, p90) = match (self.worked_out)(tally, terms) {
            Figure::Count(count) => (Some(real(count)), count, None, None),
            Figure::Share(_, 0) => (None, 0, None, None),
            Figure::Share(part, of) => (Some(real(part) / real(of)), of, None, None),
            Figure::Average(spread) => {
                let value = (spread.n() > 0).then(|| real(spread.sum_ms()) / real(spread.n()));
                (value, spread.n(), spread.quantile_ms(500), spread.quantile_ms(900))
            }
        };
        Reading { kpi, variant, unit, value, n, median, p90 }
    }

    /// Whether it can be told of one agent, or of one queue.
    #[must_use]
    pub fn is_per(&self, queue: bool, agent: bool) -> bool {
        match self.per {
            Per::Both => true,
            Per::Queue => !agent,
            Per::Agent => !queue,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and ms of one switch are far below 2^52")]
const fn real(count: u64) -> f64 {
    count as f64
}

macro_rules! kpis {
    ($($name:literal, $variant:literal, $unit:ident, $per:ident, $formula:literal, $excludes:literal, $worked_out:expr;)*) => {
        /// All figures.
        pub static KPIS: &[Kpi] = &[$(Kpi {
            name: $name,
            variant: $variant,
            unit: Unit::$unit,
            per: Per::$per,
            formula: $formula,
            excludes: $excludes,
            worked_out: $worked_out,
        }),*];
    };
}

kpis! {
    "offered", "default", Count, Queue, "O", "callbacks: who is called back was offered while on the line",
        |tally, _| Figure::Count(tally.offered);
    "answered", "default", Count, Queue, "A", "", |tally, _| Figure::Count(tally.answered.n());
    "abandoned", "default", Count, Queue, "B", "counts whom a fault or a restart of ours cut off, too",
        |tally, _| Figure::Count(tally.lost.n());
    "abandoned", "short", Count, Queue, "Bs", "abandoned before short-abandon",
        |tally, terms| Figure::Count(tally.lost.below_s(terms.short_abandon_s));
    "flowed-out", "default", Count, Queue, "F", "passed on to another queue, callback taken, or back in the plan",
        |tally, _| Figure::Count(tally.flowed_out);
    "waiting", "default", Count, Queue, "W = O - A - B - F", "", |tally, _| Figure::Count(tally.waiting);
    "service-level", "default", Share, Queue, "A_T / (O - Bs - F)", "short abandons, flow-outs, and who still waits",
        |tally, terms| {
            let out = tally.lost.below_s(terms.short_abandon_s) + tally.flowed_out + tally.waiting;
            Figure::Share(tally.answered.below_s(terms.target_s), tally.offered.saturating_sub(out))
        };
    "service-level", "of-offered", Share, Queue, "A_T / O", "who still waits",
        |tally, terms| {
            Figure::Share(tally.answered.below_s(terms.target_s), tally.offered.saturating_sub(tally.waiting))
        };
    "service-level", "of-answered", Share, Queue, "A_T / A", "all who were not answered",
        |tally, terms| Figure::Share(tally.answered.below_s(terms.target_s), tally.answered.n());
    "service-level", "with-abandoned", Share, Queue, "(A_T + B_T) / O", "who still waits",
        |tally, terms| {
            let soon = tally.answered.below_s(terms.target_s) + tally.lost.below_s(terms.target_s);
            Figure::Share(soon, tally.offered.saturating_sub(tally.waiting))
        };
    "asa", "default", Ms, Queue, "sum of waits of answered / A",
        "menus and prompts before the queue; the wait in earlier queues is counted",
        |tally, _| Figure::Average(tally.answered.clone());
    "time-to-abandon", "default", Ms, Queue, "sum of waits of abandoned / B", "", |tally, _| Figure::Average(tally.lost.clone());
    "aht", "default", Ms, Both, "(talk + hold + wrap-up) / handled", "conversations that go on; callbacks are counted",
        |tally, _| Figure::Average(tally.handled.clone());
    "aht", "without-wrap-up", Ms, Both, "(talk + hold) / handled", "conversations that go on; wrap-up",
        |tally, _| Figure::Average(tally.talked.clone());
    "abandon-rate", "default", Share, Queue, "(B - Bs) / (O - Bs)", "short abandons, and who still waits",
        |tally, terms| {
            let short = tally.lost.below_s(terms.short_abandon_s);
            Figure::Share(tally.lost.n() - short, tally.offered.saturating_sub(short + tally.waiting))
        };
    "abandon-rate", "with-short", Share, Queue, "B / O", "who still waits",
        |tally, _| Figure::Share(tally.lost.n(), tally.offered.saturating_sub(tally.waiting));
    "callback-success", "default", Share, Queue, "reached / (reached + not reached)",
        "promises that are still to be kept, were withdrawn, or whose customer called in",
        |tally, _| Figure::Share(tally.reached, tally.reached + tally.unreached);
    "transfer-rate", "default", Share, Both, "transferred out / handled", "transfers that nobody took",
        |tally, _| Figure::Share(tally.transferred, tally.handled.n());
    "offer-acceptance", "default", Share, Agent, "accepted / (accepted + declined + missed)",
        "offers that were withdrawn because the caller went",
        |tally, _| {
            let offers = tally.offers;
            Figure::Share(offers.accepted, offers.accepted + offers.declined + offers.expired)
        };
    "missed-offers", "default", Count, Agent, "offers that rang out", "", |tally, _| Figure::Count(tally.offers.expired);
    "occupancy", "default", Share, Agent, "(talk + hold + wrap-up) / (that + ready)",
        "time in which an offer rings, and time not ready; calls outside queues are talk",
        |tally, _| {
            let busy = tally.spent(&BUSY);
            Figure::Share(busy, busy + tally.spent(&[Activity::Ready]))
        };
    "utilisation", "default", Share, Agent, "(talk + hold + wrap-up + ready) / signed-in time", "",
        |tally, _| Figure::Share(tally.spent(&BUSY) + tally.spent(&[Activity::Ready]), tally.spent(&SIGNED_IN));
}

/// What each figure is, as a table for the documentation.
#[must_use]
pub fn document() -> String {
    let mut text = String::from("| figure | variant | formula | in | of | leaves out |\n|---|---|---|---|---|---|\n");
    for Kpi { name, variant, formula, unit, per, excludes, .. } in KPIS {
        let unit = match unit {
            Unit::Count => "number",
            Unit::Share => "0 to 1",
            Unit::Ms => "ms",
        };
        let per = match per {
            Per::Queue => "queue, all",
            Per::Agent => "agent, all",
            Per::Both => "queue, agent, all",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {variant} | {formula} | {unit} | {per} | {excludes} |");
    }
    text
}
