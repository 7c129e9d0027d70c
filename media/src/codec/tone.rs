//! Keys heard as tones in the voice itself (DTMF after ITU-T Q.23 and Q.24), by the Goertzel algorithm.
//!
//! For legs that negotiated no telephone-event (RFC 4733), and for interception. A pure core: samples in,
//! keys out. Speech must not sound like a key, so a block counts only if one low and one high tone stand
//! out, are of similar strength, carry most of the energy and have no overtones.

use std::f32::consts::TAU;

/// Samples judged together: 12.75 ms, so 40 ms always hold two whole blocks.
const BLOCK: usize = 102;
/// Blocks in a row that must agree before a key counts, and blocks without it before it counts as let go.
const BLOCKS_TO_PRESS: u8 = 2;
const BLOCKS_TO_RELEASE: u8 = 2;

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Quietest tone heard: about -36 dBm0.
const MIN_AMPLITUDE: f32 = 350.0;
/// High tone stronger than the low one by up to 8 dB, or weaker by up to 6 (Q.24 asks for tolerance of at
/// least 4 to 10, by country). As ratios of power.
const MAX_TWIST: f32 = 6.31;
const MAX_REVERSE_TWIST: f32 = 3.98;
/// The strongest tone of a group beats the others of its group by 8 dB.
const MIN_LEAD: f32 = 6.31;
/// Share of the block's energy that lies in the two tones.
const MIN_SHARE: f32 = 0.8;
/// The high tone's overtone stays 13 dB below it.
const MAX_OVERTONE: f32 = 0.05;

/// Finds keys in a stream of audio at 8 kHz and reports each press once.
#[derive(Debug)]
pub struct DtmfDetector {
    low: [Goertzel; 4],
    high: [Goertzel; 4],
    overtones: [Goertzel; 4],
    energy: f32,
    filled: usize,
    /// What the last block held, and how many in a row held the same.
    candidate: Option<char>,
    streak: u8,
    pressed: Option<char>,
    misses: u8,
}

impl DtmfDetector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        Self {
            low: LOW_HZ.map(Goertzel::new),
            high: HIGH_HZ.map(Goertzel::new),
            overtones: HIGH_HZ.map(|hz| Goertzel::new(2.0 * hz)),
            energy: 0.0,
            filled: 0,
            candidate: None,
            streak: 0,
            pressed: None,
            misses: 0,
        }
    }

    /// Listen to one frame at 8 kHz. Gives the key (`0`-`9`, `*`, `#`, `A`-`D`) whose press became certain
    /// in it: once per press, 25 to 40 ms after it began. Frames should not exceed 40 ms: of two
    /// keys in one frame the later is given.
    pub fn detect(&mut self, pcm_8k: &[i16]) -> Option<char> {
        let mut found = None;
        let mut rest = pcm_8k;
        while !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(BLOCK - self.filled));
            self.take_in(part);
            if self.filled == BLOCK {
                let key = self.judge();
                found = self.follow(key).or(found);
            }
            rest = later;
        }
        found
    }

    /// The key that is held down at this moment: its sound can be kept from the other side.
    pub fn pressed(&self) -> Option<char> {
        self.pressed
    }

    fn take_in(&mut self, part: &[i16]) {
        self.filled += part.len();
        self.energy += part.iter().map(|&x| f32::from(x) * f32::from(x)).sum::<f32>();
        for group in [&mut self.low, &mut self.high, &mut self.overtones] {
            // All four run side by side over the samples, so that the compiler can use vectors.
            let mut state = group.each_ref().map(|bin| (bin.last, bin.one_before));
            for &sample in part {
                for (bin, (last, one_before)) in group.iter().zip(&mut state) {
                    let next = f32::from(sample) + bin.coefficient * *last - *one_before;
                    (*one_before, *last) = (*last, next);
                }
            }
            for (bin, (last, one_before)) in group.iter_mut().zip(state) {
                (bin.last, bin.one_before) = (last, one_before);
            }
        }
    }

    /// The key a full block holds; begins the next block.
    fn judge(&mut self) -> Option<char> {
        let low = self.low.each_mut().map(Goertzel::finish);
        let high = self.high.each_mut().map(Goertzel::finish);
        let overtones = self.overtones.each_mut().map(Goertzel::finish);
        let energy = std::mem::take(&mut self.energy);
        self.filled = 0;

        let (row, low_power) = leader(&low)?;
        let (column, high_power) = leader(&high)?;
        // A sine of amplitude a gives a Goertzel power of (a n / 2)² and an energy of a² n / 2.
        let half = BLOCK as f32 / 2.0;
        let loud = low_power.min(high_power) >= (MIN_AMPLITUDE * half).powi(2);
        let balanced = high_power <= low_power * MAX_TWIST && low_power <= high_power * MAX_REVERSE_TWIST;
        let pure = low_power + high_power >= MIN_SHARE * energy * half;
        let no_overtone = overtones[column] <= high_power * MAX_OVERTONE;
        (loud && balanced && pure && no_overtone).then(|| KEYS[row][column])
    }

    /// Count agreeing blocks; gives the key when its press becomes certain.
    fn follow(&mut self, key: Option<char>) -> Option<char> {
        self.streak = if key == self.candidate { self.streak.saturating_add(1) } else { 1 };
        self.candidate = key;
        if self.pressed.is_some() && key != self.pressed {
            self.misses += 1;
            if self.misses >= BLOCKS_TO_RELEASE {
                self.pressed = None;
            }
        } else {
            self.misses = 0;
        }
        if self.pressed.is_none() && key.is_some() && self.streak >= BLOCKS_TO_PRESS {
            self.pressed = key;
            self.misses = 0;
            return key;
        }
        None
    }
}

impl Default for DtmfDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// The strongest of a group, if it clearly leads.
fn leader(powers: &[f32; 4]) -> Option<(usize, f32)> {
    let (index, &power) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let leads = powers.iter().enumerate().all(|(other, &rival)| other == index || rival * MIN_LEAD <= power);
    leads.then_some((index, power))
}

/// Power of one frequency in a block of samples.
#[derive(Debug)]
struct Goertzel {
    coefficient: f32,
    last: f32,
    one_before: f32,
}

impl Goertzel {
    fn new(frequency_hz: f32) -> Self {
        Self { coefficient: 2.0 * (TAU * frequency_hz / 8000.0).cos(), last: 0.0, one_before: 0.0 }
    }

    fn finish(&mut self) -> f32 {
        let (last, one_before) = (std::mem::take(&mut self.last), std::mem::take(&mut self.one_before));
        last * last + one_before * one_before - self.coefficient * last * one_before
    }
}

#[cfg(test)]
mod tests;
