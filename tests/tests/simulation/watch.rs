//! What the journal of the floor must tell, event by event, and what each record of a call must add up to.

use std::collections::BTreeMap;

use tandem_switch::{
    cdr::{Cdr, SegmentState},
    floor::{AgentState, Conversation, FloorEvent, GoingOn, OfferOutcome, Restored, WaitingItem},
    id::{CallId, ItemId, OfferId},
    name::{AgentName, PartyNumber, QueueName},
    time::Timestamp,
};

/// What is known of the floor from its journal alone.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) items: BTreeMap<ItemId, Life>,
    pub(crate) agents: BTreeMap<AgentName, AgentState>,
    /// What a restart would be given.
    pub(crate) folded: Restored,
    /// Places of before a restart that nobody has come back to, and how long they are kept.
    pub(crate) kept: BTreeMap<ItemId, Kept>,
    /// A new floor is being told what was: for a moment it writes down states of before the restart.
    pub(crate) restarting: bool,
    offers: BTreeMap<OfferId, (ItemId, AgentName)>,
    pub(crate) offered: u64,
    pub(crate) rejoined: u64,
    pub(crate) overflowed: u64,
    pub(crate) lost_places: u64,
}

/// An item that is not over.
pub(crate) struct Life {
    pub(crate) call: CallId,
    pub(crate) caller: PartyNumber,
    accepted_by: Option<AgentName>,
    item: WaitingItem,
    accepted_at: Timestamp,
}

/// A place of before a restart.
pub(crate) struct Kept {
    pub(crate) item: WaitingItem,
    pub(crate) until: Timestamp,
}

/// What is wrong.
type Verdict = Result<(), String>;

fn must(holds: bool, wrong: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(wrong()) }
}

impl Watch {
    /// Takes in the next event.
    pub(crate) fn see(&mut self, event: &FloorEvent) -> Verdict {
        self.folded.apply(event);
        match event {
            FloorEvent::AgentChanged { agent, state, .. } => self.agent_changed(agent, state),
            FloorEvent::Queued { item, rejoined, at } => self.queued(item, *rejoined, *at),
            FloorEvent::CallbackKept { .. } => Ok(()),
            FloorEvent::Overflowed { item, from, .. } => self.overflowed(item, from),
            FloorEvent::Offered { offer, item, agent, .. } => {
                self.offered += 1;
                let life = self.items.get(item);
                must(life.is_some_and(|life| life.accepted_by.is_none()), || format!("{item} is offered, but does not wait"))?;
                let free = self.offers.values().all(|(other, whose)| other != item && whose != agent);
                must(free, || format!("{item} is offered to {agent} beside another offer"))?;
                self.offers.insert(*offer, (*item, agent.clone()));
                Ok(())
            }
            FloorEvent::OfferEnded { offer, item, agent, outcome, at } => {
                let known = self.offers.remove(offer).is_some_and(|(of, to)| (of, &to) == (*item, agent));
                must(known, || format!("offer {offer} ends, but is not live"))?;
                if *outcome != OfferOutcome::Accepted {
                    return Ok(());
                }
                if let Some(life) = self.items.get_mut(item) {
                    life.accepted_at = *at;
                }
                let first = self.items.get_mut(item).is_some_and(|life| life.accepted_by.replace(agent.clone()).is_none());
                must(first, || format!("{item} is accepted twice, or is over"))
            }
            FloorEvent::Left { item, .. } => {
                self.lost_places += u64::from(self.kept.remove(item).is_some());
                let life = self.items.remove(item);
                must(life.is_some_and(|life| life.accepted_by.is_none()), || format!("{item} left, but did not wait"))
            }
            FloorEvent::Finished { item, agent, .. } => {
                let life = self.items.remove(item);
                let with = life.is_some_and(|life| life.accepted_by.as_ref() == Some(agent));
                must(with, || format!("{item} is finished, but {agent} did not have it"))
            }
            FloorEvent::AgentAsked { .. } | FloorEvent::Refused { .. } | FloorEvent::Prioritised { .. } => Ok(()),
            FloorEvent::ConversationChanged { .. } | FloorEvent::Returned { .. } => {
                Err(format!("only calls come here, and this is none: {event:?}"))
            }
        }
    }

    fn agent_changed(&mut self, agent: &AgentName, state: &AgentState) -> Verdict {
        let fits = match state {
            AgentState::Reserved { offer } => self.offers.get(offer).is_some_and(|(_, whose)| whose == agent),
            AgentState::Engaged { item: Some(item) } => {
                self.items.get(item).is_some_and(|life| life.accepted_by.as_ref() == Some(agent))
            }
            _ => true,
        };
        self.agents.insert(agent.clone(), state.clone());
        must(fits || self.restarting, || format!("{agent} is {state:?} without a reason"))
    }

    /// Somebody joined a queue. Who was cut off by a restart and is back in time has the old place.
    fn queued(&mut self, item: &WaitingItem, rejoined: Option<ItemId>, at: Timestamp) -> Verdict {
        let same = |kept: &&Kept| kept.item.queue == item.queue && kept.item.caller == item.caller && at <= kept.until;
        let expected = self.kept.values().any(|kept| same(&kept));
        let old = rejoined.and_then(|old| self.kept.remove(&old));
        let fair = match &old {
            Some(kept) => {
                let (old, new) = (&kept.item, item);
                self.items.remove(&old.item);
                old.caller == new.caller
                    && (old.virtual_arrival_at, old.priority_minutes) == (new.virtual_arrival_at, new.priority_minutes)
            }
            None => rejoined.is_none() && !expected,
        };
        self.rejoined += u64::from(old.is_some());
        let life = Life { call: item.call, caller: item.caller.clone(), accepted_by: None, item: item.clone(), accepted_at: at };
        let new = self.items.insert(item.item, life).is_none();
        must(new && fair, || format!("{} joined as {rejoined:?}; a place was kept: {expected}", item.item))
    }

    /// Somebody went on to another queue: with their waiting time, and from where they were.
    fn overflowed(&mut self, item: &WaitingItem, from: &QueueName) -> Verdict {
        self.overflowed += 1;
        let Some(life) = self.items.get_mut(&item.item) else { return Err(format!("{} went on, but is over", item.item)) };
        let old = std::mem::replace(&mut life.item, item.clone());
        let later_us = item.virtual_arrival_at.0 - old.virtual_arrival_at.0;
        let keeps = old.priority_minutes == item.priority_minutes && old.skills == item.skills && (0..1_000).contains(&later_us);
        must(keeps && old.queue == *from && item.queue != *from && life.accepted_by.is_none(), || {
            format!("{} went from {from} to {}: {old:?} is {item:?}", item.item, item.queue)
        })
    }

    /// A restart: whoever waited is expected back.
    pub(crate) fn restarted(&mut self, now: Timestamp, going_on: &GoingOn, grace_ms: impl Fn(&QueueName) -> u64) {
        // Who is with a live call is expected at no other.
        self.kept.retain(|item, _| !going_on.waiting.contains(item));
        for item in self.folded.waiting.iter().filter(|item| !going_on.waiting.contains(&item.item)) {
            let until = now.plus_ms(grace_ms(&item.queue));
            self.kept.insert(item.item, Kept { item: item.clone(), until });
        }
    }

    /// Conversations with agents that are under way.
    pub(crate) fn conversations(&self) -> Vec<Conversation> {
        let talks = self.items.values().filter_map(|life| {
            let agent = life.accepted_by.clone()?;
            Some(Conversation { item: life.item.clone(), agent, since_at: life.accepted_at })
        });
        talks.collect()
    }

    /// What is left at the end; `None` when nothing is.
    pub(crate) fn left_over(&self) -> Option<String> {
        let left = [self.items.len(), self.offers.len(), self.kept.len(), self.folded.waiting.len(), self.folded.offers.len()];
        let busy = |state: &&AgentState| {
            matches!(state, AgentState::Reserved { .. } | AgentState::Engaged { .. } | AgentState::WrapUp { .. })
        };
        let busy = self.agents.values().filter(busy).count();
        (left != [0; 5] || busy > 0).then(|| format!("items, offers, kept places, folded: {left:?}; agents at work: {busy}"))
    }
}

/// The record of a call: its segments follow each other and are its wall time, its sums are theirs.
pub(crate) fn check_cdr(cdr: &Cdr) -> Verdict {
    let mut at = cdr.started_at;
    let (mut waited_us, mut talked_us) = (0, 0);
    for segment in &cdr.segments {
        must(segment.from_at == at && segment.to_at > at, || format!("a gap before {segment:?}"))?;
        let spent = segment.to_at.0 - segment.from_at.0;
        match segment.state {
            SegmentState::Queued => waited_us += spent,
            SegmentState::Talking => talked_us += spent,
            SegmentState::Plan
            | SegmentState::Ringing
            | SegmentState::Hold
            | SegmentState::Parked
            | SegmentState::Transferring => {}
        }
        at = segment.to_at;
    }
    must(at == cdr.ended_at, || format!("segments end at {at:?}, the call at {:?}", cdr.ended_at))?;
    let sums = (Ok(cdr.waited_ms), Ok(cdr.talked_ms));
    must(sums == (u64::try_from(waited_us / 1_000), u64::try_from(talked_us / 1_000)), || "sums are not of segments".to_owned())?;
    let instants = [Some(cdr.started_at), cdr.answered_at, cdr.connected_at, Some(cdr.ended_at)];
    must(instants.iter().flatten().is_sorted(), || format!("instants out of order: {instants:?}"))?;
    must(talked_us == 0 || cdr.connected_at.is_some(), || "talked without a connection".to_owned())
}
