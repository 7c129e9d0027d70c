//! What is kept of a leg: plain data that a store writes down. Its fields are nobody's business but ours.
//!
//! Texts are as they stand in messages. They name people, so `Debug` shows nothing of them.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{
    endpoint::contract::Destination,
    flow::{Flow, Transport},
};

/// What must be known of a leg to go on with it in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "leg", rename_all = "lowercase")]
pub enum KeptLeg {
    /// It was answered.
    Up(Box<KeptDialog>),
    /// Incoming, not answered yet.
    Ringing(KeptRinging),
    /// Outgoing, not answered yet.
    Calling(KeptCalling),
}

impl KeptLeg {
    /// Whether it was answered, so that it can go on.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up(_))
    }
}

/// An answered leg.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDialog {
    pub(super) v: u8,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    /// Our address as in From or To, without the tag.
    pub(super) local: String,
    /// Theirs, with the tag.
    pub(super) remote: String,
    pub(super) target: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) routes: Vec<String>,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: Option<u32>,
    /// We are the caller.
    pub(super) is_ours: bool,
    pub(super) takes_update: bool,
    /// Where our requests go.
    pub(super) to: KeptWay,
    /// The way it was last heard by.
    pub(super) flow: KeptWay,
    /// The device that it is, when it is registered by the connection that the leg used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<KeptDevice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trunk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// Our description as it was agreed last.
    pub(super) described: String,
    /// An offer of either side was under way.
    pub(super) is_open: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<KeptSession>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unacked: Option<KeptAnswer>,
    /// A transfer was asked for before.
    pub(super) was_referred: bool,
    /// They wait to hear of a transfer: the `id` of the event, 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) referral: Option<u32>,
}

/// A session timer (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSession {
    pub(super) interval_s: u32,
    pub(super) min_s: u32,
    pub(super) is_ours: bool,
    /// When we refresh, or give up.
    pub(super) due_unix_ms: u64,
}

/// A 2xx of ours that was not acknowledged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptAnswer {
    pub(super) text: String,
    pub(super) to: KeptWay,
    pub(super) cseq: u32,
    /// Our offer is in it.
    pub(super) is_offer: bool,
}

/// A device that is registered by a connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptDevice {
    pub(super) contact: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
}

/// An incoming leg that nobody answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRinging {
    pub(super) v: u8,
    /// What replies are made from.
    pub(super) head: String,
    pub(super) local_tag: String,
    pub(super) flow: KeptWay,
}

/// An outgoing leg that nobody answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCalling {
    pub(super) v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trunk: Option<String>,
    pub(super) forks: Vec<KeptFork>,
}

/// One INVITE that is out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptFork {
    /// What a CANCEL or an ACK is made from.
    pub(super) head: String,
    pub(super) to: KeptWay,
    /// A provisional reply came.
    pub(super) is_heard: bool,
    /// The last number that an early dialog of it used.
    pub(super) used_cseq: u32,
}

/// A way to the peer. Connections are not named: none outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptWay {
    pub(super) transport: Transport,
    /// Our end, when it was a flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: SocketAddr,
}

impl KeptWay {
    pub(super) const fn of_flow(flow: &Flow) -> Self {
        Self { transport: flow.transport, local: Some(flow.local), remote: flow.remote }
    }

    pub(super) const fn of(to: &Destination) -> Self {
        match to {
            Destination::Flow(flow) => Self::of_flow(flow),
            Destination::Address { transport, to } => Self { transport: *transport, local: None, remote: *to },
        }
    }
}

macro_rules! nameless {
    ($($kept:ident),+) => {$(
        impl fmt::Debug for $kept {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($kept)).finish_non_exhaustive()
            }
        }
    )+};
}
nameless!(KeptDialog, KeptAnswer, KeptDevice, KeptRinging, KeptCalling, KeptFork);
