//! Early dialogs of outgoing invitations: one for each that rings at the end of a fork, each with its
//! own route, numbers, offer and answer (RFC 3261 section 12.1, 13.2.2.1); PRACK (RFC 3262 section 4).

use bytes::Bytes;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, Inside, NewClient, Purpose, new_branch},
    contract::{Event, InviteId},
    dialog::{Dialog, Trust},
    invitation::{Calling, Exchange, Fork, Phase},
    negotiation::{Carrier, Negotiation, Step},
    receive::sdp_of,
    reliable::rseq_of,
    server_transaction::Incoming,
    slab::Key,
};
use crate::{
    flow::Flow,
    message::{Message, Name},
};

/// As many can ring at the end of one fork; others are heard, but not talked to.
const MOST_EARLY: usize = 8;

/// One early dialog.
#[derive(Debug)]
pub(super) struct Early {
    /// Never 0.
    pub(super) name: u64,
    pub(super) dialog: Dialog,
    pub(super) negotiation: Negotiation,
    /// The number of the last reliable reply.
    rseq: Option<u32>,
    /// Their answer, once it came reliably.
    answer: Option<Bytes>,
}

impl Early {
    /// Takes the number of a reliable reply: any first one, then one after the other. Repetitions and
    /// whatever came too early are as if they had not come.
    fn take_rseq(&mut self, rseq: u32) -> bool {
        let fits = self.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if fits {
            self.rseq = Some(rseq);
        }
        fits
    }
}

/// What becomes of an early dialog that was answered.
pub(super) struct Settled {
    pub(super) name: u64,
    pub(super) negotiation: Negotiation,
    /// Their answer, if it came before the 2xx.
    pub(super) answer: Option<Bytes>,
}

impl Endpoint {
    pub(super) fn calling(&mut self, invite: InviteId) -> Option<&mut Calling> {
        match &mut self.invites.get_mut(&invite)?.phase {
            Phase::Calling(calling) => Some(calling),
            _ => None,
        }
    }

    /// A provisional reply above 100.
    pub(super) fn fork_progressed(&mut self, invite: InviteId, key: Key, flow: Flow, response: &Message, code: u16) {
        let name = self.early_of(invite, key, flow, response);
        let rseq = rseq_of(response);
        let mut sdp = sdp_of(response);
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        if let Some(early) = invitation.early().find(|early| Some(early.name) == name) {
            if rseq.is_some_and(|rseq| !early.take_rseq(rseq)) {
                return;
            }
            if early.negotiation != Negotiation::Ours(Carrier::Invite) {
                // The answer is there; whatever comes after it says nothing (RFC 3261 section 13.2.1).
                sdp = None;
            }
            if rseq.is_some() && sdp.is_some() && early.negotiation.take(Step::TheyAnswer(Carrier::Progress)).is_ok() {
                early.answer.clone_from(&sdp);
            }
        } else if rseq.is_some() {
            // It cannot be acknowledged, so it cannot be taken.
            return;
        }
        if let (Some(calling), Some(name), true) = (self.calling(invite), name, sdp.is_some()) {
            calling.heard = name;
        }
        if let (Some(rseq), Some(name), Ok(cseq)) = (rseq, name, response.cseq()) {
            self.send_prack(invite, key, name, format!("{rseq} {} INVITE", cseq.number));
        }
        if self.calling(invite).is_some() {
            self.tell(Event::Progressed { invite, code, sdp, flow });
        }
    }

    /// The early dialog of a reply, made if there is none yet.
    fn early_of(&mut self, invite: InviteId, key: Key, flow: Flow, response: &Message) -> Option<u64> {
        let tag = response.to().ok()?.tag()?;
        let trust = if self.clients.get(key)?.trunk.is_some() { Trust::Contact } else { Trust::Source };
        let hasher = self.hasher;
        let fork = self.calling(invite)?.forks.iter_mut().find(|fork| fork.client == key)?;
        let local_tag = fork.local_tag;
        let name = hasher.short_key(&[&local_tag.to_be_bytes(), tag.as_bytes()]).max(1);
        if let Some(known) = fork.early.iter_mut().find(|early| early.name == name) {
            known.dialog.note_allow(response);
            return Some(name);
        }
        if fork.early.len() >= MOST_EARLY {
            return None;
        }
        let dialog = Dialog::uac(response, flow, local_tag, trust).ok()?;
        fork.early.push(Early { name, dialog, negotiation: Negotiation::Ours(Carrier::Invite), rseq: None, answer: None });
        self.by_tag.insert(local_tag, invite);
        Some(name)
    }

    fn send_prack(&mut self, invite: InviteId, key: Key, name: u64, rack: String) {
        let branch = self.random();
        let Some(cseq) = self.next_cseq(invite, name) else { return };
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let trunk = invitation.trunk.clone();
        let Some(to) = invitation.dialog_at(name).map(|(dialog, _)| dialog.to) else { return };
        let ours = self.our_address(&to);
        let Some((dialog, _)) = self.invites.get_mut(&invite).and_then(|invitation| invitation.dialog_at(name)) else { return };
        let message = dialog.request("PRACK", cseq, ours, &new_branch(branch)).header(Name::RAck, rack).build();
        if let Ok(message) = message {
            let purpose = Purpose::Inside { invite, dialog: name, what: Inside::Prack };
            let prack = NewClient::new(branch, ClientMethod::Other, to, message);
            self.start_client(NewClient { trunk, purpose, ..prack });
            self.note_cseq(key, cseq);
        }
    }

    /// Counts one more request of ours in a dialog.
    pub(super) fn next_cseq(&mut self, invite: InviteId, dialog: u64) -> Option<u32> {
        let (dialog, _) = self.invites.get_mut(&invite)?.dialog_at(dialog)?;
        dialog.local_cseq = dialog.local_cseq.checked_add(1)?;
        Some(dialog.local_cseq)
    }

    /// Takes what is known of the early dialog that a 2xx comes from.
    pub(super) fn settle_early(&mut self, invite: InviteId, dialog: &mut Dialog) -> Option<Settled> {
        let mut early = self.invites.get_mut(&invite)?.early();
        let early = early.find(|early| early.dialog.is_same(dialog))?;
        dialog.carry_on(&early.dialog);
        let negotiation =
            if early.negotiation == Negotiation::Ours(Carrier::Invite) { Negotiation::Agreed } else { early.negotiation };
        Some(Settled { name: early.name, negotiation, answer: early.answer.take() })
    }

    /// Takes all forks away, with their early dialogs.
    pub(super) fn take_forks(&mut self, invite: InviteId) -> Vec<Fork> {
        let forks = self.calling(invite).map(|calling| std::mem::take(&mut calling.forks)).unwrap_or_default();
        for fork in &forks {
            self.by_tag.remove(&fork.local_tag);
        }
        forks
    }

    /// Takes one fork away, with its early dialogs and what is under way in them.
    pub(super) fn take_fork(&mut self, invite: InviteId, key: Key) -> Option<Fork> {
        let calling = self.calling(invite)?;
        let at = calling.forks.iter().position(|fork| fork.client == key)?;
        let fork = calling.forks.swap_remove(at);
        self.by_tag.remove(&fork.local_tag);
        self.leave_exchange(invite, |early| fork.early.iter().any(|gone| gone.name == early));
        Some(fork)
    }

    /// Ends what is under way in early dialogs that are gone.
    pub(super) fn leave_exchange(&mut self, invite: InviteId, is_gone: impl Fn(u64) -> bool) {
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        match &invitation.exchange {
            Exchange::Ours { early, .. } if is_gone(*early) => {
                invitation.exchange = Exchange::Nobody;
                self.tell(Event::ReofferRejected { invite, code: 487 });
            }
            Exchange::Theirs { early, .. } if is_gone(*early) => self.refuse_pending_reoffer(invite, 487),
            _ => {}
        }
    }

    /// BYE in an early dialog. The called side should not (RFC 3261 section 15), but may have answered
    /// and heard no ACK: nobody is there any more, so this INVITE is given up.
    pub(super) fn early_hung_up(&mut self, invite: InviteId, name: u64, incoming: &Incoming<'_>) {
        self.answer(incoming, 200, |builder| builder);
        let Some(calling) = self.calling(invite) else { return };
        let Some(fork) = calling.forks.iter_mut().find(|fork| fork.early.iter().any(|early| early.name == name)) else { return };
        let client = fork.client;
        if fork.early.len() > 1 {
            fork.early.retain(|early| early.name != name);
            return self.leave_exchange(invite, |early| early == name);
        }
        self.take_fork(invite, client);
        self.cancel_client(client, None);
        self.fork_gone(invite, 480);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reliable_replies_are_taken_one_after_the_other() {
        let text = "SIP/2.0 183 X\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
        let response = Message::parse(text.into()).unwrap();
        let flow = Flow::udp("127.0.0.1:5060".parse().unwrap(), "127.0.0.2:5060".parse().unwrap());
        let dialog = Dialog::uac(&response, flow, 1, Trust::Source).unwrap();
        let mut early = Early { name: 1, dialog, negotiation: Negotiation::Ours(Carrier::Invite), rseq: None, answer: None };
        let taken = [900, 900, 902, 901, 902, 901, 903, u32::MAX].map(|rseq| early.take_rseq(rseq));
        assert_eq!(taken, [true, false, false, true, true, false, true, false]);
        early.rseq = Some(u32::MAX);
        assert!(!early.take_rseq(0));
    }
}
