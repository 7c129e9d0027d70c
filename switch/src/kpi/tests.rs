//! Figures of rows that are easy to work out by hand.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::*;
use crate::{
    cause::Cause,
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem, Work},
    id::{CallId, ItemId, OfferId},
    link::LeaveReason,
    time::Timestamp,
};

fn at(s: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + s * 1_000)
}

fn item(item: u64, queue: &str, since_s: i64) -> WaitingItem {
    WaitingItem {
        item: ItemId(item),
        call: CallId(item),
        queue: queue.into(),
        caller: "1001".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: at(since_s),
        callback: None,
        work: Work::default(),
    }
}

fn changed(state: AgentState, s: i64) -> FloorEvent {
    FloorEvent::AgentChanged { agent: "1001".into(), state, at: at(s) }
}

/// Ten callers: answered after 5, 25 and 40 s (one of them overflowed), abandoned after 3 and 30 s, one flowed out of the
/// plan's patience, one waits.
fn floor() -> Books {
    let queued = |id, s| FloorEvent::Queued { item: item(id, "support", s), rejoined: None, at: at(s) };
    let accepted = |id: u64, s| FloorEvent::OfferEnded {
        offer: OfferId(id),
        item: ItemId(id),
        agent: "1001".into(),
        outcome: OfferOutcome::Accepted,
        at: at(s),
    };
    let left = |id, reason, s| FloorEvent::Left { item: ItemId(id), reason, at: at(s) };
    let finished = |id, s| FloorEvent::Finished { item: ItemId(id), agent: "1001".into(), cause: Cause::Normal, at: at(s) };
    let mut books = Books::default();
    for event in [
        changed(AgentState::Ready, 0),
        queued(1, 0),
        queued(2, 0),
        queued(3, 0),
        queued(4, 0),
        queued(5, 0),
        queued(6, 0),
        queued(7, 0),
        left(4, LeaveReason::Abandoned, 3),
        accepted(1, 5),
        changed(AgentState::Engaged { item: Some(ItemId(1)) }, 5),
        finished(1, 15),
        changed(AgentState::WrapUp { until_at: at(25) }, 15),
        FloorEvent::Overflowed { item: item(3, "sales", 0), from: "support".into(), at: at(20) },
        changed(AgentState::Ready, 25),
        accepted(2, 25),
        changed(AgentState::Engaged { item: Some(ItemId(2)) }, 25),
        left(5, LeaveReason::Abandoned, 30),
        left(6, LeaveReason::TimedOut, 35),
        finished(2, 40),
        accepted(3, 40),
    ] {
        books.apply(&event);
    }
    books
}

#[test]
fn each_figure_is_its_formula() {
    let tally = Tally::of_books(&floor(), at(50));
    assert!(tally.balances());
    let terms = Terms::default();
    let told: Vec<String> = KPIS
        .iter()
        .map(|kpi| {
            let Reading { kpi, variant, value, n, median, p90, .. } = kpi.of(&tally, terms);
            let value = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
            let spread = median.zip(p90).map(|(median, p90)| format!(", median {median}, p90 {p90}")).unwrap_or_default();
            format!("{kpi} {variant}: {value} of {n}{spread}")
        })
        .collect();
    let wanted = [
        "offered default: 8.000 of 8",
        "answered default: 3.000 of 3",
        "abandoned default: 2.000 of 2",
        "abandoned short: 1.000 of 1",
        "flowed-out default: 2.000 of 2",
        "waiting default: 1.000 of 1",
        "service-level default: 0.250 of 4",
        "service-level of-offered: 0.143 of 7",
        "service-level of-answered: 0.333 of 3",
        "service-level with-abandoned: 0.286 of 7",
        "asa default: 23333.333 of 3, median 25000, p90 40000",
        "time-to-abandon default: 16500.000 of 2, median 3000, p90 30000",
        "aht default: 17500.000 of 2, median 15000, p90 20000",
        "aht without-wrap-up: 12500.000 of 2, median 10000, p90 15000",
        "abandon-rate default: 0.167 of 6",
        "abandon-rate with-short: 0.286 of 7",
        "callback-success default: - of 0",
        "transfer-rate default: 0.000 of 2",
        "offer-acceptance default: 1.000 of 3",
        "missed-offers default: 0.000 of 0",
        "occupancy default: 0.900 of 50000",
        "utilisation default: 1.000 of 50000",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn two_halves_make_the_whole() {
    let books = floor();
    let mut halves = [Tally::default(), Tally::default()];
    for (index, wait) in books.waits().iter().enumerate() {
        halves[index % 2].wait(wait);
    }
    for spell in books.spells() {
        let spell_is = (spell.from_at, spell.to_at.unwrap_or(at(50)));
        halves[0].spell(spell.activity, spell_is, (at(-100), at(21)));
        halves[1].spell(spell.activity, spell_is, (at(21), at(50)));
    }
    for (_, outcome, _) in books.offers() {
        halves[1].offer(*outcome);
    }
    let [mut whole, other] = halves;
    whole.merge(&other);
    assert_eq!(whole, Tally::of_books(&books, at(50)));
}

#[test]
fn who_comes_back_after_a_restart_is_offered_once() {
    let mut books = Books::default();
    books.apply(&FloorEvent::Queued { item: item(1, "support", 0), rejoined: None, at: at(0) });
    books.apply(&FloorEvent::Queued { item: item(2, "support", 0), rejoined: Some(ItemId(1)), at: at(60) });
    let [wait] = books.waits() else { panic!("{:?}", books.waits()) };
    assert_eq!((wait.item, wait.entered_at), (ItemId(2), at(0)));
}

#[test]
fn words_read_back() {
    for end in WaitEnd::ALL {
        assert_eq!(WaitEnd::of_word(end.as_str()), Some(end));
    }
    for activity in Activity::ALL {
        assert_eq!(Activity::of_word(activity.as_str()), Some(activity));
    }
}

#[test]
fn names_and_variants_are_told_apart() {
    let mut seen = std::collections::BTreeSet::new();
    assert!(KPIS.iter().all(|kpi| seen.insert((kpi.name, kpi.variant))));
    assert!(KPIS.iter().all(|kpi| KPIS.iter().any(|other| other.name == kpi.name && other.variant == "default")));
}
