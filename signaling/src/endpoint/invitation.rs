//! The state of one invitation: what it awaits, and nothing more.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    config::Peer,
    contract::{Destination, Invite, InviteId, RejectedBy},
    dialog::Dialog,
    slab::Key,
    timers::{Alarm, Ms, NEVER},
};

/// One invitation.
#[derive(Debug)]
pub(super) struct Invitation {
    pub(super) id: InviteId,
    pub(super) phase: Phase,
    /// From the first message of an incoming one, from the first 2xx of an outgoing one.
    pub(super) dialog: Option<Dialog>,
    /// The carrier link that counts it among its calls.
    pub(super) trunk: Option<Arc<str>>,
    /// Whose device is on the other side, when it is one of ours.
    pub(super) account: Option<Arc<str>>,
    /// A transfer was asked for in its dialog before.
    pub(super) was_referred: bool,
    /// A 2xx of ours that awaits its ACK: the first answer, or one to a re-INVITE.
    pub(super) unacked: Option<Box<Unacked>>,
    pub(super) reoffer: Reoffer,
    /// Our re-INVITE met theirs and waits for its turn.
    pub(super) later: Option<Box<Later>>,
    pub(super) alarm: Alarm,
}

/// How far an invitation is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Incoming; the program has not answered.
    Ringing {
        /// The INVITE.
        server: Key,
        /// When the last provisional reply is said again, so that proxies keep the call (RFC 3261
        /// section 13.3.1.1).
        again_at: Ms,
    },
    /// Outgoing; nobody has answered.
    Calling(Box<Calling>),
    /// Answered.
    Up,
    /// The program ended it, but a BYE must wait for the ACK (RFC 3261 section 15). No event
    /// names it any more.
    Leaving {
        /// The Reason header of the BYE.
        reason: Option<String>,
    },
}

/// What an outgoing invitation waits for.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) wish: Invite,
    pub(super) forks: Vec<Fork>,
    /// The most telling failure so far.
    pub(super) worst: Option<(u16, String, RejectedBy)>,
}

/// One INVITE of an outgoing invitation.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) client: Key,
    pub(super) local_tag: u64,
    /// Where to try next if this one fails for want of a reply.
    pub(super) next_peers: Vec<Peer>,
}

/// A 2xx to an INVITE, sent again until the ACK comes (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) bytes: Bytes,
    pub(super) to: Destination,
    pub(super) cseq: u32,
    pub(super) interval: Ms,
    pub(super) resend_at: Ms,
    pub(super) end_at: Ms,
}

/// Who is changing the media, if anybody.
#[derive(Debug)]
pub(super) enum Reoffer {
    Nobody,
    /// Our re-INVITE is out.
    Ours {
        client: Key,
        sdp: Bytes,
        tries: u8,
    },
    /// Theirs waits for the program.
    Theirs {
        server: Key,
    },
}

/// A re-INVITE of ours that is to be tried again (RFC 3261 section 14.1).
#[derive(Debug)]
pub(super) struct Later {
    pub(super) at: Ms,
    pub(super) sdp: Bytes,
    pub(super) tries: u8,
}

impl Invitation {
    /// When something is to be done without anybody asking.
    pub(super) fn due(&self) -> Ms {
        let unacked = self.unacked.as_ref().map_or(NEVER, |unacked| unacked.resend_at.min(unacked.end_at));
        let again = if let Phase::Ringing { again_at, .. } = self.phase { again_at } else { NEVER };
        let later = self.later.as_ref().map_or(NEVER, |later| later.at);
        unacked.min(again).min(later)
    }
}
