//! What a CRM says of a number: what is kept of its answers, and when it is left alone.
//!
//! Both are told the time, and neither asks anybody: whoever asks does so in between.

use std::collections::{BTreeMap, HashMap};

use crate::time::Timestamp;

/// Answers that are kept; the oldest goes first.
pub const MOST_KEPT: usize = 10_000;
/// After so many failures in a row nobody is asked for a while.
const FAILURES: u32 = 5;
/// That while, the first and the longest, in ms. Each is twice as long as the one before.
const SHORTEST_REST_MS: u64 = 5_000;
const LONGEST_REST_MS: u64 = 60_000;

/// What is shown of an answer: names and values.
pub type Fields = BTreeMap<String, String>;

/// Answers by number, for a while each.
#[derive(Debug, Default)]
pub struct Answers {
    kept: HashMap<String, (Timestamp, u64, Fields)>,
    /// By the order in which they came.
    order: BTreeMap<u64, String>,
    next: u64,
}

impl Answers {
    /// What was answered of a number within the last `keep_ms`. Nobody known is an answer without fields.
    #[must_use]
    pub fn get(&self, now: Timestamp, number: &str, keep_ms: u64) -> Option<&Fields> {
        self.kept.get(number).filter(|(at, ..)| now.ms_since(*at) < keep_ms).map(|(_, _, fields)| fields)
    }

    /// Keeps an answer in the place of the one before.
    pub fn put(&mut self, now: Timestamp, number: &str, fields: Fields) {
        let turn = self.next;
        self.next += 1;
        if let Some((_, before, _)) = self.kept.insert(number.to_owned(), (now, turn, fields)) {
            self.order.remove(&before);
        }
        self.order.insert(turn, number.to_owned());
        while self.order.len() > MOST_KEPT {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.kept.remove(&oldest);
            }
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Leaves somebody alone who fails again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    rests_ms: u64,
    rests_until_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether they may be asked. After a rest one question goes through, and the others wait for what comes of it.
    pub fn may_ask(&mut self, now: Timestamp) -> bool {
        match self.rests_until_at {
            None => true,
            Some(until_at) if now < until_at => false,
            Some(_) => {
                // The others rest on; so does this one, should it never come back.
                self.rests_until_at = Some(now.plus_ms(self.rests_ms));
                true
            }
        }
    }

    /// They answered, whatever it was.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// They did not.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.rests_ms = (self.rests_ms * 2).clamp(SHORTEST_REST_MS, LONGEST_REST_MS);
            self.rests_until_at = Some(now.plus_ms(self.rests_ms));
        }
    }

    /// Until when nobody is asked.
    #[must_use]
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.rests_until_at.filter(|until_at| now < *until_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn fields(name: &str) -> Fields {
        [("name".to_owned(), name.to_owned())].into()
    }

    #[test]
    fn an_answer_is_kept_for_a_while_and_the_last_one_counts() {
        let mut answers = Answers::default();
        answers.put(at(0), "+391", fields("Ada"));
        answers.put(at(500), "+391", fields("Ada Lovelace"));
        answers.put(at(500), "+392", Fields::new());
        assert_eq!(answers.get(at(1_499), "+391", 1_000), Some(&fields("Ada Lovelace")));
        assert_eq!(answers.get(at(1_500), "+391", 1_000), None);
        assert_eq!(answers.get(at(600), "+392", 1_000), Some(&Fields::new()), "nobody is an answer");
        assert_eq!(answers.get(at(600), "+393", 1_000), None);
        assert_eq!((answers.kept.len(), answers.order.len()), (2, 2));
    }

    #[test]
    fn only_so_many_answers_are_kept() {
        let mut answers = Answers::default();
        for n in 0..MOST_KEPT + 10 {
            answers.put(at(0), &n.to_string(), Fields::new());
        }
        assert_eq!((answers.kept.len(), answers.order.len()), (MOST_KEPT, MOST_KEPT));
        assert!(answers.get(at(0), "9", 1_000).is_none() && answers.get(at(0), "10", 1_000).is_some(), "the oldest are gone");
    }

    #[test]
    fn whoever_fails_again_and_again_rests_and_is_tried_by_one() {
        let mut breaker = Breaker::default();
        for n in 0..5 {
            assert!(breaker.may_ask(at(n)), "{n}");
            breaker.failed(at(n));
        }
        assert!(!breaker.may_ask(at(5_003)));
        assert!(breaker.may_ask(at(5_004)), "one");
        assert!(!breaker.may_ask(at(5_005)), "and no other");
        breaker.failed(at(5_010));
        assert!(!breaker.may_ask(at(15_009)), "twice as long");
        assert!(breaker.may_ask(at(15_010)));
        breaker.answered();
        assert!(breaker.may_ask(at(15_011)) && breaker.may_ask(at(15_012)));
        for n in 0..20 {
            breaker.failed(at(n));
        }
        assert_eq!(breaker.rests_until(at(20)), Some(at(19 + 60_000)), "a minute at most");
    }

    #[test]
    fn a_question_that_never_comes_back_does_not_close_the_way_for_good() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|n| breaker.failed(at(n)));
        assert!(breaker.may_ask(at(6_000)));
        assert!(!breaker.may_ask(at(10_999)) && breaker.may_ask(at(11_000)));
    }
}
