//! What happens in rooms, for the journal: no table is kept of it.

use serde::Serialize;
use serde_json::{Value, json};
use tandem_switch::{id::CallId, name::RoomName, time::Timestamp};

/// Something that happened to a member of a room.
#[derive(Clone, Debug, PartialEq)]
pub struct ConferenceNews {
    /// Which room.
    pub room: RoomName,
    /// The member's call.
    pub call: CallId,
    /// What.
    pub what: Membership,
    /// When.
    pub at: Timestamp,
}

/// What can happen to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// They are in the room from now on; again after a restart of the switch.
    Joined {
        /// As somebody who only listens.
        muted: bool,
    },
    /// They are gone.
    Left,
    /// They only listen from now on.
    Muted,
    /// They speak again.
    Unmuted,
}

impl ConferenceNews {
    pub(super) const fn kind(&self) -> &'static str {
        match self.what {
            Membership::Joined { .. } => "conference-joined",
            Membership::Left => "conference-left",
            Membership::Muted => "conference-muted",
            Membership::Unmuted => "conference-unmuted",
        }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "room": self.room, "call": self.call });
        if let Membership::Joined { muted } = self.what {
            body["muted"] = muted.into();
        }
        body
    }
}
