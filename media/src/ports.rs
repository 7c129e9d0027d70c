//! Which RTP ports are free. A port that was used rests before it is used again, so that what an old
//! call still receives is never heard by a new one. The port that rested longest is always next, so the
//! rest is minutes in a quiet switch and shrinks towards the least one only as the pool empties.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::random::Random;

/// The even ports of one address; each stands for itself and the odd one after it.
#[derive(Clone, Debug)]
pub struct PortPool {
    /// Never used first, then in the order of their release, so the front has always rested longest.
    free: VecDeque<(u16, Option<Instant>)>,
    least_rest: Duration,
}

impl PortPool {
    /// The pairs that lie wholly in `first..=last`, in an order that `seed` decides, because a port
    /// that can be guessed is easier to spray.
    #[must_use]
    pub fn new(first: u16, last: u16, least_rest: Duration, seed: u64) -> Self {
        let mut ports: Vec<u16> = (first..last).filter(|port| port % 2 == 0).collect();
        let mut random = Random::new(seed);
        for i in (1..ports.len()).rev() {
            let j = usize::try_from(random.below(i as u64 + 1)).unwrap_or(0);
            ports.swap(i, j);
        }
        Self { free: ports.into_iter().map(|port| (port, None)).collect(), least_rest }
    }

    /// The port that rested longest. `None` when all are in use or closed too recently.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        let &(port, released_at) = self.free.front()?;
        if released_at.is_some_and(|at| now.saturating_duration_since(at) < self.least_rest) {
            return None;
        }
        self.free.pop_front();
        Some(port)
    }

    /// Takes a port that had been taken by a process before this one; `false` when it is none of these, or in use.
    pub fn take_this(&mut self, port: u16) -> bool {
        let at = self.free.iter().position(|(free, _)| *free == port);
        at.and_then(|at| self.free.remove(at)).is_some()
    }

    /// A taken port is closed, or was found in use by another program: it rests from now on.
    pub fn release(&mut self, port: u16, now: Instant) {
        self.free.push_back((port, Some(now)));
    }

    /// Ports that are not taken, resting ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// Whether every port is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pairs_are_even_inside_the_range_and_given_once() {
        let mut pool = PortPool::new(20_001, 20_010, 2 * SECOND, 1);
        let now = start();
        let ports: HashSet<u16> = std::iter::from_fn(|| pool.take(now)).collect();
        assert_eq!(ports, HashSet::from([20_002, 20_004, 20_006, 20_008]));
        assert!(pool.is_empty());
        assert!(PortPool::new(9, 9, SECOND, 1).is_empty());
        assert_eq!(PortPool::new(65_532, 65_535, SECOND, 1).len(), 2);
    }

    #[test]
    fn the_port_that_rested_longest_is_next_and_none_before_the_least_rest() {
        let mut pool = PortPool::new(100, 105, 2 * SECOND, 7);
        let now = start();
        let first = pool.take(now).unwrap();
        pool.release(first, now);
        let second = pool.take(now + 10 * SECOND).unwrap();
        let third = pool.take(now + 10 * SECOND).unwrap();
        assert!(first != second && second != third && third != first);
        assert_eq!(pool.take(now + SECOND), None, "not before the least rest");
        assert_eq!(pool.take(now + 2 * SECOND), Some(first));
        assert_eq!(pool.take(now + 60 * SECOND), None);
    }

    #[test]
    fn a_port_that_is_asked_for_is_given_once_and_comes_back() {
        let mut pool = PortPool::new(100, 107, SECOND, 7);
        let now = start();
        assert!(pool.take_this(104));
        for other in [104, 101, 108, 0] {
            assert!(!pool.take_this(other), "{other}");
        }
        let rest: HashSet<u16> = std::iter::from_fn(|| pool.take(now)).collect();
        assert_eq!(rest, HashSet::from([100, 102, 106]));
        pool.release(104, now);
        assert_eq!(pool.take(now), None, "it rests as any other");
        assert!(pool.take_this(104), "but its own call may have it at once");
    }

    #[test]
    fn the_order_is_not_the_order_of_numbers() {
        let mut pool = PortPool::new(20_000, 29_999, SECOND, 3);
        let now = start();
        let taken: Vec<u16> = (0..50).filter_map(|_| pool.take(now)).collect();
        assert!(taken.windows(2).any(|pair| pair[1] < pair[0]));
    }
}
