//! A conversation: caller and one called party, however they came together. The step goes on until
//! one of them hangs up.

use super::{Call, Doing, Input, Moment, Output, ledger};
use crate::{
    cause::{Blame, Cause},
    id::{ItemId, LegId, RecordingId},
    link::ToFloor,
    name::AgentName,
    step::StepOutcome,
    time::Timestamp,
};

/// Two parties talk.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) peer: LegId,
    pub(super) with: With,
    recording: Option<RecordingId>,
}

/// Whom the caller talks to.
#[derive(Debug)]
pub(super) enum With {
    /// An agent, about an item of a queue.
    Agent { item: ItemId, agent: AgentName },
    /// Somebody who was dialled.
    Party { by_trunk: bool },
}

impl With {
    pub(super) fn agent(&self) -> Option<&AgentName> {
        match self {
            Self::Agent { agent, .. } => Some(agent),
            Self::Party { .. } => None,
        }
    }
}

impl Call {
    /// Brings the two together: from now on they hear each other, unless one of them holds.
    pub(super) fn connect(&mut self, at: &mut Moment<'_>, peer: LegId, with: With, record: bool) -> Doing {
        self.answer_caller(at.now);
        self.ledger.connected_at.get_or_insert(at.now);
        let recording = record.then(|| RecordingId(at.ids.next(at.now)));
        let talk = Talk { peer, with, recording };
        self.settle_hold(at.now, &talk);
        if let Some(recording) = recording {
            self.ledger.recording = Some(recording);
            self.legs.say(Output::Record { recording, left: LegId::CALLER, right: peer });
        }
        self.trace("connected", peer.to_string());
        Doing::Talk(talk)
    }

    pub(super) fn talking(&mut self, now: Timestamp, talk: Talk, input: &Input) -> Doing {
        match *input {
            Input::LegHeld { leg, held } => {
                self.trace(if held { "hold" } else { "resume" }, leg.to_string());
                self.settle_hold(now, &talk);
                Doing::Talk(talk)
            }
            // The caller's leg is seen to before: this is the other party, who hung up first.
            Input::LegEnded { cause, .. } | Input::LegFailed { cause, .. } => {
                let by_trunk = matches!(talk.with, With::Party { by_trunk: true });
                self.ledger.blame = ledger::blame(cause, Blame::Callee, by_trunk);
                self.trace("hung up", talk.peer.to_string());
                self.close_talk(&talk, cause);
                self.step_ended(now, StepOutcome::Done)
            }
            _ => Doing::Talk(talk),
        }
    }

    /// What is to be told when a conversation is over; whoever is still there hears nothing.
    pub(super) fn close_talk(&mut self, talk: &Talk, cause: Cause) {
        if let With::Agent { item, .. } = talk.with {
            self.floor(ToFloor::Finished { item, cause });
        }
        if let Some(recording) = talk.recording {
            self.legs.say(Output::StopRecord { recording });
        }
        self.legs.hush(LegId::CALLER);
        self.legs.part(LegId::CALLER);
    }
}
