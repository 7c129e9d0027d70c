//! Whether the process can do its work.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tandem_switch::time::Timestamp;

use crate::{store::Writer, wire::beat::Heartbeat};

/// Whether the process can do its work, part by part. Set by who starts the parts.
#[derive(Debug, Default)]
pub struct Readiness {
    /// All SIP sockets are bound.
    pub sip_bound: AtomicBool,
    /// A plan without errors is in service.
    pub plan_loaded: AtomicBool,
    /// No new calls are taken: the process is about to end.
    pub draining: AtomicBool,
    /// Whether the line loop turns.
    pub line: Heartbeat,
    /// Whether the floor loop turns.
    pub floor: Heartbeat,
}

impl Readiness {
    /// Loops that stand still, in sentences; empty when all turn. Only a new start of the process helps them.
    #[must_use]
    pub fn still(&self, now: Timestamp) -> Vec<String> {
        let loops = [("line", &self.line), ("floor", &self.floor)];
        let still = loops.iter().filter_map(|(name, beat)| beat.still_ms(now).map(|ms| (name, ms / 1_000)));
        still.map(|(name, seconds)| format!("the {name} loop stands still since {seconds} s")).collect()
    }

    /// What is missing, in sentences; empty when ready. `writer` speaks for the database.
    #[must_use]
    pub fn missing(&self, writer: &Writer) -> Vec<String> {
        let mut missing = Vec::new();
        let mut check = |good: bool, sentence: &str| {
            if !good {
                missing.push(sentence.to_owned());
            }
        };
        check(self.sip_bound.load(Relaxed), "the SIP sockets are not bound yet");
        check(self.plan_loaded.load(Relaxed), "no plan is in service: run `tandem check` on the configuration");
        check(!self.draining.load(Relaxed), "the process is draining and takes no new calls");
        // The cause may name hosts and files; it is in the log, not here.
        check(writer.trouble().is_none(), "the database does not take records: see the log");
        check(!writer.is_pressed(), "the queue of the database writer is nearly full");
        missing
    }
}
