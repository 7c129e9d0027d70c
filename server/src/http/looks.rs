//! Who looked at what just now: players ask for a recording in many pieces, and boards ask for the same every second. One
//! look by one caller is written down once in ten minutes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use tandem_switch::time::Timestamp;

/// How long a look is the same one, in µs.
const SPELL_US: i64 = 10 * 60 * 1_000_000;
/// Of so many at once. Of more, more is written down.
const MOST: usize = 4_096;

type Look = (String, &'static str, String);

#[derive(Debug, Default)]
pub(super) struct Looks {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    at: HashMap<Look, Timestamp>,
    order: VecDeque<(Timestamp, Look)>,
}

impl Looks {
    /// Whether a look is to be written down: by whom, how, at what.
    pub(super) fn is_news(&self, (who, what, subject): (&str, &'static str, &str), now: Timestamp) -> bool {
        let look = (who.to_owned(), what, subject.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((at, _)) = known.order.front()
            && (now.0 - at.0 >= SPELL_US || known.order.len() >= MOST)
        {
            if let Some((_, old)) = known.order.pop_front() {
                known.at.remove(&old);
            }
        }
        if known.at.contains_key(&look) {
            return false;
        }
        known.at.insert(look.clone(), now);
        known.order.push_back((now, look));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_look_is_news_once_in_ten_minutes() {
        let looks = Looks::default();
        let look = |who, subject, ms| looks.is_news((who, "recording-read", subject), Timestamp::from_ms(ms));
        assert!(look("a", "1", 0) && look("a", "2", 0) && look("b", "1", 1_000));
        assert!(!look("a", "1", 599_999));
        assert!(look("a", "1", 600_000), "a spell is over");
        assert!(!look("b", "1", 600_500), "another's is not");
        assert!(looks.is_news(("a", "waveform-read", "1"), Timestamp::from_ms(600_000)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let looks = Looks::default();
        for number in 0..10_000 {
            assert!(looks.is_news(("a", "call-read", &number.to_string()), Timestamp::from_ms(0)));
        }
        let known = looks.known.lock().unwrap();
        assert!(known.order.len() <= MOST && known.at.len() == known.order.len());
    }
}
