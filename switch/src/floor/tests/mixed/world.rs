//! The world around a mixed floor: contacts, phones, a slow wire and a slow store.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Sum,
    agents::{agent, queue},
    contacts::Contact,
    ledger::{Ledger, Store},
};
use crate::{
    cause::Cause,
    channel::{Capacity, Channel},
    floor::{
        AgentProfile, AgentState, Conversation, Floor, FloorEvent, GoingOn, Input, OfferOutcome, Output, QueueProfile, Standing,
        tests::{same::assert_same, world::Dice},
    },
    id::{CallId, IdSource, ItemId, OfferId},
    link::{FloorSays, ToFloor, ToLine},
    name::{AgentName, PartyNumber},
    step::AgentRequest,
    time::Timestamp,
};

/// So many steps from one look at everything to the next.
const WHOLE_LOOK: u64 = 64;

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) floor: Floor,
    pub(super) now: Timestamp,
    pub(super) queues: Vec<QueueProfile>,
    pub(super) agents: Vec<AgentProfile>,
    wire: BTreeMap<(Timestamp, u64), ToFloor>,
    sent: u64,
    /// Everybody outside who has not gone.
    pub(super) contacts: BTreeMap<ItemId, Contact>,
    /// What rings, as the line sees it.
    ringing: BTreeMap<OfferId, (ItemId, AgentName)>,
    /// Customers who answer when they are called back.
    customers: BTreeMap<OfferId, (CallId, PartyNumber)>,
    pub(super) ledger: Ledger,
    store: Store,
    /// The store takes so long, in ms.
    store_lag_ms: u64,
    came_again: BTreeSet<AgentName>,
    pub(super) next_item: u64,
    lives: u8,
    restarting: bool,
    /// What the last input touched.
    touched: (BTreeSet<AgentName>, BTreeSet<ItemId>),
    /// Everybody answers, and stays.
    eager: bool,
    pub(super) sum: Sum,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let queues: Vec<_> = super::agents::QUEUES.iter().map(|name| queue(&mut dice, name)).collect();
        let agents: Vec<_> = (0..super::agents::AGENTS).map(|number| agent(&mut dice, number)).collect();
        let mut world = Self {
            dice,
            floor: Floor::new(IdSource::new(0)),
            now: Timestamp::from_ms(1_790_000_000_000),
            queues,
            agents,
            wire: BTreeMap::new(),
            sent: 0,
            contacts: BTreeMap::new(),
            ringing: BTreeMap::new(),
            customers: BTreeMap::new(),
            ledger: Ledger::default(),
            store: Store::default(),
            store_lag_ms: 0,
            came_again: BTreeSet::new(),
            next_item: 0,
            lives: 0,
            restarting: false,
            touched: (BTreeSet::new(), BTreeSet::new()),
            eager: false,
            sum: Sum::default(),
        };
        world.reload_queues();
        world.reload_agents();
        world
    }

    /// One thing happens, and some time passes.
    pub(super) fn step(&mut self, step: u64) {
        self.happen();
        let ms = self.dice.below(3_000);
        self.pass(ms);
        if step.is_multiple_of(WHOLE_LOOK) {
            self.look_at_everything();
        }
    }

    /// By the slow way, from nothing but the facts; and the journal folded must be what the floor has.
    fn look_at_everything(&mut self) {
        self.floor.check_invariants(self.now).unwrap_or_else(|broken| panic!("{broken}"));
        assert_same(&self.ledger.folded, &self.floor.snapshot(), &self.came_again);
        let mut held = self.ledger.folded.held.clone();
        held.sort_by_key(|held| (held.conversation.since_at, held.conversation.item.item));
        assert_eq!(held, self.floor.snapshot().held);
        let everybody = self.agents.iter().map(|agent| agent.agent.clone()).collect();
        self.ledger.nobody_is_overloaded(&everybody);
    }

    pub(super) fn reload_queues(&mut self) {
        self.give(Input::Queues(self.queues.clone()));
    }

    pub(super) fn reload_agents(&mut self) {
        let capacities: BTreeMap<AgentName, Capacity> =
            self.agents.iter().map(|agent| (agent.agent.clone(), agent.capacity.clone())).collect();
        for (agent, capacity) in capacities {
            self.ledger.capacities.insert(agent, capacity);
        }
        self.store.knew(&self.ledger.capacities);
        self.give(Input::Agents(self.agents.clone()));
    }

    pub(super) fn agent_left(&mut self, agent: AgentName) {
        self.came_again.insert(agent);
    }

    /// Sends a message that arrives after `delay_ms`, now and then twice.
    pub(super) fn send(&mut self, delay_ms: u64, message: &ToFloor) {
        let copies = if self.dice.chance(4) { 2 } else { 1 };
        for _ in 0..copies {
            self.sent += 1;
            let late_ms = self.dice.below(40) * if self.dice.chance(5) { 50 } else { 1 };
            self.wire.insert((self.now.plus_ms(delay_ms + late_ms), self.sent), message.clone());
        }
    }

    /// Lets time pass; what arrives and what falls due happens in order.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            let arrives = self.wire.first_key_value().map(|((at, _), _)| *at).filter(|at| *at <= end);
            let due = self.floor.deadline().filter(|at| *at <= end);
            match (arrives, due) {
                (Some(at), due) if due.is_none_or(|due| at <= due) => {
                    let (_, message) = self.wire.pop_first().unwrap();
                    self.now = self.now.max(at);
                    self.give(Input::Line(message.clone()));
                    if let ToFloor::Wrote { item, by } = message {
                        self.goes_on(item, by);
                    }
                }
                (_, Some(at)) => {
                    self.now = self.now.max(at);
                    self.give(Input::Tick);
                }
                (_, None) => break,
            }
        }
        self.now = end;
        self.store.write(self.now);
    }

    pub(super) fn give(&mut self, input: Input) {
        let told = input.clone();
        self.floor.handle(self.now, input);
        while let Some(output) = self.floor.poll() {
            match output {
                Output::Journal(event) => self.write_down(event),
                Output::Line(ToLine { call, say }) => self.hear(call, say),
            }
        }
        let (agents, items) = std::mem::take(&mut self.touched);
        let checked = self.floor.check_touched(self.now, &agents, &items);
        checked.unwrap_or_else(|broken| panic!("{broken}\nafter {told:?}"));
        if !self.restarting {
            self.ledger.nobody_is_overloaded(&agents);
        }
    }

    fn write_down(&mut self, event: FloorEvent) {
        match &event {
            FloorEvent::AgentChanged { agent, .. } | FloorEvent::AgentAsked { agent, .. } => self.touch_agent(agent),
            FloorEvent::Queued { item, .. }
            | FloorEvent::Overflowed { item, .. }
            | FloorEvent::CallbackKept { item, .. }
            | FloorEvent::Prioritised { item, .. } => self.touch_item(item.item),
            FloorEvent::Offered { item, agent, .. }
            | FloorEvent::OfferEnded { item, agent, .. }
            | FloorEvent::ConversationChanged { item, agent, .. }
            | FloorEvent::Finished { item, agent, .. } => {
                self.touch_agent(agent);
                self.touch_item(*item);
            }
            FloorEvent::Returned { item, agent, .. } => {
                self.touch_agent(agent);
                self.touch_item(item.item);
            }
            FloorEvent::Left { item, .. } => self.touch_item(*item),
            FloorEvent::Refused { .. } => {}
        }
        match &event {
            FloorEvent::Finished { .. } => self.sum.served += 1,
            FloorEvent::Returned { .. } => self.sum.returned += 1,
            FloorEvent::ConversationChanged { standing: Standing::Parked, .. } => self.sum.parked += 1,
            FloorEvent::ConversationChanged { standing: Standing::Interrupted, .. } => self.sum.interrupted += 1,
            FloorEvent::Prioritised { .. } => self.sum.moved += 1,
            FloorEvent::OfferEnded { offer, outcome: OfferOutcome::Declined(_), .. } => drop(self.ringing.remove(offer)),
            _ => {}
        }
        self.ledger.write(&event, self.restarting);
        if let FloorEvent::OfferEnded { agent, outcome: OfferOutcome::Accepted, .. } = &event {
            self.sum.together += u64::from(self.ledger.has_several(agent));
        }
        let written_at = self.now.plus_ms(self.store_lag_ms);
        self.store.take(written_at, event, self.restarting);
    }

    fn touch_agent(&mut self, agent: &AgentName) {
        self.touched.0.insert(agent.clone());
    }

    fn touch_item(&mut self, item: ItemId) {
        self.touched.1.insert(item);
    }

    /// The other side of the conversation.
    fn hear(&mut self, call: CallId, say: FloorSays) {
        match say {
            FloorSays::Queued { item, .. } => {
                // Nobody who talked before does so now.
                if let Some(contact) = self.contacts.get_mut(&item) {
                    contact.talks = false;
                }
            }
            FloorSays::Refused { item, .. } | FloorSays::CallbackKept { item } => drop(self.contacts.remove(&item)),
            FloorSays::CallBack { offer, item, agent, caller, callback, .. } => {
                let twice = self.ringing.values().any(|(other, name)| *other == item || *name == agent);
                assert!(!twice, "a second live offer of {item} or for {agent}");
                assert!(callback.not_before <= self.now && callback.tries.left > 0, "called too early or too often");
                self.ringing.insert(offer, (item, agent));
                self.call_back(offer, call, caller, callback.tries.ring_ms);
            }
            FloorSays::Offer { offer, item, agent, ring_ms, .. } => {
                let twice = self.ringing.values().any(|(other, name)| *other == item || *name == agent);
                assert!(!twice, "a second live offer of {item} or for {agent}");
                self.ringing.insert(offer, (item, agent));
                if self.contacts.contains_key(&item) {
                    self.ring(offer, ring_ms);
                }
            }
            FloorSays::Withdraw { offer } => drop(self.ringing.remove(&offer)),
            FloorSays::Connect { offer } => self.connect(offer),
            FloorSays::Place { .. }
            | FloorSays::Overflowed { .. }
            | FloorSays::Stays { .. }
            | FloorSays::CallbackRefused { .. }
            | FloorSays::AgentReply { .. } => {}
        }
    }

    fn ring(&mut self, offer: OfferId, ring_ms: u64) {
        self.send(50, &ToFloor::Ringing { offer });
        let after_ms = 200 + self.dice.below(ring_ms + ring_ms / 4);
        if self.eager {
            self.send(500, &ToFloor::Accept { offer });
        } else if self.dice.chance(65) {
            self.send(after_ms, &ToFloor::Accept { offer });
        } else if self.dice.chance(60) {
            let causes = [Cause::Busy, Cause::Rejected, Cause::NotRegistered, Cause::NoAnswer, Cause::Unavailable];
            let cause = *self.dice.pick(&causes);
            self.send(after_ms, &ToFloor::Decline { offer, cause });
        }
    }

    /// The agent's device, then the customer's: either may not answer.
    fn call_back(&mut self, offer: OfferId, call: CallId, number: PartyNumber, ring_ms: u64) {
        let agent_ms = 200 + self.dice.below(4_000);
        if !self.eager && self.dice.chance(30) {
            return self.send(agent_ms, &ToFloor::Decline { offer, cause: Cause::Rejected });
        }
        self.send(agent_ms, &ToFloor::CallsCustomer { offer });
        let customer_ms = agent_ms + 3_000 + self.dice.below(ring_ms);
        if self.eager || self.dice.chance(50) {
            self.customers.insert(offer, (call, number));
            self.send(customer_ms, &ToFloor::Accept { offer });
        } else if self.dice.chance(80) {
            self.send(customer_ms, &ToFloor::Unreached { offer, cause: Cause::NoAnswer });
        }
    }

    fn connect(&mut self, offer: OfferId) {
        let (item, _) = self.ringing.remove(&offer).expect("only what rings is connected");
        if let Some((call, number)) = self.customers.remove(&offer) {
            self.sum.called_back += 1;
            self.contacts.insert(item, Contact::caller(call, number));
        }
        let Some(contact) = self.contacts.get_mut(&item) else { return };
        assert!(!std::mem::replace(&mut contact.talks, true), "connected twice");
        if contact.enqueue.work.channel == Channel::Voice {
            let talk_ms = 500 + self.dice.below(60_000);
            self.send(talk_ms, &ToFloor::Finished { item, cause: Cause::Normal });
        } else {
            self.goes_on(item, crate::floor::Side::Customer);
        }
    }

    pub(super) fn make_store_slow(&mut self) {
        self.store_lag_ms = if self.store_lag_ms > 0 { 0 } else { self.dice.below(20_000) };
    }

    /// The process dies at this very moment; a new one is given what the store had written. Calls go on or not, what is
    /// written goes on.
    pub(super) fn restart(&mut self) {
        self.sum.restarts += 1;
        self.sum.lost_events += self.store.crash(self.now, &self.ledger.capacities);
        self.ringing.clear();
        self.customers.clear();
        self.wire.retain(|_, message| matches!(message, ToFloor::Wrote { .. }));
        self.ledger = self.store.durable.clone();
        let going_on = self.what_goes_on();
        self.ledger.survive(&going_on.talking.iter().map(|talk| talk.item.item).collect());
        self.store.durable = self.ledger.clone();
        self.contacts.retain(|item, contact| {
            let lives = contact.enqueue.work.channel != Channel::Voice || going_on.waiting.contains(item) || contact.talks;
            contact.talks &= self.ledger.talks.contains_key(item);
            lives && (contact.talks || contact.enqueue.work.channel != Channel::Voice || going_on.waiting.contains(item))
        });
        self.lives = self.lives.wrapping_add(1) % 60;
        self.restarting = true;
        self.floor = Floor::new(IdSource::new(self.lives));
        let restored = crate::floor::Restored { going_on, ..self.ledger.folded.clone() };
        let all = [Input::Restore(restored), Input::Queues(self.queues.clone()), Input::Agents(self.agents.clone())];
        let order = *self.dice.pick(&[[0, 1, 2], [0, 2, 1], [1, 2, 0], [2, 0, 1]]);
        for at in order {
            self.give(all[at].clone());
        }
        // Who is not in the database any more is off duty when it is read again.
        self.give(Input::Agents(self.agents.clone()));
        self.restarting = false;
        self.look_at_everything();
        self.after_restart();
    }

    /// Calls that are taken up again: they say so themselves, and agents' states say the same.
    fn what_goes_on(&mut self) -> GoingOn {
        let mut going_on = GoingOn::default();
        if self.dice.chance(50) {
            return going_on;
        }
        for (item, contact) in &self.contacts {
            if contact.enqueue.work.channel != Channel::Voice {
                continue;
            }
            if !contact.talks && self.ledger.waiting.get(item).is_some_and(|waiting| waiting.callback.is_none()) {
                going_on.waiting.insert(*item);
            }
            if let Some(talk) = self.ledger.talks.get(item).filter(|_| contact.talks) {
                let state = AgentState::Engaged { item: Some(*item) };
                if self.ledger.folded.agents.iter().any(|agent| agent.agent == talk.agent && agent.state == state) {
                    let (item, agent) = (talk.item.clone(), talk.agent.clone());
                    going_on.talking.push(Conversation { item, agent, since_at: self.now });
                }
            }
        }
        going_on
    }

    /// Everybody works, answers and writes: then everybody is served.
    pub(super) fn drain(&mut self) {
        self.eager = true;
        self.store_lag_ms = 0;
        for queue in &mut self.queues {
            (queue.max_missed, queue.relax) = (0, Vec::new());
        }
        let all = super::agents::everybody();
        self.agents = all;
        self.reload_queues();
        self.reload_agents();
        for agent in self.agents.clone() {
            let name = agent.agent;
            self.give(Input::Line(ToFloor::DeviceBusy { agent: name.clone(), legs: 0 }));
            for request in [AgentRequest::SignIn, AgentRequest::Ready] {
                self.give(Input::Agent { agent: name.clone(), request });
            }
        }
        for _ in 0..3_600 {
            self.pass(10_000);
            self.hurry();
            if self.ledger.waiting.is_empty() && self.ledger.talks.is_empty() {
                return self.look_at_everything();
            }
        }
        panic!("somebody still waits: {:?} {:?}", self.ledger.waiting, self.ledger.talks);
    }
}
