//! Calls through carriers: which trunk of a group, how numbers are written there, and who is next when one cannot.

use std::{collections::VecDeque, sync::Arc};

use tandem_dialplan::{Refusal, Shown, Way};
use tandem_signaling::{
    endpoint::{self, Command, InviteId, PartyIdentity, RejectedBy},
    sdp::{AudioCodec, KeyRule},
};
use tandem_switch::{
    cause::Cause,
    name::{PartyNumber, TrunkName},
};

use super::{SipEdge, SipEvent, WITHHELD, causes, keys::LegKeys, leg::SipLeg, trunk_legs};
use crate::{
    metrics::METRICS,
    wire::{LegRef, media::MediaEdge},
};

/// The trunks that a leg has not tried yet, and for whom it calls.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    left: VecDeque<Way>,
    caller: LegRef,
    /// The number that the call brings.
    caller_id: PartyNumber,
    /// It calls an emergency service: no bound and no cap keeps it.
    is_emergency: bool,
}

/// What is sent of a leg that we make.
pub(super) struct Wish {
    pub(super) target: endpoint::Target,
    pub(super) from_user: String,
    pub(super) from_display: String,
    pub(super) party: PartyIdentity,
    pub(super) headers: Vec<(String, String)>,
    pub(super) codecs: Vec<AudioCodec>,
    pub(super) keys: KeyRule,
    /// Some of those who are called come by WebSocket and get an offer with DTLS.
    pub(super) has_web: bool,
    /// All of them do.
    pub(super) is_web: bool,
    /// The trunk that it goes by.
    pub(super) trunk: Option<TrunkName>,
    pub(super) ways: Option<Ways>,
    pub(super) is_emergency: bool,
}

impl SipEdge {
    /// Calls a number through a trunk, or through the trunks of a group until one takes it.
    ///
    /// # Errors
    /// None of them may call it, or can be tried.
    pub(super) fn invite_by_trunk(
        &mut self,
        at: LegRef,
        (name, number): (&TrunkName, &PartyNumber),
        caller_id: &PartyNumber,
        caller: LegRef,
        media: &mut MediaEdge,
    ) -> Result<(), Cause> {
        let is_emergency = self.is_emergency(number);
        let (mut left, mut refusal) = match self.settings.plan() {
            Some(plan) => plan.ways(name, number, caller_id, || self.next_random()),
            None => return Err(Cause::Congestion),
        };
        if let Some(only) = self.kept_in(at).filter(|_| !left.is_empty()) {
            left.retain(|way| way.trunk == only);
            refusal = Some(Refusal::Onward);
        }
        if let (true, Some(refusal)) = (left.is_empty(), refusal) {
            METRICS.trunk_refusals.inc(refusal.as_str());
            tracing::warn!(call = %at.call, trunk = %name, why = %refusal, "a number that may not be called");
            return Err(Cause::Forbidden);
        }
        // Those that have a good chance now come first, the others are not left out.
        left.sort_by_key(|way| !self.endpoint.trunk_is_usable(way.trunk.as_str()));
        self.try_next(at, Ways { left: left.into(), caller, caller_id: caller_id.clone(), is_emergency }, media)
    }

    fn try_next(&mut self, at: LegRef, mut ways: Ways, media: &mut MediaEdge) -> Result<(), Cause> {
        let mut next = ways.left.pop_front().ok_or(Cause::Congestion)?;
        let is_emergency = ways.is_emergency;
        while !is_emergency && !self.may_call(at, &next.trunk, next.abroad) {
            next = ways.left.pop_front().ok_or(Cause::Forbidden)?;
        }
        let Way { trunk, number, shown, .. } = next;
        let (name, user): (Arc<str>, _) = (trunk.as_str().into(), number.as_str().to_owned());
        let target = if ways.left.is_empty() {
            endpoint::Target::Trunk { name, user }
        } else {
            endpoint::Target::TrunkOrElse { name, user }
        };
        let caller = ways.caller;
        let (from_user, from_display, party) = match shown {
            Shown::Number(shown) => {
                // Whose number stands in for that of the call has nothing to hide.
                let is_withheld = shown.as_str() == WITHHELD || (self.is_withheld(caller) && shown == ways.caller_id);
                (shown, String::new(), PartyIdentity { is_withheld, ..PartyIdentity::default() })
            }
            Shown::Nobody(known) => {
                let number = known.map(|known| known.as_str().to_owned());
                let party = PartyIdentity { is_withheld: true, number, ..PartyIdentity::default() };
                (PartyNumber::from(WITHHELD), "Anonymous".to_owned(), party)
            }
        };
        // A signature would name who does not want to be named.
        let headers = if party.is_withheld {
            Vec::new()
        } else {
            let from_trunk = self.legs.get(&caller).is_some_and(|leg| leg.from_trunk);
            self.identity.sign(self.now, &trunk, (from_user.as_str(), number.as_str()), from_trunk)
        };
        let from_user = if from_user.as_str().is_empty() { WITHHELD } else { from_user.as_str() }.to_owned();
        let codecs = self.settings.codecs_of(Some(&trunk));
        let keys = self.settings.keys_of_trunk(&trunk);
        let (trunk, ways) = (Some(trunk), Some(ways));
        let wish = Wish {
            target,
            from_user,
            from_display,
            party,
            headers,
            codecs,
            keys,
            has_web: false,
            is_web: false,
            trunk,
            ways,
            is_emergency,
        };
        let called = self.call(at, wish, caller, media);
        if called.is_err() {
            self.toll_ended(at);
        }
        called
    }

    /// Sends an invitation as a new leg, or as the next try of one.
    ///
    /// # Errors
    /// Its audio cannot be set up.
    pub(super) fn call(&mut self, at: LegRef, wish: Wish, caller: LegRef, media: &mut MediaEdge) -> Result<(), Cause> {
        let Wish { target, from_user, from_display, mut party, mut headers, codecs, keys, .. } = wish;
        let Wish { has_web, is_web, trunk, ways, is_emergency, .. } = wish;
        party.diverted_by = self.diversions(at, caller);
        let referrer = self.referrer(at);
        party.referred_by = referrer.as_ref().map(|by| by.as_str().to_owned());
        let invite = self.endpoint.next_invite();
        let mut leg = SipLeg::outgoing(invite, codecs, LegKeys::new(keys, &mut self.keys));
        leg.ways = ways;
        leg.is_web = is_web;
        leg.diverted_by.clone_from(&party.diverted_by);
        leg.referred_by = referrer;
        let extension = if let endpoint::Target::Account(account) = &target { Some(account.as_ref()) } else { None };
        self.settings.dress(&mut leg, trunk.as_ref(), extension);
        let wanted = self.legs.get(&caller).map(SipLeg::wanted_codecs).unwrap_or_default();
        let hops = self.legs.get(&caller).and_then(|leg| leg.max_forwards);
        headers.extend(hops.map(|hops| ("Max-Forwards".to_owned(), hops.saturating_sub(1).to_string())));
        let sdp = leg.offer(at, &wanted, &self.settings, media)?;
        let web_sdp = if has_web { Some(leg.offer_web(at, &wanted, &self.settings, media)?) } else { None };
        self.legs.insert(at, leg);
        self.invites.insert(invite, at);
        let wish = endpoint::Invite { invite, target, from_user, from_display, party, sdp, web_sdp, headers, is_emergency };
        self.command(Command::Invite(Box::new(wish)));
        Ok(())
    }

    /// A called leg did not come up: the next trunk of its group is tried, if that can help.
    pub(super) fn rejected(&mut self, invite: InviteId, (code, by, reason): (u16, RejectedBy, &str), media: &mut MediaEdge) {
        let Some((at, leg)) = self.leg(invite) else { return };
        trunk_legs::log_refusal(at, leg, code, reason);
        let mut cause = causes::of_rejection(code, by);
        if let Some(ways) = leg.ways.take().filter(|ways| !ways.left.is_empty() && is_of_the_trunk(code, by)) {
            METRICS.trunk_failovers.inc();
            tracing::info!(call = %at.call, leg = at.leg.0, code, "a trunk cannot take a call; the next is tried");
            self.invites.remove(&invite);
            match self.try_next(at, ways, media) {
                Ok(()) => return,
                Err(why) => cause = why,
            }
        }
        self.invites.remove(&invite);
        self.toll_ended(at);
        self.legs.remove(&at);
        self.forget_transfer(at);
        self.events.push_back(SipEvent::Failed { at, cause, code, said: trunk_legs::said(reason) });
    }

    /// Any number: which of several trunks is taken is no secret.
    fn next_random(&mut self) -> u64 {
        // SplitMix64.
        self.lots = self.lots.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.lots ^ (self.lots >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Whether a failure says something of the trunk and nothing of the called party: then another trunk may do.
const fn is_of_the_trunk(code: u16, by: RejectedBy) -> bool {
    match by {
        RejectedBy::Network => true,
        RejectedBy::Us => matches!(code, 404 | 503),
        RejectedBy::Peer => matches!(code, 408 | 500..=599),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_the_trunk_go_on_to_the_next() {
        for code in [408, 500, 502, 503, 504, 580] {
            assert!(is_of_the_trunk(code, RejectedBy::Peer), "{code}");
        }
        for code in [400, 403, 404, 480, 484, 486, 487, 488, 600, 603, 607] {
            assert!(!is_of_the_trunk(code, RejectedBy::Peer), "{code}");
        }
        assert!(is_of_the_trunk(408, RejectedBy::Network) && is_of_the_trunk(503, RejectedBy::Us));
        assert!(!is_of_the_trunk(483, RejectedBy::Us), "a loop ends");
    }
}
