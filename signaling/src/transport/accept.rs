//! Taking connections in: how many, and how many of one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::admission::Prefix;

/// Counts open connections. Shared by listeners and connectors; locked only for the count itself.
#[derive(Debug)]
pub(super) struct Admission {
    counts: Mutex<Counts>,
    total: usize,
    per_address: usize,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_source: HashMap<Prefix, usize>,
}

/// The right to hold one connection open; given back when dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    source: Prefix,
}

impl Admission {
    pub(super) fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), total, per_address })
    }

    /// The right to one more connection with `address`, unless there are too many.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admitted> {
        let source = Prefix::of(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = counts.by_source.get(&source).copied().unwrap_or(0);
        if counts.total >= self.total || mine >= self.per_address {
            return None;
        }
        counts.total += 1;
        counts.by_source.insert(source, mine + 1);
        Some(Admitted { admission: Arc::clone(self), source })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(mine) = counts.by_source.get_mut(&self.source) {
            *mine -= 1;
            if *mine == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_and_gives_back_what_it_took() {
        let admission = Admission::new(3, 2);
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let held = [admission.admit(a), admission.admit(a)];
        assert!(held.iter().all(Option::is_some) && admission.admit(a).is_none());
        let other = admission.admit(b);
        assert!(other.is_some() && admission.admit(b).is_none(), "three in all");
        drop(held);
        assert!(admission.admit(a).is_some());
    }

    #[test]
    fn all_addresses_of_an_ipv6_customer_are_one() {
        let admission = Admission::new(9, 2);
        let held: Vec<_> = (1..4).map(|n| admission.admit(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]))).collect();
        assert_eq!(held.iter().flatten().count(), 2);
    }
}
