//! What comes of a promise: the agent is rung, then the customer, as often as was promised. It is another call each time.

use std::sync::Arc;

use tandem_switch::{
    call::{Arrival, Call, Input},
    id::CallId,
    link::FloorSays,
    time::Timestamp,
};

use super::{
    script::MAX_CALL_MS,
    stage::{Event, Stage},
};
use crate::run::{CallFacts, Run};

impl Stage<'_> {
    /// The call is over, and its place stays: from now on only the floor and those who are to come do anything.
    pub(super) fn promised(&mut self) {
        self.is_promised = true;
        self.parties.clear();
        self.agenda.retain(|_, event| matches!(event, Event::Comes(_)));
    }

    /// Makes the call that the floor wants made.
    pub(super) fn call_back(&mut self, call: CallId, says: FloorSays) {
        let FloorSays::CallBack { agent, caller, callback, .. } = &says else { return };
        let (origin, from, to) = (callback.origin.clone(), caller.clone(), callback.dialled.clone());
        self.story.row(self.now, "floor", format!("it is the turn of {}: {agent} first", from.as_str()));
        let facts = CallFacts {
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            language: None,
            overrides: Arc::clone(&self.script.overrides),
        };
        let arrival = Arrival { call, origin, from, to, generation: self.plan.generation };
        self.trail = self.trails();
        self.redirects.clear();
        self.run = Run::behind_a_step(Arc::clone(self.plan), facts);
        self.call = Call::to_be_made(self.now, arrival, Arc::new(self.plan.call_settings()));
        self.inputs.push_back(Input::Floor(says));
    }

    /// A promise that is kept, or given up, is the end of the story.
    pub(super) fn leave_off(&mut self) {
        if self.is_between_calls() {
            self.is_over = !self.floor.items(self.now).iter().any(|item| item.callback.is_some());
        }
    }

    /// So is one of which nothing comes within the longest time that is simulated.
    pub(super) fn is_too_late(&self, due: Timestamp) -> bool {
        self.is_between_calls() && due.ms_since(self.script.at) > MAX_CALL_MS
    }

    fn is_between_calls(&self) -> bool {
        self.is_promised && !self.is_over && self.call.is_over()
    }
}
