//! Two calls of one party become one (consult transfer), and a call that a party takes to another device.

use tandem_switch::{
    call::{Input, Newcomer, TransferNews},
    cause::Cause,
    cdr::Origin,
    id::{CallId, LegId},
};

use super::Line;
use crate::wire::{LegRef, sip::InviteRef};

impl Line {
    /// A leg wants its party brought together with that of another leg of the same party.
    pub(super) fn bring_together(&mut self, at: LegRef, by: Origin, with: LegRef) {
        let talks = |line: &Self, at: LegRef| line.calls.get(&at.call).and_then(|live| live.partner(at.leg)).is_some();
        if at.call == with.call || !talks(self, at) {
            return self.edges.sip.transfer_goes(at, &TransferNews::Refused);
        }
        if !talks(self, with) {
            // Nobody is there yet, but what was dialled is known: as good as a transfer to that number.
            let dialled = self.calls.get(&with.call).filter(|_| with.leg == LegId::CALLER).map(|live| live.dialled().clone());
            let Some(to) = dialled else { return self.edges.sip.transfer_goes(at, &TransferNews::Refused) };
            self.todo.push_back((with.call, Input::Hangup { cause: Cause::Normal }));
            return self.tell(at, Input::Transfer { leg: at.leg, by, to });
        }
        if !self.may_meet(at, with) {
            tracing::warn!(call = %at.call, other = %with.call, "a trunk's calls do not go out through others: no consult transfer");
            return self.edges.sip.transfer_goes(at, &TransferNews::Refused);
        }
        let done = self.join_calls(at, with);
        if done.is_none() {
            tracing::warn!(call = %at.call, other = %with.call, "a consult transfer between media threads is not possible");
            self.edges.sip.transfer_goes(at, &TransferNews::Refused);
        }
    }

    /// Whether the parties of two legs may be brought together: the rules of their trunks say so.
    fn may_meet(&self, one: LegRef, other: LegRef) -> bool {
        let partner = |at: LegRef| self.calls.get(&at.call)?.partner(at.leg).map(|partner| LegRef { leg: partner.leg, ..at });
        partner(one).zip(partner(other)).is_none_or(|(one, other)| self.edges.sip.may_meet(one, other))
    }

    /// Moves the party of one call into the other one. `None` when it cannot be; then nothing has changed.
    fn join_calls(&mut self, at: LegRef, with: LegRef) -> Option<()> {
        let weight = |leg: LegRef| Some(self.calls.get(&leg.call)?.weight(leg.leg));
        let (stays, goes) = if weight(at)? >= weight(with)? { (at, with) } else { (with, at) };
        let leg = self.calls.get(&stays.call)?.next_leg()?;
        let partner = self.calls.get(&goes.call)?.partner(goes.leg)?;
        let extension = self.calls.get(&goes.call)?.extension_of(partner.leg);
        if !self.edges.media.are_beside(stays.call, goes.call) {
            return None;
        }
        let (from, to) = (LegRef { leg: partner.leg, ..goes }, LegRef { leg, ..stays });
        // Said first: whoever asked is let go by what follows.
        self.edges.sip.transfer_goes(at, &TransferNews::Taken);
        self.trace(goes.call, "call", || format!("{} goes to call {}", partner.leg, stays.call));
        self.work(goes.call, |live, edges| live.give_away(edges, goes.leg, partner.leg));
        self.edges.sip.move_leg(from, to);
        self.edges.media.move_leg(from, to);
        let new = Newcomer { leg, number: partner.number, by_trunk: partner.by_trunk, held: partner.held, is_same_party: false };
        self.work(stays.call, |live, edges| live.take_in(edges, stays.leg, new, extension));
        Some(())
    }

    /// Somebody calls to take the place of a leg: an extension may take its own conversation to another device.
    pub(super) fn take_place(&mut self, invite: InviteRef, origin: &Origin, replaced: LegRef) {
        let wanted = self.calls.get(&replaced.call).and_then(|live| {
            let Origin::Extension(extension) = origin else { return None };
            let own = live.extension_of(replaced.leg).as_ref() == Some(extension);
            live.partner(replaced.leg).filter(|_| own)?;
            Some((live.next_leg()?, extension.clone()))
        });
        let Some((leg, extension)) = wanted else { return self.edges.sip.decline(invite) };
        let at = LegRef { leg, ..replaced };
        self.edges.sip.adopt(invite, at);
        if let Err(cause) = self.edges.sip.answer(at, &mut self.edges.media) {
            self.edges.sip.end(at, cause);
            self.edges.media.close(at);
            return;
        }
        let number = extension.as_str().into();
        let new = Newcomer { leg, number, by_trunk: false, held: false, is_same_party: true };
        self.work(replaced.call, |live, edges| live.take_in(edges, replaced.leg, new, Some(extension)));
    }

    /// The audio of a call of a device that is on another call is handled beside that one, so that its parties can be
    /// brought together.
    pub(super) fn put_beside(&mut self, call: CallId, origin: &Origin) {
        if let Origin::Extension(extension) = origin
            && let Some(other) = self.edges.lamps.call_of(extension)
        {
            self.edges.media.put_beside(call, other);
        }
    }
}
