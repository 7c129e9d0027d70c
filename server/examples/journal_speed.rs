//! How many events of the floor a second the journal takes, written as the switch writes them, and whether each is there.
//!
//! `journal_speed DATABASE SECONDS`: a new SQLite file, or the URL of an empty PostgreSQL database. Prints a line of JSON.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures ends at the first surprise"
)]

use std::time::{Duration, Instant};

use tandem::store::{Record, Store, Writer};
use tandem_switch::{
    cause::Cause,
    floor::{AgentState, Considered, Decision, FloorEvent, OfferOutcome, WaitingItem},
    id::{CallId, ItemId, OfferId},
    name::AgentName,
    time::Timestamp,
};

/// Agents, each with a caller after the other.
const AGENTS: u64 = 200;

/// The life of an item: seven events.
fn life(n: u64, now: Timestamp) -> [FloorEvent; 7] {
    let (item, offer, agent) = (ItemId(n), OfferId(n), AgentName::from(format!("{}", 10_000 + n % AGENTS)));
    let at = |ms: i64| Timestamp(now.0 + ms * 1_000);
    let queue = if n.is_multiple_of(3) { "sales" } else { "support" };
    let waiting = WaitingItem {
        item,
        call: CallId(n),
        queue: queue.into(),
        caller: "+390212345678".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: now,
        callback: None,
        work: tandem_switch::floor::Work::default(),
    };
    let considered = vec![Considered { agent: agent.clone(), why: "idle longest: 312 s".into() }; 8];
    let decision = Decision { waited_ms: 4_000, skills: Vec::new(), considered };
    let changed = |state, ms| FloorEvent::AgentChanged { agent: agent.clone(), state, at: at(ms) };
    [
        FloorEvent::Queued { item: waiting, rejoined: None, at: at(0) },
        FloorEvent::Offered { offer, item, agent: agent.clone(), decision, at: at(1) },
        changed(AgentState::Reserved { offer }, 1),
        FloorEvent::OfferEnded { offer, item, agent: agent.clone(), outcome: OfferOutcome::Accepted, at: at(2) },
        changed(AgentState::Engaged { item: Some(item) }, 2),
        FloorEvent::Finished { item, agent: agent.clone(), cause: Cause::Normal, at: at(3) },
        changed(AgentState::Ready, 3),
    ]
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (database, seconds): (String, u64) = (arguments.next().unwrap(), arguments.next().unwrap().parse().unwrap());
    let store = Store::open(&database).await.unwrap();
    store.migrate().await.unwrap();
    let before = store.head().await.unwrap();
    let (writer, task) = Writer::start(store.clone());
    let (began, mut events, mut n) = (Instant::now(), 0u64, 1u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        if !writer.is_at_ease() {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let now = Timestamp(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap());
        for event in life(n, now) {
            writer.try_write(Record::Floor(event)).unwrap();
            events += 1;
        }
        n += 1;
        if n.is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
    writer.flush().await.unwrap();
    let took = began.elapsed();
    let written = u64::try_from(store.head().await.unwrap() - before).unwrap();
    assert_eq!(written, events, "each event is in the journal once");
    let verified = store.verify().await.unwrap();
    assert_eq!(verified.different, 0, "{:?}", verified.differences);
    let left = writer.end(task, Duration::from_secs(10)).await;
    assert_eq!(left, 0);
    #[expect(clippy::cast_precision_loss, reason = "a count of some seconds")]
    let rate = events as f64 / took.as_secs_f64();
    println!("{{\"events\": {events}, \"seconds\": {:.3}, \"events_per_s\": {rate:.0}}}", took.as_secs_f64());
}
