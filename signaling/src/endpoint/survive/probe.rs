//! Whether the other side still knows a restored dialog.
//!
//! What was kept is a moment older than the end of the process: a party may have hung up in it. Then nobody would ever
//! end the restored leg. So each is asked once, by an OPTIONS in its dialog (RFC 3261 section 11), which changes
//! nothing and which everybody answers. Only a reply that says there is no such dialog ends the leg (RFC 5057 section
//! 5.1); silence does not: whoever is away for a moment is not gone. Whoever answers by a new connection is back by it.

use std::time::Instant;

use super::super::{
    Endpoint,
    client_transaction::{ClientMethod, Inside, NewClient, Purpose, new_branch},
    contract::InviteId,
    invitation::Invitation,
};

impl Endpoint {
    /// Asks the other side of an answered invitation whether it still knows it. If not, the invitation ends.
    pub fn probe(&mut self, now: Instant, invite: InviteId) {
        self.observe(now);
        self.ask(invite);
    }

    /// The same, now.
    pub(super) fn ask(&mut self, invite: InviteId) {
        let Some(to) = self.invites.get(&invite).and_then(Invitation::asked_at) else { return };
        let (branch, ours) = (self.random(), self.our_address(&to));
        let Some(cseq) = self.next_cseq(invite, 0) else { return };
        let Some(dialog) = self.invites.get(&invite).and_then(|invitation| invitation.dialog.as_ref()) else { return };
        let Ok(message) = dialog.request("OPTIONS", cseq, ours, &new_branch(branch)).build() else { return };
        let purpose = Purpose::Inside { invite, dialog: 0, what: Inside::Probe };
        self.start_client(NewClient { purpose, ..NewClient::new(branch, ClientMethod::Other, to, message) });
    }
}
