//! Callers who do not wait on the line: they are called back when it is their turn, at the place that they have.

use serde::{Deserialize, Serialize};

use crate::{
    cdr::Origin,
    id::CustomerId,
    name::{PartyNumber, PromptName},
    step::{QueueStep, Target},
    time::Timestamp,
};

/// What an agent hears before a customer is called back: a call that they did not expect begins with ring-back.
pub const AGENT_PROMPT: &str = "callback-agent";

/// What a waiting caller is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallbackOffer {
    /// Said from this waiting time on, in ms.
    pub after_ms: u64,
    /// The key that takes it.
    pub key: char,
    /// What says so.
    pub prompt: PromptName,
    /// Said when it is taken; then the call ends.
    pub confirm: Option<PromptName>,
    /// Whom to call.
    pub target: Target,
    /// How the customer is called.
    pub tries: Tries,
}

/// How often, how long and when somebody is called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Tries that are left, the next one among them.
    pub left: u32,
    /// From one to the next, in ms.
    pub apart_ms: u64,
    /// The customer's phone rings so long, in ms.
    pub ring_ms: u64,
}

/// A callback that is asked for by somebody who is not on the line.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackAsked {
    /// The customer's number.
    pub caller: PartyNumber,
    /// What is promised: where they wait, too.
    pub callback: Box<Callback>,
}

/// A promise to call somebody: all that is needed to keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// Whom to call.
    pub target: Target,
    /// What is left of the tries.
    pub tries: Tries,
    /// Not before then.
    pub not_before: Timestamp,
    /// Where the customer's own call came from.
    pub origin: Origin,
    /// What they dialled: shown to them as the caller, too.
    pub dialled: PartyNumber,
    /// When they began to wait.
    pub arrived_at: Timestamp,
    /// How they waited, for the case that they have to wait again.
    pub step: QueueStep,
    /// Who they are, when it is certain: they are called back once, whichever of their numbers they gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
}
