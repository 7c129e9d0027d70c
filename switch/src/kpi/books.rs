//! The journal of a floor, folded into rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    floor::{AgentState, FloorEvent, OfferOutcome},
    id::{CallId, ItemId},
    link::LeaveReason,
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// One spell of one item in one queue. An item that passes on to another queue, or waits to be called back from then on, has
/// a row for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Which item.
    pub item: ItemId,
    /// Which of its spells: 0 is the first.
    pub nth: u32,
    /// The call behind it.
    pub call: CallId,
    /// Where it waited.
    pub queue: QueueName,
    /// The customer is not on the line, but called back.
    pub callback: bool,
    /// When it came into this queue.
    pub entered_at: Timestamp,
    /// When the customer began to wait, in this queue or an earlier one.
    pub waiting_since_at: Timestamp,
    /// How the wait ended, and when; `None` while it goes on.
    pub end: Option<(WaitEnd, Timestamp)>,
    /// Who took it.
    pub agent: Option<AgentName>,
    /// End of the conversation.
    pub finished_at: Option<Timestamp>,
    /// Wrap-up after it, in ms, as far as it is over.
    pub wrap_up_ms: u64,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitEnd {
    /// An agent took it.
    Answered,
    /// It passed on to another queue.
    Overflowed,
    /// The customer is called back instead.
    CallbackTaken,
    /// Who was to be called back called in.
    CameBack,
    /// It left unserved.
    Left(LeaveReason),
}

impl WaitEnd {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Answered,
        Self::Overflowed,
        Self::CallbackTaken,
        Self::CameBack,
        Self::Left(LeaveReason::Abandoned),
        Self::Left(LeaveReason::TimedOut),
        Self::Left(LeaveReason::Fault),
        Self::Left(LeaveReason::Unreached),
        Self::Left(LeaveReason::Replaced),
        Self::Left(LeaveReason::Withdrawn),
        Self::Left(LeaveReason::Restart),
        Self::Left(LeaveReason::NoAgents),
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Overflowed => "overflowed",
            Self::CallbackTaken => "callback-taken",
            Self::CameBack => "came-back",
            Self::Left(LeaveReason::Abandoned) => "abandoned",
            Self::Left(LeaveReason::TimedOut) => "timed-out",
            Self::Left(LeaveReason::Fault) => "fault",
            Self::Left(LeaveReason::Unreached) => "unreached",
            Self::Left(LeaveReason::Replaced) => "replaced",
            Self::Left(LeaveReason::Withdrawn) => "withdrawn",
            Self::Left(LeaveReason::Restart) => "restart",
            Self::Left(LeaveReason::NoAgents) => "no-agents",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == word)
    }

    /// The customer went without an answer, whoever's fault that was.
    #[must_use]
    pub const fn is_lost(self) -> bool {
        matches!(self, Self::Left(LeaveReason::Abandoned | LeaveReason::Fault | LeaveReason::Restart | LeaveReason::Unreached))
    }
}

/// What an agent spends time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Not on duty.
    Offline,
    /// May be offered something.
    Ready,
    /// An offer rings.
    Reserved,
    /// In conversation with somebody from a queue.
    Engaged,
    /// In conversation outside any queue.
    Direct,
    /// Paperwork.
    WrapUp,
    /// On duty, taking no offers.
    NotReady,
}

impl Activity {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Offline, Self::Ready, Self::Reserved, Self::Engaged, Self::Direct, Self::WrapUp, Self::NotReady];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Ready => "ready",
            Self::Reserved => "reserved",
            Self::Engaged => "engaged",
            Self::Direct => "direct",
            Self::WrapUp => "wrap-up",
            Self::NotReady => "not-ready",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activity| activity.as_str() == word)
    }

    /// What a state is spent on.
    #[must_use]
    pub const fn of(state: &AgentState) -> Self {
        match state {
            AgentState::Offline => Self::Offline,
            AgentState::Ready => Self::Ready,
            AgentState::Reserved { .. } => Self::Reserved,
            AgentState::Engaged { item: Some(_) } => Self::Engaged,
            AgentState::Engaged { item: None } => Self::Direct,
            AgentState::WrapUp { .. } => Self::WrapUp,
            AgentState::NotReady { .. } => Self::NotReady,
        }
    }
}

/// One contiguous spell of one agent's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    /// Who.
    pub agent: AgentName,
    /// Which of theirs: 0 is the first.
    pub nth: u32,
    /// What they did.
    pub activity: Activity,
    /// About what: the item of a conversation and of the wrap-up after it.
    pub item: Option<ItemId>,
    /// Why they were not ready.
    pub reason: Option<String>,
    /// Its begin.
    pub from_at: Timestamp,
    /// Its end; `None` while it goes on.
    pub to_at: Option<Timestamp>,
}

/// Rows of a floor, event by event.
#[derive(Clone, Debug, Default)]
pub struct Books {
    waits: Vec<Wait>,
    spells: Vec<Spell>,
    /// Offers that ended: whose, and how.
    offers: Vec<(AgentName, OfferOutcome, Timestamp)>,
    /// The last row of each item, and of each agent.
    of_item: BTreeMap<ItemId, usize>,
    of_agent: BTreeMap<AgentName, usize>,
    talked: BTreeMap<AgentName, ItemId>,
}

impl Books {
    /// Takes in the next event.
    pub fn apply(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::AgentChanged { agent, state, at } => self.changed(agent, state, *at),
            FloorEvent::Queued { item, rejoined, at } => {
                if let Some(index) = rejoined.and_then(|old| self.take_over(old, *at)) {
                    (self.waits[index].item, self.waits[index].call) = (item.item, item.call);
                    self.of_item.insert(item.item, index);
                } else {
                    let place = (item.queue.clone(), item.virtual_arrival_at);
                    self.enter(item.item, item.call, place, false, *at);
                }
            }
            FloorEvent::CallbackKept { item, at } => {
                if self.open(item.item).is_some_and(|wait| !wait.callback) {
                    self.end(item.item, WaitEnd::CallbackTaken, None, *at);
                    self.enter(item.item, item.call, (item.queue.clone(), item.virtual_arrival_at), true, *at);
                }
            }
            FloorEvent::Overflowed { item, at, .. } => {
                let callback = self.open(item.item).is_some_and(|wait| wait.callback);
                self.end(item.item, WaitEnd::Overflowed, None, *at);
                self.enter(item.item, item.call, (item.queue.clone(), item.virtual_arrival_at), callback, *at);
            }
            FloorEvent::OfferEnded { item, agent, outcome, at, .. } => {
                self.offers.push((agent.clone(), *outcome, *at));
                if *outcome == OfferOutcome::Accepted {
                    self.end(*item, WaitEnd::Answered, Some(agent), *at);
                }
            }
            FloorEvent::Left { item, reason, at } => self.end(*item, WaitEnd::Left(*reason), None, *at),
            FloorEvent::Finished { item, at, .. } => self.finish(*item, *at),
            // They wait once more: a spell of its own.
            FloorEvent::Returned { item, at, .. } => {
                self.finish(item.item, *at);
                self.enter(item.item, item.call, (item.queue.clone(), item.virtual_arrival_at), false, *at);
            }
            FloorEvent::Prioritised { .. } | FloorEvent::ConversationChanged { .. } => {}
            FloorEvent::AgentAsked { .. } | FloorEvent::Refused { .. } | FloorEvent::Offered { .. } => {}
        }
    }

    /// Who waited, in the order in which they came.
    #[must_use]
    pub fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// What agents did, in the order in which they began to.
    #[must_use]
    pub fn spells(&self) -> &[Spell] {
        &self.spells
    }

    /// Offers that ended: whose, how and when.
    #[must_use]
    pub fn offers(&self) -> &[(AgentName, OfferOutcome, Timestamp)] {
        &self.offers
    }

    fn open(&mut self, item: ItemId) -> Option<&mut Wait> {
        let index = *self.of_item.get(&item)?;
        self.waits.get_mut(index).filter(|wait| wait.end.is_none())
    }

    /// Who takes an old place up again goes on in its row. Who was to be called back did not wait on the line till now:
    /// that row ends.
    fn take_over(&mut self, old: ItemId, at: Timestamp) -> Option<usize> {
        if self.open(old)?.callback {
            self.end(old, WaitEnd::CameBack, None, at);
            return None;
        }
        self.of_item.remove(&old)
    }

    fn enter(&mut self, item: ItemId, call: CallId, place: (QueueName, Timestamp), callback: bool, at: Timestamp) {
        let nth = self.of_item.get(&item).and_then(|index| self.waits.get(*index)).map_or(0, |last| last.nth + 1);
        let (queue, waiting_since_at) = place;
        let (end, agent, finished_at) = (None, None, None);
        self.of_item.insert(item, self.waits.len());
        let entered_at = at;
        let wait =
            Wait { item, nth, call, queue, callback, entered_at, waiting_since_at, end, agent, finished_at, wrap_up_ms: 0 };
        self.waits.push(wait);
    }

    fn end(&mut self, item: ItemId, how: WaitEnd, agent: Option<&AgentName>, at: Timestamp) {
        if let Some(wait) = self.open(item) {
            (wait.end, wait.agent) = (Some((how, at)), agent.cloned());
        }
    }

    fn finish(&mut self, item: ItemId, at: Timestamp) {
        let wait = self.of_item.get(&item).and_then(|index| self.waits.get_mut(*index));
        if let Some(wait) = wait.filter(|wait| matches!(wait.end, Some((WaitEnd::Answered, _)))) {
            wait.finished_at.get_or_insert(at);
        }
    }

    fn changed(&mut self, agent: &AgentName, state: &AgentState, at: Timestamp) {
        let mut nth = 0;
        if let Some(last) = self.of_agent.get(agent).and_then(|index| self.spells.get_mut(*index)) {
            nth = last.nth + 1;
            last.to_at = Some(at);
            let (activity, item, ms) = (last.activity, last.item, at.ms_since(last.from_at));
            let wait = item.and_then(|item| self.of_item.get(&item)).and_then(|index| self.waits.get_mut(*index));
            if let Some(wait) = wait.filter(|_| activity == Activity::WrapUp) {
                wait.wrap_up_ms += ms;
            }
        }
        let item = match state {
            AgentState::Engaged { item } => {
                self.talked.extend(item.map(|item| (agent.clone(), item)));
                *item
            }
            AgentState::WrapUp { .. } => self.talked.get(agent).copied(),
            _ => None,
        };
        let reason = if let AgentState::NotReady { reason } = state { Some(reason.clone()) } else { None };
        let spell = Spell { agent: agent.clone(), nth, activity: Activity::of(state), item, reason, from_at: at, to_at: None };
        self.of_agent.insert(agent.clone(), self.spells.len());
        self.spells.push(spell);
    }
}
