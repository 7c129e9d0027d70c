//! Calls that the floor wants made: customers who are called back.

use std::sync::Arc;

use tandem_switch::{
    call::Arrival,
    cause::Cause,
    id::CallId,
    link::{FloorSays, ToFloor},
};

use super::Line;
use crate::{
    metrics::METRICS,
    store::CallStarted,
    wire::calls::{LiveCall, Setup},
};

impl Line {
    /// Makes a call. One that cannot be made now is declined, as by an agent's device: the floor asks again.
    pub(super) fn make_call(&mut self, call: CallId, says: FloorSays) {
        let FloorSays::CallBack { offer, item, caller, callback, .. } = &says else { return };
        let now = self.edges.now.at;
        let (origin, from, to) = (callback.origin.clone(), caller.clone(), callback.dialled.clone());
        let generation = self.service.generation;
        let started = CallStarted {
            call,
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            generation,
            called_back: true,
            at: now,
        };
        if !self.taking || !self.edges.ledger.call_started(started, false) {
            METRICS.calls_shed.inc();
            return self.edges.floor.send(ToFloor::Decline { offer: *offer, cause: Cause::Congestion });
        }
        METRICS.calls_started.inc();
        let setup = Setup {
            arrival: Arrival { call, origin, from, to, generation },
            display: String::new(),
            identity: None,
            // So the record says that nobody called, and whose turn it was.
            told: [("callback".to_owned(), item.to_string())].into(),
            plan: Arc::clone(&self.service.plan),
            settings: Arc::clone(&self.service.settings),
        };
        self.calls.insert(call, LiveCall::to_be_made(now, setup));
        self.work(call, |live, edges| live.call_back(edges, says));
    }
}
