//! People outside: everything of one goes, everything of others and every figure stays; holds and ages.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::{
    cause::{Blame, Cause},
    cdr::{Cdr, Origin},
    floor::{FloorEvent, WaitingItem},
    id::{CallId, RecordingId},
    link::LeaveReason,
    name::{MailboxName, PartyNumber},
};

use super::at;
use crate::store::{
    Audit, CallStarted, KeptAs, MessageLeft, MessageStarted, Number, Record, RecordingStarted, Redaction, Store,
    db::args,
    privacy::{PLACES, Place},
    testing::both,
};

const ANNA: &str = "+390212345678";
const BOB: &str = "+390212345679";

async fn rows(store: &Store, sql: String) -> Vec<crate::store::db::Row> {
    store.db.fetch(String::leak(sql), &[]).await.unwrap()
}

#[tokio::test]
async fn every_column_of_text_has_a_place_in_the_list_and_no_place_is_of_nothing() {
    // The folder goes with it.
    let all = both().await;
    let store = all[0].open().await;
    let found = rows(
        &store,
        "SELECT tables.name AS t, columns.name AS c FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
         WHERE tables.type = 'table' AND columns.type = 'TEXT' AND tables.name NOT LIKE '\\_sqlx%' ESCAPE '\\'"
            .to_owned(),
    )
    .await;
    let found: BTreeSet<(String, String)> = found.iter().map(|row| (row.get("t").unwrap(), row.get("c").unwrap())).collect();
    let of_table = |(table, personal, plain): &(&str, &[(&str, Place)], &[&str])| {
        let columns = personal.iter().map(|(column, _)| *column).chain(plain.iter().copied());
        columns.map(|column| ((*table).to_owned(), column.to_owned())).collect::<Vec<_>>()
    };
    let listed: BTreeSet<_> = PLACES.iter().flat_map(of_table).collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "list these in store/privacy/places.rs, and erase what is personal: {missing:?}");
    assert_eq!(listed.difference(&found).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

fn cdr(call: u64, from: &str, ms: i64) -> Cdr {
    Cdr {
        call: CallId(call),
        origin: Origin::Trunk("carrier".into()),
        from: from.into(),
        to: "1800".into(),
        route: Some("support".into()),
        queue: Some("support".into()),
        agent: Some("1001".into()),
        answered_by: None,
        started_at: at(ms),
        answered_at: Some(at(ms)),
        connected_at: Some(at(ms + 5_000)),
        ended_at: at(ms + 65_000),
        waited_ms: 5_000,
        talked_ms: 60_000,
        cause: Cause::Normal,
        blame: Blame::Caller,
        recording: None,
        generation: 1,
        restarts: 0,
        told: BTreeMap::from([("name".to_owned(), format!("Canary of {from}"))]),
        segments: Vec::new(),
    }
}

/// A whole call of somebody with everything that is kept of one.
pub(super) async fn lives(store: &Store, call: u64, number: &str, ms: i64) {
    let from = PartyNumber::from(number);
    let cdr = cdr(call, number, ms);
    let item = WaitingItem { call: cdr.call, caller: from.clone(), ..super::waiting(call, ms) };
    let origin = cdr.origin.clone();
    let started = CallStarted {
        call: cdr.call,
        origin,
        from: from.clone(),
        to: "1800".into(),
        generation: 1,
        called_back: false,
        at: at(ms),
    };
    let (recording, message) = (RecordingId(call + 500), RecordingId(call + 900));
    let mailbox = MailboxName::from("support");
    let path = format!("{call}.wav");
    let records = [
        Record::CallStarted(started),
        Record::Floor(FloorEvent::Queued { item: item.clone(), rejoined: None, at: at(ms) }),
        Record::Floor(super::offered(call, call, "1001", ms + 1)),
        Record::Floor(FloorEvent::Left { item: item.item, reason: LeaveReason::Abandoned, at: at(ms + 9) }),
        Record::RecordingStarted(RecordingStarted {
            kept: KeptAs::default(),
            recording,
            call: cdr.call,
            path: path.clone(),
            at: at(ms),
        }),
        Record::RecordingFinished { recording, duration_ms: 1, size_bytes: 1, at: at(ms) },
        Record::MessageStarted(MessageStarted { message, mailbox: mailbox.clone(), call: cdr.call, from, path, at: at(ms) }),
        Record::MessageLeft(MessageLeft { message, mailbox, duration_ms: 1, size_bytes: 1, at: at(ms) }),
        Record::CallEnded { cdr: Box::new(cdr), quality: None, identity: None, was_kept: false },
        Record::Audit(Audit::of("ada", "calls-read", format!("?number={number}"), at(ms))),
    ];
    store.commit(&records).await.unwrap();
}

/// Where a text stands, anywhere in the database.
pub(super) async fn places_of(store: &Store, canary: &str) -> Vec<String> {
    let mut hits = Vec::new();
    for (table, personal, plain) in PLACES {
        for column in personal.iter().map(|(column, _)| column).chain(*plain) {
            let found = rows(store, format!("SELECT COUNT(*) AS many FROM {table} WHERE {column} LIKE '%{canary}%'")).await;
            if found[0].count("many").unwrap() > 0 {
                hits.push(format!("{table}.{column}"));
            }
        }
    }
    hits
}

/// As the server does it, without the files.
async fn erase(store: &Store, number: &Number) -> String {
    let redaction = Redaction::of(std::slice::from_ref(number));
    for message in store.messages_of(number, None, 10).await.unwrap() {
        let (message, mailbox) = (message.message, message.mailbox);
        store.commit(&[Record::MessageGone { message, mailbox, why: "erased", at: at(99_000) }]).await.unwrap();
    }
    for call in store.calls_of(number, None, 10).await.unwrap() {
        store.erase_call(&call, &redaction, at(99_000)).await.unwrap();
    }
    let mut after = Some(0);
    while let Some(seq) = after {
        after = store.erase_events(number, &redaction, seq).await.unwrap().0;
    }
    redaction.tombstone().to_owned()
}

#[tokio::test]
async fn everything_of_one_person_goes_and_every_figure_stays() {
    for db in both().await {
        let store = db.open().await;
        lives(&store, 1, ANNA, 0).await;
        lives(&store, 2, BOB, 1_000).await;
        lives(&store, 3, ANNA, 2_000).await;
        let anna: Number = ANNA.parse().unwrap();
        let before = places_of(&store, "390212345678").await;
        for place in ["calls.from_number", "calls.told", "items.caller", "journal.body", "messages.from_number"] {
            assert!(before.iter().any(|hit| hit == place), "the test fills {place}: {before:?}");
        }
        let others = places_of(&store, "390212345679").await;
        let figures = async |call| {
            store.cdr(CallId(call)).await.unwrap().map(|record| (record.cdr.waited_ms, record.cdr.talked_ms, record.cdr.queue))
        };
        let counted = [figures(1).await, figures(2).await, figures(3).await];
        let events = store.events_after(0, 1_000).await.unwrap().len();

        let tombstone = erase(&store, &anna).await;
        assert_eq!(places_of(&store, "390212345678").await, Vec::<String>::new());
        assert_eq!(places_of(&store, "390212345679").await, others, "of others everything stays");
        assert_eq!([figures(1).await, figures(2).await, figures(3).await], counted);
        let cdrs = [store.cdr(CallId(1)).await.unwrap().unwrap().cdr, store.cdr(CallId(3)).await.unwrap().unwrap().cdr];
        assert!(cdrs.iter().all(|cdr| cdr.from.as_str() == tombstone && cdr.told.is_empty()), "{cdrs:?}");
        let after = store.events_after(0, 1_000).await.unwrap();
        assert_eq!(after.len(), events + 2, "no row of the journal goes; two say that messages went");
        assert!(after.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
        let verified = store.verify().await.unwrap();
        assert_eq!(verified.different, 0, "the tables still are what the journal says: {:?}", verified.differences);
        assert_eq!(store.calls_of(&anna, None, 10).await.unwrap().len(), 0);
        assert_eq!(erase(&store, &anna).await.len(), tombstone.len(), "once more finds nothing and does no harm");
    }
}

#[tokio::test]
async fn after_compacting_the_files_of_an_embedded_database_do_not_hold_it_either() {
    let db = &both().await[0];
    let store = db.open().await;
    lives(&store, 1, ANNA, 0).await;
    lives(&store, 2, BOB, 0).await;
    erase(&store, &ANNA.parse().unwrap()).await;
    store.compact().await.unwrap();
    let holds = |canary: &str| {
        ["", "-wal"].iter().any(|end| {
            let bytes = std::fs::read(format!("{}{end}", db.url)).unwrap_or_default();
            bytes.windows(canary.len()).any(|window| window == canary.as_bytes())
        })
    };
    assert!(holds("390212345679"), "what the test looks for is found where it is");
    assert!(!holds("390212345678"));
}

#[tokio::test]
async fn what_goes_on_is_not_erased_under_it() {
    for db in both().await {
        let store = db.open().await;
        let anna: Number = ANNA.parse().unwrap();
        assert!(!store.is_about(&anna).await.unwrap());
        let origin = Origin::Trunk("carrier".into());
        let up = CallStarted {
            call: CallId(1),
            origin,
            from: ANNA.into(),
            to: "1800".into(),
            generation: 1,
            called_back: false,
            at: at(0),
        };
        store.commit(&[Record::CallStarted(up)]).await.unwrap();
        assert!(store.is_about(&anna).await.unwrap());
        store
            .commit(&[Record::CallEnded { cdr: Box::new(cdr(1, ANNA, 0)), quality: None, identity: None, was_kept: false }])
            .await
            .unwrap();
        assert!(!store.is_about(&anna).await.unwrap());
        let item = WaitingItem { caller: ANNA.into(), ..super::waiting(7, 0) };
        store.commit(&[Record::Floor(FloorEvent::Queued { item, rejoined: None, at: at(0) })]).await.unwrap();
        assert!(store.is_about(&anna).await.unwrap(), "a place in a queue is something that goes on");
    }
}

#[tokio::test]
async fn age_takes_numbers_from_calls_that_nothing_holds() {
    for db in both().await {
        let store = db.open().await;
        for (call, number, ms) in [(1, ANNA, 0), (2, BOB, 1_000), (3, "+441632960", 2_000), (4, ANNA, 500_000)] {
            lives(&store, call, number, ms).await;
        }
        let cut = at(100_000);
        let due = async || store.calls_to_erase(cut, None, 10).await.unwrap().iter().map(|call| call.call.0).collect::<Vec<_>>();
        assert_eq!(due().await, [1, 2, 3]);
        let on_call = store.place_hold((Some(CallId(3)), None), "a claim", "test", at(0)).await.unwrap();
        let anna: Number = ANNA.parse().unwrap();
        let on_number = store.place_hold((None, Some(&anna)), "a claim", "test", at(1)).await.unwrap();
        assert_eq!(due().await, [2]);
        let messages = store.messages_to_erase(cut, None, 10).await.unwrap();
        assert_eq!(messages.iter().map(|row| row.message.0).collect::<Vec<_>>(), [902]);
        assert_eq!(store.older_than(cut).await.unwrap(), (3, 3));
        assert_eq!(store.holds_on(&anna).await.unwrap(), std::slice::from_ref(&on_number));
        assert_eq!(store.holds_on(&"+441632960".parse().unwrap()).await.unwrap(), std::slice::from_ref(&on_call));
        assert_eq!(store.holds_on_message(RecordingId(903)).await.unwrap(), std::slice::from_ref(&on_call));
        assert_eq!(store.holds_on_message(RecordingId(902)).await.unwrap(), []);

        // The daily sweep of recordings leaves what is held, too.
        store.db.execute("UPDATE recordings SET retain_days = 0", &args![]).await.unwrap();
        let swept = store.recordings_to_delete(at(900_000), None, 10).await.unwrap();
        assert_eq!(swept.iter().map(|row| row.call.0).collect::<Vec<_>>(), [2]);

        let call = store.calls_to_erase(cut, None, 10).await.unwrap().remove(0);
        assert_eq!(call.outside(), [BOB.parse().unwrap()]);
        store.erase_call(&call, &Redaction::of(&call.outside()), at(900_000)).await.unwrap();
        assert_eq!(due().await, Vec::<u64>::new(), "once is enough");
        assert!(store.lift_hold(&on_call.id, "test", at(9)).await.unwrap());
        assert!(!store.lift_hold(&on_call.id, "test", at(9)).await.unwrap());
        assert_eq!(due().await, [3]);
        assert_eq!(store.holds().await.unwrap(), [on_number]);
    }
}
