//! Queues, agents and items.

use serde::{Deserialize, Serialize};
use tandem_switch::{
    channel::Channel,
    floor::{self, AgentState, Considered, Explanation},
    id::ItemId,
    name::SkillLevel,
    step::AgentRequest,
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{At, text, word};
use crate::{http::devices::DeviceNowView, store::ItemStory};

/// A queue now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// Its name.
    pub queue: String,
    /// Whether the plan has it; one that was dropped only serves who still waits.
    pub in_plan: bool,
    /// Callers who wait, those for whom an agent rings among them.
    pub waiting: u32,
    /// Callers who are called back instead of waiting on the line.
    pub callbacks: u32,
    /// Of those who wait, those for whom an agent rings.
    pub offered: u32,
    /// Places kept since the restart for callers who have not called back yet.
    pub expected_back: u32,
    /// In conversation.
    pub engaged: u32,
    /// The longest wait of those who wait.
    pub longest_wait_ms: u64,
    /// What a new caller would wait; absent as long as too few calls were handled to tell.
    pub estimated_wait_ms: Option<u64>,
    /// Wanted answer time.
    pub answer_target_ms: u64,
    /// Agents who serve it.
    pub agents: u32,
    /// Of these, those on duty.
    pub agents_signed_in: u32,
    /// Of these, those who could take an offer now.
    pub agents_free: u32,
}

/// A queue and who waits in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueDetail {
    /// The queue.
    #[serde(flatten)]
    pub queue: QueueView,
    /// Who waits, the next one first; then those in conversation.
    pub items: Vec<ItemView>,
}

/// A skill and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkillView {
    /// Which.
    pub skill: String,
    /// 1 (some) to 10 (the best).
    pub level: u8,
}

/// A work item now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    /// Which.
    pub item: String,
    /// The call behind it.
    pub call: String,
    /// Where it waits.
    pub queue: String,
    /// Who waits.
    pub caller: String,
    /// `waiting`, `offered`, `engaged`, `later` (a customer who was not reached), or `detached` (of before the restart).
    pub stage: String,
    /// The agent who is rung or talks.
    pub agent: Option<String>,
    /// 1 is next; absent in conversation.
    pub position: Option<u32>,
    /// Absent as long as it cannot be told.
    pub estimated_wait_ms: Option<u64>,
    /// How long it has waited.
    pub waited_ms: u64,
    /// What an agent must be able to do, after what the waiting time softened.
    pub skills: Vec<SkillView>,
    /// Minutes of virtual waiting ahead.
    pub priority_minutes: u32,
    /// `call` (somebody waits on the line) or `callback` (they are called when it is their turn).
    pub kind: String,
    /// How much of an agent it takes: `light` half of what its channel takes, `heavy` twice that, `whole` all of them. Absent: as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
    /// The customer is called back: how many tries are left. Absent for who waits on the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_tries: Option<u32>,
}

/// An agent now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentView {
    /// Their name: the extension of their device.
    pub agent: String,
    /// `offline`, `ready`, `reserved`, `engaged`, `wrap-up` or `not-ready`.
    pub state: String,
    /// Why they are not ready.
    pub reason: Option<String>,
    /// Since when.
    pub since: At,
    /// When the wrap-up ends by itself.
    pub until: Option<At>,
    /// The item that rings or is talked about.
    pub item: Option<String>,
    /// What they asked for, to come once conversation and wrap-up are over.
    pub pending: Option<String>,
    /// Queues they serve.
    pub queues: Vec<String>,
    /// What they can do.
    pub skills: Vec<SkillView>,
    /// Whether a call could reach their device.
    pub reachable: bool,
    /// Whether they could take an offer now.
    pub free: bool,
    /// Offers in a row that rang out.
    pub missed: u32,
    /// Thousandths of them that conversations take: 1000 is all.
    #[serde(default)]
    pub load: u16,
    /// Conversations that they have, those that are parked or interrupted among them.
    #[serde(default)]
    pub holds: Vec<HeldView>,
    /// Their devices as they are now, the first one first; none when only their own phones ring.
    #[serde(default)]
    pub devices: Vec<DeviceNowView>,
}

/// A conversation that an agent has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldView {
    /// Which item.
    pub item: String,
    /// `voice`, `email`, `sms`, `whatsapp` or `chat`.
    pub channel: String,
    /// `active`, `parked` or `interrupted`.
    pub standing: String,
}

impl From<&(ItemId, Channel, floor::Standing)> for HeldView {
    fn from((item, channel, standing): &(ItemId, Channel, floor::Standing)) -> Self {
        Self { item: text(item), channel: channel.word().into(), standing: word(standing) }
    }
}

/// A change of an agent's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "state", deny_unknown_fields)]
pub enum StateChange {
    /// Begin duty.
    SignIn,
    /// End duty, after a conversation in progress and its wrap-up.
    SignOut,
    /// Take offers again; ends wrap-up early.
    Ready,
    /// More time for the paperwork of the last conversation, as its queue's `wrap-up-more` says.
    MoreWrapUp,
    /// Take no more offers.
    NotReady {
        /// Why, in at most 64 characters (`lunch`).
        reason: String,
    },
}

/// Why one agent was or was not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsideredView {
    /// Who.
    pub agent: String,
    /// A sentence.
    pub why: String,
}

/// One agent who was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferView {
    /// Which offer.
    pub offer: String,
    /// Whom.
    pub agent: String,
    /// When.
    pub offered_at: At,
    /// When it ended; absent while it rings.
    pub ended_at: Option<At>,
    /// `accepted`, `declined`, `expired` or `withdrawn`.
    pub outcome: Option<String>,
    /// Why it was declined.
    pub cause: Option<String>,
    /// How long the item had waited.
    pub waited_ms: u64,
    /// Skills asked for at that moment.
    pub skills: Vec<SkillView>,
    /// Every agent who was weighed, the chosen one first.
    pub considered: Vec<ConsideredView>,
}

/// The story of a work item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemStoryView {
    /// Which.
    pub item: String,
    /// The call behind it.
    pub call: String,
    /// Its queue.
    pub queue: String,
    /// Who waited.
    pub caller: String,
    /// `call` (somebody waited on the line) or `callback`.
    pub kind: String,
    /// `waiting`, `served`, `left` or `rejoined`.
    pub state: String,
    /// Who has or had it.
    pub agent: Option<String>,
    /// When it joined the queue.
    pub queued_at: At,
    /// When an agent took it.
    pub served_at: Option<At>,
    /// When it was over.
    pub ended_at: Option<At>,
    /// Why it left, or what ended the conversation.
    pub reason: Option<String>,
    /// Who was asked, in order.
    pub offers: Vec<OfferView>,
    /// While it waits: why, in one sentence.
    pub waits_because: Option<String>,
    /// While it waits: each agent of the queue and why they do not have it.
    pub considered: Vec<ConsideredView>,
}

impl From<&SkillLevel> for SkillView {
    fn from(skill: &SkillLevel) -> Self {
        Self { skill: text(&skill.skill), level: skill.level }
    }
}

impl From<&SkillView> for SkillLevel {
    fn from(skill: &SkillView) -> Self {
        Self { skill: skill.skill.as_str().into(), level: skill.level }
    }
}

pub(super) fn skills(skills: &[SkillLevel]) -> Vec<SkillView> {
    skills.iter().map(SkillView::from).collect()
}

impl From<&floor::QueueView> for QueueView {
    fn from(queue: &floor::QueueView) -> Self {
        Self {
            queue: text(&queue.queue),
            in_plan: queue.in_plan,
            waiting: queue.waiting,
            callbacks: queue.callbacks,
            offered: queue.offered,
            expected_back: queue.expected_back,
            engaged: queue.engaged,
            longest_wait_ms: queue.longest_wait_ms,
            estimated_wait_ms: queue.estimated_wait_ms,
            answer_target_ms: queue.answer_target_ms,
            agents: queue.agents,
            agents_signed_in: queue.agents_signed_in,
            agents_free: queue.agents_free,
        }
    }
}

impl ItemView {
    /// As it is at `now`.
    #[must_use]
    pub fn new(item: &floor::ItemView, now: Timestamp) -> Self {
        Self {
            item: text(&item.item),
            call: text(&item.call),
            queue: text(&item.queue),
            caller: item.caller.as_str().into(),
            stage: word(&item.stage),
            agent: item.agent.as_ref().map(text),
            position: item.place.map(|place| place.position),
            estimated_wait_ms: item.place.and_then(|place| place.estimated_wait_ms),
            waited_ms: now.ms_since(item.virtual_arrival_at),
            skills: skills(&item.skills),
            priority_minutes: item.priority_minutes,
            kind: kind(item.callback.is_some(), item.channel),
            load: (!item.load.is_normal()).then(|| item.load.word().to_owned()),
            callback_tries: item.callback.map(|(tries, _)| tries),
        }
    }
}

impl From<&floor::AgentView> for AgentView {
    fn from(agent: &floor::AgentView) -> Self {
        let (state, reason, until) = match &agent.state {
            AgentState::Offline => ("offline", None, None),
            AgentState::Ready => ("ready", None, None),
            AgentState::Reserved { .. } => ("reserved", None, None),
            AgentState::Engaged { .. } => ("engaged", None, None),
            AgentState::WrapUp { until_at } => ("wrap-up", None, Some(At(*until_at))),
            AgentState::NotReady { reason } => ("not-ready", Some(reason.clone()), None),
        };
        Self {
            agent: text(&agent.agent),
            state: state.into(),
            reason,
            since: At(agent.since_at),
            until,
            item: agent.item.as_ref().map(text),
            pending: agent.pending.as_ref().map(|request| match request {
                AgentRequest::SignIn => "sign-in".into(),
                AgentRequest::SignOut => "sign-out".into(),
                AgentRequest::Ready => "ready".into(),
                AgentRequest::MoreWrapUp => "more-wrap-up".into(),
                AgentRequest::NotReady { reason } => format!("not-ready: {reason}"),
            }),
            queues: agent.queues.iter().map(text).collect(),
            skills: skills(&agent.skills),
            reachable: agent.reachable,
            free: agent.free,
            missed: agent.missed,
            load: agent.load,
            holds: agent.holds.iter().map(HeldView::from).collect(),
            devices: agent.devices.iter().map(DeviceNowView::from).collect(),
        }
    }
}

impl From<StateChange> for AgentRequest {
    fn from(change: StateChange) -> Self {
        match change {
            StateChange::SignIn => Self::SignIn,
            StateChange::SignOut => Self::SignOut,
            StateChange::Ready => Self::Ready,
            StateChange::MoreWrapUp => Self::MoreWrapUp,
            StateChange::NotReady { reason } => Self::NotReady { reason },
        }
    }
}

fn kind(callback: bool, channel: Channel) -> String {
    match channel {
        Channel::Voice if callback => "callback",
        Channel::Voice => "call",
        other => other.word(),
    }
    .into()
}

fn considered(considered: Vec<Considered>) -> Vec<ConsideredView> {
    considered.into_iter().map(|one| ConsideredView { agent: text(&one.agent), why: one.why }).collect()
}

impl ItemStoryView {
    /// What the store knows, and what the floor says of an item that still waits.
    #[must_use]
    pub fn new(story: ItemStory, now: Option<Explanation>) -> Self {
        let offers = story.offers.into_iter().map(|offer| OfferView {
            offer: text(&offer.offer),
            agent: text(&offer.agent),
            offered_at: At(offer.offered_at),
            ended_at: offer.ended_at.map(At),
            outcome: offer.outcome,
            cause: offer.cause,
            waited_ms: offer.decision.waited_ms,
            skills: skills(&offer.decision.skills),
            considered: considered(offer.decision.considered),
        });
        let (waits_because, now_considered) =
            now.map_or((None, Vec::new()), |now| (Some(now.summary), considered(now.considered)));
        Self {
            item: text(&story.item.item),
            call: text(&story.item.call),
            queue: text(&story.item.queue),
            caller: story.item.caller.as_str().into(),
            kind: kind(story.item.callback.is_some(), story.item.work.channel),
            state: story.state,
            agent: story.agent.as_ref().map(text),
            queued_at: At(story.queued_at),
            served_at: story.served_at.map(At),
            ended_at: story.ended_at.map(At),
            reason: story.reason,
            offers: offers.collect(),
            waits_because,
            considered: now_considered,
        }
    }
}
