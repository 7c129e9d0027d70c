//! The steps `retrieve` and `pickup`: the caller takes somebody who is parked, or for whom another device rings.
//!
//! Two calls become one. Whom the caller wants is found by the wiring, which knows all calls; it either tells the caller's
//! call that there is nobody, or moves their leg there: here by [`Input::Leaves`], there by [`Input::Taken`].

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Output, ledger};
use crate::{
    cause::Cause,
    id::LegId,
    name::PartyNumber,
    step::{StepOutcome, Whom},
    time::Timestamp,
};

/// Somebody is to be taken.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taking {
    whom: Whom,
    /// No answer by then is a fault of ours.
    until: Timestamp,
}

impl Taking {
    pub(super) const fn deadline(&self) -> Timestamp {
        self.until
    }

    /// The step's word.
    pub(super) const fn word(&self) -> &'static str {
        self.whom.word()
    }
}

impl Call {
    pub(super) fn begin_take(&mut self, now: Timestamp, whom: Whom) -> Doing {
        self.typed.clear();
        self.legs.say(Output::Take { leg: self.legs.caller(), whom: whom.clone() });
        Doing::Take(Taking { whom, until: now.plus_ms(self.settings.floor_reply_ms) })
    }

    pub(super) fn taking(&mut self, now: Timestamp, taking: Taking, input: &Input) -> Doing {
        match input {
            Input::NotTaken { .. } => {
                self.trace(taking.word(), "there is nobody");
                self.step_ended(now, StepOutcome::Error)
            }
            Input::Tick if now >= taking.until => self.step_ended(now, StepOutcome::Error),
            Input::Leaves { leg } => self.leave(now, *leg),
            _ => Doing::Take(taking),
        }
    }

    /// The caller, who is answered, goes to another call; this one is over.
    fn leave(&mut self, now: Timestamp, leg: LegId) -> Doing {
        self.trace("leaves", leg.to_string());
        self.ledger.answered_at.get_or_insert(now);
        self.legs.part(leg);
        self.legs.hush(leg);
        self.legs.let_go(leg);
        let (party, by_trunk) = self.side;
        self.finish(now, Cause::Normal, ledger::blame(Cause::Normal, party, by_trunk));
        Doing::Over
    }

    /// Whether the caller wants to take somebody, and is up already.
    #[must_use]
    pub fn takes(&self) -> Option<bool> {
        matches!(self.doing, Doing::Take(_)).then(|| self.legs.stage(self.legs.caller()) == Some(super::LegStage::Up))
    }

    /// Whether [`Input::Taken`] means something now.
    #[must_use]
    pub const fn may_be_taken(&self) -> bool {
        match &self.doing {
            Doing::Dial(_) => true,
            Doing::Park(parking) => parking.slot.is_some(),
            _ => false,
        }
    }

    /// Who the party is that the call is for, as far as the call knows.
    #[must_use]
    pub fn party(&self) -> PartyNumber {
        match self.legs.caller() {
            LegId::CALLER => self.arrival.from.clone(),
            _ => self.ledger.answered_by.clone().unwrap_or_else(|| PartyNumber::from("")),
        }
    }

    /// Whether a leg is that of somebody who is called by the plan and rings, so that another may take the call.
    #[must_use]
    pub fn rings(&self, leg: LegId) -> bool {
        matches!(&self.doing, Doing::Dial(dialling) if dialling.rings(leg))
    }
}
