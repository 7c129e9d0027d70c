//! Progress of incoming invitations, reliable where it must be: RSeq, repetition until the PRACK,
//! and what has to wait for it (RFC 3262 sections 3 and 5). The calling side is in `early`.
//!
//! One reliable reply is on its way at a time; what the program says meanwhile becomes the next.

use bytes::Bytes;

use super::{
    Endpoint,
    config::ReliableProgress,
    contract::{Destination, EndedHow, Event, InviteId},
    invitation::{Exchange, Invitation, Phase},
    negotiation::{Carrier, Negotiation, Step},
    receive::{ALLOW, sdp_of},
    server_transaction::Incoming,
    slab::Key,
    timers::{Ms, NEVER},
};
use crate::message::{Message, Name};

/// The option tag.
pub(super) const REL: &str = "100rel";

/// How often progress is repeated to keep proxies patient (RFC 3261 section 13.3.1.1).
const PROVISIONAL_EVERY: Ms = 60_000;

/// Reliable progress of one invitation.
#[derive(Debug)]
pub(super) struct Reliable {
    /// The number of the last reply.
    rseq: u32,
    code: u16,
    unacked: Option<Unpracked>,
    /// What is to be said next.
    next: Option<(u16, Option<Bytes>)>,
    /// The program's answer, which must not overtake an exchange that is open.
    answer: Option<Bytes>,
}

/// A reliable reply that awaits its PRACK.
#[derive(Debug)]
struct Unpracked {
    bytes: Bytes,
    to: Destination,
    /// The INVITE's number.
    cseq: u32,
    has_sdp: bool,
    interval: Ms,
    resend_at: Ms,
    end_at: Ms,
}

impl Reliable {
    pub(super) fn due(&self) -> Ms {
        self.unacked.as_ref().map_or(NEVER, |unacked| unacked.resend_at.min(unacked.end_at))
    }

    /// The final reply is out: nothing is repeated any more, but a late PRACK still fits.
    fn rest(&mut self) {
        self.next = None;
        if let Some(unacked) = &mut self.unacked {
            (unacked.resend_at, unacked.end_at) = (NEVER, NEVER);
        }
    }

    pub(super) const fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) const fn is_acked(&self) -> bool {
        self.unacked.is_none()
    }
}

impl Endpoint {
    /// [`Command::Progress`](super::Command::Progress).
    pub(super) fn progress(&mut self, invite: InviteId, code: u16, sdp: Option<Bytes>) {
        let Some((server, _)) = self.ringing(invite) else { return };
        let Some(request) = self.servers.get(server).and_then(|row| row.request()) else { return };
        let must = request.lists(Name::Require, REL);
        let may = must || request.lists(Name::Supported, REL);
        let wanted = match self.config.reliable_progress {
            ReliableProgress::WhenRequired => must,
            ReliableProgress::EarlyMedia => must || (may && sdp.is_some()),
        };
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let waits = invitation.reliable.as_ref().is_some_and(|reliable| reliable.has_answer());
        if waits || !(101..=199).contains(&code) {
            return;
        }
        let sdp = sdp.filter(|_| match invitation.negotiation {
            Negotiation::Theirs(Carrier::Invite) => true,
            // An offer goes only where it can be answered.
            Negotiation::Asked => wanted,
            // It has been said, and acknowledged or not, is not said again (RFC 6337 section 3.1.1).
            _ => false,
        });
        if !wanted || (!must && sdp.is_none()) {
            return self.send_progress(invite, server, code, sdp.as_deref(), None);
        }
        self.progress_reliably(invite, server, code, sdp);
    }

    fn progress_reliably(&mut self, invite: InviteId, server: Key, code: u16, sdp: Option<Bytes>) {
        let first = u32::try_from(self.random() % 0x7FFF_FFFF).unwrap_or(0) + 1;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if invitation.negotiation == Negotiation::Asked && sdp.is_none() {
            // The first reliable reply would have to bring our offer (RFC 3261 section 13.2.1).
            return;
        }
        let reliable = invitation
            .reliable
            .get_or_insert_with(|| Box::new(Reliable { rseq: first - 1, code, unacked: None, next: None, answer: None }));
        if reliable.unacked.is_some() {
            let sdp = sdp.or_else(|| reliable.next.take().and_then(|(_, sdp)| sdp));
            reliable.next = Some((code, sdp));
            return;
        }
        reliable.rseq += 1;
        reliable.code = code;
        let rseq = reliable.rseq;
        if sdp.is_some() {
            let step = if invitation.negotiation == Negotiation::Asked {
                Step::WeOffer(Carrier::Progress)
            } else {
                Step::WeAnswer(Carrier::Progress)
            };
            if invitation.negotiation.take(step).is_err() {
                return;
            }
        }
        if let Some(sdp) = &sdp {
            invitation.described = sdp.clone();
        }
        self.send_progress(invite, server, code, sdp.as_deref(), Some(rseq));
    }

    fn send_progress(&mut self, invite: InviteId, server: Key, code: u16, sdp: Option<&[u8]>, rseq: Option<u32>) {
        let Some((to, cseq, routes)) = self.servers.get(server).and_then(|row| {
            let request = row.request()?;
            Some((row.to(), request.cseq().ok()?.number, super::uas::record_routes(request)))
        }) else {
            return;
        };
        let contact = self.our_contact(&to);
        let sent = self.reply(
            server,
            code,
            "",
            |builder| {
                let builder = super::uas::route_back(builder, &routes).contact(contact).header(Name::Allow, ALLOW);
                match rseq {
                    Some(rseq) => builder.header(Name::Require, REL).header(Name::RSeq, rseq),
                    None => builder,
                }
            },
            sdp,
        );
        let Some(bytes) = sent else { return };
        let (now, t1) = (self.now, self.timing.t1);
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        invitation.phase = Phase::Ringing { server, again_at: now + PROVISIONAL_EVERY };
        if let (Some(reliable), Some(_)) = (&mut invitation.reliable, rseq) {
            reliable.unacked = Some(Unpracked {
                bytes: Bytes::copy_from_slice(&bytes),
                to,
                cseq,
                has_sdp: sdp.is_some(),
                interval: t1,
                resend_at: now + t1,
                end_at: now + 64 * t1,
            });
        }
        self.arm_invite(invite);
    }

    /// PRACK. What cannot be taken leaves the reply unacknowledged.
    pub(super) fn pracked(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let Some(rack) = incoming.message.header(Name::RAck).and_then(RAck::parse) else {
            return self.answer(incoming, 400, |builder| builder);
        };
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let awaited = invitation.reliable.as_ref().and_then(|reliable| Some((reliable.rseq, reliable.unacked.as_ref()?.cseq)));
        if awaited != Some((rack.rseq, rack.cseq)) || rack.method != "INVITE" {
            return self.answer(incoming, 481, |builder| builder);
        }
        let sdp = sdp_of(incoming.message);
        let owes_answer = invitation.negotiation == Negotiation::Ours(Carrier::Progress);
        let step = match (owes_answer, &sdp) {
            (true, Some(_)) => Ok(Some(Step::TheyAnswer(Carrier::Prack))),
            (false, Some(_)) => Ok(Some(Step::TheyOffer(Carrier::Prack))),
            // Our offer can be answered nowhere else (RFC 3262 section 5).
            (true, None) => Err(400),
            (false, None) => Ok(None),
        };
        let taken =
            step.and_then(|step| step.map_or(Ok(()), |step| invitation.negotiation.take(step)).map_err(|misfit| misfit.code()));
        if let Err(code) = taken {
            return self.refuse_overlap(incoming, code);
        }
        if let Some(reliable) = &mut invitation.reliable {
            reliable.unacked = None;
        }
        match sdp {
            Some(sdp) if owes_answer => {
                self.note_theirs(invite, &sdp);
                self.answer(incoming, 200, |builder| builder);
                self.tell(Event::ReofferAnswered { invite, sdp: Some(sdp) });
            }
            Some(sdp) => self.wait_for_program(invite, 0, incoming, Some(sdp)),
            None => self.answer(incoming, 200, |builder| builder),
        }
        self.move_on(invite);
    }

    /// Something that was waited for has come: says what is to be said next, or answers at last.
    pub(super) fn move_on(&mut self, invite: InviteId) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some(reliable) = invitation.reliable.as_mut() else { return };
        if let Some(sdp) = reliable.answer.take() {
            return self.accept(invite, sdp);
        }
        if reliable.unacked.is_none()
            && let Some((code, sdp)) = reliable.next.take()
        {
            self.progress(invite, code, sdp);
        }
    }

    /// [`Command::Answer`](super::Command::Answer). The 2xx waits while a description in a reliable
    /// reply is not acknowledged (RFC 3262 section 3), and while a later exchange is open.
    pub(super) fn accept(&mut self, invite: InviteId, sdp: Bytes) {
        let Some((server, _)) = self.ringing(invite) else { return };
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if invitation.must_wait_to_answer()
            && let Some(reliable) = &mut invitation.reliable
        {
            reliable.next = None;
            reliable.answer = Some(sdp);
            return;
        }
        let said = match invitation.negotiation {
            Negotiation::Asked => Some(Step::WeOffer(Carrier::Accept)),
            Negotiation::Theirs(_) => Some(Step::WeAnswer(Carrier::Accept)),
            // It went with a reliable reply, and is not said twice.
            Negotiation::Agreed | Negotiation::Ours(_) => None,
        };
        if !self.send_2xx(invite, server, said.map(|_| &*sdp)) {
            return;
        }
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.phase = Phase::Up;
            if said.is_some_and(|step| invitation.negotiation.take(step).is_ok()) {
                invitation.described = sdp;
            }
            match &mut invitation.reliable {
                Some(reliable) if reliable.unacked.is_some() => reliable.rest(),
                reliable => *reliable = None,
            }
        }
        self.arm_invite(invite);
    }

    /// Says the last reliable reply again, or gives the invitation up (RFC 3262 section 3).
    pub(super) fn reliable_due(&mut self, invite: InviteId) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Some(unacked) = invitation.reliable.as_mut().and_then(|reliable| reliable.unacked.as_mut()) else { return };
        if unacked.end_at <= now {
            if let Some((server, _)) = self.ringing(invite) {
                self.reply(server, 504, "", |builder| builder, None);
                self.finish(invite);
                self.tell(Event::Ended { invite, how: EndedHow::Timeout });
            }
        } else if unacked.resend_at <= now {
            unacked.interval *= 2;
            unacked.resend_at = now + unacked.interval;
            let (to, bytes) = (unacked.to, unacked.bytes.clone());
            self.send(to, bytes);
        }
    }

    /// Proxies are told from time to time that it still rings. A reliable reply is not said again
    /// once it is acknowledged: the next one has the next number.
    pub(super) fn repeat_provisional(&mut self, invite: InviteId) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let Phase::Ringing { server, again_at } = &mut invitation.phase else { return };
        if *again_at > now {
            return;
        }
        *again_at = now + PROVISIONAL_EVERY;
        let server = *server;
        match &invitation.reliable {
            Some(reliable) => {
                let code = reliable.code;
                self.progress(invite, code, None);
            }
            None => self.request_again(server),
        }
    }
}

impl Invitation {
    fn must_wait_to_answer(&self) -> bool {
        let unacked = self.reliable.as_ref().and_then(|reliable| reliable.unacked.as_ref());
        let open = !matches!(self.exchange, Exchange::Nobody) || matches!(self.negotiation, Negotiation::Ours(_));
        open || unacked.is_some_and(|unacked| unacked.has_sdp)
    }
}

/// `RAck: 776656 1 INVITE` (RFC 3262 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RAck<'a> {
    rseq: u32,
    cseq: u32,
    method: &'a str,
}

impl<'a> RAck<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let mut number = || words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok();
        let (rseq, cseq) = (number()?, number()?);
        let method = words.next()?;
        words.next().is_none().then_some(Self { rseq, cseq, method })
    }
}

/// The number of a reliable reply (RFC 3262 section 7.1); `None` for one that is not.
pub(super) fn rseq_of(response: &Message) -> Option<u32> {
    if !response.lists(Name::Require, REL) {
        return None;
    }
    response.header(Name::RSeq).and_then(crate::message::read_seconds).filter(|rseq| *rseq > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rack_is_two_numbers_and_a_method() {
        assert_eq!(RAck::parse(" 7\r\n 1  INVITE "), Some(RAck { rseq: 7, cseq: 1, method: "INVITE" }));
        for text in ["", "7", "7 1", "7 1 INVITE x", "-7 1 INVITE", "7 +1 INVITE", "4294967296 1 INVITE"] {
            assert_eq!(RAck::parse(text), None, "{text}");
        }
    }
}
