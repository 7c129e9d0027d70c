//! Legs that move between calls: a consult transfer, and a party who takes a conversation to another device.
//!
//! In a consult transfer whoever asks has two conversations, and wants the two others brought together. One of the
//! two calls [gives its party away](Input::GivenAway) and ends; in the other one [the place](Input::Replaced) of
//! whoever asked is taken by that party. Nobody is called and nothing can fail half-way: the wiring looks with
//! [`Call::partner`] whether both can be done before it does either.

use super::{
    Call, Doing, LegStage, Moment, ledger,
    talk::{Talk, With},
};
use crate::{
    cause::{Blame, Cause},
    cdr::SegmentState,
    id::LegId,
    link::LeaveReason,
    name::PartyNumber,
    time::Timestamp,
};

/// Somebody who can be given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Their leg.
    pub leg: LegId,
    /// Who they are, as far as the call knows; empty for nobody known.
    pub number: PartyNumber,
    /// A trunk carries them.
    pub by_trunk: bool,
    /// They hold us.
    pub held: bool,
}

/// Somebody who takes the place of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Their leg, from [`Call::next_leg`]. It is up.
    pub leg: LegId,
    /// Who they are.
    pub number: PartyNumber,
    /// A trunk carries them.
    pub by_trunk: bool,
    /// They hold us.
    pub held: bool,
    /// It is whoever was there before, at another device.
    pub is_same_party: bool,
}

impl Call {
    /// Whom a leg talks to; `None` when it is in no conversation.
    #[must_use]
    pub fn partner(&self, of: LegId) -> Option<Partner> {
        let Doing::Talk(talk) = &self.doing else { return None };
        let caller = self.legs.caller();
        let dialled = || self.ledger.answered_by.clone().unwrap_or_else(|| PartyNumber::from(""));
        let (leg, number, by_trunk) = match &talk.with {
            With::Agent { agent, .. } if of == caller => (talk.peer, agent.as_str().into(), false),
            With::Party { by_trunk } if of == caller => (talk.peer, dialled(), *by_trunk),
            _ if of != talk.peer => return None,
            _ if caller == LegId::CALLER => (caller, self.arrival.from.clone(), self.side.1),
            _ => (caller, dialled(), self.side.1),
        };
        let up = |leg| self.legs.stage(leg) == Some(LegStage::Up);
        (up(leg) && up(of)).then(|| Partner { leg, number, by_trunk, held: self.legs.holds(leg) })
    }

    /// The name of the next leg; `None` when the call has used up its numbers.
    #[must_use]
    pub fn next_leg(&self) -> Option<LegId> {
        self.legs.next()
    }

    /// The party of `by` leaves for another call; this one is over.
    pub(super) fn give_away(&mut self, now: Timestamp, talk: Talk, by: LegId) -> Doing {
        let Some(partner) = self.partner_in(&talk, by) else { return Doing::Talk(talk) };
        self.trace("given away", partner.to_string());
        for leg in [partner, by] {
            self.legs.part(leg);
            self.legs.hush(leg);
        }
        self.legs.let_go(partner);
        let (party, by_trunk) =
            if partner == talk.peer { self.side } else { (Blame::Callee, matches!(talk.with, With::Party { by_trunk: true })) };
        self.finish(now, Cause::Normal, ledger::blame(Cause::Normal, party, by_trunk));
        Doing::Over
    }

    /// Somebody who is up takes the place of a leg, and that one is let go.
    pub(super) fn replaced(&mut self, at: &mut Moment<'_>, talk: Talk, leg: LegId, new: Newcomer) -> Doing {
        let Some(stays) = self.partner_in(&talk, leg).filter(|_| self.legs.next() == Some(new.leg)) else {
            return Doing::Talk(talk);
        };
        self.trace("replaced", format!("{leg} by {}", new.leg));
        for leg in [stays, leg] {
            self.legs.part(leg);
            self.legs.hush(leg);
        }
        self.typed.clear();
        self.returned = None;
        let record = self.owed.is_recording();
        self.legs.adopt(new.leg, new.held);
        let talk = if new.is_same_party {
            self.stop_recording();
            if leg == self.legs.caller() {
                self.legs.set_caller(new.leg);
                talk
            } else {
                Talk { peer: new.leg, ..talk }
            }
        } else {
            if leg == self.legs.caller() {
                self.side = (Blame::Callee, matches!(talk.with, With::Party { by_trunk: true }));
                self.legs.set_caller(stays);
            }
            // A conversation with somebody else is another segment, however alike the two are.
            self.ledger.ended = Some(Cause::Normal);
            self.ledger.turn(at.now, SegmentState::Transferring, None);
            self.ledger.answered_by = Some(new.number);
            self.pay(LeaveReason::Fault, Cause::Normal);
            Talk { peer: new.leg, with: With::Party { by_trunk: new.by_trunk }, payer: None }
        };
        self.legs.end(leg, Cause::Normal);
        self.connect(at, talk.peer, talk.with, record)
    }

    /// The other one of two who talk.
    fn partner_in(&self, talk: &Talk, of: LegId) -> Option<LegId> {
        let caller = self.legs.caller();
        [(caller, talk.peer), (talk.peer, caller)].into_iter().find(|(one, _)| *one == of).map(|(_, other)| other)
    }
}
