//! Agents: their states, what they ask for, and whether their device can be rung.

use super::{
    Floor, Timer,
    classes::KindId,
    contract::{AgentProfile, AgentState, FloorEvent},
    load::Held,
    queues::{Listing, Queue, is_on_duty},
    skills::{self, Skills},
};
use crate::{
    cause::Cause,
    id::OfferId,
    name::{AgentName, QueueName},
    step::AgentRequest,
    time::Timestamp,
};

/// After a busy or declined offer the agent is left alone for so long.
const ASIDE_MS: u64 = 5_000;
/// After an unreachable device, unless it is reported reachable before. It is tried again then, so that
/// a lost report never keeps an agent from work.
const UNREACHABLE_MS: u64 = 60_000;
/// A reason longer than this is cut.
const REASON_CHARS: usize = 80;

#[derive(Debug)]
pub(super) struct Agent {
    /// As the database has it; each queue once.
    pub(super) profile: AgentProfile,
    pub(super) skills: Skills,
    pub(super) state: AgentState,
    pub(super) since_at: Timestamp,
    /// End of the last conversation, or first sign-in: pausing and wrapping up do not move it.
    pub(super) idle_since_at: Option<Timestamp>,
    pub(super) reachable: bool,
    pub(super) direct_legs: u32,
    pub(super) aside: Option<Aside>,
    /// Offers in a row that rang out, and that failed for a technical cause.
    pub(super) missed: u32,
    failed: u32,
    /// Asked for while in conversation or wrap-up: `SignOut` or `NotReady`.
    pub(super) pending: Option<AgentRequest>,
    /// The database has them no more; they go after their conversation.
    pub(super) gone: bool,
    /// What rings for them.
    pub(super) offer: Option<OfferId>,
    /// What they have to do, in the order in which they took it.
    pub(super) held: Vec<Held>,
    /// The queue of the conversation that they wrap up, and how often they asked for more time.
    pub(super) wraps_up_for: Option<QueueName>,
    pub(super) extensions: u32,
    /// What they have in common with others.
    pub(super) kind: KindId,
    /// Under what they stand in the lists of their queues.
    pub(super) listed: Option<Listing>,
}

/// Not asked for a while after an offer that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    pub(super) until_at: Timestamp,
    pub(super) cause: Cause,
}

impl Agent {
    pub(super) fn new(profile: AgentProfile, now: Timestamp) -> Self {
        Self {
            skills: skills::sorted(&profile.skills),
            profile,
            state: AgentState::Offline,
            since_at: now,
            idle_since_at: None,
            reachable: false,
            direct_legs: 0,
            aside: None,
            missed: 0,
            failed: 0,
            pending: None,
            gone: false,
            offer: None,
            held: Vec::new(),
            wraps_up_for: None,
            extensions: 0,
            kind: KindId::default(),
            listed: None,
        }
    }

    /// Whether a call could reach one of the devices.
    pub(super) fn is_reachable(&self) -> bool {
        self.could_be_reached() && !self.aside.is_some_and(|aside| is_unreachable(aside.cause))
    }

    /// Whether one of the devices is registered, or needs no registration.
    pub(super) fn could_be_reached(&self) -> bool {
        self.profile.always_on || self.reachable || self.profile.devices.is_always_there()
    }

    /// Whether they have nothing to do and can be asked at this moment.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.listed, Some(Listing::Idle { .. }))
    }

    /// What went wrong before is forgotten: they took an offer or said that they are here.
    pub(super) const fn begin_afresh(&mut self) {
        self.missed = 0;
        self.failed = 0;
    }

    /// Counts an offer that rang out; says whether it was one too many. 0 allows any number.
    pub(super) const fn miss(&mut self, max_missed: u32) -> bool {
        self.missed = self.missed.saturating_add(1);
        max_missed > 0 && self.missed >= max_missed
    }

    const fn aside_ms(&mut self, cause: Cause) -> u64 {
        match cause {
            Cause::Busy | Cause::Rejected | Cause::Redirected | Cause::NoAnswer | Cause::Normal | Cause::Cancelled => ASIDE_MS,
            cause if is_unreachable(cause) => UNREACHABLE_MS,
            _ => {
                let doublings = if self.failed < 4 { self.failed } else { 4 };
                self.failed = self.failed.saturating_add(1);
                let wait_ms = ASIDE_MS << doublings;
                if wait_ms < UNREACHABLE_MS { wait_ms } else { UNREACHABLE_MS }
            }
        }
    }
}

pub(super) const fn is_unreachable(cause: Cause) -> bool {
    matches!(cause, Cause::NotRegistered | Cause::NotFound)
}

/// In a conversation that the floor gave, or its wrap-up.
const fn is_at_work(state: &AgentState) -> bool {
    matches!(state, AgentState::Engaged { item: Some(_) } | AgentState::WrapUp { .. })
}

impl Floor {
    /// Carries out what an agent asks for, now or after their conversation; says whether it was done.
    pub(super) fn request(&mut self, now: Timestamp, name: &AgentName, request: AgentRequest) -> bool {
        let Some(agent) = self.agents.get_mut(name).filter(|agent| !agent.gone) else { return false };
        let offline = agent.state == AgentState::Offline;
        match request {
            AgentRequest::SignIn if offline => {
                agent.begin_afresh();
                self.end_aside(name);
                self.rest(now, name);
            }
            AgentRequest::SignIn => {
                if agent.pending == Some(AgentRequest::SignOut) {
                    self.take_back(now, name);
                }
            }
            AgentRequest::Ready if offline => return false,
            AgentRequest::Ready => self.take_offers(now, name),
            AgentRequest::SignOut if offline => {}
            AgentRequest::SignOut if is_at_work(&agent.state) || agent.is_interrupted() => {
                self.ask(now, name, AgentRequest::SignOut)
            }
            AgentRequest::SignOut => self.stop_work(now, name, AgentState::Offline),
            AgentRequest::MoreWrapUp => return self.extend_wrap_up(now, name),
            AgentRequest::NotReady { .. } if offline => return false,
            AgentRequest::NotReady { reason } => {
                let reason: String = reason.chars().take(REASON_CHARS).collect();
                if matches!(agent.state, AgentState::Engaged { item: Some(_) }) || agent.is_interrupted() {
                    self.ask(now, name, AgentRequest::NotReady { reason });
                } else if agent.pending != Some(AgentRequest::SignOut) {
                    self.stop_work(now, name, AgentState::NotReady { reason });
                }
            }
        }
        true
    }

    fn extend_wrap_up(&mut self, now: Timestamp, name: &AgentName) -> bool {
        let Some(agent) = self.agents.get_mut(name) else { return false };
        let AgentState::WrapUp { until_at } = agent.state else { return false };
        // After a restart nobody knows which queue it was: any of theirs will do.
        let queue = agent.wraps_up_for.as_ref().or(agent.profile.queues.first()).and_then(|queue| self.queues.get(queue));
        let Some(rules) = queue.map(|queue| queue.profile.work) else { return false };
        if agent.extensions >= rules.max_extensions || rules.extension_ms == 0 {
            return false;
        }
        agent.extensions += 1;
        self.set_state(now, name, AgentState::WrapUp { until_at: until_at.plus_ms(rules.extension_ms) });
        true
    }

    /// Remembers a wish until conversation and wrap-up are over. The last wish counts.
    fn ask(&mut self, now: Timestamp, name: &AgentName, request: AgentRequest) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.pending.as_ref() != Some(&request) {
            agent.pending = Some(request.clone());
            self.journal(FloorEvent::AgentAsked { agent: name.clone(), request, at: now });
        }
        // Nothing more is offered meanwhile.
        self.take_offer_back(now, name);
        self.release_saved(now, name);
        self.go_on(now, name);
    }

    /// A pause after what they are doing, with this reason; a wish that is there already stays.
    pub(super) fn ask_for_rest(&mut self, now: Timestamp, name: &AgentName, reason: &str) {
        if self.agents.get(name).is_some_and(|agent| agent.pending.is_none()) {
            self.ask(now, name, AgentRequest::NotReady { reason: reason.to_owned() });
        }
    }

    fn take_back(&mut self, now: Timestamp, name: &AgentName) {
        if self.agents.get_mut(name).is_some_and(|agent| agent.pending.take().is_some()) {
            self.journal(FloorEvent::AgentAsked { agent: name.clone(), request: AgentRequest::Ready, at: now });
            self.sync_idle(name);
        }
    }

    fn take_offers(&mut self, now: Timestamp, name: &AgentName) {
        self.take_back(now, name);
        if let Some(agent) = self.agents.get_mut(name) {
            agent.begin_afresh();
        }
        self.end_aside(name);
        let resting = |agent: &Agent| matches!(agent.state, AgentState::NotReady { .. } | AgentState::WrapUp { .. });
        if self.agents.get(name).is_some_and(resting) {
            self.rest(now, name);
        }
    }

    /// Goes Offline or NotReady at once; an offer that rings is taken back.
    pub(super) fn stop_work(&mut self, now: Timestamp, name: &AgentName, state: AgentState) {
        self.take_offer_back(now, name);
        self.set_state(now, name, state);
    }

    /// The state of somebody when one thing is over: what they have still to do, else what they wished for, else ready.
    pub(super) fn rest(&mut self, now: Timestamp, name: &AgentName) {
        self.resume(now, name);
        let Some(agent) = self.agents.get_mut(name) else { return };
        if let Some(item) = agent.chief() {
            return self.set_state(now, name, AgentState::Engaged { item: Some(item) });
        }
        if let Some(offer) = agent.offer {
            return self.set_state(now, name, AgentState::Reserved { offer });
        }
        let state = match agent.pending.take() {
            _ if agent.gone => AgentState::Offline,
            Some(AgentRequest::SignOut) => AgentState::Offline,
            Some(AgentRequest::NotReady { reason }) => AgentState::NotReady { reason },
            _ if agent.direct_legs > 0 => AgentState::Engaged { item: None },
            _ => AgentState::Ready,
        };
        self.set_state(now, name, state);
        if self.agents.get(name).is_some_and(|agent| agent.gone) {
            self.remove_agent(now, name);
        }
    }

    /// A state changes, and the journal is told.
    pub(super) fn set_state(&mut self, now: Timestamp, name: &AgentName, state: AgentState) {
        if self.agents.get(name).is_none_or(|agent| agent.state == state) {
            self.sync_idle(name);
            return;
        }
        self.journal(FloorEvent::AgentChanged { agent: name.clone(), state: state.clone(), at: now });
        self.adopt_state(now, name, &state);
        if !is_on_duty(&state) {
            self.release_saved(now, name);
        }
    }

    /// The one place where a state is written: counts, timers and idle lists follow it.
    pub(super) fn adopt_state(&mut self, since_at: Timestamp, name: &AgentName, state: &AgentState) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let before = std::mem::replace(&mut agent.state, state.clone());
        agent.since_at = since_at;
        if *state != AgentState::Offline {
            agent.idle_since_at.get_or_insert(since_at);
        }
        if !is_at_work(state) {
            agent.pending = None;
        }
        if Queue::counts_differ(&before, state) {
            for queue in agent.profile.queues.clone() {
                self.count_agent(since_at, &queue, &before, state);
            }
        }
        match state {
            AgentState::WrapUp { until_at } => self.timers.set(Timer::WrapUp(name.clone()), *until_at),
            _ => self.timers.clear(&Timer::WrapUp(name.clone())),
        }
        self.sync_idle(name);
    }

    /// A member of the queue went from one state to another, or came or went (as from or to Offline).
    pub(super) fn count_agent(&mut self, now: Timestamp, queue: &QueueName, before: &AgentState, after: &AgentState) {
        let Some(entry) = self.queues.get_mut(queue) else { return };
        entry.count(before, after);
        if entry.signed_in == 0 {
            self.emptied.insert(queue.clone());
        }
        self.places_changed(now, queue);
    }

    /// Brings the idle lists of the agent's queues up to date; who became free is matched next.
    pub(super) fn sync_idle(&mut self, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let wanted = agent.listing();
        if agent.listed == wanted {
            return;
        }
        self.unlist(name);
        if let Some(Listing::AtWork { kind, .. }) = &wanted {
            self.count_at_work(*kind);
        }
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.listed = wanted;
        if let Some(listing) = &agent.listed {
            for queue in &agent.profile.queues {
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.list(listing, name);
                }
            }
            self.freed.insert(name.clone());
        }
    }

    /// Takes the agent off the idle lists.
    pub(super) fn unlist(&mut self, name: &AgentName) {
        self.freed.remove(name);
        let Some(agent) = self.agents.get_mut(name) else { return };
        let Some(listing) = agent.listed.take() else { return };
        for queue in &agent.profile.queues {
            if let Some(queue) = self.queues.get_mut(queue) {
                queue.unlist(&listing, name);
            }
        }
        if let Listing::AtWork { kind, .. } = listing {
            self.count_not_at_work(kind);
        }
    }

    /// Leaves the agent alone for a while, so that no loop of failing offers can form.
    pub(super) fn set_aside(&mut self, now: Timestamp, name: &AgentName, cause: Cause) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let until_at = now.plus_ms(agent.aside_ms(cause));
        agent.aside = Some(Aside { until_at, cause });
        self.timers.set(Timer::Aside(name.clone()), until_at);
        self.sync_idle(name);
    }

    pub(super) fn end_aside(&mut self, name: &AgentName) {
        self.timers.clear(&Timer::Aside(name.clone()));
        if let Some(agent) = self.agents.get_mut(name) {
            agent.aside = None;
            self.sync_idle(name);
        }
    }
}
