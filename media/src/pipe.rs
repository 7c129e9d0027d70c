//! A bounded pipe of samples between a media thread and somebody else: neither side waits, allocates or takes a lock.
//!
//! One side writes, the other reads. What does not fit is not written, and who writes is told so. Either side may close it;
//! the other one sees that when it looks.

use std::sync::atomic::{
    AtomicBool, AtomicI16, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The pipe; both sides share it.
#[derive(Debug)]
pub struct Pipe {
    samples: Box<[AtomicI16]>,
    /// Samples ever written. The next one's place is that, modulo the length.
    written: AtomicU64,
    /// Samples ever read or skipped.
    read: AtomicU64,
    /// What was written before is skipped.
    cut: AtomicU64,
    /// Pieces that found no room.
    refused: AtomicU64,
    closed: AtomicBool,
}

impl Pipe {
    /// With room for so many samples, at least one.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self {
            samples: (0..samples.max(1)).map(|_| AtomicI16::new(0)).collect(),
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Samples that can be written now. For the writing side.
    #[must_use]
    pub fn room(&self) -> usize {
        self.samples.len().saturating_sub(self.waiting(self.read.load(Acquire)))
    }

    /// Writes a piece, or nothing of it when it does not fit.
    pub fn write(&self, piece: &[i16]) -> bool {
        if piece.len() > self.room() {
            self.refused.fetch_add(1, Relaxed);
            return false;
        }
        let start = self.written.load(Relaxed);
        for (at, sample) in (start..).zip(piece) {
            self.place(at).store(*sample, Relaxed);
        }
        self.written.store(start + piece.len() as u64, Release);
        true
    }

    /// What is written and not read by now is to be read by nobody. For the writing side.
    pub fn cut(&self) {
        self.cut.store(self.written.load(Relaxed), Release);
    }

    /// Reads as much as there is, at most as much as fits, and gives the number of samples.
    pub fn read(&self, out: &mut [i16]) -> usize {
        let start = self.read.load(Relaxed).max(self.cut.load(Acquire));
        let count = self.waiting(start).min(out.len());
        for (at, sample) in (start..).zip(&mut out[..count]) {
            *sample = self.place(at).load(Relaxed);
        }
        self.read.store(start + count as u64, Release);
        count
    }

    /// Samples that were read or skipped up to now.
    #[must_use]
    pub fn read_up_to(&self) -> u64 {
        self.read.load(Acquire)
    }

    /// Samples that were written up to now.
    #[must_use]
    pub fn written_up_to(&self) -> u64 {
        self.written.load(Acquire)
    }

    /// Pieces that found no room since this was asked last.
    #[must_use]
    pub fn take_refused(&self) -> u64 {
        self.refused.swap(0, Relaxed)
    }

    /// Nothing goes through it any more.
    pub fn close(&self) {
        self.closed.store(true, Release);
    }

    /// Whether a side closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    fn waiting(&self, read: u64) -> usize {
        usize::try_from(self.written.load(Acquire).saturating_sub(read)).unwrap_or(usize::MAX)
    }

    fn place(&self, at: u64) -> &AtomicI16 {
        let index = at % self.samples.len() as u64;
        &self.samples[usize::try_from(index).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn samples_come_out_in_order_and_what_does_not_fit_is_told() {
        let pipe = Pipe::new(5);
        let mut out = [0; 4];
        for round in 0..10 {
            assert!(pipe.write(&[round, round + 1, round + 2]));
            assert!(!pipe.write(&[9, 9, 9]), "three more do not fit");
            assert_eq!((pipe.room(), pipe.read(&mut out), out[..3] == [round, round + 1, round + 2]), (2, 3, true));
        }
        assert_eq!((pipe.take_refused(), pipe.take_refused(), pipe.read_up_to()), (10, 0, 30));
    }

    #[test]
    fn what_is_cut_is_never_read_and_counts_as_read() {
        let pipe = Pipe::new(8);
        let mut out = [0; 8];
        assert!(pipe.write(&[1, 2, 3]));
        pipe.cut();
        assert!(pipe.write(&[4, 5]));
        assert_eq!((pipe.read(&mut out), &out[..2], pipe.read_up_to()), (2, &[4, 5][..], 5));
        assert!(!pipe.is_closed());
        pipe.close();
        assert!(pipe.is_closed());
    }

    #[test]
    fn two_threads_lose_nothing_between_them() {
        let pipe = Arc::new(Pipe::new(64));
        let writer = Arc::clone(&pipe);
        let thread = std::thread::spawn(move || {
            let mut next = 0;
            while next < 20_000 {
                if writer.write(&[next, next + 1]) {
                    next += 2;
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < 20_000 {
            let mut out = [0; 7];
            let count = pipe.read(&mut out);
            for sample in &out[..count] {
                assert_eq!(*sample, expected);
                expected += 1;
            }
        }
        thread.join().unwrap();
    }
}
