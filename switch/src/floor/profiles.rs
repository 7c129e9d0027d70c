//! Agents as the database has them: who is new, who changed, who is gone. States are never reset.

use std::collections::BTreeSet;

use super::{
    Floor, Timer,
    agents::Agent,
    contract::{AgentProfile, AgentState, FloorEvent},
    skills,
};
use crate::{
    name::{AgentName, QueueName},
    step::AgentRequest,
    time::Timestamp,
};

impl Floor {
    pub(super) fn reload_agents(&mut self, now: Timestamp, profiles: Vec<AgentProfile>) {
        let named: BTreeSet<AgentName> = profiles.iter().map(|profile| profile.agent.clone()).collect();
        for mut profile in profiles {
            let mut seen = BTreeSet::new();
            profile.queues.retain(|queue| seen.insert(queue.clone()));
            match self.agents.get(&profile.agent) {
                // Most of a reload is as before.
                Some(agent) if agent.profile == profile && !agent.gone => {}
                Some(_) => self.change_agent(now, profile),
                None => self.add_agent(now, profile),
            }
        }
        let gone: Vec<AgentName> = self.agents.keys().filter(|name| !named.contains(*name)).cloned().collect();
        for name in gone {
            self.dismiss(now, &name);
        }
        self.forget_remembered(now);
        self.drop_unused_queues();
    }

    fn add_agent(&mut self, now: Timestamp, profile: AgentProfile) {
        let (name, queues, always_on) = (profile.agent.clone(), profile.queues.clone(), profile.always_on);
        let mut agent = Agent::new(profile, now);
        self.phones.belong(None, Some(&agent.profile));
        agent.hear_phones(&self.phones);
        agent.kind = self.classes.join(&agent);
        self.agents.insert(name.clone(), agent);
        self.take_up_work(now, &name);
        for queue in &queues {
            self.enlist(now, &name, queue);
        }
        if let Some(record) = self.remembered.remove(&name) {
            self.bring_back(now, record);
        } else if always_on {
            self.rest(now, &name);
        }
    }

    fn change_agent(&mut self, now: Timestamp, profile: AgentProfile) {
        let name = profile.agent.clone();
        self.unlist(&name);
        let Some(agent) = self.agents.get_mut(&name) else { return };
        if agent.gone {
            agent.gone = false;
            agent.pending = None;
            let back = FloorEvent::AgentAsked { agent: name.clone(), request: AgentRequest::Ready, at: now };
            self.journal(back);
        }
        let Some(agent) = self.agents.get_mut(&name) else { return };
        let became_fixed = profile.always_on && !agent.profile.always_on && agent.state == AgentState::Offline;
        agent.skills = skills::sorted(&profile.skills);
        let queues = profile.queues.clone();
        let fits_no_more = agent.profile.capacity != profile.capacity && agent.offer.is_some();
        self.phones.belong(Some(&agent.profile), Some(&profile));
        let before = std::mem::replace(&mut agent.profile, profile).queues;
        agent.hear_phones(&self.phones);
        let kind = self.classes.join(agent);
        self.classes.leave(std::mem::replace(&mut agent.kind, kind));
        for queue in before.iter().filter(|queue| !queues.contains(queue)) {
            self.delist(now, &name, queue);
        }
        for queue in queues.iter().filter(|queue| !before.contains(queue)) {
            self.enlist(now, &name, queue);
        }
        self.release_saved(now, &name);
        self.phones_changed(now, &name);
        if fits_no_more {
            self.take_offer_back(now, &name);
            self.rest(now, &name);
        }
        if became_fixed {
            self.rest(now, &name);
        }
    }

    /// The database has them no more: they go at once, or after their conversation.
    fn dismiss(&mut self, now: Timestamp, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.gone {
            return;
        }
        if matches!(agent.state, AgentState::Engaged { item: Some(_) }) {
            agent.gone = true;
            agent.pending = Some(AgentRequest::SignOut);
            let asked = FloorEvent::AgentAsked { agent: name.clone(), request: AgentRequest::SignOut, at: now };
            self.journal(asked);
            self.take_offer_back(now, name);
            self.release_saved(now, name);
            self.go_on(now, name);
        } else {
            self.stop_work(now, name, AgentState::Offline);
            self.remove_agent(now, name);
        }
    }

    /// Forgets an agent who is Offline. What is parked with them goes back to its queue.
    pub(super) fn remove_agent(&mut self, now: Timestamp, name: &AgentName) {
        self.give_all_back(now, name);
        self.unlist(name);
        self.timers.clear(&Timer::Aside(name.clone()));
        if let Some(agent) = self.agents.remove(name) {
            self.classes.leave(agent.kind);
            self.phones.belong(Some(&agent.profile), None);
            for queue in &agent.profile.queues {
                if let Some(queue) = self.queues.get_mut(queue) {
                    queue.members.remove(name);
                }
            }
        }
    }

    fn enlist(&mut self, now: Timestamp, name: &AgentName, queue: &QueueName) {
        let Some(state) = self.agents.get(name).map(|agent| agent.state.clone()) else { return };
        if self.queue_entry(queue).members.insert(name.clone()) {
            self.count_agent(now, queue, &AgentState::Offline, &state);
        }
    }

    fn delist(&mut self, now: Timestamp, name: &AgentName, queue: &QueueName) {
        let Some(state) = self.agents.get(name).map(|agent| agent.state.clone()) else { return };
        if self.queues.get_mut(queue).is_some_and(|entry| entry.members.remove(name)) {
            self.count_agent(now, queue, &state, &AgentState::Offline);
        }
    }
}
