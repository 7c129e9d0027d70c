//! From one codec to another, packet by packet: decode, conceal short losses, cut into packets of the
//! receiver's length. Encoding and sending are the caller's, because the receiver's encoder also
//! serves prompts. There is no jitter buffer here: the receiver has one.
//!
//! Both ends work at one rate, so nothing is resampled: Opus and G.722 run at 8 kHz beside G.711.

use crate::{
    codec::{Codec, CodecError, Decoder},
    reception::Arrival,
};

/// So many lost packets in a row are concealed; longer gaps stay gaps, with the timestamp going on.
const MAX_CONCEALED_PACKETS: u16 = 3;
/// And at most so much audio, in ms.
const MAX_CONCEALED_MS: u32 = 60;
/// A longer jump of the timestamp is a new base, not silence, in ms.
const MAX_SILENCE_MS: u32 = 10_000;
/// The most one packet may decode to (RFC 6716 section 3.2.5), in ms.
const MAX_PACKET_MS: usize = 120;

/// The rate at which two codecs meet, in Hz.
#[must_use]
pub fn common_rate_hz(a: Codec, b: Codec) -> u32 {
    a.sample_rate_hz().min(b.sample_rate_hz())
}

/// One direction between two codecs.
#[derive(Debug)]
pub struct Transcoder {
    decoder: Decoder,
    /// Samples in an outgoing packet.
    frame: usize,
    /// Decoded, not yet packed: less than one frame between calls.
    pcm: Vec<i16>,
    scratch: Box<[i16]>,
    /// The timestamp at which the next packet should continue.
    expected: Option<u32>,
    last_samples: usize,
    /// After so many samples of `pcm`, so many ms were skipped.
    skip: Option<(usize, u32)>,
}

impl Transcoder {
    /// From `codec` to packets of `ptime_ms` at `rate_hz`, which both codecs support.
    ///
    /// # Errors
    /// The codec does not run at that rate, or its library failed.
    pub fn new(codec: Codec, rate_hz: u32, ptime_ms: u8) -> Result<Self, CodecError> {
        let samples_of = |ms: usize| rate_hz as usize / 1_000 * ms;
        Ok(Self {
            decoder: Decoder::with_rate(codec, rate_hz)?,
            frame: samples_of(usize::from(ptime_ms.max(1))),
            pcm: Vec::with_capacity(samples_of(MAX_PACKET_MS * 3)),
            scratch: vec![0; samples_of(MAX_PACKET_MS)].into(),
            expected: None,
            last_samples: samples_of(20),
            skip: None,
        })
    }

    /// The codec that is read.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.decoder.codec()
    }

    /// The rate of the frames, in Hz.
    #[must_use]
    pub const fn rate_hz(&self) -> u32 {
        self.decoder.rate_hz()
    }

    /// Samples in a frame.
    #[must_use]
    pub const fn frame_samples(&self) -> usize {
        self.frame
    }

    /// A packet of the source. Afterwards [`Transcoder::next_frame`] must be called until `None`.
    /// Late and repeated packets are dropped: their place was filled already.
    pub fn receive(&mut self, timestamp: u32, payload: &[u8], arrival: Arrival) {
        match arrival {
            Arrival::Late | Arrival::Duplicate | Arrival::Wild => return,
            Arrival::First => {
                self.expected = None;
                self.pcm.clear();
            }
            Arrival::InOrder { missing } => self.bridge(timestamp, payload, missing),
        }
        let samples = match self.decoder.decode(payload, &mut self.scratch) {
            Ok(samples) => samples,
            // Not a valid payload: as good as lost.
            Err(_) => {
                let samples = self.last_samples.min(self.scratch.len());
                self.decoder.conceal(&mut self.scratch[..samples])
            }
        };
        self.last_samples = samples;
        self.pcm.extend_from_slice(&self.scratch[..samples]);
        self.expected = Some(timestamp.wrapping_add(self.ticks(samples)));
    }

    /// Fills the way from where the last packet ended to `timestamp`.
    fn bridge(&mut self, timestamp: u32, next: &[u8], missing: u16) {
        let Some(expected) = self.expected else { return };
        let ahead = timestamp.wrapping_sub(expected);
        let clock = self.codec().rtp_clock_hz();
        // Back in time, or so far ahead that it means nothing.
        if ahead == 0 || ahead > clock / 1_000 * MAX_SILENCE_MS {
            return;
        }
        let ahead_ms = ahead / (clock / 1_000);
        if (1..=MAX_CONCEALED_PACKETS).contains(&missing) && ahead_ms <= MAX_CONCEALED_MS {
            let samples = (self.rate_hz() / 1_000 * ahead_ms) as usize;
            let hole = &mut self.scratch[..samples];
            if missing == 1 {
                self.decoder.recover(next, hole);
            } else {
                self.decoder.conceal(hole);
            }
            self.pcm.extend_from_slice(&self.scratch[..samples]);
        } else {
            // What is left of the frame in progress is silence, and part of the silence skipped.
            let begun = self.pcm.len() % self.frame;
            let padding = if begun == 0 { 0 } else { self.frame - begun };
            self.pcm.resize(self.pcm.len() + padding, 0);
            let padding_ms = u32::try_from(padding).unwrap_or(0) * 1_000 / self.rate_hz();
            self.skip = Some((self.pcm.len(), ahead_ms.saturating_sub(padding_ms)));
        }
    }

    fn ticks(&self, samples: usize) -> u32 {
        u32::try_from(samples).unwrap_or(0) * (self.codec().rtp_clock_hz() / 1_000) / (self.rate_hz() / 1_000)
    }

    /// Copies the next full frame into `out`, which holds at least one, and gives the ms of silence that
    /// were skipped directly before it.
    pub fn next_frame(&mut self, out: &mut [i16]) -> Option<u32> {
        if self.pcm.len() < self.frame {
            return None;
        }
        out[..self.frame].copy_from_slice(&self.pcm[..self.frame]);
        self.pcm.drain(..self.frame);
        match &mut self.skip {
            Some((0, ms)) => {
                let skipped = *ms;
                self.skip = None;
                Some(skipped)
            }
            Some((samples, _)) => {
                *samples = samples.saturating_sub(self.frame);
                Some(0)
            }
            None => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;

    /// Feeds 20 ms packets of a constant tone in PCMU; `plan` names sequence numbers in order of arrival.
    fn run(ptime_ms: u8, plan: &[(u32, Arrival)]) -> Vec<(usize, u32)> {
        let mut encoder = Encoder::new(Codec::Pcmu).unwrap();
        let mut transcoder = Transcoder::new(Codec::Pcmu, 8_000, ptime_ms).unwrap();
        let (mut payload, mut frame, mut out) = ([0; 160], [0; 960], Vec::new());
        encoder.encode(&[1_000; 160], &mut payload).unwrap();
        for &(number, arrival) in plan {
            transcoder.receive(number.wrapping_mul(160), &payload, arrival);
            while let Some(skipped) = transcoder.next_frame(&mut frame) {
                out.push((transcoder.frame_samples(), skipped));
            }
        }
        out
    }

    const NEXT: Arrival = Arrival::InOrder { missing: 0 };

    #[test]
    fn packets_are_cut_to_the_receivers_length() {
        let plan = [(1, Arrival::First), (2, NEXT), (3, NEXT), (4, NEXT)];
        assert_eq!(run(20, &plan), [(160, 0); 4]);
        assert_eq!(run(40, &plan), [(320, 0); 2]);
        assert_eq!(run(10, &plan), [(80, 0); 8]);
        assert_eq!(run(30, &plan), [(240, 0); 2]);
    }

    #[test]
    fn short_losses_are_filled_and_long_ones_skipped() {
        let two_lost = [(1, Arrival::First), (4, Arrival::InOrder { missing: 2 })];
        assert_eq!(run(20, &two_lost).len(), 4);
        let many_lost = [(1, Arrival::First), (11, Arrival::InOrder { missing: 9 })];
        assert_eq!(run(20, &many_lost), [(160, 0), (160, 180)]);
        let silence = [(1, Arrival::First), (51, NEXT), (52, NEXT)];
        assert_eq!(run(20, &silence), [(160, 0), (160, 980), (160, 0)]);
        let half_a_frame = [(1, Arrival::First), (51, NEXT), (52, NEXT)];
        assert_eq!(run(40, &half_a_frame), [(320, 0), (320, 960)]);
    }

    #[test]
    fn late_repeated_and_invalid_packets_do_no_harm() {
        let plan = [(5, Arrival::First), (4, Arrival::Late), (5, Arrival::Duplicate), (900, Arrival::Wild), (6, NEXT)];
        assert_eq!(run(20, &plan), [(160, 0); 2]);
        assert_eq!(run(20, &[(u32::MAX, Arrival::First), (7, NEXT), (2, NEXT)]).len(), 3, "timestamps that run back");
        let mut opus = Transcoder::new(Codec::Opus, 8_000, 20).unwrap();
        for (i, payload) in [&[][..], &[0xff; 3], &[0x03, 0xff, 0, 0], &[0xff; 1_400]].iter().enumerate() {
            opus.receive(960 * u32::try_from(i).unwrap(), payload, NEXT);
        }
        let mut frame = [0; 160];
        while opus.next_frame(&mut frame).is_some() {}
    }

    #[test]
    fn codecs_meet_at_the_narrower_rate() {
        assert_eq!(common_rate_hz(Codec::Pcmu, Codec::Opus), 8_000);
        assert_eq!(common_rate_hz(Codec::G722, Codec::Opus), 16_000);
    }
}
