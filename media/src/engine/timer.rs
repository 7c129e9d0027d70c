//! Wakes a thread at a time. A time limit of `epoll_wait` would be set and taken back for each packet, which costs as much as
//! some of the packet's own system calls, and more in a virtual machine; this is set once for each tick.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};

/// The thread's clock may be a test's, which stands still when the timer rings: then it is set again.
#[derive(Debug)]
pub(super) struct Timer {
    fd: OwnedFd,
    /// What it will ring for.
    set_to: Option<Instant>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { fd, set_to: None })
    }

    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Rings at that time, which is to come, instead of any other.
    pub(super) fn set(&mut self, at: Instant, now: Instant) -> io::Result<()> {
        if self.set_to == Some(at) {
            return Ok(());
        }
        let rest = at.saturating_duration_since(now).max(Duration::from_nanos(1));
        let it_value =
            Timespec { tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX), tv_nsec: rest.subsec_nanos().into() };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once)?;
        self.set_to = Some(at);
        Ok(())
    }

    /// It rang.
    pub(super) fn rang(&mut self) {
        let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
        self.set_to = None;
    }
}
