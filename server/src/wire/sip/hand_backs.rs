//! Callers that are handed back to their carrier, between SIP and the calls.

use tandem_signaling::endpoint::{Command, InviteId, RejectedBy};
use tandem_switch::{
    cause::Cause,
    name::{PartyNumber, TrunkName},
};

use super::{SipEdge, SipEvent, causes, leg::SipLeg};
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
        // After a transfer the route may be of another trunk than the caller, who is that one's to have back.
        let is_theirs = |leg: &&SipLeg| leg.from_trunk && leg.trunk.as_ref().is_none_or(|own| own == trunk);
        let invite = self.legs.get(&at).filter(is_theirs).ok_or(Cause::Forbidden)?.invite;
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

#[cfg(test)]
mod tests {
    use tandem_dialplan::{Source, World};
    use tandem_switch::id::{CallId, LegId};

    use super::*;
    use crate::wire::sip::{Settings, keys::LegKeys, tests::edge};

    #[test]
    fn a_caller_is_only_their_own_carriers_to_have_back() {
        let trunk = |name: &str| {
            format!(
                "trunk \"{name}\" {{\n peer \"udp\" \"192.0.2.1:5060\"\n takes-refer #true\n numbers country-code=\"39\"\n}}\n"
            )
        };
        let text = format!("{}{}route \"r\" {{\n from any\n hangup\n}}", trunk("a"), trunk("b").replace("2.1", "2.2"));
        let (plan, report) = tandem_dialplan::check(&[Source::new("plan.kdl", text)], &World::default());
        let mut edge = edge();
        edge.settings = Settings::of(plan.unwrap_or_else(|| panic!("{}", report.lines())));
        let at = LegRef { call: CallId(1), leg: LegId::CALLER };
        let mut leg = SipLeg::outgoing(InviteId(7), Vec::new(), LegKeys::default());
        (leg.from_trunk, leg.trunk) = (true, Some("a".into()));
        edge.legs.insert(at, leg);
        let number = PartyNumber::from("0287654321");
        assert_eq!(edge.hand_back(at, &"b".into(), &number), Err(Cause::Forbidden));
        assert_eq!(edge.hand_back(at, &"a".into(), &number), Ok(()));
    }
}
