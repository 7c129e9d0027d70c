//! Waiting items are moved ahead.

use axum::http::Method;
use serde_json::{Value, json};
use tandem_switch::id::ItemId;

use super::Fixture;

#[tokio::test]
async fn an_item_moves_within_the_bound_for_a_reason_and_only_for_who_may() {
    let fixture = Fixture::start().await;
    let put = async |item: u64, body: Value| {
        let path = format!("/api/v1/items/{}/priority", ItemId(item));
        fixture.order(Method::PUT, &fixture.operate, &path, body).await
    };
    let wanted = json!({"minutes": 5, "reason": "a complaint"});
    assert_eq!(put(1, wanted.clone()).await.good()["item"], ItemId(1).to_string());
    let far = put(1, json!({"minutes": 61, "reason": "a complaint"})).await.problem(400);
    assert!(far.contains("60 minutes at most"), "{far}");
    assert!(put(3, wanted.clone()).await.problem(409).contains("does not wait"));
    assert!(put(9, wanted.clone()).await.problem(404).contains("item"));
    for reason in ["", " ", "two\nlines", &"x".repeat(201)] {
        let told = put(1, json!({"minutes": 5, "reason": reason})).await.problem(400);
        assert!(told.contains("reason"), "{told}");
    }
    let path = format!("/api/v1/items/{}/priority", ItemId(1));
    let refused = fixture.order(Method::PUT, &fixture.read, &path, wanted).await;
    assert_eq!(refused.status.as_u16(), 403, "whoever may only read moves nobody");
}
