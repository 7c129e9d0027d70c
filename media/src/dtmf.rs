//! Key presses as telephone events (RFC 4733): heard once each however often their packets come, and
//! made with three end packets.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// An event without an end packet is over after so much silence.
const EVENT_TIMEOUT: Duration = Duration::from_millis(300);
/// A key held longer is told once, at this time.
const LONGEST_EVENT: Duration = Duration::from_secs(10);
/// For so long a timestamp that was told is known as told.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Key presses that may wait to be sent.
const MAX_WAITING: usize = 32;
/// Pause between two key presses that we send, in ms.
const PAUSE_MS: u32 = 60;
/// Time between two packets of an event that we send, in ms.
pub const EVENT_STEP_MS: u32 = 20;
/// The end is said so often (RFC 4733 section 2.5.1.4).
const END_PACKETS: u8 = 3;
/// Loudness of events that we send, in -dBm0.
const VOLUME: u8 = 10;

const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// A key press that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    pub key: char,
    /// How long, in ms.
    pub duration_ms: u32,
}

/// The four bytes of an event (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Payload {
    event: u8,
    end: bool,
    duration: u16,
}

impl Payload {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = bytes.first_chunk::<4>()?;
        Some(Self { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }

    fn bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | VOLUME, high, low]
    }
}

/// An event in progress.
#[derive(Clone, Copy, Debug)]
struct Heard {
    timestamp: u32,
    event: u8,
    duration: u16,
    since: Instant,
    at: Instant,
}

/// Hears key presses.
#[derive(Clone, Debug, Default)]
pub struct DigitDetector {
    current: Option<Heard>,
    /// Timestamp of the last event told, and when its last packet came.
    told: Option<(u32, Instant)>,
}

impl DigitDetector {
    /// Nothing heard yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { current: None, told: None }
    }

    /// Whether an event is in progress, so that `timeout` must be asked.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// The payload of an event packet. Gives the key presses that are over by it: none, one, or two when
    /// the end of the one before was lost. Other events than keys, and short payloads, are ignored.
    pub fn handle(&mut self, now: Instant, timestamp: u32, payload: &[u8], clock_rate: u32) -> [Option<Digit>; 2] {
        let Some(said) = Payload::parse(payload).filter(|said| usize::from(said.event) < KEYS.len()) else {
            return [None; 2];
        };
        if let Some((told, at)) = &mut self.told
            && now.saturating_duration_since(*at) < REMEMBERED
            && told.wrapping_sub(timestamp).cast_signed() >= 0
        {
            if *told == timestamp {
                *at = now;
            }
            return [None; 2];
        }
        let mut before = None;
        match &mut self.current {
            Some(current) if current.timestamp == timestamp => {
                current.duration = current.duration.max(said.duration);
                current.at = now;
            }
            current => {
                let fresh = Heard { timestamp, event: said.event, duration: said.duration, since: now, at: now };
                if let Some(old) = current.replace(fresh) {
                    self.told = Some((old.timestamp, now));
                    before = Some(digit(&old, clock_rate));
                }
            }
        }
        let too_long = self.current.as_ref().is_some_and(|heard| now.saturating_duration_since(heard.since) >= LONGEST_EVENT);
        [before, if said.end || too_long { self.tell(now, clock_rate) } else { None }]
    }

    /// The key that is held is told to nobody.
    pub fn forget(&mut self, now: Instant) {
        self.told = self.current.take().map(|heard| (heard.timestamp, now)).or(self.told);
    }

    /// A key press whose end was never heard.
    pub fn timeout(&mut self, now: Instant, clock_rate: u32) -> Option<Digit> {
        let silent = now.saturating_duration_since(self.current.as_ref()?.at) >= EVENT_TIMEOUT;
        if silent { self.tell(now, clock_rate) } else { None }
    }

    fn tell(&mut self, now: Instant, clock_rate: u32) -> Option<Digit> {
        let heard = self.current.take()?;
        self.told = Some((heard.timestamp, now));
        Some(digit(&heard, clock_rate))
    }
}

fn digit(heard: &Heard, clock_rate: u32) -> Digit {
    let duration_ms = u64::from(heard.duration) * 1_000 / u64::from(clock_rate.max(1));
    Digit { key: char::from(KEYS[usize::from(heard.event)]), duration_ms: u32::try_from(duration_ms).unwrap_or(u32::MAX) }
}

/// One packet of an event that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: [u8; 4],
    /// The first packet of its event: it carries the marker and sets the timestamp of the others.
    pub first: bool,
}

/// What the generator does now.
#[derive(Clone, Copy, Debug)]
enum Sending {
    Key { event: u8, sent_ms: u32, duration_ms: u32 },
    End { event: u8, duration_ms: u32, left: u8 },
    Pause { left_ms: u32 },
}

/// Makes key presses, one packet per [`EVENT_STEP_MS`].
#[derive(Clone, Debug, Default)]
pub struct DigitGenerator {
    waiting: VecDeque<(u8, u32)>,
    sending: Option<Sending>,
}

impl DigitGenerator {
    /// Nothing to send.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiting: VecDeque::new(), sending: None }
    }

    /// Queues a key press. `false` when it is no key or 32 wait already.
    pub fn push(&mut self, key: char, duration_ms: u16) -> bool {
        let event = KEYS.iter().position(|&k| char::from(k) == key.to_ascii_uppercase());
        let Some(event) = event.and_then(|e| u8::try_from(e).ok()).filter(|_| self.waiting.len() < MAX_WAITING) else {
            return false;
        };
        self.waiting.push_back((event, u32::from(duration_ms).clamp(40, 6_000)));
        true
    }

    /// Whether anything is being sent or waits; audio gives way until then.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.sending.is_some() || !self.waiting.is_empty()
    }

    /// The packet of this step; `None` in a pause and when idle.
    pub fn tick(&mut self, clock_rate: u32) -> Option<EventPacket> {
        let duration = |ms: u32| u16::try_from(u64::from(ms) * u64::from(clock_rate) / 1_000).unwrap_or(u16::MAX);
        if self.sending.is_none() {
            let (event, duration_ms) = self.waiting.pop_front()?;
            self.sending = Some(Sending::Key { event, sent_ms: 0, duration_ms });
        }
        match self.sending? {
            Sending::Key { event, sent_ms, duration_ms } => {
                let now_ms = (sent_ms + EVENT_STEP_MS).min(duration_ms);
                self.sending = Some(if now_ms >= duration_ms {
                    Sending::End { event, duration_ms, left: END_PACKETS }
                } else {
                    Sending::Key { event, sent_ms: now_ms, duration_ms }
                });
                let payload = Payload { event, end: false, duration: duration(now_ms) }.bytes();
                Some(EventPacket { payload, first: sent_ms == 0 })
            }
            Sending::End { event, duration_ms, left } => {
                self.sending = Some(if left <= 1 {
                    Sending::Pause { left_ms: PAUSE_MS }
                } else {
                    Sending::End { event, duration_ms, left: left - 1 }
                });
                Some(EventPacket { payload: Payload { event, end: true, duration: duration(duration_ms) }.bytes(), first: false })
            }
            Sending::Pause { left_ms } => {
                self.sending =
                    (left_ms > EVENT_STEP_MS).then_some(Sending::Pause { left_ms: left_ms.saturating_sub(EVENT_STEP_MS) });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn packet(event: u8, end: bool, duration: u16) -> [u8; 4] {
        Payload { event, end, duration }.bytes()
    }

    #[test]
    fn a_key_is_told_once_at_its_end() {
        let (mut d, now) = (DigitDetector::new(), start());
        for step in 1..=5 {
            assert_eq!(d.handle(now, 1_000, &packet(5, false, 160 * step), 8_000), [None; 2]);
        }
        assert_eq!(d.handle(now, 1_000, &packet(5, true, 960), 8_000), [None, Some(Digit { key: '5', duration_ms: 120 })]);
        for _ in 0..2 {
            assert_eq!(d.handle(now, 1_000, &packet(5, true, 960), 8_000), [None; 2]);
        }
        assert_eq!(d.handle(now, 1_000, &packet(5, false, 320), 8_000), [None; 2], "a late one");
        assert_eq!(d.handle(now, 3_000, &packet(5, true, 960), 8_000)[1].unwrap().key, '5', "the same key again");
    }

    #[test]
    fn lost_ends_are_found_by_the_next_key_or_by_silence() {
        let (mut d, now) = (DigitDetector::new(), start());
        d.handle(now, 1_000, &packet(1, false, 800), 8_000);
        let [before, ended] = d.handle(now, 2_000, &packet(11, false, 160), 8_000);
        assert_eq!((before.unwrap().key, ended), ('1', None));
        assert_eq!(d.timeout(now + Duration::from_millis(100), 8_000), None);
        assert_eq!(d.timeout(now + EVENT_TIMEOUT, 8_000), Some(Digit { key: '#', duration_ms: 20 }));
        assert_eq!(d.timeout(now + EVENT_TIMEOUT * 2, 8_000), None);
    }

    #[test]
    fn an_event_that_never_ends_is_told_once() {
        let (mut d, start) = (DigitDetector::new(), start());
        let told = (0..3_000u64)
            .filter(|i| {
                let now = start + Duration::from_millis(20 * i);
                d.handle(now, 1_000, &packet(3, false, u16::MAX), 8_000)[1].is_some() || d.timeout(now, 8_000).is_some()
            })
            .count();
        assert_eq!(told, 1);
    }

    #[test]
    fn other_events_and_short_payloads_are_ignored() {
        let (mut d, now) = (DigitDetector::new(), start());
        for bytes in [&packet(255, true, 1)[..], &packet(16, true, 1), &[1, 0x80, 0], &[]] {
            assert_eq!(d.handle(now, 1, bytes, 8_000), [None; 2]);
        }
        assert!(!d.is_busy());
    }

    #[test]
    fn what_is_sent_is_heard() {
        let (mut g, mut d, mut now) = (DigitGenerator::new(), DigitDetector::new(), start());
        for key in "19*#d".chars() {
            assert!(g.push(key, 100));
        }
        assert!(!g.push('x', 100));
        let (mut heard, mut timestamp, mut ends) = (String::new(), 0, 0);
        for step in 0..200u32 {
            now += Duration::from_millis(20);
            if let Some(p) = g.tick(48_000) {
                if p.first {
                    timestamp = step * 960;
                }
                ends += usize::from(p.payload[1] & 0x80 != 0);
                for digit in d.handle(now, timestamp, &p.payload, 48_000).into_iter().flatten() {
                    assert_eq!(digit.duration_ms, 100);
                    heard.push(digit.key);
                }
            }
        }
        assert_eq!((heard.as_str(), ends, g.is_busy()), ("19*#D", 15, false));
    }

    #[test]
    fn a_key_that_was_forgotten_is_never_told_and_the_next_is() {
        let now = start();
        let mut detector = DigitDetector::new();
        let said = |event: u8, end: bool, duration: u16| Payload { event, end, duration }.bytes();
        detector.handle(now, 1_000, &said(5, false, 160), 8_000);
        detector.forget(now);
        assert!(!detector.is_busy());
        for (end, duration) in [(false, 320), (true, 480), (true, 480)] {
            assert_eq!(detector.handle(now, 1_000, &said(5, end, duration), 8_000), [None; 2]);
        }
        let next = detector.handle(now, 3_000, &said(7, true, 800), 8_000).into_iter().flatten();
        assert_eq!(next.map(|digit| digit.key).collect::<Vec<_>>(), ['7']);
    }

    #[test]
    fn the_waiting_keys_are_bounded() {
        let mut g = DigitGenerator::new();
        assert_eq!((0..100).filter(|_| g.push('1', 100)).count(), MAX_WAITING);
    }

    proptest! {
        #[test]
        fn any_payload_is_survived(packets in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..8)), 0..200)) {
            let (mut d, now) = (DigitDetector::new(), start());
            for (i, (timestamp, bytes)) in packets.iter().enumerate() {
                d.handle(now + Duration::from_millis(7 * i as u64), *timestamp, bytes, 0);
                d.timeout(now, 1);
            }
        }
    }
}
