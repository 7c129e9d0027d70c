//! Datagrams on their way from the thread that read them off a shared port to the thread that has their stream.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::wake::Wake;
use crate::contract::StreamId;

/// Datagrams that wait for a thread that has a stream of another one's port.
const LETTERS: usize = 512;

/// Datagrams for a thread from the ports of others.
pub(super) struct Mailbox {
    letters: Mutex<VecDeque<Letter>>,
    has_some: AtomicBool,
    wake: Arc<Wake>,
}

/// One of them.
pub(super) struct Letter {
    pub(super) stream: StreamId,
    pub(super) from: SocketAddr,
    pub(super) datagram: Box<[u8]>,
}

impl Mailbox {
    pub(super) fn new(wake: &Arc<Wake>) -> Self {
        Self { letters: Mutex::default(), has_some: AtomicBool::new(false), wake: Arc::clone(wake) }
    }

    /// `false` when it is full.
    pub(super) fn put(&self, letter: Letter) -> bool {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let is_taken = letters.len() < LETTERS;
        if is_taken {
            letters.push_back(letter);
        }
        drop(letters);
        self.has_some.store(true, Ordering::Release);
        self.wake.raise();
        self.wake.wake();
        is_taken
    }

    pub(super) fn take(&self) -> VecDeque<Letter> {
        if !self.has_some.swap(false, Ordering::AcqRel) {
            return VecDeque::new();
        }
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_nobody_empties_is_bounded() {
        let mailbox = Mailbox::new(&Arc::new(Wake::new().unwrap()));
        let letter = || Letter { stream: StreamId(1), from: ([192, 0, 2, 1], 1).into(), datagram: Box::from([1; 20]) };
        let taken = (0..2 * LETTERS).filter(|_| mailbox.put(letter())).count();
        assert_eq!((taken, mailbox.take().len(), mailbox.take().len()), (LETTERS, LETTERS, 0));
    }
}
