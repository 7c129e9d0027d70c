//! The `conference` step: the caller among others in a room.
//!
//! The call knows its own place only; who else is there is the media side's. `*6` mutes and unmutes; who puts us on hold
//! is not heard meanwhile, so that their music is nobody's.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input};
use crate::{cdr::SegmentState, name::RoomName, step::StepOutcome, time::Timestamp};

/// A caller in a room.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Conference {
    pub(super) room: RoomName,
    muted: bool,
    /// The last key was `*`.
    starred: bool,
}

impl Call {
    pub(super) fn begin_conference(&mut self, now: Timestamp, room: RoomName, muted: bool) -> Doing {
        self.typed.clear();
        self.answer_caller(now);
        self.ledger.connected_at.get_or_insert(now);
        let conference = Conference { room, muted, starred: false };
        self.take_place(now, &conference);
        Doing::Conference(conference)
    }

    /// As it was before a restart.
    pub(super) fn confer_again(&mut self, now: Timestamp, conference: Conference) -> Doing {
        self.take_place(now, &conference);
        Doing::Conference(conference)
    }

    pub(super) fn conferring(&mut self, now: Timestamp, mut conference: Conference, input: &Input) -> Doing {
        match *input {
            Input::RoomFull { .. } => {
                self.trace("conference", "no place left");
                return self.step_ended(now, StepOutcome::Full);
            }
            Input::LegHeld { .. } => self.take_place(now, &conference),
            Input::Digit { digit, .. } => {
                self.typed.clear();
                if conference.starred && digit == '6' {
                    conference.muted = !conference.muted;
                    self.trace("conference", if conference.muted { "muted" } else { "unmuted" });
                    self.take_place(now, &conference);
                }
                conference.starred = digit == '*';
            }
            _ => {}
        }
        Doing::Conference(conference)
    }

    fn take_place(&mut self, now: Timestamp, conference: &Conference) {
        let caller = self.legs.caller();
        let held = self.legs.holds(caller);
        self.ledger.turn(now, if held { SegmentState::Hold } else { SegmentState::Talking }, None);
        self.legs.enter_room(caller, conference.room.clone(), !held && !conference.muted);
    }
}
