//! Which request a new contact goes on with.

use serde::{Deserialize, Serialize};

use crate::{id::CaseId, time::Timestamp};

/// How long a request that was solved can be gone on with, unless its case says otherwise: seven days.
pub const REOPEN_WINDOW_S: u32 = 7 * 24 * 3_600;
/// The longest such window: a year.
pub const MAX_REOPEN_WINDOW_S: u32 = 365 * 24 * 3_600;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseStatus {
    /// We have to do something.
    Open,
    /// The customer has to.
    Pending,
    /// Done, as far as we know; a new contact within the window opens it again.
    Solved,
    /// Done for good.
    Closed,
}

impl CaseStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Pending, Self::Solved, Self::Closed];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pending => "pending",
            Self::Solved => "solved",
            Self::Closed => "closed",
        }
    }

    /// The status that a word names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether a request can get from here to there. What is done for good stays so: whoever has more to say has a new request.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        !matches!(self, Self::Closed) || matches!(next, Self::Closed)
    }

    /// Somebody still has to do something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Pending)
    }
}

/// What has to be known of a case to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseHead {
    /// Which.
    pub case: CaseId,
    /// How far it is.
    pub status: CaseStatus,
    /// What it is about.
    pub topic: Option<String>,
    /// The last thing that happened to it.
    pub touched_at: Timestamp,
    /// When it was solved.
    pub solved_at: Option<Timestamp>,
    /// How long after that it can be gone on with, in s.
    pub reopen_window_s: u32,
}

/// What becomes of a new contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It belongs to this open case.
    Open(CaseId),
    /// It opens this solved case again.
    Reopened(CaseId),
    /// It belongs to none yet.
    None,
}

/// The case that a contact about `topic` goes on with.
///
/// An open one about the same topic; else an open one where either side does not say its topic; else a solved one about
/// exactly this topic within its window. The one that was touched last counts before others.
#[must_use]
pub fn joined(cases: &[CaseHead], topic: Option<&str>, now: Timestamp) -> Joined {
    let best = |fits: &dyn Fn(&CaseHead) -> bool| {
        cases.iter().filter(|case| fits(case)).max_by_key(|case| (case.touched_at, case.case)).map(|case| case.case)
    };
    let same = |case: &CaseHead| topic.is_some() && case.topic.as_deref() == topic;
    let unsaid = |case: &CaseHead| topic.is_none() || case.topic.is_none();
    let open = best(&|case| case.status.is_open() && same(case)).or_else(|| best(&|case| case.status.is_open() && unsaid(case)));
    let within = |case: &CaseHead| {
        let end = case.solved_at.map(|at| at.plus_ms(u64::from(case.reopen_window_s) * 1_000));
        case.status == CaseStatus::Solved && end.is_some_and(|end| now < end)
    };
    match open {
        Some(case) => Joined::Open(case),
        None => best(&|case| within(case) && same(case)).map_or(Joined::None, Joined::Reopened),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 24 * 3_600 * 1_000_000;

    fn case(id: u64, status: CaseStatus, topic: Option<&str>, day: i64) -> CaseHead {
        let at = Timestamp(day * DAY_US);
        let solved_at = (status == CaseStatus::Solved).then_some(at);
        let topic = topic.map(str::to_owned);
        CaseHead { case: CaseId(id), status, topic, touched_at: at, solved_at, reopen_window_s: REOPEN_WINDOW_S }
    }

    #[test]
    fn a_contact_goes_on_with_the_open_case_about_its_topic() {
        let cases = [
            case(1, CaseStatus::Open, Some("billing"), 1),
            case(2, CaseStatus::Pending, Some("repair"), 2),
            case(3, CaseStatus::Closed, Some("sales"), 3),
        ];
        let now = Timestamp(4 * DAY_US);
        assert_eq!(joined(&cases, Some("billing"), now), Joined::Open(CaseId(1)));
        assert_eq!(joined(&cases, None, now), Joined::Open(CaseId(2)), "the one touched last");
        assert_eq!(joined(&cases, Some("sales"), now), Joined::None, "closed is closed");
        assert_eq!(joined(&[case(4, CaseStatus::Open, None, 1)], Some("sales"), now), Joined::Open(CaseId(4)));
    }

    #[test]
    fn only_what_is_closed_stays_as_it_is() {
        for (from, to) in CaseStatus::ALL.into_iter().flat_map(|from| CaseStatus::ALL.map(|to| (from, to))) {
            assert_eq!(from.may_become(to), from != CaseStatus::Closed || to == CaseStatus::Closed, "{from:?} {to:?}");
            assert_eq!(CaseStatus::of(from.word()), Some(from));
        }
    }

    #[test]
    fn a_solved_case_opens_again_only_within_its_window_and_about_its_topic() {
        let cases = [case(1, CaseStatus::Solved, Some("billing"), 1)];
        assert_eq!(joined(&cases, Some("billing"), Timestamp(8 * DAY_US - 1)), Joined::Reopened(CaseId(1)));
        assert_eq!(joined(&cases, Some("billing"), Timestamp(8 * DAY_US)), Joined::None);
        assert_eq!(joined(&cases, None, Timestamp(2 * DAY_US)), Joined::None, "nobody said that it is about billing");
    }
}
