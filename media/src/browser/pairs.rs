//! The places that checks of ours go to, and what came of that (RFC 8445 section 6.1.2).

use std::net::SocketAddr;

use super::terms::{Candidate, MOST_CANDIDATES};
use crate::turn::behind;

/// Our own address is a host's candidate, the one that a server lends us a relayed one (section 5.1.2.1).
const HOST_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;
const LENT_PRIORITY: u32 = (65_535 << 8) | 255;

/// Section 6.1.2.6, without what is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    InProgress,
    Succeeded,
    Failed,
    /// It succeeded, and then nobody answered for it.
    Lost,
}

/// One of theirs with our address, or with the one that we are lent: its mark says which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) remote: SocketAddr,
    /// Of their candidate.
    theirs: u32,
    pub(super) state: State,
    /// They chose it.
    pub(super) is_nominated: bool,
}

impl Pair {
    /// Section 6.1.2.3.
    pub(super) fn priority(&self, is_controlling: bool) -> u64 {
        let ours = if behind(self.remote).is_some() { LENT_PRIORITY } else { HOST_PRIORITY };
        let (low, high) = (ours.min(self.theirs), ours.max(self.theirs));
        let is_higher = if is_controlling { ours > self.theirs } else { self.theirs > ours };
        (u64::from(low) << 32) + (u64::from(high) << 1) + u64::from(is_higher)
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::InProgress)
    }
}

/// All of one name and password, [`MOST_CANDIDATES`] at most; none is ever taken out.
#[derive(Debug)]
pub(super) struct Pairs(Vec<Pair>);

impl Pairs {
    pub(super) fn new(candidates: &[Candidate]) -> Self {
        let mut pairs = Self(Vec::new());
        for Candidate { address, priority } in candidates {
            pairs.add(*address, *priority);
        }
        pairs
    }

    /// Another one, if it is not there and there is room.
    pub(super) fn add(&mut self, remote: SocketAddr, theirs: u32) {
        if self.state(remote).is_none() && self.0.len() < MOST_CANDIDATES {
            self.0.push(Pair { remote, theirs, state: State::Waiting, is_nominated: false });
        }
    }

    pub(super) fn get_mut(&mut self, remote: SocketAddr) -> Option<&mut Pair> {
        self.0.iter_mut().find(|pair| pair.remote == remote)
    }

    pub(super) fn state(&self, remote: SocketAddr) -> Option<State> {
        self.0.iter().find(|pair| pair.remote == remote).map(|pair| pair.state)
    }

    pub(super) fn set(&mut self, remote: SocketAddr, state: State) {
        if let Some(pair) = self.get_mut(remote) {
            pair.state = state;
        }
    }

    pub(super) fn has(&self, state: State) -> bool {
        self.0.iter().any(|pair| pair.state == state)
    }

    /// Those that may still come to something.
    pub(super) fn open(&self) -> impl Iterator<Item = &Pair> {
        self.0.iter().filter(|pair| pair.is_open())
    }

    /// The one with the highest priority in a state.
    pub(super) fn best(&self, state: State, is_controlling: bool) -> Option<Pair> {
        let found = self.0.iter().filter(|pair| pair.state == state);
        found.max_by_key(|pair| pair.priority(is_controlling)).copied()
    }

    /// Something was chosen: nothing else is checked of ourselves.
    pub(super) fn close(&mut self) {
        self.0.iter_mut().filter(|pair| pair.is_open()).for_each(|pair| pair.state = State::Failed);
    }

    /// Roles changed: who chose does not any more.
    pub(super) fn forget_nominations(&mut self) {
        self.0.iter_mut().for_each(|pair| pair.is_nominated = false);
    }
}
