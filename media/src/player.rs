//! Plays prompts to a stream: which samples come next, and when the next packet is due.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{codec::Audio, live::LiveVoice, pipe::Pipe};

/// A player that is late sends at most so many packets at once; what is beyond is not caught up.
const MAX_BURST: u32 = 3;
/// Packets of silence behind a tone's sound before its pause: whoever conceals what is missing goes on with what came last.
const HANG_OVER: u32 = 5;
/// The place in a list of prompts.
#[derive(Debug)]
pub struct Player {
    audio: Vec<Arc<Audio>>,
    item: usize,
    /// In samples at 8 kHz, so that the codec may change while it plays.
    position: usize,
    repeat: bool,
    /// Packets of silence since the last sound; `None`: all silence is sent.
    quiet: Option<u32>,
    /// Instead of prompts.
    live: Option<Box<LiveVoice>>,
    /// What `Played` names; `None` for tones, whose end nobody awaits.
    pub play: Option<u32>,
}

impl Player {
    /// At the beginning of the first prompt. With `repeat` it never ends, unless all audio is empty.
    #[must_use]
    pub fn new(audio: Vec<Arc<Audio>>, repeat: bool, play: Option<u32>) -> Self {
        let repeat = repeat && audio.iter().any(|a| !a.pcm_8k.is_empty());
        Self { audio, item: 0, position: 0, repeat, quiet: None, live: None, play }
    }

    /// A tone with pauses, over and over. Nothing is sent in them (RFC 3551 section 4.1 lets a sender be silent so): of ring-back
    /// they are four fifths, and it goes to everybody who waits.
    #[must_use]
    pub fn tone(audio: Arc<Audio>) -> Self {
        Self { quiet: Some(0), ..Self::new(vec![audio], true, None) }
    }

    /// Whether a packet that was filled need not be sent.
    pub fn pauses(&mut self, packet: &[i16]) -> bool {
        let Some(quiet) = &mut self.quiet else { return false };
        *quiet = if packet.iter().all(|sample| *sample == 0) { quiet.saturating_add(1) } else { 0 };
        *quiet > HANG_OVER
    }

    /// Plays what comes through a pipe, in 8 or 16 kHz, until that is closed.
    #[must_use]
    pub fn live(from: Arc<Pipe>, rate_hz: u32) -> Self {
        let live = Some(Box::new(LiveVoice::new(from, rate_hz)));
        Self { audio: Vec::new(), item: 0, position: 0, repeat: false, quiet: None, live, play: None }
    }

    /// Whether it has no end: music, or a tone.
    #[must_use]
    pub const fn is_endless(&self) -> bool {
        self.repeat
    }

    /// Fills `out` with the next samples at 16 kHz when `wideband`, else at 8 kHz, across the borders
    /// of prompts; the rest of the last packet is silence. `false` when nothing was left to play.
    pub fn fill(&mut self, wideband: bool, out: &mut [i16]) -> bool {
        if let Some(live) = &mut self.live {
            return live.fill(wideband, out);
        }
        let scale = if wideband { 2 } else { 1 };
        let mut filled = 0;
        while filled < out.len() {
            let Some(audio) = self.audio.get(self.item) else {
                if self.repeat && !self.audio.is_empty() {
                    self.item = 0;
                    continue;
                }
                break;
            };
            let pcm = if wideband { &audio.pcm_16k } else { &audio.pcm_8k };
            let from = (self.position * scale).min(pcm.len());
            let count = (pcm.len() - from).min(out.len() - filled);
            if self.position >= audio.pcm_8k.len() || count == 0 {
                (self.item, self.position) = (self.item + 1, 0);
                continue;
            }
            out[filled..filled + count].copy_from_slice(&pcm[from..from + count]);
            filled += count;
            self.position += count.div_ceil(scale);
        }
        out[filled..].fill(0);
        filled > 0
    }
}

/// Says when packets are due, one per `interval`.
#[derive(Clone, Debug)]
pub struct Pacer {
    due_at: Instant,
    interval: Duration,
}

impl Pacer {
    /// The first packet is due at once.
    #[must_use]
    pub const fn new(now: Instant, interval: Duration) -> Self {
        Self { due_at: now, interval }
    }

    /// How many packets are due, at most three; a longer delay is forgotten rather than caught up.
    pub fn due(&mut self, now: Instant) -> u32 {
        let mut count = 0;
        while self.due_at <= now {
            self.due_at += self.interval;
            count += 1;
            if count == MAX_BURST && self.due_at <= now {
                self.due_at = now + self.interval;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio(samples: std::ops::Range<i16>) -> Arc<Audio> {
        let pcm_8k: Vec<i16> = samples.clone().collect();
        let pcm_16k: Vec<i16> = samples.flat_map(|s| [s, s]).collect();
        Arc::new(Audio { pcm_8k: pcm_8k.into(), pcm_16k: pcm_16k.into(), duration_ms: 0 })
    }

    #[test]
    fn prompts_follow_each_other_without_a_gap() {
        let mut player = Player::new(vec![audio(1..4), audio(0..0), audio(10..13)], false, Some(1));
        let mut out = [99; 4];
        assert!(player.fill(false, &mut out));
        assert_eq!(out, [1, 2, 3, 10]);
        assert!(player.fill(false, &mut out));
        assert_eq!(out, [11, 12, 0, 0]);
        assert!(!player.fill(false, &mut out));
    }

    #[test]
    fn a_repeated_list_starts_again_and_an_empty_one_ends() {
        let mut player = Player::new(vec![audio(1..4)], true, None);
        let mut out = [0; 7];
        assert!(player.fill(false, &mut out));
        assert_eq!(out, [1, 2, 3, 1, 2, 3, 1]);
        for list in [vec![], vec![audio(0..0)]] {
            assert!(!Player::new(list, true, None).fill(false, &mut out));
        }
    }

    #[test]
    fn the_place_is_kept_when_the_rate_changes() {
        let mut player = Player::new(vec![audio(0..100)], false, None);
        let mut out = [0; 4];
        player.fill(false, &mut out);
        player.fill(true, &mut out);
        assert_eq!(out, [4, 4, 5, 5]);
        player.fill(false, &mut out);
        assert_eq!(out, [6, 7, 8, 9]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn a_late_pacer_catches_up_without_a_burst() {
        let (start, step) = (Instant::now(), Duration::from_millis(20));
        let mut pacer = Pacer::new(start, step);
        assert_eq!(pacer.due(start), 1);
        assert_eq!(pacer.due(start + step / 2), 0);
        assert_eq!(pacer.due(start + step * 2), 2);
        assert_eq!(pacer.due(start + step * 500), MAX_BURST);
        assert_eq!(pacer.due(start + step * 500), 0);
        assert_eq!(pacer.due(start + step * 501), 1);
    }
}
