//! The past on another floor: the same callers and agents, run through the floor's own core with other queues or staff.
//!
//! What is assumed: agents take each offer, after the time that its caller's device rang then (the median where nobody knows), and
//! are on and off duty as they were; a conversation and its wrap-up last as long as that caller's did (the median where nobody
//! knows); callers who gave up do so after the same wait, and those who were answered would have waited as patiently as others did
//! beyond that; callers go on to other queues and out of queues after the same wait. Callbacks are not run again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    books::Books,
    past::{Caller, Past, Patience, Presence, Step},
};
use crate::{
    cause::Cause,
    floor::{AgentProfile, AgentState, Floor, FloorEvent, Input, Output, QueueProfile, WaitingItem},
    id::{CallId, IdSource, ItemId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, ToFloor},
    name::AgentName,
    step::AgentRequest,
    time::Timestamp,
};

/// Nothing is run longer than this after the time that is looked at, in ms.
const LONGEST_AFTER_MS: u64 = 6 * 3_600_000;

/// The floor that it is run on.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its queues.
    pub queues: Vec<QueueProfile>,
    /// Its agents. Who is not in the past is there all the time.
    pub agents: Vec<AgentProfile>,
}

/// What happens next.
#[derive(Debug)]
enum Next {
    Comes(ItemId),
    Steps(ItemId, Step),
    Accepts(OfferId),
    HangsUp(ItemId),
    WrittenUp(AgentName, ItemId),
    Is(AgentName, Presence),
}

struct Run<'a> {
    past: &'a Past,
    patience: Patience,
    floor: Floor,
    books: Books,
    now: Timestamp,
    next: BTreeMap<(Timestamp, u64), Next>,
    count: u64,
    offers: BTreeMap<OfferId, ItemId>,
    /// Who still waits.
    waiting: BTreeSet<ItemId>,
    /// What an agent's present wrap-up is about.
    wraps_up: BTreeMap<AgentName, ItemId>,
    /// What agents want to be, whatever the floor makes of it.
    presence: BTreeMap<AgentName, Presence>,
}

/// Runs the past on a floor: what would have come of it. `to_at` is the end of what is looked at.
#[must_use]
pub fn rerun(past: &Past, setting: &Setting, (from_at, to_at): (Timestamp, Timestamp)) -> Books {
    let mut run = Run {
        past,
        patience: Patience::of(past),
        floor: Floor::new(IdSource::new(1)),
        books: Books::default(),
        now: from_at,
        next: BTreeMap::new(),
        count: 0,
        offers: BTreeMap::new(),
        waiting: BTreeSet::new(),
        wraps_up: BTreeMap::new(),
        presence: BTreeMap::new(),
    };
    run.tell(Input::Queues(setting.queues.clone()));
    // Whoever has a fixed device is on duty as they were, not always.
    let agents: Vec<_> = setting.agents.iter().map(|agent| AgentProfile { always_on: false, ..agent.clone() }).collect();
    let names: Vec<AgentName> = agents.iter().map(|agent| agent.agent.clone()).collect();
    run.tell(Input::Agents(agents));
    for (at, agent, presence) in &past.presence {
        run.at((*at).max(from_at), Next::Is(agent.clone(), presence.clone()));
    }
    let known: BTreeSet<&AgentName> = past.presence.iter().map(|(_, agent, _)| agent).collect();
    for agent in names {
        run.tell(Input::Line(ToFloor::DeviceReachable { agent: agent.clone(), reachable: true }));
        if !known.contains(&agent) {
            run.at(from_at, Next::Is(agent, Presence::Works));
        }
    }
    for (item, caller) in &past.callers {
        run.at(caller.came_at, Next::Comes(*item));
    }
    run.until(to_at.plus_ms(LONGEST_AFTER_MS));
    run.books
}

impl Run<'_> {
    fn until(&mut self, end_at: Timestamp) {
        loop {
            let next_at = self.next.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = next_at.into_iter().chain(self.floor.deadline()).min().filter(|at| *at <= end_at) else { return };
            // Nothing but wishes of agents is left.
            if self.waiting.is_empty() && !self.next.values().any(|next| !matches!(next, Next::Is(..))) {
                return;
            }
            self.now = self.now.max(at);
            if next_at == Some(at)
                && let Some((_, next)) = self.next.pop_first()
            {
                self.happens(next);
            } else {
                self.tell(Input::Tick);
            }
        }
    }

    fn at(&mut self, at: Timestamp, next: Next) {
        self.count += 1;
        self.next.insert((at.max(self.now), self.count), next);
    }

    fn happens(&mut self, next: Next) {
        match next {
            Next::Comes(item) => self.comes(item),
            Next::Steps(item, step) => self.steps(item, step),
            Next::Accepts(offer) => self.tell(Input::Line(ToFloor::Accept { offer })),
            Next::HangsUp(item) => self.tell(Input::Line(ToFloor::Finished { item, cause: Cause::Normal })),
            Next::WrittenUp(agent, item) => {
                if self.wraps_up.get(&agent) == Some(&item) {
                    self.asks(&agent, AgentRequest::Ready);
                }
            }
            Next::Is(agent, presence) => self.is(agent, presence),
        }
    }

    fn steps(&mut self, item: ItemId, step: Step) {
        if !self.waiting.contains(&item) {
            return;
        }
        let message = match step {
            Step::Overflow(to) => ToFloor::Overflow { item, to, wait_without_agents: true },
            Step::Leave(reason) => {
                self.waiting.remove(&item);
                ToFloor::Leave { item, reason }
            }
        };
        self.tell(Input::Line(message));
    }

    fn comes(&mut self, id: ItemId) {
        let Some(caller) = self.past.callers.get(&id) else { return };
        let since_at = caller.item.virtual_arrival_at;
        self.waiting.insert(id);
        for (after_ms, step) in &caller.steps {
            self.at(since_at.plus_ms(*after_ms), Next::Steps(id, step.clone()));
        }
        if let Some(waited_ms) = caller.answered_ms
            && let Some(gives_up_ms) = self.patience.beyond(waited_ms, chance(id))
        {
            self.at(since_at.plus_ms(gives_up_ms), Next::Steps(id, Step::Leave(LeaveReason::Abandoned)));
        }
        let WaitingItem { queue, caller, skills, priority_minutes, work, .. } = caller.item.clone();
        let arrived_at = since_at.min(self.now);
        self.tell(Input::Line(ToFloor::Enqueue(Enqueue {
            item: id,
            call: CallId(id.0),
            queue,
            caller,
            skills,
            priority_minutes,
            wait_without_agents: true,
            arrived_at,
            work,
        })));
    }

    fn is(&mut self, agent: AgentName, presence: Presence) {
        let before = self.presence.insert(agent.clone(), presence.clone());
        if before == Some(Presence::CallsOut) {
            self.tell(Input::Line(ToFloor::DeviceBusy { agent: agent.clone(), legs: 0 }));
        }
        match presence {
            Presence::Gone => self.asks(&agent, AgentRequest::SignOut),
            Presence::Pauses(reason) => {
                self.asks(&agent, AgentRequest::SignIn);
                self.asks(&agent, AgentRequest::NotReady { reason });
            }
            Presence::Works => {
                self.asks(&agent, AgentRequest::SignIn);
                // Who comes back from a break; a wrap-up goes on as it is.
                if !self.wraps_up.contains_key(&agent) {
                    self.asks(&agent, AgentRequest::Ready);
                }
            }
            Presence::CallsOut => {
                self.asks(&agent, AgentRequest::SignIn);
                self.tell(Input::Line(ToFloor::DeviceBusy { agent, legs: 1 }));
            }
        }
    }

    fn asks(&mut self, agent: &AgentName, request: AgentRequest) {
        self.tell(Input::Agent { agent: agent.clone(), request });
    }

    fn tell(&mut self, input: Input) {
        self.floor.handle(self.now, input);
        while let Some(output) = self.floor.poll() {
            match output {
                Output::Journal(event) => {
                    self.noted(&event);
                    self.books.apply(&event);
                }
                Output::Line(line) => self.heard(line.say),
            }
        }
    }

    /// Wrap-up ends as soon as it did.
    fn noted(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::Finished { item, agent, .. } => drop(self.wraps_up.insert(agent.clone(), *item)),
            FloorEvent::AgentChanged { agent, state: AgentState::WrapUp { .. }, .. } => {
                let item = self.wraps_up.get(agent).copied();
                if let Some(ms) = item.and_then(|item| self.past.callers.get(&item)).and_then(|caller| caller.wrap_up_ms)
                    && let Some(item) = item
                {
                    self.at(self.now.plus_ms(ms), Next::WrittenUp(agent.clone(), item));
                }
            }
            FloorEvent::AgentChanged { agent, .. } => drop(self.wraps_up.remove(agent)),
            _ => {}
        }
    }

    fn heard(&mut self, say: FloorSays) {
        match say {
            FloorSays::Offer { offer, item, ring_ms, .. } => {
                self.offers.insert(offer, item);
                let past = self.past;
                let usual = |caller: &Caller| caller.ring_ms.unwrap_or_else(|| past.usual_ring_ms(&caller.item.queue));
                let rings_ms = past.callers.get(&item).map_or(0, usual);
                self.at(self.now.plus_ms(rings_ms.min(ring_ms.saturating_sub(1))), Next::Accepts(offer));
            }
            FloorSays::Connect { offer } => {
                let Some(item) = self.offers.remove(&offer) else { return };
                self.waiting.remove(&item);
                let past = self.past;
                let usual = |caller: &Caller| caller.talk_ms.unwrap_or_else(|| past.usual_talk_ms(&caller.item.queue));
                let talks_ms = past.callers.get(&item).map_or(0, usual);
                self.at(self.now.plus_ms(talks_ms), Next::HangsUp(item));
            }
            FloorSays::Withdraw { offer } => drop(self.offers.remove(&offer)),
            FloorSays::Refused { item, .. } => drop(self.waiting.remove(&item)),
            _ => {}
        }
    }
}

/// A number from 0 to 1 that is always the same for an item.
fn chance(item: ItemId) -> f64 {
    let mut mixed = item.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    #[expect(clippy::cast_precision_loss, reason = "53 bits are left")]
    let share = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
    share
}
