//! The step `hand-back`: the carrier is asked to connect the caller to somebody else, and is left with them.
//!
//! Until the carrier says how that went the caller stays with us: a hand-back that fails is one more outcome of a
//! step, and the plan goes on. Whoever hangs up meanwhile ends the call as at any time.

use super::{Call, Doing, Input, Output, dial::outcome, ledger};
use crate::{
    cause::{Blame, Cause},
    cdr::SegmentState,
    name::PartyNumber,
    time::Timestamp,
};

impl Call {
    pub(super) fn begin_hand_back(&mut self, now: Timestamp, number: PartyNumber) -> Doing {
        self.typed.clear();
        self.answer_caller(now);
        let leg = self.legs.caller();
        self.legs.hush(leg);
        self.ledger.blame = Blame::Us;
        self.ledger.turn(now, SegmentState::Transferring, None);
        self.legs.say(Output::HandBack { leg, number });
        Doing::HandBack
    }

    pub(super) fn handing_back(&mut self, now: Timestamp, input: &Input) -> Doing {
        let Input::HandedBack { failed, .. } = *input else { return Doing::HandBack };
        self.ledger.ended = Some(failed.unwrap_or(Cause::Normal));
        let Some(cause) = failed else {
            self.trace("hand-back", "done");
            self.finish(now, Cause::Normal, Blame::Us);
            return Doing::Over;
        };
        self.trace("hand-back", format!("failed: {}", cause.as_str()));
        self.ledger.blame = ledger::blame(cause, Blame::Callee, true);
        self.step_ended(now, outcome(cause))
    }
}
