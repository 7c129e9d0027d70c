//! Masking: nothing that a stream receives is heard by anybody while its party enters card numbers.
//!
//! Not by finding keys and cutting them out, which comes too late by the time that it takes to be sure of one: no packet of
//! the stream goes on at all, to a partner, a room or a recording. Keys are told as [`Event::Hidden`], and sent to nobody.

use std::time::{Duration, Instant};

use super::stream::{Inbound, Stream};
use crate::{
    contract::{Event, StreamId},
    hidden::HiddenKey,
};

/// So long after the order to end it a mask stays at least: what was pressed before may still be on its way, in a jitter
/// buffer or in the network. A key that is held stays masked until it is let go.
const AFTERMATH: Duration = Duration::from_millis(400);

/// Whether a stream is masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mask {
    #[default]
    Off,
    On,
    /// It ends then, if no key is held.
    Ends(Instant),
}

impl Inbound {
    pub(super) const fn is_masked(&self) -> bool {
        !matches!(self.mask, Mask::Off)
    }

    /// A key of the stream, in the form in which it may be told.
    pub(super) fn key_event(&self, stream: StreamId, key: char, duration_ms: u32) -> Event {
        if self.is_masked() {
            Event::Hidden { stream, key: HiddenKey::new(key) }
        } else {
            Event::Digit { stream, digit: key, duration_ms }
        }
    }
}

impl Stream {
    /// Masks the stream from now on, or as soon as nothing of a key can be left.
    pub(super) fn mask(&mut self, masked: bool, now: Instant) {
        self.inbound.mask = match self.inbound.mask {
            _ if masked => Mask::On,
            Mask::On => Mask::Ends(now + AFTERMATH),
            mask => mask,
        };
    }

    /// Takes the mask off when it may go.
    pub(super) fn settle_mask(&mut self, now: Instant) {
        let Mask::Ends(at) = self.inbound.mask else { return };
        let is_held = self.inbound.detector.is_busy() || self.listening.as_ref().is_some_and(|listening| listening.is_key_down());
        if now >= at && !is_held {
            self.inbound.mask = Mask::Off;
        }
    }
}
