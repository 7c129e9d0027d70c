//! Two received streams on one time line: the left and right channel of a recording.
//!
//! Each side's first packet is placed by its arrival, the others by their RTP timestamps from there.
//! Gaps are silence, reordering is put right, and a sender whose timestamps jump or drift away from
//! the clock is placed by arrival again. Decoding happens here, off the media threads.

use std::{collections::VecDeque, time::Duration};

use crate::codec::{Codec, Decoder, Upsampler};

/// Packets are written this much behind the clock, so that late ones still find their place.
const HOLD: Duration = Duration::from_millis(700);
/// Position by timestamp and position by arrival may differ by so much before arrival wins.
const MAX_DRIFT_MS: u64 = 500;
/// A missing packet is awaited while at most so many wait behind it.
const MAX_WAITING: usize = 10;
/// And while they came within so much time.
const MAX_WAIT: Duration = Duration::from_millis(200);
/// The most one packet may decode to, in ms.
const MAX_PACKET_MS: usize = 120;

/// A side of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first channel.
    Left = 0,
    /// The second channel.
    Right = 1,
}

/// One received packet.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its codec.
    pub codec: Codec,
    /// Of its source.
    pub ssrc: u32,
    /// Of its source.
    pub sequence: u16,
    /// At the codec's RTP clock.
    pub timestamp: u32,
    /// When it came, from the start of the recording.
    pub arrived: Duration,
    /// As received.
    pub payload: Vec<u8>,
}

/// The time line: samples from `base` on that are not yet written.
#[derive(Debug)]
pub struct Timeline {
    rate: u32,
    base: u64,
    window: VecDeque<[i16; 2]>,
    channels: [Channel; 2],
    paused: bool,
    lost: u64,
}

/// One side's decoder and place.
#[derive(Debug, Default)]
struct Channel {
    decoder: Option<(Decoder, Option<Upsampler>)>,
    /// Ordered by sequence number.
    waiting: VecDeque<Frame>,
    source: Option<Anchor>,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    next_sequence: u16,
    timestamp: u32,
    position: u64,
}

impl Timeline {
    /// An empty recording at 8000 or 16000 Hz.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate: if rate_hz == 16_000 { 16_000 } else { 8_000 },
            base: 0,
            window: VecDeque::new(),
            channels: Default::default(),
            paused: false,
            lost: 0,
        }
    }

    /// Samples a second.
    #[must_use]
    pub const fn rate_hz(&self) -> u32 {
        self.rate
    }

    /// Packets that came too late to be placed, or could not be decoded.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Length of what was handed out so far.
    #[must_use]
    pub const fn written_ms(&self) -> u64 {
        self.base * 1_000 / self.rate as u64
    }

    /// Silence from now on, or audio again. What waits is placed first.
    pub fn pause(&mut self, paused: bool) {
        self.release_all();
        self.paused = paused;
    }

    /// Another stream takes this side: what the old one left is placed first.
    pub fn change_source(&mut self, side: Side) {
        self.release(side as usize, |_, _| true);
        self.channels[side as usize].source = None;
    }

    /// A packet of one side.
    pub fn receive(&mut self, side: Side, frame: Frame) {
        let index = side as usize;
        let arrived = frame.arrived;
        let channel = &mut self.channels[index];
        let same = channel.source.is_some_and(|s| s.ssrc == frame.ssrc)
            || channel.waiting.back().is_some_and(|waiting| waiting.ssrc == frame.ssrc);
        if !same {
            self.release(index, |_, _| true);
            self.channels[index].source = None;
        }
        let channel = &mut self.channels[index];
        let is_before = |a: u16, b: u16| a.wrapping_sub(b) >= 0x8000;
        if let Some(source) = &channel.source {
            let behind = source.next_sequence.wrapping_sub(frame.sequence);
            if (1..=100).contains(&behind) {
                self.lost += 1;
                return;
            }
        }
        let place = channel.waiting.iter().rposition(|w| !is_before(frame.sequence, w.sequence)).map_or(0, |i| i + 1);
        channel.waiting.insert(place, frame);
        self.release(index, move |waiting, next| {
            let first = &waiting[0];
            next.is_none_or(|next| next == first.sequence)
                || waiting.len() > MAX_WAITING
                || arrived.saturating_sub(first.arrived) > MAX_WAIT
        });
    }

    fn release_all(&mut self) {
        for index in 0..self.channels.len() {
            self.release(index, |_, _| true);
        }
    }

    /// Places waiting packets from the oldest on while `ready` says so of what waits and the sequence
    /// number that should come next.
    fn release(&mut self, index: usize, ready: impl Fn(&VecDeque<Frame>, Option<u16>) -> bool) {
        loop {
            let channel = &mut self.channels[index];
            let next = channel.source.as_ref().map(|s| s.next_sequence);
            if channel.waiting.is_empty() || !ready(&channel.waiting, next) {
                return;
            }
            if let Some(frame) = channel.waiting.pop_front() {
                self.place(index, &frame);
            }
        }
    }

    fn place(&mut self, index: usize, frame: &Frame) {
        let rate = self.rate;
        let channel = &mut self.channels[index];
        let arrived = position(frame.arrived, rate);
        let position = channel.source.filter(|s| s.ssrc == frame.ssrc).map_or(arrived, |source| {
            let step = i64::from(frame.timestamp.wrapping_sub(source.timestamp).cast_signed());
            let samples = step * i64::from(rate) / i64::from(frame.codec.rtp_clock_hz());
            let by_timestamp = source.position.saturating_add_signed(samples);
            if by_timestamp.abs_diff(arrived) > MAX_DRIFT_MS * u64::from(rate) / 1_000 { arrived } else { by_timestamp }
        });
        channel.source = Some(Anchor {
            ssrc: frame.ssrc,
            next_sequence: frame.sequence.wrapping_add(1),
            timestamp: frame.timestamp,
            position,
        });
        let mut pcm = [0; MAX_PACKET_MS * 16];
        match channel.decode(frame, rate, &mut pcm) {
            Some(_) if self.paused => {}
            Some(samples) => self.write(index, position, &pcm[..samples]),
            None => self.lost += 1,
        }
    }

    fn write(&mut self, index: usize, position: u64, pcm: &[i16]) {
        let skipped = usize::try_from(self.base.saturating_sub(position)).unwrap_or(usize::MAX);
        if skipped >= pcm.len() {
            self.lost += 1;
            return;
        }
        let from = usize::try_from(position.saturating_sub(self.base)).unwrap_or(0);
        let pcm = &pcm[skipped..];
        if self.window.len() < from + pcm.len() {
            self.window.resize(from + pcm.len(), [0; 2]);
        }
        for (slot, sample) in self.window.range_mut(from..).zip(pcm) {
            slot[index] = *sample;
        }
    }

    /// Hands out what lies far enough behind `elapsed`, the time since the start. Nothing that is handed
    /// out can change any more.
    pub fn advance(&mut self, elapsed: Duration, write: impl FnMut([i16; 2])) {
        self.hand_out(position(elapsed.saturating_sub(HOLD), self.rate), write);
    }

    /// The recording ends at `elapsed`: hands out all up to there.
    pub fn finish(&mut self, elapsed: Duration, write: impl FnMut([i16; 2])) {
        self.release_all();
        self.hand_out(position(elapsed, self.rate), write);
        self.window.clear();
    }

    fn hand_out(&mut self, end: u64, mut write: impl FnMut([i16; 2])) {
        while self.base < end {
            write(self.window.pop_front().unwrap_or_default());
            self.base += 1;
        }
    }
}

impl Channel {
    /// Decodes at `rate` into `pcm` and gives the number of samples.
    fn decode(&mut self, frame: &Frame, rate: u32, pcm: &mut [i16]) -> Option<usize> {
        if self.decoder.as_ref().is_none_or(|(decoder, _)| decoder.codec() != frame.codec) {
            let native = frame.codec.supported_rates_hz().contains(&rate);
            let decoder = if native { Decoder::with_rate(frame.codec, rate) } else { Decoder::new(frame.codec) };
            self.decoder = Some((decoder.ok()?, (!native).then(Upsampler::new)));
        }
        let (decoder, upsampler) = self.decoder.as_mut()?;
        let Some(upsampler) = upsampler else { return decoder.decode(&frame.payload, pcm).ok() };
        let mut narrow = [0; MAX_PACKET_MS * 8];
        let samples = decoder.decode(&frame.payload, &mut narrow).ok()?;
        Some(upsampler.process(&narrow[..samples], pcm))
    }
}

fn position(time: Duration, rate: u32) -> u64 {
    u64::try_from(time.as_micros() * u128::from(rate) / 1_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::Encoder, random::Random};

    fn pcmu(level: i16) -> Vec<u8> {
        let mut payload = vec![0; 160];
        Encoder::new(Codec::Pcmu).unwrap().encode(&[level; 160], &mut payload).unwrap();
        payload
    }

    fn frame(number: u16, arrived_ms: u64, level: i16) -> Frame {
        Frame {
            codec: Codec::Pcmu,
            ssrc: 1,
            sequence: number,
            timestamp: u32::from(number).wrapping_mul(160),
            arrived: Duration::from_millis(arrived_ms),
            payload: pcmu(level),
        }
    }

    fn finish(mut timeline: Timeline, ms: u64) -> Vec<[i16; 2]> {
        let mut out = Vec::new();
        timeline.advance(Duration::from_millis(ms), |s| out.push(s));
        timeline.finish(Duration::from_millis(ms), |s| out.push(s));
        out
    }

    /// Mean level of one 20 ms slot of a channel.
    fn level(out: &[[i16; 2]], channel: usize, slot: usize) -> i32 {
        out[slot * 160..slot * 160 + 160].iter().map(|s| i32::from(s[channel])).sum::<i32>() / 160
    }

    #[test]
    fn each_side_is_in_its_channel_at_its_time() {
        let mut timeline = Timeline::new(8_000);
        timeline.receive(Side::Left, frame(100, 40, 5_000));
        timeline.receive(Side::Right, frame(7, 100, -8_000));
        timeline.receive(Side::Left, frame(103, 101, 5_000));
        let out = finish(timeline, 400);
        assert_eq!(out.len(), 3_200);
        let left: Vec<i32> = (0..8).map(|slot| level(&out, 0, slot) / 1_000).collect();
        assert_eq!(left, [0, 0, 5, 0, 0, 5, 0, 0], "from 40 ms by arrival, then three packets later by timestamp");
        assert!(level(&out, 1, 5) < -7_000 && level(&out, 1, 4) == 0);
    }

    #[test]
    fn reordered_packets_are_put_right_and_jitter_does_not_move_audio() {
        let mut random = Random::new(5);
        let mut timeline = Timeline::new(8_000);
        let mut arrivals: Vec<(u64, u16)> = (0..100u16).map(|i| (u64::from(i) * 20 + 50 + random.below(90), i)).collect();
        arrivals[0].0 = 50;
        arrivals.sort_unstable();
        for &(at, number) in &arrivals {
            timeline.receive(Side::Left, frame(number, at, 100 * (i16::try_from(number).unwrap() + 1)));
        }
        assert_eq!(timeline.lost(), 0);
        let out = finish(timeline, 3_000);
        for slot in 0..99 {
            let expected = 100 * (i32::try_from(slot).unwrap() + 1);
            let middle = i32::from(out[400 + slot * 160 + 80][0]);
            assert!((middle - expected).abs() <= expected / 16 + 20, "slot {slot}: {middle}");
        }
    }

    #[test]
    fn jumps_of_the_sender_are_placed_by_arrival() {
        let mut timeline = Timeline::new(8_000);
        timeline.receive(Side::Left, frame(1, 0, 5_000));
        let mut jumped = frame(2, 1_000, 5_000);
        jumped.timestamp = 0xdead_beef;
        timeline.receive(Side::Left, jumped.clone());
        let mut other = frame(900, 1_500, 5_000);
        other.ssrc = 2;
        timeline.receive(Side::Left, other);
        let out = finish(timeline, 2_000);
        for (slot, loud) in [(0, true), (1, false), (50, true), (51, false), (75, true), (76, false)] {
            assert_eq!(level(&out, 0, slot) > 4_000, loud, "slot {slot}");
        }
    }

    #[test]
    fn a_pause_is_silence_and_time_goes_on() {
        let mut timeline = Timeline::new(8_000);
        for i in 0..50u16 {
            match i {
                10 => timeline.pause(true),
                20 => timeline.pause(false),
                _ => {}
            }
            timeline.receive(Side::Left, frame(i, 20 * u64::from(i), 5_000));
        }
        let out = finish(timeline, 1_000);
        assert_eq!(out.len(), 8_000);
        for slot in 0..50 {
            assert_eq!(level(&out, 0, slot) > 4_000, !(10..20).contains(&slot), "slot {slot}");
        }
    }

    #[test]
    fn wide_band_recordings_take_narrow_band_sides() {
        let mut timeline = Timeline::new(16_000);
        for i in 0..10u16 {
            timeline.receive(Side::Right, frame(i, 20 * u64::from(i), 5_000));
        }
        let out = finish(timeline, 200);
        assert_eq!(out.len(), 3_200);
        assert!(out[1_600][1] > 4_000 && out[1_600][0] == 0);
    }

    /// Whatever comes, memory stays bounded and nothing panics.
    #[test]
    fn hostile_packets_stay_bounded() {
        for seed in 0..30 {
            let mut random = Random::new(seed);
            let mut timeline = Timeline::new(8_000);
            for i in 0..2_000u64 {
                let codec = Codec::ALL[usize::try_from(random.below(4)).unwrap()];
                let frame = Frame {
                    codec,
                    ssrc: u32::try_from(random.below(2)).unwrap(),
                    sequence: random.u16() >> random.below(16),
                    timestamp: random.u32() >> random.below(32),
                    arrived: Duration::from_millis(i * 5),
                    payload: (0..random.below(400)).map(|_| random.u16().to_be_bytes()[0]).collect(),
                };
                timeline.receive(if random.below(2) == 0 { Side::Left } else { Side::Right }, frame);
                timeline.advance(Duration::from_millis(i * 5), |_| ());
                assert!(timeline.window.len() < 8_000 * 2, "{}", timeline.window.len());
                assert!(timeline.channels.iter().all(|c| c.waiting.len() <= MAX_WAITING + 1));
            }
        }
    }
}
