//! New offers of the other side, in re-INVITE, UPDATE and PRACK (RFC 3261 section 14.2, RFC 3311
//! section 5.2, RFC 6337): refused where they overlap, else handed to the program. Ours are in
//! `offers_out`.

use bytes::Bytes;

use super::{
    Endpoint,
    contract::{Event, InviteId},
    invitation::{Exchange, Invitation, Phase},
    negotiation::{Carrier, Negotiation, Step},
    receive::{ALLOW, sdp_of},
    server_transaction::Incoming,
    session_timer::{self, Verdict},
    slab::Key,
};
use crate::message::{Method, Name};

impl Endpoint {
    /// A re-INVITE or UPDATE came.
    pub(super) fn reoffered(&mut self, invite: InviteId, dialog: u64, incoming: &Incoming<'_>) {
        let Incoming { flow, message, method, .. } = *incoming;
        let sdp = sdp_of(message);
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let step = match (method, &sdp) {
            (Method::Update, None) => None,
            (Method::Update, Some(_)) => Some(Step::TheyOffer(Carrier::Update)),
            (_, Some(_)) => Some(Step::TheyOffer(Carrier::Invite)),
            (_, None) => Some(Step::TheyAsk),
        };
        let overlap = if method == Method::Invite { invitation.may_take_invite() } else { Ok(()) };
        // One offer at a time is before the program, whichever early dialog it came in.
        let overlap = overlap.and_then(|()| match invitation.exchange {
            Exchange::Theirs { early, .. } if step.is_some() && early != dialog => Err(500),
            Exchange::Ours { early, .. } if step.is_some() && early != dialog => Err(491),
            _ => Ok(()),
        });
        let Some(negotiation) = invitation.dialog_at(dialog).map(|(_, negotiation)| *negotiation) else { return };
        let next = overlap.and_then(|()| match step {
            Some(step) => negotiation.after(step).map_err(|misfit| misfit.code()),
            None => Ok(negotiation),
        });
        let next = match next {
            Ok(next) => next,
            Err(code) => return self.refuse_overlap(incoming, code),
        };
        if session_timer::answer(&self.config.session, message) == Verdict::TooBrief {
            return self.refuse_brief(incoming);
        }
        let Some((dialog_of, negotiation)) = invitation.dialog_at(dialog) else { return };
        dialog_of.refresh(message, flow);
        *negotiation = next;
        if step.is_none() {
            return self.refreshed(invite, incoming);
        }
        self.wait_for_program(invite, dialog, incoming, sdp);
    }

    /// An UPDATE without an offer: a new Contact, or the session goes on.
    fn refreshed(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let trunk = self.invites.get(&invite).and_then(|invitation| invitation.trunk.as_deref());
        let verdict = self.session_verdict(trunk, incoming.message);
        let verdict = self.update_verdict(invite, verdict);
        let contact = self.our_contact(&super::contract::Destination::Flow(incoming.flow));
        self.answer(incoming, 200, |builder| session_timer::say(verdict, builder.contact(contact).header(Name::Allow, ALLOW)));
    }

    /// Hands an offer of theirs, or their wish for one, to the program.
    pub(super) fn wait_for_program(&mut self, invite: InviteId, early: u64, incoming: &Incoming<'_>, sdp: Option<Bytes>) {
        let tag = self.invites.get_mut(&invite).and_then(|invitation| Some(invitation.dialog_at(early)?.0.local_tag));
        let server = self.open_server(incoming, invite, tag.unwrap_or_default());
        if let Some(sdp) = &sdp {
            self.note_theirs(invite, sdp);
        }
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.exchange = Exchange::Theirs { server, early };
        }
        self.tell(Event::Reoffered { invite, sdp });
    }

    /// Refuses a request that overlaps another (RFC 3261 section 14.2, RFC 3311 section 5.2).
    pub(super) fn refuse_overlap(&mut self, incoming: &Incoming<'_>, code: u16) {
        let wait_s = self.random() % 11;
        self.answer(incoming, code, |builder| if code == 500 { builder.header(Name::RetryAfter, wait_s) } else { builder });
    }

    /// Refuses a session that is too short (RFC 4028 section 9); what was agreed stays.
    fn refuse_brief(&mut self, incoming: &Incoming<'_>) {
        let min_s = session_timer::shortest(&self.config.session);
        self.answer(incoming, 422, |builder| builder.header(Name::MinSe, min_s));
    }

    /// Remembers what they described last.
    pub(super) fn note_theirs(&mut self, invite: InviteId, sdp: &[u8]) {
        let hash = self.hasher.short_key(&[sdp]).max(1);
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.theirs = hash;
        }
    }

    /// [`Command::AnswerReoffer`](super::Command::AnswerReoffer).
    pub(super) fn answer_reoffer(&mut self, invite: InviteId, sdp: Bytes) {
        let Some((server, early)) = self.take_theirs(invite) else { return };
        let Some(request) = self.servers.get(server).and_then(|row| row.request()) else { return };
        let trunk = self.invites.get(&invite).and_then(|invitation| invitation.trunk.as_deref());
        let (method, verdict) = (Method::of(request.method()), self.session_verdict(trunk, request));
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some((_, negotiation)) = invitation.dialog_at(early) else { return };
        let step = match (*negotiation, method) {
            (Negotiation::Asked, _) => Step::WeOffer(Carrier::Accept),
            (_, Method::Prack) => Step::WeAnswer(Carrier::PrackAccept),
            (_, Method::Update) => Step::WeAnswer(Carrier::UpdateAccept),
            _ => Step::WeAnswer(Carrier::Accept),
        };
        if negotiation.take(step).is_err() {
            return;
        }
        invitation.described = sdp.clone();
        if method == Method::Invite {
            self.send_2xx(invite, server, Some(&sdp));
        } else {
            let verdict = if method == Method::Update { self.update_verdict(invite, verdict) } else { Verdict::Off };
            let contact = self.servers.get(server).map(|row| self.our_contact(&row.to())).unwrap_or_default();
            let add = |builder: crate::message::ResponseBuilder| {
                session_timer::say(verdict, builder.contact(contact).header(Name::Allow, ALLOW))
            };
            self.reply(server, 200, "", add, Some(&sdp));
        }
        self.arm_invite(invite);
        self.move_on(invite);
    }

    /// [`Command::RejectReoffer`](super::Command::RejectReoffer).
    pub(super) fn reject_reoffer(&mut self, invite: InviteId, code: u16) {
        self.refuse_pending_reoffer(invite, if (400..=699).contains(&code) { code } else { 488 });
        self.move_on(invite);
    }

    /// Refuses their offer, if one waits.
    pub(super) fn refuse_pending_reoffer(&mut self, invite: InviteId, code: u16) {
        let Some((server, early)) = self.take_theirs(invite) else { return };
        if let Some((_, negotiation)) = self.invites.get_mut(&invite).and_then(|invitation| invitation.dialog_at(early)) {
            *negotiation = Negotiation::Agreed;
        }
        self.reply(server, code, "", |builder| builder, None);
    }

    /// Their re-INVITE was cancelled; the program's answer will be ignored.
    pub(super) fn reoffer_cancelled(&mut self, invite: InviteId, key: Key) {
        let theirs = self.invites.get(&invite).map(|invitation| &invitation.exchange);
        if matches!(theirs, Some(Exchange::Theirs { server, .. }) if *server == key) {
            self.refuse_pending_reoffer(invite, 487);
        }
    }

    fn take_theirs(&mut self, invite: InviteId) -> Option<(Key, u64)> {
        let invitation = self.invites.get_mut(&invite)?;
        let Exchange::Theirs { server, early } = invitation.exchange else { return None };
        invitation.exchange = Exchange::Nobody;
        Some((server, early))
    }
}

impl Invitation {
    /// Whether a re-INVITE can be taken now, as far as other INVITEs go; else the code that says why
    /// not (RFC 3261 section 14.2).
    const fn may_take_invite(&self) -> Result<(), u16> {
        match (&self.phase, &self.unacked) {
            (Phase::Ringing { .. }, _) => Err(500),
            (Phase::Up, None) => Ok(()),
            _ => Err(491),
        }
    }
}
