//! The writer, and what is left when the process or the database goes away.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use sqlx::postgres::PgConnectOptions;
use tandem_switch::{
    cause::Cause,
    floor::{AgentState, OfferOutcome},
    id::{CallId, ItemId, OfferId},
    time::Timestamp,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

use super::{at, changed, ended, offered, queued, started};
use crate::store::{
    CdrFilter, Record, RecordingStarted, Refused, Restart, Store, StoreError, Writer,
    db::{Db, args},
    testing::{TestDb, both},
};

#[tokio::test]
async fn records_reach_the_journal_in_order_and_subscribers_see_them_committed() {
    for db in both().await {
        let store = db.open().await;
        let mut feed = store.subscribe();
        let (writer, task) = Writer::start(store.clone());
        for call in 1..=1_000 {
            writer.try_write(started(call)).unwrap();
        }
        writer.flush().await.unwrap();
        assert_eq!(*store.committed().borrow(), 1_000);
        let rows = store.events_after(0, 2_000).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=1_000).collect::<Vec<i64>>());
        for row in &rows {
            assert_eq!(**feed.recv().await.unwrap(), *row);
        }
        drop(writer);
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_subscriber_is_told_of_its_gap_and_finds_the_rows_in_the_table() {
    let db = TestDb::lite();
    let store = db.open().await;
    let mut feed = store.subscribe();
    for first in (1..=5_000).step_by(1_000) {
        let records: Vec<Record> = (first..first + 1_000).map(started).collect();
        store.commit(&records).await.unwrap();
    }
    assert!(matches!(feed.try_recv(), Err(tokio::sync::broadcast::error::TryRecvError::Lagged(missed)) if missed >= 904));
    assert_eq!(store.events_after(0, 904).await.unwrap().len(), 904);
}

async fn nothing_goes_on(store: &Store, now: Timestamp) -> Restart<'static> {
    static NO_CALLS: BTreeSet<CallId> = BTreeSet::new();
    static NO_ITEMS: BTreeSet<ItemId> = BTreeSet::new();
    let stopped_at = store.last_sign_of_life(now).await.unwrap();
    Restart { stopped_at, now, going_on: &NO_CALLS, talking: &NO_ITEMS }
}

/// What a kill leaves: connections just vanish, nothing is closed or flushed after the last commit.
#[tokio::test]
async fn after_a_kill_waiting_items_stay_and_calls_are_closed_as_our_doing() {
    for db in both().await {
        let killed = db.open().await;
        let (writer, task) = Writer::start(killed.clone());
        for record in [
            started(1),
            started(2),
            ended(1),
            Record::Floor(queued(1, 20)),
            Record::Floor(queued(2, 10)),
            Record::Floor(changed("1001", AgentState::Ready, 30)),
            Record::RecordingStarted(RecordingStarted {
                kept: crate::store::KeptAs::default(),
                recording: tandem_switch::id::RecordingId(5),
                call: CallId(2),
                path: "a.wav".into(),
                at: at(40_000),
            }),
        ] {
            writer.try_write(record).unwrap();
        }
        writer.flush().await.unwrap();
        task.abort();
        std::mem::forget(killed);

        let store = db.open().await;
        let hour_later = at(3_600_000);
        assert_eq!(store.close_orphans(&nothing_goes_on(&store, hour_later).await).await.unwrap(), 1);
        let restored = store.restore().await.unwrap();
        assert_eq!(restored.waiting.iter().map(|item| item.item.0).collect::<Vec<_>>(), [2, 1], "in their order");
        assert_eq!(restored.agents[0].state, AgentState::Ready);
        let orphan = store.cdr(CallId(2)).await.unwrap().unwrap().cdr;
        assert_eq!((orphan.cause, orphan.blame.as_str()), (Cause::Restart, "us"));
        assert_eq!(orphan.ended_at, at(40_000), "the last sign of life, not the start an hour later");
        assert_eq!(store.cdr(CallId(1)).await.unwrap().unwrap().cdr.cause, Cause::Normal, "it had ended");
        let recording = store.recordings(None, None, 10).await.unwrap().remove(0);
        assert_eq!(recording.state, crate::store::RecordingState::Interrupted);
        assert_eq!(store.close_orphans(&nothing_goes_on(&store, hour_later).await).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn while_sqlite_is_locked_the_queue_absorbs_and_each_record_is_written_once() {
    let db = TestDb::lite();
    let store = db.open().await;
    let Db::Lite(pool) = &store.db else { panic!("opened as SQLite") };
    let mut other = pool.acquire().await.unwrap().detach();
    sqlx::query("PRAGMA busy_timeout = 0").execute(pool).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let (writer, _task) = Writer::start(store.clone());
    for call in 1..=300 {
        writer.try_write(started(call)).unwrap();
    }
    let trouble = wait_for(&writer, |trouble| trouble.is_some()).await;
    assert!(trouble.unwrap().contains("locked"));
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(writer.trouble(), None);
    assert_eq!(calls_in_journal(&store).await, (1..=300).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_end_writes_everything_and_leaves_no_name_behind() {
    for db in both().await {
        let store = db.open().await;
        let (writer, task) = Writer::start(store.clone());
        let others = writer.clone();
        for call in 1..=600 {
            writer.try_write(started(call)).unwrap();
        }
        assert_eq!(writer.end(task, Duration::from_secs(30)).await, 0);
        assert_eq!(calls_in_journal(&store).await, (1..=600).collect::<Vec<_>>());
        assert_eq!(others.try_write(started(601)), Err(Refused::Ended));
        assert_eq!(others.unwritten(), 0);
        let rows = store.db.fetch("SELECT writer FROM writers", &args![]).await.unwrap();
        assert!(rows.is_empty(), "one row a start would stay for ever");
    }
}

#[tokio::test]
async fn an_end_gives_up_on_a_database_that_is_away_and_says_what_is_lost() {
    let db = TestDb::lite();
    let store = db.open().await;
    let Db::Lite(pool) = &store.db else { panic!("opened as SQLite") };
    let mut other = pool.acquire().await.unwrap().detach();
    sqlx::query("PRAGMA busy_timeout = 0").execute(pool).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let (writer, task) = Writer::start(store.clone());
    for call in 1..=700 {
        writer.try_write(started(call)).unwrap();
    }
    assert_eq!(writer.end(task, Duration::from_millis(300)).await, 700, "those of the present batch are counted");
}

#[tokio::test]
async fn a_postgresql_that_goes_away_in_the_middle_gets_each_record_once_and_in_order() {
    let db = TestDb::pg().await;
    drop(db.open().await);
    let proxy = Proxy::start(&db.url).await;
    let store = Store::open(&proxy.url).await.unwrap();
    let (writer, _task) = Writer::start(store.clone());
    let mut call = 0;
    for _ in 0..5 {
        for _ in 0..700 {
            call += 1;
            writer.try_write(started(call)).unwrap();
        }
        // Wherever the commits are now, the connections break, and new ones are refused for a while.
        tokio::task::yield_now().await;
        proxy.up.send_replace(false);
        writer.try_write(ended(call)).unwrap();
        wait_for(&writer, |trouble| trouble.is_some()).await;
        proxy.up.send_replace(true);
    }
    writer.flush().await.unwrap();
    let straight = db.open().await;
    assert_eq!(calls_in_journal(&straight).await, (1..=call).collect::<Vec<_>>());
    assert_eq!(straight.cdrs(&CdrFilter::default(), 100).await.unwrap().len(), 5);
    assert_eq!(straight.head().await.unwrap(), i64::try_from(call).unwrap() + 5);
}

#[tokio::test]
async fn a_full_queue_refuses_new_calls_first_and_says_so() {
    let db = TestDb::lite();
    let store = db.open().await;
    let Db::Lite(pool) = &store.db else { panic!("opened as SQLite") };
    let mut other = pool.acquire().await.unwrap().detach();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let (writer, _task) = Writer::start(store.clone());
    let mut taken = 0;
    while writer.try_write(started(taken + 1)).is_ok() {
        taken += 1;
    }
    assert!(writer.is_pressed() && taken > 20_000, "{taken}");
    writer.try_write(ended(1)).expect("a call in progress still gets its CDR");
    while writer.try_write(ended(2)).is_ok() {}
    assert_eq!(writer.try_write(ended(3)), Err(Refused::Full));
}

#[tokio::test]
async fn a_record_that_the_database_refuses_takes_no_other_with_it() {
    let db = TestDb::lite();
    let store = db.open().await;
    // A trigger stands for any value that the database cannot take.
    let trigger = "CREATE TRIGGER no7 BEFORE INSERT ON calls WHEN NEW.call_id = '0000000000007' \
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    store.db.execute(trigger, &args![]).await.unwrap();
    let (writer, _task) = Writer::start(store.clone());
    for call in 1..=20 {
        writer.try_write(started(call)).unwrap();
    }
    writer.flush().await.unwrap();
    assert_eq!(calls_in_journal(&store).await, (1..=20).filter(|call| *call != 7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_without_its_password() {
    let bad = Store::open("postgres://u:hunter2@[nonsense").await.unwrap_err();
    assert!(matches!(bad, StoreError::BadUrl) && !bad.to_string().contains("hunter2"));
    let nowhere = Store::open("/proc/no/such/folder/tandem.db").await.unwrap_err();
    assert!(nowhere.to_string().starts_with("the database file /proc/no/such/folder/tandem.db cannot be opened"), "{nowhere}");
    let db = TestDb::lite();
    drop(db.open().await);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&db.url).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

async fn calls_in_journal(store: &Store) -> Vec<u64> {
    let rows = store.events_after(0, 100_000).await.unwrap();
    let calls = rows.iter().filter(|row| &*row.kind == "call-started");
    calls.map(|row| serde_json::from_str::<crate::store::CallStarted>(&row.body).unwrap().call.0).collect()
}

async fn wait_for(writer: &Writer, wanted: impl Fn(&Option<Arc<str>>) -> bool) -> Option<Arc<str>> {
    let mut trouble = writer.watch_trouble();
    let found = tokio::time::timeout(Duration::from_secs(60), trouble.wait_for(|trouble| wanted(trouble)));
    found.await.expect("in good time").expect("the writer lives").clone()
}

/// Stands between the store and PostgreSQL, and can cut every connection.
struct Proxy {
    url: String,
    up: watch::Sender<bool>,
}

impl Proxy {
    async fn start(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (server, rest) = url.split_once('?').unwrap_or((url, ""));
        let database = server.rsplit_once('/').unwrap().1;
        let user = options.get_username().to_owned();
        let password = rest.split('&').find_map(|pair| pair.strip_prefix("password=")).map_or(String::new(), |p| format!(":{p}"));
        let (up, watched) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (options, mut watched) = (options.clone(), watched.clone());
                tokio::spawn(async move {
                    if !*watched.borrow() {
                        return;
                    }
                    let host = options.get_host();
                    let socket = options.get_socket().map(|folder| folder.join(format!(".s.PGSQL.{}", options.get_port())));
                    let socket = socket.or_else(|| Path::new(host).is_absolute().then(|| format!("{host}/.s.PGSQL.5432").into()));
                    match socket {
                        Some(socket) => {
                            let mut server = UnixStream::connect(socket).await.unwrap();
                            tokio::select! { _ = copy_bidirectional(&mut client, &mut server) => {}, _ = watched.wait_for(|up| !up) => {} }
                        }
                        None => {
                            let mut server = TcpStream::connect((host, options.get_port())).await.unwrap();
                            tokio::select! { _ = copy_bidirectional(&mut client, &mut server) => {}, _ = watched.wait_for(|up| !up) => {} }
                        }
                    }
                });
            }
        });
        Self { url: format!("postgres://{user}{password}@127.0.0.1:{port}/{database}?sslmode=disable"), up }
    }
}

fn kept(call: u64, body: &str) -> Record {
    Record::CallKept { call: CallId(call), v: 1, body: body.to_owned(), at: at(50_000) }
}

async fn bodies(store: &Store) -> Vec<(u64, String)> {
    store.kept_calls().await.unwrap().into_iter().map(|row| (row.call.0, row.body)).collect()
}

#[tokio::test]
async fn of_each_call_what_was_kept_last_is_there_until_its_record_is() {
    for db in both().await {
        let store = db.open().await;
        store.commit(&[started(1), started(2), kept(1, "a"), kept(2, "b"), kept(1, "c")]).await.unwrap();
        assert_eq!(bodies(&store).await, [(1, "c".to_owned()), (2, "b".to_owned())]);
        store.commit(&[kept(2, "d"), ended(2), started(3), kept(3, "e"), ended(3), kept(1, "f")]).await.unwrap();
        assert_eq!(bodies(&store).await, [(1, "f".to_owned())]);
        assert_eq!(store.cdr(CallId(2)).await.unwrap().unwrap().cdr.restarts, 1);
        let kinds: Vec<_> = store.events_after(0, 100).await.unwrap().into_iter().map(|row| row.kind).collect();
        assert!(kinds.iter().all(|kind| &**kind != "call-kept"), "the journal is not told: {kinds:?}");
    }
}

#[tokio::test]
async fn what_goes_on_is_not_closed_and_what_was_kept_in_vain_goes() {
    for db in both().await {
        let store = db.open().await;
        let accepted = |item, agent: &str| {
            Record::Floor(tandem_switch::floor::FloorEvent::OfferEnded {
                offer: OfferId(item),
                item: ItemId(item),
                agent: agent.into(),
                outcome: OfferOutcome::Accepted,
                at: at(30_000),
            })
        };
        let mut records = vec![started(1), started(2), started(3), kept(1, "a"), kept(2, "b")];
        for (item, agent) in [(1, "1001"), (2, "1002")] {
            records.extend([
                Record::Floor(queued(item, 10)),
                Record::Floor(offered(item, item, agent, 20)),
                accepted(item, agent),
            ]);
        }
        store.commit(&records).await.unwrap();
        let talks: Vec<_> =
            store.conversations().await.unwrap().into_iter().map(|it| (it.item.item.0, it.agent, it.since_at)).collect();
        assert_eq!(talks, [(1, "1001".into(), at(30_000)), (2, "1002".into(), at(30_000))]);

        let (going_on, talking) = ([CallId(1)].into(), [ItemId(1)].into());
        let stopped_at = store.last_sign_of_life(at(3_600_000)).await.unwrap();
        let restart = Restart { stopped_at, now: at(3_600_000), going_on: &going_on, talking: &talking };
        assert_eq!(store.close_orphans(&restart).await.unwrap(), 2);
        assert_eq!(bodies(&store).await, [(1, "a".to_owned())]);
        assert!(store.cdr(CallId(1)).await.unwrap().is_none(), "it goes on");
        for call in [2, 3] {
            assert_eq!(store.cdr(CallId(call)).await.unwrap().unwrap().cdr.cause, Cause::Restart);
        }
        let talks: Vec<_> = store.conversations().await.unwrap().into_iter().map(|it| it.item.item.0).collect();
        assert_eq!(talks, [1]);
        let events = store.events_after(0, 100).await.unwrap();
        let last: Vec<_> = events.iter().rev().take(2).map(|row| (&*row.kind, row.body.as_str())).collect();
        assert_eq!(last[0].0, "call-taken-up");
        assert!(
            last[1].0 == "restarted" && last[1].1.contains("\"taken_up\":1") && last[1].1.contains("\"closed\":2"),
            "{last:?}"
        );
        // An item that is queued anew under its name is as good as new.
        store.commit(&[Record::Floor(queued(2, 10))]).await.unwrap();
        let again = store.why(ItemId(2)).await.unwrap().unwrap();
        assert_eq!((again.state.as_str(), again.ended_at, again.agent), ("waiting", None, None));
    }
}
