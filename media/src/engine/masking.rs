//! Masking: nothing that a stream receives is heard by anybody while its party enters card numbers.
//!
//! Not by finding keys and cutting them out, which comes too late by the time that it takes to be sure of one: no packet of
//! the stream goes on at all, to a partner, a room or a recording. Keys are told as [`Event::Hidden`], and sent to nobody.

use std::time::{Duration, Instant};

use super::{
    context::Context,
    stream::{Inbound, Stream},
};
use crate::{
    contract::{Event, StreamId},
    hidden::HiddenKey,
};

/// So long after the order to end it a mask stays at least: what was pressed before may still be on its way, in a jitter
/// buffer or in the network. A key that is held stays masked until it is let go.
const AFTERMATH: Duration = Duration::from_millis(400);

/// A key in the audio is known to be over so much later than it was: it waits in a jitter buffer, and a detector makes sure.
const NOTICED: Duration = Duration::from_millis(60);

/// Whether a stream is masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mask {
    #[default]
    Off,
    /// Since then.
    On(Instant),
    /// It ends then, if no key is held.
    Ends(Instant),
}

impl Inbound {
    pub(super) const fn is_masked(&self) -> bool {
        !matches!(self.mask, Mask::Off)
    }

    /// A key of the stream is over: it is told, in the form in which it may be.
    pub(super) fn key_told(&self, stream: StreamId, key: char, duration_ms: u32, cx: &mut Context) {
        match self.mask {
            Mask::Off => cx.events.push_back(Event::Digit { stream, digit: key, duration_ms }),
            Mask::On(_) | Mask::Ends(_) => cx.events.push_back(Event::Hidden { stream, key: HiddenKey::new(key) }),
        }
    }

    /// The same of one that came as an event, which a partner without events is to have, too.
    pub(super) fn key_pressed(&self, stream: StreamId, key: char, duration_ms: u32, cx: &mut Context) {
        self.key_told(stream, key, duration_ms, cx);
        if !self.is_masked() {
            cx.pressed.push_back((key, duration_ms));
        }
    }

    /// Whether a key in the audio that is known to be over by now was pressed before the mask: it belongs to what was asked for
    /// then, and to nobody now.
    pub(super) fn was_pressed_before_mask(&self, duration_ms: u32, now: Instant) -> bool {
        matches!(self.mask, Mask::On(since) if since + Duration::from_millis(duration_ms.into()) + NOTICED > now)
    }
}

impl Stream {
    /// Masks the stream from now on, or as soon as nothing of a key can be left.
    pub(super) fn mask(&mut self, masked: bool, now: Instant) {
        if masked && !self.inbound.is_masked() {
            self.inbound.detector.forget(now);
        }
        self.inbound.mask = match self.inbound.mask {
            Mask::On(since) if masked => Mask::On(since),
            _ if masked => Mask::On(now),
            Mask::On(_) => Mask::Ends(now + AFTERMATH),
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
