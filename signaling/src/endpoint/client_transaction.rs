//! Client transactions: RFC 3261 section 17.1 with the Accepted state of RFC 6026.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{
    Endpoint,
    contract::{Destination, InviteId},
    health::address_of,
    slab::{Key, Slab},
    text::{MAX_FORWARDS, branch_text, read_branch},
    timers::{Alarm, Ms, NEVER, Owner},
};
use crate::{
    flow::Flow,
    hashing::Seeded,
    message::{Message, Name, RequestBuilder},
};

/// How often a request is sent again with credentials: for a proxy, for the one behind it, and for a stale nonce.
const MOST_TRIES: u8 = 3;

/// Who wants to know what becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Nobody: CANCEL, BYE, an INVITE that was given up.
    Nothing,
    /// The INVITE of an outgoing invitation.
    Fork(InviteId),
    /// A re-INVITE.
    Reinvite(InviteId),
    /// An OPTIONS to one address of a trunk.
    Ping { trunk: Arc<str>, peer: usize },
    /// A REGISTER to a trunk.
    Register { trunk: Arc<str> },
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Timer B or F.
    Timeout,
    /// It rang too long.
    RangOut,
    /// No way to send.
    NoWay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientMethod {
    Invite,
    Cancel,
    Other,
}

#[derive(Debug)]
enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
}

/// Whether and how an INVITE was cancelled.
#[derive(Debug)]
enum Cancel {
    No,
    /// As soon as a provisional reply shows that there is something to cancel (RFC 3261 section 9.1).
    Wanted(Option<String>),
    Sent,
}

#[derive(Debug)]
pub(super) struct ClientTransaction {
    branch: u64,
    method: ClientMethod,
    pub(super) to: Destination,
    pub(super) purpose: Purpose,
    /// Whose credentials answer a challenge, if any's.
    pub(super) trunk: Option<Arc<str>>,
    /// How often it was tried with credentials.
    pub(super) tries: u8,
    state: State,
    /// The request; after a failure of an INVITE its ACK; empty when not needed any more.
    pub(super) message: Bytes,
    /// ACKs of 2xx by the key of their To tag: said again whenever the 2xx is.
    acks: Vec<(u128, Destination, Bytes)>,
    cancel: Cancel,
    interval: Ms,
    resend_at: Ms,
    end_at: Ms,
    /// Without any reply until then, somebody else is asked.
    hurry_at: Ms,
    alarm: Alarm,
}

/// A request to be sent in a transaction of its own.
pub(super) struct NewClient {
    pub(super) branch: u64,
    pub(super) method: ClientMethod,
    pub(super) to: Destination,
    pub(super) message: Bytes,
    pub(super) purpose: Purpose,
    pub(super) trunk: Option<Arc<str>>,
    pub(super) tries: u8,
}

impl NewClient {
    /// One that nobody waits for.
    pub(super) const fn new(branch: u64, method: ClientMethod, to: Destination, message: Bytes) -> Self {
        Self { branch, method, to, message, purpose: Purpose::Nothing, trunk: None, tries: 0 }
    }
}

#[derive(Debug)]
pub(super) struct Clients {
    rows: Slab<ClientTransaction>,
    by_branch: HashMap<(u64, bool), Key, Seeded>,
}

impl Clients {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self { rows: Slab::new(), by_branch: HashMap::with_hasher(hasher) }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, key: Key) -> Option<&ClientTransaction> {
        self.rows.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut ClientTransaction> {
        self.rows.get_mut(key)
    }

    fn remove(&mut self, key: Key) -> Option<ClientTransaction> {
        let gone = self.rows.remove(key)?;
        self.by_branch.remove(&(gone.branch, gone.method == ClientMethod::Cancel));
        Some(gone)
    }
}

impl ClientTransaction {
    /// A request of its own to an address of a trunk that somebody still waits for.
    const fn is_to_peer(&self) -> bool {
        match self.purpose {
            Purpose::Ping { .. } | Purpose::Register { .. } => true,
            Purpose::Fork(_) => self.trunk.is_some(),
            Purpose::Nothing | Purpose::Reinvite(_) => false,
        }
    }

    /// Waits for a reply still.
    const fn is_open(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
    }
}

impl Endpoint {
    /// Sends a request and waits for what becomes of it.
    pub(super) fn start_client(&mut self, new: NewClient) -> Key {
        let NewClient { branch, method, to, message, purpose, trunk, tries } = new;
        let resend_at = if to.transport().is_reliable() { NEVER } else { self.now + self.timing.t1 };
        let row = ClientTransaction {
            branch,
            method,
            to,
            purpose,
            trunk,
            tries,
            state: State::Calling,
            message: message.clone(),
            acks: Vec::new(),
            cancel: Cancel::No,
            interval: self.timing.t1,
            resend_at,
            end_at: self.now + 64 * self.timing.t1,
            hurry_at: NEVER,
            alarm: Alarm::new(),
        };
        let key = self.clients.rows.insert(row);
        self.clients.by_branch.insert((branch, method == ClientMethod::Cancel), key);
        self.note_connection(&to);
        self.send(to, message);
        self.arm_client(key);
        key
    }

    /// Sees to it that the owner of a request hears of it when no reply has come for so long (0: as long as it takes).
    pub(super) fn hurry(&mut self, key: Key, patience_ms: Ms) {
        let at = self.now + patience_ms;
        if let Some(row) = self.clients.get_mut(key).filter(|_| patience_ms > 0) {
            row.hurry_at = at;
            self.arm_client(key);
        }
    }

    fn arm_client(&mut self, key: Key) {
        if let Some(row) = self.clients.get_mut(key) {
            let due = row.resend_at.min(row.end_at).min(row.hurry_at);
            self.timers.set(&mut row.alarm, due, Owner::Client(key));
        }
    }

    /// A heap entry of this transaction was popped.
    pub(super) fn client_due(&mut self, key: Key, at: Ms) {
        let (now, timing) = (self.now, self.timing);
        let Some(row) = self.clients.get_mut(key) else { return };
        if !row.alarm.popped(at) {
            return;
        }
        if row.end_at <= now {
            return self.client_over(key);
        }
        if row.hurry_at <= now {
            row.hurry_at = NEVER;
            self.arm_client(key);
            return self.client_slow(key);
        }
        if row.resend_at <= now {
            // Timer A doubles without end, timer E up to T2; in Proceeding it stays at T2.
            row.interval = match (row.method, &row.state) {
                (ClientMethod::Invite, _) => row.interval * 2,
                (_, State::Proceeding) => timing.t2,
                _ => (row.interval * 2).min(timing.t2),
            };
            row.resend_at = now + row.interval;
            let (to, message) = (row.to, row.message.clone());
            self.send(to, message);
        }
        self.arm_client(key);
    }

    /// No reply for longer than its owner waits.
    fn client_slow(&mut self, key: Key) {
        let Some(row) = self.clients.get(key).filter(|row| matches!(row.state, State::Calling)) else { return };
        match row.purpose {
            Purpose::Fork(invite) => {
                let to = row.to;
                self.peer_failed(&to, None);
                self.fork_slow(invite, key);
            }
            Purpose::Ping { .. } | Purpose::Register { .. } => self.client_silent(key, Silence::Timeout),
            Purpose::Nothing | Purpose::Reinvite(_) => {}
        }
    }

    /// The last timer of a transaction.
    fn client_over(&mut self, key: Key) {
        let Some(row) = self.clients.get(key) else { return };
        if !row.is_open() {
            self.clients.remove(key);
            return;
        }
        let ringing = matches!((row.method, &row.state, &row.cancel), (ClientMethod::Invite, State::Proceeding, Cancel::No));
        if !ringing {
            self.client_silent(key, Silence::Timeout);
            return;
        }
        // It rang for longer than anybody waits: cancelled, and given up by its owner.
        let purpose = std::mem::replace(&mut self.clients.get_mut(key).expect("just seen").purpose, Purpose::Nothing);
        self.cancel_client(key, None);
        self.tell_silence(purpose, key, Silence::RangOut);
    }

    /// No reply will come: the transaction is gone, its owner hears of it.
    pub(super) fn client_silent(&mut self, key: Key, silence: Silence) {
        if let Some(gone) = self.clients.remove(key) {
            if gone.is_to_peer() {
                self.peer_failed(&gone.to, None);
            }
            self.tell_silence(gone.purpose, key, silence);
        }
    }

    fn tell_silence(&mut self, purpose: Purpose, key: Key, silence: Silence) {
        match purpose {
            Purpose::Nothing => {}
            Purpose::Fork(invite) => self.fork_silent(invite, key, silence),
            Purpose::Reinvite(invite) => self.reinvite_silent(invite, silence),
            Purpose::Ping { trunk, peer } => self.ping_result(&trunk, peer, 408),
            Purpose::Register { trunk } => self.trunk_register_failed(&trunk, 408, None),
        }
    }

    /// Nothing can be sent there: whatever waits for a reply from there need not.
    pub(super) fn clients_without_way(&mut self, hopeless: impl Fn(&Destination) -> bool) {
        let lost = |(_, row): &(Key, &ClientTransaction)| row.is_open() && hopeless(&row.to);
        let keys: Vec<Key> = self.clients.rows.iter().filter(lost).map(|(key, _)| key).collect();
        for key in keys {
            self.client_silent(key, Silence::NoWay);
        }
    }

    /// Gives an INVITE up: CANCEL now, or as soon as a provisional reply is there. Its owner hears
    /// nothing of it any more.
    pub(super) fn cancel_client(&mut self, key: Key, reason: Option<String>) {
        let Some(row) = self.clients.get_mut(key) else { return };
        row.purpose = Purpose::Nothing;
        match row.state {
            State::Calling => row.cancel = Cancel::Wanted(reason),
            State::Proceeding => self.send_cancel(key, reason.as_deref()),
            State::Completed | State::Accepted => {}
        }
    }

    /// CANCEL repeats the INVITE's head (RFC 3261 section 9.1).
    fn send_cancel(&mut self, key: Key, reason: Option<&str>) {
        let end_at = self.now + 64 * self.timing.t1;
        let Some(row) = self.clients.get_mut(key) else { return };
        if matches!(row.cancel, Cancel::Sent) {
            return;
        }
        row.cancel = Cancel::Sent;
        row.end_at = end_at;
        let (branch, to, request) = (row.branch, row.to, row.message.clone());
        let cancel = Message::parse(request).ok().and_then(|request| {
            let mut cancel = same_head(&request, "CANCEL", request.header(Name::To)?)?;
            if let Some(reason) = reason {
                cancel = cancel.header(Name::Reason, reason);
            }
            cancel.build().ok()
        });
        self.arm_client(key);
        if let Some(message) = cancel {
            self.start_client(NewClient::new(branch, ClientMethod::Cancel, to, message));
        }
    }

    /// A response came.
    pub(super) fn response(&mut self, flow: Flow, response: &Message) {
        let Some(code) = response.code() else { return };
        let (Ok(via), Ok(cseq)) = (response.via(), response.cseq()) else { return };
        let Some(branch) = via.branch().and_then(read_branch) else { return };
        let method = match cseq.method {
            "INVITE" => ClientMethod::Invite,
            "CANCEL" => ClientMethod::Cancel,
            _ => ClientMethod::Other,
        };
        let Some(&key) = self.clients.by_branch.get(&(branch, method == ClientMethod::Cancel)) else { return };
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
            self.fork_progressed(invite, flow, response, code);
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

    /// Keeps the ACK of a 2xx as long as the 2xx may come again; the request is not needed any more.
    pub(super) fn keep_ack(&mut self, key: Key, response: &Message, to: Destination, ack: Bytes) {
        let tag = self.tag_key(response);
        if let Some(row) = self.clients.get_mut(key) {
            row.message = Bytes::new();
            row.acks.push((tag, to, ack));
        }
    }

    /// A dialog ended: nobody repeats its 2xx to hear an ACK.
    pub(super) fn forget_acks(&mut self, key: Key) {
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
                Purpose::Reinvite(invite) => self.reinvite_refused(invite, code),
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
                Purpose::Ping { trunk, peer } => self.ping_result(&trunk, peer, code),
                Purpose::Register { trunk } => self.trunk_register_result(&trunk, response, code),
                Purpose::Nothing | Purpose::Fork(_) | Purpose::Reinvite(_) => {}
            }
        }
        self.close_or_arm(key);
    }

    /// Answers a challenge of a trunk, if we may: the new transaction takes the old one's place.
    fn tried_again(&mut self, key: Key, flow: Flow, request: Bytes, response: &Message, code: u16) -> Option<Key> {
        if !matches!(code, 401 | 407) {
            return None;
        }
        let row = self.clients.get(key)?;
        let (to, method, purpose) = (row.to, row.method, row.purpose.clone());
        let (trunk, tries) = (row.trunk.clone()?, row.tries);
        let wanted = matches!(row.cancel, Cancel::No) && tries < MOST_TRIES;
        let (branch, message) =
            if wanted { self.with_credentials(&trunk, flow, &request, response, code)? } else { return None };
        let new = NewClient { branch, method, to, message, purpose: purpose.clone(), trunk: Some(trunk), tries: tries + 1 };
        let new = self.start_client(new);
        match purpose {
            Purpose::Fork(invite) => self.fork_moved(invite, key, new),
            Purpose::Reinvite(invite) => self.reinvite_moved(invite, new),
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

/// A request that goes exactly where `request` went: same Via, route, From, Call-ID and number.
fn same_head(request: &Message, method: &str, to: &str) -> Option<RequestBuilder> {
    let cseq = request.cseq().ok()?.number;
    let builder = RequestBuilder::new(method, request.request_uri())
        .header(Name::Via, request.header(Name::Via)?)
        .max_forwards(MAX_FORWARDS)
        .routes(request.headers(Name::Route))
        .header(Name::From, request.header(Name::From)?)
        .header(Name::To, crate::message::unfold(to))
        .call_id(request.call_id().ok()?)
        .cseq(cseq);
    Some(builder)
}

/// A new branch in the form of the Via header.
pub(super) fn new_branch(number: u64) -> String {
    branch_text(number)
}
