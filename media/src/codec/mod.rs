//! Voice codecs and the audio they work on.
//!
//! Here: G.711 (both laws), G.722 and Opus behind one closed enum; packet loss concealment; resampling;
//! loading of prompts. All of it is plain computation: no sockets, no clock, no
//! threads, and after construction no allocation, so it can run on a media thread.
//!
//! Not here: RTP (payload numbers are only suggested), SDP negotiation, jitter buffering, mixing.
//!
//! Samples are 16-bit linear PCM, mono. RFC 3551 gives the RTP rules for G.711 and G.722, RFC 7587 for Opus.

mod audio;
mod concealment;
mod g711;
mod g722;
mod opus;
mod probe;
mod resample;

pub use audio::{Audio, AudioError};
pub use resample::{Downsampler, Upsampler, resample_offline};

use concealment::Concealer;
use serde::{Deserialize, Serialize};

use crate::adapt::Adaptation;

/// The voice codecs this switch speaks itself; others are relayed untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law, 64 kbit/s.
    Pcmu,
    /// G.711 A-law, 64 kbit/s.
    Pcma,
    /// G.722 at 64 kbit/s (mode 1).
    G722,
    /// Opus, mono, 24 kbit/s, with in-band forward error correction where loss is expected.
    Opus,
    /// G.729, which no crate that may be used here decodes: it is passed on between two that speak it.
    G729,
}

impl Codec {
    /// Every codec that we speak, in the order they are offered when nothing else is configured.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcma, Self::Pcmu];

    /// Whether we can make and hear it, and not pass it on only.
    pub const fn is_spoken(self) -> bool {
        !matches!(self, Self::G729)
    }

    /// Rate of the RTP timestamp in Hz. G.722 counts 8000 although it samples at 16 kHz
    /// (RFC 3551 section 4.5.2); Opus always counts 48000 (RFC 7587 section 4.1).
    pub const fn rtp_clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 | Self::G729 => 8000,
            Self::Opus => 48_000,
        }
    }

    /// Rate in Hz of the PCM that [`Encoder::new`] takes and [`Decoder::new`] gives.
    pub const fn sample_rate_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G729 => 8000,
            Self::G722 | Self::Opus => 16_000,
        }
    }

    /// The payload type RFC 3551 table 4 assigns; `None` where it must be negotiated.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::G729 => Some(18),
            Self::Opus => None,
        }
    }

    /// The encoding name of `a=rtpmap`.
    pub const fn sdp_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::G729 => "G729",
        }
    }

    /// The codec with this `a=rtpmap` encoding name, in any case (RFC 8866 section 6.6).
    pub fn from_sdp_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.sdp_name().eq_ignore_ascii_case(name))
    }

    /// The codec RFC 3551 ties to a static payload type.
    pub fn from_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type))
    }

    /// Bytes to set aside for one encoded packet of `ptime_ms` milliseconds. Exact for G.711 and G.722;
    /// for Opus the most a packet of one frame may hold (RFC 6716 section 3.4).
    pub const fn max_payload_bytes(self, ptime_ms: usize) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8 * ptime_ms,
            Self::G729 => ptime_ms,
            Self::Opus => opus::MAX_PAYLOAD_BYTES,
        }
    }

    /// PCM rates the codec can run at. G.722 at 8 kHz works on its lower band alone: the choice when
    /// the other leg is narrowband anyway, at less than half the work and without resampling.
    pub const fn supported_rates_hz(self) -> &'static [u32] {
        match self {
            Self::Pcmu | Self::Pcma => &[8000],
            Self::G722 => &[8000, 16_000],
            Self::Opus => &[8000, 16_000, 48_000],
            Self::G729 => &[],
        }
    }
}

/// Why audio could not be encoded or decoded. Nothing here ends a call: a refused packet is a lost packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The codec cannot run at the PCM rate asked for.
    #[error("{} does not run at {rate_hz} Hz; it offers {:?}", codec.sdp_name(), codec.supported_rates_hz())]
    Rate {
        /// Codec asked for.
        codec: Codec,
        /// PCM rate asked for.
        rate_hz: u32,
    },
    /// Nobody of ours speaks the codec.
    #[error("{} is only passed on between two that speak it", codec.sdp_name())]
    PassedOn {
        /// Codec asked for.
        codec: Codec,
    },
    /// The PCM frame is not of a length the codec can encode.
    #[error("{} cannot encode a frame of {samples} samples; give 10, 20, 40 or 60 ms", codec.sdp_name())]
    FrameLength {
        /// Codec asked for.
        codec: Codec,
        /// Samples given.
        samples: usize,
    },
    /// The caller's buffer is too small for the result.
    #[error("the output buffer holds {have} elements, this packet needs {needed}")]
    OutputTooSmall {
        /// Elements needed (samples or bytes).
        needed: usize,
        /// Elements the buffer holds.
        have: usize,
    },
    /// The payload is not valid for the codec; the sender is at fault. Treat the packet as lost.
    #[error("a payload of {bytes} bytes is not valid {}; count it as lost", codec.sdp_name())]
    Payload {
        /// Codec of the payload.
        codec: Codec,
        /// Length of the payload.
        bytes: usize,
    },
    /// libopus refused for a reason of its own (out of memory, internal error).
    #[error("libopus failed ({0}); end the leg or fall back to G.711")]
    Opus(&'static str),
}

/// What the far side takes of Opus (RFC 7587 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpusLimits {
    /// Bits per second at most, on average. Ours are fewer where this is much.
    pub most_bps: u32,
    /// The highest sampling rate that it plays, in Hz.
    pub most_playback_hz: u32,
    /// It can use copies of lost packets in later ones.
    pub fec: bool,
    /// It wants nothing to be sent in pauses.
    #[serde(default)]
    pub dtx: bool,
}

impl Default for OpusLimits {
    /// Those of a far side that says nothing.
    fn default() -> Self {
        Self { most_bps: 510_000, most_playback_hz: 48_000, fec: false, dtx: false }
    }
}

/// One direction of a leg: linear PCM to payloads.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    rate_hz: u32,
    state: EncoderState,
}

#[derive(Debug)]
enum EncoderState {
    Pcmu,
    Pcma,
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
}

impl Encoder {
    /// An encoder taking PCM at the codec's own [`Codec::sample_rate_hz`].
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Self::with_rate(codec, codec.sample_rate_hz())
    }

    /// An encoder taking PCM at `rate_hz`, one of [`Codec::supported_rates_hz`].
    pub fn with_rate(codec: Codec, rate_hz: u32) -> Result<Self, CodecError> {
        check_rate(codec, rate_hz)?;
        let state = match codec {
            Codec::Pcmu => EncoderState::Pcmu,
            Codec::Pcma => EncoderState::Pcma,
            Codec::G722 => EncoderState::G722(Box::new(g722::Encoder::new(rate_hz))),
            Codec::Opus => EncoderState::Opus(opus::Encoder::new(rate_hz)?),
            Codec::G729 => return Err(CodecError::PassedOn { codec }),
        };
        Ok(Self { codec, rate_hz, state })
    }

    /// The codec this encoder writes.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Rate in Hz of the PCM it takes.
    pub const fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Encode for a line of which that is known. From one percent of loss on Opus packets carry a coarse copy of their
    /// predecessor; a new encoder expects none. Other codecs have no use for it.
    ///
    /// # Errors
    /// libopus refused.
    pub fn adapt(&mut self, line: Adaptation) -> Result<(), CodecError> {
        match &mut self.state {
            EncoderState::Opus(encoder) => encoder.adapt(line),
            _ => Ok(()),
        }
    }

    /// Whether a payload of so many bytes, just encoded, is not to be sent: the far side makes up a pause (RFC 7587 section
    /// 3.1.3). Only where [`OpusLimits::dtx`] was asked for.
    pub const fn is_pause(&self, bytes: usize) -> bool {
        match &self.state {
            EncoderState::Opus(encoder) => encoder.is_pause(bytes),
            _ => false,
        }
    }

    /// Keep to what the far side takes. A new encoder makes copies where loss is expected. Other codecs have no use for it.
    ///
    /// # Errors
    /// libopus refused.
    pub fn limit(&mut self, limits: OpusLimits) -> Result<(), CodecError> {
        match &mut self.state {
            EncoderState::Opus(encoder) => encoder.limit(limits),
            _ => Ok(()),
        }
    }

    /// Encode one frame into `out` and give the payload's length in bytes. G.711 takes any number of
    /// samples, G.722 at 16 kHz any even number, Opus 10, 20, 40 or 60 ms.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        match &mut self.state {
            EncoderState::Pcmu => g711::encode(&g711::ULAW_ENCODE, pcm, out),
            EncoderState::Pcma => g711::encode(&g711::ALAW_ENCODE, pcm, out),
            EncoderState::G722(encoder) => encoder.encode(pcm, out),
            EncoderState::Opus(encoder) => encoder.encode(pcm, out),
        }
    }
}

/// One direction of a leg: payloads to linear PCM, with concealment of what got lost.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    rate_hz: u32,
    state: DecoderState,
}

#[derive(Debug)]
enum DecoderState {
    Pcmu(Box<Concealer>),
    Pcma(Box<Concealer>),
    G722(Box<g722::Decoder>, Box<Concealer>),
    Opus(opus::Decoder),
}

impl Decoder {
    /// A decoder giving PCM at the codec's own [`Codec::sample_rate_hz`].
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Self::with_rate(codec, codec.sample_rate_hz())
    }

    /// A decoder giving PCM at `rate_hz`, one of [`Codec::supported_rates_hz`].
    pub fn with_rate(codec: Codec, rate_hz: u32) -> Result<Self, CodecError> {
        check_rate(codec, rate_hz)?;
        let concealer = || Box::new(Concealer::new(rate_hz));
        let state = match codec {
            Codec::Pcmu => DecoderState::Pcmu(concealer()),
            Codec::Pcma => DecoderState::Pcma(concealer()),
            Codec::G722 => DecoderState::G722(Box::new(g722::Decoder::new(rate_hz)), concealer()),
            Codec::Opus => DecoderState::Opus(opus::Decoder::new(rate_hz)?),
            Codec::G729 => return Err(CodecError::PassedOn { codec }),
        };
        Ok(Self { codec, rate_hz, state })
    }

    /// The codec this decoder reads.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Rate in Hz of the PCM it gives.
    pub const fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Decode one payload into `out` and give the number of samples. An empty or invalid payload is an
    /// error and leaves `out` unspecified: call [`Decoder::conceal`] instead. A buffer of 120 ms holds
    /// whatever a valid Opus packet can bring.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Payload { codec: self.codec, bytes: 0 });
        }
        match &mut self.state {
            DecoderState::Pcmu(concealer) => {
                g711::decode(&g711::ULAW_DECODE, payload, out).inspect(|&samples| concealer.received(&mut out[..samples]))
            }
            DecoderState::Pcma(concealer) => {
                g711::decode(&g711::ALAW_DECODE, payload, out).inspect(|&samples| concealer.received(&mut out[..samples]))
            }
            DecoderState::G722(decoder, concealer) => {
                decoder.decode(payload, out).inspect(|&samples| concealer.received(&mut out[..samples]))
            }
            DecoderState::Opus(decoder) => decoder.decode(payload, out),
        }
    }

    /// Fill `out` (the length of the lost packet, at most 60 ms for Opus) with a guess of what was lost,
    /// fading to silence when losses follow one another. Gives the number of samples, always `out.len()`.
    pub fn conceal(&mut self, out: &mut [i16]) -> usize {
        match &mut self.state {
            DecoderState::Pcmu(concealer) | DecoderState::Pcma(concealer) => concealer.lost(out),
            DecoderState::G722(decoder, concealer) => {
                concealer.lost(out);
                decoder.follow(out);
            }
            DecoderState::Opus(decoder) => decoder.conceal(out),
        }
        out.len()
    }

    /// Fill `out` for a lost packet when the packet after it, `next`, is already here: Opus carries a
    /// coarse copy of its predecessor (RFC 6716 section 2.1.7). Other codecs conceal. `next` must be
    /// decoded afterwards as usual.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> usize {
        match &mut self.state {
            DecoderState::Opus(decoder) => {
                decoder.recover(next, out);
                out.len()
            }
            _ => self.conceal(out),
        }
    }
}

fn check_rate(codec: Codec, rate_hz: u32) -> Result<(), CodecError> {
    if !codec.is_spoken() {
        return Err(CodecError::PassedOn { codec });
    }
    if codec.supported_rates_hz().contains(&rate_hz) { Ok(()) } else { Err(CodecError::Rate { codec, rate_hz }) }
}

/// The nearest 16-bit sample.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "clamped to the target's range just before")]
pub(crate) fn saturate(value: i32) -> i16 {
    value.clamp(-32_768, 32_767) as i16
}

/// The nearest 16-bit sample.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
pub(crate) fn round_to_sample(value: f64) -> i16 {
    value.round() as i16
}

#[cfg(test)]
mod tests;
