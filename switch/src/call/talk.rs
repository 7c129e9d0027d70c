//! A conversation: caller and one called party, however they came together. The step goes on until
//! one of them hangs up.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Moment, Output, ledger, waiting::Queueing};
use crate::{
    cause::Blame,
    id::{LegId, RecordingId},
    link::LeaveReason,
    name::AgentName,
    step::StepOutcome,
};

/// Two parties talk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Talk {
    pub(super) peer: LegId,
    pub(super) with: With,
    /// Who enters card numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payer: Option<LegId>,
}

/// Whom the caller talks to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum With {
    /// An agent, about the item that the call waited as; and how it waited.
    Agent { agent: AgentName, queueing: Box<Queueing> },
    /// Somebody who was dialled.
    Party { by_trunk: bool },
}

impl With {
    pub(super) fn agent(&self) -> Option<&AgentName> {
        match self {
            Self::Agent { agent, .. } => Some(agent),
            Self::Party { .. } => None,
        }
    }
}

impl Call {
    /// Brings the two together: from now on they hear each other, unless one of them holds.
    pub(super) fn connect(&mut self, at: &mut Moment<'_>, peer: LegId, with: With, record: bool) -> Doing {
        self.redirect_taken();
        self.transfer_taken();
        self.answer_caller(at.now);
        self.ledger.connected_at.get_or_insert(at.now);
        let talk = Talk { peer, with, payer: None };
        self.converse(at, &talk, record);
        self.trace("connected", peer.to_string());
        Doing::Talk(talk)
    }

    /// Records the conversation from now on.
    pub(super) fn record(&mut self, at: &mut Moment<'_>, peer: LegId) {
        let recording = RecordingId(at.ids.next(at.now));
        self.owed.records(recording);
        self.ledger.recording = Some(recording);
        self.legs.say(Output::Record { recording, left: self.legs.caller(), right: peer });
        if let Some((recording, true)) = self.owed.recorded() {
            self.legs.say(Output::PauseRecord { recording, paused: true });
        }
    }

    pub(super) fn talking(&mut self, at: &mut Moment<'_>, talk: Talk, input: Input) -> Doing {
        let now = at.now;
        match input {
            Input::Payment { begins } => self.pay_by_keys(talk, begins),
            Input::Transfer { leg, by, to } => self.begin_transfer(now, Talk { payer: None, ..talk }, leg, by, to),
            Input::GivenAway { by } => self.give_away(now, talk, by),
            Input::Replaced { leg, new } => self.replaced(at, talk, leg, new),
            Input::LegHeld { leg, held } => {
                self.trace(if held { "hold" } else { "resume" }, leg.to_string());
                // Who holds while the caller is told is seen to after it.
                if !self.owed.is_telling() {
                    self.settle_hold(now, &talk);
                }
                Doing::Talk(talk)
            }
            Input::Played { leg, .. } if leg == self.legs.caller() && self.owed.is_telling() => {
                self.told(at, &talk);
                Doing::Talk(talk)
            }
            // The caller's leg is seen to before: this is the other party, who hung up first.
            Input::LegEnded { cause, .. } | Input::LegFailed { cause, .. } => {
                let by_trunk = matches!(talk.with, With::Party { by_trunk: true });
                self.ledger.blame = ledger::blame(cause, Blame::Callee, by_trunk);
                self.trace("hung up", talk.peer.to_string());
                self.pay(LeaveReason::Fault, cause);
                self.legs.hush(self.legs.caller());
                self.step_ended(now, StepOutcome::Done)
            }
            _ => Doing::Talk(talk),
        }
    }
}
