//! What goes into an [`Endpoint`](super::Endpoint) and what comes out of it.
//!
//! Nouns of this file: an **invitation** is one attempted or running call leg, whatever number of
//! forks, dialogs and transactions stand behind it; a **flow** is a way to one device; an
//! **account** is one of our users; a **trunk** is a carrier link.
//!
//! Every invitation ends exactly once: by [`Command::Reject`] or [`Command::End`] from this side
//! (after which no event names it any more), or by one of the events [`Event::Cancelled`],
//! [`Event::Rejected`], [`Event::Redirected`] and [`Event::Ended`] from the other side (after which commands that name it
//! are ignored).

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Instant};

use bytes::Bytes;

pub use super::event::*;
use crate::{
    endpoint::{
        config::{Peer, Rights, Trunk},
        identity::PartyIdentity,
        package::ResourceState,
    },
    flow::{ConnectionId, Flow, Transport},
};

/// One invitation; unique for the life of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub u64);

/// What an endpoint is told. One at a time, each with the present instant.
#[derive(Clone, Debug)]
pub enum Input {
    /// One datagram, or one message framed from a stream.
    Received {
        /// The way it came; replies go back on it.
        flow: Flow,
        /// The message as it was on the wire.
        bytes: Bytes,
    },
    /// An [`Output::Transmit`] could not be sent: no route, connection refused, connection lost.
    SendFailed {
        /// Where it should have gone.
        to: Destination,
    },
    /// A TCP or TLS connection is gone. Bindings that came by it are removed; dialogs end only when
    /// a request of theirs finds no way.
    ConnectionClosed {
        /// Which connection.
        connection: ConnectionId,
    },
    /// The program wants something done.
    Command(Command),
    /// A deadline may have passed.
    Tick,
}

/// What an endpoint wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send one message.
    Transmit {
        /// Where.
        to: Destination,
        /// The message.
        bytes: Bytes,
    },
    /// Something happened.
    Event(Event),
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Out by the flow that something came by: same local socket, same connection. When its
    /// connection is gone this is a failed send.
    Flow(Flow),
    /// To an address. A stream transport reuses a connection that it opened to this address, or
    /// opens one.
    Address {
        /// Over what.
        transport: Transport,
        /// Where to.
        to: SocketAddr,
    },
}

/// What the program wants done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Tell the caller of an incoming invitation how far we are.
    Progress {
        /// Which invitation.
        invite: InviteId,
        /// 180 or 183 (any of 101–199 is sent).
        code: u16,
        /// Early media: our answer, or our offer if the invitation had none. An offer is left out where
        /// it could not be answered; `ReofferAnswered` brings the answer.
        sdp: Option<Bytes>,
    },
    /// Accept an incoming invitation (200).
    Answer {
        /// Which invitation.
        invite: InviteId,
        /// Our answer; our offer if the invitation had none. Left out if it went with progress that
        /// was reliable.
        sdp: Bytes,
    },
    /// Refuse an incoming invitation.
    Reject {
        /// Which invitation.
        invite: InviteId,
        /// 300–699.
        code: u16,
        /// Reason phrase; empty for the usual one.
        reason: String,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// Call somebody. How long it may ring is the program's to decide: it ends the wait with `End`.
    Invite(Box<Invite>),
    /// End an invitation in whatever state it is: cancel, refuse, or hang up. A late answer to a
    /// cancelled invitation is acknowledged and hung up.
    End {
        /// Which invitation.
        invite: InviteId,
        /// A SIP status code that says why. 200 means "normal": no Reason header; an unanswered
        /// incoming invitation is then refused with 480. 200 with the text "Call completed
        /// elsewhere" is sent as such in a CANCEL.
        code: u16,
        /// The same in words; may be empty.
        reason: String,
    },
    /// Send a new offer: by re-INVITE once the invitation is answered, by UPDATE before, if the first
    /// answer came reliably and they know UPDATE (else 491). While theirs is under way it waits a
    /// moment; a second one of ours beside the first is refused with 491.
    Reoffer {
        /// Which invitation.
        invite: InviteId,
        /// Our offer.
        sdp: Bytes,
    },
    /// Accept the other side's new offer.
    AnswerReoffer {
        /// Which invitation.
        invite: InviteId,
        /// Our answer; our offer if theirs was missing.
        sdp: Bytes,
    },
    /// Refuse the other side's new offer; the dialog goes on as before.
    RejectReoffer {
        /// Which invitation.
        invite: InviteId,
        /// 400–699; 488 when the media do not fit.
        code: u16,
    },
    /// Say how far a transfer is that was asked for by [`Event::Transferred`]: 101–199 on the way, 200 when
    /// the wanted party has answered, 300–699 when it failed. After 200–699 nothing more is said of it.
    TransferProgress {
        /// In which invitation it was asked for; it may have ended meanwhile.
        invite: InviteId,
        /// 101–699.
        code: u16,
    },
    /// Ask the carrier of an established invitation to connect its party to a number itself: how that went is told by
    /// [`Event::HandedBack`], once, unless the invitation ends before.
    HandBack {
        /// Which invitation.
        invite: InviteId,
        /// Whom to, plain.
        number: String,
    },
    /// Tell the party of an established invitation that a key was pressed, by SIP INFO. Keys go one after the other, each when the
    /// one before was answered. What is no key, and more than 32 that wait, are left out.
    SendKey {
        /// Which invitation.
        invite: InviteId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        key: char,
        /// How long it was pressed, in ms.
        duration_ms: u32,
    },
    /// Replace all accounts. Bindings of accounts that are gone or have a new password are removed.
    SetAccounts(Vec<Account>),
    /// Add or change one account. A new password removes its bindings.
    PutAccount(Account),
    /// Take one account away, with its bindings.
    RemoveAccount {
        /// Which user.
        user: Arc<str>,
    },
    /// Replace all names that are nobody's and whose dialogs can be watched all the same, such as those of parking slots.
    SetPlaces(BTreeSet<Arc<str>>),
    /// Replace all trunks. Those that stay as they were keep their state.
    SetTrunks(Vec<Trunk>),
    /// The addresses of one trunk were found, or changed. Its calls, its registration and what is known of those
    /// that stay go on.
    SetPeers {
        /// The trunk's name.
        trunk: Arc<str>,
        /// Its peers from now on.
        peers: Vec<Peer>,
    },
    /// Put back a binding that was known before a restart. No event follows.
    RestoreBinding(Binding),
    /// Forget bindings of an account.
    Unregister {
        /// Whose.
        account: Arc<str>,
        /// The contact as registered; `None` for all.
        contact: Option<Arc<str>>,
    },
    /// Make known what one of our users is doing: all of it, as it is now. Whoever subscribed to it
    /// hears of it; for somebody without an account it is ignored.
    Publish {
        /// Who.
        user: Arc<str>,
        /// What of it.
        state: ResourceState,
    },
    /// Take no new invitations (503 with Retry-After) from now on; running dialogs go on.
    Drain,
}

/// An outgoing invitation.
#[derive(Clone, Debug)]
pub struct Invite {
    /// From [`Endpoint::next_invite`](super::Endpoint::next_invite).
    pub invite: InviteId,
    /// Whom.
    pub target: Target,
    /// User part of From, plain (it is escaped here).
    pub from_user: String,
    /// Display name of From, plain; empty for none.
    pub from_display: String,
    /// Who calls, for trunks that are trusted with it; whether they want to be shown, for everybody.
    pub party: PartyIdentity,
    /// Our offer.
    pub sdp: Bytes,
    /// Our offer to devices that come by WebSocket, where they get another one.
    pub web_sdp: Option<Bytes>,
    /// Further headers, name and value. One that would break the message is left out.
    /// `Max-Forwards` takes the place of ours; with 0 the invitation is refused with 483.
    pub headers: Vec<(String, String)>,
    /// It calls an emergency service: the bounds of its trunk and of the endpoint leave it room.
    pub is_emergency: bool,
}

/// Who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All live bindings of one of our users, at once.
    Account(Arc<str>),
    /// A number on a carrier link.
    Trunk {
        /// The trunk's name.
        name: Arc<str>,
        /// User part of the Request-URI, plain.
        user: String,
    },
    /// The same while there is somewhere else to call: given up (408) as soon as no reply comes in the time of
    /// [`Trunk::patience_ms`].
    TrunkOrElse {
        /// The trunk's name.
        name: Arc<str>,
        /// User part of the Request-URI, plain.
        user: String,
    },
    /// A device with a fixed address (`sip:agent7@127.0.0.3:5090`). The host must be an IP address.
    Uri(String),
}

/// One of our users, with what is needed to check a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user name: also the user part of the address of record.
    pub user: Arc<str>,
    /// MD5 of `user:realm:password`; see [`crate::digest::ha1`].
    pub ha1_md5: [u8; 16],
    /// SHA-256 of the same.
    pub ha1_sha256: [u8; 32],
    /// SHA-512-256 of the same; `None` when it is not kept.
    pub ha1_sha512_256: Option<[u8; 32]>,
    /// How many devices may be registered at a time.
    pub max_bindings: usize,
    /// What it may ask for.
    pub rights: Rights,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// One registered device of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose.
    pub account: Arc<str>,
    /// The contact URI as registered, without angle brackets.
    pub contact: Arc<str>,
    /// Preference of 0–1000 (the `q` value times 1000).
    pub q: u16,
    /// When it ends unless refreshed.
    pub expires_at: Instant,
    /// The way to the device.
    pub flow: Flow,
    /// What the device calls itself; empty when it does not say.
    pub user_agent: Arc<str>,
    /// What names the binding, when it is one of a flow (RFC 5626); else its contact does.
    pub outbound: Option<Outbound>,
    /// The proxies on the way to the device, the nearest to us first (RFC 3327); mostly none.
    pub path: Arc<[Box<str>]>,
}

/// One of the flows by which a device registered (RFC 5626 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The device, whatever its addresses: the value of `+sip.instance`.
    pub instance: Arc<str>,
    /// Which of its flows.
    pub reg_id: u32,
}
