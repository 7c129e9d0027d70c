//! What replies do to client transactions (RFC 3261 section 17.1, RFC 6026 section 7.2, RFC 8760).

use bytes::Bytes;

use super::{Cancel, ClientMethod, MOST_TRIES, NewClient, Purpose, State, same_head};
use crate::{
    endpoint::{
        Endpoint, contract::Destination, health::address_of, session_timer::min_of, slab::Key, text::read_branch, timers::NEVER,
    },
    flow::Flow,
    message::{Message, Name},
};

impl Endpoint {
    /// A response came.
    pub(in crate::endpoint) fn response(&mut self, flow: Flow, response: &Message) {
        let Some(code) = response.code() else { return };
        let (Ok(via), Ok(cseq)) = (response.via(), response.cseq()) else { return };
        let Some(branch) = via.branch().and_then(read_branch) else { return };
        let method = match cseq.method {
            "INVITE" => ClientMethod::Invite,
            "CANCEL" => ClientMethod::Cancel,
            _ => ClientMethod::Other,
        };
        let Some(&key) = self.clients.by_branch.get(&(branch, method == ClientMethod::Cancel)) else {
            return self.answered_before(flow, response);
        };
        let Some(row) = self.clients.get_mut(key).filter(|row| row.method == method) else { return };
        let peer = (row.is_to_peer() && row.is_open()).then_some(row.to);
        if flow.connection.is_some() {
            // From now on it is this connection that matters, and that a CANCEL goes by.
            row.to = Destination::Flow(flow);
            self.note_connection(&Destination::Flow(flow));
        }
        match peer {
            Some(peer) if code == 503 => {
                let wish_s = response.header(Name::RetryAfter).and_then(crate::message::read_seconds);
                self.peer_failed(&peer, wish_s);
            }
            Some(peer) => self.health.answered(address_of(&peer)),
            None => {}
        }
        match (method, code) {
            (ClientMethod::Invite, 100..=199) => self.invite_provisional(key, flow, response, code),
            (ClientMethod::Invite, 200..=299) => self.invite_accepted(key, flow, response),
            (ClientMethod::Invite, _) => self.invite_refused(key, flow, response, code),
            (_, 100..=199) => self.other_provisional(key),
            (_, _) => self.other_final(key, flow, response, code),
        }
    }

    fn invite_provisional(&mut self, key: Key, flow: Flow, response: &Message, code: u16) {
        let longest = self.now + self.timing.longest_ring;
        let Some(row) = self.clients.get_mut(key).filter(|row| row.is_open()) else { return };
        if matches!(row.state, State::Calling) {
            row.state = State::Proceeding;
            row.resend_at = NEVER;
            row.end_at = longest;
            if let Purpose::Fork(invite) = row.purpose {
                self.invites.touch(invite);
            }
        }
        let wanted = match &mut row.cancel {
            Cancel::Wanted(reason) => Some(reason.take()),
            Cancel::No | Cancel::Sent => None,
        };
        let purpose = row.purpose.clone();
        self.arm_client(key);
        if let Some(reason) = wanted {
            self.send_cancel(key, reason.as_deref());
        } else if let (Purpose::Fork(invite), 101..) = (purpose, code) {
            self.fork_progressed(invite, key, flow, response, code);
        }
    }

    fn invite_accepted(&mut self, key: Key, flow: Flow, response: &Message) {
        let end_at = self.now + 64 * self.timing.t1;
        let tag = self.tag_key(response);
        let Some(row) = self.clients.get_mut(key) else { return };
        if matches!(row.state, State::Completed) {
            return;
        }
        if let Some((_, to, ack)) = row.acks.iter().find(|(known, ..)| *known == tag) {
            let (to, ack) = (*to, ack.clone());
            self.send(to, ack);
            return;
        }
        if row.is_open() {
            row.state = State::Accepted;
            row.resend_at = NEVER;
            row.end_at = end_at;
        }
        let purpose = row.purpose.clone();
        self.arm_client(key);
        match purpose {
            Purpose::Fork(invite) => self.fork_answered(invite, key, flow, response),
            Purpose::Reinvite(invite) => self.reinvite_answered(invite, key, flow, response),
            _ => self.hang_up_stray(key, flow, response),
        }
    }

    /// Remembers which numbers the early dialogs of an INVITE have used.
    pub(in crate::endpoint) fn note_cseq(&mut self, key: Key, cseq: u32) {
        if let Some(row) = self.clients.get_mut(key) {
            row.used_cseq = row.used_cseq.max(cseq);
        }
    }

    /// Keeps the ACK of a 2xx as long as the 2xx may come again; the request is not needed any more.
    pub(in crate::endpoint) fn keep_ack(&mut self, key: Key, response: &Message, to: Destination, ack: Bytes) {
        let tag = self.tag_key(response);
        if let Some(row) = self.clients.get_mut(key) {
            row.message = Bytes::new();
            row.acks.push((tag, to, ack));
        }
    }

    /// A dialog ended: nobody repeats its 2xx to hear an ACK.
    pub(in crate::endpoint) fn forget_acks(&mut self, key: Key) {
        if let Some(row) = self.clients.get_mut(key) {
            row.acks.iter_mut().for_each(|(_, _, ack)| *ack = Bytes::new());
            row.message = Bytes::new();
        }
    }

    fn tag_key(&self, response: &Message) -> u128 {
        self.hasher.key(&[response.to().ok().and_then(|to| to.tag()).unwrap_or_default().as_bytes()])
    }

    fn invite_refused(&mut self, key: Key, flow: Flow, response: &Message, code: u16) {
        let end_at = self.now + self.timing.wait_d;
        let Some(row) = self.clients.get_mut(key) else { return };
        if matches!(row.state, State::Completed) {
            let (to, ack) = (row.to, row.message.clone());
            self.send(to, ack);
            return;
        }
        if !row.is_open() {
            return;
        }
        let request = std::mem::take(&mut row.message);
        let ack = ack_of_failure(request.clone(), response).unwrap_or_default();
        row.message.clone_from(&ack);
        row.state = State::Completed;
        row.resend_at = NEVER;
        row.end_at = end_at;
        let (to, purpose) = (row.to, row.purpose.clone());
        self.send(to, ack);
        if self.tried_again(key, flow, request, response, code).is_none() {
            match purpose {
                Purpose::Fork(invite) => self.fork_refused(invite, key, response, code),
                Purpose::Reinvite(invite) => self.offer_refused(invite, key, code, Some(response)),
                _ => {}
            }
        }
        self.close_or_arm(key);
    }

    /// After a final reply: a reliable transport repeats nothing, so there is nothing to wait for.
    fn close_or_arm(&mut self, key: Key) {
        if self.clients.get(key).is_some_and(|row| row.to.transport().is_reliable()) {
            self.clients.remove(key);
        } else {
            self.arm_client(key);
        }
    }

    fn other_provisional(&mut self, key: Key) {
        let now = self.now;
        let t2 = self.timing.t2;
        if let Some(row) = self.clients.get_mut(key).filter(|row| matches!(row.state, State::Calling)) {
            row.state = State::Proceeding;
            row.interval = t2;
            row.resend_at = if row.resend_at == NEVER { NEVER } else { now + t2 };
        }
        self.arm_client(key);
    }

    fn other_final(&mut self, key: Key, flow: Flow, response: &Message, code: u16) {
        let end_at = self.now + self.timing.t4;
        let Some(row) = self.clients.get_mut(key).filter(|row| row.is_open()) else { return };
        row.state = State::Completed;
        row.resend_at = NEVER;
        row.end_at = end_at;
        let (request, purpose) = (std::mem::take(&mut row.message), row.purpose.clone());
        if self.tried_again(key, flow, request, response, code).is_none() {
            match purpose {
                Purpose::Referral(invite) => self.referrer_replied(invite, code),
                Purpose::HandBack(invite) => self.hand_back_replied(invite, code),
                Purpose::Ping { trunk, peer } => self.ping_result(&trunk, peer, code),
                Purpose::Register { trunk } => self.trunk_register_result(&trunk, response, code),
                Purpose::Inside { invite, dialog, what } => {
                    self.inside_answered((invite, dialog, what), key, flow, response, code);
                }
                Purpose::Notify(subscription) => {
                    let pause_s = response.header(Name::RetryAfter).and_then(crate::message::read_seconds);
                    self.notified(subscription, code, pause_s);
                }
                Purpose::Relay(id) => self.relayed(id, code),
                Purpose::Nothing | Purpose::Fork(_) | Purpose::Reinvite(_) => {}
            }
        }
        self.close_or_arm(key);
    }

    /// Answers a challenge of a trunk, if we may, or asks for a longer session: the new transaction
    /// takes the old one's place.
    fn tried_again(&mut self, key: Key, flow: Flow, request: Bytes, response: &Message, code: u16) -> Option<Key> {
        if !matches!(code, 401 | 407 | 422) {
            return None;
        }
        let row = self.clients.get(key).filter(|row| matches!(row.cancel, Cancel::No))?;
        let (to, method, purpose) = (row.to, row.method, row.purpose.clone());
        let (trunk, is_in_theirs, tries) = (row.trunk.clone(), row.is_in_theirs, row.tries);
        let told_min_s = if code == 422 { min_of(response).unwrap_or(0) } else { row.told_min_s };
        let may_prove = |trunk: &str| self.may_prove(trunk, flow, is_in_theirs);
        if tries >= MOST_TRIES || code != 422 && !trunk.as_deref().is_some_and(may_prove) {
            return None;
        }
        let within = match purpose {
            Purpose::Reinvite(invite) | Purpose::HandBack(invite) => Some((invite, 0)),
            Purpose::Inside { invite, dialog, .. } => Some((invite, dialog)),
            _ => None,
        };
        // Others may have gone since in its dialog, whose numbers only go up (RFC 3261 section 12.2.1.1).
        let cseq = within.and_then(|(invite, dialog)| self.next_cseq(invite, dialog));
        let (branch, message) = match &trunk {
            _ if code == 422 => self.with_longer_session(&request, cseq, response)?,
            Some(trunk) => self.with_credentials(trunk, (&request, cseq), response, code)?,
            None => return None,
        };
        let new = NewClient { branch, method, to, message, purpose: purpose.clone(), trunk, is_in_theirs, tries: tries + 1 };
        let new = self.start_client(new);
        if let Some(row) = self.clients.get_mut(new) {
            row.told_min_s = told_min_s;
        }
        match purpose {
            Purpose::Fork(invite) => self.fork_moved(invite, key, new),
            Purpose::Reinvite(invite) => self.inside_moved((invite, 0), cseq, key, new),
            Purpose::HandBack(invite) => self.hand_back_again(invite, cseq),
            Purpose::Inside { invite, dialog, .. } => self.inside_moved((invite, dialog), cseq, key, new),
            _ => {}
        }
        Some(new)
    }
}

/// The ACK of a final reply above 299 (RFC 3261 section 17.1.1.3).
fn ack_of_failure(request: Bytes, response: &Message) -> Option<Bytes> {
    let request = Message::parse(request).ok()?;
    same_head(&request, "ACK", response.header(Name::To)?)?.build().ok()
}
