//! Incoming invitations: from INVITE to ACK (RFC 3261 sections 13.3, 9.2, 15).

use bytes::Bytes;

use super::{
    Endpoint,
    contract::{EndedHow, Event, InviteId, Invited, Source},
    dialog::{Dialog, Trust},
    identity::PartyIdentity,
    invitation::{Invitation, Phase, Unacked},
    negotiation::{Carrier, Negotiation, Step},
    receive::{ALLOW, sdp_of},
    server_transaction::Incoming,
    session_timer::{self, Verdict},
    text::{MAX_FORWARDS, phrase, safe_phrase},
    timers::{Ms, NEVER, Owner},
};
use crate::{
    flow::Flow,
    identity::Presented,
    message::{Message, Name, NameAddr, ResponseBuilder, Uri},
};

/// What is further away is looked at on the way, so that no entry stays in the heap for long after
/// its invitation is over.
const FAR_MS: Ms = 60_000;
/// Longer display names and users are cut, in letters.
const LONGEST_NAME: usize = 256;

impl Endpoint {
    /// An INVITE outside any dialog.
    pub(super) fn invited(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        if self.draining || !self.has_room(true) {
            return self.overloaded(flow, message);
        }
        let Some(source) = self.caller(flow, message) else { return };
        if let Err((code, reason)) = self.check_invite(&source, incoming) {
            return self.refuse(flow, message, code, reason, |builder| builder);
        }
        let replaces = match self.replaced_by(&source, incoming) {
            Ok(replaces) => replaces,
            Err(why) => return self.refuse(flow, message, why.code(), phrase(why.code()), |builder| builder),
        };
        if session_timer::answer(&self.config.session, message) == Verdict::TooBrief {
            let min_s = session_timer::shortest(&self.config.session);
            return self.refuse(flow, message, 422, phrase(422), |builder| builder.header(Name::MinSe, min_s));
        }
        let (trunk, account, trust) = match &source {
            Source::Trunk(name) => (Some(name.clone()), None, Trust::Contact),
            Source::Account(user) => (None, Some(user.clone()), Trust::Source),
        };
        if trunk.as_ref().is_some_and(|name| !self.trunks.take_call(name)) {
            return self.overloaded(flow, message);
        }
        let local_tag = self.random();
        let dialog = match Dialog::uas(message, flow, local_tag, trust) {
            Ok(dialog) => dialog,
            Err(fault) => {
                self.trunks.give_back(trunk.as_deref());
                return self.refuse(flow, message, fault.code, fault.reason, |builder| builder);
            }
        };
        let invite = self.next_invite();
        let server = self.open_server(incoming, invite, local_tag);
        let party = self.party_of(&source, message);
        let headers = self.told_headers(trunk.as_deref(), message);
        let invited = Invited { replaces, party, headers, ..invited_event(invite, source, flow, message) };
        let negotiation = if invited.sdp.is_some() { Negotiation::Theirs(Carrier::Invite) } else { Negotiation::Asked };
        let theirs = invited.sdp.as_ref().map_or(0, |sdp| self.hasher.short_key(&[sdp]).max(1));
        let ringing = Phase::Ringing { server, again_at: NEVER };
        let new = Invitation::new(invite, ringing, negotiation);
        let invitation = Invitation { dialog: Some(dialog), trunk, account, theirs, ..new };
        self.invites.insert(invite, Box::new(invitation));
        self.by_tag.insert(local_tag, invite);
        self.tell(Event::Invited(Box::new(invited)));
    }

    fn check_invite(&self, source: &Source, incoming: &Incoming<'_>) -> Result<(), (u16, &'static str)> {
        let message = incoming.message;
        if self.is_merged(incoming) {
            return Err((482, "Loop Detected"));
        }
        if let Source::Account(account) = source {
            // What a phone may write in From is its own name, or that it wants to be nobody.
            let user = message.from().ok().and_then(|from| from.uri()).and_then(|uri| uri.user_decoded());
            if user.as_deref() != Some(account) && user.as_deref() != Some("anonymous") {
                return Err((403, "Forbidden"));
            }
        }
        let accepts_sdp = |value: &str| {
            let range = value.split(';').next().unwrap_or_default().trim();
            ["application/sdp", "application/*", "*/*"].iter().any(|wanted| range.eq_ignore_ascii_case(wanted))
        };
        if message.has(Name::Accept) && !message.headers(Name::Accept).any(accepts_sdp) {
            return Err((406, "Not Acceptable"));
        }
        Ok(())
    }

    /// 503 without a trace (RFC 3261 section 21.5.4).
    pub(super) fn overloaded(&mut self, flow: Flow, message: &Message) {
        let after = self.config.limits.retry_after_s;
        self.refuse(flow, message, 503, phrase(503), |builder| builder.header(Name::RetryAfter, after));
    }

    /// Sends a 2xx to an INVITE and repeats it until the ACK comes.
    pub(super) fn send_2xx(&mut self, invite: InviteId, server: super::slab::Key, sdp: Option<&[u8]>) -> bool {
        let Some(row) = self.servers.get(server) else { return false };
        let (to, Some(request)) = (row.to(), row.request()) else { return false };
        let Ok(cseq) = request.cseq().map(|cseq| cseq.number) else { return false };
        let record_route = record_routes(request);
        let trunk = self.invites.get(&invite).and_then(|invitation| invitation.trunk.as_deref());
        let verdict = self.session_verdict(trunk, request);
        self.begin_session(invite, verdict);
        let contact = self.our_contact(&to);
        let sent = self.reply(
            server,
            200,
            "",
            |builder| {
                let builder = route_back(builder, &record_route).contact(contact).header(Name::Allow, ALLOW);
                session_timer::say(verdict, builder)
            },
            sdp,
        );
        let Some(bytes) = sent else { return false };
        let t1 = self.timing.t1;
        let unacked = Unacked {
            bytes: Bytes::copy_from_slice(&bytes),
            to,
            cseq,
            interval: t1,
            resend_at: self.now + t1,
            end_at: self.now + 64 * t1,
        };
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.unacked = Some(Box::new(unacked));
        }
        true
    }

    /// [`Command::Reject`](super::Command::Reject).
    pub(super) fn reject(&mut self, invite: InviteId, code: u16, reason: &str, retry_after_s: Option<u32>) {
        let Some((server, _)) = self.ringing(invite) else { return };
        let code = if (300..=699).contains(&code) { code } else { 480 };
        let reason = safe_phrase(code, reason);
        self.reply(
            server,
            code,
            &reason,
            |builder| match retry_after_s {
                Some(seconds) => builder.header(Name::RetryAfter, seconds),
                None => builder,
            },
            None,
        );
        self.finish(invite);
    }

    /// The INVITE transaction and our Contact of an invitation that nobody answered yet.
    pub(super) fn ringing(&self, invite: InviteId) -> Option<(super::slab::Key, String)> {
        let Phase::Ringing { server, .. } = self.invites.get(&invite)?.phase else { return None };
        let to = self.servers.get(server)?.to();
        Some((server, self.our_contact(&to)))
    }

    /// CANCEL (RFC 3261 section 9.2).
    pub(super) fn cancel_requested(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        let target = self.servers.find(self.transaction_id(incoming, "INVITE"));
        let Some((cancelled, row)) = target.and_then(|key| Some((key, self.servers.get(key)?))) else {
            return self.refuse(flow, message, 481, phrase(481), |builder| builder);
        };
        let (invite, to_tag, open) = (row.invite, row.to_tag, row.is_open());
        let key = self.open_server(incoming, InviteId(0), to_tag);
        self.reply(key, 200, "", |builder| builder, None);
        if open {
            match self.invites.get(&invite).map(|invitation| &invitation.phase) {
                Some(Phase::Ringing { .. }) => self.cancelled(invite),
                // A re-INVITE was cancelled: the dialog goes on.
                Some(_) => self.reoffer_cancelled(invite, cancelled),
                None => {}
            }
        }
    }

    /// The caller gave up.
    pub(super) fn cancelled(&mut self, invite: InviteId) {
        if let Some((server, _)) = self.ringing(invite) {
            self.reply(server, 487, "", |builder| builder, None);
            self.finish(invite);
            self.tell(Event::Cancelled { invite });
        }
    }

    /// The ACK of a 2xx of ours.
    pub(super) fn acknowledged(&mut self, invite: InviteId, ack: &Incoming<'_>) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if invitation.unacked.as_ref().is_none_or(|unacked| unacked.cseq != ack.cseq) {
            return;
        }
        invitation.unacked = None;
        if let Phase::Leaving { reason } = &mut invitation.phase {
            let reason = reason.take();
            return self.hang_up(invite, reason);
        }
        if invitation.negotiation == Negotiation::Ours(Carrier::Accept) && sdp_of(ack.message).is_none() {
            // Nobody knows what was agreed, and it cannot be asked again.
            return self.lost(invite, EndedHow::NoAnswer);
        }
        // A description that answers nothing is none (RFC 3261 section 13.2.1).
        let sdp = sdp_of(ack.message).filter(|_| invitation.negotiation.take(Step::TheyAnswer(Carrier::Ack)).is_ok());
        if let Some(sdp) = &sdp {
            self.note_theirs(invite, sdp);
        }
        self.arm_invite(invite);
        self.refer_when_acknowledged(invite);
        self.tell(Event::Confirmed { invite, sdp });
    }

    pub(super) fn arm_invite(&mut self, invite: InviteId) {
        let soon = self.now + FAR_MS;
        if let Some(invitation) = self.invites.get_mut(&invite) {
            let due = invitation.due();
            let due = if due == NEVER { NEVER } else { due.min(soon) };
            self.timers.set(&mut invitation.alarm, due, Owner::Invite(invite));
        }
    }

    /// A heap entry of this invitation was popped.
    pub(super) fn invite_due(&mut self, invite: InviteId, at: Ms) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if !invitation.alarm.popped(at) {
            return;
        }
        if let Some(unacked) = &mut invitation.unacked {
            if unacked.end_at <= now {
                return self.never_acknowledged(invite);
            }
            if unacked.resend_at <= now {
                unacked.interval = (unacked.interval * 2).min(self.timing.t2);
                unacked.resend_at = now + unacked.interval;
                let (to, bytes) = (unacked.to, unacked.bytes.clone());
                self.send(to, bytes);
            }
        }
        self.reliable_due(invite);
        self.repeat_provisional(invite);
        self.reoffer_due(invite);
        self.session_due(invite);
        self.hand_back_due(invite);
        self.away_due(invite);
        self.arm_invite(invite);
    }

    /// No ACK in 64 T1: the dialog is hung up (RFC 3261 section 13.3.1.4).
    fn never_acknowledged(&mut self, invite: InviteId) {
        let silent = self.invites.get(&invite).is_some_and(|invitation| matches!(invitation.phase, Phase::Leaving { .. }));
        self.hang_up(invite, None);
        if !silent {
            self.tell(Event::Ended { invite, how: EndedHow::Timeout });
        }
    }
}

pub(super) fn record_routes(request: &Message) -> Vec<String> {
    request.headers(Name::RecordRoute).map(|route| crate::message::unfold(route).into_owned()).collect()
}

/// A reply that makes a dialog names the proxies that want to stay on its way (RFC 3261 section 12.1.1).
pub(super) fn route_back(builder: ResponseBuilder, routes: &[String]) -> ResponseBuilder {
    routes.iter().fold(builder, |builder, route| builder.header(Name::RecordRoute, route))
}

fn invited_event(invite: InviteId, source: Source, flow: Flow, message: &Message) -> Invited {
    let user = |uri: Option<Uri<'_>>| -> String {
        uri.and_then(|uri| uri.user_decoded()).unwrap_or_default().chars().take(LONGEST_NAME).collect()
    };
    let from: Option<NameAddr<'_>> = message.from().ok();
    let identity = match source {
        Source::Trunk(_) => Presented::of(message).map(Box::new),
        Source::Account(_) => None,
    };
    Invited {
        invite,
        source,
        request_user: user(Uri::parse(message.request_uri())),
        from_user: user(from.and_then(|from| from.uri())),
        from_display: from.map(|from| from.display_name().chars().take(LONGEST_NAME).collect()).unwrap_or_default(),
        party: PartyIdentity::default(),
        to_user: user(message.to().ok().and_then(|to| to.uri())),
        flow,
        sdp: sdp_of(message),
        max_forwards: message.max_forwards().ok().flatten().unwrap_or(MAX_FORWARDS),
        replaces: None,
        call_id: message.call_id().unwrap_or_default().into(),
        identity,
        headers: Vec::new(),
    }
}
