//! Plans and people.

use serde::{Deserialize, Serialize};
use tandem_switch::{
    channel::{Capacity, CapacityText, Channel},
    step::Target,
};
use utoipa::ToSchema;

use super::{
    At,
    floor::{SkillView, skills},
    text,
};
use crate::{
    http::devices::DevicesView,
    store::{Generation, Person},
};

/// One file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanFileView {
    /// Its path below the configuration folder.
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// The plan in service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// Counts up by one with each plan taken into service.
    pub generation: u64,
    /// Who asked for it.
    pub by: String,
    /// When it was checked and taken into service.
    pub checked_at: At,
    /// Its files.
    pub files: Vec<PlanFileView>,
    /// What `check` warns of.
    pub warnings: Vec<PlanProblem>,
    /// The generation that some calls run on instead, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<u64>,
}

/// Something wrong in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanProblem {
    /// `error` or `warning`.
    pub severity: String,
    /// Where: a path below the configuration folder.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl PlanProblem {
    /// An error that is in no file.
    #[must_use]
    pub fn of_no_file(message: &str, todo: Option<&str>) -> Self {
        let (severity, file) = ("error".to_owned(), String::new());
        Self { severity, file, line: 0, column: 0, message: message.to_owned(), help: todo.map(str::to_owned) }
    }
}

/// Which route a call would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteExplanation {
    /// The route; absent when none takes the call.
    pub route: Option<String>,
    /// What would happen, in sentences.
    pub because: Vec<String>,
    /// Every route that was weighed, in file order.
    pub considered: Vec<RouteConsidered>,
}

/// One route that was weighed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteConsidered {
    /// Which.
    pub route: String,
    /// Whether it takes the call.
    pub taken: bool,
    /// Why, or why not.
    pub why: String,
}

/// Somebody with an extension. Passwords and their hashes are never shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PersonView {
    /// Their internal number.
    pub extension: String,
    /// Shown to others.
    pub display_name: String,
    /// Whether they have a password; without one no device can register.
    pub has_password: bool,
    /// Whether they need a new password, because the realm of the plan is another one now.
    #[serde(default)]
    pub needs_password: bool,
    /// Queues they serve.
    pub queues: Vec<String>,
    /// What they can do.
    pub skills: Vec<SkillView>,
    /// The fixed address they are rung at; absent when their registered devices are.
    pub device: Option<String>,
    /// Signed in from the start, and taken as reachable.
    pub always_on: bool,
    /// What they can do at a time.
    #[serde(default)]
    pub capacity: CapacityView,
    /// What rings for them instead, when there is any.
    #[serde(default)]
    pub devices: DevicesView,
}

/// What somebody can do at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CapacityView {
    /// Thousandths of them that one conversation takes, by channel: `voice` 1000 or 0, `email`, `sms`, `whatsapp`, `chat`.
    pub weights: std::collections::BTreeMap<String, u16>,
    /// Pairs of channels: work on the first may interrupt work on the second. As it is when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupts: Option<Vec<(String, String)>>,
}

impl From<&Capacity> for CapacityView {
    fn from(capacity: &Capacity) -> Self {
        let text = CapacityText::from(capacity.clone());
        let word = |channel: Channel| channel.word().to_owned();
        Self {
            weights: text.weights.into_iter().map(|(channel, weight)| (word(channel), weight)).collect(),
            interrupts: text.interrupts.map(|pairs| pairs.into_iter().map(|(a, b)| (word(a), word(b))).collect()),
        }
    }
}

impl CapacityView {
    /// The capacity that somebody has after this change.
    ///
    /// # Errors
    /// A sentence on what does not fit.
    pub fn onto(&self, capacity: &Capacity) -> Result<Capacity, String> {
        let channel = |word: &str| {
            let all = || Channel::ALL.map(Channel::word).join(", ");
            Channel::of(word).ok_or_else(|| format!("`{word}` is no channel: give one of {}", all()))
        };
        let mut text = CapacityText::from(capacity.clone());
        for (word, weight) in &self.weights {
            text.weights.insert(channel(word)?, *weight);
        }
        if let Some(pairs) = &self.interrupts {
            let pairs = pairs.iter().map(|(first, second)| Ok((channel(first)?, channel(second)?)));
            text.interrupts = Some(pairs.collect::<Result<_, String>>()?);
        }
        text.try_into().map_err(|bad: tandem_switch::channel::BadCapacity| bad.to_string())
    }
}

impl PlanView {
    /// What was written down of a plan, and what `check` warned of.
    #[must_use]
    pub fn new(generation: &Generation, warnings: Vec<PlanProblem>) -> Self {
        Self {
            generation: generation.generation,
            by: generation.by.clone(),
            checked_at: At(generation.at),
            files: generation.files.iter().map(|f| PlanFileView { file: f.file.clone(), sha256: f.sha256.clone() }).collect(),
            warnings,
            canary: None,
        }
    }
}

impl PersonView {
    /// Somebody as seen from the realm of the plan in service.
    #[must_use]
    pub fn in_realm(person: &Person, realm: &str) -> Self {
        Self { needs_password: person.needs_password(realm), ..Self::from(person) }
    }
}

impl From<&Person> for PersonView {
    /// Without a plan nobody knows its realm: a password is taken for a good one.
    fn from(person: &Person) -> Self {
        Self {
            extension: text(&person.extension),
            display_name: person.display_name.clone(),
            has_password: person.ha1_md5.is_some(),
            needs_password: false,
            queues: person.queues.iter().map(text).collect(),
            skills: skills(&person.skills),
            device: match &person.device {
                Target::Fixed(address) => Some(address.to_string()),
                _ => None,
            },
            always_on: person.always_on,
            capacity: CapacityView::from(&person.capacity),
            devices: DevicesView::from(&person.devices),
        }
    }
}
