//! REFER from us: a carrier is asked to connect the party of a call to somebody else, and is left with it (RFC 3515,
//! RFC 3420, RFC 6665).
//!
//! What the carrier answers is only the beginning: how it went is said by its NOTIFYs, in a subscription that nobody
//! asked for. The first final word counts, and so does silence: the program hears of each wish exactly once, unless
//! the invitation ends before.

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    contract::{Event, InviteId},
    invitation::Phase,
    server_transaction::Incoming,
    text::EscapedUser,
    timers::{Ms, NEVER},
};
use crate::message::{Event as EventHeader, Message, Name};

/// How long it may take from our REFER to the final word. Longer than the carrier lets anybody's phone ring.
const PATIENCE_MS: Ms = 90_000;

/// What stands for a carrier that says nothing of how it went.
const SILENCE: u16 = 408;

/// The media type of what NOTIFY brings (RFC 3420).
const FRAGMENT: (&str, &str) = ("message", "sipfrag");

/// A wish to hand the party of a call back.
#[derive(Debug)]
pub(super) struct HandBack {
    number: String,
    /// The number of our REFER; `None` as long as it waits for the ACK of our answer.
    cseq: Option<u32>,
    end_at: Ms,
}

impl HandBack {
    /// When it has taken too long.
    pub(super) const fn due(&self) -> Ms {
        if self.cseq.is_some() { self.end_at } else { NEVER }
    }
}

impl Endpoint {
    /// [`Command::HandBack`](super::Command::HandBack).
    pub(super) fn hand_back(&mut self, invite: InviteId, number: String) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let is_open = matches!(invitation.phase, Phase::Up) && invitation.trunk.is_some();
        if !is_open || invitation.hand_back.is_some() {
            return self.tell(Event::HandedBack { invite, code: 403 });
        }
        invitation.hand_back = Some(Box::new(HandBack { number, cseq: None, end_at: NEVER }));
        self.refer_when_acknowledged(invite);
    }

    /// Sends our REFER, unless the ACK of our answer is still on its way: it could be overtaken.
    pub(super) fn refer_when_acknowledged(&mut self, invite: InviteId) {
        let Some(invitation) = self.invites.get(&invite).filter(|invitation| invitation.unacked.is_none()) else { return };
        let Some(wish) = invitation.hand_back.as_ref().filter(|wish| wish.cseq.is_none()) else { return };
        let (Some(dialog), Some(trunk)) = (&invitation.dialog, &invitation.trunk) else { return };
        let (to, cseq) = (dialog.to, dialog.local_cseq + 1);
        let (user, host) = (EscapedUser(&wish.number), self.trunks.authority(trunk).map(str::to_owned));
        let refer_to = format!("<sip:{user}@{}>", host.unwrap_or_else(|| to.address().to_string()));
        let (trunk, is_in_theirs) = (Some(trunk.clone()), !dialog.ours);
        let branch = self.random();
        let Some(dialog) = self.invites.get(&invite).and_then(|invitation| invitation.dialog.as_ref()) else { return };
        let message = dialog
            .request("REFER", cseq, self.our_address(&to), &new_branch(branch))
            .contact(self.our_contact(&to))
            .header(Name::ReferTo, refer_to)
            .header(Name::ReferredBy, &dialog.local)
            .header(Name::Accept, format_args!("{}/{}", FRAGMENT.0, FRAGMENT.1))
            .build();
        let end_at = self.now + PATIENCE_MS;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if let (Some(dialog), Some(wish)) = (&mut invitation.dialog, &mut invitation.hand_back) {
            dialog.local_cseq = cseq;
            (wish.cseq, wish.end_at) = (Some(cseq), end_at);
        }
        self.arm_invite(invite);
        match message {
            Ok(message) => {
                let refer = NewClient::new(branch, ClientMethod::Other, to, message);
                self.start_client(NewClient { purpose: Purpose::HandBack(invite), trunk, is_in_theirs, ..refer });
            }
            Err(_) => self.handed_back(invite, 500),
        }
    }

    /// Our REFER was answered, or found no answer. A NOTIFY may have been faster.
    pub(super) fn hand_back_replied(&mut self, invite: InviteId, code: u16) {
        if code >= 300 {
            self.handed_back(invite, code);
        }
    }

    /// Our REFER was sent again with a proof, by the next number.
    pub(super) fn hand_back_again(&mut self, invite: InviteId, cseq: Option<u32>) {
        if let Some(wish) = self.invites.get_mut(&invite).and_then(|invitation| invitation.hand_back.as_mut()) {
            wish.cseq = cseq;
        }
    }

    /// A NOTIFY in a dialog: how it goes.
    pub(super) fn told_of_hand_back(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let message = incoming.message;
        let event = message.header(Name::Event).and_then(EventHeader::parse);
        if event.as_ref().is_some_and(|event| !event.package.eq_ignore_ascii_case("refer")) {
            return self.answer(incoming, 489, |builder| builder.header(Name::AllowEvents, "refer"));
        }
        let asked = self.invites.get(&invite).and_then(|invitation| invitation.hand_back.as_ref()?.cseq);
        // RFC 3515 section 2.4.6: the first REFER of a dialog need not be named.
        let is_named = |event: &EventHeader<'_>| event.params.get("id").is_none_or(|id| id.parse().ok() == asked);
        if asked.is_none() || !event.is_some_and(|event| is_named(&event)) {
            return self.answer(incoming, 481, |builder| builder);
        }
        let is_over = message
            .header(Name::SubscriptionState)
            .is_some_and(|state| state.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("terminated"));
        if !message.body().is_empty() && !message.content_type().is_some_and(|body| body.is(FRAGMENT.0, FRAGMENT.1)) {
            let accept = format!("{}/{}", FRAGMENT.0, FRAGMENT.1);
            return self.answer(incoming, 415, |builder| builder.header(Name::Accept, accept));
        }
        let code = code_of_fragment(message);
        if code.is_none() && !is_over {
            return self.answer(incoming, 400, |builder| builder);
        }
        self.answer(incoming, 200, |builder| builder);
        match code {
            Some(code @ 200..) => self.handed_back(invite, code),
            _ if is_over => self.handed_back(invite, SILENCE),
            _ => {}
        }
    }

    /// It has taken too long.
    pub(super) fn hand_back_due(&mut self, invite: InviteId) {
        let now = self.now;
        let wish = self.invites.get(&invite).and_then(|invitation| invitation.hand_back.as_ref());
        if wish.is_some_and(|wish| wish.due() <= now) {
            self.handed_back(invite, SILENCE);
        }
    }

    /// The final word, told once.
    fn handed_back(&mut self, invite: InviteId, code: u16) {
        let wish = self.invites.get_mut(&invite).and_then(|invitation| invitation.hand_back.take());
        if wish.is_some() {
            self.arm_invite(invite);
            self.tell(Event::HandedBack { invite, code });
        }
    }
}

/// The status code of `SIP/2.0 200 OK`, with which the body begins. What follows it means nothing.
fn code_of_fragment(message: &Message) -> Option<u16> {
    let line = message.body().split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let rest = str::from_utf8(line.get(..line.len().min(64))?).ok()?.strip_prefix("SIP/2.0 ")?;
    let code = rest.split(' ').next().filter(|code| code.len() == 3)?;
    code.parse().ok().filter(|code| (100..=699).contains(code))
}
