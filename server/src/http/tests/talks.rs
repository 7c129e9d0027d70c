//! Payments, announcements and rooms, as far as the HTTP layer decides.

use axum::http::Method;
use serde_json::{Value, json};

use super::Fixture;

const CALL: &str = "/api/v1/calls/0000000000005";
const WAITS: &str = "/api/v1/calls/0000000000006";
const GONE: &str = "/api/v1/calls/0000000000007";

async fn status(fixture: &Fixture, path: &str, body: Value) -> u16 {
    fixture.order(Method::POST, &fixture.operate, path, body).await.status.as_u16()
}

#[tokio::test]
async fn a_payment_begins_in_a_conversation_only_and_its_keys_are_for_one_scope() {
    let fixture = Fixture::start().await;
    for (call, action, expected) in
        [(CALL, "begin", 200), (CALL, "end", 409), (WAITS, "begin", 409), (GONE, "begin", 404), (CALL, "pause", 422)]
    {
        assert_eq!(status(&fixture, &format!("{call}/payment"), json!({ "action": action })).await, expected, "{call} {action}");
    }
    let keys = format!("{CALL}/payment/keys");
    for (token, expected) in [(&fixture.payment, 404), (&fixture.admin, 403), (&fixture.operate, 403)] {
        fixture.order(Method::POST, token, &keys, json!(null)).await.problem(expected);
    }
    fixture.get(&fixture.payment, "/api/v1/calls").await.problem(403);
}

#[tokio::test]
async fn announcements_are_refused_with_the_reason() {
    let fixture = Fixture::start().await;
    let order = |prompt: &str, to: &str| json!({ "prompt": prompt, "to": to });
    let announce = |call: &str| format!("{call}/announce");
    assert_eq!(status(&fixture, &announce(CALL), order("please-hold", "caller")).await, 200);
    assert_eq!(status(&fixture, &announce(CALL), order("please-hold", "everybody")).await, 422);
    for (call, prompt, expected) in
        [(WAITS, "please-hold", 409), (GONE, "please-hold", 404), (CALL, "missing", 404), (CALL, "", 400)]
    {
        let answer = fixture.order(Method::POST, &fixture.operate, &announce(call), order(prompt, "both")).await;
        let detail = answer.problem(expected);
        assert!(expected != 409 || detail.contains("nobody talks"), "{detail}");
    }
    assert_eq!(status(&fixture, "/api/v1/conferences/weekly/announce", json!({ "prompt": "please-hold" })).await, 404);
}

#[tokio::test]
async fn members_of_rooms_are_ordered_by_room_and_call() {
    let mut fixture = Fixture::start().await;
    assert_eq!(fixture.get(&fixture.read, "/api/v1/conferences").await.good(), json!([]));
    for (word, asked) in [("mute", "Mute"), ("unmute", "Unmute"), ("remove", "Remove")] {
        let path = |room: &str, call: &str| format!("/api/v1/conferences/{room}/members/{call}/{word}");
        assert_eq!(status(&fixture, &path("weekly", "0000000000005"), json!(null)).await, 200);
        assert_eq!(fixture.asked.recv().await.unwrap(), asked);
        assert_eq!(status(&fixture, &path("daily", "0000000000005"), json!(null)).await, 404);
        assert_eq!(status(&fixture, &path("weekly", "no-call"), json!(null)).await, 400);
    }
}
