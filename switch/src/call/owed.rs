//! What others are owed before a call may end: the floor the last word on an item, the recorder the
//! end of a recording.
//!
//! It is kept apart from what the call is doing, so that it is paid even when a fault of ours lost
//! that. An agent whose call has failed is free again, and no recording stays open.

use serde::{Deserialize, Serialize};

use super::{Call, Output};
use crate::{
    cause::Cause,
    id::{ItemId, RecordingId},
    link::{LeaveReason, ToFloor},
};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Owed {
    item: Option<Item>,
    recording: Option<RecordingId>,
    /// Recordings of this call are silent until told otherwise: this one and those that follow it.
    #[serde(default)]
    paused: bool,
    /// What is to be recorded waits for the end of the notice.
    #[serde(default)]
    telling: bool,
    /// The caller has heard the notice.
    #[serde(default)]
    told: bool,
}

/// An item of which the floor waits for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Item {
    Waiting(ItemId),
    Connected(ItemId),
}

impl Owed {
    /// The item that the call waits as.
    pub(super) const fn waiting(&self) -> Option<ItemId> {
        match self.item {
            Some(Item::Waiting(item)) => Some(item),
            Some(Item::Connected(_)) | None => None,
        }
    }

    pub(super) fn enqueued(&mut self, item: ItemId) {
        self.item = Some(Item::Waiting(item));
    }

    pub(super) fn connected(&mut self) {
        self.item = self.waiting().map(Item::Connected);
    }

    /// The floor dropped the item by itself.
    pub(super) fn dropped(&mut self) {
        self.item = None;
    }

    /// The item that the call talks about.
    pub(super) const fn talked_about(&self) -> Option<ItemId> {
        match self.item {
            Some(Item::Connected(item)) => Some(item),
            Some(Item::Waiting(_)) | None => None,
        }
    }

    /// The recording went with the process.
    pub(super) const fn recording_is_lost(&mut self) -> bool {
        self.recording.take().is_some()
    }

    /// Whether the conversation is recorded, or will be when the caller was told.
    pub(super) const fn is_recording(&self) -> bool {
        self.recording.is_some() || self.telling
    }

    /// The caller is being told.
    pub(super) const fn tells(&mut self) {
        self.telling = true;
    }

    pub(super) const fn is_telling(&self) -> bool {
        self.telling
    }

    /// The caller was told, once for the whole call.
    pub(super) const fn told(&mut self) {
        (self.telling, self.told) = (false, true);
    }

    pub(super) const fn has_told(&self) -> bool {
        self.told
    }

    /// What is recorded now, and whether it is silent.
    pub(super) fn recorded(&self) -> Option<(RecordingId, bool)> {
        self.recording.map(|recording| (recording, self.paused))
    }

    pub(super) fn records(&mut self, recording: RecordingId) {
        self.recording = Some(recording);
    }
}

impl Call {
    /// Pays what is owed: `reason` is for an item that still waits, `cause` for a conversation.
    pub(super) fn pay(&mut self, reason: LeaveReason, cause: Cause) {
        match self.owed.item.take() {
            Some(Item::Waiting(item)) => self.floor(ToFloor::Leave { item, reason }),
            Some(Item::Connected(item)) => self.floor(ToFloor::Finished { item, cause }),
            None => {}
        }
        self.stop_recording();
    }

    /// Makes what is recorded silent, or not. It stays so for the whole call: whoever paused must not be undone by a
    /// transfer, by hold, or by the end of a process.
    pub(super) fn pause_recording(&mut self, paused: bool) {
        let Some((recording, was)) = self.owed.recorded() else { return };
        if paused != was {
            self.owed.paused = paused;
            self.trace(if paused { "recording paused" } else { "recording resumed" }, recording.to_string());
            self.legs.say(Output::PauseRecord { recording, paused });
        }
    }

    /// Closes the recording, if there is one.
    pub(super) fn stop_recording(&mut self) {
        self.owed.telling = false;
        if let Some(recording) = self.owed.recording.take() {
            self.legs.say(Output::StopRecord { recording });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        call::{Arrival, CallSettings, Doing, Input},
        cdr::Origin,
        id::{CallId, IdSource, LegId, OfferId},
        link::FloorSays,
        step::{QueueStep, Step, Target},
        time::Timestamp,
    };

    fn tell(call: &mut Call, ids: &mut IdSource, input: Input) -> Vec<Output> {
        call.handle(Timestamp::from_ms(1_000), input, ids);
        std::iter::from_fn(|| call.poll()).filter(|output| !matches!(output, Output::Trace(..))).collect()
    }

    #[test]
    fn a_call_that_lost_its_state_by_a_fault_still_pays() {
        let arrival = Arrival {
            call: CallId(1),
            origin: Origin::Extension("1007".into()),
            from: "1007".into(),
            to: "1800".into(),
            generation: 1,
        };
        let mut ids = IdSource::new(1);
        let mut call = Call::new(Timestamp::from_ms(0), arrival, Arc::new(CallSettings::default()));
        let step = QueueStep {
            queue: "support".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            max_wait_ms: None,
            music: None,
            language: "en".into(),
            announce_every_ms: None,
            comfort: None,
            record: true,
            wait_without_agents: true,
            ladder: crate::ladder::Ladder::default(),
            callback: None,
        };
        tell(&mut call, &mut ids, Input::Step(Step::Queue(step)));
        let item = call.owed.waiting().unwrap();
        let (offer, devices) = (OfferId(7), Target::Extension("1001".into()).into());
        let offered = FloorSays::Offer { offer, item, agent: "1001".into(), devices, ring_ms: 20_000 };
        tell(&mut call, &mut ids, Input::Floor(offered));
        tell(&mut call, &mut ids, Input::LegAnswered { leg: LegId(1) });
        tell(&mut call, &mut ids, Input::Floor(FloorSays::Connect { offer }));
        let recording = call.owed.recording.unwrap();

        call.doing = Doing::AwaitStep;
        let cause = Cause::Fault;
        let paid = tell(&mut call, &mut ids, Input::Hangup { cause });
        let wanted = [
            Output::Floor(ToFloor::Finished { item, cause }),
            Output::StopRecord { recording },
            Output::Part { leg: LegId::CALLER },
            Output::EndLeg { leg: LegId(1), cause },
            Output::EndLeg { leg: LegId::CALLER, cause },
        ];
        assert_eq!(paid[..5], wanted);
        assert!(matches!(paid[5..], [Output::Ended(_)]) && call.is_over());
    }
}
