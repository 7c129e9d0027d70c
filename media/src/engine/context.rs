//! What the handlers of one media thread share: the time of this wake-up, the way out for events and
//! recordings, and scratch space, so that handling a packet allocates nothing.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use super::tape::Tape;
use crate::{
    browser::Identity,
    contract::{EngineConfig, Event},
    reports::NtpClock,
};

/// Longest frame that is encoded: 60 ms at 16 kHz.
pub(super) const FRAME_SAMPLES: usize = 960;
/// Header and the longest payload of our own making.
pub(super) const PACKET_BYTES: usize = 12 + 1_500;

/// Addresses that are our own, where media must not be sent.
#[derive(Clone, Debug)]
pub(super) struct OwnAddresses {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) first_port: u16,
    pub(super) last_port: u16,
    shared: std::ops::Range<u16>,
}

impl OwnAddresses {
    pub(super) fn of(config: &EngineConfig) -> Self {
        let addresses = config.addresses.clone();
        Self { addresses, first_port: config.first_port, last_port: config.last_port, shared: config.shared_ports() }
    }

    /// Whether nothing is ever sent there: to ourselves, to many at once, to nobody.
    pub(super) fn forbids(&self, remote: SocketAddr) -> bool {
        let ip = remote.ip();
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        remote.port() == 0 || ip.is_multicast() || ip.is_unspecified() || broadcast || self.contains(remote)
    }

    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        ((self.first_port..=self.last_port).contains(&address.port()) || self.shared.contains(&address.port()))
            && (self.addresses.contains(&address.ip())
                || address.ip().is_loopback() && self.addresses.iter().any(IpAddr::is_unspecified))
    }
}

/// Shared by all streams of a thread, one call at a time.
pub(super) struct Context {
    /// Read once per wake-up.
    pub(super) now: Instant,
    /// Told after the packet was handled; bounded by what one wake-up can cause.
    pub(super) events: VecDeque<Event>,
    /// Keys that the stream in hand was told to have pressed as events, for a partner that has none.
    pub(super) pressed: VecDeque<(char, u32)>,
    pub(super) tape: Tape,
    pub(super) ntp: NtpClock,
    pub(super) own: OwnAddresses,
    pub(super) identity: Arc<Identity>,
    pub(super) frame: Box<[i16; FRAME_SAMPLES]>,
    pub(super) packet: Box<[u8; PACKET_BYTES]>,
}
