//! The sum of all parties, and what each hears of it.

use super::MAX_FRAME;

/// A louder frame is speech: a mean square of -50 dBov.
const SPEECH: i64 = 10_737;
/// Who spoke is heard for so many frames more (400 ms), so that no end of a word is lost.
const HANGOVER: u8 = 20;

/// Whether a party is in the sum: the noise of ninety silent rooms is louder than one voice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    open_for: u8,
}

impl Gate {
    /// Judges a frame.
    pub fn opens(&mut self, frame: &[i16]) -> bool {
        let energy: i64 = frame.iter().map(|sample| i64::from(*sample) * i64::from(*sample)).sum();
        let is_speech = energy > SPEECH * i64::try_from(frame.len()).unwrap_or(i64::MAX);
        self.open_for = if is_speech { HANGOVER } else { self.open_for.saturating_sub(1) };
        self.open_for > 0
    }
}

/// What everybody says in one frame.
#[derive(Clone, Debug)]
pub struct Sum {
    all: [i32; MAX_FRAME],
}

impl Default for Sum {
    fn default() -> Self {
        Self { all: [0; MAX_FRAME] }
    }
}

impl Sum {
    /// Nobody says anything.
    pub const fn clear(&mut self) {
        self.all = [0; MAX_FRAME];
    }

    /// A party's voice is in it.
    pub fn add(&mut self, voice: &[i16]) {
        for (all, sample) in self.all.iter_mut().zip(voice) {
            *all += i32::from(*sample);
        }
    }

    /// What somebody hears: all but `own`, which is given when it is in the sum, and the `whispers` meant for them.
    pub fn heard<'a>(&self, own: Option<&[i16]>, whispers: impl Iterator<Item = &'a [i16]>, out: &mut [i32]) {
        let samples = out.len().min(MAX_FRAME);
        out[..samples].copy_from_slice(&self.all[..samples]);
        for (out, sample) in out.iter_mut().zip(own.unwrap_or_default()) {
            *out -= i32::from(*sample);
        }
        for whisper in whispers {
            for (out, sample) in out.iter_mut().zip(whisper) {
                *out += i32::from(*sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hears_the_others_and_whispers_reach_one() {
        let mut sum = Sum::default();
        let voices = [[1_000; 4], [20; 4], [300; 4]];
        voices.iter().for_each(|voice| sum.add(voice));
        let heard = |own: Option<&[i16]>, whispers: &[&[i16]]| {
            let mut out = [7; 4];
            sum.heard(own, whispers.iter().copied(), &mut out);
            out
        };
        assert_eq!(heard(Some(&voices[0]), &[]), [320; 4]);
        assert_eq!(heard(Some(&voices[1]), &[&[5; 4]]), [1_305; 4]);
        assert_eq!(heard(None, &[]), [1_320; 4], "who only listens hears all");
    }

    #[test]
    fn noise_is_not_in_the_sum_and_ends_of_words_are() {
        let mut gate = Gate::default();
        assert!(!gate.opens(&[60; 160]), "-55 dBov");
        assert!(gate.opens(&[400; 160]), "-38 dBov");
        let open = (0..100).take_while(|_| gate.opens(&[0; 160])).count();
        assert_eq!(open, usize::from(HANGOVER) - 1);
    }
}
