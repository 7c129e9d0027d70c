//! Opus (RFC 6716, RFC 7587) by libopus through `audiopus`.
//!
//! Mono, tuned for voice: VOIP application, complexity 5, 24 kbit/s or what the line and the far side take at most, in-band
//! forward error correction as soon as loss is expected: the copies cost a third more work and some quality, so a clean line
//! goes without. Pauses are left out (DTX) where the far side wants that.
//! Stereo payloads of peers are decoded to mono by libopus itself.

use audiopus::{Application, Bandwidth, Bitrate, Channels, ErrorCode, MutSignals, SampleRate, coder, packet::Packet};

use super::{Codec, CodecError, OpusLimits};
use crate::adapt::{Adaptation, MOST_BPS};

/// Most bytes of a packet with one frame (RFC 6716 section 3.4).
pub(super) const MAX_PAYLOAD_BYTES: usize = 1275;

/// Less than this is no voice any more (RFC 7587 section 6.1), in bits per second.
const LEAST_BPS: u32 = 6_000;
/// What is no longer than this says that nothing is to be sent: the far side makes up the pause.
const PAUSE_BYTES: usize = 2;
const COMPLEXITY: u8 = 5;
/// Most loss prepared for: beyond it the copies leave too few bits for the voice.
const EXPECTED_LOSS_MAX_PERCENT: u8 = 25;

#[derive(Debug)]
pub(super) struct Encoder {
    encoder: coder::Encoder,
    samples_per_10_ms: usize,
    line: Adaptation,
    limits: OpusLimits,
}

impl Encoder {
    pub(super) fn new(rate_hz: u32) -> Result<Self, CodecError> {
        let mut encoder = coder::Encoder::new(sample_rate(rate_hz)?, Channels::Mono, Application::Voip).map_err(library_error)?;
        encoder.set_complexity(COMPLEXITY).map_err(library_error)?;
        let limits = OpusLimits { fec: true, ..OpusLimits::default() };
        let mut encoder = Self { encoder, samples_per_10_ms: rate_hz as usize / 100, line: Adaptation::default(), limits };
        encoder.set().map(|()| encoder)
    }

    pub(super) fn adapt(&mut self, line: Adaptation) -> Result<(), CodecError> {
        if self.line == line {
            return Ok(());
        }
        self.line = line;
        self.set()
    }

    pub(super) fn limit(&mut self, limits: OpusLimits) -> Result<(), CodecError> {
        self.limits = limits;
        self.set()
    }

    fn set(&mut self) -> Result<(), CodecError> {
        let Self { encoder, line, limits, .. } = self;
        let bps = line.bps().min(limits.most_bps).clamp(LEAST_BPS, MOST_BPS);
        let mut set = || -> Result<(), audiopus::Error> {
            encoder.set_bitrate(Bitrate::BitsPerSecond(bps.cast_signed()))?;
            encoder.set_packet_loss_perc(line.loss_percent().min(EXPECTED_LOSS_MAX_PERCENT))?;
            encoder.set_max_bandwidth(bandwidth(limits.most_playback_hz))?;
            encoder.set_inband_fec(limits.fec)?;
            encoder.set_dtx(limits.dtx)
        };
        set().map_err(library_error)
    }

    /// Whether a payload that was encoded says that nothing is to be sent.
    pub(super) const fn is_pause(&self, bytes: usize) -> bool {
        self.limits.dtx && bytes <= PAUSE_BYTES
    }

    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let tens_of_ms = pcm.len() / self.samples_per_10_ms;
        if !pcm.len().is_multiple_of(self.samples_per_10_ms) || ![1, 2, 4, 6].contains(&tens_of_ms) {
            return Err(CodecError::FrameLength { codec: Codec::Opus, samples: pcm.len() });
        }
        let room = out.len().min(MAX_PAYLOAD_BYTES);
        self.encoder.encode(pcm, &mut out[..room]).map_err(|error| match error {
            audiopus::Error::Opus(ErrorCode::BufferTooSmall | ErrorCode::BadArgument) => {
                CodecError::OutputTooSmall { needed: MAX_PAYLOAD_BYTES, have: room }
            }
            other => library_error(other),
        })
    }
}

#[derive(Debug)]
pub(super) struct Decoder {
    decoder: coder::Decoder,
    samples_per_20_ms: usize,
}

impl Decoder {
    pub(super) fn new(rate_hz: u32) -> Result<Self, CodecError> {
        let decoder = coder::Decoder::new(sample_rate(rate_hz)?, Channels::Mono).map_err(library_error)?;
        Ok(Self { decoder, samples_per_20_ms: rate_hz as usize / 50 })
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let invalid = |_| CodecError::Payload { codec: Codec::Opus, bytes: payload.len() };
        let needed = self.decoder.nb_samples(Packet::try_from(payload).map_err(invalid)?).map_err(invalid)?;
        let have = out.len();
        let out = out.get_mut(..needed).ok_or(CodecError::OutputTooSmall { needed, have })?;
        let signals = MutSignals::try_from(out).map_err(library_error)?;
        self.decoder.decode(Some(Packet::try_from(payload).map_err(invalid)?), signals, false).map_err(invalid)
    }

    /// Let libopus guess what was lost, 20 ms at a time: it conceals multiples of 2.5 ms only, so a rest
    /// that is none is left silent.
    pub(super) fn conceal(&mut self, out: &mut [i16]) {
        let unit = self.samples_per_20_ms / 8;
        for part in out.chunks_mut(self.samples_per_20_ms) {
            let whole = part.len() - part.len() % unit;
            let (guessed, rest) = part.split_at_mut(whole);
            rest.fill(0);
            if guessed.is_empty() {
                continue;
            }
            let concealed = MutSignals::try_from(&mut *guessed).and_then(|signals| self.decoder.decode(None, signals, false));
            if concealed.is_err() {
                guessed.fill(0);
            }
        }
    }

    /// Restore the packet before `next` from the copy in `next`; where there is none libopus conceals.
    pub(super) fn recover(&mut self, next: &[u8], out: &mut [i16]) {
        let restored = match (Packet::try_from(next), MutSignals::try_from(&mut *out)) {
            (Ok(packet), Ok(signals)) => self.decoder.decode(Some(packet), signals, true),
            _ => Ok(0),
        };
        if restored != Ok(out.len()) {
            self.conceal(out);
        }
    }
}

/// The widest band that fits below half a sampling rate (RFC 6716 section 2).
const fn bandwidth(playback_hz: u32) -> Bandwidth {
    match playback_hz {
        ..12_000 => Bandwidth::Narrowband,
        12_000..16_000 => Bandwidth::Mediumband,
        16_000..24_000 => Bandwidth::Wideband,
        24_000..48_000 => Bandwidth::Superwideband,
        _ => Bandwidth::Fullband,
    }
}

fn sample_rate(rate_hz: u32) -> Result<SampleRate, CodecError> {
    match rate_hz {
        8000 => Ok(SampleRate::Hz8000),
        16_000 => Ok(SampleRate::Hz16000),
        48_000 => Ok(SampleRate::Hz48000),
        _ => Err(CodecError::Rate { codec: Codec::Opus, rate_hz }),
    }
}

fn library_error(error: audiopus::Error) -> CodecError {
    CodecError::Opus(match error {
        audiopus::Error::Opus(ErrorCode::AllocFail) => "out of memory",
        audiopus::Error::Opus(ErrorCode::BadArgument) => "bad argument",
        audiopus::Error::Opus(ErrorCode::InternalError) => "internal error",
        _ => "unexpected refusal",
    })
}
