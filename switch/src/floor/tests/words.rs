//! The words of a ladder: what they mean as inputs, and how states are written.

use crate::{
    cause::Cause,
    channel::{Capacity, Channel},
    demand::Load,
    device::{Device, DeviceKind, Devices},
    floor::{AgentState, FloorEvent, Preferred, Side, Work, WorkRules},
    link::Place,
    name::SkillLevel,
    step::{AgentRequest, RingStrategy, Target},
    time::Timestamp,
};

fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key))
}

/// `takes=chat:500,sms:0`: thousandths of the agent.
pub(super) fn capacity(words: &[&str]) -> Capacity {
    let Some(list) = option(words, "takes=") else { return Capacity::default() };
    let mut text = crate::channel::CapacityText::default();
    for one in list.split(',') {
        let (channel, weight) = one.split_once(':').unwrap();
        text.weights.insert(Channel::of(channel).unwrap(), weight.parse().unwrap());
    }
    text.try_into().unwrap()
}

/// `by=chat`, `load=heavy`, `for=1001@30`, `deadline=600`: times in seconds from now.
pub(super) fn work(words: &[&str], now: Timestamp) -> Work {
    let seconds = |text: &str| now.plus_ms(text.parse::<u64>().unwrap() * 1_000);
    let preferred = option(words, "for=").map(|text| {
        let (agent, until) = text.split_once('@').unwrap();
        Preferred { agent: agent.into(), until_at: seconds(until) }
    });
    let channel = option(words, "by=").map_or(Channel::Voice, |word| Channel::of(word).unwrap());
    let load = option(words, "load=").map_or(Load::Normal, |word| Load::of_word(word).unwrap());
    Work { channel, load, preferred, deadline_at: option(words, "deadline=").map(seconds) }
}

/// One option of a queue: `lease=60`.
pub(super) fn work_rule(rules: &mut WorkRules, key: &str, value: &str) {
    let number: u32 = value.parse().unwrap();
    let ms = u64::from(number) * 1_000;
    match key {
        "lease" => rules.lease_ms = ms,
        "park" => rules.park_after_ms = ms,
        "prefer" => rules.prefer_ms = ms,
        "most" => rules.max_priority_minutes = number,
        "extension" => rules.extension_ms = ms,
        "extensions" => rules.max_extensions = number,
        _ => panic!("{key}"),
    }
}

pub(super) fn side(word: &str) -> Side {
    if word == "agent" { Side::Agent } else { Side::Customer }
}

/// What happened to a conversation in writing, or to a place.
pub(super) fn event_word(event: &FloorEvent) -> String {
    match event {
        FloorEvent::Prioritised { item, from_minutes, reason, .. } => {
            format!("{} moves from {from_minutes} to {} minutes: {reason}", item.item.0, item.priority_minutes)
        }
        FloorEvent::ConversationChanged { item, agent, standing, turn, .. } => {
            format!("{} with {agent} is {standing:?}, turn of {turn:?}", item.0)
        }
        FloorEvent::Returned { item, agent, reason, .. } => format!("{} returned by {agent}, {reason:?}", item.item.0),
        _ => panic!("{event:?}"),
    }
}

pub(super) fn request(words: &[&str]) -> AgentRequest {
    match words[0] {
        "sign-in" => AgentRequest::SignIn,
        "sign-out" => AgentRequest::SignOut,
        "ready" => AgentRequest::Ready,
        "more-wrap-up" => AgentRequest::MoreWrapUp,
        "not-ready" => AgentRequest::NotReady { reason: words.get(2).copied().unwrap_or("break").to_owned() },
        _ => panic!("{words:?}"),
    }
}

pub(super) fn skill_level(word: &str) -> SkillLevel {
    let (skill, level) = word.split_once(':').unwrap();
    SkillLevel { skill: skill.into(), level: level.parse().unwrap() }
}

pub(super) fn cause(word: &str) -> Cause {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).unwrap()
}

pub(super) fn state_word(state: &AgentState, at: Timestamp) -> String {
    match state {
        AgentState::Engaged { item: None } => "on a direct call".to_owned(),
        AgentState::Engaged { item: Some(_) } => "engaged".to_owned(),
        AgentState::WrapUp { until_at } => format!("wrap-up for {} s", until_at.ms_since(at) / 1000),
        AgentState::NotReady { reason } => format!("not ready: {reason}"),
        AgentState::Reserved { .. } => "reserved".to_owned(),
        AgentState::Ready => "ready".to_owned(),
        AgentState::Offline => "offline".to_owned(),
    }
}

pub(super) fn place_words(place: Place) -> String {
    match place.estimated_wait_ms {
        Some(ms) => format!("place {}, about {} s", place.position, ms / 1000),
        None => format!("place {}", place.position),
    }
}

/// `devices=1101,+39333:1`: extensions, and numbers outside with their key; `rings=all` at once.
pub(super) fn devices(words: &[&str]) -> Devices {
    let Some(text) = words.iter().find_map(|word| word.strip_prefix("devices=")) else { return Devices::default() };
    let order = if words.contains(&"rings=all") { RingStrategy::All } else { RingStrategy::InOrder };
    let device = |text: &str| {
        let (whom, key) = text.split_once(':').map_or((text, None), |(whom, key)| (whom, key.chars().next()));
        let outside = Target::Trunk { trunk: "carrier".into(), number: whom.into() };
        let target = if whom.starts_with('+') { outside } else { Target::Extension(whom.into()) };
        Device { name: whom.into(), kind: DeviceKind::Desk, target, ring_ms: None, confirm: key }
    };
    Devices { order, list: text.split(',').map(device).collect() }
}
