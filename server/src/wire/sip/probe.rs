//! How long datagrams wait in a socket: as long as one that we send to ourselves does.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

use tandem_signaling::transport::UdpTransport;

/// A probe that is not back by then was dropped with others: the next one is sent.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// The measurement at one socket.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// When the one that is awaited was sent.
    sent_at: Option<Instant>,
    /// How long the last one waited, in ms.
    waited_ms: u32,
    number: u64,
    secrets: RandomState,
}

impl Probe {
    /// Something was read of the socket: perhaps the probe.
    pub(super) fn note(&mut self, socket: &UdpTransport, now: Instant) {
        if let Some(sent_at) = self.sent_at.filter(|_| socket.is_probed()) {
            self.waited_ms = ms(now, sent_at);
            self.sent_at = None;
        }
    }

    /// How long datagrams wait, in ms. Sends the next probe when none is under way.
    pub(super) fn look(&mut self, socket: &mut UdpTransport, now: Instant) -> u32 {
        let waiting_ms = self.sent_at.map_or(0, |sent_at| ms(now, sent_at));
        let is_lost = self.sent_at.is_some_and(|sent_at| now.saturating_duration_since(sent_at) >= LOST_AFTER);
        if is_lost {
            self.waited_ms = waiting_ms;
        }
        if self.sent_at.is_none() || is_lost {
            self.number += 1;
            // A machine that does not let us reach ourselves is measured by nothing.
            self.sent_at = socket.probe(self.secrets.hash_one(self.number)).is_ok().then_some(now);
        }
        waiting_ms.max(self.waited_ms)
    }
}

fn ms(now: Instant, since: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(since).as_millis()).unwrap_or(u32::MAX)
}
