//! What a recording looks like: the loudest sample of each side in spells of one length, at most two thousand of them.

/// Spells at most.
pub const MAX_SPELLS: usize = 2_000;
/// The shortest spell, in ms.
const FIRST_SPELL_MS: u32 = 10;

/// A waveform, of as many spells as the recording has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waveform {
    /// How long a spell is, in ms: 10, or that times a power of two.
    pub spell_ms: u32,
    /// Left and right of each: 255 times the square root of the loudest sample, of full scale.
    pub peaks: Vec<[u8; 2]>,
}

/// Sees the samples of a recording of any length pass by.
#[derive(Debug)]
pub struct Peaks {
    pairs_per_spell: u64,
    spell_ms: u32,
    in_spell: u64,
    loudest: [u16; 2],
    done: Vec<[u16; 2]>,
}

impl Peaks {
    /// For so many pairs a second.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self {
            pairs_per_spell: u64::from(rate_hz / 1_000 * FIRST_SPELL_MS).max(1),
            spell_ms: FIRST_SPELL_MS,
            in_spell: 0,
            loudest: [0; 2],
            done: Vec::new(),
        }
    }

    /// The next pair.
    pub fn push(&mut self, pair: [i16; 2]) {
        for (loudest, sample) in self.loudest.iter_mut().zip(pair) {
            *loudest = sample.unsigned_abs().max(*loudest);
        }
        self.in_spell += 1;
        if self.in_spell == self.pairs_per_spell {
            self.end_spell();
        }
    }

    fn end_spell(&mut self) {
        self.done.push(std::mem::take(&mut self.loudest));
        self.in_spell = 0;
        if self.done.len() == MAX_SPELLS {
            self.done = self.done.chunks(2).map(|two| two.iter().fold([0; 2], |a, b| [a[0].max(b[0]), a[1].max(b[1])])).collect();
            self.pairs_per_spell *= 2;
            self.spell_ms *= 2;
        }
    }

    /// All of it.
    #[must_use]
    pub fn finish(mut self) -> Waveform {
        if self.in_spell > 0 {
            self.end_spell();
        }
        Waveform { spell_ms: self.spell_ms, peaks: self.done.iter().map(|two| two.map(level)).collect() }
    }
}

fn level(sample: u16) -> u8 {
    // The root of 32768 * 2 is 256.
    u8::try_from((u32::from(sample) * 2).isqrt().min(255)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_one_has_spells_of_ten_ms() {
        let mut peaks = Peaks::new(8_000);
        for n in 0..200 {
            peaks.push(if n < 80 { [-32_768, 0] } else { [0, 2_048] });
        }
        assert_eq!(peaks.finish(), Waveform { spell_ms: 10, peaks: vec![[255, 0], [0, 64], [0, 64]] });
    }

    #[test]
    fn a_long_one_stays_bounded_and_its_peaks_stay_where_they_are() {
        let mut peaks = Peaks::new(8_000);
        for n in 0..8_000 * 3_600u32 {
            peaks.push([if n == 8_000 * 1_800 { 8_192 } else { 0 }, 0]);
        }
        let waveform = peaks.finish();
        assert!((MAX_SPELLS / 2..=MAX_SPELLS).contains(&waveform.peaks.len()), "{}", waveform.peaks.len());
        let loud: Vec<usize> = (0..waveform.peaks.len()).filter(|&at| waveform.peaks[at] != [0; 2]).collect();
        assert_eq!(loud, [1_800_000 / waveform.spell_ms as usize]);
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(Peaks::new(16_000).finish().peaks, Vec::<[u8; 2]>::new());
    }
}
