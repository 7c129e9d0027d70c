//! The state of one invitation: what it awaits, and nothing more.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    config::Peer,
    contract::{Destination, Invite, InviteId, RejectedBy},
    dialog::Dialog,
    early::Early,
    hand_back::HandBack,
    info::KeysOut,
    negotiation::Negotiation,
    redirect::Redirected,
    reliable::Reliable,
    session_timer::Session,
    slab::Key,
    survive::Revived,
    timers::{Alarm, Ms, NEVER},
    uac::Route,
};

/// One invitation.
#[derive(Debug)]
pub(super) struct Invitation {
    pub(super) id: InviteId,
    pub(super) phase: Phase,
    /// From the first message of an incoming one, from the first 2xx of an outgoing one.
    pub(super) dialog: Option<Dialog>,
    /// Offer and answer of that dialog. An early dialog of an outgoing one has its own.
    pub(super) negotiation: Negotiation,
    /// Whose offer after the first is under way.
    pub(super) exchange: Exchange,
    /// Our offer that waits for its turn.
    pub(super) later: Option<Box<Later>>,
    /// Our description as it was agreed last.
    pub(super) described: Bytes,
    /// What their last description hashes to; 0 before the first.
    pub(super) theirs: u64,
    /// The carrier link that counts it among its calls.
    pub(super) trunk: Option<Arc<str>>,
    /// Whose device is on the other side, when it is one of ours.
    pub(super) account: Option<Arc<str>>,
    /// A transfer was asked for in its dialog before.
    pub(super) was_referred: bool,
    /// A 2xx of ours that awaits its ACK: the first answer, or one to a re-INVITE.
    pub(super) unacked: Option<Box<Unacked>>,
    /// Reliable progress of an incoming one.
    pub(super) reliable: Option<Box<Reliable>>,
    /// Its session timer, if it has one.
    pub(super) session: Option<Session>,
    /// The carrier is asked to have its party back.
    pub(super) hand_back: Option<Box<HandBack>>,
    /// Keys on their way to them by INFO.
    pub(super) keys: Option<Box<KeysOut>>,
    /// What it has from before a restart.
    pub(super) revived: Option<Box<Revived>>,
    /// It is in the list of those that may have changed.
    pub(super) is_touched: bool,
    /// What [`Endpoint::keep`](super::Endpoint::keep) last found; 0 before the first time.
    pub(super) kept: u64,
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
    /// Whom to call instead, as the first that was refused so says.
    pub(super) redirected: Option<Box<Redirected>>,
    /// The early dialog whose description the program heard last.
    pub(super) heard: u64,
}

/// One INVITE of an outgoing invitation.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) client: Key,
    pub(super) local_tag: u64,
    /// Where to try next if this one fails for want of a reply.
    pub(super) next_peers: Vec<Peer>,
    /// Who rings at the end of it: proxies may have forked it on.
    pub(super) early: Vec<Early>,
    /// Other flows of the same device.
    pub(super) next_flows: Vec<Route>,
    /// The contact that is called, and whether a proxy leads there.
    pub(super) contact: Box<str>,
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

/// Who is changing the media, if anybody. `early` names the early dialog of an outgoing invitation
/// that it happens in; 0 is the dialog of the invitation itself.
#[derive(Debug)]
pub(super) enum Exchange {
    Nobody,
    /// Our re-INVITE or UPDATE is out.
    Ours {
        client: Key,
        early: u64,
        offer: Offer,
    },
    /// Theirs (in a re-INVITE, UPDATE or PRACK) waits for the program.
    Theirs {
        server: Key,
        early: u64,
    },
}

/// An offer of ours.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) sdp: Bytes,
    /// How often it had to wait.
    pub(super) tries: u8,
    /// Nobody asked for it but the session timer: the program hears of it only if it changes anything.
    pub(super) is_refresh: bool,
}

/// An offer of ours that is to be tried again (RFC 3261 section 14.1).
#[derive(Debug)]
pub(super) struct Later {
    pub(super) at: Ms,
    pub(super) offer: Offer,
}

impl Invitation {
    /// One at its beginning.
    pub(super) fn new(id: InviteId, phase: Phase, negotiation: Negotiation) -> Self {
        Self {
            id,
            phase,
            dialog: None,
            negotiation,
            exchange: Exchange::Nobody,
            later: None,
            described: Bytes::new(),
            theirs: 0,
            trunk: None,
            account: None,
            was_referred: false,
            unacked: None,
            reliable: None,
            session: None,
            hand_back: None,
            keys: None,
            revived: None,
            is_touched: false,
            kept: 0,
            alarm: Alarm::new(),
        }
    }

    /// When something is to be done without anybody asking.
    pub(super) fn due(&self) -> Ms {
        let unacked = self.unacked.as_ref().map_or(NEVER, |unacked| unacked.resend_at.min(unacked.end_at));
        let again = if let Phase::Ringing { again_at, .. } = self.phase { again_at } else { NEVER };
        let later = self.later.as_ref().map_or(NEVER, |later| later.at);
        let reliable = self.reliable.as_ref().map_or(NEVER, |reliable| reliable.due());
        let session = self.session.as_ref().filter(|_| matches!(self.phase, Phase::Up)).map_or(NEVER, |session| session.at);
        let hand_back = self.hand_back.as_ref().map_or(NEVER, |wish| wish.due());
        let away = self.revived.as_ref().map_or(NEVER, |revived| revived.due());
        unacked.min(again).min(later).min(reliable).min(session).min(hand_back).min(away)
    }

    /// An outgoing one is answered: of all its early dialogs one is left.
    pub(super) fn up(&mut self, dialog: Dialog, negotiation: Negotiation) {
        if let Phase::Calling(calling) = std::mem::replace(&mut self.phase, Phase::Up)
            && self.described.is_empty()
        {
            self.described = calling.wish.sdp_by(dialog.flow.transport).clone();
        }
        self.dialog = Some(dialog);
        self.negotiation = negotiation;
        if let Exchange::Ours { early, .. } | Exchange::Theirs { early, .. } = &mut self.exchange {
            *early = 0;
        }
    }

    /// All early dialogs.
    pub(super) fn early(&mut self) -> impl Iterator<Item = &mut Early> {
        let forks: &mut [Fork] = if let Phase::Calling(calling) = &mut self.phase { &mut calling.forks } else { &mut [] };
        forks.iter_mut().flat_map(|fork| &mut fork.early)
    }

    /// A dialog and its offer and answer: the early one of that name, or for 0 the invitation's own. Once
    /// it is answered there is no other.
    pub(super) fn dialog_at(&mut self, early: u64) -> Option<(&mut Dialog, &mut Negotiation)> {
        if early == 0 || self.dialog.is_some() {
            return self.dialog.as_mut().map(|dialog| (dialog, &mut self.negotiation));
        }
        self.early().find(|one| one.name == early).map(|one| (&mut one.dialog, &mut one.negotiation))
    }

    /// The name of the dialog that a request of theirs belongs to.
    pub(super) fn dialog_with(&self, from_tag: &str, call_id: &str) -> Option<u64> {
        if let Some(dialog) = &self.dialog {
            return dialog.matches(from_tag, call_id).then_some(0);
        }
        let Phase::Calling(calling) = &self.phase else { return None };
        let mut early = calling.forks.iter().flat_map(|fork| &fork.early);
        early.find(|one| one.dialog.matches(from_tag, call_id)).map(|one| one.name)
    }
}
