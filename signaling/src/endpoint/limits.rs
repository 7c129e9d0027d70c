//! How many refusals strangers get.
//!
//! Only what ends in a refusal is paid for, so a device with the right password and a trunk never run dry, whatever
//! else comes from their address.

use std::net::IpAddr;

pub(super) use crate::buckets::Buckets;
use crate::{admission::Prefix, hashing::Seeded};

use super::{config::Limits, timers::Ms};

/// A bucket for each source that is no trunk.
pub(super) type Strangers = Buckets<Prefix>;

impl Strangers {
    pub(super) fn of(limits: &Limits, hasher: Seeded) -> Self {
        Self::new(limits.stranger_rate_per_s, limits.stranger_burst, limits.max_strangers, hasher)
    }

    /// One refusal to this address: `false` when it has had too many, and gets none.
    pub(super) fn may_be_refused(&mut self, now: Ms, address: IpAddr) -> bool {
        self.take(now, Prefix::of(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_then_the_rate_and_others_are_not_touched() {
        let limits = Limits { stranger_rate_per_s: 10, stranger_burst: 5, max_strangers: 2, ..Limits::default() };
        let mut strangers = Strangers::of(&limits, Seeded::new(1, 2));
        let address = |last| IpAddr::from([127, 0, 0, last]);
        let mut refused = |now, last| strangers.may_be_refused(now, address(last));
        assert_eq!((0..10).filter(|_| refused(0, 1)).count(), 5);
        assert_eq!((0..10).filter(|_| refused(200, 1)).count(), 2);
        assert!(refused(200, 2));
        assert!(refused(200, 3));
        assert!(strangers.len() <= 2);
    }
}
