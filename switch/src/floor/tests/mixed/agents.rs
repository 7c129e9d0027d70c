//! What agents and admins do: sign in and out, lose devices, change skills, capacities and queues.

use super::world::World;
use crate::{
    channel::{Capacity, CapacityText, Channel},
    floor::{AgentProfile, Input, QueueProfile, Relaxation, WorkRules, tests::world::Dice},
    id::CallId,
    link::ToFloor,
    name::{AgentName, QueueName, SkillLevel},
    step::{AgentRequest, Target},
};

pub(super) const QUEUES: [&str; 3] = ["support", "sales", "night"];
pub(super) const SKILLS: [&str; 2] = ["billing", "italian"];
pub(super) const AGENTS: u64 = 8;

pub(super) fn name(number: u64) -> AgentName {
    AgentName::from(format!("{}", 1001 + number))
}

pub(super) fn skill(name: &str, level: u64) -> SkillLevel {
    SkillLevel { skill: name.into(), level: u8::try_from(level).unwrap() }
}

pub(super) fn agent(dice: &mut Dice, number: u64) -> AgentProfile {
    AgentProfile {
        agent: name(number),
        queues: QUEUES.iter().filter(|_| dice.chance(60)).map(|name| QueueName::from(*name)).collect(),
        skills: SKILLS.iter().map(|name| skill(name, dice.below(8))).collect(),
        device: Target::Extension("1".into()),
        devices: crate::device::Devices::default(),
        always_on: dice.chance(60),
        capacity: capacity(dice),
    }
}

fn capacity(dice: &mut Dice) -> Capacity {
    if dice.chance(60) {
        return Capacity::default();
    }
    let mut text = CapacityText::default();
    for channel in Channel::ALL {
        let weight = match channel {
            Channel::Voice => 1_000 * dice.below(4).min(1),
            _ => *dice.pick(&[0, 100, 250, 333, 500, 600, 1_000]),
        };
        text.weights.insert(channel, u16::try_from(weight).unwrap());
    }
    let pairs = [(Channel::Voice, Channel::Email), (Channel::Voice, Channel::Sms), (Channel::Chat, Channel::Email)];
    text.interrupts = Some(pairs.into_iter().filter(|_| dice.chance(60)).collect());
    text.try_into().unwrap()
}

/// At the end: everybody can do everything, and is there.
pub(super) fn everybody() -> Vec<AgentProfile> {
    let all = |number| AgentProfile {
        agent: name(number),
        queues: QUEUES.iter().map(|name| QueueName::from(*name)).collect(),
        skills: SKILLS.iter().map(|name| skill(name, 9)).collect(),
        device: Target::Extension("1".into()),
        devices: crate::device::Devices::default(),
        always_on: true,
        capacity: Capacity::default(),
    };
    (0..AGENTS).map(all).collect()
}

pub(super) fn queue(dice: &mut Dice, name: &str) -> QueueProfile {
    let relax = |dice: &mut Dice| Relaxation {
        after_ms: dice.below(60_000),
        skill: (*dice.pick(&SKILLS)).into(),
        to_level: u8::try_from(dice.below(4)).unwrap(),
    };
    QueueProfile {
        queue: name.into(),
        answer_target_ms: 1_000 + dice.below(60_000),
        ring_ms: dice.below(15_000),
        wrap_up_ms: dice.below(3) * 4_000,
        relax: (0..dice.below(3)).map(|_| relax(dice)).collect(),
        max_waiting: u32::try_from(5 + dice.below(30)).unwrap(),
        rejoin_grace_ms: dice.below(90_000),
        max_missed: u32::try_from(dice.below(4)).unwrap(),
        callbacks_per_day: 100,
        work: WorkRules {
            max_priority_minutes: u32::try_from(dice.below(60)).unwrap(),
            lease_ms: dice.below(4) * 30_000,
            park_after_ms: dice.below(4) * 40_000,
            prefer_ms: dice.below(3) * 30_000,
            extension_ms: 20_000,
            max_extensions: u32::try_from(dice.below(3)).unwrap(),
        },
    }
}

impl World {
    pub(super) fn agent_asks(&mut self) {
        let agent = name(self.dice.below(AGENTS + 1));
        let requests = [
            AgentRequest::SignIn,
            AgentRequest::SignIn,
            AgentRequest::Ready,
            AgentRequest::Ready,
            AgentRequest::Ready,
            AgentRequest::SignOut,
            AgentRequest::MoreWrapUp,
            AgentRequest::NotReady { reason: "lunch".to_owned() },
        ];
        let request = self.dice.pick(&requests).clone();
        if self.dice.chance(50) {
            self.give(Input::Agent { agent, request });
        } else {
            self.send(0, &ToFloor::Agent { call: CallId(1), agent, request });
        }
    }

    /// A device is lost or found, or busy with a call of its own.
    pub(super) fn device(&mut self) {
        let agent = name(self.dice.below(AGENTS));
        let message = if self.dice.chance(70) {
            ToFloor::DeviceReachable { agent, reachable: self.dice.chance(80) }
        } else {
            ToFloor::DeviceBusy { agent, legs: u32::try_from(self.dice.below(5).saturating_sub(2)).unwrap() }
        };
        self.send(0, &message);
    }

    pub(super) fn agent_changes(&mut self) {
        let number = self.dice.below(AGENTS);
        self.agents.retain(|agent| agent.agent != name(number));
        if self.dice.chance(80) {
            let changed = agent(&mut self.dice, number);
            self.agents.push(changed);
        } else {
            self.agent_left(name(number));
        }
        self.reload_agents();
    }

    pub(super) fn queue_changes(&mut self) {
        let name = *self.dice.pick(&QUEUES);
        self.queues.retain(|queue| queue.queue.as_str() != name);
        if self.dice.chance(80) {
            let changed = queue(&mut self.dice, name);
            self.queues.push(changed);
        }
        self.reload_queues();
    }
}
