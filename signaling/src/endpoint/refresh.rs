//! Keeping sessions alive (RFC 4028): the refresher sends an UPDATE where the other side knows it,
//! else a re-INVITE with what was described last; the other ends a session that is not refreshed.
//! The rules of who and when are in `session_timer`.

use bytes::Bytes;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, Inside, NewClient, Purpose, Silence, new_branch},
    contract::{EndedHow, InviteId},
    credentials::again,
    invitation::{Exchange, Offer, Phase},
    receive::{ALLOW, SUPPORTED_INSIDE},
    session_timer::{self, Session, Side, Verdict},
    slab::Key,
    timers::NEVER,
};
use crate::{
    flow::Flow,
    message::{Message, Name},
};

/// How much later a refresh is tried when something else is under way, in ms.
const BUSY_MS: u64 = 5_000;

impl Endpoint {
    /// A 2xx of ours with this verdict goes out: the timer begins, begins anew, or ends.
    pub(super) fn begin_session(&mut self, invite: InviteId, verdict: Verdict) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let min_s = invitation.session.map_or(0, |session| session.min_s);
        invitation.session = match verdict {
            Verdict::On { interval_s, refresher, .. } => Some(Session::new(now, interval_s, min_s, refresher == Side::Uas)),
            Verdict::Off | Verdict::TooBrief => None,
        };
        self.arm_invite(invite);
    }

    /// What a 2xx of ours to an UPDATE says. Early dialogs have no timer.
    pub(super) fn update_verdict(&mut self, invite: InviteId, verdict: Verdict) -> Verdict {
        if self.invites.get(&invite).is_none_or(|invitation| !matches!(invitation.phase, Phase::Up)) {
            return Verdict::Off;
        }
        self.begin_session(invite, verdict);
        verdict
    }

    /// What a 2xx of theirs says to a request of ours: the timer begins, begins anew, or ends.
    pub(super) fn session_answered(&mut self, invite: InviteId, key: Key, response: &Message) {
        let (now, is_fixed) = (self.now, self.is_fixed_call(invite));
        let told_s = self.clients.get(key).map_or(0, |row| row.told_min_s);
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let min_s = invitation.session.map_or(0, |session| session.min_s).max(told_s);
        let agreed = session_timer::agreed(response).filter(|(_, side)| !(is_fixed && *side == Side::Uac));
        invitation.session = agreed.map(|(interval_s, side)| Session::new(now, interval_s, min_s, side == Side::Uac));
        self.arm_invite(invite);
    }

    /// A request of ours that was refused with 422, asking for as long a session as they want, and its
    /// branch (RFC 4028 section 7.3).
    pub(super) fn with_longer_session(&mut self, request: &Bytes, cseq: Option<u32>, response: &Message) -> Option<(u64, Bytes)> {
        let branch = self.random();
        let request = Message::parse(request.clone()).ok()?;
        let wanted_s = session_timer::after_422(&request, response)?.to_string();
        let asked = request.header(Name::SessionExpires)?;
        let rest = asked.find(';').and_then(|at| asked.get(at..)).unwrap_or_default();
        let expires = format!("{wanted_s}{rest}");
        let message = again(&request, branch, cseq, &[(Name::SessionExpires, &expires), (Name::MinSe, &wanted_s)])?;
        Some((branch, message))
    }

    /// The time of a session timer.
    pub(super) fn session_due(&mut self, invite: InviteId) {
        let (now, is_fixed) = (self.now, self.is_fixed_call(invite));
        let Some(invitation) = self.invites.get_mut(&invite).filter(|it| matches!(it.phase, Phase::Up)) else { return };
        // A session that was agreed under other settings of its trunk.
        invitation.session.take_if(|session| is_fixed && session.is_ours);
        let Some(session) = invitation.session.as_mut().filter(|session| session.at <= now) else { return };
        if !session.is_ours {
            return self.lost(invite, EndedHow::Timeout);
        }
        session.at = NEVER;
        if invitation.is_away() {
            return self.refresh_failed(invite, Some(BUSY_MS));
        }
        let knows_update = invitation.dialog.as_ref().is_some_and(|dialog| dialog.takes_update);
        let is_free = matches!(invitation.exchange, Exchange::Nobody) && invitation.later.is_none();
        if knows_update {
            self.send_refresh(invite);
        } else if is_free && !invitation.described.is_empty() {
            let sdp = invitation.described.clone();
            self.offer_or_wait(invite, Offer { sdp, tries: 0, is_refresh: true });
        } else {
            self.refresh_failed(invite, Some(BUSY_MS));
        }
    }

    /// An UPDATE without an offer, so nothing that is under way matters to it.
    fn send_refresh(&mut self, invite: InviteId) {
        let branch = self.random();
        let Some(cseq) = self.next_cseq(invite, 0) else { return self.refresh_failed(invite, None) };
        let Some(invitation) = self.invites.get(&invite) else { return };
        let (Some(dialog), session) = (&invitation.dialog, invitation.session) else { return };
        let (to, trunk, is_in_theirs) = (dialog.to, invitation.trunk.clone(), !dialog.ours);
        let builder = dialog
            .request("UPDATE", cseq, self.our_address(&to), &new_branch(branch))
            .contact(self.our_contact(&to))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED_INSIDE);
        let message = session_timer::ask_again(&self.config.session, session.as_ref(), builder).build();
        let Ok(message) = message else { return self.refresh_failed(invite, None) };
        let purpose = Purpose::Inside { invite, dialog: 0, what: Inside::Refresh };
        let update = NewClient::new(branch, ClientMethod::Other, to, message);
        self.start_client(NewClient { trunk, is_in_theirs, purpose, ..update });
    }

    /// A final reply to a PRACK or UPDATE of ours.
    pub(super) fn inside_answered(&mut self, at: (InviteId, u64, Inside), key: Key, flow: Flow, response: &Message, code: u16) {
        let (invite, dialog, what) = at;
        match (what, code) {
            // A PRACK that fails is repeated by nobody: the called side refuses the INVITE.
            (Inside::Prack, _) => {}
            (Inside::Offer, 200..=299) => self.update_answered(invite, dialog, key, flow, response),
            (Inside::Offer, _) => self.offer_refused(invite, key, code, Some(response)),
            (Inside::Refresh, 200..=299) => {
                let own = self.invites.get_mut(&invite).and_then(|invitation| invitation.dialog.as_mut());
                if let Some(own) = own {
                    own.refresh(response, flow);
                    self.session_answered(invite, key, response);
                }
            }
            (Inside::Refresh, 408 | 481) | (Inside::Probe, 404 | 410 | 481) => self.lost(invite, EndedHow::Timeout),
            (Inside::Probe, _) => self.heard_again(invite, flow),
            (Inside::Key, _) => self.key_answered(invite, code),
            (Inside::Refresh, _) => self.refresh_refused(invite, response, code),
        }
    }

    fn refresh_refused(&mut self, invite: InviteId, response: &Message, code: u16) {
        let wait = self.wait_after(invite, code, Some(response));
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if let (405 | 501, Some(dialog)) = (code, &mut invitation.dialog) {
            // They said otherwise, but do not know UPDATE.
            dialog.takes_update = false;
            return self.refresh_failed(invite, Some(0));
        }
        self.refresh_failed(invite, wait);
    }

    /// No reply to a PRACK or UPDATE of ours.
    pub(super) fn inside_silent(&mut self, at: (InviteId, Inside), key: Key, silence: Silence) {
        let (invite, what) = at;
        if what == Inside::Key {
            return self.key_answered(invite, 408);
        }
        let exchange = self.invites.get(&invite).map(|invitation| &invitation.exchange);
        let is_open = matches!(exchange, Some(Exchange::Ours { client, .. }) if *client == key);
        if what == Inside::Refresh || (what == Inside::Offer && is_open) {
            self.offer_silent(invite, key, silence);
        }
    }

    /// A refresh was refused: they are there, and may take the next (RFC 4028 section 7.4 leaves the
    /// session to its timer). It is tried again after so many ms, or after half of the interval.
    pub(super) fn refresh_failed(&mut self, invite: InviteId, wait: Option<u64>) {
        let now = self.now;
        if let Some(session) = self.invites.get_mut(&invite).and_then(|invitation| invitation.session.as_mut()) {
            session.at = now + wait.unwrap_or_else(|| session.half());
            self.arm_invite(invite);
        }
    }
}
