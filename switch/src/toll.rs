//! Toll fraud: how much may be called outside, by whom and through which trunk.
//!
//! Whoever steals a password calls numbers that earn him money, many at once, at night and for long. So each extension
//! and each trunk has caps: calls at once, calls an hour and a day, minutes abroad a day. A call over a cap is not
//! made, and one abroad that reaches the cap of its minutes is ended; the first time in an hour that a cap is reached,
//! an alarm says so. Hours and days are those of UTC. `kept` has what a restart must not forget.

mod kept;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
};

use serde::{Deserialize, Serialize};

pub use kept::{TollCall, TollSpent};

use crate::{
    name::{Extension, TrunkName},
    time::Timestamp,
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Bounds of one extension or trunk; `None` for no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Calls at once.
    pub calls: Option<u32>,
    /// Calls begun in an hour.
    pub per_hour: Option<u32>,
    /// Calls begun in a day.
    pub per_day: Option<u32>,
    /// Minutes of conversation with other countries in a day.
    pub abroad_minutes: Option<u32>,
}

/// All bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TollRules {
    /// Of every extension.
    pub extension: Caps,
    /// Of trunks.
    pub trunks: BTreeMap<TrunkName, Caps>,
}

/// Who spends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spender {
    /// An extension, by whomever it is used.
    Extension(Extension),
    /// A trunk, whoever calls through it.
    Trunk(TrunkName),
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cap {
    /// Calls at once.
    Calls,
    /// Calls in an hour.
    PerHour,
    /// Calls in a day.
    PerDay,
    /// Minutes abroad.
    AbroadMinutes,
}

impl Cap {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::PerHour => "per-hour",
            Self::PerDay => "per-day",
            Self::AbroadMinutes => "abroad-minutes",
        }
    }
}

/// Somebody reached a bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TollAlarm {
    /// Who.
    pub who: Spender,
    /// Which bound.
    pub cap: Cap,
    /// When.
    pub at: Timestamp,
}

/// What somebody has spent.
#[derive(Debug, Default)]
struct Spent {
    up: u32,
    hour: i64,
    in_hour: u32,
    day: i64,
    in_day: u32,
    /// Of conversations abroad, up to `counted_at`.
    abroad_ms: u64,
    /// Conversations abroad that are going on.
    talking: u32,
    counted_at: Timestamp,
    /// When each bound was last told of, as an hour.
    alarmed: BTreeMap<Cap, i64>,
    /// Since it was written down.
    is_changed: bool,
}

impl Spent {
    fn roll(&mut self, now: Timestamp) {
        let (hour, day) = (now.as_ms().div_euclid(HOUR_MS), now.as_ms().div_euclid(DAY_MS));
        if hour != self.hour {
            (self.hour, self.in_hour) = (hour, 0);
        }
        if day != self.day {
            (self.day, self.in_day, self.abroad_ms) = (day, 0, 0);
        }
    }

    /// Counts what was talked abroad up to now: the same work for one call and for ten thousand.
    fn count(&mut self, now: Timestamp) {
        self.roll(now);
        self.abroad_ms += u64::from(self.talking) * now.ms_since(self.counted_at);
        self.is_changed |= self.talking > 0;
        self.counted_at = now;
    }

    fn over(&self, caps: &Caps, abroad_ms: Option<u64>) -> Option<Cap> {
        let reached = |value: u32, cap: Option<u32>| cap.is_some_and(|cap| value >= cap);
        let abroad = |ms: u64| caps.abroad_minutes.is_some_and(|minutes| ms >= u64::from(minutes) * 60_000);
        [
            (reached(self.up, caps.calls), Cap::Calls),
            (reached(self.in_hour, caps.per_hour), Cap::PerHour),
            (reached(self.in_day, caps.per_day), Cap::PerDay),
            (abroad_ms.is_some_and(abroad), Cap::AbroadMinutes),
        ]
        .into_iter()
        .find_map(|(over, cap)| over.then_some(cap))
    }
}

/// A call that is made.
#[derive(Debug)]
struct Running {
    spenders: Vec<Spender>,
    abroad: bool,
    /// It is abroad and was answered: its minutes count.
    talks: bool,
}

/// The guard. `K` names a call that is made.
#[derive(Debug)]
pub struct TollGuard<K> {
    rules: TollRules,
    spent: HashMap<Spender, Spent>,
    running: HashMap<K, Running>,
    alarms: VecDeque<TollAlarm>,
}

impl<K: Clone + Eq + Hash + Ord> TollGuard<K> {
    /// Nothing is spent.
    #[must_use]
    pub fn new(rules: TollRules) -> Self {
        Self { rules, spent: HashMap::new(), running: HashMap::new(), alarms: VecDeque::new() }
    }

    /// Takes new bounds; what was spent stays.
    pub fn set(&mut self, rules: TollRules) {
        self.rules = rules;
    }

    /// The next alarm.
    pub fn poll(&mut self) -> Option<TollAlarm> {
        self.alarms.pop_front()
    }

    /// A call is made through a trunk, for an extension if it is one of ours.
    ///
    /// # Errors
    /// A bound is reached: it may not be made.
    pub fn begin(
        &mut self,
        now: Timestamp,
        call: K,
        (extension, trunk): (Option<&Extension>, &TrunkName),
        abroad: bool,
    ) -> Result<(), Cap> {
        self.end(now, &call);
        let spenders: Vec<Spender> =
            extension.cloned().map(Spender::Extension).into_iter().chain([Spender::Trunk(trunk.clone())]).collect();
        for who in &spenders {
            if let Some(cap) = self.over(now, who, abroad) {
                self.alarm(now, who, cap);
                return Err(cap);
            }
        }
        for who in &spenders {
            let spent = self.spent.entry(who.clone()).or_default();
            spent.up += 1;
            spent.in_hour += 1;
            spent.in_day += 1;
            spent.is_changed = true;
        }
        self.running.insert(call, Running { spenders, abroad, talks: false });
        Ok(())
    }

    /// It is answered: its minutes count from now on.
    pub fn answered(&mut self, now: Timestamp, call: &K) {
        let Some(running) = self.running.get_mut(call).filter(|running| running.abroad && !running.talks) else { return };
        running.talks = true;
        for who in &running.spenders {
            let spent = self.spent.entry(who.clone()).or_default();
            spent.count(now);
            spent.talking += 1;
        }
    }

    /// It is over. One that is not known means nothing.
    pub fn end(&mut self, now: Timestamp, call: &K) {
        let Some(Running { spenders, talks, .. }) = self.running.remove(call) else { return };
        for who in spenders {
            if let Some(spent) = self.spent.get_mut(&who) {
                spent.count(now);
                spent.up = spent.up.saturating_sub(1);
                spent.talking = spent.talking.saturating_sub(u32::from(talks));
            }
        }
    }

    /// For whom a call is made.
    #[must_use]
    pub fn extension_of(&self, call: &K) -> Option<&Extension> {
        self.running.get(call)?.spenders.iter().find_map(|who| match who {
            Spender::Extension(extension) => Some(extension),
            Spender::Trunk(_) => None,
        })
    }

    /// Calls abroad that have used up their minutes: they are to be ended. To be asked now and then.
    pub fn tick(&mut self, now: Timestamp) -> Vec<K> {
        let today = now.as_ms().div_euclid(DAY_MS);
        self.spent.retain(|_, spent| spent.up > 0 || spent.day == today);
        let talking = self.spent.values_mut().filter(|spent| spent.talking > 0);
        talking.for_each(|spent| spent.count(now));
        if !self.spent.keys().any(|who| self.abroad_is_over(who)) {
            return Vec::new();
        }
        let abroad = self.running.iter().filter(|(_, running)| running.abroad);
        let over: Vec<(K, Spender)> = abroad
            .filter_map(|(call, running)| {
                let over = running.spenders.iter().find(|who| self.abroad_is_over(who));
                over.map(|who| (call.clone(), who.clone()))
            })
            .collect();
        for (_, who) in &over {
            self.alarm(now, who, Cap::AbroadMinutes);
        }
        let mut calls: Vec<K> = over.into_iter().map(|(call, _)| call).collect();
        calls.sort_unstable();
        calls
    }

    fn caps(&self, who: &Spender) -> Caps {
        match who {
            Spender::Extension(_) => self.rules.extension,
            Spender::Trunk(trunk) => self.rules.trunks.get(trunk).copied().unwrap_or_default(),
        }
    }

    fn over(&mut self, now: Timestamp, who: &Spender, abroad: bool) -> Option<Cap> {
        let caps = self.caps(who);
        let spent = self.spent.entry(who.clone()).or_default();
        spent.count(now);
        let minutes = abroad.then_some(spent.abroad_ms);
        spent.over(&caps, minutes)
    }

    fn abroad_is_over(&self, who: &Spender) -> bool {
        let spent = self.spent.get(who).map_or(0, |spent| spent.abroad_ms);
        self.caps(who).abroad_minutes.is_some_and(|minutes| spent >= u64::from(minutes) * 60_000)
    }

    /// Tells of a bound once an hour.
    fn alarm(&mut self, now: Timestamp, who: &Spender, cap: Cap) {
        let hour = now.as_ms().div_euclid(HOUR_MS);
        let spent = self.spent.entry(who.clone()).or_default();
        if spent.alarmed.insert(cap, hour) != Some(hour) {
            self.alarms.push_back(TollAlarm { who: who.clone(), cap, at: now });
        }
    }
}

#[cfg(test)]
mod tests;
