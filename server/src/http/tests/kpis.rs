//! Figures, and the rows they are made of.

use serde_json::json;
use tandem_switch::{
    floor::{FloorEvent, OfferOutcome, WaitingItem},
    id::{CallId, ItemId, OfferId},
    link::LeaveReason,
};

use super::{Fixture, at};
use crate::store::Record;

/// Callers who are answered after 10 s and 30 s, and one who goes after 8 s.
fn floor() -> Vec<Record> {
    let queued = |item| {
        let item = WaitingItem {
            item: ItemId(item),
            call: CallId(item),
            queue: "a,b".into(),
            caller: "1001".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: at(0),
            callback: None,
            work: tandem_switch::floor::Work::default(),
        };
        FloorEvent::Queued { item, rejoined: None, at: at(0) }
    };
    let accepted = |item, ms| FloorEvent::OfferEnded {
        offer: OfferId(item),
        item: ItemId(item),
        agent: "1001".into(),
        outcome: OfferOutcome::Accepted,
        at: at(ms),
    };
    let left = FloorEvent::Left { item: ItemId(3), reason: LeaveReason::Abandoned, at: at(8_000) };
    [queued(1), queued(2), queued(3), left, accepted(1, 10_000), accepted(2, 30_000)].map(Record::Floor).into()
}

#[tokio::test]
async fn figures_are_told_with_their_variant_and_rows_as_csv() {
    let fixture = Fixture::start().await;
    fixture.control.store.commit(&floor()).await.unwrap();
    let time = format!("from={}&to={}", crate::http::view::At(at(0)), crate::http::view::At(at(60_000)));
    let one = fixture.get(&fixture.read, &format!("/api/v1/kpis?{time}&by=queue&kpi=service-level")).await.good();
    let figures = one["rows"][0]["figures"].as_array().unwrap();
    assert_eq!(one["rows"][0]["name"], "a,b");
    let told: Vec<(&str, f64)> =
        figures.iter().map(|it| (it["variant"].as_str().unwrap(), (it["value"].as_f64().unwrap() * 100.0).round())).collect();
    assert_eq!(told, [("default", 33.0), ("of-offered", 33.0), ("of-answered", 50.0), ("with-abandoned", 67.0)]);
    let path = format!("/api/v1/kpis?{time}&kpi=service-level&variant=default&target=31&short_abandon=9");
    let other = fixture.get(&fixture.read, &path).await.good();
    assert_eq!(other["rows"][0]["figures"][0]["value"], json!(1.0));
    let all = fixture.get(&fixture.read, "/api/v1/kpis/definitions").await.good();
    assert_eq!(all.as_array().unwrap().len(), tandem_switch::kpi::KPIS.len());

    let csv = fixture.get(&fixture.read, &format!("/api/v1/kpis/waits?{time}")).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let text = String::from_utf8(csv.body.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("item,nth,call,queue,"));
    assert!(lines[3].contains(",\"a,b\",false,") && lines[3].contains(",abandoned,8000,"), "{}", lines[3]);
    // More rows than are read at a time.
    let many: Vec<Record> = (10..5_010)
        .map(|item| {
            let Record::Floor(FloorEvent::Queued { item: like, .. }) = &floor()[0] else { panic!("who waits comes first") };
            Record::Floor(FloorEvent::Queued {
                item: WaitingItem { item: ItemId(item), ..like.clone() },
                rejoined: None,
                at: at(0),
            })
        })
        .collect();
    fixture.control.store.commit(&many).await.unwrap();
    let csv = fixture.get(&fixture.read, &format!("/api/v1/kpis/waits?{time}")).await;
    let text = String::from_utf8(csv.body.to_vec()).unwrap();
    assert_eq!((text.lines().count(), text.matches("item,nth").count()), (5_004, 1));
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_with_its_place() {
    let fixture = Fixture::start().await;
    for (query, place) in [
        ("kpi=happiness", "kpi"),
        ("variant=best", "variant"),
        ("target=0", "target"),
        ("short_abandon=1000", "short_abandon"),
        ("interval=1", "interval"),
        ("from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "from"),
        ("by=colour", "query"),
    ] {
        let answer = fixture.get(&fixture.read, &format!("/api/v1/kpis?{query}")).await;
        answer.problem(400);
        assert_eq!(answer.json()["where"], place, "{query}");
    }
}
