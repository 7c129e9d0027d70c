//! The timers of rules: what sets them, what ends them, which are due.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{About, Heard, Rule, Thing, What, When};
use crate::{
    customers::{Identity, links::Moved},
    id::{CustomerId, TimerId},
    name::{QueueName, RuleName},
    time::Timestamp,
};

/// Timers that run at a time. More are not set: a flood of calls must not become a flood of memory.
pub const MAX_TIMERS: usize = 100_000;
/// Rules of a plan.
pub const MAX_RULES: usize = 1_024;

/// A rule that was set off, and will look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Which.
    pub timer: TimerId,
    /// The rule as it was then.
    pub rule: Rule,
    /// The row of the journal that set it off.
    pub cause: i64,
    /// With what.
    pub thing: Thing,
    /// For whom.
    pub about: About,
    /// When.
    pub set_at: Timestamp,
    /// When it looks.
    pub due_at: Timestamp,
}

/// What becomes of a timer. To be written down with the place in the journal that it came of.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It runs.
    Set(Box<Timer>),
    /// It is for another customer: two were merged.
    Moved(Box<Timer>),
    /// It does not run any more, and did nothing.
    Ended {
        /// Which.
        timer: Box<Timer>,
        /// Why.
        how: End,
        /// Why, in words.
        why: String,
    },
}

/// Why a timer did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// What set it off is over, or the customer or somebody of ours was faster.
    Cancelled,
    /// Something spoke against it when it was due.
    Skipped,
}

/// What timers are found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Thing(Thing),
    Identity(Identity),
    Customer(CustomerId),
}

/// All timers that run.
#[derive(Debug, Default)]
pub struct Timers {
    rules: Vec<Rule>,
    running: BTreeMap<TimerId, Timer>,
    due: BTreeSet<(Timestamp, TimerId)>,
    found: BTreeMap<Key, BTreeSet<TimerId>>,
    /// Timers that were not set because there were too many.
    refused: u64,
}

/// A row of the journal sets a rule off once, so the two together name the timer: read again, it is no second one.
const fn timer_id(seq: i64, nth: usize) -> TimerId {
    TimerId(seq.cast_unsigned() << MAX_RULES.ilog2() | nth as u64)
}

/// What is found by a person.
fn of_person(about: &About) -> impl Iterator<Item = Key> {
    about.identity.clone().map(Key::Identity).into_iter().chain(about.customer.map(Key::Customer))
}

impl Timer {
    fn keys(&self) -> impl Iterator<Item = Key> {
        of_person(&self.about).chain([Key::Thing(self.thing)])
    }
}

fn fits(wanted: Option<&QueueName>, queue: &QueueName) -> bool {
    wanted.is_none_or(|wanted| wanted == queue)
}

impl When {
    /// Whether this sets it off.
    fn is_set_off(&self, what: &What) -> bool {
        match (self, what) {
            (Self::Abandoned { queue, waited_ms }, What::Abandoned { queue: of, waited_ms: waited }) => {
                fits(queue.as_ref(), of) && waited >= waited_ms
            }
            // Who passes on to another queue has waited all the time: only rules of that queue begin.
            (Self::Waiting { queue }, What::Waits { queue: of, passed_on }) => {
                fits(queue.as_ref(), of) && (queue.is_some() || !passed_on)
            }
            (Self::CallbackFailed { queue }, What::CallbackFailed(of)) => fits(queue.as_ref(), of),
            (Self::Unanswered, What::Unanswered) => true,
            (Self::Voicemail { mailbox }, What::MessageLeft(of)) => mailbox.as_ref().is_none_or(|wanted| wanted == of),
            (Self::CaseOpen { topic }, What::CaseOpened(of)) => topic.is_none() || topic == of,
            (Self::Happened { what, channel }, What::Happened { channel: on, what: said }) => {
                what == said && channel.is_none_or(|channel| channel == *on)
            }
            _ => false,
        }
    }
}

impl Timers {
    /// No timers, no rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up what ran at the last stop.
    pub fn restore(&mut self, timers: impl IntoIterator<Item = Timer>) {
        for timer in timers {
            self.put(timer);
        }
    }

    /// The rules of a plan. Timers that run keep the rule that they were set by, while there is one of that name; those of
    /// others end.
    #[must_use]
    pub fn plan(&mut self, rules: Vec<Rule>) -> Vec<Change> {
        let names: BTreeSet<&RuleName> = rules.iter().map(|rule| &rule.name).collect();
        let gone: Vec<TimerId> =
            self.running.values().filter(|timer| !names.contains(&timer.rule.name)).map(|timer| timer.timer).collect();
        let changes = gone.into_iter().filter_map(|timer| self.cancel(timer, "the plan has no such rule any more")).collect();
        self.rules = rules;
        changes
    }

    /// Something happened: first what it ends, then what it sets.
    #[must_use]
    pub fn hear(&mut self, heard: &Heard) -> Vec<Change> {
        if let What::Merged(moved) = &heard.what {
            return self.merged(moved);
        }
        let mut changes = self.ended_by(heard);
        for nth in 0..self.rules.len().min(MAX_RULES) {
            if self.rules[nth].when.is_set_off(&heard.what) {
                changes.extend(self.set(nth, heard));
            }
        }
        changes
    }

    /// The next instant at which one is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Those that are due, in order; they run until they are taken.
    #[must_use]
    pub fn due(&self, now: Timestamp, most: usize) -> Vec<Timer> {
        self.due.range(..=(now, TimerId(u64::MAX))).take(most).filter_map(|(_, id)| self.running.get(id).cloned()).collect()
    }

    /// Takes one out: it was carried out, or skipped. `None`: it does not run.
    pub fn take(&mut self, timer: TimerId) -> Option<Timer> {
        let timer = self.running.remove(&timer)?;
        self.due.remove(&(timer.due_at, timer.timer));
        self.forget(&timer);
        Some(timer)
    }

    /// Ends one. `None`: it does not run.
    #[must_use]
    pub fn cancel(&mut self, timer: TimerId, why: &str) -> Option<Change> {
        let timer = Box::new(self.take(timer)?);
        Some(Change::Ended { timer, how: End::Cancelled, why: why.to_owned() })
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether nothing that happens can change anything: there is no rule, and no timer runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty() && self.running.is_empty()
    }

    /// How many were not set because there were too many.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn put(&mut self, timer: Timer) {
        self.due.insert((timer.due_at, timer.timer));
        for key in timer.keys() {
            self.found.entry(key).or_default().insert(timer.timer);
        }
        self.running.insert(timer.timer, timer);
    }

    fn forget(&mut self, timer: &Timer) {
        for key in timer.keys() {
            if let Some(others) = self.found.get_mut(&key) {
                others.remove(&timer.timer);
                if others.is_empty() {
                    self.found.remove(&key);
                }
            }
        }
    }

    fn set(&mut self, nth: usize, heard: &Heard) -> Option<Change> {
        if self.running.len() >= MAX_TIMERS {
            self.refused += 1;
            return None;
        }
        let rule = self.rules[nth].clone();
        let timer = Timer {
            timer: timer_id(heard.seq, nth),
            cause: heard.seq,
            thing: heard.thing,
            about: heard.about.clone(),
            set_at: heard.at,
            due_at: heard.at.plus_ms(rule.after_ms),
            rule,
        };
        self.put(timer.clone());
        Some(Change::Set(Box::new(timer)))
    }

    fn ended_by(&mut self, heard: &Heard) -> Vec<Change> {
        let keys: Vec<Key> = match &heard.what {
            What::Moved => of_person(&heard.about).collect(),
            _ => vec![Key::Thing(heard.thing)],
        };
        let ids: BTreeSet<TimerId> = keys.iter().filter_map(|key| self.found.get(key)).flatten().copied().collect();
        let timers = ids.into_iter().filter_map(|id| self.running.get(&id));
        let ended: Vec<_> = timers.filter_map(|timer| Some((timer.timer, ends(timer, heard)?))).collect();
        ended.into_iter().filter_map(|(timer, why)| self.cancel(timer, why)).collect()
    }

    fn merged(&mut self, moved: &Moved) -> Vec<Change> {
        let mut changes = Vec::new();
        for (customer, root) in moved.iter().filter(|(customer, root)| customer != root) {
            for id in self.found.get(&Key::Customer(*customer)).cloned().unwrap_or_default() {
                let Some(mut timer) = self.take(id) else { continue };
                timer.about.customer = Some(*root);
                self.put(timer.clone());
                changes.push(Change::Moved(Box::new(timer)));
            }
        }
        changes
    }
}

/// Why what happened ends a timer that is about the same thing, or the same person.
fn ends(timer: &Timer, heard: &Heard) -> Option<&'static str> {
    match (&timer.rule.when, &heard.what) {
        (When::Waiting { .. }, What::WaitsNoMore | What::Abandoned { .. } | What::CallbackFailed(_)) => {
            Some("they do not wait any more")
        }
        // They wait elsewhere: another queue may have another rule.
        (When::Waiting { queue }, What::Waits { queue: now, .. }) if !fits(queue.as_ref(), now) => {
            Some("they wait in another queue")
        }
        (When::Voicemail { .. }, What::MessageOver) => Some("the message was heard, or is gone"),
        (When::CaseOpen { .. }, What::CaseOver) => Some("the case is not open any more"),
        // The call that set it off is no answer to it.
        (when, What::Moved) if when.ends_by_move() && (timer.about.call.is_none() || timer.about.call != heard.about.call) => {
            Some("the customer got in touch")
        }
        _ => None,
    }
}
