//! The payload types of one session: once a number means a format it keeps meaning it (RFC 3264 section 8.3.2).

use serde::{Deserialize, Serialize};

use super::AudioCodec;
use super::negotiate::{EVENT_CLOCK_HZ, Negotiated};
use super::session::Format;

/// The numbers we use for formats that have none of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PayloadTypes {
    opus: u8,
    /// RFC 4733 events with the clock of Opus.
    dtmf_48000: u8,
    /// RFC 4733 events with the clock of all others.
    dtmf_8000: u8,
}

impl Default for PayloadTypes {
    /// What most peers use themselves.
    fn default() -> Self {
        Self { opus: 111, dtmf_48000: 110, dtmf_8000: 101 }
    }
}

impl PayloadTypes {
    /// Whether each is a payload type.
    pub(super) const fn is_sound(&self) -> bool {
        let Self { opus, dtmf_48000, dtmf_8000 } = *self;
        opus < 128 && dtmf_48000 < 128 && dtmf_8000 < 128
    }

    /// The number of a codec.
    pub(super) fn codec(&self, codec: AudioCodec) -> u8 {
        codec.static_payload_type().unwrap_or(self.opus)
    }

    /// The number of events for a clock.
    pub(super) const fn dtmf(&self, clock_hz: u32) -> u8 {
        if clock_hz == 48_000 { self.dtmf_48000 } else { self.dtmf_8000 }
    }

    /// The formats of an offer: codecs in order, then events for each of their clocks, and for the one that every
    /// phone knows.
    pub(super) fn offer(&self, codecs: &[AudioCodec]) -> Vec<Format> {
        let mut formats: Vec<_> = codecs.iter().map(|codec| Format::Codec(self.codec(*codec), *codec)).collect();
        for clock_hz in [EVENT_CLOCK_HZ, 48_000] {
            if clock_hz == EVENT_CLOCK_HZ || codecs.iter().any(|codec| codec.clock_hz() == clock_hz) {
                formats.push(Format::Dtmf(self.dtmf(clock_hz), clock_hz));
            }
        }
        formats
    }

    /// The formats of an answer: the one codec, and events if they were offered.
    pub(super) fn answer(negotiated: &Negotiated) -> Vec<Format> {
        let codec = Format::Codec(negotiated.receive_payload_type, negotiated.codec);
        let clock_hz = negotiated.dtmf_clock_hz;
        std::iter::once(codec).chain(negotiated.dtmf_receive.map(|dtmf| Format::Dtmf(dtmf, clock_hz))).collect()
    }

    /// Takes over the numbers of an offer that we answered; ours that clash with them move.
    pub(super) fn learn(&mut self, negotiated: &Negotiated) {
        let taken = [Some(negotiated.receive_payload_type), negotiated.dtmf_receive];
        for own in [&mut self.opus, &mut self.dtmf_48000, &mut self.dtmf_8000] {
            if taken.contains(&Some(*own)) {
                *own = 0;
            }
        }
        if negotiated.codec == AudioCodec::Opus {
            self.opus = negotiated.receive_payload_type;
        }
        if let Some(dtmf) = negotiated.dtmf_receive {
            let own = if negotiated.dtmf_clock_hz == 48_000 { &mut self.dtmf_48000 } else { &mut self.dtmf_8000 };
            *own = dtmf;
        }
        let mut free = (96..=127).filter({
            let used = [Some(self.opus), Some(self.dtmf_48000), Some(self.dtmf_8000), taken[0], taken[1]];
            move |number| !used.contains(&Some(*number))
        });
        for own in [&mut self.opus, &mut self.dtmf_48000, &mut self.dtmf_8000] {
            if *own == 0 {
                // Five numbers at most are used of thirty-two.
                *own = free.next().unwrap_or(96);
            }
        }
    }
}
