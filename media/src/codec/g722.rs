//! G.722 at 64 kbit/s (ITU-T G.722, 09/2012): two sub-bands by a quadrature mirror filter, each coded by
//! adaptive differential PCM, six bits for the lower band and two for the higher.
//!
//! The blocks carry the Recommendation's names in their comments (section 6.2) and its integer arithmetic
//! exactly. Modes 2 and 3 (auxiliary data) are not here: RTP never uses them.
//!
//! At 8 kHz only the lower band is worked on and the mirror filters fall away. What the far side sends
//! above 4 kHz is ignored, and it is sent silence there.

use super::{Codec, CodecError, saturate};

/// Sub-band samples worked on at a time, 20 ms: bounds the buffers of the mirror filters.
const CHUNK: usize = 160;
/// Taps of each of the two phases of the mirror filter.
const TAPS: usize = 12;
/// One phase of the mirror filter (table 11), the other is its reversal.
const MIRROR: [i16; TAPS] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// The higher-band code of silence: with the quantizer at rest its difference rounds to zero.
const SILENT_HIGH: u8 = 3;

#[derive(Debug)]
pub(super) struct Encoder {
    low: SubBand<Low>,
    high: SubBand<High>,
    mirror: Mirror,
    narrow: bool,
}

impl Encoder {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { low: SubBand::new(), high: SubBand::new(), mirror: Mirror::new(), narrow: rate_hz == 8000 }
    }

    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let needed = if self.narrow { pcm.len() } else { pcm.len() / 2 };
        if !self.narrow && !pcm.len().is_multiple_of(2) {
            return Err(CodecError::FrameLength { codec: Codec::G722, samples: pcm.len() });
        }
        let have = out.len();
        let out = out.get_mut(..needed).ok_or(CodecError::OutputTooSmall { needed, have })?;
        if self.narrow {
            for (code, &sample) in out.iter_mut().zip(pcm) {
                *code = (SILENT_HIGH << 6) | self.low.encode(i32::from(sample >> 1));
            }
            return Ok(needed);
        }
        for (pairs, codes) in pcm.as_chunks::<2>().0.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            self.mirror.load(pairs);
            for (index, code) in codes.iter_mut().enumerate() {
                let (first, second) = self.mirror.filter(index);
                let low = self.low.encode((second + first) >> 14);
                let high = self.high.encode((second - first) >> 14);
                *code = (high << 6) | low;
            }
            self.mirror.keep(pairs.len());
        }
        Ok(needed)
    }
}

#[derive(Debug)]
pub(super) struct Decoder {
    low: SubBand<Low>,
    high: SubBand<High>,
    mirror: Mirror,
    narrow: bool,
}

impl Decoder {
    pub(super) fn new(rate_hz: u32) -> Self {
        Self { low: SubBand::new(), high: SubBand::new(), mirror: Mirror::new(), narrow: rate_hz == 8000 }
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let needed = if self.narrow { payload.len() } else { payload.len() * 2 };
        let have = out.len();
        let out = out.get_mut(..needed).ok_or(CodecError::OutputTooSmall { needed, have })?;
        if self.narrow {
            for (sample, &code) in out.iter_mut().zip(payload) {
                *sample = self.low.decode(code & 63) << 1;
            }
            return Ok(needed);
        }
        let mut pairs = [[0; 2]; CHUNK];
        for (codes, out) in payload.chunks(CHUNK).zip(out.as_chunks_mut::<2>().0.chunks_mut(CHUNK)) {
            for (pair, &code) in pairs.iter_mut().zip(codes) {
                let low = self.low.decode(code & 63);
                let high = self.high.decode(code >> 6);
                // Both are limited to 15 bits, so neither sum leaves 16.
                *pair = [low.wrapping_add(high), low.wrapping_sub(high)];
            }
            self.mirror.load(&pairs[..codes.len()]);
            for (index, pair) in out.iter_mut().enumerate() {
                let (sum, difference) = self.mirror.filter(index);
                *pair = [saturate(difference >> 11), saturate(sum >> 11)];
            }
            self.mirror.keep(codes.len());
        }
        Ok(needed)
    }

    /// Let predictors and scales follow a guess at what was lost, as if it had been decoded: they are then
    /// nearer to the sender's when packets come again, worth about 1 dB in the frames after a loss.
    pub(super) fn follow(&mut self, guess: &[i16]) {
        if self.narrow {
            for &sample in guess {
                self.low.encode(i32::from(sample >> 1));
            }
            return;
        }
        let mut mirror = Mirror::new();
        // The filter needs its length in samples before its output means anything.
        let mut unsettled = TAPS - 1;
        for pairs in guess.as_chunks::<2>().0.chunks(CHUNK) {
            mirror.load(pairs);
            for index in unsettled.min(pairs.len())..pairs.len() {
                let (first, second) = mirror.filter(index);
                self.low.encode((second + first) >> 14);
                self.high.encode((second - first) >> 14);
            }
            mirror.keep(pairs.len());
            unsettled = unsettled.saturating_sub(pairs.len());
        }
    }
}

/// The quadrature mirror filter (TRANSMIT QMF and RECEIVE QMF): the same two dot products serve both.
/// First and second samples of each pair lie apart, after the last eleven of the chunk before.
#[derive(Debug)]
struct Mirror {
    firsts: [i16; TAPS - 1 + CHUNK],
    seconds: [i16; TAPS - 1 + CHUNK],
}

impl Mirror {
    fn new() -> Self {
        Self { firsts: [0; TAPS - 1 + CHUNK], seconds: [0; TAPS - 1 + CHUNK] }
    }

    /// Take in at most [`CHUNK`] pairs.
    fn load(&mut self, pairs: &[[i16; 2]]) {
        let firsts = self.firsts[TAPS - 1..].iter_mut();
        let seconds = self.seconds[TAPS - 1..].iter_mut();
        for ((first, second), pair) in firsts.zip(seconds).zip(pairs) {
            [*first, *second] = *pair;
        }
    }

    /// Filter outputs of first and second samples at pair `index` of the chunk.
    #[inline]
    fn filter(&self, index: usize) -> (i32, i32) {
        let mut first = 0;
        let mut second = 0;
        let firsts = &self.firsts[index..index + TAPS];
        let seconds = &self.seconds[index..index + TAPS];
        for tap in 0..TAPS {
            first += i32::from(firsts[tap]) * i32::from(MIRROR[tap]);
            second += i32::from(seconds[tap]) * i32::from(MIRROR[TAPS - 1 - tap]);
        }
        (first, second)
    }

    /// Forget all of the `pairs` taken in but the last eleven.
    fn keep(&mut self, pairs: usize) {
        self.firsts.copy_within(pairs..pairs + TAPS - 1, 0);
        self.seconds.copy_within(pairs..pairs + TAPS - 1, 0);
    }
}

/// What differs between the two sub-bands: quantizer, its adaptation, code layout.
trait Band {
    /// Quantizer scale factor at rest.
    const REST_SCALE: i32;
    /// Highest logarithmic scale factor (LOGSCL, LOGSCH).
    const LOG_SCALE_MAX: i32;
    /// Shift from the logarithmic to the linear scale factor (SCALEL, SCALEH).
    const SCALE_SHIFT: i32;

    /// The code nearest to prediction error `error` (QUANTL, QUANTH).
    fn quantize(error: i32, scale: i32) -> u8;
    /// The part of the code the predictor adapts on, as a difference of full scale 1 << 15 (INVQAL, INVQAH).
    fn core_level(code: u8) -> i32;
    /// The difference the whole code stands for (INVQBL; the higher band has only one).
    fn fine_level(code: u8) -> i32;
    /// How the code moves the logarithmic scale factor.
    fn log_step(code: u8) -> i32;
}

#[derive(Debug)]
struct Low;

#[derive(Debug)]
struct High;

impl Band for Low {
    const REST_SCALE: i32 = 32;
    const LOG_SCALE_MAX: i32 = 18_432;
    const SCALE_SHIFT: i32 = 8;

    #[inline]
    fn quantize(error: i32, scale: i32) -> u8 {
        let magnitude = if error < 0 { !error } else { error };
        // How many decision levels the magnitude reaches. All are compared: with 16-bit lanes that is a
        // handful of vector instructions, faster than any search.
        let (magnitude, scale) = (saturate(magnitude), u32::from(saturate(scale).unsigned_abs()));
        let level = |decision: u16| saturate(((u32::from(decision) * scale) >> 16).cast_signed());
        let reached: i16 = LOW_DECISIONS.iter().map(|&decision| i16::from(magnitude >= level(decision))).sum();
        let reached = usize::from(reached.unsigned_abs()).min(29);
        if error < 0 { LOW_NEGATIVE_CODES[reached] } else { LOW_POSITIVE_CODES[reached] }
    }

    #[inline]
    fn core_level(code: u8) -> i32 {
        LOW_CORE_LEVELS[usize::from(code >> 2) & 15]
    }

    #[inline]
    fn fine_level(code: u8) -> i32 {
        LOW_FINE_LEVELS[usize::from(code) & 63]
    }

    #[inline]
    fn log_step(code: u8) -> i32 {
        LOW_LOG_STEPS[usize::from(code >> 2) & 15]
    }
}

impl Band for High {
    const REST_SCALE: i32 = 8;
    const LOG_SCALE_MAX: i32 = 22_528;
    const SCALE_SHIFT: i32 = 10;

    #[inline]
    fn quantize(error: i32, scale: i32) -> u8 {
        let magnitude = if error < 0 { !error } else { error };
        let outer = magnitude >= (564 * scale) >> 12;
        match (error < 0, outer) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }

    #[inline]
    fn core_level(code: u8) -> i32 {
        HIGH_LEVELS[usize::from(code) & 3]
    }

    #[inline]
    fn fine_level(code: u8) -> i32 {
        Self::core_level(code)
    }

    #[inline]
    fn log_step(code: u8) -> i32 {
        HIGH_LOG_STEPS[usize::from(code) & 3]
    }
}

/// One sub-band's adaptive predictor and quantizer scale, the same in encoder and decoder.
#[derive(Debug)]
struct SubBand<B> {
    /// Prediction of the next sample, and the part of it from the zeros.
    prediction: i32,
    zero_prediction: i32,
    /// Logarithmic and linear quantizer scale factor.
    log_scale: i32,
    scale: i32,
    /// Pole section: coefficients, last two reconstructed samples, last two partial ones.
    poles: [i32; 2],
    reconstructed: [i32; 2],
    partial: [i32; 2],
    /// Zero section: coefficients and last differences, doubled. Six are used, eight make whole vectors.
    zeros: [i16; 8],
    doubled_differences: [i16; 8],
    band: std::marker::PhantomData<B>,
}

impl<B: Band> SubBand<B> {
    fn new() -> Self {
        Self {
            prediction: 0,
            zero_prediction: 0,
            log_scale: 0,
            scale: B::REST_SCALE,
            poles: [0; 2],
            reconstructed: [0; 2],
            partial: [0; 2],
            zeros: [0; 8],
            doubled_differences: [0; 8],
            band: std::marker::PhantomData,
        }
    }

    #[inline]
    fn encode(&mut self, sample: i32) -> u8 {
        // SUBTRA
        let error = i32::from(saturate(sample - self.prediction));
        let code = B::quantize(error, self.scale);
        self.adapt(code);
        code
    }

    #[inline]
    fn decode(&mut self, code: u8) -> i16 {
        // RECONS and LIMIT
        let sample = self.prediction + ((self.scale * B::fine_level(code)) >> 15);
        self.adapt(code);
        saturate(sample.clamp(-16_384, 16_383))
    }

    /// Follow `code` with predictor and scale, as the other side does.
    #[inline]
    fn adapt(&mut self, code: u8) {
        let difference = (self.scale * B::core_level(code)) >> 15;
        self.adapt_scale(code);
        self.adapt_predictor(difference);
    }

    /// LOGSCL and SCALEL, LOGSCH and SCALEH.
    #[inline]
    fn adapt_scale(&mut self, code: u8) {
        let log_scale = ((self.log_scale * 127) >> 7) + B::log_step(code);
        self.log_scale = log_scale.clamp(0, B::LOG_SCALE_MAX);
        let mantissa = SCALE_MANTISSAS[usize::try_from((self.log_scale >> 6) & 31).unwrap_or(0)];
        let shift = B::SCALE_SHIFT - (self.log_scale >> 11);
        self.scale = 4 * if shift < 0 { mantissa << -shift } else { mantissa >> shift };
    }

    #[inline]
    fn adapt_predictor(&mut self, difference: i32) {
        // RECONS, PARREC
        let reconstructed = saturated(self.prediction + difference);
        let partial = saturated(self.zero_prediction + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        // FILTEP, FILTEZ, PREDIC
        let mut pole_prediction = 0;
        for (pole, sample) in self.poles.iter().zip(self.reconstructed) {
            pole_prediction += (pole * saturated(2 * sample)) >> 15;
        }
        let mut zero_prediction = 0;
        for (&zero, &doubled) in self.zeros.iter().zip(&self.doubled_differences) {
            zero_prediction += (i32::from(zero) * i32::from(doubled)) >> 15;
        }
        self.zero_prediction = saturated(zero_prediction);
        self.prediction = saturated(saturated(pole_prediction) + self.zero_prediction);
    }

    /// UPPOL2, then UPPOL1, which is bounded by its result.
    #[inline]
    fn adapt_poles(&mut self, partial: i32) {
        let same_as_last = (partial < 0) == (self.partial[0] < 0);
        let same_as_one_before = (partial < 0) == (self.partial[1] < 0);
        let quadrupled = saturated(4 * self.poles[0]);
        let toward = if same_as_last { saturated(-quadrupled) } else { quadrupled };
        let second = (if same_as_one_before { 128 } else { -128 }) + (toward >> 7) + ((self.poles[1] * 32_512) >> 15);
        self.poles[1] = second.clamp(-12_288, 12_288);
        let first = (if same_as_last { 192 } else { -192 }) + ((self.poles[0] * 32_640) >> 15);
        let bound = 15_360 - self.poles[1];
        self.poles[0] = first.clamp(-bound, bound);
    }

    /// UPZERO and DELAYA.
    #[inline]
    fn adapt_zeros(&mut self, difference: i32) {
        let step: i16 = if difference == 0 { 0 } else { 128 };
        let sign = saturate(difference) >> 15;
        for (zero, &doubled) in self.zeros.iter_mut().zip(&self.doubled_differences) {
            // b * 32640 >> 15 is b * 255 >> 8; the step's sign is flipped where the signs differ.
            let leaked = zero.wrapping_add(zero.wrapping_neg() >> 8);
            let differs = (doubled >> 15) ^ sign;
            *zero = leaked.saturating_add((step ^ differs) - differs);
        }
        self.zeros[6] = 0;
        self.zeros[7] = 0;
        self.doubled_differences.copy_within(0..5, 1);
        self.doubled_differences[0] = saturate(2 * difference);
    }
}

#[inline]
fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// Decision levels of the lower band's 60-level quantizer (table 14), times 16 so that the product with the
/// scale factor is shifted by 16 bits instead of 12. The last three only fill the vector.
const LOW_DECISIONS: [u16; 32] = {
    let levels = [
        35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458,
        1612, 1765, 1980, 2195, 2557, 2919,
    ];
    let mut decisions = [u16::MAX; 32];
    let mut index = 0;
    while index < levels.len() {
        decisions[index] = levels[index] * 16;
        index += 1;
    }
    decisions
};

/// Codes of the lower band by decision levels reached (table 14), errors below zero.
#[expect(clippy::cast_possible_truncation, reason = "the index is below 30")]
const LOW_NEGATIVE_CODES: [u8; 30] = {
    let mut codes = [63; 30];
    let mut reached = 1;
    // 63 and 62, then from 31 down.
    codes[1] = 62;
    while reached + 1 < 30 {
        reached += 1;
        codes[reached] = 33 - reached as u8;
    }
    codes
};

/// The same for errors of zero and above: 61 down to 32.
#[expect(clippy::cast_possible_truncation, reason = "the index is below 30")]
const LOW_POSITIVE_CODES: [u8; 30] = {
    let mut codes = [0; 30];
    let mut reached = 0;
    while reached < 30 {
        codes[reached] = 61 - reached as u8;
        reached += 1;
    }
    codes
};

/// Output levels of the lower band for four-bit codes (table 17).
const LOW_CORE_LEVELS: [i32; 16] =
    [0, -20_456, -12_896, -8968, -6288, -4240, -2584, -1200, 20_456, 12_896, 8968, 6288, 4240, 2584, 1200, 0];

/// Output levels of the lower band for six-bit codes (table 15).
const LOW_FINE_LEVELS: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9360, -8576, -7856,
    -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24_808,
    21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008,
    3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Steps of the lower band's logarithmic scale factor by four-bit code (tables 18 and 19).
const LOW_LOG_STEPS: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

/// Output levels of the higher band (table 21).
const HIGH_LEVELS: [i32; 4] = [-7408, -1616, 7408, 1616];

/// Steps of the higher band's logarithmic scale factor (tables 22 and 23).
const HIGH_LOG_STEPS: [i32; 4] = [798, -214, 798, -214];

/// One octave of scale factors, 2048 times 2 to the n/32 (table 20).
const SCALE_MANTISSAS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158,
    3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests;
