//! The tallies of one stretch of time.

use std::collections::BTreeMap;

use super::{
    books::{Spell, Wait},
    tally::Tally,
};
use crate::{
    floor::OfferOutcome,
    name::{AgentName, QueueName},
    time::Timestamp,
};

/// What happened in one stretch of time: counted of all together, of each queue and of each agent.
///
/// Of a queue, waits with their conversations and transfers are counted; of an agent conversations, transfers, offers
/// and what they spent their time on. What is not counted of anybody has no entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// All together.
    pub all: Tally,
    /// Each queue.
    pub queues: BTreeMap<QueueName, Tally>,
    /// Each agent.
    pub agents: BTreeMap<AgentName, Tally>,
}

impl Rollup {
    /// Counts a wait that began in this stretch, with the conversation that came of it.
    pub fn wait(&mut self, wait: &Wait) {
        self.all.wait(wait);
        self.queues.entry(wait.queue.clone()).or_default().wait(wait);
        if let Some(agent) = &wait.agent {
            self.agents.entry(agent.clone()).or_default().conversation(wait);
        }
    }

    /// Counts what of a spell lies within this stretch; one that goes on outlasts it.
    pub fn spell(&mut self, spell: &Spell, within: (Timestamp, Timestamp)) {
        let spell_is = (spell.from_at, spell.to_at.unwrap_or(within.1));
        self.all.spell(spell.activity, spell_is, within);
        self.agents.entry(spell.agent.clone()).or_default().spell(spell.activity, spell_is, within);
    }

    /// Counts an offer that ended in this stretch.
    pub fn offer(&mut self, agent: &AgentName, outcome: OfferOutcome) {
        self.all.offer(outcome);
        self.agents.entry(agent.clone()).or_default().offer(outcome);
    }

    /// Counts a customer of a queue who was transferred in this stretch.
    pub fn transfer(&mut self, queue: &QueueName, agent: Option<&AgentName>) {
        self.all.transferred += 1;
        self.queues.entry(queue.clone()).or_default().transferred += 1;
        if let Some(agent) = agent {
            self.agents.entry(agent.clone()).or_default().transferred += 1;
        }
    }

    /// Counts all that another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        for (queue, tally) in &other.queues {
            self.queues.entry(queue.clone()).or_default().merge(tally);
        }
        for (agent, tally) in &other.agents {
            self.agents.entry(agent.clone()).or_default().merge(tally);
        }
    }

    /// Drops entries that count nothing.
    #[must_use]
    pub fn tidy(mut self) -> Self {
        self.queues.retain(|_, tally| !tally.is_empty());
        self.agents.retain(|_, tally| !tally.is_empty());
        self
    }
}
