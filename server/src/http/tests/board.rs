//! The live board, over loopback sockets.

use serde_json::Value;
use tandem_switch::{
    floor::{FloorEvent, OfferOutcome, WaitingItem},
    id::{CallId, ItemId, OfferId},
};

use super::{
    Fixture, at,
    live::{connect, listen, next},
};
use crate::store::Record;

/// Two callers of today who were answered, after 10 s and 30 s.
fn answered() -> Vec<Record> {
    let queued = |item| {
        let item = WaitingItem {
            item: ItemId(item),
            call: CallId(item),
            queue: "support".into(),
            caller: "1001".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: at(-60_000),
            callback: None,
            work: tandem_switch::floor::Work::default(),
        };
        FloorEvent::Queued { item, rejoined: None, at: at(-60_000) }
    };
    let accepted = |item, ms| FloorEvent::OfferEnded {
        offer: OfferId(item),
        item: ItemId(item),
        agent: "1001".into(),
        outcome: OfferOutcome::Accepted,
        at: at(ms),
    };
    [queued(1), queued(2), accepted(1, -50_000), accepted(2, -30_000)].map(Record::Floor).into()
}

#[tokio::test]
async fn a_console_gets_the_board_and_after_a_break_what_it_missed() {
    let fixture = Fixture::start().await;
    fixture.control.store.commit(&answered()).await.unwrap();
    let (address, _stop) = listen(&fixture).await;
    let mut console = connect(address, &fixture.read, "board").await.unwrap();
    let whole = next(&mut console).await.unwrap();
    assert_eq!(whole["anew"], true);
    let tile = &whole["queues"][0];
    assert_eq!((&tile["queue"], &tile["waiting"], &tile["talking"]), (&"support".into(), &2.into(), &0.into()));
    assert_eq!(tile["agents"], serde_json::json!({ "ready": 1 }));
    assert_eq!((&tile["today"]["service_level"], &tile["today"]["answered"]), (&0.5.into(), &2.into()));
    assert_eq!((&tile["today"]["target_s"], &tile["today"]["asa_ms"]), (&20.into(), &20_000.0.into()));
    let seq = whole["seq"].as_i64().unwrap();
    drop(console);

    // The number it knows is the newest: nothing is sent until something changes.
    let mut console = connect(address, &fixture.read, &format!("board?after={seq}")).await.unwrap();
    fixture.change_floor(|floor| floor.queues[0].waiting = 3);
    let update = next(&mut console).await.unwrap();
    assert_eq!((update["seq"].as_i64(), &update["anew"]), (Some(seq + 1), &Value::Bool(false)));
    assert_eq!(update["queues"][0]["waiting"], 3);
    fixture.change_floor(|floor| floor.queues.clear());
    let update = next(&mut console).await.unwrap();
    assert_eq!((update["seq"].as_i64(), &update["gone"][0]), (Some(seq + 2), &"support".into()));
    drop(console);

    let mut console = connect(address, &fixture.read, &format!("board?after={seq}")).await.unwrap();
    for number in [seq + 1, seq + 2] {
        assert_eq!(next(&mut console).await.unwrap()["seq"].as_i64(), Some(number));
    }
    let mut stranger = connect(address, &fixture.read, "board?after=12").await.unwrap();
    assert_eq!(next(&mut stranger).await.unwrap()["anew"], true, "a number of another process");
}

#[tokio::test]
async fn the_board_wants_a_token_and_a_handshake() {
    let fixture = Fixture::start().await;
    fixture.get("", "/api/v1/board").await.problem(401);
    assert!((400..500).contains(&fixture.get(&fixture.read, "/api/v1/board").await.status.as_u16()));
    let (address, _stop) = listen(&fixture).await;
    assert!(connect(address, &fixture.read, "board?after=x").await.is_err());
}
