//! What another program says, as it comes, in the rate of whoever hears it. What has not come yet is silence.

use std::{fmt, sync::Arc};

use crate::{
    codec::{Downsampler, Upsampler},
    pipe::Pipe,
};

/// The longest packet that we make, at twice its rate: 60 ms at 16 kHz.
const MOST_SAMPLES: usize = 960;

/// A voice that comes through a pipe.
pub struct LiveVoice {
    from: Arc<Pipe>,
    rate_hz: u32,
    up: Upsampler,
    down: Downsampler,
}

impl LiveVoice {
    /// What comes through the pipe has 8 or 16 kHz.
    #[must_use]
    pub fn new(from: Arc<Pipe>, rate_hz: u32) -> Self {
        Self { from, rate_hz, up: Upsampler::new(), down: Downsampler::new() }
    }

    /// Fills `out`, at most 60 ms, at 16 kHz when `wideband`, else at 8 kHz. `false`: the pipe is closed.
    pub fn fill(&mut self, wideband: bool, out: &mut [i16]) -> bool {
        if self.from.is_closed() {
            return false;
        }
        let mut came = [0; MOST_SAMPLES];
        match (self.rate_hz == 16_000, wideband) {
            (true, false) => {
                let count = (out.len() * 2).min(MOST_SAMPLES);
                self.from.read(&mut came[..count]);
                let filled = self.down.process(&came[..count], out);
                out[filled..].fill(0);
            }
            (false, true) => {
                let count = (out.len() / 2).min(MOST_SAMPLES);
                self.from.read(&mut came[..count]);
                let filled = self.up.process(&came[..count], out);
                out[filled..].fill(0);
            }
            _ => {
                let read = self.from.read(out);
                out[read..].fill(0);
            }
        }
        true
    }
}

impl fmt::Debug for LiveVoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a live voice of {} Hz", self.rate_hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * 440.0 / f64::from(rate);
        #[expect(clippy::cast_possible_truncation, reason = "below 8,000")]
        (0..samples).map(|at| (8_000.0 * (step * at as f64).sin()) as i16).collect()
    }

    /// Zero crossings a second.
    fn crossings(pcm: &[i16], rate: u32) -> usize {
        let crossed = pcm.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        crossed * rate as usize / pcm.len()
    }

    #[test]
    fn a_voice_keeps_its_pitch_at_every_rate() {
        for (from, to) in [(8_000, 8_000), (8_000, 16_000), (16_000, 8_000), (16_000, 16_000)] {
            let pipe = Arc::new(Pipe::new(16_000));
            assert!(pipe.write(&tone(from, from as usize)));
            let mut voice = LiveVoice::new(Arc::clone(&pipe), from);
            let mut heard = Vec::new();
            for _ in 0..50 {
                let mut packet = vec![1; to as usize / 50];
                assert!(voice.fill(to == 16_000, &mut packet));
                heard.extend(packet);
            }
            let hz = crossings(&heard, to) / 2;
            assert!((430..450).contains(&hz), "{from} to {to}: {hz} Hz");
            let mut packet = vec![1; to as usize / 50];
            for _ in 0..2 {
                assert!(voice.fill(to == 16_000, &mut packet));
            }
            assert!(packet.iter().all(|sample| sample.unsigned_abs() < 2), "silence when nothing came");
            pipe.close();
            assert!(!voice.fill(to == 16_000, &mut packet));
        }
    }
}
