//! From one codec to another: what comes out of a [jitter buffer](crate::jitter) is decoded, losses concealed, and cut into
//! packets of the receiver's length. Encoding and sending are the caller's, because the receiver's encoder also
//! serves prompts.
//!
//! It goes by the clock: each piece is taken from the buffer when the one before it has been played. While the sender is
//! silent nothing comes out, and the next frame says how long that was.
//!
//! A sender that leaves out its pauses is not gone: what it was like behind it goes on, by the comfort noise that it described
//! (RFC 3389), or by what Opus makes of its own pauses (RFC 7587 section 3.1.3).
//!
//! Both ends work at one rate, so nothing is resampled: Opus and G.722 run at 8 kHz beside G.711.

use std::time::{Duration, Instant};

use crate::{
    codec::{Codec, CodecError, Decoder},
    jitter::{Discarded, JitterBuffer, Playout},
    random::Random,
    reception::Arrival,
    rtp::Header,
};

/// The most one packet may decode to (RFC 6716 section 3.2.5), in ms.
const MAX_PACKET_MS: usize = 120;
/// Where a packet was left out, so much of a guess of it is faded into the next one, in ms.
const SEAM_MS: usize = 5;
/// Whoever asks later than this was busy elsewhere: what was missed is skipped.
const FORGOTTEN: Duration = Duration::from_millis(100);
/// What goes on in pauses is made in pieces of so many ms.
const PAUSE_PIECE_MS: u32 = 10;
/// Noise that somebody described goes on for so long without another packet: the description may be the last one.
const NOISE: Duration = Duration::from_secs(30);
/// Opus sends something at least every 400 ms in its pauses; later than this it is no pause.
const OPUS_PAUSE: Duration = Duration::from_millis(600);
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
    /// The root mean square of the noise that is heard in pauses, as far as the sender told.
    noise: Option<i32>,
    random: Random,
    /// When a packet came last.
    heard_at: Instant,
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
            noise: None,
            random: Random::new(1),
            heard_at: epoch,
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
        self.heard_at = now;
        if payload.is_some() {
            self.noise = None;
        }
        self.buffer.insert(now, header, payload, arrival);
    }

    /// In the pause that follows there is noise of so many dB under the loudest (RFC 3389 section 3.1).
    pub fn comfort(&mut self, level: u8) {
        // A square wave of all the range is 0 dB.
        let root = f64::from(i16::MAX) * 10_f64.powf(-f64::from(level & 0x7f) / 20.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most the largest sample")]
        let root = root as i32;
        self.noise = Some(root).filter(|root| *root > 0);
    }

    /// Nobody hears what is under way.
    pub fn forget(&mut self) {
        self.buffer.forget();
        self.pcm.clear();
        self.next_at = None;
        self.noise = None;
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
            if !self.pull(at) && !self.fill_pause(at) {
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
                let samples = samples_of(ticks);
                self.make_up(samples, at);
                samples
            }
            Playout::Wait => return false,
        };
        self.give(samples, at);
        true
    }

    /// Nothing is to be played. `true`: the sender pauses, and what is behind it goes on.
    fn fill_pause(&mut self, at: Instant) -> bool {
        let ago = at.saturating_duration_since(self.heard_at);
        let is_opus_pause = self.codec() == Codec::Opus && self.is_quiet && self.played_until.is_some() && ago < OPUS_PAUSE;
        if !is_opus_pause && (self.noise.is_none() || ago >= NOISE) {
            return false;
        }
        let samples = (self.rate_hz() / 1_000 * PAUSE_PIECE_MS) as usize;
        self.make_up(samples, at);
        self.give(samples, at);
        true
    }

    /// What is heard while the sender says nothing.
    fn make_up(&mut self, samples: usize, at: Instant) {
        self.is_quiet = true;
        let is_opus = self.codec() == Codec::Opus && at.saturating_duration_since(self.heard_at) < OPUS_PAUSE;
        let piece = &mut self.scratch[..samples];
        match self.noise {
            Some(root) => piece.fill_with(|| noise(&mut self.random, root)),
            None if is_opus => drop(self.decoder.conceal(piece)),
            None => piece.fill(0),
        }
    }

    /// So many samples of the scratch are played from then on.
    fn give(&mut self, samples: usize, at: Instant) {
        if let Some(until) = self.played_until {
            let skipped = at.saturating_duration_since(until).as_micros() + 500;
            self.skipped_ms = self.skipped_ms.saturating_add(u32::try_from(skipped / 1_000).unwrap_or(u32::MAX));
        }
        self.pcm.extend_from_slice(&self.scratch[..samples]);
        self.next_at = Some(at + self.time_of(samples));
        self.played_until = self.next_at;
    }

    fn time_of(&self, samples: usize) -> Duration {
        Duration::from_micros(samples as u64 * 1_000_000 / u64::from(self.rate_hz()))
    }
}

/// A sample of white noise: the sum of two even ones, whose mean square is a sixth of their reach's.
fn noise(random: &mut Random, root: i32) -> i16 {
    let reach = i64::from(root) * 5 / 2;
    let even = |random: &mut Random| i64::from(random.u16()) - 32_768;
    let sample = (even(random) + even(random)) * reach / 65_536;
    i16::try_from(sample.clamp(-32_767, 32_767)).unwrap_or(0)
}

fn is_quiet(pcm: &[i16]) -> bool {
    let sum: u64 = pcm.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
    sum <= QUIET * pcm.len() as u64
}

#[cfg(test)]
mod tests;
