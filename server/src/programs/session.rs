//! The core of one stream to a program: what is said to it and when, what it may say, and when it is given up.
//!
//! It opens nothing and reads no clock. Whoever drives it hands in what happened, does what [`Output`] says, and comes back
//! with [`Input::Tick`] every 20 ms, for the audio. Everything in it is bounded: audio that the program does not take in time is dropped, the oldest
//! first, counted and told.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tandem_media::contract::FORK_FRAME_MS;

use super::{
    contract::{Counts, Ending, Facts, Input, Message, Output},
    message::{FromProgram, LONGEST_NAME, Mode, Side, ToProgram, VERSION, frame, samples, words_of},
    voice::{Flood, Voice},
};

/// A connection must stand within this time.
const OPEN: Duration = Duration::from_secs(5);
/// Pings, when one was answered.
const PING: Duration = Duration::from_secs(5);
/// Nothing heard of the program, or nothing taken by it, for so long: it stalls.
const STALL: Duration = Duration::from_secs(10);
/// Before another connection is tried.
const RETRY: Duration = Duration::from_secs(1);
/// A connection that stood so long may be made anew once more.
const PROVED: Duration = Duration::from_secs(60);
/// What is left to be said at the end is said within this time.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Lost audio is told at most so often.
const TELL_DROPPED: Duration = Duration::from_secs(1);
/// Frames that may wait for the program: two seconds of one side, one of both.
const MOST_FRAMES: usize = 100;
/// Other messages that may wait.
const MOST_WORDS: usize = 200;
/// Messages that a program may send at once, and a second.
const BURST: u32 = 1_000;
const PER_SECOND: u32 = 200;

#[derive(Debug)]
enum State {
    /// A connection is being made.
    Opening {
        until: Instant,
    },
    /// It stands.
    Open {
        since: Instant,
    },
    /// Before the next try.
    Waiting {
        until: Instant,
    },
    /// The last words are said.
    Closing {
        until: Instant,
    },
    Over,
}

/// One stream to a program.
#[derive(Debug)]
pub(super) struct Session {
    facts: Facts,
    state: State,
    reconnects: u32,
    /// What is said first, in this order.
    words: VecDeque<String>,
    frames: VecDeque<Vec<u8>>,
    sequences: [u32; 2],
    /// Since when what was sent is not with the system.
    in_flight: Option<Instant>,
    alive_at: Instant,
    ping_at: Instant,
    wants_ping: bool,
    /// Lost and not told yet, in ms: of the call, of the program; and when it was told last.
    untold_ms: [u64; 2],
    told_at: Option<Instant>,
    voice: Voice,
    /// Messages that the program may send now, in thousandths, and as of when.
    allowance: (u32, Instant),
    counts: Counts,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A stream that wants to be connected.
    pub(super) fn new(now: Instant, facts: Facts) -> Self {
        Self {
            voice: Voice::new(facts.rate_hz),
            reconnects: u32::from(facts.mode == Mode::Listen),
            facts,
            state: State::Opening { until: now + OPEN },
            words: VecDeque::new(),
            frames: VecDeque::new(),
            sequences: [0; 2],
            in_flight: None,
            alive_at: now,
            ping_at: now,
            wants_ping: false,
            untold_ms: [0; 2],
            told_at: None,
            allowance: (BURST * 1_000, now),
            counts: Counts::default(),
            outputs: VecDeque::from([Output::Open]),
        }
    }

    /// What was counted up to now.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// The next thing to be done.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Samples of the program's voice that are to be handed on now.
    pub(super) fn hand_on(&mut self, out: &mut [i16]) -> usize {
        self.voice.hand_on(out)
    }

    /// Tells it one thing.
    pub(super) fn handle(&mut self, now: Instant, input: Input<'_>) {
        match (&self.state, input) {
            (State::Over, _) => {}
            (_, Input::Frame { side, masked, at_ms, samples }) => self.frame(side, masked, at_ms, samples),
            (_, Input::Missed(frames)) => self.dropped(frames),
            (State::Opening { .. }, Input::Opened) => self.opened(now),
            (State::Closing { .. }, Input::Lost(_)) => self.over(Ending::Stopped),
            (State::Opening { .. } | State::Open { .. }, Input::Lost(why)) => self.lost(now, Ending::Failed, why),
            (State::Open { .. } | State::Closing { .. }, Input::Sent) => self.in_flight = None,
            (State::Closing { .. }, _) => {}
            (State::Open { .. }, Input::Alive) => self.alive_at = now,
            (State::Open { .. }, Input::Text(text)) => self.text(now, text),
            (State::Open { .. }, Input::Binary(bytes)) => self.binary(now, bytes),
            (_, Input::Key(key)) => self.say(&ToProgram::Keys { keys: key.encode_utf8(&mut [0; 4]) }),
            (_, Input::Heard(up_to)) => {
                while let Some(name) = self.voice.heard(up_to) {
                    self.say(&ToProgram::Mark { name: &name, cleared: false });
                }
            }
            (State::Open { .. }, Input::End(reason)) => {
                self.say(&ToProgram::Stop { reason });
                self.state = State::Closing { until: now + LAST_WORDS };
            }
            (_, Input::End(_)) => self.over(Ending::Stopped),
            _ => {}
        }
        self.tick(now);
        self.send(now);
    }

    fn tick(&mut self, now: Instant) {
        match self.state {
            State::Opening { until } if now >= until => self.lost(now, Ending::Failed, "no answer"),
            State::Waiting { until } if now >= until => {
                self.state = State::Opening { until: now + OPEN };
                self.outputs.push_back(Output::Open);
            }
            State::Closing { until } if now >= until || (self.in_flight.is_none() && self.is_all_said()) => {
                self.outputs.push_back(Output::Close(1_000));
                self.over(Ending::Stopped);
            }
            State::Open { .. } if now >= self.stalls_at() => self.lost(now, Ending::Stalled, "it takes or answers nothing"),
            State::Open { since } => {
                if now.saturating_duration_since(since) >= PROVED && self.facts.mode == Mode::Listen {
                    self.reconnects = 1;
                }
                if now >= self.ping_at {
                    self.ping_at = now + PING;
                    self.wants_ping = true;
                }
                self.tell_dropped(now);
            }
            _ => {}
        }
    }

    fn is_all_said(&self) -> bool {
        self.words.is_empty() && self.frames.is_empty()
    }

    /// When it is taken for stalled, if nothing happens.
    fn stalls_at(&self) -> Instant {
        self.in_flight.map_or(self.alive_at, |since| since.min(self.alive_at)) + STALL
    }

    fn opened(&mut self, now: Instant) {
        let Facts { call, program, mode, sides, rate_hz } = &self.facts;
        let start = ToProgram::Start {
            version: VERSION,
            call,
            stream: program,
            mode: *mode,
            sides: words_of(*sides),
            rate: *rate_hz,
            frame_ms: FORK_FRAME_MS,
            sequence: self.counts.connections,
        };
        self.words.push_front(start.text());
        self.counts.connections += 1;
        self.state = State::Open { since: now };
        (self.alive_at, self.ping_at, self.wants_ping, self.in_flight) = (now, now + PING, false, None);
        self.outputs.push_back(Output::Trace("connected".to_owned()));
    }

    /// The connection cannot be made, or is gone or of no use.
    fn lost(&mut self, now: Instant, ending: Ending, why: &str) {
        self.in_flight = None;
        self.outputs.push_back(Output::Trace(format!("{}: {why}", ending.as_str())));
        self.outputs.push_back(Output::Close(if ending == Ending::Stalled { 1_001 } else { 1_000 }));
        match self.reconnects.checked_sub(1) {
            None => self.over(ending),
            Some(left) => {
                self.reconnects = left;
                self.state = State::Waiting { until: now + RETRY };
            }
        }
    }

    /// The program said what it must not.
    fn violated(&mut self, code: u16, why: &str) {
        self.outputs.push_back(Output::Trace(format!("failed: {why}")));
        self.outputs.push_back(Output::Close(code));
        self.over(Ending::Failed);
    }

    fn over(&mut self, ending: Ending) {
        self.counts.frames_dropped += self.frames.len() as u64;
        self.frames.clear();
        self.words.clear();
        self.state = State::Over;
        self.outputs.push_back(Output::Ended(ending));
    }

    fn frame(&mut self, side: Side, masked: bool, at_ms: u32, samples: &[i16]) {
        if matches!(self.state, State::Closing { .. }) {
            return;
        }
        if self.frames.len() >= MOST_FRAMES {
            self.frames.pop_front();
            self.dropped(1);
        }
        let sequence = &mut self.sequences[side as usize];
        self.frames.push_back(frame(side, masked, *sequence, at_ms, samples));
        *sequence = sequence.wrapping_add(1);
    }

    fn dropped(&mut self, frames: u64) {
        self.counts.frames_dropped += frames;
        self.untold_ms[0] += frames * u64::from(FORK_FRAME_MS);
    }

    fn tell_dropped(&mut self, now: Instant) {
        if self.untold_ms == [0; 2] || self.told_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_DROPPED) {
            return;
        }
        self.told_at = Some(now);
        for (from, ms) in ["call", "program"].into_iter().zip(std::mem::take(&mut self.untold_ms)) {
            if ms > 0 {
                self.say(&ToProgram::Dropped { from, ms });
            }
        }
    }

    fn say(&mut self, words: &ToProgram<'_>) {
        if self.words.len() < MOST_WORDS {
            self.words.push_back(words.text());
        }
    }

    /// Gives the next message, when the last one is gone.
    fn send(&mut self, now: Instant) {
        if self.in_flight.is_some() || !matches!(self.state, State::Open { .. } | State::Closing { .. }) {
            return;
        }
        let message = if std::mem::take(&mut self.wants_ping) {
            Message::Ping
        } else if let Some(text) = self.words.pop_front() {
            Message::Text(text)
        } else if let Some(frame) = self.frames.pop_front() {
            self.counts.frames_sent += 1;
            Message::Audio(frame)
        } else {
            return;
        };
        self.in_flight = Some(now);
        self.outputs.push_back(Output::Send(message));
    }

    /// Whether the program may say one thing more now.
    fn may_speak(&mut self, now: Instant) -> bool {
        let (left, at) = self.allowance;
        let since = u32::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u32::MAX);
        let left = left.saturating_add(since.saturating_mul(PER_SECOND)).min(BURST * 1_000);
        self.allowance = (left.saturating_sub(1_000), now);
        self.alive_at = now;
        if left < 1_000 {
            self.violated(1_008, "it says too much");
        }
        left >= 1_000
    }

    fn binary(&mut self, now: Instant, bytes: &[u8]) {
        if !self.may_speak(now) || self.facts.mode == Mode::Listen {
            return;
        }
        let Some(samples) = samples(bytes) else { return self.violated(1_007, "its audio is no samples of 16 bits") };
        match self.voice.say(now, &samples) {
            Ok(ms) => {
                self.counts.voice_dropped_ms += ms;
                self.untold_ms[1] += ms;
            }
            Err(Flood) => self.violated(1_008, "it says too much"),
        }
    }

    fn text(&mut self, now: Instant, text: &str) {
        if !self.may_speak(now) || self.facts.mode == Mode::Listen {
            return;
        }
        match serde_json::from_str(text) {
            Ok(FromProgram::Mark { name }) if name.len() <= LONGEST_NAME => {
                if self.voice.mark(name).is_err() {
                    self.violated(1_008, "it sets too many marks");
                }
            }
            Ok(FromProgram::Clear) => {
                for name in self.voice.clear() {
                    self.say(&ToProgram::Mark { name: &name, cleared: true });
                }
                self.outputs.push_back(Output::Cut);
            }
            Ok(FromProgram::Done { outcome }) if outcome.as_ref().is_none_or(|word| word.len() <= LONGEST_NAME) => {
                self.goodbye(Ending::Done(outcome));
            }
            Ok(FromProgram::Hangup) => self.goodbye(Ending::Hangup),
            Ok(FromProgram::Other) => {}
            Ok(_) => self.violated(1_007, "it uses a name that is too long"),
            Err(_) => self.violated(1_007, "it says what is no message"),
        }
    }

    fn goodbye(&mut self, ending: Ending) {
        self.outputs.push_back(Output::Close(1_000));
        self.over(ending);
    }
}

#[cfg(test)]
mod tests;
