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
    /// Since when.
    #[serde(default)]
    since: Option<Timestamp>,
    /// The last key was `*`.
    starred: bool,
}

/// What others see of a caller in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InRoom<'a> {
    /// Which room.
    pub room: &'a RoomName,
    /// They only listen.
    pub muted: bool,
    /// Since when.
    pub since: Timestamp,
}

impl Call {
    /// The room that the caller is in.
    #[must_use]
    pub fn conference(&self) -> Option<InRoom<'_>> {
        let Doing::Conference(Conference { room, muted, since, .. }) = &self.doing else { return None };
        Some(InRoom { room, muted: *muted, since: since.unwrap_or_else(|| self.ledger.since()) })
    }

    pub(super) fn begin_conference(&mut self, now: Timestamp, room: RoomName, muted: bool) -> Doing {
        self.typed.clear();
        self.answer_caller(now);
        self.ledger.connected_at.get_or_insert(now);
        let conference = Conference { room, muted, since: Some(now), starred: false };
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
            Input::RoomFailed { .. } => {
                self.trace("conference", "cannot be entered");
                return self.step_ended(now, StepOutcome::Error);
            }
            Input::Mute { muted } => self.mute(now, &mut conference, muted),
            Input::LegHeld { .. } => self.take_place(now, &conference),
            Input::Digit { digit, .. } => {
                self.typed.clear();
                if conference.starred && digit == '6' {
                    let muted = !conference.muted;
                    self.mute(now, &mut conference, muted);
                }
                conference.starred = digit == '*';
            }
            _ => {}
        }
        Doing::Conference(conference)
    }

    fn mute(&mut self, now: Timestamp, conference: &mut Conference, muted: bool) {
        if std::mem::replace(&mut conference.muted, muted) != muted {
            self.trace("conference", if muted { "muted" } else { "unmuted" });
            self.take_place(now, conference);
        }
    }

    fn take_place(&mut self, now: Timestamp, conference: &Conference) {
        let caller = self.legs.caller();
        let held = self.legs.holds(caller);
        self.ledger.turn(now, if held { SegmentState::Hold } else { SegmentState::Talking }, None);
        self.legs.enter_room(caller, conference.room.clone(), !held && !conference.muted);
    }
}
