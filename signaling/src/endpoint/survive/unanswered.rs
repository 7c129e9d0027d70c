//! Legs that nobody answered. Nobody knows any more what they were for, so they are ended: callers are told to try
//! again, and whoever rings is told that it is over.

use bytes::Bytes;

use super::{
    CSEQ_JUMP, NotRestored, Restored, VERSION, check_version,
    dialog::is_way,
    kept::{KeptCalling, KeptFork, KeptRinging, KeptWay},
};
use crate::{
    endpoint::{
        Endpoint,
        client_transaction::{Cancel, ClientMethod, NewClient, State, same_head},
        contract::{Destination, InviteId},
        invitation::Calling,
        server_transaction::Incoming,
        slab::Key,
        text::{Token, read_branch},
        timers::NEVER,
    },
    message::{Message, Name},
};

/// Callers are asked to try again after so long, in seconds.
const RETRY_AFTER_S: u32 = 1;
/// More INVITEs of one leg are not kept.
const MOST_FORKS: usize = 16;
/// A longer head is not kept, in bytes.
const LONGEST_HEAD: usize = 8_192;

impl Endpoint {
    pub(super) fn keep_ringing(&self, server: Key) -> Option<KeptRinging> {
        let row = self.servers.get(server)?;
        let (request, source) = (row.request()?, row.source()?);
        let Destination::Flow(flow) = row.to() else { return None };
        let flow = KeptWay { remote: source, ..KeptWay::of_flow(&flow) };
        let local_tag = Token::new(row.to_tag).as_str().to_owned();
        Some(KeptRinging { v: VERSION, head: head_of(request)?, local_tag, flow })
    }

    pub(super) fn keep_calling(&self, calling: &Calling) -> KeptCalling {
        let rows = calling.forks.iter().filter_map(|fork| self.clients.get(fork.client));
        let trunk = calling.forks.iter().find_map(|fork| self.clients.get(fork.client)?.trunk.as_deref().map(str::to_owned));
        let keep = |row: &crate::endpoint::client_transaction::ClientTransaction| {
            let request = Message::parse(row.message.clone()).ok()?;
            let mut head = same_head(&request, "INVITE", request.header(Name::To)?)?;
            for name in [Name::Authorization, Name::ProxyAuthorization] {
                head = request.headers(name).fold(head, |head, value| head.header(name, value));
            }
            let head = String::from_utf8(head.build().ok()?.to_vec()).ok().filter(|head| head.len() <= LONGEST_HEAD)?;
            let (is_heard, used_cseq) = (row.is_heard(), row.used_cseq);
            Some(KeptFork { head, to: KeptWay::of(&row.to), is_heard, used_cseq })
        };
        KeptCalling { v: VERSION, trunk, forks: rows.filter_map(keep).take(MOST_FORKS).collect() }
    }

    /// The caller gets 503 (RFC 3261 section 21.5.4), in the transaction of its INVITE.
    pub(super) fn restore_ringing(&mut self, kept: &KeptRinging) -> Result<Restored, NotRestored> {
        check_version(kept.v)?;
        let bad = NotRestored::Nonsense("call that rings");
        let tag = Token::read(&kept.local_tag).ok_or(bad)?;
        let message = invite_of(&kept.head).filter(|_| is_way(&kept.flow)).ok_or(bad)?;
        let flow = self.flow_again(&kept.flow);
        let incoming = Incoming::read(flow, &message).map_err(|_| bad)?;
        let id = self.transaction_id(&incoming, "INVITE");
        if self.servers.find(id).is_some() {
            return Err(NotRestored::There);
        }
        if !self.has_room(false) {
            return Err(NotRestored::Full);
        }
        let key = self.insert_server(&incoming, InviteId(0), tag);
        if flow.transport.is_reliable() {
            // By a new connection to where the request says (section 18.2.2); nobody dials a browser.
            let via = message.via().ok();
            let port = via.and_then(|via| via.port).filter(|port| *port != 0).unwrap_or(flow.transport.default_port());
            let to = (flow.remote.ip(), port).into();
            if let Some(row) = self.servers.get_mut(key)
                && flow.transport.can_be_dialled()
            {
                row.to = Destination::Address { transport: flow.transport, to };
            }
        }
        self.reply(key, 503, "", |builder| builder.header(Name::RetryAfter, RETRY_AFTER_S), None);
        Ok(Restored::Ended)
    }

    /// Whoever rings gets a CANCEL; whoever answers all the same, an ACK and a BYE.
    pub(super) fn restore_calling(&mut self, kept: &KeptCalling) -> Result<Restored, NotRestored> {
        check_version(kept.v)?;
        let bad = NotRestored::Nonsense("call that is out");
        if kept.forks.len() > MOST_FORKS {
            return Err(bad);
        }
        let mut forks = Vec::with_capacity(kept.forks.len());
        for fork in &kept.forks {
            let message = invite_of(&fork.head).filter(|_| is_way(&fork.to)).ok_or(bad)?;
            let branch = message.via().ok().and_then(|via| read_branch(via.branch()?)).ok_or(bad)?;
            let is_ours = message.from().ok().and_then(|from| Token::read(from.tag()?)).is_some();
            if !is_ours || fork.used_cseq >= 1 << 30 {
                return Err(bad);
            }
            forks.push((branch, message, fork));
        }
        if !self.has_room(false) {
            return Err(NotRestored::Full);
        }
        for (branch, message, fork) in forks {
            self.give_up(branch, &message, fork, kept.trunk.as_deref());
        }
        Ok(Restored::Ended)
    }

    fn give_up(&mut self, branch: u64, message: &Message, fork: &KeptFork, trunk: Option<&str>) {
        let next_hop = message.header(Name::Route).unwrap_or(message.request_uri()).to_owned();
        let to = self.way_again(&fork.to, &next_hop);
        // It is out already: nothing is sent, and what is not known to be there is not cancelled before it says so
        // (section 9.1). Who is at the end of a connection that cannot be opened from here will say so by a new one.
        let can_go = !to.transport().is_reliable() || to.transport().can_be_dialled();
        let new = NewClient { trunk: trunk.map(Into::into), ..NewClient::new(branch, ClientMethod::Invite, to, Bytes::new()) };
        let key = self.start_client(new);
        let end_at = self.now + self.timing.longest_ring;
        if let Some(row) = self.clients.get_mut(key) {
            row.message = message.bytes().clone();
            row.state = if fork.is_heard && can_go { State::Proceeding } else { State::Calling };
            (row.resend_at, row.end_at) = (NEVER, end_at);
            row.used_cseq = fork.used_cseq + CSEQ_JUMP;
            row.cancel = Cancel::No;
        }
        self.cancel_client(key, None);
    }
}

/// What a reply to an INVITE is made from, byte for byte.
fn head_of(request: &Message) -> Option<String> {
    let mut head = format!("INVITE {} SIP/2.0\r\n", request.request_uri()).into_bytes();
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        for value in request.header_lines(name) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    String::from_utf8(head).ok().filter(|head| head.len() <= LONGEST_HEAD)
}

/// The INVITE of a head.
fn invite_of(head: &str) -> Option<Message> {
    let text = Some(head).filter(|head| head.len() <= LONGEST_HEAD)?;
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).ok().filter(|message| message.method() == "INVITE")
}
