//! Wakes a thread out of its `epoll_wait`.

use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd that is written once for all that was put where the thread looks, and not at all when it has looked.
#[derive(Debug)]
pub(super) struct Wake {
    fd: OwnedFd,
    raised: AtomicBool,
}

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd, raised: AtomicBool::new(false) })
    }

    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Called after something was put where the thread will look. A thread that is awake anyway looks; one
    /// that sleeps goes on sleeping until `wake`.
    pub(super) fn raise(&self) {
        self.raised.swap(true, Ordering::AcqRel);
    }

    /// Wakes the thread, unless it has looked since the last `raise`.
    pub(super) fn wake(&self) {
        if self.is_raised() {
            // Only a counter that is full already could refuse, and then the thread wakes anyway.
            let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    /// Whether something was put where the thread should look. Whoever puts something there and then
    /// sends a packet finds it done before the packet: the flag is up by then.
    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Called by the thread before it looks.
    pub(super) fn clear(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
        // A swap, not a store: whoever saw the flag still raised has put its order where it is now seen.
        self.raised.swap(false, Ordering::AcqRel);
    }
}
