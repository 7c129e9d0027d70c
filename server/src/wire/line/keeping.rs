//! Which calls are written down when, so that they outlive the process; and the calls of the last one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tandem_switch::id::CallId;

use super::{Line, LiveCall};
use crate::{metrics::METRICS, wire::LegRef};

/// Calls are looked at so often.
const SWEEP: Duration = Duration::from_millis(20);
/// Written in one go at most; the next ones follow after [`PAUSE`]. So the loop never stands still for long.
const MOST: usize = 64;
const PAUSE: Duration = Duration::from_millis(5);
/// While the store has no room for what can wait. What waits is written as it is then.
const STORE_IS_BEHIND: Duration = Duration::from_millis(250);

/// So many legs of before a restart are asked in one go whether they are there.
const QUESTIONS: usize = 32;

/// Calls that something happened to since they were kept, each once.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    touched: Vec<CallId>,
    /// Handed to the writer.
    written: u64,
    /// Legs of before the restart that are to be asked whether they are there.
    unasked: VecDeque<LegRef>,
    next_at: Option<Instant>,
}

impl Keeping {
    /// Something happened to a call.
    pub(super) fn touch(&mut self, call: CallId, live: &mut LiveCall, now: Instant) {
        if live.touch(now) {
            self.touched.push(call);
        }
    }

    /// When calls are looked at next, if any wait.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_at.filter(|_| !self.touched.is_empty() || !self.unasked.is_empty())
    }
}

impl Line {
    /// Writes down the calls that have changed and are quiet.
    pub(super) fn keep_calls(&mut self) {
        let unkept = self.keeping.touched.len() as u64 + self.keeping.written.saturating_sub(METRICS.calls_kept.get());
        METRICS.calls_unkept.set(unkept);
        let now = self.edges.now.instant;
        if self.keeping.next_at.is_some_and(|at| now < at) {
            return;
        }
        while let Some(call) = self.edges.sip.next_changed() {
            if let Some(live) = self.calls.get_mut(&call) {
                self.keeping.touch(call, live, now);
            }
        }
        let (mut pause, mut left) = (SWEEP, MOST);
        let Self { keeping: Keeping { touched, written, unasked, .. }, calls, edges, .. } = self;
        touched.retain(|call| match calls.get_mut(call) {
            Some(live) if live.is_over() => false,
            Some(live) if left > 0 && live.is_ripe(now) => {
                left -= 1;
                let is_kept = live.keep(edges);
                if !is_kept {
                    (pause, left) = (STORE_IS_BEHIND, 0);
                }
                *written += u64::from(is_kept);
                !is_kept
            }
            Some(_) => true,
            None => false,
        });
        for at in unasked.drain(..QUESTIONS.min(unasked.len())) {
            edges.sip.probe(at);
        }
        if left == 0 && pause == SWEEP {
            pause = PAUSE;
        }
        self.keeping.next_at = Some(now + pause);
    }

    /// Goes on with calls of the last process.
    pub(super) fn take_up(&mut self, survivors: Vec<LiveCall>) {
        for live in survivors {
            let call = live.id();
            self.calls.insert(call, live);
            self.work(call, LiveCall::go_on);
            self.keeping.unasked.extend(self.calls.get(&call).into_iter().flat_map(LiveCall::legs));
        }
    }
}
