//! REFER towards us: who may have a call transferred, and the subscription by which they hear how it goes
//! (RFC 3515, RFC 4488, RFC 3892 for its Referred-By).
//!
//! Whether and how the wanted party is called is the program's to decide; here it is checked that whoever
//! asks may do so. Referred-By is a claim and is used for nothing: who asks has proved who they are.

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    contract::{Event, InviteId, Source, TransferTo},
    dialog::Dialog,
    invitation::{Invitation, Phase},
    replaces::NotReplaced,
    server_transaction::Incoming,
    text::phrase,
    timers::{Alarm, Ms, Owner},
};
use crate::message::{Event as EventHeader, Fault, Message, Name, NameAddr, ReferTo, Uri};

/// How long they hear of a transfer at most. Longer than anybody lets a phone ring.
const SUBSCRIBED_MS: Ms = 180_000;

/// The header of RFC 4488 section 4; no other message has it.
const REFER_SUB: &str = "Refer-Sub";

/// The implicit subscription of one REFER.
#[derive(Debug)]
pub(super) struct Referral {
    /// The dialog, once its call has ended: the subscription outlives it (RFC 5057 section 4.2).
    dialog: Option<Dialog>,
    /// The `id` of its event; none for the first REFER of a dialog (RFC 3515 section 2.4.6).
    pub(super) id: Option<u32>,
    /// What was said last, or is to be said next.
    code: u16,
    /// `code` was not said yet.
    is_news: bool,
    /// A NOTIFY awaits its reply: the next one waits for it, or they could overtake each other.
    is_busy: bool,
    end_at: Ms,
    alarm: Alarm,
    /// The BYE that waits until nothing is on its way: phones forget a transfer with its call.
    goodbye: Option<Goodbye>,
}

/// How a call ends that we end.
#[derive(Debug)]
pub(super) struct Goodbye {
    /// What its Reason says.
    pub(super) reason: Option<String>,
    /// Whose credentials may answer a challenge.
    pub(super) trunk: Option<std::sync::Arc<str>>,
}

impl Referral {
    /// Nothing final was said of it yet.
    pub(super) const fn is_undecided(&self) -> bool {
        self.code < 200
    }

    /// Whether there is something that they have not been told, or may come to hear.
    const fn goes_on(&self, now: Ms) -> bool {
        self.is_news || (self.code < 200 && self.end_at > now)
    }
}

/// What a REFER asks for, read.
struct Wish {
    to: TransferTo,
    /// They want to hear how it goes.
    subscribes: bool,
    /// Why it cannot be done, although it may be asked for.
    impossible: Option<u16>,
}

impl Invitation {
    /// Who is on the other side, if it is somebody we know.
    pub(super) fn party(&self) -> Option<Source> {
        self.account.clone().map(Source::Account).or_else(|| self.trunk.clone().map(Source::Trunk))
    }
}

impl Endpoint {
    /// A REFER in a dialog.
    pub(super) fn referred(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        let may = self.invites.get(&invite).is_some_and(|invitation| self.may_transfer(invitation));
        if !may {
            return self.answer(incoming, 403, |builder| builder);
        }
        let wish = match self.read_refer(invite, message) {
            Ok(wish) => wish,
            Err(fault) => return self.refuse(flow, message, fault.code, fault.reason, |builder| builder),
        };
        let Some(invitation) = self.invites.get(&invite) else { return };
        if !matches!(invitation.phase, Phase::Up) || self.referrals.contains_key(&invite) {
            return self.answer(incoming, 491, |builder| builder);
        }
        // Knowing the tags of a dialog is not enough for what costs money: the password is asked for.
        if let Some(account) = invitation.account.clone() {
            let Some(proved) = self.proved_account(flow, message) else { return };
            if proved != account {
                return self.answer(incoming, 403, |builder| builder);
            }
        }
        self.accept_refer(invite, incoming, wish);
    }

    fn may_transfer(&self, invitation: &Invitation) -> bool {
        match (&invitation.account, &invitation.trunk) {
            (Some(account), _) => self.registrar.account(account).is_some_and(|account| account.rights.transfers),
            (None, Some(trunk)) => self.trunks.get(trunk).is_some_and(|state| state.trunk.rights.transfers),
            (None, None) => false,
        }
    }

    fn read_refer(&self, invite: InviteId, message: &Message) -> Result<Wish, Fault> {
        if message.header_lines(Name::ReferTo).count() != 1 {
            return Err(Fault::bad("Not One Refer-To header"));
        }
        let refer_to = ReferTo::parse(message.header(Name::ReferTo).unwrap_or_default())?;
        let by = message.header_lines(Name::ReferredBy).count();
        let well_formed = |value: &str| NameAddr::parse(value).is_some_and(|address| address.uri().is_some());
        if by > 1 || (by == 1 && !message.header(Name::ReferredBy).is_some_and(well_formed)) {
            return Err(Fault::bad("Malformed Referred-By header"));
        }
        let subscribes = match message.header_named(REFER_SUB).map(|value| value.split(';').next().unwrap_or_default().trim()) {
            None => true,
            Some(word) if word.eq_ignore_ascii_case("true") => true,
            Some(word) if word.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(Fault::bad("Malformed Refer-Sub header")),
        };
        let (to, impossible) = match refer_to.replaces()? {
            Some(replaces) => match self.dialog_to_join(invite, &replaces) {
                Ok(other) => (TransferTo::Invitation(other), None),
                Err(NotReplaced::Malformed) => return Err(Fault::bad("Malformed Replaces header")),
                Err(why) => (TransferTo::Number(String::new()), Some(why.code())),
            },
            None => (TransferTo::Number(self.number_of(&refer_to.uri)?), None),
        };
        Ok(Wish { to, subscribes, impossible })
    }

    /// The number that is to be called. Nothing but that number is used of the URI.
    fn number_of(&self, uri: &Uri<'_>) -> Result<String, Fault> {
        if uri.is_sip() && !self.stays_here(uri) {
            return Err(Fault { code: 403, reason: "Foreign Domain" });
        }
        uri.user_decoded().map(Into::into).ok_or(Fault::bad("Nobody Is Referred To"))
    }

    fn accept_refer(&mut self, invite: InviteId, incoming: &Incoming<'_>, wish: Wish) {
        let Wish { to, subscribes, impossible } = wish;
        let contact = self.contact_in(invite);
        self.answer(incoming, 202, |builder| {
            let builder = builder.contact(contact);
            if subscribes { builder } else { builder.header_named(REFER_SUB, "false") }
        });
        if subscribes {
            let Some(invitation) = self.invites.get_mut(&invite) else { return };
            let id = std::mem::replace(&mut invitation.was_referred, true).then_some(incoming.cseq);
            let (code, is_news, is_busy, goodbye) = (impossible.unwrap_or(100), true, false, None);
            let end_at = self.now + SUBSCRIBED_MS;
            let mut referral = Referral { dialog: None, id, code, is_news, is_busy, end_at, alarm: Alarm::new(), goodbye };
            self.timers.set(&mut referral.alarm, end_at, Owner::Referral(invite));
            self.referrals.insert(invite, referral);
            self.notify_referrer(invite);
        }
        let party = self.invites.get(&invite).and_then(|invitation| invitation.party());
        if let (None, Some(by)) = (impossible, party) {
            self.tell(Event::Transferred { invite, by, to });
        }
    }

    /// A restart forgot what became of a transfer: whoever asked for it hears that it failed.
    pub(super) fn referral_forgotten(&mut self, invite: InviteId, id: Option<u32>) {
        let end_at = self.now + SUBSCRIBED_MS;
        let alarm = Alarm::new();
        self.referrals.insert(
            invite,
            Referral { dialog: None, id, code: 503, is_news: true, is_busy: false, end_at, alarm, goodbye: None },
        );
        self.notify_referrer(invite);
    }

    /// [`Command::TransferProgress`](super::Command::TransferProgress).
    pub(super) fn transfer_progress(&mut self, invite: InviteId, code: u16) {
        let Some(referral) = self.referrals.get_mut(&invite) else { return };
        if referral.goes_on(self.now) && referral.code < 200 && (101..=699).contains(&code) {
            (referral.code, referral.is_news) = (code, true);
            self.notify_referrer(invite);
        }
    }

    /// A SUBSCRIBE in the dialog of a REFER: how things stand is said again, or for the last time (RFC 3515
    /// section 2.4.4). There is no more time than there was.
    pub(super) fn resubscribe_referrer(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let (now, message) = (self.now, incoming.message);
        let event = message.header(Name::Event).and_then(EventHeader::parse);
        let named = event.and_then(|event| event.params.get("id")?.parse().ok());
        let referral = self.referrals.get_mut(&invite);
        let referral = referral.filter(|referral| referral.goes_on(now) && (referral.id.is_none() || referral.id == named));
        let Some(referral) = referral else { return self.answer(incoming, 481, |builder| builder) };
        let wanted = message.expires().map_or(SUBSCRIBED_MS, |wanted_s| Ms::from(wanted_s) * 1_000);
        (referral.end_at, referral.is_news) = (referral.end_at.min(now + wanted), true);
        let (end_at, left_s) = (referral.end_at, referral.end_at.saturating_sub(now) / 1_000);
        if end_at > now {
            self.timers.set(&mut referral.alarm, end_at, Owner::Referral(invite));
        }
        let contact = self.contact_in(invite);
        self.answer(incoming, 200, |builder| builder.contact(contact).header(Name::Expires, left_s));
        self.notify_referrer(invite);
    }

    /// Our contact in the dialog of an invitation.
    fn contact_in(&self, invite: InviteId) -> String {
        let dialog = self.invites.get(&invite).and_then(|invitation| invitation.dialog.as_ref());
        dialog.map(|dialog| self.our_contact(&dialog.to)).unwrap_or_default()
    }

    /// Says how far the transfer is, unless the last word is still on its way.
    fn notify_referrer(&mut self, invite: InviteId) {
        let (now, branch) = (self.now, self.random());
        let Some(referral) = self.referrals.get_mut(&invite) else { return };
        if referral.is_busy || !referral.is_news {
            return;
        }
        (referral.is_busy, referral.is_news) = (true, false);
        let (code, id, left_s) = (referral.code, referral.id, referral.end_at.saturating_sub(now) / 1_000);
        let state = match code {
            200.. => "terminated;reason=noresource".to_owned(),
            _ if left_s == 0 => "terminated;reason=timeout".to_owned(),
            _ => format!("active;expires={left_s}"),
        };
        let dialog = referral.dialog.as_mut().or_else(|| self.invites.get_mut(&invite)?.dialog.as_mut());
        let Some(dialog) = dialog else {
            self.referrals.remove(&invite);
            return;
        };
        dialog.local_cseq += 1;
        let (to, cseq) = (dialog.to, dialog.local_cseq);
        // Both are found above; only the counter had to be changed.
        let dialog = self.referrals.get(&invite).and_then(|referral| referral.dialog.as_ref());
        let Some(dialog) = dialog.or_else(|| self.invites.get(&invite)?.dialog.as_ref()) else { return };
        let event = id.map_or_else(|| "refer".to_owned(), |id| format!("refer;id={id}"));
        let fragment = format!("SIP/2.0 {code} {}\r\n", phrase(code));
        let message = dialog
            .request("NOTIFY", cseq, self.our_address(&to), &new_branch(branch))
            .contact(self.our_contact(&to))
            .header(Name::Event, event)
            .header(Name::SubscriptionState, state)
            .build_with_body("message/sipfrag;version=2.0", fragment.as_bytes());
        if let Ok(message) = message {
            let notify = NewClient::new(branch, ClientMethod::Other, to, message);
            self.start_client(NewClient { purpose: Purpose::Referral(invite), ..notify });
        }
    }

    /// Whether a NOTIFY is on its way, or the next one behind it.
    pub(super) fn has_news_to_tell(&self, invite: InviteId) -> bool {
        self.referrals.get(&invite).is_some_and(|referral| referral.is_busy)
    }

    /// Ends a call of ours when what is to be told about its transfer was heard.
    pub(super) fn hang_up_behind_news(&mut self, gone: Invitation, goodbye: Goodbye) {
        if let Some(referral) = self.referrals.get_mut(&gone.id) {
            (referral.dialog, referral.goodbye) = (gone.dialog, Some(goodbye));
        }
    }

    /// A NOTIFY was answered, or found no answer. Who does not take it wants to hear no more (RFC 6665 section 4.2.2).
    pub(super) fn referrer_replied(&mut self, invite: InviteId, code: u16) {
        let now = self.now;
        let Some(referral) = self.referrals.get_mut(&invite) else { return };
        referral.is_busy = false;
        let is_over = code >= 300 || !referral.goes_on(now);
        if (is_over || !referral.is_news)
            && let Some((goodbye, mut dialog)) = referral.goodbye.take().zip(referral.dialog.take())
        {
            self.send_bye(&mut dialog, goodbye.reason, goodbye.trunk);
            if let Some(referral) = self.referrals.get_mut(&invite) {
                referral.dialog = Some(dialog);
            }
        }
        if is_over {
            self.referrals.remove(&invite);
        } else {
            self.notify_referrer(invite);
        }
    }

    /// The subscription is over, whatever became of the transfer.
    pub(super) fn referral_due(&mut self, invite: InviteId, at: Ms) {
        let Some(referral) = self.referrals.get_mut(&invite) else { return };
        if !referral.alarm.popped(at) || referral.code >= 200 {
            return;
        }
        referral.is_news = true;
        self.notify_referrer(invite);
    }

    /// A call ended: what is still to be said of its transfer is said in its dialog all the same.
    pub(super) fn keep_for_referral(&mut self, gone: Invitation) {
        if let Some(referral) = self.referrals.get_mut(&gone.id) {
            referral.dialog = gone.dialog;
        }
    }
}

/// Whether a SUBSCRIBE is about a REFER.
pub(super) fn is_meant(message: &Message) -> bool {
    let event = message.header(Name::Event).and_then(EventHeader::parse);
    event.is_some_and(|event| event.package.eq_ignore_ascii_case("refer"))
}
