//! Keys as tones in the audio (ITU-T Q.23), for a party that takes them in no other way.

use std::{collections::VecDeque, f32::consts::TAU};

/// The rows and columns of the keys, in Hz.
const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const ROWS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Amplitudes of samples: -10 and -8 dBm0, because the upper tone loses more on its way (ITU-T Q.24).
const LOW_LEVEL: f32 = 7_190.0;
const HIGH_LEVEL: f32 = 9_050.0;
/// Keys that may wait.
const MAX_WAITING: usize = 32;
/// A key sounds so long at least and at most, with so much silence behind it, in ms.
const SHORTEST_MS: u32 = 80;
const LONGEST_MS: u32 = 6_000;
const PAUSE_MS: u32 = 80;

/// A key that sounds, or the silence behind it.
#[derive(Clone, Copy, Debug)]
struct Sounding {
    low_hz: f32,
    high_hz: f32,
    /// Samples at 16 kHz, so that the codec may change meanwhile.
    at: u32,
    sounds: u32,
}

/// Makes keys into audio, one after the other.
#[derive(Clone, Debug, Default)]
pub struct KeyTones {
    waiting: VecDeque<(char, u32)>,
    sounding: Option<Sounding>,
}

impl KeyTones {
    /// Nothing sounds.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: VecDeque::new(), sounding: None }
    }

    /// Queues a key press of so many ms. `false` when it is no key or 32 wait already.
    pub fn push(&mut self, key: char, duration_ms: u16) -> bool {
        let key = key.to_ascii_uppercase();
        let takes = place(key).is_some() && self.waiting.len() < MAX_WAITING;
        if takes {
            self.waiting.push_back((key, u32::from(duration_ms).clamp(SHORTEST_MS, LONGEST_MS)));
        }
        takes
    }

    /// Whether a key sounds or waits; other audio gives way until then.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.sounding.is_some() || !self.waiting.is_empty()
    }

    /// Fills `out` with the next samples at 16 kHz when `wideband`, else at 8 kHz; what is over is silence.
    pub fn fill(&mut self, wideband: bool, out: &mut [i16]) {
        let step = if wideband { 1 } else { 2 };
        for sample in out {
            *sample = self.next(step);
        }
    }

    fn next(&mut self, step: u32) -> i16 {
        if self.sounding.is_none() {
            self.sounding = self.waiting.pop_front().and_then(|(key, duration_ms)| {
                let (row, column) = place(key)?;
                Some(Sounding { low_hz: LOW_HZ[row], high_hz: HIGH_HZ[column], at: 0, sounds: duration_ms * 16 })
            });
        }
        let Some(Sounding { low_hz, high_hz, at, sounds }) = self.sounding else { return 0 };
        let next = at + step;
        self.sounding = (next < sounds + PAUSE_MS * 16).then_some(Sounding { low_hz, high_hz, at: next, sounds });
        if at >= sounds {
            return 0;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 96,000 samples")]
        let seconds = at as f32 / 16_000.0;
        let sum = LOW_LEVEL * (TAU * low_hz * seconds).sin() + HIGH_LEVEL * (TAU * high_hz * seconds).sin();
        #[expect(clippy::cast_possible_truncation, reason = "half of the scale")]
        let sample = sum as i16;
        sample
    }
}

fn place(key: char) -> Option<(usize, usize)> {
    ROWS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.iter().position(|own| *own == key)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Listener, Verdict, Wanted};

    /// What a detector hears in all that comes out at 8 kHz, and how many ms that were.
    fn heard(tones: &mut KeyTones) -> (String, u32) {
        let mut listener = Listener::new(Wanted { keys: true, ..Wanted::NOTHING });
        let (mut keys, mut ms) = (String::new(), 0);
        let mut frame = [0; 160];
        let mut quiet = 0;
        while quiet < 10 {
            quiet = if tones.is_busy() { 0 } else { quiet + 1 };
            ms += if quiet == 0 { 20 } else { 0 };
            tones.fill(false, &mut frame);
            listener.hear(&frame, |verdict| {
                if let Verdict::Key { key, .. } = verdict {
                    keys.push(key);
                }
            });
        }
        (keys, ms)
    }

    #[test]
    fn every_key_is_known_again_once() {
        let mut tones = KeyTones::new();
        let all = "0123456789*#ABCD";
        assert!(all.chars().all(|key| tones.push(key, 100)));
        assert_eq!(heard(&mut tones), (all.to_owned(), 16 * 180));
        assert!(tones.push('a', 0) && !tones.push('x', 100));
        assert_eq!(heard(&mut tones).0, "A", "the shortest is long enough");
    }

    #[test]
    fn what_waits_is_bounded_and_so_is_a_key() {
        let mut tones = KeyTones::new();
        assert_eq!((0..100).filter(|_| tones.push('5', u16::MAX)).count(), 32);
        let mut tones = KeyTones::new();
        tones.push('5', u16::MAX);
        assert_eq!(heard(&mut tones), ("5".to_owned(), LONGEST_MS + PAUSE_MS));
    }

    #[test]
    fn the_codec_may_change_while_a_key_sounds() {
        let mut tones = KeyTones::new();
        tones.push('5', 100);
        let (mut narrow, mut wide) = ([0; 160], [0; 320]);
        tones.fill(false, &mut narrow);
        tones.fill(true, &mut wide);
        assert_eq!(wide[0], KeyTones::at_20_ms(), "it goes on where it was");
        assert!(narrow.iter().chain(&wide).all(|sample| sample.unsigned_abs() <= 16_300));
    }

    impl KeyTones {
        fn at_20_ms() -> i16 {
            let mut tones = Self::new();
            tones.push('5', 100);
            let mut out = [0; 321];
            tones.fill(true, &mut out);
            out[320]
        }
    }
}
