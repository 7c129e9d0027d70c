//! The clocks of a case: by when it is to be answered, and by when to be solved. They are worked out from what the case went
//! through, and kept nowhere, so that they cannot be wrong about it.
//!
//! Both begin when the case is opened, and anew when it is opened again. The one for the answer ends when somebody of ours spoke with
//! the customer, or when the case is done. The one for the solution stands still while the case waits for the customer. Both count
//! hours of the day and of the night.

use serde::{Deserialize, Serialize};

use super::cases::CaseStatus;
use crate::time::Timestamp;

/// The longest promise, in s: a year.
pub const MAX_WITHIN_S: u32 = 365 * 24 * 3_600;

/// What is promised; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promises {
    /// An answer within that, in s.
    pub respond_within_s: Option<u32>,
    /// A solution within that, in s.
    pub resolve_within_s: Option<u32>,
}

/// How a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockState {
    /// There is time left.
    Running,
    /// There is time left, and it does not pass.
    Paused,
    /// It was done in time.
    Met,
    /// It was not, or is not and the time is over.
    Missed,
}

/// One clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What is promised, in ms.
    pub within_ms: u64,
    /// What has passed of it, in ms.
    pub used_ms: u64,
    /// When the time is over if nothing changes; `None` while it does not pass, and when it was done.
    pub due_at: Option<Timestamp>,
    /// How it stands.
    pub state: ClockState,
}

/// When a case was opened for the last time. `states`: each status that it had and since when, the first one first.
#[must_use]
pub fn opened(states: &[(CaseStatus, Timestamp)]) -> Option<Timestamp> {
    let begins = |(nth, _): &(usize, &(CaseStatus, Timestamp))| {
        let before = nth.checked_sub(1).and_then(|before| states.get(before));
        before.is_none_or(|(status, _)| !status.is_open())
    };
    states.iter().enumerate().filter(|(_, (status, _))| status.is_open()).rfind(begins).map(|(_, (_, at))| *at)
}

/// When it is to be answered. `replied_at`: when somebody of ours first spoke with the customer after it was opened.
#[must_use]
pub fn response(
    promises: Promises,
    states: &[(CaseStatus, Timestamp)],
    replied_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Clock> {
    let (within_ms, since) = (u64::from(promises.respond_within_s?) * 1_000, opened(states)?);
    let over = states.last().filter(|(status, _)| !status.is_open()).map(|(_, at)| *at);
    let done = replied_at.into_iter().chain(over).min();
    Some(clock(within_ms, done.unwrap_or(now).ms_since(since), (done.is_some(), true), now))
}

/// When it is to be solved.
#[must_use]
pub fn resolution(promises: Promises, states: &[(CaseStatus, Timestamp)], now: Timestamp) -> Option<Clock> {
    let (within_ms, since) = (u64::from(promises.resolve_within_s?) * 1_000, opened(states)?);
    let ends = states.iter().skip(1).map(|(_, at)| *at).chain([now]);
    let spells = states.iter().zip(ends).filter(|((status, from), _)| *status == CaseStatus::Open && *from >= since);
    let used_ms = spells.map(|((_, from), to)| to.ms_since(*from)).sum();
    let status = states.last().map(|(status, _)| *status)?;
    Some(clock(within_ms, used_ms, (!status.is_open(), status == CaseStatus::Open), now))
}

fn clock(within_ms: u64, used_ms: u64, (is_done, passes): (bool, bool), now: Timestamp) -> Clock {
    let state = match (used_ms <= within_ms, is_done, passes) {
        (false, ..) => ClockState::Missed,
        (true, true, _) => ClockState::Met,
        (true, false, true) => ClockState::Running,
        (true, false, false) => ClockState::Paused,
    };
    let left_us = (i128::from(within_ms) - i128::from(used_ms)) * 1_000;
    let due_at = (!is_done && passes).then(|| Timestamp(i64::try_from(i128::from(now.0) + left_us).unwrap_or(i64::MAX)));
    Clock { within_ms, used_ms, due_at, state }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::{CaseStatus::*, *};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_ms(minute * 60_000)
    }

    fn told(clock: Option<Clock>) -> (u64, Option<i64>, ClockState) {
        let clock = clock.unwrap();
        (clock.used_ms / 60_000, clock.due_at.map(|due| due.as_ms() / 60_000), clock.state)
    }

    const BOTH: Promises = Promises { respond_within_s: Some(600), resolve_within_s: Some(3_600) };

    #[test]
    fn the_answer_is_due_until_somebody_speaks_with_the_customer() {
        let states = [(Open, at(100))];
        assert_eq!(told(response(BOTH, &states, None, at(104))), (4, Some(110), ClockState::Running));
        assert_eq!(told(response(BOTH, &states, None, at(111))), (11, Some(110), ClockState::Missed));
        assert_eq!(told(response(BOTH, &states, Some(at(107)), at(300))), (7, None, ClockState::Met));
        assert_eq!(told(response(BOTH, &states, Some(at(120)), at(300))), (20, None, ClockState::Missed));
        let done = [(Open, at(100)), (Closed, at(105))];
        assert_eq!(told(response(BOTH, &done, None, at(300))), (5, None, ClockState::Met), "done is an answer, too");
        assert_eq!(response(Promises::default(), &states, None, at(104)), None);
        assert_eq!(response(BOTH, &[], None, at(104)), None, "nobody knows since when");
    }

    #[test]
    fn the_solution_waits_for_the_customer_and_begins_anew_when_the_case_is_opened_again() {
        let pending = [(Open, at(0)), (Pending, at(20))];
        assert_eq!(told(resolution(BOTH, &pending, at(500))), (20, None, ClockState::Paused));
        let back = [(Open, at(0)), (Pending, at(20)), (Open, at(100))];
        assert_eq!(told(resolution(BOTH, &back, at(110))), (30, Some(140), ClockState::Running));
        assert_eq!(told(resolution(BOTH, &back, at(141))), (61, Some(140), ClockState::Missed));
        let solved = [(Open, at(0)), (Pending, at(20)), (Open, at(100)), (Solved, at(139))];
        assert_eq!(told(resolution(BOTH, &solved, at(999))), (59, None, ClockState::Met));
        let again = [(Open, at(0)), (Solved, at(300)), (Closed, at(310)), (Open, at(400)), (Pending, at(410))];
        assert_eq!(opened(&again), Some(at(400)));
        assert_eq!(told(resolution(BOTH, &again, at(500))), (10, None, ClockState::Paused));
        assert_eq!(told(response(BOTH, &again, None, at(405))), (5, Some(410), ClockState::Running));
    }
}
