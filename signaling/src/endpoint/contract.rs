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

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;

use crate::{
    endpoint::{
        config::{Peer, Rights, Trunk},
        identity::PartyIdentity,
        package::ResourceState,
        redirect::Redirected,
    },
    flow::{ConnectionId, Flow, Transport},
    identity::Presented,
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

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Somebody who may do so calls. To be answered by `Progress`, `Answer`, `Reject` or `End`.
    Invited(Box<Invited>),
    /// The caller gave up before our answer. Final.
    Cancelled {
        /// Which invitation.
        invite: InviteId,
    },
    /// The caller acknowledged our answer: of the invitation, or of a later re-INVITE.
    Confirmed {
        /// Which invitation.
        invite: InviteId,
        /// Their answer, if the offer was ours.
        sdp: Option<Bytes>,
    },
    /// The called side made progress. A fork may bring several.
    Progressed {
        /// Which invitation.
        invite: InviteId,
        /// 101–199.
        code: u16,
        /// Their answer so far (early media).
        sdp: Option<Bytes>,
        /// The way it came.
        flow: Flow,
    },
    /// The called side answered; it has been acknowledged.
    Answered {
        /// Which invitation.
        invite: InviteId,
        /// Their answer; `None` if it came with the last `Progressed` that had one.
        sdp: Option<Bytes>,
        /// The way it came.
        flow: Flow,
    },
    /// The called side did not take the invitation. Final.
    Rejected {
        /// Which invitation.
        invite: InviteId,
        /// 300–699.
        code: u16,
        /// Reason phrase, with the text of a Warning in brackets: text from outside.
        reason: String,
        /// Who said so.
        by: RejectedBy,
    },
    /// The called side did not take the invitation and names somebody else. Final.
    Redirected(Box<Redirected>),
    /// The other side wants to change the media (by re-INVITE, UPDATE or PRACK, so it may come before
    /// the invitation is answered). To be answered by `AnswerReoffer` or `RejectReoffer`.
    Reoffered {
        /// Which invitation.
        invite: InviteId,
        /// Their offer; `None` if we are asked for ours.
        sdp: Option<Bytes>,
    },
    /// The other side answered our `Reoffer`, an offer in our `Progress`, or with something new a
    /// refresh of the session.
    ReofferAnswered {
        /// Which invitation.
        invite: InviteId,
        /// Their answer; `None` if they sent none (media stay as they were).
        sdp: Option<Bytes>,
    },
    /// The other side refused our `Reoffer`; the dialog goes on as before.
    ReofferRejected {
        /// Which invitation.
        invite: InviteId,
        /// 300–699.
        code: u16,
    },
    /// The BYE that comes next told something by headers: see [`Trunk::tells`].
    HeadersTold {
        /// Which invitation.
        invite: InviteId,
        /// What.
        headers: Vec<ToldHeader>,
    },
    /// An established dialog ended from the other side, or was lost. Final.
    Ended {
        /// Which invitation.
        invite: InviteId,
        /// How.
        how: EndedHow,
    },
    /// The party of an established dialog wants the other party of its call connected to somebody else. It
    /// may do so, and has proved who it is. To be answered by `TransferProgress`.
    Transferred {
        /// Which invitation.
        invite: InviteId,
        /// Whose it is, proved.
        by: Source,
        /// To whom.
        to: TransferTo,
    },
    /// The carrier has connected the party to whom it was asked to (200–299), or it has not.
    HandedBack {
        /// Which invitation; it is still up.
        invite: InviteId,
        /// 200–699; 408 when it did not say in time.
        code: u16,
    },
    /// A digit by SIP INFO (`application/dtmf-relay` or `application/dtmf`).
    InfoDigit {
        /// Which invitation.
        invite: InviteId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was pressed, in ms; 160 when not said.
        duration_ms: u32,
    },
    /// A device registered.
    BindingAdded(Binding),
    /// A device registered again: new expiry, perhaps a new flow.
    BindingRefreshed(Binding),
    /// A device is gone: unregistered, expired, connection closed, or by command.
    BindingRemoved {
        /// Whose.
        account: Arc<str>,
        /// The contact as registered.
        contact: Arc<str>,
        /// Why.
        why: RemovedWhy,
        /// How many bindings the account has left.
        left: usize,
    },
    /// A trunk answers our pings (and is registered, if it must be).
    TrunkUp {
        /// The trunk's name.
        name: Arc<str>,
    },
    /// A trunk stopped answering, or refused our registration.
    TrunkDown {
        /// The trunk's name.
        name: Arc<str>,
        /// The last reply; 408 for none.
        code: u16,
    },
    /// Credentials were wrong. Said once per reply that refuses them.
    AuthFailed {
        /// Who it claimed to be: text from outside, at most 64 bytes.
        user: String,
        /// From where.
        source: IpAddr,
        /// Whether it is there for certain: it came by a connection, or answers a challenge of ours to that address.
        proved: bool,
    },
}

/// To whom a call is to be transferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTo {
    /// To a number (blind): the user part of Refer-To with escapes undone; not necessarily printable.
    Number(String),
    /// To whoever is on the other side of this invitation, which is up and of the same account (consult).
    Invitation(InviteId),
}

/// An incoming invitation.
#[derive(Clone, Debug)]
pub struct Invited {
    /// Its name from now on.
    pub invite: InviteId,
    /// Who calls, as far as we know for certain.
    pub source: Source,
    /// User part of the Request-URI with escapes undone; not necessarily printable.
    pub request_user: String,
    /// User part of From with escapes undone: a claim, unless `source` is that account.
    pub from_user: String,
    /// Display name of From: a claim.
    pub from_display: String,
    /// What is known of the caller beyond that.
    pub party: PartyIdentity,
    /// User part of To with escapes undone.
    pub to_user: String,
    /// The way it came.
    pub flow: Flow,
    /// Their offer, if there is one.
    pub sdp: Option<Bytes>,
    /// How many hops their message may still make; 70 when it does not say. A call that goes on to
    /// somebody else carries one less (RFC 7332), or a loop through a carrier never ends.
    pub max_forwards: u8,
    /// The established invitation of an account whose place this one takes (RFC 3891). Once this one is
    /// answered, that one is to be ended.
    pub replaces: Option<InviteId>,
    /// Call-ID, for traces.
    pub call_id: Arc<str>,
    /// What is signed of it (RFC 8224), when it came over a trunk with an Identity header.
    pub identity: Option<Box<Presented>>,
    /// What its trunk [tells](Trunk::tells) of it.
    pub headers: Vec<ToldHeader>,
}

/// A header that a trunk tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldHeader {
    /// Its name, as the trunk's settings write it.
    pub name: Arc<str>,
    /// Its value: text from outside, at most 256 letters, without controls.
    pub value: String,
}

/// Who calls, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One of our users, by password.
    Account(Arc<str>),
    /// A carrier link, by its address, and by its password where it is asked for.
    Trunk(Arc<str>),
}

/// Who refused an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedBy {
    /// The called side, by a final reply.
    Peer,
    /// Nobody: no reply in time, or no way to send (408, 503).
    Network,
    /// This endpoint: nobody registered (480), unknown target (404), over a limit (503).
    Us,
}

/// How a dialog ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedHow {
    /// The other side hung up.
    Bye {
        /// The cause number of its Reason header: protocol as written (`SIP`, `Q.850`) and cause.
        cause: Option<(String, u16)>,
    },
    /// No ACK for our answer, no PRACK for our progress, no reply (or 481) to a request in the dialog, or
    /// the other side did not refresh the session.
    Timeout,
    /// Our offer was acknowledged without an answer.
    NoAnswer,
    /// A request of ours found no way to the other side.
    ConnectionLost,
}

/// Why a binding went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovedWhy {
    /// The device said so.
    Unregistered,
    /// It was not refreshed in time.
    Expired,
    /// Its connection closed.
    ConnectionClosed,
    /// The program said so, or the account is gone.
    ByCommand,
    /// A newer device of the same account took its place.
    Replaced,
    /// A proxy on the way said that the flow is gone.
    FlowFailed,
    /// The account has another password now.
    PasswordChanged,
}

/// How much is alive: all zero a while after the last call, but for registrations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Client transactions.
    pub client_transactions: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Dialogs, early ones included.
    pub dialogs: usize,
    /// Invitations.
    pub invites: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Transfers that somebody hears of.
    pub referrals: usize,
    /// Bindings of all accounts.
    pub bindings: usize,
    /// Timers in the queue, with those that are void but not yet due.
    pub timers: usize,
}
