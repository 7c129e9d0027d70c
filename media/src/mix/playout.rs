//! Decoded audio between a sender's clock and the room's: a short line of frames.
//!
//! Frames come when the network brings them and leave one each 20 ms. The line fills up to a depth before it is served,
//! and again after it ran empty. When it ran empty and frames came soon after all the same, they were late, and it becomes
//! deeper; a longer pause was silence. After some seconds in which it never came near empty, shallower. A sender whose clock is faster than ours makes it longer and longer:
//! what is beyond the depth and some is dropped. So it follows jitter and skew, and is bounded.

use super::MAX_FRAME;

/// Frames that a line begins with: 40 ms.
const FIRST_DEPTH: usize = 2;
/// 160 ms. Who jitters more is heard with holes.
const MOST_DEPTH: usize = 8;
/// So many frames more than the depth may wait before the oldest is dropped.
const SLACK: usize = 3;
const FRAMES: usize = MOST_DEPTH + SLACK + 1;
/// After so many frames (4 s) that were never short the line becomes shallower.
const STEADY: u32 = 200;

/// A line of frames of one length.
#[derive(Debug)]
pub struct Playout {
    frames: Box<[[i16; MAX_FRAME]; FRAMES]>,
    /// Samples of a frame that count.
    samples: usize,
    first: usize,
    waiting: usize,
    depth: usize,
    /// It fills up to its depth.
    fills: bool,
    /// Frames that were not there since it ran empty; `None` before it was ever served.
    missed: Option<usize>,
    /// The least that waited since it was last looked at, and for how many frames.
    least: usize,
    steady: u32,
    dropped: u64,
}

impl Playout {
    /// An empty line of frames of `samples`, at most [`MAX_FRAME`].
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self {
            frames: Box::new([[0; MAX_FRAME]; FRAMES]),
            samples: samples.min(MAX_FRAME),
            first: 0,
            waiting: 0,
            depth: FIRST_DEPTH,
            fills: true,
            missed: None,
            least: FRAMES,
            steady: 0,
            dropped: 0,
        }
    }

    /// Frames that wait now.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Frames that the line fills up to.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Frames that were given up because too many waited.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A decoded frame; one of another length is not taken.
    pub fn push(&mut self, frame: &[i16]) {
        if frame.len() != self.samples {
            return;
        }
        if self.missed.take().is_some_and(|missed| (1..=MOST_DEPTH).contains(&missed)) {
            self.depth = (self.depth + 1).min(MOST_DEPTH);
        }
        if self.waiting >= self.depth + SLACK {
            self.drop_first();
        }
        let at = (self.first + self.waiting) % FRAMES;
        self.frames[at][..self.samples].copy_from_slice(frame);
        self.waiting += 1;
        if self.waiting >= self.depth {
            self.fills = false;
        }
    }

    /// The frame that is due, into `out`; `false` when there is none.
    pub fn pull(&mut self, out: &mut [i16]) -> bool {
        if !self.fills && self.waiting == 0 {
            (self.fills, self.missed) = (true, Some(0));
            (self.least, self.steady) = (FRAMES, 0);
        }
        if self.fills {
            self.missed = self.missed.map(|missed| missed.saturating_add(1));
            return false;
        }
        out[..self.samples].copy_from_slice(&self.frames[self.first][..self.samples]);
        self.first = (self.first + 1) % FRAMES;
        self.waiting -= 1;
        self.settle();
        true
    }

    /// Becomes shallower when it was long enough for long enough.
    fn settle(&mut self) {
        self.least = self.least.min(self.waiting);
        self.steady += 1;
        if self.steady < STEADY {
            return;
        }
        if self.least > 0 {
            self.depth = (self.depth - 1).max(FIRST_DEPTH);
        }
        if self.least > 1 {
            self.drop_first();
        }
        (self.least, self.steady) = (FRAMES, 0);
    }

    const fn drop_first(&mut self) {
        if self.waiting > 0 {
            self.first = (self.first + 1) % FRAMES;
            self.waiting -= 1;
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames that carry their number.
    fn push(line: &mut Playout, number: i16) {
        line.push(&[number; 160]);
    }

    fn pull(line: &mut Playout) -> Option<i16> {
        let mut out = [0; MAX_FRAME];
        line.pull(&mut out).then_some(out[0])
    }

    #[test]
    fn it_fills_up_first_and_then_gives_each_frame_once() {
        let mut line = Playout::new(160);
        push(&mut line, 1);
        assert_eq!(pull(&mut line), None);
        for number in 2..50 {
            push(&mut line, number);
            assert_eq!(pull(&mut line), Some(number - 1));
        }
        line.push(&[7; 80]);
        assert_eq!(line.waiting(), 1, "a frame of another length is none");
    }

    #[test]
    fn jitter_makes_it_deeper_and_calm_shallower() {
        let mut line = Playout::new(160);
        let mut number = 0;
        // Five frames at once, after 140 ms and after 60.
        let mut holes = Vec::new();
        for turn in 0..100 {
            for _ in 0..5 {
                number += 1;
                push(&mut line, number);
            }
            let pulls = if turn % 2 == 0 { 7 } else { 3 };
            holes.push((0..pulls).filter(|_| pull(&mut line).is_none()).count());
        }
        assert!((3..=6).contains(&line.depth()), "{}", line.depth());
        assert!(holes[..10].iter().sum::<usize>() > 0 && holes[20..] == [0; 80], "only while it learns: {holes:?}");
        for _ in 0..4_000 {
            number = number.wrapping_add(1);
            push(&mut line, number);
            pull(&mut line);
        }
        assert_eq!((line.depth(), line.waiting()), (FIRST_DEPTH, 1));
    }

    #[test]
    fn a_pause_teaches_nothing() {
        let mut line = Playout::new(160);
        for _ in 0..50 {
            (0..5).for_each(|number| push(&mut line, number));
            assert!((0..50).filter_map(|_| pull(&mut line)).count() == 5);
        }
        assert_eq!(line.depth(), FIRST_DEPTH);
    }

    #[test]
    fn a_faster_clock_never_makes_it_longer() {
        let mut line = Playout::new(160);
        // 1 % fast: sixty times what a bad crystal does.
        for at in 0..10_000 {
            push(&mut line, 1);
            if at % 100 == 0 {
                push(&mut line, 1);
            }
            pull(&mut line);
            assert!(line.waiting() <= line.depth() + SLACK);
        }
        assert!((90..=110).contains(&line.dropped()), "{}", line.dropped());
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_keeps_the_order(steps in prop::collection::vec(any::<bool>(), 0..2_000)) {
            let mut line = Playout::new(160);
            let (mut number, mut last) = (0, 0);
            for push_one in steps {
                if push_one {
                    number += 1;
                    push(&mut line, number);
                } else if let Some(heard) = pull(&mut line) {
                    prop_assert!(heard > last);
                    last = heard;
                }
                prop_assert!(line.waiting() < FRAMES && line.depth() <= MOST_DEPTH);
            }
        }
    }
}
