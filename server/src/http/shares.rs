//! How many connections one source may have: an address, in IPv6 a /64.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts connections by source. Locked only for the count itself.
#[derive(Debug)]
pub(super) struct Shares {
    open: Mutex<HashMap<IpAddr, usize>>,
    most: usize,
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    source: IpAddr,
}

impl Shares {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), most })
    }

    /// The right to one more connection with an address, unless its source has too many.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let source = source_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = open.entry(source).or_insert(0);
        if *mine >= self.most {
            return None;
        }
        *mine += 1;
        Some(Share { shares: Arc::clone(self), source })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.shares.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.source) {
            *mine -= 1;
            if *mine == 0 {
                open.remove(&self.source);
            }
        }
    }
}

fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_its_share_and_gives_it_back() {
        let shares = Shares::new(2);
        let take = |text: &str| shares.take(text.parse().unwrap());
        let held = [take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some) && take("192.0.2.1").is_none() && take("192.0.2.2").is_some());
        let net = [take("2001:db8::1"), take("2001:db8::2"), take("2001:db8::3"), take("2001:db8:0:1::1")];
        assert_eq!(net.map(|share| share.is_some()), [true, true, false, true]);
        drop(held);
        assert!(take("192.0.2.1").is_some());
        assert!(shares.open.lock().unwrap().is_empty(), "nothing is kept of who is gone");
    }
}
