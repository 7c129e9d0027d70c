//! The words of a ladder: what they mean as inputs, and how states are written.

use crate::{cause::Cause, floor::AgentState, link::Place, name::SkillLevel, step::AgentRequest, time::Timestamp};

pub(super) fn request(words: &[&str]) -> AgentRequest {
    match words[0] {
        "sign-in" => AgentRequest::SignIn,
        "sign-out" => AgentRequest::SignOut,
        "ready" => AgentRequest::Ready,
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
