//! Whether a plan that is new in service is too bad to stay.
//!
//! Decides from counts and the clock that it is given; who counts is [`Trial`].

use std::sync::Arc;

use tandem_switch::time::Timestamp;

use crate::{
    store::{WatchRules, WatchTerms},
    wire::trial::{Seen, Trial},
};

/// A plan that is watched.
pub struct Watch {
    /// Which.
    pub generation: u64,
    /// When it goes, and until when it is watched.
    pub terms: WatchTerms,
    /// What was seen of it.
    pub trial: Arc<Trial>,
}

/// What is to become of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is known yet.
    GoesOn,
    /// It stays; the watch is over.
    Good,
    /// It goes.
    Bad,
}

impl Watch {
    /// What is to become of it now.
    #[must_use]
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        verdict(&self.terms, self.trial.seen(), now)
    }

    /// What was seen, in a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        told(&self.terms.rules, self.terms.back_to, self.trial.seen())
    }
}

fn verdict(terms: &WatchTerms, seen: Seen, now: Timestamp) -> Verdict {
    let WatchRules { max_errors_per_10000, least_calls, .. } = terms.rules;
    let is_bad = seen.wrong().saturating_mul(10_000) > seen.calls.saturating_mul(u64::from(max_errors_per_10000));
    match () {
        () if is_bad && seen.calls >= u64::from(least_calls) => Verdict::Bad,
        () if now >= terms.until => Verdict::Good,
        () => Verdict::GoesOn,
    }
}

fn told(rules: &WatchRules, back_to: u64, seen: Seen) -> String {
    let Seen { calls, faults, refused, errors } = seen;
    let allowed = percent(u64::from(rules.max_errors_per_10000));
    let share = percent(seen.wrong().saturating_mul(10_000).checked_div(calls).unwrap_or(0));
    let what = [
        (faults, "ended by a fault".to_owned()),
        (refused, format!("found no route although generation {back_to} has one")),
        (errors, "with a step that ended in `error`".to_owned()),
    ];
    let what: Vec<_> = what.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let what = if what.is_empty() { String::new() } else { format!(" ({})", what.join(", ")) };
    format!("{} of {calls} calls went wrong, {share} where {allowed} may{what}", seen.wrong())
}

/// Of 10,000, as a person writes it.
#[must_use]
pub fn percent(per_10000: u64) -> String {
    match (per_10000 / 100, per_10000 % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, rest) => format!("{whole}.{}%", format!("{rest:02}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: WatchRules = WatchRules { for_ms: 600_000, max_errors_per_10000: 500, least_calls: 20 };
    const TERMS: WatchTerms = WatchTerms { rules: RULES, back_to: 3, until: Timestamp(600_000_000) };

    fn seen(calls: u64, wrong: u64) -> Seen {
        Seen { calls, faults: wrong, ..Seen::default() }
    }

    #[test]
    fn a_plan_goes_as_soon_as_enough_calls_went_wrong_and_stays_when_its_time_is_over() {
        let at = |ms: i64, calls, wrong| verdict(&TERMS, seen(calls, wrong), Timestamp(ms * 1_000));
        assert_eq!(at(1_000, 19, 19), Verdict::GoesOn, "too few calls say nothing");
        assert_eq!(at(1_000, 20, 1), Verdict::GoesOn, "5% may");
        assert_eq!(at(1_000, 20, 2), Verdict::Bad);
        assert_eq!(at(599_999, 1_000, 50), Verdict::GoesOn);
        assert_eq!(at(600_000, 1_000, 50), Verdict::Good);
        assert_eq!(at(600_000, 1_000, 51), Verdict::Bad, "also at the last moment");
        assert_eq!(at(600_000, 0, 0), Verdict::Good, "nobody called");
    }

    #[test]
    fn nothing_may_go_wrong_where_none_is_allowed() {
        let strict = WatchTerms { rules: WatchRules { max_errors_per_10000: 0, least_calls: 1, ..RULES }, ..TERMS };
        assert_eq!(verdict(&strict, seen(1, 0), Timestamp(0)), Verdict::GoesOn);
        assert_eq!(verdict(&strict, seen(100_000, 1), Timestamp(0)), Verdict::Bad);
    }

    #[test]
    fn a_verdict_says_what_was_counted() {
        let seen = Seen { calls: 40, faults: 1, refused: 4, errors: 0 };
        assert_eq!(
            told(&RULES, 3, seen),
            "5 of 40 calls went wrong, 12.5% where 5% may (1 ended by a fault, 4 found no route although generation 3 has one)"
        );
        assert_eq!(told(&RULES, 3, Seen::default()), "0 of 0 calls went wrong, 0% where 5% may");
        assert_eq!([0, 5, 50, 250, 10_000].map(percent), ["0%", "0.05%", "0.5%", "2.5%", "100%"]);
    }
}
