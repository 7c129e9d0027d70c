//! What the loops hand to the writer, told on at once to who stands beside the calls: nobody waits for the database to hear that
//! a call is there or that an agent is asked.

use tandem_switch::{
    cdr::Origin,
    floor::{FloorEvent, OfferOutcome},
    id::{CallId, ItemId, OfferId},
    identity::CallerIdentity,
    name::{AgentName, PartyNumber, QueueName},
    time::Timestamp,
};

use super::Record;

/// News that a listener may be behind before it loses some.
pub(super) const CAPACITY: usize = 8_192;

/// Something happened with a call or with an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A call is there.
    Arrived {
        /// Which.
        call: CallId,
        /// Where it came from.
        origin: Origin,
        /// Who calls.
        from: PartyNumber,
        /// What was dialled.
        to: PartyNumber,
    },
    /// The signature of its caller's number says that the number may not be theirs. No row of the journal: the record of the call
    /// will say it.
    Doubted {
        /// Which.
        call: CallId,
        /// What the check said.
        proof: CallerIdentity,
    },
    /// It is over.
    Over {
        /// Which.
        call: CallId,
    },
    /// An item waits, or waits elsewhere.
    Waits {
        /// Which.
        item: ItemId,
        /// The call behind it.
        call: CallId,
        /// Where.
        queue: QueueName,
        /// Who.
        caller: PartyNumber,
        /// They are not on the line: they are called when it is their turn.
        is_callback: bool,
    },
    /// It does not any more, and nobody talks about it.
    Gone {
        /// Which.
        item: ItemId,
    },
    /// An agent is asked.
    Offered {
        /// The offer.
        offer: OfferId,
        /// What.
        item: ItemId,
        /// Whom.
        agent: AgentName,
        /// Why this one.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// They have answered, or not.
    OfferEnded {
        /// Which.
        offer: OfferId,
        /// How.
        outcome: OfferOutcome,
    },
}

impl Told {
    /// What a record says of calls and items; `None`: nothing.
    pub(super) fn of(record: &Record) -> Option<Self> {
        Some(match record {
            Record::CallStarted(started) => Self::Arrived {
                call: started.call,
                origin: started.origin.clone(),
                from: started.from.clone(),
                to: started.to.clone(),
            },
            Record::CallEnded { cdr, .. } => Self::Over { call: cdr.call },
            Record::Floor(
                FloorEvent::Queued { item, .. } | FloorEvent::CallbackKept { item, .. } | FloorEvent::Overflowed { item, .. },
            ) => Self::Waits {
                item: item.item,
                call: item.call,
                queue: item.queue.clone(),
                caller: item.caller.clone(),
                is_callback: item.callback.is_some(),
            },
            Record::Floor(FloorEvent::Left { item, .. } | FloorEvent::Finished { item, .. }) => Self::Gone { item: *item },
            Record::Floor(FloorEvent::Offered { offer, item, agent, decision, at }) => {
                let chosen = decision.considered.iter().find(|one| one.agent == *agent);
                let why = chosen.map(|one| one.why.clone()).unwrap_or_default();
                Self::Offered { offer: *offer, item: *item, agent: agent.clone(), why, at: *at }
            }
            Record::Floor(FloorEvent::OfferEnded { offer, outcome, .. }) => Self::OfferEnded { offer: *offer, outcome: *outcome },
            _ => return None,
        })
    }
}
