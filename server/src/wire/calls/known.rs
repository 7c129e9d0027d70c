//! What is known of the other side beside its numbers: signed caller ids, and what its trunk tells.

use std::collections::BTreeMap;

use tandem_switch::{customers::matching::speaks_against, identity::CallerIdentity};

use super::LiveCall;
use crate::wire::edges::Edges;

impl LiveCall {
    /// The verdict on its signed caller id has come.
    pub fn identified(&mut self, edges: &Edges, identity: CallerIdentity) {
        self.facts.identity = Some(identity);
        self.trace_identity(edges);
    }

    /// Its trunk told something more.
    pub fn told(&mut self, edges: &Edges, told: BTreeMap<String, String>) {
        for (name, value) in told {
            self.facts.told.entry(name).or_insert(value);
        }
        self.trace_told(edges);
    }

    pub(super) fn trace_told(&self, edges: &Edges) {
        if !self.facts.told.is_empty() {
            self.trace(edges, "sip", || format!("told: {:?}", self.facts.told));
        }
    }

    /// Shows what the check said; a caller in doubt is told to whoever knows customers.
    pub(super) fn trace_identity(&self, edges: &Edges) {
        if let Some(identity) = self.facts.identity {
            self.trace(edges, "sip", || format!("caller id: {}", identity.as_str()));
            if speaks_against(identity) {
                edges.ledger.doubted(self.facts.call, identity);
            }
        }
    }

    /// What is known of its signed caller id; `None` where none is checked.
    #[must_use]
    pub const fn identity(&self) -> Option<CallerIdentity> {
        self.facts.identity
    }
}
