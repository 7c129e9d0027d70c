//! Two plans at a time: the canary beside the plan in service, and the count of what goes wrong on a plan that is watched.
//!
//! Neither lock nor channel: the line loop counts, whoever watches reads.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tandem_dialplan::{CallFacts, Plan};
use tandem_switch::{call::CallSettings, cause::Cause, cdr::Cdr, name::PartyNumber};

use super::line::Service;
use crate::store::Share;

/// A plan that some calls run on, beside the one that is in service for all others.
#[derive(Debug)]
pub struct Canary {
    /// The plan.
    pub plan: Arc<Plan>,
    /// What its calls are set up with.
    pub settings: Arc<CallSettings>,
    /// Its number.
    pub generation: u64,
    /// Which calls.
    pub share: Share,
}

/// The plan that a call begins on.
#[derive(Clone, Copy)]
pub struct Picked<'a> {
    /// The plan.
    pub plan: &'a Arc<Plan>,
    /// What the call is set up with.
    pub settings: &'a Arc<CallSettings>,
    /// Its number.
    pub generation: u64,
}

impl Canary {
    /// Whether a call is one of its own. The same caller gets the same answer as long as this canary lasts; the next
    /// canary falls on others.
    #[must_use]
    pub fn takes(&self, from: &PartyNumber, to: &PartyNumber) -> bool {
        let numbers = &self.share.numbers;
        numbers.contains(from)
            || numbers.contains(to)
            || place_of(self.generation, from.as_str()) < u64::from(self.share.per_10000)
    }
}

/// Where a caller stands among 10,000: evenly spread, and different with each generation.
fn place_of(generation: u64, caller: &str) -> u64 {
    let seed = 0xcbf2_9ce4_8422_2325 ^ generation.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = caller.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The last bits of that product say little of the first letters.
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ (mixed >> 33)) % 10_000
}

impl Service {
    /// The plan for a call that arrives. One to an emergency service is nobody's experiment.
    #[must_use]
    pub fn pick(&self, from: &PartyNumber, to: &PartyNumber, is_emergency: bool) -> Picked<'_> {
        match &self.canary {
            Some(canary) if !is_emergency && canary.takes(from, to) => canary.picked(),
            _ => self.picked(),
        }
    }

    /// The plan of that generation if it is in service for anybody, else the one for all.
    #[must_use]
    pub fn of(&self, generation: u64) -> Picked<'_> {
        match &self.canary {
            Some(canary) if canary.generation == generation => canary.picked(),
            _ => self.picked(),
        }
    }

    const fn picked(&self) -> Picked<'_> {
        Picked { plan: &self.plan, settings: &self.settings, generation: self.generation }
    }
}

impl Canary {
    const fn picked(&self) -> Picked<'_> {
        Picked { plan: &self.plan, settings: &self.settings, generation: self.generation }
    }
}

/// A plan that is watched.
#[derive(Debug)]
pub struct Trial {
    generation: u64,
    /// The plan that its calls would have run on; unknown when that does not check any more.
    before: Option<Arc<Plan>>,
    calls: AtomicU64,
    faults: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
}

/// What was seen of a plan that is watched. A call counts in one of the last three at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls that have ended.
    pub calls: u64,
    /// Of these, ended by a fault of ours.
    pub faults: u64,
    /// Of these, taken by no route although the plan before would have taken them.
    pub refused: u64,
    /// Of these, with a step that ended in `error`.
    pub errors: u64,
}

impl Seen {
    /// Calls that went wrong.
    #[must_use]
    pub const fn wrong(&self) -> u64 {
        self.faults + self.refused + self.errors
    }
}

impl Trial {
    /// A trial of the plan of that number.
    #[must_use]
    pub fn new(generation: u64, before: Option<Arc<Plan>>) -> Self {
        let zero = AtomicU64::default;
        Self { generation, before, calls: zero(), faults: zero(), refused: zero(), errors: zero() }
    }

    /// Counts a call that is over. What a restart ended says nothing about a plan.
    pub fn ended(&self, cdr: &Cdr, step_failed: bool) {
        if cdr.generation != self.generation || cdr.cause == Cause::Restart {
            return;
        }
        if cdr.cause == Cause::Fault {
            self.faults.fetch_add(1, Relaxed);
        } else if cdr.cause == Cause::NotFound && cdr.route.is_none() && self.was_taken(cdr) {
            self.refused.fetch_add(1, Relaxed);
        } else if step_failed {
            self.errors.fetch_add(1, Relaxed);
        }
        // Last, so that nobody reads more mistakes than calls.
        self.calls.fetch_add(1, Relaxed);
    }

    fn was_taken(&self, cdr: &Cdr) -> bool {
        let Cdr { origin, from, to, .. } = cdr;
        let (origin, from, to) = (origin.clone(), from.clone(), to.clone());
        let facts = CallFacts { origin, from, to, language: None, overrides: Arc::default() };
        self.before.as_ref().is_some_and(|before| before.takes(&facts))
    }

    /// The count so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let calls = self.calls.load(Relaxed);
        let [faults, refused, errors] = [&self.faults, &self.refused, &self.errors].map(|count| count.load(Relaxed));
        Seen { calls, faults, refused, errors }
    }
}

#[cfg(test)]
mod tests {
    use tandem_dialplan::{Source, World, check};
    use tandem_switch::{cause::Blame, cdr::Origin, id::CallId, time::Timestamp};

    use super::*;

    fn plan(text: &str) -> Arc<Plan> {
        let text = format!("extensions from=1001 to=1020\nlisten {{ sip-udp \"127.0.0.1:5060\"; }}\n{text}");
        let (plan, report) = check(&[Source::new("p.kdl", text)], &World::default());
        Arc::new(plan.unwrap_or_else(|| panic!("{}", report.drawn(false))))
    }

    fn canary(generation: u64, per_10000: u16, numbers: &[&str]) -> Canary {
        let share = Share { per_10000, numbers: numbers.iter().map(|number| PartyNumber::from(*number)).collect() };
        let plan = plan("route \"a\" { from any; hangup \"busy\"; }");
        Canary { settings: Arc::new(plan.call_settings()), plan, generation, share }
    }

    fn shares(canary: &Canary) -> Vec<bool> {
        let to = PartyNumber::from("1800");
        (0..20_000u32).map(|n| canary.takes(&PartyNumber::from(format!("+39347{:07}", n * 37).as_str()), &to)).collect()
    }

    #[test]
    fn a_share_of_callers_is_what_was_asked_for_and_the_same_caller_stays_in_it() {
        for (per_10000, about) in [(0, 0..1), (100, 120..280), (1_000, 1_800..2_200), (10_000, 20_000..20_001)] {
            let first = shares(&canary(7, per_10000, &[]));
            let count = first.iter().filter(|taken| **taken).count();
            assert!(about.contains(&count), "{per_10000}: {count}");
            assert_eq!(first, shares(&canary(7, per_10000, &[])), "the same caller");
        }
        let both =
            shares(&canary(7, 1_000, &[])).into_iter().zip(shares(&canary(8, 1_000, &[]))).filter(|pair| *pair == (true, true));
        assert!(both.count() < 400, "the next canary falls on others");
    }

    #[test]
    fn test_numbers_are_taken_whether_they_call_or_are_called() {
        let canary = canary(7, 0, &["+390212345", "1999"]);
        let takes = |from: &str, to: &str| canary.takes(&PartyNumber::from(from), &PartyNumber::from(to));
        assert!(takes("+390212345", "1800") && takes("1001", "1999"));
        assert!(!takes("1001", "1800") && !takes("", "1800"));
    }

    fn cdr(generation: u64, cause: Cause, route: Option<&str>, to: &str) -> Cdr {
        Cdr {
            call: CallId(1),
            origin: Origin::Extension("1001".into()),
            from: "1001".into(),
            to: to.into(),
            route: route.map(Into::into),
            queue: None,
            agent: None,
            answered_by: None,
            started_at: Timestamp(0),
            answered_at: None,
            connected_at: None,
            ended_at: Timestamp(1),
            waited_ms: 0,
            talked_ms: 0,
            cause,
            blame: Blame::Us,
            recording: None,
            generation,
            restarts: 0,
            told: std::collections::BTreeMap::default(),
            segments: Vec::new(),
        }
    }

    #[test]
    fn only_what_the_plan_before_did_better_counts_against_a_plan() {
        let trial = Trial::new(7, Some(plan("route \"a\" { from any; to \"1800\"; hangup \"busy\"; }")));
        for (cdr, step_failed) in [
            (cdr(7, Cause::Normal, Some("a"), "1800"), false),
            (cdr(6, Cause::Fault, Some("a"), "1800"), false),
            (cdr(7, Cause::Restart, Some("a"), "1800"), true),
            (cdr(7, Cause::Fault, Some("a"), "1800"), true),
            (cdr(7, Cause::NotFound, None, "1800"), false),
            (cdr(7, Cause::NotFound, None, "4711"), false),
            (cdr(7, Cause::NotFound, Some("a"), "1800"), false),
            (cdr(7, Cause::Busy, Some("a"), "1800"), true),
        ] {
            trial.ended(&cdr, step_failed);
        }
        let seen = trial.seen();
        assert_eq!(seen, Seen { calls: 6, faults: 1, refused: 1, errors: 1 });
        assert_eq!(seen.wrong(), 3);
        let alone = Trial::new(7, None);
        alone.ended(&cdr(7, Cause::NotFound, None, "1800"), false);
        assert_eq!(alone.seen().wrong(), 0, "nobody knows what the plan before would have done");
    }
}
