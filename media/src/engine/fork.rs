//! Forks: what a stream receives, decoded and by the clock, into pipes for whoever listens from another thread.
//!
//! A fork gives a piece every 20 ms as long as the stream is there, silence where nothing came, so that time goes on. It
//! never waits: what finds no room in the pipe is not written, and the reader is told how much that was. It ends when the pipe is
//! closed. Of a masked stream it gives silence, marked as such.

use std::time::{Duration, Instant};

use super::{context::Context, stream::Stream, worker::Worker};
use crate::{
    codec::{Codec, Upsampler},
    contract::{Command, FORK_FRAME_MS, FORK_HEAD, Fork, ForkHead, Format},
    player::{Pacer, Player},
    reception::Arrival,
    rtp::Header,
    transcode::Transcoder,
};

/// Forks of one stream at most.
const MOST_FORKS: usize = 4;
/// The longest piece: 20 ms at 16 kHz.
const MOST_SAMPLES: usize = 320;
/// A clock that is behind by so much jumps.
const BEHIND_MS: u32 = 60;

/// One fork of a stream.
pub(super) struct Branch {
    to: Fork,
    transcoder: Option<Transcoder>,
    up: Upsampler,
    pacer: Pacer,
    /// Where the next piece begins, in ms from the fork's epoch.
    next_ms: u32,
}

impl Branch {
    fn new(to: Fork, now: Instant) -> Self {
        let next_ms = elapsed_ms(&to, now);
        let pacer = Pacer::new(now, Duration::from_millis(FORK_FRAME_MS.into()));
        Self { to, transcoder: None, up: Upsampler::new(), pacer, next_ms }
    }

    /// A packet of the stream; without a payload one that holds no audio.
    fn receive(&mut self, header: &Header, payload: Option<&[u8]>, format: Format, arrival: Arrival, now: Instant) {
        if !format.codec.is_spoken() {
            return;
        }
        let rate = rate_of(format.codec, self.to.rate_hz);
        if self.transcoder.as_ref().is_none_or(|t| t.codec() != format.codec || t.rate_hz() != rate) {
            match Transcoder::new(format.codec, rate, FORK_FRAME_MS, now) {
                Ok(fresh) => self.transcoder = Some(fresh),
                Err(error) => return tracing::error!(%error, "no decoder for a fork"),
            }
        }
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.receive(now, header, payload, arrival);
        }
    }

    /// Writes the pieces that are due.
    fn give(&mut self, is_masked: bool, now: Instant) {
        let due = self.pacer.due(now);
        if due == 0 {
            return;
        }
        let frame_ms = u32::from(FORK_FRAME_MS);
        let reached = elapsed_ms(&self.to, now);
        if reached.saturating_sub(self.next_ms + (due - 1) * frame_ms) >= BEHIND_MS {
            self.next_ms = reached.saturating_sub((due - 1) * frame_ms);
        }
        for _ in 0..due {
            let samples = self.to.frame_samples().min(MOST_SAMPLES);
            let mut piece = [0; FORK_HEAD + MOST_SAMPLES];
            piece[..FORK_HEAD].copy_from_slice(&ForkHead { at_ms: self.next_ms, masked: is_masked }.words());
            if is_masked {
                let _ = self.transcoder.take();
            } else {
                self.hear(now, &mut piece[FORK_HEAD..FORK_HEAD + samples]);
            }
            self.to.into.write(&piece[..FORK_HEAD + samples]);
            self.next_ms = self.next_ms.wrapping_add(frame_ms);
        }
    }

    /// What is to be heard now; silence when there is nothing.
    fn hear(&mut self, now: Instant, out: &mut [i16]) {
        let Some(transcoder) = &mut self.transcoder else { return };
        if transcoder.rate_hz() == self.to.rate_hz {
            if !transcoder.frame_at(now, out) {
                out.fill(0);
            }
            return;
        }
        let mut narrow = [0; MOST_SAMPLES / 2];
        if !transcoder.frame_at(now, &mut narrow) {
            narrow.fill(0);
        }
        self.up.process(&narrow, out);
    }
}

/// The rate at which a codec is read for a fork: its own, or the fork's when that is less.
fn rate_of(codec: Codec, wanted: u32) -> u32 {
    codec.sample_rate_hz().min(wanted)
}

fn elapsed_ms(to: &Fork, now: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(to.epoch).as_millis()).unwrap_or(u32::MAX)
}

impl Stream {
    /// A packet of a stream that has forks.
    pub(super) fn branch(&mut self, header: &Header, payload: Option<&[u8]>, (format, arrival): (Format, Arrival), now: Instant) {
        if self.inbound.is_masked() {
            return;
        }
        for branch in &mut self.branches {
            branch.receive(header, payload, format, arrival, now);
        }
    }

    /// Gives forks what is due. `false` when there are none.
    pub(super) fn give_branches(&mut self, cx: &Context) -> bool {
        if self.branches.is_empty() {
            return false;
        }
        let is_masked = self.inbound.is_masked();
        self.branches.retain(|branch| !branch.to.into.is_closed());
        for branch in &mut self.branches {
            branch.give(is_masked, cx.now);
        }
        !self.branches.is_empty()
    }
}

impl Worker {
    /// Begins a fork, or a live voice.
    pub(super) fn program_command(&mut self, slot: usize, command: Command) {
        match command {
            Command::Fork { to, .. } => {
                let now = self.cx.now;
                let Some(stream) = self.streams[slot].as_deref_mut() else { return };
                if stream.branches.len() >= MOST_FORKS {
                    return tracing::warn!(stream = %stream.id, "a stream has no room for one more fork");
                }
                stream.branches.push(Branch::new(to, now));
                self.start_pacing(slot);
            }
            Command::Speak { from, rate_hz, .. } => self.play(slot, Some(Player::live(from, rate_hz))),
            _ => {}
        }
    }
}
