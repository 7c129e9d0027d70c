//! What the journal says of an event of the floor: its kind, and whom it concerns.

use tandem_switch::floor::FloorEvent;

use super::record::Entry;

pub(super) fn floor_kind(event: &FloorEvent) -> &'static str {
    match event {
        FloorEvent::AgentChanged { .. } => "agent-changed",
        FloorEvent::AgentAsked { .. } => "agent-asked",
        FloorEvent::Queued { .. } => "queued",
        FloorEvent::Refused { .. } => "refused",
        FloorEvent::Offered { .. } => "offered",
        FloorEvent::OfferEnded { .. } => "offer-ended",
        FloorEvent::CallbackKept { .. } => "callback-kept",
        FloorEvent::Overflowed { .. } => "overflowed",
        FloorEvent::Prioritised { .. } => "prioritised",
        FloorEvent::ConversationChanged { .. } => "conversation-changed",
        FloorEvent::Returned { .. } => "returned",
        FloorEvent::Left { .. } => "left",
        FloorEvent::Finished { .. } => "finished",
    }
}

pub(super) fn floor_entry(event: &FloorEvent) -> Entry {
    let (call, item, agent, at) = match event {
        FloorEvent::AgentChanged { agent, at, .. } | FloorEvent::AgentAsked { agent, at, .. } => (None, None, Some(agent), at),
        FloorEvent::Queued { item, at, .. }
        | FloorEvent::CallbackKept { item, at }
        | FloorEvent::Prioritised { item, at, .. }
        | FloorEvent::Overflowed { item, at, .. } => (Some(item.call), Some(item.item), None, at),
        FloorEvent::Returned { item, agent, at, .. } => (Some(item.call), Some(item.item), Some(agent), at),
        FloorEvent::Refused { call, at, .. } => (Some(*call), None, None, at),
        FloorEvent::Offered { item, agent, at, .. }
        | FloorEvent::OfferEnded { item, agent, at, .. }
        | FloorEvent::ConversationChanged { item, agent, at, .. }
        | FloorEvent::Finished { item, agent, at, .. } => (None, Some(*item), Some(agent), at),
        FloorEvent::Left { item, at, .. } => (None, Some(*item), None, at),
    };
    Entry {
        at: *at,
        kind: floor_kind(event),
        call: call.map(|call| call.to_string()),
        item: item.map(|item| item.to_string()),
        agent: agent.map(ToString::to_string),
        body: super::db::json(event),
    }
}
