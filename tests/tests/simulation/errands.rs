//! What agents do beside taking calls: they sign in and out, take a break, make calls, lose their phones.

use tandem_switch::{
    floor::{AgentState, Input},
    step::AgentRequest,
};

use crate::world::{Happening, Outcome, World};

impl World {
    /// An agent looks at what they are doing, and does something about it now and then.
    pub(crate) fn errand(&mut self, agent: usize) -> Outcome {
        if self.closing {
            return Ok(());
        }
        let pause = self.dice.between(3_000, 12_000);
        self.later(pause, Happening::Errand(agent));
        let name = self.agents[agent].clone();
        let Some(state) = self.watch.agents.get(&name).cloned().or(Some(AgentState::Offline)).filter(|_| self.is_up()) else {
            return Ok(());
        };
        let chance = self.dice.below(100);
        let (request, code) = match state {
            AgentState::Offline => (AgentRequest::SignIn, "*11"),
            AgentState::NotReady { .. } => (AgentRequest::Ready, "*13"),
            _ if chance < 3 => (AgentRequest::SignOut, "*12"),
            _ if chance < 7 => (AgentRequest::NotReady { reason: "lunch".to_owned() }, "*14"),
            AgentState::WrapUp { .. } if chance < 30 => (AgentRequest::Ready, "*13"),
            _ => return self.other_errand(agent, chance),
        };
        match self.phone_of(agent) {
            // By feature code, from a phone that is not in use.
            Some(phone) if self.dice.percent(60) => {
                if self.phones[phone].is_free() {
                    self.call(phone, name.as_str(), code);
                }
                Ok(())
            }
            _ => self.floor_told(Input::Agent { agent: name, request }),
        }
    }

    fn other_errand(&mut self, agent: usize, chance: u64) -> Outcome {
        let Some(phone) = self.phone_of(agent) else { return Ok(()) };
        match chance {
            7..12 if self.phones[phone].is_free() => {
                let dials = *self.dice.pick(&["1001", "1002", "1003", "4000", "5000", "1999"]);
                let own = self.agents[agent].clone();
                self.call(phone, own.as_str(), dials);
            }
            12..15 if self.phones[phone].is_on => self.power_off(phone),
            _ => {}
        }
        Ok(())
    }

    /// The phone that an agent registers; `None` for those at the desk.
    fn phone_of(&self, agent: usize) -> Option<usize> {
        let name = self.agents[agent].as_str();
        self.phones.iter().position(|phone| phone.owner.as_deref() == Some(name))
    }

    /// Everybody is signed in and ready.
    pub(crate) fn all_ready(&mut self) -> Outcome {
        for agent in self.agents.clone() {
            for request in [AgentRequest::SignIn, AgentRequest::Ready] {
                self.floor_told(Input::Agent { agent: agent.clone(), request })?;
            }
        }
        Ok(())
    }
}
