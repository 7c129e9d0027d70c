//! The queues that a waiting caller may pass on to: what an overflow ladder is, apart from who climbs it.

use serde::{Deserialize, Serialize};

use crate::{
    name::{PromptName, QueueName},
    step::QueueStep,
};

/// Every rung that a caller can come to, and what waiting is like in the queues that they lead to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// In the order in which they are tried when several are due.
    pub rungs: Vec<Rung>,
    /// The queues of all rungs, each once.
    pub halls: Vec<Hall>,
    /// The step itself says the longest wait: it holds wherever the caller waits. Else that of each queue does, from
    /// joining it on.
    pub own_max_wait: bool,
}

/// Whoever has waited so long in one queue goes to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The queue that says so.
    pub of: QueueName,
    /// From joining that queue on, in ms.
    pub after_ms: u64,
    /// Where the caller goes.
    pub to: QueueName,
}

/// What waiting in a queue is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hall {
    /// Which queue.
    pub queue: QueueName,
    /// The longest wait, in ms.
    pub max_wait_ms: Option<u64>,
    /// Heard while waiting; ordinary ring-back when `None`.
    pub music: Option<PromptName>,
    /// Position and estimated wait are said so often, in ms.
    pub announce_every_ms: Option<u64>,
    /// Said with each announcement.
    pub comfort: Option<PromptName>,
    /// Whether the conversation is recorded.
    pub record: bool,
    /// Whether a caller may wait while nobody is signed in.
    pub wait_without_agents: bool,
}

impl Ladder {
    /// What waiting in a queue is like; `None` for a queue that no rung leads to.
    #[must_use]
    pub fn hall(&self, queue: &QueueName) -> Option<&Hall> {
        self.halls.iter().find(|hall| hall.queue == *queue)
    }
}

impl QueueStep {
    /// The caller waits in another queue from now on. Whom they need and how urgent they are stays.
    pub(crate) fn pass_on_to(&mut self, hall: &Hall) {
        let Hall { queue, max_wait_ms, music, announce_every_ms, comfort, record, wait_without_agents } = hall.clone();
        (self.queue, self.music, self.comfort) = (queue, music, comfort);
        (self.announce_every_ms, self.record, self.wait_without_agents) = (announce_every_ms, record, wait_without_agents);
        if !self.ladder.own_max_wait {
            self.max_wait_ms = max_wait_ms;
        }
    }
}
