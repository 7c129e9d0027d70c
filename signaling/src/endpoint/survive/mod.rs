//! Dialogs that outlive the process: what must be known of a leg to go on with it after `kill -9`, taken down
//! ([`Endpoint::keep`]) and taken up again by the next process ([`Endpoint::restore`]).
//!
//! **How the wiring uses it.**
//! 1. Whenever it has polled the endpoint dry it asks [`Endpoint::next_changed`] until there is no more. It gets each
//!    leg that is not any more as it was kept; a leg that changed and changed back is not named. To ask costs no
//!    allocation. Once such a leg was quiet for 200 ms (and after a few seconds at the latest, quiet or not) it is
//!    kept, and what [`Endpoint::keep`] gives is written, as JSON, in the place of what was there. So a call that is
//!    over sooner costs nothing. When a leg is over (its final event, or a command that ends it), its row goes.
//! 2. After a restart, and after `SetAccounts`, `SetTrunks` and the bindings, every row is given to
//!    [`Endpoint::restore`]. A leg that was up gets a new [`InviteId`](super::InviteId), by which the events that follow
//!    name it, and goes on as if nothing had happened; it is to be kept again at once, because its numbers have jumped.
//!    One that was not answered is brought to its end in good order, and nothing more is heard of it.
//! 3. The session of SDP is the wiring's own: `sdp::LocalSession` and its kin are serialisable. When
//!    [`Restored::Up`] says that an offer was under way, nobody knows which description counts: the wiring makes a new
//!    offer. So it does when the ports of the leg could not be had again.
//!
//! **What is kept, and what not.** Tags, addresses, routes, numbers, the way to the peer, the session timer, our last
//! description, and a 2xx of ours that was not acknowledged. Not kept: transactions (a request of theirs that was
//! answered is answered anew when it comes again; one of ours is given up), early dialogs, offers under way,
//! subscriptions (a transfer that was asked for and not yet decided is told to have failed), digest state (a carrier
//! challenges anew).
//!
//! **Numbers jump.** What was kept is older than the last request: a restored leg counts on from
//! `CSEQ_JUMP` (64) more, so that no number is used twice and every one of ours is newer than what the peer has seen
//! (RFC 3261 section 12.2.1.1 asks for higher, not for the next).
//!
//! **Ways.** UDP goes on by the same socket and to the same address. A connection died with the process. A device that
//! was registered by it registers anew by another: until then its leg is *away* and what we have to say waits, up to
//! a minute. Everybody else is dialled.

mod away;
mod changes;
mod dialog;
mod kept;
mod probe;
mod unanswered;

use std::time::Instant;

use super::{Endpoint, InviteId, invitation::Phase};

pub(super) use away::Revived;
pub(super) use changes::Invitations;
pub use kept::{KeptCalling, KeptDialog, KeptLeg, KeptRinging};

/// How much further a restored dialog counts: more requests than any leg sends between two keepings.
pub(super) const CSEQ_JUMP: u32 = 64;

/// The version of what is kept.
const VERSION: u8 = 1;

/// One moment on both clocks: times that outlive the process are on the wall's.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// As it is handed to [`Endpoint::handle`].
    pub instant: Instant,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// What became of a kept leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It goes on.
    Up {
        /// Its name from now on.
        invite: InviteId,
        /// An offer was under way when it was kept, so both sides may differ in what they think was agreed: a new
        /// offer settles it.
        needs_offer: bool,
    },
    /// Nobody had answered: it is being ended, and nothing more is told of it.
    Ended,
}

/// Why a kept leg cannot be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRestored {
    /// Another version of the program kept it.
    #[error("kept in the form {0}, which this version does not read")]
    Version(u8),
    /// Something in it that nothing of ours would have kept; what.
    #[error("what was kept as its {0} cannot be right")]
    Nonsense(&'static str),
    /// As many dialogs as there may be.
    #[error("there is no room for another dialog")]
    Full,
    /// The same dialog was restored before.
    #[error("the dialog is there already")]
    There,
}

impl Endpoint {
    /// What must be known of a leg to go on with it, or to end it, in another process. `None` when there is no such
    /// leg, or when it was ended.
    ///
    /// Nothing depends on how often it is asked. A leg that is not any more as it was when asked last is named by
    /// [`next_changed`](Self::next_changed).
    pub fn keep(&mut self, now: Moment, invite: InviteId) -> Option<KeptLeg> {
        self.observe(now.instant);
        let mark = self.mark_of(invite)?;
        let invitation = self.invites.get(&invite)?;
        let kept = match &invitation.phase {
            Phase::Up => KeptLeg::Up(Box::new(self.keep_dialog(now, invitation)?)),
            Phase::Ringing { server, .. } => KeptLeg::Ringing(self.keep_ringing(*server)?),
            Phase::Calling(calling) => KeptLeg::Calling(self.keep_calling(calling)),
            Phase::Leaving { .. } => return None,
        };
        self.invites.note_kept(invite, mark);
        Some(kept)
    }

    /// The next leg that is not as it was when it was last kept. Each is named once, until it changes again; one that
    /// is over is not named.
    pub fn next_changed(&mut self) -> Option<InviteId> {
        while let Some(invite) = self.invites.pop_touched() {
            let kept = self.invites.get(&invite).map_or(0, |invitation| invitation.kept);
            if self.mark_of(invite).is_some_and(|mark| mark != kept) {
                return Some(invite);
            }
        }
        None
    }

    /// Takes up a leg that another process kept. What it leads to is fetched by [`poll`](Self::poll), as after
    /// [`handle`](Self::handle).
    ///
    /// # Errors
    /// Why it cannot be; nothing has changed then.
    pub fn restore(&mut self, now: Moment, kept: &KeptLeg) -> Result<Restored, NotRestored> {
        self.observe(now.instant);
        let restored = match kept {
            KeptLeg::Up(kept) => self.restore_dialog(now, kept)?,
            KeptLeg::Ringing(kept) => self.restore_ringing(kept)?,
            KeptLeg::Calling(kept) => self.restore_calling(kept)?,
        };
        self.run_timers();
        Ok(restored)
    }
}

/// Whether what was kept is in the form that is read here.
const fn check_version(v: u8) -> Result<(), NotRestored> {
    if v == VERSION { Ok(()) } else { Err(NotRestored::Version(v)) }
}
