//! Which addresses of carriers did not work lately, so that calls, registrations and pings learn from each other.
//!
//! An address that did not answer, could not be reached, or said 503 is avoided for a while; the while grows with
//! each failure after it, with a random part so that not all come back at once. A reply of any other kind clears it.
//! Avoided means: tried last. Nothing here forbids a call.

use std::{collections::HashMap, net::SocketAddr};

use super::{config::Peer, contract::Destination, timers::Ms};
use crate::{flow::Transport, hashing::Seeded};

/// The first while, and the longest.
const FIRST_MS: Ms = 5_000;
const LONGEST_MS: Ms = 120_000;
/// A `Retry-After` is honoured up to this long.
const LONGEST_WISH_MS: Ms = 600_000;
/// Addresses that are remembered; one more, and the one that is avoided least long goes.
const MOST: usize = 1_024;

type Address = (Transport, SocketAddr);

#[derive(Debug)]
pub(super) struct Health {
    avoided: HashMap<Address, Avoided, Seeded>,
}

#[derive(Clone, Copy, Debug)]
struct Avoided {
    until: Ms,
    /// How long it was avoided last.
    wait: Ms,
}

/// The address of a destination.
pub(super) const fn address_of(to: &Destination) -> Address {
    (to.transport(), to.address())
}

impl Health {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self { avoided: HashMap::with_hasher(hasher) }
    }

    /// It did not work. `wish_s` is the `Retry-After` of a 503 (RFC 3261 section 21.5.4).
    pub(super) fn failed(&mut self, now: Ms, address: Address, wish_s: Option<u32>, random: u64) {
        let known = self.avoided.get(&address).copied();
        let wished = wish_s.map_or(0, |s| Ms::from(s) * 1_000).min(LONGEST_WISH_MS);
        let row = match known {
            // Many calls fail at once: that is one failure.
            Some(known) if now < known.until => Avoided { until: known.until.max(now + wished), ..known },
            _ => {
                let most = known.map_or(FIRST_MS, |known| known.wait.max(FIRST_MS) * 3).min(LONGEST_MS);
                let wait = FIRST_MS + random % (most - FIRST_MS + 1);
                Avoided { until: now + wait.max(wished), wait }
            }
        };
        if self.avoided.len() >= MOST
            && let Some(first) = self.avoided.iter().min_by_key(|(address, row)| (row.until, **address)).map(|(key, _)| *key)
        {
            self.avoided.remove(&first);
        }
        self.avoided.insert(address, row);
    }

    /// It replied.
    pub(super) fn answered(&mut self, address: Address) {
        // Most of the time nobody is avoided.
        if !self.avoided.is_empty() {
            self.avoided.remove(&address);
        }
    }

    pub(super) fn is_avoided(&self, now: Ms, peer: &Peer) -> bool {
        self.until(peer).is_some_and(|until| until > now)
    }

    /// Those that are avoided come last, the one that is avoided least long first.
    pub(super) fn order(&self, now: Ms, peers: &mut [Peer]) {
        if !self.avoided.is_empty() {
            peers.sort_by_key(|peer| self.until(peer).filter(|until| *until > now).unwrap_or(0));
        }
    }

    fn until(&self, peer: &Peer) -> Option<Ms> {
        self.avoided.get(&(peer.transport, peer.address)).map(|row| row.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer::new(Transport::Udp, SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5060));
    const ADDRESS: Address = (PEER.transport, PEER.address);

    #[test]
    fn the_while_grows_to_a_bound_and_one_reply_clears_it() {
        let mut health = Health::new(Seeded::new(1, 2));
        let (mut now, mut longest) = (0, 0);
        for _ in 0..20 {
            health.failed(now, ADDRESS, None, u64::MAX - 7);
            let until = health.until(&PEER).unwrap();
            assert!(until - now >= FIRST_MS && until - now <= LONGEST_MS);
            longest = longest.max(until - now);
            health.failed(now, ADDRESS, None, 0);
            assert_eq!(health.until(&PEER), Some(until), "two at once are one");
            now = until;
            assert!(!health.is_avoided(now, &PEER), "tried again");
        }
        assert!(longest > 10 * FIRST_MS);
        health.answered(ADDRESS);
        health.failed(now, ADDRESS, None, 99_999);
        assert_eq!(health.until(&PEER), Some(now + FIRST_MS), "as if for the first time");
    }

    #[test]
    fn a_retry_after_is_honoured_within_reason() {
        let mut health = Health::new(Seeded::new(1, 2));
        health.failed(0, ADDRESS, Some(60), 0);
        assert_eq!(health.until(&PEER), Some(60_000));
        health.failed(1_000, ADDRESS, Some(u32::MAX), 0);
        assert_eq!(health.until(&PEER), Some(1_000 + LONGEST_WISH_MS));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut health = Health::new(Seeded::new(1, 2));
        for port in 0..5_000 {
            health.failed(port.into(), (Transport::Tcp, SocketAddr::from(([192, 0, 2, 1], port))), None, 0);
        }
        assert_eq!(health.avoided.len(), MOST);
    }
}
