//! From one codec to another: what comes out of a [jitter buffer](crate::jitter) is decoded, losses concealed, and cut into
//! packets of the receiver's length. Encoding and sending are the caller's, because the receiver's encoder also
//! serves prompts.
//!
//! It goes by the clock: each piece is taken from the buffer when the one before it has been played. While the sender is
//! silent nothing comes out, and the next frame says how long that was.
//!
//! Both ends work at one rate, so nothing is resampled: Opus and G.722 run at 8 kHz beside G.711.

use std::time::{Duration, Instant};

use crate::{
    codec::{Codec, CodecError, Decoder},
    jitter::{Discarded, JitterBuffer, Playout},
    reception::Arrival,
    rtp::Header,
};

/// The most one packet may decode to (RFC 6716 section 3.2.5), in ms.
const MAX_PACKET_MS: usize = 120;
/// Where a packet was left out, so much of a guess of it is faded into the next one, in ms.
const SEAM_MS: usize = 5;
/// Whoever asks later than this was busy elsewhere: what was missed is skipped.
const FORGOTTEN: Duration = Duration::from_millis(100);
/// Samples are silence or near it when they are below this on average: about -50 dB of the loudest.
const QUIET: u64 = 100;

/// The rate at which two codecs meet, in Hz.
#[must_use]
pub fn common_rate_hz(a: Codec, b: Codec) -> u32 {
    a.sample_rate_hz().min(b.sample_rate_hz())
}

/// One direction between two codecs.
#[derive(Debug)]
pub struct Transcoder {
    buffer: JitterBuffer,
    decoder: Decoder,
    /// Samples in an outgoing packet.
    frame: usize,
    /// Decoded, not yet packed: less than one frame between calls.
    pcm: Vec<i16>,
    scratch: Box<[i16]>,
    /// When what was taken from the buffer has been played; `None`: it is asked at any time.
    next_at: Option<Instant>,
    /// The same for what was taken last, however long ago.
    played_until: Option<Instant>,
    /// What was taken last is silence or near it.
    is_quiet: bool,
    last_samples: usize,
    /// Before the first sample of `pcm`, so many ms were skipped.
    skipped_ms: u32,
}

impl Transcoder {
    /// From `codec` to packets of `ptime_ms` at `rate_hz`, which both codecs support. `epoch` is any instant before the
    /// first packet.
    ///
    /// # Errors
    /// The codec does not run at that rate, or its library failed.
    pub fn new(codec: Codec, rate_hz: u32, ptime_ms: u8, epoch: Instant) -> Result<Self, CodecError> {
        let samples_of = |ms: usize| rate_hz as usize / 1_000 * ms;
        Ok(Self {
            buffer: JitterBuffer::new(codec.rtp_clock_hz(), epoch, codec == Codec::Opus),
            decoder: Decoder::with_rate(codec, rate_hz)?,
            frame: samples_of(usize::from(ptime_ms.max(1))),
            pcm: Vec::with_capacity(samples_of(MAX_PACKET_MS * 3)),
            scratch: vec![0; samples_of(MAX_PACKET_MS)].into(),
            next_at: None,
            played_until: None,
            is_quiet: true,
            last_samples: samples_of(20),
            skipped_ms: 0,
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

    /// What was received and not played, up to now.
    #[must_use]
    pub const fn discarded(&self) -> Discarded {
        self.buffer.discarded()
    }

    /// How long packets are held now, in ms.
    #[must_use]
    pub const fn depth_ms(&self) -> u32 {
        self.buffer.depth_ms()
    }

    /// Whether something is under way: then [`Transcoder::next_frame`] is to be called every 10 ms or so.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.next_at.is_some() || !self.buffer.is_idle()
    }

    /// A packet of the source; without a payload one that holds no audio.
    pub fn receive(&mut self, now: Instant, header: &Header, payload: Option<&[u8]>, arrival: Arrival) {
        self.buffer.insert(now, header, payload, arrival);
    }

    /// Nobody hears what is under way.
    pub fn forget(&mut self) {
        self.buffer.forget();
        self.pcm.clear();
        self.next_at = None;
    }

    /// Copies the next full frame that is due into `out`, which holds at least one, and gives the ms of silence that were
    /// skipped directly before it. To be called until `None`.
    pub fn next_frame(&mut self, now: Instant, out: &mut [i16]) -> Option<u32> {
        while self.pcm.len() < self.frame {
            let at = match self.next_at {
                Some(at) if at > now => return None,
                Some(at) if now.saturating_duration_since(at) < FORGOTTEN => at,
                _ => now,
            };
            if !self.pull(at) {
                self.next_at = None;
                if self.pcm.is_empty() {
                    return None;
                }
                // What is left of the frame in progress is silence, and part of the silence that follows.
                let padding = self.frame - self.pcm.len();
                self.pcm.resize(self.frame, 0);
                self.played_until = Some(at + self.time_of(padding));
            }
        }
        out[..self.frame].copy_from_slice(&self.pcm[..self.frame]);
        self.pcm.drain(..self.frame);
        Some(std::mem::take(&mut self.skipped_ms))
    }

    /// For whoever has a clock of its own: the frame that is to be heard now, into `out`; `false`: there is none.
    pub fn frame_at(&mut self, now: Instant, out: &mut [i16]) -> bool {
        while self.pcm.len() < self.frame {
            if !self.pull(now) {
                if self.pcm.is_empty() {
                    return false;
                }
                self.pcm.resize(self.frame, 0);
            }
        }
        out[..self.frame].copy_from_slice(&self.pcm[..self.frame]);
        self.pcm.drain(..self.frame);
        true
    }

    /// Takes the next piece from the buffer. `false`: there is none now.
    fn pull(&mut self, at: Instant) -> bool {
        let (clock, rate) = (self.codec().rtp_clock_hz(), self.rate_hz());
        let most = self.scratch.len();
        let samples_of = |ticks: u32| {
            usize::try_from(u64::from(ticks) * u64::from(rate) / u64::from(clock)).map_or(most, |samples| samples.min(most))
        };
        let samples = match self.buffer.next(at, self.is_quiet) {
            Playout::Packet { payload, is_cut } => {
                if is_cut {
                    self.decoder.conceal(&mut self.scratch[..rate as usize / 1_000 * SEAM_MS]);
                }
                // Not a valid payload: as good as lost.
                let samples = self.decoder.decode(payload, &mut self.scratch).unwrap_or_else(|_| {
                    let samples = self.last_samples.min(self.scratch.len());
                    self.decoder.conceal(&mut self.scratch[..samples])
                });
                self.buffer.played(u32::try_from(samples as u64 * u64::from(clock) / u64::from(rate)).unwrap_or(0));
                self.last_samples = samples;
                self.is_quiet = is_quiet(&self.scratch[..samples]);
                samples
            }
            Playout::Lost { ticks, next } => {
                let hole = &mut self.scratch[..samples_of(ticks)];
                match next {
                    Some(next) => self.decoder.recover(next, hole),
                    None => self.decoder.conceal(hole),
                }
            }
            Playout::Stretch { ticks } => self.decoder.conceal(&mut self.scratch[..samples_of(ticks)]),
            Playout::Silence { ticks } => {
                let silence = &mut self.scratch[..samples_of(ticks)];
                silence.fill(0);
                self.is_quiet = true;
                silence.len()
            }
            Playout::Wait => return false,
        };
        if let Some(until) = self.played_until {
            let skipped = at.saturating_duration_since(until).as_micros() + 500;
            self.skipped_ms = self.skipped_ms.saturating_add(u32::try_from(skipped / 1_000).unwrap_or(u32::MAX));
        }
        self.pcm.extend_from_slice(&self.scratch[..samples]);
        self.next_at = Some(at + self.time_of(samples));
        self.played_until = self.next_at;
        true
    }

    fn time_of(&self, samples: usize) -> Duration {
        Duration::from_micros(samples as u64 * 1_000_000 / u64::from(self.rate_hz()))
    }
}

fn is_quiet(pcm: &[i16]) -> bool {
    let sum: u64 = pcm.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
    sum <= QUIET * pcm.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::Encoder, rtp::Stamp};

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    const NEXT: Arrival = Arrival::InOrder { missing: 0 };

    /// Packets of 20 ms of a constant level in PCMU come as `plan` says, one turn of 20 ms after the other; frames are asked
    /// for every 10 ms. What comes out: in which turn, how much was skipped before it, and its mean level.
    fn run(ptime_ms: u8, plan: &[Option<(u32, Arrival)>]) -> Vec<(usize, u32, i32)> {
        let epoch = start();
        let mut transcoder = Transcoder::new(Codec::Pcmu, 8_000, ptime_ms, epoch).unwrap();
        let (mut payload, mut frame, mut out) = ([0; 160], [0; 960], Vec::new());
        Encoder::new(Codec::Pcmu).unwrap().encode(&[1_000; 160], &mut payload).unwrap();
        for (turn, packet) in plan.iter().chain(&[None; 6]).enumerate() {
            for half in 0..2 {
                let now = epoch + Duration::from_millis(turn as u64 * 20 + half * 10);
                if let (Some((number, arrival)), 0) = (packet, half) {
                    transcoder.receive(now, &header(*number), Some(&payload), *arrival);
                }
                while let Some(skipped_ms) = transcoder.next_frame(now, &mut frame) {
                    let samples = transcoder.frame_samples();
                    let level = frame[..samples].iter().map(|s| i32::from(*s)).sum::<i32>() / i32::try_from(samples).unwrap();
                    out.push((turn, skipped_ms, (level + 50) / 100));
                }
            }
        }
        assert!(!transcoder.is_busy(), "it ends by itself");
        out
    }

    fn header(number: u32) -> Header {
        let [.., high, low] = number.to_be_bytes();
        let sequence = u16::from_be_bytes([high, low]);
        let stamp = Stamp { payload_type: 0, marker: false, sequence, timestamp: number.wrapping_mul(160), ssrc: 1 };
        Header::parse(&stamp.bytes()).unwrap()
    }

    fn spoken(numbers: std::ops::Range<u32>) -> Vec<Option<(u32, Arrival)>> {
        numbers.clone().map(|n| Some((n, if n == numbers.start { Arrival::First } else { NEXT }))).collect()
    }

    #[test]
    fn packets_are_cut_to_the_receivers_length_and_come_out_10_ms_later() {
        let loud = |out: Vec<(usize, u32, i32)>| out.into_iter().filter(|(_, _, level)| *level == 10).collect::<Vec<_>>();
        let plan = spoken(1..5);
        assert_eq!(loud(run(20, &plan)), [(0, 0, 10), (1, 0, 10), (2, 0, 10), (3, 0, 10)]);
        assert_eq!(loud(run(40, &plan)), [(1, 0, 10), (3, 0, 10)]);
        assert_eq!(loud(run(10, &plan)).len(), 9, "the tenth fades");
        assert_eq!(loud(run(30, &plan))[..2], [(1, 0, 10), (2, 0, 10)]);
    }

    #[test]
    fn losses_are_filled_and_silence_is_skipped() {
        let mut two_lost = spoken(1..8);
        (two_lost[3], two_lost[4]) = (None, None);
        two_lost[5] = Some((6, Arrival::InOrder { missing: 2 }));
        let out = run(20, &two_lost);
        assert_eq!(
            out.iter().take(7).map(|(turn, skipped, _)| (*turn, *skipped)).collect::<Vec<_>>(),
            (0..7).map(|t| (t, 0)).collect::<Vec<_>>()
        );
        assert!(out[3].2 > 5 && out[5].2 >= 9 && out[6].2 == 10, "{out:?}");

        let mut pause = spoken(1..3);
        pause.extend([None; 48]);
        pause.extend([Some((51, Arrival::InOrder { missing: 0 })), Some((52, NEXT))]);
        let out = run(20, &pause);
        let resumed = out.iter().position(|(turn, ..)| *turn == 50).unwrap();
        let before = u32::try_from(resumed).unwrap();
        assert_eq!((before, out[resumed].1), (5, 1_000 - before * 20), "two packets and three of a guess: {out:?}");
    }

    #[test]
    fn late_repeated_and_invalid_packets_do_no_harm() {
        let plan = [(5, Arrival::First), (4, Arrival::Late), (5, Arrival::Duplicate), (900, Arrival::Wild), (6, NEXT)];
        let out = run(20, &plan.map(Some));
        assert!(out.len() >= 2 && out[0].2 == 10, "{out:?}");
        let now = start();
        let mut opus = Transcoder::new(Codec::Opus, 8_000, 20, now).unwrap();
        let mut frame = [0; 160];
        for (i, payload) in [&[][..], &[0xff; 3], &[0x03, 0xff, 0, 0], &[0xff; 1_400]].iter().enumerate() {
            let at = now + Duration::from_millis(20 * i as u64);
            opus.receive(at, &header(u32::try_from(i).unwrap()), Some(payload), NEXT);
            while opus.next_frame(at, &mut frame).is_some() {}
        }
        opus.forget();
        assert!(!opus.is_busy());
    }

    #[test]
    fn codecs_meet_at_the_narrower_rate() {
        assert_eq!(common_rate_hz(Codec::Pcmu, Codec::Opus), 8_000);
        assert_eq!(common_rate_hz(Codec::G722, Codec::Opus), 16_000);
    }
}
