//! Opus in Ogg (RFC 7845) of a recording: two channels, 20 ms a packet, cut to the sample at its end.

use std::io::Write;

use audiopus::{Application, Bitrate, Channels, SampleRate, coder};

use super::{
    ArchiveError,
    ogg::{GRANULES_HZ, Writer},
};

/// Bits a second. One party speaks at a time, and the silence of the other costs next to nothing.
const NARROW_BPS: i32 = 32_000;
const WIDE_BPS: i32 = 48_000;
const COMPLEXITY: u8 = 5;
/// Most bytes of a packet of one frame (RFC 6716 section 3.4), and its byte of contents.
const MAX_PACKET_BYTES: usize = 1_276;

/// Encodes as it is written to.
#[derive(Debug)]
pub struct Encoder<W> {
    pages: Writer<W>,
    encoder: coder::Encoder,
    /// Granule positions of one pair.
    granules: u64,
    /// What decoders drop at the begin, in granule positions.
    pre_skip: u64,
    frame: Vec<i16>,
    frame_samples: usize,
    pairs: u64,
    packets: u64,
}

impl<W: Write> Encoder<W> {
    /// For pairs at 8000 or 16000 Hz. `serial` tells the stream from others.
    ///
    /// # Errors
    /// The head cannot be written, or libopus refuses.
    pub fn new(out: W, rate_hz: u32, serial: u32) -> Result<Self, ArchiveError> {
        let (rate, bps) = if rate_hz == 16_000 { (SampleRate::Hz16000, WIDE_BPS) } else { (SampleRate::Hz8000, NARROW_BPS) };
        let rate_hz = if rate_hz == 16_000 { 16_000u16 } else { 8_000 };
        let set_up = || {
            let mut encoder = coder::Encoder::new(rate, Channels::Stereo, Application::Voip)?;
            encoder.set_bitrate(Bitrate::BitsPerSecond(bps))?;
            encoder.set_complexity(COMPLEXITY)?;
            let ahead = encoder.lookahead()?;
            Ok((encoder, ahead))
        };
        let (encoder, ahead) = set_up().map_err(|_: audiopus::Error| ArchiveError::Opus("it cannot be set up"))?;
        let granules = GRANULES_HZ / u64::from(rate_hz);
        let pre_skip = u64::from(ahead) * granules;
        let mut pages = Writer::new(out, serial);
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend(u16::try_from(pre_skip).unwrap_or(u16::MAX).to_le_bytes());
        head.extend(u32::from(rate_hz).to_le_bytes());
        // Gain 0, and the mapping of mono and stereo.
        head.extend([0, 0, 0]);
        pages.packet(&head, 0)?;
        pages.end_page(false)?;
        pages.packet(b"OpusTags\x06\0\0\0tandem\0\0\0\0", 0)?;
        pages.end_page(false)?;
        let frame_samples = usize::from(rate_hz) / 50 * 2;
        Ok(Self {
            pages,
            encoder,
            granules,
            pre_skip,
            frame: Vec::with_capacity(frame_samples),
            frame_samples,
            pairs: 0,
            packets: 0,
        })
    }

    /// The next pair.
    ///
    /// # Errors
    /// A page cannot be written, or libopus refuses.
    pub fn push(&mut self, pair: [i16; 2]) -> Result<(), ArchiveError> {
        self.pairs += 1;
        self.feed(pair)
    }

    fn feed(&mut self, pair: [i16; 2]) -> Result<(), ArchiveError> {
        self.frame.extend(pair);
        if self.frame.len() < self.frame_samples {
            return Ok(());
        }
        let mut packet = [0; MAX_PACKET_BYTES];
        let bytes = self.encoder.encode(&self.frame, &mut packet).map_err(|_| ArchiveError::Opus("it cannot encode"))?;
        self.frame.clear();
        self.packets += 1;
        self.pages.packet(&packet[..bytes], self.packets * GRANULES_HZ / 50)
    }

    /// Ends the file after the last pair.
    ///
    /// # Errors
    /// As of [`Encoder::push`].
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        let heard = self.pre_skip + self.pairs * self.granules;
        // The encoder looks ahead: what it still holds comes out behind silence.
        while self.packets * GRANULES_HZ / 50 < heard.max(1) {
            self.feed([0; 2])?;
        }
        self.pages.finish(heard)
    }
}
