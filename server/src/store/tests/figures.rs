//! What figures are worked out from, on both databases.

use tandem_switch::{
    callback::{Callback, Tries},
    cause::Cause,
    cdr::Origin,
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem},
    id::{ItemId, OfferId},
    kpi::{Activity, Books},
    ladder::Ladder,
    link::LeaveReason,
    step::{QueueStep, Target},
    time::Timestamp,
};

use super::{at, changed, ended, offered, queued, started, waiting};
use crate::store::{By, FigureQuery, Record, testing::both};

fn promise() -> Callback {
    let step = QueueStep {
        queue: "support".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        max_wait_ms: None,
        music: None,
        language: "en".into(),
        announce_every_ms: None,
        comfort: None,
        record: false,
        wait_without_agents: true,
        ladder: Ladder::default(),
        callback: None,
    };
    let target = Target::Trunk { trunk: "carrier".into(), number: "+390212345".into() };
    let tries = Tries { left: 2, apart_ms: 60_000, ring_ms: 20_000 };
    let origin = Origin::Trunk("carrier".into());
    Callback { target, tries, not_before: at(50_000), origin, dialled: "1800".into(), arrived_at: at(0), step, customer: None }
}

/// One of each end: answered with wrap-up, abandoned, overflowed, called back and reached, called in instead, came back after a
/// restart, waits.
fn floor() -> Vec<FloorEvent> {
    let accept = |offer, item, ms| FloorEvent::OfferEnded {
        offer: OfferId(offer),
        item: ItemId(item),
        agent: "1001".into(),
        outcome: OfferOutcome::Accepted,
        at: at(ms),
    };
    let finished = |item, ms| FloorEvent::Finished { item: ItemId(item), agent: "1001".into(), cause: Cause::Normal, at: at(ms) };
    let engaged = |item, ms| changed("1001", AgentState::Engaged { item: Some(ItemId(item)) }, ms);
    let promised = |item| FloorEvent::CallbackKept {
        item: WaitingItem { callback: Some(Box::new(promise())), ..waiting(item, 0) },
        at: at(5_000),
    };
    let again = |item, old, ms| FloorEvent::Queued { item: waiting(item, 0), rejoined: Some(ItemId(old)), at: at(ms) };
    vec![
        changed("1001", AgentState::Ready, 0),
        queued(1, 0),
        queued(2, 0),
        queued(3, 0),
        queued(4, 0),
        queued(5, 0),
        queued(6, 0),
        offered(1, 1, "1001", 1_000),
        accept(1, 1, 4_000),
        engaged(1, 4_000),
        promised(4),
        promised(5),
        finished(1, 10_000),
        changed("1001", AgentState::WrapUp { until_at: at(20_000) }, 10_000),
        FloorEvent::Left { item: ItemId(2), reason: LeaveReason::Abandoned, at: at(11_000) },
        FloorEvent::Overflowed {
            item: WaitingItem { queue: "sales".into(), ..waiting(3, 0) },
            from: "support".into(),
            at: at(12_000),
        },
        again(7, 6, 13_000),
        again(8, 5, 14_000),
        changed("1001", AgentState::Ready, 20_000),
        offered(2, 4, "1001", 21_000),
        accept(2, 4, 30_000),
        engaged(4, 30_000),
        finished(4, 40_000),
        changed("1001", AgentState::NotReady { reason: "lunch".into() }, 40_000),
    ]
}

fn all() -> FigureQuery {
    FigureQuery { from_at: at(0), to_at: at(100_000), queue: None, agent: None, by: By::All, interval_s: None }
}

pub(super) fn all_until(to_at: Timestamp) -> FigureQuery {
    FigureQuery { to_at, ..all() }
}

#[tokio::test]
async fn the_tables_hold_the_rows_that_the_books_hold() {
    for db in both().await {
        let store = db.open().await;
        let mut books = Books::default();
        for (n, event) in floor().into_iter().enumerate() {
            books.apply(&event);
            store.commit(&[Record::Floor(event)]).await.unwrap();
            let verified = store.verify().await.unwrap();
            assert_eq!(verified.different, 0, "{} after event {n}: {:#?}", db.url, verified.differences);
        }
        assert_eq!(store.waits(&all(), None, 100).await.unwrap().len(), books.waits().len());
        assert_eq!(books.waits().len(), 10, "six, one overflowed, two promised, one called in");
        // Page by page they are the same.
        let (mut seen, mut after) = (0, None);
        while let Some(last) = store.waits(&all(), after.as_ref(), 3).await.unwrap().pop() {
            seen += 1;
            after = Some(last);
        }
        assert_eq!(seen, 4);
    }
}

#[tokio::test]
async fn figures_are_told_by_queue_agent_and_interval() {
    for db in both().await {
        let store = db.open().await;
        let mut records: Vec<Record> = floor().into_iter().map(Record::Floor).collect();
        records.extend([started(50), ended(50)]);
        store.commit(&records).await.unwrap();
        let told = |query: FigureQuery| {
            let store = store.clone();
            async move { store.figures(&query, at(100_000)).await.unwrap() }
        };
        let rows = told(all()).await;
        let [row] = &rows[..] else { panic!("{rows:?}") };
        let tally = &row.tally;
        assert!(tally.balances(), "{tally:?}");
        assert_eq!((tally.offered, tally.answered.n(), tally.lost.n(), tally.flowed_out, tally.waiting), (8, 1, 1, 3, 3));
        assert_eq!((tally.promised, tally.reached, tally.handled.n(), tally.handled.sum_ms()), (2, 1, 2, 26_000));
        assert_eq!((tally.offers.accepted, tally.spent(&[Activity::WrapUp])), (2, 10_000));
        assert_eq!(tally.transferred, 0, "nobody took the transferred caller");
        let rows = told(FigureQuery { by: By::Queue, ..all() }).await;
        let names: Vec<(&str, u64)> = rows.iter().map(|row| (&*row.name, row.tally.offered)).collect();
        assert_eq!(names, [("sales", 1), ("support", 7)]);
        let rows = told(FigureQuery { by: By::Agent, interval_s: Some(60), ..all() }).await;
        let spent: Vec<(Timestamp, u64)> = rows.iter().map(|row| (row.from_at, row.tally.spent(&[Activity::NotReady]))).collect();
        assert_eq!(spent, [(at(0), 20_000), (at(60_000), 40_000)], "a spell is cut where the interval ends");
        assert_eq!(rows[0].tally.offered, 0, "of an agent no waits are told");
        let tiny = FigureQuery { from_at: at(-2_000_000_000), interval_s: Some(1), by: By::Agent, ..all() };
        assert!(store.figures(&tiny, at(100_000)).await.is_ok(), "only what there is counts");
    }
}

#[tokio::test]
async fn a_row_that_somebody_changed_is_found() {
    const CHANGES: [(&str, &str); 5] = [
        ("waits", "UPDATE waits SET ended_how = 'answered' WHERE ended_how = 'abandoned'"),
        ("agent_spells", "DELETE FROM agent_spells WHERE activity = 'wrap-up'"),
        ("items", "UPDATE items SET priority_minutes = 99 WHERE state = 'waiting'"),
        ("agents_state", "UPDATE agents_state SET since_us = since_us + 1"),
        ("calls", "UPDATE calls SET talked_ms = talked_ms + 1"),
    ];
    for (table, change) in CHANGES {
        for db in both().await {
            let store = db.open().await;
            let mut records: Vec<Record> = floor().into_iter().map(Record::Floor).collect();
            records.extend([started(50), ended(50)]);
            store.commit(&records).await.unwrap();
            let good = store.verify().await.unwrap();
            assert_eq!((good.different, good.events), (0, 26), "{:?}", good.differences);
            assert_eq!(good.compared["calls"], 1);
            store.db.execute(change, &[]).await.unwrap();
            let verified = store.verify().await.unwrap();
            assert!(verified.different > 0, "{table} on {}", db.url);
            assert!(verified.differences.iter().any(|one| one.table == table), "{:?}", verified.differences);
        }
    }
}

#[tokio::test]
async fn an_older_database_gets_its_figures_of_the_journal() {
    for db in both().await {
        let store = db.open().await;
        store.commit(&floor().into_iter().map(Record::Floor).collect::<Vec<_>>()).await.unwrap();
        for drop in ["DELETE FROM waits", "DELETE FROM agent_spells"] {
            store.db.execute(drop, &[]).await.unwrap();
        }
        assert!(store.verify().await.unwrap().different > 0);
        store.migrate().await.unwrap();
        let verified = store.verify().await.unwrap();
        assert_eq!((verified.different, verified.compared["waits"]), (0, 10), "{:?}", verified.differences);
    }
}
