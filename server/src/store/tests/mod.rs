//! The store on both databases.

mod batches;
mod durability;
mod erased;
mod figures;
mod generations;
mod logins;
mod people;
mod privacy;
mod projections;
mod rollups;
mod verify;
mod webhooks;

use tandem_switch::{
    cause::{Blame, Cause},
    cdr::{Cdr, Origin, Segment, SegmentState},
    floor::{AgentState, Considered, Decision, FloorEvent, WaitingItem},
    id::{CallId, ItemId, OfferId, RecordingId},
    identity::CallerIdentity,
    name::{AgentName, Extension, PartyNumber, QueueName, SkillLevel, SkillName},
    time::Timestamp,
};

use super::{CallStarted, Record, db::Db, sql, testing::both};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + ms)
}

fn started(call: u64) -> Record {
    Record::CallStarted(CallStarted {
        call: CallId(call),
        origin: Origin::Extension(Extension::from("1001")),
        from: PartyNumber::from("1001"),
        to: PartyNumber::from("1800"),
        generation: 3,
        called_back: false,
        at: at(0),
    })
}

fn cdr(call: u64) -> Cdr {
    let segment = |state, agent: Option<&str>, from, to| Segment {
        state,
        agent: agent.map(AgentName::from),
        cause: (state == SegmentState::Transferring).then_some(Cause::Busy),
        from_at: at(from),
        to_at: at(to),
    };
    Cdr {
        call: CallId(call),
        origin: Origin::Extension(Extension::from("1001")),
        from: PartyNumber::from("1001"),
        to: PartyNumber::from("1800"),
        route: Some("support".into()),
        queue: Some("support".into()),
        agent: Some("1002".into()),
        answered_by: None,
        started_at: at(0),
        answered_at: Some(at(100)),
        connected_at: Some(at(5_000)),
        ended_at: at(9_000),
        waited_ms: 4_900,
        talked_ms: 4_000,
        cause: Cause::Normal,
        blame: Blame::Caller,
        recording: Some(RecordingId(77)),
        generation: 3,
        restarts: 1,
        told: [("wacid".to_owned(), "wacid.1==".to_owned())].into(),
        segments: vec![
            segment(SegmentState::Plan, None, 0, 100),
            segment(SegmentState::Queued, None, 100, 5_000),
            segment(SegmentState::Talking, Some("1002"), 5_000, 8_000),
            segment(SegmentState::Transferring, None, 8_000, 9_000),
        ],
    }
}

fn ended(call: u64) -> Record {
    Record::CallEnded {
        cdr: Box::new(cdr(call)),
        quality: Some(serde_json::json!({ "mos": 4.2 })),
        identity: Some(CallerIdentity::VerifiedB),
        was_kept: true,
    }
}

fn waiting(item: u64, arrival_ms: i64) -> WaitingItem {
    WaitingItem {
        item: ItemId(item),
        call: CallId(item + 1_000),
        queue: QueueName::from("support"),
        caller: PartyNumber::from("+390212345"),
        skills: vec![SkillLevel { skill: SkillName::from("billing"), level: 3 }],
        priority_minutes: 2,
        virtual_arrival_at: at(arrival_ms),
        callback: None,
        work: tandem_switch::floor::Work::default(),
    }
}

fn queued(item: u64, arrival_ms: i64) -> FloorEvent {
    FloorEvent::Queued { item: waiting(item, arrival_ms), rejoined: None, at: at(arrival_ms) }
}

fn decision() -> Decision {
    let considered = vec![Considered { agent: "1001".into(), why: "idle longest: 312 s".into() }];
    Decision { waited_ms: 4_000, skills: Vec::new(), considered }
}

fn offered(offer: u64, item: u64, agent: &str, ms: i64) -> FloorEvent {
    FloorEvent::Offered { offer: OfferId(offer), item: ItemId(item), agent: agent.into(), decision: decision(), at: at(ms) }
}

fn changed(agent: &str, state: AgentState, ms: i64) -> FloorEvent {
    FloorEvent::AgentChanged { agent: agent.into(), state, at: at(ms) }
}

#[tokio::test]
async fn every_statement_is_understood_by_both_databases() {
    use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};
    for db in both().await {
        let store = db.open().await;
        let all = sql::ALL.iter().chain(super::figures::ALL).chain(super::rollups::ALL).chain(super::verify::ALL);
        let all = all.chain(super::customers_sql::ALL).chain(super::rules_sql::ALL);
        let all = all.chain(super::logins::ALL).chain(super::audits::ALL);
        let all = all
            .chain(super::privacy::statements())
            .chain(super::webhooks::ALL)
            .chain(super::lookup::ALL)
            .chain(super::devices::ALL);
        let mut texts: Vec<String> = all.map(|(_, text)| (*text).to_owned()).collect();
        let inserts = sql::ALL_INSERTS
            .iter()
            .chain(super::floor_sql::ALL)
            .chain(&super::customers_put::ALL)
            .copied()
            .chain([&super::rollups::INSERT_ROLLUP]);
        let bare = matches!(store.db, Db::Lite(_));
        texts.extend(inserts.flat_map(|insert| [1, 2, 64].map(|rows| insert.text(rows, bare).to_owned())));
        for text in texts {
            let statement = AssertSqlSafe(text.clone()).into_sql_str();
            let outcome = match &store.db {
                Db::Lite(pool) => pool.prepare(statement).await.map(drop),
                Db::Pg(pool) => pool.prepare(statement).await.map(drop),
            };
            assert!(outcome.is_ok(), "{}: {text}: {outcome:?}", db.url);
        }
    }
}
