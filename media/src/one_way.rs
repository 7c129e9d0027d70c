//! Whether audio goes both ways soon after that was agreed, and if not, why: one verdict for whoever has to mend it.
//!
//! It begins when the call is answered with audio both ways, and ends with the first packet of the peer, or with a
//! verdict on what came instead. Hold, and what is heard before an answer, are none of its business: nobody asks it then.
//! Comfort noise and key presses are packets of the peer like any other, and a peer that pauses afterwards was heard.
//!
//! The way to the peer is judged by its reports (RFC 3550 section 6.4): one that names no source of ours, or that lost all
//! of what we sent since the last one, after a second of audio from us. These come some seconds after the answer.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Audio is awaited for so long. With the tick of a media thread, a verdict is there within 2 s.
const PATIENCE: Duration = Duration::from_millis(1_600);
/// So many packets of a kind are no accident.
const FEW: u64 = 3;
/// What we must have sent before a report that does not know of it counts: packets, and time.
const SENT_PACKETS: u64 = 50;
const SENT_FOR: Duration = Duration::from_secs(1);

/// Which way is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// We do not hear the peer.
    FromPeer,
    /// The peer does not hear us.
    ToPeer,
}

impl Way {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FromPeer => "from-peer",
            Self::ToPeer => "to-peer",
        }
    }
}

/// Why one way of a stream is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneWay {
    /// Nothing came.
    NothingComes {
        /// Where the peer's SDP says that it is.
        described: SocketAddr,
    },
    /// The peer's SDP names an address that only its own network knows, and its audio comes from another.
    PrivateAddress {
        /// Where its SDP says that it is.
        described: SocketAddr,
        /// Where packets come from.
        from: SocketAddr,
        /// How many were refused.
        refused: u64,
    },
    /// Packets come from an address that was neither agreed nor learned.
    OtherSource {
        /// Where the peer's SDP says that it is.
        described: SocketAddr,
        /// Where packets come from.
        from: SocketAddr,
        /// How many were refused.
        refused: u64,
    },
    /// Packets of a payload type that was not agreed.
    OtherPayloadType {
        /// The one that came last.
        payload_type: u8,
        /// How many came.
        packets: u64,
    },
    /// Packets that the agreed keys do not open.
    Undecryptable {
        /// How many came.
        packets: u64,
    },
    /// What comes is no RTP.
    NoRtp {
        /// How many datagrams came.
        packets: u64,
    },
    /// The peer reports that it receives nothing of what we send.
    PeerHearsNothing {
        /// Where it goes.
        to: SocketAddr,
        /// How many packets went there since the answer.
        sent: u64,
    },
}

impl OneWay {
    /// All causes, as [`cause`](Self::cause) names them.
    pub const CAUSES: &'static [&'static str] = &[
        "nothing-comes",
        "private-address",
        "other-source",
        "other-payload-type",
        "undecryptable",
        "no-rtp",
        "peer-hears-nothing",
    ];

    /// The cause in one word.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NothingComes { .. } => "nothing-comes",
            Self::PrivateAddress { .. } => "private-address",
            Self::OtherSource { .. } => "other-source",
            Self::OtherPayloadType { .. } => "other-payload-type",
            Self::Undecryptable { .. } => "undecryptable",
            Self::NoRtp { .. } => "no-rtp",
            Self::PeerHearsNothing { .. } => "peer-hears-nothing",
        }
    }

    /// Which way is silent.
    #[must_use]
    pub const fn way(&self) -> Way {
        if matches!(self, Self::PeerHearsNothing { .. }) { Way::ToPeer } else { Way::FromPeer }
    }
}

impl fmt::Display for OneWay {
    /// For whoever runs the switch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingComes { described } if is_private(described.ip()) => {
                write!(f, "no packet from the peer since the answer; its SDP says {described}, a private address")
            }
            Self::NothingComes { described } => {
                write!(f, "no packet from the peer since the answer; its SDP says {described}")
            }
            Self::PrivateAddress { described, from, refused } => {
                write!(f, "the peer's SDP says {}, media arrives from {from} ({refused} refused)", described.ip())
            }
            Self::OtherSource { described, from, refused } => {
                write!(f, "packets come from {from}, neither agreed nor learned ({refused} refused); the SDP says {described}")
            }
            Self::OtherPayloadType { payload_type, packets } => {
                write!(f, "{packets} packets of payload type {payload_type}, which was not agreed")
            }
            Self::Undecryptable { packets } => write!(f, "{packets} packets cannot be decrypted with the agreed keys"),
            Self::NoRtp { packets } => write!(f, "{packets} datagrams that are no RTP"),
            Self::PeerHearsNothing { to, sent } => {
                write!(f, "the peer reports that it receives nothing (RTCP) of {sent} packets sent to {to}")
            }
        }
    }
}

/// Whether an address is known in its own network only (RFC 1918, 3927, 6598, 4193, 4291).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What came of a stream instead of audio, and what its peer says.
#[derive(Clone, Debug, Default)]
pub struct OneWayWatch {
    /// Audio goes both ways, as agreed; `None`: it need not.
    agreed: Option<Agreed>,
    /// Nothing was heard yet.
    is_waiting: bool,
    refused: Option<(SocketAddr, u64)>,
    other_payload_type: Option<(u8, u64)>,
    undecryptable: u64,
    no_rtp: u64,
}

#[derive(Clone, Copy, Debug)]
struct Agreed {
    at: Instant,
    /// Packets sent by then.
    sent: u64,
    /// The last report: when it came, and what was sent by then.
    reported: (Instant, u64),
    is_deaf_told: bool,
}

impl OneWayWatch {
    /// Whether audio must go both ways from now on. `sent`: packets that we sent up to now.
    pub fn expect(&mut self, now: Instant, both_ways: bool, sent: u64) {
        match (both_ways, self.agreed) {
            (true, Some(_)) => {}
            (true, None) => {
                let agreed = Agreed { at: now, sent, reported: (now, sent), is_deaf_told: false };
                *self = Self { agreed: Some(agreed), is_waiting: true, ..Self::default() };
            }
            (false, _) => *self = Self::default(),
        }
    }

    /// Nothing can be heard yet, for a reason that is told elsewhere: the time begins when that is over.
    pub const fn wait(&mut self, now: Instant) {
        if let (Some(agreed), true) = (&mut self.agreed, self.is_waiting) {
            agreed.at = now;
        }
    }

    /// A packet of the peer came.
    pub const fn heard(&mut self) {
        self.is_waiting = false;
    }

    /// Whether a verdict may be due soon.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// A packet was refused for where it came from.
    pub fn refused(&mut self, from: SocketAddr) {
        if self.is_waiting {
            let before = self.refused.map_or(0, |(_, count)| count);
            self.refused = Some((from, before + 1));
        }
    }

    /// A packet has a payload type that was not agreed.
    pub fn other_payload_type(&mut self, payload_type: u8) {
        if self.is_waiting {
            let before = self.other_payload_type.map_or(0, |(_, count)| count);
            self.other_payload_type = Some((payload_type, before + 1));
        }
    }

    /// A packet could not be decrypted.
    pub const fn undecryptable(&mut self) {
        self.undecryptable += self.is_waiting as u64;
    }

    /// A datagram is no RTP.
    pub const fn no_rtp(&mut self) {
        self.no_rtp += self.is_waiting as u64;
    }

    /// The verdict on the way from the peer, when its time has come. `described`: where its SDP says that it is.
    pub fn verdict(&mut self, now: Instant, described: SocketAddr) -> Option<OneWay> {
        let agreed = self.agreed.filter(|_| self.is_waiting)?;
        if now.saturating_duration_since(agreed.at) < PATIENCE {
            return None;
        }
        self.is_waiting = false;
        Some(self.cause(described))
    }

    /// What most of the packets had; the first of them where that is even.
    fn cause(&self, described: SocketAddr) -> OneWay {
        let mut most = (FEW - 1, OneWay::NothingComes { described });
        let mut try_one = |count: u64, cause: OneWay| {
            if count > most.0 {
                most = (count, cause);
            }
        };
        try_one(self.undecryptable, OneWay::Undecryptable { packets: self.undecryptable });
        if let Some((payload_type, packets)) = self.other_payload_type {
            try_one(packets, OneWay::OtherPayloadType { payload_type, packets });
        }
        if let Some((from, refused)) = self.refused {
            let is_hidden = is_private(described.ip()) && described.ip() != from.ip();
            try_one(
                refused,
                match is_hidden {
                    true => OneWay::PrivateAddress { described, from, refused },
                    false => OneWay::OtherSource { described, from, refused },
                },
            );
        }
        try_one(self.no_rtp, OneWay::NoRtp { packets: self.no_rtp });
        most.1
    }

    /// The peer reported what it hears: of us, `hears`. The verdict on the way to it, once, when it hears nothing of what
    /// we sent. `sent`: packets up to now, `to` where they go.
    pub fn reported(&mut self, now: Instant, hears: bool, sent: u64, to: SocketAddr) -> Option<OneWay> {
        let agreed = self.agreed.as_mut()?;
        let (at, before) = std::mem::replace(&mut agreed.reported, (now, sent));
        let is_deaf = !hears && sent - before >= SENT_PACKETS && now.saturating_duration_since(at) >= SENT_FOR;
        if !is_deaf || std::mem::replace(&mut agreed.is_deaf_told, true) {
            return None;
        }
        Some(OneWay::PeerHearsNothing { to, sent: sent - agreed.sent })
    }
}

#[cfg(test)]
mod tests;
