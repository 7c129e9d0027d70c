//! What a program says and nobody has heard yet: so much of it, with marks in it, and how much too much there was.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Audio that may wait.
const MOST_WAITING_S: usize = 10;
/// Marks that may wait.
const MOST_MARKS: usize = 100;
/// Too much is when so much was dropped, less what time went by meanwhile.
const MOST_DROPPED_MS: u64 = 30_000;

/// More came than anybody can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// The queue of one program.
#[derive(Debug)]
pub(super) struct Voice {
    rate_hz: u32,
    waiting: VecDeque<i16>,
    /// Where in all that was handed on each mark stands.
    marks: VecDeque<(u64, String)>,
    /// Samples handed on.
    handed: u64,
    dropped_ms: u64,
    dropped_at: Option<Instant>,
}

impl Voice {
    pub(super) const fn new(rate_hz: u32) -> Self {
        Self { rate_hz, waiting: VecDeque::new(), marks: VecDeque::new(), handed: 0, dropped_ms: 0, dropped_at: None }
    }

    /// Takes what there is room for and gives the ms that there was none for.
    pub(super) fn say(&mut self, now: Instant, samples: &[i16]) -> Result<u64, Flood> {
        let room = (self.rate_hz as usize * MOST_WAITING_S).saturating_sub(self.waiting.len());
        let taken = room.min(samples.len());
        self.waiting.extend(&samples[..taken]);
        let rate_ms = u64::from(self.rate_hz / 1_000).max(1);
        let dropped_ms = ((samples.len() - taken) as u64).div_ceil(rate_ms);
        if dropped_ms > 0 {
            let since = self.dropped_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            self.dropped_at = Some(now);
            self.dropped_ms = self.dropped_ms.saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)) + dropped_ms;
            if self.dropped_ms > MOST_DROPPED_MS {
                return Err(Flood);
            }
        }
        Ok(dropped_ms)
    }

    /// Notes a mark behind what was said up to now.
    pub(super) fn mark(&mut self, name: String) -> Result<(), Flood> {
        if self.marks.len() >= MOST_MARKS {
            return Err(Flood);
        }
        self.marks.push_back((self.handed + self.waiting.len() as u64, name));
        Ok(())
    }

    /// Nothing of it is said. Gives the marks that stood in it.
    pub(super) fn clear(&mut self) -> Vec<String> {
        self.waiting.clear();
        self.marks.drain(..).map(|(_, name)| name).collect()
    }

    /// Hands on the next samples, as many as there are and fit.
    pub(super) fn hand_on(&mut self, out: &mut [i16]) -> usize {
        let count = out.len().min(self.waiting.len());
        for (place, sample) in out.iter_mut().zip(self.waiting.drain(..count)) {
            *place = sample;
        }
        self.handed += count as u64;
        count
    }

    /// The next mark that stands before what was heard.
    pub(super) fn heard(&mut self, up_to: u64) -> Option<String> {
        self.marks.front().filter(|(at, _)| *at <= up_to)?;
        self.marks.pop_front().map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "some first instant; nothing depends on which")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn ten_seconds_wait_and_what_is_beyond_is_dropped_and_counted() {
        let (mut voice, now) = (Voice::new(8_000), start());
        assert_eq!(voice.say(now, &[1; 72_000]), Ok(0));
        assert_eq!(voice.say(now, &[2; 16_000]), Ok(1_000));
        assert_eq!(voice.waiting.len(), 80_000);
        assert_eq!(voice.say(now, &[3; 29 * 8_000]), Ok(29_000));
        assert_eq!(voice.say(now, &[3; 8]), Err(Flood), "thirty seconds at once");
        assert_eq!(voice.say(now + Duration::from_secs(20), &[3; 8_000]), Ok(1_000), "time forgives");
    }

    #[test]
    fn marks_come_when_what_was_said_before_them_was_heard() {
        let (mut voice, now) = (Voice::new(8_000), start());
        voice.mark("begin".to_owned()).unwrap();
        voice.say(now, &[1; 300]).unwrap();
        voice.mark("middle".to_owned()).unwrap();
        voice.say(now, &[1; 100]).unwrap();
        voice.mark("end".to_owned()).unwrap();
        assert_eq!((voice.heard(0), voice.heard(0)), (Some("begin".to_owned()), None));
        let mut out = [0; 320];
        assert_eq!(voice.hand_on(&mut out), 320);
        assert_eq!((voice.heard(299), voice.heard(300), voice.heard(320)), (None, Some("middle".to_owned()), None));
        assert_eq!(voice.clear(), ["end"]);
        assert_eq!((voice.hand_on(&mut out), voice.heard(u64::MAX)), (0, None));
        let flood = (0..200).find(|_| voice.mark("x".to_owned()).is_err());
        assert_eq!(flood, Some(MOST_MARKS));
    }
}
