//! A seeded world around the floor: callers, phones, a slow wire, and a journal that survives.
//!
//! Messages to the floor are late, sometimes twice and sometimes nonsense; the world checks what the
//! floor says and writes down against its own books.

use std::collections::{BTreeMap, BTreeSet};

use super::same::assert_same;
use crate::{
    callback::Callback,
    cause::Cause,
    floor::{AgentProfile, AgentState, Floor, FloorEvent, Input, OfferOutcome, Output, QueueProfile, Restored, WaitingItem},
    id::{CallId, IdSource, ItemId, OfferId},
    kpi::{Books, Tally},
    link::{FloorSays, Place, ToFloor, ToLine},
    name::{AgentName, PartyNumber},
    time::Timestamp,
};

/// A small generator whose whole state is the seed (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, without `end`.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(super) const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
}

/// A caller as the line knows them.
pub(super) struct Caller {
    pub(super) call: CallId,
    pub(super) number: PartyNumber,
    pub(super) talking: bool,
    told: Option<(Place, Timestamp)>,
}

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) floor: Floor,
    pub(super) now: Timestamp,
    pub(super) queues: Vec<QueueProfile>,
    pub(super) agents: Vec<AgentProfile>,
    /// On their way to the floor, by arrival.
    pub(super) wire: BTreeMap<(Timestamp, u64), ToFloor>,
    sent: u64,
    /// Callers on the line, those who hung up not among them.
    pub(super) callers: BTreeMap<ItemId, Caller>,
    pub(super) journal: Restored,
    books: Books,
    /// Whether everybody answers at once.
    pub(super) eager: bool,
    /// Items with a live offer, and agents with one, as the line sees it.
    ringing: BTreeMap<OfferId, (ItemId, AgentName)>,
    /// Customers who answer when they are called back.
    customers: BTreeMap<OfferId, Caller>,
    accepted: BTreeSet<ItemId>,
    closed: BTreeSet<ItemId>,
    kept: BTreeMap<ItemId, (Timestamp, u32)>,
    /// Agents whom the database has dropped at some time.
    pub(super) came_again: BTreeSet<AgentName>,
    pub(super) offers_made: Vec<OfferId>,
    /// Times that the floor died; each life has identifiers of its own.
    lives: u8,
    pub(super) served: usize,
    pub(super) rejoined: usize,
    pub(super) overflowed: usize,
    pub(super) callbacks: usize,
    pub(super) not_promised: usize,
    /// Customers who were called back, and answered.
    pub(super) reached: usize,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            floor: Floor::new(IdSource::new(0)),
            now: Timestamp::from_ms(1_790_000_000_000),
            queues: Vec::new(),
            agents: Vec::new(),
            wire: BTreeMap::new(),
            sent: 0,
            callers: BTreeMap::new(),
            journal: Restored::default(),
            books: Books::default(),
            eager: false,
            ringing: BTreeMap::new(),
            customers: BTreeMap::new(),
            accepted: BTreeSet::new(),
            closed: BTreeSet::new(),
            kept: BTreeMap::new(),
            came_again: BTreeSet::new(),
            offers_made: Vec::new(),
            lives: 0,
            served: 0,
            rejoined: 0,
            overflowed: 0,
            callbacks: 0,
            not_promised: 0,
            reached: 0,
        }
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
                    self.give(Input::Line(message));
                }
                (_, Some(at)) => {
                    self.now = self.now.max(at);
                    self.give(Input::Tick);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    pub(super) fn give(&mut self, input: Input) {
        let shown = format!("{input:?}");
        self.floor.handle(self.now, input);
        while let Some(output) = self.floor.poll() {
            match output {
                Output::Journal(event) => self.write_down(&event),
                Output::Line(message) => self.hear(message),
            }
        }
        if let Err(broken) = self.floor.check_invariants(self.now) {
            panic!("{broken}, after {shown}");
        }
        assert_same(&self.journal, &self.floor.snapshot(), &self.came_again);
        self.places_only_improve();
        self.books_balance();
    }

    /// Whoever was offered to a queue is accounted for, and those who wait are those of the floor.
    fn books_balance(&self) {
        for profile in &self.queues {
            let mut tally = Tally::default();
            self.books.waits().iter().filter(|wait| wait.queue == profile.queue).for_each(|wait| tally.wait(wait));
            assert!(tally.balances(), "{tally:?}");
            let waits = |item: &&WaitingItem| item.queue == profile.queue && item.callback.is_none();
            let waiting = self.journal.waiting.iter().filter(waits).count();
            assert_eq!(usize::try_from(tally.waiting).unwrap(), waiting, "who waits for {}", profile.queue);
        }
    }

    /// The floor dies; a new one is given what the journal knows. Calls and messages are gone.
    pub(super) fn restart(&mut self) -> Vec<PartyNumber> {
        self.wire.clear();
        self.ringing.clear();
        let numbers = std::mem::take(&mut self.callers).into_values().map(|caller| caller.number).collect();
        self.lives += 1;
        self.floor = Floor::new(IdSource::new(self.lives));
        self.give(Input::Restore(self.journal.clone()));
        let (queues, agents) = (Input::Queues(self.queues.clone()), Input::Agents(self.agents.clone()));
        if self.dice.chance(50) {
            self.give(queues);
            self.give(agents);
        } else {
            self.give(agents);
            self.give(queues);
        }
        numbers
    }

    pub(super) fn admit(&mut self, item: ItemId, call: CallId, number: PartyNumber) {
        self.callers.insert(item, Caller { call, number, talking: false, told: None });
    }

    /// Checks an event against everything that happened before, then keeps it.
    fn write_down(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::Queued { item, rejoined, .. } => {
                let place = (item.virtual_arrival_at, item.priority_minutes);
                if let Some(old) = rejoined {
                    assert_eq!(self.kept.remove(old), Some(place), "a place was not kept");
                    self.closed.insert(*old);
                    self.rejoined += 1;
                }
                assert!(self.kept.insert(item.item, place).is_none(), "queued twice");
            }
            FloorEvent::Overflowed { item, from, .. } => {
                let (arrival, priority) = self.kept[&item.item];
                assert_eq!(priority, item.priority_minutes);
                // A moment later at most, where somebody has the same.
                assert!((arrival.0..arrival.0 + 100).contains(&item.virtual_arrival_at.0), "waiting time was lost");
                assert_ne!(*from, item.queue);
                self.kept.insert(item.item, (item.virtual_arrival_at, priority));
                self.overflowed += 1;
            }
            FloorEvent::CallbackKept { item, .. } => {
                assert_eq!(self.kept[&item.item], (item.virtual_arrival_at, item.priority_minutes), "a place was not kept");
                self.callbacks += 1;
            }
            FloorEvent::Offered { offer, item, decision, .. } => {
                assert!(self.kept.contains_key(item), "offered without a place");
                assert!(!decision.considered.is_empty() && decision.considered.len() <= 64);
                self.offers_made.push(*offer);
            }
            FloorEvent::OfferEnded { item, outcome: OfferOutcome::Accepted, .. } => {
                assert!(self.kept.remove(item).is_some(), "accepted without a place");
                assert!(self.accepted.insert(*item), "accepted twice");
            }
            // The line itself declined: it hears nothing more of the offer.
            FloorEvent::OfferEnded { offer, outcome: OfferOutcome::Declined(_), .. } => {
                self.ringing.remove(offer);
            }
            FloorEvent::Left { item, .. } => {
                assert!(self.kept.remove(item).is_some(), "left without a place");
                assert!(self.closed.insert(*item), "left twice");
            }
            FloorEvent::Finished { item, .. } => {
                assert!(self.accepted.contains(item), "finished without an accept");
                assert!(self.closed.insert(*item), "finished twice");
                self.served += 1;
            }
            _ => {}
        }
        self.journal.apply(event);
        self.books.apply(event);
    }

    /// The line's side of the conversation.
    fn hear(&mut self, ToLine { call, say }: ToLine) {
        match say {
            FloorSays::Queued { item, place } | FloorSays::Place { item, place } => {
                let now = self.now;
                let Some(caller) = self.callers.get_mut(&item) else { return };
                assert_eq!(caller.call, call);
                if let Some((told, at)) = caller.told.replace((place, now)) {
                    assert_ne!(told, place, "told the same place again");
                    assert!(now.ms_since(at) >= 1_000, "told after {} ms", now.ms_since(at));
                }
            }
            FloorSays::Refused { item, .. } => {
                self.callers.remove(&item);
            }
            FloorSays::Overflowed { item, place, .. } => {
                let now = self.now;
                if let Some(caller) = self.callers.get_mut(&item) {
                    caller.told = Some((place, now));
                }
            }
            FloorSays::Stays { .. } => {}
            // The call is over.
            FloorSays::CallbackRefused { .. } => self.not_promised += 1,
            FloorSays::CallbackKept { item } => drop(self.callers.remove(&item)),
            FloorSays::CallBack { offer, item, agent, caller, callback, .. } => {
                self.call_back(offer, item, agent, caller, &callback, call);
            }
            FloorSays::Offer { offer, item, agent, ring_ms, .. } => self.ring(offer, item, agent, ring_ms),
            FloorSays::Withdraw { offer } => {
                self.ringing.remove(&offer);
            }
            FloorSays::Connect { offer } => self.connect(offer),
            FloorSays::AgentReply { .. } => {}
        }
    }

    fn ring(&mut self, offer: OfferId, item: ItemId, agent: AgentName, ring_ms: u64) {
        let twice = self.ringing.values().any(|(other, name)| *other == item || *name == agent);
        assert!(!twice, "a second live offer of {item} or for {agent}");
        self.ringing.insert(offer, (item, agent));
        if !self.callers.contains_key(&item) {
            return; // Hung up; the floor will hear of it.
        }
        self.send(50, &ToFloor::Ringing { offer });
        // A little longer than it rings: some accepts come too late.
        let after_ms = 200 + self.dice.below(ring_ms + ring_ms / 4);
        if self.eager {
            self.send(500, &ToFloor::Accept { offer });
        } else if self.dice.chance(55) {
            self.send(after_ms, &ToFloor::Accept { offer });
        } else if self.dice.chance(60) {
            let causes = [Cause::Busy, Cause::Rejected, Cause::NotRegistered, Cause::NoAnswer, Cause::Unavailable];
            let cause = *self.dice.pick(&causes);
            self.send(after_ms, &ToFloor::Decline { offer, cause });
        }
    }

    /// The agent's device, then the customer's: either may not answer.
    fn call_back(
        &mut self,
        offer: OfferId,
        item: ItemId,
        agent: AgentName,
        number: PartyNumber,
        callback: &Callback,
        call: CallId,
    ) {
        let twice = self.ringing.values().any(|(other, name)| *other == item || *name == agent);
        assert!(!twice, "a second live offer of {item} or for {agent}");
        assert!(callback.not_before <= self.now && callback.tries.left > 0, "called too early or too often");
        self.ringing.insert(offer, (item, agent));
        // Who works and answers does so before the shortest ring time is over.
        let agent_ms = if self.eager { 500 } else { 200 + self.dice.below(4_000) };
        if !self.eager && self.dice.chance(30) {
            return self.send(agent_ms, &ToFloor::Decline { offer, cause: Cause::Rejected });
        }
        self.send(agent_ms, &ToFloor::CallsCustomer { offer });
        let customer_ms = agent_ms + 3_000 + self.dice.below(callback.tries.ring_ms);
        if self.eager || self.dice.chance(50) {
            self.customers.insert(offer, Caller { call, number, talking: false, told: None });
            self.send(customer_ms, &ToFloor::Accept { offer });
        } else if self.dice.chance(80) {
            self.send(customer_ms, &ToFloor::Unreached { offer, cause: Cause::NoAnswer });
        }
    }

    fn connect(&mut self, offer: OfferId) {
        let (item, _) = self.ringing.remove(&offer).expect("only what rings is connected");
        if let Some(customer) = self.customers.remove(&offer) {
            self.callers.insert(item, customer);
            self.reached += 1;
        }
        let talk_ms = 500 + self.dice.below(60_000);
        if let Some(caller) = self.callers.get_mut(&item) {
            assert!(!std::mem::replace(&mut caller.talking, true), "connected twice");
            self.send(talk_ms, &ToFloor::Finished { item, cause: Cause::Normal });
        }
    }

    /// What rings for the line is what is live for the floor, and no item's claim ever shrinks. Callers
    /// whose conversation is over go.
    fn places_only_improve(&mut self) {
        let live: BTreeSet<OfferId> = self.floor.agents().iter().filter_map(|agent| agent.offer).collect();
        assert!(self.ringing.keys().eq(live.iter()), "the line was not told");
        for view in self.floor.items(self.now) {
            if let Some(place) = self.kept.get(&view.item) {
                assert_eq!(*place, (view.virtual_arrival_at, view.priority_minutes));
            }
        }
        let closed = &self.closed;
        self.callers.retain(|item, _| !closed.contains(item));
    }

    pub(super) fn anybody_waits(&self) -> bool {
        !self.kept.is_empty()
    }

    pub(super) fn everybody_is_free(&self) -> bool {
        self.floor.agents().iter().all(|agent| agent.state == AgentState::Ready)
    }
}
