//! Keeps a sum of voices within 16 bits without the crackle of cut-off peaks.

/// How fast the gain comes back, per frame: from half to all in some 0.4 s.
const RECOVERY: f32 = 1.035;

/// The gain of one listener.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    /// Brings a frame of sums into 16 bits: as it is when it fits, else softer as a whole. The gain goes from the last
    /// one to the new one along the frame, so there is no step; a peak in that slope is cut.
    pub fn limit(&mut self, sums: &[i32], out: &mut [i16]) {
        let peak = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0);
        let most = i16::MAX.unsigned_abs().into();
        if peak <= most && self.gain >= 1.0 {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = clamp(*sum);
            }
            return;
        }
        let fits = if peak > most { f64::from(most) / f64::from(peak) } else { 1.0 };
        #[expect(clippy::cast_possible_truncation, reason = "a gain between 0 and 1")]
        let wanted = (self.gain * RECOVERY).min(1.0).min(fits as f32);
        let step = (wanted - self.gain) / sums.len().max(1) as f32;
        for (out, sum) in out.iter_mut().zip(sums) {
            self.gain += step;
            #[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest integer")]
            let scaled = (*sum as f32 * self.gain) as i32;
            *out = clamp(scaled);
        }
        self.gain = wanted;
    }
}

fn clamp(sum: i32) -> i16 {
    i16::try_from(sum).unwrap_or(if sum < 0 { i16::MIN } else { i16::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_not_touched() {
        let mut out = [0; 3];
        Limiter::default().limit(&[-32_767, 5, 32_767], &mut out);
        assert_eq!(out, [-32_767, 5, 32_767]);
    }

    #[test]
    fn what_does_not_fit_becomes_softer_as_a_whole_and_comes_back() {
        let (mut limiter, mut out) = (Limiter::default(), [0; 160]);
        let wave = |top: i32| -> Vec<i32> { (0..160).map(|i| if i % 2 == 0 { top } else { -top / 2 }).collect() };
        limiter.limit(&wave(65_534), &mut out);
        limiter.limit(&wave(65_534), &mut out);
        assert!(out.iter().all(|sample| (-16_500..=32_767).contains(sample)), "both halves by the same gain: {out:?}");
        assert!(out[158] > 32_000, "as loud as can be: {}", out[158]);
        for _ in 0..30 {
            limiter.limit(&wave(10_000), &mut out);
        }
        assert_eq!(out[158], 10_000);
    }

    #[test]
    fn a_hundred_at_full_voice_do_not_overflow() {
        let mut out = [0; 4];
        let mut limiter = Limiter::default();
        for _ in 0..3 {
            limiter.limit(&[100 * 32_767, -100 * 32_768, 0, 1], &mut out);
        }
        assert!(out[0] > 32_000 && out[1] < -32_000 && out[2..] == [0, 0], "{out:?}");
    }
}
