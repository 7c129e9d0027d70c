//! Phones: the extensions that register, what is known of each, and for whom they ring.
//!
//! Which legs are up and who is registered is told by extension. An agent has as many of them as they have devices, and
//! what the floor knows of an agent is put together from these: nothing is counted up or down, so nothing can go astray.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Floor,
    agents::{Agent, is_unreachable},
    contract::{AgentProfile, AgentState},
    view::DeviceNow,
};
use crate::{device::Device, name::AgentName, time::Timestamp};

/// What was told of each extension. As many entries as there are extensions that are registered or on the phone.
#[derive(Debug, Default)]
pub(super) struct Phones {
    known: BTreeMap<AgentName, Phone>,
    /// Who is rung at an extension that is not their own.
    owners: BTreeMap<AgentName, BTreeSet<AgentName>>,
}

/// One extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Phone {
    /// Live legs outside of offers.
    legs: u32,
    /// A device is registered.
    reachable: bool,
}

impl Phones {
    fn tell(&mut self, extension: &AgentName, news: impl FnOnce(&mut Phone)) {
        let phone = self.known.entry(extension.clone()).or_default();
        news(phone);
        if *phone == Phone::default() {
            self.known.remove(extension);
        }
    }

    /// Whose extension it is.
    fn owners(&self, extension: &AgentName) -> Vec<AgentName> {
        self.owners.get(extension).into_iter().flatten().chain([extension]).cloned().collect()
    }

    /// An agent is rung at the devices of this profile from now on, and no more at those of the other.
    pub(super) fn belong(&mut self, before: Option<&AgentProfile>, now: Option<&AgentProfile>) {
        for (profile, is_theirs) in before.map(|old| (old, false)).into_iter().chain(now.map(|new| (new, true))) {
            for extension in profile.devices.extensions().map(|extension| AgentName::from(extension.as_str())) {
                let owners = self.owners.entry(extension.clone()).or_default();
                if is_theirs && extension != profile.agent {
                    owners.insert(profile.agent.clone());
                } else {
                    owners.remove(&profile.agent);
                }
                if owners.is_empty() {
                    self.owners.remove(&extension);
                }
            }
        }
    }

    /// How the devices of an agent are, one by one.
    pub(super) fn devices_of(&self, profile: &AgentProfile) -> Vec<DeviceNow> {
        let now = |device: &Device| {
            let phone = device.extension().map(|extension| self.known.get(extension.as_str()).copied().unwrap_or_default());
            let Phone { legs, reachable } = phone.unwrap_or(Phone { legs: 0, reachable: true });
            DeviceNow { device: device.name.clone(), kind: device.kind, reachable, legs }
        };
        profile.devices.list.iter().map(now).collect()
    }

    /// All that is known of the extensions of an agent: live legs, and whether one of those that are rung is registered.
    fn of(&self, profile: &AgentProfile) -> Phone {
        let known = |extension: &str| self.known.get(extension).copied().unwrap_or_default();
        let own = known(profile.agent.as_str());
        if profile.devices.is_none() {
            return own;
        }
        let mut all = Phone { legs: own.legs, reachable: false };
        let mut seen = BTreeSet::from([profile.agent.as_str()]);
        for extension in profile.devices.extensions().map(|extension| extension.as_str()) {
            let phone = known(extension);
            all.reachable |= phone.reachable;
            if seen.insert(extension) {
                all.legs = all.legs.saturating_add(phone.legs);
            }
        }
        all
    }
}

impl Agent {
    /// Takes down what is known of their phones.
    pub(super) fn hear_phones(&mut self, phones: &Phones) {
        let Phone { legs, reachable } = phones.of(&self.profile);
        (self.direct_legs, self.reachable) = (legs, reachable);
    }

    /// Whether that is what is known of them.
    pub(super) fn is_as(&self, phones: &Phones) -> bool {
        let Phone { legs, reachable } = phones.of(&self.profile);
        (self.direct_legs, self.reachable) == (legs, reachable)
    }
}

impl Floor {
    /// Who speaks from an extension: the agent of that name, else the one whose device it is.
    pub(super) fn who_is_at(&self, extension: &AgentName) -> AgentName {
        let owners = self.phones.owners.get(extension).filter(|_| !self.agents.contains_key(extension));
        owners.and_then(BTreeSet::first).unwrap_or(extension).clone()
    }

    /// Live legs of an extension that outlived the process; what their agent does is not put back yet.
    pub(super) fn had_legs(&mut self, extension: &AgentName, legs: u32) {
        self.phones.tell(extension, |phone| phone.legs = legs);
        for name in self.phones.owners(extension) {
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.hear_phones(&self.phones);
            }
        }
    }

    /// Live legs outside of offers: nobody is asked while they are on the phone, whichever of theirs it is.
    pub(super) fn device_busy(&mut self, now: Timestamp, extension: &AgentName, legs: u32) {
        self.phones.tell(extension, |phone| phone.legs = legs);
        for name in self.phones.owners(extension) {
            self.phones_changed(now, &name);
        }
    }

    pub(super) fn device_reachable(&mut self, now: Timestamp, extension: &AgentName, reachable: bool) {
        self.phones.tell(extension, |phone| phone.reachable = reachable);
        for name in self.phones.owners(extension) {
            let Some(agent) = self.agents.get(&name) else { continue };
            if reachable && agent.aside.is_some_and(|aside| is_unreachable(aside.cause)) {
                self.end_aside(&name);
            }
            self.phones_changed(now, &name);
        }
    }

    /// The agent is what their phones say.
    pub(super) fn phones_changed(&mut self, now: Timestamp, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.hear_phones(&self.phones);
        let (legs, rings_in_vain) = (agent.direct_legs, agent.offer.is_some() && !agent.could_be_reached());
        match agent.state {
            AgentState::Ready if legs > 0 => self.set_state(now, name, AgentState::Engaged { item: None }),
            AgentState::Engaged { item: None } if legs == 0 => self.set_state(now, name, AgentState::Ready),
            _ if rings_in_vain => {
                self.take_offer_back(now, name);
                self.rest(now, name);
            }
            _ => self.sync_idle(name),
        }
    }
}
