//! What a [`Gate`](super::Gate) is set up with, and what it says.

use super::{Ban, Class, Refusal};
use crate::endpoint::PeerMatch;

/// What is allowed and expected. Taken from the plan.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Networks that are never limited or banned.
    pub allow: Vec<PeerMatch>,
    /// Numbers of emergency services, as they are dialled.
    pub emergency: Vec<String>,
    /// The only hosts that strangers are answered for; any when empty.
    pub hosts: Vec<String>,
    /// Calls at a time; new ones have nine tenths of it.
    pub max_calls: usize,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { allow: Vec::new(), emergency: vec!["112".to_owned(), "911".to_owned()], hosts: Vec::new(), max_calls: 20_000 }
    }
}

/// Bounds of one source: so many a second, and so many at once.
#[derive(Clone, Copy, Debug)]
pub struct SourceLimits {
    /// Requests of an address that is not known; those in dialogs count a tenth.
    pub requests: (u32, u32),
    /// Of these, new calls.
    pub calls: (u32, u32),
    /// Requests of a known device.
    pub device_requests: (u32, u32),
    /// Of these, new calls.
    pub device_calls: (u32, u32),
    /// Calls of a known device to emergency numbers, which nothing else of its measure counts against.
    pub device_emergencies: (u32, u32),
    /// The same for all together who are not known.
    pub emergencies: (u32, u32),
    /// Offences that lead to a ban: wrong passwords count one each.
    pub offences: u32,
    /// One of them is forgiven in so many ms.
    pub forgiven_ms: u64,
    /// Sources that are remembered.
    pub most: usize,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            requests: (100, 500),
            calls: (20, 100),
            device_requests: (100, 500),
            device_calls: (20, 100),
            device_emergencies: (1, 10),
            emergencies: (10, 20),
            offences: 10,
            forgiven_ms: 6_000,
            most: 16_384,
        }
    }
}

/// Why a message is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// Its source is banned.
    Banned,
    /// It comes from a program that looks for switches to abuse.
    Scanner,
    /// It is for a domain that is not served.
    OtherDomain,
    /// Its source sends too many.
    Rate,
    /// It is no SIP.
    Malformed,
    /// It acknowledges a refusal of ours.
    Ack,
}

impl Dropped {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Banned, Self::Scanner, Self::OtherDomain, Self::Rate, Self::Malformed, Self::Ack];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Scanner => "scanner",
            Self::OtherDomain => "other-domain",
            Self::Rate => "rate",
            Self::Malformed => "malformed",
            Self::Ack => "ack",
        }
    }

    /// Whether whoever sent it by a connection has forfeited it. Where only the measure of the moment is full, it stays.
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(self, Self::Banned | Self::Scanner | Self::Malformed)
    }
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint hears it.
    Pass,
    /// It is not answered.
    Drop(Dropped),
    /// It is refused by this reply.
    Refuse(Class, Refusal),
}

/// What happened at the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A source is not heard from now on.
    Banned(Ban),
    /// New calls are refused from now on (calls a second that are let in), or no longer.
    Shedding(Option<u64>),
    /// How many were turned away since the last time: refused by class, not answered by reason. Told now and then.
    Turned(Tally),
}

/// What was turned away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Refused, in the order of [`Class::ALL`].
    pub refused: [u64; 4],
    /// Not answered, in the order of [`Dropped::ALL`].
    pub dropped: [u64; 6],
}
