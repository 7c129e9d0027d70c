//! Callers that are handed back to their carrier, between SIP and the calls.

use tandem_signaling::endpoint::{Command, InviteId, RejectedBy};
use tandem_switch::{
    cause::Cause,
    name::{PartyNumber, TrunkName},
};

use super::{SipEdge, SipEvent, causes};
use crate::{metrics::METRICS, wire::LegRef};

impl SipEdge {
    /// Asks the carrier of a leg to connect its party to a number itself. Its rules say how the number is written and
    /// whether it may be called: mostly it is we who pay for what the carrier does then.
    ///
    /// # Errors
    /// It may not be asked, or not for this number.
    pub fn hand_back(&mut self, at: LegRef, trunk: &TrunkName, number: &PartyNumber) -> Result<(), Cause> {
        let plan = self.settings.plan().ok_or(Cause::Congestion)?;
        let known = plan.trunks.get(trunk).filter(|trunk| trunk.takes_refer).ok_or(Cause::Forbidden)?;
        let outgoing = known.rules.outgoing(number, &PartyNumber::from("")).map_err(|refusal| {
            METRICS.trunk_refusals.inc(refusal.as_str());
            tracing::warn!(call = %at.call, %trunk, why = %refusal, "a number that may not be called");
            Cause::Forbidden
        })?;
        let invite = self.legs.get(&at).filter(|leg| leg.from_trunk).ok_or(Cause::Forbidden)?.invite;
        self.command(Command::HandBack { invite, number: outgoing.number.as_str().to_owned() });
        Ok(())
    }

    /// How it went.
    pub(super) fn handed_back(&mut self, invite: InviteId, code: u16) {
        if let Some(at) = self.invites.get(&invite).copied() {
            let failed = (code >= 300).then(|| causes::of_rejection(code, RejectedBy::Peer));
            self.events.push_back(SipEvent::HandedBack { at, failed, code });
        }
    }
}
