//! What an [`Endpoint`](super::Endpoint) tells the program that runs it: [`Event`] and what stands in one.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;

use super::contract::{Binding, InviteId};
use crate::{
    endpoint::{identity::PartyIdentity, redirect::Redirected},
    flow::Flow,
    identity::Presented,
};

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
    /// A key of [`Command::SendKey`](super::Command::SendKey) was not taken: their phone does not know keys by SIP INFO, or has none of its own.
    KeyRefused {
        /// Which invitation; it is still up.
        invite: InviteId,
        /// 300–699; 408 when it did not say in time.
        code: u16,
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
