//! What is inside of the switch: extensions, queues, parking lots, boxes, the agents of a first start.

use std::sync::Arc;

use tandem_switch::{
    callback::Tries,
    device::Devices,
    floor::{AgentProfile, QueueProfile},
    name::{AgentName, Extension, PartyNumber, PromptName, QueueName, SkillLevel, TrunkName},
    step::Target,
};

use crate::settings::{Dtmf, MediaKeys};

/// A waiting line: what the floor must know, and what a waiting caller hears.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// For the floor.
    pub profile: QueueProfile,
    /// Heard while waiting; ordinary ring-back when `None`.
    pub music: Option<PromptName>,
    /// Position and estimated wait are said so often, in ms.
    pub announce_every_ms: Option<u64>,
    /// Said with each announcement.
    pub comfort: Option<PromptName>,
    /// Conversations are recorded.
    pub record: bool,
    /// Days that its recordings are kept; as all others are when `None`.
    pub retain_days: Option<u32>,
    /// The longest wait, in ms.
    pub max_wait_ms: Option<u64>,
    /// Whether a caller may wait while no agent is signed in.
    pub wait_without_agents: bool,
    /// What callers are offered instead of waiting on the line.
    pub callback: Option<QueueCallback>,
    /// After so long here, in ms, callers pass on to another queue: in the order of the time.
    pub overflow: Vec<(u64, QueueName)>,
}

/// An offer to be called back, as a queue makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueCallback {
    /// Said from this waiting time on, in ms.
    pub after_ms: u64,
    /// The key that takes it.
    pub key: char,
    /// The trunk by which customers outside are called; `None` leaves the offer to extensions.
    pub via: Option<TrunkName>,
    /// What says so.
    pub prompt: PromptName,
    /// Said when it is taken.
    pub confirm: PromptName,
    /// How customers are called.
    pub tries: Tries,
}

/// A span of internal numbers of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionRange {
    /// The lowest.
    pub from: u32,
    /// The highest; as many digits as the lowest.
    pub to: u32,
    /// Whether the audio of their devices is encrypted.
    pub media_keys: MediaKeys,
    /// How keys reach their devices.
    pub dtmf: Dtmf,
    /// Whether their devices may lead calls elsewhere.
    pub redirects: bool,
}

impl ExtensionRange {
    /// Whether the text is a number of this range, written as a device would be named.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        text.len() <= 10
            && !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
            && text.parse().is_ok_and(|n| (self.from..=self.to).contains(&n))
    }
}

/// Slots in which callers wait for somebody to take them from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Numbers of the first and the last.
    pub slots: (u32, u32),
    /// Then whoever parked the caller is called back, in ms.
    pub timeout_ms: u64,
    /// Heard meanwhile; the music of hold when `None`.
    pub music: Option<PromptName>,
}

impl Lot {
    /// Whether the text is the number of a slot.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        let (from, to) = self.slots;
        let is_plain = text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        is_plain && text.parse().is_ok_and(|n| (from..=to).contains(&n))
    }
}

/// A box for voice messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Heard before the tone; the shipped one when `None`.
    pub greeting: Option<PromptName>,
    /// The longest message, in ms.
    pub max_ms: u64,
    /// Messages at most.
    pub most: u32,
    /// Whose phones show that messages wait.
    pub extensions: Vec<Extension>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { greeting: None, max_ms: 180_000, most: 100, extensions: Vec::new() }
    }
}

/// Agents that are put into the database at the first start; later they live there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StarterAgents {
    /// Number of the first.
    pub from: u32,
    /// Number of the last.
    pub to: u32,
    /// Their names, `{n}` being the number.
    pub name: String,
    /// A fixed address of each, `{n}` being the number; the devices registered for the name when `None`.
    pub contact: Option<String>,
    /// Taken as reachable and signed in from the start.
    pub always_on: bool,
    /// Queues they serve.
    pub queues: Vec<QueueName>,
    /// What they can do.
    pub skills: Vec<SkillLevel>,
    /// What rings for each of them instead, `{n}` being the number in each target.
    pub devices: Devices,
    /// File in the data folder to which the passwords made for them are written.
    pub password_file: Option<String>,
}

impl StarterAgents {
    fn devices_of(&self, filled: &impl Fn(&str) -> String) -> Devices {
        let mut devices = self.devices.clone();
        for device in &mut devices.list {
            device.target = match &device.target {
                Target::Extension(extension) => Target::Extension(filled(extension.as_str()).into()),
                Target::Fixed(address) => Target::Fixed(filled(address).into()),
                Target::Trunk { trunk, number } => {
                    Target::Trunk { trunk: trunk.clone(), number: PartyNumber::from(filled(number.as_str()).as_str()) }
                }
            };
        }
        devices
    }

    /// The agents one by one, as the floor takes them.
    pub fn agents(&self) -> impl Iterator<Item = AgentProfile> + '_ {
        (self.from..=self.to).map(|n| {
            let filled = |template: &str| template.replace("{n}", &n.to_string());
            let name = filled(&self.name);
            let device = match &self.contact {
                Some(contact) => Target::Fixed(Arc::from(filled(contact))),
                None => Target::Extension(Extension::from(&*name)),
            };
            AgentProfile {
                agent: AgentName::from(name),
                queues: self.queues.clone(),
                skills: self.skills.clone(),
                device,
                devices: self.devices_of(&filled),
                always_on: self.always_on,
                capacity: tandem_switch::channel::Capacity::default(),
            }
        })
    }
}
