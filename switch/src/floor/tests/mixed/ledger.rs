//! What the world knows for itself: each event is checked against everything that was written before it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    channel::{Capacity, WHOLE},
    floor::{FloorEvent, OfferOutcome, Restored, Standing, WaitingItem},
    id::{ItemId, OfferId},
    name::AgentName,
    time::Timestamp,
};

/// Somebody who talks, as the journal has it.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) agent: AgentName,
    pub(super) item: WaitingItem,
    weight: u16,
    standing: Standing,
}

/// The journal, folded twice: by the code of the product, and by this.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) folded: Restored,
    /// Who keeps a place, with what.
    pub(super) waiting: BTreeMap<ItemId, WaitingItem>,
    pub(super) talks: BTreeMap<ItemId, Talk>,
    offers: BTreeMap<OfferId, (ItemId, AgentName)>,
    since: BTreeMap<AgentName, Timestamp>,
    pub(super) capacities: BTreeMap<AgentName, Capacity>,
}

impl Ledger {
    /// Takes an event in. Of an item of before a restart an end may be told a second time.
    pub(super) fn write(&mut self, event: &FloorEvent, restarting: bool) {
        match event {
            FloorEvent::AgentChanged { agent, at, .. } => {
                let since = self.since.insert(agent.clone(), *at);
                assert!(since.is_none_or(|since| since <= *at), "the time of {agent} goes backwards");
            }
            FloorEvent::Queued { item, rejoined, .. } => {
                if let Some(old) = rejoined {
                    let old = self.waiting.remove(old).expect("the old place was there");
                    assert_eq!(place(&old), place(item), "a place was not kept");
                }
                assert!(self.waiting.insert(item.item, item.clone()).is_none(), "queued twice");
            }
            FloorEvent::Overflowed { item, .. } => {
                let old = self.waiting.insert(item.item, item.clone()).expect("only who waits moves");
                let moved = item.virtual_arrival_at.0 - old.virtual_arrival_at.0;
                assert!((0..100).contains(&moved), "waiting time was lost");
            }
            FloorEvent::CallbackKept { item, .. } => self.same_place(item),
            FloorEvent::Prioritised { item, from_minutes, reason, .. } => {
                let old = self.waiting.insert(item.item, item.clone()).expect("only who waits moves");
                assert_eq!((old.virtual_arrival_at, old.priority_minutes), (item.virtual_arrival_at, *from_minutes));
                assert!(!reason.is_empty());
            }
            FloorEvent::Offered { offer, item, agent, .. } => {
                assert!(self.waiting.contains_key(item), "offered without a place");
                let twice = self.offers.values().any(|(other, name)| other == item || name == agent);
                assert!(!twice, "a second live offer of {item} or to {agent}");
                self.offers.insert(*offer, (*item, agent.clone()));
            }
            FloorEvent::OfferEnded { offer, item, agent, outcome, .. } => {
                let live = self.offers.remove(offer);
                assert_eq!(live, Some((*item, agent.clone())), "an offer ends once");
                if *outcome == OfferOutcome::Accepted {
                    let item = self.waiting.remove(item).expect("accepted with a place");
                    let weight = self.capacities.get(agent).map_or(WHOLE, |capacity| capacity.share(item.work.demand()));
                    let talk = Talk { agent: agent.clone(), weight, standing: Standing::Active, item: item.clone() };
                    assert!(self.talks.insert(item.item, talk).is_none(), "accepted twice");
                }
            }
            FloorEvent::ConversationChanged { item, agent, standing, .. } => {
                let talk = self.talks.get_mut(item).expect("of a conversation");
                assert_eq!(talk.agent, *agent);
                talk.standing = *standing;
            }
            FloorEvent::Returned { item, agent, .. } => {
                let talk = self.talks.remove(&item.item).expect("of a conversation");
                assert_eq!((&talk.agent, place(&talk.item)), (agent, place(item)), "a place was not kept");
                assert!(self.waiting.insert(item.item, item.clone()).is_none(), "in two places");
            }
            FloorEvent::Left { item, .. } => assert!(self.waiting.remove(item).is_some(), "left without a place"),
            FloorEvent::Finished { item, .. } => {
                let talked = self.talks.remove(item).is_some();
                assert!(talked || restarting, "finished without a conversation");
            }
            FloorEvent::AgentAsked { .. } | FloorEvent::Refused { .. } => {}
        }
        self.folded.apply(event);
    }

    fn same_place(&mut self, item: &WaitingItem) {
        let old = self.waiting.insert(item.item, item.clone()).expect("only who waits");
        assert_eq!(place(&old), place(item), "a place was not kept");
    }

    /// No agent has more to do than there is of them. By the weights that held when each conversation began.
    pub(super) fn nobody_is_overloaded(&self, agents: &BTreeSet<AgentName>) {
        for agent in agents {
            let active = self.talks.values().filter(|talk| talk.agent == *agent && talk.standing == Standing::Active);
            let load: u16 = active.map(|talk| talk.weight).sum();
            assert!(load <= WHOLE, "{agent} has {load} thousandths to do");
        }
    }

    /// Calls ended with the process; who goes on has the weights of now.
    pub(super) fn survive(&mut self, going_on: &BTreeSet<ItemId>) {
        self.talks.retain(|item, talk| !talk.item.work.channel.is_voice() || going_on.contains(item));
        for talk in self.talks.values_mut() {
            let capacity = self.capacities.get(&talk.agent);
            talk.weight = capacity.map_or(WHOLE, |capacity| capacity.share(talk.item.work.demand()));
        }
    }

    /// Agents who have more than one conversation now.
    pub(super) fn has_several(&self, agent: &AgentName) -> bool {
        self.talks.values().filter(|talk| talk.agent == *agent && talk.standing == Standing::Active).count() > 1
    }
}

/// What must not change while somebody waits, whatever happens to them.
fn place(item: &WaitingItem) -> (Timestamp, u32) {
    (item.virtual_arrival_at, item.priority_minutes)
}

/// A store that is slow now and then: what it has not written is lost with the process.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) durable: Ledger,
    pending: VecDeque<(Timestamp, FloorEvent, bool)>,
}

impl Store {
    pub(super) fn take(&mut self, written_at: Timestamp, event: FloorEvent, restarting: bool) {
        self.pending.push_back((written_at, event, restarting));
    }

    /// Writes what is due.
    pub(super) fn write(&mut self, now: Timestamp) {
        while let Some((_, event, restarting)) = self.pending.pop_front_if(|(at, _, _)| *at <= now) {
            self.durable.write(&event, restarting);
        }
    }

    /// The process dies: how many events die with it.
    pub(super) fn crash(&mut self, now: Timestamp, capacities: &BTreeMap<AgentName, Capacity>) -> u64 {
        self.write(now);
        self.durable.capacities.clone_from(capacities);
        let lost = self.pending.len() as u64;
        self.pending.clear();
        lost
    }

    pub(super) fn knew(&mut self, capacities: &BTreeMap<AgentName, Capacity>) {
        self.durable.capacities.clone_from(capacities);
    }
}
