//! Client transactions: RFC 3261 section 17.1 with the Accepted state of RFC 6026.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{
    Endpoint,
    contract::{Destination, InviteId},
    slab::{Key, Slab},
    text::{MAX_FORWARDS, branch_text},
    timers::{Alarm, Ms, NEVER, Owner},
};
use crate::{
    hashing::Seeded,
    message::{Message, Name, RequestBuilder},
};

mod replies;

/// How often a request is sent anew at most: with credentials for a proxy, for the one behind it and for a stale
/// nonce, and for a longer session.
const MOST_TRIES: u8 = 4;

/// Who wants to know what becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Nobody: CANCEL, BYE, an INVITE that was given up.
    Nothing,
    /// The INVITE of an outgoing invitation.
    Fork(InviteId),
    /// A re-INVITE.
    Reinvite(InviteId),
    /// A request in a dialog (0: the invitation's own) that is no INVITE, and not its last.
    Inside { invite: InviteId, dialog: u64, what: Inside },
    /// An OPTIONS to one address of a trunk.
    Ping { trunk: Arc<str>, peer: usize },
    /// A NOTIFY about a transfer.
    Referral(InviteId),
    /// A REFER of ours.
    HandBack(InviteId),
    /// A REGISTER to a trunk.
    Register { trunk: Arc<str> },
    /// The NOTIFY of a subscription.
    Notify(u64),
    /// A copy of a MESSAGE on its way.
    Relay(u64),
}

/// What a request in a dialog is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Prack,
    /// An UPDATE with our offer.
    Offer,
    /// An UPDATE that keeps the session alive.
    Refresh,
    /// An OPTIONS that asks whether the dialog is known.
    Probe,
    /// An INFO with a key.
    Key,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Timer B or F.
    Timeout,
    /// It rang for longer than anybody waits.
    RangTooLong,
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
pub(super) enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
}

/// Whether and how an INVITE was cancelled.
#[derive(Debug)]
pub(super) enum Cancel {
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
    /// It is sent in a dialog that the other side began, which says where it goes.
    pub(super) is_in_theirs: bool,
    /// How often it was tried with credentials.
    pub(super) tries: u8,
    /// The last number that an early dialog of this INVITE used.
    pub(super) used_cseq: u32,
    /// The shortest session that a 422 told us of, in seconds.
    pub(super) told_min_s: u32,
    pub(super) state: State,
    /// The request; after a failure of an INVITE its ACK; empty when not needed any more.
    pub(super) message: Bytes,
    /// ACKs of 2xx by the key of their To tag: said again whenever the 2xx is.
    acks: Vec<(u128, Destination, Bytes)>,
    pub(super) cancel: Cancel,
    interval: Ms,
    pub(super) resend_at: Ms,
    pub(super) end_at: Ms,
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
    pub(super) is_in_theirs: bool,
    pub(super) tries: u8,
}

impl NewClient {
    /// One that nobody waits for.
    pub(super) const fn new(branch: u64, method: ClientMethod, to: Destination, message: Bytes) -> Self {
        Self { branch, method, to, message, purpose: Purpose::Nothing, trunk: None, is_in_theirs: false, tries: 0 }
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
            _ => false,
        }
    }

    /// A provisional reply came, and no other.
    pub(super) const fn is_heard(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// Waits for a reply still.
    const fn is_open(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
    }
}

impl Endpoint {
    /// Sends a request and waits for what becomes of it.
    pub(super) fn start_client(&mut self, new: NewClient) -> Key {
        let NewClient { branch, method, to, message, purpose, trunk, is_in_theirs, tries } = new;
        let resend_at = if to.transport().is_reliable() { NEVER } else { self.now + self.timing.t1 };
        let row = ClientTransaction {
            branch,
            method,
            to,
            purpose,
            trunk,
            is_in_theirs,
            tries,
            used_cseq: 0,
            told_min_s: 0,
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
            _ => {}
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
        self.tell_silence(purpose, key, Silence::RangTooLong);
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
            Purpose::Reinvite(invite) => self.offer_silent(invite, key, silence),
            Purpose::Inside { invite, what, .. } => self.inside_silent((invite, what), key, silence),
            Purpose::Referral(invite) => self.referrer_replied(invite, 408),
            Purpose::HandBack(invite) => self.hand_back_replied(invite, 408),
            Purpose::Ping { trunk, peer } => self.ping_result(&trunk, peer, 408),
            Purpose::Register { trunk } => self.trunk_register_failed(&trunk, 408, None),
            Purpose::Notify(subscription) => self.notified(subscription, 408, None),
            Purpose::Relay(id) => self.relayed(id, 408),
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
        if row.method != ClientMethod::Invite {
            return;
        }
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
}

/// A request that goes exactly where `request` went: same Via, route, From, Call-ID and number.
pub(super) fn same_head(request: &Message, method: &str, to: &str) -> Option<RequestBuilder> {
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
