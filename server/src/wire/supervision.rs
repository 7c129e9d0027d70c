//! Supervisors beside agents' conversations: who listens to whom, and who hears them.
//!
//! A conversation with a supervisor is a room of the media engine, laid down whole whenever it begins or a role changes; without
//! one it is a pair of joined legs, as always. So supervising costs nothing where nobody does it.

use std::collections::{BTreeMap, HashMap};

use tandem_switch::{id::CallId, name::AgentName, step::Supervision as Role};

use super::{LegRef, media::MediaEdge};

/// Rooms of supervision are numbered from here, those of conferences below.
const FIRST_ROOM: u64 = 1 << 63;

/// A conversation of an agent: both hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// The other party.
    pub customer: LegRef,
    /// The agent.
    pub agent: LegRef,
}

/// All of one line loop.
#[derive(Debug, Default)]
pub struct Supervision {
    supervisors: BTreeMap<LegRef, (AgentName, Role)>,
    talks: HashMap<AgentName, Talk>,
    agents: HashMap<CallId, AgentName>,
    /// Conversations that are rooms now.
    rooms: HashMap<AgentName, u64>,
    last: u64,
}

impl Supervision {
    /// A call was worked on: this is the conversation that it has now.
    pub fn seen(&mut self, call: CallId, now: Option<(&AgentName, Talk)>, media: &mut MediaEdge) {
        let before = self.agents.get(&call);
        if before == now.map(|(agent, _)| agent)
            && before.is_none_or(|agent| self.talks.get(agent) == now.map(|(_, talk)| talk).as_ref())
        {
            return;
        }
        if let Some(agent) = self.agents.remove(&call)
            && self.talks.get(&agent).is_some_and(|talk| talk.agent.call == call)
        {
            self.talks.remove(&agent);
            self.lay(&agent, media);
        }
        if let Some((agent, talk)) = now {
            self.agents.insert(call, agent.clone());
            self.talks.insert(agent.clone(), talk);
            self.lay(agent, media);
        }
    }

    /// A leg hears an agent's conversations from now on, in that role.
    pub fn supervise(&mut self, leg: LegRef, agent: AgentName, role: Role, media: &mut MediaEdge) {
        let before = self.supervisors.insert(leg, (agent.clone(), role));
        if let Some((other, _)) = before.filter(|(other, _)| *other != agent) {
            self.lay(&other, media);
        }
        self.lay(&agent, media);
    }

    /// A leg is gone.
    pub fn gone(&mut self, leg: LegRef, media: &mut MediaEdge) {
        if let Some((agent, _)) = self.supervisors.remove(&leg) {
            self.lay(&agent, media);
        }
    }

    /// Whom a key press of a leg is for, where they are in a room and hear no keys by themselves.
    #[must_use]
    pub fn other_party(&self, leg: LegRef) -> Option<LegRef> {
        let agent = self.agents.get(&leg.call).filter(|agent| self.rooms.contains_key(*agent))?;
        let talk = self.talks.get(agent)?;
        [(talk.customer, talk.agent), (talk.agent, talk.customer)]
            .into_iter()
            .find(|(one, _)| *one == leg)
            .map(|(_, other)| other)
    }

    /// Brings an agent's conversation to what it is to be: a room, a pair, or over.
    fn lay(&mut self, agent: &AgentName, media: &mut MediaEdge) {
        let listeners = self.supervisors.iter().filter(|(_, (whose, _))| whose == agent);
        let listeners: Vec<(LegRef, Role)> = listeners.map(|(leg, (_, role))| (*leg, *role)).collect();
        match self.talks.get(agent) {
            Some(talk) if !listeners.is_empty() => {
                let last = &mut self.last;
                let room = *self.rooms.entry(agent.clone()).or_insert_with(|| {
                    *last += 1;
                    FIRST_ROOM + *last
                });
                media.lay_supervised(room, *talk, &listeners);
            }
            talk => {
                if let Some(room) = self.rooms.remove(agent) {
                    media.end_room(room);
                    if let Some(Talk { customer, agent }) = talk {
                        media.join(*customer, *agent);
                    }
                }
            }
        }
    }
}
