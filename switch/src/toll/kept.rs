//! What was spent, over a restart: written down a moment after it was spent, and put back before the first call of the
//! next process. Calls that outlive the process are counted for whom they were made.

use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::{Running, Spender, Spent, TollGuard};
use crate::time::Timestamp;

/// What somebody has spent, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TollSpent {
    /// Who.
    pub who: Spender,
    /// Hours since 1970, and calls begun in this one.
    hour: (i64, u32),
    /// Days since 1970, calls begun in this one, and ms of conversation abroad.
    day: (i64, u32, u64),
    /// Up to when.
    pub at: Timestamp,
}

/// For whom a call that is up is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TollCall {
    spenders: Vec<Spender>,
    abroad: bool,
}

impl<K: Clone + Eq + Hash + Ord> TollGuard<K> {
    /// What was spent since this was asked last.
    pub fn changed(&mut self, now: Timestamp) -> Vec<TollSpent> {
        let changed = self.spent.iter_mut().filter_map(|(who, spent)| {
            std::mem::take(&mut spent.is_changed).then(|| TollSpent {
                who: who.clone(),
                hour: (spent.hour, spent.in_hour),
                day: (spent.day, spent.in_day, spent.abroad_ms),
                at: now,
            })
        });
        let mut all: Vec<_> = changed.collect();
        all.sort_unstable_by(|a, b| a.who.cmp(&b.who));
        all
    }

    /// Puts back what was spent before a restart.
    pub fn restore(&mut self, kept: TollSpent) {
        let TollSpent { who, hour: (hour, in_hour), day: (day, in_day, abroad_ms), at } = kept;
        self.spent.insert(who, Spent { hour, in_hour, day, in_day, abroad_ms, counted_at: at, ..Spent::default() });
    }

    /// For whom a call is counted, to be written down with it.
    #[must_use]
    pub fn call(&self, call: &K) -> Option<TollCall> {
        let Running { spenders, abroad, .. } = self.running.get(call)?;
        Some(TollCall { spenders: spenders.clone(), abroad: *abroad })
    }

    /// A call of before a restart goes on. What it talked meanwhile counts.
    pub fn go_on(&mut self, now: Timestamp, call: K, kept: TollCall) {
        let TollCall { spenders, abroad } = kept;
        for who in &spenders {
            let spent = self.spent.entry(who.clone()).or_insert_with(|| Spent { counted_at: now, ..Spent::default() });
            spent.up += 1;
            spent.talking += u32::from(abroad);
        }
        self.running.insert(call, Running { spenders, abroad, talks: abroad });
    }

    /// A call has another name from now on.
    pub fn rename(&mut self, call: &K, name: K) {
        if let Some(running) = self.running.remove(call) {
            self.running.insert(name, running);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Cap, Caps, DAY_MS, HOUR_MS, TollRules},
        *,
    };

    const START: i64 = 1_790_000_000_000 / DAY_MS * DAY_MS;

    fn guard(extension: Caps) -> TollGuard<u32> {
        TollGuard::new(TollRules { extension, ..TollRules::default() })
    }

    fn begin(guard: &mut TollGuard<u32>, ms: i64, call: u32, abroad: bool) -> Result<(), Cap> {
        guard.begin(Timestamp::from_ms(START + ms), call, (Some(&"1001".into()), &"carrier".into()), abroad)
    }

    /// The next process, `ms` after the start, with what was written and the calls that go on.
    fn killed(caps: Caps, written: &[TollSpent], calls: &[(u32, TollCall)], ms: i64) -> TollGuard<u32> {
        let mut next = guard(caps);
        for spent in written {
            next.restore(serde_json::from_str(&serde_json::to_string(spent).unwrap()).unwrap());
        }
        for (call, kept) in calls {
            next.go_on(Timestamp::from_ms(START + ms), *call, kept.clone());
        }
        next
    }

    #[test]
    fn what_was_spent_in_the_hour_and_the_day_is_still_spent_after_a_restart() {
        let caps = Caps { per_hour: Some(3), per_day: Some(4), ..Caps::default() };
        let mut before = guard(caps);
        for call in 0..3 {
            begin(&mut before, 0, call, false).unwrap();
            before.end(Timestamp::from_ms(START), &call);
        }
        let written = before.changed(Timestamp::from_ms(START));
        assert_eq!(written.len(), 2, "the extension and the trunk");
        assert_eq!(before.changed(Timestamp::from_ms(START)), [], "nothing since then");
        let mut after = killed(caps, &written, &[], 1_000);
        assert_eq!(begin(&mut after, 1_000, 9, false), Err(Cap::PerHour));
        assert_eq!(begin(&mut after, HOUR_MS, 9, false), Ok(()));
        assert_eq!(begin(&mut after, HOUR_MS, 10, false), Err(Cap::PerDay));
        assert_eq!(begin(&mut after, DAY_MS, 10, false), Ok(()), "days begin anew");
    }

    #[test]
    fn calls_that_go_on_count_with_their_minutes_also_those_of_the_outage() {
        let caps = Caps { calls: Some(2), abroad_minutes: Some(10), ..Caps::default() };
        let mut before = guard(caps);
        begin(&mut before, 0, 1, true).unwrap();
        before.answered(Timestamp::from_ms(START), &1);
        let at = |minutes: i64| Timestamp::from_ms(START + minutes * 60_000);
        assert!(before.tick(at(5)).is_empty());
        let (written, kept) = (before.changed(at(5)), before.call(&1).unwrap());
        let mut after = killed(caps, &written, &[(1, kept)], 8 * 60_000);
        assert_eq!(begin(&mut after, 8 * 60_000, 2, false), Ok(()));
        assert_eq!(begin(&mut after, 8 * 60_000, 3, false), Err(Cap::Calls));
        assert!(after.tick(at(9)).is_empty());
        assert_eq!(after.tick(at(10)), [1]);
        after.end(at(10), &1);
        assert_eq!(begin(&mut after, 11 * 60_000, 4, true), Err(Cap::AbroadMinutes));
        assert_eq!(begin(&mut after, 11 * 60_000, 4, false), Ok(()), "its place is free");
    }

    #[test]
    fn a_call_of_which_only_itself_was_written_begins_at_nothing() {
        let mut before = guard(Caps::default());
        begin(&mut before, 0, 1, true).unwrap();
        let kept = before.call(&1).unwrap();
        let caps = Caps { abroad_minutes: Some(1), ..Caps::default() };
        let mut after = killed(caps, &[], &[(1, kept)], 1_000);
        assert!(after.tick(Timestamp::from_ms(START + 2_000)).is_empty(), "not since 1970");
    }

    #[test]
    fn a_call_that_was_renamed_frees_its_place() {
        let mut guard = guard(Caps { calls: Some(1), ..Caps::default() });
        begin(&mut guard, 0, 1, false).unwrap();
        guard.rename(&1, 7);
        guard.end(Timestamp::from_ms(START), &7);
        assert_eq!(begin(&mut guard, 0, 2, false), Ok(()));
    }
}
