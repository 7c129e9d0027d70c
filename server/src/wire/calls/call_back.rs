//! A call that nobody made: an agent and then a customer are called, because it is the customer's turn.

use std::sync::Arc;

use tandem_dialplan::{CallFacts, Run};
use tandem_switch::{
    call::{Call, Input},
    link::FloorSays,
    time::Timestamp,
};

use super::{LiveCall, Setup};
use crate::wire::edges::Edges;

impl LiveCall {
    /// A call that is to be made; nothing happens before [`LiveCall::call_back`].
    #[must_use]
    pub fn to_be_made(now: Timestamp, setup: Setup) -> Self {
        let arrival = setup.arrival.clone();
        let (plan, settings) = (Arc::clone(&setup.plan), Arc::clone(&setup.settings));
        let (origin, from, to) = (arrival.origin.clone(), arrival.from.clone(), arrival.to.clone());
        let facts = CallFacts { origin, from, to, language: None, overrides: Arc::default() };
        let (call, run) = (Call::to_be_made(now, arrival, settings), Run::behind_a_step(plan, facts));
        Self { call, run, ..Self::new(now, setup) }
    }

    /// Rings the agent, and then the customer.
    pub fn call_back(&mut self, edges: &mut Edges, says: FloorSays) {
        if let FloorSays::CallBack { item, .. } = &says {
            self.item = Some(*item);
        }
        self.handle(edges, Input::Floor(says));
    }
}
