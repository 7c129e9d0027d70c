//! A whole call in virtual time: the plan, the call and the floor that route real calls, and a script in place of
//! everybody outside.
//!
//! [`simulate()`] is wired as the server's line loop is: what the plan gives goes to the [`Call`](tandem_switch::call::Call),
//! what the call wants of its legs is answered by the [`Script`], what it says to the floor goes to a
//! [`Floor`](tandem_switch::floor::Floor) of its own. Nothing is read and nobody is rung; hours pass in milliseconds.
//!
//! What is not simulated: other calls (so nobody is parked, rung or in a room already, and a busy colleague is a word of the
//! script), signalling and audio (a caller is always heard), people who put on hold or transfer.
//!
//! - `script`: who calls whom and when, and what everybody else does. `behaviour`: the words for that. `when`: moments.
//!   `origin`: where a call comes from.
//! - `stage`: virtual time; `line`: what becomes of the outputs of call and plan; `caller`, `parties`, `redirects`,
//!   `replies`: who answers them.
//! - `story`: what happened, and the record. `lengths`: how long recordings are.
//! - `test`, `coverage`, `junit`: `test` blocks of a plan, and what they never reached.

mod behaviour;
mod call_back;
mod caller;
mod coverage;
mod junit;
mod lengths;
mod line;
mod origin;
mod parties;
mod redirects;
mod replies;
mod script;
mod stage;
mod story;
mod test;
mod when;

use std::sync::Arc;

pub(crate) use behaviour::{AGENT_WORDS, FAULT_WORDS, PARTY_WORDS, PROGRAM_WORDS};
pub use coverage::{Coverage, Never};
pub use junit::junit;
pub use lengths::{Lengths, wav_length_ms};
pub use script::{MAX_CALL_MS, Script, ScriptError};
pub use story::{Fact, Row, Simulation};
pub(crate) use test::{CAUSE_WORDS, Expected};
pub use test::{Test, TestResult, run_test};
pub use when::When;

use crate::plan::Plan;

/// What happens to a call. The same script gives the same story, always.
#[must_use]
pub fn simulate(plan: &Arc<Plan>, script: &Script, lengths: &Lengths) -> Simulation {
    stage::Stage::new(plan, script, lengths).play()
}
