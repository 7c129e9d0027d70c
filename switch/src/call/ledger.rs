//! What the call detail record will say: instants, sums, and the segments of the caller's time.
//!
//! The segments follow each other without a gap from the call's arrival to its end, so they sum to
//! its wall time whatever happens in between.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::contract::Arrival;
use crate::{
    cause::{Blame, Cause},
    cdr::{Cdr, Segment, SegmentState},
    id::RecordingId,
    name::{AgentName, PartyNumber, QueueName, RouteName},
    time::Timestamp,
};

/// Segments of one call at most. Only a party who toggles hold for hours gets there; the last segment
/// then takes in the rest of the time, while the sums stay exact.
const SEGMENTS: usize = 256;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ledger {
    started_at: Timestamp,
    pub(super) answered_at: Option<Timestamp>,
    pub(super) connected_at: Option<Timestamp>,
    /// The route that took the call.
    took: Option<RouteName>,
    /// The route that has it now.
    pub(super) route: Option<RouteName>,
    pub(super) queue: Option<QueueName>,
    pub(super) agent: Option<AgentName>,
    pub(super) answered_by: Option<PartyNumber>,
    pub(super) recording: Option<RecordingId>,
    /// Who is to blame when the plan ends the call next: whoever ended or failed its last dial or queue.
    pub(super) blame: Blame,
    /// Restarts of the switch that it outlived.
    pub(super) restarts: u32,
    waited_us: i64,
    talked_us: i64,
    /// How the running segment ends, where that says something.
    pub(super) ended: Option<Cause>,
    state: SegmentState,
    with: Option<AgentName>,
    since: Timestamp,
    segments: Vec<Segment>,
}

impl Ledger {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            started_at: now,
            answered_at: None,
            connected_at: None,
            took: None,
            route: None,
            queue: None,
            agent: None,
            answered_by: None,
            recording: None,
            blame: Blame::Us,
            restarts: 0,
            waited_us: 0,
            talked_us: 0,
            ended: None,
            state: SegmentState::Plan,
            with: None,
            since: now,
            segments: Vec::new(),
        }
    }

    /// An instant that is not before what was written last.
    pub(super) fn clamp(&self, now: Timestamp) -> Timestamp {
        now.max(self.since)
    }

    /// The call goes by this route from now on.
    pub(super) fn routed(&mut self, route: RouteName) {
        self.took.get_or_insert_with(|| route.clone());
        self.route = Some(route);
    }

    pub(super) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    pub(super) const fn state(&self) -> SegmentState {
        self.state
    }

    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    /// Whoever rings leads elsewhere: what rings next is another segment.
    pub(super) fn redirected(&mut self, now: Timestamp) {
        if self.state == SegmentState::Ringing {
            self.ended = Some(Cause::Redirected);
            self.turn(now, SegmentState::Plan, None);
            self.turn(now, SegmentState::Ringing, None);
        }
    }

    /// The caller waits in another queue: that is another segment.
    pub(super) fn passed_on(&mut self, now: Timestamp, queue: QueueName) {
        self.queue = Some(queue);
        if self.state == SegmentState::Queued {
            self.ended = Some(Cause::Redirected);
            self.turn(now, SegmentState::Plan, None);
            self.turn(now, SegmentState::Queued, None);
        }
    }

    /// From `now` on the call spends its time on `state`.
    pub(super) fn turn(&mut self, now: Timestamp, state: SegmentState, with: Option<AgentName>) {
        if (state, &with) == (self.state, &self.with) {
            return;
        }
        let now = self.clamp(now);
        let spent = now.0 - self.since.0;
        match self.state {
            SegmentState::Queued => self.waited_us += spent,
            SegmentState::Talking => self.talked_us += spent,
            SegmentState::Plan
            | SegmentState::Ringing
            | SegmentState::Hold
            | SegmentState::Parked
            | SegmentState::Transferring => {}
        }
        if spent > 0 {
            let full = self.segments.len() >= SEGMENTS;
            match self.segments.last_mut() {
                Some(last) if full => last.to_at = now,
                _ => self.segments.push(Segment {
                    state: self.state,
                    agent: self.with.take(),
                    cause: self.ended,
                    from_at: self.since,
                    to_at: now,
                }),
            }
        }
        (self.state, self.with, self.since, self.ended) = (state, with, now, None);
    }

    /// The record. The ledger is of no more use then.
    pub(super) fn close(&mut self, now: Timestamp, arrival: &Arrival, cause: Cause, blame: Blame) -> Cdr {
        let now = self.clamp(now);
        // A turn to any other state writes down the one that runs.
        let other = if self.state == SegmentState::Plan { SegmentState::Ringing } else { SegmentState::Plan };
        self.turn(now, other, None);
        Cdr {
            call: arrival.call,
            origin: arrival.origin.clone(),
            from: arrival.from.clone(),
            to: arrival.to.clone(),
            route: self.took.take(),
            queue: self.queue.take(),
            agent: self.agent.take(),
            answered_by: self.answered_by.take(),
            started_at: self.started_at,
            answered_at: self.answered_at,
            connected_at: self.connected_at,
            ended_at: now,
            waited_ms: whole_ms(self.waited_us),
            talked_ms: whole_ms(self.talked_us),
            cause,
            blame,
            recording: self.recording,
            generation: arrival.generation,
            restarts: self.restarts,
            told: BTreeMap::new(),
            segments: std::mem::take(&mut self.segments),
        }
    }
}

const fn whole_ms(us: i64) -> u64 {
    us.unsigned_abs() / 1_000
}

/// Whose doing it was that a leg failed or ended, given whose leg it is and whether a trunk carried it.
pub(super) const fn blame(cause: Cause, party: Blame, by_trunk: bool) -> Blame {
    match cause {
        Cause::Congestion | Cause::Restart | Cause::Fault | Cause::Forbidden => Blame::Us,
        Cause::Redirected
        | Cause::NotRegistered
        | Cause::NotFound
        | Cause::Incompatible
        | Cause::Unavailable
        | Cause::Timeout
        | Cause::MediaTimeout
        | Cause::NetworkFailure
            if by_trunk =>
        {
            Blame::Carrier
        }
        _ => party,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cdr::Origin, id::CallId};

    #[test]
    fn a_party_who_toggles_hold_for_hours_fills_no_memory_and_bends_no_sum() {
        let arrival =
            Arrival { call: CallId(1), origin: Origin::Trunk("carrier".into()), from: "1".into(), to: "2".into(), generation: 1 };
        let mut ledger = Ledger::new(Timestamp::from_ms(0));
        for i in 0..5_000 {
            let state = if i % 2 == 0 { SegmentState::Talking } else { SegmentState::Hold };
            ledger.turn(Timestamp::from_ms(100 * i), state, Some("1001".into()));
        }
        let cdr = ledger.close(Timestamp::from_ms(500_000), &arrival, Cause::Normal, Blame::Caller);
        let wall: i64 = cdr.segments.iter().map(|s| s.to_at.0 - s.from_at.0).sum();
        assert_eq!((cdr.segments.len(), wall, cdr.talked_ms), (SEGMENTS, 500_000_000, 250_000));
    }
}
