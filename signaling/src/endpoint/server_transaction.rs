//! Server transactions: RFC 3261 section 17.2 with the Accepted state of RFC 6026.
//!
//! Refusals of strangers are not transactions: they are sent once and forgotten (RFC 3261 section
//! 8.2.7), so a stranger costs no memory and gets no retransmissions.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;

use super::{
    Endpoint,
    contract::{Destination, InviteId},
    slab::{Key, Slab},
    text::{Token, has_cookie, phrase},
    timers::{Alarm, Ms, NEVER, Owner},
};
use crate::{
    flow::{Flow, Transport},
    hashing::Seeded,
    message::{Fault, Message, Method, Name, ResponseBuilder, Via},
};

/// A reply that is sent without a transaction is at most so many times as long as its request.
const MOST_TIMES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No reply yet but 100.
    Trying,
    /// The last provisional reply is said again whenever the request is.
    Proceeding,
    /// A final reply is out (not 2xx to INVITE).
    Completed,
    /// The ACK of a failure is in; late repetitions are swallowed.
    Confirmed,
    /// A 2xx to INVITE is out; the dialog repeats it, not this transaction.
    Accepted,
}

#[derive(Debug)]
pub(super) struct ServerTransaction {
    id: u128,
    merge: u128,
    is_invite: bool,
    state: State,
    /// Where replies go.
    pub(super) to: Destination,
    /// The request and its source: replies are made from them. Gone after the final one.
    request: Option<Box<(Message, SocketAddr)>>,
    /// The last reply.
    reply: Bytes,
    pub(super) to_tag: u64,
    /// Whose INVITE it is.
    pub(super) invite: InviteId,
    interval: Ms,
    resend_at: Ms,
    end_at: Ms,
    alarm: Alarm,
}

impl ServerTransaction {
    /// Whether no final reply was sent.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    /// The request, while a final reply is owed.
    pub(super) fn request(&self) -> Option<&Message> {
        self.request.as_deref().map(|(request, _)| request)
    }

    /// The source of the request, while a final reply is owed.
    pub(super) fn source(&self) -> Option<SocketAddr> {
        self.request.as_deref().map(|(_, source)| *source)
    }

    /// Where it came from.
    pub(super) const fn to(&self) -> Destination {
        self.to
    }
}

#[derive(Debug)]
pub(super) struct Servers {
    rows: Slab<ServerTransaction>,
    by_id: HashMap<u128, Key, Seeded>,
    /// Requests outside dialogs, to notice one that comes twice by different ways.
    by_merge: HashMap<u128, Key, Seeded>,
}

impl Servers {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self { rows: Slab::new(), by_id: HashMap::with_hasher(hasher), by_merge: HashMap::with_hasher(hasher) }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, key: Key) -> Option<&ServerTransaction> {
        self.rows.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut ServerTransaction> {
        self.rows.get_mut(key)
    }

    pub(super) fn find(&self, id: u128) -> Option<Key> {
        self.by_id.get(&id).copied()
    }

    fn remove(&mut self, key: Key) {
        if let Some(gone) = self.rows.remove(key) {
            self.by_id.remove(&gone.id);
            if gone.merge != 0 {
                self.by_merge.remove(&gone.merge);
            }
        }
    }
}

/// A request on its way in, with what every handler needs: read once, for each is asked for often.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) flow: Flow,
    pub(super) message: &'a Message,
    pub(super) method: Method,
    via: Via<'a>,
    pub(super) from_tag: &'a str,
    /// Our tag, when the request says to be in a dialog.
    pub(super) to_tag: Option<&'a str>,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
}

impl<'a> Incoming<'a> {
    /// Reads what there is; a fault where something is missing.
    pub(super) fn read(flow: Flow, message: &'a Message) -> Result<Self, Fault> {
        Ok(Self {
            flow,
            message,
            method: Method::of(message.method()),
            via: message.via()?,
            from_tag: message.from()?.tag().unwrap_or_default(),
            to_tag: message.to()?.tag(),
            call_id: message.call_id()?,
            cseq: message.cseq()?.number,
        })
    }
}

impl Endpoint {
    /// What names the transaction of a request: branch and sent-by, or for senders of RFC 2543 the
    /// headers of section 17.2.3. The source address counts as well, so nobody can touch the
    /// transactions of others. An ACK is counted with its INVITE, a CANCEL with itself.
    pub(super) fn transaction_id(&self, incoming: &Incoming<'_>, method: &str) -> u128 {
        let Incoming { flow, message, via, .. } = incoming;
        let class = if method == "ACK" { "INVITE" } else { method };
        let ip = octets(flow.remote.ip());
        match self.branch_key(flow, via, class) {
            Some(key) => key,
            None => self.hasher.key(&[
                message.request_uri().as_bytes(),
                incoming.from_tag.as_bytes(),
                incoming.call_id.as_bytes(),
                &incoming.cseq.to_be_bytes(),
                message.headers(Name::Via).next().unwrap_or_default().as_bytes(),
                &ip,
                class.as_bytes(),
            ]),
        }
    }

    /// The same from the topmost Via alone, for senders of RFC 3261.
    fn branch_key(&self, flow: &Flow, via: &Via<'_>, class: &str) -> Option<u128> {
        let branch = via.branch().filter(|branch| has_cookie(branch))?;
        let port = via.port.unwrap_or(0).to_be_bytes();
        let ip = octets(flow.remote.ip());
        Some(self.hasher.key(&[branch.as_bytes(), via.host.as_bytes(), &port, &ip, class.as_bytes()]))
    }

    /// Whether a request with this topmost Via is being handled, or was lately: this one is a repetition.
    #[must_use]
    pub fn has_request(&self, flow: &Flow, via: &Via<'_>, method: &str) -> bool {
        self.branch_key(flow, via, method).is_some_and(|key| self.servers.find(key).is_some())
    }

    /// Where replies to a request go: back by its flow. Over UDP, a sender who does not ask for
    /// `rport` and is where its Via says wants them at the Via's port (RFC 3261 section 18.2.2);
    /// everybody else is behind a NAT, or as good as.
    pub(crate) fn reply_flow(flow: Flow, via: &Via<'_>) -> Flow {
        let by_via = flow.transport == Transport::Udp && via.rport().is_none() && via.address() == Some(flow.remote.ip());
        let port = via.port.unwrap_or(5060);
        let remote = if by_via && port != 0 { SocketAddr::new(flow.remote.ip(), port) } else { flow.remote };
        Flow { remote, ..flow }
    }

    /// The key by which a request that came by two ways is recognised (RFC 3261 section 8.2.2.2).
    fn merge_key(&self, incoming: &Incoming<'_>) -> u128 {
        let cseq = incoming.cseq.to_be_bytes();
        let method = incoming.message.method();
        self.hasher.key(&[incoming.from_tag.as_bytes(), incoming.call_id.as_bytes(), &cseq, method.as_bytes()]).max(1)
    }

    /// Whether the same request is being handled already in another transaction.
    pub(super) fn is_merged(&self, incoming: &Incoming<'_>) -> bool {
        self.servers.by_merge.contains_key(&self.merge_key(incoming))
    }

    /// Begins a transaction whose reply comes later. An INVITE gets its 100 at once.
    pub(super) fn open_server(&mut self, incoming: &Incoming<'_>, invite: InviteId, to_tag: u64) -> Key {
        let key = self.insert_server(incoming, invite, to_tag);
        if incoming.method == Method::Invite {
            self.reply(key, 100, "", |builder| builder, None);
        }
        key
    }

    /// Begins a transaction and sends nothing.
    pub(super) fn insert_server(&mut self, incoming: &Incoming<'_>, invite: InviteId, to_tag: u64) -> Key {
        let is_invite = incoming.method == Method::Invite;
        let merge = if incoming.to_tag.is_none() { self.merge_key(incoming) } else { 0 };
        let id = self.transaction_id(incoming, incoming.message.method());
        let row = ServerTransaction {
            id,
            merge,
            is_invite,
            state: State::Trying,
            to: Destination::Flow(Self::reply_flow(incoming.flow, &incoming.via)),
            request: Some(Box::new((incoming.message.clone(), incoming.flow.remote))),
            reply: Bytes::new(),
            to_tag,
            invite,
            interval: self.timing.t1,
            resend_at: NEVER,
            end_at: NEVER,
            alarm: Alarm::new(),
        };
        self.note_connection(&row.to);
        let key = self.servers.rows.insert(row);
        self.servers.by_id.insert(id, key);
        if merge != 0 {
            self.servers.by_merge.insert(merge, key);
        }
        key
    }

    /// Replies in a transaction.
    pub(super) fn reply(
        &mut self,
        key: Key,
        code: u16,
        reason: &str,
        add: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
        sdp: Option<&[u8]>,
    ) -> Option<Bytes> {
        let row = self.servers.get(key).filter(|row| row.is_open())?;
        let (request, source) = row.request.as_deref()?;
        let tag = Token::new(row.to_tag);
        let reason = if reason.is_empty() { phrase(code) } else { reason };
        let builder = ResponseBuilder::from_request(request, code, reason, *source, (code > 100).then(|| tag.as_str()));
        let bytes = self.finish_reply(add(builder), sdp)?;
        self.replied(key, code, bytes.clone());
        Some(bytes)
    }

    fn finish_reply(&self, builder: ResponseBuilder, sdp: Option<&[u8]>) -> Option<Bytes> {
        let builder = if self.config.product.is_empty() { builder } else { builder.header(Name::Server, &self.config.product) };
        let built = match sdp {
            Some(sdp) => builder.build_with_body("application/sdp", sdp),
            None => builder.build(),
        };
        built.ok()
    }

    /// Sends a reply and moves on.
    fn replied(&mut self, key: Key, code: u16, bytes: Bytes) {
        let (now, timing) = (self.now, self.timing);
        let Some(row) = self.servers.rows.get_mut(key) else { return };
        let to = row.to;
        let reliable = to.transport().is_reliable();
        // What is kept is copied to its size: the printer's buffer is larger.
        row.reply = Bytes::copy_from_slice(&bytes);
        match (code, row.is_invite) {
            (100, _) => {}
            (101..=199, _) => row.state = State::Proceeding,
            (200..=299, true) => {
                row.state = State::Accepted;
                row.reply = Bytes::new();
                row.end_at = now + 64 * timing.t1;
            }
            (_, true) => {
                row.state = State::Completed;
                row.end_at = now + 64 * timing.t1;
                row.resend_at = if reliable { NEVER } else { now + timing.t1 };
            }
            (_, false) => {
                row.state = State::Completed;
                row.end_at = if reliable { now } else { now + 64 * timing.t1 };
            }
        }
        if !row.is_open() {
            row.request = None;
        }
        self.send(to, bytes);
        self.arm_server(key);
    }

    fn arm_server(&mut self, key: Key) {
        let now = self.now;
        let Some(row) = self.servers.rows.get_mut(key) else { return };
        let due = row.resend_at.min(row.end_at);
        if row.end_at <= now {
            self.servers.remove(key);
        } else {
            self.timers.set(&mut row.alarm, due, Owner::Server(key));
        }
    }

    /// A heap entry of this transaction was popped.
    pub(super) fn server_due(&mut self, key: Key, at: Ms) {
        let (now, timing) = (self.now, self.timing);
        let Some(row) = self.servers.rows.get_mut(key) else { return };
        if !row.alarm.popped(at) {
            return;
        }
        if row.resend_at <= now && row.end_at > now {
            row.interval = (row.interval * 2).min(timing.t2);
            row.resend_at = now + row.interval;
            let (to, reply) = (row.to, row.reply.clone());
            self.send(to, reply);
        }
        self.arm_server(key);
    }

    /// The request came again.
    pub(super) fn request_again(&mut self, key: Key) {
        let Some(row) = self.servers.get(key) else { return };
        let repeats = matches!(row.state, State::Proceeding | State::Completed) || (row.state == State::Trying && row.is_invite);
        if repeats {
            let (to, reply) = (row.to, row.reply.clone());
            self.send(to, reply);
        }
    }

    /// An ACK that belongs to an INVITE transaction; `false` if it is the dialog's.
    pub(super) fn server_acked(&mut self, key: Key) -> bool {
        let (now, t4) = (self.now, self.timing.t4);
        let Some(row) = self.servers.rows.get_mut(key) else { return false };
        match row.state {
            State::Accepted => return false,
            State::Completed => {
                row.state = State::Confirmed;
                row.reply = Bytes::new();
                row.resend_at = NEVER;
                row.end_at = if row.to.transport().is_reliable() { now } else { now + t4 };
                self.arm_server(key);
            }
            State::Trying | State::Proceeding | State::Confirmed => {}
        }
        true
    }

    /// Replies at once to a request whose sender is known, so that its repetitions are recognised.
    pub(super) fn answer(&mut self, incoming: &Incoming<'_>, code: u16, add: impl FnOnce(ResponseBuilder) -> ResponseBuilder) {
        let tag = self.random();
        let key = self.open_server(incoming, InviteId(0), tag);
        self.reply(key, code, "", add, None);
    }

    /// Replies once and forgets: to strangers, and for faults. Never to an ACK.
    pub(super) fn refuse(
        &mut self,
        flow: Flow,
        message: &Message,
        code: u16,
        reason: &str,
        add: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
    ) {
        self.refuse_shortly(flow, message, (code, reason), add, Some(|builder| builder));
    }

    /// The same with a shorter reply for who sent so little that the whole one would be more than
    /// [`MOST_TIMES`] of it; without one, nothing is sent then.
    pub(super) fn refuse_shortly(
        &mut self,
        flow: Flow,
        message: &Message,
        (code, reason): (u16, &str),
        add: impl FnOnce(ResponseBuilder) -> ResponseBuilder,
        short: Option<impl FnOnce(ResponseBuilder) -> ResponseBuilder>,
    ) {
        if message.method() == "ACK" || !self.may_refuse(&flow) {
            return;
        }
        // The same request gets the same tag, however often it comes (RFC 3261 section 8.2.7).
        let via = message.header_bytes(Name::Via).unwrap_or_default();
        let call_id = message.header_bytes(Name::CallId).unwrap_or_default();
        let tag = Token::new(self.hasher.short_key(&[via, call_id]));
        let begun = || ResponseBuilder::from_request(message, code, reason, flow.remote, Some(tag.as_str()));
        // Whoever forges an address must not have us send more to it than they did themselves.
        let most = if flow.transport.is_reliable() { usize::MAX } else { message.bytes().len().saturating_mul(MOST_TIMES) };
        let fits = |bytes: &Bytes| bytes.len() <= most;
        let bytes = self.finish_reply(add(begun()), None).filter(fits);
        let bytes = bytes.or_else(|| short?(begun()).build().ok().filter(fits));
        if let Some(bytes) = bytes {
            let to = message.via().map_or(flow, |via| Self::reply_flow(flow, &via));
            self.send(Destination::Flow(to), bytes);
        }
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
