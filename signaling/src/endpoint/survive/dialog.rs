//! An answered leg: its dialog and what belongs to it, out and in.

use bytes::Bytes;

use super::{
    CSEQ_JUMP, Moment, NotRestored, Restored, VERSION,
    away::{Away, Revived},
    check_version,
    kept::{KeptAnswer, KeptDevice, KeptDialog, KeptSession, KeptWay},
};
use crate::{
    endpoint::{
        Endpoint,
        contract::{Destination, InviteId},
        dialog::{Dialog, MOST_ROUTES, Trust},
        invitation::{Exchange, Invitation, Phase, Unacked},
        negotiation::{Carrier, Negotiation},
        session_timer::{LONGEST_S, Session},
        text::Token,
        timers::Ms,
    },
    message::{Message, NameAddr, Uri},
};

/// Longer texts were never kept, in bytes.
const LONGEST_LINE: usize = 2_048;
const LONGEST_BODY: usize = 16_384;
/// Numbers of requests stay below 2³¹ (RFC 3261 section 8.1.1.5).
const MOST_CSEQ: u32 = 1 << 31;

impl Endpoint {
    pub(super) fn keep_dialog(&self, now: Moment, invitation: &Invitation) -> Option<KeptDialog> {
        let dialog = invitation.dialog.as_ref()?;
        let account = invitation.account.as_deref();
        let is_open = !matches!(invitation.exchange, Exchange::Nobody) || invitation.later.is_some();
        let referral = self.referrals.get(&invitation.id).filter(|referral| referral.is_undecided());
        Some(KeptDialog {
            v: VERSION,
            call_id: dialog.call_id.to_string(),
            local_tag: Token::new(dialog.local_tag).as_str().to_owned(),
            remote_tag: dialog.remote_tag.to_string(),
            local: dialog.local.to_string(),
            remote: dialog.remote.to_string(),
            target: dialog.target.to_string(),
            routes: dialog.routes.iter().map(|route| route.to_string()).collect(),
            local_cseq: dialog.local_cseq,
            remote_cseq: dialog.remote_cseq,
            is_ours: dialog.ours,
            takes_update: dialog.takes_update,
            to: KeptWay::of(&dialog.to),
            flow: KeptWay::of_flow(&dialog.flow),
            device: invitation.device().cloned().or_else(|| self.device_by(account?, &dialog.to)),
            trunk: invitation.trunk.as_deref().map(str::to_owned),
            account: account.map(str::to_owned),
            described: String::from_utf8_lossy(&invitation.described).into_owned(),
            is_open,
            session: invitation.session.map(|session| self.keep_session(now, &session)),
            unacked: invitation.unacked.as_ref().and_then(|unacked| keep_answer(unacked, invitation.negotiation)),
            was_referred: invitation.was_referred,
            referral: referral.map(|referral| referral.id.unwrap_or(0)),
        })
    }

    /// The device at the other end of a connection.
    fn device_by(&self, account: &str, to: &Destination) -> Option<KeptDevice> {
        let Destination::Flow(flow) = to else { return None };
        let connection = flow.connection?;
        let mut bindings = self.registrar.bindings(account);
        bindings.find(|binding| binding.flow.connection == Some(connection)).map(|binding| self.device_of(binding))
    }

    fn keep_session(&self, now: Moment, session: &Session) -> KeptSession {
        let Session { interval_s, min_s, is_ours, at } = *session;
        // A refresh under way is not known to have been heard.
        let ahead_ms = if at == Ms::MAX { 0 } else { at.saturating_sub(self.now) };
        let behind_ms = self.now.saturating_sub(at);
        let due_unix_ms = now.unix_ms.saturating_add(ahead_ms).saturating_sub(behind_ms);
        KeptSession { interval_s, min_s, is_ours, due_unix_ms }
    }

    pub(super) fn restore_dialog(&mut self, now: Moment, kept: &KeptDialog) -> Result<Restored, NotRestored> {
        check_version(kept.v)?;
        let mut dialog = self.dialog_again(kept)?;
        let session = kept.session.as_ref().map(|session| self.session_again(now, session)).transpose()?;
        let unacked = kept.unacked.as_ref().map(|answer| self.answer_again(answer)).transpose()?;
        if kept.described.len() > LONGEST_BODY {
            return Err(NotRestored::Nonsense("description"));
        }
        if self.by_tag.contains_key(&dialog.local_tag) {
            return Err(NotRestored::There);
        }
        if !self.has_room(true) {
            return Err(NotRestored::Full);
        }
        let (invite, local_tag) = (self.next_invite(), dialog.local_tag);
        let asks = kept.unacked.as_ref().is_some_and(|answer| answer.is_offer);
        let negotiation = if asks { Negotiation::Ours(Carrier::Accept) } else { Negotiation::Agreed };
        let account: Option<std::sync::Arc<str>> = kept.account.as_deref().map(Into::into);
        let trunk: Option<std::sync::Arc<str>> = kept.trunk.as_deref().map(Into::into);
        let device = kept.device.clone().filter(|_| account.is_some() && kept.to.transport.is_reliable());
        let is_away = device.is_some();
        let mut away = device.map(|device| Away::new(Some(device), self.now));
        // The carrier's name is looked up while we start.
        if let Some(trunk) = trunk.as_deref().filter(|_| is_dialled(&kept.to) && dialog.goes_by_name()) {
            match self.dialled_again(trunk, &dialog) {
                Some(to) => dialog.to = to,
                None => away = Some(Away::new(None, self.now)),
            }
        }
        let revived = Revived::new(self.now + 64 * self.timing.t1, away);
        if let Some(trunk) = &trunk {
            self.trunks.count_call(trunk);
        }
        let invitation = Invitation {
            dialog: Some(dialog),
            described: Bytes::copy_from_slice(kept.described.as_bytes()),
            trunk,
            account: account.clone(),
            was_referred: kept.was_referred,
            session,
            unacked: unacked.map(Box::new),
            revived: Some(Box::new(revived)),
            ..Invitation::new(invite, Phase::Up, negotiation)
        };
        self.invites.insert(invite, Box::new(invitation));
        self.by_tag.insert(local_tag, invite);
        if is_away {
            self.note_away(invite, account);
        }
        self.go_on(invite, kept);
        Ok(Restored::Up { invite, needs_offer: kept.is_open })
    }

    /// What a restored leg has to do first.
    fn go_on(&mut self, invite: InviteId, kept: &KeptDialog) {
        self.arm_invite(invite);
        if let Some(id) = kept.referral {
            self.referral_forgotten(invite, Some(id).filter(|id| *id > 0));
        }
    }

    fn dialog_again(&self, kept: &KeptDialog) -> Result<Dialog, NotRestored> {
        let bad = NotRestored::Nonsense;
        let local_tag = Token::read(&kept.local_tag).ok_or(bad("tag"))?;
        let is_remote = address(&kept.remote).is_some_and(|remote| remote.tag().unwrap_or_default() == kept.remote_tag);
        let is_local = address(&kept.local).is_some_and(|local| local.tag().is_none());
        let is_call_id = line(&kept.call_id) && !kept.call_id.bytes().any(|byte| byte.is_ascii_whitespace());
        let is_route = |route: &String| line(route) && address(route).is_some_and(|route| route.uri().is_some());
        for (is_right, what) in [
            (is_remote, "party"),
            (is_local, "own address"),
            (is_call_id, "Call-ID"),
            (line(&kept.target) && Uri::parse(&kept.target).is_some(), "target"),
            (kept.routes.len() <= MOST_ROUTES && kept.routes.iter().all(is_route), "routes"),
            (kept.local_cseq < MOST_CSEQ - 2 * CSEQ_JUMP, "number"),
            (kept.trunk.is_none() || kept.account.is_none(), "side"),
            (is_way(&kept.to) && is_way(&kept.flow), "way"),
        ] {
            if !is_right {
                return Err(bad(what));
            }
        }
        let next_hop = kept.routes.first().unwrap_or(&kept.target);
        Ok(Dialog {
            local_tag,
            call_id: (*kept.call_id).into(),
            remote_tag: (*kept.remote_tag).into(),
            local: (*kept.local).into(),
            remote: (*kept.remote).into(),
            target: (*kept.target).into(),
            routes: kept.routes.iter().map(|route| (**route).into()).collect(),
            local_cseq: kept.local_cseq + CSEQ_JUMP,
            remote_cseq: kept.remote_cseq,
            to: self.way_again(&kept.to, next_hop),
            flow: self.flow_again(&kept.flow),
            trust: if kept.trunk.is_some() { Trust::Contact } else { Trust::Source },
            ours: kept.is_ours,
            acked_by: None,
            takes_update: kept.takes_update,
        })
    }

    /// The session timer, and whether the session is over. What fell due meanwhile is due now.
    fn session_again(&self, now: Moment, kept: &KeptSession) -> Result<Session, NotRestored> {
        let KeptSession { interval_s, min_s, is_ours, due_unix_ms } = *kept;
        if interval_s == 0 || interval_s > LONGEST_S || min_s > LONGEST_S {
            return Err(NotRestored::Nonsense("session timer"));
        }
        // A wall clock that was set back must not make a session last for ever.
        let ahead_ms = due_unix_ms.saturating_sub(now.unix_ms).min(Ms::from(interval_s) * 1_000);
        let late_ms = now.unix_ms.saturating_sub(due_unix_ms);
        let session = Session { interval_s, min_s, is_ours, at: self.now + ahead_ms };
        let is_over = if is_ours { late_ms >= session.half() } else { ahead_ms == 0 };
        // A session that is over ends at the next turn: whoever takes the leg up ends it before that or hears of its end,
        // and never both.
        Ok(if is_over { Session { is_ours: false, at: self.now + 1, ..session } } else { session })
    }

    fn answer_again(&self, kept: &KeptAnswer) -> Result<Unacked, NotRestored> {
        let bytes = Bytes::copy_from_slice(kept.text.as_bytes());
        let message = Message::parse(bytes.clone())
            .ok()
            .filter(|message| kept.text.len() <= LONGEST_BODY && is_way(&kept.to) && is_2xx(message));
        let message = message.ok_or(NotRestored::Nonsense("answer"))?;
        let via = message.via().ok();
        let hop = via.map(|via| format!("sip:{}:{}", via.host, via.port.unwrap_or(kept.to.transport.default_port())));
        let t1 = self.timing.t1;
        Ok(Unacked {
            bytes,
            to: self.way_again(&kept.to, &hop.unwrap_or_default()),
            cseq: kept.cseq,
            interval: t1,
            resend_at: self.now,
            end_at: self.now + 64 * t1,
        })
    }
}

fn keep_answer(unacked: &Unacked, negotiation: Negotiation) -> Option<KeptAnswer> {
    let text = str::from_utf8(&unacked.bytes).ok().filter(|text| text.len() <= LONGEST_BODY)?.to_owned();
    let is_offer = negotiation == Negotiation::Ours(Carrier::Accept);
    Some(KeptAnswer { text, to: KeptWay::of(&unacked.to), cseq: unacked.cseq, is_offer })
}

fn is_2xx(message: &Message) -> bool {
    message.code().is_some_and(|code| (200..300).contains(&code))
}

/// Whether a text can stand in a line of a message.
fn line(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_LINE && !text.chars().any(char::is_control)
}

fn address(text: &str) -> Option<NameAddr<'_>> {
    Some(text).filter(|text| line(text)).and_then(NameAddr::parse)
}

/// Whether it is a connection that we can open.
const fn is_dialled(way: &KeptWay) -> bool {
    way.transport.is_reliable() && way.transport.can_be_dialled()
}

/// Whether a message can be sent there.
pub(super) fn is_way(way: &KeptWay) -> bool {
    way.remote.port() != 0 && !way.remote.ip().is_unspecified() && !way.remote.ip().is_multicast()
}
