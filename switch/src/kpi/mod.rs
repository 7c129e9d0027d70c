//! What a floor achieves: every figure has one formula, and all who show it ask here.
//!
//! - `books`: the journal of a floor, folded into rows: who waited where and how that ended, and what agents did.
//! - `spread`: how durations lie: their number, sum, median and 90th percentile.
//! - `tally`: rows, counted. Two tallies make a third, so that long times are summed from short ones.
//! - `past`, `rerun`: a floor of the past, run again with other queues or staff.
//! - `rollup`: the tallies of one stretch of time, of all, of each queue and of each agent.
//! - `registry`: the figures: name, variant, formula, unit, and what each leaves out.
//!
//! Waits belong to the moment at which they began, conversations and wrap-up of a queue's callers likewise; what agents
//! spend their time on belongs to the moment at which they spend it.

mod books;
mod past;
mod registry;
mod rerun;
mod rollup;
mod spread;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_rerun;

pub use books::{Activity, Books, Spell, Wait, WaitEnd};
pub use past::Past;
pub use registry::{KPIS, Kpi, Per, Reading, Terms, Unit, document};
pub use rerun::{Setting, rerun};
pub use rollup::Rollup;
pub use spread::Spread;
pub use tally::Tally;
