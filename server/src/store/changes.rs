//! Changes of tables, in as few statements as they take.
//!
//! A batch holds the same few kinds of change for many items and agents, and each statement is a round trip to the database.
//! So changes of one kind go together in one statement, each a row of it. That is right because a change reads and writes
//! nothing but what its key names: those with different keys may pass each other, those with the same one stay in their order.

use std::collections::HashMap;

use tandem_switch::{
    id::{ConversationId, InteractionId, ItemId, OfferId},
    name::AgentName,
};

use super::{
    StoreError,
    db::{Arg, Insert, Rows, Tx},
};

/// What a change reads and writes: rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Of `items`.
    Item(ItemId),
    /// Of `waits`.
    Waits(ItemId),
    /// Of `offers`.
    Offer(OfferId),
    /// Of `agents_state`.
    Agent(AgentName),
    /// Of `agent_spells`, and roll-ups of them.
    Spells(AgentName),
    /// Of `conversations`.
    Conversation(ConversationId),
    /// Of `interactions`.
    Interaction(InteractionId),
}

/// Changes, in an order that comes to the same as that in which they were added.
#[derive(Debug, Default)]
pub(super) struct Changes {
    steps: Vec<Step>,
    /// Of each key, the first step that comes after its last change.
    after: HashMap<Key, usize>,
    /// The first step that comes after whatever must not be passed.
    begin: usize,
}

#[derive(Debug)]
enum Step {
    Rows(Rows),
    Alone(&'static str, Vec<Arg>),
}

impl Changes {
    /// A change that goes together with others of its kind: joins the first of these that comes after its key's last change.
    pub(super) fn row<const WIDTH: usize>(&mut self, kind: &'static Insert, key: Key, row: [Arg; WIDTH]) {
        let first = self.after.get(&key).map_or(self.begin, |after| self.begin.max(*after));
        let fits = |step: &Step| matches!(step, Step::Rows(rows) if rows.is_of(kind));
        let place = self.steps.iter().skip(first).position(fits).map_or(self.steps.len(), |place| first + place);
        if place == self.steps.len() {
            self.steps.push(Step::Rows(Rows::new(kind)));
        }
        if let Some(Step::Rows(rows)) = self.steps.get_mut(place) {
            rows.push(row);
        }
        self.after.insert(key, place + 1);
    }

    /// A rare change that may touch more than one key: what came before stays before it, and what comes after it after it.
    pub(super) fn alone(&mut self, statement: &'static str, args: impl Into<Vec<Arg>>) {
        self.steps.push(Step::Alone(statement, args.into()));
        self.begin = self.steps.len();
    }

    /// How many statements that makes, if none is too long.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) async fn write(&self, tx: &mut Tx) -> Result<(), StoreError> {
        for step in &self.steps {
            match step {
                Step::Rows(rows) => tx.insert(rows).await?,
                Step::Alone(statement, args) => {
                    tx.execute(statement, args).await?;
                }
            }
        }
        Ok(())
    }
}
