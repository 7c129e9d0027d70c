//! Packet loss concealment for codecs without their own: repeat the last pitch periods, fade out.
//!
//! The idea is that of ITU-T G.711 Appendix I (repeat by pitch, cross-fade back), without its 3.75 ms of
//! added delay: the seam into the guess is smoothed by letting the step between both die away.

use std::ops::RangeInclusive;

use super::round_to_sample;

/// Longest history at the highest rate, 48 ms at 16 kHz: 20 ms compared at lags of up to 20 ms, and a seam.
const HISTORY_MAX: usize = 768;
/// Longest repeated piece, 20 ms at 16 kHz.
const CYCLE_MAX: usize = 320;
/// Below this normalized correlation the sound has no pitch worth repeating.
const VOICED: f32 = 0.5;

/// Remembers what was heard and fills gaps from it. For 8 and 16 kHz.
#[derive(Debug)]
pub(super) struct Concealer {
    /// Samples per millisecond.
    per_ms: usize,
    /// The last 48 ms played, in the first `48 * per_ms` places.
    history: [i16; HISTORY_MAX],
    /// The piece that is repeated, in the first `cycle_len` places; filled when a loss begins.
    cycle: [i16; CYCLE_MAX],
    cycle_len: usize,
    /// Difference between the last real sample and what the cycle would have had there.
    step: f64,
    /// Samples invented since the last real one.
    lost: usize,
}

impl Concealer {
    pub(super) fn new(rate_hz: u32) -> Self {
        debug_assert!(rate_hz == 8000 || rate_hz == 16_000);
        Self {
            per_ms: if rate_hz == 8000 { 8 } else { 16 },
            history: [0; HISTORY_MAX],
            cycle: [0; CYCLE_MAX],
            cycle_len: 0,
            step: 0.0,
            lost: 0,
        }
    }

    /// Remember a frame that did arrive. The first after a loss is cross-faded with the guess in place.
    pub(super) fn received(&mut self, frame: &mut [i16]) {
        if self.lost > 0 {
            let fade = (self.per_ms * 5).min(frame.len());
            for (index, sample) in frame[..fade].iter_mut().enumerate() {
                let weight = (index + 1) as f64 / (fade + 1) as f64;
                let guess = self.guess();
                *sample = round_to_sample(f64::from(*sample) * weight + guess * (1.0 - weight));
            }
            self.lost = 0;
        }
        self.remember(frame);
    }

    /// Fill `out` in place of a lost frame.
    pub(super) fn lost(&mut self, out: &mut [i16]) {
        if self.lost == 0 {
            self.begin();
        }
        for sample in out.iter_mut() {
            *sample = round_to_sample(self.guess());
        }
        self.remember(out);
    }

    /// The next invented sample: full level for 10 ms, then down to silence at 60 ms.
    fn guess(&mut self) -> f64 {
        let played = self.lost;
        self.lost = self.lost.saturating_add(1);
        let (hold, end) = (10 * self.per_ms, 60 * self.per_ms);
        if played >= end {
            return 0.0;
        }
        let gain = (end - played).min(end - hold) as f64 / (end - hold) as f64;
        let seam = 2 * self.per_ms;
        let step = if played < seam { self.step * (seam - played) as f64 / seam as f64 } else { 0.0 };
        (f64::from(self.cycle[played % self.cycle_len.max(1)]) + step) * gain
    }

    /// Choose the piece to repeat, and blend its end into what came before its start.
    fn begin(&mut self) {
        let end = 48 * self.per_ms;
        let pitch = self.pitch();
        // As many whole periods as 20 ms hold: one alone, repeated, buzzes. A period is no whole number of
        // samples, so several of them are measured anew.
        let longest = 20 * self.per_ms;
        let periods = longest / pitch;
        let len = self.best_lag(periods * pitch - periods..=(periods * pitch + periods).min(longest), 1, 0.0).1;
        let seam = pitch / 4;
        self.cycle[..len].copy_from_slice(&self.history[end - len..end]);
        for index in 0..seam {
            let weight = (index + 1) as f64 / (seam + 1) as f64;
            let before = f64::from(self.history[end - len - seam + index]);
            let sample = &mut self.cycle[len - seam + index];
            *sample = round_to_sample(f64::from(*sample) * (1.0 - weight) + before * weight);
        }
        self.cycle_len = len;
        self.step = f64::from(self.history[end - 1]) - f64::from(self.history[end - len - 1]);
    }

    /// Period in samples, 2.5 to 15 ms, at which the last 20 ms repeat best; 20 ms where none does.
    fn pitch(&self) -> usize {
        let (shortest, longest) = (5 * self.per_ms / 2, 15 * self.per_ms);
        let stride = self.per_ms / 4;
        // A longer lag must be clearly better, else multiples of the period would win.
        let (_, coarse) = self.best_lag(shortest..=longest, stride, 0.02);
        let (likeness, lag) = self.best_lag((coarse - stride).max(shortest)..=(coarse + stride).min(longest), 1, 0.0);
        if likeness < VOICED { 20 * self.per_ms } else { lag }
    }

    /// The lag among every `stride`th of `lags` that is most alike, a longer one only if better by `margin`.
    fn best_lag(&self, lags: RangeInclusive<usize>, stride: usize, margin: f32) -> (f32, usize) {
        let mut best = (0.0, *lags.start());
        for lag in lags.step_by(stride) {
            let likeness = self.likeness(lag, stride);
            if likeness > best.0 + margin {
                best = (likeness, lag);
            }
        }
        best
    }

    /// Normalized correlation of the last 20 ms with the 20 ms `lag` before, every `stride` samples.
    fn likeness(&self, lag: usize, stride: usize) -> f32 {
        let end = 48 * self.per_ms;
        let start = end - 20 * self.per_ms;
        let recent = self.history[start..end].iter().step_by(stride);
        let earlier = self.history[start - lag..end - lag].iter().step_by(stride);
        let (mut product, mut recent_power, mut earlier_power) = (0.0, 0.0, 0.0);
        for (&x, &y) in recent.zip(earlier) {
            let (x, y) = (f32::from(x), f32::from(y));
            product += x * y;
            recent_power += x * x;
            earlier_power += y * y;
        }
        product / (recent_power * earlier_power).sqrt().max(1.0)
    }

    fn remember(&mut self, frame: &[i16]) {
        let len = 48 * self.per_ms;
        let history = &mut self.history[..len];
        let newest = &frame[frame.len().saturating_sub(len)..];
        history.copy_within(newest.len().., 0);
        history[len - newest.len()..].copy_from_slice(newest);
    }
}
