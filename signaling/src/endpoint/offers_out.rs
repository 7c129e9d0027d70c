//! New offers of ours: re-INVITE in an answered invitation, UPDATE before (RFC 3261 section 14.1,
//! RFC 3311 section 5.1), and what is done when they meet theirs. Theirs are in `offers_in`.

use bytes::Bytes;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, Inside, NewClient, Purpose, Silence, new_branch},
    contract::{EndedHow, Event, InviteId},
    invitation::{Exchange, Invitation, Later, Offer, Phase},
    negotiation::{Carrier, Step},
    receive::{ALLOW, SUPPORTED_INSIDE, sdp_of},
    session_timer,
    slab::Key,
};
use crate::{
    flow::Flow,
    message::{Message, Name, read_seconds},
};

/// How often an offer that met theirs is tried again.
const MOST_TRIES: u8 = 3;
/// How much later it is tried when something else is still under way, the first time; then four
/// times that.
const BUSY_STEP_MS: u64 = 250;
/// A longer `Retry-After` is not waited for, in seconds: nobody who keeps section 14.2 says one.
const LONGEST_RETRY_S: u32 = 10;

/// Whether an offer can be sent.
enum Turn {
    /// In a re-INVITE, or in an UPDATE of this early dialog.
    Now(Carrier, u64),
    /// Something is under way that will end.
    Soon,
    /// Nothing is agreed yet that could be changed, or they know no UPDATE.
    No,
}

impl Endpoint {
    /// [`Command::Reoffer`](super::Command::Reoffer).
    pub(super) fn reoffer(&mut self, invite: InviteId, sdp: Bytes) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if matches!(invitation.phase, Phase::Leaving { .. }) {
            // The program ended it before, and hears no more of it.
            return;
        }
        if self.is_fixed_call(invite) {
            return self.tell(Event::ReofferRejected { invite, code: 488 });
        }
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        // What the session timer wanted to send goes with the program's offer.
        invitation.later.take_if(|later| later.offer.is_refresh);
        let has_one = matches!(&invitation.exchange, Exchange::Ours { offer, .. } if !offer.is_refresh);
        if has_one || invitation.later.is_some() {
            return self.tell(Event::ReofferRejected { invite, code: 491 });
        }
        self.offer_or_wait(invite, Offer { sdp, tries: 0, is_refresh: false });
    }

    /// Sends an offer, now or when it can be.
    pub(super) fn offer_or_wait(&mut self, invite: InviteId, offer: Offer) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        match invitation.turn() {
            Turn::Now(carrier, dialog) => self.send_offer(invite, carrier, dialog, offer),
            Turn::Soon if offer.tries <= MOST_TRIES => {
                let at = now + BUSY_STEP_MS * (1 << (2 * offer.tries.saturating_sub(1)));
                let offer = Offer { tries: offer.tries + 1, ..offer };
                invitation.later = Some(Box::new(Later { at, offer }));
                self.arm_invite(invite);
            }
            Turn::Soon | Turn::No => self.offer_failed(invite, &offer, 491),
        }
    }

    fn send_offer(&mut self, invite: InviteId, carrier: Carrier, early: u64, offer: Offer) {
        let branch = self.random();
        let Some(cseq) = self.next_cseq(invite, early) else { return self.offer_failed(invite, &offer, 500) };
        let Some(message) = self.offer_text(invite, carrier, early, cseq, branch, &offer.sdp) else {
            return self.offer_failed(invite, &offer, 500);
        };
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let trunk = invitation.trunk.clone();
        let Some((dialog, negotiation)) = invitation.dialog_at(early) else { return };
        if negotiation.take(Step::WeOffer(carrier)).is_err() {
            return self.offer_failed(invite, &offer, 491);
        }
        let (to, is_in_theirs) = (dialog.to, !dialog.ours);
        let (method, purpose) = match carrier {
            Carrier::Invite => (ClientMethod::Invite, Purpose::Reinvite(invite)),
            _ => (ClientMethod::Other, Purpose::Inside { invite, dialog: early, what: Inside::Offer }),
        };
        let client = self.start_client(NewClient { branch, method, to, message, purpose, trunk, is_in_theirs, tries: 0 });
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.exchange = Exchange::Ours { client, early, offer };
        }
        self.note_early_cseq(invite, early, cseq);
    }

    fn offer_text(
        &mut self,
        invite: InviteId,
        carrier: Carrier,
        early: u64,
        cseq: u32,
        branch: u64,
        sdp: &[u8],
    ) -> Option<Bytes> {
        let to = self.invites.get_mut(&invite)?.dialog_at(early)?.0.to;
        let (ours, contact, policy) = (self.our_address(&to), self.our_contact(&to), self.config.session);
        let invitation = self.invites.get_mut(&invite)?;
        let session = invitation.session;
        let (dialog, _) = invitation.dialog_at(early)?;
        let method = if carrier == Carrier::Invite { "INVITE" } else { "UPDATE" };
        let builder = dialog
            .request(method, cseq, ours, &new_branch(branch))
            .contact(contact)
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED_INSIDE);
        session_timer::ask_again(&policy, session.as_ref(), builder).build_with_body("application/sdp", sdp).ok()
    }

    /// The time after a glare is over.
    pub(super) fn reoffer_due(&mut self, invite: InviteId) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if let Some(later) = invitation.later.take_if(|later| later.at <= now) {
            self.offer_or_wait(invite, later.offer);
        }
    }

    /// A 2xx to our re-INVITE.
    pub(super) fn reinvite_answered(&mut self, invite: InviteId, key: Key, flow: Flow, response: &Message) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some(mut dialog) = invitation.dialog.take() else { return };
        let offer = invitation.take_ours(key);
        if offer.is_some() {
            dialog.refresh(response, flow);
        }
        let before = dialog.acked_by.replace(key);
        self.acknowledge(key, &dialog, response);
        if let Some(before) = before.filter(|before| *before != key) {
            self.forget_acks(before);
        }
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        invitation.dialog = Some(dialog);
        if let Some(offer) = offer {
            self.session_answered(invite, key, response);
            self.offer_answered(invite, 0, offer, Carrier::Accept, response);
        }
    }

    /// A 2xx to an offer of ours in an UPDATE.
    pub(super) fn update_answered(&mut self, invite: InviteId, early: u64, key: Key, flow: Flow, response: &Message) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some(offer) = invitation.take_ours(key) else { return };
        if let Some((dialog, _)) = invitation.dialog_at(early) {
            dialog.refresh(response, flow);
        }
        if early == 0 && matches!(invitation.phase, Phase::Up) {
            self.session_answered(invite, key, response);
        }
        self.offer_answered(invite, early, offer, Carrier::UpdateAccept, response);
        self.move_on(invite);
    }

    fn offer_answered(&mut self, invite: InviteId, early: u64, offer: Offer, carrier: Carrier, response: &Message) {
        let sdp = sdp_of(response);
        let hash = sdp.as_ref().map(|sdp| self.hasher.short_key(&[sdp]).max(1));
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some((_, negotiation)) = invitation.dialog_at(early) else { return };
        // A 2xx without the answer that it owes leaves the media as they were.
        let step = if sdp.is_some() { Step::TheyAnswer(carrier) } else { Step::Failed };
        let agreed = negotiation.take(step).is_ok() && sdp.is_some();
        let is_new = hash.is_none_or(|hash| hash != invitation.theirs);
        if agreed {
            invitation.described = offer.sdp;
            invitation.theirs = hash.unwrap_or_default();
        }
        if !offer.is_refresh || (agreed && is_new) {
            self.tell(Event::ReofferAnswered { invite, sdp });
        }
    }

    /// A failure of our re-INVITE or of an UPDATE with our offer.
    pub(super) fn offer_refused(&mut self, invite: InviteId, key: Key, code: u16, response: Option<&Message>) {
        let wait = self.wait_after(invite, code, response);
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let early = if let Exchange::Ours { early, .. } = invitation.exchange { early } else { 0 };
        let Some(offer) = invitation.take_ours(key) else { return };
        let is_up = matches!(invitation.phase, Phase::Up);
        if let Some((_, negotiation)) = invitation.dialog_at(early) {
            *negotiation = super::negotiation::Negotiation::Agreed;
        }
        match (code, wait) {
            (_, Some(wait)) if offer.tries < MOST_TRIES => {
                let offer = Offer { tries: offer.tries + 1, ..offer };
                invitation.later = Some(Box::new(Later { at: now + wait, offer }));
                self.arm_invite(invite);
                self.move_on(invite);
            }
            // The dialog is gone for them (RFC 3261 section 12.2.1.2).
            (408 | 481, _) if is_up => self.lost(invite, EndedHow::Timeout),
            _ => {
                self.offer_failed(invite, &offer, code);
                self.move_on(invite);
            }
        }
    }

    /// How long to wait before a request that overlapped theirs is sent again. Whoever chose the Call-ID
    /// waits 2.1–4 s, the other 0–2 s, in steps of 10 ms (RFC 3261 section 14.1); a 500 says itself how
    /// long (section 14.2). `None`: it is not sent again.
    pub(super) fn wait_after(&mut self, invite: InviteId, code: u16, response: Option<&Message>) -> Option<u64> {
        let dice = self.random();
        let invitation = self.invites.get(&invite)?;
        match code {
            491 => {
                let owns = invitation.dialog.as_ref().is_none_or(|dialog| dialog.ours);
                Some(if owns { 2_100 + dice % 191 * 10 } else { dice % 201 * 10 })
            }
            500 => {
                let said = response?.header(Name::RetryAfter).and_then(read_seconds);
                said.filter(|seconds| *seconds <= LONGEST_RETRY_S).map(|seconds| u64::from(seconds) * 1_000)
            }
            _ => None,
        }
    }

    /// No reply to our re-INVITE or UPDATE.
    pub(super) fn offer_silent(&mut self, invite: InviteId, key: Key, silence: Silence) {
        let Some(invitation) = self.invites.get(&invite) else { return };
        if matches!(invitation.phase, Phase::Up) {
            let how = if silence == Silence::NoWay { EndedHow::ConnectionLost } else { EndedHow::Timeout };
            self.lost(invite, how);
        } else {
            self.offer_refused(invite, key, 408, None);
        }
    }

    pub(super) fn offer_failed(&mut self, invite: InviteId, offer: &Offer, code: u16) {
        if offer.is_refresh {
            self.refresh_failed(invite, None);
        } else {
            self.tell(Event::ReofferRejected { invite, code });
        }
    }

    /// The dialog is gone on their side.
    pub(super) fn lost(&mut self, invite: InviteId, how: EndedHow) {
        if self.invites.contains_key(&invite) {
            self.hang_up(invite, None);
            self.tell(Event::Ended { invite, how });
        }
    }

    /// A request in a dialog was sent again with the next number, in another transaction.
    pub(super) fn inside_moved(&mut self, (invite, dialog): (InviteId, u64), cseq: Option<u32>, old: Key, new: Key) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if let Exchange::Ours { client, .. } = &mut invitation.exchange
            && *client == old
        {
            *client = new;
        }
        if let Some(cseq) = cseq {
            self.note_early_cseq(invite, dialog, cseq);
        }
    }

    /// Remembers with the INVITE which numbers an early dialog of its has used.
    fn note_early_cseq(&mut self, invite: InviteId, early: u64, cseq: u32) {
        let Some(calling) = self.calling(invite) else { return };
        let fork = calling.forks.iter().find(|fork| fork.early.iter().any(|one| one.name == early));
        if let Some(client) = fork.map(|fork| fork.client) {
            self.note_cseq(client, cseq);
        }
    }
}

impl Invitation {
    /// Whether and how an offer of ours can go.
    fn turn(&mut self) -> Turn {
        let heard = match &self.phase {
            Phase::Up if self.unacked.is_none() && self.negotiation.is_agreed() && !self.is_away() => {
                return Turn::Now(Carrier::Invite, 0);
            }
            Phase::Up => return Turn::Soon,
            Phase::Ringing { .. } => match &self.reliable {
                Some(reliable) if reliable.has_answer() => return Turn::Soon,
                // Not before the PRACK for our answer (RFC 3311 section 5.1).
                Some(reliable) if reliable.is_acked() => 0,
                _ => return Turn::No,
            },
            Phase::Calling(calling) if calling.heard != 0 => calling.heard,
            Phase::Calling(_) | Phase::Leaving { .. } => return Turn::No,
        };
        if !matches!(self.exchange, Exchange::Nobody) {
            return Turn::Soon;
        }
        match self.dialog_at(heard) {
            Some((dialog, negotiation)) if dialog.takes_update && negotiation.is_agreed() => Turn::Now(Carrier::Update, heard),
            _ => Turn::No,
        }
    }

    /// Our offer that went by this transaction.
    fn take_ours(&mut self, key: Key) -> Option<Offer> {
        match std::mem::replace(&mut self.exchange, Exchange::Nobody) {
            Exchange::Ours { client, offer, .. } if client == key => Some(offer),
            other => {
                self.exchange = other;
                None
            }
        }
    }
}
