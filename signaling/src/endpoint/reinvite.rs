//! Changing the media of a running dialog: re-INVITE both ways, UPDATE towards us (RFC 3261 section
//! 14, RFC 3311).

use bytes::Bytes;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, Silence, new_branch},
    contract::{EndedHow, Event, InviteId},
    invitation::{Invitation, Later, Phase, Reoffer},
    receive::{ALLOW, sdp_of},
    server_transaction::Incoming,
    slab::Key,
};
use crate::{
    flow::Flow,
    message::{Message, Method, Name},
};

/// How often a re-INVITE that met theirs is tried again.
const MOST_GLARES: u8 = 3;
/// How much later it is tried when theirs is still under way, the first time; then four times that.
const BUSY_STEP_MS: u64 = 250;

impl Endpoint {
    /// A re-INVITE or UPDATE came.
    pub(super) fn reoffered(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let Incoming { flow, message, method, .. } = *incoming;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let sdp = sdp_of(message);
        let is_plain_refresh = method == Method::Update && sdp.is_none();
        if !is_plain_refresh && let Err(code) = invitation.may_take_reoffer() {
            let wait_s = self.random() % 10;
            return self.answer(
                incoming,
                code,
                |builder| if code == 500 { builder.header(Name::RetryAfter, wait_s) } else { builder },
            );
        }
        if let Some(dialog) = &mut invitation.dialog {
            dialog.refresh(message, flow);
        }
        if is_plain_refresh {
            return self.answer(incoming, 200, |builder| builder.header(Name::Allow, ALLOW));
        }
        let to_tag = invitation.dialog.as_ref().map_or(0, |dialog| dialog.local_tag);
        let server = self.open_server(incoming, invite, to_tag);
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.reoffer = Reoffer::Theirs { server };
        }
        self.tell(Event::Reoffered { invite, sdp });
    }

    /// [`Command::AnswerReoffer`](super::Command::AnswerReoffer).
    pub(super) fn answer_reoffer(&mut self, invite: InviteId, sdp: &[u8]) {
        let Some(server) = self.take_theirs(invite) else { return };
        let is_invite =
            self.servers.get(server).and_then(|row| row.request()).is_some_and(|request| request.method() == "INVITE");
        if is_invite {
            self.send_2xx(invite, server, sdp);
        } else {
            let contact = self.servers.get(server).map(|row| self.our_contact(&row.to())).unwrap_or_default();
            self.reply(server, 200, "", |builder| builder.contact(contact).header(Name::Allow, ALLOW), Some(sdp));
        }
        self.arm_invite(invite);
    }

    /// [`Command::RejectReoffer`](super::Command::RejectReoffer).
    pub(super) fn reject_reoffer(&mut self, invite: InviteId, code: u16) {
        self.refuse_pending_reoffer(invite, if (400..=699).contains(&code) { code } else { 488 });
    }

    /// Refuses their re-INVITE, if one waits.
    pub(super) fn refuse_pending_reoffer(&mut self, invite: InviteId, code: u16) {
        if let Some(server) = self.take_theirs(invite) {
            self.reply(server, code, "", |builder| builder, None);
        }
    }

    /// Their re-INVITE was cancelled; the program's answer will be ignored.
    pub(super) fn reoffer_cancelled(&mut self, invite: InviteId) {
        self.refuse_pending_reoffer(invite, 487);
    }

    fn take_theirs(&mut self, invite: InviteId) -> Option<Key> {
        let invitation = self.invites.get_mut(&invite)?;
        let Reoffer::Theirs { server } = invitation.reoffer else { return None };
        invitation.reoffer = Reoffer::Nobody;
        Some(server)
    }

    /// [`Command::Reoffer`](super::Command::Reoffer).
    pub(super) fn reoffer(&mut self, invite: InviteId, sdp: Bytes) {
        let soon = self.now + BUSY_STEP_MS;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        match (&invitation.phase, &invitation.reoffer) {
            (Phase::Up, Reoffer::Nobody) if invitation.unacked.is_none() && invitation.later.is_none() => {
                self.send_reinvite(invite, sdp, 0);
            }
            (Phase::Up, Reoffer::Nobody | Reoffer::Theirs { .. }) if invitation.later.is_none() => {
                invitation.later = Some(Box::new(Later { at: soon, sdp, tries: 0 }));
                self.arm_invite(invite);
            }
            // The program ended it before, and hears no more of it.
            (Phase::Leaving { .. }, _) => {}
            _ => self.tell(Event::ReofferRejected { invite, code: 491 }),
        }
    }

    fn send_reinvite(&mut self, invite: InviteId, sdp: Bytes, tries: u8) {
        let branch = self.random();
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let trunk = invitation.trunk.clone();
        let Some(dialog) = &mut invitation.dialog else { return };
        dialog.local_cseq += 1;
        let (to, trunk) = (dialog.to, trunk.filter(|_| dialog.ours));
        let Some(dialog) = self.invites.get(&invite).and_then(|invitation| invitation.dialog.as_ref()) else { return };
        let message = dialog
            .request("INVITE", dialog.local_cseq, self.our_address(&to), &new_branch(branch))
            .contact(self.our_contact(&to))
            .header(Name::Allow, ALLOW)
            .build_with_body("application/sdp", &sdp);
        let Ok(message) = message else { return self.tell(Event::ReofferRejected { invite, code: 500 }) };
        let purpose = Purpose::Reinvite(invite);
        let client = self.start_client(NewClient { branch, method: ClientMethod::Invite, to, message, purpose, trunk, tries: 0 });
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.reoffer = Reoffer::Ours { client, sdp, tries };
        }
    }

    /// The time after a glare is over.
    pub(super) fn reoffer_due(&mut self, invite: InviteId) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some(later) = invitation.later.take_if(|later| later.at <= now) else { return };
        let Later { sdp, tries, .. } = *later;
        if invitation.unacked.is_none() && matches!(invitation.reoffer, Reoffer::Nobody) {
            self.send_reinvite(invite, sdp, tries);
        } else if tries < MOST_GLARES {
            // Theirs is still under way.
            let at = now + BUSY_STEP_MS * (1 << (2 * tries));
            invitation.later = Some(Box::new(Later { at, sdp, tries: tries + 1 }));
        } else {
            self.tell(Event::ReofferRejected { invite, code: 491 });
        }
    }

    /// A 2xx to our re-INVITE.
    pub(super) fn reinvite_answered(&mut self, invite: InviteId, key: Key, flow: Flow, response: &Message) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let awaited = matches!(invitation.reoffer, Reoffer::Ours { client, .. } if client == key);
        let Some(mut dialog) = invitation.dialog.take() else { return };
        if awaited {
            invitation.reoffer = Reoffer::Nobody;
            dialog.refresh(response, flow);
        }
        let before = dialog.acked_by.replace(key);
        self.acknowledge(key, &dialog, response);
        if let Some(before) = before.filter(|before| *before != key) {
            self.forget_acks(before);
        }
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.dialog = Some(dialog);
        }
        if awaited {
            self.tell(Event::ReofferAnswered { invite, sdp: sdp_of(response) });
        }
    }

    /// A failure of our re-INVITE.
    pub(super) fn reinvite_refused(&mut self, invite: InviteId, code: u16) {
        let (now, wait) = (self.now, self.random());
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Reoffer::Ours { sdp, tries, .. } = std::mem::replace(&mut invitation.reoffer, Reoffer::Nobody) else { return };
        match code {
            491 if tries < MOST_GLARES => {
                // Whoever chose the Call-ID waits 2.1–4 s, the other 0–2 s (RFC 3261 section 14.1).
                let owns = invitation.dialog.as_ref().is_some_and(|dialog| dialog.ours);
                let wait = if owns { 2_100 + wait % 1_900 } else { wait % 2_000 };
                invitation.later = Some(Box::new(Later { at: now + wait, sdp, tries: tries + 1 }));
                self.arm_invite(invite);
            }
            // The dialog is gone for them (RFC 3261 section 12.2.1.2).
            408 | 481 => self.lost(invite, EndedHow::Timeout),
            _ => self.tell(Event::ReofferRejected { invite, code }),
        }
    }

    /// No reply to our re-INVITE.
    pub(super) fn reinvite_silent(&mut self, invite: InviteId, silence: Silence) {
        let how = if silence == Silence::NoWay { EndedHow::ConnectionLost } else { EndedHow::Timeout };
        self.lost(invite, how);
    }

    fn lost(&mut self, invite: InviteId, how: EndedHow) {
        if self.invites.contains_key(&invite) {
            self.hang_up(invite, None);
            self.tell(Event::Ended { invite, how });
        }
    }

    /// A re-INVITE was sent again with credentials.
    pub(super) fn reinvite_moved(&mut self, invite: InviteId, new: Key) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if let Reoffer::Ours { client, .. } = &mut invitation.reoffer {
            *client = new;
        }
        if let Some(dialog) = &mut invitation.dialog {
            dialog.local_cseq += 1;
        }
    }
}

impl Invitation {
    /// Whether a new offer can be taken now; else the code that says why not (RFC 3261 section 14.2).
    const fn may_take_reoffer(&self) -> Result<(), u16> {
        match (&self.phase, &self.reoffer) {
            (Phase::Ringing { .. }, _) | (Phase::Up, Reoffer::Theirs { .. }) => Err(500),
            (Phase::Up, Reoffer::Nobody) if self.unacked.is_none() => Ok(()),
            _ => Err(491),
        }
    }
}
