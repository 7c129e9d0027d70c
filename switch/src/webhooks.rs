//! What one subscriber outside is sent next, when it is tried again, and when it is given up.
//!
//! Events are rows of the journal, named by their number. They are sent one at a time, in their order; the next one goes when the
//! one before was taken, or was given up and lies on the list of dead letters. Everything is done one after the other: an
//! [`Output`] is carried out, and what came of it is the next input. So what is written down is never ahead of what was sent: after
//! a `kill -9` some events are sent again, and none is left out.

use std::collections::{BTreeSet, VecDeque};

use crate::time::Timestamp;

/// Rows of the journal that are looked at in one go.
pub const PAGE: u32 = 200;
/// Events that are sent again after a crash, at most.
pub const UNSAVED: u32 = 50;
/// What was sent is written down within that, in ms.
pub const SAVE_MS: u64 = 1_000;
/// Rows that nobody wanted are passed over for good in steps of so many.
const SKIPPED: i64 = 1_000;
/// The pause after a first failure, and the longest one, in ms.
const FIRST_PAUSE_MS: u64 = 1_000;
const LONGEST_PAUSE_MS: u64 = 5 * 60_000;
/// The longest pause that a receiver may ask for, in ms.
const LONGEST_ASKED_MS: u64 = 60 * 60_000;
/// A store that failed is asked again after that, in ms.
const STORE_PAUSE_MS: u64 = 1_000;
/// Dead letters of one subscriber. With as many, it is paused before one more would be made.
pub const MOST_DEAD: u64 = 10_000;

/// An event that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in the journal.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
}

/// What a receiver made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has it.
    Taken,
    /// It is there, and does not want this one.
    Refused,
    /// It is not there, or cannot take anything now; it may have said how long, in ms.
    Failed(Option<u64>),
}

/// How long nothing has been taken, and how often the event that is next was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streak {
    /// Since when.
    pub since_at: Timestamp,
    /// How often.
    pub attempts: u32,
}

/// What outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Every event up to this number was taken, is a dead letter, or was not wanted.
    pub done_to: i64,
    /// How long the next one has failed.
    pub streak: Option<Streak>,
}

/// What an admin says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Nothing is sent.
    pub paused: bool,
    /// After so long without success an event is given up, in ms.
    pub give_up_ms: u64,
    /// How many dead letters there are.
    pub dead: u64,
    /// Those of them that are to be sent once more.
    pub resend: BTreeSet<i64>,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed.
    Tick,
    /// The journal has rows up to here.
    Grown(i64),
    /// An admin changed something.
    Changed(Terms),
    /// An admin wants the next attempt now.
    Hurry,
    /// [`Output::Read`] was carried out: these of the rows up to `up_to` are wanted.
    Read {
        /// In their order.
        events: Vec<Event>,
        /// The last row that was looked at.
        up_to: i64,
    },
    /// [`Output::Send`] was carried out.
    Answered(Outcome),
    /// Anything else was carried out.
    Written,
    /// The database did not carry it out, or did not give what was to be read.
    StoreFailed,
}

/// What is to be done; the next one comes when this one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Look at [`PAGE`] rows of the journal after this one.
    Read {
        /// The last one that was looked at.
        after: i64,
    },
    /// Send an event.
    Send {
        /// Which.
        seq: i64,
        /// The how many-th time it is tried; 0 for a dead letter that is sent once more.
        attempt: u32,
    },
    /// Write down how far it is.
    Save(Mark),
    /// Make a dead letter of an event, and write down in the same breath how far it is.
    Bury {
        /// Which.
        seq: i64,
        /// How often it was tried.
        attempts: u32,
        /// How far it is then.
        mark: Mark,
    },
    /// A dead letter was taken after all: it goes from the list.
    Raise(i64),
    /// A dead letter was not taken again: it stays, and is not to be sent any more.
    LeaveDead(i64),
    /// The receiver is away: none of the dead letters is sent any more.
    LeaveAllDead,
    /// There are as many dead letters as may be: pause, until an admin has looked.
    Pause,
}

/// One subscriber.
#[derive(Debug)]
pub struct Subscriber {
    terms: Terms,
    /// Events that wait, oldest first.
    queue: VecDeque<Event>,
    read_to: i64,
    head: i64,
    saved_to: i64,
    streak: Option<Streak>,
    /// The streak is not written down yet.
    streak_unsaved: bool,
    not_before_at: Timestamp,
    /// Events taken since the last save, and the first of these.
    unsaved: u32,
    unsaved_since_at: Timestamp,
    /// The next event is to be given up.
    given_up: bool,
    /// What is to be written down of a dead letter.
    about_dead: Option<Output>,
    /// A live event was sent last: a dead letter may be next.
    dead_next: bool,
    under_way: Option<Output>,
    polled: bool,
    store_back_at: Timestamp,
    random: u64,
}

impl Subscriber {
    /// One that goes on where it was. `seed` spreads its pauses.
    #[must_use]
    pub fn new(mark: Mark, terms: Terms, seed: u64) -> Self {
        Self {
            terms,
            queue: VecDeque::new(),
            read_to: mark.done_to,
            head: mark.done_to,
            saved_to: mark.done_to,
            streak: mark.streak,
            streak_unsaved: false,
            not_before_at: Timestamp::default(),
            unsaved: 0,
            unsaved_since_at: Timestamp::default(),
            given_up: false,
            about_dead: None,
            dead_next: true,
            under_way: None,
            polled: false,
            store_back_at: Timestamp::default(),
            random: seed,
        }
    }

    /// Takes one input; poll until `None` before the next one.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Tick => {}
            Input::Grown(head) => self.head = self.head.max(head),
            Input::Changed(terms) => self.changed(now, terms),
            Input::Hurry => self.not_before_at = now,
            Input::Read { events, up_to } => {
                debug_assert!(matches!(self.under_way, Some(Output::Read { .. })));
                self.under_way = None;
                if up_to <= self.read_to {
                    // What was told to be there cannot be seen yet: it will be told again.
                    self.head = self.read_to;
                }
                self.read_to = self.read_to.max(up_to);
                self.queue.extend(events);
            }
            Input::Answered(outcome) => self.answered(now, outcome),
            Input::Written => self.written(now),
            Input::StoreFailed => {
                // It is decided anew, and comes to the same.
                self.under_way = None;
                self.store_back_at = now.plus_ms(STORE_PAUSE_MS);
            }
        }
        if self.under_way.is_none() && now >= self.store_back_at {
            self.under_way = self.next(now);
            self.polled = false;
        }
    }

    /// The next thing to do; `None` while one is under way, or nothing is to be done.
    pub fn poll(&mut self) -> Option<Output> {
        if std::mem::replace(&mut self.polled, true) { None } else { self.under_way }
    }

    /// When it wants a [`Input::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.under_way.is_some() {
            return None;
        }
        let waits = !self.queue.is_empty() || !self.terms.resend.is_empty() || self.read_to < self.head;
        let retry_at = (waits && !self.terms.paused).then_some(self.not_before_at);
        let save_at = (self.unsaved > 0).then(|| self.unsaved_since_at.plus_ms(SAVE_MS));
        let write_at = self.has_to_write().then_some(self.store_back_at);
        [retry_at, save_at, write_at].into_iter().flatten().min().map(|at| at.max(self.store_back_at))
    }

    /// How far it is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { done_to: self.queue.front().map_or(self.read_to, |first| first.seq - 1), streak: self.streak }
    }

    /// When it is tried again, if that is not at once.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.streak.map(|_| self.not_before_at)
    }

    fn changed(&mut self, now: Timestamp, terms: Terms) {
        if self.terms.paused && !terms.paused {
            // The time of a pause is nobody's failure.
            self.streak_unsaved = self.streak.take().is_some();
            self.given_up = false;
            self.not_before_at = now;
        }
        if !terms.resend.is_empty() && self.terms.resend.is_empty() {
            self.not_before_at = now;
        }
        self.terms = terms;
    }

    fn answered(&mut self, now: Timestamp, outcome: Outcome) {
        let Some(Output::Send { seq, attempt }) = self.under_way.take() else { return };
        if attempt == 0 {
            self.dead_next = false;
            self.about_dead = Some(match outcome {
                Outcome::Taken => Output::Raise(seq),
                Outcome::Refused => Output::LeaveDead(seq),
                Outcome::Failed(_) => Output::LeaveAllDead,
            });
            return;
        }
        self.dead_next = true;
        let Some(event) = self.queue.front().copied().filter(|event| event.seq == seq) else { return };
        if outcome == Outcome::Taken {
            self.queue.pop_front();
            self.streak = None;
            self.not_before_at = now;
            if self.unsaved == 0 {
                self.unsaved_since_at = now;
            }
            self.unsaved += 1;
            return;
        }
        let since_at = self.streak.map_or(now, |streak| streak.since_at);
        self.streak = Some(Streak { since_at, attempts: attempt });
        self.streak_unsaved = true;
        self.given_up = now.ms_since(since_at.max(event.at)) >= self.terms.give_up_ms;
        let asked_ms = if let Outcome::Failed(Some(ms)) = outcome { ms.min(LONGEST_ASKED_MS) } else { 0 };
        self.not_before_at = now.plus_ms(self.pause_ms(attempt).max(asked_ms));
    }

    /// Twice as long each time, and somewhere in the second half of that: receivers that came back are not met by everybody at once.
    fn pause_ms(&mut self, attempts: u32) -> u64 {
        let whole = FIRST_PAUSE_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST_PAUSE_MS);
        // SplitMix64: enough to spread, and repeatable.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        whole / 2 + (mixed ^ (mixed >> 27)) % (whole / 2 + 1)
    }

    fn written(&mut self, now: Timestamp) {
        match self.under_way.take() {
            Some(Output::Save(mark)) => self.saved(mark),
            Some(Output::Bury { mark, .. }) => {
                self.queue.pop_front();
                self.given_up = false;
                self.terms.dead += 1;
                self.streak = mark.streak;
                self.saved(mark);
                // The next one is tried soon, but a receiver that is away is not run into.
                self.not_before_at = self.not_before_at.min(now.plus_ms(FIRST_PAUSE_MS));
            }
            Some(Output::Raise(seq)) => {
                self.about_dead = None;
                self.terms.dead = self.terms.dead.saturating_sub(1);
                self.terms.resend.remove(&seq);
            }
            Some(Output::LeaveDead(seq)) => {
                self.about_dead = None;
                self.terms.resend.remove(&seq);
            }
            Some(Output::LeaveAllDead) => {
                self.about_dead = None;
                self.terms.resend.clear();
            }
            Some(Output::Pause) => {
                self.terms.paused = true;
                self.given_up = false;
            }
            Some(Output::Read { .. } | Output::Send { .. }) | None => {}
        }
    }

    fn saved(&mut self, mark: Mark) {
        self.saved_to = mark.done_to;
        self.unsaved = 0;
        self.streak_unsaved = false;
    }

    fn has_to_write(&self) -> bool {
        self.about_dead.is_some() || self.given_up || self.streak_unsaved || self.mark().done_to - self.saved_to >= SKIPPED
    }

    fn next(&self, now: Timestamp) -> Option<Output> {
        if let Some(about_dead) = self.about_dead {
            return Some(about_dead);
        }
        if let (true, Some(first)) = (self.given_up, self.queue.front()) {
            if self.terms.dead >= MOST_DEAD {
                return Some(Output::Pause);
            }
            let attempts = self.streak.map_or(0, |streak| streak.attempts);
            let streak = self.streak.map(|streak| Streak { attempts: 0, ..streak });
            return Some(Output::Bury { seq: first.seq, attempts, mark: Mark { done_to: first.seq, streak } });
        }
        let save = Some(Output::Save(self.mark()));
        let is_due = self.unsaved > 0 && now.ms_since(self.unsaved_since_at) >= SAVE_MS;
        if self.has_to_write() || self.unsaved >= UNSAVED || is_due {
            return save;
        }
        let at_rest = if self.unsaved > 0 { save } else { None };
        if self.terms.paused || now < self.not_before_at {
            return at_rest;
        }
        let dead = self.terms.resend.first().filter(|_| self.dead_next || (self.queue.is_empty() && self.read_to >= self.head));
        if let Some(&seq) = dead {
            return Some(Output::Send { seq, attempt: 0 });
        }
        match self.queue.front() {
            Some(first) => Some(Output::Send { seq: first.seq, attempt: self.streak.map_or(1, |streak| streak.attempts + 1) }),
            None if self.read_to < self.head => Some(Output::Read { after: self.read_to }),
            None => at_rest,
        }
    }
}

#[cfg(test)]
mod tests;
