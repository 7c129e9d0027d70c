//! Callers who take somebody of another call: out of a slot, or from a phone that rings.

use tandem_switch::{call::Input, cause::Cause, id::CallId, name::Extension, step::Whom};

use super::Line;
use crate::{
    http::view::ParkedView,
    wire::{LegRef, calls::LiveCall},
};

impl Line {
    /// The next wish is seen to; `false` when there is none.
    pub(super) fn take_next(&mut self) -> bool {
        let Some((at, whom)) = self.edges.lots.wishes.pop_front() else { return false };
        let found = match &whom {
            Whom::Parked(slot) => self.edges.lots.holder(slot).map(|at| at.call),
            Whom::Calling(extensions) => extensions.iter().find_map(|extension| self.calling(extension)),
        };
        if found.is_none_or(|call| self.take(at, call).is_none()) {
            self.tell(at, Input::NotTaken { leg: at.leg });
        }
        true
    }

    /// A call whose plan rings a device of an extension.
    fn calling(&self, extension: &Extension) -> Option<CallId> {
        let rings = |at: &LegRef| self.calls.get(&at.call).is_some_and(|live| live.rings(at.leg));
        self.edges.lamps.all_of(extension).iter().map(|lamp| lamp.at).find(rings).map(|at| at.call)
    }

    /// Moves a leg to a call whose party it takes. `None` when it cannot be; then nothing has changed.
    fn take(&mut self, at: LegRef, call: CallId) -> Option<()> {
        let taker = self.calls.get(&at.call)?;
        let is_up = taker.takes().filter(|_| at.call != call)?;
        let other = self.calls.get(&call)?;
        let (party, leg) = (other.may_be_taken()?, other.next_leg()?);
        if !self.edges.sip.may_meet(at, LegRef { call, leg: party }) {
            tracing::warn!(call = %at.call, other = %call, "a trunk's calls do not go out through others: nobody is taken");
            return None;
        }
        let (new, extension) = (taker.newcomer(leg), taker.extension_of(at.leg));
        if !is_up {
            // Where the audio of the other call is, unless it is somewhere already.
            if !self.edges.media.is_open(at) {
                self.edges.media.put_beside(at.call, call);
            }
            if let Err(cause) = self.edges.sip.answer(at, &mut self.edges.media) {
                self.tell(at, Input::Hangup { cause });
                return Some(());
            }
        }
        self.trace(at.call, "call", || format!("{} goes to call {call}", at.leg));
        let to = LegRef { call, leg };
        self.work(at.call, |live, edges| live.leave(edges, at.leg));
        self.edges.sip.move_leg(at, to);
        self.edges.media.move_leg(at, to);
        self.work(call, |live, edges| live.taken(edges, new, extension));
        if !self.calls.contains_key(&call) {
            // A fault ended that call, which did not know the leg yet.
            self.edges.sip.end(to, Cause::Fault);
            self.edges.media.close(to);
        }
        Some(())
    }

    /// Who is in which slot.
    pub(super) fn parked(&self) -> Vec<ParkedView> {
        let live = |call: CallId| -> Option<&LiveCall> { self.calls.get(&call) };
        self.edges.lots.all().filter_map(|(number, slot)| Some(live(slot.at.call)?.parked(number, slot))).collect()
    }
}
