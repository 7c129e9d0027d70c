//! Whoever is called: extensions, agents and numbers outside, as the script has them.

use tandem_switch::{
    call::Input,
    cause::Cause,
    cdr::Origin,
    device::Device,
    floor::AgentProfile,
    id::LegId,
    link::ToFloor,
    name::{AgentName, Extension, PartyNumber, SkillLevel, TrunkName},
    step::Target,
};

use super::{
    behaviour::Behaviour,
    stage::{Event, Stage},
};
use crate::plan::Plan;

/// Before a phone rings, in ms.
const RINGS_AFTER_MS: u64 = 200;
/// Before somebody who is asked for a key presses it, in ms.
const CONFIRMS_AFTER_MS: u64 = 2_000;

/// Somebody on a leg that was called.
#[derive(Debug)]
pub(super) struct Party {
    /// What the story calls them.
    pub(super) name: String,
    by_trunk: bool,
    /// Their device, when the call is no offer.
    occupies: Option<Extension>,
    /// They hear the caller, and hang up in their time.
    talks: bool,
    /// Whose phone names which number instead.
    forwards: Option<(Extension, PartyNumber)>,
    /// What they press when they are asked whether they take the call.
    key: Option<char>,
}

impl Plan {
    /// An agent of whom the plan knows nothing but the extension: able to do everything.
    pub(super) fn any_agent(&self, name: &AgentName) -> AgentProfile {
        AgentProfile {
            agent: name.clone(),
            queues: self.queues.keys().cloned().collect(),
            skills: self.skills.iter().map(|skill| SkillLevel { skill: skill.clone(), level: 10 }).collect(),
            device: Target::Extension(name.as_str().into()),
            devices: tandem_switch::device::Devices::default(),
            always_on: false,
            capacity: tandem_switch::channel::Capacity::default(),
        }
    }
}

impl Stage<'_> {
    pub(super) fn invite(&mut self, leg: LegId, target: &Target, caller_id: &PartyNumber, offered: Option<&AgentName>) {
        let device = offered.and_then(|agent| self.device_of(agent, target));
        let (name, does) = match (offered, target) {
            (Some(agent), _) => (agent.as_str().to_owned(), self.does_at(agent, device.as_ref(), caller_id)),
            (None, Target::Extension(extension)) => (extension.to_string(), Ok(self.does(extension.as_str()))),
            (None, Target::Fixed(address)) => (address.to_string(), Ok(self.does(address))),
            (None, Target::Trunk { trunk, number }) => (number.as_str().to_owned(), self.does_outside(trunk, number, caller_id)),
        };
        let by_trunk = matches!(target, Target::Trunk { .. });
        let occupies = match target {
            Target::Extension(extension) if offered.is_none() => Some(extension.clone()),
            _ => None,
        };
        if let Some(extension) = &occupies {
            self.occupy(extension);
        }
        let at = device.as_ref().map(|device| format!(" at {}", device.name)).unwrap_or_default();
        self.story.row(self.now, "party", format!("{name} ({leg}) is called{at}"));
        let key = device.and_then(|device| device.confirm).filter(|_| !matches!(does, Ok(Behaviour::Voicemail { .. })));
        let forwards = match (&does, target) {
            (Ok(Behaviour::Forwards { to }), Target::Extension(by)) => Some((by.clone(), to.clone())),
            _ => None,
        };
        self.parties.insert(leg, Party { name, by_trunk, occupies, talks: false, forwards, key });
        match does {
            Err(cause) => self.later(0, Event::Fails(leg, cause)),
            Ok(does @ Behaviour::Unreachable) => self.refuse(leg, &does, 0),
            Ok(does @ Behaviour::Busy) => self.refuse(leg, &does, RINGS_AFTER_MS),
            Ok(Behaviour::Forwards { .. }) => self.later(RINGS_AFTER_MS, Event::Forwards(leg)),
            Ok(Behaviour::NoAnswer) => self.later(RINGS_AFTER_MS, Event::Rings(leg)),
            Ok(Behaviour::Rejected { after_ms }) => {
                self.later(RINGS_AFTER_MS, Event::Rings(leg));
                self.later(after_ms.max(RINGS_AFTER_MS), Event::Fails(leg, Cause::Rejected));
            }
            Ok(Behaviour::Answers { after_ms } | Behaviour::Voicemail { after_ms }) => {
                self.later(RINGS_AFTER_MS, Event::Rings(leg));
                self.later(after_ms.max(RINGS_AFTER_MS), Event::Answers(leg));
            }
        }
    }

    fn refuse(&mut self, leg: LegId, does: &Behaviour, after_ms: u64) {
        let by_trunk = self.parties.get(&leg).is_some_and(|party| party.by_trunk);
        if let Some(cause) = does.refuses(by_trunk) {
            self.later(after_ms, Event::Fails(leg, cause));
        }
    }

    /// The device of an agent that is called there, where they have any.
    fn device_of(&self, agent: &AgentName, target: &Target) -> Option<Device> {
        let profile = self.plan.starter_profiles().into_iter().find(|profile| profile.agent == *agent)?;
        profile.devices.list.into_iter().find(|device| device.target == *target)
    }

    /// What happens at a device of an agent: what is said of its extension or number, else of the agent.
    fn does_at(&mut self, agent: &AgentName, device: Option<&Device>, caller_id: &PartyNumber) -> Result<Behaviour, Cause> {
        match device.map(|device| &device.target) {
            Some(Target::Extension(extension)) if self.script.parties.contains_key(extension.as_str()) => {
                Ok(self.does(extension.as_str()))
            }
            Some(Target::Trunk { trunk, number }) => self.does_outside(trunk, number, caller_id),
            _ => Ok(self.does(agent.as_str())),
        }
    }

    /// A called party is asked for the key that takes the call.
    pub(super) fn asked_for_key(&mut self, leg: LegId) {
        if let Some(digit) = self.parties.get(&leg).and_then(|party| party.key) {
            self.later(CONFIRMS_AFTER_MS, Event::Confirms(leg, digit));
        }
    }

    /// What somebody of ours does: as a party of the script, or as an agent of it.
    fn does(&self, name: &str) -> Behaviour {
        let agent = || self.script.agents.get(name).map(|(_, does)| does.clone());
        self.script.parties.get(name).cloned().or_else(agent).unwrap_or_default()
    }

    /// What a number outside does, by the trunk that takes the call.
    fn does_outside(&mut self, name: &TrunkName, number: &PartyNumber, caller_id: &PartyNumber) -> Result<Behaviour, Cause> {
        let (mut ways, refusal) = self.plan.ways(name, number, caller_id, || 0);
        // A caller of a trunk whose calls stay in it goes out by no other.
        if let Origin::Trunk(own) = &self.script.origin
            && self.plan.trunks.get(own).is_some_and(|trunk| !trunk.calls.onward)
        {
            ways.retain(|way| way.trunk == *own);
        }
        if ways.is_empty() {
            let why = refusal.map_or("onward", |refusal| refusal.as_str());
            self.story.row(self.now, "party", format!("{name} may not call that number: {why}"));
            return Err(Cause::Forbidden);
        }
        for way in ways {
            match self.script.parties.get(way.trunk.as_str()) {
                Some(Behaviour::Unreachable) => {
                    self.story.row(self.now, "party", format!("{} cannot take the call", way.trunk));
                }
                does => {
                    let does = does.or_else(|| self.script.parties.get(number.as_str())).cloned().unwrap_or_default();
                    self.story.row(self.now, "party", format!("{} takes the call as {}", way.trunk, way.number.as_str()));
                    return Ok(does);
                }
            }
        }
        Err(Cause::Unavailable)
    }

    /// A carrier is asked to take its caller back.
    pub(super) fn hand_back(&mut self, number: &PartyNumber) {
        let takes = match &self.script.origin {
            Origin::Trunk(trunk) => self.plan.trunks.get(trunk).filter(|trunk| trunk.takes_refer),
            Origin::Extension(_) => None,
        };
        let may = takes.is_some_and(|trunk| trunk.rules.outgoing(number, &PartyNumber::from("")).is_ok());
        let does = self.script.parties.get(number.as_str()).cloned().unwrap_or_default();
        let (after_ms, failed) = match does {
            _ if !may => (0, Some(Cause::Forbidden)),
            Behaviour::Answers { after_ms } | Behaviour::Voicemail { after_ms } => (after_ms, None),
            Behaviour::Rejected { after_ms } => (after_ms, Some(Cause::Rejected)),
            Behaviour::Busy => (RINGS_AFTER_MS, Some(Cause::Busy)),
            Behaviour::NoAnswer => (30_000, Some(Cause::NoAnswer)),
            // Numbers outside do not forward here.
            Behaviour::Unreachable | Behaviour::Forwards { .. } => (RINGS_AFTER_MS, Some(Cause::Unavailable)),
        };
        self.later(after_ms, Event::HandedBack(failed));
    }

    /// Something that a called party does of itself, if it is still on its leg.
    pub(super) fn party_does(&mut self, leg: LegId, event: &Event) {
        let Some(party) = self.parties.get(&leg) else { return };
        let name = party.name.clone();
        let (what, input) = match event {
            Event::Rings(_) => ("rings".to_owned(), Input::LegRang { leg, early_media: false }),
            Event::Confirms(_, digit) => (format!("presses {digit}"), Input::Digit { leg, digit: *digit }),
            Event::Answers(_) => ("answers".to_owned(), Input::LegAnswered { leg }),
            Event::Forwards(_) => match party.forwards.clone() {
                Some((by, to)) => (format!("forwards to {}", to.as_str()), self.forwards(leg, by, to)),
                None => return,
            },
            Event::Fails(_, cause) => (format!("fails: {}", cause.as_str()), Input::LegFailed { leg, cause: *cause }),
            _ => ("hangs up".to_owned(), Input::LegEnded { leg, cause: Cause::Normal }),
        };
        self.story.row(self.now, "party", format!("{name} ({leg}) {what}"));
        if matches!(event, Event::Fails(..) | Event::Forwards(_) | Event::HangsUp(_)) {
            self.leave_leg(leg);
        }
        self.inputs.push_back(input);
    }

    /// The two hear each other; whoever was called hangs up in their time.
    pub(super) fn talk(&mut self, left: LegId, right: LegId) {
        let other = if left == self.call.caller() { right } else { left };
        let Some(party) = self.parties.get_mut(&other) else { return };
        if !std::mem::replace(&mut party.talks, true) {
            let name = party.name.clone();
            self.story.answered(&name);
            self.later(self.script.talk_ms, Event::HangsUp(other));
        }
    }

    pub(super) fn leave_leg(&mut self, leg: LegId) {
        if let Some(extension) = self.parties.remove(&leg).and_then(|party| party.occupies) {
            self.release(&extension);
        }
    }

    /// The caller's own device is free again.
    pub(super) fn leave_device(&mut self, leg: LegId) {
        if let (LegId::CALLER, Origin::Extension(extension)) = (leg, &self.script.origin) {
            self.release(&extension.clone());
        }
    }

    pub(super) fn occupy(&mut self, extension: &Extension) {
        let legs = self.devices.entry(extension.clone()).or_insert(0);
        *legs += 1;
        let (agent, legs) = (AgentName::from(extension.as_str()), *legs);
        self.to_floor.push_back(ToFloor::DeviceBusy { agent, legs });
    }

    fn release(&mut self, extension: &Extension) {
        let Some(legs) = self.devices.get_mut(extension) else { return };
        *legs = legs.saturating_sub(1);
        let (agent, legs) = (AgentName::from(extension.as_str()), *legs);
        self.to_floor.push_back(ToFloor::DeviceBusy { agent, legs });
    }
}
