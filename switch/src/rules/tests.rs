//! Rules in simulated time, and what holds whatever happens.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    customers::{Country, Identity},
    id::{CallId, CaseId, CustomerId, ItemId, RecordingId, TimerId},
};

fn rule(name: &str, when: When, after_ms: u64) -> Rule {
    Rule { name: name.into(), when, after_ms, unless: Vec::new(), then: vec![Then::Notify { text: "look".into() }] }
}

fn timers(rules: Vec<Rule>) -> Timers {
    let mut timers = Timers::new();
    assert_eq!(timers.plan(rules), []);
    timers
}

fn person(number: u64) -> About {
    let identity = Identity::of_caller(&format!("+39347123{number:04}"), Country::default());
    About { identity, customer: Some(CustomerId(number)), call: None, dialled: None }
}

fn heard(seq: i64, at_ms: i64, what: What, thing: Thing, about: &About) -> Heard {
    Heard { seq, at: Timestamp::from_ms(at_ms), what, thing, about: about.clone() }
}

fn abandoned(waited_ms: u64) -> What {
    What::Abandoned { queue: "support".into(), waited_ms }
}

fn abandoned_rule() -> Rule {
    rule("gone", When::Abandoned { queue: Some("support".into()), waited_ms: 5_000 }, 600_000)
}

fn ids(changes: &[Change]) -> (usize, usize) {
    let set = changes.iter().filter(|change| matches!(change, Change::Set(_))).count();
    (set, changes.iter().filter(|change| matches!(change, Change::Ended { .. })).count())
}

#[test]
fn a_caller_who_gave_up_sets_it_off_and_their_next_call_ends_it() {
    let mut timers = timers(vec![abandoned_rule()]);
    let mut ada = person(1);
    ada.call = Some(CallId(7));
    assert_eq!(timers.hear(&heard(1, 0, abandoned(4_999), Thing::Item(ItemId(1)), &ada)), [], "they waited too short a time");
    assert_eq!(ids(&timers.hear(&heard(2, 10, abandoned(5_000), Thing::Item(ItemId(1)), &ada))), (1, 0));
    assert_eq!(timers.deadline(), Some(Timestamp::from_ms(600_010)));
    // Their own call is told after its end, maybe: it is not the customer's next move.
    assert_eq!(timers.hear(&heard(3, 11, What::Moved, Thing::Call(CallId(7)), &ada)), []);
    assert_eq!(timers.hear(&heard(4, 12, What::Moved, Thing::Call(CallId(8)), &person(2))), [], "somebody else");
    // From another number, but it is certain who they are.
    let from_home = About { identity: None, customer: Some(CustomerId(1)), call: Some(CallId(9)), dialled: None };
    let changes = timers.hear(&heard(5, 13, What::Moved, Thing::Call(CallId(9)), &from_home));
    assert!(matches!(&changes[..], [Change::Ended { how: End::Cancelled, why, .. }] if why == "the customer got in touch"));
    assert!(timers.is_empty() && timers.deadline().is_none());
}

#[test]
fn merging_two_customers_merges_their_moves() {
    let mut timers = timers(vec![abandoned_rule()]);
    let _set = timers.hear(&heard(1, 0, abandoned(9_000), Thing::Item(ItemId(1)), &person(1)));
    let changes =
        timers.hear(&heard(2, 1, What::Merged(vec![(CustomerId(1), CustomerId(2))]), Thing::Itself(2), &About::default()));
    assert!(matches!(&changes[..], [Change::Moved(timer)] if timer.about.customer == Some(CustomerId(2))));
    let mail = About { identity: None, customer: Some(CustomerId(2)), call: None, dialled: None };
    assert_eq!(ids(&timers.hear(&heard(3, 2, What::Moved, Thing::Itself(3), &mail))), (0, 1));
}

#[test]
fn who_waits_is_looked_at_until_they_do_not() {
    let any = rule("long", When::Waiting { queue: None }, 300_000);
    let vip = rule("vip", When::Waiting { queue: Some("vip".into()) }, 60_000);
    let mut timers = timers(vec![any, vip]);
    let (item, ada) = (Thing::Item(ItemId(3)), person(1));
    let waits = |queue: &str, passed_on| What::Waits { queue: queue.into(), passed_on };
    assert_eq!(ids(&timers.hear(&heard(1, 0, waits("support", false), item, &ada))), (1, 0));
    // The customer's own move is nothing that ends their waiting.
    assert_eq!(timers.hear(&heard(2, 1, What::Moved, Thing::Itself(2), &ada)), []);
    // They pass on: the rule of any queue counts on, that of the new queue begins.
    assert_eq!(ids(&timers.hear(&heard(3, 2, waits("vip", true), item, &ada))), (1, 0));
    assert_eq!(ids(&timers.hear(&heard(4, 3, waits("support", true), item, &ada))), (0, 1), "away from the queue of the rule");
    assert_eq!(ids(&timers.hear(&heard(5, 4, What::WaitsNoMore, item, &ada))), (0, 1));
    assert!(timers.is_empty());
}

#[test]
fn messages_and_cases_set_it_off_and_end_it() {
    let voicemail = rule("voicemail", When::Voicemail { mailbox: Some("sales".into()) }, 3_600_000);
    let case = rule("case", When::CaseOpen { topic: Some("billing".into()) }, 14_400_000);
    let mut timers = timers(vec![voicemail, case]);
    let (message, request) = (Thing::Message(RecordingId(4)), Thing::Case(CaseId(5)));
    assert_eq!(timers.hear(&heard(1, 0, What::MessageLeft("other".into()), message, &person(1))), []);
    assert_eq!(ids(&timers.hear(&heard(2, 0, What::MessageLeft("sales".into()), message, &person(1)))), (1, 0));
    assert_eq!(ids(&timers.hear(&heard(3, 0, What::MessageOver, message, &About::default()))), (0, 1));
    assert_eq!(timers.hear(&heard(4, 0, What::CaseOpened(None), request, &person(1))), []);
    assert_eq!(ids(&timers.hear(&heard(5, 0, What::CaseOpened(Some("billing".into())), request, &person(1)))), (1, 0));
    assert_eq!(timers.hear(&heard(6, 0, What::Moved, Thing::Itself(6), &person(1))), [], "the case is still open");
    assert_eq!(ids(&timers.hear(&heard(7, 0, What::CaseOver, request, &About::default()))), (0, 1));
}

#[test]
fn other_channels_say_what_happened_in_their_own_words() {
    let chat = rule("chat", When::Happened { what: "unresolved".into(), channel: Some(Channel::Chat) }, 600_000);
    let mut timers = timers(vec![chat]);
    let happened = |channel, what: &str| What::Happened { channel, what: what.into() };
    assert_eq!(timers.hear(&heard(1, 0, happened(Channel::Email, "unresolved"), Thing::Itself(1), &person(1))), []);
    assert_eq!(timers.hear(&heard(2, 0, happened(Channel::Chat, "csat-low"), Thing::Itself(2), &person(1))), []);
    assert_eq!(ids(&timers.hear(&heard(3, 0, happened(Channel::Chat, "unresolved"), Thing::Itself(3), &person(1)))), (1, 0));
}

#[test]
fn a_new_plan_keeps_what_runs_and_ends_what_has_no_rule_any_more() {
    let mut timers = timers(vec![abandoned_rule(), rule("other", When::Unanswered, 1_000)]);
    let _set = timers.hear(&heard(1, 0, abandoned(9_000), Thing::Item(ItemId(1)), &person(1)));
    let _set = timers.hear(&heard(2, 0, What::Unanswered, Thing::Call(CallId(1)), &person(1)));
    let later = Rule { after_ms: 5, ..abandoned_rule() };
    let changes = timers.plan(vec![later]);
    assert!(matches!(&changes[..], [Change::Ended { timer, .. }] if timer.rule.name.as_str() == "other"));
    assert_eq!(timers.deadline(), Some(Timestamp::from_ms(600_000)), "it keeps the rule that it was set by");
}

#[test]
fn what_speaks_against_it_is_said_in_words() {
    let mut rule = abandoned_rule();
    rule.unless = vec![
        Unless::Outside("office".into()),
        Unless::Contacted,
        Unless::NoConsent { purpose: "service".into() },
        Unless::Cap { times: 2, per_ms: 86_400_000 },
    ];
    let now = Timestamp::from_ms(100_000_000);
    let clear = Facts::default();
    assert_eq!(weigh(&rule, &clear, now), Ok(()));
    let against = |facts: Facts| weigh(&rule, &facts, now).unwrap_err();
    assert_eq!(against(Facts { closed: ["office".into()].into(), ..clear.clone() }), "outside the hours of `office`");
    assert_eq!(against(Facts { contacted: Some("1001".into()), ..clear.clone() }), "the customer has talked with 1001 since");
    let refused = [("service".to_owned(), "is suppressed for service".to_owned())].into();
    assert_eq!(against(Facts { refused, ..clear.clone() }), "is suppressed for service");
    let carried_out = vec![Timestamp::from_ms(99_000_000), Timestamp::from_ms(20_000_000), Timestamp::from_ms(1)];
    assert_eq!(against(Facts { carried_out, ..clear.clone() }), "done 2 times already, and 2 is the cap");
    assert_eq!(
        weigh(&rule, &Facts { carried_out: vec![Timestamp::from_ms(1); 5], ..clear }, now),
        Ok(()),
        "that is too long ago"
    );
}

#[test]
fn a_flood_is_not_kept() {
    let mut timers = timers(vec![rule("all", When::Unanswered, 1_000)]);
    for n in 0..=MAX_TIMERS as i64 {
        let _set = timers.hear(&heard(n, 0, What::Unanswered, Thing::Call(CallId(n.unsigned_abs())), &About::default()));
    }
    assert_eq!((timers.len(), timers.refused()), (MAX_TIMERS, 1));
}

/// One thing that may happen, in small numbers.
fn anything() -> impl Strategy<Value = (u8, u64, u64, i64)> {
    (0..9u8, 1..4u64, 1..4u64, 0..900i64)
}

fn happens((kind, who, thing, _): (u8, u64, u64, i64), seq: i64, at_ms: i64) -> Heard {
    let (item, case) = (Thing::Item(ItemId(thing)), Thing::Case(CaseId(thing)));
    let (what, thing) = match kind {
        0 => (What::Waits { queue: "support".into(), passed_on: false }, item),
        1 => (What::WaitsNoMore, item),
        2 => (abandoned(9_000), item),
        3 => (What::Unanswered, Thing::Call(CallId(thing))),
        4 => (What::CaseOpened(Some("billing".into())), case),
        5 => (What::CaseOver, case),
        6 => (What::Merged(vec![(CustomerId(who), CustomerId(who % 3 + 1))]), Thing::Itself(seq)),
        7 => (What::Happened { channel: Channel::Chat, what: "unresolved".into() }, Thing::Itself(seq)),
        _ => (What::Moved, Thing::Itself(seq)),
    };
    heard(seq, at_ms, what, thing, &person(who))
}

fn all_rules() -> Vec<Rule> {
    vec![
        abandoned_rule(),
        rule("waits", When::Waiting { queue: None }, 400),
        rule("unanswered", When::Unanswered, 0),
        rule("case", When::CaseOpen { topic: None }, 2_000),
        rule("chat", When::Happened { what: "unresolved".into(), channel: None }, 700),
    ]
}

proptest! {
    /// Each timer is set once and ends once: cancelled or due, never both, and never before its time; a restart from what was
    /// written down, at any moment, changes nothing of that.
    #[test]
    fn once_set_it_ends_once_whatever_restarts_come_between(
        steps in proptest::collection::vec(anything(), 1..120),
        restarts in proptest::collection::btree_set(0..120usize, 0..10),
    ) {
        let mut timers = timers(all_rules());
        // What the database has.
        let mut running: BTreeMap<TimerId, Timer> = BTreeMap::new();
        let mut over: BTreeMap<TimerId, &str> = BTreeMap::new();
        let mut now = 0;
        for (n, step) in steps.into_iter().enumerate() {
            now += step.3;
            if restarts.contains(&n) {
                timers = Timers::new();
                timers.restore(running.values().cloned());
                prop_assert_eq!(timers.plan(all_rules()), []);
            }
            for timer in timers.due(Timestamp::from_ms(now), usize::MAX) {
                prop_assert!(timer.due_at <= Timestamp::from_ms(now));
                prop_assert_eq!(timers.take(timer.timer), running.remove(&timer.timer));
                prop_assert_eq!(over.insert(timer.timer, "due"), None);
            }
            prop_assert!(timers.deadline().is_none_or(|at| at > Timestamp::from_ms(now)));
            for change in timers.hear(&happens(step, n as i64 + 1, now)) {
                match change {
                    Change::Set(timer) => {
                        prop_assert!(!over.contains_key(&timer.timer));
                        prop_assert_eq!(running.insert(timer.timer, *timer), None);
                    }
                    Change::Moved(timer) => prop_assert!(running.insert(timer.timer, *timer).is_some()),
                    Change::Ended { timer, .. } => {
                        prop_assert_eq!(running.remove(&timer.timer), Some(*timer.clone()));
                        prop_assert_eq!(over.insert(timer.timer, "cancelled"), None);
                    }
                }
            }
            prop_assert_eq!(timers.len(), running.len());
        }
    }
}
