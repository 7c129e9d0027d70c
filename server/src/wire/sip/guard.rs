//! Panics in signalling: what ends with them, and what goes on.
//!
//! **Reading a message** may panic, and drops that message only. The endpoint's state stays sound: a message is
//! handled for one transaction and one invitation, which are found by their keys and changed in place, and a timer
//! leaves the wheel before it is run. At worst that one invitation is left half-way; its timers or its other leg
//! end it. Commands and the clock are not guarded: they come from ourselves, and a fault in them would come back.
//!
//! **What an event does to a leg** may panic, and ends that leg only: the edge's maps hold whole legs, and the one
//! that was at work is taken out. An event that belongs to no leg is not guarded.
//!
//! What is not guarded ends the line loop, and with it the process, which is then started anew. So does a run of
//! [`FAULTS_IN_A_ROW`] messages none of which could be handled: that is no bad message but a bad state.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tandem_signaling::endpoint::{Command, Event, Input, InviteId};
use tandem_switch::cause::Cause;

use super::{SipEdge, SipEvent};
use crate::{metrics::METRICS, wire::media::MediaEdge};

/// So many faults with no good message between them are not the messages' fault.
const FAULTS_IN_A_ROW: u32 = 32;

impl SipEdge {
    /// Hands the endpoint one input.
    pub(super) fn hand_over(&mut self, input: Input) {
        let now = self.now.instant;
        let Input::Received { flow, bytes } = input else { return self.endpoint.handle(now, input) };
        let endpoint = &mut self.endpoint;
        let handled = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(debug_assertions)]
            crate::wire::fault::by_message(&bytes);
            endpoint.handle(now, Input::Received { flow, bytes });
        }));
        match handled {
            Ok(()) => self.faults_in_a_row = 0,
            Err(fault) => {
                METRICS.sip_faults.inc();
                self.faults_in_a_row += 1;
                tracing::error!(source = %flow.remote.ip(), "a fault in the reading of a SIP message; the message is dropped");
                if self.faults_in_a_row >= FAULTS_IN_A_ROW {
                    tracing::error!("no SIP message can be handled any more");
                    resume_unwind(fault);
                }
            }
        }
    }

    /// Lets an event of the endpoint take effect.
    pub(super) fn take_event(&mut self, event: Event, media: &mut MediaEdge) {
        match invite_of(&event) {
            Some(invite) => self.guarded(invite, |edge| edge.told(event, media)),
            None => self.told(event, media),
        }
    }

    fn guarded(&mut self, invite: InviteId, work: impl FnOnce(&mut Self)) {
        let at = self.invites.get(&invite).copied();
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        METRICS.sip_faults.inc();
        tracing::error!(call = ?at.map(|at| at.call), "a fault in the signalling of a leg; the leg is ended, the others go on");
        self.arrived.remove(&invite);
        self.identity.forget(invite);
        self.forget(invite);
        self.command(Command::End { invite, code: 500, reason: String::new() });
        if let Some(at) = at {
            self.events.push_back(SipEvent::Ended { at, cause: Cause::Fault });
        }
    }
}

/// The invitation that an event is about.
const fn invite_of(event: &Event) -> Option<InviteId> {
    match event {
        Event::Invited(invited) => Some(invited.invite),
        Event::Redirected(redirected) => Some(redirected.invite),
        Event::Cancelled { invite }
        | Event::Confirmed { invite, .. }
        | Event::Progressed { invite, .. }
        | Event::Answered { invite, .. }
        | Event::Rejected { invite, .. }
        | Event::Reoffered { invite, .. }
        | Event::ReofferAnswered { invite, .. }
        | Event::ReofferRejected { invite, .. }
        | Event::HeadersTold { invite, .. }
        | Event::Ended { invite, .. }
        | Event::InfoDigit { invite, .. }
        | Event::KeyRefused { invite, .. }
        | Event::HandedBack { invite, .. }
        | Event::Transferred { invite, .. } => Some(*invite),
        Event::BindingAdded(_)
        | Event::BindingRefreshed(_)
        | Event::BindingRemoved { .. }
        | Event::TrunkUp { .. }
        | Event::TrunkDown { .. }
        | Event::AuthFailed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use tandem_switch::id::{CallId, LegId};

    use super::*;
    use crate::wire::{
        LegRef,
        sip::{keys::LegKeys, leg::SipLeg, tests::edge},
    };

    #[test]
    fn a_fault_ends_its_leg_and_no_other() {
        let mut edge = edge();
        let at = |call| LegRef { call: CallId(call), leg: LegId::CALLER };
        for call in [1, 2] {
            let invite = edge.endpoint.next_invite();
            edge.legs.insert(at(call), SipLeg::outgoing(invite, Vec::new(), LegKeys::default()));
            edge.invites.insert(invite, at(call));
        }
        let first = edge.legs[&at(1)].invite;
        edge.guarded(first, |_| panic!("a fault in the first leg"));
        assert!(!edge.legs.contains_key(&at(1)) && !edge.invites.contains_key(&first));
        assert!(edge.legs.contains_key(&at(2)));
        let told: Vec<_> = edge.events.drain(..).collect();
        assert!(matches!(&told[..], [SipEvent::Ended { at: ended, cause: Cause::Fault }] if *ended == at(1)), "{told:?}");
        let ending = edge.inputs.pop_back();
        assert!(
            matches!(&ending, Some(Input::Command(Command::End { invite, code: 500, .. })) if *invite == first),
            "{ending:?}"
        );
    }
}
