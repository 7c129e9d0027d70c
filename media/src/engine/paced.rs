//! What a stream sends by the clock: prompts, tones and key presses.

use std::time::{Duration, Instant};

use super::{
    context::Context,
    stream::{Outbound, Speaker, Stream},
    worker::Worker,
};
use crate::{
    codec::Codec,
    contract::{Event, Format},
    dtmf::{EVENT_STEP_MS, EventPacket},
    player::{Pacer, Player},
    rtp::HEADER_BYTES,
};

/// So long prompts and key presses wait for keys by DTLS, which a browser has within a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whoever waits without a sound is sent a packet so often: their side, and what lies between, must not think us gone.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

impl Stream {
    /// A key is to reach the peer, in the form that it takes. `true`: it is sent by the clock from now on.
    pub(super) fn send_key(&mut self, key: char, duration_ms: u16, cx: &mut Context) -> bool {
        match self.outbound.format.filter(|_| !self.faulty) {
            None => false,
            Some(Format { dtmf_payload_type: Some(_), .. }) => self.outbound.digits.push(key, duration_ms),
            Some(Format { signalled_keys: true, .. }) => {
                cx.events.push_back(Event::KeyOut { stream: self.id, key, duration_ms });
                false
            }
            Some(_) => self.outbound.tones.push(key, duration_ms),
        }
    }

    /// Whether all that it sends by the clock is sound that fills the time of somebody who waits.
    pub(super) fn only_fills_time(&self) -> bool {
        let Outbound { player, target, .. } = &self.outbound;
        target.is_some() && !self.outbound.has_keys() && player.as_ref().is_some_and(Player::is_endless)
    }

    /// Leaves such sound out, but for a sign of life: it goes on where it was.
    pub(super) fn leave_out(&mut self, cx: &mut Context) {
        self.outbound.player_pacer = None;
        self.outbound.show_life(SIGN_OF_LIFE, cx);
    }

    /// Sends what is due. `false` when nothing is left to send by the clock.
    pub(super) fn pace(&mut self, cx: &mut Context) -> bool {
        let outbound = &mut self.outbound;
        if outbound.format.is_none() {
            return outbound.player.is_some();
        }
        if outbound.awaits_target(cx.now) {
            return true;
        }
        if outbound.digits.is_busy() {
            outbound.pace_digits(cx);
            // The prompt waits and goes on where it was.
            outbound.player_pacer = None;
            return true;
        }
        outbound.digit_pacer = None;
        if outbound.tones.is_busy() {
            outbound.pace_tones(cx);
            return true;
        }
        if outbound.pace_player(cx)
            && let Some(play) = outbound.player.take().and_then(|player| player.play)
        {
            cx.events.push_back(Event::Played { stream: self.id, play });
        }
        self.outbound.player.is_some()
    }
}

impl Worker {
    /// A stream that only fills the time of somebody has no place among those that are sent to by the clock.
    pub(super) fn rest(&mut self, slot: usize) {
        let Some(stream) = self.streams[slot].as_deref_mut().filter(|stream| !stream.faulty) else { return };
        stream.leave_out(&mut self.cx);
        if !std::mem::replace(&mut stream.rests, true) {
            if self.resting.is_empty() {
                tracing::warn!(
                    most = self.most_sounds,
                    "more callers wait than a media thread has music for: the others hear silence"
                );
            }
            self.resting.push(slot);
        }
    }

    /// Signs of life for those who rest, and sound again for as many as there are places now.
    pub(super) fn see_to_resting(&mut self) {
        if self.resting.is_empty() {
            return;
        }
        let fills_time = |slot: &&usize| self.streams[**slot].as_deref().is_some_and(Stream::only_fills_time);
        let mut places = self.most_sounds.saturating_sub(self.paced.iter().filter(fills_time).count());
        let mut resting = std::mem::take(&mut self.resting);
        resting.retain(|slot| {
            let Some(stream) = self.streams.get_mut(*slot).and_then(Option::as_deref_mut) else { return false };
            // Whoever is sent to by the clock again, or has nothing to hear, is none of them.
            let is_left = places > 0 || stream.paced || stream.faulty || !stream.only_fills_time();
            if !is_left {
                stream.leave_out(&mut self.cx);
                return true;
            }
            stream.rests = false;
            if !stream.paced && !stream.faulty && stream.only_fills_time() {
                places -= 1;
                self.start_pacing(*slot);
            }
            false
        });
        self.resting = resting;
    }
}

impl Outbound {
    /// Whether what is to be sent by the clock waits until there is somebody to hear it: keys by DTLS come a little after
    /// the answer, and the first word of a prompt must not be lost for that. Bounded: then it goes on unheard.
    fn awaits_target(&mut self, now: Instant) -> bool {
        if self.target.is_some() || !self.allowed {
            self.unheard_since = None;
            return false;
        }
        if self.player.is_none() && !self.has_keys() {
            return false;
        }
        let since = *self.unheard_since.get_or_insert(now);
        (self.player_pacer, self.digit_pacer) = (None, None);
        now.saturating_duration_since(since) < PATIENCE
    }

    /// Sends one packet of silence when nothing was sent for so long as was agreed, or nothing at all yet.
    pub(super) fn keep_alive(&mut self, cx: &mut Context) {
        if let Some(every) = self.keep_alive {
            self.show_life(every, cx);
        }
    }

    fn show_life(&mut self, every: Duration, cx: &mut Context) {
        let Some(format) = self.format else { return };
        let is_due = self.identity.sent_at().is_none_or(|at| cx.now.saturating_duration_since(at) >= every);
        if !is_due || !self.allowed || self.has_keys() {
            return;
        }
        let (rate, samples) = frame_of(&format);
        cx.frame[..samples].fill(0);
        // Whoever spoke before, or speaks next, begins anew: between them lies a pause.
        self.change_speaker();
        self.send_frame(Speaker::Player, rate, samples, 0, cx);
        self.change_speaker();
    }

    /// Sends the prompt's packets that are due. `true` when the prompt came to its end.
    fn pace_player(&mut self, cx: &mut Context) -> bool {
        let Some(format) = self.format.filter(|_| self.player.is_some()) else { return false };
        for _ in 0..self.frames_due(&format, cx) {
            let (rate, samples) = frame_of(&format);
            let Some(player) = self.player.as_mut() else { return false };
            if !player.fill(rate == 16_000, &mut cx.frame[..samples]) {
                return true;
            }
            if player.pauses(&cx.frame[..samples]) {
                self.unsent_ms = self.unsent_ms.saturating_add(u32::from(format.ptime_ms));
            } else if self.allowed {
                self.send_frame(Speaker::Player, rate, samples, 0, cx);
            }
        }
        false
    }

    /// Sends the keys' packets that are due. The prompt waits and goes on where it was.
    fn pace_tones(&mut self, cx: &mut Context) {
        let Some(format) = self.format else { return };
        for _ in 0..self.frames_due(&format, cx) {
            let (rate, samples) = frame_of(&format);
            self.tones.fill(rate == 16_000, &mut cx.frame[..samples]);
            if self.allowed {
                self.send_frame(Speaker::Player, rate, samples, 0, cx);
            }
        }
    }

    fn frames_due(&mut self, format: &Format, cx: &Context) -> u32 {
        let interval = Duration::from_millis(u64::from(format.ptime_ms));
        self.player_pacer.get_or_insert_with(|| Pacer::new(cx.now, interval)).due(cx.now)
    }

    fn pace_digits(&mut self, cx: &mut Context) {
        let Some(format) = self.format else { return };
        let interval = Duration::from_millis(u64::from(EVENT_STEP_MS));
        let due = self.digit_pacer.get_or_insert_with(|| Pacer::new(cx.now, interval)).due(cx.now);
        let clock = format.codec.rtp_clock_hz();
        for _ in 0..due {
            let Some(event) = self.digits.tick(format.dtmf_clock_hz) else { continue };
            if let Some(payload_type) = format.dtmf_payload_type.filter(|_| self.allowed) {
                self.send_event(&event, payload_type, clock, cx);
            }
        }
    }

    fn send_event(&mut self, event: &EventPacket, payload_type: u8, clock: u32, cx: &mut Context) {
        let Some(target) = self.target else { return };
        let step = clock / 1_000 * EVENT_STEP_MS;
        if event.first {
            self.change_speaker();
        }
        let timestamp = if event.first { self.identity.timestamp_at(cx.now, clock, step) } else { self.identity.timestamp() };
        let stamp = self.identity.stamp(cx.now, payload_type, timestamp, event.first, event.payload.len());
        cx.packet[..HEADER_BYTES].copy_from_slice(&stamp.bytes());
        cx.packet[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&event.payload);
        self.send_rtp(&cx.packet[..HEADER_BYTES + 4], target);
    }
}

/// The rate of a frame that we make, in Hz, and its samples.
fn frame_of(format: &Format) -> (u32, usize) {
    let rate = format.codec.sample_rate_hz();
    (rate, rate as usize / 1_000 * usize::from(format.ptime_ms))
}

/// The packet length that we make: what was negotiated if the codec has it, else 20 ms.
pub(super) fn usable_ptime(format: &Format) -> u8 {
    match (format.codec, format.ptime_ms) {
        (_, 10 | 20 | 40 | 60) => format.ptime_ms,
        (Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::G729, 30) => 30,
        _ => 20,
    }
}
