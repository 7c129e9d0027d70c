//! The present state for screens and the HTTP API: plain copies that change nothing.

use serde::{Deserialize, Serialize};

use super::{
    Floor,
    agents::Agent,
    contract::AgentState,
    items::{Behind, Item, Stage},
    kept::Standing,
    queues::Queue,
    skills,
};
use crate::{
    channel::Channel,
    demand::Load,
    device::DeviceKind,
    id::{CallId, ItemId, OfferId},
    link::Place,
    name::{AgentName, DeviceName, PartyNumber, QueueName, SkillLevel},
    step::AgentRequest,
    time::Timestamp,
};

/// A queue now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its name.
    pub queue: QueueName,
    /// Whether the plan has it; one that was dropped only serves who still waits.
    pub in_plan: bool,
    /// Callers who wait, those who are being offered among them.
    pub waiting: u32,
    /// Who is not on the line, but called back when it is their turn.
    pub callbacks: u32,
    /// Of those who wait, those for whom a device rings.
    pub offered: u32,
    /// Places kept since the restart for callers who did not call back yet.
    pub expected_back: u32,
    /// In conversation.
    pub engaged: u32,
    /// The longest wait of those who wait, in ms; 0 when nobody does.
    pub longest_wait_ms: u64,
    /// What a new caller would wait, in ms; `None` as long as too few calls were handled.
    pub estimated_wait_ms: Option<u64>,
    /// Average time of conversation and wrap-up of the last calls, in ms.
    pub handling_ms: Option<u64>,
    /// Wanted answer time, in ms.
    pub answer_target_ms: u64,
    /// Agents who serve it.
    pub agents: u32,
    /// Of these, in any state but Offline.
    pub agents_signed_in: u32,
    /// Of these, free to be asked.
    pub agents_free: u32,
}

/// An agent now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Who.
    pub agent: AgentName,
    /// Queues they serve.
    pub queues: Vec<QueueName>,
    /// What they can do.
    pub skills: Vec<SkillLevel>,
    /// What they are doing.
    pub state: AgentState,
    /// Since when.
    pub since_at: Timestamp,
    /// End of the last conversation, or first sign-in.
    pub idle_since_at: Option<Timestamp>,
    /// A change they asked for, which waits until conversation and wrap-up are over.
    pub pending: Option<AgentRequest>,
    /// The item they are in conversation about, or that rings.
    pub item: Option<ItemId>,
    /// The offer that rings.
    pub offer: Option<OfferId>,
    /// Whether a call could reach their device.
    pub reachable: bool,
    /// Live legs outside offers.
    pub direct_legs: u32,
    /// Not asked before then, after an offer that failed.
    pub aside_until_at: Option<Timestamp>,
    /// Offers in a row that rang out.
    pub missed: u32,
    /// Whether they have nothing to do and can be asked now.
    pub free: bool,
    /// Thousandths of them that conversations take.
    pub load: u16,
    /// Conversations that they have, parked and interrupted ones among them.
    pub holds: Vec<(ItemId, Channel, Standing)>,
    /// Their devices, the first one first; none when only their own phones ring.
    pub devices: Vec<DeviceNow>,
}

/// A device of an agent now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNow {
    /// Its name.
    pub device: DeviceName,
    /// What it is.
    pub kind: DeviceKind,
    /// Whether a call could reach it: it is registered, or needs no registration.
    pub reachable: bool,
    /// Live legs outside offers.
    pub legs: u32,
}

/// An item now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemView {
    /// Which.
    pub item: ItemId,
    /// The call behind it.
    pub call: CallId,
    /// Its queue.
    pub queue: QueueName,
    /// Who waits.
    pub caller: PartyNumber,
    /// Where it is on its way.
    pub stage: ItemStage,
    /// The agent it is offered to or in conversation with.
    pub agent: Option<AgentName>,
    /// The offer that rings.
    pub offer: Option<OfferId>,
    /// Skills asked for now.
    pub skills: Vec<SkillLevel>,
    /// Minutes of virtual waiting ahead.
    pub priority_minutes: u32,
    /// The waiting time counts from here.
    pub virtual_arrival_at: Timestamp,
    /// Its medium.
    pub channel: Channel,
    /// How much of an agent it takes.
    pub load: Load,
    /// The customer is called back: tries that are left, and not before when.
    pub callback: Option<(u32, Timestamp)>,
    /// Where it stands; `None` in conversation.
    pub place: Option<Place>,
    /// Its rank: 1 is exactly on target; `None` in conversation.
    pub rank: Option<f64>,
}

/// Where an item is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemStage {
    /// Nobody is asked at the moment.
    Waiting,
    /// An agent's device is called or rings.
    Offered,
    /// In conversation.
    Engaged,
    /// A customer who was not reached: called again later.
    Later,
    /// Of before the restart: its caller may call back.
    Detached,
}

impl Floor {
    /// All queues, by name.
    #[must_use]
    pub fn queues(&self, now: Timestamp) -> Vec<QueueView> {
        self.queues.values().filter(|queue| queue.in_plan || !queue.order.is_empty()).map(|queue| queue.view(now)).collect()
    }

    /// All agents, by name.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentView> {
        self.agents.values().map(|agent| self.agent_view(agent)).collect()
    }

    /// One agent; `None` when the floor does not know them.
    #[must_use]
    pub fn agent(&self, name: &AgentName) -> Option<AgentView> {
        self.agents.get(name).map(|agent| self.agent_view(agent))
    }

    /// All items: queue by queue in their order, then those in conversation.
    #[must_use]
    pub fn items(&self, now: Timestamp) -> Vec<ItemView> {
        let mut views = Vec::with_capacity(self.items.len());
        for queue in self.queues.values() {
            for (before, key) in queue.order.iter().enumerate() {
                if let Some(item) = self.items.get(&key.item) {
                    views.push(self.item_view(now, item, Some((queue, before))));
                }
            }
        }
        let engaged = self.items.values().filter(|item| matches!(item.stage, Stage::Engaged { .. }));
        views.extend(engaged.map(|item| self.item_view(now, item, None)));
        views
    }

    /// One item; `None` when the floor does not know it (any more).
    #[must_use]
    pub fn item(&self, id: ItemId, now: Timestamp) -> Option<ItemView> {
        let item = self.items.get(&id)?;
        let queue = self.queues.get(&item.queue).filter(|_| !matches!(item.stage, Stage::Engaged { .. }));
        Some(self.item_view(now, item, queue.map(|queue| (queue, queue.order.before(item.key())))))
    }

    fn agent_view(&self, agent: &Agent) -> AgentView {
        let (item, offer) = match agent.state {
            AgentState::Reserved { offer } => (self.offers.get(&offer).map(|live| live.item), Some(offer)),
            AgentState::Engaged { item } => (item, agent.offer),
            _ => (None, None),
        };
        AgentView {
            agent: agent.profile.agent.clone(),
            queues: agent.profile.queues.clone(),
            skills: skills::listed(&agent.skills),
            state: agent.state.clone(),
            since_at: agent.since_at,
            idle_since_at: agent.idle_since_at,
            pending: agent.pending.clone(),
            item,
            offer,
            reachable: agent.is_reachable(),
            direct_legs: agent.direct_legs,
            aside_until_at: agent.aside.map(|aside| aside.until_at),
            missed: agent.missed,
            free: agent.is_free(),
            load: agent.load(),
            holds: agent.held.iter().map(|held| (held.item, held.demand.channel, held.standing)).collect(),
            devices: self.phones.devices_of(&agent.profile),
        }
    }

    fn item_view(&self, now: Timestamp, item: &Item, stands: Option<(&Queue, usize)>) -> ItemView {
        let (stage, offer, agent) = match &item.stage {
            Stage::Waiting => (ItemStage::Waiting, None, None),
            Stage::Offered(offer) => (ItemStage::Offered, Some(*offer), self.offers.get(offer).map(|live| live.agent.clone())),
            Stage::Engaged { agent, .. } => (ItemStage::Engaged, None, Some(agent.clone())),
            Stage::Later => (ItemStage::Later, None, None),
            Stage::Detached => (ItemStage::Detached, None, None),
        };
        ItemView {
            item: item.item,
            call: item.call,
            queue: item.queue.clone(),
            caller: item.caller.clone(),
            stage,
            agent,
            offer,
            skills: skills::listed(&item.needs),
            priority_minutes: item.priority_minutes,
            virtual_arrival_at: item.virtual_arrival_at,
            channel: item.work.channel,
            load: item.work.load,
            callback: match &item.behind {
                Behind::Caller => None,
                Behind::Callback(callback) => Some((callback.tries.left, callback.not_before)),
            },
            place: stands.map(|(queue, before)| queue.place(before)),
            rank: stands.map(|(queue, _)| item.rank(now, queue).as_f64()),
        }
    }
}

impl Queue {
    fn view(&self, now: Timestamp) -> QueueView {
        let waiting = self.arrivals.len();
        let callbacks: std::collections::BTreeSet<ItemId> = self.promised.values().copied().collect();
        let asked = self.open().filter(|key| !callbacks.contains(&key.item)).count();
        QueueView {
            queue: self.profile.queue.clone(),
            in_plan: self.in_plan,
            waiting: number(waiting),
            callbacks: number(callbacks.len()),
            offered: number(waiting.saturating_sub(asked)),
            expected_back: number(self.order.len().saturating_sub(waiting + callbacks.len())),
            engaged: self.engaged,
            longest_wait_ms: self.arrivals.first().map_or(0, |(arrived_at, _)| now.ms_since(*arrived_at)),
            estimated_wait_ms: self.place(self.order.len()).estimated_wait_ms,
            handling_ms: self.handling.mean_ms(),
            answer_target_ms: self.profile.answer_target_ms,
            agents: number(self.members.len()),
            agents_signed_in: self.signed_in,
            agents_free: number(self.idle.values().map(std::collections::BTreeSet::len).sum()),
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
