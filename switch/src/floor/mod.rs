//! The floor of one pool: agents, queues, work items and offers.
//!
//! One owner decides who is asked, in which order and when; everything it decides leaves as a
//! [`Journal`](FloorEvent) event before it is acted on, so that a restart finds every place again.
//! It knows no legs and no phones: a call that waits is an item, a ringing device is an offer.
//!
//! - `contract`, `kept`: the types that others see.
//! - `agents`, `profiles`: states, requests, reachability; what the plan and the database say.
//! - `load`, `classes`: what an agent has to do, for what there is room, and who is to become whole again.
//! - `conversations`: turns, leases and parking of what is no call. `priority`: what moves an item in its queue.
//! - `queues`, `items`, `order`, `skills`: who waits where, in which order, for whom.
//! - `matching`, `offers`: who is asked next, and how an offer ends.
//! - `overflow`: an item goes on to another queue.
//! - `callbacks`: items without a caller on the line. `promises`: how many of them a number may have.
//! - `places`: position and estimated wait. `restore`: what a restart finds again.
//! - `reasons`, `view`: decisions and the present state, for people.
//! - `invariants`: what must hold after every input.

mod agents;
mod callbacks;
mod classes;
mod contract;
mod conversations;
mod invariants;
mod items;
mod kept;
mod load;
mod matching;
mod offers;
mod order;
mod overflow;
mod phones;
mod places;
mod priority;
mod profiles;
mod promises;
mod queues;
mod reasons;
mod restore;
mod skills;
#[cfg(test)]
mod tests;
mod timers;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agents::Agent;
use classes::{Classes, KindId};
pub use contract::{
    AgentProfile, AgentState, Considered, Decision, FloorEvent, Input, OfferOutcome, Output, QueueProfile, Relaxation,
};
use items::Item;
pub use kept::{
    Conversation, GoingOn, HeldConversation, Preferred, Restored, RestoredAgent, RestoredOffer, ReturnReason, Side, Standing,
    WaitingItem, Work, WorkRules,
};
use load::Held;
use offers::{EndedOffers, Offer};
use phones::Phones;
pub use priority::NotPrioritised;
pub use promises::NotPromised;
use promises::Promises;
use queues::Queue;
pub use reasons::Explanation;
use timers::{Timer, Timers};
pub use view::{AgentView, DeviceNow, ItemStage, ItemView, QueueView};

use crate::{
    id::{CallId, IdSource, ItemId, OfferId},
    link::{FloorSays, LeaveReason, ToFloor, ToLine},
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// The core that owns agents, queues, items and offers. See the module.
#[derive(Debug)]
pub struct Floor {
    ids: IdSource,
    queues: BTreeMap<QueueName, Queue>,
    agents: BTreeMap<AgentName, Agent>,
    items: BTreeMap<ItemId, Item>,
    offers: BTreeMap<OfferId, Offer>,
    /// Offers that ended unaccepted, so that a late accept still finds the call to be told.
    ended: EndedOffers,
    timers: Timers,
    outputs: VecDeque<Output>,
    /// Agents who became free, and items that began to wait, since the last matching.
    freed: BTreeSet<AgentName>,
    fresh: BTreeSet<ItemId>,
    /// Queues that may have lost their last agent since the last matching.
    emptied: BTreeSet<QueueName>,
    /// Kinds of agents who do not drain any more since the last matching.
    released: BTreeSet<KindId>,
    classes: Classes,
    /// Items that are kept for the agent they prefer.
    saved: BTreeMap<AgentName, BTreeSet<ItemId>>,
    /// When `Restore` was given.
    restored_at: Option<Timestamp>,
    /// Agents that `Restore` named and no profile has named yet.
    remembered: BTreeMap<AgentName, RestoredAgent>,
    phones: Phones,
    /// Conversations of agents of before the restart that the journal knows as over.
    cut_off: BTreeSet<ItemId>,
    /// Conversations of such agents that go on.
    remembered_work: BTreeMap<AgentName, Vec<Held>>,
    promises: Promises,
}

impl Floor {
    /// An empty floor: no queues, no agents. `ids` gives the offers their identifiers.
    #[must_use]
    pub fn new(ids: IdSource) -> Self {
        Self {
            ids,
            queues: BTreeMap::new(),
            agents: BTreeMap::new(),
            items: BTreeMap::new(),
            offers: BTreeMap::new(),
            ended: EndedOffers::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            freed: BTreeSet::new(),
            fresh: BTreeSet::new(),
            emptied: BTreeSet::new(),
            released: BTreeSet::new(),
            classes: Classes::default(),
            saved: BTreeMap::new(),
            restored_at: None,
            remembered: BTreeMap::new(),
            phones: Phones::default(),
            cut_off: BTreeSet::new(),
            remembered_work: BTreeMap::new(),
            promises: Promises::default(),
        }
    }

    /// Takes one input. A message that no longer fits (late, twice, unknown identifier) changes nothing.
    /// Poll until `None` before the next one.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Queues(profiles) => self.reload_queues(now, profiles),
            Input::Agents(profiles) => self.reload_agents(now, profiles),
            Input::Restore(restored) => self.restore(now, restored),
            Input::Line(message) => self.hear(now, message),
            Input::Agent { agent, request } => {
                self.request(now, &agent, request);
            }
            Input::DropCallback(item) => {
                self.drop_callback(now, item, LeaveReason::Withdrawn);
            }
            Input::Known { item, customer } => self.know(now, item, customer),
            Input::AskCallback(asked) => self.ask_callback(now, asked),
            Input::Prioritise { item, minutes, reason } => self.prioritise(now, item, minutes, &reason),
            Input::Tick => {}
        }
        // What came in goes first: an accept at the very last instant still counts.
        loop {
            self.run_timers(now);
            self.settle(now);
            if self.deadline().is_none_or(|at| at > now) {
                return;
            }
        }
    }

    /// The next thing to do, in order; `None` when there is nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When it wants to be woken by `Tick`.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.timers.next_at()
    }

    fn hear(&mut self, now: Timestamp, message: ToFloor) {
        match message {
            ToFloor::Enqueue(enqueue) => self.enqueue(now, enqueue),
            ToFloor::Leave { item, reason } => self.leave(now, item, reason),
            ToFloor::Overflow { item, to, wait_without_agents } => self.overflow(now, item, to, wait_without_agents),
            ToFloor::CallBack { item, callback } => self.keep_callback(now, item, *callback),
            ToFloor::CallsCustomer { offer } => self.calls_customer(now, offer),
            ToFloor::Unreached { offer, cause } => self.unreached(now, offer, cause),
            ToFloor::Ringing { offer } => self.ringing(offer),
            ToFloor::Accept { offer } => self.accept(now, offer),
            ToFloor::Decline { offer, cause } => self.decline(now, offer, cause),
            ToFloor::Finished { item, cause } => self.finished(now, item, cause),
            ToFloor::Wrote { item, by } => self.wrote(now, item, by),
            ToFloor::DeviceBusy { agent, legs } => self.device_busy(now, &agent, legs),
            ToFloor::DeviceReachable { agent, reachable } => self.device_reachable(now, &agent, reachable),
            ToFloor::Agent { call, agent, request } => {
                let agent = self.who_is_at(&agent);
                let done = self.request(now, &agent, request);
                self.say(call, FloorSays::AgentReply { done });
            }
        }
    }

    fn run_timers(&mut self, now: Timestamp) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Ring(offer) => self.expire(now, offer),
                Timer::WrapUp(agent) => self.rest(now, &agent),
                Timer::Aside(agent) => self.end_aside(&agent),
                Timer::Again(item) => self.wait(now, item),
                Timer::Relax(item) | Timer::Prefer(item) | Timer::Deadline(item) => self.relax(now, item),
                Timer::Turn(item) => self.turn_over(now, item),
                Timer::Grace(queue) => self.end_grace(now, &queue),
                Timer::Places(queue) => self.tell_places(now, &queue),
            }
        }
    }

    fn journal(&mut self, event: FloorEvent) {
        self.outputs.push_back(Output::Journal(event));
    }

    fn say(&mut self, call: CallId, say: FloorSays) {
        self.outputs.push_back(Output::Line(ToLine { call, say }));
    }
}
