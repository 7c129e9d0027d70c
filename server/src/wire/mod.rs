//! The wiring: whose output is whose input. Nothing is decided here.
//!
//! ```text
//!   devices, trunks                                      admins, screens
//!        │ SIP                                                │ HTTP
//!   ┌────┴─────┐  arrived, answered   ┌───────────┐      ┌────┴────┐
//!   │ sip edge ├─────────────────────►│ line loop │◄────►│ control │
//!   │ Endpoint │◄─────────────────────┤  calls    │      └────┬────┘
//!   └──────────┘  ring, invite, end   │ Call, Run │           │
//!   ┌──────────┐  digits, played      │           │  ToFloor ┌┴──────────┐
//!   │ media    ├─────────────────────►│           ├─────────►│floor loop │
//!   │ threads  │◄─────────────────────┤           │◄─────────┤  Floor    │
//!   └──────────┘  play, join, record  └─────┬─────┘  ToLine  └─────┬─────┘
//!                                           │ records              │
//!                                           └──────► writer ◄──────┘
//! ```
//!
//! - [`line`]: the loop that owns calls; every input of every call passes through it.
//! - [`calls`]: one live call: its core, its run of the plan, and what becomes of their outputs.
//! - [`sip`]: the only place that knows SIP.
//! - [`media`]: legs to streams, phrases to audio.
//! - [`audio`]: what is known of the audio of a call, for its record.
//! - [`floor`]: the loop that owns agents and queues.
//! - [`lamps`]: what watchers see of each extension's calls.
//! - [`mail`]: which messages lie in which boxes.
//! - [`lots`]: who is parked where.
//! - [`ledger`]: what of a call is written down.
//! - [`pace`]: how busy a loop is.
//! - [`payments`]: keys that nobody may see.
//! - [`restart`]: how calls of the last process go on.
//! - [`trial`]: a canary beside the plan in service, and the count of what goes wrong on a plan that is watched.

pub mod audio;
pub mod beat;
pub mod calls;
mod detection;
pub mod edges;
#[cfg(debug_assertions)]
pub mod fault;
pub mod floor;
pub mod lamps;
pub mod ledger;
pub mod line;
pub mod lots;
pub mod mail;
pub mod media;
pub mod pace;
pub mod payments;
pub mod queue_counts;
pub mod restart;
mod rooms;
pub mod sip;
mod supervision;
pub mod trace;
pub mod trial;

use tandem_switch::id::{CallId, LegId};

/// How much less nice the loops are to others of the machine than those are to them, as the threads of media: who calls or is
/// rung must not wait for a table that is written.
const NICE: i32 = -11;

/// Puts this thread ahead of the others, for good. Without leave (root, or `RLIMIT_NICE`) it goes at the priority of all.
pub fn hurry() {
    let _refused = rustix::process::nice(NICE);
}

/// One leg of one call: the name that all edges share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegRef {
    /// The call.
    pub call: CallId,
    /// The leg in it.
    pub leg: LegId,
}
