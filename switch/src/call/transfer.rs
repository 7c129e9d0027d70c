//! Blind transfer: a party of a conversation asks to have the other one connected to a number.
//!
//! The plan says what becomes of the number, with the rights of whoever asked: the wiring asks it at
//! [`TransferNews::Begun`], and its steps follow. Until one of them takes the party (somebody answers, or the
//! plan does), whoever asked is kept on the line. When none does, the two talk on; if the one who asked is
//! gone, the party goes back to the queue they came from, or whoever asked is called back. Nobody is dropped
//! because a transfer failed.

use serde::{Deserialize, Serialize};

use super::{
    Call, Doing, Input, Moment, Output, TransferNews,
    dial::outcome,
    talk::{Talk, With},
};
use crate::{
    cause::{Blame, Cause},
    cdr::{Origin, SegmentState},
    id::LegId,
    link::LeaveReason,
    name::{PartyNumber, RouteName},
    step::{Dial, RingStrategy, Step, StepOutcome, Target},
    time::Timestamp,
};

/// How long the one who asked is called back, in ms.
const RECALL_MS: u64 = 30_000;

/// Some phones hang up by themselves when their transfer fails; nobody's hand is so quick, in ms.
const HASTY_MS: u64 = 1_000;

/// A conversation that goes on because a transfer failed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Returned {
    /// Who had asked for it.
    by: LegId,
    origin: Origin,
    /// Why it failed.
    cause: Cause,
    record: bool,
    /// Until when a hang-up is taken for the phone's.
    taken_back_until: Timestamp,
    /// Who was to be transferred, and whose side that is.
    party: LegId,
    side: (Blame, bool),
}

/// A transfer under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Transfer {
    /// Who asked.
    by: LegId,
    /// Whose leg that is.
    origin: Origin,
    /// They have hung up since.
    is_gone: bool,
    /// The conversation that it began in, and for whom the call was then.
    talk: Talk,
    party: LegId,
    side: (Blame, bool),
    record: bool,
    /// The route that had the call.
    route: Option<RouteName>,
}

impl Transfer {
    /// With whose rights.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Call {
    /// Begins a transfer, if there is somebody to transfer.
    pub(super) fn begin_transfer(&mut self, now: Timestamp, talk: Talk, by: LegId, origin: Origin, to: PartyNumber) -> Doing {
        let caller = self.legs.caller();
        let party = match by {
            _ if by == caller => talk.peer,
            _ if by == talk.peer => caller,
            _ => {
                self.refuse_transfer(by);
                return Doing::Talk(talk);
            }
        };
        self.trace("transfer", format!("asked for by {by}"));
        for leg in [by, party] {
            self.legs.part(leg);
            self.legs.hush(leg);
        }
        let side = self.side;
        if party == talk.peer {
            self.side = (Blame::Callee, matches!(talk.with, With::Party { by_trunk: true }));
        }
        self.legs.set_caller(party);
        self.typed.clear();
        self.ledger.turn(now, SegmentState::Transferring, None);
        let (record, route) = (self.owed.is_recording(), self.ledger.route.clone());
        self.transfer =
            Some(Box::new(Transfer { by, origin: origin.clone(), is_gone: false, talk, party: caller, side, record, route }));
        self.legs.say(Output::Transfer { by, news: TransferNews::Begun { origin, to } });
        Doing::AwaitStep
    }

    /// A transfer that cannot even begin.
    pub(super) fn refuse_transfer(&mut self, by: LegId) {
        self.trace("transfer", format!("refused to {by}"));
        self.legs.say(Output::Transfer { by, news: TransferNews::Refused });
    }

    /// What the plan wants before the party is taken. Prompts of a call that is not answered are left out:
    /// they are for whoever dialled.
    pub(super) fn begin_in_transfer(&mut self, at: &mut Moment<'_>, step: Step) -> Doing {
        match step {
            Step::Ring => {
                self.transfer_rings();
                self.step_ended(at.now, StepOutcome::Done)
            }
            Step::Play { .. } => self.step_ended(at.now, StepOutcome::Done),
            Step::Dial(dial) => self.begin_dial(at.now, dial),
            Step::Hangup { cause } => self.transfer_failed(at, cause),
            // It was not the party who asked to go on duty or off, or to supervise; and there is somebody to give it to.
            Step::Agent(_) | Step::Supervise { .. } | Step::HandBack { .. } | Step::Take(_) => {
                self.step_ended(at.now, StepOutcome::Error)
            }
            // Whoever asked is kept until there is a slot.
            Step::Park(park) => self.begin_park(at.now, park),
            Step::Fork { program, sides } => self.fork(at.now, program, sides),
            Step::Ask(ask) => self.begin_ask(at.now, ask),
            Step::Answer
            | Step::Collect(_)
            | Step::Queue(_)
            | Step::Echo
            | Step::Voicemail(_)
            | Step::Stream { .. }
            | Step::Conference { .. } => {
                self.transfer_taken();
                self.begin(at, step)
            }
        }
    }

    /// The wanted party rings.
    pub(super) fn transfer_rings(&mut self) {
        if let Some(transfer) = &self.transfer {
            self.legs.say(Output::Transfer { by: transfer.by, news: TransferNews::Rings });
        }
    }

    /// Somebody has the party now: whoever asked is let go.
    pub(super) fn transfer_taken(&mut self) {
        let Some(transfer) = self.transfer.take() else { return };
        self.trace("transfer", "done");
        self.ledger.ended = Some(Cause::Normal);
        self.legs.say(Output::Transfer { by: transfer.by, news: TransferNews::Taken });
        self.pay(LeaveReason::Fault, Cause::Normal);
        self.legs.end(transfer.by, Cause::Normal);
    }

    /// Nobody took the party.
    pub(super) fn transfer_failed(&mut self, at: &mut Moment<'_>, cause: Cause) -> Doing {
        let Some(transfer) = self.transfer.take() else { return Doing::AwaitStep };
        self.trace("transfer", format!("failed: {}", cause.as_str()));
        self.ledger.ended = Some(cause);
        self.legs.say(Output::Transfer { by: transfer.by, news: TransferNews::Failed(cause) });
        self.legs.hush(self.legs.caller());
        let Transfer { by, is_gone, talk, party, side, origin, record, route } = *transfer;
        self.ledger.route = route;
        if is_gone {
            return self.fall_back(at, talk.with, origin, cause, record);
        }
        let taken_back_until = at.now.plus_ms(HASTY_MS);
        self.returned =
            Some(Box::new(Returned { by, origin, cause, record, taken_back_until, party: self.legs.caller(), side: self.side }));
        self.legs.set_caller(party);
        self.side = side;
        self.converse_again(at, &talk);
        Doing::Talk(talk)
    }

    /// Nobody took the party, and whoever asked is gone.
    fn fall_back(&mut self, at: &mut Moment<'_>, with: With, origin: Origin, cause: Cause, record: bool) -> Doing {
        match (with, origin) {
            (With::Agent { queueing, .. }, _) => self.queue_again(at, queueing),
            (With::Party { .. }, Origin::Extension(extension)) => {
                self.trace("transfer", "whoever asked is called back");
                let targets = vec![Target::Extension(extension)];
                let (strategy, music) = (RingStrategy::InOrder, self.settings.hold_music.clone());
                self.begin_dial(at.now, Dial { targets, strategy, ring_ms: RECALL_MS, record, music, caller_id: None })
            }
            (With::Party { .. }, Origin::Trunk(_)) => self.step_ended(at.now, outcome(cause)),
        }
    }

    /// Sees to a phone that hangs up because its transfer failed, before anybody can have meant it: the party is
    /// not dropped for that. `false` when it is about something else.
    pub(super) fn hung_up_in_haste(&mut self, at: &mut Moment<'_>, input: &Input) -> bool {
        let (Input::LegEnded { leg, cause } | Input::LegFailed { leg, cause }) = *input else { return false };
        let hasty = |returned: &mut Box<Returned>| returned.by == leg && at.now < returned.taken_back_until;
        if !matches!(self.doing, Doing::Talk(_)) {
            return false;
        }
        let Some(returned) = self.returned.take_if(hasty) else { return false };
        let Doing::Talk(talk) = std::mem::replace(&mut self.doing, Doing::AwaitStep) else { return false };
        self.trace("hung up", leg.to_string());
        self.pay(LeaveReason::Fault, cause);
        self.legs.set_caller(returned.party);
        self.side = returned.side;
        self.legs.hush(returned.party);
        self.doing = self.fall_back(at, talk.with, returned.origin, returned.cause, returned.record);
        true
    }

    /// A transfer that a restart met: nobody takes the party any more. `true`: whoever asked is there still.
    pub(super) fn transferor_stays(&mut self) -> bool {
        let Some(transfer) = &mut self.transfer else { return false };
        transfer.is_gone |= self.legs.stage(transfer.by).is_none();
        !transfer.is_gone
    }

    /// The leg of the agent who had the conversation that a transfer began in, while they are on the line.
    pub(super) fn transferor_agent(&self) -> Option<LegId> {
        let transfer = self.transfer.as_ref().filter(|transfer| !transfer.is_gone)?;
        transfer.talk.with.agent().map(|_| transfer.talk.peer)
    }

    /// The call ends while a transfer is under way.
    pub(super) fn abandon_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            self.ledger.ended = Some(Cause::Cancelled);
            self.legs.say(Output::Transfer { by: transfer.by, news: TransferNews::Failed(Cause::Cancelled) });
        }
    }

    /// Sees to what concerns whoever asked for a transfer: they have hung up, and are free. `false` when the
    /// input is for somebody else.
    pub(super) fn transferor_told(&mut self, input: &Input) -> bool {
        let (Input::LegEnded { leg, cause } | Input::LegFailed { leg, cause }) = *input else { return false };
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| transfer.by == leg) else { return false };
        transfer.is_gone = true;
        self.trace("hung up", leg.to_string());
        self.pay(LeaveReason::Fault, cause);
        true
    }
}
