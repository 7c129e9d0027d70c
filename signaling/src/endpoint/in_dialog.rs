//! Requests inside dialogs, both ways, and the end of dialogs (RFC 3261 sections 12.2, 15).

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, new_branch},
    contract::{EndedHow, Event, InviteId},
    dialog::Dialog,
    invitation::{Exchange, Invitation, Phase},
    receive::options_headers,
    refer,
    refer::Goodbye,
    server_transaction::Incoming,
    text::phrase,
};
use crate::message::{Message, Method, Name, Reason};

impl Endpoint {
    /// A request with a To tag (but ACK and CANCEL).
    pub(super) fn in_dialog(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, method, .. } = *incoming;
        let room = self.has_room(false);
        let found = self.dialog_of(incoming).and_then(|(id, dialog)| Some((self.invites.get_mut(&id)?, dialog)));
        let Some((invitation, dialog)) = found.filter(|(invitation, _)| invitation.is_visible()) else {
            return self.refuse(flow, message, 481, phrase(481), |builder| builder);
        };
        let invite = invitation.id;
        if method != Method::Bye && !room {
            return self.overloaded(flow, message);
        }
        let in_order = invitation.dialog_at(dialog).is_some_and(|(dialog, _)| dialog.take_cseq(incoming.cseq));
        if !in_order {
            // RFC 3261 section 12.2.2.
            return self.answer(incoming, 500, |builder| builder);
        }
        self.heard_again(invite, flow);
        match method {
            Method::Bye if dialog != 0 => self.early_hung_up(invite, dialog, incoming),
            Method::Bye => self.hung_up(invite, incoming),
            Method::Invite | Method::Update => self.reoffered(invite, dialog, incoming),
            Method::Prack => self.pracked(invite, incoming),
            Method::Info => self.informed(invite, incoming),
            Method::Refer => self.referred(invite, incoming),
            Method::Notify => self.told_of_hand_back(invite, incoming),
            Method::Options => self.answer(incoming, 200, options_headers),
            Method::Subscribe if refer::is_meant(message) => self.resubscribe_referrer(invite, incoming),
            // A text goes to a user, not into a call; and no other subscription shares the dialog of one.
            Method::Message | Method::Subscribe => self.answer(incoming, 403, |builder| builder),
            _ => self.answer(incoming, 405, |builder| builder.header(Name::Allow, super::receive::ALLOW)),
        }
    }

    /// BYE. An incoming invitation that was never answered ends by it as well.
    fn hung_up(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let unanswered = match self.invites.get(&invite).map(|invitation| &invitation.phase) {
            Some(Phase::Ringing { server, .. }) => Some(*server),
            _ => None,
        };
        self.answer(incoming, 200, |builder| builder);
        self.tell_last_headers(invite, incoming.message);
        if let Some(server) = unanswered {
            self.reply(server, 487, "", |builder| builder, None);
            self.finish(invite);
            return self.tell(Event::Cancelled { invite });
        }
        if let Some(gone) = self.finish(invite) {
            self.keep_for_referral(*gone);
        }
        self.tell(Event::Ended { invite, how: EndedHow::Bye { cause: cause_of(incoming.message) } });
    }

    /// Ends a dialog from our side. No event.
    pub(super) fn hang_up(&mut self, invite: InviteId, reason: Option<String>) {
        if let Some(mut gone) = self.finish(invite)
            && let Some(dialog) = &mut gone.dialog
        {
            let trunk = gone.trunk.take();
            if self.has_news_to_tell(invite) {
                return self.hang_up_behind_news(*gone, Goodbye { reason, trunk });
            }
            self.send_bye(dialog, reason, trunk);
            self.keep_for_referral(*gone);
        }
    }

    /// `trunk`: whose credentials may answer a challenge.
    pub(super) fn send_bye(&mut self, dialog: &mut Dialog, reason: Option<String>, trunk: Option<std::sync::Arc<str>>) {
        let branch = self.random();
        dialog.local_cseq += 1;
        let mut builder = dialog.request("BYE", dialog.local_cseq, self.our_address(&dialog.to), &new_branch(branch));
        if let Some(reason) = reason {
            builder = builder.header(Name::Reason, reason);
        }
        if let Ok(message) = builder.build() {
            let bye = NewClient::new(branch, ClientMethod::Other, dialog.to, message);
            self.start_client(NewClient { trunk, is_in_theirs: !dialog.ours, ..bye });
        }
    }

    /// Takes an invitation off all tables. What its transactions still have to do, they do alone.
    pub(super) fn finish(&mut self, invite: InviteId) -> Option<Box<Invitation>> {
        self.refuse_pending_reoffer(invite, 487);
        self.take_forks(invite);
        let mut gone = self.invites.remove(&invite)?;
        if let Some(dialog) = &gone.dialog {
            self.by_tag.remove(&dialog.local_tag);
            if let Some(key) = dialog.acked_by {
                self.forget_acks(key);
            }
        }
        if let Exchange::Ours { client, .. } = std::mem::replace(&mut gone.exchange, Exchange::Nobody) {
            // Nobody says its answer again after the dialog: it must not wait for one as a ringing INVITE does.
            self.cancel_client(client, None);
        }
        self.trunks.give_back(gone.trunk.as_deref());
        self.forget_away(invite, gone.account.clone());
        Some(gone)
    }
}

impl Invitation {
    /// Whether the program still hears of it.
    const fn is_visible(&self) -> bool {
        !matches!(self.phase, Phase::Leaving { .. })
    }
}

/// The first cause of the Reason headers.
fn cause_of(message: &Message) -> Option<(String, u16)> {
    let reasons = message.headers(Name::Reason).filter_map(Reason::parse);
    reasons.filter_map(|reason| Some((reason.protocol.chars().take(32).collect(), reason.cause()?))).next()
}
