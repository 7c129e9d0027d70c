//! What a fork gives through its pipe: pieces of 20 ms, each with a head of three words before its samples.

use std::{sync::Arc, time::Instant};

use crate::pipe::Pipe;

/// Milliseconds of a piece.
pub const FORK_FRAME_MS: u8 = 20;
/// Words before the samples of a piece.
pub const FORK_HEAD: usize = 3;
/// Bit of the third word: the stream is masked, and the piece is silence for that.
const MASKED: i16 = 1;

/// Where what a stream receives is copied to.
#[derive(Clone, Debug)]
pub struct Fork {
    /// Takes the pieces; whoever closes it ends the fork.
    pub into: Arc<Pipe>,
    /// 8,000 or 16,000.
    pub rate_hz: u32,
    /// The times of pieces count from here.
    pub epoch: Instant,
}

impl Fork {
    /// Samples of a piece.
    #[must_use]
    pub const fn frame_samples(&self) -> usize {
        self.rate_hz as usize / 1_000 * FORK_FRAME_MS as usize
    }
}

/// What stands before the samples of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkHead {
    /// When it begins, in ms from the epoch.
    pub at_ms: u32,
    /// It is silence because the stream is masked.
    pub masked: bool,
}

impl ForkHead {
    /// As words.
    #[must_use]
    pub const fn words(self) -> [i16; FORK_HEAD] {
        let [a, b, c, d] = self.at_ms.to_le_bytes();
        [i16::from_le_bytes([a, b]), i16::from_le_bytes([c, d]), if self.masked { MASKED } else { 0 }]
    }

    /// From words.
    #[must_use]
    pub const fn of(words: [i16; FORK_HEAD]) -> Self {
        let ([a, b], [c, d]) = (words[0].to_le_bytes(), words[1].to_le_bytes());
        Self { at_ms: u32::from_le_bytes([a, b, c, d]), masked: words[2] & MASKED != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back_as_they_were() {
        for head in [ForkHead { at_ms: 0, masked: false }, ForkHead { at_ms: 0xfedc_ba98, masked: true }] {
            assert_eq!(ForkHead::of(head.words()), head);
        }
    }
}
